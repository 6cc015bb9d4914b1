"""FMN, foolbox's own code in float64 -> data/fmn.json.

The network of attacks.py on 16 images with many pixels at the faces of the box, each norm, away from a class and towards
one. For each example the nearest adversarial image that was found.

Of the package one thing is replaced: an image goes to the nearest point of ball and box in one projection. The package
clips to the box after a projection onto the ball, and in L2 it divides norms by themselves, so that nothing is projected.
`package` has the distances that it finds as it is; null where it finds nothing.
"""

import math

import foolbox
import torch
from foolbox.attacks import L1FMNAttack, L2FMNAttack, LInfFMNAttack
from foolbox.criteria import Misclassification, TargetedMisclassification

from attacks import INPUTS, network
from hashing import hash_uniform, numbers, save, tensor

EXAMPLES = 16
ORDERS = {"linf": math.inf, "l2": 2, "l1": 1}
ATTACKS = {"linf": LInfFMNAttack, "l2": L2FMNAttack, "l1": L1FMNAttack}


class Network(torch.nn.Module):
    def forward(self, x):
        return network(x.flatten(1))


def images():
    pixels = tensor(hash_uniform(86, EXAMPLES * INPUTS), (EXAMPLES, 3, 2, 2), torch.float64)
    return (1.6 * (pixels - 0.5) + 0.5).clamp(0, 1)


def nearest(order, x, x0, epsilon):
    """The nearest point of ball and box: the one number that the solution has is found by halving."""
    x, x0, epsilon = x.raw, x0.raw, epsilon.raw
    way = x - x0
    room = torch.where(way > 0, 1 - x0, x0)

    def change(t):
        t = t.reshape(-1, 1, 1, 1)
        # In L2 everything is scaled by 1 - t, in L1 everything shortened by t.
        left = way.abs() * (1 - t) if order == 2 else (way.abs() - t).clamp(min=0)
        return torch.minimum(left, room)

    low, high = torch.zeros(len(x)), torch.ones(len(x)) if order == 2 else way.abs().amax((1, 2, 3))
    inside = change(low).flatten(1).norm(order, dim=1) <= epsilon
    for _ in range(200):
        middle = (low + high) / 2
        fits = change(middle).flatten(1).norm(order, dim=1) <= epsilon
        low, high = torch.where(fits, low, middle), torch.where(fits, middle, high)
    return x0 + change(torch.where(inside, 0, high)) * way.sign()


def run(norm, targeted, steps, labels, replaced):
    attack = ATTACKS[norm](steps=steps)
    if replaced and norm != "linf":
        attack.project = lambda x, x0, epsilon: type(x)(nearest(ORDERS[norm], x, x0, epsilon))
    criterion = (TargetedMisclassification if targeted else Misclassification)(labels)
    return attack.run(foolbox.PyTorchModel(Network().eval(), bounds=(0, 1), device="cpu"), images(), criterion)


def reached(x, targeted, labels):
    classes = Network()(x).argmax(1)
    return classes == labels if targeted else classes != labels


def main():
    torch.set_default_dtype(torch.float64)
    order = Network()(images()).argsort(1, descending=True)
    cases = []
    for norm in ATTACKS:
        for targeted, steps in ((False, 100), (False, 20), (True, 100)):
            # The least likely class is a target that is far away.
            labels = order[:, -1] if targeted else order[:, 0]
            found = run(norm, targeted, steps, labels, True)
            as_it_is = run(norm, targeted, steps, labels, False)
            length = lambda x: (x - images()).flatten(1).norm(ORDERS[norm], dim=1)
            package = [d if ok else None for d, ok in zip(numbers(length(as_it_is)), reached(as_it_is, targeted, labels))]
            cases.append({
                "norm": norm,
                "targeted": targeted,
                "steps": steps,
                "reached": reached(found, targeted, labels).tolist(),
                "result": numbers(found),
                "distances": numbers(length(found)),
                "package": package,
            })
    save("fmn.json", {
        "foolbox": foolbox.__version__,
        "images": numbers(images()),
        "labels": order[:, 0].tolist(),
        "targets": order[:, -1].tolist(),
        "cases": cases,
    })


if __name__ == "__main__":
    main()
