"""Which character comes next? (Collins, Sohl-Dickstein and Sussillo 2017, on text8)"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax.tasks.task import Batch, Task, weighted_mean
from rnnjax.text import corpus

TEST_SHARE = 0.05  # of the text, at its end


@dataclasses.dataclass(frozen=True)
class Characters(Task):
    """Random windows of a text, one-hot; at every character the next one is asked for.

    Length 3 of "the cat": x = one-hot of "t", "h", "e", targets "h", "e", " ". Of "cat is": x = "a", "t", " ", targets "t", " ",
    "i". The loss is the cross-entropy in bits a character over all positions, the state starting afresh at each window; who knows
    only how frequent each character is needs the entropy of that, about 4.1 bits in English. Trained networks are judged on the
    last 5 % of the text, which no update sees. `sha256`, unless empty, is what the text must have.
    """

    text: str = "embedded"
    sha256: str = ""
    length: int = 50
    batch: int = 32

    measure = "bits per character"
    input_size = corpus.CLASSES
    outputs = corpus.CLASSES
    every_step = True

    def __post_init__(self):
        if self.sha256 and corpus.digest(self.text) != self.sha256:
            raise ValueError(f"the text {self.text} is not the one it was")

    @property
    def chance(self) -> float:
        counts = np.bincount(corpus.read(self.text), minlength=corpus.CLASSES)
        shares = counts[counts > 0] / counts.sum()
        return float(-np.sum(shares * np.log2(shares)))

    def sample(self, data, key: jax.Array, count: int | None = None) -> Batch:
        return self._batch(
            self._windows(key, count or self.batch, self.length + 1, 0, 1 - TEST_SHARE)
        )

    def test(self, data, key: jax.Array, count: int) -> Batch:
        return self._batch(
            self._windows(key, count, self.length + 1, 1 - TEST_SHARE, 1)
        )

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean cross-entropy of outputs `[T, B, 27]` with the targets `[T, B]`, in bits."""
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, batch.target)
        return weighted_mean(losses, batch.weight) / math.log(2)

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        right = (jnp.argmax(outputs, axis=-1) == batch.target).astype(jnp.float32)
        return {
            "loss": self.loss(outputs, batch),
            "accuracy": weighted_mean(right, batch.weight),
        }

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        """A piece of the text, `[steps, 27]`: the inputs on which a trained network's memory is probed."""
        return jax.nn.one_hot(self._windows(key, 1, steps, 0, 1)[:, 0], self.input_size)

    def _batch(self, windows: jax.Array) -> Batch:
        target = windows[1:]
        return Batch(
            jax.nn.one_hot(windows[:-1], self.input_size),
            target,
            jnp.ones(target.shape),
        )

    def _windows(
        self, key: jax.Array, count: int, length: int, first: float, last: float
    ) -> jax.Array:
        """`count` windows `[length, count]` that lie between the shares `first` and `last` of the text."""
        text = corpus.read(self.text)
        starts = jax.random.randint(
            key, (count,), int(first * len(text)), int(last * len(text)) - length
        )
        return jnp.asarray(text)[starts[None, :] + jnp.arange(length)[:, None]].astype(
            jnp.int32
        )
