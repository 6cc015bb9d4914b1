"""One update with adversarial weight perturbation, float64 -> data/awp.json.

A restatement of algorithm 1 of arXiv 2004.05884: one step of ascent of the
loss, scaled to gamma times the norm of each tensor of more than one axis, then
plain SGD with the gradient at the moved weights. Batch norm's running
statistics move by the pass at the moved weights alone.

The torch version is written along.
"""

import copy

import torch
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor

GAMMA = 0.05
LR = 0.1


def net():
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.BatchNorm1d(5), torch.nn.ReLU(), torch.nn.Linear(5, 3)
    ).double()
    with torch.no_grad():
        for stream, p in enumerate(model.parameters(), start=41):
            p.copy_(tensor(0.5 * hash_normal(stream, p.numel()) + (p.dim() == 1), p.shape, torch.float64))
    return model


def gradients(model, images, labels):
    loss = F.cross_entropy(model(images), labels)
    return loss.item(), torch.autograd.grad(loss, list(model.parameters()))


def main():
    images = tensor(hash_uniform(51, 24), (4, 6), torch.float64)
    labels = torch.tensor([0, 2, 1, 2])
    model = net()
    start = {name: numbers(p) for name, p in model.named_parameters()}
    loss, ascent = gradients(copy.deepcopy(model), images, labels)
    moved = []
    with torch.no_grad():
        for p, g in zip(model.parameters(), ascent):
            change = GAMMA * p.norm() * g / g.norm() if p.dim() > 1 else torch.zeros_like(p)
            moved.append(change)
            p.add_(change)
    moved_loss, at_moved = gradients(model, images, labels)
    with torch.no_grad():
        for p, change, g in zip(model.parameters(), moved, at_moved):
            p.sub_(change)
            p.sub_(LR * g)
    save("awp.json", {
        "gamma": GAMMA,
        "lr": LR,
        "images": numbers(images),
        "labels": labels.tolist(),
        "start": start,
        "loss": loss,
        "moved_loss": moved_loss,
        "after": {name: numbers(p) for name, p in model.named_parameters()},
        "running_mean": numbers(model[1].running_mean),
    })


if __name__ == "__main__":
    main()
