"""The keys of rows that only runs on a synthetic text have. Needs no JAX."""

from rnnjax.results.schema import Key


def source() -> dict[str, Key]:
    """The keys that describe the source."""
    return {
        "words": _key("int", "words of the source"),
        "topics": _key("int", "hidden topics of the source"),
        "switch": _key("float", "probability of another topic after each word"),
        "zipf": _key("float", "exponent of the frequencies of words"),
        "dependence": _key("float", "weight of the previous word"),
        "source_seed": _key("int", "seed of the source and its text"),
        "text_words": _key("int", "words in the text"),
    }


def regret(unit: str) -> dict[str, Key]:
    """The keys of the best possible loss and of what a network misses."""
    return {
        "optimum": _key("float", "test loss of the best predictor", unit),
        "contexts": _key("list of int", "words k that other predictors see", "words"),
        "context_regrets": _key(
            "list of float", "what the best one of each k has above `optimum`", unit
        ),
        "regret": _key("float", "test loss above `optimum`", unit, nullable=True),
        "effective_context": _key(
            "float",
            "the k at which the best predictor has the loss of the network; null if "
            "there is none",
            "words",
            nullable=True,
        ),
        "effective_context_status": _key(
            "str",
            "`ok`; `below`: the network is worse than with k = 0; `above`: it is "
            "better than with the largest k; null if it diverged",
            nullable=True,
        ),
    }


def _key(kind: str, meaning: str, unit: str = "", nullable: bool = False) -> Key:
    meaning = f"synthetic text: {meaning}"
    return Key(kind, meaning, unit, nullable=nullable, optional=True)
