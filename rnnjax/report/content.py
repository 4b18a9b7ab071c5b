"""What the report says, from verdicts, the comparison of cells, runs and pictures."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rnnjax.report import cells
from rnnjax.report import runs as runs_lib
from rnnjax.report.cells import Comparison
from rnnjax.report.document import (
    Block,
    Cell,
    Details,
    Document,
    Lines,
    Section,
    Table,
)
from rnnjax.report.pictures import Picture
from rnnjax.report.runs import Problem, Run
from rnnjax.report.verdicts import (
    CONTRADICTED,
    NOT_MEASURED,
    VERDICTS,
    Verdict,
)

TITLE = "What recurrent networks remember: claims and measurements"
NO_MERIT = ("context", "parameters")  # columns that nobody wins
MARKS = {True: "yes", False: "no", None: "-"}
RULE = (
    "Effects have 95 % intervals over n seeds: of the stratified bootstrap with six or "
    "more, else Student's. Fractions have Wilson's, slopes over single trainings "
    "Student's, and z² over n shapes that of chi-square. A claim is supported if the "
    'interval (of 90 % where the rule is a range, "at least" or "at most") meets '
    "the rule of its line and its p is below 0.05; contradicted if the interval of 95 "
    "% excludes the rule and p is below 0.05; undecided otherwise. p is adjusted for "
    "the claims of a family by Holm's method, so that one of them all is wrong at most "
    "5 times in 100. The limits, the smallest effects of interest, were fixed before "
    "any verdict. The last three columns compare with a published number: same "
    "direction and significant; published value in our interval; our value in theirs."
)
COMMANDS = (
    "The commands of a claim make its rows again, and judge them with the rows of all "
    "others. Without these the effect is the same, but p is adjusted for fewer claims. "
    "Claims are about the cells that they name: those of your own have no part in them."
)
CELLS = (
    "Each column compares cells at one setting, that with most cells, and has the rank "
    "in brackets, 1 for the longest memory, the most stored, the least regret, the "
    "shortest time or the fewest parameters. Ranks are of the values alone: where 95 % "
    "intervals, which are over seeds, overlap, a rank decides little."
)


def build(
    judged: Sequence[Verdict],
    compared: Sequence[Comparison],
    runs: Sequence[Run],
    problems: Sequence[Problem],
    pictures: Sequence[Picture],
) -> Document:
    """The whole report."""
    verdicts, details = of_claims(judged, runs)
    sections = [
        Section("answer", "The answer", [Lines(answer(judged, compared, runs))]),
        verdicts,
        of_cells(compared),
        Section("pictures", "Pictures", _pictures(pictures)),
        details,
        Section("runs", "How each row was run", [_runs(runs)]),
        Section("problems", "Folders with problems", _problems(problems)),
    ]
    return Document(TITLE, [section for section in sections if section.blocks])


def of_claims(
    judged: Sequence[Verdict], runs: Sequence[Run]
) -> tuple[Section, Section]:
    """The table of verdicts, and each claim in full."""
    judging = runs_lib.judging(
        [c for run in runs for c in run.config.get("commands", [])]
    )
    details = [_details(one, judging) for one in judged]
    return (
        Section("verdicts", "Verdicts", [RULE, verdict_table(judged)]),
        Section("claims", "Claims in full", [COMMANDS, *details]),
    )


def answer(
    judged: Sequence[Verdict], compared: Sequence[Comparison], runs: Sequence[Run]
) -> list[str]:
    """Ten lines at most: the verdicts of all, of each family, and the cells."""
    counts = Counter(one.verdict for one in judged)
    total = ", ".join(f"{counts[name]} {name}" for name in VERDICTS)
    lines = [f"Of {len(judged)} claims: {total}."]
    for family in dict.fromkeys(one.claim.family for one in judged):
        lines.append(_of_family(family, judged))
    criteria = [found for one in judged if (found := one.criteria()) is not None]
    if criteria:
        within = sum(bool(c["published value in our interval"]) for c in criteria)
        lines.append(
            f"Of {len(criteria)} published numbers that were measured, {within} lie in "
            "our intervals."
        )
    if best := ", ".join(_best(compared)):
        lines.append(f"First of the cells that were measured: {best}.")
    lines.append(_computed(runs))
    return lines


def _of_family(family: str, judged: Sequence[Verdict]) -> str:
    some = [one for one in judged if one.claim.family == family]
    counts = Counter(one.verdict for one in some)
    words = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    against = [x.claim.statement.rstrip(".") for x in some if x.verdict == CONTRADICTED]
    others = f"; and {len(against) - 2} more" if len(against) > 2 else ""
    more = f" Not so: {'; '.join(against[:2])}{others}." if against else ""
    return f"{family.capitalize()}: {words}.{more}"


def _best(compared: Sequence[Comparison]) -> Iterator[str]:
    for one in compared:
        if len(one.entries) > 1 and one.column.key not in NO_MERIT:
            best = [cell for cell, entry in one.entries.items() if entry.rank == 1]
            if len(best) < len(one.entries):  # else all are alike
                yield f"{one.column.title} {' and '.join(best)}"


def _computed(runs: Sequence[Run]) -> str:
    runs = [run for run in runs if "smoke" not in run.flags]
    if not runs:
        return "No run counts."
    places: dict[str, set[str]] = {"processor": set(), "date": set(), "rnnjax": set()}
    for run in runs:
        for key, values in places.items():
            values |= {where[key] for where in invocations(run) if where.get(key)}
    dates = sorted(places["date"])
    when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else ""
    if any(not where.get("date") for run in runs for where in invocations(run)):
        when = f"the last on {dates[-1]}" if dates else ""
    by = f" by rnnjax {', '.join(sorted(places['rnnjax']))}" if places["rnnjax"] else ""
    where = "; ".join(sorted(places["processor"])) or "an unknown processor"
    count = f"{len(runs)} run{'s' * (len(runs) > 1)}"
    unfinished = sum(run.unfinished for run in runs)
    return (
        f"{count}{f' ({unfinished} unfinished)' * bool(unfinished)}, computed{by} on "
        f"{where}{', ' * bool(when)}{when}. Their sizes, which may be far below the "
        "published ones, are in their commands."
    )


def invocations(run: Run) -> Sequence[Mapping[str, Any]]:
    return run.config.get("invocations", [])


def verdict_table(judged: Sequence[Verdict]) -> Table:
    """A line for each claim, the decided ones of a family first."""
    columns = ["claim", "verdict", "effect", "rule", "n", "p", "direction"]
    columns += ["published in ours", "ours in published"]
    families = list(dict.fromkeys(one.claim.family for one in judged))
    ordered = sorted(
        judged,
        key=lambda x: (families.index(x.claim.family), VERDICTS.index(x.verdict)),
    )
    caption = "Claims, with verdict and effect"
    return Table(caption, columns, [_line(one) for one in ordered], "verdicts")


def _line(one: Verdict) -> list[Cell]:
    claim = one.claim
    criteria = list((one.criteria() or {}).values()) or [None] * 3
    return [
        Cell(claim.statement, claim.key, f"#{claim.key}"),
        Cell(_verdict(one), VERDICTS.index(one.verdict)),
        Cell(effect(one), math.inf if one.value is None else one.value),
        Cell(f"{claim.form.text} {claim.unit}", claim.form.smallest),
        Cell(str(one.n or ""), one.n),
        Cell(p_text(one.p), 2 if one.p is None else one.p),
        *(Cell(MARKS[met], MARKS[met]) for met in criteria),
    ]


def _verdict(one: Verdict) -> str:
    return f"{one.verdict} (unfinished)" if one.unfinished else one.verdict


def effect(one: Verdict) -> str:
    """As "1.53 (1.03 to 2.03)", of a lower bound "≥ 12.6 (12.5 to 12.7)"."""
    if one.value is None:
        return "-"
    value = f"{'≥ ' * one.at_least}{number(one.value)}"
    if one.interval is None:
        return value
    low, high = one.interval
    return f"{value} ({number(low)} to {number(high)})"


def number(value: float) -> str:
    """Three digits, more of a large number, without an exponent of ten."""
    if abs(value) < 5e-5:
        return "0"
    digits = max(0, min(4, 2 - math.floor(math.log10(abs(value)))))
    return f"{value:,.{digits}f}"


def p_text(p: float | None) -> str:
    if p is None:
        return "-"
    return "<\xa00.001" if p < 0.001 else f"{p:.3f}"


def _details(one: Verdict, judging: str) -> Details:
    claim = one.claim
    entries = [
        ("verdict", f"{one.verdict}{f': {one.reason}' if one.reason else ''}"),
        ("claimed by", claim.source),
        ("measured", claim.measured),
        ("rule", f"{claim.form.text} {claim.unit}"),
    ]
    if one.value is not None:
        entries.append(("effect", f"{effect(one)} {claim.unit}, n = {one.n}"))
    if claim.published is not None:
        entries.append(("published", number(claim.published.value)))
    if claim.caveat:
        entries.append(("differs", claim.caveat))
    if one.runs:
        entries.append(("rows of", ", ".join(map(_named, one.runs))))
    commands = list(one.commands)
    if commands:
        commands.append(judging if one.runs else runs_lib.judging(commands))
    return Details(claim.key, claim.statement, entries, commands)


def _named(run: Run) -> str:
    return f"{run.name} (unfinished)" if run.unfinished else run.name


def of_cells(compared: Sequence[Comparison]) -> Section:
    """The line of each cell; without blocks if there is none."""
    return Section("cells", "Every cell in a line", _cells(compared))


def _cells(compared: Sequence[Comparison]) -> list[Block]:
    names = sorted({cell for one in compared for cell in one.entries})
    if not names:
        return []
    lines = []
    for name in names:
        line = [Cell(name, name)]
        for one in compared:
            entry = one.entries.get(name)
            if entry is None:
                line.append(Cell("-", math.inf))
            else:
                line.append(Cell(cells.text(entry, one.column), entry.rank))
        lines.append(line)
    columns = [f"{one.column.title} ({one.column.unit})" for one in compared]
    settings = [
        f"{one.column.title.capitalize()}: {one.column.meaning}; {one.setting}; n = "
        f"{_counts(one)}; rows of {', '.join(map(_named, one.runs))}."
        for one in compared
    ]
    table = Table("Cells, with rank in brackets", ["cell", *columns], lines, "cells")
    return [CELLS, table, *settings]


def _counts(one: Comparison) -> str:
    counts = sorted({entry.n for entry in one.entries.values()})
    return " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))


def _pictures(pictures: Sequence[Picture]) -> list[Block]:
    left_out = [f"{p.run}/{p.path.name}" for p in pictures if not p.data]
    words = f"Left out, as the page would be too large: {', '.join(left_out)}."
    return [*(p for p in pictures if p.data), *([words] if left_out else [])]


def _runs(runs: Sequence[Run]) -> Table:
    columns = ["folder", "rows", "command", "rnnjax", "commit", "versions"]
    columns += ["device", "date"]
    lines = [
        [Cell(run.name, run.name), Cell(str(len(run.rows)), len(run.rows))]
        + [
            Cell(text, text)
            for text in (
                "; ".join(run.config.get("commands", [])),
                *_where(run.where),
            )
        ]
        for run in runs
    ]
    return Table("Runs whose rows or pictures are used", columns, lines, "runs")


def _where(where: Mapping[str, Any]) -> tuple[str, ...]:
    versions = where.get("versions", {})
    commit = (where.get("commit") or "-")[:10] + " with changes" * bool(
        where.get("dirty")
    )
    return (
        where.get("rnnjax", "-"),
        commit,
        ", ".join(f"{k} {v}" for k, v in versions.items()) or "-",
        f"{where.get('devices', '-')} x {where.get('device', '-')}, "
        f"{where.get('processor') or '-'}",
        where.get("date", "-"),
    )


def _problems(problems: Sequence[Problem]) -> list[Block]:
    if not problems:
        return []
    lines = [[Cell(p.name, p.name), Cell(p.text, p.text)] for p in problems]
    return [Table("What does not count, and why", ["folder", "problem"], lines)]


def missing(judged: Sequence[Verdict]) -> list[str]:
    """The commands of claims that are not measured, each once."""
    commands = [
        command
        for one in judged
        if one.verdict == NOT_MEASURED and one.claim.effect is not None
        for command in one.claim.commands
    ]
    return list(dict.fromkeys(commands))
