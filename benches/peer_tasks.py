"""The work of PyTorch in the speed comparisons, by the names of the tasks; `peer.py` times it."""

import contextlib
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "reference"))
from resnet18 import ResNet18  # noqa: E402
from resnet20 import ResNet  # noqa: E402

DRAWS, DRAW_SIZE = 20, 2_000_000
EPS, ATTACK_STEP, ATTACK_STEPS, CLIP = 8 / 255, 2 / 255, 7, 0.05
EOT_STEPS, EOT_DRAWS = 10, 8

# The models by the prefix of their tasks.
MODELS = {
    "": ResNet,
    "resnet18-": ResNet18,
    "preact18-": lambda rank=None: ResNet18(pre_activation=True, rank=rank),
}


class Missing(BaseException):
    """What this machine lacks for a task. No `Exception`, because the compiler catches those and goes on."""


def noisy(model=ResNet, device="cpu"):
    return model(rank=5).noise(lambda layer, part, n: torch.randn(n, device=device)).to(device)


def channels_last(model, images):
    return model.to(memory_format=torch.channels_last), images.contiguous(memory_format=torch.channels_last)


def data(batch):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 3, 32, 32, generator=generator)
    return x, torch.randint(10, (batch,), generator=generator)


def randn(batch):
    def draw():
        for _ in range(DRAWS):
            torch.randn(DRAW_SIZE)

    return draw


def noisy_weight(batch):
    weight, alpha = torch.randn(DRAW_SIZE), torch.tensor(0.25)

    def draw():
        for _ in range(DRAWS):
            weight + alpha * torch.randn_like(weight)

    return draw


def step(model, batch, bf16=False):
    """Forward and backward to the parameters, batch statistics; in bf16 with channels-last memory."""
    x, y = data(batch)
    if bf16:
        model, x = channels_last(model, x)
    model.train()

    def run():
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(x)
        F.cross_entropy(logits.float(), y).backward()

    return run


def judging(batch, model=ResNet, last=False, bf16=False, compiled=False):
    """The forward pass of a frozen model with its noise, without anything for gradients."""
    if compiled:
        wants_compiler()
    model, x = noisy(model).eval().requires_grad_(False), data(batch)[0]
    if last:
        model, x = channels_last(model, x)
    forward = torch.compile(model) if compiled else model

    def run():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            forward(x)

    return run


@contextlib.contextmanager
def frozen(model):
    """Parameters without gradients: neither eager nor compiled code then computes or keeps anything for them."""
    model.requires_grad_(False)
    yield
    model.requires_grad_(True)


def pgd(model, x, y, wasteful, loss_of):
    adversarial = (x + torch.empty_like(x).uniform_(-EPS, EPS)).clamp(0, 1)
    for _ in range(ATTACK_STEPS):
        adversarial.requires_grad_()
        loss = loss_of(adversarial, y)
        if wasteful:
            # The published code: parameter gradients are made and thrown away.
            loss.backward()
            gradient = adversarial.grad
        else:
            gradient = torch.autograd.grad(loss, adversarial)[0]
        moved = adversarial.detach() + ATTACK_STEP * gradient.sign()
        adversarial = (x + (moved - x).clamp(-EPS, EPS)).clamp(0, 1)
    return adversarial


def eot_attack(batch, last=False, bf16=False, compiled=False):
    """PGD on a frozen model with its noise, whose gradients are means over draws."""
    if compiled:
        wants_compiler()
    model, (x, y) = noisy().eval().requires_grad_(False), data(batch)
    if last:
        model, x = channels_last(model, x)
    forward = torch.compile(model) if compiled else model

    def run():
        adversarial = (x + torch.empty_like(x).uniform_(-EPS, EPS)).clamp(0, 1)
        for _ in range(EOT_STEPS):
            gradient = torch.zeros_like(x)
            for _ in range(EOT_DRAWS):
                # A pass for each draw: all images of a batch have the same weights.
                adversarial.requires_grad_()
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    logits = forward(adversarial)
                gradient += torch.autograd.grad(F.cross_entropy(logits.float(), y), adversarial)[0]
            moved = adversarial.detach() + ATTACK_STEP * gradient.sign()
            adversarial = (x + (moved - x).clamp(-EPS, EPS)).clamp(0, 1)

    return run


def wants_compiler():
    # Imported here, since it takes memory that other tasks measure.
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise Missing("torch.compile wants a C++ compiler, and finds none") from error


def adversarial_step(batch, model=ResNet, wasteful=False, device="cpu", last=False, bf16=False, compiled=False):
    """One step as the published code takes it (`wasteful`), by PyTorch's defaults, or with what an expert turns on."""
    if compiled and device == "cpu":
        wants_compiler()
    model, (x, y) = noisy(model, device), (values.to(device) for values in data(batch))
    if last:
        model, x = channels_last(model, x)
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)

    def loss_of(images, labels):
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            logits = forward(images)
        return F.cross_entropy(logits.float(), labels)

    def run():
        model.eval()
        with contextlib.nullcontext() if wasteful else frozen(model):
            adversarial = pgd(model, x, y, wasteful, loss_of)
        model.train()
        optimizer.zero_grad()
        # Two forwards: each half of the loss has its own noise.
        loss = 0.5 * loss_of(x, y) + 0.5 * loss_of(adversarial, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


class BandLimited(torch.autograd.Function):
    """The product of the kept parts of two spectra, as published: forward and backward keep and use only these."""

    @staticmethod
    def forward(ctx, x, weight, kept):
        n = x.shape[-1] + 2
        rows = [*range(kept), *range(n - kept + 1, n)] if kept <= n // 2 else list(range(n))
        spectrum = lambda v: torch.fft.rfft2(v, s=(n, n))[:, :, rows, :kept]
        spectra = spectrum(F.pad(x, (1, 1, 1, 1))), spectrum(weight)
        ctx.save_for_backward(*spectra)
        ctx.shape = n, rows, kept
        y = torch.einsum("bcuv,fcuv->bfuv", spectra[0], spectra[1].conj())
        return BandLimited.image(y, *ctx.shape)[..., : n - 2, : n - 2]

    @staticmethod
    def image(kept_spectrum, n, rows, kept):
        spectrum = kept_spectrum.new_zeros(*kept_spectrum.shape[:2], n, n // 2 + 1)
        spectrum[:, :, rows, :kept] = kept_spectrum
        return torch.fft.irfft2(spectrum, s=(n, n))

    @staticmethod
    def backward(ctx, gradient):
        (x, weight), (n, rows, kept) = ctx.saved_tensors, ctx.shape
        g = torch.fft.rfft2(gradient, s=(n, n))[:, :, rows, :kept]
        to_x = BandLimited.image(torch.einsum("bfuv,fcuv->bcuv", g, weight), n, rows, kept)
        to_weight = BandLimited.image(torch.einsum("bcuv,bfuv->fcuv", x, g.conj()), n, rows, kept)
        return to_x[..., 1:-1, 1:-1], to_weight[..., :3, :3], None


def band(batch, percent=None, last=False):
    """Forward and backward of a convolution of 16 channels, 32 by 32; with a percentage of frequencies left out."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 16, 32, 32, generator=generator)
    weight = torch.randn(16, 16, 3, 3, generator=generator).requires_grad_()
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    kept = None if percent is None else max(int((34 // 2 + 1) * (1 - percent / 100) ** 0.5), 1)

    def run():
        y = F.conv2d(x, weight, padding=1) if kept is None else BandLimited.apply(x, weight, kept)
        torch.autograd.grad(y.sum(), (x, weight))

    return run


# What an expert turns on, by the suffix of a task.
VARIANTS = {
    "": {},
    "-channels-last": {"last": True},
    "-channels-last-bf16": {"last": True, "bf16": True},
    "-channels-last-compiled": {"last": True, "compiled": True},
    "-channels-last-bf16-compiled": {"last": True, "bf16": True, "compiled": True},
}


def of(make, **options):
    return lambda batch: make(batch, **options)


TASKS = {
    "randn": randn,
    "noisy-weight": noisy_weight,
    "step-plain": lambda batch: step(ResNet(), batch),
    "step-cni": lambda batch: step(noisy(), batch),
    "step-plain-bf16": lambda batch: step(ResNet(), batch, bf16=True),
    "step-cni-bf16": lambda batch: step(noisy(), batch, bf16=True),
    "adv-step-reference": of(adversarial_step, wasteful=True),
    "adv-step-cuda": of(adversarial_step, device="cuda"),
    "adv-step-cuda-compiled": of(adversarial_step, device="cuda", compiled=True),
    "adv-step-cuda-channels-last-bf16": of(adversarial_step, device="cuda", last=True, bf16=True),
    "adv-step-cuda-channels-last-bf16-compiled": of(
        adversarial_step, device="cuda", last=True, bf16=True, compiled=True
    ),
    "profile-adv-step": of(adversarial_step),
    **{
        f"{prefix}{name}{suffix}": of(make, model=model, **options)
        for prefix, model in MODELS.items()
        for name, make in (("adv-step", adversarial_step), ("forward", judging))
        for suffix, options in VARIANTS.items()
    },
    "band-conv": band,
    "band-conv-channels-last": of(band, last=True),
    **{f"band-{percent}": of(band, percent=percent) for percent in (0, 30, 50, 70)},
    **{f"eot-attack{suffix}": of(eot_attack, **options) for suffix, options in VARIANTS.items()},
}
