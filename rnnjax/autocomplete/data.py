"""What networks are trained and evaluated on: windows of a text, and their split."""

import dataclasses
import functools

import numpy as np

from rnnjax.text import corpus, synthetic
from rnnjax.text import windows as windows_lib

ROOT_SEED = 20180000  # of the weights and of the order of the training windows
MAX_ORDERS = 64  # permutations of the training windows that are kept


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """The windows of a text, divided into training, validation and test windows.

    `source` is that of a synthetic text.
    """

    windows: windows_lib.Windows
    split: windows_lib.Split
    source: synthetic.Source | None = None

    @property
    def classes(self) -> int:
        """The number of classes V of words, with padding and unknown words."""
        return self.windows.vocabulary.classes

    @functools.cached_property
    def unigram_entropy(self) -> float:
        """The loss on the test windows of a prediction from word frequencies alone.

        In nats a scored position; see `text.windows.unigram_entropy`.
        """
        counts = self.windows.target_counts(self.split.train)
        scored = self.windows.target_counts(self.split.test)
        return windows_lib.unigram_entropy(counts, scored)

    def updates_per_epoch(self, batch: int) -> int:
        """The updates in which each training window is seen once.

        The windows that do not fill a batch are left out of the epoch.
        """
        return len(self.split.train) // batch

    def batch_indices(self, seed: int, update: int, batch: int) -> np.ndarray:
        """The training windows of an update, int64 [batch].

        In each epoch a seed goes through all training windows in a new random order.
        """
        epoch, index = divmod(update, self.updates_per_epoch(batch))
        order = epoch_order(self, seed, epoch)
        return order[index * batch : (index + 1) * batch]


def make_dataset(
    text: windows_lib.Windows, source: synthetic.Source | None = None
) -> Dataset:
    """The dataset of a text. Raises ValueError for fewer than 20 windows."""
    return Dataset(text, windows_lib.split(len(text)), source)


def read_dataset(
    source: str | synthetic.Source, data_dir: str | None = None
) -> tuple[Dataset, str]:
    """Reads a text; returns its dataset and the SHA-256 of the reduced text.

    Raises OSError or ValueError as `corpus.read` does, and ValueError for a text that
    is too short.
    """
    built = windows_lib.build(corpus.read(source, data_dir))
    known = source if isinstance(source, synthetic.Source) else None
    dataset = make_dataset(built, known)
    return dataset, corpus.digest(source, data_dir)


@functools.lru_cache(maxsize=MAX_ORDERS)
def epoch_order(dataset: Dataset, seed: int, epoch: int) -> np.ndarray:
    """The training windows in the order in which a seed sees them in an epoch."""
    generator = np.random.default_rng([ROOT_SEED, seed, epoch])
    return generator.permutation(dataset.split.train)
