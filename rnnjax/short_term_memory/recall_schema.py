"""The keys of the rows of recall. Needs no JAX."""

from rnnjax.results.schema import Key
from rnnjax.training import schema as training_schema

RECALL_KEYS: dict[str, Key] = {
    "vocabulary": Key("int", "symbols, of which half are keys and half are values"),
    "trained_pairs": Key("int", "most key-value pairs of a sample in training"),
    "trained_length": Key("int", "steps of a sample in training", "steps"),
    "batch": Key("int", "samples in the batch of an update"),
    **training_schema.KEYS,
    "parameters": Key("int", "parameters of the network"),
    "diverged_update": Key(
        "int", "first update that was not finite", "updates", nullable=True
    ),
    "train_losses": Key(
        "list of float",
        "mean training loss of each 250 updates; of longer trainings, 64 of these",
        "nats a query",
    ),
    "loss": Key(
        "float",
        "cross-entropy of queries as in training, on samples held out",
        "nats a query",
        nullable=True,
    ),
    "chance": Key("float", "that of the best answer that ignores the inputs", "nats"),
    "chance_accuracy": Key("float", "accuracy of that answer: 1 / values"),
    "pairs": Key("list of int", "numbers of pairs that are tested"),
    "pairs_lengths": Key(
        "list of int", "steps of these samples: as in training, or 3 a pair", "steps"
    ),
    "accuracy": Key(
        "list of float",
        "for each of these numbers, the fraction of queries that are answered right, "
        "on samples held out; null if an output is not finite",
        nullable=True,
    ),
    "lengths": Key("list of int", "lengths that are tested", "steps"),
    "length_accuracy": Key(
        "list of float",
        "for each of these lengths, the fraction of queries that are answered right, "
        "with numbers of pairs as in training; null if an output is not finite",
        nullable=True,
    ),
}
