"""In which order did two symbols come?

After Hochreiter and Schmidhuber 1997 (Long Short-Term Memory), experiment 6a.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rnnjax.settings import setting
from rnnjax.tasks.classification import Classification
from rnnjax.tasks.task import Batch, Data, Level, batch_setting, score_key

RELEVANT, DISTRACTORS = 2, 4  # X and Y, then a to d
SYMBOLS = RELEVANT + DISTRACTORS


@dataclasses.dataclass(frozen=True)
class TemporalOrder(Classification):
    """Two of many symbols are X or Y; which they were, in order, is the answer.

    With `length` 10:

        inputs  c X a d b a X b c a      target 0 (X, X)
        inputs  b d Y c a c b X d d      target 2 (Y, X)

    The classes are XX, XY, YX and YY, in this order. X or Y, each as often, stands at a
    uniform step from T // 10 to T // 5 and at one from T // 2 to 3 T // 5, both ends
    included, of T steps that count from 0. All other symbols are a, b, c or d,
    uniformly. x is one-hot `[T, B, 6]` over "XYabcd"; the answer is read after the last
    step. Chance is log 4, exactly.

    At 100 steps X and Y stand where they do in the publication, whose sequences have
    random lengths up to 110, begin with a symbol E and end with B. The task is solved
    if 99 % of the answers are right.
    """

    length: int = setting(100, "Steps of a sample.", low=10)
    batch: int = batch_setting(64)

    loss_name = "cross-entropy in nats an answer"
    scores = {
        "loss": score_key("cross-entropy of the order", "nats"),
        "accuracy": score_key("fraction of the orders that are right"),
    }
    input_size = SYMBOLS
    outputs = RELEVANT**2
    chance = math.log(RELEVANT**2)
    solved = Level("accuracy", 0.99)

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        count, length = count or self.batch, self.length
        others_key, times_key, kinds_key = jax.random.split(key, 3)
        others = jax.random.randint(others_key, (length, count), RELEVANT, SYMBOLS)
        first = jnp.array([[length // 10], [length // 2]])
        last = jnp.array([[length // 5], [3 * length // 5]])
        times = jax.random.randint(times_key, (2, count), first, last + 1)
        kinds = jax.random.randint(kinds_key, (2, count), 0, RELEVANT)
        step = jnp.arange(length)[:, None]
        symbols = jnp.where(step == times[0], kinds[0], others)
        symbols = jnp.where(step == times[1], kinds[1], symbols)
        x = jax.nn.one_hot(symbols, SYMBOLS)
        return Batch(x, RELEVANT * kinds[0] + kinds[1], jnp.ones(count))
