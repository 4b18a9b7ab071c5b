"""Nothing is lost or corrupted by kills at every write, full disks, damaged files, or
clocks that are set back.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
import tiny
from etils import epath

from benchmarks import memory_stability, merge, verify
from benchmarks.common import main
from rnnjax.engine import lanes
from rnnjax.results import checkpoints, files
from rnnjax.results.states import States

pytestmark = pytest.mark.usefixtures("quick_compilation")


class Killed(BaseException):
    """Nothing catches it."""


class Writes:
    """Counts writes; number `index`, from 1, calls `fault(path)` instead."""

    def __init__(self, monkeypatch):
        self.count, self.index, self.fault = 0, None, None
        write, save = files.write, checkpoints.write

        def write_file(path, text):
            self._next(path)
            write(path, text)

        def write_checkpoint(folder, *rest):
            self._next(folder / "weights")
            save(folder, *rest)

        monkeypatch.setattr(files, "write", write_file)
        monkeypatch.setattr(checkpoints, "write", write_checkpoint)

    def fail(self, index, fault):
        self.count, self.index, self.fault = 0, index, fault

    def _next(self, path):
        self.count += 1
        if self.count == self.index:
            self.fault(pathlib.Path(path))


def killed(path):
    """A kill in the middle of a write, with half of the unfinished file on disk."""
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
    """Counts writes. States are saved after every chunk; nothing is drawn, which would
    take time.
    """
    monkeypatch.setattr(lanes, "SAVE_SECONDS", -1.0)
    for module in tiny.BINARIES.values():
        monkeypatch.setattr(module.figures, "draw", lambda *_: None)
    return Writes(monkeypatch)


@pytest.mark.parametrize(
    "benchmark",
    [
        "capacity",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in tiny.BINARIES
            if name != "capacity"
        ),
    ],
)
def test_a_run_killed_at_any_write_ends_with_the_same_rows(
    command, tmp_path, writes, benchmark
):
    module = tiny.BINARIES[benchmark]
    arguments = tiny.arguments(benchmark, "whole", tiny.SMALLEST)
    assert command(module, *arguments)[0] == 0
    whole = (tmp_path / "whole/rows.jsonl").read_bytes()
    assert writes.count > 8
    for index in range(1, writes.count + 1):
        arguments = tiny.arguments(benchmark, f"killed{index}", tiny.SMALLEST)
        writes.fail(index, killed)
        with pytest.raises(Killed):
            command(module, *arguments)
        writes.fail(None, None)
        status, _, err = command(module, *arguments)
        assert status == 0, (index, err)
        rows = (tmp_path / f"killed{index}" / "rows.jsonl").read_bytes()
        assert rows == whole, index


def stability(command, folder):
    arguments = tiny.arguments("memory_stability", folder, tiny.SMALLEST)
    return command(memory_stability, *arguments)


def test_a_disk_that_is_full_at_any_write_is_one_line(command, tmp_path, writes):
    """A full disk keeps what was finished, and the run ends on another day."""
    assert stability(command, "whole")[0] == 0
    whole = (tmp_path / "whole/rows.jsonl").read_bytes()
    for index in range(1, writes.count + 1, 3):
        writes.fail(index, full)
        status, out, err = stability(command, f"full{index}")
        assert (status, out, err.count("\n")) == (2 if index == 1 else 1, "", 1)
        assert "No space left on device" in err
        writes.fail(None, None)
        assert stability(command, f"full{index}")[0] == 0
        assert (tmp_path / f"full{index}/rows.jsonl").read_bytes() == whole


def test_a_folder_deleted_during_the_run_is_one_line(command, tmp_path, monkeypatch):
    run_group = lanes.run_group

    def deleting(*arguments):
        shutil.rmtree(tmp_path / "run")
        return run_group(*arguments)

    monkeypatch.setattr(lanes, "run_group", deleting)
    line = "memory_stability: run was moved or deleted during the run.\n"
    assert stability(command, "run") == (1, "", line)
    assert not (tmp_path / "run").exists()


def test_a_full_disk_as_orbax_reports_it_is_no_crash(tmp_path, monkeypatch):
    def full(*_, **__):
        raise ValueError("RESOURCE_EXHAUSTED: No space left on device\n[more lines]")

    monkeypatch.setattr(checkpoints.ocp.StandardCheckpointer, "save", full)
    message = "cannot be written .RESOURCE_EXHAUSTED: No space left on device."
    with pytest.raises(OSError, match=message):
        States(epath.Path(tmp_path)).save("g", 1, [])


def test_a_folder_that_may_only_be_read_is_one_line(command, tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    assert stability(command, "run")[0] == 0
    before = (tmp_path / "run/rows.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(files, "write", refused)
        patch.setattr(main, "provenance", lambda: {"device": "another"})
        status, _, err = stability(command, "run")
    assert (status, err) == (
        2,
        "memory_stability: --out_dir=run: cannot be written (Permission denied); "
        "allowed: a folder you may write to\n",
    )
    assert (tmp_path / "run/rows.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-30],
        lambda data: data[: data.index(b"\n") + 1],
        lambda data: data.replace(b"7", b"8"),
        lambda data: b"",
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
        f"memory_stability: --out_dir=run: run/rows/{path.name} is damaged; "
        f"allowed: {allowed}\n",
    )
    path.unlink()
    assert stability(command, "run")[0] == 0
    assert (tmp_path / "run/rows.jsonl").read_bytes() == whole


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-9],
        lambda text: "",
        lambda text: text.replace('"schema": 3', '"schema": 9'),
        lambda text: text.replace('"hidden_size"', '"hidden_sizf"'),
        lambda text: text.replace("--cell=gru", "--cell=grt"),
        lambda text: text.replace('"versions"', '"versionr"'),
        lambda text: text.replace("settings", "\udcff"),
    ],
)
def test_a_damaged_config_is_refused(command, tmp_path, writes, damage):
    """By the run that would go on there, a merge and a verification, in one line."""
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
    """All bytes of every file of the newest state are flipped: the one before it is
    taken, or a fresh start.
    """
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
    check_same_rows(tmp_path)


def check_same_rows(tmp_path):
    whole = (tmp_path / "whole/rows.jsonl").read_bytes()
    assert (tmp_path / "run/rows.jsonl").read_bytes() == whole


@pytest.mark.slow
def test_damaged_entries_of_the_compile_cache_change_nothing(tmp_path):
    """In processes of their own: the cache of this one is warm."""
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    for folder in ("whole", "run"):
        arguments = tiny.arguments("memory_stability", tmp_path / folder, tiny.SMALLEST)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory_stability", *arguments],
            cwd=tiny.ROOT,
            env=os.environ | cache,
            check=False,
        )
        assert done.returncode == 0
        entries = [path for path in (tmp_path / "cache").iterdir() if path.is_file()]
        assert entries
        for path in entries:
            path.write_bytes(path.read_bytes()[:100])
    check_same_rows(tmp_path)


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
    check_same_rows(tmp_path)
