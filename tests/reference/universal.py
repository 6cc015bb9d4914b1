"""Universal perturbations by stochastic gradients, float64 -> data/universal.json.

3 x 4 x 4 -> 6 tanh -> 4, three batches of four images. The loop is that of Shafahi et al. (arXiv 1811.11304, algorithm
1) with the steps of SGD-UAP (arXiv 1911.10364): a mean of losses cut at `clip`, its gradient with respect to the one
perturbation by autograd through the clipping of pixels, a step along its sign, or its direction in L2, and the
projection to the ball. Batches come in the library's keyed order.

Towards a target the loss falls, and is not cut.
"""

import torch
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor
from philox import Key, permutation

EXAMPLES, BATCH, INPUTS, HIDDEN, CLASSES = 12, 4, 48, 6, 4
KEY = 1


def values():
    made = {
        "w1": 0.5 * hash_normal(121, HIDDEN * INPUTS),
        "b1": 0.1 * hash_normal(122, HIDDEN),
        "w2": 2.0 * hash_normal(123, CLASSES * HIDDEN),
        "b2": 0.1 * hash_normal(124, CLASSES),
        "x": hash_uniform(125, EXAMPLES * INPUTS),
    }
    batch = (EXAMPLES, 3, 4, 4)
    shapes = {"w1": (HIDDEN, INPUTS), "b1": (HIDDEN,), "w2": (CLASSES, HIDDEN), "b2": (CLASSES,), "x": batch}
    return {name: tensor(v, shapes[name], torch.float64) for name, v in made.items()}


V = values()


def network(x):
    return F.linear(torch.tanh(F.linear(x.flatten(1), V["w1"], V["b1"])), V["w2"], V["b2"])


def scores(x, labels, clip, target):
    if target is None:
        return F.cross_entropy(network(x), labels, reduction="none").clamp(max=clip)
    return -F.cross_entropy(network(x), torch.full_like(labels, target), reduction="none")


def run(name, norm, epsilon, step, epochs, clip, target, labels):
    delta, means, cut = torch.zeros(1, 3, 4, 4, dtype=torch.float64), [], 0
    for epoch in range(epochs):
        total = 0.0
        for batch in permutation(Key.new(KEY).named("order").child(epoch), EXAMPLES // BATCH):
            rows = slice(BATCH * batch, BATCH * (batch + 1))
            leaf = delta.clone().requires_grad_()
            each = scores((V["x"][rows] + leaf).clamp(0, 1), labels[rows], clip, target)
            gradient = torch.autograd.grad(each.mean(), leaf)[0]
            total += each.sum().item()
            cut += int((each == clip).sum())
            if norm == "linf":
                delta = (delta + step * gradient.sign()).clamp(-epsilon, epsilon)
            else:
                # Where every loss is cut there is no slope, and no step.
                delta = delta + step * gradient / gradient.norm().clamp(min=1e-300)
                delta = delta / max(1.0, (delta.norm() / epsilon).item())
        means.append(total / EXAMPLES)
    before, after = network(V["x"]).argmax(1), network((V["x"] + delta).clamp(0, 1)).argmax(1)
    print(name, "cut", cut, "fooled", int((before != after).sum()))
    return {
        "name": name,
        "norm": norm,
        "epsilon": epsilon,
        "step": step,
        "epochs": epochs,
        "clip": clip,
        "target": target,
        "perturbation": numbers(delta),
        "scores": means,
        "cut": cut,
        "fooled": int((before != after).sum()),
    }


def main():
    labels = network(V["x"]).argmax(1)
    cases = [
        run(*case, labels)
        for case in (
            ("linf", "linf", 0.1, 0.08, 5, 9.0, None),
            ("linf_clipped", "linf", 0.3, 0.03, 12, 1.0, None),
            ("linf_targeted", "linf", 0.2, 0.05, 8, 9.0, 2),
            ("l2", "l2", 1.0, 0.4, 6, 2.0, None),
        )
    ]
    # Else the clip says nothing.
    assert cases[1]["cut"] > 0 and cases[3]["cut"] > 0
    save("universal.json", {
        "values": {name: {"shape": list(t.shape), "data": numbers(t)} for name, t in V.items()},
        "key": KEY,
        "labels": labels.tolist(),
        "cases": cases,
    })


if __name__ == "__main__":
    main()
