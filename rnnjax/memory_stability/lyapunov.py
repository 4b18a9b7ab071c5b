"""The largest Lyapunov exponent: how fast a small disturbance of the state grows (nats a step; negative: it dies out).

lambda1 = lim (1/T) ln |D_T v| / |v|, where D_T is the derivative of T steps along a trajectory and v any disturbance of the whole
state, h and c of every layer (Benettin et al. 1980). The length is noted and reset every `EVERY` steps; the first
`BURN_IN` steps, in which v turns into the slowest direction, are left out, and the mean over the next `STEPS` is the
estimate. Its standard error comes from the means of blocks of `BLOCK` steps, long enough to be nearly independent.
"""

import math

import numpy as np

EVERY = 10
EVERY_QR = 2
BURN_IN = 200
STEPS = 4000
BLOCK = 200


def estimate(growth: np.ndarray) -> tuple[float | None, float | None, str]:
    """(exponent, standard error, status) from the logarithms of the growth over each `EVERY` steps, burn-in included.

    Status `ok`; `dead` if the disturbance became exactly 0 (an exponent of minus infinity, as rectified cells can
    have); `short` if there are fewer than two whole blocks after the burn-in. The numbers are None unless the status is
    `ok`.
    """
    used = np.asarray(growth, np.float64)[BURN_IN // EVERY : (BURN_IN + STEPS) // EVERY]
    if np.isneginf(used).any():
        return None, None, "dead"
    blocks = len(used) * EVERY // BLOCK
    if blocks < 2 or not np.isfinite(used).all():
        return None, None, "short"
    means = used[: blocks * BLOCK // EVERY].reshape(blocks, -1).sum(axis=1) / BLOCK
    return float(means.mean()), float(means.std(ddof=1) / math.sqrt(blocks)), "ok"


def spectrum(growth: np.ndarray, epsilon: float) -> tuple[list[float], int]:
    """All exponents that can be measured, largest first, and the number of directions without one: the dead ones.

    `growth` `[intervals, S]` holds the logarithms of the diagonal of R over each `EVERY_QR` steps (Benettin et al. 1980). A
    direction that shrinks within one interval by more than `epsilon`, the spacing of the arithmetic, against the largest is
    lost in rounding. It is dead, and no number is given for it, if it was lost in more than one interval of a hundred or was
    exactly 0 in any.
    """
    used = np.asarray(growth, np.float64)[
        BURN_IN // EVERY_QR : (BURN_IN + STEPS) // EVERY_QR
    ]
    lost = used < used.max(axis=1, keepdims=True) + math.log(
        4 * epsilon * used.shape[1]
    )
    dead = (lost.mean(axis=0) > 0.01) | np.isneginf(used).any(axis=0)
    exponents = used[:, ~dead].mean(axis=0) / EVERY_QR
    return sorted(map(float, exponents), reverse=True), int(dead.sum())


def predicted_time(
    exponent: float | None, distance: float, tolerance: float
) -> float | None:
    """ln(distance / tolerance) / |exponent|: the steps in which a distance that shrinks at that rate falls to a tolerance."""
    if exponent is None or exponent >= 0 or not distance > 0:
        return None
    return max(0.0, math.log(distance / tolerance) / -exponent)
