"""Windows of whole words, in which every character asks for the word that it is part of (nearForm 2018; Madsen, Distill 2019).

Words are packed in the order of the text, as many as fit: a word costs a space and its letters. Of "the cat sat", windows of 9:
    source      "_the_cat."      "_sat....."     a space before each word; padding at the end
    target      ttttcccc.        ssss.....       at each of these characters the class of its word
    typed       012301230        012300000       how many letters of its word have been shown so far
    weight      111111110        111100000       0 on padding and on words outside the vocabulary
At the space nothing of the word is known, at its last letter all of it.
"""

import bisect
import dataclasses
from typing import NamedTuple

import numpy as np

from rnnjax.text import vocabulary

CHARACTERS = 28  # padding, space, a to z
SPACE = 1
WIDTH = 200
SPLIT_SEED = 450849059
LEAST = 20  # windows: one of validation


class Batch(NamedTuple):
    """Windows `[B, width]`: characters (uint8), classes of words (int32), weights (float32), letters typed (uint8)."""

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    typed: np.ndarray


class Split(NamedTuple):
    """Numbers of windows, int64."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Windows:
    """A text cut into windows: the text itself and a few numbers a word and a window, about 1.5 bytes a character in all.

    Word k has class `classes[k]` and `letters[k]` letters. Window i holds the words `first[i]` to `first[i + 1] - 1`, whose letters
    and spaces begin at `text[begins[i]]`, after the space of the first; the last entries of `first` and `begins` mark the end.
    """

    text: np.ndarray  # uint8, 0 a space, 1 to 26 a to z
    classes: np.ndarray  # uint16
    letters: np.ndarray  # uint8
    first: np.ndarray  # int64
    begins: np.ndarray  # int64
    width: int
    vocabulary: vocabulary.Vocabulary

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of memory, with the text."""
        return sum(
            array.nbytes
            for array in (
                self.text,
                self.classes,
                self.letters,
                self.first,
                self.begins,
            )
        )

    def gather(self, indices) -> Batch:
        """The windows of these numbers, in this order. Raises IndexError for one that does not exist."""
        indices = np.asarray(indices)
        if np.any((indices < 0) | (indices >= len(self))):
            raise IndexError(f"windows are numbered from 0 to {len(self) - 1}")
        begins, place = self.begins[indices, None], np.arange(self.width)
        inside = place < self.begins[indices + 1, None] - begins
        source = np.take(self.text, begins + place - 1, mode="clip") + np.uint8(SPACE)
        source[:, 0] = SPACE
        source *= inside
        starts = source == SPACE
        word = self.first[indices, None] + np.cumsum(starts, axis=1) - 1
        target = np.where(inside, self.classes[word], vocabulary.PADDING).astype(
            np.int32
        )
        typed = place - np.maximum.accumulate(np.where(starts, place, 0), axis=1)
        return Batch(
            source,
            target,
            (target >= vocabulary.FIRST).astype(np.float32),
            (typed * inside).astype(np.uint8),
        )

    def positions(self, indices) -> np.ndarray:
        """At how many positions of these windows each class is the target, int64 `[classes]`; padding is not counted."""
        chosen = np.zeros(len(self), bool)
        chosen[indices] = True
        chosen = np.repeat(chosen, np.diff(self.first))
        costs = self.letters[chosen] + 1.0
        return np.bincount(self.classes[chosen], costs, self.vocabulary.classes).astype(
            np.int64
        )


def build(text: np.ndarray, width: int = WIDTH, most: int = vocabulary.MOST) -> Windows:
    """All windows of a text of uint8 classes `[N]`, 0 for a space, and its vocabulary of at most `most` words.

    A word of `width` letters or more fits in no window and is dropped. The vocabulary is counted over the whole text, as in the
    published work: a network learns from it only which words exist. Raises ValueError for a width that is not from 2 to 256, a text
    without words, or one with other than single spaces between them.
    """
    if not 2 <= width <= 256:
        raise ValueError(f"windows of {width} characters; allowed: 2 to 256")
    begins, letters = _words(text)
    if letters.min() < 1:
        raise ValueError("the text is empty, or has spaces at an end or two in a row")
    if letters.max() >= width:
        text = _without(text, begins[letters >= width], letters[letters >= width])
        begins, letters = _words(text)
    if not len(text):
        raise ValueError(f"the text has no word of fewer than {width} letters")
    letters, ends = letters.astype(np.uint8), np.append(begins, len(text) + 1)
    first = _pack(ends, width)
    words, classes = vocabulary.build(text, begins, letters, most)
    return Windows(text, classes, letters, first, ends[first], width, words)


def split(count: int) -> Split:
    """Windows 0 to `count` - 1 as 90 % training, 5 % validation and 5 % test, drawn without regard to their order in the text.

    It is the permutation of the published work, so that a text of as many windows is split into the same ones. Neighbours of a test
    window are mostly training windows: the test is of other sentences, not of other articles.
    Raises ValueError for fewer than 20 windows.
    """
    if count < LEAST:
        raise ValueError(f"the text makes {count} windows, and {LEAST} are needed")
    order = np.random.RandomState(SPLIT_SEED).permutation(count)
    return Split(*np.split(order, [count * 9 // 10, count * 9 // 10 + count // 20]))


def unigram_entropy(positions: np.ndarray, scored: np.ndarray | None = None) -> float:
    """The loss, in nats a scored position, of the best answer that ignores the input: -sum_w p(w) ln p(w).

    p(w) is the share of the scored positions whose target is the word w, from counts as `Windows.positions` gives them. With the
    counts `scored` of another split, the cross-entropy -sum_w q(w) ln p(w) of its shares q; every word then counts once more in p
    than it was seen, so that one that only `scored` has costs a finite loss. NaN if no position is scored.
    """
    fitted = positions[vocabulary.FIRST :] + (0.0 if scored is None else 1.0)
    weights = fitted if scored is None else scored[vocabulary.FIRST :]
    used = weights > 0
    return float(
        -np.sum(weights[used] * np.log(fitted[used] / np.sum(fitted))) / np.sum(weights)
    )


def _words(text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each word begins, and its letters."""
    begins = np.append(0, np.flatnonzero(text == 0) + 1)
    return begins, np.diff(begins, append=len(text) + 1) - 1


def _without(text: np.ndarray, begins: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """The text without some of its words."""
    kept = np.ones(len(text) + 1, bool)
    for begin, count in zip(begins, letters):
        kept[begin : begin + count + 1] = False
    spaced = np.append(text, np.uint8(0))[kept]
    return spaced[:-1]


def _pack(offsets: np.ndarray, width: int) -> np.ndarray:
    """The first word of each window, and the number of words; word k takes up `offsets[k]` to `offsets[k + 1]`."""
    places, last = memoryview(offsets), len(offsets) - 1
    first = [0]
    while first[-1] < last:
        begin = first[-1]
        first.append(
            bisect.bisect_right(
                places, places[begin] + width, begin, min(begin + width, last) + 1
            )
            - 1
        )
    return np.asarray(first)
