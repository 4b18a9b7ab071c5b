"""Run folders that are not local: whole files only, as an object store has them."""

import pytest
import tiny
from etils import epath

from benchmarks import memory_stability, merge, verify
from benchmarks.common import main
from rnnjax.results import rows

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_a_run_on_an_object_store(command, tmp_path, store):
    """The same files as in a local folder, also of slices; each is written once, but
    for those that a restart changes.
    """
    for folder in ("local", "gs://bucket/run"):
        arguments = tiny.arguments("memory_stability", folder)
        for slice_flag in ("--shard=1/2", "--shard=2/2"):
            assert command(memory_stability, *arguments, slice_flag)[0] == 0
    local, remote = tmp_path / "local", store.root / "bucket/run"
    assert (remote / "rows.jsonl").read_bytes() == (local / "rows.jsonl").read_bytes()
    locks = {name for name in files_in(local) if name.startswith(".lock")}
    assert files_in(remote) == files_in(local) - locks
    assert len(store.written) == len(set(store.written))
    assert "Nothing to do" in command(memory_stability, *arguments)[2]
    assert command(merge, "gs://bucket/run")[0] == 0
    assert command(verify, "gs://bucket/run", "--sample=1")[0] == 0


def files_in(folder):
    """The names of all files below a folder."""
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    }


def test_what_an_object_store_holds_is_refused_as_in_a_folder(command, store):
    arguments = tiny.arguments("memory_stability", "gs://bucket/run")
    given_twice = command(memory_stability, *arguments, "--seeds=1")
    assert given_twice[0] == 2
    assert command(memory_stability, *arguments)[0] == 0
    folder = epath.Path("gs://bucket/run")
    config = rows.read_config(folder)
    for schema, line in (
        (9, "it holds a run of schema 9, not 3"),
        (1, "it holds a run of schema 1, which rnnjax 0.1 reads"),
    ):
        rows.write_config(folder, {**config, "schema": schema})
        status, out, err = command(memory_stability, *arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert f"--out_dir=gs://bucket/run: {line}; allowed: another folder" in err
        for module in (merge, verify):
            status, _, err = command(module, "gs://bucket/run")
            assert (status, err.count("\n")) == (2, 1)
            assert line in err


@pytest.mark.parametrize(
    "module, words",
    [
        (memory_stability, ["--smoke", "--out_dir=foo://x"]),
        (merge, ["foo://x"]),
        (verify, ["foo://x"]),
    ],
)
def test_unknown_kinds_of_paths_are_refused(command, tmp_path, module, words):
    status, out, err = command(module, *words)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert "foo://x: cannot be opened here (no such kind of path)" in err
    assert not list(tmp_path.iterdir())


def test_a_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main.open_path("~/run") == epath.Path(tmp_path) / "run"
