"""Command-line programs: flags -> config -> lanes -> rows -> tables and pictures."""

import os
import signal
import sys

# On a CPU, JAX's QR decomposition is OpenBLAS's. Its threads compete with the lanes,
# which run on every core: with them a spectrum of exponents took 84 s instead of 3 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# `python -m` or `rnnjax` is about to run a binary, whose imports take seconds. Until it
# sets its own handlers, a signal ends the process with the exit status it has later.
if os.path.basename(sys.argv[0]) in ("-m", "rnnjax"):
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 75)):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_, status=status: os._exit(status))
