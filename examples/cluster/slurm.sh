#!/usr/bin/env bash
#SBATCH --job-name=cni
#SBATCH --array=1-8
#SBATCH --cpus-per-task=2
#SBATCH --requeue
#SBATCH --output=%x-%A_%a.txt
# An evaluation or an ablation in eight shards as a job array. The arguments are those of `cni`:
#
#     job=$(sbatch --parsable slurm.sh evaluate --run runs/cni --examples 10000 --out runs/cni/evaluation)
#     sbatch --dependency=afterok:$job --wrap "cni merge runs/cni/evaluation"
#
#     job=$(sbatch --parsable slurm.sh ablate --plan plan.toml --out runs/ablation)
#     sbatch --dependency=afterok:$job --wrap "cni ablate --plan plan.toml --out runs/ablation"
#
# Slurm counts from the first number of --array, so task i is shard i. For another number of shards
# give --array=1-N and SHARDS=N. A task that was killed runs again alone, and goes on where it was:
#
#     sbatch --array=5 slurm.sh evaluate --run runs/cni --examples 10000 --out runs/cni/evaluation
set -euo pipefail
export RAYON_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
exec "${CNI:-cni}" "$@" --shard "$SLURM_ARRAY_TASK_ID/${SHARDS:-8}"
