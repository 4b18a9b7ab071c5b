"""Does a run hold what its commands ask for, and does it come out again?

    python -m benchmarks.verify RUN_DIR

checks that every lane has one row, and once none is missing computes a random sample of them again. On the same kind of device,
with the same versions and as many lanes advancing together, rows must be the same to the last digit; elsewhere exponents must
agree within 0.01 or three standard errors and times within tolerances of 1e-4 or more within 2 steps or 5 %, lane by lane, the
rest in the mean. The exit status is 1 if something is amiss.
"""

import collections
import json
import random
from collections.abc import Callable, Iterator

from absl import flags

from benchmarks.common import agreement as _agreement
from benchmarks.common import flags as _flags
from benchmarks.common import recorded as _recorded
from benchmarks.common import runs as _runs
from benchmarks.common import terminal as _terminal
from rnnjax.engine import lanes
from rnnjax.results import records

FLAGS = flags.FLAGS
WANTED = ("RUN_DIR",)

flags.DEFINE_string("sample", "4", "Lanes that are computed again, drawn at random.")


def main(run_dir: str) -> int:
    sample = _flags.whole("sample")
    run = _recorded.folder(run_dir)
    made_by, known = _recorded.module(run), _recorded.known(run)
    rows = records.read_rows(run.path)
    wrong = [*_repeated(run, rows), *_not_joined(run, rows)]
    chosen = random.sample(sorted(known, key=str), min(sample, len(known)))
    pairs, seen = [], set()
    with _terminal.progress(len(chosen), "verify") as report:

        def advanced(share: float) -> None:
            report(len(pairs) + share, f"{len(pairs)} of {len(chosen)} lanes")

        for config in _recorded.configs(run):
            if missing := made_by.left(config, known):
                wrong.append(f"{missing} missing")
                continue
            for label in (label for label in chosen if label not in seen):
                row = _again(made_by, config, run, known, label, advanced)
                if row is not None:
                    seen.add(label)
                    pairs.append((known[label], row))
    here = _same_place(run)
    exact = [here and old["width"] == new["width"] for old, new in pairs]
    for (old, new), same in zip(pairs, exact):
        name = " ".join(
            f"{key}={old[key]}" for key in run.config["labels"] if old[key] is not None
        )
        wrong += [
            f"{name}: {problem}"
            for problem in (_agreement.exactly if same else _agreement.closely)(
                old, new
            )
        ]
    wrong += _agreement.in_distribution(
        [pair for pair, same in zip(pairs, exact) if not same]
    )
    print(
        f"{len(rows)} lanes in {run.path}, {len(pairs)} of them computed again: {sum(exact)} on the same device and versions"
    )
    print("\n".join(wrong) or "Nothing is amiss.")
    return 1 if wrong else 0


def _repeated(run: records.Folder, rows: list[dict]) -> Iterator[str]:
    counts = collections.Counter(
        tuple(row[label] for label in run.config["labels"]) for row in rows
    )
    yield from (
        f"{label} has {count} rows" for label, count in counts.items() if count > 1
    )


def _not_joined(run: records.Folder, rows: list[dict]) -> Iterator[str]:
    """rows.jsonl must hold what the files of the groups do."""
    path = run.path / "rows.jsonl"
    if not path.exists():
        yield f"{path} is missing: python -m benchmarks.merge makes it once every lane is there"
    elif path.read_text() != "".join(json.dumps(row) + "\n" for row in rows):
        yield f"{path} is not what the files in {run.path / 'rows'} make"


def _again(
    made_by,
    config,
    run: records.Folder,
    known: dict,
    label: tuple,
    report: Callable[[float], None],
) -> dict | None:
    """The row of a lane, computed anew as if there were none; None if this config does not ask for it.

    Lanes that advanced with others do so again.
    """
    together = {label} if known[label]["width"] == 1 else _together(run, label)
    with made_by.arithmetic(config):
        rest = {other: row for other, row in known.items() if other not in together}
        group = next(iter(made_by.groups(config, rest)), None)
        if group is None:
            return None
        rows = lanes.run_group(group, _runs.local_mesh(), report).rows
    named = {
        tuple(row[key] for key in run.config["labels"]): row
        for row in map(records.short, rows)
    }
    return named.get(label)


def _together(run: records.Folder, label: tuple) -> set[tuple]:
    """The labels of the lanes that share a file with this one."""
    for path in run.path.glob("rows/*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        labels = {tuple(row[key] for key in run.config["labels"]) for row in rows}
        if label in labels:
            return labels
    return {label}


def _same_place(run: records.Folder) -> bool:
    """Whether all of the run was computed by these versions on this kind of device."""
    places = run.config["invocations"] + [
        json.loads(path.read_text()) for path in run.path.glob("processes/*.json")
    ]
    here = records.provenance()
    return all(
        place[key] == here[key] for place in places for key in ("versions", "device")
    )


if __name__ == "__main__":
    _flags.start(main, WANTED)
