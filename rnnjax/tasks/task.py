"""The contract of a task: its settings, inputs, targets, loss and scores."""

import abc
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import settings
from rnnjax.results.schema import Key
from rnnjax.settings import Range, setting

Data = Any  # a pytree of arrays that stays the same during a training, or None


class Level(NamedTuple):
    """A score and the value that it has to reach."""

    score: str
    value: float

    def reached(self, scores: Mapping[str, Any]) -> Any:
        """Whether it does: a loss at most, any other score at least; never with NaN."""
        score = scores[self.score]
        return score <= self.value if self.score == "loss" else score >= self.value


class Batch(NamedTuple):
    """Inputs x `[T, B, I]`, the targets, and the weight of each target in the loss.

    A task with one answer, after the last step, has targets `[B, ...]` and weights
    `[B]`. A task with an answer at every step has targets `[T, B, ...]` and weights
    `[T, B]`. A target with weight 0 has no effect on the loss and the scores.
    """

    x: jax.Array
    target: jax.Array
    weight: jax.Array


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
    """Base of all tasks, which are frozen dataclasses; all fields are static.

    Fields declared with `settings.setting` are set by users, through flags or from
    Python; a value outside its limits raises `SettingError`. Other fields are internal.

    Class attributes:
        loss_name: What the loss is, in words.
        scores: Keys of the scores that `score` returns, `loss` included.
        objective: The score by which trainings are compared.
        maximize: Whether a larger objective is better.
        every_step: Whether there is an answer at every step, or one after the last.
        searches_samples: Whether capacity searches over the number of samples; then
            `samples_range` and `with_padding` are defined.
    """

    loss_name: ClassVar[str]
    scores: ClassVar[Mapping[str, Key]]
    objective: ClassVar[str] = "loss"
    maximize: ClassVar[bool] = False
    every_step: ClassVar[bool] = False
    searches_samples: ClassVar[bool] = False

    def __post_init__(self) -> None:
        settings.validate(self)

    @property
    @abc.abstractmethod
    def input_size(self) -> int:
        """I, the numbers (or one-hot classes) that the network reads at each step."""

    @property
    @abc.abstractmethod
    def outputs(self) -> int:
        """O, the numbers that the network puts out for each answer."""

    @property
    @abc.abstractmethod
    def batch(self) -> int:
        """B, the samples in the batch of an update."""

    @property
    @abc.abstractmethod
    def chance(self) -> float:
        """The loss of the best answer that ignores the inputs."""

    @property
    def solved(self) -> Level | None:
        """The level from which the task counts as solved; None if it has none."""
        return None

    @property
    def blank_steps(self) -> int:
        """Steps with an input of zeros that follow the T steps of a batch."""
        return 0

    @functools.cached_property
    def sequence(self) -> int:
        """The steps of a sample: T and the blank steps."""
        shapes = jax.eval_shape(
            lambda key: self.sample(self.make_data(key, jnp.float32(2)), key),
            jax.random.key(0),
        )
        return shapes.x.shape[0] + self.blank_steps

    def make_data(self, key: jax.Array, samples: jax.Array) -> Data:
        """The data of a whole training, of which the first `samples` samples count.

        None for tasks that draw every batch afresh.
        """
        del key, samples

    @abc.abstractmethod
    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        """A batch of `count` samples for an update, by default `batch`.

        `data` is the result of `make_data`.
        """

    @property
    def training_samples(self) -> int | None:
        """The samples of a fixed training set; None if samples are drawn afresh."""
        return None

    def training_batch(self, data: Data) -> Batch:
        """All samples of a fixed training set, for updates that need the same data."""
        raise TypeError(f"{type(self).__name__} draws its samples afresh")

    def test_batch(self, data: Data, key: jax.Array, count: int) -> Batch:
        """The batch that the scores of a trained network are computed on."""
        return self.sample(data, key, count)

    def validation_batch(self, data: Data, key: jax.Array, count: int) -> Batch:
        """A batch to choose between trainings by, none of which is a test.

        With the key of no update and of no test, for tasks that draw afresh.
        """
        return self.sample(data, key, count)

    @abc.abstractmethod
    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """The weighted mean loss of outputs `[B, O]`, `[T, B, O]` with `every_step`."""

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """The scores of outputs: a scalar for each key of `scores`."""
        return {"loss": self.loss(outputs, batch)}

    def probe_inputs(self, key: jax.Array, steps: int) -> jax.Array:
        """Inputs `[steps, I]` like those of the task, one sample after another.

        Each comes with its blank steps. The memory stability of trained networks is
        measured on them. Tasks with data redefine it.
        """
        x = self.sample(None, key, -(-steps // self.sequence)).x
        x = jnp.pad(x, ((0, self.blank_steps), (0, 0), (0, 0)))
        return jnp.swapaxes(x, 0, 1).reshape(-1, self.input_size)[:steps]

    def loss_bound(self, hidden_size: int) -> float | None:
        """A known lower bound of the loss of a network with H units, or None."""
        del hidden_size
        return None

    def references(self, key: jax.Array, count: int) -> dict[str, Any]:
        """What rows say of the best possible loss on `test_batch`, where it is known.

        `optimum`, `contexts` and `context_regrets`, see `text.contexts`, and what
        decides them.
        """
        del key, count
        return {}

    @property
    def max_samples(self) -> int | None:
        """The most samples that there can be; None if there is no limit."""
        return None

    def samples_range(self, parameters: int) -> Range:
        """The numbers of samples searched over for a network of so many parameters."""
        raise TypeError(f"{type(self).__name__} does not search the number of samples")

    def with_padding(self, samples: int) -> "Task":
        """The task whose program has space for `samples` samples."""
        del samples
        return self

    def description(self) -> dict[str, Any]:
        """The settings that make the same task again, as JSON values by name."""
        return {
            field.name: getattr(self, field.name)
            for field in settings.fields(type(self))
        }


def batch_setting(default: int) -> Any:
    """The field `batch` of a task."""
    return setting(default, "Samples in the batch of an update.")


def data_dir_setting() -> Any:
    """The field `data_dir` of a task with data that can be downloaded."""
    return setting(
        None,
        "Folder for downloads. Default: RNNJAX_DATA_DIR, else the user's cache folder.",
    )


def score_key(meaning: str, unit: str = "") -> Key:
    """One entry of `Task.scores`; null in rows of trainings that diverged."""
    return Key("float", meaning, unit, nullable=True)


def weighted_mean(values: jax.Array, weight: jax.Array) -> jax.Array:
    """sum(weight * value) / max(sum(weight), 1).

    `values` may have further axes after those of `weight`, which are averaged.
    """
    values = jnp.mean(values, axis=tuple(range(weight.ndim, values.ndim)))
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1)
