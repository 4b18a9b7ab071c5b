"""Recall of sparse inputs: the linear program, and columns whose length is known."""

import itertools

import numpy as np
import pytest

from rnnjax.short_term_memory import sparse, summary
from rnnjax.short_term_memory.readout import Kept

RANDOM = np.random.default_rng(2)


def test_the_least_sum_of_sizes_is_that_of_an_exhaustive_search():
    """A minimum of |a|_1 with A a = x is at a vertex: at most as many are not 0 as A
    has rows.
    """
    a, x = RANDOM.normal(size=(3, 7)), RANDOM.normal(size=3)
    found = sparse.recover(a, x)
    np.testing.assert_allclose(a @ found, x, atol=1e-7)
    sizes = [
        np.abs(np.linalg.solve(a[:, list(some)], x)).sum()
        for some in itertools.combinations(range(7), 3)
    ]
    assert np.abs(found).sum() == pytest.approx(min(sizes), rel=1e-7)


def measured(columns, sparsities, trials=20):
    longest = columns.shape[1]
    x = np.r_[np.zeros((5, len(columns))), columns.T]
    given = {"impulse": 5, "longest": longest, "trials": trials}
    return sparse.measure(Kept(x, x, x), 0, sparsities=sparsities, **given)


def test_a_shift_register_recovers_what_it_has_places_for():
    row = measured(np.eye(16, 40), (1, 4, 16))
    assert row["length_16"] == 16  # whatever there is within its places
    assert row["length_1"] in (16, 17)  # of 17 steps one is lost, in 1 trial of 17
    assert row["recovered_4"][-1] < 0.9


def test_a_rotation_recovers_sequences_longer_than_its_state():
    """By distinct angles; of fewer inputs longer sequences are recovered."""
    angles = RANDOM.uniform(0, np.pi, 10)
    steps = np.arange(120)
    turns = np.outer(angles, steps)
    row = measured(np.r_[np.cos(turns), np.sin(turns)], (1, 3, 8), trials=10)
    assert row["length_1"] == row["longest"] == 120
    assert 20 < row["length_3"] <= 120
    assert row["length_8"] < row["length_3"]
    tried, recovered = row["lengths_8"], row["recovered_8"]
    assert len(tried) == len(recovered) and recovered[-1] < 0.9
    assert tried[recovered.index(recovered[-1]) - 1] == row["length_8"]


def test_lengths_end_with_the_longest():
    assert sparse.lengths(4, 20) == [4, 5, 6, 7, 8, 10, 11, 13, 16, 19, 20]
    assert sparse.lengths(7, 7) == [7]


def test_a_length_that_may_be_longer_is_a_lower_bound():
    rows = [{"length_2": n, "longest": 40} for n in (10, 40, 40, 20, 40)]
    found = summary.lengths(rows, 2)
    assert (found.median, found.low) == (np.inf, 10)
    assert summary.lengths(rows[:1] + rows[3:4], 2).median == 15


def test_a_growing_response_is_recovered_whatever_the_longest_sequence():
    """Of one unit that doubles its state, and of a rotation that does so."""
    turns = np.outer(RANDOM.uniform(0, np.pi, 4), np.arange(64))
    columns = np.r_[np.cos(turns), np.sin(turns)] * 2.0 ** np.arange(64)
    short, long = (measured(columns[:, :n], (1,)) for n in (16, 64))
    assert short["length_1"] > 8 and long["length_1"] > 8
    assert short["recovered_1"][:8] == long["recovered_1"][:8]


def test_a_state_that_does_not_respond_has_no_length():
    row = measured(np.zeros((4, 8)), (1, 2))
    assert row["status"] == "unresponsive"
    assert row["length_1"] is row["recovered_2"] is None
    assert summary.lengths([row | {"longest": 8}], 1).median is None
