"""The search for the best training: a Sobol start, successive halving, a bracket.

A search is a plain function that calls `evaluate(trials)` once a round. It holds no
state of its own, so the same scores lead to the same trials. Needs no JAX.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from scipy.stats import qmc

from rnnjax.settings import Range

MOVE_RATIO = 1.25  # between neighboring numbers of samples
MIN_SAMPLES = 2
SEEDS_PER_ROUND = 10**6
SEEDS_PER_SEARCH = 2**25
MAX_SEARCHES = 2**31 // SEEDS_PER_SEARCH
# The stage of a trial; that of the first round is "rung0", of the second "rung1".
RUNG, FIRST_RUNG, FINALS, BRACKET, DRAWS = "rung", "rung0", "finals", "bracket", "draws"


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much a search tries; `search` has an example.

    Attributes:
      trials: candidates that the search starts with.
      rungs: rounds of halving.
      factor: the next rung has so many times fewer trials and more updates.
      updates: updates of a training in the last rung and after it.
      result_seeds: seeds of the fresh draws, which no choice depends on.
      finalists: candidates of the last rung that are compared once more.
      selection_seeds: number of seeds that finalists, and numbers of samples, are
        compared on.
      max_moves: how often the bracket moves the number of samples, at most.
    """

    trials: int
    rungs: int
    factor: int
    updates: int
    result_seeds: tuple[int, ...]
    finalists: int = 1
    selection_seeds: int = 3
    max_moves: int = 6

    def rung(self, r: int) -> tuple[int, int]:
        """The trials of rung r, and the updates of each."""
        return (
            max(1, self.trials // self.factor**r),
            max(1, self.updates // self.factor ** (self.rungs - 1 - r)),
        )


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
      search: index of the search.
      stage: the round: "rung0", "rung1", ..., "finals", "bracket" or "draws".
      number: index of its candidate in the Sobol sequence.
      move: how many times its number of samples was multiplied by 1.25.
      seed: seed of its weights and data.
      updates: how many updates it makes.
      optimizer: name of the optimizer.
      hyperparameters: values by name.
    """

    search: int
    stage: str
    number: int
    move: int
    seed: int
    updates: int
    optimizer: str
    hyperparameters: dict[str, float]


# The score of each trial, of which more is better; None if the training diverged.
Evaluate = Callable[[list[Trial]], Sequence[float | None]]


class Candidate(NamedTuple):
    """What a training may be done with.

    `search` is the index of the search, `number` that in its Sobol sequence.
    """

    search: int
    number: int
    optimizer: str
    hyperparameters: dict[str, float]

    def trial(self, stage: str, seed: int, updates: int, move: int = 0) -> Trial:
        return Trial(
            search=self.search,
            stage=stage,
            number=self.number,
            move=move,
            seed=self.search * SEEDS_PER_SEARCH + seed,
            updates=updates,
            optimizer=self.optimizer,
            hyperparameters=self.hyperparameters,
        )


def search(
    space: Mapping[str, Range],
    optimizers: Sequence[str],
    plan: Plan,
    evaluate: Evaluate,
    max_samples: int | None = None,
    index: int = 0,
) -> list[Trial]:
    """Searches for the best candidate and trains it on fresh draws.

    With trials=8, rungs=2, factor=4, updates=400, finalists=2, selection_seeds=3 and
    result_seeds=(0, 1), `evaluate` is called with these trials:

        stage    candidates          updates  seeds                   trials
        rung0    0 ... 7             100      1000000 ... 1000007     8
        rung1    best 2 of rung0     400      2000000 + number        2
        finals   order of rung1      400      3000000 ... 3000002     2 x 3
        bracket  best mean, moved    400      4000000 ... 4000002     3 x 3 and more
        draws    best mean           400      0, 1                    2

    A rung trains its candidates afresh, each from weights and on data of its own. As
    one training says little, the finals compare candidates by their mean over the same
    seeds. The bracket is skipped if the space has no `samples`. For 100 samples it
    compares 80, 100 and 125; if 125 are best, 156 as well, and so on until both
    neighbors are worse or `max_moves` is reached; with 0 there is no bracket.

    Searches with different indices are independent: their Sobol sequences have
    different scrambles, and 2^25 times the index is added to each seed.

    Args:
      space: the range of each hyperparameter. `samples` are whole numbers.
      optimizers: names; each gets an equal part of the candidates.
      plan: how much is tried.
      evaluate: gives the scores of trials, of which more is better.
      max_samples: the most samples that there are; None if there is no limit.
      index: index of the search, from 0.

    Returns:
      The trials of the fresh draws.
    """
    candidates = _sobol(space, optimizers, plan.trials, index)
    for rung in range(plan.rungs):
        candidates = _rung(rung, candidates, plan, evaluate)
    if plan.finalists > 1:
        candidates = _finals(candidates[: plan.finalists], plan, evaluate)
    best, move = candidates[0], 0
    if "samples" in space and plan.max_moves:
        move = _bracket(best, plan, evaluate, max_samples)
        best = _moved(best, move)
    result = [best.trial(DRAWS, seed, plan.updates, move) for seed in plan.result_seeds]
    evaluate(result)
    return result


def _rung(
    rung: int, candidates: list[Candidate], plan: Plan, evaluate: Evaluate
) -> list[Candidate]:
    """Trains the first candidates; returns these, the best first."""
    count, updates = plan.rung(rung)
    first_seed = (rung + 1) * SEEDS_PER_ROUND
    trials = [
        candidate.trial(f"{RUNG}{rung}", first_seed + candidate.number, updates)
        for candidate in candidates[:count]
    ]
    return _best_first(candidates[:count], _sums(evaluate, trials, 1))


def _finals(
    candidates: list[Candidate], plan: Plan, evaluate: Evaluate
) -> list[Candidate]:
    """Trains each candidate on several seeds; returns them, the best mean first."""
    seeds = _selection_seeds(plan, plan.rungs + 1)
    trials = [
        candidate.trial(FINALS, seed, plan.updates)
        for candidate in candidates
        for seed in seeds
    ]
    return _best_first(candidates, _sums(evaluate, trials, len(seeds)))


def _bracket(
    candidate: Candidate, plan: Plan, evaluate: Evaluate, max_samples: int | None
) -> int:
    """Moves the number of samples until both neighbors are worse; returns the move."""
    best, sums = 0, dict[int, float]()
    seeds = _selection_seeds(plan, plan.rungs + 2)
    for _ in range(1 + plan.max_moves):
        new = [
            move
            for move in (best - 1, best, best + 1)
            if move not in sums and _exists(_moved(candidate, move), max_samples)
        ]
        if not new or sums.get(best) == -math.inf:
            break
        trials = [
            _moved(candidate, move).trial(BRACKET, seed, plan.updates, move)
            for move in new
            for seed in seeds
        ]
        sums |= dict(zip(new, _sums(evaluate, trials, len(seeds))))
        best = max(sums, key=lambda move: sums[move])
    return best


def candidate(
    space: Mapping[str, Range],
    optimizers: Sequence[str],
    plan: Plan,
    number: int,
    move: int = 0,
    index: int = 0,
) -> Candidate:
    """A candidate of the search with an index, with its samples moved; see `search`."""
    chosen = _sobol(space, optimizers, plan.trials, index)[number]
    return _moved(chosen, move) if move else chosen


def _moved(candidate: Candidate, move: int) -> Candidate:
    """The candidate with 1.25^move times as many samples."""
    samples = round(candidate.hyperparameters["samples"] * MOVE_RATIO**move)
    values = candidate.hyperparameters | {"samples": samples}
    return candidate._replace(hyperparameters=values)


def _exists(candidate: Candidate, max_samples: int | None) -> bool:
    samples = candidate.hyperparameters["samples"]
    return samples >= MIN_SAMPLES and (max_samples is None or samples <= max_samples)


def _selection_seeds(plan: Plan, round_index: int) -> list[int]:
    first = round_index * SEEDS_PER_ROUND
    return [first + k for k in range(plan.selection_seeds)]


def _sums(evaluate: Evaluate, trials: list[Trial], count: int) -> list[float]:
    """The sum of the scores of each `count` trials; -inf if one of them diverged."""
    scores = [-math.inf if score is None else score for score in evaluate(trials)]
    return [sum(batch) for batch in itertools.batched(scores, count)]


def _best_first(candidates: list[Candidate], scores: list[float]) -> list[Candidate]:
    order = sorted(range(len(candidates)), key=lambda k: -scores[k])
    return [candidates[k] for k in order]


def _sobol(
    space: Mapping[str, Range], optimizers: Sequence[str], count: int, search: int
) -> list[Candidate]:
    """`count` candidates, spread evenly over the ranges and the optimizers.

    The points of Sobol 1967, scrambled after Owen 1998 with the index of the search.
    """
    points = qmc.Sobol(len(space) + 1, rng=search).random_base2(
        max(0, math.ceil(math.log2(count)))
    )
    candidates = []
    for number, (which, *fractions) in enumerate(points[:count].tolist()):
        values = {name: space[name].at(x) for name, x in zip(space, fractions)}
        if "samples" in values:
            values["samples"] = max(MIN_SAMPLES, round(values["samples"]))
        optimizer = optimizers[int(which * len(optimizers))]
        candidates.append(Candidate(search, number, optimizer, values))
    return candidates
