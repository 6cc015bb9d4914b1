"""Intervals of proportions and of their differences, float64 -> data/intervals.json.

Wilson's interval, Newcombe's for independent proportions and McNemar's exact
test are those of statsmodels. No package at hand has Newcombe's interval for
paired proportions; `paired` is method 10 of Statistics in Medicine 17, 2635
(1998), written down once more from the paper. The versions are written along.
"""

import json
import math
from pathlib import Path

import scipy
import statsmodels
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

PROPORTIONS = [(0, 10), (1, 10), (8, 10), (10, 10), (37, 100), (1582, 10000), (10000, 10000)]
INDEPENDENT = [(56, 70, 48, 80), (9, 10, 3, 10), (5, 56, 0, 29), (0, 10, 0, 10), (10, 10, 0, 10)]
# In both, in the first alone, in the second alone, in neither.
PAIRED = [
    (10, 6, 2, 2), (212, 144, 256, 707), (14, 5, 0, 22), (36, 12, 2, 0), (0, 0, 0, 50), (50, 0, 0, 0),
    (0, 50, 0, 0), (0, 25, 25, 0), (1, 0, 0, 0), (430, 33, 14, 523),
]
CONFIDENCES = [0.9, 0.95, 0.99]


def paired(outcomes, confidence):
    e, f, g, h = outcomes
    n = e + f + g + h
    alpha = 1 - confidence
    l1, u1 = proportion_confint(e + f, n, alpha, method="wilson")
    l2, u2 = proportion_confint(e + g, n, alpha, method="wilson")
    p1, p2 = (e + f) / n, (e + g) / n
    denominator = math.sqrt((e + f) * (g + h) * (e + g) * (f + h))
    numerator = e * h - f * g
    if numerator > 0:
        numerator = max(numerator - n / 2, 0)
    phi = numerator / denominator if denominator else 0.0
    delta = math.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    epsilon = math.sqrt((u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2)
    return p1 - p2 - delta, p1 - p2 + epsilon


def main():
    record = {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__}
    record["wilson"] = []
    record["independent"] = []
    record["paired"] = []
    for confidence in CONFIDENCES:
        for k, n in PROPORTIONS:
            low, high = proportion_confint(k, n, 1 - confidence, method="wilson")
            record["wilson"].append({"of": [k, n], "confidence": confidence, "low": float(low), "high": float(high)})
        for k1, n1, k2, n2 in INDEPENDENT:
            low, high = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", alpha=1 - confidence)
            record["independent"].append(
                {"of": [k1, n1, k2, n2], "confidence": confidence, "low": float(low), "high": float(high)}
            )
        for outcomes in PAIRED:
            low, high = paired(outcomes, confidence)
            e, f, g, h = outcomes
            p = float(mcnemar([[e, f], [g, h]], exact=True).pvalue) if f + g else 1.0
            record["paired"].append(
                {"of": outcomes, "confidence": confidence, "low": float(low), "high": float(high), "p": p}
            )
    path = Path(__file__).parent / "data" / "intervals.json"
    path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    assert abs(norm.ppf(0.975) - 1.959964) < 1e-6
    main()
