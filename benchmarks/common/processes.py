"""Which slice of a run is this process's. Lanes share nothing, so processes need to know no more of each other than that.

`--shard=i/n` says it. So does JAX, for `--coordinator`: a process of its own asks, so that a coordinator that is not there, or a
process that dies later, is no end of this one.
"""

import dataclasses
import math
import os
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
from absl import flags

from benchmarks.common import flags as _flags

FLAGS = flags.FLAGS
WAIT_SECONDS = 60
MOST = 2**16
ASK = """
import jax, sys
address, count, index, wait = sys.argv[1:]
given = {} if address == "auto" else {"cluster_detection_method": "deactivate", "coordinator_address": address,
                                      "num_processes": int(count), "process_id": int(index)}
jax.distributed.initialize(**given, initialization_timeout=int(wait))
print(jax.process_index(), jax.process_count())
jax.distributed.shutdown()
"""


@dataclasses.dataclass(frozen=True)
class Share:
    """Slice `index`, from 0, of `count`."""

    index: int = 0
    count: int = 1

    @property
    def name(self) -> str:
        """What its files are called; empty for the whole."""
        return f"{self.index + 1}-of-{self.count}" if self.count > 1 else ""

    def of(self, things: Sequence) -> list:
        """Every `count`th of the things."""
        return list(things)[self.index :: self.count]

    def pieces(self, shapes: Sequence, seeds: Sequence[int]) -> list[tuple]:
        """Its shapes, each with its seeds. Seeds are kept together, unless there are more processes than shapes."""
        shapes = list(shapes)
        parts = min(len(seeds), math.ceil(self.count / len(shapes)))
        return self.of(
            [(shape, some) for shape in shapes for some in _cut(seeds, parts)]
        )


WHOLE = Share()


def _cut(seeds: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    return [tuple(some.tolist()) for some in np.array_split(np.asarray(seeds), parts)]


def share() -> Share:
    """The slice that the flags give to this process. Raises `_flags.UsageError`."""
    for flag in ("num_processes", "process_id"):
        if _flags.given(flag) and not _flags.given("coordinator"):
            raise _flags.UsageError(
                flag,
                FLAGS[flag].value,
                "given without --coordinator",
                "with it, or --shard=i/n instead",
            )
    if FLAGS.coordinator is not None and FLAGS.shard is not None:
        raise _flags.UsageError(
            "shard",
            FLAGS.shard,
            f"given with --coordinator={FLAGS.coordinator}",
            "one of the two",
        )
    found = (
        _asked()
        if FLAGS.coordinator is not None
        else _given()
        if FLAGS.shard is not None
        else WHOLE
    )
    if found.count > 1 and FLAGS.overwrite:
        raise _flags.UsageError(
            "overwrite",
            True,
            "each process would discard what the others do",
            "another --out_dir",
        )
    return found


def _given() -> Share:
    words = FLAGS.shard.split("/")
    if (
        len(words) != 2
        or not all(word.isdecimal() for word in words)
        or not 1 <= int(words[0]) <= int(words[1]) <= MOST
    ):
        raise _flags.UsageError(
            "shard",
            FLAGS.shard,
            "no such slice",
            f"i/n, such as 1/4 to 4/4, n at most {MOST}",
        )
    return Share(int(words[0]) - 1, int(words[1]))


def _asked() -> Share:
    """What `jax.distributed` says, which waits for all processes."""
    address, count, index = FLAGS.coordinator, "", ""
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise _flags.UsageError(
                "coordinator",
                address,
                "no such address",
                "host:port, or auto to let JAX find it",
            )
        for flag in ("num_processes", "process_id"):
            if not _flags.given(flag):
                raise _flags.UsageError(
                    "coordinator",
                    address,
                    f"needs --{flag} beside it",
                    f"--{flag} and a whole number, or auto",
                )
        count = _flags.whole("num_processes", 1, MOST)
        index = _flags.whole("process_id", 0, count - 1)
    command = [
        sys.executable,
        "-c",
        ASK,
        address,
        str(count),
        str(index),
        str(max(1, WAIT_SECONDS - 8)),
    ]
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
        problem = f"not all processes met there within {WAIT_SECONDS} s"
        allowed = "an address that every process reaches, where process 0 is; all of them started together; or --shard=i/n"
        if address == "auto" and getattr(error, "returncode", None) == 1:
            problem = "JAX finds no cluster here"
            allowed = "host:port of process 0; a job of Slurm, MPI, Kubernetes or Cloud TPU; or --shard=i/n"
        raise _flags.UsageError("coordinator", address, problem, allowed) from None
    return Share(*map(int, done.stdout.split()[-2:]))
