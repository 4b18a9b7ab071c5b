"""Runs that are killed at random moments and started again end with the rows of a run that was left alone.

RNNJAX_KILLS=200 python -m pytest -n0 tests/test_killed.py kills so often; three times, once a binary, unless told.
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
START = """
import runpy, sys
from rnnjax import lanes
from benchmarks import autocomplete, capacity, memory_stability
lanes.SAVE_SECONDS = 0.0
del sys.argv[0], sys.modules[sys.argv[0]]
print("ready", flush=True)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
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
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("benchmark", tiny.BINARIES)
def test_killed_runs_end_with_the_same_rows(command, tmp_path, benchmark):
    """A folder suffers one kill or several before its run is left to end."""
    module, rng = tiny.BINARIES[benchmark], random.Random(benchmark)
    began = time.monotonic()
    assert command(module, *tiny.arguments(benchmark, "whole"))[0] == 0
    seconds, whole = time.monotonic() - began, (tmp_path / "whole/rows.jsonl").read_bytes()
    kills = KILLS // len(tiny.BINARIES) + (list(tiny.BINARIES).index(benchmark) < KILLS % len(tiny.BINARIES))
    folder = 0
    for kill in range(kills):
        kill_after(rng.uniform(0, seconds), benchmark, f"killed{folder}")
        if kill == kills - 1 or rng.random() < 0.5:
            status, _, err = command(module, *tiny.arguments(benchmark, f"killed{folder}"))
            assert status == 0, err
            assert (tmp_path / f"killed{folder}/rows.jsonl").read_bytes() == whole, kill
            folder += 1
