//! A batch norm as one map a channel, and its input gradient as another: computed in double
//! precision, once for every kind of kernel.

/// The norm by a mean and a biased variance, as one factor and one shift a channel.
pub fn affine_of_norm(
    [mean, variance]: [&[f32]; 2],
    [gamma, beta]: [&[f32]; 2],
    epsilon: f64,
) -> [Vec<f32>; 2] {
    let channels = mean.iter().zip(variance).zip(gamma.iter().zip(beta));
    let (scale, shift) = channels
        .map(|((&mean, &variance), (&gamma, &beta))| {
            let scale = f64::from(gamma) / (f64::from(variance) + epsilon).sqrt();
            (scale as f32, (f64::from(beta) - f64::from(mean) * scale) as f32)
        })
        .unzip();
    [scale, shift]
}

/// The inverse standard deviation of each channel.
pub fn inverse_std(variance: &[f32], epsilon: f64) -> impl Iterator<Item = f64> {
    variance.iter().map(move |&variance| 1.0 / (f64::from(variance) + epsilon).sqrt())
}

/// The factors `a`, `b` and `c` of the input gradient `g a + (x - mean) b + c` of a norm by the
/// statistics of `samples` values a channel, from `Σ g` and `Σ g (x - mean)`.
///
/// The gradient is `γ r (g - Σg/n - (x - mean) r² Σ(g (x - mean))/n)`, `r` being the inverse
/// standard deviation.
pub fn gradient_factors<T: Copy + Into<f64>>(
    [gamma, variance]: [&[f32]; 2],
    epsilon: f64,
    [sums, products]: [&[T]; 2],
    samples: f64,
) -> [Vec<f32>; 3] {
    let mut factors = [0; 3].map(|_| Vec::with_capacity(gamma.len()));
    let channels = gamma.iter().zip(inverse_std(variance, epsilon)).zip(sums.iter().zip(products));
    for ((&gamma, inverse), (&sum, &product)) in channels {
        let a = f64::from(gamma) * inverse;
        let b = -a * inverse * inverse * product.into() / samples;
        let c = -a * sum.into() / samples;
        for (factor, value) in factors.iter_mut().zip([a, b, c]) {
            factor.push(value as f32);
        }
    }
    factors
}
