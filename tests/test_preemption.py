"""SIGTERM: the chunk that runs is finished and its state saved, and the same command
goes on to the same rows.
"""

import os
import signal
import subprocess
import sys

import pytest
import tiny

from benchmarks import memory_stability, verify
from benchmarks.common import terminal

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize(
    "benchmark",
    [
        "short_term_memory",
        pytest.param("optimization", marks=pytest.mark.slow),
        pytest.param("memory_stability", marks=pytest.mark.slow),
        pytest.param("capacity", marks=pytest.mark.slow),
        pytest.param("autocomplete", marks=pytest.mark.slow),
    ],
)
def test_preempted_runs_end_with_the_same_rows(
    command, tmp_path, monkeypatch, benchmark
):
    """A SIGTERM after the second chunk of every start: groups stop in their middle."""
    preempted(command, monkeypatch, benchmark, tmp_path, "", tiny.RUNS, chunks=2)


@pytest.mark.parametrize(
    "benchmark",
    [
        "memory_stability",
        "capacity",
        pytest.param("autocomplete", marks=pytest.mark.slow),
    ],
)
def test_preempted_runs_on_an_object_store_end_with_the_same_rows(
    command, tmp_path, store, monkeypatch, benchmark
):
    """States and trained networks are kept there, in the files of a local folder."""
    preempted(
        command,
        monkeypatch,
        benchmark,
        store.root / "bucket",
        "gs://bucket/",
        tiny.SMALLEST,
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


def test_an_interrupted_run_keeps_its_chunk_too(command, tmp_path, monkeypatch, sigint):
    """Ctrl-C once; a second one does not wait for the chunk, whose state is lost."""
    arguments = tiny.arguments("memory_stability", "run")
    send_signals(monkeypatch, 2, signal.SIGINT)
    status, out, err = command(memory_stability, *arguments)
    first, second = err.splitlines()
    assert (status, out) == (130, "")
    assert first == "Stops after this chunk; Ctrl-C again does not wait for it."
    assert second == (
        "Interrupted: 0 of 2 missing architectures and the state of the next are kept "
        "in run; the same command goes on from there."
    )
    assert list(tmp_path.glob("run/states/*/*/state.json"))
    send_signals(monkeypatch, 1, signal.SIGINT, signal.SIGINT)
    status, out, err = command(memory_stability, *arguments)
    assert (status, out) == (130, "")
    assert err.splitlines()[1] == (
        "Interrupted: 0 of 2 missing architectures are kept in run; "
        "the same command goes on from there."
    )


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_before_the_run_has_begun(tmp_path, sigint, number, status):
    """While JAX is imported, in place of which stands something slower."""
    slow_import = "print('importing', flush=True); import time; time.sleep(60)"
    (tmp_path / "jax.py").write_text(slow_import)
    module, out_dir = "benchmarks.memory_stability", f"--out_dir={tmp_path}/run"
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--smoke", out_dir],
        cwd=tiny.ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"importing\n"
    process.send_signal(number)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == status


def preempted(command, monkeypatch, benchmark, folder, out, runs, chunks):
    """Runs a benchmark undisturbed, and with a SIGTERM after so many chunks of every
    start, and compares what `folder` then holds.

    A run that did not go on from the states it saved would never end.
    """
    module, handler = tiny.BINARIES[benchmark], signal.getsignal(signal.SIGTERM)
    assert command(module, *tiny.arguments(benchmark, f"{out}whole", runs))[0] == 0
    arguments = tiny.arguments(benchmark, f"{out}stopped", runs)
    statuses = []
    with monkeypatch.context() as patch:
        while not statuses or statuses[-1] == 75:
            send_signals(patch, chunks, signal.SIGTERM)
            status, _, err = command(module, *arguments)
            if status != 0:
                assert err.count("\n") == 1 and err.startswith("Preempted: ")
                assert "the same command goes on from there" in err
            statuses.append(status)
            assert len(statuses) < 30
    assert statuses[-1] == 0 and len(statuses) > 2
    whole = (folder / "whole/rows.jsonl").read_bytes()
    assert (folder / "stopped/rows.jsonl").read_bytes() == whole
    assert not [path for path in folder.glob("stopped/states/**/*") if path.is_file()]
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_run_is_preempted_wherever_it_is(command, tmp_path, monkeypatch):
    """While its results are drawn, too: the same command draws them again."""
    handler = signal.getsignal(signal.SIGTERM)
    arguments = tiny.arguments("memory_stability", "run")
    with monkeypatch.context() as patch:
        patch.setattr(
            memory_stability.figures,
            "draw",
            lambda *_: os.kill(os.getpid(), signal.SIGTERM),
        )
        status, out, err = command(memory_stability, *arguments)
    line = "Preempted: the same command goes on from what is kept.\n"
    assert (status, out, err) == (75, "", line)
    assert signal.getsignal(signal.SIGTERM) is handler
    assert "Nothing to do" in command(memory_stability, *arguments)[2]


def send_signals(patch, reports, *signals):
    """Makes the next run send itself signals after so many reports of its progress."""
    made = []

    def report(done, text):
        made.append(done)
        if len(made) == reports:
            for number in signals:
                os.kill(os.getpid(), number)

    patch.setattr(terminal, "_logger", lambda total, title: report)
