"""DI-FGSM and TI-FGSM, torchattacks' own code in float64 -> data/di_ti_fgsm.json.

3 x 7 x 7 -> 6 tanh -> 4; adversarial points of input diversity, of the three kernels and of both, with and without
momentum, and away from a label or towards one.

Two things of the package are replaced. It draws coin, size and place from torch's generator, once for a batch: here
each image is attacked by itself, and its draws are the library's keyed ones of its step and example. And it casts its
kernels to float32: here they are float64.
"""

import numpy as np
import torch
import torch.nn.functional as F
import torchattacks
from importlib.metadata import version

from hashing import hash_normal, hash_uniform, numbers, save, tensor
from philox import Key, uniform

EXAMPLES, SIDE, HIDDEN, CLASSES = 4, 7, 6, 4
INPUTS = 3 * SIDE * SIDE
# The number of the first example, and the attack's key.
FIRST, KEY = 5, 1
EPSILON, STEP, STEPS = 0.1, 0.02, 8


def values():
    made = {
        "w1": 0.2 * hash_normal(111, HIDDEN * INPUTS),
        "b1": 0.1 * hash_normal(112, HIDDEN),
        "w2": 1.5 * hash_normal(113, CLASSES * HIDDEN),
        "b2": 0.1 * hash_normal(114, CLASSES),
        "x": hash_uniform(115, EXAMPLES * INPUTS),
    }
    batch = (EXAMPLES, 3, SIDE, SIDE)
    shapes = {"w1": (HIDDEN, INPUTS), "b1": (HIDDEN,), "w2": (CLASSES, HIDDEN), "b2": (CLASSES,), "x": batch}
    return {name: tensor(v, shapes[name], torch.float64) for name, v in made.items()}


V = values()


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        # What the package asks for the device.
        self.w1 = torch.nn.Parameter(V["w1"])

    def forward(self, x):
        return F.linear(torch.tanh(F.linear(x.flatten(1), self.w1, V["b1"])), V["w2"], V["b2"])


def draws(example):
    """Coin, size, and place down and across of each step."""
    run = Key.new(KEY).child(0)
    of = lambda step: uniform(run.child(step).named("input diversity"), 4 * (example + 1))[4 * example :]
    return [of(step) for step in range(STEPS)]


def use_draws_of(example):
    all = draws(example)
    coins = iter([step[0] for step in all])
    others = iter([u for step in all for u in step[1:]])

    def randint(low, high, size, dtype):
        return torch.full(size, low + int(next(others) * (high - low)), dtype=dtype)

    torch.randint = randint
    torch.rand = lambda n: torch.full((n,), next(coins), dtype=torch.float64)


def exact_kernel(attack):
    make = {"gaussian": lambda n: attack.gkern(n, attack.nsig), "linear": attack.lkern, "uniform": attack.ukern}
    kernel = make[attack.kernel_name](attack.len_kernel).astype(np.float64)
    attack.stacked_kernel = torch.from_numpy(np.stack([kernel] * 3)[:, None])


def run(name, kernel, length, probability, rate, decay, targeted, labels, targets):
    result = []
    for row in range(EXAMPLES):
        options = dict(
            eps=EPSILON, alpha=STEP, steps=STEPS, decay=decay, resize_rate=rate, diversity_prob=probability
        )
        if kernel is None:
            attack = torchattacks.DIFGSM(Network(), **options)
        else:
            attack = torchattacks.TIFGSM(Network(), kernel_name=kernel, len_kernel=length, **options)
            exact_kernel(attack)
        if targeted:
            attack.set_mode_targeted_by_label(quiet=True)
        use_draws_of(FIRST + row)
        image, label = V["x"][row : row + 1], (targets if targeted else labels)[row : row + 1]
        result.append(attack(image, label))
    adversarial = torch.cat(result)
    assert adversarial.dtype == torch.float64
    return {
        "name": name,
        "kernel": kernel,
        "length": length,
        "probability": probability,
        "resize_rate": rate,
        "momentum": decay,
        "targeted": targeted,
        "adversarial": numbers(adversarial),
    }


def main():
    with torch.no_grad():
        order = Network()(V["x"]).argsort(1, descending=True)
    labels, targets = order[:, 0], order[:, 1]
    resized = sum(step[0] < 0.5 for row in range(EXAMPLES) for step in draws(FIRST + row))
    # Else half of the cases would say nothing.
    assert 0.3 < resized / (EXAMPLES * STEPS) < 0.7
    cases = [
        run(*case, labels, targets)
        for case in (
            ("diverse", None, 0, 0.5, 0.5, 0.0, False),
            ("diverse_momentum", None, 0, 1.0, 0.5, 1.0, False),
            ("diverse_targeted", None, 0, 0.5, 0.9, 0.0, True),
            ("gaussian", "gaussian", 15, 0.0, 0.9, 0.0, False),
            ("linear_momentum", "linear", 5, 0.0, 0.9, 1.0, False),
            ("uniform_targeted", "uniform", 3, 0.0, 0.9, 0.7, True),
            ("both_momentum", "gaussian", 5, 0.5, 0.6, 1.0, False),
        )
    ]
    save("di_ti_fgsm.json", {
        "torchattacks": version("torchattacks"),
        "values": {name: {"shape": list(t.shape), "data": numbers(t)} for name, t in V.items()},
        "epsilon": EPSILON,
        "step": STEP,
        "steps": STEPS,
        "first_example": FIRST,
        "key": KEY,
        "labels": labels.tolist(),
        "targets": targets.tolist(),
        "cases": cases,
    })


if __name__ == "__main__":
    main()
