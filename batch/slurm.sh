#!/usr/bin/env bash
#SBATCH --job-name=rnnjax
#SBATCH --array=1-4
#SBATCH --gpus-per-task=1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120
# sbatch batch/slurm.sh: four slices of one run in a shared folder. A job that is
# preempted, or near its time limit, is queued again.
set -uo pipefail
out=${OUT:-results/memory_stability/all}
srun python -m benchmarks.memory_stability --cell=all --shard="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --out_dir="$out"
status=$?
if [ "$status" -eq 75 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
