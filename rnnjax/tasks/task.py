"""The contract of a task: what is shown, what is asked, and how an answer is judged."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Batch(NamedTuple):
    """Inputs x `[T, B, I]`, the targets of the task, and how much each answer counts.

    A task that asks once, after the last step, has targets `[B, ...]` and weights `[B]`; one that asks at every step has targets
    `[T, B, ...]` and weights `[T, B]`. A weight of 0 is an answer that is not looked at.
    """

    x: jax.Array
    target: jax.Array
    weight: jax.Array


class Task:
    """Base of all tasks, which are frozen dataclasses: hashable, and all they hold shapes the program.

    A subclass has `input_size`, `outputs`, `batch` (samples an update sees), `measure` (what `loss` is, in words) and `chance` (the
    loss of the best answer that ignores the inputs), and defines `sample`, `loss` and `stream`.
    """

    measure: str
    chance: float
    silence = 0  # steps with an input of zeros after the T that are shown
    every_step = (
        False  # whether an answer is asked for at every step, or only after the last
    )
    objective = "loss"  # the entry of `score` by which trainings are compared
    maximize = False

    @property
    def sequence(self) -> int:
        """The steps of a sample, silence included."""
        shapes = jax.eval_shape(
            lambda key: self.sample(self.draw(key, jnp.float32(2)), key),
            jax.random.key(0),
        )
        return shapes.x.shape[0] + self.silence

    def draw(self, key: jax.Array, samples: jax.Array):
        """What is drawn once for a whole training: `samples` of it count. Nothing, for tasks that draw every update anew."""
        del key, samples

    def sample(self, data, key: jax.Array, count: int | None = None) -> Batch:
        """What one update sees; `data` comes from `draw`, `count` is `batch` unless it is given."""
        raise NotImplementedError

    def test(self, data, key: jax.Array, count: int) -> Batch:
        """What a trained network is judged by."""
        return self.sample(data, key, count)

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """The weighted mean loss of outputs `[B, O]`, or `[T, B, O]` where every step is asked."""
        raise NotImplementedError

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """What is reported of outputs: `loss`, and more by name."""
        return {"loss": self.loss(outputs, batch)}

    def stream(self, key: jax.Array, steps: int) -> jax.Array:
        """Inputs `[steps, I]` of the kind the task shows, on which a trained network's memory is probed."""
        raise NotImplementedError


def weighted_mean(values: jax.Array, weight: jax.Array) -> jax.Array:
    """The sum of weight * value over the sum of the weights; `values` may have further axes, over which it is the plain mean."""
    values = jnp.mean(values, axis=tuple(range(weight.ndim, values.ndim)))
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1)
