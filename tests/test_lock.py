"""Two processes on one folder: the second is refused, unless the first is dead."""

import signal
import subprocess
import sys

import tiny

HOLDER = """
import sys, time
from etils import epath
from benchmarks import _lock
with _lock.held(epath.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_process_is_refused_until_the_first_is_dead(command, tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")], cwd=tiny.ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
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
