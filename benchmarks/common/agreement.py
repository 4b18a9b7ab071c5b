"""When a row that was computed again agrees with the recorded one.

Another device, version or inner width rounds differently. The first steps of a lane are
then the same but for rounding, so exponents and times within tolerances of 1e-4 or more
are compared lane by lane. Rounding decides when outputs become identical and where a
training ends: those are compared over the whole sample.
"""

import math

from rnnjax.results import statistics
from rnnjax.results.schema import Row

MIN_TOLERANCE = 1e-4
TIME_STEPS, TIME_FRACTION = 2, 0.05  # how far a time may be off, whichever is more
EXPONENT = 0.01  # nats a step; or three standard errors, if they are more
STANDARD_ERRORS = 4  # of the difference of two means
IN_DISTRIBUTION = ("first_identical", "loss", "bits_per_parameter", "test_loss")


def exactly(old: Row, new: Row) -> list[str]:
    """The keys of the new row whose values differ."""
    keys = [key for key in new if new[key] != old.get(key)]
    return [f"{key} is {new[key]}, and was {old.get(key)}" for key in keys]


def closely(old: Row, new: Row) -> list[str]:
    """The keys that differ by more than rounding explains."""
    keys = [key for key in new if not _close(key, old, new)]
    return [f"{key} is {new[key]}, and was {old[key]}" for key in keys]


def _close(key: str, old: Row, new: Row) -> bool:
    before, after = old.get(key), new[key]
    if key == "lyapunov":
        tolerance = max(EXPONENT, 3 * (old["lyapunov_se"] or 0))
    elif key.startswith("first_") and _criterion(key) >= MIN_TOLERANCE:
        tolerance = max(TIME_STEPS, TIME_FRACTION * (before or 0))
    else:
        return True
    if before is None or after is None:
        return before is after
    return bool(abs(before - after) <= tolerance)


def _criterion(key: str) -> float:
    """The tolerance in a key such as first_1e-4; 0 for first_identical."""
    try:
        return float(key.removeprefix("first_"))
    except ValueError:
        return 0.0


def in_distribution(pairs: list[tuple[Row, Row]]) -> list[str]:
    """The keys whose means over the pairs differ by more than chance explains."""
    out = []
    for key in IN_DISTRIBUTION:
        values = [(old.get(key), new.get(key)) for old, new in pairs]
        values = [(a, b) for a, b in values if a is not None and b is not None]
        if len(values) < 2:
            continue
        old, new = (statistics.mean(side) for side in zip(*values))
        assert old.sd is not None and new.sd is not None
        assert old.mean is not None and new.mean is not None
        error = math.hypot(old.sd, new.sd) / math.sqrt(len(values))
        if abs(old.mean - new.mean) > STANDARD_ERRORS * error:
            out.append(f"{key} is {new.mean:.6g} in the mean, and was {old.mean:.6g}")
    return out
