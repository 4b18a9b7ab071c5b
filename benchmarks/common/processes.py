"""Which slice of a run this process computes.

Lanes share nothing, so a process needs no more than the index of its slice. --shard=i/n
gives it; with --coordinator, `jax.distributed` assigns it. That is done in a
short-lived process of its own, since a coordinator that cannot be reached, or a process
that dies later, would end every process that is connected.
"""

import os
import subprocess
import sys

from rnnjax.engine.runner import WHOLE, ProcessSlice

from . import errors
from .benchmark import RunOptions

WAIT_SECONDS = 60
MAX_PROCESSES = 2**16
RENDEZVOUS = """
import jax, sys
address, count, index, wait = sys.argv[1:]
given = {} if address == "auto" else {
    "cluster_detection_method": "deactivate", "coordinator_address": address,
    "num_processes": int(count), "process_id": int(index)}
jax.distributed.initialize(**given, initialization_timeout=int(wait))
print(jax.process_index(), jax.process_count())
jax.distributed.shutdown()
"""


def slice_of(options: RunOptions) -> ProcessSlice:
    """The slice that the flags give to this process. Raises `errors.UsageError`."""
    for flag in ("num_processes", "process_id"):
        value = getattr(options, flag)
        if value is not None and options.coordinator is None:
            problem, allowed = "given without --coordinator", "with it, or --shard=i/n"
            raise errors.UsageError(flag, value, problem, f"{allowed} instead")
    if options.coordinator is not None and options.shard is not None:
        problem = f"given with --coordinator={options.coordinator}"
        raise errors.UsageError("shard", options.shard, problem, "one of the two")
    if options.coordinator is not None:
        found = _assigned(options.coordinator, options)
    elif options.shard is not None:
        found = _parsed(options.shard)
    else:
        found = WHOLE
    if found.count > 1 and options.overwrite:
        problem = "each process would discard what the others do"
        raise errors.UsageError("overwrite", True, problem, "another --out_dir")
    return found


def _parsed(shard: str) -> ProcessSlice:
    words = shard.split("/")
    numbers = [int(word) for word in words if word.isdecimal()]
    if len(words) == len(numbers) == 2:
        index, count = numbers
        if 1 <= index <= count <= MAX_PROCESSES:
            return ProcessSlice(index - 1, count)
    allowed = f"i/n, such as 1/4 to 4/4, n at most {MAX_PROCESSES}"
    raise errors.UsageError("shard", shard, "no such slice", allowed)


def _assigned(address: str, options: RunOptions) -> ProcessSlice:
    """The slice that `jax.distributed` assigns, once all processes have met."""
    count = index = ""
    if address != "auto":
        _check_address(address)
        for flag in ("num_processes", "process_id"):
            if getattr(options, flag) is None:
                problem = f"needs --{flag} beside it"
                allowed = f"--{flag} and a whole number, or auto"
                raise errors.UsageError("coordinator", address, problem, allowed)
        count, index = str(options.num_processes), str(options.process_id)
        if int(index) >= int(count):
            problem = f"{index!r} is no such number"
            allowed = f"whole numbers from 0 to {int(count) - 1}"
            raise errors.UsageError("process_id", index, problem, allowed)
    wait = str(max(1, WAIT_SECONDS - 8))
    command = [sys.executable, "-c", RENDEZVOUS, address, count, index, wait]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            timeout=2 * WAIT_SECONDS,
        )
    except subprocess.SubprocessError as error:
        no_cluster = address == "auto" and getattr(error, "returncode", None) == 1
        raise _did_not_meet(address, no_cluster) from None
    return ProcessSlice(*map(int, done.stdout.split()[-2:]))


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        allowed = "host:port, or auto to let JAX find it"
        raise errors.UsageError("coordinator", address, "no such address", allowed)


def _did_not_meet(address: str, no_cluster: bool) -> errors.UsageError:
    if no_cluster:
        problem = "JAX finds no cluster here"
        allowed = (
            "host:port of process 0; a job of Slurm, MPI, Kubernetes or Cloud TPU; "
            "or --shard=i/n"
        )
    else:
        problem = f"not all processes met there within {WAIT_SECONDS} s"
        allowed = (
            "an address that every process reaches, where process 0 is; all of them "
            "started together; or --shard=i/n"
        )
    return errors.UsageError("coordinator", address, problem, allowed)
