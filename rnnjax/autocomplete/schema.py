"""The keys of the rows of autocomplete. Needs no JAX.

A position is a character of a window; it is scored if its word is in the vocabulary.
"""

import dataclasses

from rnnjax.results.schema import Key
from rnnjax.text import keys as text_keys

ROW_ID = ("cell", "input_size", "hidden_size", "layers", "seed")

NATS = "nats a scored position"
SCORED = "fraction of scored positions"
LETTERS = "by letters of the word that were read; the last entry is 12 or more"

# Measures of the connectivity, the norm of a gradient, and of its square.
CONTEXT = {
    "context_fraction": (
        "fraction of connectivity before the current word",
        "fraction",
    ),
    "context_lag": (
        "mean distance to the characters read, weighted by connectivity",
        "characters",
    ),
    "context_fraction_squared": (
        "`context_fraction` by the squared norm, as published",
        "fraction",
    ),
    "context_lag_squared": (
        "`context_lag` weighted by the squared norm, as published",
        "characters",
    ),
}


def _connectivity() -> dict[str, Key]:
    """Keys of runs that compute the connectivity; no position may have any."""
    keys = {
        "connectivity_windows_by_letters": Key(
            "list of int",
            f"windows with such positions, {LETTERS}",
            "windows",
            optional=True,
        )
    }
    for name, (meaning, unit) in CONTEXT.items():
        meanings = {
            "": meaning,
            "_low": "lower end of its 95 % interval over windows of this network",
            "_high": "upper end of its 95 % interval over windows of this network",
        }
        for end, text in meanings.items():
            keys[name + end] = Key("float", text, unit, nullable=True, optional=True)
        for end, text in meanings.items():
            text = text if end else f"`{name}` {LETTERS}"
            keys[f"{name}{end}_by_letters"] = Key(
                "list of float", text, unit, optional=True
            )
    return keys


def _regret() -> dict[str, Key]:
    """Keys of runs on a synthetic text; the regret is missing if one diverged."""
    keys = text_keys.source() | text_keys.regret(NATS)
    for name in ("optimum", "context_regrets"):
        about = f"`{name}` of the validation windows"
        keys[f"valid_{name}"] = dataclasses.replace(keys[name], meaning=about)
    ends = {"low": "lower", "high": "upper"}
    for name in ("regret", "effective_context"):
        for end, word in ends.items():
            about = f"{word} end of its 95 % interval over windows of this network"
            keys[f"{name}_{end}"] = dataclasses.replace(keys[name], meaning=about)
    for end in ("", *(f"_{end}" for end in ends)):
        about = f"`regret{end}` {LETTERS}"
        keys[f"regret{end}_by_letters"] = Key(
            "list of float", about, NATS, optional=True
        )
    return keys


KEYS: dict[str, Key] = {
    "text": Key("str", "source of the text: text8, embedded, synthetic, or a path"),
    "unigram_entropy": Key(
        "float", "test loss of a prediction from word frequencies alone", NATS
    ),
    "parameters": Key("int", "parameters of the network"),
    "parameters_embedding": Key("int", "those of the embedding of characters"),
    "parameters_recurrent": Key("int", "those of the cells"),
    "parameters_dense": Key("int", "those of the read-out to words"),
    "classes": Key("int", "classes of words, with padding and unknown words"),
    "updates": Key("int", "updates of the training"),
    "updates_per_epoch": Key("int", "updates that see each training window once"),
    "batch": Key("int", "windows of an update"),
    "learning_rate": Key("float", "learning rate of the optimizer"),
    "status": Key("str", "`trained`, or `diverged`: a loss or gradient was not finite"),
    "diverged_update": Key(
        "int", "first update with a number that was not finite, from 0", nullable=True
    ),
    "train_losses": Key(
        "list of float", "training loss along the way, means over ten updates", NATS
    ),
    "valid_updates": Key("list of int", "updates made before each validation"),
    "valid_losses": Key("list of float", "loss on the validation windows", NATS),
    "valid_top1": Key("list of float", "accuracy on the validation windows", SCORED),
    "test_windows": Key("int", "test windows that were evaluated"),
    "test_loss": Key("float", "loss on the test windows", NATS, nullable=True),
    "test_top1": Key("float", "accuracy on the test windows", SCORED, nullable=True),
    "test_top2": Key(
        "float", "the word is among the 2 most likely ones", SCORED, nullable=True
    ),
    "test_top3": Key(
        "float", "the word is among the 3 most likely ones", SCORED, nullable=True
    ),
    "test_top1_of_all": Key(
        "float",
        "accuracy where padding and unknown words count as wrong",
        "fraction of positions",
        nullable=True,
    ),
    "test_loss_by_letters": Key("list of float", f"`test_loss` {LETTERS}", NATS),
    "test_top1_by_letters": Key("list of float", f"`test_top1` {LETTERS}", SCORED),
    "test_top2_by_letters": Key("list of float", f"`test_top2` {LETTERS}", SCORED),
    "test_top3_by_letters": Key("list of float", f"`test_top3` {LETTERS}", SCORED),
    **_connectivity(),
    **_regret(),
}
