"""What trained networks predict in a few test windows, and its connectivity."""

import functools
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from etils import epath

from rnnjax import networks
from rnnjax.autocomplete import model, saved, summary
from rnnjax.autocomplete.config import Config
from rnnjax.autocomplete.connectivity import connectivity
from rnnjax.autocomplete.evaluation import TOP
from rnnjax.autocomplete.exported import Example, Model
from rnnjax.cells.cell import Variables
from rnnjax.results.schema import Row
from rnnjax.text import vocabulary, windows

EXAMPLES = 3  # test windows
MAX_MODEL_PARAMETERS = 2_000_000  # of a network that is written into the page


class Trained(NamedTuple):
    """A trained network of a run, and what its shape is called."""

    name: str
    row: Row
    network: networks.Network
    variables: Variables


def load_networks(
    config: Config, rows: Sequence[Row], folder: epath.Path
) -> list[Trained]:
    """The network of the first seed of each shape that did not diverge."""
    loaded = []
    for shape, lanes in summary.by_shape(rows):
        row = next((row for row in lanes if row["status"] == "trained"), None)
        if row is not None:
            name = summary.shape_name(shape, rows)
            loaded.append(Trained(name, row, *saved.load(config, folder, row)))
    return loaded


def make_examples(config: Config, trained: Iterable[Trained]) -> list[Example]:
    """The first test windows as each network reads them, window by window."""
    dataset = config.dataset
    batch = dataset.windows.gather(dataset.split.test[:EXAMPLES])
    by_network = []
    for name, _, network, variables in trained:
        c = connectivity(network, variables, batch.source, batch.target)
        by_network.append(
            [
                _example(name, network, variables, window, dataset.windows.vocabulary)
                for window in zip(batch.source, batch.target, np.asarray(c))
            ]
        )
    return [example for window in zip(*by_network) for example in window]


def _example(
    name: str,
    network: networks.Network,
    variables: Variables,
    window: tuple[np.ndarray, np.ndarray, np.ndarray],
    words: vocabulary.Vocabulary,
) -> Example:
    """One window: its characters [T], their words [T], and the connectivity [T, T]."""
    source, target, c = window
    length = int(np.sum(source > 0))
    classes, probabilities = predictions(network, variables, source)
    guesses = [
        [(words.name(k), float(p)) for k, p in zip(*likeliest)]
        for likeliest in zip(
            np.asarray(classes)[:length], np.asarray(probabilities)[:length]
        )
    ]
    is_word = target[:length] >= vocabulary.FIRST_WORD
    targets = [words.name(k) if known else None for k, known in zip(target, is_word)]
    return Example(name, _text(source[:length]), c[:length, :length], guesses, targets)


def _text(source: np.ndarray) -> str:
    """Characters from their classes."""
    letter = windows.SPACE + 1
    return "".join(
        " " if code == windows.SPACE else chr(ord("a") + code - letter)
        for code in source
    )


@functools.partial(jax.jit, static_argnums=0)
def predictions(
    network: networks.Network, variables: Variables, source: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The most likely classes of words at each character of a window `[T]`.

    Returns the classes and their probabilities, both [T, TOP], most likely first.
    """
    kernel, bias = networks.readout(variables)
    y = model.hidden_outputs(network, variables, source[None])[:, 0]
    probabilities, classes = jax.lax.top_k(jax.nn.softmax(y @ kernel + bias), TOP)
    return classes, probabilities


def make_model(
    config: Config, trained: Iterable[Trained], cells: Collection[str]
) -> Model | None:
    """The first network that is of one of these cells and small enough for the page."""
    for _, row, _, variables in trained:
        if row["cell"] in cells and row["parameters"] <= MAX_MODEL_PARAMETERS:
            words = config.dataset.windows.vocabulary.words
            return Model(row["cell"], list(words), _params(variables), row["layers"])
    return None


def _params(variables: Variables) -> dict[str, np.ndarray]:
    """Parameters by path. The embedding gets a row of zeros for padding, as class 0."""
    leaves = jax.tree_util.tree_flatten_with_path(variables["params"])[0]
    params = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }
    params["embed/embedding"] = np.pad(params["embed/embedding"], ((1, 0), (0, 0)))
    return params
