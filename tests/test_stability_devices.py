"""Lanes on other devices, and beside other lanes, give the same rows."""

import os
import subprocess
import sys

import jax
import pytest

from rnnjax.cells import registry
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import experiment as stability

SMALL = {"steps": 1700, "unique_steps": 300, "seeds": 3}


SAME_ROWS = """
import jax
from rnnjax.engine import lanes
from rnnjax.cells import registry
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import experiment as stability
from rnnjax.cells import registry

cell = registry.CELLS["{cell}"](hidden_size=32)
def rows(devices, **seeds):
    mesh = Mesh(tuple(jax.devices()[:devices]), 1)
    return stability.measure(cell, 4, steps=2500, mesh=mesh, **seeds)

expected = rows(1, seeds=9)
assert rows(8, seeds=9) == expected, "devices"
assert rows(1, seeds=1, first_seed=7) == expected[7:8], "a seed alone"
assert rows(3, seeds=3, first_seed=2) == expected[2:5], "some seeds, one a device"
"""


def on_eight_devices(script):
    """Runs a script in an interpreter of its own."""
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "8"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_neither_devices_nor_other_seeds_change_a_row(cell):
    """At sizes where a differently compiled loop would round differently."""
    on_eight_devices(SAME_ROWS.format(cell=cell))


COUNTED = """
import jax
from rnnjax.cells import registry
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import experiment as stability
from rnnjax.memory_stability import pair as pair_lib

advanced, live = [], pair_lib._advance

def counted(step, pair, z, phase, *rest):
    jax.debug.callback(lambda steps: advanced.append(int(steps)), phase.length)
    return live(step, pair, z, phase, *rest)

def lane_steps(devices, **more):
    advanced.clear()
    mesh = Mesh(tuple(jax.devices()[:devices]), 1)
    settings = {"steps": 9000, "unique_steps": 400, "seeds": 9}
    stability.measure(registry.CELLS["lstm"](4), 1, **settings, mesh=mesh, **more)
    jax.effects_barrier()
    return sum(advanced)

pair_lib._advance = counted
one = lane_steps(1)
assert lane_steps(1, full=True) == 9 * 9000, "every step"
assert 9 * 1000 < one < 9 * 9000, "pairs that merge stop"
assert [lane_steps(devices) for devices in (2, 3, 8)] == [one] * 3, "devices"
"""


@pytest.mark.slow
def test_more_devices_advance_no_more_live_lanes():
    """Nine lanes: padding, and lanes that stop while others of their device go on, are
    not computed.
    """
    on_eight_devices(COUNTED)


@pytest.mark.slow
def test_vmapped_lanes_agree_where_rounding_does_not_decide():
    looped, together = (
        stability.measure(
            registry.CELLS["lstm"](hidden_size=3),
            2,
            **SMALL,
            mesh=Mesh(tuple(jax.devices()[:1]), width),
        )
        for width in (1, None)
    )
    assert [row["width"] for row in together] == [3, 3, 3]
    for a, b in zip(looped, together):
        assert (a["first_1e-2"], a["first_1e-4"]) == (b["first_1e-2"], b["first_1e-4"])
        assert a["lyapunov"] == pytest.approx(b["lyapunov"], abs=1e-4)
