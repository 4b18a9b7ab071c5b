"""The synthetic text and its best predictors, against enumeration and closed forms."""

import dataclasses
import hashlib
import itertools
import math

import numpy as np
import pytest

from rnnjax.settings import SettingError
from rnnjax.text import contexts, optimum, synthetic, windows

TINY = synthetic.Source(words=3, topics=2, switch=0.2, dependence=0.6, text_words=1000)
SPELLED = ("aaab", "aabb", "bcab")  # with beginnings, ends and middles in common
NONE = 3  # no word


@pytest.fixture(scope="module")
def tiny():
    letters = np.array([[ord(c) - 96 for c in word] for word in SPELLED], np.uint8)
    return dataclasses.replace(synthetic.language(TINY), letters=letters)


def enumerated(language, length):
    """Every sequence of so many words with its probability, summed over all topics."""
    count, topics = len(language.letters), len(language.transitions)
    total = dict.fromkeys(itertools.product(range(count), repeat=length), 0.0)
    for path in itertools.product(range(topics), repeat=length):
        changes = math.prod(language.topic_change[a, b] for a, b in zip(path, path[1:]))
        for words in total:
            p = language.frequencies[words[0]] * changes / topics
            for topic, a, b in zip(path[1:], words, words[1:]):
                p *= language.transitions[topic, a, b]
            total[words] += p
    return total


def begins(sequences, beginning):
    """The probability of what begins so, a sequence or a text."""
    pairs = sequences.items()
    return sum(p for s, p in pairs if s[: len(beginning)] == beginning)


def expected_losses(language, words, context):
    """-ln P(word | the last words, its first letters) by enumeration, [N (L + 1)]."""
    losses = []
    for n, word in enumerate(words):
        first = 0 if context is None else max(0, n - context)
        seen = tuple(words[first:n])
        of_words = enumerated(language, len(seen) + 1)
        for typed in range(5):
            same = [
                v
                for v in range(len(SPELLED))
                if SPELLED[v][:typed] == SPELLED[word][:typed]
            ]
            masses = {v: of_words[(*seen, v)] for v in same}
            losses.append(-math.log(masses[word] / sum(masses.values())))
    return losses


@pytest.mark.parametrize("context", [None, 0, 1, 2, 3, 7])
def test_the_forward_algorithm_is_enumeration(tiny, context):
    for words in ([0, 1, 2, 1, 0], [2, 2, 0, 1, 1]):
        losses = optimum.word_losses(tiny, np.array([words]), context)[0]
        expected = expected_losses(tiny, words, context)
        np.testing.assert_allclose(losses, expected, rtol=1e-12, atol=1e-13)


def test_words_that_are_not_there_change_nothing(tiny):
    whole = optimum.word_losses(tiny, np.array([[0, 1, 2]]), 2)
    short = optimum.word_losses(tiny, np.array([[0, 1, 2, NONE]]), 2)
    np.testing.assert_array_equal(short[:, :15], whole)
    assert np.all(short[:, 15:] == 0)


def test_characters_of_windows_that_begin_anywhere_are_enumeration(tiny):
    """All texts of four words, from each of the five places of the first word."""
    texts = {}
    for words, p in enumerated(tiny, 4).items():
        text = "".join(f"{SPELLED[k]} " for k in words)
        for start in range(5):
            cut = text[start : start + 15]
            texts[cut] = texts.get(cut, 0.0) + p / 5
    rng = np.random.default_rng(0)
    for chosen in rng.choice(sorted(texts), 12, replace=False):
        codes = np.array([[0 if c == " " else ord(c) - 96 for c in chosen]])
        logs = np.log([begins(texts, chosen[:k]) for k in range(1, 16)])
        losses = optimum.letter_losses(tiny, codes)
        np.testing.assert_allclose(losses[0], logs[:-1] - logs[1:], atol=1e-12)


def test_few_words_of_context_are_few_for_characters_too(tiny):
    text = "".join(f"{SPELLED[k]} " for k in (0, 2, 1, 1, 0, 2))
    codes = np.array([[0 if c == " " else ord(c) - 96 for c in text[3:]]])
    for context in (0, 1, 2):
        of_words = np.array(expected_losses(tiny, [2, 1, 1, 0, 2], context))
        of_words = of_words.reshape(5, 5)[context:]
        expected = of_words[:, :-1] - of_words[:, 1:]
        losses = optimum.letter_losses(tiny, codes, context)[0, 1:].reshape(5, 5)
        np.testing.assert_allclose(losses[context:, :-1], expected, atol=1e-12)
        assert np.all(losses[:-1, -1] == 0)  # a space follows every fourth letter


def test_no_predictor_of_shorter_context_is_better_in_expectation(tiny):
    sequences = enumerated(tiny, 5)
    words, p = np.array(list(sequences)), np.array(list(sequences.values()))
    assert p.sum() == pytest.approx(1)
    expected = [
        p @ optimum.word_losses(tiny, words, k)[:, -5:] for k in (0, 1, 2, 3, None)
    ]
    assert np.all(np.diff(expected, axis=0)[:, :3] < 0)  # three letters leave one


def sampled(language, source, context=None):
    """Losses at the spaces of a text, and their standard error."""
    words, _ = synthetic.draw(source)
    losses = optimum.word_losses(language, words[None], context)[0, ::5]
    blocks = losses[: len(losses) // 100 * 100].reshape(100, -1).mean(axis=1)
    return losses, 1.96 * blocks.std(ddof=1) / 10


def entropy_rate(frequencies, transitions):
    return -np.sum(frequencies[:, None] * transitions * np.log(transitions))


def test_with_one_topic_the_loss_is_the_entropy_rate_of_the_chain():
    source = synthetic.Source(words=20, topics=1, text_words=20_000)
    language = synthetic.language(source)
    rate = entropy_rate(language.frequencies, language.transitions[0])
    for context in (None, 1, 4):
        losses, error = sampled(language, source, context)
        assert abs(losses.mean() - rate) < error < 0.05


def test_without_dependence_the_loss_is_the_entropy_of_the_frequencies():
    source = synthetic.Source(words=20, dependence=0, text_words=20_000)
    language, (words, _) = synthetic.language(source), synthetic.draw(source)
    losses, error = sampled(language, source)
    np.testing.assert_allclose(losses, -np.log(language.frequencies[words]), rtol=1e-9)
    entropy = -language.frequencies @ np.log(language.frequencies)
    assert abs(losses.mean() - entropy) < error < 0.05


def test_two_topics_at_one_half_are_the_chain_of_their_mean():
    source = synthetic.Source(words=20, topics=2, switch=0.5, text_words=20_000)
    language, (words, _) = synthetic.language(source), synthetic.draw(source)
    mean = language.transitions.mean(axis=0)
    losses, error = sampled(language, source)
    exact = -np.log(mean[words[:-1], words[1:]])
    np.testing.assert_allclose(losses[1:], exact, rtol=1e-9)
    assert abs(losses.mean() - entropy_rate(language.frequencies, mean)) < error < 0.05


def test_frequencies_are_zipfs_in_every_topic_and_topics_switch():
    source = synthetic.Source(words=50, topics=3, switch=0.3, zipf=1.2)
    language, (words, topics) = synthetic.language(source), synthetic.draw(source)
    ranked = np.sort(language.frequencies)[::-1]
    np.testing.assert_allclose(ranked / ranked[0], np.arange(1, 51) ** -1.2)
    for transitions in language.transitions:
        np.testing.assert_allclose(transitions.sum(axis=1), 1)
        np.testing.assert_allclose(
            language.frequencies @ transitions, language.frequencies, atol=1e-12
        )
    for topic in range(3):
        found = np.bincount(words[topics == topic], minlength=50)
        assert abs(found / found.sum() - language.frequencies).max() < 0.01
    assert np.mean(np.diff(topics) != 0) == pytest.approx(0.3, abs=0.01)
    pairs = np.zeros((50, 50))
    np.add.at(pairs, (words[:-1], words[1:]), topics[1:] == 1)
    most = np.argmax(pairs.sum(axis=1))
    found = pairs[most] / pairs[most].sum()
    assert abs(found - language.transitions[1, most]).max() < 0.03


def test_the_same_settings_make_the_same_text_and_other_seeds_another():
    digests = [
        hashlib.sha256(synthetic.text(dataclasses.replace(TINY, **change))).hexdigest()
        for change in ({}, {"source_seed": 1}, {"switch": 0.3})
    ]
    assert digests[0].startswith("de4dc9f2361ede89")
    assert len(set(digests)) == 3


def test_windows_of_the_text_hold_its_words():
    source = dataclasses.replace(TINY, words=200)
    words, language = synthetic.draw(source)[0], synthetic.language(source)
    assert len(set(language.spelled)) == 200
    assert language.spelled == sorted(language.spelled)
    built = windows.build(synthetic.text(source))
    shown = built.gather(range(len(built))).target
    named = [built.vocabulary.name(k) for k in shown[:, ::5].ravel()]
    assert named == [language.spelled[k] for k in words]


def test_effective_contexts_lie_between_those_of_the_best_losses():
    seen = (0, 1, 2, 4)
    best = [0.5, 0.2, 0.1, 0.02]
    expected = {0.6: -math.inf, 0.5: 0, 0.35: 0.5, 0.2: 1, 0.06: 3, 0.01: math.inf}
    for regret, value in expected.items():
        assert contexts.effective(regret, seen, best) == pytest.approx(value)
    assert contexts.effective(0.15, seen, [0.5, 0.1, 0.2, 0.0]) == pytest.approx(0.875)
    assert contexts.effective(None, seen, best) is None
    texts = [contexts.text(value) for value in (None, -math.inf, 1.26, math.inf)]
    assert texts == ["-", "<0", "1.3", ">32"]


def test_sources_out_of_range_are_refused():
    for wrong in (
        {"words": 1},
        {"topics": 0},
        {"switch": 0.0},
        {"switch": 1.5},
        {"dependence": 1.0},
        {"zipf": -1.0},
        {"text_words": 10},
    ):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            synthetic.Source(**wrong)
    with pytest.raises(SettingError, match="make 40,000,000 probabilities"):
        synthetic.Source(words=2000, topics=10)
    with pytest.raises(SettingError, match="not an option of --text=embedded"):
        synthetic.of("embedded", {"switch": 0.1, "words": None})
