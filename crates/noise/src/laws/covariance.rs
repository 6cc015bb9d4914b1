//! The exact covariance of a tensor's noise.

use super::{NoiseLaw, NoiseParameters, TensorShape};

/// The covariance `diag(v) + F Fᵀ` of the noise of a row's elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Covariance {
    /// `v`, `[elements]`.
    pub diagonal: Vec<f64>,
    /// `F`, `[elements, rank]` in row-major order.
    pub factor: Vec<f64>,
    /// Columns of `F`.
    pub rank: usize,
}

impl Covariance {
    /// The covariance of independent elements with these variances.
    pub fn independent(variances: Vec<f64>) -> Self {
        Self { diagonal: variances, factor: Vec::new(), rank: 0 }
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.diagonal.len()
    }

    /// The covariance of two elements.
    ///
    /// # Panics
    ///
    /// If there is no such element.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        let row = |i: usize| &self.factor[i * self.rank..(i + 1) * self.rank];
        let common: f64 = row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum();
        if i == j { self.diagonal[i] + common } else { common }
    }
}

/// The reason why the noise of a tensor has no covariance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CovarianceFault {
    /// A weight or its noise parameters are not all finite.
    #[error("got a number that is not finite in the weight or its noise, wanted finite ones")]
    NotFinite,
    /// The device did not give the parameters of the noise.
    #[error("the device does not give the parameters of the noise: {0}")]
    Unreadable(String),
}

/// The noise that one tensor has learned, by its law's closed forms, without a draw.
///
/// All its numbers are finite.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorNoise {
    law: String,
    shape: TensorShape,
    std: Option<f64>,
    amplitude: f64,
    covariance: Covariance,
}

impl TensorNoise {
    /// The noise of a law with these parameters.
    ///
    /// `std` is the standard deviation of the tensor and `values` are its elements; `None` for both
    /// if they depend on an input, for noise on elements of standard deviation 1.
    ///
    /// # Errors
    ///
    /// [`CovarianceFault::NotFinite`] if a parameter or `std` is not finite, and
    /// [`CovarianceFault::Unreadable`] if the device fails.
    ///
    /// # Panics
    ///
    /// If the parameters are not those of the law for their shape, if the shape has no elements,
    /// and if the law gives a covariance of another size.
    pub fn new(
        law: &dyn NoiseLaw,
        parameters: &NoiseParameters,
        std: Option<f64>,
        values: Option<&[f64]>,
    ) -> Result<Self, CovarianceFault> {
        let shape = parameters.shape.clone();
        assert!(shape.elements() > 0, "shape: got {:?}, wanted sizes above zero", shape.dims);
        if let Some(fault) = parameters.fault(&law.parameters(&shape)) {
            panic!("parameters of {}: {fault}", law.name());
        }
        let host = parameters.read().map_err(CovarianceFault::Unreadable)?;
        let amplitude = law.amplitude(&host);
        let covariance = law.covariance(&host, std.unwrap_or(1.0), values);
        let (got, wanted) = (covariance.elements(), shape.elements());
        assert!(
            got == wanted && covariance.factor.len() == wanted * covariance.rank,
            "{}: got a covariance of {got} elements, wanted {wanted}",
            law.name()
        );
        // A parameter may be in neither, such as a mean.
        let parameters = host.vectors.iter().flatten().chain(&host.factor);
        let entries = covariance.diagonal.iter().chain(&covariance.factor);
        let finite = amplitude.is_finite()
            && std.is_none_or(f64::is_finite)
            && parameters.chain(entries).all(|value| value.is_finite());
        match finite {
            true => Ok(Self { law: law.name(), shape, std, amplitude, covariance }),
            false => Err(CovarianceFault::NotFinite),
        }
    }

    /// The name of the law.
    pub fn law(&self) -> &str {
        &self.law
    }

    /// The shape of the tensor, without the batch axis, and its axis of channels.
    pub fn shape(&self) -> &TensorShape {
        &self.shape
    }

    /// The standard deviation of the tensor; `None` if it depends on an input.
    pub fn std(&self) -> Option<f64> {
        self.std
    }

    /// The learned amplitude, free of the tensor: for white noise the mean of `|α|`, for colored
    /// noise that of `√|a|`, for multiplicative noise that of `σ`.
    pub fn amplitude(&self) -> f64 {
        self.amplitude
    }

    /// The covariance of all elements. That of a weight is in the units of the weight, that of an
    /// activation for elements of standard deviation 1.
    pub fn covariance(&self) -> &Covariance {
        &self.covariance
    }
}
