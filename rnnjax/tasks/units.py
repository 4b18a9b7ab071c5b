"""How many numbers can a unit keep? (Collins, Sohl-Dickstein and Sussillo 2017, arXiv:1611.09913, section 2.2)"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.tasks.batch import Batch


@dataclasses.dataclass(frozen=True)
class Units:
    """A vector of N(0, 1) numbers is shown once and must be given back after a delay.

    Size 2 and delay 2: x = [(0.3, -1.2), (0, 0), (0, 0)], target (0.3, -1.2), read after the last step. Size 1 and delay 1:
    x = [0.7, 0], target 0.7. The loss is the mean squared error a number. A network with n linear units keeps at most n
    directions of the input, so no linear read-out does better than max(0, 1 - n / size); ignoring the input scores 1, the chance
    level. Every update sees new vectors.
    """

    size: int = 64
    delay: int = 4
    batch: int = 128

    measure = "mean squared error a number"
    chance = 1.0

    @property
    def input_size(self) -> int:
        return self.size

    @property
    def outputs(self) -> int:
        return self.size

    def sample(self, key: jax.Array, batch: int | None = None) -> Batch:
        target = jax.random.normal(key, (batch or self.batch, self.size))
        silence = jnp.zeros((self.delay, *target.shape))
        return Batch(jnp.concatenate([target[None], silence]), target)

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean squared error of the last of the outputs `[T, B, O]`."""
        return jnp.mean(jnp.square(outputs[-1] - batch.target))

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        """One episode after another, `[steps, I]`: the inputs on which a trained network's memory is probed."""
        period = 1 + self.delay
        episodes = self.sample(key, -(-steps // period)).x
        return jnp.swapaxes(episodes, 0, 1).reshape(-1, self.size)[:steps]
