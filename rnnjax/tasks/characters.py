"""Which character comes next? (Collins, Sohl-Dickstein and Sussillo 2017, on text8)"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import optax

from rnnjax.tasks.batch import Batch
from rnnjax.tasks.text import corpus


@dataclasses.dataclass(frozen=True)
class Characters:
    """Random windows of a text, one-hot; at every character the next one is asked for.

    Length 3 of "the cat": x = one-hot of "t", "h", "e", targets "h", "e", " ". Of "cat is": x = "a", "t", " ", targets "t", " ",
    "i". The loss is the cross-entropy in bits a character over all positions, the state starting afresh at each window; guessing
    blindly takes log2 27 = 4.75 bits. `sha256`, unless empty, is what the text must have.
    """

    text: str = "embedded"
    sha256: str = ""
    length: int = 50
    batch: int = 32

    measure = "bits per character"
    chance = math.log2(corpus.CLASSES)
    input_size = corpus.CLASSES
    outputs = corpus.CLASSES

    def __post_init__(self):
        if self.sha256 and corpus.digest(self.text) != self.sha256:
            raise ValueError(f"the text {self.text} is not the one it was")

    def sample(self, key: jax.Array, batch: int | None = None) -> Batch:
        windows = self._windows(key, batch or self.batch, self.length + 1)
        return Batch(jax.nn.one_hot(windows[:-1], self.input_size), windows[1:])

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean cross-entropy of outputs `[T, B, 27]` with the targets `[T, B]`, in bits."""
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs, batch.target)) / math.log(2)

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        """A piece of the text, `[steps, 27]`: the inputs on which a trained network's memory is probed."""
        return jax.nn.one_hot(self._windows(key, 1, steps)[:, 0], self.input_size)

    def _windows(self, key: jax.Array, batch: int, length: int) -> jax.Array:
        text = corpus.read(self.text)
        starts = jax.random.randint(key, (batch,), 0, len(text) - length)
        return jnp.asarray(text)[starts[None, :] + jnp.arange(length)[:, None]].astype(jnp.int32)
