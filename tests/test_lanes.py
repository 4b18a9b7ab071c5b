"""Lanes: every device count and width gives what a plain loop gives."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.results import states


def scale(x, y, factor, *, power):
    return {"z": x**power + jnp.sum(y) * factor}


@pytest.fixture(params=[(1, 1), (2, 1), (2, 3), (1, None), (2, None)], ids=str)
def mesh(request):
    devices, width = request.param
    return Mesh(tuple(jax.devices()[:devices]), width)


def test_each_equals_a_loop(mesh):
    n = mesh.lanes_for(5)
    x, y = np.arange(n, dtype=np.float32), np.ones((n, 3), np.float32)
    z = mesh.map_lanes(scale, power=2)(mesh.place((x, y)), (np.float32(2),))["z"]
    np.testing.assert_array_equal(z, x**2 + 6)


def test_programs_are_kept(mesh):
    assert mesh.map_lanes(scale, power=2) is mesh.map_lanes(scale, power=2)
    assert mesh.map_lanes(scale, power=2) is not mesh.map_lanes(scale, power=3)


@dataclasses.dataclass(frozen=True)
class Countdown:
    """Each lane counts down from its seed; a lane at 0 is done. Keeps a log of the chunks that were computed."""

    chunks: int
    log: list

    def init(self, mesh, seeds, valid, lane_indices):
        self.log.append(len(seeds))
        return {
            "left": mesh.place(np.where(valid, seeds, 0).astype(np.int32)),
            "steps": mesh.place(np.zeros(len(seeds), int)),
        }

    def advance(self, mesh, state, chunk):
        self.log.append(chunk)
        return mesh.map_lanes(count)((state["left"], state["steps"]), ())

    def done(self, state):
        return state["left"] == 0

    def finish(self, state, lane):
        return {"steps": int(state["steps"][lane])}


def count(left, steps):
    return jax.lax.cond(
        left == 0,
        lambda: {"left": left, "steps": steps},
        lambda: {"left": left - 1, "steps": steps + 1},
    )


def test_lanes_stop_when_they_are_done(mesh):
    experiment = Countdown(50, [])
    group = lanes.Group("g", experiment, (3, 0, 7))
    reports = []
    rows = lanes.run_group(group, mesh, reports.append).rows
    assert [row["steps"] for row in rows] == [3, 0, 7]
    assert [row["seed"] for row in rows] == [3, 0, 7]
    assert experiment.log[0] % len(mesh.devices) == 0
    assert (
        max(experiment.log[1:]) == 7
    )  # one chunk is in flight when the last lane is seen to be done
    assert reports == sorted(reports)


def test_an_experiment_ends_with_its_chunks(mesh):
    rows = lanes.run_group(lanes.Group("g", Countdown(4, []), (9, 2)), mesh).rows
    assert [row["steps"] for row in rows] == [4, 2]


def test_width_is_recorded():
    one, all_at_once = (
        Mesh(tuple(jax.devices()), 1),
        Mesh(tuple(jax.devices()[:1]), None),
    )
    group = lanes.Group("g", Countdown(4, []), (9, 2, 1))
    assert {row["width"] for row in lanes.run_group(group, one).rows} == {1}
    assert {row["width"] for row in lanes.run_group(group, all_at_once).rows} == {3}


def test_groups_come_one_by_one_with_timings_and_reports():
    groups = [
        lanes.Group(name, Countdown(4, []), (1, 2), cost)
        for name, cost in (("a", 1.0), ("b", 3.0))
    ]
    reports = []
    results = list(lanes.run(groups, Mesh.local(), reports.append))
    assert [result.group.name for result in results] == ["a", "b"]
    assert reports == sorted(reports) and reports[-1] == 4.0
    assert all(
        result.timing.keys() == {"compile_seconds", "run_seconds"} for result in results
    )


@dataclasses.dataclass(frozen=True)
class Hungry(Countdown):
    """Has memory for `most` lanes; its rows say which lane of the group they are."""

    most: int = 2

    def init(self, mesh, seeds, valid, lane_indices):
        keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
        return super().init(mesh, seeds, valid, lane_indices) | {
            "key": mesh.place(keys),
            "lane": lane_indices,
        }

    def advance(self, mesh, state, chunk):
        if len(state["left"]) > self.most:
            raise jax.errors.JaxRuntimeError(
                "RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes."
            )
        return state | super().advance(mesh, state, chunk)

    def finish(self, state, lane):
        return super().finish(state, lane) | {"lane": int(state["lane"][lane])}


def test_lanes_that_do_not_fit_into_memory_run_half_by_half():
    one = Mesh(tuple(jax.devices()[:1]), None)
    group = lanes.Group("g", Hungry(9, []), (3, 0, 7, 2, 5), min_slots=8)
    with pytest.warns(UserWarning, match="do not fit into memory") as told:
        result = lanes.run_group(group, one)
        rows, state = result.rows, result.state
    assert str(told[0].message) == "g: 5 lanes do not fit into memory; 3 at a time now"
    assert [row["steps"] for row in rows] == [3, 0, 7, 2, 5]
    assert [row["lane"] for row in rows] == list(range(5))
    assert [row["width"] for row in rows] == [2, 2, 1, 2, 2]
    assert len(state["key"]) == 5
    with pytest.raises(jax.errors.JaxRuntimeError):
        lanes.run_group(lanes.Group("g", Hungry(9, [], most=0), (3,)), one)


def test_halves_that_are_done_are_not_done_again(tmp_path):
    """Stopped in the second half, the first is taken from the store."""
    one, store = (
        Mesh(tuple(jax.devices()[:1]), None),
        states.States(epath.Path(tmp_path)),
    )
    calls = []

    def stop():
        calls.append(True)
        return len(calls) == 9

    group = lanes.Group("g", Hungry(6, []), (9, 9, 9, 9))
    with (
        pytest.warns(UserWarning, match="do not fit into memory"),
        pytest.raises(lanes.Preempted),
    ):
        lanes.run_group(group, one, store=store, stop=stop)
    group.experiment.log.clear()
    with pytest.warns(UserWarning, match="do not fit into memory"):
        rows = lanes.run_group(group, one, store=store).rows
    assert [row["steps"] for row in rows] == [6] * 4
    assert group.experiment.log == [4, 2, 2, 3, 4, 5]
