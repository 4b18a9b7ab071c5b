"""Cells that a user brings along: by name, from Flax, and as plain functions."""

import json
import os
import pathlib
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import own_cells
import pytest
from flax import linen as nn

import rnnjax
from benchmarks import memory_stability, verify
from benchmarks.common import devices
from rnnjax.autocomplete import starts
from rnnjax.cells import adapted, cell, contract, own, registry
from rnnjax.memory_stability import config
from rnnjax.settings import SettingError

FLAGS = re.MULTILINE | re.DOTALL
pytestmark = pytest.mark.usefixtures("quick_compilation")

BROKEN = {
    "Shape": "its state is (float32[3], float32[3]) before a step, (float32[1,3], flo",
    "Type": "before a step, (bfloat16[3], float32[3]) after",
    "Count": "its state is (float32[3], int32[]), not float32 throughout",
    "Alone": "step returns ",
    "Short": "its output is float32[2], not float32[3]",
    "Impure": "it is impure: the same step gave two results",
    "Infinite": "its output is not finite after 1 steps",
    "Branch": "a loop over steps fails (TracerBoolConversionError: ",
    "Sums": "project of a sequence is not that of its steps",
    "Batch": "step of a batch is not that of its samples",
    "Wide": "its hidden_size is 4, not 3",
    "Bare": "it has no gauge_directions, initial_carry, project, with_options: it may",
    "NUMBER": "3 is no cell: neither a class derived from rnnjax.Cell or flax.linen",
    "init": "init is no cell",
    "Absent": "own_cells has no 'Absent'",
}


@pytest.fixture
def forgotten(monkeypatch):
    """Forgets the modules and the folders of other tests. May be called again."""

    def forget():
        for name in ("ours", "oscillators", "plain"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        own._named.clear()

    monkeypatch.setattr(sys, "path", [*sys.path])
    forget()
    return forget


@pytest.mark.parametrize("name", BROKEN)
def test_a_cell_that_breaks_the_contract_is_refused_with_the_part_it_breaks(name):
    with pytest.raises(ValueError) as error:
        own.find(f"own_cells:{name}")
    assert BROKEN[name] in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("raise SystemExit('bye')", "(SystemExit: bye)"),
        ("1 / 0", "(ZeroDivisionError: division by zero)"),
        ("def", "(SyntaxError: "),
        (None, "(ModuleNotFoundError: No module named 'ours')"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(command, forgotten, text, problem):
    if text is not None:
        pathlib.Path("ours.py").write_text(text)
    for name in ("memory_stability", "capacity", "autocomplete"):
        binary = sys.modules[f"benchmarks.{name}"]
        status, out, err = command(binary, "--cell=ours:Mine", "--dt=3")
        assert (status, out) == (2, "")
        assert f"{name}: --cell=ours:Mine: ours cannot be imported {problem}" in err
        assert err.count("\n") == 1
    assert not pathlib.Path("results").exists()


def test_an_adapted_cell_computes_what_it_computes_by_itself():
    x = jax.random.normal(jax.random.key(0), (5, 2))
    for kind in (nn.GRUCell, nn.OptimizedLSTMCell):
        made = adapted.adapt(kind)(hidden_size=3)
        variables = cell.initialize(made, jax.random.key(1), 2)
        _, expected = nn.RNN(kind(3), return_carry=True).apply(
            {"params": {"cell": variables["params"]["inner"]}}, x
        )
        np.testing.assert_allclose(outputs(made, variables, x), expected, atol=1e-6)
    made = adapted.adapt(own_cells.PAIR)(hidden_size=3)
    variables = cell.initialize(made, jax.random.key(1), 2)
    kernel, h, expected = np.asarray(variables["params"]["weights"]["kernel"]), 0, []
    for row in np.asarray(x):
        h = np.tanh(np.concatenate([row, np.zeros(3) + h]) @ kernel)
        expected.append(h)
    np.testing.assert_allclose(outputs(made, variables, x), expected, atol=1e-6)


def outputs(made, variables, x):
    carry, out = made.apply(variables, method="initial_carry"), []
    for row in x:
        carry, y = made.apply(variables, carry, row, method="step")
        out.append(y)
    return jnp.stack(out)


def test_only_a_step_that_reads_its_inputs_depends_on_their_number():
    for name in ("gru", "own_cells:CoRNN"):
        assert not cell.reads_inputs(registry.find(name)(hidden_size=3))
    for name in ("own_cells:PAIR", "flax.linen:GRUCell"):
        assert cell.reads_inputs(registry.find(name)(hidden_size=3))


RUN = [
    "--cell=oscillators:CoRNN,plain:cell",
    "--input_sizes=1,2",
    "--hidden_sizes=2",
    "--seeds=1",
    "--steps=1300",
    "--unique_steps=300",
    "--criteria=1e-2",
    "--out_dir=run",
]


@pytest.fixture
def documented(command, forgotten):
    """The code of docs/own.md, in the current folder; returns the example's."""
    page = (pathlib.Path(rnnjax.__file__).parents[1] / "docs/own.md").read_text()
    for name, code in re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```$", page, FLAGS):
        pathlib.Path(f"{name}.py").write_text(code)
    sys.path.insert(0, os.getcwd())
    return code


def test_a_run_goes_on_and_is_verified_while_the_cell_is_the_same(
    command, documented, forgotten
):
    assert command(memory_stability, *RUN, "--dt=0.2")[0] == 0
    cells = json.loads(pathlib.Path("run/config.json").read_text())["own_cells"]
    about = cells["oscillators:CoRNN"]
    assert (about["dt"], about["gamma"], len(about["sha256"])) == (0.2, 2.0, 64)
    assert list(cells["plain:cell"]) == ["sha256"]
    assert "Nothing to do" in command(memory_stability, *RUN, "--dt=0.2")[2]
    assert {row["input_size"] for row in rnnjax.read_rows("run")} == {1, 2}
    status, out, _ = command(verify, "run", "--sample=1")
    assert (status, out.splitlines()[-1]) == (0, "Nothing is wrong.")
    status, _, err = command(memory_stability, *RUN, "--dt=0.3")
    assert status == 2 and "its oscillators:CoRNN has another dt; allowed" in err

    with open("oscillators.py", "a") as file:
        file.write("# changed\n")
    forgotten()
    status, _, err = command(memory_stability, *RUN, "--dt=0.2")
    assert status == 2 and "its oscillators:CoRNN has another source file; all" in err
    status, _, err = command(verify, "run")
    assert status == 2 and "the source file of oscillators:CoRNN has changed" in err


def test_the_example_from_python_runs(documented, capsys):
    exec(documented, {})
    assert re.match(r"\[4 4 8 8\] \[\d+ \d+ \d+ \d+\]", capsys.readouterr().out)


def test_a_cell_is_tried_on_the_devices_of_the_run(command, forgotten, monkeypatch):
    """Once JAX has started, it cannot be given more of them."""
    order = []
    monkeypatch.setattr(devices, "local_mesh", lambda: order.append("mesh"))
    monkeypatch.setattr(contract, "check", lambda make: order.append("cell"))
    command(memory_stability, "--cell=own_cells:CoRNN", "--help")
    assert order == ["mesh", "cell"]


def test_the_attributes_of_a_class_are_flags(command):
    status, out, _ = command(memory_stability, "--cell=own_cells:CoRNN", "--help")
    assert status == 0
    assert "Options of own_cells:CoRNN:" in out and "--gamma" in out
    assert "--dt\n" not in command(memory_stability, "--help")[1]
    for flags, problem in {
        "--cell=own_cells:CoRNN --dt=fast": "--dt=fast: not such a number; allowed: ",
        "--cell=gru --dt=1": "Unknown command line flag 'dt'",
        "--cell=rnnjax.cells.cornn:CoRNN --dt=fast": "--dt=fast: not such a number",
    }.items():
        status, _, err = command(memory_stability, *flags.split())
        assert status == 2 and problem in err


def test_options_that_cells_share_are_the_flags_of_the_benchmarks():
    flags = {*config.CELL_OPTIONS, *starts.CELL_OPTIONS, "learn_carry"}
    assert flags == registry.SHARED_OPTIONS


@pytest.mark.slow
def test_capacity_and_autocomplete_measure_any_cell_from_python():
    rows = rnnjax.measure.capacity(
        nn.GRUCell,
        task="units",
        hidden_sizes=2,
        trials=1,
        updates=20,
        seeds=1,
        options={"rungs": 1, "size": 2, "delay": 1},
    )
    assert [row["stage"] for row in rows] == ["rung0", "draws"]
    assert {row["cell"] for row in rows} == {"flax.linen.recurrent:GRUCell"}
    (row,) = rnnjax.measure.autocomplete(
        own_cells.PAIR,
        hidden_sizes=2,
        updates=2,
        batch=2,
        seeds=1,
        options={"max_eval_windows": 1, "connectivity_windows": 1},
    )
    assert row["status"] == "trained" and row["context_lag"] >= 0


def test_wrong_arguments_are_refused_in_python():
    measure = rnnjax.measure.memory_stability
    for wrong, problem in {
        "grr": "no such cell 'grr'",
        3: "3 is no cell",
    }.items():
        with pytest.raises(ValueError, match=problem):
            measure(wrong)
    with pytest.raises(SettingError, match="dt=1: not an option of gru"):
        measure("gru", options={"dt": 1})
    with pytest.raises(SettingError, match="seeds=0"):
        measure("gru", seeds=0)


def test_what_rnnjax_exports_is_documented():
    for name in rnnjax.__all__:
        assert getattr(rnnjax, name).__doc__, name
    assert set(rnnjax.__all__) <= set(dir(rnnjax))
