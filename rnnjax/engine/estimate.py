"""What a group costs, measured on a few of its lanes."""

import time
from typing import NamedTuple

import jax
import numpy as np

from rnnjax.engine import compilations, lanes
from rnnjax.engine.mesh import Mesh


class Trial(NamedTuple):
    """What some chunks of some lanes of a group took.

    `fraction` is how much of the group they are, and `compile_seconds` what compiling
    would have taken without programs kept on disk.
    """

    fraction: float
    run_seconds: float
    compile_seconds: float


def trial(group: lanes.Group, mesh: Mesh, count: int, seconds: float) -> Trial:
    """Starts the first `count` lanes, and advances them for so many seconds.

    They make one chunk at least, and stop where the group would. Before that they start
    and make a chunk that is not measured, as most programs are compiled in it.
    """
    before = compilations.seconds() + compilations.saved()
    some = range(min(count, len(group.seeds)))
    layout, experiment = lanes.lay_out(group, mesh, some), group.experiment
    state = experiment.advance(mesh, layout.init(experiment, mesh), 0)
    jax.block_until_ready(state)

    started, compiled, chunk = time.perf_counter(), compilations.seconds(), 0
    state = layout.init(experiment, mesh)
    for chunk in range(experiment.chunks):
        state = jax.block_until_ready(experiment.advance(mesh, state, chunk))
        running = time.perf_counter() - started
        running -= compilations.seconds() - compiled  # as of what the last chunk adds
        if np.all(experiment.done(state)):
            chunk = experiment.chunks - 1
        if running > seconds or chunk == experiment.chunks - 1:
            break
    fraction = (chunk + 1) / experiment.chunks * len(some) / len(group.seeds)
    compile_seconds = compilations.seconds() + compilations.saved() - before
    return Trial(fraction, running, compile_seconds)
