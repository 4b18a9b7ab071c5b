"""Programs of one lane, compiled to run over all lanes of a group on every device.

How many lanes advance together (`width`) is fixed by the caller and written to each
row: results repeat bit for bit at equal width, whatever the number of devices.
"""

import contextlib
import contextvars
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

AXIS = "lanes"
MAX_PROGRAMS = 24  # kept; all of a long run would add up to hundreds of megabytes


@dataclasses.dataclass(frozen=True)
class Mesh:
    """The devices that lanes are spread over, and the inner width.

    `width` 1 loops over the lanes of a device, which is best for long recurrences on a
    CPU: a vmapped loop loses its single kernel. None takes all lanes of a device at
    once, which is best on accelerators.
    """

    devices: tuple[jax.Device, ...]
    width: int | None
    runs: ClassVar[bool] = True  # its programs; see `ahead.Planned`

    @classmethod
    def local(cls) -> "Mesh":
        """All devices of this process, with the width that is best for them."""
        devices = tuple(jax.local_devices())
        return cls(devices, 1 if devices[0].platform == "cpu" else None)

    @property
    def together(self) -> bool:
        """Whether lanes advance under `vmap`, for which loops need another form."""
        return self.width != 1

    def lanes_for(self, lanes: int) -> int:
        """`lanes` rounded up to a number that the devices can divide evenly.

        With width 1 every device has at least two lanes: XLA turns a loop over a single
        lane into straight code, which rounds differently, and a seed that runs alone
        would not equal that seed among others.
        """
        multiple = len(self.devices) * (self.width or 1)
        minimum = 2 * multiple if self.width == 1 else multiple
        return max(minimum, math.ceil(lanes / multiple) * multiple)

    def place[T](self, lanes: T) -> T:
        """Copies a tree of host arrays `[L, ...]` to the devices, split along L."""
        return jax.device_put(lanes, NamedSharding(self._mesh, PartitionSpec(AXIS)))

    def map_lanes(self, function: Callable[..., Any], **static: Any) -> Callable:
        """Maps `function(*lane, *shared, **static)` of one lane over lanes.

        The result takes `(lanes, shared)`: a tuple of arrays `[L, ...]`, and a tuple of
        values common to all lanes. It is compiled once for each combination of shapes.
        A branch that depends on a shared value alone stays a branch.
        """
        return self._map(function, static, of_lane=True)

    def map_devices(self, function: Callable[..., Any], **static: Any) -> Callable:
        """As `map_lanes`, of a function of all lanes of a device, arrays `[L, ...]`."""
        return self._map(function, static, of_lane=False)

    def _map(
        self, function: Callable[..., Any], static: Mapping[str, Any], of_lane: bool
    ) -> Callable:
        return _program(self, function, tuple(sorted(static.items())), of_lane)

    @property
    def _mesh(self) -> jax.sharding.Mesh:
        return jax.sharding.Mesh(np.asarray(self.devices), (AXIS,))


_TOGETHER = contextvars.ContextVar("together", default=False)


def together() -> bool:
    """Whether the program that is traced advances lanes under `vmap`.

    It is then for an accelerator, and loops take another form: their trip count is
    known, what does not fill a chunk is computed and not kept, and no lane has a branch
    around a loop.
    """
    return _TOGETHER.get()


@contextlib.contextmanager
def traced(together: bool) -> Iterator[None]:
    """Within it, programs are traced in the form that `together` says."""
    token = _TOGETHER.set(together)
    try:
        yield
    finally:
        _TOGETHER.reset(token)


def unless_done[T](done: jax.Array, kept: T, advanced: Callable[[], T]) -> T:
    """What a lane becomes: `kept` if it is done, else `advanced()`.

    Together, both are computed: as a branch per lane, every loop within it would copy
    all that it changes at every iteration.
    """
    if not together():
        return lax.cond(done, lambda: kept, advanced)
    return jax.tree.map(lambda old, new: jnp.where(done, old, new), kept, advanced())


@functools.lru_cache(maxsize=MAX_PROGRAMS)
def _program(mesh: Mesh, function: Callable, static: tuple, of_lane: bool) -> Callable:
    @traced(mesh.together)
    def shard(lanes: Any, shared: Any) -> Any:
        if not of_lane:
            return function(*lanes, *shared, **dict(static))

        def lane_function(lane: Any) -> Any:
            return function(*lane, *shared, **dict(static))

        if mesh.width == 1:
            return lax.map(lane_function, lanes)
        width = mesh.width or len(jax.tree.leaves(lanes)[0])
        return lax.map(lane_function, lanes, batch_size=width)

    spec = PartitionSpec(AXIS)
    return jax.jit(
        jax.shard_map(
            shard,
            mesh=mesh._mesh,
            in_specs=(spec, PartitionSpec()),
            out_specs=spec,
            check_vma=False,
        )
    )
