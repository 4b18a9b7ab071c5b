"""Lyapunov exponents: how fast small disturbances of the state grow, in nats a step.

The largest is

    lambda1 = lim (1/T) ln |D_T v| / |v|

where D_T is the derivative of T steps along a trajectory and v a disturbance of the
whole state, h and c of every layer (Benettin et al. 1980). It is negative if
disturbances die out. The norm is recorded and reset every `EVERY` steps. The first
`BURN_IN` steps, in which v turns into the slowest direction, are left out; the estimate
is the mean over the next `STEPS`. Its standard error comes from the means of blocks of
`BLOCK` steps, which are long enough to be nearly independent.
"""

import math

import numpy as np

EVERY = 10  # steps between two norms of the largest exponent
EVERY_QR = 2  # steps between two QR decompositions of the spectrum
BURN_IN = 200
STEPS = 4000
BLOCK = 200
MAX_LOST = 0.01  # fraction of intervals in which a measured direction may be lost


def estimate(growth: np.ndarray) -> tuple[float | None, float | None, str]:
    """The largest exponent, its standard error, and a status.

    `growth` has the log growth of the disturbance over each `EVERY` steps, burn-in
    included. The status is `ok`; `dead` if the disturbance became exactly 0, an
    exponent of minus infinity, as rectified cells can have; `short` if there are fewer
    than two whole blocks after the burn-in. The numbers are None unless it is `ok`.
    """
    used = np.asarray(growth, np.float64)[BURN_IN // EVERY : (BURN_IN + STEPS) // EVERY]
    if np.isneginf(used).any():
        return None, None, "dead"
    blocks = len(used) * EVERY // BLOCK
    if blocks < 2 or not np.isfinite(used).all():
        return None, None, "short"
    whole = used[: blocks * BLOCK // EVERY].reshape(blocks, -1)
    means = whole.sum(axis=1) / BLOCK
    error = means.std(ddof=1) / math.sqrt(blocks)
    return float(means.mean()), float(error), "ok"


def spectrum(growth: np.ndarray, epsilon: float) -> tuple[list[float], int]:
    """The exponents that can be measured, largest first, and the number of dead ones.

    `growth` `[intervals, S]` has the logarithms of the diagonal of R over each
    `EVERY_QR` steps (Benettin et al. 1980). A direction that shrinks within an interval
    by more than `epsilon`, the spacing of the arithmetic, relative to the largest is
    lost in rounding. A direction that is lost in more than one interval of a hundred,
    or exactly 0 in any, is dead: it has no number.
    """
    begin, end = BURN_IN // EVERY_QR, (BURN_IN + STEPS) // EVERY_QR
    used = np.asarray(growth, np.float64)[begin:end]
    resolution = math.log(4 * epsilon * used.shape[1])
    lost = used < used.max(axis=1, keepdims=True) + resolution
    dead = (lost.mean(axis=0) > MAX_LOST) | np.isneginf(used).any(axis=0)
    exponents = used[:, ~dead].mean(axis=0) / EVERY_QR
    return sorted(map(float, exponents), reverse=True), int(dead.sum())


def predicted_time(
    exponent: float | None, distance: float, tolerance: float
) -> float | None:
    """ln(distance / tolerance) / |exponent|, in steps.

    This is when a distance that shrinks at the rate of the exponent falls to the
    tolerance; None if it does not shrink.
    """
    if exponent is None or exponent >= 0 or not distance > 0:
        return None
    return max(0.0, math.log(distance / tolerance) / -exponent)
