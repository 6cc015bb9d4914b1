"""Optimizer, schedules and gradient clipping, float64 -> data/optim.json.

The torch version is written along.
"""

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR, OneCycleLR

from hashing import hash_normal, numbers, save, tensor

START = [1.0, -1.0, 0.5, -0.5, 2.0]
SQUARE = [1.0, 2.0, 3.0, 4.0, 5.0]
CUBE = [0.1, -0.2, 0.3, -0.4, 0.5]


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


def sgd(**settings):
    p = f64(START).requires_grad_()
    optimizer = SGD([p], lr=0.1, **settings)
    schedule = MultiStepLR(optimizer, milestones=[2, 4], gamma=0.1)
    steps = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = (f64(SQUARE) * p**2 / 2 + f64(CUBE) * p**3 / 3).sum()
        loss.backward()
        step = {"lr": schedule.get_last_lr()[0], "loss": loss.item(), "gradient": numbers(p.grad)}
        optimizer.step()
        schedule.step()
        steps.append({**step, "after": numbers(p)})
    return {"settings": settings, "start": START, "square": SQUARE, "cube": CUBE, "steps": steps}


def rates(make, lr, count):
    """The rate in force at step 0, 1, ..., count - 1."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule, seen = make(optimizer), []
    for _ in range(count):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(seen) < count:
            schedule.step()
    return seen


def one_cycle(max_lr, total_steps):
    return lambda o: OneCycleLR(o, max_lr=max_lr, total_steps=total_steps, pct_start=0.3, anneal_strategy="cos",
                                cycle_momentum=False, div_factor=25, final_div_factor=1e4)


def clip(scale):
    tensors = [torch.zeros(shape, dtype=torch.float64) for shape in ((2, 3), (4,))]
    for stream, t in enumerate(tensors, start=21):
        t.grad = tensor(scale * hash_normal(stream, t.numel()), t.shape, torch.float64)
    before = [numbers(t.grad) for t in tensors]
    norm = torch.nn.utils.clip_grad_norm_(tensors, 0.5).item()
    return {"max_norm": 0.5, "before": before, "norm": norm, "after": [numbers(t.grad) for t in tensors]}


def main():
    save("optim.json", {
        "sgd": [
            sgd(momentum=0.9, dampening=0.0, weight_decay=1e-4, nesterov=True),
            sgd(momentum=0.9, dampening=0.0, weight_decay=1e-4, nesterov=False),
            sgd(momentum=0.8, dampening=0.3, weight_decay=0.0, nesterov=False),
            sgd(momentum=0.0, dampening=0.0, weight_decay=1e-2, nesterov=False),
        ],
        "rates": {
            "multi_step": rates(lambda o: MultiStepLR(o, [2, 4], 0.1), 0.1, 6),
            "cosine": rates(lambda o: CosineAnnealingLR(o, T_max=6, eta_min=0), 0.1, 7),
            "one_cycle": rates(one_cycle(0.2, 10), 0.1, 10),
        },
        # Stepped once a batch: three epochs of seven.
        "rates_by_step": {
            "multi_step": rates(lambda o: MultiStepLR(o, [5, 16], 0.1), 0.1, 21),
            "cosine": rates(lambda o: CosineAnnealingLR(o, T_max=21, eta_min=0), 0.1, 21),
            "one_cycle": rates(one_cycle(0.2, 21), 0.1, 21),
        },
        "clip": {"long": clip(1.0), "short": clip(0.01)},
    })


if __name__ == "__main__":
    main()
