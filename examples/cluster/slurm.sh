#!/usr/bin/env bash
#SBATCH --job-name=cni-evaluate
#SBATCH --array=1-8
#SBATCH --cpus-per-task=2
#SBATCH --requeue
#SBATCH --output=%x-%A_%a.txt
# An evaluation of eight shards as a job array. The arguments are those of `cni evaluate`:
#
#     job=$(sbatch --parsable slurm.sh --run runs/cni --examples 10000 --out runs/cni/evaluation)
#     sbatch --dependency=afterok:$job --wrap "cni merge runs/cni/evaluation"
#
# Slurm counts from the first number of --array, so task i is shard i. For another number of shards
# change it in both places. A task that was killed runs again alone, and goes on where it was:
#
#     sbatch --array=5 slurm.sh --run runs/cni --examples 10000 --out runs/cni/evaluation
set -euo pipefail
shards=8
export RAYON_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
exec "${CNI:-cni}" evaluate --quiet --shard "$SLURM_ARRAY_TASK_ID/$shards" "$@"
