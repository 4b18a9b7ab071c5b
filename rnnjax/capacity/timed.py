"""What `benchmarks.timing` measures of capacity."""

from rnnjax import networks
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.timed import Timed
from rnnjax.tasks.parameters import Parameters
from rnnjax.training import method, training

CELLS = ("rnn_tanh", "gru", "lstm")
LANES = 4  # at least
STEPS = 5
UPDATES = 10**6  # of the training, so that its learning rate hardly falls


def timed(mesh: Mesh) -> list[Timed]:
    """A chunk of updates of a population that memorizes labels.

    The entry whose name begins with `smoke` is small.
    """
    return [
        _timed("smoke/capacity", mesh, "rnn_tanh", units=8, samples=64),
        *(_timed("capacity", mesh, cell, units=16, samples=256) for cell in CELLS),
    ]


def _timed(prefix: str, mesh: Mesh, cell: str, units: int, samples: int) -> Timed:
    count = mesh.lanes_for(LANES)
    name = f"{prefix}/{cell}"

    def group() -> lanes.Group:
        network = networks.Network(registry.CELLS[cell](hidden_size=units), outputs=1)
        task = Parameters(steps=STEPS, padded_samples=samples)
        values = method.Hyperparameters(samples=samples)
        experiment = training.Training(network, task, UPDATES, (values,))
        return lanes.Group(name, experiment, tuple(range(count)))

    sizes = {
        "units": units,
        "samples": samples,
        "steps": STEPS,
        "lanes": count,
        "updates": training.UPDATES_PER_CHUNK,
    }
    steps = count * training.UPDATES_PER_CHUNK * STEPS
    # The second chunk, so that Adam's averages have begun.
    return Timed(name, sizes, steps, group, chunk=1)
