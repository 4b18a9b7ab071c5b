"""The words of a text as classes.

Words are compared as integers; only the words of the vocabulary become Python strings.
With the letters a to z as the digits 1 to 26, a word of up to 12 letters is a number of
12 digits in base 27, whose missing letters are zeros:

    "cat"     3 * 27^11 + 1 * 27^10 + 20 * 27^9
    "cats"    3 * 27^11 + 1 * 27^10 + 20 * 27^9 + 19 * 27^8

27^12 < 2^58, so the number fits in an int64. Longer words are numbered in rounds of 12
letters, see `_keys`.
"""

import dataclasses

import numpy as np

PADDING = 0  # the class of padding
UNKNOWN = 1  # the class of every word outside the vocabulary
FIRST_WORD = 2  # the class of the most frequent word
SPECIAL_NAMES = ("<padding>", "<unknown>")
MAX_WORDS = 2**14

_ROUND = 12  # letters in one number
_BLOCK = 2**16  # words numbered at a time: their arrays stay in the CPU's cache


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The words that have a class of their own, the most frequent first.

    Class 0 is padding, class 1 any other word, and class k + 2 is `words[k]`.
    """

    words: tuple[str, ...]

    @property
    def classes(self) -> int:
        """The number of classes V, with padding and unknown words."""
        return FIRST_WORD + len(self.words)

    def name(self, index: int) -> str:
        """The word of a class, or <padding> or <unknown>."""
        return (*SPECIAL_NAMES, *self.words)[index]


def build(
    text: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    max_words: int = MAX_WORDS,
) -> tuple[Vocabulary, np.ndarray]:
    """The most frequent words of a text, and the class of each of its words.

    Equally frequent words are sorted alphabetically.

    Args:
      text: uint8 [N], 0 for a space and 1 to 26 for a to z.
      starts: the position of the first letter of each word, int64 [words].
      lengths: the number of letters of each word, [words].
      max_words: the size of the vocabulary, unless the text has fewer words.

    Returns:
      The vocabulary, and the class of each word, uint16 [words].

    Raises:
      ValueError: `max_words` is not from 1 to 2**16 - 2.
    """
    limit = 2**16 - FIRST_WORD  # classes are uint16
    if not 1 <= max_words <= limit:
        raise ValueError(f"a vocabulary of {max_words} words; allowed: 1 to {limit}")
    keys = _keys(text, starts, lengths)
    candidates, counts = np.unique(keys, return_counts=True)
    if len(counts) > max_words:
        # More than max_words remain if words are as frequent as the last one; which of
        # these are in the vocabulary depends on their spelling.
        frequent = counts >= np.partition(counts, -max_words)[-max_words]
        candidates, counts = candidates[frequent], counts[frequent]

    index = np.minimum(np.searchsorted(candidates, keys), len(candidates) - 1)
    is_candidate = candidates[index] == keys
    occurrence = np.empty(len(candidates), np.int64)  # some word with this key
    occurrence[index[is_candidate]] = np.flatnonzero(is_candidate)
    words = [_spell(text[starts[k] : starts[k] + lengths[k]]) for k in occurrence]

    order = sorted(range(len(words)), key=lambda k: (-counts[k], words[k]))
    order = order[:max_words]
    classes = np.full(len(candidates), UNKNOWN, np.uint16)
    classes[order] = np.arange(FIRST_WORD, FIRST_WORD + len(order))
    return (
        Vocabulary(tuple(words[k] for k in order)),
        np.where(is_candidate, classes[index], np.uint16(UNKNOWN)),
    )


def _spell(codes: np.ndarray) -> str:
    return (codes + np.uint8(ord("a") - 1)).tobytes().decode("ascii")


def _keys(text: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """An int64 for each word; equal if and only if the words are.

    The key of a word of up to 12 letters is its number. In round r = 1, 2, ... every
    word of more than 12 r letters gets a new key: from its rank i among the distinct
    keys so far, which stand for its first 12 r letters, and the rank j of the number of
    its next 12 letters among the m distinct ones,

        key = r * 27^12 + i * m + j.

    The first term keeps the rounds apart. In a text of "internationalization" and
    "internationalism", both have i = 0 ("internationa") in round 1; "lism" and
    "lization" are j = 0 and 1 of m = 2.
    """
    keys = np.empty(len(starts), np.int64)
    for k in range(0, len(keys), _BLOCK):
        block = slice(k, k + _BLOCK)
        keys[block] = _number(text, starts[block], lengths[block])
    longest = int(lengths.max())
    for done in range(_ROUND, longest, _ROUND):
        longer = np.flatnonzero(lengths > done)
        _, prefix = np.unique(keys[longer], return_inverse=True)
        numbers = _number(
            text, starts[longer] + done, lengths[longer].astype(int) - done
        )
        _, suffix = np.unique(numbers, return_inverse=True)
        keys[longer] = (
            done // _ROUND * 27**_ROUND + prefix * (suffix.max() + 1) + suffix
        )
    return keys


def _number(text: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The first 12 letters of each word as a number in base 27, int64 [words]."""
    number = np.zeros(len(starts), np.int64)
    for position in range(_ROUND):
        letter = np.take(text, starts + position, mode="clip")
        number *= 27
        number += np.where(position < lengths, letter, np.uint8(0))
    return number
