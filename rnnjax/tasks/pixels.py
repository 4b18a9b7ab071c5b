"""Which digit is this, pixel by pixel? After Le, Jaitly and Hinton 2015."""

import dataclasses

import jax

from rnnjax.tasks.digits import Digits


@dataclasses.dataclass(frozen=True)
class Pixels(Digits):
    """A pixel of an image is read at each step, row by row; the answer is its digit.

    x is `[rows * columns, B, 1]`, from 0 to 1. Two images of 3 x 3 pixels, as nine
    steps:

        0 1 0 0 1 0 0 1 0   target 1    1 1 1 0 0 1 0 0 1   target 7

    That is 64 steps with the embedded digits, and 784 with MNIST (arXiv:1504.00941).
    """

    input_size = 1

    def steps_of(self, images: jax.Array) -> jax.Array:
        return images.reshape(len(images), -1, 1).swapaxes(0, 1)
