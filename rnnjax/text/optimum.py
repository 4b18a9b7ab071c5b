"""The best predictions of a synthetic text, exact, by the forward algorithm.

A predictor has read the words u_1 ... u_n of a window, perhaps without the first
letters of the earliest one, and the first j letters of the next word w. Its belief in
the topic of the next word is

    b_1 = uniform,    b_n+1 ~ T' (b_n * P[., u_n-1, u_n])

with the transitions P and the changes of topic T. The probability that a word begins
with the letters c_1 ... c_j is then

    S_j = sum_z b(z) sum_(v begins with c_1 ... c_j) P[z, u_n, v],

and the best probability of the right word is S_L / S_j, that of the right next letter
S_(j+1) / S_j. Of a predictor that sees the last k words alone, the belief begins as
uniform k words back; with k = 0, P is replaced by the frequencies. Since words are
sorted, words with a common beginning are neighbors, and sums over them differences of
cumulative sums.

B windows, N words in each, L letters, K topics, V words.
"""

import numpy as np

from rnnjax.text.synthetic import LETTERS, Language

PER_WORD = LETTERS + 1  # characters, with the space


def word_losses(
    language: Language, words: np.ndarray, context: int | None = None
) -> np.ndarray:
    """-ln of the probability of each word at its space and letters, [B, N (L + 1)].

    Args:
      language: the language.
      words: of each window, int [B, N]; V where there is none, at the end.
      context: the words that the predictor sees; None for all of the window.
    """
    logs = _log_masses(language, words, _by_topic(language, words), context)
    return (logs - logs[..., -1:]).reshape(len(words), -1)


def letter_losses(
    language: Language, codes: np.ndarray, context: int | None = None
) -> np.ndarray:
    """-ln of the probability of each character given those before it, [B, T - 1].

    Args:
      language: the language.
      codes: characters of windows that begin anywhere, 0 for a space, int [B, T].
      context: as for `word_losses`; a word of which the window has the end counts.
    """
    count, steps = codes.shape
    first_space = np.argmax(codes[:, :PER_WORD] == 0, axis=1)
    # Letters of the words after the first space, 0 beyond the end of the window.
    number = -(-steps // PER_WORD)
    place = first_space[:, None] + 1 + np.arange(number * PER_WORD)
    padded = np.pad(codes, ((0, 0), (0, (number + 1) * PER_WORD)))
    letters = np.take_along_axis(padded, place, axis=1)
    letters = letters.reshape(count, number, PER_WORD)[..., :LETTERS]
    words = _find(language, letters)
    by_topic = _by_topic(language, words)
    known = _endings(language, codes, first_space)
    by_topic[:, 0] = _after_endings(language, known, words[:, 0])
    logs = _log_masses(language, words, by_topic, context)
    after = np.zeros((count, number, PER_WORD))
    after[..., :LETTERS] = logs[..., :-1] - logs[..., 1:]  # a space follows for sure
    losses = np.zeros((count, (number + 1) * PER_WORD + steps))
    np.put_along_axis(losses, place, after.reshape(count, -1), axis=1)
    losses[:, : PER_WORD + 1] += _first_word(language, codes, first_space)
    return losses[:, 1:steps]


def _bounds(language: Language) -> tuple[np.ndarray, np.ndarray]:
    """The words that begin as a word does: from, and before which; [V, L + 1] each."""
    keys = language.letters @ 27 ** np.arange(LETTERS - 1, -1, -1, dtype=np.int64)
    size = 27 ** np.arange(LETTERS, -1, -1, dtype=np.int64)  # of a beginning
    low = keys[:, None] // size * size
    first, last = np.searchsorted(keys, low), np.searchsorted(keys, low + size)
    return first, last


def _find(language: Language, letters: np.ndarray) -> np.ndarray:
    """The first word that begins with these letters, V if there is none of them.

    The letters [..., L] end in zeros where they are not known.
    """
    powers = 27 ** np.arange(LETTERS - 1, -1, -1, dtype=np.int64)
    found = np.searchsorted(language.letters @ powers, letters @ powers)
    return np.where(letters[..., 0] > 0, found, len(language.letters))


def _by_topic(language: Language, words: np.ndarray) -> np.ndarray:
    """sum_(v begins as w_n) P[z, w_n-1, v], [B, N, L + 1, K]; 1 where no word is.

    At the first word, the frequencies take the place of P.
    """
    low, high = _bounds(language)
    known = words < len(low)
    word = np.where(known, words, 0)
    before, after = word[:, :-1, None], word[:, 1:]
    masses = np.empty((*words.shape, PER_WORD, len(language.cumulative)))
    masses[:, 0] = _by_frequency(language, words[:, 0])[..., None]
    for topic, cumulative in enumerate(language.cumulative):
        masses[:, 1:, :, topic] = cumulative[before, high[after]]
        masses[:, 1:, :, topic] -= cumulative[before, low[after]]
    return np.where(known[..., None, None], masses, 1.0)


def _by_frequency(language: Language, words: np.ndarray) -> np.ndarray:
    """sum_(v begins as w) p(v), [..., L + 1]; 1 where no word is."""
    low, high = _bounds(language)
    known = words < len(low)
    word, sums = np.where(known, words, 0), np.append(0, language.frequencies.cumsum())
    return np.where(known[..., None], sums[high[word]] - sums[low[word]], 1.0)


def _log_masses(
    language: Language, words: np.ndarray, by_topic: np.ndarray, context: int | None
) -> np.ndarray:
    """ln S_j of each word, [B, N, L + 1]."""
    likelihood = by_topic[..., -1, :]
    beliefs = _beliefs(language, likelihood)
    number = words.shape[1]
    if context == 0:
        return np.log(_by_frequency(language, words))
    if context is not None and context < number:
        belief = np.full_like(beliefs[:, context:], 1 / beliefs.shape[-1])
        for k in range(1, context):  # the k-th of the words but the earliest
            seen = likelihood[:, k : k + number - context]
            belief = _step(language, belief, seen)
        beliefs[:, context:] = belief
    return np.log(np.sum(beliefs[:, :, None] * by_topic, axis=-1))


def _beliefs(language: Language, likelihood: np.ndarray) -> np.ndarray:
    """b before each word, [B, N, K], from P[., w_n-1, w_n] of each word."""
    beliefs = np.empty_like(likelihood)
    beliefs[:, 0] = 1 / likelihood.shape[-1]
    for n in range(1, likelihood.shape[1]):
        beliefs[:, n] = _step(language, beliefs[:, n - 1], likelihood[:, n - 1])
    return beliefs


def _step(language: Language, belief: np.ndarray, likelihood: np.ndarray) -> np.ndarray:
    joint = belief * likelihood
    return joint / joint.sum(axis=-1, keepdims=True) @ language.topic_change


# Windows that begin within a word: at first it is not known where.


def _endings(
    language: Language, codes: np.ndarray, first_space: np.ndarray
) -> np.ndarray:
    """Probabilities of the word that ends at the first space, [B, V]."""
    weights = np.tile(language.frequencies, (len(codes), 1))
    for length in range(1, PER_WORD):
        chosen = np.flatnonzero(first_space == length)
        ending = codes[chosen, None, :length]
        same = np.all(ending == language.letters[None, :, LETTERS - length :], axis=-1)
        weights[chosen] *= same
    return weights / weights.sum(axis=1, keepdims=True)


def _after_endings(
    language: Language, known: np.ndarray, word: np.ndarray
) -> np.ndarray:
    """`_by_topic` of the word [B] that follows one with probabilities [B, V]."""
    low, high = _bounds(language)
    is_word = word < len(low)
    word = np.where(is_word, word, 0)
    masses = np.empty((len(word), PER_WORD, len(language.cumulative)))
    for topic, cumulative in enumerate(language.cumulative):
        for j in range(PER_WORD):
            sums = cumulative[:, high[word, j]] - cumulative[:, low[word, j]]
            masses[:, j, topic] = np.einsum("bv,vb->b", known, sums)
    return np.where(is_word[:, None, None], masses, 1.0)


def _first_word(
    language: Language, codes: np.ndarray, first_space: np.ndarray
) -> np.ndarray:
    """Losses of the characters up to the first space, [B, L + 2]; 0 from there on.

    After m letters they may be any m letters in a row of any word.
    """
    losses = np.zeros((len(codes), PER_WORD + 1))
    weights = np.empty((len(codes), PER_WORD))  # of the first m + 1 letters, anywhere
    ends = np.empty_like(weights)  # of the same at the end of a word
    for m in range(LETTERS):
        places = range(LETTERS - m)
        of_places = [
            np.all(
                codes[:, None, : m + 1] == language.letters[None, :, i : i + m + 1],
                axis=-1,
            )
            @ language.frequencies
            for i in places
        ]
        weights[:, m], ends[:, m] = sum(of_places), of_places[-1]
    for m in range(1, PER_WORD):
        letter = m < first_space
        losses[letter, m] = np.log(weights[letter, m - 1] / weights[letter, m])
        space = m == first_space
        losses[space, m] = np.log(weights[space, m - 1] / ends[space, m - 1])
    return losses
