"""What is said of rows of optimization: made-up rows with known answers."""

import math

import numpy as np
import pytest

from rnnjax.optimization import comparisons, summary, tables
from rnnjax.optimization.comparisons import CONTRADICTED, SUPPORTED, UNDECIDED

ROW = {
    "benchmark": "optimization",
    "study": "optimizers",
    "protocol": "fair",
    "task": "rows",
    "length": None,
    "cell": "lstm",
    "activation": "tanh",
    "initializer": "own",
    "hidden_size": 8,
    "optimizer": "adam",
    "trial": 0,
    "searched": True,
    "search": "rates",
    "until_solved": False,
    "learning_rate": 0.1,
    "seed": 0,
    "status": "trained",
    "updates": 30,
    "batch": 10,
    "curve_updates": [10, 20, 30],
    "curve_gradients": [10, 20, 30],
    "validation_accuracy": [0.1, 0.5, 0.9],
    "solved_update": None,
    "solved_accuracy": 0.95,
    "accuracy": 0.8,
}


def row(validation=0.9, **values):
    return ROW | {"validation_accuracy": [0.1, 0.5, validation]} | values


def test_a_trial_is_chosen_by_its_validation_and_scored_by_its_test():
    lanes = [
        row(0.7, trial=1, accuracy=0.99),
        row(0.9, trial=2, accuracy=0.6),
        row(0.95, trial=3, accuracy=0.5, searched=False),
        row(None, trial=4, accuracy=None, status="diverged"),
        row(0.8, seed=1, trial=1, accuracy=0.7, solved_update=30),
        row(0.8, seed=1, trial=2, accuracy=0.9, solved_update=20),
    ]
    assert [(r["seed"], r["trial"]) for r in summary.chosen(lanes)] == [
        (0, 2),
        (1, 2),
    ]
    assert summary.default([*lanes, row(trial=0)]) == [row(trial=0)]
    assert summary.median_trial(lanes) == [0.6, pytest.approx(0.8)]
    assert summary.score(lanes[3]) == 0.0 and summary.validation(lanes[3]) == -math.inf
    assert summary.diverged(lanes) == pytest.approx(1 / 6)
    first = [row(v, trial=k, accuracy=a) for k, v, a in [(1, 0.2, 0.3), (2, 0.4, 0.9)]]
    np.testing.assert_allclose(summary.budget(first), [[0.6, 0.9]])


def test_of_trainings_that_end_when_solved_the_fastest_is_chosen():
    """How far above the level they end is chance."""
    late = row(0.99, trial=1, until_solved=True, solved_update=30)
    soon = row(0.97, trial=2, until_solved=True, solved_update=10)
    assert summary.chosen([late, soon]) == [soon]
    through = [one | {"until_solved": False} for one in (late, soon)]
    assert summary.chosen(through) == through[:1]


def test_a_training_that_ended_early_has_its_last_validation():
    early = ROW | {"validation_accuracy": [0.2, 0.96, None], "solved_update": 20}
    assert summary.validation(early) == 0.96
    assert summary.samples(early | {"curve_gradients": [15, 70, 70]}) == 700
    assert summary.samples(ROW) == math.inf
    assert summary.solved([early, ROW]).mean == 0.5
    assert summary.solved_update([early, ROW, ROW]).median.median == math.inf


def runs(means, seeds=10, spread=0.01, tasks=("rows", "copy"), **values):
    """Rows of optimizers with these mean accuracies."""
    random = np.random.default_rng(0)
    return [
        row(task=task, optimizer=name, seed=seed, accuracy=mean + error, **values)
        for task in tasks
        for name, mean in means.items()
        for seed, error in enumerate(random.normal(0, spread, seeds))
    ]


@pytest.mark.parametrize(
    ("means", "word", "closest"),
    [
        ({"adam": 0.9, "lion": 0.8, "sgd": 0.85}, SUPPORTED, "sgd"),
        ({"adam": 0.8, "lion": 0.9, "sgd": 0.5}, CONTRADICTED, "lion"),
        ({"adam": 0.9, "lion": 0.9, "sgd": 0.5}, UNDECIDED, "lion"),
        ({"adam": 0.9, "lion": 0.901}, UNDECIDED, "lion"),
    ],
)
def test_whether_an_optimizer_is_best(means, word, closest):
    found = comparisons.scores(runs(means), "optimizer", comparisons.at_defaults)
    verdict = comparisons.best(found, "adam")
    assert (verdict.word, verdict.closest.other) == (word, closest)
    expected = means["adam"] - means[closest]
    assert verdict.closest.difference.value == pytest.approx(expected, abs=0.01)
    made = tables.tables(runs(means))
    assert {len(t.columns) - len(line) for t in made for line in t.lines} == {0}
    (text,) = [table for table in made if table.title == "is adam best?"]
    assert {line[-1] for line in text.lines} == {word}
    assert comparisons.best(found, "muon") is None


def test_the_verdict_errs_as_often_as_it_says():
    """Equal optimizers: at most one in 20 runs says that one of three is better."""
    wrong = 0
    for run in range(200):
        scores = np.random.default_rng(run).normal(0.9, 0.01, (4, 1, 10))
        found = dict(zip(["adam", "a", "b", "c"], map(list, scores)))
        wrong += comparisons.best(found, "adam").word != UNDECIDED
    assert wrong / 200 < 0.09


def test_a_method_without_a_seed_is_not_compared():
    rows = runs({"adam": 0.9, "lion": 0.8})[:-1]
    assert list(comparisons.scores(rows, "optimizer", comparisons.at_defaults)) == [
        "adam"
    ]


@pytest.mark.parametrize("left", [{"trial": 3, "searched": False}, {"trial": 2}])
def test_rows_of_a_run_that_is_not_whole_have_tables(left):
    """Nothing that was searched, or no defaults, of one of the methods."""
    rows = [*runs({"adam": 0.9, "lion": 0.8}), row(optimizer="muon", **left)]
    main, *_ = tables.tables(rows)
    assert "" in main.lines[-1][1:4]
    assert len(summary.summary(rows)) == 5


def test_pairs_of_seeds_are_compared():
    """Seeds differ a lot, the optimizers by 0.01 on each of them."""
    rows = [
        row(optimizer=name, seed=seed, accuracy=0.5 + 0.04 * seed + gain)
        for name, gain in (("adam", 0.01), ("lion", 0.0))
        for seed in range(10)
    ]
    found = comparisons.scores(rows, "optimizer", comparisons.at_defaults)
    gain = comparisons.difference(found["adam"], found["lion"])
    assert gain.low == pytest.approx(0.01) and gain.high == pytest.approx(0.01)


def test_interaction_of_initializer_and_nonlinearity():
    gains = {("he_normal", "relu"): 0.2, ("he_normal", "tanh"): 0.05}
    rows = [
        row(
            cell=f"rnn_{function}",
            activation=function,
            initializer=start,
            seed=seed,
            accuracy=0.5 + 0.01 * seed + gains.get((start, function), 0.0),
        )
        for start in ("he_normal", "glorot_normal", "identity")
        for function in ("relu", "tanh")
        for seed in range(5)
    ]
    (name, found), *none = comparisons.interaction(
        rows, comparisons.at_defaults
    ).items()
    assert name == "rows, rnn" and not none
    for estimate, expected in (
        (found.relu, 0.2),
        (found.tanh, 0.05),
        (found.interaction, 0.15),
    ):
        assert (estimate.low, estimate.value) == pytest.approx((expected, expected))
    assert comparisons.interaction(rows[:5], comparisons.at_defaults) == {}
    wide = [one | {"hidden_size": 99, "accuracy": 0.1} for one in rows]
    by_size = comparisons.interaction([*rows, *wide], comparisons.at_defaults)
    assert list(by_size) == ["rows, rnn, 8", "rows, rnn, 99"]
    assert by_size["rows, rnn, 8"] == found


def test_stages_of_optimizers_that_follow_one_another():
    lane = ROW | {
        "optimizer": "adagrad+adam",
        "validation_accuracy": [0.1, 0.2, 0.3, 0.4],
    }
    assert summary.stages(lane) == [("adagrad", 0.2), ("adam", 0.4)]
    assert summary.budgets(5) == [1, 2, 4, 5] and summary.budgets(64)[-1] == 64


def test_titles_name_what_differs():
    rows = [row(cell=c, optimizer=o) for c in ("gru", "lstm") for o in ("adam", "lion")]
    assert summary.title(rows[0], rows) == "gru, adam"
    assert summary.title(rows[0], rows[:2]) == "adam"
    assert summary.title(rows[0], rows[::2]) == "gru"
    relu = row(cell="rnn_relu", activation="relu", initializer="he_normal")
    assert summary.title(relu, [relu, row(cell="rnn_tanh")]) == "rnn_relu, he_normal"
