"""Carlini and Wagner's attack in Linf, by the authors' formula in float64 -> data/carlini_wagner_linf.json.

27 -> 16 tanh -> 5; one image at a time, by torch's own Adam and gradients. Each image is attacked twice:

`result` is the nearest adversarial image of all iterations, where a bound counts as met by an image that is adversarial and
moves no pixel beyond it. `authors` is the distance that the procedure of their li_attack.py (TensorFlow 1) ends with: a bound
counts as met once the loss before a step is below 1e-4 c and the image after it is adversarial, and the image of the last
bound met is the result.
"""

import torch
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor

EXAMPLES, INPUTS, HIDDEN, CLASSES = 6, 27, 16, 5
IMAGE = (3, 3, 3)
INSIDE = 0.999999


def values():
    made = {
        "w1": 0.5 * hash_normal(221, HIDDEN * INPUTS),
        "b1": 0.1 * hash_normal(222, HIDDEN),
        "w2": 0.6 * hash_normal(223, CLASSES * HIDDEN),
        "b2": 0.1 * hash_normal(224, CLASSES),
        "x": hash_uniform(225, EXAMPLES * INPUTS),
    }
    shapes = {"w1": (HIDDEN, INPUTS), "b1": (HIDDEN,), "w2": (CLASSES, HIDDEN), "b2": (CLASSES,), "x": (EXAMPLES, *IMAGE)}
    return {name: tensor(v, shapes[name], torch.float64) for name, v in made.items()}


V = values()


def network(x):
    return F.linear(torch.tanh(F.linear(x.flatten(1), V["w1"], V["b1"])), V["w2"], V["b2"])


def margin(x, label, targeted):
    """In the attacker's favour."""
    logits = network(x[None])[0]
    others = torch.cat([logits[:label], logits[label + 1 :]]).max()
    return logits[label] - others if targeted else others - logits[label]


class Descent:
    """The variable of an image, a little less black and white, and what it is lowered by."""

    def __init__(self, image, step):
        self.w = torch.atanh((2 * image - 1) * INSIDE).requires_grad_()
        self.adam = torch.optim.Adam([self.w], lr=step)

    def image(self):
        return (1 + torch.tanh(self.w)) / 2

    def losses(self, origin, label, targeted, tau, confidence):
        x = self.image()
        beyond = ((x - origin).abs() - tau).clamp(min=0).sum()
        return beyond, (confidence - margin(x, label, targeted)).clamp(min=0)

    def lower(self, loss):
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()


def nearest(origin, label, targeted, confidence, steps, step, first, last, factor, least):
    descent, tau, c, spent = Descent(origin, step), 1.0, first, 0
    best, shortest = origin, float("inf")
    while tau > least and c < last:
        with torch.no_grad():
            x = descent.image()
            distance = (x - origin).abs().max().item()
            m = margin(x, label, targeted)
            reached = bool(m > 0 and m >= confidence)
        if reached and distance < shortest:
            best, shortest = x, distance
        spent += 1
        if reached and distance <= tau:
            tau, spent, descent = factor * distance, 0, Descent(x, step)
        elif spent == steps:
            c, spent = 2 * c, 0
        beyond, short = descent.losses(origin, label, targeted, tau, confidence)
        descent.lower(beyond + c * short)
    return best


def authors(origin, label, targeted, steps, step, first, last, factor, least):
    tau, c, image = 1.0, first, origin
    # Of the image as they shrink it.
    shrunk = Descent(origin, step).image().detach()

    def solve(c):
        descent = Descent(image, step)
        while c < last:
            for _ in range(steps):
                beyond, short = descent.losses(shrunk, label, targeted, tau, 0.0)
                loss = beyond + c * short
                descent.lower(loss)
                x = descent.image().detach()
                if loss < 1e-4 * c and margin(x, label, targeted) > 0:
                    return x, c
            c *= 2
        return None, c

    while tau > least:
        found, c = solve(c)
        if found is None:
            break
        image = found
        tau = factor * min(tau, (found - origin).abs().max().item())
    return image


def run(labels, targeted, confidence, factor):
    options = {"steps": 60, "step": 0.01, "first": 0.01, "last": 10.0, "factor": factor, "least": 1 / 256}
    found = torch.stack([nearest(x, y, targeted, confidence, **options) for x, y in zip(V["x"], labels)])
    case = {"targeted": targeted, "confidence": confidence, **options, "result": numbers(found)}
    if confidence == 0:
        theirs = torch.stack([authors(x, y, targeted, **options) for x, y in zip(V["x"], labels)])
        case["authors"] = numbers((theirs - V["x"]).flatten(1).abs().amax(1))
    return case


def main():
    order = network(V["x"]).argsort(1, descending=True)
    labels, targets = order[:, 0].tolist(), order[:, 2].tolist()
    cases = [
        run(labels, False, 0.0, 0.9),
        run(labels, False, 0.0, 0.98),
        run(targets, True, 0.0, 0.9),
        run(labels, False, 0.3, 0.9),
    ]
    save("carlini_wagner_linf.json", {
        "values": {name: {"shape": list(t.shape), "data": numbers(t)} for name, t in V.items()},
        "labels": labels,
        "targets": targets,
        "cases": cases,
    })


if __name__ == "__main__":
    main()
