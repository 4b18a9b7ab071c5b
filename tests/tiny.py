"""Command lines of the binaries that take seconds: tests of what they leave."""

import pathlib

import numpy as np

from benchmarks import (
    autocomplete,
    capacity,
    memory_stability,
    optimization,
    short_term_memory,
)
from rnnjax.text import corpus

ROOT = pathlib.Path(__file__).parent.parent
BINARIES = {
    "memory_stability": memory_stability,
    "capacity": capacity,
    "autocomplete": autocomplete,
    "short_term_memory": short_term_memory,
    "optimization": optimization,
}
RUNS = {
    "memory_stability": "--cell=gru --input_sizes=1,2 --hidden_sizes=2,3 --seeds=1 "
    "--steps=2600 --unique_steps=300",
    "capacity": "--task=units --hidden_sizes=2,3 --seeds=2 --size=4 --delay=1 "
    "--batch=8 --updates=600 --trials=2 --rungs=1",
    "autocomplete": "--cell=gru --hidden_sizes=4 --updates=50 --batch=4 --seeds=2 "
    "--max_eval_windows=4 --noconnectivity --text=text.txt",
    "short_term_memory": "--cell=rnn_tanh --hidden_sizes=2,3 --seeds=2 "
    "--input_scale=1 --steps=900 --test_steps=300 --washout=100 --delays=9",
    "optimization": "--task=two_circles --cell=rnn_tanh --hidden_sizes=2 --seeds=2 "
    "--optimizer=plain_sgd,adam --trials=2 --updates=6 --batch=8",
}
SMALLEST = {  # the same with a group or two of two chunks each
    "memory_stability": "--cell=gru --input_sizes=1 --hidden_sizes=2 --seeds=2 "
    "--steps=1300 --unique_steps=300",
    "capacity": "--task=units --hidden_sizes=2 --seeds=1 --size=4 --delay=1 "
    "--batch=8 --updates=300 --trials=1 --rungs=1",
    "autocomplete": "--cell=gru --hidden_sizes=4 --updates=20 --batch=4 --seeds=2 "
    "--max_eval_windows=4 --noconnectivity --text=text.txt",
    "short_term_memory": "--cell=rnn_tanh --hidden_sizes=2 --seeds=2 "
    "--input_scale=1 --steps=900 --test_steps=300 --washout=100 --delays=9",
    "optimization": "--task=two_circles --cell=rnn_tanh --hidden_sizes=2 --seeds=2 "
    "--optimizer=adam --trials=0 --updates=2 --batch=8",
}
SENTENCE = "to be or not that is the question whether tis nobler in mind"


def arguments(benchmark: str, folder: str, runs=RUNS) -> list[str]:
    """The words of the command; writes the text it needs into the current folder."""
    if benchmark == "autocomplete":
        text = " ".join(np.random.default_rng(0).choice(SENTENCE.split(), 2000))
        pathlib.Path("text.txt").write_text(text)
        corpus.clear_cache()  # another test's file may have had the same name
    return [*runs[benchmark].split(), f"--out_dir={folder}"]
