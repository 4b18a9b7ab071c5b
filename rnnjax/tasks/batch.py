"""What a task hands out."""

from typing import NamedTuple

import jax


class Batch(NamedTuple):
    """Inputs x `[T, B, I]`, and the targets of the task: `[B, O]` for one answer, `[T, B]` for a class at every step."""

    x: jax.Array
    target: jax.Array
