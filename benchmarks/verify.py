"""Does a run hold every row its commands need, and does a sample come out again?

Every lane must have one row. Then a random sample of lanes is computed again. On the
same kind of device, with the same versions and inner width, rows must be equal to the
last digit. Elsewhere exponents must agree within 0.01 or three standard errors, and
times within tolerances of 1e-4 or more within 2 steps or 5 %, lane by lane; other
values must agree in the mean. The exit status is 1 if something is wrong.

    python -m benchmarks.verify RUN_DIR
"""

import dataclasses
import json
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rnnjax import settings
from rnnjax.engine import lanes, runner
from rnnjax.engine.mesh import Mesh
from rnnjax.results import files, rows
from rnnjax.results.provenance import provenance
from rnnjax.results.schema import Row

from . import registry
from .common import agreement, command, devices, main, recorded, terminal
from .common.recorded import Run

RowId = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of the binary."""

    sample: int = settings.setting(4, "Lanes that are computed again, drawn at random.")


class _Recomputed(Exception):
    """The rows of the first group without rows."""

    def __init__(self, computed: list[Row]):
        super().__init__("recomputed")
        self.computed = computed


class _Recomputer(runner.Runner):
    """Runs the first group that is missing, and raises `_Recomputed` with its rows."""

    def __init__(self, *arguments: Any, report: Callable[[float], None]):
        super().__init__(*arguments)
        self.report = report

    def compute(self, missing: Sequence[int], groups: runner.MakeGroups) -> None:
        group = next(iter(groups(missing)))
        result = lanes.run_group(group, self.mesh, self.report)
        raise _Recomputed([rows.rounded(row) for row in result.rows])


def run(given: dict[str, Any]) -> int:
    """Verifies the run folder; returns the exit status."""
    sample = Options(**{k: v for k, v in given.items() if k == "sample"}).sample
    with warnings.catch_warnings(record=True) as repeated:
        warnings.simplefilter("always")
        run = recorded.open_run(given["RUN_DIR"], registry.BENCHMARKS)
    mesh = devices.local_mesh()
    read = list(run.known.values())
    problems = [str(warning.message) for warning in repeated]
    problems += _not_joined(run, read)
    same = _same_device(run)
    count = min(sample, len(run.known))
    chosen = random.sample(sorted(run.known, key=str), count)
    pairs, missing = _recompute(run, chosen, mesh)
    problems += missing
    exact = [same and old["width"] == new["width"] for old, new in pairs]
    for (old, new), is_exact in zip(pairs, exact):
        compare = agreement.exactly if is_exact else agreement.closely
        problems += [f"{_name(run, old)}: {line}" for line in compare(old, new)]
    inexact = [pair for pair, is_exact in zip(pairs, exact) if not is_exact]
    problems += agreement.in_distribution(inexact)
    print(
        f"{len(read)} lanes in {run.folder.path}, {len(pairs)} of them computed again: "
        f"{sum(exact)} on the same device and versions"
    )
    print("\n".join(problems) or "Nothing is wrong.")
    return 1 if problems else 0


def _recompute(
    run: Run, chosen: list[RowId], mesh: Mesh
) -> tuple[list[tuple[Row, Row]], list[str]]:
    """The recorded and the new row of each lane, and what is missing of the run."""
    pairs: list[tuple[Row, Row]] = []
    problems, seen = [], set[RowId]()
    with terminal.progress(len(chosen), "verify") as progress:

        def report(fraction: float) -> None:
            progress(len(pairs) + fraction, f"{len(pairs)} of {len(chosen)} lanes")

        for config in run.configs:
            with run.benchmark.context(config):
                if text := main.missing_parts(run.benchmark, config, run.known, mesh):
                    problems.append(f"{text} missing")
                    continue
                for row_id in chosen:
                    if row_id not in seen:
                        row = _again(run, config, row_id, mesh, report)
                        if row is not None:
                            seen.add(row_id)
                            pairs.append((run.known[row_id], row))
    return pairs, problems


def _again(
    run: Run, config: Any, row_id: RowId, mesh: Mesh, report: Callable[[float], None]
) -> Row | None:
    """The row of a lane, computed as if there were none.

    Lanes that advanced together do so again. None if this config does not have the
    lane.
    """
    alone = run.known[row_id]["width"] == 1
    together = {row_id} if alone else _same_group(run, row_id)
    others = {k: row for k, row in run.known.items() if k not in together}
    keys = run.benchmark.row_id
    recomputer = _Recomputer(keys, mesh, others, report=report)
    try:
        for part in run.benchmark.parts(config, 1):
            part.run(recomputer)
    except _Recomputed as again:
        named = {rows.identity(row, keys): row for row in again.computed}
        return named.get(row_id)
    return None


def _same_group(run: Run, row_id: RowId) -> set[RowId]:
    """The identities of the rows that share a file with this one."""
    for _, group in rows.read_timings(run.folder.path):
        ids = {rows.identity(row, run.benchmark.row_id) for row in group}
        if row_id in ids:
            return ids
    return {row_id}


def _not_joined(run: Run, read: list[Row]) -> Iterator[str]:
    """rows.jsonl must hold what the files of the groups do."""
    path = run.folder.path / "rows.jsonl"
    if not path.is_file():
        merge = f"{command.program('merge')} makes it once every lane is there"
        yield f"{path} is missing: {merge}"
    elif sorted(path.read_text().splitlines()) != sorted(map(json.dumps, read)):
        yield f"{path} differs from the files in {run.folder.path / 'rows'}"


def _name(run: Run, row: Row) -> str:
    keys = [key for key in run.benchmark.row_id if row[key] is not None]
    return " ".join(f"{key}={row[key]}" for key in keys)


def _same_device(run: Run) -> bool:
    """Whether all of the run was computed by these versions on this kind of device.

    Raises `files.FolderError` for a damaged file of a process.
    """
    keys = ("versions", "device")
    computed = [
        tuple(made[key] for key in keys) for made in run.folder.config["invocations"]
    ]
    for path in run.folder.path.glob("processes/*.json"):
        try:
            made = json.loads(path.read_text())
            computed.append(tuple(made[key] for key in keys))
        except (ValueError, KeyError, TypeError):
            allowed = "to run that slice again, which writes it anew"
            raise files.FolderError(f"{path} is damaged", allowed) from None
    current = provenance()
    return all(made == tuple(current[key] for key in keys) for made in computed)


COMMAND = command.Command(
    "verify", __doc__ or "", {"Flags": Options}, run, words=("RUN_DIR",)
)

if __name__ == "__main__":
    command.start(COMMAND)
