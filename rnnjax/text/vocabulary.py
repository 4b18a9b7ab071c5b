"""The words of a text as classes.

Words are told apart by numbers: no Python object is made for a word of the text, only for the words of the vocabulary.
"""

import dataclasses

import numpy as np

PADDING, UNKNOWN, FIRST = (
    0,
    1,
    2,
)  # the classes that are no words, and the first that is one
MOST = 2**14

_PIECE = 12  # letters: 27 ** 12 < 2 ** 58
_BLOCK = 2**16  # words that are numbered at a time, so that they stay in the cache


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The words that have a class, the most frequent first: class 0 is padding, 1 any other word, k + 2 is `words[k]`."""

    words: tuple[str, ...]

    @property
    def classes(self) -> int:
        return len(self.words) + FIRST

    def name(self, number: int) -> str:
        """The word of a class, or what the class stands for."""
        return ("<padding>", "<unknown>", *self.words)[number]


def build(
    text: np.ndarray, begins: np.ndarray, letters: np.ndarray, most: int = MOST
) -> tuple[Vocabulary, np.ndarray]:
    """The `most` most frequent words, or all if there are fewer, and the class of each word, uint16 `[words]`.

    Word k is `text[begins[k]]` and the `letters[k] - 1` characters after it. Equally frequent words stand in alphabetical order.
    Raises ValueError if `most` is not from 1 to 2**16 - 2.
    """
    if not 1 <= most <= 2**16 - FIRST:
        raise ValueError(f"a vocabulary of {most} words; allowed: 1 to {2**16 - FIRST}")
    keys = _keys(text, begins, letters)
    names, counts = np.unique(keys, return_counts=True)
    least = np.partition(counts, -most)[-most] if len(counts) > most else 1
    names, counts = names[counts >= least], counts[counts >= least]

    place = np.minimum(np.searchsorted(names, keys), len(names) - 1)
    known = names[place] == keys
    seen = np.empty(len(names), np.int64)
    seen[place[known]] = np.flatnonzero(known)
    words = [_spell(text[begins[k] : begins[k] + letters[k]]) for k in seen]
    order = sorted(range(len(words)), key=lambda k: (-counts[k], words[k]))[:most]
    classes = np.full(len(names), UNKNOWN, np.uint16)
    classes[order] = np.arange(FIRST, FIRST + len(order))
    return Vocabulary(tuple(words[k] for k in order)), np.where(
        known, classes[place], np.uint16(UNKNOWN)
    )


def _spell(codes: np.ndarray) -> str:
    return (codes + np.uint8(ord("a") - 1)).tobytes().decode("ascii")


def _keys(text: np.ndarray, begins: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """An int64 for each word, the same for two words if and only if they are the same.

    Up to 12 letters it is the letters as a number of base 27. Longer words are numbered again, by their number so far and the next
    12 letters, until no word has more; each round has a range of numbers of its own.
    """
    keys = np.empty(len(begins), np.int64)
    for k in range(0, len(keys), _BLOCK):
        keys[k : k + _BLOCK] = _number(
            text, begins[k : k + _BLOCK], letters[k : k + _BLOCK]
        )
    longest, done = int(letters.max()), _PIECE
    while done < longest:
        more = np.flatnonzero(letters > done)
        _, before = np.unique(keys[more], return_inverse=True)
        _, after = np.unique(
            _number(text, begins[more] + done, letters[more].astype(int) - done),
            return_inverse=True,
        )
        keys[more] = done // _PIECE * 27**_PIECE + before * (after.max() + 1) + after
        done += _PIECE
    return keys


def _number(text: np.ndarray, begins: np.ndarray, letters: np.ndarray) -> np.ndarray:
    """The first 12 letters as a number of base 27, a missing one as 0."""
    number = np.zeros(len(begins), np.int64)
    for place in range(_PIECE):
        number *= 27
        number += np.where(
            place < letters, np.take(text, begins + place, mode="clip"), np.uint8(0)
        )
    return number
