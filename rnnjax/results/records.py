"""Run folders: what was asked, what came out, and how it was computed.

    config.json            schema, benchmark, settings, axes, the commands that made it, where they ran, and the SHA-256 of all this
    rows/<group>.jsonl     the rows of one finished group; written whole, never changed
    timings/<group>.json   its compile and run seconds, apart from the rows so that these repeat exactly, and the rows' SHA-256
    processes/<i-of-n>.json  where a process ran, of several that share a run
    rows.jsonl             all rows, sorted
    timings.jsonl          all timings
    summary.csv            a line for each shape

Rows are flat; JSON has no NaN, so a number that does not exist is `null` beside a status that says why.
"""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata

import jax
import numpy as np
from etils import epath

SCHEMA = 1
LABELS = ("cell", "input_size", "hidden_size", "layers", "seed")


class RefusedError(ValueError):
    """A folder cannot be used: what the `problem` is, and what is `allowed` instead."""

    def __init__(self, problem: str, allowed: str = "a new or empty folder, or a run folder of this benchmark"):
        super().__init__(problem)
        self.problem, self.allowed = problem, allowed


def write(path: epath.Path, text: str) -> None:
    """Writes a whole file so that a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if "://" in os.fspath(path):
        path.write_text(text)
        return
    part = path.with_name(f".{path.name}.{platform.node()}-{os.getpid()}.part")
    try:
        part.write_text(text)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def read_rows(folder) -> list[dict]:
    """The rows of all finished groups of a run folder, sorted.

    Raises FileNotFoundError for a folder that is none, and `RefusedError` for damaged rows.
    """
    folder, rows = epath.Path(folder), []
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"{folder} is no run folder: it has no config.json")
    labels = read_config(folder)["labels"]
    for path in sorted(folder.glob("rows/*.jsonl")):
        try:
            text = path.read_text()
            if _digest(text) != _noted_digest(folder, path.stem, text):
                raise ValueError
            rows += map(json.loads, text.splitlines())
            keys = [tuple(row[label] for label in labels) for row in rows]
        except (ValueError, KeyError, TypeError, OSError):
            raise RefusedError(f"{path} is damaged", "to delete that file: its lanes are computed again") from None
    return [row for _, row in sorted(zip(keys, rows), key=lambda pair: pair[0])] if rows else []


def read_config(folder) -> dict:
    """What the config.json of a run folder says. Raises OSError if there is none, `RefusedError` for a damaged or foreign one."""
    try:
        config = json.loads((epath.Path(folder) / "config.json").read_text())
        digest, schema = config.pop("sha256"), config["schema"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RefusedError("it is no run folder, or its config.json is damaged") from None
    if schema == SCHEMA and digest != _digest(json.dumps(config)):
        raise RefusedError("its config.json is damaged", "another folder, or its config.json as it was written")
    return config


def write_config(folder, config: dict) -> None:
    """Writes config.json, unless it says this already."""
    path = epath.Path(folder) / "config.json"
    text = json.dumps({**config, "sha256": _digest(json.dumps(config))}, indent=1) + "\n"
    if not path.exists() or path.read_text() != text:
        write(path, text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _noted_digest(folder: epath.Path, group: str, text: str) -> str:
    """The digest kept beside the timing of a group; that of the rows themselves if none was kept."""
    timing = folder / "timings" / f"{group}.json"
    noted = json.loads(timing.read_text()) if timing.exists() else {}
    return noted.get("sha256") or _digest(text)


def columns(rows: Iterable[dict]) -> dict[str, np.ndarray]:
    """Rows as one array a key. Missing numbers become NaN; lists and text become object arrays."""
    rows = list(rows)
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: _array([row.get(key) for row in rows]) for key in keys}


def read_columns(folder) -> dict[str, np.ndarray]:
    """`columns` of a run folder."""
    return columns(read_rows(folder))


def _array(values: list) -> np.ndarray:
    if all(value is None or isinstance(value, (int, float)) for value in values):
        if any(value is None or isinstance(value, float) for value in values):
            return np.asarray([np.nan if value is None else value for value in values], np.float64)
        return np.asarray(values)
    array = np.empty(len(values), object)
    array[:] = values
    return array


class Folder:
    """The folder of one run, opened for writing."""

    def __init__(
        self, path, benchmark: str, settings: dict, axes: dict[str, list], overwrite: bool = False, labels: tuple = LABELS, **more
    ):
        """Checks that the folder can take the run, without writing. `more` goes into config.json as it is.

        `labels` are the keys that tell every row from all others, and by which rows are sorted.

        Raises `RefusedError` for a folder that holds something else, another schema, or rows of other settings.
        """
        self.path = epath.Path(path)
        self.config = {
            "schema": SCHEMA,
            "benchmark": benchmark,
            "settings": settings,
            "axes": axes,
            "labels": list(labels),
            "commands": [],
            "invocations": [],
        }
        self.config |= more
        self._replace = False
        old = self._old_config()
        if old is None:
            return
        for key in ("schema", "benchmark"):
            if old.get(key) != self.config[key]:
                raise RefusedError(f"it holds a run of {key} {old.get(key)!r}, not {self.config[key]!r}", "another folder")
        changed = [key for key in settings | old["settings"] if settings.get(key) != old["settings"].get(key)]
        if overwrite:
            self._replace = True
        elif changed:
            key = changed[0]
            was, now = old["settings"].get(key), settings.get(key)
            allowed = "the same settings, another --out_dir, or --overwrite"
            raise RefusedError(f"it holds a run with {key}={_text(was)}, not {_text(now)}", allowed)
        else:
            self.config |= {key: old[key] for key in ("commands", "invocations")}
            self.config["axes"] = {
                name: sorted({*values, *old["axes"].get(name, [])}, key=lambda v: (str(type(v)), v))
                for name, values in axes.items()
            }

    def _old_config(self) -> dict | None:
        try:
            if not self.path.exists() or (self.path.is_dir() and not any(map(_visible, self.path.iterdir()))):
                return None
            return read_config(self.path)
        except (FileNotFoundError, NotADirectoryError):
            raise RefusedError("it is no run folder") from None
        except OSError as error:
            raise RefusedError(f"it cannot be read ({error.strerror or error})") from None

    def create(self, command: str, process: str = "") -> None:
        """Makes the folder and notes the command and where it runs. Raises OSError if it cannot be written.

        All the commands of a folder together repeat it. Of several processes each gives its name, and has a file of its own to say
        where it runs: config.json is the same for all, and written by those alone who find another one or none.
        """
        if self._replace:
            self._clear()
        where = provenance()
        for key, value in (("commands", command), *([] if process else [("invocations", where)])):
            if value not in self.config[key]:
                self.config[key].append(value)
        if process:
            write(self.path / "processes" / f"{process}.json", json.dumps({"command": command, **where}, indent=1) + "\n")
        write_config(self.path, self.config)

    def done(self) -> set[tuple]:
        """The labels of the lanes that have a row."""
        return set(self.known())

    def known(self) -> dict[tuple, dict]:
        """The rows there are, by their labels."""
        if self._replace or not (self.path / "config.json").exists():
            return {}
        return {tuple(row[label] for label in self.config["labels"]): row for row in read_rows(self.path)}

    def add(self, group: str, rows: list[dict], timing: dict) -> None:
        """Keeps the rows of a finished group."""
        text = "".join(json.dumps(short(row)) + "\n" for row in rows)
        timing = {"group": group, **timing, "sha256": _digest(text)}
        write(self.path / "timings" / f"{group}.json", json.dumps(timing) + "\n")
        write(self.path / "rows" / f"{group}.jsonl", text)

    def finish(self, summary: list[dict]) -> list[dict]:
        """Joins the groups' files, writes the summary, and returns all rows."""
        rows = read_rows(self.path)
        write(self.path / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        timings = sorted(self.path.glob("timings/*.json"))
        write(self.path / "timings.jsonl", "".join(path.read_text() for path in timings))
        write(self.path / "summary.csv", csv(summary))
        return rows

    def _clear(self) -> None:
        for pattern in (
            "rows/*.jsonl",
            "timings/*.json",
            "processes/*.json",
            "rows.jsonl",
            "timings.jsonl",
            "summary.csv",
            "*.png",
            "*.svg",
            ".*.part",
            "*/.*.part",
        ):
            for path in self.path.glob(pattern):
                path.unlink()
        for name in ("states", "networks"):
            (self.path / name).rmtree(missing_ok=True)


def csv(rows: list[dict]) -> str:
    """Rows as comma-separated text; None is an empty field."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = [keys, *([_field(row.get(key)) for key in keys] for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines)


def _field(value) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def short(value):
    """Floats with the seven digits float32 has: shorter files, and no false precision."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, dict):
        return {key: short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [float(f"{item:.4g}") if isinstance(item, float) else item for item in value]
    return value


def _visible(path: epath.Path) -> bool:
    """Whether a file is no lock and no part of a file that was never finished."""
    return not path.name.startswith(".")


def _text(value) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _git(*arguments: str) -> str | None:
    where = os.path.dirname(os.path.abspath(__file__))
    try:
        done = subprocess.run(["git", "-C", where, *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def provenance() -> dict:
    commit = _git("rev-parse", "HEAD")
    return {
        "versions": {name: metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy")},
        "python": platform.python_version(),
        "commit": commit,
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")) if commit else None,
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
    }
