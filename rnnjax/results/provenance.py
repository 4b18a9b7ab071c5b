"""What a run was computed with: versions, commit, processor and device."""

import datetime
import os
import platform
import subprocess
from importlib import metadata
from typing import Any

import jax

import rnnjax
from rnnjax.results import processor

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")


def provenance() -> dict[str, Any]:
    """Versions, commit, whether files differ from it, devices, day, XLA's flags."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "rnnjax": rnnjax.__version__,
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "commit": commit,
        "dirty": bool(changes) if commit else None,
        "processor": processor.model(),
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", os.path.dirname(os.path.abspath(__file__)), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
