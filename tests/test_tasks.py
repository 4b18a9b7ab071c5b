"""Every task: its examples, its chance level, and what the best possible answer scores."""

import gzip
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.tasks import characters, parameters, registry, units
from rnnjax.text import corpus


@pytest.fixture(params=registry.TASKS)
def task(request):
    return registry.TASKS[request.param]()


def sample(task, key, count=None):
    key = jax.random.key(key)
    return task.sample(task.draw(key, jnp.float32(16)), key, count)


def test_shapes(task):
    batch = sample(task, 0)
    steps, size, inputs = batch.x.shape
    assert (size, inputs) == (task.batch, task.input_size)
    assert batch.target.shape[: batch.weight.ndim] == batch.weight.shape
    answers = (steps + task.silence, size) if task.every_step else (size,)
    assert batch.weight.shape == answers
    assert task.sequence == steps + task.silence > 1
    outputs = jnp.zeros((*answers, task.outputs))
    scores = task.score(outputs, batch)
    assert {"loss", task.objective} <= scores.keys()
    assert all(score.shape == () for score in scores.values())
    assert task.loss(outputs, batch) == scores["loss"]
    assert task.stream(jax.random.key(0), 1003).shape == (1003, task.input_size)


def test_samples_follow_the_key(task):
    first, again, other = (sample(task, k) for k in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)


def test_answers_of_weight_0_do_not_count(task):
    batch = sample(task, 0)
    outputs = jax.random.normal(jax.random.key(1), (*batch.weight.shape, task.outputs))
    weight = (jnp.arange(batch.weight.shape[-1]) < 3) * batch.weight
    other = jnp.where((weight > 0)[..., None], outputs, 7.0)
    scores, others = (
        task.score(some, batch._replace(weight=weight)) for some in (outputs, other)
    )
    for name, score in scores.items():
        np.testing.assert_allclose(score, others[name], rtol=1e-6, err_msg=name)


def test_a_vector_is_shown_once_and_asked_back():
    task = units.Units(size=2, delay=3, batch=4)
    batch = sample(task, 0)
    assert batch.x.shape == (1, 4, 2)
    assert task.silence == 3
    np.testing.assert_array_equal(batch.x[0], batch.target)
    assert task.loss(batch.target, batch) == 0
    assert task.loss(batch.target + 0.5, batch) == pytest.approx(0.25)


def test_ignoring_the_input_scores_chance():
    task = units.Units(batch=4000)
    batch = sample(task, 0)
    assert task.loss(jnp.zeros((4000, 64)), batch) == pytest.approx(
        task.chance, rel=0.02
    )


def test_the_stream_is_one_episode_after_another():
    task = units.Units(size=2, delay=3)
    stream = np.asarray(task.stream(jax.random.key(0), 11))
    shown = np.any(stream != 0, axis=1)
    assert shown.tolist() == [True, False, False, False] * 2 + [True, False, False]
    assert len({tuple(row) for row in stream[shown]}) == 3


def test_characters_ask_for_the_next_one():
    task = characters.Characters(length=6, batch=3)
    batch = sample(task, 0)
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
    many = sample(task, 0, 4000)
    assert task.loss(jnp.broadcast_to(frequent, (6, 4000, 27)), many) == pytest.approx(
        task.chance, rel=0.01
    )
    certain = 50 * jax.nn.one_hot(batch.target, 27)
    assert task.loss(certain, batch) == pytest.approx(0, abs=1e-6)


def test_the_end_of_a_text_is_kept_for_the_test():
    task = characters.Characters(length=6)
    text = "".join(map(chr, corpus.read("embedded")))
    cut = int(0.95 * len(text))
    for batch, part in (
        (sample(task, 0, 200), text[:cut]),
        (task.test(None, jax.random.key(0), 200), text[cut:]),
    ):
        for window in np.argmax(batch.x, axis=-1).T:
            assert "".join(map(chr, window)) in part


ROWS = parameters.Parameters(inputs=10, rows=600, steps=3)


def test_rows_to_learn_by_heart_are_all_different_and_fair():
    batches = [ROWS.draw(jax.random.key(k), 500) for k in range(20)]
    for batch in batches:
        assert batch.x.shape == (1, 600, 10)
        assert set(np.unique(batch.x)) == {-1.0, 1.0}
        assert len(np.unique(batch.x[0], axis=0)) == 600
        assert np.sum(batch.weight) == 500
    x, labels = (
        np.concatenate([b.x[0] for b in batches]),
        np.concatenate([b.target for b in batches]),
    )
    root = len(x) ** 0.5
    assert np.abs(x.mean(axis=0)).max() * root < 4
    assert abs(labels.mean() - 0.5) * 2 * root < 4
    together = x.T @ np.column_stack([x, 2 * labels - 1])
    assert np.abs(together[~np.eye(10, 11, dtype=bool)]).max() / root < 4.5


@pytest.mark.parametrize("bits", [1, 2, 7, 12])
def test_shuffled_numbers_are_a_permutation(bits):
    numbers = [
        parameters.shuffled(
            jax.random.key(k), jnp.arange(2**bits, dtype=jnp.uint32), bits
        )
        for k in range(4)
    ]
    for some in numbers:
        assert sorted(some.tolist()) == list(range(2**bits))
    if bits > 2:
        assert len({tuple(some.tolist()) for some in numbers}) == 4


def test_the_widest_numbers_are_different_too():
    numbers = np.asarray(
        parameters.shuffled(jax.random.key(0), jnp.arange(2**12, dtype=jnp.uint32), 32)
    )
    assert len(set(numbers.tolist())) == 2**12
    assert np.all(
        abs((numbers[:, None] >> np.arange(32, dtype=np.uint32) & 1).mean(axis=0) - 0.5)
        < 0.05
    )


@pytest.mark.parametrize(
    "right, expected",
    [
        (1.0, 500),
        (0.5, 0),
        (0.2, 0),
        (0.9, 500 * (1 + 0.9 * np.log2(0.9) + 0.1 * np.log2(0.1))),
    ],
)
def test_bits_of_a_fraction_right(right, expected):
    """Only the first b rows count, and only their labels' side of 0."""
    batch = ROWS.draw(jax.random.key(0), 500)
    signs = np.where(np.arange(600) < 500 * right, 1, -1) * np.where(
        batch.target > 0, 1, -1
    )
    scores = ROWS.score(jnp.asarray(3.0 * signs)[:, None], batch)
    assert scores["right"] == pytest.approx(right)
    assert scores["bits"] == pytest.approx(expected, abs=1e-3)


def test_the_loss_of_labels_is_their_cross_entropy():
    batch = ROWS.draw(jax.random.key(0), 500)
    outputs = jax.random.normal(jax.random.key(1), (600, 1))
    p = 1 / (1 + np.exp(-np.asarray(outputs[:500, 0], np.float64)))
    expected = -np.mean(np.where(batch.target[:500] > 0, np.log(p), np.log1p(-p)))
    assert ROWS.loss(outputs, batch) == pytest.approx(expected, rel=1e-5)
    assert ROWS.loss(jnp.zeros((600, 1)), batch) == pytest.approx(ROWS.chance)


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
