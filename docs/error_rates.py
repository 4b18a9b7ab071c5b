"""How often verdicts are wrong, by simulation of each form of a claim.

    python -m docs.error_rates

draws 1,000 times what a claim is judged from, with effects that are known, and prints
how often each verdict comes out. A test does the same 100 times.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from rnnjax.report import forms, verdicts
from rnnjax.report.effects import Contrast, Effect, Line, Scale, Share
from rnnjax.report.forms import Form

SIMULATIONS = 1000
Draw = Callable[[np.random.Generator, float], Effect]
RIGHT, WRONG, SMALL = "the claim is true", "no effect", "below the smallest effect"
LIMIT, OUTSIDE = "at the limit", "outside"


@dataclasses.dataclass(frozen=True)
class Case:
    """A form of a claim, what it is judged from, and effects that are known."""

    form: Form
    draw: Draw
    truths: Mapping[str, float]


def paired(rng: np.random.Generator, effect: float) -> Effect:
    """Differences of ten seeds."""
    return Contrast((rng.normal(effect, 0.7, 10),))


def few(rng: np.random.Generator, effect: float) -> Effect:
    """Differences of three seeds."""
    return Contrast((rng.normal(effect, 0.4, 3),))


def groups(rng: np.random.Generator, effect: float) -> Effect:
    """Two groups of five draws that are not paired."""
    pair = rng.normal(effect, 0.4, 5), rng.normal(0, 0.4, 5)
    return Contrast(pair, (1.0, -1.0))


def order(rng: np.random.Generator, effect: float) -> Effect:
    """A slope over five cells of five draws each."""
    ranks = np.arange(5) - 2.0
    draws = tuple(rng.normal(effect * rank, 0.5, 5) for rank in ranks)
    return Contrast(draws, tuple(ranks / (ranks @ ranks)))


def censored(rng: np.random.Generator, effect: float) -> Effect:
    """Means of exponential times of ten seeds and eight shapes, cut at a horizon."""
    horizon, base = 40.0, 10.0
    times = np.minimum(rng.exponential(base, (10, 8)), horizon)
    mean = base * (1 - np.exp(-horizon / base))
    return Contrast(((times.mean(1) - mean) / 3 + effect,))


def share(rng: np.random.Generator, effect: float) -> Effect:
    """How many of forty seeds."""
    return Share(int(rng.binomial(40, effect)), 40)


def line(rng: np.random.Generator, effect: float) -> Effect:
    """The slope through ten points."""
    x = np.repeat(np.linspace(-1, 1, 5), 2)
    noise = rng.normal(0, 0.05, 10)
    slope = effect + x @ noise / (x @ x)
    rest = noise - noise.mean() - (x @ noise / (x @ x)) * x
    return Line(10, slope, float((rest @ rest / 8 / (x @ x)) ** 0.5))


def table(rng: np.random.Generator, effect: float) -> Effect:
    """z² of 64 shapes."""
    return Scale(64, float(effect * rng.chisquare(1, 64).mean()))


ONE_SIDED = {WRONG: 0.0, SMALL: 0.25, LIMIT: 0.5, RIGHT: 1.5}
WITHIN = {RIGHT: 0.0, LIMIT: 0.5, OUTSIDE: 1.5}
CASES: dict[str, Case] = {
    "direction, paired": Case(forms.Direction(1, 0.5), paired, ONE_SIDED),
    "direction, 3 seeds": Case(forms.Direction(1, 0.5), few, ONE_SIDED | {RIGHT: 2.5}),
    "direction, two groups": Case(forms.Direction(1, 0.5), groups, ONE_SIDED),
    "direction, order": Case(forms.Direction(1, 0.5), order, ONE_SIDED),
    "direction, censored": Case(
        forms.Direction(1, 0.5), censored, ONE_SIDED | {RIGHT: 3}
    ),
    "no effect, paired": Case(forms.none(0.5), paired, WITHIN),
    "no effect, line": Case(
        forms.none(0.1), line, {RIGHT: 0, LIMIT: 0.1, OUTSIDE: 0.3}
    ),
    "bound": Case(forms.at_most(1, 0.5), paired, {RIGHT: 0.5, LIMIT: 1.5, OUTSIDE: 3}),
    "fraction": Case(
        forms.at_least(1, 0.1), share, {RIGHT: 1, LIMIT: 0.9, OUTSIDE: 0.5}
    ),
    "table": Case(forms.at_most(1, 0.5), table, {RIGHT: 1, LIMIT: 1.5, OUTSIDE: 3}),
}


def rates(name: str, truth: str, simulations: int = SIMULATIONS) -> dict[str, float]:
    """How often each verdict comes out."""
    case, rng = CASES[name], np.random.default_rng(0)
    counts = dict.fromkeys(verdicts.VERDICTS[:3], 0)
    for _ in range(simulations):
        tested = case.form.test(case.draw(rng, case.truths[truth]))
        verdict, *_ = verdicts.decide(tested, tested.p_holds, tested.p_fails)
        counts[verdict] += 1
    return {verdict: count / simulations for verdict, count in counts.items()}


def main() -> None:
    print("| form | truth | effect | supported | contradicted | undecided |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, case in CASES.items():
        for truth, effect in case.truths.items():
            found = rates(name, truth)
            shown = " | ".join(f"{100 * rate:.1f} %" for rate in found.values())
            print(f"| {name} ({case.form.text}) | {truth} | {effect:g} | {shown} |")


if __name__ == "__main__":
    main()
