"""What is the sum of two numbers?

After Collins, Sohl-Dickstein and Sussillo 2017 (arXiv:1611.09913).
"""

import dataclasses
import functools

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

SYMBOLS = "0123456789+-= "
PLUS, MINUS, EQUALS, BLANK = range(10, 14)
POWERS = 10 ** np.arange(10, dtype=np.int32)
CHANCE_SUMS = 2**16


@dataclasses.dataclass(frozen=True)
class Arithmetic(Task):
    """A sum of two signed numbers is read, then its result is written, by characters.

    The result begins with its most significant character. With 3 digits and "_" for a
    blank: x = "__-34+93=_____", and the targets after the "=" are "59___". For
    x = "-999-999=_____" they are "-1998". x is one-hot over "0123456789+-= ",
    `[3 digits + 5, B, 14]`: the sum on 2 digits + 3 steps with blanks before it, then a
    blank for each of the digits + 2 characters of the result, which are not fed back.

    A number has 1 to `digits` digits, each with the same probability, and is uniform
    among the numbers with so many; none is 0, and both signs have the same probability.
    The loss is the cross-entropy in nats a character, for logits y `[T, B, 14]`,
    characters c `[T, B]` and weights w `[T, B]`, 1 on the result and 0 before:

        loss = sum_tb w_tb (-log softmax(y_tb)[c_tb]) / sum_tb w_tb

    Chance is the entropy of a character of the result, averaged over its positions,
    from 65,536 random sums (accurate to about 0.2 %). Sums of three digits take 14
    steps, so trainings are short, and have all that makes sums hard: carries, borrows,
    signs, unknown lengths. Up to 9 digits fit int32.
    """

    digits: int = setting(3, "Most digits of the two numbers.", low=1, high=9)
    batch: int = batch_setting(128)

    loss_name = "cross-entropy in nats a character"
    scores = {
        "loss": score_key("cross-entropy of the result", "nats a character"),
        "accuracy": score_key("fraction of the characters that are right"),
        "exact": score_key("fraction of the results with every character right"),
    }
    input_size = len(SYMBOLS)
    outputs = len(SYMBOLS)
    every_step = True
    solved = Level("exact", 0.99)

    @functools.cached_property
    def chance(self) -> float:
        rng, positions = np.random.default_rng(0), self.digits + 2
        lengths = rng.integers(1, self.digits + 1, (2, CHANCE_SUMS))
        sizes = rng.integers(POWERS[lengths - 1], POWERS[lengths])
        numbers = sizes * rng.choice((-1, 1), lengths.shape)
        results = np.array(
            [list(str(number).ljust(positions)) for number in numbers.sum(axis=0)]
        )
        fractions = [np.mean(results == symbol, axis=0) for symbol in SYMBOLS]
        return float(np.sum(scipy.special.entr(np.array(fractions))) / positions)

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        a, b = self._numbers(key, count or self.batch)
        question, result = self._question(a, b), self._result(a + b)
        x = jnp.concatenate([question, jnp.full_like(result, BLANK)])
        target = jnp.concatenate([jnp.full_like(question, BLANK), result])
        weight = jnp.concatenate([jnp.zeros(question.shape), jnp.ones(result.shape)])
        return Batch(jax.nn.one_hot(x, len(SYMBOLS)), target, weight)

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean cross-entropy of logits `[T, B, 14]` over the results, in nats."""
        return weighted_mean(
            optax.softmax_cross_entropy_with_integer_labels(outputs, batch.target),
            batch.weight,
        )

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        correct = jnp.argmax(outputs, axis=-1) == batch.target
        counts = batch.weight > 0
        exact = jnp.all(correct | ~counts, axis=0)
        return {
            "loss": self.loss(outputs, batch),
            "accuracy": weighted_mean(correct, batch.weight),
            "exact": weighted_mean(exact, jnp.any(counts, axis=0)),
        }

    def _numbers(self, key: jax.Array, count: int) -> jax.Array:
        """The two numbers of each sum, `[2, count]`."""
        lengths_key, sizes_key, signs_key = jax.random.split(key, 3)
        powers = jnp.asarray(POWERS)
        lengths = jax.random.randint(lengths_key, (2, count), 1, self.digits + 1)
        sizes = jax.random.randint(
            sizes_key, (2, count), powers[lengths - 1], powers[lengths]
        )
        return sizes * jax.random.rademacher(signs_key, (2, count), sizes.dtype)

    def _question(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """Symbols `[2 digits + 3, B]` of "a+b=", with blanks before them.

        Positions count from the "=" to the left: b ends at position 0, and a ends right
        before the sign of b.
        """
        position = jnp.arange(2 * self.digits + 1, -1, -1)[:, None]
        start = length(b) + 1
        sums = jnp.where(
            position < start,
            character(b, position, PLUS),
            character(a, position - start, BLANK),
        )
        return jnp.concatenate([sums, jnp.full_like(sums[:1], EQUALS)])

    def _result(self, number: jax.Array) -> jax.Array:
        """Symbols `[digits + 2, B]` of the number, with blanks after them."""
        first = length(number) - 1 + (number < 0)
        position = first - jnp.arange(self.digits + 2)[:, None]
        return character(number, position, BLANK)


def length(number: jax.Array) -> jax.Array:
    """The number of digits of a number, without its sign."""
    return jnp.maximum(jnp.sum(abs(number)[..., None] >= POWERS, axis=-1), 1)


def character(number: jax.Array, position: jax.Array, plus: int) -> jax.Array:
    """The symbol at a position of a number, whose units are at position 0.

    A digit; before the digits the sign, which is `plus` for positive numbers; elsewhere
    a blank.
    """
    digit = abs(number) // jnp.asarray(POWERS)[jnp.clip(position, 0, 9)] % 10
    sign = jnp.where(number < 0, MINUS, plus)
    before = jnp.where(position == length(number), sign, BLANK)
    symbol = jnp.where(position < length(number), digit, before)
    return jnp.where(position < 0, BLANK, symbol)
