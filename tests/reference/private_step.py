"""A step of private SGD without noise by Opacus, float64 -> data/private_step.json.

A convolution, a group norm, a layer norm and a linear layer on six small images, of eight expected
ones: the clipped sum of the gradients of single examples over the expected batch, flat and per
layer. Needs opacus; the file names its version.
"""

import opacus
import torch
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from opacus.optimizers.perlayeroptimizer import DPPerLayerOptimizer
from torch.nn.functional import cross_entropy

from hashing import hash_normal, hash_uniform, numbers, save, tensor

EXAMPLES, EXPECTED = 6, 8


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.norm = torch.nn.GroupNorm(2, 4)
        self.layer = torch.nn.LayerNorm(64)
        self.out = torch.nn.Linear(64, 3)

    def forward(self, images):
        x = torch.relu(self.norm(self.conv(images))).flatten(1)
        return self.out(self.layer(x))


def build():
    net = Net().double()
    with torch.no_grad():
        for stream, p in enumerate(net.parameters(), start=41):
            p.copy_(tensor(0.5 * hash_normal(stream, p.numel()), p.shape, torch.float64))
        net.norm.weight.add_(1.0)
        net.layer.weight.add_(1.0)
    return net


def step(images, labels, max_norm, per_layer):
    net = GradSampleModule(build())
    parameters = list(net.parameters())
    kind = DPPerLayerOptimizer if per_layer else DPOptimizer
    norm = [max_norm / len(parameters) ** 0.5] * len(parameters) if per_layer else max_norm
    optimizer = kind(
        torch.optim.SGD(parameters, lr=1.0),
        noise_multiplier=0.0,
        max_grad_norm=norm,
        expected_batch_size=EXPECTED,
        loss_reduction="mean",
    )
    cross_entropy(net(images), labels).backward()
    optimizer.pre_step()
    return {name.removeprefix("_module."): p.grad for name, p in net.named_parameters()}


def main():
    images = tensor(hash_uniform(100, EXAMPLES * 16), (EXAMPLES, 1, 4, 4), torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    norms = []
    for i in range(EXAMPLES):
        net = build()
        cross_entropy(net(images[i : i + 1]), labels[i : i + 1]).backward()
        norms.append(sum(p.grad.square().sum() for p in net.parameters()).sqrt())
    # Three of six are clipped.
    max_norm = torch.stack(norms).sort().values[2:4].mean().item()
    save("private_step.json", {
        "opacus": opacus.__version__,
        "parameters": {name: numbers(p.detach()) for name, p in build().named_parameters()},
        "images": numbers(images),
        "labels": labels.tolist(),
        "expected": EXPECTED,
        "max_norm": max_norm,
        "flat": {n: numbers(g) for n, g in step(images, labels, max_norm, False).items()},
        "per_layer": {n: numbers(g) for n, g in step(images, labels, max_norm, True).items()},
    })


if __name__ == "__main__":
    main()
