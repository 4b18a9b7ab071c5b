"""What of memory stability is timed: a chunk of shared steps after the exponents."""

import functools

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.timed import Timed
from rnnjax.memory_stability.experiment import Point, Stability
from rnnjax.memory_stability.source import CHUNK

CHUNKS_OF_EXPONENTS = 10


def timed(mesh: Mesh) -> list[Timed]:
    """A small GRU for smoke tests, and two cells at a usual size."""
    make = functools.partial(_timed, mesh)
    return [
        make("smoke/memory_stability/gru", "gru", hidden_size=8, input_size=2),
        make("memory_stability/gru", "gru", hidden_size=64, input_size=16),
        make("memory_stability/lstm", "lstm", hidden_size=64, input_size=16),
    ]


def _timed(
    mesh: Mesh, name: str, cell: str, hidden_size: int, input_size: int
) -> Timed:
    count = mesh.lanes_for(2)
    module = networks.build(registry.CELLS[cell], hidden_size)
    experiment = Stability(module, (Point(input_size),) * count, full=True)
    sizes = {"units": hidden_size, "inputs": input_size, "steps": CHUNK, "lanes": count}
    return Timed(
        name,
        sizes,
        lane_steps=count * CHUNK,
        group=lambda: lanes.Group("timed", experiment, tuple(range(count))),
        chunk=experiment.unique_chunks + CHUNKS_OF_EXPONENTS,
    )
