"""SIGTERM: the chunk at work is finished, its state kept, and the same command goes on to the same rows."""

import os
import signal
import subprocess
import sys

import pytest
import tiny

from benchmarks import verify
from benchmarks.common import terminal as _terminal


@pytest.mark.parametrize("benchmark", tiny.BINARIES)
def test_preempted_runs_end_with_the_same_rows(
    command, tmp_path, monkeypatch, benchmark
):
    """A SIGTERM after the second chunk of every start, so that groups are left in their middle."""
    preempted(command, monkeypatch, benchmark, tmp_path, "", tiny.RUNS, chunks=2)


@pytest.mark.parametrize("benchmark", tiny.BINARIES)
def test_preempted_runs_on_an_object_store_end_with_the_same_rows(
    command, tmp_path, store, monkeypatch, benchmark
):
    """States and trained networks are kept there, in the same files as in a local folder."""
    preempted(
        command,
        monkeypatch,
        benchmark,
        store.root / "bucket",
        "gs://bucket/",
        tiny.LEAST,
        chunks=1,
    )
    files = [
        {path.relative_to(run) for path in run.rglob("*.json*")}
        for run in store.root.glob("bucket/*")
    ]
    assert files[0] == files[1] and len(files[0]) > 4
    if benchmark != "memory_stability":
        assert any("network.json" in path.name for path in files[0])
    assert command(verify, "gs://bucket/stopped", "--sample=1")[0] == 0


@pytest.fixture
def heard():
    """Ctrl-C is heard, even if these tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_run_keeps_its_chunk_too(command, tmp_path, monkeypatch, heard):
    """Ctrl-C once; a second one does not wait for the chunk, whose state is then not kept."""
    monkeypatch.setattr(
        _terminal, "_logger", lambda total, title: _after(2, signal.SIGINT)
    )
    arguments = tiny.arguments("memory_stability", "run")
    status, out, err = command(tiny.BINARIES["memory_stability"], *arguments)
    first, second = err.splitlines()
    assert (status, out, first) == (
        130,
        "",
        "Stops after the chunk at work; Ctrl-C again does not wait for it.",
    )
    assert (
        second
        == "Interrupted: 0 of 2 missing groups and the state of the next are kept in run; the same command goes on from there."
    )
    assert list(tmp_path.glob("run/states/*/*/state.json"))
    monkeypatch.setattr(
        _terminal,
        "_logger",
        lambda total, title: _after(1, signal.SIGINT, signal.SIGINT),
    )
    status, out, err = command(tiny.BINARIES["memory_stability"], *arguments)
    assert (status, out) == (130, "")
    assert (
        err.splitlines()[1]
        == "Interrupted: 0 of 2 missing groups are kept in run; the same command goes on from there."
    )


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_before_the_run_has_begun(tmp_path, heard, number, status):
    """While JAX is imported, in place of which stands something slower."""
    (tmp_path / "jax.py").write_text(
        "print('here', flush=True); import time; time.sleep(60)"
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "benchmarks.memory_stability",
            "--smoke",
            f"--out_dir={tmp_path}/run",
        ],
        cwd=tiny.ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"here\n"
    process.send_signal(number)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == status


def preempted(command, monkeypatch, benchmark, folder, out, runs, chunks):
    """Runs a benchmark undisturbed and with a SIGTERM after so many chunks of every start, and compares what `folder` then holds.

    A run that did not go on from the states it kept would never end.
    """
    module, handler = tiny.BINARIES[benchmark], signal.getsignal(signal.SIGTERM)
    assert command(module, *tiny.arguments(benchmark, f"{out}whole", runs))[0] == 0
    statuses = []
    with monkeypatch.context() as patch:
        patch.setattr(_terminal, "_logger", lambda total, title: _after(chunks))
        while not statuses or statuses[-1] == 75:
            status, _, err = command(
                module, *tiny.arguments(benchmark, f"{out}stopped", runs)
            )
            assert status == 0 or (
                err.count("\n") == 1
                and "Preempted: " in err
                and "the same command goes on from there" in err
            )
            statuses.append(status)
            assert len(statuses) < 30
    assert statuses[-1] == 0 and len(statuses) > 2
    assert (folder / "stopped/rows.jsonl").read_bytes() == (
        folder / "whole/rows.jsonl"
    ).read_bytes()
    assert not [path for path in folder.glob("stopped/states/**/*") if path.is_file()]
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_run_is_preempted_wherever_it_is(command, tmp_path, monkeypatch):
    """While its results are drawn, too: the same command draws them again."""
    module, handler = (
        tiny.BINARIES["memory_stability"],
        signal.getsignal(signal.SIGTERM),
    )
    with monkeypatch.context() as patch:
        patch.setattr(
            module.figures, "distance", lambda *_: os.kill(os.getpid(), signal.SIGTERM)
        )
        status, out, err = command(module, *tiny.arguments("memory_stability", "run"))
    line = "Preempted: the same command goes on from what is kept.\n"
    assert (status, out, err) == (75, "", line)
    assert signal.getsignal(signal.SIGTERM) is handler
    assert (
        "Nothing to do"
        in command(module, *tiny.arguments("memory_stability", "run"))[2]
    )


def _after(reports: int, *signals: int):
    """A report of progress that is followed by signals, one SIGTERM unless told, once it has been made so often."""
    made = []

    def report(done, text):
        made.append(done)
        if len(made) == reports:
            for number in signals or (signal.SIGTERM,):
                os.kill(os.getpid(), number)

    return report
