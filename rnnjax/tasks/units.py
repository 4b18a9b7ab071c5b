"""How many numbers can a unit keep? (Collins, Sohl-Dickstein and Sussillo 2017, arXiv:1611.09913, section 2.2)"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.tasks.task import Batch, Task, weighted_mean


@dataclasses.dataclass(frozen=True)
class Units(Task):
    """A vector of N(0, 1) numbers is shown once and must be given back after a delay.

    Size 2 and delay 2: x = [(0.3, -1.2)], two steps of silence, target (0.3, -1.2), read after the last step. Size 1 and delay 1:
    x = [0.7], one step of silence, target 0.7. The loss is the mean squared error a number. A network with n linear units keeps at
    most n directions of the input, so no linear read-out does better than max(0, 1 - n / size); ignoring the input scores 1, the
    chance level. Every update sees new vectors.
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

    @property
    def silence(self) -> int:
        return self.delay

    def sample(self, data, key: jax.Array, count: int | None = None) -> Batch:
        target = jax.random.normal(key, (count or self.batch, self.size))
        return Batch(target[None], target, jnp.ones(len(target)))

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean squared error of outputs `[B, O]`."""
        return weighted_mean(jnp.square(outputs - batch.target), batch.weight)

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        """One episode after another: the inputs on which a trained network's memory is probed."""
        period = 1 + self.delay
        vectors = self.sample(None, key, -(-steps // period)).x[0]
        episodes = jnp.pad(vectors[:, None], ((0, 0), (0, self.delay), (0, 0)))
        return episodes.reshape(-1, self.size)[:steps]
