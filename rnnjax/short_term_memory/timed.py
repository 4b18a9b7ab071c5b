"""What of short-term memory is timed: a chunk of steps whose states are kept."""

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.timed import Timed
from rnnjax.short_term_memory.experiment import CHUNK, Driven


def timed(mesh: Mesh) -> list[Timed]:
    """A small GRU for smoke tests, and a GRU and an LSTM of the default size."""
    return [
        _timed(mesh, "smoke/short_term_memory/gru", "gru", 8),
        _timed(mesh, "short_term_memory/gru", "gru", 64),
        _timed(mesh, "short_term_memory/lstm", "lstm", 64),
    ]


def _timed(mesh: Mesh, name: str, cell: str, units: int) -> Timed:
    count = mesh.lanes_for(2)
    module = networks.build(registry.CELLS[cell], units)
    experiment = Driven(module, 2 * CHUNK, lambda kept, seed: {})
    sizes = {"units": units, "steps": CHUNK, "lanes": count}
    return Timed(
        name,
        sizes,
        lane_steps=count * CHUNK,
        group=lambda: lanes.Group("timed", experiment, tuple(range(count))),
        chunk=1,
    )
