"""The runs of each suite: a table for each preset, an entry for each run.

To add a run, add an entry. Those of `quick` and `paper` are like the commands of the
claims in `rnnjax.report` in all flags that may not differ (see `rnnjax.report.pools`).
"""

from collections.abc import Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """A binary with its flags, and about how many seconds it takes on two cores.

    `needs` is the run of the suite whose trained networks it measures.
    """

    command: str
    seconds: float
    needs: str = ""


SMOKE: Mapping[str, Entry] = {
    "stability": Entry("memory_stability --smoke --cell=gru", 10),
    "bits": Entry("capacity --smoke --cell=rnn_tanh", 15),
    "units": Entry("capacity --smoke --task=units --cell=rnn_tanh", 10),
    "linear": Entry("short_term_memory --smoke --cell=gru", 5),
    "recall": Entry("short_term_memory --smoke --measure=recall --cell=gru", 10),
    "autocomplete": Entry("autocomplete --smoke --cell=gru --text=synthetic", 20),
    "optimizers": Entry("optimization --smoke --cell=gru", 10),
    "trained": Entry("memory_stability --smoke", 5, needs="units"),
}
# Every entry in the line that the report has for a cell.
SMALLEST: Mapping[str, Entry] = {
    "stability": Entry(
        "memory_stability --cell=gru,lstm --hidden_sizes=32 --input_sizes=16 --seeds=5 "
        "--steps=6000",
        12,
    ),
    "bits": Entry(
        "capacity --cell=gru,lstm --budgets=200 --trials=6 --rungs=1 --updates=1000 "
        "--finalists=1 --selection_seeds=2 --max_moves=1",
        25,
    ),
    "units": Entry(
        "capacity --task=units --cell=gru,lstm --hidden_sizes=24 --seeds=5 --trials=4 "
        "--rungs=1 --updates=1000",
        14,
    ),
    "linear": Entry(
        "short_term_memory --cell=gru,lstm --hidden_sizes=16 --input_scale=1 --seeds=5 "
        "--steps=4000 --test_steps=2000",
        5,
    ),
    "recall": Entry(
        "short_term_memory --measure=recall --cell=gru,lstm --hidden_sizes=16 "
        "--seeds=4 --updates=800",
        18,
    ),
    "synthetic": Entry(
        "autocomplete --cell=gru,lstm --text=synthetic --text_words=20000 "
        "--hidden_sizes=32 --seeds=3 --updates=400 --max_eval_windows=50 "
        "--connectivity_windows=20",
        30,
    ),
}
# What the claims need, and the same line. Searches are as small as they can be.
SEARCH = "--trials=6 --rungs=1 --finalists=1 --selection_seeds=2 --max_moves=2"
TIMED = "--max_eval_windows=1 --connectivity_windows=1"  # of updates, not evaluation
QUICK: Mapping[str, Entry] = {
    "stability": Entry("memory_stability --cell=gru,lstm --seeds=8 --steps=6000", 110),
    "identical": Entry(
        "memory_stability --cell=gru,lstm --hidden_sizes=16,32,64,128 --input_sizes=1 "
        "--seeds=5",
        60,
    ),
    "layers": Entry(
        "memory_stability --cell=gru,lstm --layers=1,2 --hidden_sizes=32,64 "
        "--input_sizes=16 --seeds=10 --steps=6000",
        25,
    ),
    "equal": Entry(
        "memory_stability --cell=gru,lstm --keep_bias=1 --hidden_sizes=32,64 "
        "--input_sizes=16 --seeds=10 --steps=6000",
        15,
    ),
    "growth": Entry(
        "capacity --cell=rnn_tanh --budgets=100,300,1000 --searches=3 --updates=600 "
        f"{SEARCH}",
        130,
    ),
    "order": Entry(
        "capacity --cell=rnn_tanh,ugrnn,gru,lstm,intersection_rnn --budgets=200 "
        f"--seeds=10 --updates=800 {SEARCH}",
        80,
    ),
    "depth": Entry(
        "capacity --cell=rnn_tanh --layers=1,2,4 --budgets=200 --seeds=10 "
        f"--updates=800 {SEARCH}",
        55,
    ),
    "starts": Entry(
        "capacity --cell=rnn_tanh,rnn_relu --recurrent_init=orthogonal,identity "
        f"--budgets=200 --seeds=10 --updates=800 {SEARCH}",
        60,
    ),
    "units": Entry(
        "capacity --task=units --cell=rnn_tanh,gru,lstm --hidden_sizes=32,64 "
        "--seeds=5 --trials=4 --rungs=1 --updates=2000",
        60,
    ),
    "function": Entry(
        "capacity --task=random_function --cell=rnn_tanh,lstm --budgets=500 "
        "--seeds=5 --trials=4 --rungs=1 --updates=400",
        40,
    ),
    "characters": Entry(
        "capacity --task=characters --cell=rnn_tanh,lstm --budgets=5000 --seeds=5 "
        "--trials=4 --rungs=1 --updates=400",
        40,
    ),
    "failed": Entry(
        "capacity --task=parentheses --cell=rnn_tanh,irnn,gru,lstm --budgets=500 "
        "--trials=64 --rungs=1 --updates=200 --learning_rate=1e-4:1 --clip=1e6 "
        "--recurrent_gain=0.5:4 --overflow=clip --learn_carry",
        60,
    ),
    "english": Entry(
        "autocomplete --cell=gru,lstm,nested_lstm --seeds=5 --hidden_sizes=32 "
        "--updates=250 --max_eval_windows=40 --connectivity_windows=10",
        80,
    ),
    **{
        f"times-{k}": Entry(
            f"autocomplete --cell=gru,lstm,nested_lstm --seeds=1 --first_seed={k} "
            f"--hidden_sizes=32 --updates=100 {TIMED}",
            10,
        )
        for k in range(5)
    },
    "synthetic": Entry(
        "autocomplete --cell=gru,lstm --seeds=5 --text=synthetic --hidden_sizes=32 "
        "--updates=600 --max_eval_windows=100 --connectivity_windows=50",
        50,
    ),
    "optimizers": Entry(
        "optimization --study=optimizers --cell=lstm "
        "--optimizer=nesterov,adagrad,rmsprop,adam --seeds=6 --trials=5 --updates=200",
        90,
    ),
    "initializers": Entry(
        "optimization --study=initializers --cell=rnn_tanh,rnn_relu --seeds=6 "
        "--initializer=glorot_normal,he_normal --updates=200",
        50,
    ),
    "cures": Entry(
        "optimization --study=cures --cell=rnn_tanh,irnn,lstm --seeds=7 --lengths=50 "
        "--updates=5000 --curvature_updates=200",
        240,
    ),
    "minimal": Entry(
        "optimization --study=cures --cell=gru,lstm,mgu,min_gru,janet "
        "--optimizer=adam --seeds=6 --lengths=20 --updates=2000",
        100,
    ),
    "linear": Entry(
        "short_term_memory --cell=gru,lstm,rnn_tanh --hidden_sizes=32 --seeds=6 "
        "--input_scale=0.1,1 --steps=6000 --test_steps=3000",
        10,
    ),
    "processing": Entry(
        "short_term_memory --measure=processing --cell=gru,lstm,rnn_tanh "
        "--hidden_sizes=4 --seeds=6 --input_scale=0.3,1 --steps=6000 "
        "--test_steps=3000",
        15,
    ),
    "sparse": Entry(
        "short_term_memory --measure=sparse --cell=rnn_linear --seeds=10 "
        "--hidden_sizes=16 --sparsities=1,8 --longest=128",
        5,
    ),
    "recall": Entry(
        "short_term_memory --measure=recall --cell=gru,lstm --hidden_sizes=16 "
        "--seeds=5 --updates=1500",
        25,
    ),
    "trained": Entry("memory_stability --steps=10000", 20, needs="units"),
}
PAPER: Mapping[str, Entry] = {
    "stability": Entry("memory_stability --cell=gru,lstm,rnn_tanh", 3600),
    "layers": Entry(
        "memory_stability --cell=gru,lstm --layers=1,2 --hidden_sizes=16,32,64,128 "
        "--input_sizes=16",
        3600,
    ),
    "equal": Entry(
        "memory_stability --cell=gru,lstm --keep_bias=1 --hidden_sizes=16,32,64,128 "
        "--input_sizes=16",
        3600,
    ),
    "growth": Entry(
        "capacity --preset=paper --cell=rnn_tanh --searches=3 "
        "--budgets=1000,3000,10000,30000",
        3600,
    ),
    "order": Entry(
        "capacity --preset=paper --cell=rnn_tanh,ugrnn,gru,lstm,intersection_rnn "
        "--budgets=10000",
        3600,
    ),
    "depth": Entry(
        "capacity --preset=paper --cell=rnn_tanh --layers=1,2,4 --budgets=10000", 3600
    ),
    "starts": Entry(
        "capacity --preset=paper --cell=rnn_tanh,rnn_relu "
        "--recurrent_init=orthogonal,identity --budgets=10000",
        3600,
    ),
    "units": Entry(
        "capacity --preset=paper --task=units --cell=rnn_tanh,gru,lstm", 3600
    ),
    "function": Entry(
        "capacity --preset=paper --task=random_function --cell=rnn_tanh,gru,lstm "
        "--budgets=10000",
        3600,
    ),
    "characters": Entry(
        "capacity --preset=paper --task=characters --cell=rnn_tanh,gru,lstm "
        "--budgets=100000",
        3600,
    ),
    "failed": Entry(
        "capacity --preset=paper --task=parentheses --cell=rnn_tanh,irnn,gru,lstm "
        "--budgets=100000 --rungs=1 --learning_rate=1e-4:1 --clip=1e6 "
        "--recurrent_gain=0.5:4 --overflow=clip --learn_carry",
        3600,
    ),
    "english": Entry(
        "autocomplete --preset=article --cell=gru,lstm,nested_lstm --seeds=6", 3600
    ),
    **{
        f"times-{k}": Entry(
            "autocomplete --preset=article --cell=gru,lstm,nested_lstm --seeds=1 "
            f"--first_seed={k} --updates=100 {TIMED}",
            600,
        )
        for k in range(5)
    },
    "synthetic": Entry(
        "autocomplete --cell=gru,lstm,nested_lstm --seeds=6 --text=synthetic", 600
    ),
    "optimizers": Entry("optimization --study=optimizers --cell=lstm", 600),
    "initializers": Entry(
        "optimization --study=initializers --cell=rnn_tanh,rnn_relu", 600
    ),
    "cures": Entry("optimization --study=cures --cell=rnn_tanh,irnn,lstm", 3600),
    "minimal": Entry(
        "optimization --study=cures --cell=gru,lstm,mgu,min_gru,janet --optimizer=adam",
        3600,
    ),
    "linear": Entry("short_term_memory --cell=gru,lstm,rnn_tanh", 600),
    "processing": Entry(
        "short_term_memory --measure=processing --cell=gru,lstm,rnn_tanh", 600
    ),
    "sparse": Entry(
        "short_term_memory --measure=sparse --cell=gru,lstm,rnn_linear", 600
    ),
    "recall": Entry(
        "short_term_memory --measure=recall --cell=gru,lstm,min_gru,lru --seeds=10",
        600,
    ),
    "trained": Entry("memory_stability --steps=20000", 600, needs="units"),
}
PRESETS: Mapping[str, Mapping[str, Entry]] = {
    "smallest": SMALLEST,
    "quick": QUICK,
    "paper": PAPER,
}
