"""How much of a random function is memorized?

After Collins, Sohl-Dickstein and Sussillo 2017 (arXiv:1611.09913).
"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.settings import setting
from rnnjax.tasks.task import Batch, Task, batch_setting, score_key, weighted_mean

MAX_TEST_SAMPLES = 2**14  # a larger set is scored on so many random samples of it


@dataclasses.dataclass(frozen=True)
class RandomFunction(Task):
    """A fixed set of N(0, 1) inputs with unrelated N(0, 1) targets is memorized.

    Each of the `samples` samples has `steps` inputs and one target. With 3 steps:
    x = 0.3, -1.2, 0.9, one number a step, target -0.4 after the last. With `at_once`:
    x = (0.3, -1.2, 0.9) at one step, two blank steps, target -0.4. The loss is the mean
    squared error in units of the target's variance, for outputs y `[B, 1]`, targets t
    `[B, 1]` and weights w `[B]`:

        loss = sum_b w_b (y_b - t_b)^2 / sum_b w_b

    Ignoring the inputs gives 1. By the rate-distortion function of a Gaussian source, a
    fit with that loss stores about

        bits = max(0, samples / 2 log2(sum_b w_b t_b^2 / sum_b w_b / loss))

    (the paper has 1 for the mean square of the targets; then targets that are small by
    chance would count as stored). The paper has 10^6 samples. The set is never in
    memory: sample k is computed from the key and k whenever it is needed. Updates draw
    from the set with replacement, and the test set is the same set, since memorization
    is measured.
    """

    samples: int = setting(4096, "Samples to memorize.")
    steps: int = setting(
        50, "Inputs of a sample, and steps to the answer.", low=1, high=1000
    )
    at_once: bool = setting(False, "Show all inputs of a sample at its first step.")
    batch: int = batch_setting(256)

    loss_name = "mean squared error"
    scores = {
        "loss": score_key("mean squared error", "variance of a target"),
        "bits": score_key("information about the targets that is stored", "bits"),
    }
    chance = 1.0
    outputs = 1

    @property
    def input_size(self) -> int:
        return self.steps if self.at_once else 1

    @property
    def blank_steps(self) -> int:
        return self.steps - 1 if self.at_once else 0

    def make_data(self, key: jax.Array, samples: jax.Array) -> jax.Array:
        """The key from which each sample is computed."""
        del samples
        return key

    def sample(
        self, data: jax.Array, key: jax.Array, count: int | None = None
    ) -> Batch:
        indices = jax.random.randint(key, (count or self.batch,), 0, self.samples)
        return self._batch(data, indices)

    def _batch(self, data: jax.Array, indices: jax.Array) -> Batch:
        numbers = jax.vmap(
            lambda k: jax.random.normal(jax.random.fold_in(data, k), (self.steps + 1,))
        )(indices)
        inputs, target = numbers[:, :-1], numbers[:, -1:]
        x = inputs[None] if self.at_once else inputs.T[:, :, None]
        return Batch(x, target, jnp.ones(len(target)))

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean squared error of outputs `[B, 1]`."""
        return weighted_mean(jnp.square(outputs - batch.target), batch.weight)

    def test_batch(self, data: jax.Array, key: jax.Array, count: int) -> Batch:
        """The whole set, or 16,384 random samples of it if it has more."""
        if self.samples > MAX_TEST_SAMPLES:
            return self.sample(data, key, MAX_TEST_SAMPLES)
        return self._batch(data, jnp.arange(self.samples))

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        loss = self.loss(outputs, batch)
        power = weighted_mean(jnp.square(batch.target), batch.weight)
        ratio = power / jnp.maximum(loss, jnp.finfo(loss.dtype).tiny)
        return {
            "loss": loss,
            "bits": self.samples / 2 * jnp.log2(jnp.maximum(ratio, 1)),
        }

    def probe_inputs(self, key: jax.Array, steps: int) -> jax.Array:
        """New samples one after another, with their blank steps, `[steps, I]`."""
        if not self.at_once:
            return jax.random.normal(key, (steps, 1))
        vectors = jax.random.normal(key, (-(-steps // self.steps), 1, self.steps))
        x = jnp.pad(vectors, ((0, 0), (0, self.blank_steps), (0, 0)))
        return x.reshape(-1, self.steps)[:steps]
