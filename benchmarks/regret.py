"""Regret and memory of networks on synthetic texts, runs side by side.

    python -m benchmarks.regret --runs=RUN_DIR,RUN_DIR

joins runs of `benchmarks.autocomplete --text=synthetic` that differ in --switch. Beside
each network it puts, if they are given, those of the same cell and --switch in runs of
`benchmarks.capacity --task=characters --text=synthetic` (--characters), and how long
these remember (--stability: runs of `benchmarks.memory_stability --network`).
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etils import epath
from scipy import stats

from rnnjax import settings
from rnnjax.autocomplete import summary as autocomplete
from rnnjax.capacity import summary as capacity
from rnnjax.figures import regret as figures
from rnnjax.memory_stability import summary as stability
from rnnjax.memory_stability.schema import TRAINED
from rnnjax.results import files, rows
from rnnjax.results.schema import Row
from rnnjax.results.tables import Table
from rnnjax.settings import SettingError
from rnnjax.text import contexts

from .common import command, main, terminal

MERGE_TIME = "first_1e-4"
MIN_LINES = 5  # of a rank correlation
ENDS = ("", "_low", "_high")  # of a mean and its interval
REGRET = (
    *(f"regret{end}" for end in ENDS),
    "effective_context_status",
    *(f"effective_context{end}" for end in ENDS),
)
KEYS = (
    *("switch", "cell", "layers", "hidden_size", "seeds", "optimum"),
    *REGRET,
    *(f"{name}{end}" for name in ("context_fraction", "context_lag") for end in ENDS),
)
MEASURES = {  # of memory, as columns
    "effective_context": "context",
    "context_fraction": "share",
    "context_lag": "lag",
}
OF_CHARACTERS = {"effective_context": "context", "merge_time": "merge time"}


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of the binary."""

    runs: tuple[str, ...] = settings.setting(
        (), "Run folders of benchmarks.autocomplete, a comma list."
    )
    characters: tuple[str, ...] | None = settings.setting(
        None, "Run folders of benchmarks.capacity --task=characters, a comma list."
    )
    stability: tuple[str, ...] | None = settings.setting(
        None,
        "Run folders of benchmarks.memory_stability --network=RUN_DIR, each of a run "
        "of --characters; a comma list.",
    )
    out_dir: str = settings.setting(
        "results/regret", "Folder of the table as CSV and of the pictures."
    )

    def __post_init__(self) -> None:
        settings.validate(self)


def run(given: dict[str, Any]) -> int:
    """Joins the runs, prints tables and draws pictures; returns the exit status."""
    options = Options(**given)
    lines = joined(options)
    folder = main.open_path(options.out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / "regret.csv", rows.csv(lines))
    figures.sweep(lines, folder)
    for table in tables(lines):
        terminal.table(table)
    print(f"Table and pictures: {folder}.")
    return 0


def joined(options: Options) -> list[Row]:
    """A line for each shape of each run, sorted by --switch."""
    others: dict[tuple[float, str], Row] = {}
    for switch, line in _characters(options.characters or ()):
        found = others.setdefault((switch, line["cell"]), {})
        found |= {f"characters_{key}": line[key] for key in REGRET}
    for switch, line in _merge_times(options.stability or ()):
        others.setdefault((switch, line.pop("cell")), {}).update(line)
    keys = dict.fromkeys(key for line in others.values() for key in line)
    lines = []
    for path in options.runs:
        read = _read("runs", path, "autocomplete")
        for line in autocomplete.summary(read):
            known = others.get((line["switch"], line["cell"]), {})
            of_others = {key: known.get(key) for key in keys}
            lines.append({key: line.get(key) for key in KEYS} | of_others)
    return sorted(lines, key=lambda line: [line[key] for key in KEYS[:4]])


def _characters(paths: Sequence[str]) -> Iterator[tuple[float, Row]]:
    for path in paths:
        for line in capacity.summary(_read("characters", path, "capacity")):
            yield line["switch"], line


def _merge_times(paths: Sequence[str]) -> Iterator[tuple[float, Row]]:
    """Median merge times of trained networks, by the text they were trained on."""
    for path in paths:
        read = _read("stability", path, "memory_stability")
        trained = _config("stability", path)["settings"]["network"]
        if trained is None or MERGE_TIME not in read[0]:
            problem = "it has no trained networks, or no criterion 1e-4"
            allowed = "runs of benchmarks.memory_stability --network"
            raise SettingError("stability", path, problem, allowed)
        switch = _read("stability", trained, "capacity")[0]["switch"]
        chosen = [row for row in read if row["weights"] == TRAINED]
        for shape, lanes in itertools.groupby(chosen, key=lambda row: row["cell"]):
            median = stability.times(list(lanes), MERGE_TIME).median
            values = zip(ENDS, (median.median, median.low, median.high))
            line: Row = {f"merge_time{end}": contexts.finite(v) for end, v in values}
            yield switch, {"cell": shape} | line


def _config(flag: str, path: str) -> dict[str, Any]:
    try:
        return rows.read_config(epath.Path(path))
    except OSError:
        raise SettingError(flag, path, "it is no run folder", "run folders") from None


def _read(flag: str, path: str, benchmark: str) -> list[Row]:
    """The rows of a run of this benchmark on a synthetic text."""
    allowed = f"runs of benchmarks.{benchmark}"
    if _config(flag, path)["benchmark"] != benchmark:
        raise SettingError(flag, path, "it is another benchmark's", allowed)
    read = rows.read_rows(epath.Path(path))
    if not read:
        raise SettingError(flag, path, "it has no rows", allowed)
    if benchmark != "memory_stability" and "optimum" not in read[0]:
        problem, allowed = "its text is not synthetic", f"{allowed} --text=synthetic"
        raise SettingError(flag, path, problem, allowed)
    return read


def tables(lines: Sequence[Row]) -> list[Table]:
    """Regret and memory of each network, and of those that read characters."""
    made = [_words(lines)]
    if any(line.get("characters_regret") is not None for line in lines):
        made.append(_letters(lines))
    return made


def _words(lines: Sequence[Row]) -> Table:
    entries = [
        [
            figures.name(line, lines),
            f"{line['switch']:g}",
            _entry(line, "regret", 3),
            _context(line),
            _number(line["context_fraction"], 3),
            _number(line["context_lag"], 2),
        ]
        for line in lines
    ]
    columns = ["cell", "q", "regret", *MEASURES.values()]
    notes = [
        "q: --switch; regret: nats a scored character above the best possible loss; "
        "context: words that the best predictor sees with that loss; share and lag of "
        "the connectivity: before the current word, and its mean distance. 95 % "
        "intervals over trainings; of one, over windows.",
        *_correlations(lines, MEASURES),
    ]
    return Table("regret and memory by --switch", columns, entries, notes)


def _letters(lines: Sequence[Row]) -> Table:
    entries, own_lines = [], []
    for line in lines:
        own = line | {key: line[f"characters_{key}"] for key in REGRET}
        time = _entry(line, "merge_time", 1) if "merge_time" in line else "-"
        switch, name = f"{line['switch']:g}", line["cell"]
        entries.append([name, switch, _entry(own, "regret", 4), _context(own), time])
        own_lines.append(own)
    columns = ["cell", "q", "regret, bits", "context", "merge time"]
    notes = [
        "Networks that name the next character. merge time: steps of the same text "
        "until the outputs agree within 1e-4 after different texts; median over "
        "trainings, - if half of them or more never did.",
        *_correlations(own_lines, OF_CHARACTERS),
    ]
    return Table("networks that read characters", columns, entries, notes)


def _values(lines: Sequence[Row], measure: str) -> list[float]:
    """The values of all lines; none if a line has none. Beyond a context: infinite."""
    if measure == "effective_context":
        values = [contexts.of_line(line)[0] for line in lines]
    else:
        values = [line.get(measure) for line in lines]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


def _correlations(lines: Sequence[Row], measures: Mapping[str, str]) -> list[str]:
    """A note on how alike measures order the lines, if there are enough of them."""
    found = []
    for a, b in itertools.combinations(measures, 2):
        values = _values(lines, a), _values(lines, b)
        if all(len(set(some)) > 1 for some in values) and len(lines) >= MIN_LINES:
            rank = stats.spearmanr(*values).statistic
            found.append(f"{measures[a]} and {measures[b]} {rank:.2f}")
    text = f"Rank correlations over these lines: {', '.join(found)}."
    return [text] if found else []


def _context(line: Mapping[str, Any]) -> str:
    return contexts.interval(contexts.of_line(line))


def _entry(line: Mapping[str, Any], key: str, digits: int) -> str:
    """A mean and its interval: "2.3 (1.9 to 2.8)"."""
    value, low, high = (_number(line[f"{key}{end}"], digits) for end in ENDS)
    return value if "-" in (low, high) else f"{value} ({low} to {high})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


COMMAND = command.Command("regret", __doc__ or "", {"Flags": Options}, run)

if __name__ == "__main__":
    command.start(COMMAND)
