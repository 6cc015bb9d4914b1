"""Small checkpoints as PyTorch projects write them -> data/*.pth, data/checkpoints.json.

Depth 8, widths 4/8/16 (2/4/8 where a file pins a format alone), 10 classes,
values from hashing.py. The JSON lists each good file's tensors, its parameter
count and its noise-free evaluation logits, with the torch version.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from hashing import DATA, hash_uniform, numbers, save, tensor
from resnet20 import Conv, ResNet, fill, parameters

WIDTHS = (4, 8, 16)


def with_input_noise(model):
    """Add the published input-noise tensors to every convolution but the stem."""
    sizes = {}
    convs = [m for m in model.modules() if isinstance(m, Conv)]
    hooks = [m.register_forward_hook(lambda m, x, _: sizes.update({m: x[0][0].numel()})) for m in convs]
    model.eval()(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    for conv in convs[1:]:
        conv.alphad_i = nn.Parameter(torch.empty(sizes[conv]))
        conv.alphaf_i = nn.Parameter(torch.empty(1, sizes[conv], 1))
    return model


class PniBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv_a = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn_a = nn.BatchNorm2d(outputs)
        self.conv_b = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn_b = nn.BatchNorm2d(outputs)
        self.stride = stride

    def forward(self, x):
        y = self.bn_b(self.conv_b(F.relu(self.bn_a(self.conv_a(x)))))
        if self.stride == 2:
            # Shortcut A: every second pixel, then as many silent channels again.
            x = F.avg_pool2d(x, 1, 2)
            x = torch.cat((x, torch.zeros_like(x)), 1)
        return F.relu(x + y)


class PniNet(nn.Module):
    """Noise is only ever off here, so alpha_w is carried and not used."""

    def __init__(self, alpha_shape):
        super().__init__()
        a, b, c = WIDTHS
        self.conv_1_3x3 = nn.Conv2d(3, a, 3, 1, 1, bias=False)
        self.bn_1 = nn.BatchNorm2d(a)
        self.stage_1 = nn.Sequential(PniBlock(a, a, 1))
        self.stage_2 = nn.Sequential(PniBlock(a, b, 2))
        self.stage_3 = nn.Sequential(PniBlock(b, c, 2))
        self.classifier = nn.Linear(c, 10)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                layer.alpha_w = nn.Parameter(torch.empty(alpha_shape(layer.weight)))

    def forward(self, x):
        x = F.relu(self.bn_1(self.conv_1_3x3(x)))
        x = self.stage_3(self.stage_2(self.stage_1(x)))
        return self.classifier(x.mean((2, 3)))


class Normalize(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([125.3, 123.0, 113.9]).view(3, 1, 1) / 255)
        self.register_buffer("std", torch.tensor([63.0, 62.1, 66.7]).view(3, 1, 1) / 255)

    def forward(self, x):
        return (x - self.mean) / self.std


def pni(alpha_shape):
    return fill(nn.Sequential(Normalize(), PniNet(alpha_shape)), keep=("0.mean", "0.std"))


def small(rank=None):
    return ResNet(depth=8, width=0.25, rank=rank)


class PadBoth(nn.Module):
    """Shortcut A of most published code: as many silent channels before as behind."""

    def __init__(self, added):
        super().__init__()
        self.half = added // 2

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.half, self.half))


def tiny():
    return ResNet(depth=8, width=0.125)


def padded_on_both_sides():
    model = tiny()
    for block in (model.layer2[0], model.layer3[0]):
        block.downsample = PadBoth(block.conv1.out_channels - block.conv1.in_channels)
    return fill(model)


def of_mixed_types():
    """A state dict of every element type and of strides, and the model of its rounded values."""
    model = fill(tiny())
    types = {"layer1": torch.float16, "layer2": torch.bfloat16, "layer3": torch.float64}
    state = {}
    for key, value in model.state_dict().items():
        dtype = types.get(key.split(".")[0])
        state[key] = value.to(dtype) if dtype and value.is_floating_point() else value.clone()
    state["conv1.weight"] = state["conv1.weight"].to(memory_format=torch.channels_last)
    state["fc.weight"] = state["fc.weight"].t().contiguous().t()
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    return model, state


def write(name, entries, prefix="", **options):
    state = {prefix + key: value.clone() for key, value in entries.items()}
    content = {"epoch": 3, "state_dict": state, "best_prec1": 0.5}
    torch.save(content, DATA / name, **options)
    return state


def main():
    torch.set_num_threads(2)
    DATA.mkdir(exist_ok=True)
    plain = fill(small())
    good = {
        "plain_zip.pth": (plain, "", {}),
        "plain_legacy.pth": (plain, "", {"_use_new_zipfile_serialization": False}),
        "cni_zip.pth": (fill(small(5)), "module.", {}),
        "cni_act_zip.pth": (fill(with_input_noise(small(1))), "module.", {}),
        "pni_zip.pth": (pni(lambda w: (1,)), "module.", {}),
        "pni_channel_zip.pth": (pni(lambda w: (w.shape[0], *[1] * (w.dim() - 1))), "module.", {}),
    }
    x = tensor(hash_uniform(1, 2 * 3 * 32 * 32), (2, 3, 32, 32))
    files = {}
    for name, (model, prefix, options) in good.items():
        state = write(name, model.state_dict(), prefix, **options)
        with torch.no_grad():
            logits = model.eval()(x)
        files[name] = {
            "parameters": parameters(model),
            "logits": numbers(logits),
            "tensors": {
                key: {"shape": list(v.shape), "sum": v.double().sum().item(), "first": numbers(v.flatten()[:4])}
                for key, v in state.items()
                if v.is_floating_point()
            },
        }

    entries = plain.state_dict()
    lost = ("layer2.0.conv2.weight", "fc.bias")
    write("broken_missing.pth", {k: v for k, v in entries.items() if k not in lost})
    write("broken_shape.pth", {**entries, "layer1.0.conv1.weight": entries["layer1.0.conv1.weight"][:, :, 1:2, 1:2]})
    both, whole, (mixed, mixed_state) = padded_on_both_sides(), fill(tiny()), of_mixed_types()
    torch.save({"state_dict": both.state_dict()}, DATA / "pad_both.pth")
    torch.save(whole, DATA / "whole_model.pth")
    # Not by `write`, whose copies would lose the strides.
    torch.save(mixed_state, DATA / "mixed_types.pth")
    for name, model in (("pad_both.pth", both), ("whole_model.pth", whole), ("mixed_types.pth", mixed)):
        with torch.no_grad():
            files[name] = {"parameters": parameters(model), "logits": numbers(model.eval()(x))}
    save("checkpoints.json", {"files": files})


if __name__ == "__main__":
    main()
