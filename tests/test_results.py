"""Run folders: what is accepted, what is refused, what a reader gets."""

import datetime
import json
import subprocess
import sys

import numpy as np
import pytest
import tiny
from etils import epath

from rnnjax.results import files, processor, provenance, rows, schema
from rnnjax.results.folder import Description, Folder

SETTINGS = {"steps": 100, "dtype": "float32"}
ROW_ID = ("cell", "input_size", "hidden_size", "layers", "seed")
KEYS = schema.COMMON | {
    "first_cosine": schema.Key("int", "merge time", "steps"),
    "floor": schema.Key("float", "distance", nullable=True, optional=True),
    "distance": schema.Key("list of float", "distances", optional=True),
}


def row(seed, **more):
    return {
        "benchmark": "memory_stability",
        "cell": "lstm",
        "input_size": 1,
        "hidden_size": 2,
        "layers": 1,
        "seed": seed,
        "status": "merged",
        "width": 1,
        "first_cosine": 7,
        **more,
    }


def run(path, seeds=(0, 1), settings=SETTINGS, overwrite=False, **details):
    description = Description(
        benchmark="memory_stability",
        settings=settings,
        axes={"seeds": seeds},
        row_id=ROW_ID,
        keys=KEYS,
        details=details,
    )
    folder = Folder(path, description, overwrite)
    folder.create("python", {"device": "cpu"})
    return folder


def test_rows_come_back_sorted_and_flat(tmp_path):
    folder = run(tmp_path / "a")
    folder.add("g2", [row(2)], {"run_seconds": 1})
    last = row(0, floor=None, distance=[0.123456789])
    folder.add("g0", [row(1), last], {"run_seconds": 1})
    line = {"cell": "lstm", "x": None, "y": 0.25, "n": 3, "whole": -3.0, "large": 1e9}
    read = folder.finish([line])
    assert [r["seed"] for r in read] == [0, 1, 2]
    lines = (tmp_path / "a" / "rows.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == read
    assert read[0]["distance"] == [0.1235]
    summary = "cell,x,y,n,whole,large\nlstm,,0.25,3,-3.0,1e+09\n"
    assert (tmp_path / "a" / "summary.csv").read_text() == summary
    assert len((tmp_path / "a" / "timings.jsonl").read_text().splitlines()) == 2
    assert not list((tmp_path / "a").glob("**/*.part"))


def test_rows_of_a_copied_file_count_once_and_different_ones_are_refused(tmp_path):
    folder = run(tmp_path / "a")
    read = folder.add("g", [row(0), row(1)], {})
    groups = tmp_path / "a/rows"
    copied = (groups / "g.jsonl").read_text()
    (groups / "h.jsonl").write_text(copied)
    with pytest.warns(UserWarning, match="h.jsonl repeats 2 lanes of g.jsonl: each"):
        assert folder.finish([]) == read
    assert (tmp_path / "a/rows.jsonl").read_text() == copied
    (groups / "h.jsonl").write_text(json.dumps(row(1, first_cosine=8)))
    lane = "cell=lstm input_size=1 hidden_size=2 layers=1 seed=1"
    message = f"h.jsonl and g.jsonl have different rows of {lane}"
    with pytest.raises(files.FolderError, match=message):
        rows.read_rows(tmp_path / "a")


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(OSError) as caught:
        files.write(epath.Path(tmp_path / "rows.jsonl"), "text")
    assert caught.value.filename == f"{tmp_path}/rows.jsonl"
    assert "is a directory" in caught.value.strerror
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_the_rows_of_a_run_that_goes_on_are_those_that_a_reader_gets(tmp_path):
    """A search chooses by them, so they are rounded before it sees them."""
    folder = run(tmp_path / "a")
    added = folder.add("g", [row(0, floor=1 / 3)], {})
    assert added == rows.read_rows(tmp_path / "a")
    assert added[0]["floor"] == 0.3333333


def test_columns_turn_null_into_nan(tmp_path):
    folder = run(tmp_path / "a")
    folder.add("g", [row(0, floor=None), row(1, floor=2.5)], {})
    columns = rows.read_columns(tmp_path / "a")
    np.testing.assert_array_equal(columns["floor"], [np.nan, 2.5])
    assert columns["seed"].dtype.kind == "i"
    assert columns["cell"].tolist() == ["lstm", "lstm"]


def test_done_lanes_are_known_again(tmp_path):
    run(tmp_path / "a").add("g", [row(0), row(1)], {})
    known = run(tmp_path / "a").known()
    assert known.keys() == {("lstm", 1, 2, 1, 0), ("lstm", 1, 2, 1, 1)}
    assert known["lstm", 1, 2, 1, 1] == row(1)


def test_axes_may_grow(tmp_path):
    run(tmp_path / "a", seeds=(0, 1))
    run(tmp_path / "a", seeds=(1, 2, 3))
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert config["axes"] == {"seeds": [0, 1, 2, 3]}


def test_other_settings_are_refused_unless_overwritten(tmp_path):
    run(tmp_path / "a").add("g", [row(0)], {})
    other = {**SETTINGS, "steps": 200}
    with pytest.raises(files.FolderError, match="holds a run with steps=100, not 200"):
        run(tmp_path / "a", settings=other)
    folder = run(tmp_path / "a", settings=other, overwrite=True)
    assert folder.known() == {}
    assert rows.read_rows(tmp_path / "a") == []


def test_a_setting_that_one_of_the_runs_lacks_is_refused(tmp_path):
    run(tmp_path / "a")
    with pytest.raises(files.FolderError, match="with full=None, not True"):
        run(tmp_path / "a", settings={**SETTINGS, "full": True})
    with pytest.raises(files.FolderError, match="with dtype=float32, not None"):
        run(tmp_path / "a", settings={"steps": 100})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.txt", "mine"),
        ("config.json", "{}"),
        ("config.json", "not json"),
        ("config.json", '{"schema": 3}'),
    ],
)
def test_foreign_folders_are_refused_and_left_alone(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    for overwrite in (False, True):
        with pytest.raises(files.FolderError):
            run(tmp_path, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == text


def test_another_schema_or_benchmark_is_refused(tmp_path):
    run(tmp_path / "a")
    config = rows.read_config(tmp_path / "a")
    for change in ({"schema": 99}, {"benchmark": "capacity"}):
        rows.write_config(tmp_path / "a", {**config, **change})
        for overwrite in (False, True):
            with pytest.raises(files.FolderError, match=next(iter(change))):
                run(tmp_path / "a", overwrite=overwrite)


@pytest.mark.parametrize("old, reads", [(1, "0.1"), (2, "0.2")])
def test_a_run_of_an_older_schema_is_refused_with_the_version_that_reads_it(
    tmp_path, old, reads
):
    run(tmp_path / "a").add("g", [row(0)], {})
    config = rows.read_config(tmp_path / "a")
    rows.write_config(tmp_path / "a", {**config, "schema": old})
    line = f"it holds a run of schema {old}, which rnnjax {reads} reads"
    with pytest.raises(files.FolderError, match=line):
        run(tmp_path / "a")
    with pytest.raises(files.FolderError, match=line):
        rows.read_rows(tmp_path / "a")


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(files.FolderError):
        run(tmp_path / "file")
    with pytest.raises(OSError):
        run(tmp_path / "file" / "below")


def test_provenance_is_kept_once_a_kind(tmp_path):
    folder = run(tmp_path / "a")
    for _ in range(2):
        folder.create("python", provenance.provenance())
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert config["commands"] == ["python"]
    made_by_run, invocation = config["invocations"]
    assert made_by_run == {"device": "cpu"}
    assert invocation["versions"].keys() == {"jax", "jaxlib", "flax", "optax", "numpy"}
    assert {"commit", "dirty", "device", "devices", "python"} < invocation.keys()
    assert (
        datetime.date.fromisoformat(invocation["date"])
        <= datetime.datetime.now(datetime.UTC).date()
    )
    assert invocation["processor"] == processor.model()


def test_details_of_a_run_are_in_its_config(tmp_path):
    run(tmp_path / "a", options={"lstm": {"keep_bias": 1.0}})
    config = rows.read_config(tmp_path / "a")
    assert config["options"] == {"lstm": {"keep_bias": 1.0}}


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    """Also for a reader, or a kill, in the middle of the write."""
    path = epath.Path(tmp_path) / "f"
    files.write(path, "before")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, "after")
    assert path.read_text() == "before"


def test_reading_a_run_imports_no_jax(tmp_path):
    run(tmp_path / "a").add("g", [row(0), row(1)], {})
    program = (
        "import sys; from rnnjax.results import rows, schema, statistics; "
        f"print(len(rows.read_rows({str(tmp_path / 'a')!r})), 'jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tiny.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2", "False"]
