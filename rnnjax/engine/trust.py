"""Whether a device computes a lane alike, whatever is beside it.

On some accelerators a program is wrong at some numbers of lanes and right at others
(https://github.com/jax-ml/jax/issues/27591). So before a run, all lanes of a group make
a few steps together, and then again in small parts: one lane on each device.
"""

import itertools
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh

# Of the largest number of an array, or `SMALL` if that is more. Rounding differs with
# the width and is amplified a little in a few steps; what is wrong differs by about as
# much as there is.
TOLERANCE, SMALL = 0.05, 0.02


@runtime_checkable
class Probed(Protocol):
    """An experiment that can be checked."""

    def probe(self, mesh: Mesh, state: Any) -> Any:
        """The state after a few steps, by the programs of `advance`."""


class Untrusted(ArithmeticError):
    """The device computes a lane differently alone and among others."""


def needed(mesh: Mesh) -> bool:
    """Whether the devices are worth a check: a CPU runs one lane at a time."""
    return mesh.together and mesh.devices[0].platform != "cpu"


def check(group: lanes.Group, mesh: Mesh) -> None:
    """Raises `Untrusted` if a lane of a group depends on how many are beside it."""
    if not isinstance(group.experiment, Probed):
        return
    count = len(group.seeds)
    together = _probed(group, mesh, range(count))
    for few in itertools.batched(range(count), len(mesh.devices)):
        part = range(few[0], few[-1] + 1)
        alone = _probed(group, mesh, part)
        for (path, x), y in zip(
            jax.tree.leaves_with_path(together), jax.tree.leaves(alone), strict=True
        ):
            if jnp.issubdtype(x.dtype, jnp.floating):
                _compare(group, part, jax.tree_util.keystr(path), x[part.start :], y)


def _compare(
    group: lanes.Group, part: range, name: str, x: np.ndarray, y: np.ndarray
) -> None:
    for lane, a, b in zip(part, x, y):
        scale = np.max(np.abs(b), initial=SMALL, where=np.isfinite(b))
        if not np.allclose(a, b, rtol=0, atol=TOLERANCE * scale, equal_nan=True):
            raise Untrusted(
                f"{group.name}, seed {group.seeds[lane]}: {name} differs by "
                f"{np.max(np.abs(a - b)):.3g} between "
                f"{len(group.seeds)} lanes together and {len(part)}: this device, or "
                "its compiler, cannot be trusted at this number of lanes"
            )


def _probed(group: lanes.Group, mesh: Mesh, part: range) -> Any:
    """The state of the lanes of a part after a probe, arrays on the host."""
    layout = lanes.lay_out(group, mesh, part)
    experiment = group.experiment
    assert isinstance(experiment, Probed)
    state = experiment.probe(mesh, layout.init(experiment, mesh))
    return jax.tree.map(lambda leaf: leaf[layout.slots], jax.device_get(state))
