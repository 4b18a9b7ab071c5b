"""The verdicts and the lines of cells as JSON, for programs: `claims.json`."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import rnnjax
from rnnjax.report.cells import Comparison
from rnnjax.report.runs import Problem, Run
from rnnjax.report.verdicts import VERDICTS, Verdict

WHERE = ("rnnjax", "versions", "commit", "dirty", "processor", "device", "date")


def claims_json(
    judged: Sequence[Verdict],
    compared: Sequence[Comparison],
    runs: Sequence[Run],
    problems: Sequence[Problem],
) -> str:
    """All claims and cells; the folders that they used are described in `runs`."""
    counts = Counter(one.verdict for one in judged)
    used = {run.name for one in judged for run in one.runs}
    used |= {run.name for one in compared for run in one.runs}
    whole = {
        "rnnjax": rnnjax.__version__,
        "verdicts": {name: counts[name] for name in VERDICTS},
        "claims": [_entry(one) for one in judged],
        "cells": {one.column.key: _compared(one) for one in compared},
        "runs": {run.name: _run(run) for run in runs if run.name in used},
        "problems": {problem.name: problem.text for problem in problems},
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _entry(one: Verdict) -> dict[str, Any]:
    claim = one.claim
    low, high = one.interval or (None, None)
    return {
        "key": claim.key,
        "family": claim.family,
        "statement": claim.statement,
        "source": claim.source,
        "measured": claim.measured,
        "commands": list(one.commands),
        "verdict": one.verdict,
        "reason": one.reason,
        "effect": _short(one.value),
        "at_least": one.at_least,
        "low": _short(low),
        "high": _short(high),
        "unit": claim.unit,
        "rule": claim.form.text,
        "smallest": claim.form.smallest,
        "n": one.n,
        "p": _short(one.p),
        "published": _published(one),
        "caveat": claim.caveat,
        "rows": [run.name for run in one.runs],
    }


def _published(one: Verdict) -> dict[str, Any] | None:
    known = one.claim.published
    if known is None:
        return None
    limits = {"low": known.low, "high": known.high}
    return {"value": _short(known.value), **limits, "criteria": one.criteria()}


def _compared(one: Comparison) -> dict[str, Any]:
    """A measure of cells; an infinite value, "beyond" what was measured, is null."""
    return {
        "measured": f"{one.column.title} ({one.column.unit})",
        "setting": one.setting,
        "rows": [run.name for run in one.runs],
        "values": {
            cell: {
                "value": _short(entry.value),
                "low": _short(entry.low),
                "high": _short(entry.high),
                "n": entry.n,
                "rank": entry.rank,
            }
            for cell, entry in one.entries.items()
        },
    }


def _run(run: Run) -> dict[str, Any]:
    where = {key: run.where.get(key) for key in WHERE}
    return {"commands": run.config.get("commands", []), **where}


def _short(value: float | None) -> float | None:
    """Four digits, which are the same on every machine; None of an infinite number."""
    return None if value is None or math.isinf(value) else float(f"{value:.4g}")
