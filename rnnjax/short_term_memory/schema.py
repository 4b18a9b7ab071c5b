"""The keys of the rows of short-term memory. Needs no JAX."""

import dataclasses

from rnnjax.results.schema import Key
from rnnjax.short_term_memory.recall_schema import RECALL_KEYS

# The numbers that may be axes of a run.
NUMBERS = ("input_scale", "recurrent_gain", "keep_bias")
SHAPE = ("cell", "weights", "input_size", "hidden_size", "layers", *NUMBERS)
ROW_ID = (*SHAPE, "seed")
FRESH, TRAINED = "fresh", "trained"  # values of `weights`
LINEAR, PROCESSING, SPARSE = "linear", "processing", "sparse"
RECALL = "recall"
UNRESPONSIVE = "unresponsive"  # a status: small inputs do not change the state


def _of(kind: str, meaning: str, unit: str = "", nullable: bool = False) -> Key:
    """A key that the rows of one measure alone have, unless they diverged."""
    return Key(kind, meaning, unit, nullable, optional=True)


KEYS: dict[str, Key] = {
    "measure": Key("str", "what was measured: linear, processing, sparse, recall"),
    "weights": Key("str", "`fresh` random weights, or `trained` ones"),
    "input_scale": Key("float", "what inputs are multiplied with", nullable=True),
    "recurrent_gain": Key(
        "float",
        "factor on the initial recurrent weights; null if the cell has none",
        nullable=True,
    ),
    "keep_bias": Key(
        "float",
        "initial bias of the gate that keeps the state; null if the cell has none",
        nullable=True,
    ),
    "state_size": Key("int", "numbers in the state of all layers"),
    "diverged_step": Key(
        "int",
        "first step with a number that is not finite",
        "steps",
        nullable=True,
        optional=True,
    ),
    "washout": _of("int", "steps before the first that counts", "steps"),
    "steps": _of("int", "steps that read-outs are fitted to", "steps"),
    "test_steps": _of("int", "steps that they are tested on", "steps"),
    "inputs": _of("str", "distribution of the inputs"),
    "delays": _of("int", "largest delay that was tried", "steps"),
    "capacity_<readout>": _of(
        "float",
        "linear: sum over delays of the R^2 held out, of those above the threshold; "
        "from the `state` or the `output`",
    ),
    "shuffled_<readout>": _of("float", "the same by the threshold of shuffled inputs"),
    "all_delays_<readout>": _of("float", "the same of all delays: about r D / T less"),
    "in_sample_<readout>": _of(
        "float", "sum of the R^2 of all delays in sample: about r D / T more"
    ),
    "columns_<readout>": _of("int", "numbers that are read"),
    "rank_<readout>": _of("int", "r, independent directions among them"),
    "threshold_<readout>": _of(
        "float", "R^2 in sample that counts, by chi^2 with r degrees of freedom"
    ),
    "shuffled_threshold_<readout>": _of(
        "float", "largest R^2 in sample of 100 shuffled inputs"
    ),
    "depth_<readout>": _of(
        "int",
        "first delay with an R^2 below 1/2; null if there is none",
        "steps",
        nullable=True,
    ),
    "r2_<readout>": _of("list of float", "R^2 held out of the delays 0, 1, 2, ..."),
    "processing": _of(
        "float", "processing: sum of the R^2 held out of functions above the threshold"
    ),
    "degrees": _of("list of float", "the same of the degrees 1, 2, 3, ..."),
    "functions": _of("int", "functions above the threshold"),
    "functions_tried": _of("int", "functions that were tried"),
    "largest_delay": _of(
        "int", "largest delay of a function above the threshold", "steps", nullable=True
    ),
    "longest": _of("int", "sparse: longest sequence that was tried", "steps"),
    "trials": _of("int", "sequences that were tried at each length"),
    "length_<sparsity>": _of(
        "int",
        "longest sequence with so many inputs that is recovered; null if the status is "
        "`unresponsive`: the state does not depend on small inputs",
        "steps",
        nullable=True,
    ),
    "lengths_<sparsity>": _of(
        "list of int", "lengths that were tried", "steps", nullable=True
    ),
    "recovered_<sparsity>": _of(
        "list of float", "fraction of trials recovered there", nullable=True
    ),
    **{
        name: dataclasses.replace(key, optional=True)
        for name, key in RECALL_KEYS.items()
    },
}
