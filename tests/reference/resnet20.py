"""CIFAR ResNet-20 with and without noise -> data/resnet20.json.

The model of the published checkpoints (same module names, shortcut B), with
weights from hashing.py and the library's keyed draws from philox.py; logits,
loss and gradients in both modes, and the torch version. Also the home of the
model for the other scripts.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor
from noisy_conv import colored, white
from philox import Key, normal

MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
LABELS = [3, 1, 4, 1]


class Conv(nn.Conv2d):
    """Convolution without bias; noisy when it has a rank and somebody draws."""

    draw = None  # (part, n) -> n normal values: part 0 is e, part 1 is e_f

    def __init__(self, inputs, outputs, kernel, stride, rank):
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        if rank is not None:
            self.alphad_w = nn.Parameter(torch.full((self.weight.numel(),), 0.0625))
            self.alphaf_w = nn.Parameter(torch.full((1, self.weight.numel(), rank), 0.01))

    def forward(self, x):
        weight = self.weight
        if self.draw:
            e, e_f = self.draw(0, weight.numel()), self.draw(1, self.alphaf_w.shape[2])
            weight = weight + colored(weight, self.alphad_w, self.alphaf_w, e, e_f)
        return F.conv2d(x, weight, None, self.stride, self.padding)


class Linear(nn.Linear):
    draw = None

    def __init__(self, inputs, outputs, noisy):
        super().__init__(inputs, outputs)
        if noisy:
            self.alpha = nn.Parameter(torch.full((outputs, inputs), 0.25))

    def forward(self, x):
        weight = self.weight
        if self.draw:
            e = self.draw(0, weight.numel()).reshape(weight.shape)
            weight = weight + white(weight, self.alpha, e)
        return F.linear(x, weight, self.bias)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, rank):
        super().__init__()
        self.conv1 = Conv(inputs, outputs, 3, stride, rank)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = Conv(outputs, outputs, 3, 1, rank)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(Conv(inputs, outputs, 1, stride, rank), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    """Depth 6n + 2. rank None leaves the noise parameters out."""

    def __init__(self, depth=20, width=1.0, rank=None, classes=10):
        super().__init__()
        # Not persistent: the published state dicts carry no normalization.
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        n, (a, b, c) = (depth - 2) // 6, (int(w * width) for w in (16, 32, 64))
        self.conv1 = Conv(3, a, 3, 1, rank)
        self.bn1 = nn.BatchNorm2d(a)
        for name, inputs, outputs, stride in (("layer1", a, a, 1), ("layer2", a, b, 2), ("layer3", b, c, 2)):
            blocks = [Block(inputs if i == 0 else outputs, outputs, stride if i == 0 else 1, rank) for i in range(n)]
            self.add_module(name, nn.Sequential(*blocks))
        self.fc = Linear(c, classes, rank is not None)

    def forward(self, x):
        x = (x - self.mean) / self.std
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))

    def noise(self, source):
        """source(name, part, n) feeds the draws of the layer of that name; None is silence."""
        for name, layer in self.named_modules():
            if isinstance(layer, (Conv, Linear)):
                layer.draw = source and (lambda part, n, name=name: source(name, part, n))
        return self


def keyed_draw(name, part, n):
    """What the library draws in the scope of `Key::new(7)`: part 0 is e, part 1 is e_f, both of use 0."""
    path = name.replace("downsample.0", "downsample") + ".weight"
    values = normal(Key.new(7).named(path).child(0).child(part), n)
    # Burn keeps linear weights [in, out].
    values = values.reshape(64, 10).T if name == "fc" else values
    return tensor(values.copy(), (n,))


def hashed_value(name, shape, stream):
    """The value a state-dict entry gets, by its name and shape."""
    n, leaf = torch.Size(shape).numel(), name.rsplit(".", 1)[-1]
    if leaf in ("alphad_w", "alphad_i"):
        values = 0.0625 * (0.5 + hash_uniform(stream, n))
    elif leaf in ("alphaf_w", "alphaf_i"):
        values = 0.01 * hash_normal(stream, n)
    elif leaf in ("alpha", "alpha_w"):
        values = 0.25 * (0.5 + hash_uniform(stream, n))
    elif leaf == "weight" and len(shape) == 4:
        values = hash_normal(stream, n) * (2 / (shape[0] * shape[2] * shape[3])) ** 0.5
    elif leaf == "running_var":
        # Wide enough that the noisy logits stay of order one in evaluation mode.
        values = 1 + 2 * hash_uniform(stream, n)
    elif leaf == "weight" and len(shape) == 1:
        values = 0.5 + hash_uniform(stream, n)
    else:  # running_mean, biases, the classifier's weight
        values = 0.1 * hash_normal(stream, n)
    return tensor(values, shape)


def fill(model, keep=()):
    """Entry t of the state dict, counters left out, takes stream 1000 + t."""
    entries = [(k, v) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")]
    for t, (name, value) in enumerate(entries):
        if name not in keep:
            value.copy_(hashed_value(name, value.shape, 1000 + t))
    return model


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def norm(t):
    # Summed in float64, so that the tests compare gradients and not summation orders.
    return t.double().norm().item()


def record(model, x, labels):
    x = x.clone().requires_grad_()
    model.zero_grad()
    logits = model(x)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    return {
        "logits": numbers(logits),
        "loss": loss.item(),
        "input_gradient": {"norm": norm(x.grad), "first": numbers(x.grad.flatten()[:64])},
        "gradients": {
            name: {"norm": norm(p.grad), "sum": p.grad.double().sum().item(), "first": numbers(p.grad.flatten()[:8])}
            for name, p in model.named_parameters()
        },
    }


def main():
    torch.set_num_threads(2)
    model = fill(ResNet(rank=5)).noise(keyed_draw)
    counts = {"noisy": parameters(model), "plain": parameters(ResNet())}
    assert counts == {"noisy": 1_894_650, "plain": 272_474}, counts
    x = tensor(hash_uniform(1, 4 * 3 * 32 * 32), (4, 3, 32, 32))
    # Evaluation first: the training forward moves the running statistics.
    results = {mode: record(model.train(mode == "train"), x, torch.tensor(LABELS)) for mode in ("eval", "train")}
    save("resnet20.json", {"parameters": counts, "labels": LABELS, **results})


if __name__ == "__main__":
    main()
