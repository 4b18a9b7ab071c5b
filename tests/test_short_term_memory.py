"""Short-term memory: lanes against NumPy, known capacities, and the binary."""

import functools

import jax
import numpy as np
import oracles
import pytest
import tiny
from conftest import flat

import rnnjax
from benchmarks import capacity, short_term_memory
from rnnjax import networks, read_rows
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.figures import short_term_memory as figures
from rnnjax.results.rows import rounded
from rnnjax.short_term_memory import linear, summary
from rnnjax.short_term_memory.experiment import Driven
from rnnjax.short_term_memory.schema import SHAPE

pytestmark = pytest.mark.usefixtures("quick_compilation")


def ended(experiment, seeds=2, mesh=None):
    """The last state of a group on the host, and its rows."""
    group = lanes.Group("test", experiment, tuple(range(seeds)))
    result = lanes.run_group(group, mesh or Mesh.local())
    return result.state, result.rows


def nothing(kept, seed):
    return {}


def lstm(layers=1):
    return networks.build(registry.CELLS["lstm"], 3, layers)


def numpy_states(variables, lane, u):
    """States [T, 6] and outputs [T, 3] of an LSTM of three units."""
    p = {name: leaf[lane] for name, leaf in flat(variables).items()}
    carry, states, outputs = [np.zeros(3)] * 2, [], []
    for x in np.asarray(u, np.float64):
        carry, y = oracles.CELLS["lstm"].step(p, carry, x)
        states.append(np.concatenate(carry))
        outputs.append(y)
    return np.asarray(states), np.asarray(outputs)


def test_what_is_kept_equals_numpy(x64):
    """Inputs of the run times their scale; two chunks, of which the second is cut."""
    experiment = Driven(lstm(), 1300, nothing, input_size=2, scale=2.0, dtype="float64")
    state, rows = ended(experiment)
    assert [row["state_size"] for row in rows] == [6, 6]
    for lane in range(2):
        kept = experiment.of_lane(state, lane)
        states, outputs = numpy_states(state.variables, lane, 2 * kept.u)
        np.testing.assert_allclose(kept.x, states, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(kept.y, outputs, rtol=1e-9, atol=1e-12)
        assert kept.u.shape == (1300, 2) and np.abs(kept.u).max() <= 1
        assert np.var(kept.u) == pytest.approx(1 / 3, rel=0.1)


def test_the_response_equals_finite_differences(x64):
    experiment = Driven(lstm(), 1010, nothing, impulse=4, dtype="float64")
    state, _ = ended(experiment)
    kept = experiment.of_lane(state, 1)
    pulse = np.zeros((1010, 1))
    pulse[4] = 1e-5
    more, less = (numpy_states(state.variables, 1, sign * pulse)[0] for sign in (1, -1))
    np.testing.assert_allclose(kept.x, (more - less) / 2e-5, rtol=1e-6, atol=1e-9)
    assert not kept.x[:4].any() and kept.x[4].all()


def test_lanes_agree_together_and_one_by_one():
    experiment = Driven(lstm(layers=2), 1200, nothing, distribution="normal")
    one, together = (
        ended(experiment, 3, Mesh(tuple(jax.local_devices()[:1]), width))[0]
        for width in (1, None)
    )
    assert np.var(experiment.of_lane(one, 0).u) == pytest.approx(1, rel=0.1)
    for lane in range(3):
        a, b = (experiment.of_lane(state, lane) for state in (one, together))
        np.testing.assert_array_equal(a.u, b.u)
        np.testing.assert_allclose(a.x, b.x, atol=1e-5)


def test_options_of_a_lane_change_its_weights():
    kept = []
    for gain in (1.0, 0.5):
        state, _ = ended(Driven(lstm(), 100, nothing, options={"recurrent_gain": gain}))
        kept.append(state.variables["params"]["recurrent"]["kernel"][0])
    np.testing.assert_allclose(kept[1], 0.5 * kept[0], rtol=1e-6)


@pytest.mark.parametrize("name", ["delay_line", "cycle", "rnn_linear"])
def test_linear_networks_remember_as_many_steps_as_they_have_units(x64, name):
    """A random rotation, scaled below 1, a ring, and a delay line."""
    units, given = 16, {"washout": 200, "steps": 12_000, "delays": 80, "ridge": 0.0}
    gain = {} if name == "delay_line" else {"recurrent_gain": 0.9}
    experiment = Driven(
        registry.CELLS[name](hidden_size=units),
        18_200,
        functools.partial(linear.measure, **given),
        options=gain,
        dtype="float64",
    )
    for row in ended(experiment)[1]:
        assert row["capacity_state"] == pytest.approx(units, rel=0.01)
        assert row["rank_state"] == units


RUN = (
    "--cell=rnn_tanh --hidden_sizes=4 --seeds=3 --steps=900 --test_steps=300 "
    "--washout=100 --delays=20 --recurrent_gain=0.8"
)


def test_linear_memory_is_shown_over_the_scale_of_inputs(command, tmp_path):
    status, out, err = command(
        short_term_memory, *RUN.split(), "--input_scale=0.1,3", "--out_dir=run"
    )
    assert (status, err) == (0, "")
    assert "linear memory capacity, 4 units" in out and "± is half" in out
    rows = read_rows("run")
    small, large = (
        summary.mean([row for row in rows if row["input_scale"] == scale], key)
        for scale in (0.1, 3)
        for key in ["capacity_state"]
    )
    assert 3 < small.mean < 4.5 and large.mean < small.mean
    assert {path.name for path in tmp_path.glob("run/*.png")} == {
        "capacity.png",
        "delays.png",
    }
    assert len(rows[0]["r2_state"]) == 21
    more = command(
        short_term_memory, *RUN.split(), "--input_scale=0.1,3,1", "--out_dir=run"
    )
    assert more[0] == 0
    assert [row for row in read_rows("run") if row["input_scale"] != 1] == rows
    again = rnnjax.measure.short_term_memory(
        "rnn_tanh",
        hidden_sizes=4,
        input_scale=3,
        seeds=3,
        steps=900,
        delays=20,
        options={"test_steps": 300, "washout": 100, "recurrent_gain": 0.8},
    )
    large = [row for row in rows if row["input_scale"] == 3]
    assert [rounded(row) for row in again] == large


def test_trained_networks_are_probed_beside_fresh_ones(command):
    arguments = tiny.arguments("capacity", "trained", tiny.SMALLEST)
    assert command(capacity, *arguments)[0] == 0
    probe = "--network=trained --steps=900 --test_steps=300 --washout=100 --delays=9"
    words = [*probe.split(), "--input_scale=1", "--out_dir=probed"]
    status, out, err = command(short_term_memory, *words)
    assert (status, err) == (0, "") and "rnn_tanh, trained" in out
    fresh, trained = read_rows("probed")
    assert (fresh["weights"], trained["weights"]) == ("fresh", "trained")
    assert fresh["input_size"] == trained["input_size"] > 1
    assert fresh["capacity_state"] != trained["capacity_state"] <= 2.1
    status, _, err = command(short_term_memory, *words, "--seeds=2")
    line = "--seeds=2: the trained networks decide it; allowed: no such flag"
    assert status == 2 and err.startswith(f"short_term_memory: {line}")


def test_pictures_do_not_pool_numbers():
    rows = [
        dict.fromkeys(SHAPE)
        | {"cell": "gru", "weights": "fresh", "hidden_size": 4, "layers": 1}
        | {"input_scale": scale, "recurrent_gain": gain, "seed": 0}
        for scale in (0.1, 1.0)
        for gain in (0.5, 2.0)
    ]
    found = figures._networks(rows, "input_scale")
    assert list(found) == ["gru, recurrent gain 0.5", "gru, recurrent gain 2"]
    assert [row["input_scale"] for row in found["gru, recurrent gain 2"]] == [0.1, 1.0]


@pytest.mark.parametrize("measure", ["processing", "sparse", "recall"])
def test_other_measures_have_a_table_and_a_picture(command, tmp_path, measure):
    status, out, err = command(
        short_term_memory,
        *("--smoke", f"--measure={measure}", "--cell=rnn_tanh", "--out_dir=run"),
    )
    assert (status, err) == (0, "")
    picture, title = {
        "processing": (
            "degrees.png",
            "information processing capacity, and that of the degrees, 4 units",
        ),
        "sparse": ("lengths.png", "recovered lengths of sparse inputs, 8 units"),
        "recall": ("recall.png", "queries answered right, %, by length"),
    }[measure]
    assert title in out and (tmp_path / "run" / picture).exists()
    for row in read_rows("run"):
        ended = "trained" if measure == "recall" else "measured"
        assert (row["measure"], row["status"]) == (measure, ended)
        if measure == "processing":
            assert row["processing"] == pytest.approx(sum(row["degrees"]), abs=0.01)


@pytest.mark.parametrize(
    "flags, line",
    [
        (
            "--steps=70",
            "--steps=70: a read-out of gru with 64 units has 64 columns; "
            "allowed: 115 or more",
        ),
        (
            "--delays=50 --washout=40",
            "--delays=50: beyond the washout of 40 steps; "
            "allowed: 1 to 40, or a longer --washout",
        ),
        (
            "--measure=processing --degree=9 --delays=40",
            "--degree=9: 2,505,433,699 functions of up to 40 delays; "
            "allowed: at most 2,000,000: lower --degree or --delays",
        ),
        (
            "--measure=sparse --longest=5",
            "--longest=5: shorter than the sparsity 8; allowed: 8 or more",
        ),
        (
            "--measure=recall --pairs=7",
            "--pairs=7: --vocabulary=12 has 6 keys; allowed: 1 to 6",
        ),
        (
            "--measure=recall --test_pairs=2,8",
            "--test_pairs=2,8: --vocabulary=12 has 6 keys; allowed: 1 to 6",
        ),
        (
            "--measure=recall --length=8",
            "--length=8: too short for --pairs=3; allowed: 9 or more",
        ),
        (
            "--degree=3",
            "--degree=3: no flag of --measure=linear; "
            "allowed: with --measure=processing",
        ),
        (
            "--cell=delay_line --keep_bias=1",
            "--keep_bias=1: not an option of delay_line; allowed: with ",
        ),
        ("--measure=all", "--measure=all: no such measure; allowed: linear, "),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, flags, line):
    status, out, err = command(short_term_memory, *flags.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"short_term_memory: {line}")
    assert not any(tmp_path.iterdir())
