"""Reference values of Opacus for the tests of cni-privacy: writes opacus.json beside this file.

    pip install opacus==1.6.0 scipy==1.17.1      # and torch, which Opacus imports
    python crates/privacy/tests/reference/opacus.py
"""

import json
import pathlib
import platform
import sys
import warnings

sys.path.pop(0)  # This folder: this script has the name of the package it imports.

import numpy
import opacus
import scipy
import torch
from opacus.accountants import create_accountant
from opacus.accountants.analysis import rdp
from opacus.accountants.utils import get_noise_multiplier

warnings.simplefilter("ignore")
DELTA = 1e-5

# (noise multiplier, sampling rate, steps), phase by phase.
RUNS = [
    [(1.5, 0.04, 2249)],
    [(1.5, 0.04, 2250)],
    [(1.0, 0.01, 1000)],
    [(7.1, 32 / 60000, 18750)],
    [(10.0, 16 / 50000, 125000)],
    [(2.0, 0.5, 50)],
    [(4.0, 1.0, 10)],
    [(1.0, 0.01, 500), (2.0, 0.05, 300)],
]


def epsilons(run):
    row = {"phases": run, "delta": DELTA}
    for name in ["rdp", "gdp", "prv"]:
        if name == "gdp" and len(run) > 1 or name == "prv" and run[0][1] == 1.0:
            continue  # Opacus has no value for these.
        accountant = create_accountant(name)
        accountant.history = run
        row[name] = float(accountant.get_epsilon(delta=DELTA))
    return row


def divergences():
    rows = []
    for sigma, q in [(1.5, 0.04), (0.8, 0.3), (7.1, 32 / 60000), (3.0, 0.7), (1.0, 1.0)]:
        for order in [1.1, 1.5, 2.0, 2.9, 5.0, 7.3, 10.9, 32.0, 63.0, 200.0]:
            value = rdp.compute_rdp(q=q, noise_multiplier=sigma, steps=1, orders=order)
            rows.append({"sigma": sigma, "q": q, "order": order, "divergence": float(value)})
    return rows


def multiplier(accountant, **length):
    sigma = get_noise_multiplier(
        target_epsilon=8.0, target_delta=DELTA, sample_rate=0.04, accountant=accountant, **length
    )
    return {"accountant": accountant, "steps": length.get("steps", 2250), "sigma": float(sigma)}


names = ["rdp", "gdp", "prv"]
result = {
    "versions": {
        "python": platform.python_version(),
        "opacus": opacus.__version__,
        "torch": torch.__version__,
        "scipy": scipy.__version__,
        "numpy": numpy.__version__,
    },
    "epsilons": [epsilons(run) for run in RUNS],
    "divergences": divergences(),
    "noise_multipliers": [multiplier(name, epochs=90) for name in names]
    + [multiplier(name, steps=2000) for name in ["rdp", "prv"]],
}
print(result["versions"])
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(result, indent=1) + "\n")
