"""The contract of every task, and the tasks with a text, labels and a vector."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import settings
from rnnjax.settings import Range, SettingError
from rnnjax.tasks import parameters, registry, units
from rnnjax.tasks.task import Level
from rnnjax.text import synthetic

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(params=registry.TASKS)
def task(request):
    return registry.TASKS[request.param]()


@functools.partial(jax.jit, static_argnums=(0, 2))
def sample(task, key, count=None):
    key = jax.random.key(key)
    return task.sample(task.make_data(key, jnp.float32(16)), key, count)


@functools.partial(jax.jit, static_argnums=0)
def scored(task, outputs, batch):
    return task.score(outputs, batch)


def test_shapes(task):
    batch = sample(task, 0)
    steps, size, inputs = batch.x.shape
    assert (size, inputs) == (task.batch, task.input_size)
    assert batch.target.shape[: batch.weight.ndim] == batch.weight.shape
    answers = (steps + task.blank_steps, size) if task.every_step else (size,)
    assert batch.weight.shape == answers
    assert task.sequence == steps + task.blank_steps >= 1
    outputs = jnp.zeros((*answers, task.outputs))
    scores = scored(task, outputs, batch)
    assert scores.keys() == task.scores.keys() >= {"loss", task.objective}
    assert all(score.shape == () for score in scores.values())
    loss = jax.jit(task.loss)(outputs, batch)
    assert float(loss) == pytest.approx(float(scores["loss"]), rel=1e-6)
    key = jax.random.key(0)
    probe = jax.eval_shape(lambda key: task.probe_inputs(key, 1003), key)
    assert probe.shape == (1003, task.input_size)


def test_samples_follow_the_key(task):
    first, again, other = (sample(task, k) for k in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)


def test_answers_of_weight_0_do_not_count(task):
    batch = sample(task, 0)
    outputs = jax.random.normal(jax.random.key(1), (*batch.weight.shape, task.outputs))
    weight = (jnp.arange(batch.weight.shape[-1]) < 3) * batch.weight
    other = jnp.where((weight > 0)[..., None], outputs, 7.0)
    batch = batch._replace(weight=weight)
    scores, other_scores = scored(task, outputs, batch), scored(task, other, batch)
    for name, score in scores.items():
        np.testing.assert_allclose(score, other_scores[name], rtol=1e-6, err_msg=name)


def test_a_description_makes_the_same_task_again(task):
    described = json.loads(json.dumps(task.description()))
    again = type(task)(**described)
    assert again.description() == described
    assert np.array_equal(sample(again, 0).x, sample(task, 0).x)


def test_every_setting_of_a_task_has_a_help_and_refuses_bad_values(task):
    for field in settings.fields(type(task)):
        assert field.about.help.endswith(".")
        if field.type is int:
            low, high = field.about.low, field.about.high
            none = () if field.default is None else (None,)
            for bad in (low - 1, high + 1, 1.5, *none):
                with pytest.raises(SettingError) as error:
                    dataclasses.replace(task, **{field.name: bad})
                assert error.value.name == field.name


@pytest.mark.parametrize(
    "name, expected",
    [
        ("parameters", ["inputs", "input_values", "steps"]),
        ("characters", ["text", "length", "batch", "data_dir", *synthetic.NAMES]),
    ],
)
def test_internal_fields_are_no_settings(name, expected):
    assert [field.name for field in settings.fields(registry.TASKS[name])] == expected


def test_every_score_has_a_meaning(task):
    for key in task.scores.values():
        assert (key.type, key.nullable) == ("float", True)
        assert key.meaning
    assert task.scores["loss"].unit


def test_a_solved_level_is_that_of_a_score_which_ignoring_the_inputs_misses(task):
    if task.solved is None:
        return
    batch = sample(task, 0)
    scores = scored(task, jnp.zeros((*batch.weight.shape, task.outputs)), batch)
    assert not task.solved.reached(scores)
    name, value = task.solved
    assert task.solved.reached({name: value})
    assert not task.solved.reached({name: float("nan")})


def test_a_level_is_the_most_of_a_loss_and_the_least_of_any_other_score():
    scores = {"loss": 0.2, "accuracy": 0.9}
    for name, value, reached in (
        ("loss", 0.2, True),
        ("loss", 0.1, False),
        ("accuracy", 0.9, True),
        ("accuracy", 0.95, False),
    ):
        assert Level(name, value).reached(scores) == reached


def test_the_number_of_samples_is_searched_only_where_the_task_says_so(task):
    if task.searches_samples:
        assert 2 <= task.samples_range(100).low <= task.samples_range(100).high
        assert task.samples_range(2**40).high == task.max_samples
        assert task.with_padding(100).batch >= 100
    else:
        assert task.max_samples is None
        assert task.with_padding(100) is task
        with pytest.raises(TypeError, match="does not search the number of samples"):
            task.samples_range(100)


def test_a_vector_is_shown_once_and_is_the_target():
    task = units.Units(size=2, delay=3, batch=4)
    batch = sample(task, 0)
    assert batch.x.shape == (1, 4, 2)
    assert task.blank_steps == 3
    np.testing.assert_array_equal(batch.x[0], batch.target)
    assert task.loss(batch.target, batch) == 0
    assert task.loss(batch.target + 0.5, batch) == pytest.approx(0.25)


def test_ignoring_the_input_gives_the_chance_level():
    task = units.Units(batch=4000)
    batch = sample(task, 0)
    assert task.loss(jnp.zeros((4000, 64)), batch) == pytest.approx(
        task.chance, rel=0.02
    )


def test_probe_inputs_are_one_sample_after_another():
    task = units.Units(size=2, delay=3)
    inputs = np.asarray(task.probe_inputs(jax.random.key(0), 11))
    shown = np.any(inputs != 0, axis=1)
    assert shown.tolist() == [True, False, False, False] * 2 + [True, False, False]
    assert len({tuple(vector) for vector in inputs[shown]}) == 3


def test_no_linear_network_is_better_than_the_loss_bound():
    """The best linear read-out of n units keeps the n directions of most variance."""
    task = units.Units(size=5, batch=2000)
    batch = sample(task, 0)
    for n in (1, 3, 5, 8):
        directions = np.linalg.svd(batch.target, full_matrices=False)[2][:n]
        loss = task.loss(batch.target @ directions.T @ directions, batch)
        assert task.loss_bound(n) == pytest.approx(max(0, 1 - n / 5))
        assert loss == pytest.approx(task.loss_bound(n), abs=0.05)
    assert parameters.Parameters().loss_bound(3) is None


LABELS = parameters.Parameters(inputs=10, padded_samples=600, steps=3)


def test_samples_to_memorize_are_all_different_and_fair():
    batches = [LABELS.make_data(jax.random.key(k), 500) for k in range(20)]
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


def test_numbers_of_samples_are_searched_around_the_number_of_parameters():
    task = parameters.Parameters(inputs=8)
    assert task.samples_range(10) == Range(20, 60)
    assert task.samples_range(1) == Range(2, 6)
    assert task.samples_range(100) == Range(200, 256)
    assert task.samples_range(10**6) == Range(256, 256)
    assert task.max_samples == len(
        {tuple(x) for x in memorized(task, 256).x[0].tolist()}
    )


def memorized(task, samples):
    return task.with_padding(samples).make_data(jax.random.key(0), samples)


def test_samples_are_padded_to_few_sizes():
    sizes = [parameters.padded(samples) for samples in range(1, 3000)]
    assert all(size >= samples for samples, size in enumerate(sizes, start=1))
    assert sorted(set(sizes)) == [
        64,
        96,
        128,
        192,
        256,
        384,
        512,
        768,
        1024,
        1536,
        2048,
        3072,
    ]
    batch = memorized(parameters.Parameters(inputs=8), 70)
    assert batch.x.shape == (1, 96, 8)
    assert batch.weight.tolist() == [1] * 70 + [0] * 26


@pytest.mark.parametrize("bits", [1, 2, 7, 12])
def test_shuffled_numbers_are_a_permutation(bits):
    numbers = [
        parameters.shuffled(
            jax.random.key(k), jnp.arange(2**bits, dtype=jnp.uint32), bits
        )
        for k in range(4)
    ]
    for permutation in numbers:
        assert sorted(permutation.tolist()) == list(range(2**bits))
    if bits > 2:
        assert len({tuple(permutation.tolist()) for permutation in numbers}) == 4


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
    "accuracy, expected",
    [
        (1.0, 500),
        (0.5, 0),
        (0.2, 0),
        (0.9, 500 * (1 + 0.9 * np.log2(0.9) + 0.1 * np.log2(0.1))),
    ],
)
def test_the_bits_of_an_accuracy(accuracy, expected):
    """Only the first b samples count, and only the sign of the output."""
    batch = LABELS.make_data(jax.random.key(0), 500)
    signs = np.where(np.arange(600) < 500 * accuracy, 1, -1) * np.where(
        batch.target > 0, 1, -1
    )
    scores = LABELS.score(jnp.asarray(3.0 * signs)[:, None], batch)
    assert scores["accuracy"] == pytest.approx(accuracy)
    assert scores["bits"] == pytest.approx(expected, abs=1e-3)


def test_the_loss_of_labels_is_their_cross_entropy():
    batch = LABELS.make_data(jax.random.key(0), 500)
    outputs = jax.random.normal(jax.random.key(1), (600, 1))
    p = 1 / (1 + np.exp(-np.asarray(outputs[:500, 0], np.float64)))
    expected = -np.mean(np.where(batch.target[:500] > 0, np.log(p), np.log1p(-p)))
    assert LABELS.loss(outputs, batch) == pytest.approx(expected, rel=1e-5)
    assert LABELS.loss(jnp.zeros((600, 1)), batch) == pytest.approx(LABELS.chance)
