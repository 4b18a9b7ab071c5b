"""How many brackets of each kind are open?

After Collins, Sohl-Dickstein and Sussillo 2017 (arXiv:1611.09913).
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.special

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

KINDS = 10  # of brackets
NOISE = 10  # symbols that are no brackets
MAX_OPEN = 10  # open brackets of one kind
SYMBOLS = 2 * KINDS + NOISE


@dataclasses.dataclass(frozen=True)
class Parentheses(Task):
    """Open brackets are counted in strings of ten kinds of brackets and of noise.

    The targets at each step are the numbers of open brackets of each kind. Of "(a[)"
    they are 1 1 1 0 for round brackets, 0 0 1 1 for square ones and 0 0 0 0 for the
    other eight kinds. Of "((b" they are 1 2 2 for round ones: kinds are counted
    separately and need not nest. x is one-hot `[T, B, 30]`: the ten opening brackets,
    the ten closing ones, the noise.

    Every symbol is drawn uniformly from the 30. With `overflow="reflect"` a bracket
    that would take its count below 0 or above 10 is reversed: with none open it opens,
    with ten open it closes. With "clip" it is shown and the count stays, as in the
    publication: of ")" the count is 0. Between 0 and 10 a count goes up as often as
    down, and the string determines the counts.

    The answer is a class 0..10 for each kind. The loss is the cross-entropy in nats a
    kind and step, for logits y `[T, B, 110]` as `[T, B, 10, 11]`, counts c `[T, B, 10]`
    and weights w `[T, B]`, here all 1:

        loss = sum_tb w_tb (1/10 sum_k -log softmax(y_tbk)[c_tbk]) / sum_tb w_tb

    Chance is the exact entropy of a count, averaged over the steps; the first counts
    are nearly certain.
    """

    length: int = setting(50, "Symbols in a string.")
    overflow: str = setting(
        "reflect",
        "A bracket that would take its count below 0 or above 10: reflect reverses it, "
        "clip keeps the count.",
        choices=("reflect", "clip"),
    )
    batch: int = batch_setting(32)

    loss_name = "cross-entropy in nats a kind and step"
    scores = {
        "loss": score_key("cross-entropy of the counts", "nats a kind and step"),
        "accuracy": score_key("fraction of the counts that are right"),
    }
    input_size = SYMBOLS
    outputs = KINDS * (MAX_OPEN + 1)
    every_step = True
    solved = Level("accuracy", 0.99)

    @functools.cached_property
    def chance(self) -> float:
        bounded = BOUNDED[self.overflow]
        up, down = (bounded(np.arange(MAX_OPEN + 1) + change) for change in (1, -1))
        # The probability of each number of open brackets of one kind.
        p = np.zeros(MAX_OPEN + 1)
        p[0] = 1
        entropy = 0.0
        for _ in range(self.length):
            moved = [np.bincount(to, p, MAX_OPEN + 1) for to in (up, down)]
            p = ((SYMBOLS - 2) * p + sum(moved)) / SYMBOLS
            entropy += np.sum(scipy.special.entr(p))
        return float(entropy / self.length)

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        shape = (self.length, count or self.batch)
        symbols = jax.random.randint(key, shape, 0, SYMBOLS)
        x = jax.nn.one_hot(symbols, SYMBOLS, dtype=jnp.int32)
        up, down, noise = jnp.split(x, (KINDS, 2 * KINDS), axis=-1)
        if self.overflow == "clip":
            counts = clipped(up - down)
        else:
            # A walk that is folded as a whole has the same distribution.
            counts = folded(jnp.cumsum(up - down, axis=0))
            change = jnp.diff(counts, axis=0, prepend=0)
            x = jnp.concatenate([change > 0, change < 0, noise], axis=-1)
        return Batch(x.astype(float), counts, jnp.ones(symbols.shape))

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean cross-entropy of logits `[T, B, 110]`, in nats."""
        return weighted_mean(
            optax.softmax_cross_entropy_with_integer_labels(
                _by_kind(outputs), batch.target
            ),
            batch.weight,
        )

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        correct = jnp.argmax(_by_kind(outputs), axis=-1) == batch.target
        return {
            "loss": self.loss(outputs, batch),
            "accuracy": weighted_mean(correct, batch.weight),
        }


def folded[Array: (np.ndarray, jax.Array)](walk: Array) -> Array:
    """A walk over all whole numbers, reflected at 0 and at 10."""
    return MAX_OPEN - abs(walk % (2 * MAX_OPEN) - MAX_OPEN)


def clipped(changes: jax.Array) -> jax.Array:
    """Counts `[T, ...]` after changes `[T, ...]`, each kept between 0 and 10.

    Steps n -> min(max(n + a, low), high) compose to steps of the same form, so all are
    computed in parallel.
    """

    def compose(first: Any, second: Any) -> Any:
        (a, *limits), (b, low, high) = first, second
        return a + b, *(jnp.clip(limit + b, low, high) for limit in limits)

    steps = changes, jnp.zeros_like(changes), jnp.full_like(changes, MAX_OPEN)
    return jnp.clip(*jax.lax.associative_scan(compose, steps))


# What becomes of a count that has moved to -1 or 11, for each `overflow`.
BOUNDED: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "reflect": folded,
    "clip": lambda counts: np.clip(counts, 0, MAX_OPEN),
}


def _by_kind(outputs: jax.Array) -> jax.Array:
    return outputs.reshape(*outputs.shape[:-1], KINDS, MAX_OPEN + 1)
