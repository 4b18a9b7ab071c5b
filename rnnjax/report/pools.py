"""Which rows count for a claim: those of runs like the one that its command makes.

The flags of a run are of three kinds. Rows that differ in *axes*, such as cells and
seeds, are put together. Runs that differ in *effort*, such as updates or the text, all
count, but their rows are never mixed. In all other flags a run must be like the
command.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence

from rnnjax.report.runs import Run, Timings, flags_of
from rnnjax.results.schema import Row

AXES: Mapping[str, tuple[str, ...]] = {
    "memory_stability": (
        *("cell", "hidden_sizes", "input_sizes", "layers", "seeds", "first_seed"),
        *("steps", "criteria"),
    ),
    "capacity": (
        *("cell", "budgets", "hidden_sizes", "layers", "recurrent_init", "steps"),
        *("searches", "seeds"),
    ),
    "autocomplete": ("cell", "hidden_sizes", "layers", "seeds", "first_seed"),
    "short_term_memory": (
        *("cell", "hidden_sizes", "layers", "seeds", "first_seed", "input_scale"),
        *("sparsities", "delays", "trials", "longest"),
    ),
    "optimization": (
        *("task", "lengths", "cell", "activation", "initializer", "optimizer"),
        *("hidden_sizes", "seeds", "first_seed"),
    ),
}
EFFORT: Mapping[str, tuple[str, ...]] = {
    "memory_stability": ("network",),
    "capacity": (
        *("preset", "trials", "rungs", "updates", "finalists", "selection_seeds"),
        *("max_moves", "samples", "text"),
    ),
    "autocomplete": (
        *("preset", "text", "epochs", "updates", "batch", "learning_rate"),
        *("connectivity_windows", "max_eval_windows"),
    ),
    "short_term_memory": ("steps", "test_steps", "updates", "network"),
    "optimization": (
        *("search", "trials", "rates", "updates", "until_solved", "batch", "images"),
        *("curvature_batch", "curvature_updates"),
    ),
}
# What a flag is that is not given, where commands say it.
DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "capacity": {"task": "parameters"},
    "short_term_memory": {"measure": "linear"},
    "optimization": {"study": "optimizers"},
}
PRESENT = ("network",)  # of effort: whether it is given is not free
# They change no row.
ELSEWHERE = ("out_dir", "data_dir", "jax_platforms")


@dataclasses.dataclass(frozen=True)
class Pool:
    """Rows that belong together, the runs they are from, and their timings."""

    rows: Sequence[Row]
    runs: Sequence[Run]

    def of(self, cells: Collection[str], needs: Collection[str]) -> "Pool":
        """The rows of these cells that have these keys, and the runs with such rows."""

        def counts(row: Row) -> bool:
            return row["cell"] in cells and all(key in row for key in needs)

        runs = [run for run in self.runs if any(map(counts, run.rows))]
        return Pool([row for row in self.rows if counts(row)], runs)

    @property
    def timings(self) -> Iterator[tuple[Run, Timings]]:
        return ((run, run.timings) for run in self.runs)


def pools(runs: Sequence[Run], command: str) -> list[Pool]:
    """The rows of runs like `command`, put together where they differ in axes alone.

    A lane that several runs have counts once: that with more steps, then the first.
    """
    name = benchmark_of(command)
    wanted = _fixed(name, flags_of(command))
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        if run.benchmark == name and _fixed(name, run.flags) == wanted:
            groups.setdefault(_effort(name, run.flags), []).append(run)
    return [joined(some) for some in groups.values()]


def alike(runs: Sequence[Run], benchmark: str) -> list[Pool]:
    """All rows of a benchmark, put together where runs differ in axes alone."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        if run.benchmark == benchmark and "smoke" not in run.flags:
            fixed = tuple(sorted(_fixed(benchmark, run.flags).items()))
            key = fixed, _effort(benchmark, run.flags)
            groups.setdefault(key, []).append(run)
    return [joined(some) for some in groups.values()]


def joined(runs: Sequence[Run]) -> Pool:
    """The rows of runs, each lane once."""
    found: dict[tuple, Row] = {}
    row_id = sorted(set.intersection(*(set(run.config["row_id"]) for run in runs)))
    for run in runs:
        for row in run.rows:
            key = tuple(row.get(name) for name in row_id)
            known = found.get(key)
            if known is None or row.get("shared_steps", 0) > known.get(
                "shared_steps", 0
            ):
                found[key] = (known or {}) | row
            else:
                found[key] = row | known
    return Pool(list(found.values()), runs)


def benchmark_of(command: str) -> str:
    """As "capacity", of `python -m benchmarks.capacity --task=units`."""
    return command.split("benchmarks.")[1].split()[0]


def _fixed(benchmark: str, flags: Mapping[str, str]) -> dict[str, str]:
    free = (*AXES[benchmark], *EFFORT[benchmark], *ELSEWHERE)
    given = {**DEFAULTS.get(benchmark, {}), **flags}
    fixed = {name: value for name, value in given.items() if name not in free}
    return fixed | {name: "given" for name in PRESENT if name in flags}


def _effort(benchmark: str, flags: Mapping[str, str]) -> tuple:
    return tuple((name, flags.get(name)) for name in EFFORT[benchmark])
