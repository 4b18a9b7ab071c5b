"""The search, against functions whose best is known."""

import dataclasses
import math

import numpy as np
import pytest

from rnnjax.capacity import search
from rnnjax.capacity.search import Plan
from rnnjax.settings import Range

SPACE = {
    "learning_rate": Range(1e-4, 1.0),
    "decay": Range(0.0, 2.0, log=False),
    "samples": Range(50, 800),
}
PLAN = Plan(
    trials=32,
    rungs=3,
    factor=4,
    updates=1600,
    result_seeds=(0, 1, 2),
    selection_seeds=2,
)


def follow(
    score, space=SPACE, optimizers=("adam",), plan=PLAN, max_samples=None, index=0
):
    """All trials of a search, a list for each round; `score` gives that of a trial."""
    rounds = []

    def evaluate(trials):
        rounds.append(trials)
        return [score(trial) for trial in trials]

    result = search.search(space, optimizers, plan, evaluate, max_samples, index)
    assert result == rounds[-1]
    return rounds


def peak(trial):
    """Best at a learning rate of 0.01 and 300 samples."""
    values = trial.hyperparameters
    rate = abs(math.log10(values["learning_rate"]) + 2)
    return -rate - abs(math.log(values["samples"] / 300))


def test_hyperparameters_fill_their_ranges_evenly():
    trials = follow(peak, optimizers=("adam", "sgd"))[0]
    assert len(trials) == 32
    values = [trial.hyperparameters for trial in trials]
    fractions = np.asarray(
        [
            [
                math.log10(v["learning_rate"]) / 4 + 1,
                v["decay"] / 2,
                math.log(v["samples"] / 50, 16),
            ]
            for v in values
        ]
    )
    assert (fractions >= -0.01).all() and (fractions <= 1.01).all()
    counts = np.stack([np.histogram(column, 8, (0, 1))[0] for column in fractions.T])
    assert counts.min() >= 3 and counts.max() <= 5
    for name in ("adam", "sgd"):
        assert sum(trial.optimizer == name for trial in trials) == 16


def test_searches_share_neither_candidates_nor_seeds():
    """They fill the same ranges, in the same rounds; each repeats alone."""
    searches = [follow(peak, index=k) for k in (0, 1, search.MAX_SEARCHES - 1)]
    assert follow(peak, index=1) == searches[1]
    assert follow(peak) == searches[0]
    seeds = [{t.seed for r in rounds for t in r} for rounds in searches]
    assert not seeds[0] & seeds[1] and max(seeds[2]) < 2**31
    rates = [{t.hyperparameters["learning_rate"] for t in r[0]} for r in searches]
    assert len(set.union(*rates)) == 3 * 32
    for k, (rounds, found) in enumerate(zip(searches, rates, strict=True)):
        assert [len(r) for r in rounds[:3]] == [32, 8, 2]
        counts = np.histogram(np.log10(list(found)), 8, (-4, 0))[0]
        assert counts.tolist() == [4] * 8, k


def test_rounds_halve_and_lengthen():
    rounds = follow(peak)
    assert [(len(r), r[0].updates) for r in rounds[:3]] == [
        (32, 100),
        (8, 400),
        (2, 1600),
    ]
    best = sorted(rounds[0], key=lambda t: -peak(t))
    assert [t.number for t in rounds[1]] == [t.number for t in best[:8]]
    assert [t.hyperparameters for t in rounds[2]] == [
        t.hyperparameters for t in best[:2]
    ]
    seeds = [t.seed for r in rounds[:3] for t in r]
    assert len(set(seeds)) == len(seeds)


def test_the_number_of_samples_is_bracketed_on_seeds_of_its_own():
    rounds = follow(peak)
    bracket = [t for r in rounds[3:-1] for t in r]
    assert {t.stage for t in bracket} == {"bracket"}
    assert {t.updates for t in bracket} == {1600}
    by_move = {t.move: t for t in bracket}
    best = max(by_move, key=lambda k: peak(by_move[k]))
    assert {best - 1, best + 1} <= by_move.keys()
    samples = {k: t.hyperparameters["samples"] for k, t in by_move.items()}
    for k in by_move:
        assert samples[k] == round(samples[0] * 1.25**k)
        assert sum(t.move == k for t in bracket) == 2
    assert abs(math.log(samples[best] / 300)) <= math.log(1.25) / 2 + 0.01
    assert [(t.stage, t.seed, t.move) for t in rounds[-1]] == [
        ("draws", seed, best) for seed in (0, 1, 2)
    ]
    for trial in rounds[-1]:
        assert trial.hyperparameters == by_move[best].hyperparameters
    assert not {t.seed for t in rounds[-1]} & {t.seed for r in rounds[:-1] for t in r}


def test_a_bracket_ends_at_its_moves_and_its_limits():
    def samples(trial):
        return trial.hyperparameters["samples"]

    plan = Plan(
        trials=1,
        rungs=1,
        factor=2,
        updates=1,
        result_seeds=(0,),
        selection_seeds=1,
        max_moves=2,
    )
    rounds = follow(samples, plan=plan)
    assert [t.move for r in rounds[1:] for t in r] == [-1, 0, 1, 2, 3, 3]
    fixed = follow(samples, plan=dataclasses.replace(plan, max_moves=0))
    assert [t.stage for r in fixed for t in r] == ["rung0", "draws"]
    limit = round(samples(rounds[0][0]) * 1.25)
    rounds = follow(samples, plan=plan, max_samples=limit)
    assert [t.move for r in rounds[1:] for t in r] == [-1, 0, 1, 1]


def test_finalists_are_compared_in_the_mean():
    """The best of the last round in a single lucky training does not win."""
    plan = Plan(
        trials=4,
        rungs=1,
        factor=2,
        updates=10,
        result_seeds=(0, 1, 2),
        finalists=2,
        selection_seeds=4,
    )

    def score(trial):
        lucky = trial.stage == "rung0" and trial.number == 3
        return 10.0 if lucky else -float(trial.number)

    rounds = follow(score, plan=plan)
    assert [(t.stage, t.number) for t in rounds[1]] == [("finals", 3)] * 4 + [
        ("finals", 0)
    ] * 4
    seeds = {t.seed for t in rounds[1]} | {t.seed for t in rounds[0]} | {0, 1, 2}
    assert len(seeds) == 4 + 4 + 3
    decays = {t.hyperparameters["decay"] for t in rounds[-1]}
    assert decays == {rounds[0][0].hyperparameters["decay"]}


def test_without_samples_the_best_candidate_is_trained_once_on_each_seed():
    space = {name: SPACE[name] for name in ("learning_rate", "decay")}

    def score(trial):
        return -abs(math.log10(trial.hyperparameters["learning_rate"]) + 2)

    rounds = follow(score, space=space)
    assert len(rounds) == 4
    best = max(rounds[2], key=score)
    assert [(t.number, t.seed) for t in rounds[-1]] == [
        (best.number, seed) for seed in (0, 1, 2)
    ]


def test_diverged_trials_come_last():
    rounds = follow(lambda t: None if t.number % 2 else peak(t))
    assert all(t.number % 2 == 0 for t in rounds[1])
    assert [len(r) for r in follow(lambda t: None)] == [32, 8, 2, 6, 3]


def test_the_example_of_the_docstring():
    plan = Plan(
        trials=8, rungs=2, factor=4, updates=400, result_seeds=(0, 1), finalists=2
    )
    rounds = follow(lambda t: -float(t.number) - abs(t.move), plan=plan)
    assert [(r[0].stage, len(r), r[0].updates, r[0].seed) for r in rounds] == [
        ("rung0", 8, 100, 1_000_000),
        ("rung1", 2, 400, 2_000_000),
        ("finals", 6, 400, 3_000_000),
        ("bracket", 9, 400, 4_000_000),
        ("draws", 2, 400, 0),
    ]


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
