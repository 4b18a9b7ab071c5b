"""Loss and accuracy of networks on validation and test windows.

Sums over positions are kept by letters typed, in an array [MAX_TYPED + 1, 3 + TOP]. Row
k is about positions at which k letters of the word have been read, with all longer ones
in the last row. Its columns are

    scored positions, their loss, hits at 1 to TOP, all positions

where a scored position is a hit at k if its word is among the k most likely ones.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from rnnjax import networks
from rnnjax.autocomplete import model, softmax
from rnnjax.cells.cell import Variables
from rnnjax.engine.mesh import Mesh, together, unless_done
from rnnjax.text import windows

MAX_TYPED = 12  # letters typed that are told apart; longer beginnings count as this
TOP = 3
SUMS = (MAX_TYPED + 1, 3 + TOP)


def evaluate(
    mesh: Mesh,
    network: networks.Network,
    done: jax.Array,
    variables: Variables,
    text: windows.Windows,
    indices: np.ndarray,
    batch: int,
) -> jax.Array:
    """The sums of the windows with these indices, for each lane, `[L, *SUMS]`.

    Those of lanes that are `done` are NaN. About `batch` windows are evaluated at a
    time; a last batch that is smaller is filled up with windows that do not count.
    """
    program = mesh.map_lanes(_batch_sums, network=network)
    total: jax.Array | float = 0.0
    for chosen in np.array_split(indices, math.ceil(len(indices) / batch)):
        gathered = text.gather(np.resize(chosen, batch))
        counts = (np.arange(batch) < len(chosen))[:, None]
        shared = (
            gathered.source,
            gathered.target,
            counts * gathered.weight,
            gathered.typed,
            counts * np.ones_like(gathered.weight),
        )
        total = total + program((done, variables), shared)
    assert isinstance(total, jax.Array)
    return total


def _batch_sums(
    done: jax.Array,
    variables: Variables,
    source: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    typed: jax.Array,
    counts: jax.Array,
    *,
    network: networks.Network,
) -> jax.Array:
    """The sums of one lane over windows `[B, T]`; `counts` is 0 where none counts."""

    def sums() -> jax.Array:
        y = model.hidden_outputs(network, variables, source)
        words, scored, letters, positions = (
            array.T.reshape(-1) for array in (target, weight, typed, counts)
        )
        losses, ranks = of_positions(variables, y, words, scored)
        hits = [scored * (ranks < k) for k in range(1, TOP + 1)]
        columns = jnp.stack([scored, losses * scored, *hits, positions], axis=1)
        letters = jnp.minimum(letters.astype(jnp.int32), MAX_TYPED)
        if together():
            return jax.nn.one_hot(letters, MAX_TYPED + 1).T @ columns
        return jax.ops.segment_sum(columns, letters, MAX_TYPED + 1)

    return unless_done(done, empty_sums(), sums)


def of_positions(
    variables: Variables, y: jax.Array, words: jax.Array, scored: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Losses and ranks, see `softmax.ranks`, of outputs y `[T, B, H]`; all are [T B].

    `words` are the targets, and `scored` the weights.
    """
    kernel, bias = networks.readout(variables)
    return softmax.ranks(y.reshape(-1, y.shape[-1]), kernel, bias, words, scored)


def empty_sums() -> jax.Array:
    """The sums of a lane that was not evaluated: NaN."""
    return jnp.full(SUMS, jnp.nan)


def metrics(sums: ArrayLike) -> dict[str, float | None]:
    """What sums `[..., 3 + TOP]`, which are added up, say about a network.

    Returns:
      `loss`, in nats a scored position; `top1` to `top3`, the fraction of scored
      positions at which the word is among the 1 to 3 most likely ones; `top1_of_all`,
      the hits as a fraction of all positions, with padding and unknown words, as the
      published work counts. All are None if no position is scored or the loss is not
      finite.
    """
    names = [f"top{k}" for k in range(1, TOP + 1)]
    scored, loss, *hits, positions = (
        np.asarray(sums, np.float64).reshape(-1, SUMS[1]).sum(axis=0)
    )
    if not scored or not np.isfinite(loss):
        return dict.fromkeys(["loss", *names, "top1_of_all"])
    fractions = {name: float(hit / scored) for name, hit in zip(names, hits)}
    return {
        "loss": float(loss / scored),
        **fractions,
        "top1_of_all": float(hits[0] / positions),
    }
