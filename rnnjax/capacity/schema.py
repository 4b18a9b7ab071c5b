"""The keys of capacity's rows. Needs no JAX."""

from collections.abc import Mapping

from rnnjax.results.schema import Key, Schema
from rnnjax.text import keys as text_keys
from rnnjax.training import schema as training_schema

OWN = "own"  # in place of an initializer's name: the one that the cell itself has
POINT_ID = ("cell", "recurrent_init", "layers", "steps", "budget")
ROW_ID = (*POINT_ID, "search", "stage", "trial", "move", "seed")

# The keys of the rows of every task.
KEYS: dict[str, Key] = {
    "task": Key("str", "name of the task, as --task takes it"),
    "recurrent_init": Key(
        "str", "initializer of the recurrent weights; own: the cell's"
    ),
    "steps": Key(
        "int", "steps of a sample; null if the task has no such option", nullable=True
    ),
    "budget": Key("int", "parameters that the network may have"),
    "parameters": Key("int", "parameters that it has"),
    "search": Key("int", "index of the search, of which --searches are made"),
    "stage": Key(
        "str",
        "round of the search: rung0, rung1, ...; finals; bracket; draws (fresh draws)",
    ),
    "trial": Key("int", "index of the hyperparameters in the search's Sobol sequence"),
    "move": Key(
        "int", "how many times the samples were multiplied by 1.25; or divided"
    ),
    **training_schema.KEYS,
    "kernel_gain": Key("float", "factor on the initial input weights"),
    "recurrent_gain": Key("float", "factor on the initial recurrent weights"),
    "readout_gain": Key("float", "factor on the initial weights of the read-out"),
    "keep_bias": Key("float", "initial bias of the gate that keeps the state"),
    "samples": Key(
        "int", "samples of the fixed data set, where they are searched over"
    ),
    "diverged_update": Key("int", "first update that was not finite", nullable=True),
    "failed": Key(
        "bool", "it diverged, or its loss is not below the chance level at the end"
    ),
    "score": Key(
        "float",
        "what the search maximizes: the objective, negated if less of it is better",
        nullable=True,
    ),
    "objective": Key("str", "name of the score that the search is about"),
    "scores": Key("list of str", "names of the task's scores"),
    "chance": Key("float", "loss of the best answer that ignores the inputs"),
    "loss_bound": Key(
        "float", "lowest loss that a linear network can have, if known", nullable=True
    ),
    "loss_name": Key("str", "what the loss is, in words"),
    "train_losses": Key(
        "list of float",
        "mean training loss of each 250 updates; of longer trainings, 64 of these",
    ),
    **text_keys.source(),
    **text_keys.regret("bits a character"),
}


def keys(scores: Mapping[str, Schema]) -> Schema:
    """The keys of all rows: `KEYS`, and the scores of each task by its name."""
    merged: dict[str, dict[str, Key]] = {}
    for task, declared in scores.items():
        for name, key in declared.items():
            merged.setdefault(name, {})[task] = key
    return KEYS | {name: _joined(by_task) for name, by_task in merged.items()}


def _joined(by_task: Mapping[str, Key]) -> Key:
    """One key for a score that several tasks have: what it means in each."""
    tasks: dict[str, list[str]] = {}
    for task, key in by_task.items():
        unit = f" ({key.unit})" if key.unit else ""
        tasks.setdefault(f"{key.meaning}{unit}", []).append(task)
    meaning = "; ".join(f"{', '.join(names)}: {text}" for text, names in tasks.items())
    first = next(iter(by_task.values()))
    return Key(first.type, meaning, nullable=True, optional=True)
