"""Makes the pictures of README from five runs (about half an hour on two cores):

python -m benchmarks.memory_stability --cell=lstm
python -m benchmarks.memory_stability --cell=gru
python -m benchmarks.memory_stability --cell=lstm --input_sizes=1 --dtype=float64 --out_dir=results/memory_stability/lstm-float64
python -m benchmarks.memory_stability --cell=all --hidden_sizes=32 --input_sizes=16 --steps=5000 --out_dir=results/cells
python -m benchmarks.capacity --preset=long --budgets=200 --cell=rnn_tanh,rnn_relu --recurrent_init=orthogonal,identity \\
    --out_dir=results/bits

python -m docs.pictures
"""

import pathlib
import shutil

from rnnjax.figures import memory_stability as stability
from rnnjax.results import records

RUNS = pathlib.Path("results/memory_stability")
DOCS = pathlib.Path(__file__).parent

for cell in ("lstm", "gru"):
    shutil.copy(RUNS / cell / "heatmap.png", DOCS / f"heatmap-{cell}.png")
shutil.copy("results/cells/cells.png", DOCS / "cells.png")
shutil.copy("results/bits/bits_per_parameter.png", DOCS / "bits.png")
single = [row for row in records.read_rows(RUNS / "lstm") if row["input_size"] == 1]
double = records.read_rows(RUNS / "lstm-float64")
stability.precision({"float32": single, "float64": double}, ["identical", "1e-4"], DOCS)
(DOCS / "precision.svg").unlink()
