"""Nothing is lost or corrupted: kills at every write, full disks, damaged files, clocks that are set back."""

import json
import pathlib
import time

import pytest
import tiny

from benchmarks import autocomplete, capacity, memory_stability
from rnnjax import checkpoints, lanes, records


class Killed(BaseException):
    """What nothing catches."""


class Writes:
    """Counts all writes of a run; `fault(path)` is called in place of the one numbered `at`, from 1."""

    def __init__(self, monkeypatch):
        self.count, self.at, self.fault = 0, None, None
        write, save = records.write, checkpoints._write
        monkeypatch.setattr(records, "write", lambda path, text: self._next(path) or write(path, text))
        monkeypatch.setattr(checkpoints, "_write", lambda folder, *rest: self._next(folder / "weights") or save(folder, *rest))

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
def test_a_run_killed_at_any_write_ends_with_the_same_rows(command, tmp_path, writes, benchmark):
    module = tiny.BINARIES[benchmark]
    assert command(module, *tiny.arguments(benchmark, "whole"))[0] == 0
    assert writes.count > 10
    for at in range(1, writes.count + 1):
        arguments, folder = tiny.arguments(benchmark, f"killed{at}"), tmp_path / f"killed{at}"
        writes.fail(at, killed)
        with pytest.raises(Killed):
            command(module, *arguments)
        writes.fail(None, None)
        status, _, err = command(module, *arguments)
        assert status == 0, (at, err)
        assert (folder / "rows.jsonl").read_bytes() == (tmp_path / "whole/rows.jsonl").read_bytes(), at
        writes.fail(None, None)
