"""The largest Lyapunov exponent: how fast a small disturbance of the state grows (nats a step; negative: it dies out).

lambda1 = lim (1/T) ln |D_T v| / |v|, where D_T is the derivative of T steps along a trajectory and v any disturbance of the whole
state, h and c of every layer (Benettin et al. 1980). The length is noted and reset every `EVERY` steps; the first
`BURN_IN` steps, in which v turns into the slowest direction, are left out, and the mean over the next `STEPS` is the
estimate. Its standard error comes from the means of blocks of `BLOCK` steps, long enough to be nearly independent.
"""

import math

import numpy as np

EVERY = 10
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
