"""Activations, wide ResNets and airbench networks -> data/families.json.

Activations and their gradients in float64; small networks with weights from
hashing.py, by the layers of PyTorch: logits, loss and gradients in both modes.
Uses the values and records of resnet20.py.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor
from resnet20 import LABELS, MEAN, STD, fill, parameters, record

ACTIVATIONS = {"relu": F.relu, "silu": F.silu, "gelu": F.gelu, "mish": F.mish, "softplus": F.softplus}
POINTS = [-100, -20, -10, -5, -3, -1, -0.5, -0.001, 0, 0.001, 0.5, 1, 3, 5, 10, 19.5, 20.5, 100]


def conv(inputs, outputs, kernel=3, stride=1, padding=1, bias=False):
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)


class Wide(nn.Module):
    """A pre-activation block of Zagoruyko and Komodakis, without dropout."""

    def __init__(self, inputs, outputs, stride, activation):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(inputs)
        self.conv2, self.bn2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.downsample = None
        if inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride, 0))
        self.activation = activation

    def forward(self, x):
        y = self.activation(self.bn1(x))
        x = self.downsample(y) if self.downsample else x
        return x + self.conv2(self.activation(self.bn2(self.conv1(y))))


class Basic(nn.Module):
    """A block of He et al., CVPR 2016, with a projection."""

    def __init__(self, inputs, outputs, stride, activation):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.downsample = None
        if inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride, 0), nn.BatchNorm2d(outputs))
        self.activation = activation

    def forward(self, x):
        y = self.activation(self.bn1(self.conv1(x)))
        return self.activation(self.bn2(self.conv2(y)) + (self.downsample(x) if self.downsample else x))


class Group(nn.Module):
    """A block of airbench94."""

    def __init__(self, inputs, outputs, stride, activation):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.activation = activation

    def forward(self, x):
        x = self.activation(self.bn1(F.max_pool2d(self.conv1(x), 2)))
        return self.activation(self.bn2(self.conv2(x)))


class Network(nn.Module):
    """Three stages of one block, of the family of that block."""

    def __init__(self, block, channels, activation):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.block, self.activation = block, activation
        stem = {Wide: 16, Basic: channels[0], Group: 24}[block]
        self.conv1 = conv(3, stem, 2, 1, 0, bias=True) if block is Group else conv(3, stem)
        self.bn1 = nn.BatchNorm2d(stem) if block is Basic else nn.Identity()
        for stage, (inputs, outputs) in enumerate(zip([stem, *channels], channels)):
            layer = nn.Sequential(block(inputs, outputs, 2 if stage else 1, activation))
            self.add_module(f"layer{stage + 1}", layer)
        self.bn = nn.BatchNorm2d(channels[-1]) if block is Wide else nn.Identity()
        self.fc = nn.Linear(channels[-1], 10, bias=block is not Group)

    def forward(self, x):
        x = self.bn1(self.conv1((x - self.mean) / self.std))
        x = x if self.block is Wide else self.activation(x)
        x = self.layer3(self.layer2(self.layer1(x)))
        if self.block is Group:
            return self.fc(F.max_pool2d(x, 3).flatten(1)) / 9
        return self.fc((self.activation(self.bn(x)) if self.block is Wide else x).mean((2, 3)))


NETWORKS = {
    "wrn": (Wide, (8, 16, 32), F.relu),
    "wrn-silu": (Wide, (8, 16, 32), F.silu),
    "airbench": (Group, (8, 32, 32), F.gelu),
    "airbench-softplus": (Group, (8, 32, 32), F.softplus),
    "cifar-mish": (Basic, (8, 16, 32), F.mish),
}


def activation(function, x):
    x = x.clone().requires_grad_()
    y = function(x)
    y.sum().backward()
    return {"value": numbers(y), "gradient": numbers(x.grad)}


def short(results):
    """Of the gradients' values the first few: the norm tells the rest."""
    results["input_gradient"]["first"] = results["input_gradient"]["first"][:8]
    for gradient in results["gradients"].values():
        gradient["first"] = gradient["first"][:3]
        del gradient["sum"]
    return results


def main():
    torch.set_num_threads(2)
    points = torch.tensor(POINTS, dtype=torch.float64)
    # Numbers of single precision, which is what the tests compute with.
    x = torch.cat([points, tensor(3 * hash_normal(5, 30), (30,)).double()]).float().double()
    images = tensor(hash_uniform(1, 4 * 3 * 32 * 32), (4, 3, 32, 32))
    networks = {}
    for name, (block, channels, function) in NETWORKS.items():
        model = fill(Network(block, channels, function))
        # Evaluation first: the training forward moves the running statistics.
        networks[name] = {"parameters": parameters(model)} | {
            mode: short(record(model.train(mode == "train"), images, torch.tensor(LABELS))) for mode in ("eval", "train")
        }
        del networks[name]["eval"]["gradients"]
    activations = {name: activation(function, x) for name, function in ACTIVATIONS.items()}
    save("families.json", {"x": numbers(x), "activations": activations, "labels": LABELS, "networks": networks})


if __name__ == "__main__":
    main()
