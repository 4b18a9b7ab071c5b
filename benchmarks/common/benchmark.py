"""The contract of a benchmark. `main`, `merge`, `verify` and `timing` use nothing else.

An experiment is a package of the library that provides what `Benchmark` lists, a binary
that puts it into one, and an entry in `benchmarks/registry.py`. It then has run
folders, resuming, slices, dry runs, merge, verify and timing.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from etils import epath

from rnnjax import settings
from rnnjax.engine import lanes, mesh, runner
from rnnjax.engine.timed import Timed
from rnnjax.results.schema import COMMON, Row, Schema
from rnnjax.results.tables import Table


class Config(Protocol):
    """A run as data: a frozen dataclass made from flags, or in Python."""

    @property
    def name(self) -> str:
        """Name of the default run folder below results/<benchmark>."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """One JSON value each; all runs in a folder have the same."""

    @property
    def axes(self) -> Mapping[str, Sequence[Any]]:
        """What the run is made over. A later run may extend the axes of its folder."""

    @property
    def own_cells(self) -> Mapping[str, Mapping[str, Any]]:
        """Digest and options of a user's cells; see `cells.registry.describe_own`."""


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What a benchmark is made of.

    Attributes:
      name: name of the binary and of the benchmark in rows.
      about: what the binary measures; `--help` begins with it.
      options: dataclass whose settings are the benchmark's flags.
      configure: makes the config from the flags on the command line, by name, among
        them `smoke`; `own` are those of a user's cells. Raises `settings.SettingError`.
      parts: the independent parts of a run, cut for so many processes.
      part: what a part is called, such as "shape".
      row_id: the keys that tell a row from all others of a run.
      keys: schema of the rows, without the keys that all benchmarks have.
      summary: one flat line a shape.
      tables: what is printed at the end, of which `Table.detail` with --tables=all
        alone. The others together should have no more than 40 lines and 80 columns.
      draw: writes the pictures into the run folder.
      presets: for flags whose default depends on the preset, what it is in each.
      describe: lines printed before anything is run.
      details: what goes into config.json beside settings and axes.
      context: the context that lanes are computed in, such as float64.
      save: saves more of a finished group, such as its networks, before its rows.
      timed: what `benchmarks.timing` measures; by default the smoke run's first group.
      trial: a config like this one, of at least so many lanes, which runs in a second
        or two: a dry run scales its time. By default the same config.
      row_bytes: bytes of a row, about: those of a run with the default options.
      network_bytes: bytes of the networks that `save` saves of a part, about.
    """

    name: str
    about: str
    options: type
    configure: Callable[[Mapping[str, Any]], Any]
    parts: Callable[[Any, int], Sequence[runner.Part]]
    part: str
    row_id: tuple[str, ...]
    keys: Schema
    summary: Callable[[list[Row]], list[Row]]
    tables: Callable[[list[Row]], list[Table]]
    draw: Callable[[Any, list[Row], epath.Path], None]
    presets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    describe: Callable[[Any], list[str]] = lambda config: []
    details: Callable[[Any], Mapping[str, Any]] = lambda config: {}
    context: Callable[[Any], AbstractContextManager[Any]] = lambda config: (
        contextlib.nullcontext()
    )
    save: Callable[[Any, epath.Path, lanes.Result], None] = (
        lambda config, folder, result: None
    )
    timed: Callable[[mesh.Mesh], list[Timed]] | None = None
    trial: Callable[[Any, int], Any] = lambda config, lanes: config
    row_bytes: int = 1000
    network_bytes: Callable[[Any, Any], float] = lambda config, part: 0.0

    @property
    def schema(self) -> Schema:
        """The schema of the benchmark's rows."""
        return COMMON | dict(self.keys)


def tables_setting() -> Any:
    """The field `tables` of options."""
    return settings.setting(
        "compact",
        "What is printed at the end: the main result in compact form, or all tables.",
        choices=("compact", "all"),
    )


@dataclasses.dataclass(frozen=True)
class MachineOptions:
    """What runs a run, or a suite of them, and whether."""

    dry_run: bool = settings.setting(
        False, "Print lanes, programs, memory, disk and time, and stop within 20 s."
    )
    target: str | None = settings.setting(
        None,
        "With --dry_run: compile the programs for a device that need not be there, "
        "h200 or v5e:2x2, and print what their loops do.",
    )
    force: bool = settings.setting(
        False, "Begin even if the run needs more memory than there is."
    )
    shard: str | None = settings.setting(
        None, "i/n: run slice i (from 1) of n; other processes run the others."
    )
    coordinator: str | None = settings.setting(
        None, "host:port of process 0, or auto: jax.distributed assigns the slices."
    )
    num_processes: int | None = settings.setting(
        None, "Processes that meet at --coordinator.", high=2**16
    )
    process_id: int | None = settings.setting(
        None, "Index of this one of them, from 0.", low=0, high=2**16
    )


@dataclasses.dataclass(frozen=True)
class RunOptions(MachineOptions):
    """How a run is made. None of this changes its rows."""

    out_dir: str | None = settings.setting(
        None,
        "Run folder. Default: results/<benchmark>/<name>; with --smoke, "
        "results/smoke/<benchmark>/<name>.",
    )
    smoke: bool = settings.setting(False, "A tiny run that shows everything works.")
    tables: str = tables_setting()
    overwrite: bool = settings.setting(False, "Discard what the run folder holds.")


# Flags that say how a run is made but not what it holds; no part of its command.
NOT_RECORDED = (
    "tables",
    "overwrite",
    "force",
    "target",
    "shard",
    "coordinator",
    "num_processes",
    "process_id",
)
