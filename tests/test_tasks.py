"""Every task: its examples, its chance level, and what the best possible answer scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.tasks import registry, units


@pytest.fixture(params=registry.TASKS)
def task(request):
    return registry.TASKS[request.param]()


def test_shapes(task):
    batch = task.sample(jax.random.key(0))
    steps, size, inputs = batch.x.shape
    assert (size, inputs) == (task.batch, task.input_size)
    assert batch.target.shape == (size, task.outputs)
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
