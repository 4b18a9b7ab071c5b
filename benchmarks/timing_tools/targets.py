"""Counters of every experiment's programs on a device that need not be there.

They are fixed by the programs and the compiler, so they repeat exactly anywhere.
"""

import importlib.metadata
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jaxlib.version

from rnnjax.engine import ahead
from rnnjax.results.tables import Table

from ..common import terminal
from . import counters
from .jobs import Job

BASELINE = pathlib.Path(__file__).parent / "targets.json"
STAGE = "ahead"  # in the names of entries
COMPILERS = {"tpu": "libtpu", "cuda": "jax-cuda13-plugin"}


def measure(jobs: Iterable[Job], target: ahead.Target) -> dict[str, dict[str, float]]:
    """The counters of each job that has a group, and the estimated seconds of a call.

    A call is a chunk, with what is made before the first.
    """
    measured = {}
    for job in jobs:
        if job.group is None:
            continue
        with job.context():
            programs = ahead.programs(job.group(), target.mesh)
            made = [ahead.compiled(program, target.platform) for program in programs]
        seconds = sum(ahead.seconds(one.program.whole, target.chip) for one in made)
        measured[job.title(STAGE)] = {"seconds": seconds, **counters.ahead(made)}
    return measured


def machine(target: ahead.Target) -> dict[str, str]:
    """What `counters.machine` is for a run, of a compiler."""
    name = COMPILERS[target.platform]
    compiler = f"{name} {importlib.metadata.version(name)}"
    values = (
        jax.__version__,
        jaxlib.version.__version__,
        f"{target.name} by {compiler}",
        str(len(target.mesh.devices)),
        "any",
        "any",
    )
    return dict(zip(counters.MACHINE, values, strict=True))


def key(target: ahead.Target) -> str:
    """The compiler and its target as one line."""
    found = machine(target)
    return f"jaxlib {found['jaxlib']}, {found['device_kind']}"


def update_baseline(jobs: Iterable[Job], target: ahead.Target) -> None:
    """Writes the counters of these jobs beside those of other targets."""
    known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    known[key(target)] = {
        name: {k: v for k, v in values.items() if k != "seconds"}
        for name, values in measure(jobs, target).items()
    }
    BASELINE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    terminal.say(f"{BASELINE} has the counters of {key(target)}")


def write(
    path: str, measured: Mapping[str, Mapping[str, float]], target: ahead.Target
) -> None:
    """Writes what `benchmarks.compare` reads; the estimates stand for times."""
    rows = []
    for name, values in measured.items():
        row: dict[str, Any] = {"name": name, "run_name": name, "run_type": "iteration"}
        row |= {"real_time": values["seconds"], "time_unit": "s", **values}
        rows.append(row)
    content = {"context": machine(target), "benchmarks": rows}
    pathlib.Path(path).write_text(json.dumps(content, indent=1) + "\n")


def table(measured: Mapping[str, Mapping[str, float]], target: ahead.Target) -> Table:
    columns = ("benchmark", "us, estimated", *counters.AHEAD)
    lines = [
        [
            name,
            f"{1e6 * values['seconds']:,.0f}",
            *(f"{values[counter]:,}" for counter in counters.AHEAD),
        ]
        for name, values in measured.items()
    ]
    return Table(f"a chunk on {key(target)}", columns, lines)
