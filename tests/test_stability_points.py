"""Lanes of several input sizes and numbers of the cell, in one program."""

import numpy as np
import pytest

from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.memory_stability import experiment as stability
from rnnjax.memory_stability import source as source_lib


def lstm(units=3):
    return registry.CELLS["lstm"](hidden_size=units)


def test_narrow_inputs_are_the_first_of_wide_ones():
    mesh = Mesh.local()
    sizes = (2, 5)
    points = tuple(stability.Point(n) for n in sizes for _ in range(2))
    experiment = stability.Stability(lstm(), points)
    group = lanes.Group("g", experiment, (0, 1) * 2)
    state = lanes.lay_out(group, mesh, range(4)).init(experiment, mesh)
    source, done = state.source, state.pair.done
    index = np.asarray(source.size).reshape(len(mesh.devices), -1)
    windows = source_lib.windows(sizes, index)
    draw = mesh.map_devices(source_lib.draw_device, windows=windows, inputs=None)
    starts = set()
    for chunk in range(4):
        phase = experiment.phase(chunk)
        x = draw((done, source.keys), (phase,))
        # Two lanes a device: both windows are both of them, and their seed is the same.
        narrow, wide = (np.asarray(part) for part in x)
        assert narrow.shape[0] == wide.shape[0] == 4
        np.testing.assert_allclose(narrow, wide[..., :2], rtol=1e-6)
        starts |= {float(wide[0, row, 0]) for row in (0, source_lib.CHUNK // 2)}
    assert len(starts) == 8


@pytest.mark.slow
def test_lanes_of_all_sizes_and_numbers_give_the_rows_that_they_give_alone():
    """At a size where a differently compiled loop would round differently."""
    cell, mesh = lstm(32), Mesh.local()
    points = [
        stability.Point(n, scale, {"keep_bias": bias})
        for n in (1, 3, 4)
        for scale, bias in ((1.0, 1.0), (2.0, -1.0))
    ]
    settings = {"steps": 2500, "unique_steps": 300}
    twice = tuple(point for point in points for _ in range(2))
    every = stability.Stability(cell, twice, **settings)
    # Lanes are dealt out to two devices: each has both seeds.
    seeds = (0, 1, 1, 0) * (len(points) // 2)
    group = lanes.Group("g", every, seeds)
    rows = lanes.run_group(group, mesh).rows
    for k in (5, 8):
        alone = stability.Stability(cell, (points[k // 2],), **settings)
        (row,) = lanes.run_group(lanes.Group("g", alone, (seeds[k],)), mesh).rows
        assert row == rows[k]
    found = {(row["input_size"], row["input_scale"], row["keep_bias"]) for row in rows}
    assert len(found) == 6 and len({row["lyapunov"] for row in rows}) == 12
