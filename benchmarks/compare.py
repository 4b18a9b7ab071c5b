"""Is a new run of `benchmarks.timing` slower than an old one, or does it do more?

Compares what `benchmarks.timing` wrote with --benchmark_out. A folder stands for all
JSON files in it. Deterministic counters must stay within a tolerance. A time is worse
if it is both much longer and significantly longer, by the test of Mann and Whitney.
Exit status: 0 no worse, 1 worse or changed, 2 nothing that can be compared, 74 no
worse, but the comparison cannot be printed.

    python -m benchmarks.compare OLD.json NEW.json
"""

import dataclasses
import json
import math
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats

from rnnjax.results.tables import Table
from rnnjax.settings import setting

from .common import command, errors, terminal
from .timing_tools import counters

WORDS = ("OLD.json", "NEW.json")
DRIFT = 1.1  # the mean ratio from which a rise of all times may be the machine's
ALLOWED = "what benchmarks.timing wrote with --benchmark_out"
EXACT = ("compilations", "unknown_counts", "large_writes")  # without a tolerance
COUNTED = (*counters.DETERMINISTIC, *counters.AHEAD)
SIGNIFICANCE = 0.05
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
COLUMNS = ("benchmark", "old", "new", "ratio", "p", "verdict")

Machine = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of the binary."""

    tolerance: float = setting(
        0.02,
        "Relative change that a counter may have; compilations may not change.",
        low=0,
    )
    max_ratio: float = setting(
        1.5, "New median over the old one, above which a time counts as longer.", low=1
    )
    markdown: bool = setting(False, "Print Markdown.")
    different: bool = setting(False, "Compare runs of different devices or versions.")


@dataclasses.dataclass
class Entry:
    """Repetitions of a measurement: seconds, and the largest value of each counter."""

    seconds: list[float] = dataclasses.field(default_factory=list)
    counters: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Line:
    """A measurement in both runs: its median seconds, and whether it is bad.

    `p` is the probability of such a difference if both runs are alike; None if there
    are too few repetitions for any difference to be significant.
    """

    name: str
    old: float
    new: float
    p: float | None
    verdict: str
    bad: bool

    @property
    def ratio(self) -> float:
        return self.new / self.old

    @property
    def cells(self) -> list[str]:
        """The entries of `COLUMNS`."""
        p = "-" if self.p is None else f"{self.p:.2g}"
        times = _time_text(self.old), _time_text(self.new), f"{self.ratio:.2f}"
        return [self.name, *times, p, self.verdict]


def read(path: str) -> tuple[Machine, dict[str, Entry]]:
    """The machine of a run, and its entries by name.

    Raises `errors.FileError`, among others if a folder has files of two machines.
    """
    is_folder = pathlib.Path(path).is_dir()
    paths = sorted(map(str, pathlib.Path(path).glob("*.json"))) if is_folder else [path]
    if not paths:
        raise errors.FileError(path, "has no JSON file", ALLOWED)
    first_machine, _ = _read_file(paths[0])
    entries: dict[str, Entry] = {}
    for file in paths:
        machine, measurements = _read_file(file)
        if machine != first_machine:
            problem = f"another {_difference(first_machine, machine)} than {paths[0]}"
            raise errors.FileError(file, problem, "files of one machine")
        for row in measurements:
            entry = entries.setdefault(row["run_name"], Entry())
            entry.seconds.append(row["real_time"] * SECONDS[row["time_unit"]])
            for name in COUNTED:
                if name in row:
                    largest = max(row[name], entry.counters.get(name, -math.inf))
                    entry.counters[name] = largest
    return first_machine, entries


def _read_file(path: str) -> tuple[Machine, list[dict[str, Any]]]:
    """The machine and the measurements of a file, without aggregates and failures."""
    try:
        text = pathlib.Path(path).read_text()
    except OSError as error:
        problem = error.strerror or str(error)
        raise errors.FileError(path, problem, ALLOWED) from None
    except UnicodeDecodeError:
        raise errors.FileError(path, "not text", ALLOWED) from None
    if not text.strip():
        raise errors.FileError(path, "the file is empty", ALLOWED)
    try:
        content = json.loads(text)
    except ValueError:
        raise errors.FileError(path, "not JSON, or cut short", ALLOWED) from None
    try:
        machine = {name: content["context"][name] for name in counters.MACHINE}
        measurements = [
            row
            for row in content["benchmarks"]
            if row["run_type"] == "iteration" and not row.get("error_occurred")
        ]
        valid = all(_is_valid(row) for row in measurements)
    except (TypeError, KeyError):
        valid = False
    if not valid:
        raise errors.FileError(path, "JSON of something else", ALLOWED)
    if not measurements:
        allowed = f"{ALLOWED}, without --benchmark_report_aggregates_only"
        raise errors.FileError(path, "no measurement is in it", allowed)
    return machine, measurements


def _is_valid(row: Mapping[str, Any]) -> bool:
    """Whether a measurement has a positive time, and finite numbers as counters."""
    numbers = [row[name] for name in COUNTED if name in row]
    numbers.append(row["real_time"])
    finite = all(isinstance(x, int | float) and math.isfinite(x) for x in numbers)
    named = isinstance(row["run_name"], str) and row["time_unit"] in SECONDS
    return finite and named and row["real_time"] > 0


def _difference(old: Machine, new: Machine) -> str:
    """The first difference of two machines, such as "jax (0.13.0, not 0.12.0)"."""
    names = (name for name in old if old[name] != new[name])
    return next(f"{name} ({new[name]}, not {old[name]})" for name in names)


def compare(
    name: str, old: Entry, new: Entry, tolerance: float, max_ratio: float
) -> Line:
    """Compares the repetitions of one measurement in two runs."""
    before, after = statistics.median(old.seconds), statistics.median(new.seconds)
    changes = _changed_counters(old.counters, new.counters, tolerance)
    longer, shorter = after > max_ratio * before, before > max_ratio * after
    # Without ties, this is the smallest p that so many repetitions can have.
    repetitions = len(old.seconds) + len(new.seconds)
    too_few = 1 / math.comb(repetitions, len(old.seconds)) >= SIGNIFICANCE
    p = None
    if not too_few:
        p = _p_value(old.seconds, new.seconds, "less" if shorter else "greater")
    verdict = "" if changes else "same"
    if longer or shorter:
        if p is None:
            verdict = f"{'longer' if longer else 'shorter'}, but too few repetitions"
        elif p < SIGNIFICANCE:
            verdict = "slower" if longer else "faster"
        else:
            verdict = "no significant difference"
    text = ", ".join([verdict, *changes] if verdict else changes)
    return Line(name, before, after, p, text, bool(changes) or verdict == "slower")


def _changed_counters(
    old: Mapping[str, float], new: Mapping[str, float], tolerance: float
) -> list[str]:
    """What changed more than it may, such as "flops 1,000 to 1,100"."""
    changes = []
    for name in COUNTED:
        if name in old and name in new:
            allowed = 0 if name in EXACT else tolerance * abs(old[name])
            if abs(new[name] - old[name]) > allowed:
                changes.append(f"{name} {old[name]:,.0f} to {new[name]:,.0f}")
    return changes


def _p_value(old: Sequence[float], new: Sequence[float], alternative: str) -> float:
    """The probability of such a difference of ranks if both are alike."""
    if len({*old, *new}) == 1:
        return 1.0
    return float(stats.mannwhitneyu(new, old, alternative=alternative).pvalue)


def _time_text(seconds: float) -> str:
    unit = next((unit for unit in ("s", "ms", "us") if seconds >= SECONDS[unit]), "ns")
    return f"{seconds / SECONDS[unit]:.3g} {unit}"


def _print_markdown(summary: str, lines: Sequence[Line], notes: Sequence[str]) -> None:
    bad = [line for line in lines if line.bad]
    print(f"### Speed: {summary}\n")
    if bad:
        print(_markdown_table(bad), end="\n\n")
    print(f"<details><summary>All measurements: {len(lines)}</summary>\n")
    print(_markdown_table(lines))
    print("\n</details>")
    for note in notes:
        print(f"\n{note}")


def _markdown_table(lines: Sequence[Line]) -> str:
    rows: list[Sequence[str]] = [COLUMNS]
    rows.append(("---", "---:", "---:", "---:", "---:", "---"))
    rows += [[cell.replace("|", "\\|") for cell in line.cells] for line in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def run(given: dict[str, Any]) -> int:
    """Compares the two runs; returns the exit status."""
    old_path, new_path = (given[word] for word in WORDS)
    options = Options(**{k: v for k, v in given.items() if k not in WORDS})
    (old_machine, old), (new_machine, new) = read(old_path), read(new_path)
    if old_machine != new_machine and not options.different:
        problem = f"another {_difference(old_machine, new_machine)} than {old_path}"
        allowed = "runs of one machine and version, or --different"
        raise errors.FileError(new_path, problem, allowed)
    common = [name for name in old if name in new]
    if not common:
        problem = f"has no benchmark in common with {old_path}"
        allowed = "runs with the same --benchmark_filter"
        raise errors.FileError(new_path, problem, allowed)
    lines = [
        compare(name, old[name], new[name], options.tolerance, options.max_ratio)
        for name in common
    ]
    lines.sort(key=lambda line: (not line.bad, -line.ratio))
    bad = sum(line.bad for line in lines)
    mean = statistics.geometric_mean(line.ratio for line in lines)
    summary = (
        f"{bad} of {len(lines)} worse or changed; times {mean:.2f} of the old ones "
        "(geometric mean)"
    )
    notes = [f"only in {old_path}: {name}" for name in old if name not in new]
    notes += [f"only in {new_path}: {name}" for name in new if name not in old]
    ratios = [line.ratio for line in lines]
    if len(lines) > 1 and min(ratios) > 1 and mean > DRIFT:
        notes.append(
            f"All times are longer, {min(ratios):.2f} to {max(ratios):.2f} times: a "
            "busier machine looks like this. Time the two sides alternately."
        )
    if options.markdown:
        _print_markdown(summary, lines, notes)
    else:
        terminal.table(Table(summary, COLUMNS, [line.cells for line in lines], notes))
    return 1 if bad else 0


COMMAND = command.Command("compare", __doc__ or "", {"Flags": Options}, run, WORDS)

if __name__ == "__main__":
    command.start(COMMAND)
