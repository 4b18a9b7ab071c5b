"""How many brackets of each kind are open? (Collins, Sohl-Dickstein and Sussillo 2017, arXiv:1611.09913)"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.special

from rnnjax.tasks.task import Batch, Task, weighted_mean

KINDS = 10
NOISE = 10
MOST = 10  # open brackets of one kind
SYMBOLS = 2 * KINDS + NOISE


@dataclasses.dataclass(frozen=True)
class Parentheses(Task):
    """Strings of ten kinds of brackets and ten noise symbols; after each symbol, how many brackets of each kind are open?

    Of "(a[)" the counts are 1 1 1 0 for round brackets, 0 0 1 1 for square ones and 0 0 0 0 for the other eight kinds. Of "((b"
    they are 1 2 2 for round ones: kinds are counted apart and need not nest. x is one-hot `[T, B, 30]`: the ten opening brackets,
    the ten closing ones, the noise.

    Every symbol is drawn uniformly from the 30. A bracket that would take its count below 0 or above 10 is turned round: with none
    open it opens, with ten open it closes. So the string shows exactly what is counted, and a count that is neither 0 nor 10 goes
    up as often as down. (A free walk that is folded at 0 and 10 does the same, and that is how strings are made.)

    The answer is a class 0..10 for each kind. The loss is the cross-entropy in nats a kind and step, for logits y `[T, B, 110]`
    seen as `[T, B, 10, 11]`, counts c `[T, B, 10]` and weights w `[T, B]`, here all 1:

        loss = sum_tb w_tb (1/10 sum_k -log softmax(y_tbk)[c_tbk]) / sum_tb w_tb

    Chance is the entropy of a count, exactly, as the mean over the steps; the first counts are nearly certain.
    """

    length: int = 50
    batch: int = 32

    measure = "cross-entropy in nats a kind and step"
    input_size = SYMBOLS
    outputs = KINDS * (MOST + 1)
    every_step = True

    @functools.cached_property
    def chance(self) -> float:
        ring = np.zeros(
            2 * MOST
        )  # how likely the free walk of one kind is at each place, modulo 20
        ring[0] = 1
        entropy = 0.0
        for _ in range(self.length):
            ring = (
                (SYMBOLS - 2) * ring + np.roll(ring, 1) + np.roll(ring, -1)
            ) / SYMBOLS
            counts = np.bincount(folded(np.arange(2 * MOST)), ring)
            entropy += np.sum(scipy.special.entr(counts))
        return float(entropy / self.length)

    def sample(self, data, key: jax.Array, count: int | None = None) -> Batch:
        symbols = jax.random.randint(
            key, (self.length, count or self.batch), 0, SYMBOLS
        )
        drawn = jax.nn.one_hot(symbols, SYMBOLS, dtype=jnp.int32)
        up, down, noise = jnp.split(drawn, (KINDS, 2 * KINDS), axis=-1)
        counts = folded(jnp.cumsum(up - down, axis=0))
        change = jnp.diff(counts, axis=0, prepend=0)
        x = jnp.concatenate([change > 0, change < 0, noise], axis=-1).astype(float)
        return Batch(x, counts, jnp.ones(symbols.shape))

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean cross-entropy of logits `[T, B, 110]`, in nats."""
        return weighted_mean(
            optax.softmax_cross_entropy_with_integer_labels(
                _by_kind(outputs), batch.target
            ),
            batch.weight,
        )

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """The loss, and `accuracy`, the share of counts named right, over kinds and steps."""
        right = jnp.argmax(_by_kind(outputs), axis=-1) == batch.target
        return {
            "loss": self.loss(outputs, batch),
            "accuracy": weighted_mean(right, batch.weight),
        }

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        """One string after another, `[steps, 30]`."""
        x = self.sample(None, key, -(-steps // self.length)).x
        return jnp.swapaxes(x, 0, 1).reshape(-1, SYMBOLS)[:steps]


def folded(walk):
    """A walk over all whole numbers, turned back at 0 and at 10."""
    return MOST - abs(walk % (2 * MOST) - MOST)


def _by_kind(outputs: jax.Array) -> jax.Array:
    return outputs.reshape(*outputs.shape[:-1], KINDS, MOST + 1)
