"""The results of a run that several processes share.

Writes rows.jsonl, timings.jsonl, summary.csv and the pictures from the files that the
processes left, and prints the tables. Computes nothing: if parts of the run are
missing, it says how many and exits with status 1.

    python -m benchmarks.merge RUN_DIR
"""

import dataclasses
import sys
from typing import Any

from rnnjax.results import rows

from . import registry
from .common import command, devices, errors, lock, main, recorded
from .common.benchmark import tables_setting


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of the binary."""

    tables: str = tables_setting()


def run(given: dict[str, Any]) -> int:
    """Merges the run folder; returns the exit status."""
    path = given["RUN_DIR"]
    options = Options(**{k: v for k, v in given.items() if k == "tables"})
    merged = recorded.open_run(path, registry.BENCHMARKS)
    benchmark, folder = merged.benchmark, merged.folder
    mesh, config = devices.local_mesh(), None
    for config in merged.configs:
        with benchmark.context(config):
            missing = main.missing_parts(benchmark, config, merged.known, mesh)
        if missing:
            goes_on = "the commands in its config.json go on from there"
            print(f"merge: {missing} missing in {path}; {goes_on}", file=sys.stderr)
            return 1
    try:
        with lock.held(folder.path):
            read = folder.finish(benchmark.summary(rows.read_rows(folder.path)))
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise errors.FileError(path, problem, "a folder you may write to") from None
    main.show(benchmark, config, read, folder.path, options.tables)
    return 0


COMMAND = command.Command(
    "merge", __doc__ or "", {"Flags": Options}, run, words=("RUN_DIR",)
)

if __name__ == "__main__":
    command.start(COMMAND)
