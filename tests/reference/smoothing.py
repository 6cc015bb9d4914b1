"""Intervals, tests and radii of randomized smoothing, float64 -> data/smoothing.json.

The bounds are those that the authors of randomized smoothing compute
(github.com/locuslab/smoothing, code/core.py): statsmodels' for the lower one,
scipy's for the test and the quantile. The versions are written along.
"""

import scipy
import statsmodels
from scipy.stats import binomtest, norm
from statsmodels.stats.proportion import proportion_confint

from hashing import save

# Nothing and everything, the tails and the middle, few trials and as many as a certificate takes.
COUNTS = [
    (0, 1), (1, 1), (0, 10), (1, 10), (5, 10), (9, 10), (10, 10), (37, 100), (51, 100), (99, 100), (100, 100),
    (3, 1000), (620, 1000), (997, 1000), (50100, 100000), (75000, 100000), (99990, 100000), (100000, 100000),
    (0, 100000), (500100, 1000000), (1000000, 1000000),
]
ALPHAS = [0.001, 0.05]


def bounds(successes, trials, alpha):
    low, high = proportion_confint(successes, trials, alpha=alpha, method="beta")
    lower, _ = proportion_confint(successes, trials, alpha=2 * alpha, method="beta")
    return {
        "successes": successes,
        "trials": trials,
        "alpha": alpha,
        "low": float(low),
        "high": float(high),
        "lower": float(lower),
        "p_value": float(binomtest(successes, trials, 0.5).pvalue),
    }


def main():
    save("smoothing.json", {
        "scipy": scipy.__version__,
        "statsmodels": statsmodels.__version__,
        "bounds": [bounds(k, n, alpha) for k, n in COUNTS for alpha in ALPHAS],
        # All of n samples agree: the largest radius that n samples can certify, in units of sigma.
        "largest_radius": [
            {"samples": n, "alpha": alpha, "radius": float(norm.ppf(alpha ** (1 / n)))}
            for n in [100, 1000, 10000, 100000] for alpha in ALPHAS
        ],
    })


if __name__ == "__main__":
    main()
