"""Read-outs against least squares, and the thresholds against chance."""

import numpy as np
import pytest

from rnnjax.short_term_memory import linear, readout
from rnnjax.short_term_memory.readout import Kept

RANDOM = np.random.default_rng(0)
STATES = RANDOM.normal(size=(400, 6)) @ RANDOM.normal(size=(6, 6)) + 3
TARGETS = np.tanh(STATES[:, :4]) + RANDOM.normal(size=(400, 4)) + 1


@pytest.mark.parametrize("ridge", [0.0, 30.0])
def test_a_readout_is_that_of_least_squares(ridge):
    """With the mean as a column of its own, which no ridge holds back."""
    x, y = STATES[:300], TARGETS[:300]
    design = np.c_[x - x.mean(0), np.ones(300)]
    penalty = ridge * np.diag([1.0] * 6 + [0.0])
    weights = np.linalg.solve(design.T @ design + penalty, design.T @ y)
    later = np.c_[STATES[300:] - x.mean(0), np.ones(100)] @ weights

    def r2(target, guess):
        rest = np.sum((target - guess) ** 2, axis=0)
        return 1 - rest / np.sum((target - target.mean(0)) ** 2, axis=0)

    got = readout.fit(x, STATES[300:], ridge).explained(y, TARGETS[300:])
    np.testing.assert_allclose(got.in_sample, r2(y, design @ weights), rtol=1e-9)
    np.testing.assert_allclose(got.held_out[0], r2(TARGETS[300:], later), rtol=1e-9)


def test_columns_that_depend_on_others_do_not_count():
    twice = np.c_[STATES, STATES[:, :2] + 1, np.ones(400)]
    one, other = (
        readout.fit(x[:300], x[300:]).explained(TARGETS[:300], TARGETS[300:])
        for x in (STATES, twice)
    )
    np.testing.assert_allclose(one.held_out, other.held_out, rtol=1e-6)
    assert readout.fit(twice[:300], twice[300:]).rank == 6
    rounded = readout.fit(
        *np.split(STATES.astype(np.float32) * [1] * 5 + [1e-9], [300])
    )
    assert rounded.rank == 6


def test_targets_without_a_relation_count_as_often_as_they_should():
    """In sample they get r / T on average; held out they get about as much less."""
    steps, count = 1000, 4000
    x = np.cumsum(RANDOM.normal(size=(steps + 400, 8)), axis=0)  # states change slowly
    y = RANDOM.uniform(-1, 1, size=(steps + 400, count))
    read = readout.fit(x[:steps], x[steps:])
    got = read.explained(y[:steps], y[steps:])
    assert got.in_sample.mean() == pytest.approx(8 / steps, rel=0.05)
    assert np.mean(got.in_sample > read.threshold) < 1e-3
    assert read.threshold == pytest.approx(readout.stats.chi2.isf(1e-4, 8) / steps)
    middle = np.quantile(got.in_sample, 0.99)
    assert middle == pytest.approx(readout.stats.chi2.ppf(0.99, 8) / steps, rel=0.05)
    shuffled = read.shuffled_threshold(y[:steps, 0], 0)
    assert np.mean(got.in_sample > shuffled) < 0.05
    assert np.quantile(got.in_sample, 0.95) < shuffled < 2 * read.threshold


def test_a_state_that_never_changes_has_no_memory():
    u = RANDOM.uniform(-1, 1, 5000)
    row = measured(np.ones((5000, 3)), u)
    assert (row["capacity_state"], row["rank_state"], row["depth_state"]) == (0, 0, 0)
    assert row["threshold_state"] == 1


def kept(x, u):
    return Kept(u[:, None].astype(np.float32), x, x)


def measured(x, u, delays=60, steps=3000):
    given = {"washout": 100, "steps": steps, "delays": delays, "ridge": 0.0}
    return linear.measure(kept(x, u), 0, **given)


def shifted(u, delay):
    return np.concatenate([np.zeros(delay), u[: len(u) - delay]])


def test_a_shift_register_remembers_as_many_steps_as_it_has_places():
    u = RANDOM.uniform(-1, 1, 5000)
    x = np.stack([shifted(u, k) for k in range(20)], axis=1)
    mixed = x @ np.linalg.qr(RANDOM.normal(size=(20, 20)))[0]
    for states in (x, mixed):
        row = measured(states, u)
        assert row["capacity_state"] == pytest.approx(20, abs=0.01)
        assert row["shuffled_state"] == pytest.approx(20, abs=0.01)
        assert row["depth_state"] == 20
        np.testing.assert_allclose(row["r2_state"][:20], 1, atol=1e-6)
    # The floor, handled twice: in sample too much, and held out too little.
    assert row["in_sample_state"] == pytest.approx(20 + 41 * 20 / 3000, abs=0.15)
    assert row["all_delays_state"] == pytest.approx(20 - 41 * 20 / 3000, abs=0.4)


def test_noise_beside_an_input_leaves_what_it_should():
    """y = u(t - 3) + noise of a third of its variance: R^2 = 3/4, of one delay."""
    u = RANDOM.uniform(-1, 1, 9000)
    y = shifted(u, 3) + RANDOM.uniform(-1, 1, 9000) / 3**0.5
    row = measured(y[:, None], u, delays=5, steps=6000)
    assert row["capacity_state"] == pytest.approx(0.75, abs=0.03)
    assert np.argmax(row["r2_state"]) == 3
    other = measured(RANDOM.normal(size=(9000, 5)), u, steps=6000)
    assert other["capacity_state"] == 0
    assert other["shuffled_state"] == pytest.approx(0, abs=0.02)


def test_several_inputs_add_up():
    u = RANDOM.uniform(-1, 1, size=(4000, 2))
    x = np.c_[u, shifted(u[:, 0], 1)]
    given = {"washout": 100, "steps": 2000, "delays": 10, "ridge": 0.0}
    row = linear.measure(Kept(u, x, x), 0, **given)
    assert row["capacity_state"] == pytest.approx(3, abs=0.01)
    np.testing.assert_allclose(row["r2_state"][:3], [1, 0.5, 0], atol=0.02)


def test_delayed_inputs_are_those_of_the_example():
    u = np.arange(5, 10)
    np.testing.assert_array_equal(
        linear.delayed(u, 3, 2, (0, 1, 2)), [[8, 7, 6], [9, 8, 7]]
    )
    np.testing.assert_array_equal(linear.delayed(u, 3, 2, (2, 3)), [[6, 5], [7, 6]])
