"""Runs killed at random moments and started again end with the rows of an undisturbed
run.

RNNJAX_KILLS=200 python -m pytest -m "" tests/test_killed.py kills running processes so
often; the default is 3, one for each binary, of which only the first is not slow.
"""

import json
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
import sys
from matplotlib import figure
from benchmarks import registry
from benchmarks.common import command, main
from rnnjax.engine import lanes
lanes.SAVE_SECONDS = 0.0
figure.Figure.savefig = lambda *_, **__: None
del sys.argv[0]
benchmark = registry.BENCHMARKS[sys.argv[0]]
print("ready", flush=True)
command.start(main.command_of(benchmark))
"""


def started(benchmark, folder):
    """A process that runs a benchmark and has just ended its imports.

    It saves its state after every chunk, and renders no pictures.
    """
    arguments = tiny.arguments(benchmark, folder)
    process = subprocess.Popen(
        [sys.executable, "-c", START, benchmark, *arguments],
        env=os.environ | {"PYTHONPATH": str(tiny.ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def killed_after(seconds, benchmark, folder):
    """Whether a run was killed after so many seconds, or had ended by itself."""
    process = started(benchmark, folder)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    assert process.wait() in (-signal.SIGKILL, 0)
    return process.returncode != 0


def compile_seconds(run):
    """What a run took to compile its programs."""
    lines = (run / "timings.jsonl").read_text().splitlines()
    return sum(json.loads(line)["compile_seconds"] for line in lines)


def lives():
    """For each run folder the benchmark and how often it is killed, 1 to 3 times."""
    left, out = KILLS, []
    while left > 0:
        kills = min(left, 1 + len(out) // len(tiny.BINARIES) % 3)
        out.append((list(tiny.BINARIES)[len(out) % len(tiny.BINARIES)], kills))
        left -= kills
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, benchmark, kills", [(number, *life) for number, life in enumerate(lives())]
)
def test_killed_runs_end_with_the_same_rows(
    command, tmp_path, number, benchmark, kills
):
    module, rng, run = tiny.BINARIES[benchmark], random.Random(number), tmp_path / "run"
    if benchmark not in WHOLE:
        process, began = started(benchmark, run), time.monotonic()
        process.communicate()
        assert process.returncode == 0
        # The runs that are killed do not compile again.
        seconds = time.monotonic() - began - compile_seconds(run)
        WHOLE[benchmark] = seconds, (run / "rows.jsonl").read_bytes()
        shutil.rmtree(run)
    seconds, whole = WHOLE[benchmark]
    for _ in range(kills):
        while not killed_after(rng.uniform(0, seconds), benchmark, run):
            assert (run / "rows.jsonl").read_bytes() == whole
            shutil.rmtree(run)
    status, _, err = command(module, *tiny.arguments(benchmark, "run"))
    assert status == 0, err
    assert (run / "rows.jsonl").read_bytes() == whole
