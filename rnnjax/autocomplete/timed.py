"""What `benchmarks.timing` measures: a chunk of updates, on a text of random words."""

import functools
import math

import numpy as np

from rnnjax.autocomplete import model, softmax
from rnnjax.autocomplete.data import Dataset, make_dataset
from rnnjax.autocomplete.experiment import UPDATES_PER_CHUNK, Autocomplete
from rnnjax.cells import registry
from rnnjax.engine import lanes
from rnnjax.engine.mesh import Mesh
from rnnjax.engine.timed import Timed
from rnnjax.text import windows

UPDATES = 10**6  # more than are ever timed
MIN_TRAIN_BATCHES = 40  # that the random text is long enough for, with 5 letters a word


def timed(mesh: Mesh) -> list[Timed]:
    """A small chunk, and one of a usual size for each of two cells."""
    small = {"units": 30, "words": 50, "steps": 30, "batch": 8}
    usual = {"units": 64, "words": 1000, "steps": 64, "batch": 32}
    return [
        _chunk("smoke/autocomplete/gru", mesh, "gru", **small),
        _chunk("autocomplete/gru", mesh, "gru", **usual),
        _chunk("autocomplete/lstm", mesh, "lstm", **usual),
    ]


def _chunk(
    name: str, mesh: Mesh, cell: str, units: int, words: int, steps: int, batch: int
) -> Timed:
    """Updates of one layer of `units`, on batches of windows of `steps` characters."""
    count = mesh.lanes_for(1)
    sizes = {"units": units, "words": words, "steps": steps, "batch": batch}
    return Timed(
        name,
        sizes | {"lanes": count, "updates": UPDATES_PER_CHUNK},
        lane_steps=count * UPDATES_PER_CHUNK * steps,
        group=functools.partial(_group, cell, units, words, steps, batch, count),
        chunk=1,
        # The chunks of the softmax if every position has a word; padding is skipped.
        iterations=math.ceil(batch * steps / softmax.CHUNK),
    )


def _group(
    cell: str, units: int, words: int, steps: int, batch: int, count: int
) -> lanes.Group:
    dataset = _random_dataset(words, steps, batch)
    network = model.build(registry.CELLS[cell], 1, units, dataset.classes)
    experiment = Autocomplete(network, dataset, UPDATES, batch, num_evals=1)
    return lanes.Group("timed", experiment, tuple(range(count)))


@functools.lru_cache(maxsize=4)
def _random_dataset(words: int, steps: int, batch: int) -> Dataset:
    """A text of random words of 2 to 8 letters, all of them equally often."""
    rng = np.random.default_rng(0)
    spelled = [rng.integers(1, 27, 2 + k % 7).astype(np.uint8) for k in range(words)]
    length = MIN_TRAIN_BATCHES * batch * steps // 5
    order = rng.permutation(np.arange(length) % words)
    text = np.concatenate([np.append(spelled[k], np.uint8(0)) for k in order])
    return make_dataset(windows.build(text[:-1], steps))
