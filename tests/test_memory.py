"""How much memory there is and is needed, and runs that are refused."""

import types

import jax
import numpy as np
import pytest

from benchmarks import capacity, memory_stability
from benchmarks.common import dry_run, main
from benchmarks.common import memory as memory_lib
from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import lanes, memory
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import config as config_lib
from rnnjax.memory_stability import parts
from rnnjax.memory_stability.experiment import Stability

SMALL = ["--cell=rnn_tanh", "--input_sizes=2", "--hidden_sizes=3,5", "--seeds=4"]


def test_a_machine_has_what_no_process_uses_or_what_its_container_may(
    monkeypatch, tmp_path
):
    meminfo, limits = tmp_path / "meminfo", (tmp_path / "v2", tmp_path / "v1")
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    monkeypatch.setattr(memory, "LIMITS", limits)
    meminfo.write_text("MemTotal:  99 kB\nMemAvailable:    7 kB\n")
    assert memory.available(jax.devices()) == 7 * 1024
    limits[0].write_text("max\n")
    assert memory.available(jax.devices()) == 7 * 1024
    limits[1].write_text("5000\n")
    assert memory.available(jax.devices()) == 5000


@pytest.mark.parametrize(
    "stats, expected",
    [([{"bytes_limit": 9}, {"bytes_limit": 8}], 16), ([None], None), ([{}], None)],
)
def test_accelerators_have_memory_each(stats, expected):
    devices = [
        types.SimpleNamespace(platform="gpu", memory_stats=lambda some=some: some)
        for some in stats
    ]
    assert memory.available(devices) == expected


def double(x, *, power):
    return {"y": x**power, "whole": x.sum() + 0 * x}


class Doubling:
    """One chunk, of a program that takes n numbers a lane and gives 2 n."""

    chunks = 1

    def init(self, mesh, seeds, valid, lane_indices):
        return mesh.place(np.ones((len(seeds), 1000), np.float32))

    def advance(self, mesh, state, chunk):
        return mesh.map_lanes(double, power=2)((state,), ())


def test_programs_need_their_arguments_and_outputs_and_more_if_compiled():
    mesh = Mesh(tuple(jax.devices()[:2]), 1)
    group = lanes.Group("g", Doubling(), (1, 2, 3), numbers=1000)
    made = memory.programs(group, mesh)
    assert memory.from_shapes(made) == 4 * 3 * 4000, "of four slots"
    assert memory.compiled(made, mesh) >= 4 * 3 * 4000
    assert memory.guess(group, mesh) == 4 * 4000
    (one,) = memory.programs(group, Mesh(mesh.devices, None), range(1))
    assert memory.from_shapes([one]) == 2 * 3 * 4000, "a lane on each device"


@pytest.fixture
def began(monkeypatch):
    """Counts the runs that begin; none does more."""
    calls = []
    monkeypatch.setattr(main, "_run_missing", lambda *_: calls.append(1))
    return calls


def test_a_run_that_cannot_fit_is_refused_unless_it_is_forced(
    command, began, monkeypatch, tmp_path
):
    monkeypatch.setattr(memory, "available", lambda devices: 2000)
    status, out, err = command(memory_stability, *SMALL)
    assert (status, out, began) == (2, "", [])
    assert err.startswith("memory_stability: rnn_tanh, 5 units: at least ")
    assert err.endswith(
        "B of memory are needed for 4 lanes at once, and there are 2 kB; allowed: "
        "fewer lanes or units, more memory or devices, or --force\n"
    )
    assert command(memory_stability, *SMALL, "--force")[0] == 0
    assert began == [1]
    monkeypatch.setattr(dry_run, "_time", lambda *_: [])
    status, out, err = command(memory_stability, *SMALL, "--dry_run")
    assert status == 0
    assert out.endswith("This does not fit: without --force, the run is refused.\n")
    assert not list(tmp_path.iterdir())


def test_temporary_arrays_count_if_the_shapes_alone_would_fit(monkeypatch, began):
    """They do where shapes take a tenth of the memory or more."""
    asked = []
    monkeypatch.setattr(memory, "compiled", lambda *_: asked.append(1) or 1e9)
    group = lanes.Group("g", Doubling(), (1, 2, 3), numbers=1000)
    part = types.SimpleNamespace(
        name="a", cost=lambda known: 1.0, run=lambda runner: runner.rows([1], make)
    )

    def make(missing):
        return [group]

    mesh = Mesh(tuple(jax.devices()[:2]), 1)
    for there, compiled in ((481_000, 0), (479_000, 1), (49_000, 1), (47_000, 0)):
        monkeypatch.setattr(memory, "available", lambda devices, n=there: n)
        asked.clear()
        if there > 480_000:
            memory_lib.check(capacity.BENCHMARK, [part], mesh, {})
        else:
            with pytest.raises(memory_lib.errors.MemoryTooSmall, match="for 3 lanes"):
                memory_lib.check(capacity.BENCHMARK, [part], mesh, {})
        assert len(asked) == compiled


def test_what_fits_by_far_is_not_traced(command, began, monkeypatch):
    monkeypatch.setattr(memory, "programs", None)
    monkeypatch.setattr(memory, "available", lambda devices: 10**7)
    assert command(memory_stability, *SMALL)[0] == 0
    assert began == [1]


def test_together_one_lane_on_each_device_must_fit():
    """As a group that does not fit is halved; a CPU ends the process instead."""
    group = lanes.Group("g", Doubling(), (1, 2, 3))
    devices = tuple(jax.devices()[:1])
    assert memory_lib.least(group, Mesh(devices, None)) == range(1)
    assert memory_lib.least(group, Mesh(devices, 1)) == range(3)


def test_the_guess_is_of_the_size_of_what_shapes_say():
    cell = registry.CELLS["gru"](hidden_size=32)
    config = config_lib.configure({"hidden_sizes": (32,), "input_sizes": (8,)})
    (part,) = parts.parts(config)
    (group,) = part.groups(range(10))
    mesh = Mesh(tuple(jax.devices()[:2]), 1)
    assert isinstance(group.experiment, Stability)
    assert group.numbers == networks.parameter_count(cell, 8) + 8000
    needed = memory.from_shapes(memory.programs(group, mesh))
    assert needed / 3 < memory.guess(group, mesh) < 3 * needed


def test_lanes_are_made_when_they_are_read():
    config = config_lib.configure({"seeds": 100_000, "cell": ("gru", "lstm")})
    every = parts.parts(config)
    assert sum(part.lanes({}) for part in every) == 2 * 8 * 800_000
    point, seed = every[-1].seeded[799_999]
    assert (point.input_size, seed) == (128, 99_999)
    assert every[-1].ids[-1][-1] == 99_999
    (piece,) = parts.parts(config, 3)[2:3]
    assert len(piece.seeded) == 266_666 and piece.seeded.input_sizes == (32, 64, 128)
    group = next(iter(every[0].groups(range(800_000))))
    assert len(group.seeds) < 5_000
