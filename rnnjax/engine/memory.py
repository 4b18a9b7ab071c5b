"""How much memory a group needs, found without allocating any, and how much there is.

    made = programs(group, mesh)
    from_shapes(made) <= compiled(made) <= available(mesh.devices)

All are bytes of all devices of a mesh together.
"""

import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import jax

from rnnjax.engine import ahead, lanes
from rnnjax.engine.mesh import Mesh

MEMINFO = pathlib.Path("/proc/meminfo")
# Limits of the container of a process, by version of Linux's control groups.
LIMITS = (
    pathlib.Path("/sys/fs/cgroup/memory.max"),
    pathlib.Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def available(devices: Sequence[jax.Device]) -> int | None:
    """The memory of these devices, None if it is unknown.

    CPU devices share that of the machine that no process uses, or the limit of the
    container if that is less.
    """
    if devices[0].platform == "cpu":
        return _of_host()
    stats = [device.memory_stats() for device in devices]
    limits = [some["bytes_limit"] for some in stats if some and "bytes_limit" in some]
    return min(limits) * len(devices) if limits else None


def _of_host() -> int | None:
    found = [limit for path in LIMITS if (limit := _whole_number(path)) is not None]
    if MEMINFO.exists():
        free = re.search(r"MemAvailable:\s*(\d+) kB", MEMINFO.read_text())
        found += [1024 * int(free[1])] if free else []
    elif "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)


def _whole_number(path: pathlib.Path) -> int | None:
    """What a file says; None if there is none, or it says "max"."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def guess(group: lanes.Group, mesh: Mesh) -> float:
    """From the group's `numbers` alone; off by some factor. 0 if these are unknown."""
    slots = mesh.lanes_for(max(len(group.seeds), group.min_slots or 0))
    return 4.0 * group.numbers * slots


def programs(
    group: lanes.Group, mesh: Mesh, part: range | None = None
) -> list[ahead.Lowerable]:
    """The programs of a group, or of a part of its lanes."""
    return ahead.programs(group, ahead.Planned(mesh.devices, mesh.width), part)


def from_shapes(made: Sequence[ahead.Lowerable]) -> int:
    """The least that the programs need: arguments and outputs of the largest."""
    return max(size(one.arguments) + size(one.outputs) for one in made)


def compiled(made: Sequence[ahead.Lowerable], mesh: Mesh) -> int:
    """What the compiled programs need, with the temporary arrays of the largest."""
    largest = 0
    for one in made:
        needed = one.function.lower(*one.arguments).compile().memory_analysis()
        largest = max(
            largest,
            needed.argument_size_in_bytes
            + needed.output_size_in_bytes
            + needed.temp_size_in_bytes,
        )
    return largest * len(mesh.devices)


def size(tree: Any) -> int:
    """Bytes of a tree of shapes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
