"""Compiled programs are kept, used by the next run, and replaced if damaged."""

import os
import subprocess
import sys

import pytest
import tiny

from rnnjax.results import processor

PROGRAM = """
import jax
from jax import monitoring
from benchmarks.common import compile_cache
hits = []
monitoring.register_event_listener(lambda event, **_: hits.append(event))
compile_cache.keep()
value = float(jax.jit(lambda x: x * 3)(2.0))
print(value, hits.count("/jax/compilation_cache/cache_hits"))
"""


@pytest.fixture
def run(tmp_path):
    """Runs a program in a process with a cache of its own."""

    def run(**environment):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
        cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=tiny.ROOT,
            env=inherited | cache | environment,
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
    damaged = run()
    assert damaged.stdout.split() == ["6.0", "0"]
    assert "was damaged and is compiled again" in damaged.stderr
    sizes = {path: len(path.read_bytes()) for path in entries(tmp_path)}
    assert sizes == {path: len(data) for path, data in whole.items()}
    assert "damaged" not in run().stderr


def test_the_user_decides(run, tmp_path):
    run(JAX_ENABLE_COMPILATION_CACHE="false")
    assert not entries(tmp_path)
    run(
        JAX_COMPILATION_CACHE_DIR=str(tmp_path / "own"),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
    )
    assert not entries(tmp_path) and list((tmp_path / "own").iterdir())


@pytest.mark.parametrize("key", ["flags\t\t", "Features\t"])
def test_processors_differ_by_what_they_can_execute(monkeypatch, tmp_path, key):
    """x86 lists `flags`, Arm `Features`; their order is no difference."""
    digests = set()
    for listed in ("fpu avx2 fma", "fma fpu avx2", "fpu avx2 fma avx512f"):
        text = f"processor\t: 0\nmodel name\t: any\n{key}: {listed}\n"
        (tmp_path / "cpuinfo").write_text(text + "bugs\t\t: none\n")
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
        monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
        digests.add(processor.digest())
        assert processor.features() == sorted(listed.split())
    assert len(digests) == 2
    assert processor.vector_instructions() == "x86_64 avx2 avx512f fma"


def test_a_processor_has_a_name(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    named = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"
    numbers = "cpu family\t: 25\nmodel\t\t: 17\n"
    (tmp_path / "cpuinfo").write_text(named)
    assert processor.model() == "Some CPU @ 2 GHz"
    (tmp_path / "cpuinfo").write_text(numbers + named)
    assert processor.model() == "Some CPU @ 2 GHz (family 25, model 17)"
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(processor.platform, "processor", lambda: "")
    monkeypatch.setattr(processor.platform, "machine", lambda: "arm64")
    assert processor.model() == "arm64"


def test_a_system_that_lists_no_instructions(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(processor.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(processor.platform, "processor", lambda: "arm")
    assert processor.vector_instructions() == "arm64 arm"
    assert processor.digest().startswith("arm64-")
