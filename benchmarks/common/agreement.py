"""When a lane that was computed again is the lane that was recorded.

Another device, version or width rounds differently. A lane's path through its first steps is then the same but for rounding, so the
exponent and the times within 1e-4 or more are compared lane by lane. When outputs become identical, and where a training ends, is
decided by rounding: those are compared over the whole sample.
"""

import math

from rnnjax.results import statistics

LEAST_TOLERANCE = 1e-4
STEPS, SHARE = 2, 0.05  # a time may be off by so many steps, or so much of it
EXPONENT = 0.01  # nats a step, or three standard errors if they are more
DEVIATIONS = 4  # of the difference of two means


def exactly(old: dict, new: dict) -> list[str]:
    """The keys of the new row that say something else."""
    return [
        f"{key} is {new[key]}, and was {old.get(key)}"
        for key in new
        if new[key] != old.get(key)
    ]


def closely(old: dict, new: dict) -> list[str]:
    """What is further off than rounding explains, of what is compared lane by lane."""
    return [
        f"{key} is {new[key]}, and was {old[key]}"
        for key in new
        if not _close(key, old, new)
    ]


def _close(key: str, old: dict, new: dict) -> bool:
    one, other = old.get(key), new[key]
    if key == "lyapunov":
        room = max(EXPONENT, 3 * (old["lyapunov_se"] or 0))
    elif key.startswith("first_") and _tolerance(key) >= LEAST_TOLERANCE:
        room = max(STEPS, SHARE * (one or 0))
    else:
        return True
    return one is other is None or (
        None not in (one, other) and abs(one - other) <= room
    )


def _tolerance(key: str) -> float:
    try:
        return float(key.removeprefix("first_"))
    except ValueError:
        return 0.0


def in_distribution(pairs: list[tuple[dict, dict]]) -> list[str]:
    """What differs in the mean of a sample of two pairs or more by more than its spread explains."""
    out = []
    for key in ("first_identical", "loss", "bits_per_parameter", "test_loss"):
        values = [
            (old[key], new[key])
            for old, new in pairs
            if old.get(key) is not None and new.get(key) is not None
        ]
        if len(values) < 2:
            continue
        means = [statistics.mean(side) for side in zip(*values)]
        room = (
            DEVIATIONS * math.hypot(*(one.sd for one in means)) / math.sqrt(len(values))
        )
        if abs(means[0].mean - means[1].mean) > room:
            out.append(
                f"{key} is {means[1].mean:.6g} in the mean, and was {means[0].mean:.6g}"
            )
    return out
