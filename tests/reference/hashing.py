"""Numbers that every language can make again.

Weights and draws come from an integer hash of (stream, index), so the
reference files hold results only and the Rust tests rebuild the inputs.
Also holds `save`, through which every script writes its JSON file.
"""

import json
import re
from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).parent / "data"


def hash_uniform(stream, n):
    """n values in (0, 1), float64."""
    # uint64 holds each product of two 32-bit numbers; the mask is the modulus.
    mask = np.uint64(0xFFFFFFFF)
    x = np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B9)
    x = (x + np.uint64(stream * 0x85EBCA6B)) & mask
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x7FEB352D)) & mask
    x ^= x >> np.uint64(15)
    x = (x * np.uint64(0x846CA68B)) & mask
    x ^= x >> np.uint64(16)
    return (x.astype(np.float64) + 0.5) / 2.0**32


def hash_normal(stream, n):
    """n standard normal values, float64; takes uniform streams 2s and 2s + 1."""
    radius = np.sqrt(-2.0 * np.log(hash_uniform(2 * stream, n)))
    return radius * np.cos(2.0 * np.pi * hash_uniform(2 * stream + 1, n))


def tensor(values, shape, dtype=torch.float32):
    """Scaling happens in float64 before this one rounding."""
    return torch.from_numpy(np.asarray(values)).to(dtype).reshape(shape)


def numbers(t):
    """The flattened tensor as a list; nine digits carry a float32 exactly."""
    flat = t.detach().flatten().tolist()
    return flat if t.dtype == torch.float64 else [float(f"{v:.9g}") for v in flat]


def save(name, content):
    # JSON has no NaN, and a reference that holds one is a mistake anyway.
    text = json.dumps({"torch": torch.__version__, **content}, indent=1, allow_nan=False)
    # One innermost list a line: a diff of the data stays readable.
    text = re.sub(r"\[[^][{}]*\]", lambda m: re.sub(r"(?<=\[)\s+|\s+(?=\])", "", re.sub(r",\s+", ", ", m[0])), text)
    DATA.mkdir(exist_ok=True)
    (DATA / name).write_text(text + "\n")
