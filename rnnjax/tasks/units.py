"""How many numbers does a unit remember?

After Collins, Sohl-Dickstein and Sussillo 2017 (arXiv:1611.09913), section 2.2.
"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.settings import setting
from rnnjax.tasks.task import Batch, Data, Task, batch_setting, score_key, weighted_mean


@dataclasses.dataclass(frozen=True)
class Units(Task):
    """A vector of N(0, 1) numbers is shown once and is the target after a delay.

    Size 2 and delay 2: x = [(0.3, -1.2)], two blank steps, target (0.3, -1.2), read
    after the last step. Size 1 and delay 1: x = [0.7], one blank step, target 0.7.

    The loss is the mean squared error a number. A network with n linear units keeps at
    most n directions of the input, so no linear read-out has a loss below
    max(0, 1 - n / size); ignoring the input gives 1, the chance level. Every update
    draws new vectors.
    """

    size: int = setting(64, "Numbers in the vector to remember.")
    delay: int = setting(4, "Steps between the vector and the answer.", low=0)
    batch: int = batch_setting(128)

    loss_name = "mean squared error a number"
    scores = {
        "loss": score_key("mean squared error of a number", "variance of a number")
    }
    chance = 1.0

    @property
    def input_size(self) -> int:
        return self.size

    @property
    def outputs(self) -> int:
        return self.size

    @property
    def blank_steps(self) -> int:
        return self.delay

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        target = jax.random.normal(key, (count or self.batch, self.size))
        return Batch(target[None], target, jnp.ones(len(target)))

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean squared error of outputs `[B, O]`."""
        return weighted_mean(jnp.square(outputs - batch.target), batch.weight)

    def loss_bound(self, hidden_size: int) -> float:
        """The lowest loss of a linear network: max(0, 1 - hidden_size / size)."""
        return max(0.0, 1 - hidden_size / self.size)
