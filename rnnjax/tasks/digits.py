"""What tasks with images of digits have in common."""

import abc
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from rnnjax.settings import SettingError, setting
from rnnjax.tasks import images as images_lib
from rnnjax.tasks.classification import Classification
from rnnjax.tasks.images import CLASSES, Images, Part
from rnnjax.tasks.task import (
    Batch,
    Data,
    Level,
    batch_setting,
    data_dir_setting,
    score_key,
)


@dataclasses.dataclass(frozen=True)
class Digits(Classification):
    """Base of tasks that name the digit of an image after having read all of it.

    Updates draw from the training part, with replacement. Test and validation batches
    are their whole parts, or `count` random images of a part that has more. Chance is
    the entropy of the classes of the test, about log 10. The task is solved if 95 % of
    the answers are right; a linear classifier of whole embedded images has 96 %.

    If `sha256` is not empty, it is the digest that the images must have. Raises
    `SettingError` for images that cannot be read, and ValueError for others.
    """

    images: str = setting(
        "embedded",
        "Images of digits: embedded (8 x 8, of scikit-learn), mnist (28 x 28), or a "
        "folder with the four idx files of MNIST.",
    )
    batch: int = batch_setting(64)
    data_dir: str | None = data_dir_setting()
    sha256: str = ""

    loss_name = "cross-entropy in nats a digit"
    scores = {
        "loss": score_key("cross-entropy of the digit", "nats a digit"),
        "accuracy": score_key("fraction of the digits that are right"),
    }
    outputs = CLASSES
    solved = Level("accuracy", 0.95)

    def __post_init__(self) -> None:
        super().__post_init__()
        digest = self._read().digest
        if self.sha256 not in ("", digest):
            raise ValueError(f"the images {self.images} are not those that they were")

    @functools.cached_property
    def chance(self) -> float:
        labels = self._read().test.labels
        return float(np.sum(scipy.special.entr(np.bincount(labels) / len(labels))))

    @abc.abstractmethod
    def steps_of(self, images: jax.Array) -> jax.Array:
        """Images `[B, rows, columns]` as inputs `[T, B, I]`."""

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        part = self._read().train
        return self._batch(
            part, jax.random.randint(key, (count or self.batch,), 0, len(part))
        )

    @property
    def training_samples(self) -> int:
        return len(self._read().train)

    def training_batch(self, data: Data) -> Batch:
        """The images for training."""
        return self._batch(self._read().train, jnp.arange(self.training_samples))

    def test_batch(self, data: Data, key: jax.Array, count: int) -> Batch:
        """The images for tests, or `count` of them."""
        return self._some(self._read().test, key, count)

    def validation_batch(self, data: Data, key: jax.Array, count: int) -> Batch:
        """The images for validation, or `count` of them."""
        return self._some(self._read().validation, key, count)

    def description(self) -> dict[str, Any]:
        """The settings and the digest of the images, without the downloads' folder."""
        described = super().description() | {"sha256": self._read().digest}
        del described["data_dir"]
        return described

    def _read(self) -> Images:
        """The images. Raises `SettingError`."""
        try:
            return images_lib.read(self.images, self.data_dir)
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            allowed = "embedded, mnist, or a folder with the four idx files of MNIST"
            raise SettingError("images", self.images, problem, allowed) from None

    def _some(self, part: Part, key: jax.Array, count: int) -> Batch:
        indices = jnp.arange(len(part))
        if count < len(part):
            indices = jax.random.permutation(key, len(part))[:count]
        return self._batch(part, indices)

    def _batch(self, part: Part, indices: jax.Array) -> Batch:
        pixels = jnp.asarray(part.images)[indices] / jnp.float32(self._read().white)
        target = jnp.asarray(part.labels)[indices].astype(jnp.int32)
        return Batch(self.steps_of(pixels), target, jnp.ones(len(target)))
