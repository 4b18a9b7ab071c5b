"""Recall, against plain Python that reads the strings."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.settings import SettingError
from rnnjax.tasks.recall import Recall

pytestmark = pytest.mark.usefixtures("quick_compilation")

TASK = Recall(pairs=3, vocabulary=11, length=12, batch=2000)  # 5 keys and 6 values
BLANK = -1


@functools.partial(jax.jit, static_argnames="task")
def drawn(task, seed=0):
    return task.sample(None, jax.random.key(seed))


@functools.partial(jax.jit, static_argnames="task")
def drawn_at(task, fewest, most, length):
    return task.sample_at(jax.random.key(0), 200, fewest, most, length)


def strings(batch):
    """The symbols of each sample, from its one-hot inputs."""
    x = np.asarray(batch.x)
    assert set(np.unique(x)) <= {0, 1}
    shown = np.sum(x, axis=2)
    assert np.max(shown) == 1
    return np.where(shown == 1, np.argmax(x, axis=2), BLANK).T.tolist()


def read(string, keys):
    """What is asked for at which step, and the pairs, as a string alone says it."""
    pairs, position = {}, 0
    while string[position + 1] >= keys:
        assert 0 <= string[position] < keys, "a key before its value"
        assert string[position] not in pairs, "a key with one value alone"
        pairs[string[position]] = string[position + 1] - keys
        position += 2
        if position + 1 == len(string):
            break
    answers = {
        t: pairs[symbol]
        for t, symbol in enumerate(string[position:], start=position)
        if symbol != BLANK
    }
    return answers, pairs


def assert_solved(task, batch, fewest, most, length):
    """An answer that the inputs give is the target of weight 1, and no other is."""
    counts = []
    columns = zip(strings(batch), batch.target.T.tolist(), batch.weight.T.tolist())
    for string, target, weight in columns:
        answers, pairs = read(string, task.keys)
        queries = sorted(string[t] for t in answers)
        assert queries == sorted(pairs), "each key is asked for once"
        assert fewest <= len(pairs) <= most
        assert max(answers) < length
        assert weight == [float(t in answers) for t in range(task.length)]
        assert answers == {t: target[t] for t in answers}
        counts.append(len(pairs))
    return np.array(counts)


def test_the_inputs_alone_give_every_answer():
    batch = drawn(TASK)
    counts = assert_solved(TASK, batch, 1, 3, 12)
    for count in (1, 2, 3):
        assert abs(np.mean(counts == count) - 1 / 3) < 4 * math.sqrt(2 / 9 / 2000)


def test_values_keys_and_steps_of_queries_are_uniform():
    batch, cases = drawn(TASK), []
    for string in strings(batch):
        answers, pairs = read(string, TASK.keys)
        if len(pairs) == 3:
            cases.append((list(pairs), list(pairs.values()), answers, string))
    keys, values = (np.array([case[k] for case in cases]) for k in (0, 1))
    first = np.array([case[3][min(case[2])] == case[0][0] for case in cases])
    asked = np.array([[t in case[2] for t in range(6, 12)] for case in cases])
    n = len(cases)
    for found, likely in (
        *((keys == k, 1 / 5) for k in range(5)),
        *((values == v, 1 / 6) for v in range(6)),
        (values[:, :1] == values[:, 1:2], 1 / 6),  # they are independent
        (first[:, None], 1 / 3),
        (asked, 1 / 2),
    ):
        error = np.abs(np.mean(found, axis=0) - likely).max()
        assert error < 4.5 * math.sqrt(likely * (1 - likely) / n)


def test_samples_of_other_pairs_and_lengths_have_the_same_arrays():
    task = Recall(pairs=5, vocabulary=11, length=20)
    for fewest, most, length in ((5, 5, 15), (2, 4, 16)):
        batch = drawn_at(task, fewest, most, length)
        assert batch.x.shape == (20, 200, 11)
        counts = assert_solved(task, batch, fewest, most, length)
        assert set(counts) == set(range(fewest, most + 1))


def test_a_perfect_answer_and_one_that_ignores_the_inputs():
    batch = drawn(TASK)
    certain = TASK.score(50.0 * np.eye(6)[batch.target], batch)
    assert certain == {"loss": pytest.approx(0, abs=1e-6), "accuracy": 1}
    ignorant = TASK.score(jnp.zeros((12, 2000, 6)), batch)
    assert ignorant["loss"] == pytest.approx(TASK.chance, rel=1e-6)
    assert TASK.chance == math.log(6)
    error = 4 * math.sqrt(5 / 36 / np.sum(batch.weight))
    assert ignorant["accuracy"] == pytest.approx(1 / 6, abs=error)


@pytest.mark.parametrize(
    "given, message",
    [
        (
            {"pairs": 6},
            "pairs=6: --vocabulary=11 has 5 keys; allowed: 1 to 5",
        ),
        (
            {"length": 8},
            "length=8: too short for --pairs=3; allowed: 9 or more",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(given, message):
    with pytest.raises(SettingError) as error:
        Recall(**{"pairs": 3, "vocabulary": 11, "length": 9} | given)
    assert str(error.value) == message
