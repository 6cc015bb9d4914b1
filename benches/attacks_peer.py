"""The PyTorch side of the comparison of attacks: published packages against a ResNet-20, example by example, and timed.

python3 benches/attacks_peer.py --weights W.safetensors --data CIFAR_DIR --examples N --epsilon 8/255 \
    --attacks fgsm,pgd20,apgd_ce --out OUT.json [--norm linf] [--batch 250] [--threads 2]

W.safetensors holds float32 tensors under PyTorch's names (conv1.weight, layer2.0.downsample.0.weight, ...), and may
name its normalization in the metadata `mean` and `std`, as JSON lists. The images are the first N of CIFAR-10's test
set.

With --serve instead of --attacks and --out it says hello, reads `ATTACK N` from standard input, one a line, runs that
attack once and answers with one line of JSON: the form that lets two programs take turns without paying for a new
process, and its warm-up, each time.

Only the images that the model classifies correctly are attacked: `attacked` is their number. `seconds`,
`model_seconds`, `forwards` and `backwards` are of the attack alone, with the checks that its package makes of itself;
the evaluation that fills `robust` comes after. Forwards and backwards count images.

--channels-last keeps weights and activations in that memory format, in which PyTorch's convolutions are faster.

Wants torch, numpy, safetensors, torchattacks, foolbox and pyautoattack, the published AutoAttack as a package.
"""

import argparse
import contextlib
import json
import os
import platform
import sys
import threading
import time
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import foolbox
import numpy as np
import torch
import torchattacks
from pyautoattack import AutoAttack
from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
from pyautoattack.fab_pt import FABAttack_PT
from pyautoattack.square import SquareAttack
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "reference"))
from resnet20 import ResNet  # noqa: E402

NORMS = {"linf": "Linf", "l2": "L2", "l1": "L1"}
PGD_STEPS, TARGETS, DEVICE = 20, 9, "cpu"
# What rounding may add to a perturbation. Relative above one, where float32 is coarser: L1 balls are of radius 12.
SLACK = 1e-6


class Meter(torch.nn.Module):
    """A model with its costs: seconds inside it, and the images that went through it forward and backward."""

    def __init__(self, model, memory_format):
        super().__init__()
        self.model, self.memory_format = model.to(memory_format=memory_format), memory_format
        self.reset()
        # The packages take gradients by one of these two.
        torch.autograd.grad = self.timed(torch.autograd.grad)
        torch.Tensor.backward = self.timed(torch.Tensor.backward)

    def reset(self):
        self.costs = {"model_seconds": 0.0, "forwards": 0, "backwards": 0}

    def forward(self, x):
        start = time.perf_counter()
        logits = self.model(x.contiguous(memory_format=self.memory_format))
        self.costs["model_seconds"] += time.perf_counter() - start
        self.costs["forwards"] += len(x)
        self.images = len(x)
        return logits

    def timed(self, backward):
        def run(*args, **kwargs):
            start = time.perf_counter()
            result = backward(*args, **kwargs)
            self.costs["model_seconds"] += time.perf_counter() - start
            # Every gradient here follows its own forward.
            self.costs["backwards"] += self.images
            return result

        return run


def load(path, memory_format):
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        state = {name: file.get_tensor(name) for name in file.keys()}
    model = ResNet()
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    assert not missing and not unexpected, f"{path}: missing {missing}, unexpected {unexpected}"
    for name in ("mean", "std"):
        if name in metadata:
            getattr(model, name).copy_(torch.tensor(json.loads(metadata[name])).view(1, 3, 1, 1))
    # Frozen, since some packages call `backward`, which would make and throw away the parameters' gradients. It is the
    # outermost module that has to be in evaluation mode: torchattacks puts everything back to what it reads there.
    return Meter(model, memory_format).eval().requires_grad_(False)


def test_set(directory):
    """All of it as bytes: `first` makes floats of as many as are wanted."""
    # In the folder itself or in the one that the archive makes, as our reader takes them.
    inner = Path(directory) / "cifar-10-batches-bin"
    folder = inner if inner.is_dir() else Path(directory)
    records = np.fromfile(folder / "test_batch.bin", np.uint8).reshape(-1, 3073)
    return torch.from_numpy(records)


def first(records, n):
    assert 0 < n <= len(records), f"examples: got {n}, wanted 1 to {len(records)}"
    return records[:n, 1:].reshape(n, 3, 32, 32).float() / 255, records[:n, 0].long()


def predict(model, x, batch):
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in x.split(batch)])


def size(difference, norm):
    """The norm of each example, in float64: a float32 sum over an image is coarser than the slack."""
    flat = difference.double().flatten(1)
    return flat.norm(dim=1, p={"linf": torch.inf, "l2": 2, "l1": 1}[norm])


def in_chunks(args, attack):
    """attack(seed, x, y) over the examples, a chunk at a time, each with its own seed."""

    def run(x, y):
        parts = enumerate(zip(x.split(args.batch), y.split(args.batch)))
        return torch.cat([attack(args.seed + i, *part).detach() for i, part in parts])

    return run


def fgsm(model, args):
    assert args.norm in ("linf", "l2"), f"fgsm: got the norm {args.norm}, wanted linf or l2"
    if args.norm == "l2":
        # torchattacks has none in L2.
        attack, bounded = foolbox.attacks.L2FastGradientAttack(), foolbox.PyTorchModel(model, (0, 1), device=DEVICE)
        return in_chunks(args, lambda seed, x, y: attack(bounded, x, y, epsilons=args.epsilon)[1])
    attack = torchattacks.FGSM(model, eps=args.epsilon)
    return in_chunks(args, lambda seed, x, y: attack(x, y))


def pgd20(model, args):
    kinds = {"linf": torchattacks.PGD, "l2": torchattacks.PGDL2}
    assert args.norm in kinds, f"pgd20: got the norm {args.norm}, wanted linf or l2"
    attack = kinds[args.norm](model, eps=args.epsilon, alpha=args.epsilon / 4, steps=PGD_STEPS, random_start=True)
    return in_chunks(args, lambda seed, x, y: attack(x, y))


def member(kind, model, args, **options):
    """An attack of AutoAttack by itself. `perturb` attacks only what is still classified correctly."""
    options |= {"norm": NORMS[args.norm], "eps": args.epsilon, "n_restarts": 1, "device": DEVICE}
    # `perturb` seeds PyTorch's generator: with one seed for all, every chunk would start from the same noise.
    return in_chunks(args, lambda seed, x, y: kind(model, seed=seed, **options).perturb(x, y))


def apgd(loss):
    # From three times epsilon down to it for L1 only, as the standard version does.
    return lambda model, args: member(APGDAttack, model, args, loss=loss, use_largereps=args.norm == "l1")


def apgd_t(model, args):
    options = {"n_iter": args.targeted_iterations, "n_target_classes": TARGETS, "use_largereps": args.norm == "l1"}
    return member(APGDAttack_targeted, model, args, **options)


def fab_t(model, args):
    options = {"n_iter": args.targeted_iterations, "n_target_classes": TARGETS, "targeted": True}
    return member(FABAttack_PT, model, args, **options)


def square(model, args):
    return member(SquareAttack, model, args, n_queries=args.queries, p_init=0.8, resc_schedule=False)


def cw(model, args):
    attack = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=args.cw_search,
        steps=args.cw_steps,
        stepsize=0.01,
        confidence=0,
        initial_const=0.01,
        abort_early=False,
    )
    bounded = foolbox.PyTorchModel(model, bounds=(0, 1), device=DEVICE)
    return in_chunks(args, lambda seed, x, y: attack(bounded, x, y, epsilons=None)[0])


def standard(model, args):
    """The whole cascade. It makes its own batches, out of the examples still standing at each attack."""
    attack = AutoAttack(model, norm=NORMS[args.norm], eps=args.epsilon, seed=args.seed, device=DEVICE)
    return lambda x, y: attack.run_standard_evaluation(x, y, batch_size=args.batch)[0]


ATTACKS = {
    "fgsm": fgsm,
    "pgd20": pgd20,
    "apgd_ce": apgd("ce"),
    "apgd_dlr": apgd("dlr"),
    "apgd_t": apgd_t,
    "fab_t": fab_t,
    "square": square,
    "cw": cw,
    "standard": standard,
}


def outcome(name, adversarial, x, y, clean, model, args):
    """`robust` of each example; for cw also the L2 distance of what it found, wherever epsilon may lie."""
    fooled = predict(model, adversarial, args.batch) != y
    if name == "cw":
        # Where foolbox finds nothing it returns a black image, which may well be misclassified.
        found = fooled & adversarial.flatten(1).any(1)
        norms = size(adversarial - x, "l2").tolist()
        norms = {"norm": [norm if hit else None for norm, hit in zip(norms, found.tolist())]}
    else:
        # Not at most the bound, since a NaN is no success either.
        found = fooled & (size(adversarial - x, args.norm) <= args.epsilon + SLACK * max(1, args.epsilon))
        norms = {}
    return {"robust": (clean & ~found).int().tolist(), **norms}


def measure(name, model, args, x, y, clean):
    """One run of an attack on the images that the model gets right: what is written of it."""
    torch.manual_seed(args.seed)
    # Standard output may be read by a program: no package shall write there.
    with contextlib.redirect_stdout(sys.stderr):
        run = ATTACKS[name](model, args)
        right, adversarial = x[clean], x.clone()
        model.reset()
        start = time.perf_counter()
        found = run(right, y[clean])
        costs = {"attacked": len(right), "seconds": time.perf_counter() - start, **model.costs}
        adversarial[clean] = found
    return outcome(name, adversarial, x, y, clean, model, args) | costs


def warm_up(model, x, y, batch):
    """The first calls pay for allocation and kernel choice."""
    for part, labels in ((x[:batch], y[:batch]), (x[:1], y[:1])):
        part = part.clone().requires_grad_()
        torch.autograd.grad(torch.nn.functional.cross_entropy(model(part), labels), part)


def versions():
    packages = ("torch", "pyautoattack", "torchattacks", "foolbox")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def save(path, results):
    # Beside and renamed, so that a reader never finds half a file.
    beside = Path(f"{path}.part")
    beside.write_text(json.dumps(results) + "\n")
    os.replace(beside, path)


def serve(model, records, args):
    print(json.dumps({"versions": versions(), "threads": args.threads, "attacks": list(ATTACKS)}), flush=True)
    for line in filter(None, map(str.strip, sys.stdin)):
        name, examples = line.split()
        x, y = first(records, int(examples))
        clean = predict(model, x, args.batch) == y
        print(json.dumps({"attack": name, **measure(name, model, args, x, y, clean)}), flush=True)


def run_all(model, records, args):
    x, y = first(records, args.examples)
    clean = predict(model, x, args.batch) == y
    results = {
        "versions": versions(),
        "arguments": vars(args),
        "examples": len(y),
        "clean": clean.int().tolist(),
        "labels": y.tolist(),
        "attacks": {},
    }
    print(f"clean: {clean.sum().item()}/{len(y)}", file=sys.stderr)
    for name in args.attacks:
        entry = results["attacks"][name] = measure(name, model, args, x, y, clean)
        print(f"{name}: {sum(entry['robust'])}/{len(y)} robust, {entry['seconds']:.1f} s", file=sys.stderr)
        # After every attack: the long ones come last, and may be cut short.
        save(args.out, results)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data", required=True, help="directory with the binary files, or with cifar-10-batches-bin")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--epsilon", type=lambda text: float(Fraction(text)), default=8 / 255)
    parser.add_argument("--norm", choices=NORMS, default="linf")
    parser.add_argument("--attacks", type=lambda text: text.split(","), help=", ".join(ATTACKS))
    parser.add_argument("--out")
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targeted-iterations", type=int, default=100)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--cw-search", type=int, default=5)
    parser.add_argument("--cw-steps", type=int, default=100)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--serve", action="store_true")
    args = parser.parse_args()
    unknown = set(args.attacks or ()) - set(ATTACKS)
    if unknown:
        parser.error(f"--attacks: got {', '.join(sorted(unknown))}, wanted some of {', '.join(ATTACKS)}")
    if not args.serve and not (args.attacks and args.out):
        parser.error("wanted --attacks and --out, or --serve")
    return args


def end_with_the_bench():
    """Ends this process once the one that began it has ended: an attack would go on for minutes, unasked."""
    bench = os.getppid()

    def watch():
        while os.getppid() == bench:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main():
    end_with_the_bench()
    args = arguments()
    torch.set_num_threads(args.threads)
    memory_format = torch.channels_last if args.channels_last else torch.contiguous_format
    model, records = load(args.weights, memory_format), test_set(args.data)
    warm_up(model, *first(records, args.batch), args.batch)
    (serve if args.serve else run_all)(model, records, args)


if __name__ == "__main__":
    main()
