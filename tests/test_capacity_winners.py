"""The commands of winners.txt, without training."""

import shlex

import pytest

from benchmarks import capacity
from benchmarks.common import flags, main
from benchmarks.common.benchmark import RunOptions
from rnnjax.capacity import options, search, study
from rnnjax.results import rows as rows_lib

RUNS = {
    "bits": "--cell=gru,rnn_tanh --budgets=60 --inputs=12 --optimizer=adam,sgd "
    "--searches=2 --learn_carry --recurrent_init=identity --seeds=2",
    "units": "--task=units --cell=gru --hidden_sizes=3 --size=4 --layers=1,2",
    "a data set": "--task=random_function --cell=gru --budgets=300 --samples=500",
    "a text": "--task=characters --cell=gru --budgets=2000 --text=embedded",
}


def configure(words):
    given = flags.parse(["capacity", *words], (), options.Options, RunOptions)
    return main.configure(capacity.BENCHMARK, given)


def follow(part):
    """The trials of each round of a search that prefers large candidates."""
    rounds = []

    def evaluate(trials):
        rounds.append(trials)
        return [float(trial.number) + 0.1 * trial.move for trial in trials]

    space, task = part.point.space, part.point.task
    limit = task.max_samples
    search.search(space, part.optimizers, part.plan, evaluate, limit, part.index)
    return rounds


def row(part, trial):
    """What a row has of a trial; numbers in the digits of rows."""
    names = {"trial": trial.number, "stage": trial.stage, "score": 0.0, "seed": 0}
    names |= {name: getattr(trial, name) for name in ("search", "move", "seed")}
    names |= {"status": "trained", "failed": False, "objective": "loss"}
    made = part.point.labels | names | trial.hyperparameters
    return rows_lib.rounded(made | {"hidden_size": 3})


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_command_makes_a_search_of_the_winner_alone(run, tmp_path, monkeypatch):
    monkeypatch.setattr(capacity.figures, "draw", lambda *_: None)
    config = configure(["--trials=8", *run.split()])
    parts = study.parts(config, 1)
    every = [follow(part) for part in parts]
    rows = [row(p, t) for p, rounds in zip(parts, every) for r in rounds for t in r]
    capacity.draw(config, rows, tmp_path)
    commands = (tmp_path / "winners.txt").read_text().splitlines()
    assert len(commands) == len(parts)
    chosen = {(p.point.id, p.index): rounds[-1] for p, rounds in zip(parts, every)}
    for command in commands:
        program, *words = shlex.split(command)[2:]
        assert program == "benchmarks.capacity"
        again = configure(words)
        (part,) = study.parts(again, 1)
        first, draws = follow(part)
        assert [trial.stage for trial in first] == ["rung0"]
        index = int(words[-1].rpartition("search")[2])
        expected = chosen.pop((part.point.id, index))
        assert again.settings["task_settings"] == config.settings["task_settings"]
        assert again.learn_carry == config.learn_carry
        for trial, one in zip(draws, expected, strict=True):
            assert trial.hyperparameters == one.hyperparameters
            assert (trial.optimizer, trial.updates) == (one.optimizer, one.updates)
            assert trial.seed == one.seed - index * search.SEEDS_PER_SEARCH
    assert not chosen
