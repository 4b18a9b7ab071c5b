"""Two processes on one folder: the second is refused, unless the first is dead."""

import signal
import subprocess
import sys

import pytest
import tiny
from etils import epath

from benchmarks.common import errors, lock
from rnnjax.engine.runner import WHOLE, ProcessSlice

pytestmark = pytest.mark.usefixtures("quick_compilation")

HOLDER = """
import sys, time
from etils import epath
from benchmarks.common import lock
with lock.held(epath.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_process_is_refused_until_the_first_is_dead(command, tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")],
        cwd=tiny.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        arguments = tiny.arguments("memory_stability", "run")
        status, out, err = command(tiny.BINARIES["memory_stability"], *arguments)
        assert (status, out) == (2, "")
        assert err == (
            "memory_stability: --out_dir=run: another process is at work there; "
            "allowed: another folder, or to wait for it\n"
        )
        assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert command(tiny.BINARIES["memory_stability"], *arguments)[0] == 0
    finally:
        holder.kill()
        holder.stdout.close()
        holder.wait()


def test_slices_exclude_the_whole_and_themselves_alone(tmp_path):
    folder = epath.Path(tmp_path)
    first, second = ProcessSlice(0, 2), ProcessSlice(1, 2)
    with lock.held(folder, first), lock.held(folder, second):
        check_refused(folder, first, second, WHOLE)
    with lock.held(folder):
        check_refused(folder, first, WHOLE)
    with lock.held(folder):
        pass


def check_refused(folder, *slices):
    """Another process is refused each of these slices."""
    for piece in slices:
        with (
            pytest.raises(errors.UsageError, match="another process is at work there"),
            lock.held(folder, piece),
        ):
            pass
