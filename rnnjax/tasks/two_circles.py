"""On which of two circles is a point? A control, which takes one step and no memory."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rnnjax.tasks.classification import Classification
from rnnjax.tasks.task import Batch, Data, Level, batch_setting, score_key

RADII = 0.5, 1.0
NOISE = 0.1  # largest distance of a point from its circle


@dataclasses.dataclass(frozen=True)
class TwoCircles(Classification):
    """Points near two circles around the origin; the answer is the circle.

    x = (0.3, -0.4), at radius 0.5: target 0, the inner circle. x = (0, 1.05), at radius
    1.05: target 1, the outer one. A sample is one step. Both circles, of radius 0.5 and
    1, are as likely, the angle is uniform, and a uniform number from -0.1 to 0.1 is
    added to the radius, so the radius gives the answer without error. No line separates
    the circles.

    Nothing has to be remembered: an optimizer or an initializer that fails here does
    not fail for long dependencies. Chance is log 2, exactly, and the task is solved if
    99 % of the answers are right.
    """

    batch: int = batch_setting(64)

    loss_name = "cross-entropy in nats an answer"
    scores = {
        "loss": score_key("cross-entropy of the circle", "nats"),
        "accuracy": score_key("fraction of the points whose circle is right"),
    }
    input_size = 2
    outputs = len(RADII)
    chance = math.log(len(RADII))
    solved = Level("accuracy", 0.99)

    def sample(self, data: Data, key: jax.Array, count: int | None = None) -> Batch:
        turn, noise, one = jax.random.uniform(key, (3, count or self.batch))
        outer = one >= 0.5
        radius = jnp.where(outer, RADII[1], RADII[0]) + NOISE * (2 * noise - 1)
        angle = 2 * math.pi * turn
        x = jnp.stack([radius * jnp.cos(angle), radius * jnp.sin(angle)], axis=-1)
        return Batch(x[None], outer.astype(jnp.int32), jnp.ones(len(outer)))
