"""How many bits can a parameter keep? (Collins, Sohl-Dickstein and Sussillo 2017, arXiv:1611.09913, section 2.1)"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import optax

from rnnjax.tasks.task import Batch, Task, weighted_mean


@dataclasses.dataclass(frozen=True)
class Parameters(Task):
    """`samples` rows of binary inputs, all different, each with a binary label, all drawn once: the labels are learned by heart.

    With 3 inputs and 2 samples: x = (1, -1, -1), (-1, 1, -1), labels 1, 0. A row is shown at the first of `steps` steps and the
    label is asked for after the last. The loss is the cross-entropy in nats a label over all samples, which every update sees. A
    fraction p right, p at least 1/2, proves

        bits = b + b (p log2 p + (1 - p) log2(1 - p))

    stored bits for b samples: b for all right, 0 for half of them. `rows` is how many samples the program has room for; the first
    b of them count.
    """

    inputs: int = 24
    steps: int = 5
    rows: int = 1024

    measure = "cross-entropy in nats a label"
    chance = math.log(2)
    outputs = 1
    objective = "bits"
    maximize = True

    @property
    def input_size(self) -> int:
        return self.inputs

    @property
    def batch(self) -> int:
        return self.rows

    @property
    def silence(self) -> int:
        return self.steps - 1

    def draw(self, key: jax.Array, samples: jax.Array) -> Batch:
        codes_key, labels_key = jax.random.split(key)
        codes = shuffled(
            codes_key, jnp.arange(self.rows, dtype=jnp.uint32), self.inputs
        )
        bits = codes[:, None] >> jnp.arange(self.inputs, dtype=jnp.uint32) & 1
        labels = jax.random.bernoulli(labels_key, 0.5, (self.rows,)).astype(jnp.float32)
        counts = jnp.arange(self.rows) < samples
        return Batch(
            2 * bits[None].astype(jnp.float32) - 1, labels, counts.astype(jnp.float32)
        )

    def sample(self, data: Batch, key: jax.Array, count: int | None = None) -> Batch:
        """All of it, always."""
        return data

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Cross-entropy of logits `[B, 1]`."""
        return weighted_mean(
            optax.sigmoid_binary_cross_entropy(outputs[:, 0], batch.target),
            batch.weight,
        )

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        right = weighted_mean(
            ((outputs[:, 0] > 0) == (batch.target > 0)).astype(jnp.float32),
            batch.weight,
        )
        return {
            "loss": self.loss(outputs, batch),
            "right": right,
            "bits": stored(jnp.sum(batch.weight), right),
        }

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        rows = jax.random.rademacher(
            key, (-(-steps // self.steps), self.inputs), jnp.float32
        )
        return jnp.pad(rows[:, None], ((0, 0), (0, self.silence), (0, 0))).reshape(
            -1, self.inputs
        )[:steps]


def stored(samples: jax.Array, right: jax.Array) -> jax.Array:
    """b + b (p log2 p + (1 - p) log2(1 - p)) bits for b samples and the fraction p = `right`, clipped to at least 1/2."""
    p = jnp.clip(right, 0.5, 1.0)
    return samples * (
        1 - (jax.scipy.special.entr(p) + jax.scipy.special.entr(1 - p)) / math.log(2)
    )


def shuffled(key: jax.Array, numbers: jax.Array, bits: int) -> jax.Array:
    """Random numbers below 2^bits in place of `numbers`, different for different ones: a bijection that the key chooses.

    Each round multiplies by an odd number, adds one and folds the upper half onto the lower, all of which can be undone.
    """
    mask = jnp.uint32(2**bits - 1)
    for factor, offset in jax.random.bits(key, (6, 2)):
        numbers = (numbers * (factor | 1) + offset) & mask
        numbers ^= numbers >> (bits + 1) // 2
    return numbers
