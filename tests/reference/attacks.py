"""Gradient attacks on a small network, float64 -> data/attacks.json.

12 -> 16 tanh -> 4; adversarial points and per-example losses of FGSM and PGD,
with every value used and the torch version.
"""

import torch
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor

EXAMPLES, INPUTS, HIDDEN, CLASSES = 6, 12, 16, 4
# The network's own predictions, but for the last example, which it gets wrong.
LABELS = [1, 2, 0, 0, 2, 3]
TARGETS = [2, 3, 1, 1, 3, 0]


def values():
    made = {
        "w1": 0.5 * hash_normal(81, HIDDEN * INPUTS),
        "b1": 0.1 * hash_normal(82, HIDDEN),
        "w2": 0.5 * hash_normal(83, CLASSES * HIDDEN),
        "b2": 0.1 * hash_normal(84, CLASSES),
        "x": hash_uniform(85, EXAMPLES * INPUTS),
    }
    shapes = {"w1": (HIDDEN, INPUTS), "b1": (HIDDEN,), "w2": (CLASSES, HIDDEN), "b2": (CLASSES,), "x": (EXAMPLES, INPUTS)}
    return {name: tensor(v, shapes[name], torch.float64) for name, v in made.items()}


V = values()


def network(x):
    return F.linear(torch.tanh(F.linear(x, V["w1"], V["b1"])), V["w2"], V["b2"])


def cross_entropy(z, y):
    return F.cross_entropy(z, y, reduction="none")


def margin(z, y):
    own = F.one_hot(y, CLASSES).bool()
    return z.masked_fill(own, float("-inf")).amax(1) - z[own]


def gradient(loss, x, y):
    x = x.clone().requires_grad_()
    # The sum keeps the examples apart; a mean would scale each gradient.
    return torch.autograd.grad(loss(network(x), y).sum(), x)[0]


def fgsm(loss, y, sign, eps):
    return (V["x"] + sign * eps * gradient(loss, V["x"], y).sign()).clamp(0, 1)


def pgd_linf(loss, y, sign, eps, step, steps):
    x, clean = V["x"], V["x"]
    for _ in range(steps):
        moved = x + sign * step * gradient(loss, x, y).sign()
        x = (clean + (moved - clean).clamp(-eps, eps)).clamp(0, 1)
    return x


def pgd_l2(loss, y, sign, eps, step, steps):
    x, clean = V["x"], V["x"]
    for _ in range(steps):
        g = gradient(loss, x, y)
        delta = x + sign * step * g / g.norm(dim=1, keepdim=True) - clean
        length = delta.norm(dim=1, keepdim=True)
        x = (clean + delta * (eps / length).clamp(max=1)).clamp(0, 1)
    return x


def main():
    labels, targets = torch.tensor(LABELS), torch.tensor(TARGETS)
    linf = {"eps": 0.1, "step": 0.025, "steps": 10}
    cases = {}
    for name, attack, loss, targeted, options in (
        ("fgsm", fgsm, cross_entropy, False, {"eps": 0.1}),
        ("pgd_linf", pgd_linf, cross_entropy, False, linf),
        ("pgd_linf_targeted", pgd_linf, cross_entropy, True, linf),
        ("pgd_linf_margin", pgd_linf, margin, False, linf),
        ("pgd_linf_margin_targeted", pgd_linf, margin, True, linf),
        ("pgd_l2", pgd_l2, cross_entropy, False, {"eps": 0.5, "step": 0.1, "steps": 10}),
    ):
        y, sign = (targets, -1) if targeted else (labels, 1)
        x = attack(loss, y, sign, **options)
        cases[name] = {
            **options,
            "loss_name": loss.__name__,
            "targeted": targeted,
            "adversarial": numbers(x),
            "loss_before": numbers(loss(network(V["x"]), y)),
            "loss_after": numbers(loss(network(x), y)),
        }
    save("attacks.json", {
        "values": {name: {"shape": list(t.shape), "data": numbers(t)} for name, t in V.items()},
        "labels": LABELS,
        "targets": TARGETS,
        "logits": numbers(network(V["x"])),
        "cases": cases,
    })


if __name__ == "__main__":
    main()
