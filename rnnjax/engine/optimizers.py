"""The optimizers that networks are trained with.

An optimizer turns a gradient into a direction; `updates` multiplies it by the learning
rate and adds weight decay. Its hyperparameters may be traced, so one program trains
lanes with different values.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import optax

Hyperparameters = Mapping[str, float | jax.Array]

RMS_DECAY = 0.99  # fraction of the old mean square that RMSProp keeps, as in PyTorch


@dataclasses.dataclass(frozen=True)
class Hyperparameter:
    """What a number of an optimizer means, and its default."""

    meaning: str
    default: float


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """`make(hyperparameters)` takes a value for every name in `hyperparameters`."""

    make: Callable[[Hyperparameters], optax.GradientTransformation]
    hyperparameters: Mapping[str, Hyperparameter]

    @property
    def defaults(self) -> dict[str, float]:
        return {name: number.default for name, number in self.hyperparameters.items()}


OPTIMIZERS: dict[str, Optimizer] = {
    "adam": Optimizer(
        lambda numbers: optax.scale_by_adam(b1=numbers["momentum"]),
        {"momentum": Hyperparameter("decay of the mean gradient, beta_1", 0.9)},
    ),
    "rmsprop": Optimizer(
        lambda numbers: optax.chain(
            optax.scale_by_rms(decay=RMS_DECAY), optax.trace(numbers["momentum"])
        ),
        {"momentum": Hyperparameter("decay of the sum of scaled gradients", 0.9)},
    ),
    "sgd": Optimizer(
        lambda numbers: optax.trace(numbers["momentum"]),
        {"momentum": Hyperparameter("decay of the sum of gradients", 0.9)},
    ),
}
