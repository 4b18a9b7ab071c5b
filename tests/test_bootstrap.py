"""Bootstrap intervals, tests and curves over trials against enumeration."""

import itertools

import numpy as np
import pytest
from scipy import stats

from rnnjax.results import bootstrap
from rnnjax.results.bootstrap import Estimate


def mean(x):
    return x.mean(1)


def difference(x, y):
    return x.mean(1) - y.mean(1)


def coverage(draw, statistic, truth, times=500):
    generator, count = np.random.default_rng(0), 0
    for _ in range(times):
        found = bootstrap.interval(draw(generator), statistic)
        count += found.low <= truth <= found.high
    return count / times


@pytest.mark.parametrize("n,lowest,highest", [(5, 0.90, 0.945), (10, 0.92, 0.965)])
def test_interval_covers_the_mean_of_few_normal_values(n, lowest, highest):
    """Plain percentiles cover 84 % with 5 values and 90 % with 10."""
    covered = coverage(lambda g: [g.normal(3.0, 2.0, n)], mean, 3.0)
    assert lowest <= covered <= highest


def test_interval_covers_the_difference_of_means_of_different_spread():
    covered = coverage(lambda g: [g.normal(1, 1, 5), g.normal(0, 2, 10)], difference, 1)
    assert 0.925 <= covered <= 0.975


def test_limits_are_quantiles_of_all_resamples():
    """At 50 %, 3 values have tails of Phi(-sqrt(3/2) 0.8165) = 0.1587."""
    values = [0.0, 1.0, 5.0]
    means = sorted(np.mean(drawn) for drawn in itertools.product(values, repeat=3))
    low, high = means[int(0.1587 * 27)], means[-1 - int(0.1587 * 27)]
    found = bootstrap.interval([values], mean, confidence=0.5, resamples=20_000)
    assert (found.value, found.low, found.high) == pytest.approx((2.0, low, high))


@pytest.mark.parametrize("n,m,sd", [(5, 20, 1.0), (6, 6, 5.0), (8, 8, 1.0)])
def test_two_strata_have_the_degrees_of_freedom_of_welch(n, m, sd):
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=n), sd * generator.normal(size=m)
    found = bootstrap.interval([x, y], difference, resamples=100_000)
    df = stats.ttest_ind(x, y, equal_var=False).df
    variance = x.var(ddof=1) / n + y.var(ddof=1) / m
    scale = np.sqrt(variance / (x.var() / n + y.var() / m))
    expected = stats.norm.cdf(-scale * stats.t.ppf(0.975, df))
    drawn = generator.choice(x, (100_000, n)).mean(1)
    drawn -= generator.choice(y, (100_000, m)).mean(1)
    tails = (drawn < found.low).mean(), (drawn > found.high).mean()
    assert tails == pytest.approx((expected, expected), rel=0.12)


def test_pairs_are_columns_and_intervals_repeat():
    x, y = np.random.default_rng(2).normal(size=(2, 8))
    pairs = np.stack([x, x + 0.1 * y], axis=1)
    found = bootstrap.interval([pairs], lambda p: (p[..., 0] - p[..., 1]).mean(1))
    of_differences = bootstrap.interval([-0.1 * y], mean)
    assert [found.low, found.high] == pytest.approx(
        [of_differences.low, of_differences.high]
    )
    assert bootstrap.interval([-0.1 * y], mean) == of_differences


def test_one_seed_has_no_interval():
    values = [[1.0, 2.0, 3.0], [0.5]]
    assert bootstrap.interval(values, difference) == Estimate(1.5, None, None)
    assert bootstrap.p_value(values, difference) is None


def test_equal_and_infinite_values_have_limits():
    assert bootstrap.interval([[2.0] * 5], mean) == Estimate(2.0, 2.0, 2.0)
    found = bootstrap.interval([[1, 2, 3, np.inf, np.inf]], lambda x: np.median(x, 1))
    assert found == Estimate(3.0, 1.0, np.inf)


@pytest.mark.parametrize(
    "strata,statistic,message",
    [
        ([], mean, "no values"),
        ([[1.0], []], difference, "no values"),
        ([[1.0, np.nan]], mean, "NaN"),
        ([[1.0, 2.0]], lambda x: x.mean(), "shape"),
    ],
)
def test_what_has_no_statistic_is_refused(strata, statistic, message):
    for function in (bootstrap.interval, bootstrap.p_value):
        with pytest.raises(ValueError, match=message):
            function(strata, statistic)


@pytest.mark.parametrize("null", [-0.2, 0.3, 0.8, 1.2])
def test_p_value_is_the_smallest_alpha_whose_interval_excludes_the_null(null):
    x = np.random.default_rng(3).normal(0.5, 1.0, 10)
    p = bootstrap.p_value([x], mean, null)

    def excluded(alpha):
        found = bootstrap.interval([x], mean, confidence=1 - alpha)
        return not found.low <= null <= found.high

    assert excluded(p + 1e-6) and not excluded(p - 1e-6)


def test_p_value_has_a_least_value_and_a_largest():
    x = [[1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10]]
    assert bootstrap.p_value(x, mean) == pytest.approx(0.0123, abs=1e-4)
    least = bootstrap.p_value(x, mean, resamples=10_000)
    assert least == pytest.approx(0.0064, abs=1e-4)
    assert bootstrap.p_value(x, mean, 5.5) > 0.9
    assert bootstrap.p_value(x, mean, 5.5, resamples=10_000) > 0.9
    assert bootstrap.p_value([[1.0] * 4], mean, 1.0) == 1


def test_holms_p_values():
    """Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, never falling."""
    adjusted = bootstrap.holm([0.04, 0.01, 0.03, 0.02])
    assert adjusted == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert bootstrap.holm([0.3, 0.9, 0.8]) == pytest.approx([0.9, 1.0, 1.0])


def test_equivalence_needs_the_whole_interval_inside_the_margin():
    assert bootstrap.equivalent(Estimate(0.0, -0.9, 0.9), 1.0)
    assert not bootstrap.equivalent(Estimate(0.0, -1.1, 0.9), 1.0)
    assert not bootstrap.equivalent(Estimate(0.0, -0.9, 1.1), 1.0)
    assert not bootstrap.equivalent(Estimate(0.0, None, None), 1.0)


def test_probability_of_improvement_counts_pairs():
    x = [[3, 1, 2], [0.5, 0.5, 0.1]]
    y = [[1, 2], [0.5, 0.2, 0.2, 0.9]]
    tasks = []
    for a, b in zip(x, y):
        pairs = [(u > v) + 0.5 * (u == v) for u in a for v in b]
        tasks.append(sum(pairs) / len(pairs))
    found = bootstrap.probability_of_improvement(x, y)
    assert found.value == pytest.approx(np.mean(tasks))
    assert 0 <= found.low < found.value < found.high <= 1
    swapped = bootstrap.probability_of_improvement(y, x)
    assert swapped.value == pytest.approx(1 - found.value)
    certain = bootstrap.probability_of_improvement([[2, 3]], [[0, 1]])
    assert certain == Estimate(1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="2 tasks of X, but 1 of Y"):
        bootstrap.probability_of_improvement(x, y[:1])


def enumerated(validation, test, k):
    """The mean test score of the best over all subsets of k trials."""
    values = []
    for subset in itertools.combinations(range(len(validation)), k):
        top = max(validation[i] for i in subset)
        values.append(np.mean([test[i] for i in subset if validation[i] == top]))
    return np.mean(values)


@pytest.mark.parametrize(
    "validation,test",
    [
        ([0.3, 0.9, 0.1, 0.5, 0.7], [0.2, 0.8, 0.4, 0.9, 0.6]),
        ([0.5, 0.5, 0.1, 0.5, 0.1, 0.7], [1.0, 3.0, 4.0, 8.0, 0.0, 2.0]),
        ([0.5, -np.inf, 0.1, -np.inf], [1.0, -5.0, 4.0, 0.0]),
        ([0.5, -np.inf, 0.1, -np.inf], [1.0, -np.inf, 4.0, -np.inf]),
        ([0.5], [2.0]),
    ],
)
def test_expected_best_is_the_mean_over_all_subsets(validation, test):
    curve = bootstrap.expected_best(validation, test)
    counts = range(1, len(test) + 1)
    assert curve == pytest.approx([enumerated(validation, test, k) for k in counts])


def test_expected_best_of_many_trials_is_finite():
    scores = np.random.default_rng(4).normal(size=1100)
    curve = bootstrap.expected_best(scores, scores)
    assert (curve[0], curve[-1]) == pytest.approx((scores.mean(), scores.max()))
    assert (np.diff(curve) > -1e-12).all()


@pytest.mark.parametrize("test", [[], [1.0], [1.0, np.nan]])
def test_expected_best_needs_a_score_of_each_trial(test):
    with pytest.raises(ValueError, match="without NaN"):
        bootstrap.expected_best([1.0, 2.0] if test else [], test)


def test_performance_profile_of_two_methods():
    """Best times are 10, 4, 0 and none."""
    times = [[10, 12, 0, np.inf], [np.inf, 4, 1, np.inf]]
    profile = bootstrap.performance_profile(times, [1, 3, 100])
    assert profile.tolist() == [[0.5, 0.75, 0.75], [0.25, 0.25, 0.25]]


@pytest.mark.parametrize(
    "times,factors", [([[1, np.nan]], [1]), ([[1, -1]], [1]), ([[]], [1]), ([[1]], [0])]
)
def test_performance_profile_refuses_what_is_no_time_and_no_factor(times, factors):
    with pytest.raises(ValueError):
        bootstrap.performance_profile(times, factors)


def test_times_beyond_the_horizon_count_as_the_horizon():
    assert bootstrap.restricted_mean([10, None, np.inf, 300, 50], 100) == 72
    with pytest.raises(ValueError, match="no times"):
        bootstrap.restricted_mean([], 100)


def test_a_mean_of_few_seeds_has_the_interval_of_student():
    x, y = np.array([1.0, 2.0, 4.0]), np.array([0.0, 3.0])
    (low, high), value = stats.t.interval(0.95, 2, x.mean(), stats.sem(x)), x.mean()
    found = bootstrap.mean([x])
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high))
    test = stats.ttest_ind(x, -y, equal_var=False).confidence_interval(0.9)
    both = bootstrap.mean([x, y], 0.9)
    assert (2 * both.low, 2 * both.high) == pytest.approx((test.low, test.high))
    many = np.arange(12.0)
    expected = bootstrap.interval([many], lambda x: x.mean(1))
    assert bootstrap.mean([many]) == expected
