"""Recall of sparse inputs: sequences longer than the state, from the state alone.

A linear network has, after L steps, the state x = A a for inputs a `[L]`, where column
k of A `[S, L]` is what an input leaves after k steps. With L > S many inputs have the
same state. If only s of them are not 0, the one with the least sum of sizes,

    minimize |a|_1    so that    A a = x,

is often the right one: compressed sensing in time. Sources: Ganguli and Sompolinsky,
"Short-term memory in neuronal networks through dynamical compressed sensing", 2010;
Charles, Yap and Rozell, "Short-term memory capacity in networks via the restricted
isometry property", 2014. The problem is a linear program in the positive and the
negative parts of a, which SciPy's HiGHS solves.
"""

import math
from typing import Any

import numpy as np
from scipy import optimize

from rnnjax.short_term_memory.readout import Kept
from rnnjax.short_term_memory.schema import UNRESPONSIVE

RATIO = 2**0.25  # between neighboring lengths
TOLERANCE = 1e-3  # of the largest input: an error up to which it is recovered
SUCCESS = 0.9  # of the trials: a length counts as recoverable
KEYS = ("length", "lengths", "recovered")  # of a row, for each sparsity


def lengths(sparsity: int, longest: int) -> list[int]:
    """The lengths that are tried, from the sparsity on, up to the longest.

    >>> lengths(4, 20)
    [4, 5, 6, 7, 8, 10, 11, 13, 16, 19, 20]
    """
    count = math.ceil(math.log(longest / sparsity, RATIO))
    tried = {math.floor(sparsity * RATIO**k + 0.5) for k in range(count)}
    return sorted({min(n, longest) for n in tried} | {longest})


def measure(
    kept: Kept,
    seed: int,
    *,
    impulse: int,
    sparsities: tuple[int, ...],
    longest: int,
    trials: int,
) -> dict[str, Any]:
    """What a row says: the longest sequence that is recovered, for each sparsity.

    `kept.x` from step `impulse` on are the columns of A. Lengths grow until fewer than
    `SUCCESS` of the trials are recovered. A rectified network that rests where its
    derivative is 0 has no linear response, and no length.
    """
    columns = kept.x[impulse : impulse + longest].astype(np.float64).T
    random = np.random.default_rng(seed)
    row: dict[str, Any] = {"columns_state": len(columns), "longest": longest}
    if not columns.any():
        none = {f"{key}_{n}": None for key in KEYS for n in sparsities}
        return row | none | {"status": UNRESPONSIVE}
    for sparsity in sparsities:
        length, tried, fractions = 0, [], []
        for length_tried in lengths(sparsity, longest):
            part = columns[:, :length_tried]
            part = part / np.linalg.norm(part, axis=0).max()
            got = [_recovered(part, sparsity, random) for _ in range(trials)]
            tried.append(length_tried)
            fractions.append(sum(got) / trials)
            if fractions[-1] < SUCCESS:
                break
            length = length_tried
        row[f"length_{sparsity}"] = length
        row[f"lengths_{sparsity}"] = tried
        row[f"recovered_{sparsity}"] = fractions
    return row


def _recovered(columns: np.ndarray, sparsity: int, random: np.random.Generator) -> bool:
    """Whether a random sequence is recovered: normal values at random steps."""
    inputs = np.zeros(columns.shape[1])
    at = random.choice(len(inputs), sparsity, replace=False)
    inputs[at] = random.normal(size=sparsity)
    found = recover(columns, columns @ inputs)
    if found is None:
        return False
    error = np.max(np.abs(found - inputs))
    return bool(error <= TOLERANCE * np.max(np.abs(inputs)))


def recover(columns: np.ndarray, state: np.ndarray) -> np.ndarray | None:
    """The a of least |a|_1 with A a = x `[L]`; None if the solver finds none."""
    length = columns.shape[1]
    found = optimize.linprog(
        np.ones(2 * length),
        A_eq=np.hstack([columns, -columns]),
        b_eq=state,
        bounds=(0, None),
        method="highs",
    )
    return None if found.x is None else found.x[:length] - found.x[length:]
