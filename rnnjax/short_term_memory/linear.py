"""Linear memory capacity: how much of each past input a linear read-out gets.

    capacity = sum over delays k of R^2(u(t - k) from the state x(t))

for independent inputs u; k = 0 is the input that was just read. It is at most the
number of read-out columns, and at most N for a delay line of N units, which reaches it.
Source: Jaeger, "Short term memory in echo state networks", 2001.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rnnjax.short_term_memory import readout
from rnnjax.short_term_memory.readout import Explained, Kept, Readout

HALF = 0.5  # R^2 down to which the depth counts
BATCH = 64  # delays whose targets are in memory at once


def delayed(u: np.ndarray, first: int, steps: int, delays: Sequence[int]) -> np.ndarray:
    """The inputs u(t - k) of `steps` steps t from `first` on, `[steps, delays]`.

    Of the inputs 5 6 7 8 9, two steps from 3 on have for the delays 0, 1, 2 the targets
    8 7 6 and 9 8 7.
    """
    start = first - delays[-1]
    windows = sliding_window_view(u[start : first + steps], len(delays))
    return windows[:steps, ::-1]


def measure(
    kept: Kept, seed: int, *, washout: int, steps: int, delays: int, ridge: float
) -> dict[str, Any]:
    """What a row says: of read-outs from the state, and from the output.

    They are fitted to `steps` steps after the washout and tested on those that follow.
    """
    out = {"state": _of(kept.u, kept.x, seed, washout, steps, delays, ridge)}
    if np.array_equal(kept.x, kept.y):
        out["output"] = out["state"]
    else:
        out["output"] = _of(kept.u, kept.y, seed, washout, steps, delays, ridge)
    return {f"{key}_{name}": v for name, row in out.items() for key, v in row.items()}


def _of(
    u: np.ndarray,
    states: np.ndarray,
    seed: int,
    washout: int,
    steps: int,
    delays: int,
    ridge: float,
) -> dict[str, Any]:
    """What a row says of one read-out; with several inputs, sums over them."""
    last = washout + steps
    read = readout.fit(states[washout:last], states[last:], ridge)
    channels = u.T.astype(np.float64)
    by_input = [_explained(read, channel, washout, delays) for channel in channels]
    shuffled = read.shuffled_threshold(channels[0, washout:last], seed)
    in_sample = np.asarray([each.in_sample for each in by_input])
    held_out = np.asarray([each.held_out[0] for each in by_input])

    def above(threshold: float) -> float:
        return float(np.sum(held_out, where=in_sample > threshold))

    curve = held_out.mean(axis=0)
    low = np.flatnonzero(curve < HALF)
    return {
        "capacity": above(read.threshold),
        "shuffled": above(shuffled),
        "in_sample": float(in_sample.sum()),
        "all_delays": float(held_out.sum()),
        "columns": read.columns,
        "rank": read.rank,
        "threshold": read.threshold,
        "shuffled_threshold": shuffled,
        "depth": int(low[0]) if len(low) else None,
        "r2": curve.tolist(),
    }


def _explained(read: Readout, u: np.ndarray, washout: int, delays: int) -> Explained:
    """What is got of the delays 0 to `delays` of one input u `[steps]`."""
    fitted, tested = len(read.fitted), len(read.tested)
    return Explained.joined(
        [
            read.explained(
                delayed(u, washout, fitted, some),
                delayed(u, washout + fitted, tested, some),
            )
            for some in itertools.batched(range(delays + 1), BATCH)
        ]
    )
