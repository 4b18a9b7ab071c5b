"""The keys of the rows of memory stability. Needs no JAX."""

from rnnjax.results.schema import Key

# Numbers of the cell that may be axes of a run, and with them those of the experiment.
CELL_NUMBERS = ("kernel_gain", "recurrent_gain", "keep_bias", "reset_bias")
NUMBERS = ("input_scale", *CELL_NUMBERS)
SHAPE = ("cell", "weights", "input_size", "hidden_size", "layers", *NUMBERS)
ROW_ID = (*SHAPE, "seed")
DEFAULT_CRITERIA = ("identical", "cosine", "1e-2", "1e-4", "1e-6")
FRESH, TRAINED = "fresh", "trained"  # values of `weights`


def _number(meaning: str) -> Key:
    return Key("float", f"{meaning}; null if the cell has none", nullable=True)


KEYS: dict[str, Key] = {
    "weights": Key("str", "`fresh` random weights, or `trained` ones (--network)"),
    "steps": Key("int", "steps of each sequence", "steps"),
    "unique_steps": Key("int", "steps in which the two sequences differ", "steps"),
    "shared_steps": Key("int", "steps - unique_steps", "steps"),
    "input_scale": Key("float", "standard deviation of the inputs"),
    "kernel_gain": _number("factor on the initial input weights"),
    "recurrent_gain": _number("factor on the initial recurrent weights"),
    "keep_bias": _number("initial bias of the gate that keeps the state"),
    "reset_bias": _number("initial bias of the reset gate"),
    "dtype": Key("str", "arithmetic of states and weights"),
    "status": Key(
        "str",
        "`merged`: outputs are identical to the end; `apart`: they are not; "
        "`diverged`: a number was not finite",
    ),
    "diverged_step": Key(
        "int", "first step with a number that is not finite", "steps", nullable=True
    ),
    "first_<criterion>": Key(
        "int",
        "merge time: first shared step (from 0) that meets the criterion",
        "steps",
        nullable=True,
    ),
    "settled_<criterion>": Key(
        "int",
        "first shared step from which the criterion is met to the end",
        "steps",
        nullable=True,
    ),
    "lyapunov": Key("float", "largest Lyapunov exponent", "nats/step", nullable=True),
    "lyapunov_se": Key("float", "its standard error", "nats/step", nullable=True),
    "lyapunov_status": Key(
        "str",
        "`ok`; `dead`: every disturbance became exactly 0; `short`: fewer than 600 "
        "shared steps; `diverged`",
    ),
    "lyapunov_spectrum": Key(
        "list of float",
        "all exponents that can be measured, largest first",
        "nats/step",
        nullable=True,
        optional=True,
    ),
    "lyapunov_dead": Key(
        "int",
        "directions that shrink below the resolution of the arithmetic",
        nullable=True,
        optional=True,
    ),
    "lyapunov_gauge": Key(
        "int",
        "those of them that change no output by construction",
        nullable=True,
        optional=True,
    ),
    "predicted_<tolerance>": Key(
        "float",
        "step at which a distance that shrinks at the rate of the exponent falls to "
        "the tolerance",
        "steps",
        nullable=True,
    ),
    "floor": Key(
        "float",
        "median largest difference over the last 1,000 steps of a pair that is apart",
        nullable=True,
    ),
    "distance": Key(
        "list of float",
        "largest difference of the outputs at the steps of `summary.sample_steps`",
    ),
}
