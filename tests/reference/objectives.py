"""Losses of training objectives and one step of SGD on each, float64 -> data/objectives.json.

The network is one convolution and one linear map without biases. Its weights, the images, clean and
adversarial, and the points of ELLE are hashes; the formulas are those of the papers.

The torch version is written along.
"""

import torch
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor

BATCH, CLASSES, LR = 6, 4, 0.1
LABELS = torch.tensor([0, 1, 2, 3, 1, 0])


def normal(stream, *shape):
    count = int(torch.tensor(shape).prod())
    return tensor(hash_normal(stream, count), shape, torch.float64)


def uniform(stream, *shape):
    count = int(torch.tensor(shape).prod())
    return tensor(hash_uniform(stream, count), shape, torch.float64)


def images(stream):
    return uniform(stream, BATCH, 1, 4, 4)


def weights():
    return [(0.5 * normal(51, 2, 1, 3, 3)).requires_grad_(), (0.7 * normal(52, 8, CLASSES)).requires_grad_()]


def forward(weights, x):
    conv, out = weights
    return torch.tanh(F.conv2d(x, conv)).flatten(1) @ out


def kl(clean, adversarial):
    return (clean.softmax(1) * (clean.log_softmax(1) - adversarial.log_softmax(1))).sum(1)


def cross_entropy(smoothing=0.0):
    return lambda logits: F.cross_entropy(logits, LABELS, reduction="none", label_smoothing=smoothing)


def clean(smoothing):
    return lambda f: cross_entropy(smoothing)(f(images(61)))


def half_and_half(a, b, smoothing):
    ce = cross_entropy(smoothing)
    return lambda f: a * ce(f(images(61))) + b * ce(f(images(62)))


def trades(beta):
    def loss(f):
        natural, adversarial = f(images(61)), f(images(62))
        return cross_entropy()(natural) + beta * kl(natural, adversarial)
    return loss


def mart(weight):
    def loss(f):
        natural, adversarial = f(images(61)), f(images(62))
        own = F.one_hot(LABELS, CLASSES).bool()
        rival = adversarial.softmax(1).masked_fill(own, -1.0).max(1).values
        boosted = cross_entropy()(adversarial) - torch.log(1.0001 - rival + 1e-12)
        return boosted + weight * kl(natural, adversarial) * (1.0000001 - natural.softmax(1)[own])
    return loss


def elle(f):
    """The penalty alone, without its weight."""
    share = uniform(66, BATCH)
    a, b = images(64), images(65)
    at = share.reshape(-1, 1, 1, 1)
    a, b, c = (cross_entropy()(f(x)) for x in (a, b, (1 - at) * a + at * b))
    return (c - (1 - share) * a - share * b) ** 2


def case(loss):
    parameters = weights()
    losses = loss(lambda x: forward(parameters, x))
    losses.mean().backward()
    torch.optim.SGD(parameters, lr=LR).step()
    return {"losses": numbers(losses), "after": [numbers(p) for p in parameters]}


def main():
    save("objectives.json", {
        "labels": LABELS.tolist(),
        "lr": LR,
        "clean": {"plain": case(clean(0.0)), "smooth": case(clean(0.3))},
        "half_and_half": {
            "half": case(half_and_half(0.5, 0.5, 0.0)),
            "smooth": case(half_and_half(0.25, 1.5, 0.1)),
        },
        "trades": {"six": case(trades(6.0)), "one": case(trades(1.0))},
        "mart": {"five": case(mart(5.0)), "one": case(mart(1.0))},
        "elle": case(elle),
    })


if __name__ == "__main__":
    main()
