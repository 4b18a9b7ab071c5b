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


def test_few_numbers_have_no_spread():
    assert statistics.mean([]) == statistics.Mean(0, None, None, None, None)
    assert statistics.mean([2.0, None]) == statistics.Mean(1, 2.0, None, None, None)


def test_censored_times_are_never_averaged_as_known():
    t = statistics.censored([10, 20, None, None, None], horizon=100)
    assert (t.n, t.fraction, t.median) == (5, 0.4, None)
    assert t.restricted.mean == (10 + 20 + 300) / 5
    t = statistics.censored([10, 20, 30, None], horizon=100)
    assert (t.fraction, t.median) == (0.75, 25.0)


def test_the_interval_of_censored_times_ends_at_0_and_at_the_horizon():
    t = statistics.censored([1, None], horizon=100)
    assert (t.restricted.low, t.restricted.high) == (0.0, 100.0)


def test_no_time_known_and_no_time_at_all():
    assert statistics.censored([None, None], horizon=9).median is None
    assert statistics.censored([], horizon=9).fraction is None


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
