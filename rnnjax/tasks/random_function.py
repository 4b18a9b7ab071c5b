"""How much of a random function can be learned by heart? (Collins, Sohl-Dickstein and Sussillo 2017, arXiv:1611.09913)"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.tasks.task import Batch, Task, weighted_mean


@dataclasses.dataclass(frozen=True)
class RandomFunction(Task):
    """A fixed set of `samples` pairs: `steps` N(0, 1) inputs, and an N(0, 1) target that has nothing to do with them.

    With 3 steps: x = 0.3, -1.2, 0.9, a number a step, target -0.4 after the last. With `at_once`: x = (0.3, -1.2, 0.9) at one step,
    two steps of silence, target -0.4. The loss is the mean squared error in units of the target's variance, for outputs y `[B, 1]`,
    targets t `[B, 1]` and weights w `[B]`:

        loss = sum_b w_b (y_b - t_b)^2 / sum_b w_b

    Ignoring the inputs scores 1. By the rate-distortion bound of a Gaussian source of variance 1, a fit of that loss holds at least

        bits = max(0, samples / 2 log2(1 / loss))

    The paper has 10^6 samples. The set is never in memory: sample k is drawn again, from the key and k, whenever it is met. Updates
    and tests draw from the same set, with replacement, since it is memorisation that is measured.
    """

    samples: int = 4096
    steps: int = 50
    at_once: bool = False
    batch: int = 256

    measure = "mean squared error"
    chance = 1.0
    outputs = 1

    @property
    def input_size(self) -> int:
        return self.steps if self.at_once else 1

    @property
    def silence(self) -> int:
        return self.steps - 1 if self.at_once else 0

    def draw(self, key: jax.Array, samples: jax.Array) -> jax.Array:
        """The key from which the set is drawn, sample by sample; its size is the field `samples`."""
        del samples
        return key

    def sample(self, data: jax.Array, key: jax.Array, count: int | None = None) -> Batch:
        picked = jax.random.randint(key, (count or self.batch,), 0, self.samples)
        numbers = jax.vmap(lambda k: jax.random.normal(jax.random.fold_in(data, k), (self.steps + 1,)))(picked)
        shown, target = numbers[:, :-1], numbers[:, -1:]
        return Batch(shown[None] if self.at_once else shown.T[:, :, None], target, jnp.ones(len(target)))

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean squared error of outputs `[B, 1]`."""
        return weighted_mean(jnp.square(outputs - batch.target), batch.weight)

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """The loss, and `bits`, the stored bits that it proves; finite even for an error of 0."""
        loss = self.loss(outputs, batch)
        error = jnp.clip(loss, jnp.finfo(loss.dtype).tiny, 1)
        return {"loss": loss, "bits": self.samples / 2 * jnp.log2(1 / error)}

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        """One episode after another, of fresh numbers."""
        if not self.at_once:
            return jax.random.normal(key, (steps, 1))
        vectors = jax.random.normal(key, (-(-steps // self.steps), 1, self.steps))
        return jnp.pad(vectors, ((0, 0), (0, self.silence), (0, 0))).reshape(-1, self.steps)[:steps]
