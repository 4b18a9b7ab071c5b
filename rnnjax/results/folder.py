"""Run folders: what was run, what came out, and how it was computed.

config.json              schema, benchmark, settings, axes, row_id, the commands that
                         made it, where they ran, and the SHA-256 of all this
rows/<group>.jsonl       the rows of one finished group; written whole, never changed
timings/<group>.json     its compile and run seconds, apart from the rows so that
                         these repeat exactly, and the SHA-256 of the rows
processes/<i-of-n>.json  where process i ran, if n of them share the run
rows.jsonl               all rows, sorted; see joined.py
rows.parquet             the same with types, if pyarrow is installed
timings.jsonl            all timings
summary.csv              a line for each shape
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from rnnjax import settings as settings_lib
from rnnjax.results import files, joined, rows, schema
from rnnjax.results.schema import Row

GENERATED = (
    "rows/*.jsonl",
    "timings/*.json",
    "processes/*.json",
    "rows.jsonl",
    "rows.parquet",
    "timings.jsonl",
    "summary.csv",
    "slopes.csv",
    "winners.txt",
    "*.png",
    "*.svg",
    ".*.part",
    "*/.*.part",
)


@dataclasses.dataclass(frozen=True)
class Description:
    """What a folder holds: a benchmark, its settings (one value each) and its axes.

    `row_id` are the keys that tell a row from all others, by which rows are sorted;
    `keys` is the schema of rows; `details` go into config.json as they are. `own_cells`
    says what a user's cells are, by name.
    """

    benchmark: str
    settings: Mapping[str, Any]
    axes: Mapping[str, Sequence[Any]]
    row_id: tuple[str, ...]
    keys: schema.Schema
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    own_cells: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Folder:
    """The folder of one run, opened for writing.

    A later run may extend the axes of the folder, but not change a setting.
    """

    def __init__(self, path: epath.PathLike, run: Description, overwrite: bool = False):
        """Checks that the folder can hold the run; writes nothing.

        Raises `FolderError` for a folder that holds something else, another schema, or
        rows of other settings, which `overwrite` allows.
        """
        self.path, self.run = epath.Path(path), run
        self.config: dict[str, Any] = {
            "schema": rows.SCHEMA,
            "benchmark": run.benchmark,
            "settings": dict(run.settings),
            "axes": {name: list(values) for name, values in run.axes.items()},
            "row_id": list(run.row_id),
            "own_cells": dict(run.own_cells),
            "commands": [],
            "invocations": [],
            **run.details,
        }
        old = self._old_config()
        self._overwrite = overwrite and old is not None
        if old is not None and not overwrite:
            self._extend(old)

    def _old_config(self) -> dict[str, Any] | None:
        """The config.json that is there, or None for a new or empty folder."""
        try:
            if not self.path.exists():
                return None
            if self.path.is_dir() and not any(map(_is_visible, self.path.iterdir())):
                return None
            old = rows.read_config(self.path)
        except (FileNotFoundError, NotADirectoryError):
            raise files.FolderError("it is no run folder") from None
        except OSError as error:
            problem = f"it cannot be read ({error.strerror or error})"
            raise files.FolderError(problem) from None
        if old["benchmark"] != self.run.benchmark:
            holds = f"it holds a run of benchmark {old['benchmark']!r}"
            problem = f"{holds}, not {self.run.benchmark!r}"
            raise files.FolderError(problem, "another folder")
        if old["row_id"] != list(self.run.row_id):
            problem = (
                "its rows are told apart by other keys, as an earlier 0.3 had them"
            )
            raise files.FolderError(problem, "another folder, or --overwrite")
        return old

    def _extend(self, old: dict[str, Any]) -> None:
        """Joins the axes and commands of this run to those of the folder."""
        new = self.config
        for key in new["settings"] | old["settings"]:
            was, now = old["settings"].get(key), _json(new["settings"].get(key))
            if was != now:
                words = f"{key}={settings_lib.text(was)}, not {settings_lib.text(now)}"
                allowed = "the same settings, another --out_dir, or --overwrite"
                raise files.FolderError(f"it holds a run with {words}", allowed)
        own_cells = old.get("own_cells", {})
        for cell, now in new["own_cells"].items():
            was = own_cells.get(cell, now)
            if was != now:
                differs = ", ".join(key for key in now if now[key] != was.get(key))
                words = differs.replace("sha256", "source file")
                allowed = "the same cell, another --out_dir, or --overwrite"
                raise files.FolderError(f"its {cell} has another {words}", allowed)
        new["own_cells"] |= own_cells
        new["commands"], new["invocations"] = old["commands"], old["invocations"]
        for name, values in new["axes"].items():
            every = {*values, *old["axes"].get(name, [])}
            new["axes"][name] = sorted(every, key=lambda v: (str(type(v)), v))

    def create(self, command: str, where: Mapping[str, Any], process: str = "") -> None:
        """Makes the folder and records the command, and where it runs.

        All commands of a folder together repeat it. If several processes share the run,
        each passes its name and records where it runs in processes/<name>.json;
        config.json is the same for all, and written only if it is missing or different.

        Raises OSError if the folder cannot be written.
        """
        if self._overwrite:
            self._clear()
        if command not in self.config["commands"]:
            self.config["commands"].append(command)
        if process:
            text = json.dumps({"command": command, **where}, indent=1) + "\n"
            files.write(self.path / "processes" / f"{process}.json", text)
        elif where not in self.config["invocations"]:
            self.config["invocations"].append(dict(where))
        rows.write_config(self.path, self.config)

    @property
    def exists(self) -> bool:
        """Whether the folder is there, since `create`."""
        return (self.path / "config.json").exists()

    def known(self) -> dict[tuple[Any, ...], Row]:
        """The rows of the folder by identity. Raises `FolderError` for damaged rows."""
        if self._overwrite or not (self.path / "config.json").exists():
            return {}
        read = rows.read_rows(self.path)
        return {rows.identity(row, self.run.row_id): row for row in read}

    def add(
        self, group: str, new: Sequence[Row], timing: Mapping[str, Any]
    ) -> list[Row]:
        """Writes the rows of a finished group; returns them rounded, as they are read.

        Raises `schema.SchemaError` for a row that breaks the schema; nothing is written
        then.
        """
        short = [rows.rounded(row) for row in new]
        for row in short:
            schema.check(row, self.run.keys)
        text = "".join(json.dumps(row) + "\n" for row in short)
        line = {"group": group, "lanes": len(short), **timing}
        line["sha256"] = files.sha256(text)
        # The timing first: rows without their digest would count as finished.
        files.write(self.path / "timings" / f"{group}.json", json.dumps(line) + "\n")
        files.write(self.path / "rows" / f"{group}.jsonl", text)
        return short

    def finish(self, summary: Sequence[Row]) -> list[Row]:
        """Joins the files of the groups, writes the summary, and returns all rows."""
        read = rows.read_rows(self.path)
        files.write(self.path / "rows.jsonl", joined.jsonl(read))
        joined.write_parquet(self.path / "rows.parquet", read, self.run.keys)
        timings = sorted(self.path.glob("timings/*.json"))
        lines = "".join(path.read_text() for path in timings)
        files.write(self.path / "timings.jsonl", lines)
        files.write(self.path / "summary.csv", rows.csv(summary))
        return read

    def _clear(self) -> None:
        for pattern in GENERATED:
            for path in self.path.glob(pattern):
                path.unlink()
        for name in ("states", "networks"):
            (self.path / name).rmtree(missing_ok=True)


def _is_visible(path: epath.Path) -> bool:
    """Whether a file is neither a lock nor part of an unfinished file."""
    return not path.name.startswith(".")


def _json(value: Any) -> Any:
    """A value as JSON gives it back: tuples become lists."""
    return json.loads(json.dumps(value))
