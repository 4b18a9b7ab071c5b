"""What a trained network looked at when it named a word (Madsen, Distill 2019).

For a window of T characters x_s, one-hot, and the logit l_t of the true word at character t,

    c[t, s] = || d l_t / d x_s ||,  s <= t,

the Euclidean length of a gradient of as many numbers as there are letters.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import networks
from rnnjax.autocomplete import experiment as autocomplete
from rnnjax.results import statistics
from rnnjax.text import windows

TOP = autocomplete.TOP


@functools.partial(jax.jit, static_argnums=0)
def connectivity(
    network: networks.Network, variables, source: jax.Array, target: jax.Array
) -> jax.Array:
    """c `[B, T, T]` of windows `source` [B, T] of characters and `target` [B, T] of words; 0 above the diagonal and at padding."""

    def one(window):
        source, target = window
        kernel, bias = networks.readout(variables)
        shown = jax.nn.one_hot(source.astype(jnp.int32) - 1, autocomplete.LETTERS)

        def logits(shown):
            y = autocomplete.hidden_of(network, variables, shown[:, None])[:, 0]
            return jnp.sum(y * kernel.T[target], axis=-1) + bias[target]

        _, back = jax.vjp(logits, shown)
        gradients = jax.vmap(lambda which: back(which)[0])(jnp.eye(len(source)))
        return (
            jnp.linalg.norm(gradients, axis=-1) * (source > 0) * (source > 0)[:, None]
        )

    return jax.lax.map(one, (source, target))


@functools.partial(jax.jit, static_argnums=0)
def guesses(
    network: networks.Network, variables, source: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The likeliest classes at each character of a window `source` [T], and their probabilities, both `[T, 3]`, likeliest first."""
    kernel, bias = networks.readout(variables)
    y = autocomplete.hidden(network, variables, source[None])[:, 0]
    probabilities, classes = jax.lax.top_k(jax.nn.softmax(y @ kernel + bias), TOP)
    return classes, probabilities


def scalars(c: np.ndarray, batch: windows.Batch) -> dict[str, list]:
    """By letters typed: the share of connectivity that lies before the current word, and its mean lag t - s in characters.

    Of each window the mean over its scored positions; of these the mean over windows with its 95 % interval. The last entry counts
    all that has more letters typed.
    """
    weight, typed = np.asarray(batch.weight) > 0, np.asarray(batch.typed, int)
    place = np.arange(c.shape[-1])
    lag = place[:, None] - place
    total = c.sum(axis=-1)
    weight &= total > 0
    total = np.where(total > 0, total, 1)
    before = (lag[None] > typed[:, :, None]) * c
    values = {
        "share": before.sum(axis=-1) / total,
        "lag": (np.tril(lag) * c).sum(axis=-1) / total,
    }
    out = {}
    for name, value in values.items():
        means = []
        for k in range(autocomplete.MOST_TYPED + 1):
            here = weight & (np.minimum(typed, autocomplete.MOST_TYPED) == k)
            means.append(
                statistics.mean(
                    [
                        float(value[i][here[i]].mean())
                        for i in range(len(c))
                        if here[i].any()
                    ]
                )
            )
        every = statistics.mean(
            [
                float(value[i][weight[i]].mean())
                for i in range(len(c))
                if weight[i].any()
            ]
        )
        for part in ("mean", "low", "high"):
            end = "" if part == "mean" else f"_{part}"
            out[f"{name}{end}"] = getattr(every, part)
            out[f"{name}{end}_by_letters"] = [getattr(m, part) for m in means]
        out[f"{name}_windows_by_letters"] = [m.n for m in means]
    return out
