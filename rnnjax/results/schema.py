"""What the keys of a row mean, and the check of rows against it.

A row is a flat dictionary that JSON can hold, one for each lane. An experiment declares
its keys as a dictionary of `Key`, beside `COMMON`, which every row has. `docs/rows.md`
is made from these declarations.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]

TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
}


class SchemaError(ValueError):
    """A row does not have the keys, or the types, that its schema declares."""


@dataclasses.dataclass(frozen=True)
class Key:
    """One key of a row: its type, what it means, and its unit.

    `type` is one of `TYPES`, or a list of one such as "list of float", whose entries
    may be null. A key that is `nullable` may be null where the number does not exist. A
    key that is `optional` is missing from rows of runs that do not measure it.
    """

    type: str
    meaning: str
    unit: str = ""
    nullable: bool = False
    optional: bool = False


Schema = Mapping[str, Key]

COMMON: dict[str, Key] = {
    "benchmark": Key("str", "name of the benchmark"),
    "cell": Key("str", "name of the cell, as --cell takes it"),
    "input_size": Key("int", "numbers (or one-hot classes) the network reads a step"),
    "hidden_size": Key("int", "units of each layer"),
    "layers": Key("int", "layers of the network"),
    "seed": Key("int", "seed of the lane: weights and data depend on it alone"),
    "status": Key("str", "how the lane ended; `diverged` if a number was not finite"),
    "width": Key("int", "inner width: lanes that advanced together in one program"),
}


def check(row: Row, schema: Schema) -> None:
    """Checks a row against a schema. Raises `SchemaError`, which names the key.

    A key `name_<criterion>` of the schema stands for one key a criterion, such as
    `first_1e-4` for `first_<criterion>`.
    """
    for name, value in row.items():
        key = find(name, schema)
        if not _fits(value, key):
            kind = f"{key.type} or null" if key.nullable else key.type
            raise SchemaError(f"row key {name!r} is {value!r}, which is not {kind}")
    for name, key in schema.items():
        if not key.optional and "<" not in name and name not in row:
            raise SchemaError(f"row key {name!r} is missing")


def find(name: str, schema: Schema) -> Key:
    """The declaration of a key, by its name or by what stands before a `<`.

    Raises `SchemaError` if there is none.
    """
    if name in schema:
        return schema[name]
    for pattern, key in schema.items():
        start, found, _ = pattern.partition("<")
        if found and name.startswith(start):
            return key
    raise SchemaError(f"row key {name!r} is not in the schema")


def _fits(value: Any, key: Key) -> bool:
    if value is None:
        return key.nullable
    kind = key.type.removeprefix("list of ")
    if kind == key.type:
        return _is(value, kind)
    return isinstance(value, list) and all(x is None or _is(x, kind) for x in value)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        return False  # JSON has no such number; it is null
    is_bool = isinstance(value, bool)
    return isinstance(value, TYPES[kind]) and is_bool == (kind == "bool")


def markdown(schema: Schema) -> str:
    """The schema as a Markdown table."""
    lines = ["| key | type | unit | meaning |", "|---|---|---|---|"]
    for name, key in schema.items():
        kind = key.type + (" or null" if key.nullable else "")
        lines.append(f"| `{name}` | {kind} | {key.unit} | {key.meaning} |")
    return "\n".join(lines) + "\n"
