#!/usr/bin/env bash
# Runs on each machine of batch/tpu.sh: machine rnnjax-<k>, from 0, runs slice k + 1.
# Needs this project in /opt/rnnjax.
set -euo pipefail
node() { curl -sf -H "Metadata-Flavor: Google" "http://metadata.google.internal/computeMetadata/v1/instance/attributes/$1"; }
bucket=$(node bucket)
index=$(node tpu-env | grep '^NODE_ID:' | grep -o '[0-9][0-9]*')
cd /opt/rnnjax
python3.12 -m venv .venv && .venv/bin/pip install -q -r requirements.txt 'jax[tpu]' fsspec gcsfs
export PATH="$PWD/.venv/bin:$PATH"
python -m benchmarks.memory_stability --cell=all --shard="$((index + 1))/4" --out_dir="$bucket/memory_stability/all"
