"""FMN in float64 -> data/fmn.json.

The algorithm as the library documents it, with foolbox's code as a check: the networks of attacks.py and of
carlini_wagner_linf.py on 16 images each with many pixels at the faces of the box, each norm, away from a class and towards
one. Of each example:

`distances` and `result`: the nearest adversarial image that was found; null and the original where there is none.
`decided`: no image had a margin that is zero to rounding, on whose sign all that follows depends. Without an overshoot the
radius leads to the boundary as Newton's method does, and so exactly there.
`alone`: no other image is adversarial and as near, to rounding. Once the radius is that of the nearest image, it comes back
to it again and again, and rounding decides which of such images is the nearest.
`package`: the distance that foolbox's code finds; null where it finds nothing. In L2 its projection divides norms by
themselves, so that nothing is projected; there the published projection takes its place.

With the published radius and projection the algorithm here must find what foolbox does, wherever that is decided.
"""

import math

import foolbox
import torch
import torch.nn.functional as F
from foolbox.attacks import L1FMNAttack, L2FMNAttack, LInfFMNAttack
from foolbox.criteria import Misclassification, TargetedMisclassification

import attacks
import carlini_wagner_linf
from hashing import hash_uniform, numbers, save, tensor

EXAMPLES = 16
ORDERS = {"linf": math.inf, "l2": 2, "l1": 1}
DUALS = {"linf": 1, "l2": 2, "l1": math.inf}
PACKAGE = {"linf": LInfFMNAttack, "l2": L2FMNAttack, "l1": L1FMNAttack}
# Far above rounding, which is below 1e-15 here, and far below what an image is moved by.
ROUNDING = 1e-12


class Network(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, x):
        return self.logits(x.flatten(1))


def images(stream, shape):
    pixels = tensor(hash_uniform(stream, EXAMPLES * math.prod(shape)), (EXAMPLES, *shape), torch.float64)
    return (1.6 * (pixels - 0.5) + 0.5).clamp(0, 1)


# By the file that has the network's weights.
MODELS = {
    "attacks": (Network(attacks.network).eval(), images(86, (3, 2, 2))),
    "carlini_wagner_linf": (Network(carlini_wagner_linf.network).eval(), images(87, (3, 3, 3))),
}


def length(change, order):
    return change.flatten(1).norm(order, dim=1)


def column(values):
    return values.reshape(-1, 1, 1, 1)


def published(order, change, radius):
    """The projection onto the ball alone."""
    if order == math.inf:
        return torch.maximum(torch.minimum(change, column(radius)), -column(radius))
    if order == 2:
        return change * column((radius / length(change, 2).clamp(min=1e-300)).clamp(max=1))
    return shrunk(1, change, radius, torch.inf)


def shrunk(order, change, radius, room):
    """The nearest change of that length with no pixel beyond its room, by halving of the one number that it has: the share
    that is left of the change in L2, what every pixel loses in L1."""
    size = change.abs()

    def left(t):
        kept = size * (1 - column(t)) if order == 2 else (size - column(t)).clamp(min=0)
        return kept.clamp(max=room)

    low, high = torch.zeros(EXAMPLES), torch.ones(EXAMPLES) if order == 2 else size.amax((1, 2, 3))
    inside = length(left(low), order) <= radius
    for _ in range(100):
        middle = (low + high) / 2
        fits = length(left(middle), order) <= radius
        low, high = torch.where(fits, low, middle), torch.where(fits, middle, high)
    return left(torch.where(inside, 0, high)) * change.sign()


def project(order, x, origin, radius, as_published):
    change = x - origin
    if as_published or order == math.inf:
        return (origin + published(order, change, radius)).clamp(0, 1)
    return (origin + shrunk(order, change, radius, torch.where(change > 0, 1 - origin, origin))).clamp(0, 1)


def annealed(first, last, done):
    return last + (first - last) * (1 + math.cos(math.pi * done)) / 2


def fmn(model, norm, steps, labels, targeted, overshoot, as_published=False):
    network, origin = MODELS[model]
    order, x = ORDERS[norm], origin
    farthest = length(torch.maximum(origin, 1 - origin), order)
    radius, nearest = torch.full((EXAMPLES,), math.inf), torch.full((EXAMPLES,), math.inf)
    decided = torch.ones(EXAMPLES, dtype=bool)
    history = []
    for step in range(steps):
        at = x.clone().requires_grad_()
        logits = network(at)
        own = F.one_hot(labels, logits.shape[1]).bool()
        margin = logits.masked_fill(own, -math.inf).amax(1) - logits[own]
        margin = -margin if targeted else margin
        slope = torch.autograd.grad(margin.sum(), at)[0]
        margin, distance = margin.detach(), length(x - origin, order)
        decided &= margin.abs() > ROUNDING
        reached = margin > 0
        nearest = torch.where(reached, torch.minimum(nearest, distance), nearest)
        history.append((x, torch.where(reached, distance, math.inf)))
        gamma = annealed(0.05, 0.001, step / steps)
        way = distance + margin.abs() / length(slope, DUALS[norm])
        known = torch.where(reached, torch.minimum(radius * (1 - gamma), nearest), radius * (1 + gamma))
        # The library adds what pixels are rounded by, here 1e-16 each.
        radius = torch.where(nearest.isinf(), way * (1 + overshoot), known).minimum(farthest)
        size = annealed(1.0, 0.01, step / steps)
        x = project(order, x + size * slope / column(length(slope, 2)), origin, radius, as_published)
    seen, far = torch.stack([x for x, _ in history]), torch.stack([d for _, d in history])
    best = far.argmin(0)
    found = nearest.isfinite()
    result = torch.where(column(found), seen[best, torch.arange(EXAMPLES)], origin)
    others = (seen - result).abs().flatten(2).amax(2) > ROUNDING
    alone = ~(others & (far < nearest + ROUNDING)).any(0)
    return {"found": found, "distances": nearest, "result": result, "decided": decided, "alone": alone}


def package(model, norm, steps, labels, targeted):
    """The images of foolbox's code, and whether they are adversarial."""
    network, origin = MODELS[model]
    attack = PACKAGE[norm](steps=steps)
    if norm == "l2":
        attack.project = lambda x, x0, epsilon: type(x)(x0.raw + published(2, (x - x0).raw, epsilon.raw))
    criterion = (TargetedMisclassification if targeted else Misclassification)(labels)
    found = attack.run(foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu"), origin, criterion)
    return found, (network(found).argmax(1) == labels) == targeted


def distances(values, found):
    return [value if found else None for value, found in zip(numbers(values), found.tolist())]


def check(theirs, reached, ours, origin, order):
    """The published algorithm, by the package and by the code here; how many images are compared."""
    sure = ours["decided"]
    assert (reached == ours["found"])[sure].all()
    sure = sure & reached
    assert (length(theirs - origin, order) - ours["distances"])[sure].abs().max() < 1e-9
    sure = sure & ours["alone"]
    assert (theirs - ours["result"])[sure].abs().max() < 1e-9
    return int(sure.sum())


def main():
    torch.set_default_dtype(torch.float64)
    cases, checked = [], 0
    for model, (network, origin) in MODELS.items():
        order = network(origin).argsort(1, descending=True)
        for norm in ORDERS:
            for targeted, steps in ((False, 100), (False, 20), (True, 100)):
                # The least likely class is a target that is far away.
                labels = order[:, -1] if targeted else order[:, 0]
                settings = (model, norm, steps, labels, targeted)
                theirs, reached = package(*settings)
                checked += check(theirs, reached, fmn(*settings, 0.0, True), origin, ORDERS[norm])
                for overshoot in (0.0, 0.001):
                    found = fmn(*settings, overshoot)
                    cases.append({
                        "model": model,
                        "norm": norm,
                        "targeted": targeted,
                        "steps": steps,
                        "overshoot": overshoot,
                        "decided": found["decided"].tolist(),
                        "alone": found["alone"].tolist(),
                        "distances": distances(found["distances"], found["found"]),
                        "result": numbers(found["result"]),
                        "package": distances(length(theirs - origin, ORDERS[norm]), reached),
                    })
    print(f"{checked} images are those of the package")
    of = lambda model: MODELS[model][0](MODELS[model][1]).argsort(1, descending=True)
    save("fmn.json", {
        "foolbox": foolbox.__version__,
        "models": {
            model: {
                "images": numbers(origin),
                "shape": list(origin.shape),
                "labels": of(model)[:, 0].tolist(),
                "targets": of(model)[:, -1].tolist(),
            }
            for model, (_, origin) in MODELS.items()
        },
        "cases": cases,
    })


if __name__ == "__main__":
    main()
