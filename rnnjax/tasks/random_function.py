"""How much of a random function can be learned by heart? (Collins, Sohl-Dickstein and Sussillo 2017, arXiv:1611.09913)"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.tasks.task import Batch, Task, weighted_mean

WHOLE = 2**14  # samples that are all looked at in the end


@dataclasses.dataclass(frozen=True)
class RandomFunction(Task):
    """A fixed set of `samples` pairs: `steps` N(0, 1) inputs, and an N(0, 1) target that has nothing to do with them.

    With 3 steps: x = 0.3, -1.2, 0.9, a number a step, target -0.4 after the last. With `at_once`: x = (0.3, -1.2, 0.9) at one step,
    two steps of silence, target -0.4. The loss is the mean squared error in units of the target's variance, for outputs y `[B, 1]`,
    targets t `[B, 1]` and weights w `[B]`:

        loss = sum_b w_b (y_b - t_b)^2 / sum_b w_b

    Ignoring the inputs scores 1. By the rate-distortion function of a Gaussian source, a fit of that loss holds about

        bits = max(0, samples / 2 log2(sum_b w_b t_b^2 / sum_b w_b / loss))

    (the paper has 1 for the mean square of the targets, by which chance alone would seem to be stored). The paper has 10^6 samples.
    The set is never in memory: sample k is drawn again, from the key and k, whenever it is met. Updates draw from it with
    replacement, and it is the same set that is tested, since it is memorisation that is measured.
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

    def sample(
        self, data: jax.Array, key: jax.Array, count: int | None = None
    ) -> Batch:
        return self._batch(
            data, jax.random.randint(key, (count or self.batch,), 0, self.samples)
        )

    def _batch(self, data: jax.Array, picked: jax.Array) -> Batch:
        numbers = jax.vmap(
            lambda k: jax.random.normal(jax.random.fold_in(data, k), (self.steps + 1,))
        )(picked)
        shown, target = numbers[:, :-1], numbers[:, -1:]
        return Batch(
            shown[None] if self.at_once else shown.T[:, :, None],
            target,
            jnp.ones(len(target)),
        )

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean squared error of outputs `[B, 1]`."""
        return weighted_mean(jnp.square(outputs - batch.target), batch.weight)

    def test(self, data: jax.Array, key: jax.Array, count: int) -> Batch:
        """The whole set if it has at most 16,384 samples, else so many of them."""
        if self.samples > WHOLE:
            return self.sample(data, key, WHOLE)
        return self._batch(data, jnp.arange(self.samples))

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """The loss, and `bits`: samples / 2 log2 of the targets' mean square over the loss, at least 0; answering 0 holds none."""
        loss = self.loss(outputs, batch)
        power = weighted_mean(jnp.square(batch.target), batch.weight)
        return {
            "loss": loss,
            "bits": self.samples
            / 2
            * jnp.log2(
                jnp.maximum(power / jnp.maximum(loss, jnp.finfo(loss.dtype).tiny), 1)
            ),
        }

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        """One episode after another, of fresh numbers."""
        if not self.at_once:
            return jax.random.normal(key, (steps, 1))
        vectors = jax.random.normal(key, (-(-steps // self.steps), 1, self.steps))
        return jnp.pad(vectors, ((0, 0), (0, self.silence), (0, 0))).reshape(
            -1, self.steps
        )[:steps]
