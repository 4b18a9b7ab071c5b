#!/usr/bin/env bash
# Requests four TPU machines of eight chips. Each runs a slice of one run when it
# starts, and goes on with it when it is restarted.
#   BUCKET=gs://my-bucket ZONE=us-west4-a bash batch/tpu.sh
set -euo pipefail
gcloud compute tpus queued-resources create rnnjax --zone="$ZONE" --spot --node-count=4 --node-prefix=rnnjax \
  --accelerator-type=v5litepod-8 --runtime-version=v2-alpha-tpuv5-lite --metadata="bucket=$BUCKET" \
  --metadata-from-file=startup-script=batch/tpu_startup.sh
