"""Compiled programs are kept, found again, and mended."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PROGRAM = """
import jax
from jax import monitoring
from benchmarks.common import compile_cache as _compiled
hits = []
monitoring.register_event_listener(lambda event, **_: hits.append(event))
_compiled.keep()
print(float(jax.jit(lambda x: x * 3)(2.0)), hits.count("/jax/compilation_cache/cache_hits"))
"""


@pytest.fixture
def run(tmp_path):
    def run(**environment):
        without = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("JAX_")
        }
        more = {"XDG_CACHE_HOME": str(tmp_path / "cache"), **environment}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env=without | more,
            capture_output=True,
            text=True,
            check=True,
        )

    return run


def entries(folder):
    return sorted(folder.glob("cache/rnnjax/compiled/*/*-cache"))


def test_a_second_run_does_not_compile(run, tmp_path):
    assert run().stdout.split() == ["6.0", "0"]
    assert entries(tmp_path)
    value, hits = run().stdout.split()
    assert value == "6.0" and int(hits) > 0


def test_a_damaged_program_is_compiled_and_kept_again(run, tmp_path):
    run()
    whole = {path: path.read_bytes() for path in entries(tmp_path)}
    for path, data in whole.items():
        path.write_bytes(data[: len(data) // 2])
    cut = run()
    assert cut.stdout.split() == ["6.0", "0"]
    assert "was damaged and is compiled again" in cut.stderr
    assert {path: len(path.read_bytes()) for path in entries(tmp_path)} == {
        path: len(data) for path, data in whole.items()
    }
    assert "damaged" not in run().stderr


def test_the_user_decides(run, tmp_path):
    run(JAX_ENABLE_COMPILATION_CACHE="false")
    assert not entries(tmp_path)
    run(
        JAX_COMPILATION_CACHE_DIR=str(tmp_path / "own"),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
    )
    assert not entries(tmp_path) and list((tmp_path / "own").iterdir())
