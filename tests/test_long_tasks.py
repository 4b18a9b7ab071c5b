"""Adding, temporal order, copy and two circles, against NumPy that reads the inputs."""

import functools
import math

import jax
import numpy as np
import pytest

from rnnjax.settings import SettingError
from rnnjax.tasks.adding import Adding
from rnnjax.tasks.copy import Copy
from rnnjax.tasks.temporal_order import TemporalOrder
from rnnjax.tasks.two_circles import TwoCircles

pytestmark = pytest.mark.usefixtures("quick_compilation")

COUNT = 2000
ADDING = Adding(length=7)
ORDER = TemporalOrder(length=23)
COPY = Copy(alphabet=5, symbols=3, delay=2)


@functools.cache
def drawn(task):
    """A batch, as NumPy arrays."""
    batch = jax.jit(task.sample, static_argnums=2)(None, jax.random.key(0), COUNT)
    return type(batch)(*map(np.asarray, batch))


@functools.partial(jax.jit, static_argnames="task")
def scored(task, outputs, batch):
    return task.score(outputs, batch)


def added(x):
    """The sums, from the inputs alone."""
    assert set(np.unique(x[..., 1])) == {0, 1} and np.all(x[..., 1].sum(axis=0) == 2)
    return np.prod(x, axis=-1).sum(axis=0)[:, None]


def ordered(x):
    """The classes, from the inputs alone."""
    words = ["".join("XYabcd"[s] for s in string) for string in x.argmax(axis=-1).T]
    found = ["".join(s for s in word if s in "XY") for word in words]
    return np.array([("XX", "XY", "YX", "YY").index(word) for word in found])


def copied(x):
    """The symbols before the first blank, at the steps after the marker."""
    answers = np.full(x.shape[:2], -1)
    for k, string in enumerate(x.argmax(axis=-1).T.tolist()):
        shown, marker = string[: string.index(5)], string.index(6)
        assert string == [*shown, 5, 5, 6, 5, 5, 5] and len(shown) == 3
        answers[marker + 1 :, k] = shown
    return answers


def circle(x):
    """The circle that is nearer."""
    return (np.linalg.norm(x[0], axis=-1) > 0.75).astype(int)


@pytest.mark.parametrize(
    "task, solve", [(ORDER, ordered), (COPY, copied), (TwoCircles(), circle)]
)
def test_the_inputs_alone_give_every_class(task, solve):
    batch = drawn(task)
    answers = solve(batch.x)
    np.testing.assert_array_equal(batch.weight > 0, answers >= 0)
    assert set(np.unique(batch.weight)) <= {0, 1}
    logits = 50.0 * np.eye(task.outputs, dtype=np.float32)[answers]
    scores = scored(task, logits, batch)
    assert scores == {"loss": pytest.approx(0, abs=1e-6), "accuracy": 1}
    assert task.solved.reached(scores)


def test_the_inputs_alone_give_every_sum():
    batch = drawn(ADDING)
    scores = scored(ADDING, added(batch.x), batch)
    assert scores == {"loss": pytest.approx(0, abs=1e-12), "accuracy": 1}
    assert scored(ADDING, added(batch.x) + 0.07, batch)["accuracy"] == 1
    wrong = scored(ADDING, added(batch.x) + 0.09, batch)
    assert wrong == {"loss": pytest.approx(0.0081, rel=1e-3), "accuracy": 0}
    assert ADDING.solved.reached({"accuracy": 0.99}) and not ADDING.solved.reached(
        wrong
    )


@pytest.mark.parametrize("task", [ORDER, COPY, TwoCircles()], ids=str)
def test_equal_logits_have_the_loss_of_chance_and_targets_are_uniform(task):
    """So no constant answer does better."""
    batch = drawn(task)
    equal = np.zeros((*batch.weight.shape, task.outputs), np.float32)
    assert scored(task, equal, batch)["loss"] == pytest.approx(task.chance, rel=1e-6)
    assert task.chance == pytest.approx(math.log(task.outputs))
    assert_uniform(batch.target[batch.weight > 0], range(task.outputs))


def assert_uniform(values, among):
    """As many of each, within 4.5 standard deviations."""
    p = 1 / len(among)
    error = 4.5 * math.sqrt(p * (1 - p) / np.size(values))
    found = [np.mean(values == value) for value in among]
    assert sum(found) == pytest.approx(1)
    np.testing.assert_allclose(found, p, atol=error)


def test_chance_of_adding_is_the_variance_of_a_sum():
    batch = drawn(ADDING)
    ignorant = scored(ADDING, np.ones((COUNT, 1)), batch)
    assert ignorant["loss"] == pytest.approx(ADDING.chance, rel=0.1)
    assert ignorant["accuracy"] == pytest.approx(1 - 0.92**2, abs=0.04)
    assert np.mean(batch.target) == pytest.approx(1, abs=0.04)
    assert ADDING.chance == 1 / 6


def test_numbers_are_uniform_and_a_mark_is_in_each_half():
    x = drawn(ADDING).x
    assert x[..., 0].min() >= 0 and x[..., 0].max() < 1
    assert_uniform(np.floor(10 * x[..., 0]), range(10))
    assert_uniform(x[:3, :, 1].argmax(axis=0), range(3))
    assert_uniform(x[3:, :, 1].argmax(axis=0), range(4))


def test_symbols_of_temporal_order_are_where_they_should_be():
    symbols = drawn(ORDER).x.argmax(axis=-1)
    first, second = np.nonzero(symbols.T < 2)[1].reshape(-1, 2).T
    assert_uniform(first, range(2, 5))
    assert_uniform(second, range(11, 14))
    assert_uniform(symbols[symbols >= 2], range(2, 6))


def test_symbols_to_copy_are_independent():
    first, second = drawn(COPY).x[:2].argmax(axis=-1)
    assert_uniform(5 * first + second, range(25))


def test_points_are_near_their_circles_and_no_line_separates_these():
    batch = drawn(TwoCircles())
    radius, angle = (f(*batch.x[0].T) for f in (np.hypot, np.arctan2))
    away = radius - np.array([0.5, 1.0])[batch.target]
    assert np.abs(away).max() < 0.1 + 1e-6
    assert_uniform(np.floor((away + 0.1) / 0.05).clip(0, 3), range(4))
    assert_uniform(np.floor((angle / math.pi + 1) * 4).clip(0, 7), range(8))
    # The best line cuts off the outer circle alone.
    directions = np.array([[math.cos(a), math.sin(a)] for a in np.linspace(0, 6, 30)])
    projected = batch.x[0] @ directions.T
    best = max(
        np.mean((projected > cut) == (batch.target == 1)[:, None], axis=0).max()
        for cut in np.linspace(-1, 1, 41)
    )
    assert 0.6 < best < 0.75


@pytest.mark.parametrize(
    "kind, given, message",
    [
        (Adding, {"length": 1}, "length=1: '1' is no such number; allowed: whole num"),
        (TemporalOrder, {"length": 9}, "length=9: '9' is no such number; allowed: who"),
        (Copy, {"alphabet": 1}, "alphabet=1: '1' is no such number; allowed: whole nu"),
        (Copy, {"delay": -1}, "delay=-1: '-1' is no such number; allowed: whole numb"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(kind, given, message):
    with pytest.raises(SettingError) as error:
        kind(**given)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
