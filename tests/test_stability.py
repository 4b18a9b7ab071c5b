"""The experiment against a NumPy float64 re-run of it, and its promises: repeatable,
extendable, undisturbed by neighbors.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from cell_inputs import KINDS
from conftest import flat
from flax import linen as nn

from rnnjax.cells import registry
from rnnjax.engine import lanes, unroll
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import criteria, summary
from rnnjax.memory_stability import experiment as stability
from rnnjax.memory_stability import source as source_lib

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = {"steps": 1700, "unique_steps": 300, "seeds": 3}


def lstm(units=3):
    return registry.CELLS["lstm"](hidden_size=units)


def lanes_of(*input_sizes, seeds=2):
    """Points of so many lanes with each number of inputs."""
    return tuple(stability.Point(n) for n in input_sizes for _ in range(seeds))


def without(row, *keys):
    return {key: value for key, value in row.items() if key not in keys}


@pytest.mark.parametrize("name", ["lstm", pytest.param("gru", marks=pytest.mark.slow)])
def test_equals_numpy(name, x64):
    """Weights and inputs of a lane taken from the run, everything else recomputed step
    by step in float64.
    """
    cell = registry.CELLS[name](hidden_size=3)
    experiment = stability.Stability(
        cell, lanes_of(2), steps=1700, unique_steps=700, dtype="float64"
    )
    mesh = Mesh.local()
    state = experiment.init(
        mesh, np.arange(2, dtype=np.uint32), np.ones(2, bool), np.arange(2)
    )
    row = lanes.run_group(lanes.Group("g", experiment, (0, 1)), mesh).rows[1]

    parameters = {**state.source.parameters["params"], **state.parameters["params"]}
    p = flat({"params": jax.tree.map(lambda leaf: leaf[1], parameters)})
    streams = jax.tree.map(lambda leaf: leaf[1], state.source.keys)

    def draw(stream, blocks):
        keys = [jax.random.fold_in(stream, k) for k in range(blocks)]
        draws = [
            np.asarray(
                jax.random.normal(key, (2, source_lib.CHUNK // 2), jnp.float32)
            ).T
            for key in keys
        ]
        return np.concatenate(draws).astype(np.float64)

    shared = draw(streams.shared, 2)
    outputs = []
    for stream in (streams.unique_a, streams.unique_b):
        carry = [np.asarray(leaf) for leaf in jax.tree.leaves(cell.initial_carry())]
        for x in draw(stream, 2)[:700]:
            carry, _ = oracles.get(name).step(p, carry, x)
        ys = []
        for x in shared:
            carry, y = oracles.get(name).step(p, carry, x)
            ys.append(y)
        outputs.append(np.asarray(ys))
    a, b = outputs
    distance = np.abs(a - b).max(axis=1)
    for tolerance in ("1e-2", "1e-4", "1e-6"):
        met = distance <= float(tolerance)
        assert row[f"first_{tolerance}"] == np.argmax(met)
        assert row[f"settled_{tolerance}"] == np.flatnonzero(~met).max() + 1
    expected = distance[summary.sample_steps(1000)]
    early = expected > 1e-10
    np.testing.assert_allclose(
        np.asarray(row["distance"])[early], expected[early], rtol=1e-3
    )
    cosine = [oracles.cosine_reaches_one(x, y) for x, y in zip(a, b)]
    # The last bit of a float32 sum decides the exact step, so only the neighborhood is
    # the same in NumPy.
    assert abs(row["first_cosine"] - cosine.index(True)) <= 6
    x, y = a[row["first_cosine"]], b[row["first_cosine"]]
    assert 1 - x @ y / np.sqrt((x @ x) * (y @ y)) < 3e-7


def test_computing_every_step_changes_nothing():
    """At 4 units pairs merge early; the lanes that stop there must say what the others
    find out.
    """
    settings = {"steps": 9000, "unique_steps": 400, "seeds": 3}
    short, full = (
        stability.measure(lstm(4), 1, **settings, full=full) for full in (False, True)
    )
    assert short == full
    assert {row["status"] for row in full} == {"merged"}


def test_a_short_run_is_the_start_of_a_long_one():
    short, long = (
        stability.measure(lstm(), 2, steps=steps, unique_steps=300, seeds=2)
        for steps in (1300, 3300)
    )
    for a, b in zip(short, long):
        assert a["distance"] == b["distance"][: len(a["distance"])]
        assert a["first_1e-4"] == b["first_1e-4"]


def test_dtype_changes_the_arithmetic_not_the_network(x64):
    single, double = (
        stability.measure(lstm(), 2, **SMALL, dtype=dtype)
        for dtype in ("float32", "float64")
    )
    for a, b in zip(single, double):
        assert (a["first_1e-2"], a["first_1e-4"]) == (b["first_1e-2"], b["first_1e-4"])
        assert (
            b["settled_identical"] is None
            or b["settled_identical"] > 1.3 * a["settled_identical"]
        )


def test_bfloat16_merges_sooner():
    narrow = stability.measure(lstm(), 2, **SMALL, dtype="bfloat16")
    wide = stability.measure(lstm(), 2, **SMALL)
    assert all(
        a["settled_identical"] < b["settled_identical"] for a, b in zip(narrow, wide)
    )


@dataclasses.dataclass(frozen=True)
class Poisoned(stability.Stability):
    """Lane 1 has a weight that is not a number."""

    def init(self, mesh, seeds, valid, lane_indices):
        state = super().init(mesh, seeds, valid, lane_indices)
        kernel = np.array(state.parameters["params"]["recurrent"]["kernel"][0])
        kernel[list(lane_indices).index(1), 0, 0] = np.nan
        return state._replace(
            parameters={"params": {"recurrent": {"kernel": (mesh.place(kernel),)}}}
        )


def test_a_lane_that_turns_nan_leaves_its_neighbors_alone():
    points = lanes_of(2, seeds=4)
    run = {"cell": lstm(), "points": points, "steps": 1700, "unique_steps": 300}
    group = functools.partial(lanes.Group, "g", seeds=(0, 1, 2, 3))
    clean = lanes.run_group(group(stability.Stability(**run)), Mesh.local()).rows
    rows = lanes.run_group(group(Poisoned(**run)), Mesh.local()).rows
    assert [row["status"] == "diverged" for row in rows] == [False, True, False, False]
    assert rows[1]["diverged_step"] == 0
    assert (
        rows[1]["lyapunov"] is rows[1]["floor"] is rows[1]["settled_identical"] is None
    )
    assert {
        rows[1]["first_identical"],
        rows[1]["first_1e-2"],
        *rows[1]["distance"],
    } == {None}
    assert [rows[k] for k in (0, 2, 3)] == [clean[k] for k in (0, 2, 3)]


def test_growth_without_bound_is_marked_with_its_step():
    cell = registry.CELLS["rnn_relu"](hidden_size=8)
    rows = stability.measure(cell, 2, **SMALL, options={"recurrent_gain": 3.0})
    steps = [row["diverged_step"] for row in rows if row["status"] == "diverged"]
    assert steps
    for row in rows:
        if row["status"] == "diverged":
            shared = row["diverged_step"] - row["unique_steps"]
            known = summary.sample_steps(1400) < shared
            assert [d is not None for d in row["distance"]] == known.tolist()
            assert row["first_1e-2"] is None or row["first_1e-2"] < shared
    assert all(20 < step < 1700 for step in steps), steps


def test_a_dead_disturbance_is_named():
    cell = registry.CELLS["rnn_relu"](hidden_size=2)
    rows = stability.measure(
        cell,
        2,
        steps=3000,
        unique_steps=300,
        seeds=6,
        options={"recurrent_gain": 0.1},
    )
    assert {row["lyapunov_status"] for row in rows} == {"dead"}
    assert {row["lyapunov"] for row in rows} == {None}


def test_equal_states_that_part_stop_the_run(monkeypatch):
    def uneven(step, a, b, z, offset, length):
        a, b, ya, yb = unroll_pair(step, a, b, z, offset, length)
        return a, jax.tree.map(lambda leaf: leaf * (1 + 1e-7), b), ya, yb

    unroll_pair = unroll.unroll_pair
    monkeypatch.setattr(unroll, "unroll_pair", uneven)
    with pytest.raises(ArithmeticError, match="equal states did not stay equal"):
        stability.measure(lstm(6), 1, **SMALL, criteria=("identical", "1e-5"))


def test_pairs_that_never_merge_are_censored():
    """An integrator keeps every difference for ever."""
    cell = registry.CELLS["rnn_tanh"](
        hidden_size=2, activation=lambda x: x, recurrent_init=lambda *_: jnp.eye(2)
    )
    for row in stability.measure(cell, 1, **SMALL):
        assert row["status"] == "apart"
        assert (
            row["first_1e-4"] is row["settled_1e-4"] is row["settled_identical"] is None
        )
        assert row["floor"] > 0.1
        assert row["lyapunov"] == pytest.approx(0, abs=1e-5)


def test_the_floor_is_the_median_over_the_last_steps():
    cell = registry.CELLS["rnn_tanh"](
        hidden_size=2,
        activation=lambda x: x,
        recurrent_init=lambda *_: 0.999 * jnp.eye(2),
    )
    steps = summary.sample_steps(2500)
    for row in stability.measure(cell, 1, steps=2800, unique_steps=300, seeds=2):
        curve = np.interp(np.arange(1500, 2500), steps, np.log(row["distance"]))
        assert row["floor"] == pytest.approx(np.exp(np.median(curve)), rel=0.05)


def test_sample_steps_start_at_every_step_and_nest():
    steps = summary.sample_steps(99_000)
    assert steps[:10].tolist() == list(range(10))
    assert len(steps) < 150
    np.testing.assert_array_equal(summary.sample_steps(500), steps[steps < 500])


def test_every_registered_criterion_can_be_measured():
    names = (*criteria.CRITERIA, "1e-3")
    row = stability.measure(lstm(), 1, **SMALL, criteria=names)[0]
    assert {f"first_{name}" for name in names} <= row.keys()
    assert "settled_cosine" not in row


BAD = [
    {"steps": 100, "unique_steps": 100},
    {"unique_steps": 0},
    {"seeds": 0},
    {"steps": 2e3},
    {"criteria": "identical"},
    {"criteria": ("nearly",)},
    {"dtype": "int8"},
    {"dtype": "float64"},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_settings_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError):
        stability.measure(lstm(), 1, **{**SMALL, **bad})


def test_memory_does_not_grow_with_steps():
    mesh = Mesh.local()
    sizes = []
    for steps in (10_000, 1_000_000):
        state = stability.Stability(lstm(), lanes_of(2), steps=steps).init(
            mesh, np.arange(2, dtype=np.uint32), np.ones(2, bool), np.arange(2)
        )
        sizes.append(
            sum(leaf.nbytes for leaf in jax.tree.leaves((state.parameters, state.pair)))
        )
    assert sizes[1] < 1.2 * sizes[0]


@pytest.mark.parametrize("name", KINDS)
def test_every_cell_can_be_measured(name):
    """Which includes that equal states stay bitwise equal."""
    cell = registry.CELLS[name](hidden_size=5)
    rows = stability.measure(cell, 3, **{**SMALL, "seeds": 2})
    assert all(row["status"] != "diverged" for row in rows)


@pytest.mark.parametrize(
    "name",
    [
        "lstm",
        "min_gru",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("gru", "mgu")),
    ],
)
def test_the_spectrum_begins_with_the_largest_exponent(name):
    for row in stability.measure(
        registry.CELLS[name](hidden_size=6), 2, steps=5200, seeds=2, spectrum=True
    ):
        exponents = row["lyapunov_spectrum"]
        assert exponents == sorted(exponents, reverse=True)
        assert exponents[0] == pytest.approx(
            row["lyapunov"], abs=3 * row["lyapunov_se"] + 2e-3
        )


def test_gauge_directions_are_named_not_numbered():
    (row,) = stability.measure(
        registry.CELLS["slstm"](hidden_size=4), 2, steps=5200, seeds=1, spectrum=True
    )
    assert row["lyapunov_gauge"] == 4
    assert row["lyapunov_dead"] + len(row["lyapunov_spectrum"]) == 16
    assert row["lyapunov_dead"] >= 4
    assert np.isfinite(row["lyapunov_spectrum"]).all()


def test_the_exponent_predicts_first_times():
    rows = stability.measure(
        registry.CELLS["gru"](hidden_size=32), 4, steps=5200, seeds=5
    )
    for name in ("1e-4", "1e-6"):
        measured, predicted = (
            np.mean([row[f"{kind}_{name}"] for row in rows])
            for kind in ("first", "predicted")
        )
        assert predicted == pytest.approx(measured, rel=0.15)


class Minimal(nn.Module):
    """The least a cell must have: a leaky sum."""

    hidden_size: int = 3

    def setup(self):
        self.dense = nn.Dense(self.hidden_size)

    def project(self, x):
        return self.dense(x)

    def step(self, carry, z):
        h = 0.5 * carry[0] + z
        return (h,), h

    def initial_carry(self):
        return (jnp.zeros(self.hidden_size),)


def test_any_module_with_the_contract_can_be_measured():
    for row in stability.measure(Minimal(), 2, steps=5200, seeds=2):
        assert row["lyapunov"] == pytest.approx(np.log(0.5), abs=1e-4)
        assert row["first_1e-4"] == pytest.approx(row["predicted_1e-4"], abs=1.5)


def test_a_state_of_whole_numbers_is_refused():
    class Counting(Minimal):
        def initial_carry(self):
            return (jnp.zeros(self.hidden_size), jnp.zeros((), jnp.int32))

    with pytest.raises(ValueError, match="floating point"):
        stability.measure(Counting(), 2, **SMALL)


def test_lanes_that_advance_together_compute_the_exponent_where_it_is_needed_alone():
    """The choice by the phase, which all lanes share, stays a branch."""
    mesh = Mesh(tuple(jax.devices()[:1]), None)
    points = lanes_of(2, seeds=3)
    experiment = stability.Stability(lstm(), points, steps=1700, unique_steps=300)
    state = experiment.init(
        mesh, np.arange(3, dtype=np.uint32), np.ones(3, bool), np.arange(3)
    )

    def advance(now):
        return experiment.advance(mesh, state._replace(pair=now), 1)

    traced = jax.make_jaxpr(advance)(state.pair)
    assert " cond[" in str(traced)


def test_a_cell_may_have_a_weight_for_some_input_sizes_only():
    """An intersection RNN maps inputs to as many numbers as units unless they are."""
    cell, mesh = registry.CELLS["intersection_rnn"](hidden_size=3), Mesh.local()
    points = (stability.Point(3), stability.Point(5))
    settings = {"steps": 1200, "unique_steps": 200}
    both = stability.Stability(cell, points, **settings)
    rows = lanes.run_group(lanes.Group("g", both, (7, 7)), mesh).rows
    alone = stability.Stability(cell, points[:1], **settings)
    assert lanes.run_group(lanes.Group("g", alone, (7,)), mesh).rows == rows[:1]
