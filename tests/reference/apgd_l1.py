"""APGD in the L1 norm, pyautoattack's own code in float64 -> data/apgd_l1.json.

48 -> 24 tanh -> 6; runs with and without an enlarged start, on the cross-entropy and on the targeted DLR loss, all from
the same normal values. For each example: whether the goal was reached in the threat's ball, and the first point there
that reached it, else the point of the best loss.

Two things of the package are replaced. It casts to float32, here all is float64. And it counts the coordinates that a
point has moved by `!= 0`: (x + d) - d is not x in floats, so that a third of the coordinates that its projection has
put back count as moved, in float32 as in float64. Here those within 1e-9 of the original do not count.
"""

import math

import pyautoattack.autopgd_base as package
import torch
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor

EXAMPLES, INPUTS, HIDDEN, CLASSES = 12, 48, 24, 6
IMAGE = (3, 4, 4)
EPSILON = 1.0


def values():
    made = {
        "w1": 0.35 * hash_normal(91, HIDDEN * INPUTS),
        "b1": 0.1 * hash_normal(92, HIDDEN),
        "w2": 0.6 * hash_normal(93, CLASSES * HIDDEN),
        "b2": 0.1 * hash_normal(94, CLASSES),
        "x": hash_uniform(95, EXAMPLES * INPUTS),
        "start": hash_normal(96, EXAMPLES * INPUTS),
    }
    batch = (EXAMPLES, *IMAGE)
    shapes = {"w1": (HIDDEN, INPUTS), "b1": (HIDDEN,), "w2": (CLASSES, HIDDEN), "b2": (CLASSES,), "x": batch, "start": batch}
    return {name: tensor(v, shapes[name], torch.float64) for name, v in made.items()}


V = values()


def network(x):
    return F.linear(torch.tanh(F.linear(x.flatten(1), V["w1"], V["b1"])), V["w2"], V["b2"])


def moved(change):
    return (change.abs() > 1e-9).flatten(1).sum(1)


class Watched:
    """The network, and every point it was asked about."""

    def __init__(self):
        self.points = []

    def __call__(self, x):
        self.points.append(x.detach().clone())
        return network(x)


def run(loss, enlarged, steps, labels, targets):
    model = Watched()
    kind = {"ce": package.APGDAttack, "dlr-targeted": package.APGDAttack_targeted}[loss]
    attack = kind(model, n_iter=steps, norm="L1", eps=EPSILON, use_largereps=enlarged, device="cpu")
    attack.init_hyperparam(V["x"])
    attack.y_target = targets
    if enlarged:
        part = math.ceil(0.3 * steps)
        iterations = [part, part, steps - 2 * part]
        best = attack.decr_eps_pgd(V["x"], labels, [3 * EPSILON, 2 * EPSILON, EPSILON], iterations)[0]
        last = model.points[-iterations[-1] - 1 :]
    else:
        best = attack.attack_single_run(V["x"], labels)[0]
        last = model.points
    result, reached = best.clone(), torch.zeros(EXAMPLES, dtype=torch.bool)
    for x in last:
        new = (network(x).argmax(1) != labels) & ~reached
        result[new], reached = x[new], reached | new
    return {
        "loss": loss,
        "enlarged": enlarged,
        "steps": steps,
        "reached": reached.tolist(),
        "result": numbers(result),
    }


def main():
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double
    package.L0_norm = moved
    package.torch.randn_like = lambda like: V["start"].clone()
    package.torch.randn = lambda shape: V["start"].clone()
    order = network(V["x"]).argsort(1, descending=True)
    labels, targets = order[:, 0], order[:, 1]
    cases = [
        run(loss, enlarged, steps, labels, targets)
        for loss in ("ce", "dlr-targeted")
        for enlarged, steps in ((True, 10), (True, 100), (False, 60))
    ]
    save("apgd_l1.json", {
        "values": {name: {"shape": list(t.shape), "data": numbers(t)} for name, t in V.items()},
        "epsilon": EPSILON,
        "labels": labels.tolist(),
        "targets": targets.tolist(),
        "cases": cases,
    })


if __name__ == "__main__":
    main()
