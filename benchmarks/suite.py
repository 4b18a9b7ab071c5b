"""Everything that the report needs, one run after another, and the report.

    python -m benchmarks.suite --preset=quick
    python -m benchmarks.suite --preset=smallest --cell=my_module:MyCell

Runs of the other binaries, in folders below --out_dir. A stopped suite goes on with the
same command. Cells of --cell join the runs of the preset, and so get their line, ranks
and pictures in the report beside the built-in ones.
"""

import contextlib
import dataclasses
import functools
import os
from typing import Any

from etils import epath

from rnnjax import settings
from rnnjax.cells import registry
from rnnjax.engine.runner import ProcessSlice

from . import report
from .common import command, errors, interruptible, lock, main, processes, target
from .common.benchmark import MachineOptions, RunOptions
from .registry import BENCHMARKS
from .suites import folder, plan, presets, work


@dataclasses.dataclass(frozen=True)
class Options(MachineOptions):
    """The flags of the binary."""

    preset: str = settings.setting(
        "quick",
        "Which runs: smallest takes two minutes on two cores, quick twenty; paper has "
        "published sizes, for accelerators.",
        choices=presets.PRESETS,
    )
    cell: tuple[str, ...] | None = registry.cell_setting(None)
    dry_run: bool = settings.setting(
        False, "Print commands, lanes, programs, memory and time, and stop."
    )
    out_dir: str | None = settings.setting(
        None,
        "Folder of the runs. Default: results/suite/<preset>; with --smoke, "
        "results/smoke/suite.",
    )
    smoke: bool = settings.setting(False, "Tiny runs that show everything works.")

    def __post_init__(self) -> None:
        settings.validate(self)


def run(given: dict[str, Any]) -> int:
    """Runs what is missing and writes the report; returns the exit status."""
    names = {field.name for field in settings.fields(Options)}
    options = Options(**{k: v for k, v in given.items() if k in names})
    if options.target is not None and not options.dry_run:
        problem, allowed = "nothing is run on it", "together with --dry_run"
        raise errors.UsageError("target", options.target, problem, allowed)
    elsewhere = None if options.target is None else target.find(options.target)
    piece = processes.slice_of(main.run_options(given))
    preset = "smoke" if options.smoke else options.preset
    root = "results/smoke/suite" if options.smoke else f"results/suite/{preset}"
    out_dir = root if options.out_dir is None else options.out_dir
    path = folder.open_folder(out_dir, preset)
    shared = {k: v for k, v in given.items() if k not in names}  # of a user's cells
    shared |= {"force": True} if options.force else {}
    if piece.name:
        shared["shard"] = f"{piece.index + 1}/{piece.count}"
    table = presets.SMOKE if options.smoke else presets.PRESETS[preset]
    every = work.runs(table, out_dir, options.cell or (), shared)
    work.check(every, out_dir)
    if options.dry_run:
        show = functools.partial(plan.show, every, piece, elsewhere)
        interruptible.run(show, None, "")
        return 0
    _carry_out(every, path, preset, piece)
    return report.write(path, os.path.join(out_dir, "report"), verdicts=False)


def _carry_out(
    every: list[work.Run], path: epath.Path, preset: str, piece: ProcessSlice
) -> None:
    """Runs what is missing. Ends the process if slices of others are."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.held(path, piece))
            folder.create(path, preset)
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            allowed = "a folder you may write to"
            raise errors.UsageError("out_dir", path, problem, allowed) from None
        waiting = work.carry_out(every)
    if waiting:
        names = ", ".join(run.name for run in waiting)
        line = f"Slice {piece.name.replace('-', ' ')} is done as far as it can be"
        raise errors.Stopped(
            0,
            f"{line}; missing in {path}: {names}. The last process makes the report; "
            "the same command goes on with what waits for others.",
        )


COMMAND = command.Command(
    "suite",
    __doc__ or "",
    {"Flags": Options},
    run,
    more=functools.partial(
        main.own_options,
        (Options, RunOptions, *(one.options for one in BENCHMARKS.values())),
    ),
    resumes=lambda given: not given.get("dry_run", False),
)

if __name__ == "__main__":
    command.start(COMMAND)
