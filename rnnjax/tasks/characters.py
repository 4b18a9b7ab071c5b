"""Which character comes next?

After Collins, Sohl-Dickstein and Sussillo 2017 (arXiv:1611.09913), on text8.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax.settings import SettingError, setting
from rnnjax.tasks.task import (
    Batch,
    Data,
    Task,
    batch_setting,
    data_dir_setting,
    score_key,
    weighted_mean,
)
from rnnjax.text import contexts, corpus, optimum, synthetic

TEST_FRACTION = 0.05  # of the text, at its end


@dataclasses.dataclass(frozen=True)
class Characters(Task):
    """Random windows of a text, one-hot; the target at each character is the next one.

    Length 3 of "the cat": x = one-hot of "t", "h", "e", targets "h", "e", " ". Of
    "cat is": x = "a", "t", " ", targets "t", " ", "i". The loss is the cross-entropy in
    bits a character over all positions; each window begins from the initial state.
    Chance is the entropy of the characters' frequencies, about 4.1 bits in English. Of
    a synthetic text the best possible loss is known, see `references`.
    Trained networks are scored on the last 5 % of the text, which no update contains.

    If `sha256` is not empty, it is the digest that the text must have. Raises
    `SettingError` for a text that cannot be read or is too short for the windows, and
    ValueError for a text with another digest.
    """

    text: str = setting(
        "embedded",
        "Text: a plain, .gz or .zip file, text8, embedded (prose that comes with "
        "Python), or synthetic (a source whose best predictor is known).",
    )
    length: int = setting(50, "Characters in a window.")
    batch: int = batch_setting(32)
    data_dir: str | None = data_dir_setting()
    words: int | None = synthetic.option("words")
    topics: int | None = synthetic.option("topics")
    switch: float | None = synthetic.option("switch")
    zipf: float | None = synthetic.option("zipf")
    dependence: float | None = synthetic.option("dependence")
    source_seed: int | None = synthetic.option("source_seed")
    text_words: int | None = synthetic.option("text_words")
    sha256: str = ""

    loss_name = "bits per character"
    scores = {
        "loss": score_key("cross-entropy of the next character", "bits a character"),
        "accuracy": score_key("fraction of the characters that are right"),
    }
    input_size = corpus.CLASSES
    outputs = corpus.CLASSES
    every_step = True

    def __post_init__(self) -> None:
        super().__post_init__()
        text = self._text()
        if self.sha256 and self._digest() != self.sha256:
            raise ValueError(f"the text {self.text} is not the one it was")
        # A window and its last target must fit into the test part of the text.
        longest = int(len(text) * TEST_FRACTION) - 2
        if self.length > longest:
            problem, allowed = "too long for the text", f"1 to {longest}"
            raise SettingError("length", self.length, problem, allowed)

    @property
    def chance(self) -> float:
        counts = np.bincount(self._text(), minlength=corpus.CLASSES)
        fractions = counts[counts > 0] / counts.sum()
        return float(-np.sum(fractions * np.log2(fractions)))

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        return self._batch(key, count or self.batch, 0, 1 - TEST_FRACTION)

    def test_batch(self, data: Data, key: jax.Array, count: int) -> Batch:
        """Windows of the end of the text."""
        return self._batch(key, count, 1 - TEST_FRACTION, 1)

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean cross-entropy of logits `[T, B, 27]`, in bits."""
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, batch.target)
        return weighted_mean(losses, batch.weight) / math.log(2)

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        correct = (jnp.argmax(outputs, axis=-1) == batch.target).astype(jnp.float32)
        return {
            "loss": self.loss(outputs, batch),
            "accuracy": weighted_mean(correct, batch.weight),
        }

    def probe_inputs(self, key: jax.Array, steps: int) -> jax.Array:
        """A random window of the whole text, `[steps, 27]`."""
        return jax.nn.one_hot(self._windows(key, 1, steps, 0, 1)[:, 0], self.input_size)

    def description(self) -> dict[str, Any]:
        """The settings and the digest of the text, without the folder it is kept in."""
        described = super().description() | {"sha256": self._digest()}
        source = self._source
        for name in (*synthetic.NAMES, "data_dir"):
            del described[name]
        return described | (dataclasses.asdict(source) if source else {})

    def references(self, key: jax.Array, count: int) -> dict[str, Any]:
        """The best possible loss, and by how much those exceed it that see k words."""
        source = self._source
        if source is None:
            return {}
        batch = self.test_batch(None, key, count)
        first = np.argmax(np.asarray(batch.x[:1]), axis=-1)
        codes = np.concatenate([first, np.asarray(batch.target)]).T
        best, *others = (
            optimum.letter_losses(synthetic.language(source), codes, context).mean()
            / math.log(2)
            for context in (None, *contexts.SEEN)
        )
        row = contexts.references(contexts.SEEN, best, others)
        return row | dataclasses.asdict(source)

    @property
    def _source(self) -> synthetic.Source | None:
        return synthetic.of(self.text, vars(self))

    def _text(self) -> np.ndarray:
        """The text as classes `[N]`. Raises `SettingError`."""
        try:
            return corpus.read(self._source or self.text, self.data_dir)
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            raise SettingError("text", self.text, problem, corpus.ALLOWED) from None

    def _digest(self) -> str:
        return corpus.digest(self._source or self.text, self.data_dir)

    def _batch(self, key: jax.Array, count: int, first: float, last: float) -> Batch:
        windows = self._windows(key, count, self.length + 1, first, last)
        target = windows[1:]
        x = jax.nn.one_hot(windows[:-1], self.input_size)
        return Batch(x, target, jnp.ones(target.shape))

    def _windows(
        self, key: jax.Array, count: int, length: int, first: float, last: float
    ) -> jax.Array:
        """Random windows `[length, count]` between two fractions of the text."""
        text = self._text()
        low, high = int(first * len(text)), int(last * len(text)) - length
        starts = jax.random.randint(key, (count,), low, high)
        positions = starts[None, :] + jnp.arange(length)[:, None]
        return jnp.asarray(text)[positions].astype(jnp.int32)
