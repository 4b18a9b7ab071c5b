"""Command-line binaries: flags -> frozen config -> lanes -> records -> figures."""

import os
import signal
import sys

# JAX's QR on a CPU is OpenBLAS's: with its own threads under lanes on every core, a spectrum took 84 s instead of 3.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if (
    sys.argv[0] == "-m"
):  # Python is about to run a binary: while it imports, a signal has the exit status that it has later
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 75)):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_, status=status: os._exit(status))
