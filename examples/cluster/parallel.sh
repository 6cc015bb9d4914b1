#!/usr/bin/env bash
# An evaluation of eight shards by GNU parallel, and their merge. OUT is the folder for the record,
# the other arguments are those of `cni evaluate`:
#
#     parallel.sh runs/cni/evaluation --run runs/cni --examples 10000
#
# seq counts from 1, so job i is shard i. JOBS of them run at once, by default as many as there are
# cores, each on one. Started again after a kill, all of them go on: those that are done do nothing.
# For several machines with a common folder give parallel their names by --sshlogin.
set -euo pipefail
shards=8
out="${1:?the folder for the record}"
shift
cni="${CNI:-cni}"
export RAYON_NUM_THREADS="${THREADS:-1}"
seq "$shards" | parallel --jobs "${JOBS:-$(nproc)}" --will-cite --quote \
    "$cni" evaluate --quiet --shard "{}/$shards" --out "$out" "$@"
"$cni" merge "$out"
