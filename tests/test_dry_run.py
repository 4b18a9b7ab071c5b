"""Dry runs end at once: after their time, and by a signal."""

import os
import signal
import threading
import time

import jax
import pytest

from benchmarks import memory_stability
from benchmarks.common import dry_run, errors, interruptible, main, terminal
from rnnjax.capacity import config as capacity_config
from rnnjax.capacity import study
from rnnjax.capacity import trial as capacity_trial
from rnnjax.cells import registry

SMALL = ["--cell=rnn_tanh", "--input_sizes=2", "--hidden_sizes=3", "--seeds=2"]


class Left(SystemExit):
    """The process would have ended here."""


@pytest.fixture
def stuck(monkeypatch):
    """A trial that does not end while a test runs.

    Returns when it began, and the status with which the process would have ended.
    """
    began, ended, statuses = threading.Event(), threading.Event(), []
    others = set(threading.enumerate())

    def trial(*_):
        began.set()
        ended.wait(60)
        raise ZeroDivisionError

    def leave(status):
        statuses.append(status)
        raise Left(status)

    monkeypatch.setattr(dry_run, "_time", trial)
    monkeypatch.setattr(interruptible.os, "_exit", leave)
    yield began, statuses
    ended.set()
    while set(threading.enumerate()) - others:
        time.sleep(0.001)


def test_a_dry_run_ends_without_a_time_after_its_time(
    command, stuck, monkeypatch, tmp_path
):
    began, statuses = stuck

    def join(thread, seconds):
        assert 590 < seconds <= 600
        began.wait(60)

    monkeypatch.setattr(threading.Thread, "join", join)
    status, out, _ = command(memory_stability, *SMALL, "--dry_run")
    assert (status, statuses) == (0, [0])
    assert "memory: at least " in out and "disk: about " in out
    assert out.endswith("\nWhat is missing of this was not found within 600 s.\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "number, status, line",
    [(signal.SIGTERM, 75, "Preempted.\n"), (signal.SIGINT, 130, "Interrupted.\n")],
)
def test_a_signal_ends_a_dry_run_at_once(command, stuck, sigint, number, status, line):
    began, statuses = stuck

    def interrupt():
        began.wait(60)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    found = command(memory_stability, *SMALL, "--dry_run")
    assert found[::2] == (status, line)
    assert statuses == [status]


def test_what_a_target_would_do_is_found_beside_the_main_thread(command, monkeypatch):
    """So that a signal ends it at once, though it may compile for minutes."""

    def show(benchmark, config, parts, known, target):
        assert threading.current_thread() is not threading.main_thread()
        assert jax.config.jax_enable_x64 and target == "chip"
        raise errors.UsageError("target", target, "too small", "another")

    monkeypatch.setattr(main.target, "find", lambda name: name)
    monkeypatch.setattr(main.target, "show", show)
    words = [*SMALL, "--dtype=float64", "--dry_run", "--target=chip"]
    line = "memory_stability: --target=chip: too small; allowed: another\n"
    assert command(memory_stability, *words) == (2, "", line)


def test_what_the_work_raises_is_raised():
    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interruptible.run(work, 10, "")


@pytest.mark.parametrize(
    "task, budgets",
    [("parameters", (1_000_000,)), ("characters", (30, 100_000)), ("units", ())],
)
def test_a_trial_of_capacity_is_small(task, budgets):
    given = {"task": task, "preset": "paper", "cell": tuple(registry.CELLS)}
    if budgets and task == "parameters":
        given["budgets"] = budgets
    config = capacity_config.configure(given)
    small = capacity_trial.trial(config, 4)
    (part,) = study.parts(small, 1)
    assert part.point.labels["parameters"] <= 50_000
    assert part.plan.trials == 4 and part.plan.rungs == 1


def test_numbers_are_said_in_words():
    assert [terminal.size(n) for n in (7, 43_100_000, 107e12, 5e16)] == [
        "7 bytes",
        "43.1 MB",
        "107 TB",
        "50,000 TB",
    ]
    seconds = (0.123, 52, 600, 2e4, 2e6, 3e9)
    assert [terminal.duration(s) for s in seconds] == [
        "0.12 s",
        "52 s",
        "10 min",
        "5.6 h",
        "23 days",
        "95 years",
    ]
