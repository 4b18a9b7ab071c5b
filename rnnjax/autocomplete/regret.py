"""What a network misses on a synthetic text: its loss above the best possible one.

The regret of a window is the mean over its characters of the network's loss minus that
of the best predictor (`text.optimum`), which has read the same characters. Both are
losses at the same words, so what the source itself leaves to chance cancels.
"""

import functools
from typing import NamedTuple

import jax
import numpy as np

from rnnjax import networks
from rnnjax.autocomplete import evaluation, model
from rnnjax.autocomplete.data import Dataset
from rnnjax.autocomplete.evaluation import MAX_TYPED
from rnnjax.cells.cell import Variables
from rnnjax.engine.mesh import Mesh, traced
from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.text import contexts, optimum, synthetic, vocabulary, windows

AT_ONCE = 64  # windows


class Best(NamedTuple):
    """Losses of the best predictors on some windows.

    `optimum` `[B, T]` has read all before a character, and `by_context` [C, B] are
    means over the windows of those that see the last k words, for each of
    `contexts.SEEN`.
    """

    optimum: np.ndarray
    by_context: np.ndarray


def best(dataset: Dataset, indices: np.ndarray) -> Best:
    """The best predictors of the dataset's source on the windows with these indices."""
    return _best(dataset, tuple(indices.tolist()))


@functools.lru_cache(maxsize=4)
def _best(dataset: Dataset, indices: tuple[int, ...]) -> Best:
    assert dataset.source is not None
    language = synthetic.language(dataset.source)
    of_whole, by_context = [], []
    for first in range(0, len(indices), AT_ONCE):
        batch = dataset.windows.gather(indices[first : first + AT_ONCE])
        words = _words(language, dataset.windows.vocabulary, batch)
        whole, *some = (
            optimum.word_losses(language, words, context)[:, : batch.source.shape[1]]
            for context in (None, *contexts.SEEN)
        )
        of_whole.append(whole)
        by_context.append([_mean(losses, batch.weight > 0) for losses in some])
    return Best(np.concatenate(of_whole), np.concatenate(by_context, axis=1))


def _words(
    language: synthetic.Language, known: vocabulary.Vocabulary, batch: windows.Batch
) -> np.ndarray:
    """The words of windows as indices of the language, [B, N]; V where there is none.

    All have the same number of letters, so that they begin at the same places.
    """
    index = {word: k for k, word in enumerate(language.spelled)}
    none = len(index)
    of_class = [none] * vocabulary.FIRST_WORD + [index[word] for word in known.words]
    return np.asarray(of_class)[batch.target[:, :: optimum.PER_WORD]]


def _mean(losses: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The mean over the positions of each window that count; NaN if none does."""
    with np.errstate(invalid="ignore"):
        return np.sum(losses * weight, axis=1) / np.sum(weight, axis=1)


def references(dataset: Dataset, most: int | None) -> Row:
    """The best losses on the validation windows and on the test windows, for a row."""

    def of_part(part: np.ndarray) -> Row:
        found = best(dataset, part[:most])
        weight = dataset.windows.gather(part[:most]).weight > 0
        least = float(np.mean(_mean(found.optimum, weight)))
        others = found.by_context.mean(axis=1).tolist()
        return contexts.references(contexts.SEEN, least, others)

    validation = of_part(dataset.split.validation)
    del validation["contexts"]
    row = {f"valid_{key}": value for key, value in validation.items()}
    return row | of_part(dataset.split.test)


def measure(
    network: networks.Network,
    variables: Variables,
    dataset: Dataset,
    indices: np.ndarray,
    batch: int,
) -> Row:
    """The regret on the windows with these indices, `batch` of them at a time.

    Windows get a mean with its 95 % interval (`_low`, `_high`), over all positions and
    over those with the same number of letters typed. The interval of the effective
    context ends where the network's loss in a window, minus that of the best predictor
    with k words, has an interval that ends at 0.
    """
    found, read = best(dataset, indices), dataset.windows.gather(indices)
    losses = position_losses(network, variables, dataset, indices, batch)
    weight, letters = read.weight > 0, np.minimum(read.typed, MAX_TYPED)
    above = losses - found.optimum
    every = [weight, *(weight & (letters == k) for k in range(MAX_TYPED + 1))]
    means = [statistics.mean(_known(_mean(above, chosen))) for chosen in every]
    row: Row = {}
    for part, end in (("mean", ""), ("low", "_low"), ("high", "_high")):
        row[f"regret{end}"], *by_letters = (getattr(mean, part) for mean in means)
        row[f"regret{end}_by_letters"] = by_letters
    return row | _context(found.by_context - _mean(losses, weight))


def _known(values: np.ndarray) -> list[float]:
    return values[np.isfinite(values)].tolist()


def _context(excess: np.ndarray) -> Row:
    """The effective context; `excess` [C, B] are best losses minus the network's."""
    means = [statistics.mean(of_windows) for of_windows in excess.tolist()]

    def crossing(end: str) -> float | None:
        values = [getattr(mean, end) for mean in means]
        return None if None in values else contexts.crossing(contexts.SEEN, values)

    row = contexts.entries(crossing("mean"))
    for end in ("low", "high"):
        row[f"effective_context_{end}"] = contexts.finite(crossing(end))
    return row


def position_losses(
    network: networks.Network,
    variables: Variables,
    dataset: Dataset,
    indices: np.ndarray,
    batch: int,
) -> np.ndarray:
    """The network's loss at each position of windows, float64 [windows, T]."""
    parts = []
    for chosen in np.array_split(indices, -(-len(indices) // batch)):
        read = dataset.windows.gather(np.resize(chosen, batch))
        with traced(Mesh.local().together):
            losses = _losses(network, variables, *read[:3])
        by_window = np.asarray(losses, np.float64).reshape(-1, batch).T
        parts.append(by_window[: len(chosen)])
    return np.concatenate(parts)


@functools.partial(jax.jit, static_argnums=0)
def _losses(
    network: networks.Network,
    variables: Variables,
    source: jax.Array,
    target: jax.Array,
    weight: jax.Array,
) -> jax.Array:
    y = model.hidden_outputs(network, variables, source)
    words, scored = target.T.reshape(-1), weight.T.reshape(-1)
    return evaluation.of_positions(variables, y, words, scored)[0]
