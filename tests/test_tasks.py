"""Every task: its examples, its chance level, and what the best possible answer scores."""

import gzip
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.tasks import characters, registry, units
from rnnjax.tasks.text import corpus


@pytest.fixture(params=registry.TASKS)
def task(request):
    return registry.TASKS[request.param]()


def test_shapes(task):
    batch = task.sample(jax.random.key(0))
    steps, size, inputs = batch.x.shape
    assert (size, inputs) == (task.batch, task.input_size)
    assert batch.target.shape in ((size, task.outputs), (steps, size))
    assert task.stream(jax.random.key(0), 1003).shape == (1003, task.input_size)
    assert steps > 1


def test_samples_follow_the_key(task):
    first, again, other = (task.sample(jax.random.key(k)) for k in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)


def test_a_vector_is_shown_once_and_asked_back():
    task = units.Units(size=2, delay=3, batch=4)
    batch = task.sample(jax.random.key(0))
    assert batch.x.shape == (4, 4, 2)
    np.testing.assert_array_equal(batch.x[0], batch.target)
    assert not batch.x[1:].any()
    outputs = jnp.zeros((4, 4, 2)).at[-1].set(batch.target)
    assert task.loss(outputs, batch) == 0
    assert task.loss(outputs.at[0].set(9.0), batch) == 0
    assert task.loss(outputs + 0.5, batch) == pytest.approx(0.25)


def test_ignoring_the_input_scores_chance():
    task = units.Units(batch=4000)
    batch = task.sample(jax.random.key(0))
    assert task.loss(jnp.zeros((5, 4000, 64)), batch) == pytest.approx(task.chance, rel=0.02)


def test_the_stream_is_one_episode_after_another():
    task = units.Units(size=2, delay=3)
    stream = np.asarray(task.stream(jax.random.key(0), 11))
    shown = np.any(stream != 0, axis=1)
    assert shown.tolist() == [True, False, False, False] * 2 + [True, False, False]
    assert len({tuple(row) for row in stream[shown]}) == 3


def test_characters_ask_for_the_next_one():
    task = characters.Characters(length=6, batch=3)
    batch = task.sample(jax.random.key(0))
    text = corpus.read("embedded")
    shown = np.argmax(batch.x, axis=-1)
    np.testing.assert_array_equal(shown[1:], batch.target[:-1])
    window = np.concatenate([shown[:, 0], batch.target[-1:, 0]])
    assert any(np.array_equal(window, text[k : k + 7]) for k in np.flatnonzero(text == window[0]))
    np.testing.assert_array_equal(np.sum(batch.x, axis=-1), 1)
    assert task.loss(jnp.zeros((6, 3, 27)), batch) == pytest.approx(task.chance)
    certain = 50 * jax.nn.one_hot(batch.target, 27)
    assert task.loss(certain, batch) == pytest.approx(0, abs=1e-6)


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
        path.write_bytes(gzip.compress(text.encode()) if kind == "gz" else text.encode())
    classes = corpus.read(str(path))
    assert "".join(" abcdefghijklmnopqrstuvwxyz"[k] for k in classes[:18]) == "to be or not to be"
    characters.Characters(text=str(path), sha256=corpus.digest(str(path)))
    with pytest.raises(ValueError, match="not the one it was"):
        characters.Characters(text=str(path), sha256="0" * 64)


def test_damaged_and_empty_texts_are_refused(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"to be " * 2000)[:-30])
    (tmp_path / "b.zip").write_bytes(b"PK nonsense")
    (tmp_path / "c.txt").write_text("12345 !!!")
    for name, message in (("a.gz", "damaged"), ("b.zip", "damaged"), ("c.txt", "usable characters")):
        with pytest.raises(ValueError, match=message):
            corpus.read(str(tmp_path / name))
