"""Loss and scores of tasks whose answers are classes."""

import dataclasses

import jax
import jax.numpy as jnp
import optax

from rnnjax.tasks.task import Batch, Task, weighted_mean


@dataclasses.dataclass(frozen=True)
class Classification(Task):
    """Base of tasks with targets that are classes, from logits of `outputs` classes.

    The loss is the cross-entropy in nats, for logits y, classes c and weights w, each
    over the answers k of a batch:

        loss = sum_k w_k (-log softmax(y_k)[c_k]) / sum_k w_k

    The accuracy is the weighted fraction of answers whose largest logit is that of the
    target.
    """

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Mean cross-entropy of logits `[..., outputs]`, in nats."""
        target = jax.nn.one_hot(batch.target, self.outputs)  # a gather would be slow
        losses = optax.softmax_cross_entropy(outputs, target)
        return weighted_mean(losses, batch.weight)

    def score(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        correct = jnp.argmax(outputs, axis=-1) == batch.target
        accuracy = weighted_mean(correct.astype(jnp.float32), batch.weight)
        return {"loss": self.loss(outputs, batch), "accuracy": accuracy}
