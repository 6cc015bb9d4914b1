"""Averages of weights and recomputed batch statistics, float64 -> data/averages.json.

The weights after each step of a small training, PyTorch's AveragedModel of them by EMA and by SWA,
and update_bn of the averaged model.
"""

import torch
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from hashing import hash_normal, numbers, save, tensor

EPOCHS, STEPS, BATCH, DECAY, START = 4, 3, 8, 0.8, 1


class Net(torch.nn.Module):
    def __init__(self, momentum):
        super().__init__()
        self.hidden = torch.nn.Linear(6, 4)
        self.norm = torch.nn.BatchNorm1d(4, momentum=momentum)
        self.out = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.out(torch.relu(self.norm(self.hidden(x))))


def weights(model):
    return [v for p in model.parameters() for v in numbers(p)]


def main():
    net = Net(0.1).double()
    with torch.no_grad():
        for stream, p in enumerate(net.parameters(), start=61):
            p.copy_(tensor(0.5 * hash_normal(stream, p.numel()), p.shape, torch.float64))
    data = [tensor(2 * hash_normal(80 + i, BATCH * 6) + i, (BATCH, 6), torch.float64) for i in range(STEPS)]
    labels = torch.arange(BATCH) % 3
    ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    swa = AveragedModel(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.3, momentum=0.9)
    steps = []
    for epoch in range(EPOCHS):
        for x in data:
            optimizer.zero_grad()
            cross_entropy(net(x), labels).backward()
            optimizer.step()
            ema.update_parameters(net)
            steps.append({"weights": weights(net), "ema": weights(ema)})
        if epoch >= START:
            swa.update_parameters(net)
            steps[-1]["swa"] = weights(swa)
    update_bn(data, swa)
    norm = swa.module.norm
    save("averages.json", {
        "epochs": EPOCHS, "decay": DECAY, "start_epoch": START, "steps": steps,
        "batches": [numbers(x) for x in data],
        # PyTorch's running variance is the unbiased one of a batch, Burn's the biased one.
        "mean": numbers(norm.running_mean), "unbiased_variance": numbers(norm.running_var), "batch": BATCH,
    })


if __name__ == "__main__":
    main()
