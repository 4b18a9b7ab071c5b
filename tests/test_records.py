"""Run folders: what is accepted, what is refused, what a reader gets."""

import json

import numpy as np
import pytest

from rnnjax.results import records

SETTINGS = {"steps": 100, "dtype": "float32"}


def row(seed, **more):
    return {
        "cell": "lstm",
        "input_size": 1,
        "hidden_size": 2,
        "layers": 1,
        "seed": seed,
        "first_cosine": 7,
        **more,
    }


def run(path, seeds=(0, 1), settings=SETTINGS, **options):
    folder = records.Folder(
        path, "memory_stability", settings, {"seeds": list(seeds)}, **options
    )
    folder.create("python")
    return folder


def test_rows_come_back_sorted_and_flat(tmp_path):
    folder = run(tmp_path / "a")
    folder.add("g2", [row(2)], {"run_seconds": 1})
    folder.add(
        "g0", [row(1), row(0, floor=None, distance=[0.123456789])], {"run_seconds": 1}
    )
    rows = folder.finish([{"cell": "lstm", "x": None, "y": 0.25}])
    assert [r["seed"] for r in rows] == [0, 1, 2]
    assert [
        json.loads(line)
        for line in (tmp_path / "a" / "rows.jsonl").read_text().splitlines()
    ] == rows
    assert rows[0]["distance"] == [0.1235]
    assert (tmp_path / "a" / "summary.csv").read_text() == "cell,x,y\nlstm,,0.25\n"
    assert len((tmp_path / "a" / "timings.jsonl").read_text().splitlines()) == 2
    assert not list((tmp_path / "a").glob("**/*.part"))


def test_columns_turn_null_into_nan(tmp_path):
    columns = records.columns([row(0, floor=None), row(1, floor=2.5)])
    np.testing.assert_array_equal(columns["floor"], [np.nan, 2.5])
    assert columns["seed"].dtype.kind == "i"
    assert columns["cell"].tolist() == ["lstm", "lstm"]


def test_done_lanes_are_known_again(tmp_path):
    run(tmp_path / "a").add("g", [row(0), row(1)], {})
    assert run(tmp_path / "a").done() == {("lstm", 1, 2, 1, 0), ("lstm", 1, 2, 1, 1)}


def test_axes_may_grow(tmp_path):
    run(tmp_path / "a", seeds=(0, 1))
    run(tmp_path / "a", seeds=(1, 2, 3))
    assert json.loads((tmp_path / "a" / "config.json").read_text())["axes"] == {
        "seeds": [0, 1, 2, 3]
    }


def test_other_settings_are_refused_unless_overwritten(tmp_path):
    run(tmp_path / "a").add("g", [row(0)], {})
    with pytest.raises(
        records.RefusedError, match="holds a run with steps=100, not 200"
    ):
        run(tmp_path / "a", settings={**SETTINGS, "steps": 200})
    folder = run(tmp_path / "a", settings={**SETTINGS, "steps": 200}, overwrite=True)
    assert folder.done() == set()
    assert records.read_rows(tmp_path / "a") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.txt", "mine"),
        ("config.json", "{}"),
        ("config.json", "not json"),
        ("config.json", '{"schema": 1}'),
    ],
)
def test_foreign_folders_are_refused_and_left_alone(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    for overwrite in (False, True):
        with pytest.raises(records.RefusedError):
            run(tmp_path, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == text


def test_another_schema_or_benchmark_is_refused(tmp_path):
    run(tmp_path / "a")
    config = records.read_config(tmp_path / "a")
    for change in ({"schema": 99}, {"benchmark": "capacity"}):
        records.write_config(tmp_path / "a", {**config, **change})
        with pytest.raises(records.RefusedError, match=next(iter(change))):
            run(tmp_path / "a")


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(records.RefusedError):
        run(tmp_path / "file")
    with pytest.raises(OSError):
        run(tmp_path / "file" / "below")


def test_provenance_is_kept_once_a_kind(tmp_path):
    run(tmp_path / "a")
    run(tmp_path / "a")
    (invocation,) = json.loads((tmp_path / "a" / "config.json").read_text())[
        "invocations"
    ]
    assert invocation["versions"].keys() == {"jax", "jaxlib", "flax", "optax", "numpy"}
    assert {"commit", "dirty", "device", "devices", "python"} < invocation.keys()


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    """Also for a reader, or a kill, in the middle of the write."""
    path = records.epath.Path(tmp_path) / "f"
    records.write(path, "before")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        records.write(path, "after")
    assert path.read_text() == "before"
