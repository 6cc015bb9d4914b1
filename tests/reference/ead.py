"""EAD, foolbox's own code in float64 -> data/ead.json.

The networks and the images of fmn.py, by both rules, away from a class and towards one, with and without a confidence. For
each example the adversarial image that the rule prefers. `abort_early` is off: with it the results of an image depend on
the others of its batch.
"""

import foolbox
import torch
from foolbox.attacks import EADAttack
from foolbox.criteria import Misclassification, TargetedMisclassification

from fmn import MODELS
from hashing import numbers, save

BETA, CONSTANT, SEARCH_STEPS, STEPS = 0.01, 0.1, 6, 100


def run(model, rule, targeted, confidence, labels):
    network, images = MODELS[model]
    attack = EADAttack(
        binary_search_steps=SEARCH_STEPS,
        steps=STEPS,
        confidence=confidence,
        initial_const=CONSTANT,
        regularization=BETA,
        decision_rule=rule,
        abort_early=False,
    )
    criterion = (TargetedMisclassification if targeted else Misclassification)(labels)
    return attack.run(foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu"), images, criterion)


def main():
    torch.set_default_dtype(torch.float64)
    models, cases = {}, []
    for model, (network, images) in MODELS.items():
        order = network(images).argsort(1, descending=True)
        models[model] = {
            "images": numbers(images),
            "shape": list(images.shape),
            "labels": order[:, 0].tolist(),
            # The least likely class is a target that is far away.
            "targets": order[:, -1].tolist(),
        }
        for rule in ("EN", "L1"):
            for targeted, confidence in ((False, 0.0), (False, 0.2), (True, 0.0)):
                labels = order[:, -1] if targeted else order[:, 0]
                found = run(model, rule, targeted, confidence, labels)
                # The package gives black images where it finds nothing.
                classes = network(found).argmax(1)
                assert ((classes == labels) == targeted).all()
                change = (found - images).flatten(1)
                cases.append({
                    "model": model,
                    "rule": rule,
                    "targeted": targeted,
                    "confidence": confidence,
                    "result": numbers(found),
                    "distances": numbers(change.abs().sum(1)),
                    "unchanged": (change == 0).sum(1).tolist(),
                })
    save("ead.json", {
        "foolbox": foolbox.__version__,
        "models": models,
        "beta": BETA,
        "constant": CONSTANT,
        "search_steps": SEARCH_STEPS,
        "steps": STEPS,
        "cases": cases,
    })


if __name__ == "__main__":
    main()
