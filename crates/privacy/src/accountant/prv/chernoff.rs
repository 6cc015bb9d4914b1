//! Chernoff bounds: the tails of a sum by its cumulants.

use super::discrete::Discrete;

/// The largest tilt: beyond it the products of θ and losses would lose too many digits. It takes a
/// delta that is 1e-12 of the probability of its losses to ask for more.
const LARGEST_TILT: f64 = 1e12;

/// The sum of all steps' discrete losses, as far as its cumulants tell.
pub(super) struct Cumulants<'a>(pub(super) &'a [Discrete]);

impl Cumulants<'_> {
    /// The cumulant of the sum at λ.
    pub(super) fn at(&self, lambda: f64) -> f64 {
        self.0.iter().map(|loss| loss.steps as f64 * loss.cumulant(lambda)).sum()
    }

    /// The θ > 0 whose bound of delta is the best at about the epsilon where it is `delta`.
    ///
    /// For every θ, delta(ε) ≤ e^(K(θ) − θε) times the [largest share](ln_largest_share). It is the
    /// improved conversion of Rényi accountants with θ = α − 1.
    pub(super) fn tilt(&self, delta: f64) -> f64 {
        let bound = |theta: f64| (self.at(theta) - delta.ln() + ln_largest_share(theta)) / theta;
        minimum(bound).0.min(LARGEST_TILT)
    }

    /// An interval that the sum leaves with probability at most `outside` on either side, if its
    /// law is tilted by θ.
    pub(super) fn interval(&self, theta: f64, outside: f64) -> (f64, f64) {
        let origin = self.at(theta);
        let bound = |sign: f64| {
            let of = |l: f64| (self.at(theta + sign * l) - origin - outside.ln()) / l;
            minimum(of).1
        };
        (-bound(-1.0), bound(1.0))
    }
}

/// The logarithm of the largest share with which a loss counts under a tilt, θ^θ / (1 + θ)^(1 + θ).
///
/// In delta(ε) a loss s counts with the share 1 − e^(ε − s), and a mass of the law tilted by θ
/// stands for e^(K − θs) of the untilted one. Their product is at most e^(K − θε) times this.
pub(super) fn ln_largest_share(theta: f64) -> f64 {
    theta * theta.ln() - (1.0 + theta) * theta.ln_1p()
}

/// The place and the value of a minimum of a function over λ > 0, found to about 1 % of λ.
///
/// The bounds here hold for every λ; one that is only nearly the best is only nearly the tightest.
fn minimum(f: impl Fn(f64) -> f64) -> (f64, f64) {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let better = |a: f64, b: f64| a < b || !b.is_finite();
    // Doubles or halves λ while that helps.
    let mut best = (1.0, f(1.0));
    for factor in [2.0, 0.5] {
        for _ in 0..60 {
            let lambda = best.0 * factor;
            let value = f(lambda);
            if !better(value, best.1) || value.is_nan() {
                break;
            }
            best = (lambda, value);
        }
    }
    // Golden section in ln λ.
    let (mut low, mut high) = ((0.5 * best.0).ln(), (2.0 * best.0).ln());
    for _ in 0..10 {
        let (a, b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        let (at_a, at_b) = (f(a.exp()), f(b.exp()));
        for (lambda, value) in [(a, at_a), (b, at_b)] {
            if value < best.1 {
                best = (lambda.exp(), value);
            }
        }
        match at_a < at_b {
            true => high = b,
            false => low = a,
        }
    }
    best
}
