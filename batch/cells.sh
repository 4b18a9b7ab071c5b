#!/usr/bin/env bash
# Runs one cell after another on this machine, each into a run folder of its own.
# A run that is preempted (status 75) is started again.
set -euo pipefail
out=${OUT:-results/cells}
for cell in ${CELLS:-rnn_tanh gru lstm ugrnn}; do
  status=75
  while [ "$status" -eq 75 ]; do
    status=0
    python -m benchmarks.memory_stability --cell="$cell" --steps=100000 --out_dir="$out/$cell" || status=$?
  done
  [ "$status" -eq 0 ] || exit "$status"
done
