use super::MAX_POINTS;
use super::chernoff::{Cumulants, ln_largest_share};
use super::discrete::{Discrete, Tilted, exact_sum};
use crate::PrivacyError;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

/// The probability, on either side and under the tilted law, with which the sum leaves the window
/// of the transform. What leaves it comes in again at the other end.
const OUTSIDE: f64 = 1e-15;

/// The law of the sum of all steps' discrete losses, tilted by θ.
///
/// The tilted law has its bulk where epsilon is, so that the rounding of the transform is small
/// against delta, however small delta is. A tilted mass g at s stands for g e^(K − θs), with
/// the cumulant K of the sum at θ.
pub(super) struct Sum {
    theta: f64,
    cumulant: f64,
    mesh: f64,
    /// The value at which the masses begin.
    low: f64,
    masses: Vec<f64>,
    /// The most by which the masses beyond a point can be wrong, all together.
    error: f64,
    /// The rounding of the cumulant, a relative error of all masses.
    relative_error: f64,
}

impl Sum {
    /// Adds up all steps by a fast Fourier transform, tilted for the reading of epsilon at `delta`.
    pub(super) fn of(losses: &[Discrete], delta: f64) -> Result<Self, PrivacyError> {
        let mesh = losses[0].mesh;
        let cumulants = Cumulants(losses);
        let theta = cumulants.tilt(delta);
        let (low, high) = cumulants.interval(theta, OUTSIDE);
        let laws: Vec<Tilted> = losses.iter().map(|loss| loss.tilted(theta)).collect();
        let over_steps = |of: &dyn Fn(&Discrete, &Tilted) -> f64| -> f64 {
            losses.iter().zip(&laws).map(|(loss, law)| loss.steps as f64 * of(loss, law)).sum()
        };
        let cumulant = over_steps(&|_, law| law.cumulant);
        // The sum of all peaks is the origin of the transform.
        let origin = over_steps(&|loss, law| loss.value(law.peak));
        let first = ((low - origin) / mesh).floor() - 1.0;
        let needed = (high - origin) / mesh - first + 2.0;
        if needed.is_nan() || needed > MAX_POINTS as f64 {
            return Err(PrivacyError::Points { got: needed, wanted: MAX_POINTS });
        }
        let size = transform_size(needed as usize);

        let mut planner = RealFftPlanner::<f64>::new();
        let forward = planner.plan_fft_forward(size);
        let mut powers = Powers::new(size);
        for (loss, law) in losses.iter().zip(&laws) {
            // The law less the whole probability at its peak. Where nearly all of it is there, the
            // rounding is relative to the rest.
            let mut circle = vec![0.0; size];
            let others = || law.masses.iter().enumerate().filter(|(place, _)| *place != law.peak);
            for (place, mass) in others() {
                let distance = place as i64 - law.peak as i64;
                circle[distance.rem_euclid(size as i64) as usize] += mass;
            }
            let away = exact_sum(others().map(|(_, mass)| *mass));
            circle[0] -= away;
            let mut spectrum = forward.make_output_vec();
            forward.process(&mut circle, &mut spectrum).expect("buffers of the planned size");
            powers.multiply(&spectrum, loss.steps, law, 2.0 * away);
        }
        let (mut spectrum, spectral_error, relative_error) = powers.product_less_1();
        let inverse = planner.plan_fft_inverse(size);
        let mut circle = inverse.make_output_vec();
        inverse.process(&mut spectrum, &mut circle).expect("buffers of the planned size");
        let scale = 1.0 / size as f64;
        circle.iter_mut().for_each(|mass| *mass *= scale);
        let norm = circle.iter().map(|mass| mass * mass).sum::<f64>().sqrt();
        let rounding = (size as f64).sqrt() * (spectral_error + relative_rounding(size) * norm);
        circle[0] += 1.0;
        circle.rotate_left((first as i64).rem_euclid(size as i64) as usize);
        let error = 2.0 * OUTSIDE + rounding;
        let low = first * mesh + origin;
        Ok(Self { theta, cumulant, mesh, low, masses: circle, error, relative_error })
    }

    /// The epsilons at which delta is each of `deltas`, which rise. They can be negative.
    pub(super) fn epsilons<const N: usize>(&self, deltas: [f64; N]) -> [f64; N] {
        let mut epsilons = [f64::NEG_INFINITY; N];
        let mut next = 0;
        let tilt = (-self.theta * self.mesh).exp();
        let both = (-(self.theta + 1.0) * self.mesh).exp();
        // Masses from s on, times e^(−θ(t − s)), and times e^(−(θ + 1)(t − s)), for their values t.
        let (mut counted, mut discounted) = (0.0, 0.0);
        let step = (-self.mesh).exp();
        for (i, mass) in self.masses.iter().enumerate().rev() {
            let s = self.low + i as f64 * self.mesh;
            counted = counted * tilt + mass;
            discounted = discounted * both + mass;
            // Delta(ε) = scale (counted − e^(ε − s) discounted) for ε at most one mesh below s.
            let scale = (self.cumulant - self.theta * s).exp();
            let below = scale * (counted - step * discounted);
            while next < N && (below >= deltas[next] || i == 0) {
                let share = (counted - deltas[next] / scale) / discounted;
                epsilons[next] = s + share.max(0.0).ln();
                next += 1;
            }
            if next == N {
                break;
            }
        }
        epsilons
    }

    /// The most by which `delta` at `epsilon` can be wrong, from the ends of the window and from
    /// rounding. The discretisation is not part of it.
    pub(super) fn error_at(&self, epsilon: f64, delta: f64) -> f64 {
        let ln_weight = self.cumulant - self.theta * epsilon + ln_largest_share(self.theta);
        ln_weight.exp() * self.error + delta * self.relative_error
    }
}

/// The smallest of 2^n and 3 2^n that is large enough. Transforms of these sizes are fast.
fn transform_size(needed: usize) -> usize {
    let power = needed.next_power_of_two().max(16);
    if needed <= power / 4 * 3 { power / 4 * 3 } else { power }
}

/// The rounding of a transform, relative to the size of its input: four units in the last place for
/// each level. That of Higham 2002 (Accuracy and Stability of Numerical Algorithms, theorem 24.2)
/// is 3.4.
fn relative_rounding(size: usize) -> f64 {
    4.0 * f64::EPSILON * (size as f64).log2()
}

/// The product of powers of spectra, in logarithms, with a bound of its rounding to first order.
struct Powers {
    size: usize,
    product: Vec<Complex<f64>>,
    /// The logarithm of the product of absolute values, each enlarged by its error.
    bound: Vec<f64>,
    /// The sum of each spectrum's error relative to its value, times its power.
    errors: Vec<f64>,
    relative: f64,
}

impl Powers {
    fn new(size: usize) -> Self {
        let half = size / 2 + 1;
        let zero = Complex::new(0.0, 0.0);
        Self {
            size,
            product: vec![zero; half],
            bound: vec![0.0; half],
            errors: vec![0.0; half],
            relative: 0.0,
        }
    }

    /// Multiplies by a law's spectrum to the power of its steps. The spectrum is given less 1; the
    /// absolute values of what it is the transform of sum to `norm`.
    fn multiply(&mut self, less_1: &[Complex<f64>], steps: u64, law: &Tilted, norm: f64) {
        let steps = steps as f64;
        // The masses, their tilt, the logarithm and the power round too.
        let others = f64::EPSILON * (16.0 + 2.0 * law.exponent);
        let error = (relative_rounding(self.size) + others) * norm;
        for (i, d) in less_1.iter().enumerate() {
            // ln |1 + d|, with its digits if d is small and if 1 + d is.
            let square = d.norm_sqr();
            let ln_length = match square < 0.25 {
                true => 0.5 * (2.0 * d.re + square).ln_1p(),
                false => (1.0 + d.re).hypot(d.im).ln(),
            };
            let angle = d.im.atan2(1.0 + d.re);
            self.product[i] += Complex::new(steps * ln_length, steps * angle);
            let length = ln_length.exp() + error;
            self.bound[i] += steps * length.ln();
            self.errors[i] += steps * error / length;
        }
        self.relative += f64::EPSILON * steps * (2.0 + law.cumulant.abs());
    }

    /// The product less 1, the root of the mean square of its error, and the relative error of the
    /// tilt.
    fn product_less_1(self) -> (Vec<Complex<f64>>, f64, f64) {
        let bounds = self.bound.iter().zip(&self.errors);
        let squares: f64 = bounds.map(|(bound, error)| (bound.exp() * error).powi(2)).sum();
        // Both halves of the spectrum: each of these stands for two but the ends.
        let spectral = (2.0 * squares / self.size as f64).sqrt();
        let less_1 = |ln: &Complex<f64>| {
            let half = (0.5 * ln.im).sin();
            let real = ln.re.exp_m1() * ln.im.cos() - 2.0 * half * half;
            Complex::new(real, ln.re.exp() * ln.im.sin())
        };
        let mut product: Vec<_> = self.product.iter().map(less_1).collect();
        // The ends of a real law's spectrum are real.
        product[0].im = 0.0;
        product[self.size / 2].im = 0.0;
        (product, spectral, self.relative)
    }
}
