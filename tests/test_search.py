"""The search, against functions whose best is known."""

import math

import numpy as np
import pytest

from rnnjax.capacity import search
from rnnjax.capacity.search import Plan, Range

SPACE = {
    "learning_rate": Range(1e-4, 1.0),
    "decay": Range(0.0, 2.0, log=False),
    "samples": Range(50, 800),
}
PLAN = Plan(trials=32, rungs=3, factor=4, updates=1600, draws=(0, 1, 2), judges=2)


def follow(asked, judge):
    """All that a search asks, a list a round, with `judge` of a trial as its score."""
    rounds = [next(asked)]
    while True:
        try:
            rounds.append(asked.send([judge(trial) for trial in rounds[-1]]))
        except StopIteration:
            return rounds


def peak(trial):
    """Best at a learning rate of 0.01 and 300 samples."""
    rate, samples = trial.settings["learning_rate"], trial.settings["samples"]
    return -abs(math.log10(rate) + 2) - abs(math.log(samples / 300))


def test_settings_fill_their_ranges_evenly():
    trials = follow(search.search(SPACE, ("adam", "sgd"), PLAN), peak)[0]
    assert len(trials) == 32
    shares = np.asarray(
        [
            [
                math.log10(t.settings["learning_rate"]) / 4 + 1,
                t.settings["decay"] / 2,
                math.log(t.settings["samples"] / 50, 16),
            ]
            for t in trials
        ]
    )
    assert (shares >= -0.01).all() and (shares <= 1.01).all()
    counts = np.stack([np.histogram(column, 8, (0, 1))[0] for column in shares.T])
    assert counts.min() >= 3 and counts.max() <= 5
    assert [sum(t.optimizer == name for t in trials) for name in ("adam", "sgd")] == [
        16,
        16,
    ]


def test_rounds_halve_and_lengthen():
    rounds = follow(search.search(SPACE, ("adam",), PLAN), peak)
    assert [(len(r), r[0].updates) for r in rounds[:3]] == [
        (32, 100),
        (8, 400),
        (2, 1600),
    ]
    best = sorted(rounds[0], key=lambda t: -peak(t))
    assert [t.number for t in rounds[1]] == [t.number for t in best[:8]]
    assert [t.settings for t in rounds[2]] == [t.settings for t in best[:2]]
    seeds = [t.seed for r in rounds[:3] for t in r]
    assert len(set(seeds)) == len(seeds)


def test_the_number_of_samples_is_bracketed_on_draws_of_its_own():
    rounds = follow(search.search(SPACE, ("adam",), PLAN), peak)
    judged = [t for r in rounds[3:-1] for t in r]
    assert {t.stage for t in judged} == {"bracket"} and {t.updates for t in judged} == {
        1600
    }
    by = {t.step: t for t in judged}
    best = max(by, key=lambda k: peak(by[k]))
    assert {best - 1, best + 1} <= by.keys()
    for k in by:
        assert by[k].settings["samples"] == round(by[0].settings["samples"] * 1.25**k)
        assert sum(t.step == k for t in judged) == 2
    assert (
        abs(math.log(by[best].settings["samples"] / 300)) <= math.log(1.25) / 2 + 0.01
    )
    assert [(t.stage, t.seed, t.step) for t in rounds[-1]] == [
        ("draws", seed, best) for seed in (0, 1, 2)
    ]
    assert all(t.settings == by[best].settings for t in rounds[-1])
    assert not {t.seed for t in rounds[-1]} & {t.seed for r in rounds[:-1] for t in r}


def test_a_bracket_ends_at_its_moves_and_its_limits():
    more = lambda trial: trial.settings["samples"]  # noqa: E731
    moved = Plan(trials=1, rungs=1, factor=2, updates=1, draws=(0,), judges=1, moves=2)
    steps = [
        t.step
        for r in follow(search.search(SPACE, ("adam",), moved), more)[1:]
        for t in r
    ]
    assert steps == [-1, 0, 1, 2, 3, 3]
    start = follow(search.search(SPACE, ("adam",), moved), more)[0][0].settings[
        "samples"
    ]
    rounds = follow(search.search(SPACE, ("adam",), moved, round(start * 1.25)), more)
    assert [t.step for r in rounds[1:] for t in r] == [-1, 0, 1, 1]


def test_finalists_are_compared_in_the_mean():
    """The best of the last round in a single lucky training does not win."""
    plan = Plan(
        trials=4, rungs=1, factor=2, updates=10, draws=(0, 1, 2), finalists=2, judges=4
    )

    def judge(trial):
        lucky = trial.stage == "rung0" and trial.number == 3
        return 10.0 if lucky else -float(trial.number)

    rounds = follow(search.search(SPACE, ("adam",), plan), judge)
    assert [(t.stage, t.number) for t in rounds[1]] == [("finals", 3)] * 4 + [
        ("finals", 0)
    ] * 4
    assert (
        len({t.seed for t in rounds[1]} | {t.seed for t in rounds[0]} | {0, 1, 2})
        == 4 + 4 + 3
    )
    assert {t.settings["decay"] for t in rounds[-1]} == {rounds[0][0].settings["decay"]}


def test_without_samples_the_best_setting_is_drawn_once_each():
    space = {name: SPACE[name] for name in ("learning_rate", "decay")}
    rounds = follow(
        search.search(space, ("adam",), PLAN),
        lambda t: -abs(math.log10(t.settings["learning_rate"]) + 2),
    )
    assert len(rounds) == 4
    assert [t.seed for t in rounds[-1]] == [0, 1, 2] and {
        t.number for t in rounds[-1]
    } == {
        rounds[2][0].number,
        rounds[2][1].number,
    } & {rounds[-1][0].number}


def test_diverged_trials_come_last():
    rounds = follow(
        search.search(SPACE, ("adam",), PLAN),
        lambda t: None if t.number % 2 else peak(t),
    )
    assert all(t.number % 2 == 0 for t in rounds[1])
    assert [
        len(r) for r in follow(search.search(SPACE, ("adam",), PLAN), lambda t: None)
    ] == [32, 8, 2, 6, 3]


@pytest.mark.parametrize(
    "where, expected",
    [
        (Range(1, 100), 10),
        (Range(1, 100, log=False), 50.5),
        (Range(0, 0), 0),
        (Range(3, 3), 3),
    ],
)
def test_ranges(where, expected):
    assert where.at(0.5) == pytest.approx(expected)
    assert (where.at(0), where.at(1)) == (where.low, pytest.approx(where.high))
