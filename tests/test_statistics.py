"""Intervals and censored times against closed forms."""

import numpy as np
import pytest

from rnnjax.results import statistics


def test_interval_covers_the_mean_95_times_in_100():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        m = statistics.mean(generator.normal(3.0, 2.0, size=10))
        covered += m.low <= 3.0 <= m.high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_interval_of_ten_numbers():
    m = statistics.mean(range(10))
    assert (m.mean, m.n) == (4.5, 10)
    assert m.sd == pytest.approx(3.02765, abs=1e-5)
    assert m.high - m.mean == pytest.approx(2.262157 * 3.02765 / np.sqrt(10), abs=1e-5)


def test_an_interval_ends_where_the_values_can_be():
    m = statistics.mean([0.1, 0.9], statistics.FRACTIONS)
    assert (m.mean, m.low, m.high) == (0.5, 0.0, 1.0)
    m = statistics.mean([0.1, 0.9], statistics.NONNEGATIVE)
    assert m.low == 0.0 < 1.0 < m.high


def test_few_numbers_have_no_spread():
    assert statistics.mean([]) == statistics.Mean(0, None, None, None, None)
    assert statistics.mean([2.0, None]) == statistics.Mean(1, 2.0, None, None, None)


SKEWED = {
    "normal": (lambda g, n: g.normal(3.0, 2.0, n), 3.0),
    "exponential": (lambda g, n: g.exponential(1.0, n), np.log(2.0)),
    "lognormal": (lambda g, n: g.lognormal(0.0, 1.0, n), 1.0),
}


def covered(draw, truth, n=10, times=4000, horizon=np.inf):
    """How often the interval of n values covers the true median."""
    generator, count = np.random.default_rng(0), 0
    for _ in range(times):
        x = draw(generator, n)
        m = statistics.median(np.where(x > horizon, np.inf, x))
        # A limit at inf says that the median is beyond the horizon.
        count += min(m.low, horizon) <= truth <= m.high
    return count / times


@pytest.mark.parametrize("n", [5, 10, 64])
@pytest.mark.parametrize("name", SKEWED)
def test_interval_of_the_median_covers_95_times_in_100(name, n):
    assert 0.93 <= covered(*SKEWED[name], n) <= 0.97


@pytest.mark.parametrize("name", SKEWED)
@pytest.mark.parametrize("fraction", [0.1, 0.4])
def test_interval_of_the_median_covers_it_if_some_times_are_censored(name, fraction):
    draw, truth = SKEWED[name]
    horizon = np.quantile(draw(np.random.default_rng(1), 100_000), 1 - fraction)
    assert 0.93 <= covered(draw, truth, horizon=horizon) <= 0.97


@pytest.mark.parametrize("name", SKEWED)
@pytest.mark.parametrize("fraction", [0.6, 0.9])
def test_a_median_beyond_the_horizon_has_a_lower_bound(name, fraction):
    """A bound at the horizon is never wrong, so that more than 97 % are covered."""
    draw, truth = SKEWED[name]
    horizon = np.quantile(draw(np.random.default_rng(1), 100_000), 1 - fraction)
    assert covered(draw, truth, horizon=horizon) >= 0.95
    x = draw(np.random.default_rng(0), 10)
    assert statistics.median(np.where(x > horizon, np.inf, x)).high == np.inf


def test_interval_of_the_median_of_ten_numbers():
    """Between the 2nd and 3rd of 10: 97.85 % and 89.06 % are covered there.

    With part = (0.9785 - 0.95) / (0.9785 - 0.8906) = 0.3245, the weight of the third is
    8 part / (2 + 6 part) = 0.6577.
    """
    m = statistics.median([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    assert (m.n, m.median) == (10, 5.5)
    assert [m.low, m.high] == pytest.approx([2.6577, 8.3423], abs=1e-3)
    five = statistics.median([3, 1, 2, 5, 4])
    assert (five.low, five.high) == (1.0, 5.0)
    assert statistics.median([1, 2, 3, 4]) == statistics.Median(4, 2.5, None, None)
    assert statistics.median([]) == statistics.Median(0, None, None, None)


def test_equal_values_have_an_interval_of_their_resolution():
    m = statistics.median([7] * 10, resolution=1)
    assert (m.low, m.median, m.high) == (6.5, 7, 7.5)


def test_dead_lanes_count_in_a_median():
    m = statistics.median([-np.inf] * 4 + [-2.0, -1.0, -0.5, -0.4, -0.3, -0.2])
    assert (m.low, m.median) == (-np.inf, -1.5) and m.high < 0
    assert statistics.median([-np.inf] * 6 + [-1.0] * 4).median == -np.inf


def test_censored_times_count_as_longer_than_all_others():
    t = statistics.censored([10, 20, None, None, None])
    assert (t.n, t.fraction.mean, t.median.median) == (5, 0.4, np.inf)
    assert (t.median.low, t.median.high) == (9.5, np.inf)
    t = statistics.censored([10, 20, 30, None])
    assert (t.fraction.mean, t.median.median) == (0.75, 25.0)


def test_an_interval_of_times_is_not_empty_and_not_negative():
    t = statistics.censored([0] * 9 + [None])
    assert (t.median.low, t.median.median) == (0.0, 0.0) and t.median.high > 0
    none = statistics.censored([None] * 10)
    assert none.median.low == np.inf and none.fraction.high > 0.2


def test_no_time_at_all():
    t = statistics.censored([])
    assert (t.n, t.fraction.mean, t.median.median) == (0, None, None)


def test_wilsons_interval_of_a_fraction():
    """3 of 10: (p + z²/2n ± z sqrt(p q / n + z²/4n²)) / (1 + z²/n), with z = 1.96."""
    f = statistics.fraction(3, 10)
    assert (f.n, f.mean) == (10, 0.3)
    assert f.sd == pytest.approx(np.sqrt(0.3 * 0.7))
    z, p, n = 1.959964, 0.3, 10
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    ends = [(p + z**2 / (2 * n) + sign * half) / (1 + z**2 / n) for sign in (-1, 1)]
    assert [f.low, f.high] == pytest.approx(ends, abs=1e-6)
    assert statistics.fraction(0, 4).low == 0.0
    assert statistics.fraction(4, 4).high == 1.0
