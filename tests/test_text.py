"""Words, vocabulary and windows, against a slow implementation of their definitions."""

import collections
import gzip
import math
import random
import zipfile

import numpy as np
import pytest

from rnnjax.text import corpus, vocabulary, windows

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def encode(text):
    """A text as `corpus.read` gives it."""
    return np.array(
        [" abcdefghijklmnopqrstuvwxyz".index(letter) for letter in text], np.uint8
    )


def random_text(seed):
    """A few hundred words, mostly short, so that many repeat and frequencies tie."""
    rng = random.Random(seed)
    alphabet = LETTERS[: rng.choice([1, 2, 5, 26])]
    long = ["".join(rng.choices(alphabet, k=rng.randint(11, 60))) for _ in range(4)]
    long += [long[0][:12], long[0][:11] + "z", long[1] + "a", long[1] + "aa"]
    short = ["".join(rng.choices(alphabet, k=rng.randint(1, 4))) for _ in range(400)]
    words = [rng.choice(long) if rng.random() < 0.1 else word for word in short]
    return " ".join(words[: rng.choice([1, 2, 30, 400])])


def oracle(text, width, max_words):
    """Windows as lists of (source, target, weight, typed), and the vocabulary."""
    words = [word for word in text.split(" ") if len(word) < width]
    counts = collections.Counter(words)
    known = sorted(counts, key=lambda word: (-counts[word], word))[:max_words]
    rows, row = [], []
    for word in words:
        if len(row) + 1 + len(word) > width:
            rows.append(row)
            row = []
        number = known.index(word) + 2 if word in known else 1
        for typed, letter in enumerate(" " + word):
            row.append(
                (
                    1 + " abcdefghijklmnopqrstuvwxyz".index(letter),
                    number,
                    float(number > 1),
                    typed,
                )
            )
    rows.append(row)
    return [row + [(0, 0, 0.0, 0)] * (width - len(row)) for row in rows], known


@pytest.fixture(scope="module")
def embedded():
    return windows.build(corpus.read("embedded"))


@pytest.mark.parametrize("seed", range(60))
def test_windows_and_vocabulary_are_those_of_the_definition(seed):
    text = random_text(seed)
    shortest = min(map(len, text.split()))
    width = random.Random(-seed).choice([shortest + 1, shortest + 2, 13, 61, 200, 256])
    width = max(width, shortest + 1)
    max_words = random.Random(seed + 1).choice([1, 3, 50, 2**14])
    rows, known = oracle(text, width, max_words)
    built = windows.build(encode(text), width, max_words)
    assert built.vocabulary.words == tuple(known)
    assert built.vocabulary.classes == len(known) + 2
    assert len(built) == len(rows)
    chosen = np.random.default_rng(seed).integers(0, len(rows), 7)
    for indices in (np.arange(len(rows)), chosen):
        expected = np.array([rows[k] for k in indices])
        batch = built.gather(indices)
        assert [array.dtype for array in batch] == [
            np.uint8,
            np.int32,
            np.float32,
            np.uint8,
        ]
        for array, wanted in zip(batch, np.moveaxis(expected, -1, 0)):
            np.testing.assert_array_equal(array, wanted)


def test_the_worked_example():
    built = windows.build(encode("the cat sat"), width=9)
    batch = built.gather([0, 1])
    assert [
        "".join("._abcdefghijklmnopqrstuvwxyz"[k] for k in row) for row in batch.source
    ] == ["_the_cat.", "_sat....."]
    assert [
        "".join(built.vocabulary.name(k)[0] for k in row) for row in batch.target
    ] == ["ttttcccc<", "ssss<<<<<"]
    assert ["".join(map(str, row)) for row in batch.typed] == ["012301230", "012300000"]
    assert ["".join(f"{weight:.0f}" for weight in row) for row in batch.weight] == [
        "111111110",
        "111100000",
    ]
    assert [built.vocabulary.name(k) for k in range(5)] == [
        "<padding>",
        "<unknown>",
        "cat",
        "sat",
        "the",
    ]


def test_all_words_of_a_real_text_stand_in_its_windows_in_order(embedded):
    batch = embedded.gather(np.arange(len(embedded)))
    shown = "".join(
        "" if k == 0 else " abcdefghijklmnopqrstuvwxyz"[k - 1]
        for k in batch.source.ravel()
    )
    text = "".join(" abcdefghijklmnopqrstuvwxyz"[k] for k in corpus.read("embedded"))
    assert shown.split() == [word for word in text.split() if len(word) < 200]
    assert np.all(batch.source[:, 0] == windows.SPACE)
    lengths = np.sum(batch.source > 0, axis=1)
    following = (
        np.argmax(
            np.concatenate(
                [batch.source[1:, 1:], np.zeros((len(embedded) - 1, 1))], axis=1
            )
            <= 1,
            axis=1,
        )
        + 1
    )
    assert np.all(lengths <= 200) and np.all(lengths[:-1] + following > 200)
    np.testing.assert_array_equal(
        batch.weight, batch.source > 0
    )  # it has fewer than 2**14 words: all are known
    words = embedded.vocabulary.words
    assert words[:1] == ("the",) and len(set(words)) == len(words) < 2**14
    assert embedded.nbytes < 1.7 * len(text)


def test_words_too_long_for_a_window_are_dropped():
    long = "x" * 9
    for text in (
        "a bc a",
        f"{long} a bc a",
        f"a {long} {long}y bc a",
        f"a bc a {long}",
    ):
        built = windows.build(encode(text), width=9)
        assert built.vocabulary.words == ("a", "bc")
        np.testing.assert_array_equal(
            built.gather([0]).source, [[1, 2, 1, 3, 4, 1, 2, 0, 0]]
        )
    assert windows.build(encode(f"a {long} a"), width=10).vocabulary.words == (
        "a",
        long,
    )


def test_words_of_equal_length_are_told_apart_however_long_they_are():
    stem = "".join(random.Random(0).choices(LETTERS, k=198))
    words = {stem[:k] for k in range(1, 199)} | {
        stem[: k - 1] + letter for k in range(1, 199) for letter in "az"
    }
    words |= {"q" * k + stem[k:] for k in range(199)} | {"q" * k for k in range(1, 199)}
    built = windows.build(encode(" ".join([*sorted(words), *sorted(words)])), width=200)
    assert built.vocabulary.words == tuple(sorted(words))


def test_splits_are_disjoint_complete_and_of_the_published_sizes():
    for count in (20, 21, 39, 40, 12_345, 507_700):
        parts = windows.split(count)
        assert sorted(np.concatenate(parts).tolist()) == list(range(count))
        assert [len(part) for part in parts[:2]] == [
            math.floor(0.9 * count),
            math.floor(0.05 * count),
        ]
        for part, again in zip(parts, windows.split(count)):
            np.testing.assert_array_equal(part, again)
    assert 456_896 <= len(windows.split(507_700).train) <= 456_959
    assert abs(np.mean(windows.split(12_345).test) / 12_345 - 0.5) < 0.05
    with pytest.raises(ValueError, match="makes 19 windows, and 20 are needed"):
        windows.split(19)


def test_positions_and_entropy_are_counted_as_defined():
    text = random_text(5)
    built = windows.build(encode(text), width=61, max_words=20)
    parts = windows.split(len(built))
    counts = []
    for part in parts:
        target = built.gather(part).target
        expected = [np.sum(target == k) for k in range(22)]
        expected[0] = 0
        np.testing.assert_array_equal(built.target_counts(part), expected)
        counts.append(np.array(expected[2:]))
    train, test = counts[0], counts[2]
    fractions = [n / sum(train) for n in train if n]
    entropy = windows.unigram_entropy(built.target_counts(parts.train))
    assert entropy == pytest.approx(-sum(p * math.log(p) for p in fractions))
    smoothed = [(n + 1) / (sum(train) + 20) for n in train]
    crossed = windows.unigram_entropy(
        built.target_counts(parts.train), built.target_counts(parts.test)
    )
    assert crossed == pytest.approx(
        -sum(n / sum(test) * math.log(p) for n, p in zip(test, smoothed))
    )


def test_a_word_that_only_the_scored_split_has_gives_a_finite_loss():
    assert windows.unigram_entropy(np.array([0, 9, 4, 4])) == pytest.approx(math.log(2))
    assert windows.unigram_entropy(np.array([0, 9, 3, 0])) == 0
    assert windows.unigram_entropy(
        np.array([0, 9, 3, 0]), np.array([5, 5, 0, 2])
    ) == pytest.approx(math.log(5))


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("", {}, "the text is empty"),
        (" a b", {}, "spaces at an end or two in a row"),
        ("a b ", {}, "spaces at an end or two in a row"),
        ("a  b", {}, "spaces at an end or two in a row"),
        ("a b", {"width": 1}, "windows of 1 characters; allowed: 2 to 256"),
        ("a b", {"width": 257}, "windows of 257 characters; allowed: 2 to 256"),
        ("aaa bbb", {"width": 3}, "no word of fewer than 3 letters"),
        ("a b", {"max_words": 0}, "a vocabulary of 0 words; allowed: 1 to 65534"),
        ("a b", {"max_words": 65_535}, "a vocabulary of 65535 words"),
    ],
)
def test_texts_and_options_that_make_no_windows_are_refused(text, options, message):
    with pytest.raises(ValueError, match=message):
        windows.build(encode(text), **options)


@pytest.mark.parametrize("indices", [[-1], [0, 2], np.array([[5]])])
def test_windows_that_do_not_exist_are_refused(indices):
    with pytest.raises(IndexError, match="numbered from 0 to 1"):
        windows.build(encode("the cat sat"), width=9).gather(indices)


def test_vocabularies_have_names_for_two_more_classes():
    words = vocabulary.Vocabulary(("the", "of"))
    assert words.classes == 4
    assert [words.name(k) for k in range(4)] == ["<padding>", "<unknown>", "the", "of"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "12,345,678",
        "Straße\t\tno. 10\n\n",
        "  0a0 ",
        "\u212a\u0130 \ud800 x",
        "a\n" * 9,
    ],
)
def test_texts_are_reduced_by_the_definition(text):
    spelled = "".join(
        f" {corpus.DIGITS[int(c)].decode()} " if c in "0123456789" else c
        for c in text.lower()
    )
    assert corpus.reduce(text) == " ".join(
        "".join(c if c in LETTERS else " " for c in spelled).split()
    )


def test_texts_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        corpus.read("embedded")[0] = 1


def test_bad_files_are_refused_in_one_line(tmp_path):
    prose = b"To be, or not to be. " * 500
    whole = bytearray(gzip.compress(prose))
    whole[12:30] = b"\xff" * 18
    (tmp_path / "flipped.gz").write_bytes(whole)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(prose)[:-5])
    (tmp_path / "short.txt").write_bytes(prose[:1000])
    (tmp_path / "empty.txt").write_bytes(b"")
    random = np.random.default_rng(0).bytes(300_000)
    (tmp_path / "binary").write_bytes(random)
    with zipfile.ZipFile(tmp_path / "whole.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("text", prose)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "whole.zip").read_bytes()[:-40])
    with zipfile.ZipFile(tmp_path / "nothing.zip", "w"):
        pass
    for name, message in (
        ("flipped.gz", "damaged"),
        ("cut.gz", "damaged"),
        ("cut.zip", "damaged"),
        ("nothing.zip", "damaged"),
        ("short.txt", "it has 905 usable characters, and 2,000 are needed"),
        ("empty.txt", "it has 0 usable characters"),
        ("binary", "it is no text: it has bytes that are 0"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            corpus.read(str(tmp_path / name))
        assert "\n" not in str(caught.value)
    for name in ("missing.txt", "missing.zip", "."):
        with pytest.raises(OSError):
            corpus.read(str(tmp_path / name))
