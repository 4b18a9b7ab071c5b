"""The results of a run that several processes shared.

    python -m benchmarks.merge RUN_DIR

writes rows.jsonl, timings.jsonl, summary.csv and the pictures from the files that the processes left, and shows the tables. Runs
nothing: if lanes are missing it says how many, and exits with 1.
"""

import sys

from benchmarks.common import flags as _flags
from benchmarks.common import lock as _lock
from benchmarks.common import recorded as _recorded
from rnnjax.results import records

WANTED = ("RUN_DIR",)


def main(run_dir: str) -> int:
    run = _recorded.folder(run_dir)
    made_by, known = _recorded.module(run), _recorded.known(run)
    for config in _recorded.configs(run):
        if missing := made_by.left(config, known):
            print(
                f"merge: {missing} missing in {run_dir}; the commands in its config.json go on from there",
                file=sys.stderr,
            )
            return 1
        last = config
    try:
        with _lock.held(run.path):
            rows = run.finish(made_by.figures.summary(records.read_rows(run.path)))
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise _flags.FileError(run_dir, problem, "a folder you may write to") from None
    made_by.show(last, rows, run.path)
    return 0


if __name__ == "__main__":
    _flags.start(main, WANTED)
