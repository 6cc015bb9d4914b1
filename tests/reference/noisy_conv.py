"""One noisy convolution, forward and backward -> data/noisy_conv.json.

3 -> 4 channels, 3x3, stride 1, padding 1, bias, float64, under the coloured law
in both conventions and the white law. The file carries every value used, every
gradient and the torch version.
"""

import torch
import torch.nn.functional as F

from hashing import hash_normal, hash_uniform, numbers, save, tensor


def colored(v, a, f, e, e_f, scaled=False):
    """Low-rank plus diagonal noise in the shape of v; std(v) is differentiated."""
    s = v.std()
    shared = (f @ e_f).reshape(-1)
    if scaled:
        m = s * (a.abs().sqrt() * e + shared)
    else:
        # As published: s sits under the root, and scales the diagonal alone.
        m = (s * a).abs().sqrt() * e + shared
    return m.reshape(v.shape)


def white(v, alpha, e):
    """Independent noise; std(v) is a constant here, as published."""
    return alpha * v.std().detach() * e


# name: (kind, stream, shape, map), in float64
INPUTS = {
    "weight": ("normal", 11, (4, 3, 3, 3), "0.3*n"),
    "bias": ("normal", 12, (4,), "0.1*n"),
    "input": ("normal", 13, (2, 3, 5, 5), "n"),
    "a": ("uniform", 14, (108,), "0.0625*(0.5+u)"),
    "f": ("normal", 15, (1, 108, 2), "0.1*n"),
    "e": ("normal", 16, (108,), "n"),
    "e_f": ("normal", 17, (2,), "n"),
    "alpha": ("uniform", 18, (4, 3, 3, 3), "0.25*(0.5+u)"),
    "c": ("normal", 19, (2, 4, 5, 5), "n"),
}
MAPS = {
    "n": lambda v: v,
    "0.3*n": lambda v: 0.3 * v,
    "0.1*n": lambda v: 0.1 * v,
    "0.0625*(0.5+u)": lambda v: 0.0625 * (0.5 + v),
    "0.25*(0.5+u)": lambda v: 0.25 * (0.5 + v),
}
LAWS = {
    "colored_reference": (("a", "f"), lambda t: colored(t["weight"], t["a"], t["f"], t["e"], t["e_f"])),
    "colored_scaled": (("a", "f"), lambda t: colored(t["weight"], t["a"], t["f"], t["e"], t["e_f"], scaled=True)),
    "white": (("alpha",), lambda t: white(t["weight"], t["alpha"], t["e"].reshape(4, 3, 3, 3))),
}


def inputs():
    made = {}
    for name, (kind, stream, shape, law) in INPUTS.items():
        source = hash_normal if kind == "normal" else hash_uniform
        values = MAPS[law](source(stream, torch.Size(shape).numel()))
        made[name] = tensor(values, shape, torch.float64)
    return made


def main():
    cases = {}
    for name, (parameters, noise) in LAWS.items():
        t = inputs()
        wanted = ["weight", "bias", "input", *parameters]
        for key in wanted:
            t[key].requires_grad_()
        m = noise(t)
        output = F.conv2d(t["input"], t["weight"] + m, t["bias"], padding=1)
        loss = (output * t["c"]).sum()
        loss.backward()
        cases[name] = {
            "loss": loss.item(),
            "noise": numbers(m),
            "output": numbers(output),
            "gradients": {key: numbers(t[key].grad) for key in wanted},
        }
    values = {
        name: {"kind": INPUTS[name][0], "stream": INPUTS[name][1], "map": INPUTS[name][3],
               "shape": list(t.shape), "data": numbers(t)}
        for name, t in inputs().items()
    }
    save("noisy_conv.json", {"values": values, "cases": cases})


if __name__ == "__main__":
    main()
