"""Lanes: every device count and width gives what a plain loop gives."""

import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from rnnjax.engine import compilations, estimate, lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.results import states


def scale(x, y, factor, *, power):
    return {"z": x**power + jnp.sum(y) * factor}


@pytest.fixture(params=[(1, 1), (2, 1), (2, 3), (1, None), (2, None)], ids=str)
def mesh(request):
    devices, width = request.param
    return Mesh(tuple(jax.devices()[:devices]), width)


def test_mapped_lanes_equal_a_loop(mesh):
    n = mesh.lanes_for(5)
    x, y = np.arange(n, dtype=np.float32), np.ones((n, 3), np.float32)
    z = mesh.map_lanes(scale, power=2)(mesh.place((x, y)), (np.float32(2),))["z"]
    np.testing.assert_array_equal(z, x**2 + 6)


def test_programs_are_kept(mesh):
    assert mesh.map_lanes(scale, power=2) is mesh.map_lanes(scale, power=2)
    assert mesh.map_lanes(scale, power=2) is not mesh.map_lanes(scale, power=3)


@dataclasses.dataclass(frozen=True)
class Countdown:
    """Each lane counts down from its seed, and is done at 0.

    `log` gets the number of slots, then every chunk that is computed.
    """

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
    one, all_at_once = Mesh((jax.devices()[0],), 1), Mesh((jax.devices()[0],), None)
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
class SlowToFinish(Countdown):
    def finish(self, state, lane):
        time.sleep(0.5)
        return super().finish(state, lane)


def test_finishing_is_not_part_of_the_run_seconds():
    group = lanes.Group("g", SlowToFinish(4, []), (9, 2))
    lanes.run_group(group, Mesh.local())
    started = time.perf_counter()
    timing = lanes.run_group(group, Mesh.local()).timing
    elapsed = time.perf_counter() - started
    assert timing["run_seconds"] <= elapsed - 2 * 0.5 + 0.001


def test_min_slots_pad_a_whole_group():
    for min_slots, slots in ((None, 4), (1, 4), (9, 10)):
        experiment = Countdown(4, [])
        group = lanes.Group("g", experiment, (1, 2, 3), min_slots=min_slots)
        lanes.run_group(group, Mesh(tuple(jax.devices()[:2]), None))
        assert experiment.log[0] == slots


def test_lanes_are_dealt_out_to_the_devices():
    group = lanes.Group("g", Countdown(4, []), (7, 8, 9, 5, 6))
    layout = lanes.lay_out(group, Mesh(tuple(jax.devices()[:2]), None), range(5))
    assert layout.slots.tolist() == [0, 3, 1, 4, 2]
    assert layout.lane_indices[layout.valid].tolist() == [0, 2, 4, 1, 3]
    assert layout.seeds[layout.valid].tolist() == [7, 9, 6, 8, 5]


@pytest.mark.parametrize(
    "seconds, chunks, fraction",
    [(0, [0], 1 / 4 * 2 / 3), (60, [0, 1, 2, 3], 2 / 3)],
)
def test_a_trial_runs_some_lanes_for_some_time(seconds, chunks, fraction):
    experiment = Countdown(4, [])
    mesh = Mesh((jax.devices()[0],), 1)
    group = lanes.Group("g", experiment, (9, 9, 2))
    measured = estimate.trial(group, mesh, 2, seconds)
    assert experiment.log == [2, 0, 2, *chunks]
    assert measured.fraction == pytest.approx(fraction)
    assert measured.run_seconds > 0


def test_what_the_last_chunk_compiles_is_no_running_time_of_a_trial():
    class Late(Countdown):
        def advance(self, mesh, state, chunk):
            if chunk == self.chunks - 1:
                event = f"{compilations.STAGES}late"
                jax.monitoring.record_event_duration_secs(event, 1000.0)
            return super().advance(mesh, state, chunk)

    group = lanes.Group("g", Late(4, []), (9, 9))
    measured = estimate.trial(group, Mesh((jax.devices()[0],), 1), 2, 60)
    assert measured.run_seconds < 0 and measured.compile_seconds >= 1000


def test_a_trial_of_lanes_that_end_is_one_of_whole_lanes():
    group = lanes.Group("g", Countdown(40, []), (2, 1))
    measured = estimate.trial(group, Mesh((jax.devices()[0],), 1), 2, 60)
    assert measured.fraction == 1


def test_what_a_kept_program_would_take_to_compile_is_counted():
    before = compilations.saved()
    jax.monitoring.record_event_duration_secs(compilations.SAVED, 2.5)
    jax.monitoring.record_event_duration_secs(compilations.SAVED, -1.0)
    assert compilations.saved() == before + 2.5


def test_compilations_are_counted_once_a_program():
    def fresh(x):
        return x * 3 + 1

    x = jax.block_until_ready(jnp.ones(3))
    count, seconds = compilations.count(), compilations.seconds()
    program = jax.jit(fresh)
    program(x)
    assert compilations.count() == count + 1 and compilations.seconds() > seconds
    seconds = compilations.seconds()
    program(x)
    assert compilations.count() == count + 1 and compilations.seconds() == seconds


@dataclasses.dataclass(frozen=True)
class Hungry(Countdown):
    """Has memory for `max_lanes` lanes; rows have the lane's index in the group."""

    max_lanes: int = 2

    def init(self, mesh, seeds, valid, lane_indices):
        keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
        return super().init(mesh, seeds, valid, lane_indices) | {
            "key": mesh.place(keys),
            "lane": lane_indices,
        }

    def advance(self, mesh, state, chunk):
        if len(state["left"]) > self.max_lanes:
            raise jax.errors.JaxRuntimeError(
                "RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes."
            )
        return state | super().advance(mesh, state, chunk)

    def finish(self, state, lane):
        return super().finish(state, lane) | {"lane": int(state["lane"][lane])}


def test_lanes_that_do_not_fit_into_memory_run_half_by_half():
    device = Mesh((jax.devices()[0],), None)
    group = lanes.Group("g", Hungry(9, []), (3, 0, 7, 2, 5), min_slots=8)
    with pytest.warns(UserWarning, match="do not fit into memory") as warned:
        result = lanes.run_group(group, device)
    message = str(warned[0].message)
    assert message == "g: 5 lanes do not fit into memory; 3 at a time now"
    assert [row["steps"] for row in result.rows] == [3, 0, 7, 2, 5]
    assert [row["lane"] for row in result.rows] == list(range(5))
    assert [row["width"] for row in result.rows] == [2, 2, 1, 2, 2]
    assert len(result.state["key"]) == 5
    with pytest.raises(jax.errors.JaxRuntimeError):
        lanes.run_group(lanes.Group("g", Hungry(9, [], max_lanes=0), (3,)), device)


def test_halves_that_are_done_are_not_done_again(tmp_path):
    """Stopped in the second half, the first is taken from the store."""
    device = Mesh((jax.devices()[0],), None)
    store = states.States(epath.Path(tmp_path))
    calls = []

    def stop():
        calls.append(True)
        return len(calls) == 9

    group = lanes.Group("g", Hungry(6, []), (9, 9, 9, 9))
    with (
        pytest.warns(UserWarning, match="do not fit into memory"),
        pytest.raises(lanes.Preempted),
    ):
        lanes.run_group(group, device, store=store, stop=stop)
    group.experiment.log.clear()
    with pytest.warns(UserWarning, match="do not fit into memory"):
        rows = lanes.run_group(group, device, store=store).rows
    assert [row["steps"] for row in rows] == [6] * 4
    assert group.experiment.log == [4, 2, 2, 3, 4, 5]
