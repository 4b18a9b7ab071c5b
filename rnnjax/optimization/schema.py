"""The keys of the rows of optimization. Needs no JAX."""

from rnnjax.results.schema import Key

# What is trained; each combination is trained in several trials.
METHOD = (
    *("task", "length", "cell", "activation", "initializer"),
    *("hidden_size", "optimizer"),
)
ROW_ID = (*METHOD, "trial", "seed")

OPTIMIZERS, INITIALIZERS, CURES = "optimizers", "initializers", "cures"
FAIR, AS_PUBLISHED = "fair", "as_published"
RATES, RANDOM = "rates", "random"
OWN = "own"  # the initializers that the cell has
DEFAULT = 0  # the trial of an optimizer's defaults
THEN = "+"  # between the optimizers of one network, which follow one another
DIVERGED = "diverged"

# The numbers of optimizers beside the learning rate.
NUMBERS: dict[str, str] = {
    "momentum": "decay of a mean or sum of gradients, beta_1",
    "square_decay": "decay of the mean square of gradients, beta_2",
    "sum_decay": "Lion: decay of the mean gradient, beta_2",
    "first_square": "Adagrad: what the sums of squared gradients start at",
    "estimate_factor": "Prodigy: factor on the estimated learning rate",
    "weight_decay": "decoupled weight decay, times the learning rate",
    "damping": "Hessian-free: damping of the first update",
    "structural": "Hessian-free: weight of structural damping, times the damping",
}


def _curve(meaning: str, unit: str = "") -> Key:
    return Key("list of float", meaning, unit)


KEYS: dict[str, Key] = {
    "study": Key("str", "what is compared: optimizers, initializers, cures"),
    "protocol": Key(
        "str",
        "fair: every training begins with fresh weights; as_published: one network is "
        "trained by one optimizer after another",
    ),
    "task": Key("str", "name of the task"),
    "length": Key(
        "int", "length of a sample, as --lengths; null without", nullable=True
    ),
    "sequence": Key("int", "steps that the network makes for a sample", "steps"),
    "activation": Key("str", "nonlinearity of the state"),
    "initializer": Key(
        "str", "initializer of the weights; own: those that the cell has"
    ),
    "optimizer": Key(
        "str", f"name of the optimizer; as_published: of each, `{THEN}` between them"
    ),
    "trial": Key("int", "0: the optimizer's defaults; k: the k-th that was searched"),
    "searched": Key(
        "bool",
        "whether the trial is among those that were searched, as the defaults are if "
        "their rate is one of the rates, or nothing else is tried",
    ),
    "search": Key(
        "str",
        "rates: learning rates evenly over their range, all else at its default; "
        "random: all numbers drawn from their ranges, for each seed anew",
    ),
    "learning_rate": Key("float", "learning rate of the first update", nullable=True),
    **{
        name: Key("float", f"{meaning}; null of others", nullable=True)
        for name, meaning in NUMBERS.items()
    },
    "decay": Key("float", "power with which the learning rate falls to 0"),
    "clip": Key(
        "float", "norm that gradients are clipped to; null: not", nullable=True
    ),
    "batch": Key("int", "samples in the batch of an update"),
    "updates": Key("int", "updates of the training"),
    "until_solved": Key(
        "bool", "whether a training ends once its validation accuracy is at the level"
    ),
    "epoch": Key(
        "float", "updates of an epoch; null if all data are fresh", nullable=True
    ),
    "parameters": Key("int", "parameters of the network"),
    "diverged_update": Key(
        "int", "first update that was not finite", "updates", nullable=True
    ),
    "chance": Key("float", "loss of the best answer that ignores the inputs", "nats"),
    "solved_accuracy": Key("float", "accuracy from which the task counts as solved"),
    "solved_update": Key(
        "int",
        "first update after which the validation accuracy was that high, of those that "
        "it was computed after; null if never",
        "updates",
        nullable=True,
    ),
    "accuracy": Key(
        "float",
        "accuracy on test data, which are used once, at the end; null if diverged",
        nullable=True,
    ),
    "loss": Key("float", "loss on test data; null if diverged", nullable=True),
    "curve_updates": Key("list of int", "when the curves were computed", "updates"),
    "curve_gradients": Key(
        "list of int",
        "gradients of a batch computed until then: one an update of most optimizers; "
        "Hessian-free one for the gradient, each product, and the loss that follows; "
        "L-BFGS one for each trial of its line search",
        "gradients",
    ),
    "validation_accuracy": _curve(
        "accuracy on validation data; null, as in all curves, once the training has "
        "ended"
    ),
    "validation_loss": _curve("loss on validation data"),
    "train_losses": _curve("mean training loss since the last point of the curves"),
    "lags": Key("list of int", "steps before the last", "steps"),
    "gradient_start": _curve(
        "before the training, at each lag: norm of the gradient of a sample's loss by "
        "the state, mean over samples"
    ),
    "gradient_end": _curve("the same after the training"),
}
