"""Two CPU devices, one BLAS thread, an empty compile cache; set before JAX starts."""

import gc
import os
import signal
import tempfile

os.environ["JAX_NUM_CPU_DEVICES"] = "2"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share the cache of their parent
    compiled = tempfile.TemporaryDirectory()
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "true"
    os.environ["JAX_COMPILATION_CACHE_DIR"] = compiled.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"

import jax  # noqa: E402
import numpy as np  # noqa: E402
import objectstore  # noqa: E402
import pytest  # noqa: E402
from etils.epath import gpath  # noqa: E402

from rnnjax.engine import mesh  # noqa: E402


def pytest_collection_finish():
    """Modules are never garbage: looking through them again and again takes time."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser):
    parser.addoption(
        "--no-skips", action="store_true", help="a test that would be skipped fails"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return unskipped((yield), item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return unskipped((yield), collector.config)


def unskipped(report, config):
    """The report, failed if it is of a skip and none is allowed."""
    if report.skipped and config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"--no-skips, but: {report.longrepr[2]}"
    return report


@pytest.fixture
def command(monkeypatch, tmp_path, capsys, request):
    """Runs a binary on a command line, in an empty folder.

    Returns the exit status and what it printed. Pictures are made, but written as empty
    files unless the test is marked `rendered`: rendering takes half of a small run.
    """
    from benchmarks.common import command as command_lib
    from benchmarks.common import dry_run

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dry_run, "SECONDS", 600)  # after which it ends the process
    if not request.node.get_closest_marker("rendered"):
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)

    def run(module, *arguments):
        binary = module.COMMAND
        with pytest.raises(SystemExit) as exit_status:
            command_lib.start(binary, [binary.name, *arguments])
        out, err = capsys.readouterr()
        return exit_status.value.code or 0, out, err

    return run


@pytest.fixture
def sigint():
    """Ctrl-C raises, even if these tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def store(monkeypatch, tmp_path):
    """Makes gs:// paths those of a fake object store, whose files lie in a folder."""
    made = objectstore.Store(tmp_path / "store")
    monkeypatch.setitem(gpath._PREFIX_TO_BACKEND, "gs", made)
    return made


@pytest.fixture(scope="module")
def quick_compilation():
    """Machine code without optimizations, for tests of many small programs.

    Compiling takes a third of the time, also in processes that a test starts. Where
    bits or speed matter, it is not used.
    """
    mesh._program.cache_clear()
    jax.config.update("jax_disable_most_optimizations", True)
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    yield
    del os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"]
    jax.config.update("jax_disable_most_optimizations", False)
    mesh._program.cache_clear()  # other tests compare bits


@pytest.fixture
def x64():
    """Float64 for one test."""
    with jax.enable_x64(True):
        yield


def flat(variables, dtype=np.float64) -> dict:
    """Parameters by path, such as "input/kernel"."""
    leaves = jax.tree_util.tree_flatten_with_path(variables["params"])[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf, dtype)
        for path, leaf in leaves
    }
