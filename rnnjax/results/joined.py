"""All rows of a run in one file, in forms that other programs read.

rows.jsonl      polars, DuckDB and pandas read it with their defaults
rows.parquet    the same with the types that the schema declares; written if pyarrow is
                installed
"""

import io
import json
from collections.abc import Sequence
from typing import Any

from etils import epath

from rnnjax.results import files, schema
from rnnjax.results.schema import Row

INFERRED = 100  # rows from which polars.read_ndjson infers the types of columns
ARROW = {"int": "int64", "float": "float64", "str": "string", "bool": "bool"}


def jsonl(rows: Sequence[Row]) -> str:
    """The rows as lines of JSON, in their order but for those that show a type.

    If the first rows do not have a value of a key, such as `floor` of networks that
    merge, polars would not read the key. So the first row with one comes to the front.
    """
    keys = dict.fromkeys(key for row in rows for key in row)
    first = {
        next((k for k, row in enumerate(rows) if _has_value(row.get(key))), 0)
        for key in keys
    }
    # What is moved to the front pushes as many rows back.
    front = sorted(k for k in first if k >= INFERRED - len(keys))
    if len(rows) <= INFERRED:
        front = []
    others = (row for k, row in enumerate(rows) if k not in front)
    ordered = [*(rows[k] for k in front), *others]
    return "".join(json.dumps(row) + "\n" for row in ordered)


def _has_value(value: Any) -> bool:
    """Whether a value has a type: null has none, nor has a list of nulls."""
    values = value if isinstance(value, list) else [value]
    return any(x is not None for x in values)


def write_parquet(path: epath.Path, rows: Sequence[Row], keys: schema.Schema) -> None:
    """Writes the rows as Parquet; without pyarrow, no file is left."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        path.unlink(missing_ok=True)  # of an earlier command
        return
    fields = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        *is_list, kind = schema.find(name, keys).type.split(" of ")
        entry = pyarrow.type_for_alias(ARROW[kind])
        fields[name] = pyarrow.list_(entry) if is_list else entry
    table = pyarrow.Table.from_pylist(list(rows), pyarrow.schema(fields))
    data = io.BytesIO()
    parquet.write_table(table, data)
    files.write(path, data.getvalue())
