"""A text from a source whose best predictor is known.

A hidden topic z and a word w change together. With K topics and V words,

    z' = z with probability 1 - q, else one of the other topics, all equally likely
    w' ~ (1 - a) p + a D_z'[w]

where p are Zipf frequencies, the same in every topic, and D_z[w] is what follows w in
topic z: a few words if w is rare, more if it is frequent. D_z leaves p as it is, so p
are the frequencies of the words in every topic, after every history of topics: a word
alone says nothing of its topic, and only pairs of words do. A long memory of them is
worth most where topics last, at small q.

All words have `LETTERS` letters, so that the place of a word in a window, and how long
it is, say nothing about it. `optimum.py` has the best predictions.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax import settings
from rnnjax.settings import SettingError, setting

NAME = "synthetic"  # as a text
LETTERS = 4  # of every word
ALPHABET = 26
MAX_PROBABILITIES = 2**24  # K V^2, which the exact computation keeps several times
MAX_WORDS, MAX_TOPICS = 4096, 256


@dataclasses.dataclass(frozen=True)
class Source:
    """A source and the length of its text. Raises `SettingError`."""

    words: int = setting(30, "Number of words.", low=2, high=MAX_WORDS)
    topics: int = setting(4, "Number of hidden topics.", high=MAX_TOPICS)
    switch: float = setting(
        0.05, "Probability of another topic after each word.", low=1e-3, high=1
    )
    zipf: float = setting(
        1.0, "The r-th most frequent word has frequency ~ 1 / r^zipf.", low=0, high=3
    )
    dependence: float = setting(
        0.7,
        "How much a word depends on the one before, from 0.",
        low=0,
        high=0.99,
    )
    source_seed: int = setting(0, "Seed of the source and its text.", low=0)
    text_words: int = setting(200_000, "Words in the text.", low=1000, high=10_000_000)

    def __post_init__(self) -> None:
        settings.validate(self)
        count = self.topics * self.words**2
        if count > MAX_PROBABILITIES:
            problem = (
                f"{self.topics:,} topics of so many words make {count:,} probabilities,"
                " too many to be exact"
            )
            most = int((MAX_PROBABILITIES / self.topics) ** 0.5)
            raise SettingError(
                "words", self.words, problem, f"2 to {most} with --topics={self.topics}"
            )


FIELDS = tuple(settings.fields(Source))
NAMES = tuple(field.name for field in FIELDS)


def option(name: str) -> Any:
    """The field of this name for options of an experiment: None is the default."""
    (field,) = (field for field in FIELDS if field.name == name)
    default = settings.text(field.default)
    help = f"Of --text={NAME}: {field.about.help[:-1]} (default: {default})."
    return setting(None, help, low=field.about.low, high=field.about.high)


def of(text: str, given: Mapping[str, Any]) -> Source | None:
    """The source that options describe; None for another text.

    Raises `SettingError` for an option of the source with another text.
    """
    values = ((name, given.get(name)) for name in NAMES)
    chosen: dict[str, Any] = {name: v for name, v in values if v is not None}
    if text == NAME:
        return Source(**chosen)
    for name, value in chosen.items():
        problem = f"not an option of --text={text}"
        raise SettingError(name, value, problem, f"with --text={NAME}")
    return None


@dataclasses.dataclass(frozen=True, eq=False)
class Language:
    """The words and the probabilities of a source.

    Attributes:
      letters: of each word, 1 to 26, uint8 [V, LETTERS]; words are sorted.
      frequencies: p, float64 [V].
      transitions: w' given z' and w, float64 [K, V, V].
      cumulative: its sums over the words before w', [K, V, V + 1].
      topic_change: z' given z, [K, K].
    """

    letters: np.ndarray
    frequencies: np.ndarray
    transitions: np.ndarray
    cumulative: np.ndarray
    topic_change: np.ndarray

    @property
    def spelled(self) -> list[str]:
        """The words as text."""
        codes = self.letters + np.uint8(ord("a") - 1)
        return [word.tobytes().decode("ascii") for word in codes]


@functools.lru_cache(maxsize=2)
def language(source: Source) -> Language:
    """The language of a source. Two sources that differ in q alone share the rest."""
    rng = np.random.default_rng([source.source_seed, 0])
    count, topics = source.words, source.topics
    ranks = 1.0 + np.argsort(rng.random(count))
    frequencies = ranks**-source.zipf
    frequencies /= frequencies.sum()
    followed = np.stack([_followers(rng, frequencies) for _ in range(topics)])
    mixed = (1 - source.dependence) * frequencies + source.dependence * followed
    transitions = mixed / mixed.sum(axis=-1, keepdims=True)
    cumulative = np.zeros((topics, count, count + 1))
    np.cumsum(transitions, axis=-1, out=cumulative[..., 1:])
    switch = source.switch if topics > 1 else 0.0
    change = np.full((topics, topics), switch / max(topics - 1, 1))
    np.fill_diagonal(change, 1 - switch)
    return Language(_spelling(rng, count), frequencies, transitions, cumulative, change)


def _followers(rng: np.random.Generator, frequencies: np.ndarray) -> np.ndarray:
    """D [V, V]: the words that follow each word, which leave frequencies p as they are.

    The words are laid along a line twice, each as long as its frequency, in two random
    orders; a word is followed by those that lie where it does. For p = 1/2, 1/4, 1/4:

        aaaabbcc        a is followed by b and c, each with probability 1/2,
        bbccaaaa        b and c by a
    """
    above, below = (np.argsort(rng.random(len(frequencies))) for _ in range(2))
    ends = [np.cumsum(frequencies[order]) for order in (above, below)]
    last = len(frequencies) - 1
    cuts = np.unique(np.concatenate([np.zeros(1), *ends]))
    middle = (cuts[1:] + cuts[:-1]) / 2
    first, second = (
        order[np.minimum(np.searchsorted(end, middle), last)]
        for order, end in zip((above, below), ends)
    )
    joint = np.zeros((len(frequencies), len(frequencies)))
    np.add.at(joint, (first, second), np.diff(cuts))
    return joint / joint.sum(axis=1, keepdims=True)


def _spelling(rng: np.random.Generator, count: int) -> np.ndarray:
    """Different random words, sorted, uint8 [count, LETTERS]."""
    chosen = np.argpartition(rng.random(ALPHABET**LETTERS), count)[:count]
    digits = np.unravel_index(np.sort(chosen), (ALPHABET,) * LETTERS)
    return np.stack(digits, axis=1).astype(np.uint8) + np.uint8(1)


def draw(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """The words and the topics of the text, as indices, int64 [text_words] each."""
    made, topics = language(source), source.topics
    rng = np.random.default_rng([source.source_seed, 1])
    switched, of_topic, of_word = rng.random((3, source.text_words))
    # Another topic is 1 to K - 1 steps further, in a circle.
    steps = 1 + (of_topic * (topics - 1)).astype(np.int64)
    steps = np.where(switched < source.switch, np.minimum(steps, topics - 1), 0)
    steps[0] = int(of_topic[0] * topics)
    topic = np.cumsum(steps) % topics
    word, words = 0, np.empty(source.text_words, np.int64)
    row = np.cumsum(made.frequencies)
    for k, uniform in enumerate(of_word.tolist()):
        if k:
            row = made.cumulative[topic[k], word, 1:]
        word = min(int(row.searchsorted(uniform, "right")), source.words - 1)
        words[k] = word
    return words, topic


def text(source: Source) -> np.ndarray:
    """The text as character classes, uint8 [N], as `corpus.read` gives them."""
    words, _ = draw(source)
    spelled = np.pad(language(source).letters[words], ((0, 0), (0, 1)))
    return spelled.reshape(-1)[:-1]
