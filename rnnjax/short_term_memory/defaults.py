"""What each measure takes by default, and for a smoke run."""

from typing import Any

from rnnjax import settings
from rnnjax.short_term_memory.schema import LINEAR, PROCESSING, RECALL, SPARSE

DELAYS_A_UNIT = 5  # of the linear measure
WASHOUT = 1000  # steps, or as many as there are delays

DRIVEN: dict[str, Any] = {
    "input_scale": (1.0,),
    "inputs": "uniform",
    "steps": 20_000,
    "test_steps": 10_000,
    "washout": None,
    "delays": None,
    "ridge": 0.0,
}
RANDOM: dict[str, Any] = {
    "recurrent_gain": None,
    "keep_bias": None,
    "dtype": "float32",
}
# A flag is of the measures that have it here.
DEFAULTS: dict[str, dict[str, Any]] = {
    LINEAR: {
        **DRIVEN,
        **RANDOM,
        "cell": ("gru", "lstm", "rnn_tanh"),
        "hidden_sizes": (64,),
        "seeds": 10,
        "input_scale": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
        "network": None,
    },
    PROCESSING: {
        **DRIVEN,
        **RANDOM,
        "cell": ("gru", "rnn_tanh"),
        "hidden_sizes": (8,),
        "seeds": 10,
        "input_scale": (0.1, 0.3, 1.0, 3.0),
        "delays": 20,
        "degree": 5,
    },
    SPARSE: {
        **RANDOM,
        "cell": ("gru", "lstm", "rnn_linear"),
        "hidden_sizes": (32,),
        "seeds": 10,
        "washout": WASHOUT,
        "sparsities": (1, 2, 4, 8),
        "longest": 512,
        "trials": 20,
    },
    RECALL: {
        "cell": ("gru", "lstm", "min_gru", "lru"),
        "hidden_sizes": (16, 32, 64),
        "seeds": 4,
        "pairs": 3,
        "vocabulary": 12,
        "length": 16,
        "batch": 64,
        "updates": 3000,
        "learning_rate": 0.03,
        "decay": 0.5,
        "test_pairs": (1, 2, 3, 4, 5, 6),
        "test_lengths": (16, 32, 64, 128),
    },
}
SMOKE: dict[str, dict[str, Any]] = {
    LINEAR: {
        "hidden_sizes": (8,),
        "seeds": 2,
        "input_scale": (0.1, 1.0),
        "steps": 1500,
        "test_steps": 500,
    },
    PROCESSING: {
        "hidden_sizes": (4,),
        "seeds": 2,
        "input_scale": (0.1, 1.0),
        "steps": 1500,
        "test_steps": 500,
        "delays": 6,
        "degree": 3,
    },
    SPARSE: {
        "hidden_sizes": (8,),
        "seeds": 2,
        "sparsities": (1, 2),
        "longest": 32,
        "trials": 5,
    },
    RECALL: {
        "cell": ("gru",),
        "hidden_sizes": (4,),
        "seeds": 2,
        "pairs": 2,
        "vocabulary": 8,
        "length": 14,
        "batch": 8,
        "updates": 3,
        "test_pairs": (1, 2, 4),
        "test_lengths": (14, 28),
    },
}


def help_of_defaults() -> dict[str, str]:
    """For --help: the default of each flag in each measure."""
    return settings.help_of_defaults(DEFAULTS) | {
        "washout": f"{WASHOUT}, or as many as there are delays",
        "delays": f"{LINEAR}: {DELAYS_A_UNIT} times the units; {PROCESSING}: 20",
    }
