"""The verdict on each claim.

A claim is supported or contradicted if its interval says so (see `forms`) and its
p-value, adjusted by Holm for the claims of its family that were measured, is below
0.05. The two kinds of verdict are adjusted each for itself.
"""

import dataclasses
from collections.abc import Sequence

from rnnjax.report import pools
from rnnjax.report import runs as runs_lib
from rnnjax.report.claim import Claim
from rnnjax.report.effects import Effect
from rnnjax.report.forms import LEVEL, Tested
from rnnjax.report.pools import Pool
from rnnjax.report.runs import Run
from rnnjax.results import bootstrap

SUPPORTED, CONTRADICTED = "supported", "contradicted"
UNDECIDED, NOT_MEASURED = "undecided", "not measured"
VERDICTS = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_MEASURED)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A claim, what was measured of it, and what that says.

    `p` is the adjusted p-value of the verdict, or of the nearer of the two if it is
    undecided. `reason` says why nothing was measured or decided. `commands` made the
    rows, or would make them. `at_least`: the effect is a lower bound.
    """

    claim: Claim
    verdict: str
    reason: str
    commands: Sequence[str]
    n: int = 0
    tested: Tested | None = None
    p: float | None = None
    runs: Sequence[Run] = ()
    at_least: bool = False

    @property
    def unfinished(self) -> bool:
        """Whether a run that its rows are of is."""
        return any(run.unfinished for run in self.runs)

    @property
    def value(self) -> float | None:
        return None if self.tested is None else self.tested.estimate.value

    @property
    def interval(self) -> tuple[float, float] | None:
        if self.tested is None or self.tested.estimate.low is None:
            return None
        assert self.tested.estimate.high is not None
        return self.tested.estimate.low, self.tested.estimate.high

    def criteria(self) -> dict[str, bool | None] | None:
        """Three ways of agreeing with a published number; None without one.

        Each is None where it has no meaning, or no interval.
        """
        known = self.claim.published
        if known is None or self.value is None or self.interval is None:
            return None
        (low, high), null = self.interval, known.null
        same = None
        if null is not None:
            significant = low > null or high < null
            same = significant and (self.value > null) == (known.value > null)
        within = None
        if known.low is not None and known.high is not None:
            within = bool(known.low <= self.value <= known.high)
        return {
            "same direction and significant": same,
            "published value in our interval": bool(low <= known.value <= high),
            "our value in theirs": within,
        }


@dataclasses.dataclass(frozen=True)
class _Measured:
    claim: Claim
    effect: Effect
    tested: Tested
    runs: Sequence[Run]
    commands: Sequence[str]


def judge(claims: Sequence[Claim], runs: Sequence[Run]) -> list[Verdict]:
    """The verdicts on claims, in their order, from all runs that count for each."""
    measured, out = {}, {}
    for claim in claims:
        found = _measure(claim, runs)
        if isinstance(found, str):
            out[claim.key] = Verdict(claim, NOT_MEASURED, found, claim.commands)
        else:
            measured[claim.key] = found
    for family in dict.fromkeys(one.claim.family for one in measured.values()):
        some = [one for one in measured.values() if one.claim.family == family]
        holds = _adjusted([one.tested.p_holds for one in some])
        fails = _adjusted([one.tested.p_fails for one in some])
        for one, p_holds, p_fails in zip(some, holds, fails, strict=True):
            out[one.claim.key] = _verdict(one, p_holds, p_fails)
    return [out[claim.key] for claim in claims]


def _measure(claim: Claim, runs: Sequence[Run]) -> _Measured | str:
    """The effect from the rows with most seeds; or why there is none."""
    if claim.effect is None:
        return claim.caveat
    like = pools.pools(runs, claim.commands[-1])
    if not like:
        return "no run like that of its command"
    found = []
    for pool in like:
        some = pool.of(claim.cells, claim.needs)
        effect = claim.effect(some) if some.rows else None
        if effect is not None:
            found.append((effect.n, len(some.rows), effect, some))
    if not found:
        return _missing(claim, like)
    _, _, effect, some = max(found, key=lambda entry: entry[:2])
    needed = _needed(claim, effect, some.runs)
    commands = runs_lib.commands_of(needed, runs)
    return _Measured(claim, effect, claim.form.test(effect), needed, commands)


def _needed(claim: Claim, effect: Effect, runs: Sequence[Run]) -> Sequence[Run]:
    """Of the runs, as few as have the same effect; small ones are left out first."""
    assert claim.effect is not None
    needed = list(runs)
    for run in sorted(runs, key=lambda run: len(run.rows)):
        rest = [other for other in needed if other is not run]
        if rest:
            pool = pools.joined(rest).of(claim.cells, claim.needs)
            if repr(claim.effect(pool)) == repr(effect):  # the same numbers
                needed = rest
    return needed


def _missing(claim: Claim, like: Sequence[Pool]) -> str:
    """What the rows of runs like that of the command do not have."""
    rows = [row for pool in like for row in pool.rows]
    cells = [cell for cell in claim.cells if all(cell != r["cell"] for r in rows)]
    if cells:
        return f"its runs have no {', '.join(cells)}"
    keys = [key for key in claim.needs if all(key not in row for row in rows)]
    if keys:
        return f"its rows have no {', '.join(keys)}"
    return "sizes, seeds, layers, weights or timings that it needs are missing"


def _adjusted(values: Sequence[float | None]) -> list[float | None]:
    known = [p for p in values if p is not None]
    adjusted = iter(bootstrap.holm(known))
    return [None if p is None else float(next(adjusted)) for p in values]


def _verdict(one: _Measured, p_holds: float | None, p_fails: float | None) -> Verdict:
    verdict, reason, p = decide(one.tested, p_holds, p_fails)
    if p is None:
        reason = f"too few seeds for an interval: {one.effect.n}"
    n, tested = one.effect.n, one.tested
    at_least = getattr(one.effect, "at_least", False)
    return Verdict(
        one.claim, verdict, reason, one.commands, n, tested, p, one.runs, at_least
    )


def decide(
    tested: Tested, p_holds: float | None, p_fails: float | None
) -> tuple[str, str, float | None]:
    """The verdict that adjusted p-values leave, a reason if there is none, and p."""
    if p_holds is None or p_fails is None:
        return UNDECIDED, "no interval", None
    if tested.holds and p_holds < LEVEL:
        return SUPPORTED, "", p_holds
    if tested.fails and p_fails < LEVEL:
        return CONTRADICTED, "", p_fails
    if tested.holds or tested.fails:
        reason = "not after adjusting for the other claims"
        return UNDECIDED, reason, p_holds if tested.holds else p_fails
    return UNDECIDED, "the interval allows either", min(p_holds, p_fails)
