"""Which symbols were shown, in their order?

The copy memory task, after Hochreiter and Schmidhuber 1997 and Arjovsky, Shah and
Bengio 2016 (arXiv:1511.06464).
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rnnjax.settings import setting
from rnnjax.tasks.classification import Classification
from rnnjax.tasks.task import Batch, Data, Level, batch_setting, score_key


@dataclasses.dataclass(frozen=True)
class Copy(Classification):
    """Symbols are shown, and put out again after a delay and a marker.

    With 3 symbols of 8 (0 to 7), "_" for a blank, ":" for the marker and delay 2:

        inputs   5 0 3 _ _ : _ _ _        inputs   7 7 1 _ _ : _ _ _
        targets  . . . . . . 5 0 3        targets  . . . . . . 7 7 1

    Targets "." do not count: they have weight 0. A sample of S symbols has
    T = 2 S + delay + 1 steps. Symbols are independent and uniform among the K of the
    alphabet. x is one-hot `[T, B, K + 2]`: the alphabet, the blank, the marker. The
    answer is one of the K symbols.

    Chance is log K, exactly: where answers are asked for is known, and which they are
    is not. In the publication blanks have to be put out too, its delay is one more
    than here, and its loss is the mean over all steps, so its chance is
    S log(K) / (2 S + delay + 1). The task is solved if 99 % of the symbols are right.
    """

    alphabet: int = setting(8, "Different symbols.", low=2, high=2**15)
    symbols: int = setting(10, "Symbols to copy.", high=2**15)
    delay: int = setting(50, "Blank steps between the symbols and the marker.", low=0)
    batch: int = batch_setting(64)

    loss_name = "cross-entropy in nats a symbol"
    scores = {
        "loss": score_key("cross-entropy of the symbols to copy", "nats a symbol"),
        "accuracy": score_key("fraction of the symbols that are right"),
    }
    every_step = True
    solved = Level("accuracy", 0.99)

    @property
    def input_size(self) -> int:
        return self.alphabet + 2

    @property
    def outputs(self) -> int:
        return self.alphabet

    @property
    def chance(self) -> float:
        return math.log(self.alphabet)

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        shape = self.symbols, count or self.batch
        symbols = jax.random.randint(key, shape, 0, self.alphabet)
        blanks = jnp.full_like(symbols, self.alphabet)
        # From the first blank to the marker.
        wait = jnp.full((self.delay + 1, shape[1]), self.alphabet).at[-1].add(1)
        x = jax.nn.one_hot(jnp.concatenate([symbols, wait, blanks]), self.input_size)
        before = jnp.zeros((self.symbols + self.delay + 1, shape[1]), int)
        weight = jnp.concatenate([before, jnp.ones_like(symbols)]).astype(x.dtype)
        return Batch(x, jnp.concatenate([before, symbols]), weight)
