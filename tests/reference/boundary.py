"""The Boundary attack, foolbox's own code in float64 -> data/boundary.json.

27 -> 16 tanh -> 5; walks from the same starts along the same directions, with sizes of steps adapted every tenth step and
at every step. For each example: the image after so many steps, and the sizes of its steps.

One thing of the package is replaced: the directions, which it draws anew for each step. Here 61 of them take turns.
"""

import warnings

import eagerpy
import foolbox
import foolbox.attacks.boundary_attack as package
import torch
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor

EXAMPLES, INPUTS, HIDDEN, CLASSES, DIRECTIONS, STARTS = 6, 27, 16, 5, 61, 40
IMAGE = (3, 3, 3)


def values():
    made = {
        "w1": 0.5 * hash_normal(201, HIDDEN * INPUTS),
        "b1": 0.1 * hash_normal(202, HIDDEN),
        "w2": 0.6 * hash_normal(203, CLASSES * HIDDEN),
        "b2": 0.1 * hash_normal(204, CLASSES),
        "x": hash_uniform(205, EXAMPLES * INPUTS),
        "starts": hash_uniform(206, STARTS * INPUTS),
        "draws": hash_normal(207, DIRECTIONS * INPUTS),
    }
    shapes = {
        "w1": (HIDDEN, INPUTS),
        "b1": (HIDDEN,),
        "w2": (CLASSES, HIDDEN),
        "b2": (CLASSES,),
        "x": (EXAMPLES, *IMAGE),
        "starts": (STARTS, *IMAGE),
        "draws": (DIRECTIONS, INPUTS, 1),
    }
    return {name: tensor(v, shapes[name], torch.float64) for name, v in made.items()}


V = values()


def network(x):
    return F.linear(torch.tanh(F.linear(x.flatten(1), V["w1"], V["b1"])), V["w2"], V["b2"])


class Network(torch.nn.Module):
    def forward(self, x):
        return network(x)


def start(labels):
    """For each example the first of the starts that is of another class."""
    classes = network(V["starts"]).argmax(1)
    return torch.stack([V["starts"][(classes != label).nonzero()[0, 0]] for label in labels])


def run(steps, interval, labels):
    directions, seen = iter(range(steps + 1)), {}
    eagerpy.normal = lambda like, shape: eagerpy.astensor(V["draws"][next(directions) % DIRECTIONS].reshape(shape))
    proposals = package.draw_proposals

    # What a step begins with is what the one before it has left.
    def watched(bounds, originals, perturbed, *rest):
        seen.update(result=perturbed.raw.clone(), spherical=rest[-2].raw.clone(), source=rest[-1].raw.clone())
        return proposals(bounds, originals, perturbed, *rest)

    package.draw_proposals = watched
    model = foolbox.PyTorchModel(Network().eval(), bounds=(0, 1))
    attack = foolbox.attacks.BoundaryAttack(steps=steps + 1, update_stats_every_k=interval)
    attack.run(model, V["x"], foolbox.criteria.Misclassification(labels), starting_points=V["starts_used"])
    package.draw_proposals = proposals
    return {
        "steps": steps,
        "interval": interval,
        "distances": numbers((seen["result"] - V["x"]).flatten(1).norm(dim=1)),
        "spherical_steps": numbers(seen["spherical"]),
        "source_steps": numbers(seen["source"]),
        "result": numbers(seen["result"]),
    }


def main():
    # The mean of a window that has not begun.
    warnings.filterwarnings("ignore", "Mean of empty slice")
    labels = network(V["x"]).argmax(1)
    V["starts_used"] = start(labels)
    cases = [run(steps, interval, labels) for steps, interval in ((150, 10), (2000, 10), (600, 1))]
    kept = {name: V["starts_used"] if name == "starts" else t for name, t in V.items() if name != "starts_used"}
    save("boundary.json", {
        "foolbox": foolbox.__version__,
        "values": {name: {"shape": list(t.shape), "data": numbers(t)} for name, t in kept.items()},
        "labels": labels.tolist(),
        "cases": cases,
    })


if __name__ == "__main__":
    main()
