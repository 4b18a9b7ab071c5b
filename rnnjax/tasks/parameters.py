"""How many bits does a parameter store?

After Collins, Sohl-Dickstein and Sussillo 2017 (arXiv:1611.09913), section 2.1.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import optax

from rnnjax.settings import Range, setting
from rnnjax.tasks.task import Batch, Data, Task, score_key, weighted_mean

MIN_SAMPLES = 2
SAMPLES_PER_PARAMETER = (2.0, 6.0)  # searched over unless a range is given
MIN_PADDED = 64


@dataclasses.dataclass(frozen=True)
class Parameters(Task):
    """A fixed set of binary inputs with random binary labels is memorized.

    With 3 inputs and 2 samples: x = (1, -1, -1), (-1, 1, -1), labels 1, 0. By default
    (`input_values="signs"`) inputs are -1 or 1, and all samples differ. With "bits"
    they are independent draws of 0 or 1, as in the publication. The inputs are shown
    at the first of `steps` steps, and the answer is read after the last. The loss is
    the cross-entropy in nats a label over all samples, which are the batch of every
    update. For b samples, of which a fraction p >= 1/2 is labeled right,

        bits = b + b (p log2 p + (1 - p) log2(1 - p))

    are stored at least: b if all are right, 0 if half of them are. The arrays have
    `padded_samples` samples; the first b of them have weight 1, the others 0.
    """

    inputs: int = setting(24, "Binary inputs of a sample.", low=1, high=32)
    input_values: str = setting(
        "signs",
        "signs: inputs -1 or 1, all samples different; bits: independent 0 or 1.",
        choices=("signs", "bits"),
    )
    steps: int = setting(5, "Steps from the inputs to the answer.", low=1, high=1000)
    padded_samples: int = 1024

    loss_name = "cross-entropy in nats a label"
    scores = {
        "loss": score_key("cross-entropy of the labels", "nats a label"),
        "accuracy": score_key("fraction of the labels that are right"),
        "bits": score_key("information about the labels that is stored", "bits"),
    }
    objective = "bits"
    maximize = True
    searches_samples = True
    chance = math.log(2)
    outputs = 1

    @property
    def input_size(self) -> int:
        return self.inputs

    @property
    def batch(self) -> int:
        return self.padded_samples

    @property
    def blank_steps(self) -> int:
        return self.steps - 1

    @property
    def max_samples(self) -> int:
        """2^inputs, the number of different samples."""
        return 2**self.inputs

    def samples_range(self, parameters: int) -> Range:
        """2 to 6 samples a parameter, if there are so many different ones."""
        low, high = (
            min(max(float(MIN_SAMPLES), ratio * parameters), self.max_samples)
            for ratio in SAMPLES_PER_PARAMETER
        )
        return Range(low, high)

    def with_padding(self, samples: int) -> "Parameters":
        """The task whose arrays have space for `samples` samples; see `padded`."""
        return dataclasses.replace(self, padded_samples=padded(samples))

    def make_data(self, key: jax.Array, samples: jax.Array) -> Batch:
        """All samples, the first `samples` of them with weight 1."""
        inputs_key, labels_key = jax.random.split(key)
        labels = jax.random.bernoulli(labels_key, 0.5, (self.padded_samples,))
        counts = jnp.arange(self.padded_samples) < samples
        return Batch(
            self._inputs(inputs_key)[None],
            labels.astype(jnp.float32),
            counts.astype(jnp.float32),
        )

    def _inputs(self, key: jax.Array) -> jax.Array:
        """The inputs of all samples, float32 `[padded_samples, inputs]`."""
        shape = self.padded_samples, self.inputs
        if self.input_values == "bits":
            return jax.random.bernoulli(key, 0.5, shape).astype(jnp.float32)
        codes = shuffled(
            key, jnp.arange(self.padded_samples, dtype=jnp.uint32), self.inputs
        )
        bits = codes[:, None] >> jnp.arange(self.inputs, dtype=jnp.uint32) & 1
        return 2 * bits.astype(jnp.float32) - 1

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        """All samples, whatever the key and the count."""
        return data

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean cross-entropy of logits `[B, 1]`, in nats."""
        return weighted_mean(
            optax.sigmoid_binary_cross_entropy(outputs[:, 0], batch.target),
            batch.weight,
        )

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        correct = (outputs[:, 0] > 0) == (batch.target > 0)
        accuracy = weighted_mean(correct.astype(jnp.float32), batch.weight)
        return {
            "loss": self.loss(outputs, batch),
            "accuracy": accuracy,
            "bits": stored(jnp.sum(batch.weight), accuracy),
        }

    def probe_inputs(self, key: jax.Array, steps: int) -> jax.Array:
        """Random samples one after another, with their blank steps, `[steps, I]`."""
        x = self.with_padding(-(-steps // self.steps))._inputs(key)
        x = jnp.pad(x[:, None], ((0, 0), (0, self.blank_steps), (0, 0)))
        return x.reshape(-1, self.inputs)[:steps]


def padded(samples: int) -> int:
    """The least 2^k or 3 * 2^k that is >= `samples`, and 64 at least.

    For example 64, 96, 128, 192, 256: a search that moves the number of samples meets
    few different sizes, and each size is one compiled program.
    """
    size = MIN_PADDED
    while size < samples:
        power_of_two = size & (size - 1) == 0
        size = size * 3 // 2 if power_of_two else size * 4 // 3
    return size


def stored(samples: jax.Array, accuracy: jax.Array) -> jax.Array:
    """b + b (p log2 p + (1 - p) log2(1 - p)), in bits.

    b is `samples`, and p is `accuracy` or 1/2, whichever is larger.
    """
    p = jnp.clip(accuracy, 0.5, 1.0)
    return samples * (
        1 - (jax.scipy.special.entr(p) + jax.scipy.special.entr(1 - p)) / math.log(2)
    )


def shuffled(key: jax.Array, numbers: jax.Array, bits: int) -> jax.Array:
    """A random permutation of the numbers below 2^bits, applied to uint32 `numbers`.

    The key chooses the permutation. Each of its rounds, with random numbers f and o,

        n <- (n (2 floor(f / 2) + 1) + o) mod 2^bits
        n <- n xor floor(n / 2^ceil(bits / 2))

    is invertible: an odd factor has an inverse mod 2^bits, and the second line keeps
    the upper bits, from which it can be undone. So different numbers stay different.
    """
    mask = jnp.uint32(2**bits - 1)
    for factor, offset in jax.random.bits(key, (6, 2)):
        numbers = (numbers * (factor | 1) + offset) & mask
        numbers ^= numbers >> (bits + 1) // 2
    return numbers
