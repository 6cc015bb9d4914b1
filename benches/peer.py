"""The PyTorch side of the speed comparisons: one task, one line of JSON.

python3 benches/peer.py TASK [--repeats N] [--threads 2] [--batch 128]

Peak memory is the process's, so each task deserves its own process; the
share taken by importing PyTorch is given beside it.

TASK `serve` reads tasks from standard input, one a line, runs each once and
answers with its seconds, or with the reason why this machine cannot run it: the
form that lets two programs take turns without paying for a new process, and its
warm-up, each time. The line `forget` frees the models of the tasks so far.
"""

import argparse
import contextlib
import json
import resource
import signal
import sys
import time
from pathlib import Path

import torch

from peer_tasks import DRAWS, TASKS, Missing


@contextlib.contextmanager
def limited(seconds):
    """Ends what runs within after so many seconds, between two operations, where the system has alarms."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_):
        raise Missing(f"one run, or its warm-up, takes more than {seconds:g} s")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def peak_rss():
    # Linux hands `ru_maxrss` on from the process that started this one, however large that was; VmHWM is our own.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def profiled(run):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run()
    rows = sorted(profile.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    return [{"name": row.key, "share": round(row.self_cpu_time_total / total, 4)} for row in rows[:15]]


def prepare(task, batch):
    """The task, warm, and a function that runs it once and gives its seconds."""
    run, calls = TASKS[task](batch), DRAWS if task in ("randn", "noisy-weight") else 1

    def timed():
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) / calls

    try:
        run()  # the first call pays for allocation, kernel choice and compilation
    except Exception as error:
        if "compiled" not in task:
            raise
        raise Missing(f"torch.compile failed: {str(error).strip().splitlines()[0]}") from error
    return run, timed


def serve(batch, limit):
    prepared = {}
    for task in map(str.strip, sys.stdin):
        if task == "forget":
            prepared.clear()
            # The compiler keeps few versions of one function, and each model wants its own.
            torch.compiler.reset()
            continue
        try:
            # The compiler may write to standard output, which a program reads.
            with contextlib.redirect_stdout(sys.stderr), limited(limit):
                if task not in prepared:
                    prepared[task] = prepare(task, batch)[1]
                answer = {"seconds": prepared[task]()}
        except Missing as error:
            answer = {"skipped": str(error)}
        print(json.dumps({"task": task, **answer}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=[*TASKS, "serve"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--limit", type=float, default=300, help="seconds that `serve` gives a run")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.task == "serve":
        hello = {"torch": torch.__version__, "threads": args.threads, "cuda": torch.cuda.is_available()}
        print(json.dumps(hello), flush=True)
        return serve(args.batch, args.limit)
    imported = peak_rss()
    run, timed = prepare(args.task, args.batch)
    line = {
        "task": args.task,
        "seconds": [timed() for _ in range(args.repeats)],
        "peak_rss_bytes": peak_rss(),
        "import_rss_bytes": imported,
        "torch": torch.__version__,
        "threads": args.threads,
        "batch": args.batch,
    }
    if args.task == "profile-adv-step":
        # After the memory reading, since the profiler's own records are large.
        line["operations"] = profiled(run)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
