"""Which value came with this key?

Multi-query associative recall, after Arora et al. 2023 (Zoology, arXiv:2312.04927).
"""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp

from rnnjax.settings import SettingError, setting
from rnnjax.tasks.classification import Classification
from rnnjax.tasks.task import Batch, Data, Level, batch_setting, score_key

STEPS_PER_PAIR = 3  # its key, its value, and its query
NEVER = 2.0  # above all numbers that are drawn: of steps without a query

Scalar = int | jax.Array


@dataclasses.dataclass(frozen=True)
class Recall(Classification):
    """Pairs of a key and a value are read, then each key again: what is its value?

    With keys a b c d and values 0 1 2 3 (vocabulary 8), 2 pairs and "_" for a blank:

        inputs   b 3 d 0 d b        inputs   b 3 d 0 _ b _ d _
        targets  . . . . 0 3        targets  . . . . . 3 . 0 .

    on the fewest steps, which are 3 a pair, and with `length` 9. Targets "." do not
    count: they have weight 0.

    A sample has 1 to `pairs` pairs, each number with the same probability, so one
    training sees them all; with n pairs the first 2n steps are the pairs. Keys of a
    sample differ, and values are independent and uniform. Each key is asked for once:
    the n queries are at random steps among all that follow the pairs, in random order,
    and the steps between them are blank. Nothing but a pair or a query is ever shown,
    so no key gets a second value.

    Half of the vocabulary are keys, the other half values; of an odd one there is one
    value more. x is one-hot `[T, B, vocabulary]`, and zeros where it is blank. The
    answer is one of the values. The loss is the cross-entropy in nats a query, for
    logits y `[T, B, values]`, values v `[T, B]` and weights w `[T, B]`, 1 at a query:

        loss = sum_tb w_tb (-log softmax(y_tb)[v_tb]) / sum_tb w_tb

    Chance is log(values), exactly, and an accuracy of 1 / values. A network that knows
    which values were shown but not their keys is right in 1 / n of the queries, or a
    little more if a value occurs twice.
    """

    pairs: int = setting(3, "Most key-value pairs of a sample.", high=2**14)
    vocabulary: int = setting(
        12, "Symbols, of which half are keys and half are values.", low=4, high=2**15
    )
    length: int = setting(16, "Steps of a sample, 3 a pair at least.", high=10**6)
    batch: int = batch_setting(64)

    loss_name = "cross-entropy in nats a query"
    scores = {
        "loss": score_key("cross-entropy of the value that is asked for", "nats"),
        "accuracy": score_key("fraction of the queries that are answered right"),
    }
    every_step = True
    solved = Level("accuracy", 0.99)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs > self.keys:
            problem = f"--vocabulary={self.vocabulary} has {self.keys} keys"
            raise SettingError("pairs", self.pairs, problem, f"1 to {self.keys}")
        if self.length < STEPS_PER_PAIR * self.pairs:
            problem = f"too short for --pairs={self.pairs}"
            allowed = f"{STEPS_PER_PAIR * self.pairs} or more"
            raise SettingError("length", self.length, problem, allowed)

    @property
    def keys(self) -> int:
        """The number of keys, which are the first symbols."""
        return self.vocabulary // 2

    @property
    def values(self) -> int:
        """The number of values, which are the last symbols."""
        return self.vocabulary - self.keys

    @property
    def input_size(self) -> int:
        return self.vocabulary

    @property
    def outputs(self) -> int:
        return self.values

    @property
    def chance(self) -> float:
        return math.log(self.values)

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        return self.sample_at(key, count or self.batch, 1, self.pairs, self.length)

    def sample_at(
        self, key: jax.Array, count: int, fewest: Scalar, most: Scalar, length: Scalar
    ) -> Batch:
        """Samples of `fewest` to `most` pairs, whose queries end before step `length`.

        These three may be traced: the arrays are always those of `self.pairs` pairs and
        `self.length` steps. Steps from `length` on are blank.
        """
        parts = 1, self.keys, self.pairs, self.length
        # One draw, which compiles several times faster than four.
        drawn = jax.random.uniform(key, (count, sum(parts)))
        edges = list(itertools.accumulate(parts[:-1]))
        one, order, values, times = jnp.split(drawn, edges, axis=1)
        pairs = fewest + _whole(one, most - fewest + 1)  # [B, 1]
        step = jnp.arange(self.length)
        free = (step >= 2 * pairs) & (step < length)
        keys = jnp.argsort(order, axis=1)[:, : self.pairs]
        values = _whole(values, self.values)
        steps = jnp.argsort(jnp.where(free, times, NEVER), axis=1)[:, : self.pairs]
        # Which pair is asked for at which step, [B, T, pairs].
        asked = steps[:, None] == step[:, None]
        asked &= (jnp.arange(self.pairs) < pairs)[:, None]
        query = jnp.any(asked, axis=2)
        shown = jnp.stack([keys, self.keys + values], axis=2).reshape(count, -1)
        shown = jnp.pad(shown, ((0, 0), (0, self.length - shown.shape[1])))
        symbol = jnp.where(query, jnp.sum(asked * keys[:, None], axis=2), shown)
        # No class where it is blank, so zeros.
        symbol = jnp.where(query | (step < 2 * pairs), symbol, -1)
        target = jnp.sum(asked * values[:, None], axis=2)
        x = jax.nn.one_hot(symbol.T, self.vocabulary)
        return Batch(x, target.T, query.T.astype(jnp.float32))


def _whole(drawn: jax.Array, count: Scalar) -> jax.Array:
    """Whole numbers below `count`, from numbers that are uniform on [0, 1)."""
    return jnp.floor(drawn * count).astype(jnp.int32)
