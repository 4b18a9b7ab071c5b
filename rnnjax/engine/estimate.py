"""What a group will cost, measured on its first chunk."""

import dataclasses
import time

import jax

from rnnjax.engine import compilations, lanes
from rnnjax.engine.mesh import Mesh


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The cost of a group, measured on its first chunk.

    `lane_chunk_seconds` is the time of one compiled chunk, divided by the lanes of the
    group; `programs` is how many were compiled, small ones included, and
    `compile_seconds` what they took; `state_bytes` is the size of the state of all
    lanes.
    """

    lane_chunk_seconds: float
    compile_seconds: float
    programs: int
    state_bytes: int


def estimate(group: lanes.Group, mesh: Mesh) -> Estimate:
    """Runs the first chunk of a group twice: to compile it, and to measure it."""
    before, programs = compilations.seconds(), compilations.count()
    layout = lanes.lay_out(group, mesh, range(len(group.seeds)))
    experiment, state = group.experiment, layout.init(group.experiment, mesh)
    jax.block_until_ready(experiment.advance(mesh, state, 0))
    compile_seconds = compilations.seconds() - before
    programs = compilations.count() - programs

    started = time.perf_counter()
    jax.block_until_ready(experiment.advance(mesh, state, 0))
    seconds = time.perf_counter() - started
    leaves = [leaf for leaf in jax.tree.leaves(state) if hasattr(leaf, "nbytes")]
    return Estimate(
        lane_chunk_seconds=seconds / len(group.seeds),
        compile_seconds=compile_seconds,
        programs=programs,
        state_bytes=sum(leaf.nbytes for leaf in leaves),
    )
