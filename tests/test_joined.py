"""rows.jsonl and rows.parquet: what other programs read."""

import json
import sys

import pytest
from etils import epath

from rnnjax.results import joined, schema

KEYS = {
    "seed": schema.Key("int", "a seed"),
    "status": schema.Key("str", "how it ended"),
    "bracketed": schema.Key("bool", "whether"),
    "first_<criterion>": schema.Key("int", "a step", nullable=True),
    "floor": schema.Key("float", "a distance", nullable=True),
    "distance": schema.Key("list of float", "distances"),
    "lag": schema.Key("float", "a lag", nullable=True, optional=True),
}


def rows(count, floor=(), distance=(), lag=()):
    """Rows of which those in `floor` and `distance` alone have a value, and of which
    those in `lag` alone have the key.
    """
    return [
        {
            "seed": seed,
            "status": "merged",
            "bracketed": True,
            "first_1e-4": 7,
            "floor": 1e-7 if seed in floor else None,
            "distance": [None, 0.5 if seed in distance else None],
        }
        | ({"lag": 2.5} if seed in lag else {})
        for seed in range(count)
    ]


def written(made):
    return [json.loads(line) for line in joined.jsonl(made).splitlines()]


def test_rows_stay_in_order_if_the_first_ones_show_every_type():
    for made in (rows(100, floor=[99]), rows(300, [0], [4], [5]), rows(300)):
        assert written(made) == made


def test_the_first_hundred_rows_show_the_type_of_every_key():
    made = rows(300, floor=[93, 250], distance=[120, 280], lag=[299])
    found = written(made)
    assert [row["seed"] for row in found[:4]] == [93, 120, 299, 0]
    assert sorted(found, key=lambda row: row["seed"]) == made
    assert written(made[:]) == found
    for key in made[-1]:
        first = [row.get(key) for row in found[: joined.INFERRED]]
        assert any(value not in (None, [None, None]) for value in first), key


def test_rows_pushed_back_do_not_leave_their_types_behind():
    made = rows(300, floor=[99], distance=[200])
    shown = written(made)[: joined.INFERRED]
    assert any(row["floor"] for row in shown)


def test_parquet_has_the_types_of_the_schema(tmp_path):
    """Also where all values are null."""
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="needs pip install pyarrow, as in requirements.txt"
    )
    path, made = epath.Path(tmp_path / "rows.parquet"), rows(3, distance=[1], lag=[2])
    joined.write_parquet(path, made, KEYS)
    table = parquet.read_table(path)
    assert {field.name: str(field.type) for field in table.schema} == {
        "seed": "int64",
        "status": "string",
        "bracketed": "bool",
        "first_1e-4": "int64",
        "floor": "double",
        "distance": "list<element: double>",
        "lag": "double",
    }
    assert table.to_pylist() == [{"lag": None} | row for row in made]
    before = path.read_bytes()
    joined.write_parquet(path, made, KEYS)
    assert path.read_bytes() == before


def test_without_pyarrow_no_file_is_left(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = epath.Path(tmp_path / "rows.parquet")
    path.write_bytes(b"of an earlier command")
    joined.write_parquet(path, rows(2), KEYS)
    assert not path.exists()
