"""How often, and for how long, JAX has compiled in this process.

before = compilations.seconds()
...
compile_seconds = compilations.seconds() - before
"""

import dataclasses

from jax import monitoring

STAGES = "/jax/core/compile/"  # tracing, lowering and the backend, each its own event
BACKEND = "/backend_compile_duration"  # once for every program
SAVED = "/jax/compilation_cache/compile_time_saved_sec"


@dataclasses.dataclass
class _Totals:
    seconds: float = 0.0
    saved: float = 0.0
    count: int = 0


_TOTALS = _Totals()


def seconds() -> float:
    """Seconds that tracing, lowering and compiling have taken since the import."""
    return _TOTALS.seconds


def saved() -> float:
    """Seconds that compiling would have taken of programs that were kept on disk."""
    return _TOTALS.saved


def count() -> int:
    """Programs that the backend has compiled since the import."""
    return _TOTALS.count


def _listener(event: str, duration_secs: float, **_: str | int) -> None:
    if event.startswith(STAGES):
        _TOTALS.seconds += duration_secs
    if event == SAVED:
        _TOTALS.saved += max(duration_secs, 0.0)
    if event.endswith(BACKEND):
        _TOTALS.count += 1


monitoring.register_event_duration_secs_listener(_listener)
