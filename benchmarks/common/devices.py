"""The devices of this machine."""

import contextlib
import glob
import os

import jax

from rnnjax.engine.mesh import Mesh

from . import errors

# Loops become command buffers: a GPU goes from kernel to kernel without the host.
GPU_FLAGS = (
    "--xla_gpu_enable_command_buffer=+WHILE --xla_gpu_command_buffer_unroll_loops=true"
)
NVIDIA_DEVICES = "/dev/nvidia[0-9]*"


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def local_mesh() -> Mesh:
    """This machine's devices. Without an accelerator, each core is one.

    The user may choose another number by JAX_NUM_CPU_DEVICES. Where there is an NVIDIA
    GPU, XLA gets `GPU_FLAGS`, unless the user has set XLA_FLAGS.

    Raises `errors.UsageError` if JAX finds no device.
    """
    if glob.glob(NVIDIA_DEVICES):
        os.environ.setdefault("XLA_FLAGS", GPU_FLAGS)
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
