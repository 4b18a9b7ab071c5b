"""Nothing is lost or corrupted: kills at every write, full disks, damaged files, clocks that are set back."""

import os
import pathlib
import subprocess
import sys
import time

import pytest
import tiny

from benchmarks import autocomplete, capacity, memory_stability, merge, verify
from rnnjax.engine import lanes
from rnnjax.results import checkpoints, records


class Killed(BaseException):
    """What nothing catches."""


class Writes:
    """Counts all writes of a run; `fault(path)` is called in place of the one numbered `at`, from 1."""

    def __init__(self, monkeypatch):
        self.count, self.at, self.fault = 0, None, None
        write, save = records.write, checkpoints._write
        monkeypatch.setattr(
            records, "write", lambda path, text: self._next(path) or write(path, text)
        )
        monkeypatch.setattr(
            checkpoints,
            "_write",
            lambda folder, *rest: self._next(folder / "weights") or save(folder, *rest),
        )

    def fail(self, at, fault):
        self.count, self.at, self.fault = 0, at, fault

    def _next(self, path):
        self.count += 1
        if self.count == self.at:
            self.fault(pathlib.Path(path))


def killed(path):
    """A kill in the middle of a write: a part of the file is there, under the name it is written to before it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == "weights":
        path.mkdir(exist_ok=True)
        (path / "half").write_text("half")
    else:
        path.with_name(f".{path.name}.part").write_text("half")
    raise Killed


def full(path):
    raise OSError(28, "No space left on device")


@pytest.fixture
def writes(monkeypatch):
    """Counts writes; states are kept after every chunk, and nothing is drawn, which takes time and is not looked at."""
    monkeypatch.setattr(lanes, "SAVE_SECONDS", -1.0)
    monkeypatch.setattr(autocomplete.figures, "draw", lambda *_: None)
    monkeypatch.setattr(capacity.figures, "draw", lambda *_: None)
    for name in ("heatmap", "cells", "distance"):
        monkeypatch.setattr(memory_stability.figures, name, lambda *_: None)
    return Writes(monkeypatch)


@pytest.mark.parametrize("benchmark", tiny.BINARIES)
def test_a_run_killed_at_any_write_ends_with_the_same_rows(
    command, tmp_path, writes, benchmark
):
    module = tiny.BINARIES[benchmark]
    assert command(module, *tiny.arguments(benchmark, "whole", tiny.LEAST))[0] == 0
    assert writes.count > 8
    for at in range(1, writes.count + 1):
        arguments, folder = (
            tiny.arguments(benchmark, f"killed{at}", tiny.LEAST),
            tmp_path / f"killed{at}",
        )
        writes.fail(at, killed)
        with pytest.raises(Killed):
            command(module, *arguments)
        writes.fail(None, None)
        status, _, err = command(module, *arguments)
        assert status == 0, (at, err)
        assert (folder / "rows.jsonl").read_bytes() == (
            tmp_path / "whole/rows.jsonl"
        ).read_bytes(), at


def stability(command, folder):
    return command(
        memory_stability, *tiny.arguments("memory_stability", folder, tiny.LEAST)
    )


def test_a_disk_that_is_full_at_any_write_is_one_line(command, tmp_path, writes):
    """A full disk keeps what was finished, and the run ends on another day."""
    assert stability(command, "whole")[0] == 0
    whole = (tmp_path / "whole/rows.jsonl").read_bytes()
    for at in range(1, writes.count + 1, 3):
        writes.fail(at, full)
        status, out, err = stability(command, f"full{at}")
        assert (status, out, err.count("\n")) == (2 if at == 1 else 1, "", 1)
        assert "No space left on device" in err
        writes.fail(None, None)
        assert stability(command, f"full{at}")[0] == 0
        assert (tmp_path / f"full{at}/rows.jsonl").read_bytes() == whole


def test_a_full_disk_as_orbax_says_it_is_no_crash(tmp_path, monkeypatch):
    def full(*_, **__):
        raise ValueError("RESOURCE_EXHAUSTED: No space left on device\n[more lines]")

    monkeypatch.setattr(checkpoints.ocp.StandardCheckpointer, "save", full)
    with pytest.raises(
        OSError, match="cannot be written .RESOURCE_EXHAUSTED: No space left on device."
    ):
        checkpoints.States(records.epath.Path(tmp_path)).save("g", 1, [])


def test_a_folder_that_may_only_be_read_is_one_line(command, tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    assert stability(command, "run")[0] == 0
    before = (tmp_path / "run/rows.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(records, "write", refused)
        patch.setattr(records, "provenance", lambda: {"device": "another"})
        status, _, err = stability(command, "run")
    line = "memory_stability: --out_dir=run: cannot be written (Permission denied); allowed: a folder you may write to\n"
    assert (status, err) == (2, line)
    assert (tmp_path / "run/rows.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:-30],
        lambda b: b[: b.index(b"\n") + 1],
        lambda b: b.replace(b"7", b"8"),
        lambda b: b"",
    ],
)
def test_damaged_rows_are_refused_by_name_and_computed_again_once_deleted(
    command, tmp_path, writes, damage
):
    """Cut within a line or between two, a digit changed, or emptied."""
    assert stability(command, "run")[0] == 0
    whole = (tmp_path / "run/rows.jsonl").read_bytes()
    path = min((tmp_path / "run/rows").iterdir())
    path.write_bytes(damage(path.read_bytes()))
    status, _, err = stability(command, "run")
    allowed = "to delete that file: its lanes are computed again"
    assert (status, err) == (
        2,
        f"memory_stability: --out_dir=run: run/rows/{path.name} is damaged; allowed: {allowed}\n",
    )
    path.unlink()
    assert stability(command, "run")[0] == 0
    assert (tmp_path / "run/rows.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-9],
        lambda text: "",
        lambda text: text.replace('"schema": 1', '"schema": 9'),
        lambda text: text.replace('"hidden_size"', '"hidden_sizf"'),
        lambda text: text.replace("--cell=gru", "--cell=grt"),
        lambda text: text.replace('"versions"', '"versionr"'),
        lambda text: text.replace("settings", "\udcff"),
    ],
)
def test_a_damaged_config_is_refused(command, tmp_path, writes, damage):
    """By the run that would go on there, by a merge and by a verification; with a word of what is damaged."""
    assert stability(command, "run")[0] == 0
    config = tmp_path / "run/config.json"
    changed = damage(config.read_text())
    assert changed != config.read_text()
    config.write_bytes(changed.encode(errors="surrogateescape"))
    for status, out, err in (
        stability(command, "run"),
        command(merge, "run"),
        command(verify, "run"),
    ):
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "config.json is damaged" in err or "a run of schema 9" in err
    assert config.read_bytes() == changed.encode(errors="surrogateescape")


def test_damaged_states_cost_time_and_nothing_else(command, tmp_path, writes):
    """Bytes of every file of the newest state are flipped, file by file: the one before it is taken, or a fresh start."""
    assert stability(command, "whole")[0] == 0
    writes.fail(6, killed)
    with pytest.raises(Killed):
        stability(command, "run")
    writes.fail(None, None)
    states = [path.parent for path in tmp_path.glob("run/states/*/*/state.json")]
    assert len(states) >= 2
    for path in max(states).rglob("*"):
        if path.is_file():
            path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))
    with pytest.warns(UserWarning, match="is damaged"):
        assert stability(command, "run")[0] == 0
    assert (tmp_path / "run/rows.jsonl").read_bytes() == (
        tmp_path / "whole/rows.jsonl"
    ).read_bytes()


def test_damaged_entries_of_the_compile_cache_change_nothing(tmp_path):
    """In processes of their own: the cache of this one is warm."""
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    for folder in ("whole", "run"):
        command = [sys.executable, "-m", "benchmarks.memory_stability"]
        command += tiny.arguments("memory_stability", tmp_path / folder, tiny.LEAST)
        assert (
            subprocess.run(
                command, cwd=tiny.ROOT, env=os.environ | cache, check=False
            ).returncode
            == 0
        )
        entries = [path for path in (tmp_path / "cache").iterdir() if path.is_file()]
        assert entries
        for path in entries:
            path.write_bytes(path.read_bytes()[:100])
    assert (tmp_path / "run/rows.jsonl").read_bytes() == (
        tmp_path / "whole/rows.jsonl"
    ).read_bytes()


def test_a_clock_that_is_set_back_changes_nothing(
    command, tmp_path, writes, monkeypatch
):
    assert stability(command, "whole")[0] == 0
    writes.fail(6, killed)
    with pytest.raises(Killed):
        stability(command, "run")
    writes.fail(None, None)
    monkeypatch.setattr(time, "time", lambda: 1e9)
    assert stability(command, "run")[0] == 0
    assert (tmp_path / "run/rows.jsonl").read_bytes() == (
        tmp_path / "whole/rows.jsonl"
    ).read_bytes()
