"""What was claimed, and what was measured: one page from all runs of a folder.

    python -m benchmarks.report --results=results

finds the run folders below --results, judges published claims from their rows, and
writes report.html, which needs no other file, report.md, and claims.json. Folders that
cannot be read are named, and the others count.
"""

import dataclasses
import os
from typing import Any

from etils import epath

from rnnjax import settings
from rnnjax.report import content, report
from rnnjax.results.tables import Table

from .common import command, errors, main, terminal

SHOWN = 4  # columns of the table of verdicts on the terminal


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of the binary."""

    results: str = settings.setting("results", "Folder with run folders, at any depth.")
    out_dir: str = settings.setting("results/report", "Folder of the report.")

    def __post_init__(self) -> None:
        settings.validate(self)


def run(given: dict[str, Any]) -> int:
    """Writes the report and prints its answer; returns the exit status."""
    options = Options(**given)
    results = main.open_path(options.results)
    if not results.is_dir():
        raise errors.UsageError(
            "results", options.results, "it is no folder", "a folder with run folders"
        )
    _check(main.open_path(options.out_dir), options.out_dir)
    return write(results, options.out_dir, verdicts=True)


def _check(folder: epath.Path, given: str) -> None:
    """Raises `errors.UsageError` if a report would be among other files."""
    problem = ""
    if not given:
        problem = "no folder"
    elif folder.is_file():
        problem = "it is no folder"
    elif folder.is_dir() and not (folder / report.NAMES[0]).exists():
        pictures = (path.stem in report.PICTURES for path in folder.iterdir())
        problem = "" if all(pictures) else "it holds something else"
    if problem:
        allowed = "an empty folder, or that of a report"
        raise errors.UsageError("out_dir", given, problem, allowed)


def write(results: epath.Path, out_dir: str, verdicts: bool) -> int:
    """Writes the report; prints its answer, after all verdicts if they are wanted."""
    made = report.write(results, main.open_path(out_dir))
    for problem in made.problems:
        terminal.say(f"report: {os.path.join(results, problem.name)}: {problem.text}")
    if not made.runs:
        terminal.say(f"report: no run could be read below {results}")
    if verdicts:
        terminal.table(_verdicts(made))
    (answer,) = made.document.sections[0].blocks
    for line in answer.lines:  # type: ignore[union-attr]
        print(line)
    print(f"Report: {os.path.join(out_dir, report.NAMES[0])}")
    return 0 if made.runs else 1


def _verdicts(made: report.Report) -> Table:
    every = content.verdict_table(made.verdicts)
    lines = [[cell.text for cell in line[:SHOWN]] for line in every.lines]
    missing = content.missing(made.verdicts)
    notes = [f"Not measured yet: {line}" for line in missing]
    notes += ["python -m benchmarks.suite makes all runs at small sizes."] * bool(notes)
    return Table(every.caption, every.columns[:SHOWN], lines, notes)


COMMAND = command.Command("report", __doc__ or "", {"Flags": Options}, run)

if __name__ == "__main__":
    command.start(COMMAND)
