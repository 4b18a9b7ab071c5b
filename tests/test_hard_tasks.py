"""Random functions, brackets and sums, against plain Python that reads the strings."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.tasks.arithmetic import Arithmetic
from rnnjax.tasks.parentheses import Parentheses
from rnnjax.tasks.random_function import RandomFunction

pytestmark = pytest.mark.usefixtures("quick_compilation")

TASKS = (RandomFunction(), RandomFunction(at_once=True), Parentheses(), Arithmetic())
EVERY_STEP = (Parentheses(), Arithmetic(), Arithmetic(digits=9))
CHARACTERS = "0123456789+-= "


@functools.partial(jax.jit, static_argnames=("task", "count"))
def drawn(task, seed=0, count=None):
    """A batch of the training with this seed."""
    data = task.make_data(jax.random.key(seed), 0)
    return task.sample(data, jax.random.key(seed + 1000), count)


@functools.partial(jax.jit, static_argnames="task")
def scored(task, outputs, batch):
    return task.score(outputs, batch)


def opened(string, low=-math.inf, high=math.inf):
    """Open brackets of each kind after each symbol: 0-9 open, 10-19 close."""
    count, history = [0] * 10, []
    for symbol in string:
        if symbol < 20:
            moved = count[symbol % 10] + (1 if symbol < 10 else -1)
            count[symbol % 10] = min(max(moved, low), high)
        history.append(list(count))
    return history


def strings(batch):
    """One string of symbols for each sample."""
    np.testing.assert_array_equal(
        np.sort(batch.x, axis=-1)[..., -2:],
        np.broadcast_to([0.0, 1.0], (*batch.x.shape[:2], 2)),
    )
    return np.argmax(batch.x, axis=-1).T.tolist()


def text(symbols):
    return "".join(CHARACTERS[symbol] for symbol in symbols)


def total(question):
    """Reads "-34+93=" and adds."""
    assert question.endswith("=")
    sign = max(question.rfind("+"), question.rfind("-"))
    first, second = question[:sign], question[sign:-1]
    assert first.removeprefix("-").isdigit() and second[1:].isdigit()
    return int(first) + int(second)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_shapes(task):
    batch = drawn(task)
    assert batch.x.shape[1:] == (task.batch, task.input_size)
    assert batch.weight.shape == (
        batch.x.shape[:2] if task.every_step else (task.batch,)
    )
    assert batch.target.shape[: batch.weight.ndim] == batch.weight.shape
    assert jax.eval_shape(functools.partial(drawn, task, count=7)).x.shape[1] == 7
    outputs = np.zeros((*batch.weight.shape, task.outputs), np.float32)
    score = scored(task, outputs, batch)
    assert task.objective in score and all(
        value.shape == () for value in score.values()
    )


@pytest.mark.parametrize(
    "task", (RandomFunction(), Parentheses(), Arithmetic()), ids=str
)
def test_samples_follow_the_key_under_jit_and_vmap(task):
    alone = [drawn(task, seed) for seed in range(3)]
    together = jax.vmap(functools.partial(drawn, task))(jnp.arange(3))
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *alone)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
        together,
        stacked,
    )
    assert not np.array_equal(alone[0].x, alone[1].x)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_probe_inputs_are_one_sample_after_another(task):
    shown = len(drawn(task).x) + task.blank_steps
    inputs = np.asarray(
        jax.jit(task.probe_inputs, static_argnums=1)(jax.random.key(0), 3 * shown + 5)
    )
    assert inputs.shape == (3 * shown + 5, task.input_size)
    samples = inputs[: 3 * shown].reshape(3, shown, -1)
    assert len(np.unique(samples.reshape(3, -1), axis=0)) == 3
    if task.blank_steps:
        assert (samples != 0).any(axis=-1).tolist() == [
            [True] + [False] * task.blank_steps
        ] * 3
    for string in samples.argmax(axis=-1).tolist():
        if isinstance(task, Parentheses):
            assert 0 <= np.min(opened(string)) <= np.max(opened(string)) <= 10
        if isinstance(task, Arithmetic):
            assert abs(total(text(string).strip())) < 2000


def test_a_random_function_is_the_same_in_every_batch():
    task = RandomFunction(samples=8, steps=5, batch=64)
    data = task.make_data(jax.random.key(3), 0)
    pairs = []
    sample = jax.jit(task.sample)
    batches = (
        sample(data, jax.random.key(0)),
        sample(data, jax.random.key(1)),
        jax.jit(task.test_batch, static_argnums=2)(data, jax.random.key(2), 64),
    )
    assert not np.allclose(batches[0].target, batches[1].target)
    for batch in batches:
        pairs.append(
            np.unique(
                np.concatenate([batch.x[:, :, 0].T, batch.target], axis=1).round(4),
                axis=0,
            )
        )
    assert pairs[0].shape == (8, 6) and len(np.unique(pairs[0][:, 0])) == 8
    np.testing.assert_array_equal(pairs[0], pairs[1])
    np.testing.assert_array_equal(pairs[0], pairs[2])
    other = sample(task.make_data(jax.random.key(4), 0), jax.random.key(0))
    assert not np.isin(np.asarray(other.target).round(4), pairs[0]).any()


def test_a_vector_shown_at_once_is_what_is_shown_step_by_step():
    slow, fast = drawn(RandomFunction()), drawn(RandomFunction(at_once=True))
    np.testing.assert_allclose(slow.x[:, :, 0].T, fast.x[0], rtol=1e-5)
    np.testing.assert_allclose(slow.target, fast.target, rtol=1e-5)
    assert (
        RandomFunction().blank_steps == 0
        and len(slow.x) == len(fast.x) + RandomFunction(at_once=True).blank_steps
    )


def test_random_functions_are_normal_and_unrelated_to_their_inputs():
    batch = drawn(RandomFunction(), count=8192)
    numbers = np.unique(
        np.concatenate([batch.x[:, :, 0].T, batch.target], axis=1).round(4), axis=0
    )
    assert 3000 < len(numbers) <= 4096
    for part in (numbers[:, :-1], numbers[:, -1]):
        assert abs(part.mean()) < 4 / math.sqrt(part.size)
        assert abs(np.square(part).mean() - 1) < 4 * math.sqrt(2 / part.size)
        assert abs((part**4).mean() - 3) < 4 * math.sqrt(96 / part.size)
    assert abs(
        np.cov(numbers.T) - np.diag(np.var(numbers, axis=0))
    ).max() < 5 / math.sqrt(len(numbers))


def test_bits_are_those_of_a_gaussian_source():
    task = RandomFunction(samples=300, batch=64)
    batch = drawn(task)
    target = np.asarray(batch.target)
    outputs = target + np.linspace(-0.3, 0.1, 64, dtype=np.float32)[:, None]
    score = scored(task, outputs, batch)
    loss = np.mean(np.square(outputs.astype(np.float64) - target))
    assert float(score["loss"]) == pytest.approx(loss, rel=1e-5)
    assert float(score["bits"]) == pytest.approx(
        150 * math.log2(np.mean(np.square(target, dtype=np.float64)) / loss), rel=1e-5
    )
    assert scored(task, target + 2, batch)["bits"] == 0
    perfect = scored(task, target, batch)
    assert perfect["loss"] == 0 and 300 * 60 < perfect["bits"] < math.inf
    halved = batch._replace(weight=np.repeat(np.float32([1, 0]), 32))
    assert scored(task, outputs, halved)["loss"] == pytest.approx(
        np.mean(np.square(outputs - target)[:32])
    )


def test_brackets_are_counted():
    batch = drawn(Parentheses(length=800), count=8)
    counts = np.array([opened(string) for string in strings(batch)])
    np.testing.assert_array_equal(np.swapaxes(batch.target, 0, 1), counts)
    assert counts.min() == 0 and counts.max() == 10


def test_every_symbol_is_as_likely_and_brackets_reverse_at_the_ends():
    batch = drawn(Parentheses(length=800), count=64)
    symbols, counts = np.argmax(batch.x, axis=-1), np.asarray(batch.target)
    kinds = (
        np.bincount(np.where(symbols < 20, symbols % 10, symbols).ravel(), minlength=30)
        / symbols.size
    )
    expected = np.repeat([2 / 30, 0, 1 / 30], 10)
    np.testing.assert_array_less(
        abs(kinds - expected), 4 * np.sqrt(expected / symbols.size) + 1e-12
    )
    before = counts[:-1]
    change = np.diff(counts, axis=0)
    for count in range(11):
        moves = change[(before == count) & (change != 0)]
        ups = {0: 1, 10: 0}.get(count, 0.5)
        assert abs(np.mean(moves > 0) - ups) <= 4 * math.sqrt(
            ups * (1 - ups) / len(moves)
        ), count


def test_clipped_brackets_are_shown_and_do_not_count():
    batch = drawn(Parentheses(length=800, overflow="clip"), count=8)
    shown = strings(batch)
    counts = np.array([opened(string, 0, 10) for string in shown])
    np.testing.assert_array_equal(np.swapaxes(batch.target, 0, 1), counts)
    assert counts.min() == 0 and counts.max() == 10
    frequencies = np.bincount(np.ravel(shown), minlength=30) / np.size(shown)
    sd = math.sqrt(1 / 30 / np.size(shown))
    np.testing.assert_allclose(frequencies, 1 / 30, atol=4 * sd)


@pytest.mark.parametrize("overflow", ["reflect", "clip"])
def test_the_chance_level_is_the_entropy_of_simulated_counts(overflow):
    """The counts of half a million walks, simulated without the task's code."""
    rng, walks = np.random.default_rng(0), 500_000
    count, entropy = np.zeros(walks, int), 0.0
    for _ in range(50):
        moved = count + rng.choice([1, -1, 0], walks, p=[1 / 30, 1 / 30, 28 / 30])
        if overflow == "reflect":
            moved = np.where(moved < 0, 1, np.where(moved > 10, 9, moved))
        count = np.clip(moved, 0, 10)
        p = np.bincount(count) / walks
        entropy -= np.sum(p[p > 0] * np.log(p[p > 0])) / 50
    expected = {"reflect": 1.1367, "clip": 0.9749}[overflow]
    assert entropy == pytest.approx(expected, abs=3e-3)
    assert Parentheses(overflow=overflow).chance == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("digits", [3, 9])
def test_sums_are_added(digits):
    batch = drawn(Arithmetic(digits=digits))
    question_steps, result_steps = 2 * digits + 3, digits + 2
    weight = [0] * question_steps + [1] * result_steps
    np.testing.assert_array_equal(batch.weight[:, 0], weight)
    np.testing.assert_array_equal(
        batch.weight, np.repeat(batch.weight[:, :1], 128, axis=1)
    )
    numbers = []
    for string, target in zip(strings(batch), np.asarray(batch.target).T):
        question = text(string[:question_steps])
        result = str(total(question.lstrip())).ljust(result_steps)
        assert text(string[question_steps:]) == " " * result_steps
        assert text(target) == " " * question_steps + result
        numbers += question[:-1].replace("-", " -").replace("+", " ").split()
    assert len(numbers) == 256
    lengths = np.array([len(number.removeprefix("-")) for number in numbers])
    assert set(lengths) == set(range(1, digits + 1))
    assert all(int(number) and str(int(number)) == number for number in numbers)
    for fraction, likely in (
        (np.mean(lengths == digits), 1 / digits),
        (np.mean([n[0] == "-" for n in numbers]), 0.5),
    ):
        assert abs(fraction - likely) <= 4 * math.sqrt(likely * (1 - likely) / 256)


def test_every_sum_of_single_digits_occurs():
    batch = drawn(Arithmetic(digits=1), count=3000)
    results = {
        text(string[:5]).strip(): text(target[5:]).strip()
        for string, target in zip(strings(batch), np.asarray(batch.target).T)
    }
    assert results["-9-9="] == "-18"
    assert results["9+9="] == "18"
    assert results["3-3="] == "0"
    assert results["-4+5="] == "1"
    assert len(results) == 18 * 18
    assert all(results[question] == str(total(question)) for question in results)


def test_too_many_digits_are_refused():
    for digits in (0, 10):
        with pytest.raises(ValueError, match="1 to 9"):
            Arithmetic(digits=digits)


@pytest.mark.parametrize("task", EVERY_STEP, ids=str)
def test_a_perfect_answer_has_no_loss_and_full_accuracy(task):
    batch = drawn(task)
    certain = 50 * np.eye(11 if batch.target.ndim == 3 else 14)[batch.target]
    outputs = certain.reshape(*batch.weight.shape, task.outputs)
    score = scored(task, outputs, batch)
    assert score.pop("loss") == pytest.approx(0, abs=1e-6)
    assert all(value == 1 for value in score.values())


def test_one_wrong_character_makes_one_sum_inexact_and_the_question_has_no_effect():
    task = Arithmetic()
    batch = drawn(task)
    outputs = 50 * np.eye(14, dtype=np.float32)[batch.target]
    outputs[:9] *= -1
    ignored = scored(task, outputs, batch)
    assert ignored["exact"] == 1 and ignored["loss"] == pytest.approx(0, abs=1e-6)
    outputs[-1, 2] = np.eye(14)[12]
    one_wrong = scored(task, outputs, batch)
    assert (
        one_wrong["accuracy"] == pytest.approx(1 - 1 / 640)
        and one_wrong["exact"] == 127 / 128
    )
    few = scored(
        task, outputs, batch._replace(weight=batch.weight * (np.arange(128) < 4))
    )
    assert few["accuracy"] == pytest.approx(19 / 20) and few["exact"] == 3 / 4


def test_a_wrong_count_is_a_tenth_of_a_step():
    task = Parentheses()
    batch = drawn(task)
    logits = 50 * np.eye(11, dtype=np.float32)[batch.target]
    logits[2, 3, 7] = 50 * np.eye(11)[10]
    score = scored(task, logits.reshape(50, 32, 110), batch)
    assert score["accuracy"] == pytest.approx(1 - 1 / 16000) and score[
        "loss"
    ] == pytest.approx(50 / 16000)


@pytest.mark.parametrize("task", EVERY_STEP, ids=str)
def test_ignoring_the_inputs_gives_the_chance_level(task):
    targets = np.concatenate([drawn(task, seed).target for seed in range(20)], axis=1)
    marginals = np.mean(
        np.eye(11 if targets.ndim == 3 else 14)[targets], axis=1
    ).reshape(len(targets), 1, task.outputs)
    outputs = np.repeat(np.log(np.maximum(marginals, 1e-5)), task.batch, axis=1)
    losses = [
        scored(task, outputs, drawn(task, seed))["loss"] for seed in range(20, 40)
    ]
    assert np.mean(losses) == pytest.approx(task.chance, rel=0.02)


def test_ignoring_the_inputs_of_a_random_function_gives_the_chance_level():
    task = RandomFunction(samples=10**6, steps=2, batch=50_000)
    score = scored(task, np.zeros((50_000, 1)), drawn(task))
    assert score["loss"] == pytest.approx(task.chance, rel=0.03) and score["bits"] == 0
    whole = task.test_batch(
        task.make_data(jax.random.key(0), 0), jax.random.key(1), 2048
    )
    assert whole.target.shape == (2**14, 1)
    small = RandomFunction(samples=70)
    np.testing.assert_array_equal(
        *(
            small.test_batch(jax.random.key(0), jax.random.key(k), 2048).target
            for k in (1, 2)
        )
    )
    assert (
        len(
            np.unique(
                small.test_batch(jax.random.key(0), jax.random.key(1), 2048).target
            )
        )
        == 70
    )


def test_chance_is_exact_for_short_strings():
    assert Parentheses(length=1).chance == pytest.approx(
        -(math.log(1 / 15) / 15 + math.log(14 / 15) * 14 / 15)
    )
    answers = [
        str(a + b).ljust(3) for a in range(-9, 10) for b in range(-9, 10) if a and b
    ]
    fractions = [
        np.unique(list(column), return_counts=True)[1] / len(answers)
        for column in zip(*answers)
    ]
    assert Arithmetic(digits=1).chance == pytest.approx(
        -np.mean([np.sum(p * np.log(p)) for p in fractions]), rel=0.003
    )
