"""What is the sum? (Collins, Sohl-Dickstein and Sussillo 2017, arXiv:1611.09913)"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.special

from rnnjax.tasks.task import Batch, Task, weighted_mean

SYMBOLS = "0123456789+-= "
PLUS, MINUS, EQUALS, BLANK = range(10, 14)
POWERS = 10 ** np.arange(10, dtype=np.int32)


@dataclasses.dataclass(frozen=True)
class Arithmetic(Task):
    """A sum of two signed numbers is read character by character; then the answer is written, most significant character first.

    With 3 digits and "_" for a blank: x = "__-34+93=_____", asked after the "=": "59___". And x = "-999-999=_____", asked:
    "-1998". x is one-hot over "0123456789+-= ", `[3 digits + 5, B, 14]`: the sum on 2 digits + 3 steps with blanks before it, then
    a blank for each of the digits + 2 characters of the answer, which the network is not shown.

    A number has 1 to `digits` digits, each count as likely, and is uniform among the numbers with so many; none is 0, and both
    signs are as likely. The loss is the cross-entropy in nats a character, for logits y `[T, B, 14]`, characters c `[T, B]` and
    weights w `[T, B]`, 1 on the answer and 0 before:

        loss = sum_tb w_tb (-log softmax(y_tb)[c_tb]) / sum_tb w_tb

    Chance is the entropy of a character of the answer, as the mean over its places, from 65,536 sums that NumPy draws (within about
    0.2 %). Three digits take 14 steps, so trainings are short, and have all that makes sums hard: carries, borrows, signs, unknown
    lengths. Up to 9 digits fit int32.
    """

    digits: int = 3
    batch: int = 128

    measure = "cross-entropy in nats a character"
    input_size = len(SYMBOLS)
    outputs = len(SYMBOLS)
    every_step = True

    def __post_init__(self):
        if not 1 <= self.digits <= 9:
            raise ValueError(f"digits: 1 to 9, not {self.digits}")

    @functools.cached_property
    def chance(self) -> float:
        draw, places = np.random.default_rng(0), self.digits + 2
        lengths = draw.integers(1, self.digits + 1, (2, 2**16))
        numbers = draw.integers(POWERS[lengths - 1], POWERS[lengths]) * draw.choice(
            (-1, 1), lengths.shape
        )
        answers = np.array(
            [list(str(number).ljust(places)) for number in numbers.sum(axis=0)]
        )
        shares = np.array([np.mean(answers == symbol, axis=0) for symbol in SYMBOLS])
        return float(np.sum(scipy.special.entr(shares)) / places)

    def sample(self, data, key: jax.Array, count: int | None = None) -> Batch:
        a, b = self._numbers(key, count or self.batch)
        asked, answer = self._question(a, b), self._answer(a + b)
        x = jnp.concatenate([asked, jnp.full_like(answer, BLANK)])
        target = jnp.concatenate([jnp.full_like(asked, BLANK), answer])
        weight = jnp.concatenate([jnp.zeros(asked.shape), jnp.ones(answer.shape)])
        return Batch(jax.nn.one_hot(x, len(SYMBOLS)), target, weight)

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean cross-entropy of logits `[T, B, 14]` over the answers, in nats."""
        return weighted_mean(
            optax.softmax_cross_entropy_with_integer_labels(outputs, batch.target),
            batch.weight,
        )

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """The loss, `accuracy`, the share of characters that are right, and `exact`, the share of answers without a mistake."""
        right, asked = jnp.argmax(outputs, axis=-1) == batch.target, batch.weight > 0
        exact = weighted_mean(jnp.all(right | ~asked, axis=0), jnp.any(asked, axis=0))
        return {
            "loss": self.loss(outputs, batch),
            "accuracy": weighted_mean(right, batch.weight),
            "exact": exact,
        }

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        """One sum after another, with the blanks of its answer, `[steps, 14]`."""
        x = self.sample(None, key, -(-steps // (3 * self.digits + 5))).x
        return jnp.swapaxes(x, 0, 1).reshape(-1, len(SYMBOLS))[:steps]

    def _numbers(self, key: jax.Array, count: int) -> jax.Array:
        """Two numbers a sum, `[2, count]`."""
        lengths_key, sizes_key, signs_key = jax.random.split(key, 3)
        powers = jnp.asarray(POWERS)
        lengths = jax.random.randint(lengths_key, (2, count), 1, self.digits + 1)
        sizes = jax.random.randint(
            sizes_key, (2, count), powers[lengths - 1], powers[lengths]
        )
        return sizes * jax.random.rademacher(signs_key, (2, count), sizes.dtype)

    def _question(self, a: jax.Array, b: jax.Array) -> jax.Array:
        """Symbols `[2 digits + 3, B]` of "a+b=": b stands right before the "=", and a right before the sign of b."""
        place = jnp.arange(2 * self.digits + 1, -1, -1)[:, None]
        start = length(b) + 1
        sums = jnp.where(
            place < start, character(b, place, PLUS), character(a, place - start, BLANK)
        )
        return jnp.concatenate([sums, jnp.full_like(sums[:1], EQUALS)])

    def _answer(self, number: jax.Array) -> jax.Array:
        """Symbols `[digits + 2, B]` of the number and of blanks after it."""
        return character(
            number,
            length(number) - 1 + (number < 0) - jnp.arange(self.digits + 2)[:, None],
            BLANK,
        )


def length(number: jax.Array) -> jax.Array:
    """How many digits a number has, without its sign."""
    return jnp.maximum(jnp.sum(abs(number)[..., None] >= POWERS, axis=-1), 1)


def character(number: jax.Array, place: jax.Array, plus: int) -> jax.Array:
    """What stands at a place of a number, its units at place 0: a digit, the sign before them (`plus` if positive) or a blank."""
    digit = abs(number) // jnp.asarray(POWERS)[jnp.clip(place, 0, 9)] % 10
    before = jnp.where(
        place == length(number), jnp.where(number < 0, MINUS, plus), BLANK
    )
    return jnp.where(place < 0, BLANK, jnp.where(place < length(number), digit, before))
