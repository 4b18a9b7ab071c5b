"""The task of naming the next character: targets, texts, and what is refused."""

import gzip
import math
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.settings import SettingError
from rnnjax.tasks import characters
from rnnjax.text import corpus, optimum, synthetic

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_the_target_of_a_character_is_the_next_one():
    task = characters.Characters(length=6, batch=3)
    batch = task.sample(None, jax.random.key(0))
    text = corpus.read("embedded")
    shown = np.argmax(batch.x, axis=-1)
    np.testing.assert_array_equal(shown[1:], batch.target[:-1])
    window = np.concatenate([shown[:, 0], batch.target[-1:, 0]])
    assert any(
        np.array_equal(window, text[k : k + 7])
        for k in np.flatnonzero(text == window[0])
    )
    np.testing.assert_array_equal(np.sum(batch.x, axis=-1), 1)
    assert task.loss(jnp.zeros((6, 3, 27)), batch) == pytest.approx(np.log2(27))
    frequent = jnp.log(jnp.bincount(text, length=27) / len(text))
    many = task.sample(None, jax.random.key(0), 4000)
    assert task.loss(jnp.broadcast_to(frequent, (6, 4000, 27)), many) == pytest.approx(
        task.chance, rel=0.01
    )
    certain = 50 * jax.nn.one_hot(batch.target, 27)
    assert task.loss(certain, batch) == pytest.approx(0, abs=1e-6)


def test_the_end_of_a_text_is_in_no_update():
    task = characters.Characters(length=6)
    text = "".join(map(chr, corpus.read("embedded")))
    cut = int(0.95 * len(text))
    for batch, part in (
        (task.sample(None, jax.random.key(0), 200), text[:cut]),
        (task.test_batch(None, jax.random.key(0), 200), text[cut:]),
    ):
        for window in np.argmax(batch.x, axis=-1).T:
            assert "".join(map(chr, window)) in part


def test_a_text_is_reduced_as_text8_was():
    assert corpus.reduce("Hello,  World!\n42 times") == "hello world four two times"
    assert corpus.read("embedded").max() == 26


@pytest.mark.parametrize("kind", ["txt", "gz", "zip"])
def test_texts_are_read_from_files(tmp_path, kind):
    text = "To be, or not to be. " * 200
    path = tmp_path / f"text.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("text", text)
    else:
        path.write_bytes(
            gzip.compress(text.encode()) if kind == "gz" else text.encode()
        )
    classes = corpus.read(str(path))
    assert (
        "".join(" abcdefghijklmnopqrstuvwxyz"[k] for k in classes[:18])
        == "to be or not to be"
    )
    characters.Characters(text=str(path), sha256=corpus.digest(str(path)))
    with pytest.raises(ValueError, match="not the one it was"):
        characters.Characters(text=str(path), sha256="0" * 64)


def test_a_text_that_cannot_be_used_is_a_wrong_setting(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("To be, or not to be. " * 200)
    length = len(corpus.read(str(path)))
    longest = int(0.05 * length) - 2
    task = characters.Characters(text=str(path), length=longest)
    batch = task.test_batch(None, jax.random.key(0), 20)
    assert batch.x.shape == (longest, 20, 27)
    sources = "a text file, plain, .gz or .zip, text8, embedded, or synthetic"
    missing = str(tmp_path / "no.txt")
    (tmp_path / "b.zip").write_bytes(b"PK nonsense")
    for bad, problem, allowed in (
        ({"length": longest + 1}, "too long for the text", f"1 to {longest}"),
        ({"text": missing}, "No such file or directory", sources),
        ({"text": str(tmp_path / "b.zip")}, "it is damaged", sources),
    ):
        with pytest.raises(SettingError) as error:
            characters.Characters(**{"text": str(path), "length": 8} | bad)
        (name, value), *_ = bad.items()
        assert (error.value.name, error.value.value) == (name, value)
        assert error.value.problem.startswith(problem)
        assert error.value.allowed == allowed


def test_a_description_has_the_digest_of_the_text_but_not_its_folder(tmp_path):
    task = characters.Characters(data_dir=str(tmp_path))
    assert task.description() == {
        "text": "embedded",
        "length": 50,
        "batch": 32,
        "sha256": corpus.digest("embedded"),
    }


def test_the_best_possible_loss_of_a_synthetic_text_is_that_of_the_test_windows():
    options = {"words": 5, "topics": 2, "text_words": 1000}
    task = characters.Characters(text="synthetic", length=20, **options)
    key = jax.random.key(0)
    batch = task.test_batch(None, key, 9)
    codes = np.concatenate([np.argmax(batch.x[:1], axis=-1), batch.target]).T
    source = synthetic.Source(**options)
    expected = optimum.letter_losses(synthetic.language(source), codes).mean()
    row = task.references(key, 9)
    assert row["optimum"] == pytest.approx(expected / math.log(2))
    assert 0 < row["context_regrets"][2] < row["context_regrets"][0]
    assert row["words"] == task.description()["words"] == 5
    assert characters.Characters().references(key, 9) == {}
    with pytest.raises(SettingError, match="words=5: not an option of --text=embed"):
        characters.Characters(words=5)


def test_damaged_and_empty_texts_are_refused(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"to be " * 2000)[:-30])
    (tmp_path / "b.zip").write_bytes(b"PK nonsense")
    (tmp_path / "c.txt").write_text("12345 !!!")
    for name, message in (
        ("a.gz", "damaged"),
        ("b.zip", "damaged"),
        ("c.txt", "usable characters"),
    ):
        with pytest.raises(ValueError, match=message):
            corpus.read(str(tmp_path / name))
