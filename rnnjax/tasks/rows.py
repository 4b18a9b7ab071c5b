"""Which digit is this, row by row?"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.tasks.digits import Digits


@dataclasses.dataclass(frozen=True)
class Rows(Digits):
    """A row of an image is read at each step, from the top; the answer is its digit.

    x is `[rows, B, columns]`, from 0 to 1. Two images of 3 x 3 pixels, each as three
    steps:

        0 1 0                           1 1 1
        0 1 0   target 1                0 0 1   target 7
        0 1 0                           0 0 1

    """

    @property
    def input_size(self) -> int:
        return self._read().train.images.shape[2]

    def steps_of(self, images: jax.Array) -> jax.Array:
        return jnp.swapaxes(images, 0, 1)
