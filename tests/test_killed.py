"""Runs that are killed at a random moment and started again end with the rows of a run that was left alone."""

import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parent.parent
RUNS = {
    "capacity": [
        "--task=parameters",
        "--budgets=30",
        "--inputs=8",
        "--trials=64",
        "--rungs=2",
        "--updates=4000",
        "--seeds=3",
        "--moves=1",
    ],
    "autocomplete": ["--smoke", "--connectivity=false"],
    "memory_stability": ["--smoke"],
}


def start(benchmark, folder):
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", *RUNS[benchmark], f"--out_dir={folder}"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", RUNS)
def test_killed_runs_end_with_the_same_rows(benchmark, tmp_path):
    """Five kills a run, each at a random moment after the last start."""
    began = time.monotonic()
    assert start(benchmark, tmp_path / "whole").wait() == 0
    seconds, rng = time.monotonic() - began, random.Random(0)
    for _ in range(5):
        process = start(benchmark, tmp_path / "killed")
        time.sleep(rng.uniform(0.2, 0.9) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(benchmark, tmp_path / "killed").wait() == 0
    assert (tmp_path / "killed/rows.jsonl").read_bytes() == (tmp_path / "whole/rows.jsonl").read_bytes()
