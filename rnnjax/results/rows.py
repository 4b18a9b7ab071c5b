"""Reading the rows of a run folder. Needs no JAX.

    rows = read_rows("results/memory_stability/gru")     a list of flat dictionaries
    columns = read_columns("results/memory_stability/gru")   one NumPy array a key

The keys of rows are described in docs/rows.md. JSON has no NaN, so a number that does
not exist is `null`, beside a status that says why.
"""

import json
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from etils import epath

from rnnjax.results import files
from rnnjax.results.schema import Row

SCHEMA = 3  # version of the layout of run folders and of the keys of rows
OLDER_SCHEMAS = {1: "0.1", 2: "0.2"}  # and the version of rnnjax that reads them
Found = dict[tuple[Any, ...], tuple[Row, epath.Path]]  # rows and files, by identity
NOT_A_RUN = "it is no run folder, or its config.json is damaged"


def read_config(folder: epath.PathLike) -> dict[str, Any]:
    """The config.json of a run folder.

    Raises OSError if there is none, `FolderError` if it is damaged or of another
    schema.
    """
    path = epath.Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text())
        digest, schema = config.pop("sha256"), config["schema"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise files.FolderError(NOT_A_RUN) from None
    if schema != SCHEMA:
        raise files.FolderError(*_other_schema(schema))
    if digest != files.sha256(json.dumps(config)):
        allowed = "another folder, or its config.json as it was written"
        raise files.FolderError("its config.json is damaged", allowed)
    return config


def _other_schema(schema: Any) -> tuple[str, str]:
    reads = OLDER_SCHEMAS.get(schema) if isinstance(schema, int) else None
    which = f"which rnnjax {reads} reads" if reads else f"not {SCHEMA}"
    return f"it holds a run of schema {schema!r}, {which}", "another folder"


def write_config(folder: epath.PathLike, config: dict[str, Any]) -> None:
    """Writes config.json with its SHA-256, unless the file says the same already."""
    path = epath.Path(folder) / "config.json"
    whole = {**config, "sha256": files.sha256(json.dumps(config))}
    text = json.dumps(whole, indent=1) + "\n"
    if not path.exists() or path.read_text() != text:
        files.write(path, text)


def read_rows(folder: epath.PathLike) -> list[Row]:
    """The rows of all finished groups of a run folder, sorted by their identity.

    Rows that a copied file repeats count once, with a warning. Raises FileNotFoundError
    for a folder that is none, `FolderError` for damaged rows, and for two different
    rows of one lane.
    """
    folder = epath.Path(folder)
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"{folder} is no run folder: it has no config.json")
    row_id = read_config(folder)["row_id"]
    found: Found = {}
    for path in sorted(folder.glob("rows/*.jsonl")):
        try:
            text = path.read_text()
            if files.sha256(text) != _recorded_digest(folder, path.stem, text):
                raise ValueError
            rows = [json.loads(line) for line in text.splitlines()]
            keyed = {identity(row, row_id): (row, path) for row in rows}
        except (ValueError, KeyError, TypeError, OSError):
            allowed = "to delete that file: its lanes are computed again"
            raise files.FolderError(f"{path} is damaged", allowed) from None
        _count_once(found, keyed, row_id)
        found = keyed | found
    return [found[key][0] for key in sorted(found)]


def _count_once(found: Found, new: Found, row_id: Sequence[str]) -> None:
    """Warns of rows that another file has as well; raises if it has others."""
    repeated = [key for key in new if key in found]
    for key in repeated:
        (row, path), (before, other) = new[key], found[key]
        if row != before:
            lane = " ".join(f"{k}={v}" for k, v in zip(row_id, key) if v is not None)
            problem = f"{path} and {other.name} have different rows of {lane}"
            raise files.FolderError(problem, "to delete the file that is wrong")
    if repeated:
        (_, path), (_, other) = new[repeated[0]], found[repeated[0]]
        lanes = f"{len(repeated)} lane{'s' * (len(repeated) > 1)}"
        line = f"{path} repeats {lanes} of {other.name}: each counts once"
        warnings.warn(line, stacklevel=1)


def _recorded_digest(folder: epath.Path, group: str, text: str) -> str:
    """The SHA-256 recorded beside a group's timing; that of `text` if there is none."""
    timing = folder / "timings" / f"{group}.json"
    recorded = json.loads(timing.read_text()) if timing.exists() else {}
    return recorded.get("sha256") or files.sha256(text)


def identity(row: Row, row_id: Sequence[str]) -> tuple[Any, ...]:
    """The values that tell a row from all others of its run."""
    return tuple(row[key] for key in row_id)


def read_timings(folder: epath.PathLike) -> list[tuple[dict[str, Any], list[Row]]]:
    """The timing of every finished group, with the group's rows."""
    folder, out = epath.Path(folder), []
    for path in sorted(folder.glob("timings/*.json")):
        lines = (folder / "rows" / f"{path.stem}.jsonl").read_text().splitlines()
        out.append((json.loads(path.read_text()), [json.loads(line) for line in lines]))
    return out


def columns(rows: Iterable[Row]) -> dict[str, np.ndarray]:
    """Rows as one array a key: null becomes NaN; lists and text are object arrays."""
    rows = list(rows)
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: _array([row.get(key) for row in rows]) for key in keys}


def read_columns(folder: epath.PathLike) -> dict[str, np.ndarray]:
    """`columns` of the rows of a run folder."""
    return columns(read_rows(folder))


def _array(values: list[Any]) -> np.ndarray:
    if all(value is None or isinstance(value, int | float) for value in values):
        if any(value is None or isinstance(value, float) for value in values):
            numbers = [np.nan if value is None else value for value in values]
            return np.asarray(numbers, np.float64)
        return np.asarray(values)
    array = np.empty(len(values), object)
    array[:] = values
    return array


def csv(rows: Sequence[Row]) -> str:
    """Rows as comma-separated text with a header; null is an empty field.

    Whole numbers of a column of floats end in ".0", so that no reader takes them for
    integers.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = [keys, *([_field(row.get(key)) for key in keys] for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines)


def _field(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.6g}"
    return f"{text}.0" if text.lstrip("-").isdecimal() else text


def rounded(value: Any) -> Any:
    """Floats to the 7 digits that float32 has, and to 4 within lists."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [float(f"{x:.4g}") if isinstance(x, float) else x for x in value]
    return value
