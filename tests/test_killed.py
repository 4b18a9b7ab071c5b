"""Runs that are killed at random moments and started again end with the rows of a run that was left alone.

RNNJAX_KILLS=200 python -m pytest tests/test_killed.py kills so often; unless told three times, once a binary.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import tiny

KILLS = int(os.environ.get("RNNJAX_KILLS", "3"))
WHOLE = {}  # seconds and rows of an undisturbed run, by benchmark
START = """
import importlib, sys
from benchmarks import _flags
from rnnjax import lanes
lanes.SAVE_SECONDS = 0.0
del sys.argv[0]
main = importlib.import_module(sys.argv[0]).main
print("ready", flush=True)
_flags.start(main)
"""


def kill_after(seconds, benchmark, folder):
    """Starts a run that keeps its states after every chunk, and kills it so many seconds after its imports."""
    command = [sys.executable, "-c", START, f"benchmarks.{benchmark}", *tiny.arguments(benchmark, folder)]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(tiny.ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        assert process.poll() in (None, 0)
    finally:
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        process.wait()


def lives():
    """For each run folder the benchmark and how many kills it suffers, one to three, before its run is left to end."""
    left, out = KILLS, []
    while left > 0:
        kills = min(left, 1 + len(out) // len(tiny.BINARIES) % 3)
        out.append((list(tiny.BINARIES)[len(out) % len(tiny.BINARIES)], kills))
        left -= kills
    return out


@pytest.mark.parametrize("number, benchmark, kills", [(number, *life) for number, life in enumerate(lives())])
def test_killed_runs_end_with_the_same_rows(command, tmp_path, number, benchmark, kills):
    module, rng = tiny.BINARIES[benchmark], random.Random(number)
    if benchmark not in WHOLE:
        began = time.monotonic()
        assert command(module, *tiny.arguments(benchmark, "whole"))[0] == 0
        WHOLE[benchmark] = time.monotonic() - began, (tmp_path / "whole/rows.jsonl").read_bytes()
    seconds, whole = WHOLE[benchmark]
    for _ in range(kills):
        kill_after(rng.uniform(0, seconds), benchmark, "killed")
    status, _, err = command(module, *tiny.arguments(benchmark, "killed"))
    assert status == 0, err
    assert (tmp_path / "killed/rows.jsonl").read_bytes() == whole
