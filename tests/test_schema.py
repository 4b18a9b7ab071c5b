"""The schema of rows: what fits, what stops a run, what a written run has."""

import dataclasses

import pytest
import tiny

from benchmarks import registry
from rnnjax.engine import lanes
from rnnjax.results import rows, schema
from rnnjax.results.schema import Key, SchemaError

SCHEMA = {
    "name": Key("str", "a name"),
    "count": Key("int", "a count", "steps"),
    "size": Key("float", "a size", nullable=True),
    "full": Key("bool", "all or not", optional=True),
    "curve": Key("list of float", "a curve", optional=True),
    "first_<criterion>": Key("int", "a time", "steps", nullable=True),
}
ROW = {"name": "a", "count": 3, "size": 0.5}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"size": None},
        {"size": 2},
        {"full": True},
        {"curve": [0.5, 1, None]},
        {"curve": []},
        {"first_1e-4": 7, "first_cosine": None},
    ],
)
def test_a_row_that_fits(more):
    schema.check(ROW | more, SCHEMA)


@pytest.mark.parametrize(
    "more, message",
    [
        ({"name": None}, "row key 'name' is None, which is not str"),
        ({"name": 3}, "row key 'name' is 3, which is not str"),
        ({"count": 3.0}, "row key 'count' is 3.0, which is not int"),
        ({"count": True}, "row key 'count' is True, which is not int"),
        ({"size": "0.5"}, "row key 'size' is '0.5', which is not float or null"),
        ({"size": False}, "row key 'size' is False, which is not float or null"),
        ({"size": float("nan")}, "row key 'size' is nan, which is not float or null"),
        ({"size": float("inf")}, "row key 'size' is inf, which is not float or null"),
        ({"full": 1}, "row key 'full' is 1, which is not bool"),
        ({"full": None}, "row key 'full' is None, which is not bool"),
        ({"curve": 0.5}, "row key 'curve' is 0.5, which is not list of float"),
        ({"curve": ["a"]}, "row key 'curve' is .*, which is not list of float"),
        ({"curve": [float("nan")]}, "row key 'curve' is .nan., which is not list of"),
        ({"first_1e-4": 7.5}, "row key 'first_1e-4' is 7.5, which is not int or null"),
        ({"length": 3}, "row key 'length' is not in the schema"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_the_key(more, message):
    with pytest.raises(SchemaError, match=message):
        schema.check(ROW | more, SCHEMA)


@pytest.mark.parametrize("key", ROW)
def test_a_key_that_is_missing_is_named(key):
    row = {name: value for name, value in ROW.items() if name != key}
    with pytest.raises(SchemaError, match=f"row key '{key}' is missing"):
        schema.check(row, SCHEMA)


@pytest.mark.parametrize("benchmark", registry.BENCHMARKS)
def test_every_key_of_a_benchmark_has_a_type_and_a_meaning(benchmark):
    keys = registry.BENCHMARKS[benchmark].schema
    for name, key in keys.items():
        assert key.type.removeprefix("list of ") in schema.TYPES, name
        assert key.meaning, name
        assert f"| `{name}` | {key.type}" in schema.markdown(keys)
    row_id = registry.BENCHMARKS[benchmark].row_id
    assert set(row_id) <= keys.keys()
    assert not any(keys[name].optional for name in row_id)


def test_rows_that_are_written_have_the_keys_of_the_schema(command, tmp_path):
    arguments = tiny.arguments("memory_stability", "run", tiny.SMALLEST)
    assert command(tiny.BINARIES["memory_stability"], *arguments)[0] == 0
    read = rows.read_rows(tmp_path / "run")
    assert len(read) == 2
    for row in read:
        schema.check(row, registry.BENCHMARKS["memory_stability"].schema)


BREAKS = {
    "a key of no schema": (
        lambda row: row | {"lenght": 3},
        "row key 'lenght' is not in the schema",
    ),
    "a missing key": (
        lambda row: {name: row[name] for name in row if name != "status"},
        "row key 'status' is missing",
    ),
    "no number": (
        lambda row: row | {"floor": float("nan")},
        "row key 'floor' is nan, which is not float or null",
    ),
    "another type": (
        lambda row: row | {"steps": "many"},
        "row key 'steps' is 'many', which is not int",
    ),
}


@pytest.mark.parametrize("change, problem", BREAKS.values(), ids=BREAKS)
def test_a_row_that_breaks_the_schema_stops_a_run_in_one_line(
    command, tmp_path, monkeypatch, change, problem
):
    """What was written before stays, and the run goes on from there once mended."""
    module = tiny.BINARIES["memory_stability"]
    monkeypatch.setattr(module.figures, "draw", lambda *_: None)
    assert command(module, *tiny.arguments("memory_stability", "whole"))[0] == 0
    arguments = tiny.arguments("memory_stability", "run")
    run_group = lanes.run_group

    def broken(group, *rest):
        result = run_group(group, *rest)
        if "h3" not in group.name:  # the second of two architectures
            return result
        return dataclasses.replace(result, rows=[change(row) for row in result.rows])

    with monkeypatch.context() as patch:
        patch.setattr(lanes, "run_group", broken)
        status, out, err = command(module, *arguments)
    line = f"memory_stability: {problem}; what was finished before is kept\n"
    assert (status, out, err) == (1, "", line)
    (kept,) = (tmp_path / "run/rows").iterdir()
    assert kept.read_bytes() == (tmp_path / "whole/rows" / kept.name).read_bytes()
    assert len(rows.read_rows(tmp_path / "run")) == 2
    assert command(module, *arguments)[0] == 0
    whole = (tmp_path / "whole/rows.jsonl").read_bytes()
    assert (tmp_path / "run/rows.jsonl").read_bytes() == whole
