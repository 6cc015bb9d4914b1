"""Clipping of each example's gradient, float64 -> data/per_example.json.

A convolution, a group norm and a linear layer on six small images. The gradient of each example
comes from torch.func and, as a check, from a loop over batches of one.
"""

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from hashing import hash_normal, hash_uniform, numbers, save, tensor

EXAMPLES = 6


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.norm = torch.nn.GroupNorm(2, 4)
        self.out = torch.nn.Linear(4 * 4 * 4, 3)

    def forward(self, images):
        return self.out(torch.relu(self.norm(self.conv(images))).flatten(1))


def main():
    net = Net().double()
    with torch.no_grad():
        for stream, p in enumerate(net.parameters(), start=41):
            p.copy_(tensor(0.5 * hash_normal(stream, p.numel()), p.shape, torch.float64))
        net.norm.weight.add_(1.0)
    images = tensor(hash_uniform(100, EXAMPLES * 16), (EXAMPLES, 1, 4, 4), torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    parameters = {name: p.detach() for name, p in net.named_parameters()}

    def loss(parameters, image, label):
        return cross_entropy(functional_call(net, parameters, (image[None],)), label[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, images, labels)
    for i in range(EXAMPLES):
        net.zero_grad()
        cross_entropy(net(images[i : i + 1]), labels[i : i + 1]).backward()
        for name, p in net.named_parameters():
            assert torch.allclose(p.grad, gradients[name][i], rtol=1e-10, atol=1e-12)
    norms = sum(g.flatten(1).square().sum(1) for g in gradients.values()).sqrt()
    # Three of six are clipped.
    max_norm = norms.sort().values[2:4].mean()
    scales = (max_norm / norms).clamp(max=1.0)
    mean = {n: torch.einsum("b,b...->...", scales, g) / EXAMPLES for n, g in gradients.items()}
    save("per_example.json", {
        "parameters": {name: numbers(p) for name, p in parameters.items()},
        "images": numbers(images),
        "labels": labels.tolist(),
        "losses": numbers(cross_entropy(net(images), labels, reduction="none")),
        "norms": numbers(norms),
        "max_norm": max_norm.item(),
        "gradient": {name: numbers(g) for name, g in mean.items()},
        "unclipped": {name: numbers(g.mean(0)) for name, g in gradients.items()},
    })


if __name__ == "__main__":
    main()
