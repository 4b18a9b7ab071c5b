r"""Copies the pictures of docs from runs of two hours on two cores.

Run these first; numbers of `docs/results.md` come from the same commands:

    python -m benchmarks.memory_stability --cell=lstm
    python -m benchmarks.memory_stability --cell=gru
    python -m benchmarks.memory_stability --cell=lstm --input_sizes=1 \
        --dtype=float64 --out_dir=results/memory_stability/lstm-float64
    python -m benchmarks.memory_stability --cell=lstm,gru --steps=6000 \
        --criteria=1e-4,1e-6 --out_dir=results/slopes
    python -m benchmarks.memory_stability --cell=all --hidden_sizes=32 \
        --input_sizes=16 --steps=5000 --out_dir=results/cells
    python -m benchmarks.capacity --cell=rnn_tanh \
        --budgets=100,200,500,1000,2000 --out_dir=results/growth
    python -m benchmarks.autocomplete --cell=gru --seeds=3 --out_dir=results/english

and those of the last section of `docs/results.md`. Then

    python -m docs.pictures
"""

import pathlib
import shutil

from docs import numbers
from rnnjax.figures import precision as figures

RUNS = pathlib.Path("results")
DOCS = pathlib.Path(__file__).parent

# Each picture of a run, and its name in docs/.
COPIED = {
    "memory_stability/lstm/heatmap.png": "heatmap-lstm.png",
    "memory_stability/gru/heatmap.png": "heatmap-gru.png",
    "slopes/slopes.png": "slopes.png",
    "cells/cells.png": "cells.png",
    "growth/bits_per_parameter.png": "bits.png",
    "english/connectivity.png": "connectivity.png",
    "switch-0.01/regret.png": "regret.png",
    "regret/regrets.png": "regrets.png",
    "optimizers/rates.png": "rates.png",
    "published/orders.png": "orders.png",
    "cures/gradients.png": "gradients.png",
}


def main() -> None:
    """Copies pictures of the runs."""
    for source, target in COPIED.items():
        shutil.copy(RUNS / source, DOCS / target)


def precision() -> None:
    """Draws `precision.png` from kept rows."""
    arithmetics = {
        "float32": [row for row in numbers.read("lstm") if row["input_size"] == 1],
        "float64": numbers.read("lstm-float64"),
    }
    figures.draw(arithmetics, ["identical", "1e-4"], DOCS)
    (DOCS / "precision.svg").unlink()


if __name__ == "__main__":
    main()
