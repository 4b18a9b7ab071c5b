"""Populations of settings: a Sobol start, successive halving, and a number of samples with a worse one on either side.

A search is a generator: it yields lists of trials, is sent their scores (higher is better, None for a training that diverged), and
returns when it has nothing more to ask. It holds no state of its own, so the same scores lead to the same questions.
"""

import dataclasses
import math
from collections.abc import Generator

from scipy.stats import qmc

RATIO = 1.25  # between neighbouring numbers of samples
SEEDS_OF_A_RUNG = 10**6
BRACKET, DRAWS = "bracket", "draws"


@dataclasses.dataclass(frozen=True)
class Range:
    """Values from `low` to `high`, spaced evenly, or evenly in their logarithms."""

    low: float
    high: float
    log: bool = True

    def at(self, share: float) -> float:
        """The value at a share from 0 to 1 of the way."""
        if self.log and self.low < self.high:
            return self.low * (self.high / self.low) ** share
        return self.low + (self.high - self.low) * share


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is tried.

    Rung r = 0 ... `rungs` - 1 trains the best `trials / factor^r` settings afresh, each from a start and on data of its own, with
    `updates / factor^(rungs - 1 - r)` updates. As one training says little, the best `finalists` of the last rung are trained on
    `judges` draws each, and the best in the mean goes on. Its number of samples, if it has one, is moved by steps of 1.25 at most
    `moves` times, until both neighbours do worse in the mean of `judges` other draws. What comes out is trained on each of the
    `draws`, which no choice has seen.
    """

    trials: int
    rungs: int
    factor: int
    updates: int
    draws: tuple[int, ...]
    finalists: int = 1
    judges: int = 3
    moves: int = 6

    def rung(self, r: int) -> tuple[int, int]:
        """Trials and updates of a rung."""
        return max(1, self.trials // self.factor**r), max(
            1, self.updates // self.factor ** (self.rungs - 1 - r)
        )


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training: `number` is a place in the Sobol sequence, `step` how many times its number of samples was moved by 1.25."""

    stage: str
    number: int
    step: int
    seed: int
    updates: int
    optimizer: str
    settings: dict[str, float]


Scores = list[float | None]
Search = Generator[list[Trial], Scores, None]


def search(
    space: dict[str, Range],
    optimizers: tuple[str, ...],
    plan: Plan,
    most_samples: int = 2**31,
) -> Search:
    """Searches `space`, which says where each setting may lie; among them may be `samples`, which stays below `most_samples`."""
    candidates = dict(enumerate(_sobol(space, optimizers, plan.trials)))
    for r in range(plan.rungs):
        count, updates = plan.rung(r)
        seed = (r + 1) * SEEDS_OF_A_RUNG
        trials = [
            Trial(f"rung{r}", k, 0, seed + k, updates, *candidates[k])
            for k in list(candidates)[:count]
        ]
        scores = yield trials
        order = sorted(range(len(trials)), key=lambda k: -_score(scores[k]))  # noqa: B023
        candidates = {trials[k].number: candidates[trials[k].number] for k in order}
    if plan.finalists > 1:
        candidates = yield from _finals(
            dict(list(candidates.items())[: plan.finalists]), plan
        )
    number, (optimizer, settings) = next(iter(candidates.items()))
    step, settings = yield from _bracket(
        number, optimizer, settings, plan, most_samples
    )
    yield [
        Trial(DRAWS, number, step, seed, plan.updates, optimizer, settings)
        for seed in plan.draws
    ]


def _finals(candidates: dict[int, tuple[str, dict[str, float]]], plan: Plan):
    """The candidates in the order of their mean scores on draws of their own, the best first."""
    seeds = [(plan.rungs + 1) * SEEDS_OF_A_RUNG + k for k in range(plan.judges)]
    scores = yield [
        Trial("finals", k, 0, seed, plan.updates, *candidates[k])
        for k in candidates
        for seed in seeds
    ]
    sums = [
        sum(map(_score, scores[k * len(seeds) : (k + 1) * len(seeds)]))
        for k in range(len(candidates))
    ]
    order = sorted(range(len(candidates)), key=lambda k: -sums[k])
    return {
        number: candidates[number] for number in (list(candidates)[k] for k in order)
    }


def _bracket(
    number: int,
    optimizer: str,
    settings: dict[str, float],
    plan: Plan,
    most_samples: int,
):
    """Moves a setting's number of samples until both neighbours are worse; returns by how many steps, and the setting then."""
    if "samples" not in settings:
        return 0, settings
    best, means = 0, {}
    seeds = [(plan.rungs + 2) * SEEDS_OF_A_RUNG + k for k in range(plan.judges)]

    def moved(step: int) -> dict[str, float]:
        return settings | {"samples": round(settings["samples"] * RATIO**step)}

    for _ in range(1 + plan.moves):
        around = (
            step
            for step in (best - 1, best, best + 1)
            if 2 <= moved(step)["samples"] <= most_samples
        )
        new = [step for step in around if step not in means]
        if not new or means.get(best) == -math.inf:
            break
        scores = yield [
            Trial(BRACKET, number, step, seed, plan.updates, optimizer, moved(step))
            for step in new
            for seed in seeds
        ]
        for k, step in enumerate(new):
            means[step] = sum(
                map(_score, scores[k * len(seeds) : (k + 1) * len(seeds)])
            )
        best = max(means, key=means.get)
    return best, moved(best)


def _score(score: float | None) -> float:
    return -math.inf if score is None else score


def _sobol(
    space: dict[str, Range], optimizers: tuple[str, ...], count: int
) -> list[tuple[str, dict[str, float]]]:
    """`count` pairs of an optimiser and settings, spread evenly over both (Sobol 1967, scrambled after Owen 1998)."""
    points = qmc.Sobol(len(space) + 1, rng=0).random_base2(
        max(0, math.ceil(math.log2(count)))
    )
    out = []
    for which, *shares in points[:count].tolist():
        settings = {name: space[name].at(share) for name, share in zip(space, shares)}
        if "samples" in settings:
            settings["samples"] = max(2, round(settings["samples"]))
        out.append((optimizers[int(which * len(optimizers))], settings))
    return out
