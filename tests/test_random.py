"""Random command lines, and run folders with random bytes changed.

Each ends in one line, or does what it would do anyway: never a traceback, never rows
that were not computed. RNNJAX_EXAMPLES=10000 tries more.
"""

import contextlib
import dataclasses
import io
import os
import pathlib
import shutil
import subprocess

import pytest
import tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import compare, merge, registry, verify
from benchmarks.common import command, dry_run, errors, main
from benchmarks.common.benchmark import Benchmark
from rnnjax import settings as settings_lib
from rnnjax.results import rows

EXAMPLES = int(os.environ.get("RNNJAX_EXAMPLES", "300"))
examples = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
BENCHMARKS: dict[str, Benchmark] = {
    name: dataclasses.replace(benchmark, draw=lambda *_: None)
    for name, benchmark in registry.BENCHMARKS.items()
}
COMMANDS = {
    name: main.command_of(benchmark) for name, benchmark in BENCHMARKS.items()
} | {module.COMMAND.name: module.COMMAND for module in (merge, verify, compare)}
JUNK = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    st.sampled_from(["", "-1", "0", "1e400", "nan", "9" * 30, "a,b", "1,1", "1:", ":"]),
)
EXECUTE = main.execute
# What would leave this folder, or wait for other processes.
ELSEWHERE = ("text8", "mnist", "/", "~", "coordinator")


pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module", autouse=True)
def computing_nothing():
    """In place of computing what is missing, a run stops."""

    def execute(benchmark, config, folder, mesh, known, todo, *_):
        if todo:
            raise errors.Stopped(0, "would run")

    def refuse(*_, **__):
        raise subprocess.SubprocessError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "execute", execute)
        patch.setattr(dry_run, "show", lambda *_: None)
        patch.setattr(subprocess, "run", refuse)
        patch.setattr(registry, "BENCHMARKS", BENCHMARKS)
        yield


def end(name, argv):
    """The exit status of a command line, and its standard error."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as exit_status,
    ):
        command.start(COMMANDS[name], [name, *argv])
    return exit_status.value.code or 0, err.getvalue()


def check_end(name, argv):
    status, err = end(name, argv)
    if status and (name, status) != ("verify", 1):  # which says what is wrong
        assert status in (1, 2) and err.startswith(f"{name}: "), (status, err)
        assert err.count("\n") == 1, err
    return status


def values(field):
    """Values of a field as they stand on a command line, and junk."""
    about, kind = field.about, settings_lib.element_type(field)
    if about.choices:
        one = st.sampled_from(list(about.choices))
    elif kind is int:
        ends = [about.low, about.low + 1, about.high, about.high + 1]
        one = st.sampled_from([about.low + k for k in range(5)] + ends).map(str)
    elif kind in (float, settings_lib.Range):
        one = st.floats(allow_nan=True).map(repr) | st.sampled_from(["0.1", "1e-3"])
        if kind is settings_lib.Range:
            one |= st.tuples(one, one).map(":".join)
    else:
        one = JUNK
    if settings_lib.is_list(field):
        one = st.lists(one, max_size=3).map(",".join)
    return st.one_of(one, one, JUNK)


def flag(field):
    named = values(field).map(lambda value: f"--{field.name}={value}")
    if field.type is bool:
        return named | st.sampled_from([f"--{field.name}", f"--no{field.name}"])
    return named


def lines(name):
    """Command lines of a binary: a few flags, each once in most of them."""
    fields = [
        field
        for options in COMMANDS[name].options.values()
        for field in settings_lib.fields(options)
    ]
    words = JUNK | st.builds("--{}={}".format, JUNK, JUNK)
    flags = st.just([])
    if fields:
        few = st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda f: f.name)
        flags = few.flatmap(lambda some: st.tuples(*map(flag, some)).map(list))
    more = st.sampled_from([[], [], []]) | st.lists(words, max_size=2)
    return st.tuples(flags, more).map(lambda both: [*both[0], *both[1]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with contextlib.chdir(tmp_path_factory.mktemp("random")):
        yield


@examples
@given(
    st.sampled_from(list(COMMANDS)).flatmap(
        lambda name: st.tuples(st.just(name), lines(name))
    )
)
def test_a_random_command_line_ends_in_a_run_or_in_one_line(folder, line):
    name, argv = line
    argv = [word for word in argv if not any(part in word for part in ELSEWHERE)]
    check_end(name, argv)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, quick_compilation):
    """A small run folder of each benchmark, its command and its rows."""
    root, made = tmp_path_factory.mktemp("runs"), {}
    with contextlib.chdir(root), pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "execute", EXECUTE)
        for name in BENCHMARKS:
            argv = tiny.arguments(name, name, tiny.SMALLEST)
            assert end(name, argv)[0] == 0
            made[name] = argv, rows.read_rows(name)
    return root, made


@pytest.mark.slow
@examples
@given(st.data())
def test_changed_bytes_are_refused_or_computed_again(runs, data):
    """The rows of a folder are then those that were computed, or fewer."""
    root, made = runs
    name = data.draw(st.sampled_from(list(made)))
    argv, before = made[name]
    with contextlib.chdir(root):
        shutil.rmtree("changed", ignore_errors=True)
        shutil.copytree(name, "changed")
        paths = sorted(p for p in pathlib.Path("changed").rglob("*") if p.is_file())
        path = data.draw(st.sampled_from([p for p in paths if p.name[0] != "."]))
        change(path, data)
        reader = data.draw(st.sampled_from(["the same command", "merge", "networks"]))
        if reader == "merge":
            check_end("merge", ["changed"])
        elif reader == "networks" and name == "capacity":
            check_end("memory_stability", ["--network=changed", "--out_dir=of_it"])
            shutil.rmtree("of_it", ignore_errors=True)
        else:
            check_end(name, [*argv[:-1], "--out_dir=changed"])
        try:
            after = rows.read_rows("changed")
        except (OSError, rows.files.FolderError):
            return
        assert all(row in before for row in after), path


def change(path, data):
    """Changes, removes or inserts a few bytes of a file, or cuts its end off."""
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, max(0, len(content) - 1)))
        kind = data.draw(st.sampled_from(["change", "remove", "insert", "cut"]))
        some = data.draw(st.binary(min_size=1, max_size=4))
        if kind == "cut":
            del content[place:]
        elif kind == "remove":
            del content[place : place + len(some)]
        else:
            content[place : place + len(some) * (kind == "change")] = some
    path.write_bytes(content)
