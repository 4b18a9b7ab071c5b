"""Run folders that are no local ones: whole files only, as an object store has them."""

import tiny

from benchmarks import memory_stability, merge, verify
from benchmarks.common import runs as _runs
from rnnjax.results import records


def test_a_run_on_an_object_store(command, tmp_path, store):
    """The same files as in a local folder, also of slices; each is written once, but for what a restart changes."""
    assert (
        command(memory_stability, *tiny.arguments("memory_stability", "local"))[0] == 0
    )
    arguments = tiny.arguments("memory_stability", "gs://bucket/run")
    assert [
        command(memory_stability, *arguments, f"--shard={k}/2")[0] for k in (1, 2)
    ] == [0, 0]
    there = store.root / "bucket/run"
    assert (there / "rows.jsonl").read_bytes() == (
        tmp_path / "local/rows.jsonl"
    ).read_bytes()
    names = {
        str(path.relative_to(there)) for path in there.rglob("*") if path.is_file()
    }
    local = {
        str(path.relative_to(tmp_path / "local"))
        for path in (tmp_path / "local").rglob("*")
        if path.is_file()
    }
    assert names == local - {".lock"} | {
        "processes/1-of-2.json",
        "processes/2-of-2.json",
    }
    assert len(store.written) == len(set(store.written))
    assert "Nothing to do" in command(memory_stability, *arguments)[2]
    assert command(merge, "gs://bucket/run")[0] == 0
    assert command(verify, "gs://bucket/run", "--sample=1")[0] == 0


def test_what_an_object_store_holds_is_refused_as_in_a_folder(command, store):
    arguments = tiny.arguments("memory_stability", "gs://bucket/run")
    assert (
        command(memory_stability, *arguments, "--seeds=1")[0] == 2
    )  # the flag stands twice
    assert command(memory_stability, *arguments)[0] == 0
    folder = records.epath.Path("gs://bucket/run")
    records.write_config(folder, {**records.read_config(folder), "schema": 9})
    status, out, err = command(memory_stability, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert (
        "--out_dir=gs://bucket/run: it holds a run of schema 9, not 1; allowed: another folder"
        in err
    )
    for module in (merge, verify):
        status, _, err = command(module, "gs://bucket/run")
        assert (status, err.count("\n")) == (2, 1)
        assert "it holds a run of schema 9" in err


def test_unknown_kinds_of_paths_are_refused(command, tmp_path):
    for module, words in (
        (memory_stability, ["--smoke", "--out_dir=foo://x"]),
        (merge, ["foo://x"]),
        (verify, ["foo://x"]),
    ):
        status, out, err = command(module, *words)
        assert (status, out, err.count("\n")) == (2, "", 1), err
    assert not list(tmp_path.iterdir())


def test_a_home_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _runs.opened("~/run") == records.epath.Path(tmp_path) / "run"
