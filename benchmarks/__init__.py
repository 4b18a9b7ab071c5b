"""Command-line binaries: flags -> frozen config -> lanes -> records -> figures."""

import os

# JAX's QR on a CPU is OpenBLAS's: with its own threads under lanes on every core, a spectrum took 84 s instead of 3.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
