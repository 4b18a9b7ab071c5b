"""What each study takes by default, and for a smoke run."""

from typing import Any

from rnnjax import settings
from rnnjax.optimization.schema import CURES, INITIALIZERS, OPTIMIZERS, OWN

EPOCHS = 30  # of each optimizer with --protocol=as_published
PUBLISHED = ("adagrad", "plain_sgd", "adam")  # and their order

DEFAULTS: dict[str, dict[str, Any]] = {
    OPTIMIZERS: {
        "task": ("rows",),
        "cell": ("lstm",),
        "initializer": (OWN,),
        "optimizer": (
            *("plain_sgd", "nesterov", "adagrad", "rmsprop", "adam", "lion", "muon"),
        ),
        "trials": 5,
        "updates": 500,
        "until_solved": False,
    },
    INITIALIZERS: {
        "task": ("rows",),
        "cell": ("rnn_tanh", "rnn_relu"),
        "initializer": (
            *("identity", "scaled_identity", "orthogonal", "glorot_normal"),
            *("he_normal", "lecun_normal", "positive_definite"),
        ),
        "optimizer": ("adam",),
        "trials": 0,
        "rates": (0.0003, 0.001, 0.003, 0.01, 0.03),
        "updates": 500,
        "until_solved": False,
    },
    CURES: {
        "task": ("adding",),
        "lengths": (25, 50),
        "cell": ("rnn_tanh", "irnn", "lstm"),
        "initializer": (OWN,),
        "optimizer": ("adam", "hessian_free"),
        "trials": 0,
        "rates": (0.001, 0.01),
        "updates": 10_000,
        "until_solved": True,
    },
}
SMOKE: dict[str, Any] = {
    "task": ("two_circles",),
    "hidden_sizes": (4,),
    "seeds": 2,
    "trials": 2,
    "rates": None,
    "updates": 6,
    "batch": 8,
    "curvature_batch": 8,
    "curvature_updates": 2,
}
SMOKE_OF: dict[str, dict[str, Any]] = {
    OPTIMIZERS: {"optimizer": ("plain_sgd", "adam")},
    INITIALIZERS: {"initializer": ("glorot_normal", "he_normal")},
    CURES: {"task": ("adding",), "lengths": (4, 8), "cell": ("rnn_tanh", "gru")},
}


def help_of_defaults() -> dict[str, str]:
    """For --help: the default of each flag in each study."""
    published = f"with --protocol=as_published {','.join(PUBLISHED)}"
    found = settings.help_of_defaults(DEFAULTS)
    return found | {
        "optimizer": f"{found['optimizer']}; {published}",
        "updates": f"{found['updates']}; as_published: {EPOCHS} epochs, if the task "
        "has any",
    }
