"""Windows of whole words; the target at each character is the word that it is part of.

(nearForm 2018; Madsen, Distill 2019.) Words are packed in the order of the text, as
many as fit: a word takes a space and its letters. Of "the cat sat", windows of 9:

    source      "_the_cat."      "_sat....."     a space before each word, then padding
    target      ttttcccc.        ssss.....       the class of the character's word
    typed       012301230        012300000       letters of the word shown so far
    weight      111111110        111100000       0 at padding and at unknown words

At the space a network has seen nothing of the word, at the last letter all of it.
"""

import bisect
import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.text import vocabulary

CHARACTERS = 28  # classes of characters: padding, space, a to z
SPACE = 1
WIDTH = 200  # characters in a window
MAX_WIDTH = 256  # numbers of letters are uint8
SPLIT_SEED = 450849059  # of the published split
MIN_WINDOWS = 20  # with 5 % for validation, one window


class Batch(NamedTuple):
    """B windows of T characters, each array [B, T]."""

    source: np.ndarray  # uint8, the class of each character, 0 for padding
    target: np.ndarray  # int32, the class of its word
    weight: np.ndarray  # float32, 1 where the word is in the vocabulary, else 0
    typed: np.ndarray  # uint8, letters of the word up to and with this character


class Split(NamedTuple):
    """Indices of windows, int64."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Windows:
    """A text cut into windows.

    It holds the text and a few numbers for each word and window, about 1.5 bytes a
    character in all; batches are made from them by `gather`. Word k has class
    `classes[k]` and `lengths[k]` letters. Window i holds the words `first_words[i]` to
    `first_words[i + 1] - 1`, and the first letter of its first word is
    `text[starts[i]]`. The last entries of `first_words` and `starts` mark the end.
    """

    text: np.ndarray  # uint8, 0 for a space, 1 to 26 for a to z
    classes: np.ndarray  # uint16
    lengths: np.ndarray  # uint8
    first_words: np.ndarray  # int64
    starts: np.ndarray  # int64
    width: int
    vocabulary: vocabulary.Vocabulary

    def __len__(self) -> int:
        """The number of windows."""
        return len(self.first_words) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of memory, with the text."""
        arrays = (self.text, self.classes, self.lengths, self.first_words, self.starts)
        return sum(array.nbytes for array in arrays)

    def gather(self, indices: ArrayLike) -> Batch:
        """The windows with these indices, in this order.

        Raises IndexError if there is no such window; negative indices are not allowed.
        """
        indices = np.asarray(indices)
        if np.any((indices < 0) | (indices >= len(self))):
            raise IndexError(f"windows are numbered from 0 to {len(self) - 1}")
        starts, position = self.starts[indices, None], np.arange(self.width)
        is_text = position < self.starts[indices + 1, None] - starts
        # A window begins one position before its first letter, with the space.
        source = np.take(self.text, starts + position - 1, mode="clip")
        source = source + np.uint8(SPACE)
        source[:, 0] = SPACE  # the text itself has no space before its first word
        source *= is_text
        is_space = source == SPACE
        word = self.first_words[indices, None] + np.cumsum(is_space, axis=1) - 1
        target = np.where(is_text, self.classes[word], vocabulary.PADDING)
        target = target.astype(np.int32)
        last_space = np.maximum.accumulate(np.where(is_space, position, 0), axis=1)
        return Batch(
            source,
            target,
            (target >= vocabulary.FIRST_WORD).astype(np.float32),
            ((position - last_space) * is_text).astype(np.uint8),
        )

    def target_counts(self, indices: ArrayLike) -> np.ndarray:
        """The number of positions in these windows whose target is each class.

        int64 [V]; padding is not counted.
        """
        in_windows = np.zeros(len(self), bool)
        in_windows[np.asarray(indices)] = True
        in_windows = np.repeat(in_windows, np.diff(self.first_words))  # of each word
        positions = self.lengths[in_windows] + 1.0
        counts = np.bincount(
            self.classes[in_windows], positions, self.vocabulary.classes
        )
        return counts.astype(np.int64)


def build(
    text: np.ndarray, width: int = WIDTH, max_words: int = vocabulary.MAX_WORDS
) -> Windows:
    """Cuts a text into windows, and builds its vocabulary.

    A word of `width` letters or more fits in no window and is dropped. The vocabulary
    is counted over the whole text, test windows included, as in the published work: a
    network learns from it only which words exist.

    Args:
      text: uint8 [N], 0 for a space and 1 to 26 for a to z, as from `corpus.read`.
      width: characters in a window.
      max_words: the size of the vocabulary, unless the text has fewer words.

    Raises:
      ValueError: `width` is not from 2 to 256, the text has no word that fits, it has
        spaces at an end or two in a row, or `max_words` is out of range.
    """
    if not 2 <= width <= MAX_WIDTH:
        raise ValueError(f"windows of {width} characters; allowed: 2 to {MAX_WIDTH}")
    starts, lengths = _words(text)
    if lengths.min() < 1:
        raise ValueError("the text is empty, or has spaces at an end or two in a row")
    if lengths.max() >= width:
        text = _without(text, starts[lengths >= width], lengths[lengths >= width])
        starts, lengths = _words(text)
    if not len(text):
        raise ValueError(f"the text has no word of fewer than {width} letters")
    lengths, bounds = lengths.astype(np.uint8), np.append(starts, len(text) + 1)
    first_words = _pack(bounds, width)
    words, classes = vocabulary.build(text, starts, lengths, max_words)
    return Windows(
        text, classes, lengths, first_words, bounds[first_words], width, words
    )


def split(count: int) -> Split:
    """Splits the windows 0 to `count` - 1 into training, validation and test windows.

    They are 90 %, 5 % and 5 % of a random permutation, that of the published work: a
    text with as many windows is split as it was there. The neighbors of a test window
    are mostly training windows: the test set has other sentences, not other articles.
    Raises ValueError for fewer than 20 windows.
    """
    if count < MIN_WINDOWS:
        raise ValueError(
            f"the text makes {count} windows, and {MIN_WINDOWS} are needed"
        )
    order = np.random.RandomState(SPLIT_SEED).permutation(count)
    return Split(*np.split(order, [count * 9 // 10, count * 9 // 10 + count // 20]))


def unigram_entropy(counts: np.ndarray, scored: np.ndarray | None = None) -> float:
    """The loss, in nats a scored position, of a prediction from word frequencies alone.

    It predicts every word v with p(v), the fraction of the scored positions whose
    target is v. From the counts n(v) of `Windows.target_counts`,

        p(v) = n(v) / sum_u n(u),    entropy = -sum_v p(v) ln p(v).

    With the counts m(v) of other windows as `scored`, it is the cross-entropy of their
    fractions q, with add-one smoothing, so that the loss stays finite at a word that
    only these windows have:

        p(v) = (n(v) + 1) / sum_u (n(u) + 1),    q(v) = m(v) / sum_u m(u),
        cross-entropy = -sum_v q(v) ln p(v).

    Args:
      counts: integers [V]; padding and unknown words are ignored.
      scored: the same, of the windows that are scored.

    Returns:
      The entropy, or NaN if no position is scored.
    """
    fitted = counts[vocabulary.FIRST_WORD :] + (0.0 if scored is None else 1.0)
    weights = fitted if scored is None else scored[vocabulary.FIRST_WORD :]
    used = weights > 0
    return float(
        -np.sum(weights[used] * np.log(fitted[used] / np.sum(fitted))) / np.sum(weights)
    )


def _words(text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The position of the first letter of each word, and its number of letters."""
    starts = np.append(0, np.flatnonzero(text == 0) + 1)
    return starts, np.diff(starts, append=len(text) + 1) - 1


def _without(text: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The text without the words at `starts`, each removed with the space after it."""
    kept = np.ones(len(text) + 1, bool)
    for start, length in zip(starts, lengths):
        kept[start : start + length + 1] = False
    with_last_space = np.append(text, np.uint8(0))[kept]
    return with_last_space[:-1]


def _pack(bounds: np.ndarray, width: int) -> np.ndarray:
    """The first word of each window, and at the end the number of words, int64.

    Word k and its space take the `bounds[k + 1] - bounds[k]` positions from `bounds[k]`
    on. "the cat sat" has the bounds 0, 4, 8, 12, which gives 0, 2, 3 for a width of 9.
    """
    offsets = memoryview(bounds)  # entries are Python integers, which bisect fastest
    num_words = len(bounds) - 1
    first_words = [0]
    while first_words[-1] < num_words:
        word = first_words[-1]
        end = min(word + width, num_words) + 1  # a word takes at least one position
        fitting = bisect.bisect_right(offsets, offsets[word] + width, word, end)
        first_words.append(fitting - 1)
    return np.asarray(first_words)
