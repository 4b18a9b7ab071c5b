"""How much the logit of the true word depends on each character (Madsen, Distill 2019).

For a window of T characters x_s, one-hot, and the logit l_t of the true word at
position t, the connectivity is the norm of a gradient with a number for each letter,

    c[t, s] = || d l_t / d x_s ||,    s <= t.

The published pictures show its square.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import networks
from rnnjax.autocomplete import model
from rnnjax.autocomplete.evaluation import MAX_TYPED
from rnnjax.cells.cell import Variables
from rnnjax.engine.mesh import Mesh, traced
from rnnjax.results import statistics
from rnnjax.results.schema import Row
from rnnjax.text import windows


@functools.partial(jax.jit, static_argnums=0)
def connectivity(
    network: networks.Network,
    variables: Variables,
    source: jax.Array,
    target: jax.Array,
) -> jax.Array:
    """c `[B, T, T]` of windows `[B, T]`; 0 above the diagonal and at padding.

    Args:
      network: a network from `model.build`.
      variables: its variables.
      source: the classes of the characters.
      target: the class of the word at each character.
    """

    embedding = variables["params"]["embed"]["embedding"]
    kernel, bias = networks.readout(variables)

    def of_window(window: tuple[jax.Array, jax.Array]) -> jax.Array:
        source, target = window

        def logits(x: jax.Array) -> jax.Array:
            embedded = (x @ embedding)[:, None]
            z = network.apply(variables, 0, embedded, method="project_layer")
            y = networks.unroll_layers(network, variables, z)[:, 0]
            return jnp.sum(y * kernel.T[target], axis=-1) + bias[target]

        _, backward = jax.vjp(logits, model.one_hot(source))
        gradients = jax.vmap(lambda output: backward(output)[0])(jnp.eye(len(source)))
        norms = jnp.linalg.norm(gradients, axis=-1)
        return norms * (source > 0) * (source > 0)[:, None]

    return jax.lax.map(of_window, (source, target))


def measure(
    network: networks.Network,
    variables: Variables,
    text: windows.Windows,
    indices: np.ndarray,
) -> Row:
    """`summarize` of the connectivity of the windows with these indices."""
    batch = text.gather(indices)
    with traced(Mesh.local().together):
        c = connectivity(network, variables, batch.source, batch.target)
    return summarize(np.asarray(c), batch)


def summarize(c: np.ndarray, batch: windows.Batch) -> Row:
    """How far back the connectivity c `[B, T, T]` of windows reaches.

    For each scored position t, in a word whose space is at position b,

        context_fraction = sum_{s < b} c[t, s] / sum_s c[t, s]
        context_lag      = sum_s (t - s) c[t, s] / sum_s c[t, s]

    and the same of the squared norm, c[t, s]^2 in place of c[t, s], with `_squared`.
    Positions are averaged within each window, and windows get a mean with its 95 %
    interval (`_low`, `_high`). This is done over all positions, and over those with the
    same number of letters typed (`_by_letters`); the last entry is `MAX_TYPED` or more.
    """
    c = np.asarray(c, np.float64)
    typed = np.asarray(batch.typed, int)
    scored = (np.asarray(batch.weight) > 0) & (c.sum(axis=-1) > 0)
    letters = np.minimum(typed, MAX_TYPED)
    chosen = [scored & (letters == k) for k in range(MAX_TYPED + 1)]
    row: Row = {"connectivity_windows_by_letters": _count_windows(chosen)}
    for suffix, weights in (("", c), ("_squared", c**2)):
        total = np.where(scored, weights.sum(axis=-1), 1)
        position = np.arange(c.shape[-1])
        lag = position[:, None] - position
        before = (lag > typed[:, :, None]) * weights
        values = {
            "context_fraction": before.sum(axis=-1) / total,
            "context_lag": (np.tril(lag) * weights).sum(axis=-1) / total,
        }
        for name, value in values.items():
            row |= _means(name + suffix, value, scored, chosen)
    return row


def _count_windows(chosen: list[np.ndarray]) -> list[int]:
    """The number of windows with any of the positions [B, T], for each entry."""
    return [int(mask.any(axis=1).sum()) for mask in chosen]


def _means(
    name: str, value: np.ndarray, scored: np.ndarray, chosen: list[np.ndarray]
) -> Row:
    """Means of a value [B, T] over the scored positions, and over those by letters."""
    overall = _mean_of_windows(value, scored)
    by_letters = [_mean_of_windows(value, mask) for mask in chosen]
    row: Row = {}
    for part, suffix in (("mean", ""), ("low", "_low"), ("high", "_high")):
        row[name + suffix] = getattr(overall, part)
        row[f"{name}{suffix}_by_letters"] = [getattr(m, part) for m in by_letters]
    return row


def _mean_of_windows(value: np.ndarray, chosen: np.ndarray) -> statistics.Mean:
    """The mean over windows of the mean over their chosen positions, both [B, T]."""
    pairs = zip(value, chosen)
    return statistics.mean(float(row[mask].mean()) for row, mask in pairs if mask.any())
