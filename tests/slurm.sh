#!/usr/bin/env bash
# An evaluation and an ablation as job arrays of Slurm, one task of each killed, against the same in
# one process:
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
    tail -n 3 "$work"/cni-*.txt >&2 || true
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
job="$(sbatch --parsable --cpus-per-task=1 "$root/examples/cluster/slurm.sh" evaluate --quiet "${flags[@]}")"
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
finished="$(grep -l '^shard [0-9]*/8: ' cni-"$job"_*.txt | wc -l)"
[ "$finished" = 7 ] || fail "$finished of 8 shards finished, wanted 7"

if "$CNI" merge "$out" 2>merge.txt; then
    fail "the merge took an unfinished shard"
fi
grep -q 'shard 5/8 in .* is unfinished' merge.txt || fail "the merge says: $(cat merge.txt)"
[ ! -e "$out/record.json" ] || fail "the merge has written a record"
say "the merge refuses: $(cut -c1-110 merge.txt).."

job="$(sbatch --parsable --array=5 --cpus-per-task=1 "$root/examples/cluster/slurm.sh" evaluate --quiet \
    "${flags[@]}")"
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

# Two arms from two seeds are four runs, one a task.
cat >plan.toml <<'PLAN'
plan = 1
name = "four runs"
recipe = "clean"
seeds = [1, 2]
set = { epochs = 16 }
train = { dataset = "digits", depth = 8, width = 0.25, subset = 400, validation = 40, batch = 40 }
evaluate = { examples = 20, draws = 3, suite = "quick", checks = "none", eot_steps = 2, eot_draws = 2 }
arm = [{ name = "plain" }, { name = "white", set = { "model.noise" = "pni" } }]
PLAN
say "the ablation in one process"
"$CNI" ablate --plan plan.toml --out whole-ablation >/dev/null
flags=(ablate --plan plan.toml --out ablation)
array=(--parsable --cpus-per-task=1 --export=ALL,SHARDS=4)
job="$(sbatch "${array[@]}" --array=1-4 "$root/examples/cluster/slurm.sh" "${flags[@]}")"
say "job array $job of 4 runs"
# Task 2 has the second run, that of noise from the first seed.
killed="ablation/runs/white/seed-1"
# Any epoch will do: the first one's checkpoint goes with the next.
until compgen -G "$killed/checkpoints/epoch-*" >/dev/null; do
    busy "$job" || fail "the array ended without run 2"
    sleep 0.05
done
scancel "${job}_2"
while busy "$job"; do sleep 0.2; done
if "$CNI" ablate --plan plan.toml --out ablation --list | grep -q 'white, seed 1: done'; then
    fail "run 2 was not killed"
fi
say "killed run 2 in its training"
job="$(sbatch "${array[@]}" --array=2 "$root/examples/cluster/slurm.sh" "${flags[@]}")"
while busy "$job"; do sleep 0.2; done
"$CNI" "${flags[@]}" >ablate.txt || fail "the ablation: $(cat ablate.txt)"
grep -q '0 runs done, 4 done before' ablate.txt || fail "the ablation: $(cat ablate.txt)"
results() { grep -v '^ *"command": ' "$1/ablation.json"; }
diff <(results ablation) <(results whole-ablation)
say "four runs give the record of one process"
