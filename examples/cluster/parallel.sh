#!/usr/bin/env bash
# An evaluation or an ablation in eight shards by GNU parallel, and their end. The arguments are those
# of `cni`:
#
#     parallel.sh evaluate --run runs/cni --examples 10000 --out runs/cni/evaluation
#     parallel.sh ablate --plan plan.toml --out runs/ablation
#
# seq counts from 1, so job i is shard i. JOBS of them run at once, by default as many as there are
# cores, each on one. Started again after a kill, all of them go on: those that are done do nothing.
# For several machines with a common folder give parallel their names by --sshlogin.
set -euo pipefail
cni="${CNI:-cni}" shards="${SHARDS:-8}"
export RAYON_NUM_THREADS="${THREADS:-1}"
seq "$shards" | parallel --jobs "${JOBS:-$(nproc)}" --will-cite --quote "$cni" "$@" --shard "{}/$shards"
case "${1:?evaluate or ablate}" in
evaluate)
    while [ "$1" != --out ]; do shift; done
    "$cni" merge "$2"
    ;;
*) "$cni" "$@" ;;
esac
