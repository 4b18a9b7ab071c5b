"""What is the sum of the two numbers that are marked?

After Hochreiter and Schmidhuber 1997 (Long Short-Term Memory), experiment 4.
"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.settings import setting
from rnnjax.tasks.task import (
    Batch,
    Data,
    Level,
    Task,
    batch_setting,
    score_key,
    weighted_mean,
)

TOLERANCE = 0.08  # largest error of a sum that is right


@dataclasses.dataclass(frozen=True)
class Adding(Task):
    """Two of many numbers are marked; their sum is the answer after the last step.

    With `length` 4:

        numbers  0.9 0.2 0.4 0.7        numbers  0.1 0.8 0.5 0.3
        marks      0   1   1   0        marks      1   0   0   1
        target   0.2 + 0.4 = 0.6        target   0.1 + 0.3 = 0.4

    x is `[T, B, 2]`, a number and its mark. Numbers are uniform from 0 to 1; one mark
    is uniform in the first half of the steps (T // 2 of them), the other in the second.
    The target is the sum itself, neither scaled nor shifted, from 0 to 2. The loss is
    the mean squared error. The best answer that ignores the inputs is 1, and chance is
    the variance of a sum, 2 / 12 = 1/6, exactly.

    A sum is right within 0.08: in the publication numbers X are from -1 to 1, the
    target is 0.5 + (X1 + X2) / 4, half of the sum here, and right within 0.04. Its
    sequences have random lengths and the first mark among their first ten steps. The
    task is solved if 99 % of the sums are right; always 1 makes 15 %
    right.
    """

    length: int = setting(100, "Steps of a sample.", low=2)
    batch: int = batch_setting(64)

    loss_name = "mean squared error of the sum"
    scores = {
        "loss": score_key("mean squared error of the sum", "squared sum"),
        "accuracy": score_key(
            f"fraction of the sums that are right within {TOLERANCE}"
        ),
    }
    input_size = 2
    outputs = 1
    chance = 1 / 6
    solved = Level("accuracy", 0.99)

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        numbers_key, marks_key = jax.random.split(key)
        count, half = count or self.batch, self.length // 2
        numbers = jax.random.uniform(numbers_key, (self.length, count))
        low, high = jnp.array([[0], [half]]), jnp.array([[half], [self.length]])
        first, second = jax.random.randint(marks_key, (2, count), low, high)
        step = jnp.arange(self.length)[:, None]
        marks = ((step == first) | (step == second)).astype(numbers.dtype)
        target = jnp.sum(numbers * marks, axis=0)[:, None]
        return Batch(jnp.stack([numbers, marks], axis=-1), target, jnp.ones(count))

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean squared error of outputs `[B, 1]`."""
        return weighted_mean(jnp.square(outputs - batch.target), batch.weight)

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        right = jnp.abs(outputs - batch.target) <= TOLERANCE
        accuracy = weighted_mean(right.astype(jnp.float32), batch.weight)
        return {"loss": self.loss(outputs, batch), "accuracy": accuracy}
