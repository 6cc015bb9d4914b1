"""Reference values of Google's dp-accounting for the tests of cni-privacy: writes
dp_accounting.json beside this file.

    pip install dp-accounting==0.6.0
    python crates/privacy/tests/reference/dp_accounting.py

Its privacy loss distributions are rounded up for `pessimistic` and down for `optimistic`, so the
true epsilon is between the two; they take another way than the accountant under test.
"""

import importlib.metadata
import json
import pathlib
import platform
import sys

sys.path.pop(0)  # This folder: this script has the name of the package it imports.

import numpy
import scipy
from dp_accounting.pld import privacy_loss_distribution as pld

# (noise multiplier, sampling rate, steps) phase by phase; delta.
RUNS = [
    ([(1.5, 0.04, 2249)], 1e-5),
    ([(1.0, 0.01, 1000)], 1e-5),
    ([(0.7, 0.001, 5000)], 1e-6),
    ([(7.1, 32 / 60000, 18750)], 1e-5),
    ([(0.5, 0.02, 200)], 1e-5),
    ([(2.0, 0.5, 50)], 1e-5),
    ([(4.0, 0.25, 100)], 1e-8),
    ([(1.0, 0.004, 15000)], 1e-7),
    ([(1.2, 0.01, 3000)], 1e-3),
    ([(1.0, 0.9, 10)], 1e-2),
    ([(1.0, 0.9, 10)], 0.3),
    ([(1.0, 0.01, 500), (2.0, 0.05, 300)], 1e-5),
    ([(0.8, 0.002, 2000), (1.5, 0.002, 4000), (3.0, 0.1, 50)], 1e-6),
]
MESH = 2e-5


def loss(run, pessimistic):
    total = None
    for sigma, q, steps in run:
        step = pld.from_gaussian_mechanism(
            sigma,
            sampling_prob=q,
            value_discretization_interval=MESH,
            pessimistic_estimate=pessimistic,
            use_connect_dots=pessimistic,
        )
        phase = step.self_compose(steps)
        total = phase if total is None else total.compose(phase)
    return total


rows = []
for run, delta in RUNS:
    row = {"phases": run, "delta": delta}
    for name in ["optimistic", "pessimistic"]:
        total = loss(run, name == "pessimistic")
        row[name] = float(total.get_epsilon_for_delta(delta))
        if name == "pessimistic":
            row["remove"] = float(total._pmf_remove.get_epsilon_for_delta(delta))
            row["add"] = float(total._pmf_add.get_epsilon_for_delta(delta))
    print(row, flush=True)
    rows.append(row)
versions = {
    "python": platform.python_version(),
    "dp-accounting": importlib.metadata.version("dp-accounting"),
    "numpy": numpy.__version__,
    "scipy": scipy.__version__,
}
print(versions)
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"versions": versions, "mesh": MESH, "epsilons": rows}, indent=1) + "\n")
