"""Keeps in `docs/data` what the documents' numbers are computed from.

    python -m docs.kept NAME [NAME ...]

copies the rows of the runs NAME in `results/`, with the keys that `docs.numbers` and
`docs.verdicts` need, into run folders that `rnnjax.results.rows` reads. Their
config.json has the commands, commit and processor.
"""

import dataclasses
import json
import math
import pathlib
import sys
from collections.abc import Callable, Iterable

from rnnjax.autocomplete.schema import CONTEXT
from rnnjax.capacity.search import DRAWS
from rnnjax.memory_stability import slopes
from rnnjax.memory_stability.schema import TRAINED
from rnnjax.optimization import summary as optimization
from rnnjax.results import rows
from rnnjax.results.schema import Row
from rnnjax.text import keys as text_keys

RUNS = pathlib.Path("results")
DATA = pathlib.Path(__file__).parent / "data"
ABOUT = ("schema", "benchmark", "row_id", "commands", "invocations")

# The keys of each experiment, beside those that identify a row.
MERGED = ("status", "shared_steps", "first_1e-4")
FIRST = (*MERGED, "first_identical", "first_cosine", "first_1e-2")
EXPONENT = ("lyapunov", "lyapunov_status")
SEARCH = (
    *("steps", "parameters", "hidden_size", "updates", "status", "failed", "samples"),
    *("score", "objective", "loss", "bits", "chance"),
)
TRAINING = (
    *("parameters", "classes", "updates", "status", "unigram_entropy"),
    *("test_loss", "test_top1", "test_top2", "test_top3", "test_top1_of_all"),
    *CONTEXT,
    *(f"{name}_{end}" for name in CONTEXT for end in ("low", "high")),
)
BEST = (*text_keys.source(), *text_keys.regret(""))  # of a synthetic text
CURVE = ("valid_updates", "valid_losses")
REGRET = (
    *TRAINING,
    *BEST,
    *(f"{name}_{end}" for name in BEST[-3:-1] for end in ("low", "high")),
    *(*CURVE, "valid_optimum"),
)
# Runs that differ in --switch, and how long topics last in them.
SWITCHES = {"slow": "0.01", "medium": "0.1", "fast": "0.5"}
READOUT = ("capacity", "shuffled", "all_delays", "in_sample", "columns", "rank")
LINEAR = (
    *("measure", "status", "state_size", "delays"),
    *(f"{key}_{readout}" for key in READOUT for readout in ("state", "output")),
)
PROCESSING = ("measure", "status", "state_size", "processing", "degrees", "rank_state")
SPARSITIES = (1, 2, 4, 8)
SPARSE = (
    *("measure", "status", "state_size", "longest", "trials"),
    *(f"{key}_{n}" for key in ("length", "recovered") for n in SPARSITIES),
)
RECALLED = (
    *("measure", "status", "state_size", "parameters", "updates", "learning_rate"),
    *("trained_pairs", "trained_length", "chance_accuracy"),
    *("pairs", "accuracy", "lengths", "length_accuracy"),
)


TRIED = (
    *("study", "protocol", "search", "searched", "learning_rate", "status"),
    *("updates", "until_solved", "batch", "epoch", "parameters", "chance"),
    *("solved_accuracy", "solved_update", "accuracy", "loss"),
    *("curve_updates", "curve_gradients", "validation_accuracy"),
)


def of_draws(row: Row) -> bool:
    """Whether it is one of the fresh draws of a search, which are its result."""
    return row["stage"] == DRAWS


def one_point(row: Row) -> Row:
    """The row with one point of its curves: that which solves the task, or the last."""
    end = row["solved_update"] or row["updates"]
    point = row["curve_updates"].index(end)
    last = optimization.validation(row)
    return row | {
        "curve_updates": [end],
        "curve_gradients": [row["curve_gradients"][point]],
        "validation_accuracy": [last if math.isfinite(last) else None],
    }


@dataclasses.dataclass(frozen=True)
class Kept:
    """What is kept of a run: its folder in `results`, the keys, and which rows.

    `change` makes a row shorter; `timed` keeps the seconds of each group of rows, too.
    """

    run: str
    keys: tuple[str, ...]
    where: Callable[[Row], bool] = lambda row: True
    change: Callable[[Row], Row] = lambda row: row
    timed: bool = False


VERDICTS = {  # runs that docs/results.md has no section on
    "gru": Kept("memory_stability/gru", FIRST),
    "equal": Kept("equal", MERGED),
    "depths": Kept("depths", MERGED),
    **{
        name: Kept(name, (*SEARCH, "input_size", "loss_bound"), of_draws)
        for name in ("trained", "units")
    },
    "probed": Kept("probed", MERGED),
    **{
        name: Kept(name, SEARCH, of_draws)
        for name in ("order", "depth", "starts", "function", "characters")
    },
    "three": Kept("three", (*TRAINING, *CURVE)),
    **{
        f"times-{k}": Kept(f"times/{k}", ("updates", "batch"), timed=True)
        for k in range(5)
    },
    "minimal": Kept("minimal", TRIED, change=one_point),
}
KEPT = {
    **VERDICTS,
    "lstm": Kept("memory_stability/lstm", FIRST),
    "lstm-float64": Kept("memory_stability/lstm-float64", FIRST[:4]),
    "slopes": Kept(
        "slopes",
        ("status", "first_1e-4", "first_1e-6", *EXPONENT),
        lambda row: row["hidden_size"] >= slopes.MIN_UNITS,
    ),
    "cells": Kept("cells", (*MERGED, *EXPONENT)),
    "dead": Kept("dead", (*MERGED, *EXPONENT)),
    "growth": Kept("growth", SEARCH),
    "searches": Kept("searches", SEARCH),
    "failed": Kept("failed", SEARCH),
    "english": Kept("english", TRAINING),
    "encyclopedia": Kept("encyclopedia", TRAINING),
    **{f"regret-{k}": Kept(f"switch-{q}", REGRET) for k, q in SWITCHES.items()},
    **{
        f"letters-{k}": Kept(f"characters-{q}", (*SEARCH, *BEST), of_draws)
        for k, q in SWITCHES.items()
    },
    **{
        f"merged-{k}": Kept(
            f"merged-{q}",
            MERGED,
            lambda row: row["weights"] == TRAINED,
        )
        for k, q in SWITCHES.items()
    },
    "linear": Kept("linear", LINEAR),
    "processing": Kept("processing", PROCESSING),
    "sparse": Kept("sparse", SPARSE),
    "recall": Kept("recall", RECALLED),
    "optimizers": Kept("optimizers", TRIED, change=one_point),
    "initializers": Kept("initializers", TRIED, change=one_point),
    "cures": Kept("cures", TRIED, change=one_point),
    "published": Kept("published", TRIED),
}


def keep(name: str, runs: pathlib.Path = RUNS) -> None:
    """Writes the run folder `name` of `docs/data`."""
    kept, folder = KEPT[name], DATA / name
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    config = rows.read_config(runs / kept.run)
    rows.write_config(folder, {key: config[key] for key in ABOUT})
    keys = dict.fromkeys((*config["row_id"], *kept.keys))
    if not kept.timed:
        _write(folder, name, keys, kept, rows.read_rows(runs / kept.run))
        return
    (folder / "timings").mkdir(exist_ok=True)
    for timing, lanes in rows.read_timings(runs / kept.run):
        group = timing["group"]
        _write(folder, group, keys, kept, lanes)
        seconds = {"group": group, "run_seconds": timing["run_seconds"]}
        (folder / "timings" / f"{group}.json").write_text(f"{json.dumps(seconds)}\n")


def _write(
    folder: pathlib.Path,
    name: str,
    keys: Iterable[str],
    kept: Kept,
    lanes: Iterable[Row],
) -> None:
    lines = [
        json.dumps({key: row.get(key) for key in keys}, separators=(",", ":"))
        for row in map(kept.change, lanes)
        if kept.where(row)
    ]
    (folder / "rows" / f"{name}.jsonl").write_text("".join(f"{x}\n" for x in lines))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        keep(argument)
