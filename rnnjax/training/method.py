"""How the weights of a network are updated: by an optimizer, or Hessian-free."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import flatten_util

from rnnjax import networks
from rnnjax.cells.cell import Variables
from rnnjax.engine import hessian_free
from rnnjax.engine import updates as updates_lib
from rnnjax.engine.optimizers import OPTIMIZERS, Optimizer
from rnnjax.engine.updates import TrainState
from rnnjax.tasks.task import Batch, Task

HESSIAN_FREE = "hessian_free"
METHODS = (*OPTIMIZERS, HESSIAN_FREE)
ITERATIONS = 60  # most of conjugate gradients in one update
TOLERANCE = 1e-4  # of their residual, relative to the gradient


class Hyperparameters(NamedTuple):
    """The numbers of one training, each of them traced, so lanes may differ in them.

    `samples` is how many samples of a fixed data set are used; tasks that draw fresh
    data ignore it, as cells without a keep bias ignore `keep_bias`. `optimizer` has
    numbers of the optimizer by name, which go before those above; all lanes of a group
    have the same names.
    """

    learning_rate: Any = 3e-3
    decay: Any = 1.0
    momentum: Any = 0.9
    weight_decay: Any = 0.0
    clip: Any = 1.0
    kernel_gain: Any = 1.0
    recurrent_gain: Any = 1.0
    readout_gain: Any = 1.0
    keep_bias: Any = 0.0
    samples: Any = 0.0
    optimizer: Any = {}


class HessianFreeState(NamedTuple):
    """What of `hessian_free.State` is neither parameters nor divergence."""

    change: Any
    damping: jax.Array
    updates: jax.Array
    evaluations: jax.Array


@dataclasses.dataclass(frozen=True)
class Method:
    """The updates of a network on a task by the optimizer of this name."""

    network: networks.Network
    task: Task
    optimizer: str

    @property
    def entry(self) -> Optimizer | None:
        """The optimizer's entry of the table; None if the updates are Hessian-free."""
        return OPTIMIZERS.get(self.optimizer)

    @property
    def full_batch(self) -> bool:
        """Whether every update must have the same data."""
        return self.entry is not None and self.entry.full_batch

    @property
    def has_evaluated(self) -> bool:
        """Whether a trained network has other variables than those in training."""
        return self.entry is not None and self.entry.evaluated is not None

    def trained(self, variables: Variables) -> tuple[Any, Callable[[Any], Variables]]:
        """What is trained, a vector if it can be, and the way back."""
        if self.entry is not None and self.entry.by_matrix:
            return variables, lambda trained: trained
        return flatten_util.ravel_pytree(variables)

    def init(self, variables: Variables, numbers: Hyperparameters) -> Any:
        """The state of the optimizer before the first update."""
        trained, _ = self.trained(variables)
        if self.optimizer == HESSIAN_FREE:
            return _kept(hessian_free.init(trained, numbers.optimizer["damping"]))
        return self._transformation(numbers).init(trained)

    def step(
        self,
        state: TrainState,
        index: jax.Array,
        batch: Batch,
        variables_of: Callable[[Any], Variables],
        numbers: Hyperparameters,
        rate: jax.Array,
        live: jax.Array | None,
    ) -> tuple[TrainState, jax.Array]:
        """One update; see `updates.step` and `hessian_free.step`."""
        if self.optimizer == HESSIAN_FREE:
            return self._hessian_free(state, index, batch, variables_of, numbers, live)

        def loss(trained: Any) -> jax.Array:
            variables = variables_of(trained)
            return self.task.loss(
                forward(self.network, variables, self.task, batch.x), batch
            )

        own_decay = "weight_decay" in OPTIMIZERS[self.optimizer].hyperparameters
        after, value = updates_lib.step(
            state,
            index,
            loss,
            self._transformation(numbers),
            rate,
            clip=None if self.full_batch else numbers.clip,
            weight_decay=None if own_decay else numbers.weight_decay,
            live=live,
        )
        if self.has_evaluated and live is not None:
            opt_state = jax.tree.map(
                lambda old, new: jnp.where(live, new, old),
                state.opt_state,
                after.opt_state,
            )
            after = after._replace(opt_state=opt_state)
        return after, value

    def _hessian_free(
        self,
        state: TrainState,
        index: jax.Array,
        batch: Batch,
        variables_of: Callable[[Any], Variables],
        numbers: Hyperparameters,
        live: jax.Array | None,
    ) -> tuple[TrainState, jax.Array]:
        structural = numbers.optimizer.get("structural")

        def outputs(trained: Any) -> tuple[jax.Array, Any]:
            variables = variables_of(trained)
            answers, hidden = answers_and_outputs(
                self.network, variables, self.task, batch.x
            )
            return answers, None if structural is None else hidden

        kept = state.opt_state._asdict()
        after, value = hessian_free.step(
            hessian_free.State(state.params, diverged=state.diverged, **kept),
            index,
            outputs,
            lambda y: self.task.loss(y, batch),
            iterations=ITERATIONS,
            tolerance=TOLERANCE,
            structural=structural,
            live=live,
        )
        return TrainState(after.params, _kept(after), after.diverged), value

    def evaluated(self, opt_state: Any, variables: Variables) -> Variables:
        """The variables of the trained network."""
        trained, variables_of = self.trained(variables)
        evaluated = OPTIMIZERS[self.optimizer].evaluated
        assert evaluated is not None
        return variables_of(evaluated(opt_state, trained))

    def gradients(self, opt_state: Any, updates: jax.Array) -> jax.Array:
        """How many gradients of a batch so many updates have computed, int32."""
        if self.optimizer == HESSIAN_FREE:
            return opt_state.evaluations
        counted = OPTIMIZERS[self.optimizer].gradients
        return updates if counted is None else counted(opt_state)

    def _transformation(self, numbers: Hyperparameters) -> optax.GradientTransformation:
        """The optimizer with those of its own hyperparameters that are given."""
        optimizer = OPTIMIZERS[self.optimizer]
        given = numbers._asdict() | numbers.optimizer
        defaults = optimizer.defaults
        return optimizer.make(
            {name: given.get(name, defaults[name]) for name in defaults}
        )


def _kept(state: hessian_free.State) -> HessianFreeState:
    names = HessianFreeState._fields
    return HessianFreeState(*(getattr(state, name) for name in names))


def forward(
    network: networks.Network, variables: Variables, task: Task, x: jax.Array
) -> jax.Array:
    """The network's answers to inputs x `[T, B, ...]`, from the initial state.

    `[T + blank_steps, B, O]` if the task has an answer at every step, else `[B, O]`,
    those after the last step.
    """
    return answers_and_outputs(network, variables, task, x)[0]


def answers_and_outputs(
    network: networks.Network, variables: Variables, task: Task, x: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """As `forward`, and the outputs of the cell `[T + blank_steps, B, H]`."""
    apply: Callable[..., Any] = network.apply
    # The order of the two projections decides the last bits of their gradient.
    blank = None
    if task.blank_steps:
        blank = apply(variables, jnp.zeros_like(x[0, 0]), method="project")
    z = apply(variables, x, method="project")
    y = networks.unroll_layers(network, variables, z, blank, task.blank_steps)
    return apply(variables, y if task.every_step else y[-1], method="read"), y
