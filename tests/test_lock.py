"""Two processes on one folder: the second is refused, unless the first is dead."""

import signal
import subprocess
import sys

import pytest
import tiny
from etils import epath

from benchmarks.common import flags as _flags
from benchmarks.common import lock as _lock
from benchmarks.common import processes as _processes

HOLDER = """
import sys, time
from etils import epath
from benchmarks.common import lock as _lock
with _lock.held(epath.Path(sys.argv[1])):
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
        line = "memory_stability: --out_dir=run: another process is at work there; allowed: another folder, or to wait for it\n"
        assert (status, out, err) == (2, "", line)
        assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert command(tiny.BINARIES["memory_stability"], *arguments)[0] == 0
    finally:
        holder.kill()
        holder.stdout.close()
        holder.wait()


def test_slices_shut_out_the_whole_and_themselves_alone(tmp_path):
    folder, (one, other) = (
        epath.Path(tmp_path),
        (_processes.Share(k, 2) for k in range(2)),
    )
    with _lock.held(folder, one), _lock.held(folder, other):
        for share in (one, other, _processes.WHOLE):
            with (
                pytest.raises(
                    _flags.UsageError, match="another process is at work there"
                ),
                _lock.held(folder, share),
            ):
                pass
    with _lock.held(folder):
        for share in (one, _processes.WHOLE):
            with (
                pytest.raises(
                    _flags.UsageError, match="another process is at work there"
                ),
                _lock.held(folder, share),
            ):
                pass
    with _lock.held(folder):
        pass
