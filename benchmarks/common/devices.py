"""The devices of this machine."""

import contextlib
import os

import jax

from benchmarks.common import errors
from rnnjax.engine.mesh import Mesh


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def local_mesh() -> Mesh:
    """This machine's devices. Without an accelerator, each core is one.

    The user may choose another number by JAX_NUM_CPU_DEVICES.

    Raises `errors.UsageError` if JAX finds no device.
    """
    if jax.config.jax_num_cpu_devices < 1:
        with contextlib.suppress(RuntimeError):  # JAX has started already
            jax.config.update("jax_num_cpu_devices", cores())
    try:
        return Mesh.local()
    except RuntimeError as error:
        problem = f"JAX finds no device ({str(error).splitlines()[0]})"
        allowed = "cpu, or a platform that is installed"
        platforms = jax.config.jax_platforms
        raise errors.UsageError("jax_platforms", platforms, problem, allowed) from None
