"""How far bf16 autocast takes ResNet-20 from single precision -> data/half_precision.json.

The plain model of resnet20.py with weights from hashing.py, on four batches of 16 images, in both
modes. In single precision, of the first batch: logits, loss, and the norm and the first values of
each gradient, which show that a reader computes the same network. Of bf16: the relative error of each
tensor against single precision (root mean square over the batches), the mean cosine, and the share of
pixels whose gradient keeps its sign.
"""

import torch
import torch.nn.functional as F

from hashing import hash_uniform, numbers, save, tensor
from resnet20 import ResNet, fill, norm

BATCH, STREAMS = 16, [1, 2, 3, 4]
LABELS = [(7 * i + 3) % 10 for i in range(BATCH)]


def tensors(model, x, labels, bf16):
    """The loss, and the logits and all gradients by name."""
    x = x.clone().requires_grad_()
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = model(x)
    loss = F.cross_entropy(logits.float(), labels)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    return loss.item(), {"logits": logits.detach().float(), "input": x.grad, **gradients}


def compare(pairs):
    """Error and cosine of (full, half) pairs of one tensor."""
    pairs = [(full.double().flatten(), half.double().flatten()) for full, half in pairs]
    errors = [norm(half - full) / norm(full) for full, half in pairs]
    cosines = [torch.dot(half, full).item() / (norm(half) * norm(full)) for full, half in pairs]
    error, cosine = (sum(e * e for e in errors) / len(errors)) ** 0.5, sum(cosines) / len(cosines)
    return {"error": float(f"{error:.4g}"), "cosine": float(f"{cosine:.7f}")}


def results(model, batches, labels):
    full = [tensors(model, x, labels, bf16=False) for x in batches]
    half = [tensors(model, x, labels, bf16=True) for x in batches]
    (loss, first), names = full[0], full[0][1]
    pairs = {name: [(a[name], b[name]) for (_, a), (_, b) in zip(full, half)] for name in names}
    signs = [(a.sign() == b.sign()).double().mean().item() for a, b in pairs["input"]]
    return {
        "logits": numbers(first["logits"]),
        "loss": loss,
        "gradients": {
            name: {"norm": norm(value), "first": numbers(value.flatten()[:8])}
            for name, value in first.items()
            if name != "logits"
        },
        "bf16": {"signs": sum(signs) / len(signs), "tensors": {name: compare(pairs[name]) for name in names}},
    }


def main():
    torch.set_num_threads(2)
    # As an expert runs it; the errors of the other layout are the same to within their own scatter.
    model = fill(ResNet()).to(memory_format=torch.channels_last)
    pixels = (tensor(hash_uniform(stream, BATCH * 3 * 32 * 32), (BATCH, 3, 32, 32)) for stream in STREAMS)
    batches = [x.contiguous(memory_format=torch.channels_last) for x in pixels]
    # Evaluation first: the training forward moves the running statistics.
    modes = {mode: results(model.train(mode == "train"), batches, torch.tensor(LABELS)) for mode in ("eval", "train")}
    settings = {"cpu": torch.backends.cpu.get_cpu_capability(), "labels": LABELS, "streams": STREAMS}
    save("half_precision.json", {**settings, **modes})


if __name__ == "__main__":
    main()
