"""The binary, in-process, and memory stability of the networks it trained."""

import csv
import functools
import json
import math

import numpy as np
import pytest

from benchmarks import capacity, memory_stability
from benchmarks.common import terminal
from rnnjax.capacity import schema, search, study
from rnnjax.capacity.config import configure
from rnnjax.cells import registry
from rnnjax.results import networks
from rnnjax.results import rows as rows_lib
from rnnjax.settings import Range
from rnnjax.tasks.registry import TASKS
from rnnjax.tasks.units import Units
from rnnjax.text import corpus

pytestmark = pytest.mark.usefixtures("quick_compilation")

TINY = [
    "--task=units",
    "--hidden_sizes=2,4",
    "--seeds=2",
    "--size=4",
    "--delay=1",
    "--batch=8",
    "--updates=300",
    "--trials=2",
    "--rungs=1",
]
BITS = [
    "--task=parameters",
    "--budgets=30,60",
    "--inputs=8",
    "--trials=8",
    "--rungs=2",
    "--updates=500",
    "--seeds=3",
    "--finalists=2",
    "--max_moves=2",
]
PROBE = ["--steps=1600", "--unique_steps=300"]


@pytest.fixture
def binary(command, monkeypatch):
    """The binary, which does not report how far it is on a slow machine."""
    monkeypatch.setattr(terminal, "LOG_SECONDS", math.inf)
    return functools.partial(command, capacity)


@pytest.fixture
def probe(command):
    return functools.partial(command, memory_stability)


def replaced(arguments, **values):
    """The command line with other values of some flags."""
    names = [word.split("=")[0].removeprefix("--") for word in arguments]
    return [
        f"--{name}={values[name]}" if name in values else word
        for name, word in zip(names, arguments)
    ]


def lines(path) -> list[dict]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.rendered
def test_bits_per_parameter(binary, tmp_path):
    """Rows of every trial, a summary that follows from them, and pictures."""
    status, out, err = binary("--cell=rnn_tanh", *BITS, "--out_dir=bits")
    assert status == 0, err
    assert err == ""
    assert "bits per parameter" in out
    rows = rows_lib.read_rows(tmp_path / "bits")
    summary = lines(tmp_path / "bits/summary.csv")
    assert list(summary[0])[:3] == ["cell", "layers", "budget"]
    assert summary[0].keys() >= {"parameters", "hidden_size", "samples", "bits"}
    assert summary[0].keys() >= {"bracketed", "trials", "diverged"}
    for line in summary:
        trials = [row for row in rows if row["budget"] == int(line["budget"])]
        assert int(line["parameters"]) == trials[0]["parameters"]
        assert trials[0]["parameters"] <= int(line["budget"])
        assert int(line["hidden_size"]) == trials[0]["hidden_size"]
        assert int(line["trials"]) == len(trials)
        assert [
            sum(row["stage"] == stage for row in trials)
            for stage in ("rung0", "rung1", "finals", "draws")
        ] == [8, 2, 2 * 5, 3]
        draws = [row for row in trials if row["stage"] == "draws"]
        rate = float(line["winner_learning_rate"])
        assert rate == pytest.approx(draws[0]["learning_rate"], rel=1e-5)
        assert [row["seed"] for row in draws] == [0, 1, 2]
        assert {row["samples"] for row in draws} == {int(line["samples"])}
        assert float(line["bits_per_parameter"]) == pytest.approx(
            np.mean([row["bits"] for row in draws]) / draws[0]["parameters"], rel=1e-4
        )
        assert float(line["max_bits_per_parameter"]) == pytest.approx(
            max(row["bits"] / row["parameters"] for row in trials), rel=1e-4
        )
        bracket = {}
        for row in trials:
            if row["stage"] == "bracket":
                bracket.setdefault(row["samples"], []).append(row["bits"])
        means = {samples: np.mean(bits) for samples, bits in sorted(bracket.items())}
        assert max(means, key=means.get) == int(line["samples"])
        index = list(means).index(int(line["samples"]))
        assert (line["bracketed"] == "1") == (0 < index < len(means) - 1)
        for row in trials:
            p = max(row["accuracy"], 0.5)
            entropy = p * np.log2(p) + (1 - p) * np.log2(1 - p) if p < 1 else 0
            stored = row["samples"] * (1 + entropy)
            assert row["bits"] == pytest.approx(stored, rel=1e-3, abs=1e-2)
            assert (row["objective"], row["score"]) == ("bits", row["bits"])
            assert row["scores"] == ["loss", "accuracy", "bits"]
    for name in ("bits", "bits_per_parameter", "search"):
        assert (tmp_path / f"bits/{name}.png").exists()
    assert (tmp_path / "bits/winners.txt").read_text().count("\n") == len(summary)


def test_a_killed_search_goes_on_to_the_same_rows(binary, tmp_path):
    """Every group is deleted in turn, alone or with all that follow it."""
    arguments = ["--cell=rnn_tanh", *replaced(BITS, budgets=30, trials=4)]
    assert binary(*arguments, "--out_dir=a")[0] == 0
    whole = (tmp_path / "a/rows.jsonl").read_bytes()
    files = sorted(
        (tmp_path / "a/rows").iterdir(), key=lambda path: path.stat().st_mtime_ns
    )
    assert len(files) >= 3
    for gone in ([files[0]], [files[-1]], files[1:], files[2:]):
        for path in gone:
            path.unlink()
        assert binary(*arguments, "--out_dir=a")[0] == 0
        assert (tmp_path / "a/rows.jsonl").read_bytes() == whole
    assert "Nothing to do" in binary(*arguments, "--out_dir=a")[2]


@pytest.mark.rendered
def test_a_run_leaves_rows_networks_and_a_picture(binary, tmp_path):
    status, out, err = binary("--cell=rnn_tanh,gru", *TINY)
    folder = tmp_path / "results/capacity/units/rnn_tanh+gru"
    assert status == 0, err
    assert err == ""
    assert "bound" in out
    assert "16 trainings, 0 of them diverged" in out
    rows = rows_lib.read_rows(folder)
    assert len(rows) == 16
    assert rows[0].keys() >= {"task", "cell", "hidden_size", "layers", "seed"}
    assert rows[0].keys() >= {"parameters", "loss", "chance", "status", "train_losses"}
    for row in rows:
        assert 0 < row["loss"] < 1.5
        assert (row["objective"], row["score"]) == ("loss", -row["loss"])
        assert row["loss_bound"] == 1 - row["hidden_size"] / 4
    assert (folder / "loss.png").exists()
    summary = lines(folder / "summary.csv")
    assert len(summary) == 4
    for line in summary:
        draws = [
            row
            for row in rows
            if (row["cell"], str(row["hidden_size"]), row["stage"])
            == (line["cell"], line["hidden_size"], "draws")
        ]
        assert [row["seed"] for row in draws] == [0, 1]
        assert float(line["loss"]) == pytest.approx(
            np.mean([row["loss"] for row in draws]), rel=1e-4
        )
        assert float(line["loss_bound"]) == 1 - int(line["hidden_size"]) / 4
    for row in rows:
        if row["stage"] == "draws":
            name = f"networks/{row['cell']}-n{row['hidden_size']}-l1-s{row['seed']}"
            about = networks.describe(folder / name)
            for key in ("cell", "recurrent_init", "hidden_size", "layers", "seed"):
                assert about[key] == row[key]
            assert about["task"] == "units"
            assert about["task_settings"] == {"size": 4, "delay": 1, "batch": 8}
            assert about["outputs"] == 4


QUICK = ("random_function", "characters", "parentheses")


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK))
        for name in TASKS
        if name not in ("parameters", "units")
    ],
)
def test_every_task_runs(binary, tmp_path, task):
    arguments = ["--smoke", "--updates=3", "--cell=gru", "--layers=2", "--out_dir=run"]
    status, out, err = binary(f"--task={task}", *arguments)
    assert status == 0, err
    assert (tmp_path / "run/loss.png").exists()
    rows = rows_lib.read_rows(tmp_path / "run")
    assert {row["layers"] for row in rows} == {2}
    assert all(row["parameters"] <= row["budget"] for row in rows)
    assert rows[0]["loss_name"] in out
    assert rows[0]["scores"] == list(TASKS[task].scores)
    for name in rows[0]["scores"]:
        assert name in out


def test_any_cell_is_measured_from_python():
    """As in the binary, with another cell: a linear one, whose best is known."""
    make = functools.partial(registry.CELLS["rnn_tanh"], activation=lambda x: x)
    plan = search.Plan(trials=2, rungs=1, factor=2, updates=1500, result_seeds=(0, 1))
    space = {"learning_rate": Range(1e-2, 1e-2), "clip": Range(1.0, 1.0)}
    task = Units(size=4, delay=1, batch=32)
    rows = study.measure(make, task, 30, plan, space)
    assert len(rows) == 4
    assert [row["stage"] for row in rows] == ["rung0", "rung0", "draws", "draws"]
    assert {row["hidden_size"] for row in rows} == {2}
    assert all(row["loss"] == pytest.approx(0.5, abs=0.06) for row in rows)
    with pytest.raises(ValueError, match="too small for one unit"):
        study.measure(make, Units(size=4), 5, plan, space)


@pytest.mark.slow
def test_designs_are_axes(binary, tmp_path):
    """Two initializers and two numbers of steps at one depth: four lines."""
    tiny = [
        "--budgets=30",
        "--inputs=6",
        "--trials=2",
        "--rungs=1",
        "--updates=20",
        "--seeds=2",
        "--max_moves=0",
    ]
    axes = ["--recurrent_init=orthogonal,identity", "--steps=1,3"]
    status, out, err = binary("--cell=rnn_relu", *axes, *tiny, "--out_dir=run")
    assert status == 0, err
    summary = lines(tmp_path / "run/summary.csv")
    shapes = {(line["recurrent_init"], line["steps"]) for line in summary}
    assert shapes == {
        ("orthogonal", "1"),
        ("orthogonal", "3"),
        ("identity", "1"),
        ("identity", "3"),
    }
    assert "identity, 3 steps" in out
    status, out, err = binary("--cell=rnn_relu", "--steps=1", *tiny, "--out_dir=run")
    assert status == 0, err
    assert "own, 1 step " in out


def test_a_run_repeats_extends_and_refuses(binary, tmp_path):
    assert binary("--cell=gru", *TINY, "--out_dir=a")[0] == 0
    three = replaced(TINY, seeds=3)
    assert binary("--cell=gru", *three, "--out_dir=a")[0] == 0
    assert binary("--cell=gru", *three, "--out_dir=b")[0] == 0
    assert (tmp_path / "a/rows.jsonl").read_bytes() == (
        tmp_path / "b/rows.jsonl"
    ).read_bytes()
    assert "Nothing to do" in binary("--cell=gru", *three, "--out_dir=a")[2]
    status, _, err = binary("--cell=gru", *TINY, "--out_dir=a", "--learning_rate=1e-3")
    assert status == 2
    assert "ranges={'learning_rate': [0.001, 0.02]" in err
    assert "allowed: the same settings" in err
    status, _, err = binary("--task=parameters", "--budgets=60", "--out_dir=a")
    assert status == 2
    assert "it holds a run with task=units, not parameters" in err


def test_what_is_done_costs_nothing_more(binary, tmp_path):
    assert binary("--cell=gru", *TINY, "--out_dir=a")[0] == 0
    rows = rows_lib.read_rows(tmp_path / "a")
    config = configure(
        {
            "task": "units",
            "cell": ("gru",),
            "hidden_sizes": (2, 4),
            "seeds": 2,
            "size": 4,
            "delay": 1,
            "batch": 8,
            "updates": 300,
            "trials": 2,
            "rungs": 1,
        }
    )
    parts = study.parts(config, 1)
    known = [
        {rows_lib.identity(row, schema.ROW_ID): row for row in some}
        for some in ([], rows[::2], rows)
    ]
    for part in parts:
        whole, half, none = (part.cost(some) for some in known)
        assert whole > half > none == 1.0
        assert [part.lanes(some) for some in known] == [4, 2, 0]


def test_dry_run_writes_nothing(binary, tmp_path):
    status, out, _ = binary("--cell=gru", *TINY, "--dry_run")
    assert status == 0
    assert out.startswith(
        "each search: 2 x 300 updates,\nthen the best on 2 fresh draws\n"
        "8 lanes in 2 searches on 2 cpu devices\n"
    )
    assert " of running, scaled from " in out and " of networks, at most " in out
    assert not list(tmp_path.iterdir())


def test_trained_networks_are_probed_beside_fresh_ones(binary, probe, tmp_path):
    assert binary("--cell=rnn_tanh,gru", *TINY, "--out_dir=trained")[0] == 0
    arguments = ["--network=trained", "--cell=gru", *PROBE, "--out_dir=probed"]
    status, out, err = probe(*arguments)
    assert status == 0, err
    rows = rows_lib.read_rows(tmp_path / "probed")
    assert {row["cell"] for row in rows} == {"gru"}
    assert {row["weights"] for row in rows} == {"trained", "fresh"}
    assert len(rows) == 8
    assert (tmp_path / "probed/cells.png").exists()
    by_id = {(row["weights"], row["hidden_size"], row["seed"]): row for row in rows}
    assert any(
        by_id["trained", n, s]["lyapunov"] != by_id["fresh", n, s]["lyapunov"]
        for n in (2, 4)
        for s in (0, 1)
    )
    assert "Nothing to do" in probe(*arguments)[2]


@pytest.mark.slow
def test_networks_trained_on_a_text_are_probed_on_it(binary, probe, tmp_path):
    file = tmp_path / "text.txt"
    corpus.clear_cache()
    file.write_text("To be, or not to be, that is the question. " * 100)
    train = [
        "--task=characters",
        "--text=text.txt",
        "--length=8",
        "--batch=8",
        "--hidden_sizes=6",
        "--trials=1",
        "--rungs=1",
        "--seeds=2",
        "--updates=300",
        "--learning_rate=1e-2",
    ]
    status, out, err = binary("--cell=gru", *train, "--out_dir=trained")
    assert status == 0, err
    assert "bits per character" in out
    for row in rows_lib.read_rows(tmp_path / "trained"):
        assert row["loss"] < 0.95 * row["chance"]
    assert probe("--network=trained", *PROBE, "--out_dir=probed")[0] == 0
    rows = rows_lib.read_rows(tmp_path / "probed")
    assert {(row["weights"], row["input_size"]) for row in rows} == {
        ("trained", 27),
        ("fresh", 27),
    }
    file.write_text("Another text altogether. " * 200)
    corpus.clear_cache()
    status, _, err = probe("--network=trained", *PROBE, "--out_dir=again")
    assert (status, err.count("\n")) == (2, 1)
    assert "the text text.txt is not the one it was" in err


def test_networks_that_cannot_be_probed_are_refused(binary, probe, tmp_path):
    assert binary("--cell=gru", *TINY, "--out_dir=trained")[0] == 0
    folder = tmp_path / "trained/networks/gru-n2-l1-s0"
    for arguments, message in (
        (
            ["--network=nowhere"],
            "--network=nowhere: no trained networks there; allowed: a run folder of "
            "benchmarks.capacity",
        ),
        (
            ["--network=trained", "--cell=lstm"],
            "--cell=lstm: --network=trained has no lstm; allowed: gru",
        ),
        (
            ["--network=trained", "--hidden_sizes=4"],
            "--hidden_sizes=4: the trained networks decide it",
        ),
        (
            ["--network=trained", "--keep_bias=1"],
            "--keep_bias=1: the trained networks decide it",
        ),
    ):
        status, _, err = probe(*arguments, *PROBE, "--out_dir=probed")
        assert (status, err.count("\n")) == (2, 1)
        assert message in err
    description = json.loads((folder / "network.json").read_text())
    (folder / "network.json").write_text(json.dumps({**description, "cell": "lstm"}))
    status, _, err = probe("--network=trained", *PROBE, "--out_dir=probed")
    assert (status, err.count("\n")) == (2, 1)
    assert "has weights that" in err
    assert not (tmp_path / "probed").exists()
