"""How much each preset tries, and the ranges that hyperparameters are searched over.

Values have the types of the options of the same names (see `options`). They are listed
by task; `OTHER` stands for all tasks that are not listed.
"""

from collections.abc import Mapping

from rnnjax import settings
from rnnjax.settings import Range

Value = int | bool | str | tuple[int, ...] | Range

OTHER = "other"
SMOKE = "smoke"
UNITS = (10, 20, 30, 40, 50, 60, 64, 70, 80, 90, 100)

# Of options that a preset leaves open.
DEFAULTS: dict[str, Value] = {"finalists": 1, "selection_seeds": 3}

PRESETS: dict[str, dict[str, dict[str, Value]]] = {
    SMOKE: {
        "parameters": {
            "budgets": (60,),
            "trials": 8,
            "rungs": 2,
            "updates": 500,
            "seeds": 3,
            "inputs": 12,
        },
        "units": {
            "hidden_sizes": (8, 16),
            "trials": 2,
            "rungs": 1,
            "updates": 500,
            "seeds": 2,
            "size": 16,
        },
        OTHER: {
            "budgets": (400,),
            "trials": 2,
            "rungs": 1,
            "updates": 250,
            "seeds": 2,
            "batch": 8,
        },
    },
    "quick": {
        "parameters": {
            "budgets": (100, 200, 500),
            "trials": 64,
            "rungs": 3,
            "updates": 8000,
            "finalists": 3,
            "selection_seeds": 5,
            "seeds": 5,
        },
        "units": {
            "hidden_sizes": UNITS,
            "trials": 8,
            "rungs": 2,
            "updates": 3000,
            "seeds": 3,
            "batch": 64,
        },
        OTHER: {
            "budgets": (1000, 2000),
            "trials": 16,
            "rungs": 2,
            "updates": 2000,
            "seeds": 3,
        },
    },
    "long": {
        "parameters": {
            "budgets": (100, 200, 400),
            "trials": 512,
            "rungs": 3,
            "updates": 48000,
            "finalists": 12,
            "selection_seeds": 8,
            "seeds": 8,
        },
        "units": {
            "hidden_sizes": UNITS,
            "trials": 32,
            "rungs": 3,
            "updates": 10000,
            "seeds": 5,
            "batch": 64,
        },
        OTHER: {
            "budgets": (1000, 3000, 10000),
            "trials": 64,
            "rungs": 3,
            "updates": 8000,
            "finalists": 3,
            "selection_seeds": 5,
            "seeds": 5,
        },
    },
    "paper": {
        "parameters": {
            "budgets": (1000, 3000, 10000),
            "trials": 1024,
            "rungs": 4,
            "updates": 256000,
            "finalists": 10,
            "selection_seeds": 10,
            "seeds": 10,
            "learn_carry": True,
            "input_values": "bits",
        },
        "units": {
            "hidden_sizes": UNITS,
            "trials": 256,
            "rungs": 3,
            "updates": 50000,
            "seeds": 10,
            "learn_carry": True,
        },
        OTHER: {
            "budgets": (10000, 30000, 100000),
            "trials": 256,
            "rungs": 4,
            "updates": 256000,
            "seeds": 5,
            "learn_carry": True,
        },
    },
}
# Smaller presets have fewer samples than the paper's random function.
PRESETS["paper"] |= {
    "random_function": PRESETS["paper"][OTHER] | {"samples": Range(1e6, 1e6)},
    "parentheses": PRESETS["paper"][OTHER] | {"overflow": "clip"},
}

# The best training memorizes random labels with small weights, so these ranges differ
# from those of the other tasks.
SPACES: dict[str, dict[str, Range]] = {
    "parameters": {
        "learning_rate": Range(1e-3, 2e-2),
        "decay": Range(0.5, 2.0, log=False),
        "momentum": Range(0.8, 0.95, log=False),
        "weight_decay": Range(1e-4, 1e-2),
        "clip": Range(1e-2, 1.0),
        "kernel_gain": Range(0.25, 1.0),
        "recurrent_gain": Range(0.5, 1.2),
        "readout_gain": Range(1.0, 8.0),
        "keep_bias": Range(-1.0, 2.0, log=False),
    }
}
SPACES[OTHER] = SPACES["parameters"] | {
    "weight_decay": Range(1e-6, 1e-3),
    "clip": Range(0.1, 10.0),
    "kernel_gain": Range(0.5, 2.0),
    "readout_gain": Range(0.5, 2.0),
}


def values(preset: str, task: str) -> dict[str, Value]:
    """What a preset sets for a task."""
    by_task = PRESETS[preset]
    return DEFAULTS | by_task.get(task, by_task[OTHER])


def space(task: str) -> dict[str, Range]:
    """The ranges that a task's hyperparameters are searched over."""
    return dict(SPACES.get(task, SPACES[OTHER]))


def preset_help() -> dict[str, str]:
    """What `--help` says of each option that depends on the preset or the task.

    For example "quick 256 (units 8, other 16), long 512 (units 32, other 64)".
    """
    lines = {name: _by_task(SPACES, name) for name in SPACES[OTHER]}
    tables = [entry for by_task in PRESETS.values() for entry in by_task.values()]
    for name in dict.fromkeys(name for entry in tables for name in entry):
        texts = {
            preset: _by_task(by_task, name)
            for preset, by_task in PRESETS.items()
            if preset != SMOKE
        }
        if len(set(texts.values())) == 1:
            lines[name] = texts.popitem()[1]
        else:
            lines[name] = ", ".join(f"{p} {text}" for p, text in texts.items() if text)
    return {name: line for name, line in lines.items() if line}


def _by_task(table: Mapping[str, Mapping[str, Value]], name: str) -> str:
    """The value of `parameters`, and those of tasks that have another."""
    found = {
        task: settings.text(values[name])
        for task, entry in table.items()
        if name in (values := {**DEFAULTS, **entry})
    }
    if "parameters" not in found:
        return ", ".join(f"{task} {value}" for task, value in found.items())
    first = found.pop("parameters")
    other = found.pop(OTHER, first)
    differing = {task: value for task, value in found.items() if value != other}
    if other != first:
        differing[OTHER] = other
    listed = ", ".join(f"{task} {value}" for task, value in differing.items())
    return f"{first} ({listed})" if listed else first
