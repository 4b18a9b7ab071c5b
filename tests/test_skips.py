"""No test is skipped where --no-skips is given, and CI gives it."""

import pathlib
import types

import conftest
import pytest

ROOT = pathlib.Path(__file__).parent.parent


def report(allowed):
    config = types.SimpleNamespace(getoption={"--no-skips": not allowed}.get)
    where = ("test_x.py", 3, "Skipped: needs node")
    made = pytest.TestReport("test_x", ("", 0, ""), {}, "skipped", where, "setup")
    return conftest.unskipped(made, config)


def test_a_skip_fails_with_its_reason_unless_it_is_allowed():
    assert report(allowed=True).skipped
    assert report(allowed=False).failed
    assert "needs node" in report(allowed=False).longreprtext


def test_ci_allows_no_skips():
    commands = (ROOT / ".ci/run").read_text() + (
        ROOT / ".github/workflows/tests.yml"
    ).read_text()
    runs = [line for line in commands.splitlines() if "-m pytest" in line]
    assert len(runs) == 5
    assert all("--no-skips" in line or "$skips" in line for line in runs)
