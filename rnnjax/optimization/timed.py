"""What of optimization is timed: a chunk of updates and the validation after it."""

from rnnjax.engine.mesh import Mesh
from rnnjax.engine.timed import Timed
from rnnjax.optimization import parts
from rnnjax.optimization.config import configure


def timed(mesh: Mesh) -> list[Timed]:
    """A small run for smoke tests; Adam, and Hessian-free updates."""
    small = {"smoke": True, "optimizer": ("adam",)}
    return [
        _timed(mesh, "smoke/optimization/adam", small),
        _timed(mesh, "optimization/adam", {"optimizer": ("adam",)}),
        _timed(
            mesh,
            "optimization/hessian_free",
            {
                "study": "cures",
                "lengths": (100,),
                "cell": ("rnn_tanh",),
                "optimizer": ("hessian_free",),
            },
        ),
    ]


def _timed(mesh: Mesh, name: str, given: dict[str, object]) -> Timed:
    count = mesh.lanes_for(2)
    config = configure({**given, "trials": 0, "seeds": count})
    (part,) = parts.parts(config)
    group = part.group(range(count))
    (stage,) = part.make(part.runs).stages
    sizes = {
        "units": config.hidden_sizes[0],
        "batch": stage.task.batch,
        "updates": stage.per_chunk,
        "lanes": count,
    }
    steps = count * stage.per_chunk * stage.task.sequence
    return Timed(name, sizes, lane_steps=steps, group=lambda: group, chunk=1)
