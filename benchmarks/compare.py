"""Is the new run slower than the old one, or does it do more?

    python -m benchmarks.compare OLD.json NEW.json

reads what `benchmarks.timing` wrote with `--benchmark_out`; a folder stands for all JSON files in it. Counters that a program fixes
must stay within a tolerance; a time counts as worse if it is both much longer and significantly so (Mann and Whitney's test). Exit
status: 0 no worse, 1 worse or changed, 2 nothing that can be compared.
"""

import dataclasses
import json
import math
import pathlib
import statistics

from absl import flags
from scipy import stats

from benchmarks.common import flags as _flags
from benchmarks.common import terminal as _terminal
from benchmarks.timing_tools import counters as _counters

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(_flags)
WANTED = ("OLD.json", "NEW.json")
ALLOWED = "what benchmarks.timing wrote with --benchmark_out"
EXACT = ("compilations",)
LEVEL = 0.05
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
COLUMNS = ["benchmark", "old", "new", "ratio", "p", "verdict"]

flags.DEFINE_string(
    "tolerance",
    "0.02",
    "How far counters may change, as a share; compilations not at all.",
)
flags.DEFINE_string("max_ratio", "1.5", "How many times as long the new median may be.")
flags.DEFINE_bool("markdown", False, "Print Markdown.")
flags.DEFINE_bool("different", False, "Compare runs of different devices or versions.")


@dataclasses.dataclass
class Entry:
    """Repetitions of one measurement: seconds, and the largest value of each counter."""

    seconds: list[float] = dataclasses.field(default_factory=list)
    counters: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Line:
    """One measurement in both runs; `bad` says whether it is worse or changed."""

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
    def words(self) -> list[str]:
        p = "-" if self.p is None else f"{self.p:.2g}"
        return [
            self.name,
            _time(self.old),
            _time(self.new),
            f"{self.ratio:.2f}",
            p,
            self.verdict,
        ]


def read(path: str) -> tuple[dict[str, str], dict[str, Entry]]:
    """The machine of a run, and its entries by name. A folder's files must be of one machine."""
    place = pathlib.Path(path)
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files:
        raise _flags.FileError(path, "has no JSON file", ALLOWED)
    machine, entries = None, {}
    for file in files:
        there, measurements = _read_file(str(file))
        if machine not in (None, there):
            raise _flags.FileError(
                str(file),
                f"another {_difference(machine, there)} than {files[0]}",
                "files of one machine",
            )
        machine = there
        for measurement in measurements:
            entry = entries.setdefault(measurement["run_name"], Entry())
            entry.seconds.append(
                measurement["real_time"] * SECONDS[measurement["time_unit"]]
            )
            for name in _counters.DETERMINISTIC:
                if name in measurement:
                    entry.counters[name] = max(
                        measurement[name], entry.counters.get(name, -math.inf)
                    )
    return machine, entries


def _read_file(path: str) -> tuple[dict[str, str], list[dict]]:
    try:
        text = pathlib.Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _flags.FileError(
            path, getattr(error, "strerror", None) or "not text", ALLOWED
        ) from None
    if not text.strip():
        raise _flags.FileError(path, "the file is empty", ALLOWED)
    try:
        found = json.loads(text)
    except ValueError:
        raise _flags.FileError(path, "not JSON, or cut short", ALLOWED) from None
    try:
        machine = {name: found["context"][name] for name in _counters.MACHINE}
        measurements = [
            row
            for row in found["benchmarks"]
            if row["run_type"] == "iteration" and not row.get("error_occurred")
        ]
        sound = all(_is_sound(row) for row in measurements)
    except (TypeError, KeyError):
        sound = False
    if not sound:
        raise _flags.FileError(path, "JSON of something else", ALLOWED)
    if not measurements:
        raise _flags.FileError(
            path,
            "no measurement is in it",
            f"{ALLOWED}, without --benchmark_report_aggregates_only",
        )
    return machine, measurements


def _is_sound(row: dict) -> bool:
    numbers = [
        row["real_time"],
        *(row[name] for name in _counters.DETERMINISTIC if name in row),
    ]
    whole = all(
        isinstance(number, (int, float)) and math.isfinite(number) for number in numbers
    )
    return (
        whole
        and row["real_time"] > 0
        and row["time_unit"] in SECONDS
        and isinstance(row["run_name"], str)
    )


def _difference(old: dict[str, str], new: dict[str, str]) -> str:
    return next(
        f"{name} ({new[name]}, not {old[name]})"
        for name in old
        if old[name] != new[name]
    )


def judge(
    name: str, old: Entry, new: Entry, tolerance: float, max_ratio: float
) -> Line:
    """What became of one measurement."""
    before, after = statistics.median(old.seconds), statistics.median(new.seconds)
    changes = []
    for counter in _counters.DETERMINISTIC:
        if counter in old.counters and counter in new.counters:
            a, b = old.counters[counter], new.counters[counter]
            if abs(b - a) > (0 if counter in EXACT else tolerance * abs(a)):
                changes.append(f"{counter} {a:,.0f} to {b:,.0f}")
    longer, shorter = after > max_ratio * before, before > max_ratio * after
    few = 1 / math.comb(len(old.seconds) + len(new.seconds), len(old.seconds)) >= LEVEL
    p = (
        None
        if few
        else _chance(old.seconds, new.seconds, "less" if shorter else "greater")
    )
    if (longer or shorter) and few:
        time = f"{'longer' if longer else 'shorter'}, but too few repetitions"
    elif longer or shorter:
        time = (
            ("slower" if longer else "faster")
            if p < LEVEL
            else "no significant difference"
        )
    else:
        time = "" if changes else "same"
    return Line(
        name,
        before,
        after,
        p,
        ", ".join([time, *changes] if time else changes),
        bool(changes) or time == "slower",
    )


def _chance(old: list[float], new: list[float], alternative: str) -> float:
    """The probability of such a difference of ranks if both are alike."""
    if len({*old, *new}) == 1:
        return 1.0
    return float(stats.mannwhitneyu(new, old, alternative=alternative).pvalue)


def _time(seconds: float) -> str:
    unit = next((unit for unit in ("s", "ms", "us") if seconds >= SECONDS[unit]), "ns")
    return f"{seconds / SECONDS[unit]:.3g} {unit}"


def _print_markdown(summary: str, lines: list[Line], single: list[str]) -> None:
    def rows(some):
        head = [f"| {' | '.join(COLUMNS)} |", "|---|---:|---:|---:|---:|---|"]
        return "\n".join(
            head
            + [
                f"| {' | '.join(word.replace('|', chr(92) + '|') for word in line.words)} |"
                for line in some
            ]
        )

    print(f"### Speed: {summary}\n")
    if any(line.bad for line in lines):
        print(rows(line for line in lines if line.bad), end="\n\n")
    print(
        f"<details><summary>All measurements: {len(lines)}</summary>\n\n{rows(lines)}\n\n</details>"
    )
    for line in single:
        print(f"\n{line}")


def _above(flag: str, least: float) -> float:
    value = _flags.number(flag)
    if value < least:
        raise _flags.UsageError(
            flag, FLAGS[flag].value, "too small", f"a number from {least:g}"
        )
    return value


def main(old_path: str, new_path: str) -> int:
    _flags.refuse(
        *(flag.name for flag in FLAGS.flags_by_module_dict()[_flags.__name__])
    )
    tolerance, max_ratio = _above("tolerance", 0), _above("max_ratio", 1)
    (old_machine, old), (new_machine, new) = read(old_path), read(new_path)
    if old_machine != new_machine and not FLAGS.different:
        problem = f"another {_difference(old_machine, new_machine)} than {old_path}"
        raise _flags.FileError(
            new_path, problem, "runs of one machine and version, or --different"
        )
    common = [name for name in old if name in new]
    if not common:
        raise _flags.FileError(
            new_path,
            f"has no benchmark in common with {old_path}",
            "runs with the same --benchmark_filter",
        )
    lines = [judge(name, old[name], new[name], tolerance, max_ratio) for name in common]
    lines.sort(key=lambda line: (not line.bad, -line.ratio))
    bad = sum(line.bad for line in lines)
    middle = math.exp(statistics.mean(math.log(line.ratio) for line in lines))
    summary = f"{bad} of {len(lines)} worse or changed; times {middle:.2f} of the old ones (geometric mean)"
    sides = ((old_path, old, new), (new_path, new, old))
    single = [
        f"only in {path}: {name}"
        for path, here, there in sides
        for name in here
        if name not in there
    ]
    if FLAGS.markdown:
        _print_markdown(summary, lines, single)
    else:
        _terminal.table(summary, COLUMNS, [line.words for line in lines])
        print(*single, sep="\n", end="\n" if single else "")
    return 1 if bad else 0


if __name__ == "__main__":
    _flags.start(main, WANTED)
