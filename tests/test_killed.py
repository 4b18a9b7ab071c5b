"""Runs that are killed at random moments and started again end with the rows of a run that was left alone.

RNNJAX_KILLS=200 python -m pytest tests/test_killed.py kills a run at work so often; unless told three times, once a binary.
"""

import os
import random
import shutil
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
from benchmarks.common import flags as _flags
from rnnjax.engine import lanes
lanes.SAVE_SECONDS = 0.0
del sys.argv[0]
main = importlib.import_module(sys.argv[0]).main
print("ready", flush=True)
_flags.start(main)
"""


def started(benchmark, folder):
    """A run that keeps its states after every chunk, in a process that has just finished its imports."""
    command = [
        sys.executable,
        "-c",
        START,
        f"benchmarks.{benchmark}",
        *tiny.arguments(benchmark, folder),
    ]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(tiny.ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def killed_after(seconds, benchmark, folder):
    """Whether the run was still at work after so many seconds, and was killed; else it has ended by itself."""
    process = started(benchmark, folder)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    assert process.wait() in (-signal.SIGKILL, 0)
    return process.returncode != 0


def lives():
    """For each run folder the benchmark and how many kills it suffers, one to three, before its run is left to end."""
    left, out = KILLS, []
    while left > 0:
        kills = min(left, 1 + len(out) // len(tiny.BINARIES) % 3)
        out.append((list(tiny.BINARIES)[len(out) % len(tiny.BINARIES)], kills))
        left -= kills
    return out


@pytest.mark.parametrize(
    "number, benchmark, kills", [(number, *life) for number, life in enumerate(lives())]
)
def test_killed_runs_end_with_the_same_rows(
    command, tmp_path, number, benchmark, kills
):
    module, rng, run = tiny.BINARIES[benchmark], random.Random(number), tmp_path / "run"
    if benchmark not in WHOLE:
        for _ in range(
            2
        ):  # the second time without a compiler, as the runs that are killed
            shutil.rmtree(run, ignore_errors=True)
            process, began = started(benchmark, run), time.monotonic()
            process.communicate()
            assert process.returncode == 0
        WHOLE[benchmark] = time.monotonic() - began, (run / "rows.jsonl").read_bytes()
        shutil.rmtree(run)
    seconds, whole = WHOLE[benchmark]
    for _ in range(kills):
        while not killed_after(rng.uniform(0, seconds), benchmark, run):
            assert (run / "rows.jsonl").read_bytes() == whole
            shutil.rmtree(run)
    status, _, err = command(module, *tiny.arguments(benchmark, "run"))
    assert status == 0, err
    assert (run / "rows.jsonl").read_bytes() == whole
