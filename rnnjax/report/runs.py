"""The runs below a folder: their rows, timings and pictures, and what is wrong.

A folder that cannot be read is named and left out; the others count.
"""

import dataclasses
import itertools
import os
import re
import shlex
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from rnnjax.optimization.schema import METHOD
from rnnjax.results import files, rows
from rnnjax.results.schema import Row

INSIDE = ("rows", "timings", "processes", "states", "networks")  # of a run folder
# Keys that rows have whatever was measured.
LANE = ("cell", "hidden_size", "layers", "seed")
KEYS: Mapping[str, tuple[str, ...]] = {
    "memory_stability": (*LANE, "input_size", "weights", "status"),
    "capacity": (
        *(*LANE, "recurrent_init", "steps", "budget", "search", "stage", "trial"),
        *("move", "parameters", "status", "objective", "score"),
    ),
    "autocomplete": (*LANE, "updates"),
    "short_term_memory": (*LANE, "measure", "state_size", "status"),
    "optimization": (
        *(*METHOD, "trial", "seed", "status", "searched", "accuracy", "solved_update"),
        *("validation_accuracy", "batch", "curve_updates", "curve_gradients"),
    ),
}
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
SMOKE = "it is a smoke run: its pictures are shown, its rows do not count"
Timings = Sequence[tuple[dict[str, Any], list[Row]]]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder that could be read.

    `name` is its path below the folder of the results, `flags` what stands on its
    command line (of several, the last), by name.
    """

    path: epath.Path
    name: str
    benchmark: str
    config: Mapping[str, Any]
    rows: Sequence[Row]
    timings: Timings
    flags: Mapping[str, str]
    pictures: Sequence[epath.Path]

    @property
    def unfinished(self) -> bool:
        """Whether it was not carried to its end."""
        return "axes" in self.config and not (self.path / "summary.csv").exists()

    @property
    def where(self) -> Mapping[str, Any]:
        """Where it last ran: versions, commit, processor, device."""
        return (self.config.get("invocations") or [{}])[-1]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A folder that is left out or incomplete, and why."""

    name: str
    text: str


def find(root: epath.Path) -> tuple[list[Run], list[Problem]]:
    """The runs below `root`, and the problems, sorted by name."""
    found: list[Run] = []
    problems: list[Problem] = []
    for path in _folders(root, root, problems):
        name = str(path.relative_to(root))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                run = _read(path, name)
            except files.FolderError as error:
                problems.append(Problem(name, error.problem.replace(f"{path}/", "")))
                continue
            except OSError as error:
                problems.append(Problem(name, error.strerror or str(error)))
                continue
        if "smoke" in run.flags:
            problems.append(Problem(name, SMOKE))
        found.append(run)
        problems += [
            Problem(name, str(w.message).replace(f"{path}/", "")) for w in caught
        ]
        if run.unfinished:
            text = f"it is unfinished: {len(run.rows)} rows so far, which count"
            problems.append(Problem(name, text))
    return found, problems


def judging(commands: Sequence[str]) -> str:
    """The command that judges what the runs of commands leave: all below one folder."""
    flags = [flags_of(command) for command in commands]
    folders = [known.get("out_dir", "results").split("/") for known in flags]
    alike = itertools.takewhile(lambda level: len({*level}) == 1, zip(*folders))
    shared = "/".join(level[0] for level in alike)
    return f"python -m benchmarks.report --results={shlex.quote(shared or '.')}"


def _folders(
    folder: epath.Path, root: epath.Path, problems: list[Problem]
) -> list[epath.Path]:
    """The folders with a config.json, from `folder` downward."""
    name = str(folder.relative_to(root))
    try:
        inner = sorted(p for p in folder.iterdir() if p.is_dir())
    except OSError as error:
        problems.append(Problem(name, error.strerror or str(error)))
        return []
    found = [folder] if (folder / "config.json").exists() else []
    if not found and any(path.name == "rows" for path in inner):
        problems.append(Problem(name, "it has rows, but no config.json"))
    for path in inner:
        if path.name not in INSIDE:
            found += _folders(path, root, problems)
    return found


def _read(path: epath.Path, name: str) -> Run:
    config = rows.read_config(path)
    if config.get("benchmark") not in KEYS:
        problem = f"it is a run of another benchmark, {config.get('benchmark')!r}"
        raise files.FolderError(problem)
    read = rows.read_rows(path)
    if not read:
        raise files.FolderError("it has no rows")
    for key in KEYS[config["benchmark"]]:
        if any(key not in row for row in read):
            raise files.FolderError(f"its rows have no key {key!r}")
    commands = config.get("commands") or [""]
    return Run(
        path=path,
        name=name,
        benchmark=config["benchmark"],
        config=config,
        rows=read,
        timings=_timings(path),
        flags=flags_of(commands[-1]),
        pictures=sorted(path.glob("*.svg")),
    )


def _timings(path: epath.Path) -> Timings:
    try:
        return rows.read_timings(path)
    except FileNotFoundError as error:
        missing = os.path.relpath(error.filename, path)
        raise files.FolderError(f"{missing} is missing") from None
    except (OSError, ValueError):
        raise files.FolderError("its timings are damaged") from None


def commands_of(used: Sequence[Run], runs: Sequence[Run]) -> list[str]:
    """The commands that made runs, after those of the networks that they measure."""
    networks = [run.flags["network"] for run in used if "network" in run.flags]
    needed = [run for run in runs if run.flags.get("out_dir") in networks]
    commands = (c for run in (*needed, *used) for c in run.config.get("commands", []))
    return list(dict.fromkeys(commands))


def flags_of(command: str) -> dict[str, str]:
    """The flags on a command line, `--smoke` as "True", numbers in one form."""
    words = [word[2:] for word in shlex.split(command) if word.startswith("--")]
    pairs = (word.partition("=") for word in words)
    return {name: _plain(value) if given else "True" for name, given, value in pairs}


def _plain(value: str) -> str:
    """A value with its numbers as Python writes them: "1e-4:1" as "0.0001:1"."""
    return "".join(
        f"{float(part):g}" if NUMBER.fullmatch(part) else part
        for part in re.split("([,:])", value)
    )
