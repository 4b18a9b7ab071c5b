"""The optimizers that networks are trained with.

An optimizer turns a gradient into a direction; `updates` multiplies it by the learning
rate and adds weight decay. Its hyperparameters may be traced, so one program trains
lanes with different values. All but plain gradient descent are those of optax with the
same name.

A range is for random search, the same for every task. Learning rates have four orders
of magnitude where the method sets no scale of its own. A decay has the range of its
distance to 1, in orders of magnitude: 0.9 and 0.99 are as far apart as 0.99 and 0.999.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from rnnjax.settings import Range

Hyperparameters = Mapping[str, float | jax.Array]
Params = Any

RMS_DECAY = 0.99  # fraction of the old mean square that RMSProp keeps, as in PyTorch


@dataclasses.dataclass(frozen=True)
class Hyperparameter:
    """What a number of an optimizer means, its default, and its range.

    With `below_one` the range is that of 1 minus the number.
    """

    meaning: str
    default: float
    range: Range
    below_one: bool = False

    def at(self, fraction: float) -> float:
        """The value a fraction (0 to 1) of the way through the range."""
        if self.below_one:
            return 1 - self.range.at(1 - fraction)
        return self.range.at(fraction)


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """One entry of the table.

    Attributes:
      make: from a value for every name in `hyperparameters`, its transformation of
        gradients into directions.
      learning_rate: what the direction is multiplied by.
      hyperparameters: all others, by name. One with `weight_decay` needs no other.
      by_matrix: whether it treats a matrix as one, so that parameters must not be
        flattened to a vector.
      full_batch: whether every step must have the same data, as a line search needs.
      evaluated: from its state and the parameters that are trained, those of the
        trained network. None: they are the same.
      gradients: from its state, how many gradients were computed. None: one an update.
    """

    make: Callable[[Hyperparameters], optax.GradientTransformation]
    learning_rate: Hyperparameter
    hyperparameters: Mapping[str, Hyperparameter]
    by_matrix: bool = False
    full_batch: bool = False
    evaluated: Callable[[optax.OptState, Params], Params] | None = None
    gradients: Callable[[Any], jax.Array] | None = None

    @property
    def defaults(self) -> dict[str, float]:
        return {name: number.default for name, number in self.hyperparameters.items()}


def _rate(default: float, low: float, high: float) -> Hyperparameter:
    return Hyperparameter("learning rate", default, Range(low, high))


def _decay(meaning: str, default: float, low: float, high: float) -> Hyperparameter:
    """A number from `low` to `high`, both below 1."""
    return Hyperparameter(meaning, default, Range(1 - high, 1 - low), below_one=True)


def _weight_decay(default: float) -> Hyperparameter:
    meaning = "decoupled weight decay, times the learning rate"
    return Hyperparameter(meaning, default, Range(1e-6, 1e-1))


def _momentum(default: float = 0.9) -> Hyperparameter:
    return _decay("decay of the mean gradient, beta_1", default, 0.5, 0.995)


def _sum(meaning: str) -> Hyperparameter:
    return _decay(meaning, 0.9, 0.5, 0.995)


def _squares(default: float = 0.999) -> Hyperparameter:
    return _decay("decay of the mean square, beta_2", default, 0.9, 0.9999)


def _direction(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """The direction of an optimizer of optax whose learning rate is 1."""
    return optax.chain(optimizer, optax.scale(-1.0))


def _direction_at_rate(
    make: Callable[[float | jax.Array], optax.GradientTransformation],
) -> optax.GradientTransformationExtraArgs:
    """The direction of an optimizer whose state depends on the learning rate."""

    def update(
        gradient: Params,
        state: optax.OptState,
        params: Params = None,
        *,
        learning_rate: float | jax.Array,
        **_: Any,
    ) -> tuple[Params, optax.OptState]:
        change, state = make(learning_rate).update(gradient, state, params)
        return optax.tree.scale(-1 / learning_rate, change), state

    return optax.GradientTransformationExtraArgs(make(1.0).init, update)


class _Counted(NamedTuple):
    """The state of an optimizer, and how many gradients it had until then, int32."""

    inner: optax.OptState
    gradients: jax.Array


def _lbfgs(_: Hyperparameters) -> optax.GradientTransformation:
    """Its line search passes on what it does not know, so it gets what it knows.

    Each trial of the search has a gradient, that of the last one among them.
    """
    inner = _direction(optax.lbfgs())

    def init(params: Params) -> _Counted:
        return _Counted(inner.init(params), jnp.int32(0))

    def update(
        gradient: Params,
        state: optax.OptState,
        params: Params = None,
        *,
        value: jax.Array,
        grad: Params,
        value_fn: Callable[[Params], jax.Array],
        **_: Any,
    ) -> tuple[Params, optax.OptState]:
        known = {"value": value, "grad": grad, "value_fn": value_fn}
        change, after = inner.update(gradient, state.inner, params, **known)
        trials = optax.tree.get(after, "num_linesearch_steps")
        return change, _Counted(after, state.gradients + 1 + trials)

    return optax.GradientTransformationExtraArgs(init, update)


def _adamw(numbers: Hyperparameters) -> optax.GradientTransformation:
    return optax.chain(
        optax.scale_by_adam(b1=numbers["momentum"], b2=numbers["square_decay"]),
        optax.add_decayed_weights(numbers["weight_decay"]),
    )


def _muon(numbers: Hyperparameters) -> optax.GradientTransformation:
    """With the same decay for matrices and for Adam, which has the other arrays."""
    decay = numbers["weight_decay"]
    return _direction(
        contrib.muon(
            1.0,
            beta=numbers["momentum"],
            weight_decay=decay,
            adam_b2=numbers["square_decay"],
            adam_weight_decay=decay,
        )
    )


def _schedule_free_adamw(numbers: Hyperparameters) -> optax.GradientTransformation:
    return _direction_at_rate(
        lambda rate: contrib.schedule_free_adamw(
            rate,
            b1=numbers["momentum"],
            b2=numbers["square_decay"],
            weight_decay=numbers["weight_decay"],
        )
    )


def _prodigy(numbers: Hyperparameters) -> optax.GradientTransformation:
    return _direction_at_rate(
        lambda rate: contrib.prodigy(
            rate,
            betas=(numbers["momentum"], numbers["square_decay"]),
            estim_lr_coef=numbers["estimate_factor"],
            weight_decay=numbers["weight_decay"],
        )
    )


OPTIMIZERS: dict[str, Optimizer] = {
    "adagrad": Optimizer(
        lambda numbers: optax.scale_by_rss(numbers["first_square"]),
        _rate(1e-2, 1e-4, 1.0),
        {
            "first_square": Hyperparameter(
                "what the sums of squared gradients start at", 0.1, Range(1e-6, 1.0)
            )
        },
    ),
    "adam": Optimizer(
        lambda numbers: optax.scale_by_adam(
            b1=numbers["momentum"], b2=numbers["square_decay"]
        ),
        _rate(1e-3, 1e-5, 1e-1),
        {"momentum": _momentum(), "square_decay": _squares()},
    ),
    "adamw": Optimizer(
        _adamw,
        _rate(1e-3, 1e-5, 1e-1),
        {
            "momentum": _momentum(),
            "square_decay": _squares(),
            "weight_decay": _weight_decay(1e-2),
        },
    ),
    "lbfgs": Optimizer(  # a line search sets the length of each step
        _lbfgs,
        _rate(1.0, 1.0, 1.0),
        {},
        full_batch=True,
        gradients=lambda state: state.gradients,
    ),
    "lion": Optimizer(
        lambda numbers: _direction(
            optax.lion(
                1.0,
                b1=numbers["momentum"],
                b2=numbers["sum_decay"],
                weight_decay=numbers["weight_decay"],
            )
        ),
        _rate(1e-4, 3e-6, 3e-2),
        {
            "momentum": _decay(
                "share of the mean gradient in the direction, beta_1", 0.9, 0.5, 0.995
            ),
            "sum_decay": _decay("decay of the mean gradient, beta_2", 0.99, 0.9, 0.999),
            "weight_decay": _weight_decay(1e-3),
        },
    ),
    "muon": Optimizer(
        _muon,
        _rate(2e-2, 1e-4, 1.0),
        {
            "momentum": _decay("decay of the mean gradient", 0.95, 0.5, 0.995),
            "square_decay": _squares(),
            "weight_decay": _weight_decay(0.0),
        },
        by_matrix=True,
    ),
    "nadam": Optimizer(
        lambda numbers: optax.scale_by_adam(
            b1=numbers["momentum"], b2=numbers["square_decay"], nesterov=True
        ),
        _rate(1e-3, 1e-5, 1e-1),
        {"momentum": _momentum(), "square_decay": _squares()},
    ),
    "nesterov": Optimizer(
        lambda numbers: optax.trace(numbers["momentum"], nesterov=True),
        _rate(1e-2, 1e-4, 1.0),
        {"momentum": _sum("decay of the sum of gradients, seen one step ahead")},
    ),
    "plain_sgd": Optimizer(
        lambda numbers: optax.identity(), _rate(1e-1, 1e-3, 10.0), {}
    ),
    "prodigy": Optimizer(  # estimates the scale of the learning rate
        _prodigy,
        _rate(1.0, 1e-1, 10.0),
        {
            "momentum": _momentum(),
            "square_decay": _squares(),
            "estimate_factor": Hyperparameter(
                "factor on the estimated learning rate", 1.0, Range(0.1, 10.0)
            ),
            "weight_decay": _weight_decay(0.0),
        },
    ),
    "rmsprop": Optimizer(
        lambda numbers: optax.chain(
            optax.scale_by_rms(decay=numbers["square_decay"]),
            optax.trace(numbers["momentum"]),
        ),
        _rate(1e-3, 1e-5, 1e-1),
        {
            "momentum": _sum("decay of the sum of scaled gradients"),
            "square_decay": _squares(RMS_DECAY),
        },
    ),
    "schedule_free_adamw": Optimizer(
        _schedule_free_adamw,
        _rate(2.5e-3, 1e-4, 1.0),
        {
            "momentum": _decay(
                "share of the mean of the parameters where gradients are taken",
                0.9,
                0.5,
                0.995,
            ),
            "square_decay": _squares(),
            "weight_decay": _weight_decay(0.0),
        },
        evaluated=contrib.schedule_free_eval_params,
    ),
    "sgd": Optimizer(
        lambda numbers: optax.trace(numbers["momentum"]),
        _rate(1e-2, 1e-4, 1.0),
        {"momentum": _sum("decay of the sum of gradients")},
    ),
}
