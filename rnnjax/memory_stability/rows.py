"""From the final state of a lane to the entries of its row."""

from typing import Any

import numpy as np

from rnnjax.memory_stability import criteria as criteria_lib
from rnnjax.memory_stability import lyapunov
from rnnjax.memory_stability.summary import sample_steps
from rnnjax.results.schema import Row

BFLOAT16_EPSILON = 2.0**-8


def measurements(experiment: Any, lane: Any) -> Row:
    """What was measured of one lane: status, times, exponents, and distances.

    `experiment` is the `Stability` of the lane; `lane` is a `pair.Pair` of NumPy
    arrays.
    """
    shared = experiment.shared_steps
    step = int(lane.diverged)
    diverged = step >= 0
    apart = int(lane.last_unmet[-1]) + 1 >= shared
    growth = lane.growth[: shared // lyapunov.EVERY]
    if diverged:
        exponent, error, exponent_status = None, None, "diverged"
    else:
        exponent, error, exponent_status = lyapunov.estimate(growth)
    return {
        "status": "diverged" if diverged else "apart" if apart else "merged",
        "diverged_step": step if diverged else None,
        **_times(experiment, lane, diverged),
        "lyapunov": exponent,
        "lyapunov_se": error,
        "lyapunov_status": exponent_status,
        **(_spectrum(experiment, lane) if lane.growth_all is not None else {}),
        **_predictions(experiment.criteria, exponent, float(lane.distances[0])),
        "floor": float(np.nanmedian(lane.tail)) if apart and not diverged else None,
        "distance": _distances(experiment, lane.distances, step),
    }


def _times(experiment: Any, lane: Any, diverged: bool) -> Row:
    """First times, and for most criteria the time from which they are met."""
    times = {}
    for k, name in enumerate(experiment.criteria):
        first, settled = int(lane.first[k]), int(lane.last_unmet[k]) + 1
        times[f"first_{name}"] = first if first >= 0 else None
        if criteria_lib.settles(name):
            unsettled = settled >= experiment.shared_steps or diverged
            times[f"settled_{name}"] = None if unsettled else settled
    return times


def _spectrum(experiment: Any, lane: Any) -> Row:
    """All exponents; the directions that die out, and those of them that are gauge."""
    growth = lane.growth_all[: experiment.shared_steps // lyapunov.EVERY_QR]
    keys = ("lyapunov_spectrum", "lyapunov_dead", "lyapunov_gauge")
    if lane.diverged >= 0 or len(growth) <= lyapunov.BURN_IN // lyapunov.EVERY_QR:
        return dict.fromkeys(keys)
    bfloat16 = experiment.dtype == "bfloat16"
    epsilon = BFLOAT16_EPSILON if bfloat16 else np.finfo(experiment.dtype).eps
    exponents, dead = lyapunov.spectrum(growth, float(epsilon))
    directions = getattr(experiment.cell, "gauge_directions", 0)
    gauge = min(dead, round(directions * experiment.hidden_size))
    return dict(zip(keys, (exponents, dead, gauge)))


def _predictions(
    criteria: tuple[str, ...], exponent: float | None, distance: float
) -> Row:
    """For each tolerance, the time at which the exponent alone predicts it is met."""
    tolerances = [name for name in criteria if name not in criteria_lib.CRITERIA]
    return {
        f"predicted_{name}": lyapunov.predicted_time(exponent, distance, float(name))
        for name in tolerances
    }


def _distances(
    experiment: Any, distances: np.ndarray, diverged: int
) -> list[float | None]:
    """The sampled distances; None from the step on at which the lane diverged."""
    steps = sample_steps(experiment.shared_steps) + experiment.unique_steps
    return [
        float(d) if diverged < 0 or step < diverged else None
        for step, d in zip(steps, distances)
    ]
