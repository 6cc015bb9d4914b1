"""The PyTorch side of the speed comparisons: one task, one line of JSON.

python3 benches/peer.py TASK [--repeats N] [--threads 2] [--batch 128]

Peak memory is the process's, so each task deserves its own process; the
share taken by importing PyTorch is given beside it.

TASK `serve` reads tasks from standard input, one a line, runs each once and
answers with its seconds: the form that lets two programs take turns without
paying for a new process, and its warm-up, each time.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "reference"))
from resnet20 import ResNet  # noqa: E402

DRAWS, DRAW_SIZE = 20, 2_000_000
EPS, ATTACK_STEP, ATTACK_STEPS, CLIP = 8 / 255, 2 / 255, 7, 0.05


def peak_rss():
    # Linux hands `ru_maxrss` on from the process that started this one, however large that was; VmHWM is our own.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def noisy(device="cpu"):
    return ResNet(rank=5).noise(lambda layer, part, n: torch.randn(n, device=device)).to(device)


def data(batch):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 3, 32, 32, generator=generator)
    return x, torch.randint(10, (batch,), generator=generator)


def randn(batch):
    def draw():
        for _ in range(DRAWS):
            torch.randn(DRAW_SIZE)

    return draw


def noisy_weight(batch):
    weight, alpha = torch.randn(DRAW_SIZE), torch.tensor(0.25)

    def draw():
        for _ in range(DRAWS):
            weight + alpha * torch.randn_like(weight)

    return draw


def step(model, batch):
    """Forward and backward to the parameters, batch statistics."""
    x, y = data(batch)
    model.train()

    def run():
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()

    return run


def pgd(model, x, y, wasteful):
    adversarial = (x + torch.empty_like(x).uniform_(-EPS, EPS)).clamp(0, 1)
    for _ in range(ATTACK_STEPS):
        adversarial.requires_grad_()
        loss = F.cross_entropy(model(adversarial), y)
        if wasteful:
            # The published code: parameter gradients are made and thrown away.
            loss.backward()
            gradient = adversarial.grad
        else:
            gradient = torch.autograd.grad(loss, adversarial)[0]
        moved = adversarial.detach() + ATTACK_STEP * gradient.sign()
        adversarial = (x + (moved - x).clamp(-EPS, EPS)).clamp(0, 1)
    return adversarial


def adversarial_step(batch, wasteful=False, device="cpu", compiled=False):
    model, (x, y) = noisy(device), (values.to(device) for values in data(batch))
    if compiled:
        model = torch.compile(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)

    def run():
        adversarial = pgd(model.eval(), x, y, wasteful)
        model.train()
        optimizer.zero_grad()
        # Two forwards: each half of the loss has its own noise.
        loss = 0.5 * F.cross_entropy(model(x), y) + 0.5 * F.cross_entropy(model(adversarial), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


TASKS = {
    "randn": randn,
    "noisy-weight": noisy_weight,
    "step-plain": lambda batch: step(ResNet(), batch),
    "step-cni": lambda batch: step(noisy(), batch),
    "adv-step": adversarial_step,
    "adv-step-reference": lambda batch: adversarial_step(batch, wasteful=True),
    "adv-step-cuda": lambda batch: adversarial_step(batch, device="cuda"),
    "adv-step-cuda-compiled": lambda batch: adversarial_step(batch, device="cuda", compiled=True),
    "profile-adv-step": adversarial_step,
}


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

    run()  # the first call pays for allocation and kernel choice
    return run, timed


def serve(batch):
    prepared = {}
    for task in map(str.strip, sys.stdin):
        if task not in prepared:
            prepared[task] = prepare(task, batch)[1]
        print(json.dumps({"task": task, "seconds": prepared[task]()}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=[*TASKS, "serve"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.task == "serve":
        hello = {"torch": torch.__version__, "threads": args.threads, "cuda": torch.cuda.is_available()}
        print(json.dumps(hello), flush=True)
        return serve(args.batch)
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
