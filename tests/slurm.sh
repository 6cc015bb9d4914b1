#!/usr/bin/env bash
# An evaluation as a job array of Slurm, with one task killed, against the same in one process:
#
#     tests/slurm.sh CNI RUN
#
# CNI is the program, RUN the folder of a run on the digits. The script is that of examples/cluster.
# Where there is no Slurm and none can be installed, it says so and passes.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
export PATH="$PATH:/usr/sbin:/sbin"
CNI="$(realpath "${1:?the program cni}")"
run="$(realpath "${2:?the folder of a run}")"
export CNI
work="$(mktemp -d)"
trap '"$root/tests/one-slurm.sh" stop "$work/slurm"; rm -rf "$work"' EXIT

say() { printf 'slurm: %s\n' "$*"; }
fail() {
    say "$*" >&2
    tail -n 3 "$work"/cni-evaluate-*.txt >&2 || true
    exit 1
}

code=0
"$root/tests/one-slurm.sh" start "$work/slurm" || code=$?
if [ "$code" = 3 ]; then
    say "skipped"
    exit 0
elif [ "$code" != 0 ]; then
    exit "$code"
fi
export SLURM_CONF="$work/slurm/slurm.conf"
say "$(sinfo -h -o '%D node of %c cores, %T')"

# 41 examples in 21 batches: every shard takes seconds.
out="$work/evaluation"
flags=(--run "$run" --out "$out" --examples 41 --batch 2 --draws 10 --eot-steps 10 --eot-draws 5
    --checks none --keep-adversarial)

say "one process"
"$CNI" evaluate --quiet "${flags[@]}" >/dev/null
mv "$out" "$work/whole"

cd "$work"
# A task has one core here, so that two run at once.
job="$(sbatch --parsable --cpus-per-task=1 "$root/examples/cluster/slurm.sh" "${flags[@]}")"
say "job array $job of 8 shards"

# True while any task of an array waits or runs.
busy() { [ -n "$(squeue -h -j "$1" 2>/dev/null)" ]; }

# The task is killed in the middle: once it has done something, and before it has done all.
killed="$out/shard-5-of-8"
until ls "$killed"/state/from-*.json >/dev/null 2>&1; do
    busy "$job" || fail "the array ended without shard 5"
    sleep 0.05
done
scancel "${job}_5"
say "killed task 5 after $(find "$killed/state" -name 'from-*.json' | wc -l) results"
while busy "$job"; do sleep 0.2; done
finished="$(grep -l '^shard [0-9]*/8: ' cni-evaluate-"$job"_*.txt | wc -l)"
[ "$finished" = 7 ] || fail "$finished of 8 shards finished, wanted 7"

if "$CNI" merge "$out" 2>merge.txt; then
    fail "the merge took an unfinished shard"
fi
grep -q 'shard 5/8 in .* is unfinished' merge.txt || fail "the merge says: $(cat merge.txt)"
[ ! -e "$out/record.json" ] || fail "the merge has written a record"
say "the merge refuses: $(cut -c1-110 merge.txt).."

job="$(sbatch --parsable --array=5 --cpus-per-task=1 "$root/examples/cluster/slurm.sh" "${flags[@]}")"
say "task 5 again, alone: job $job"
while busy "$job"; do sleep 0.2; done
"$CNI" merge "$out" >/dev/null || fail "the merge refuses eight shards"

# Everything is equal but seconds: in the record they are lines of their own.
cmp "$out/rows.jsonl" "$work/whole/rows.jsonl"
cmp "$out/gallery.safetensors" "$work/whole/gallery.safetensors"
diff -r "$out/adversarial" "$work/whole/adversarial"
timeless() { grep -v '^ *"seconds": ' "$1/record.json"; }
diff <(timeless "$out") <(timeless "$work/whole")
say "eight shards give the record of one process"
