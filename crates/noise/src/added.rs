//! Noise that is drawn, scaled and added in one operation.

use crate::law::{Colored, standard_deviations, white};
use crate::{Convention, Examples, Key, normal_rows};
use burn::tensor::Tensor;
use cni_ops::{Amplitude, FusedNoise, NoiseForm, NoiseLaunch, NoiseRows, StdPower};

/// The parameters of a noise law.
#[allow(clippy::large_enum_variant, reason = "made for one call and taken apart in it")]
#[derive(Clone, Debug)]
pub enum Parameters {
    /// White noise.
    White {
        /// `α`: `[n]`, where the flattened element `i` has the amplitude number `(i / stride) % n`.
        /// One amplitude for all, `[1]`, one an element, with stride 1, or one a channel, with the
        /// stride of the channels' axis.
        alpha: Tensor<1>,
        /// Neighbouring elements that share an amplitude.
        stride: usize,
        /// How the size follows the standard deviation.
        convention: Convention,
    },
    /// Colored noise.
    Colored(Colored),
}

impl Parameters {
    /// Whether they are those of a row of so many elements.
    pub(crate) fn fit(&self, elements: usize) -> bool {
        match self {
            Self::White { alpha, stride, .. } => {
                let n = alpha.dims()[0];
                n == 1 || (n > 0 && *stride > 0 && elements.is_multiple_of(n * stride))
            }
            Self::Colored(law) => {
                let columns = law.factor.as_ref().map(|factor| factor.dims()[0]);
                law.diagonal.dims() == [elements] && columns.is_none_or(|n| n == elements)
            }
        }
    }

    /// The noise as the kernels take it.
    fn fused(&self) -> FusedNoise {
        match self {
            Self::White { alpha, stride, convention } => FusedNoise {
                form: NoiseForm {
                    amplitude: Amplitude::Value,
                    independent: StdPower::One,
                    factor_by_std: false,
                },
                through_std: *convention == Convention::Scaled,
                amplitudes: alpha.clone(),
                stride: *stride,
                factor: None,
            },
            Self::Colored(law) => {
                let scaled = law.convention == Convention::Scaled;
                FusedNoise {
                    form: NoiseForm {
                        amplitude: Amplitude::Root,
                        independent: if scaled { StdPower::One } else { StdPower::Half },
                        factor_by_std: scaled,
                    },
                    through_std: true,
                    amplitudes: law.diagonal.clone(),
                    stride: 1,
                    factor: law.factor.clone(),
                }
            }
        }
    }
}

/// Keyed noise for a tensor that is a batch of rows: [`add_to`](Self::add_to) draws it by the
/// [laws](crate::law) and adds it, forward and backward without a draw in memory where the device
/// has a kernel for that.
///
/// A row is one example's elements, flattened. A tensor that is no batch, such as a weight, is one
/// row.
#[derive(Clone, Debug)]
pub struct AddedNoise {
    /// The law.
    pub parameters: Parameters,
    /// The key: `key.child(0)` draws `e` and `key.child(1)` draws `e_f`.
    pub key: Key,
    /// Rows of the tensor.
    pub rows: usize,
    /// An independent draw for each row, or one draw for all.
    pub draw_per_row: bool,
    /// The numbers of the rows within the stream of draws. For one draw for all rows, the first is
    /// the draw's own.
    pub examples: Examples,
    /// The standard deviation of each row, or one over the whole tensor.
    pub std_per_row: bool,
}

impl AddedNoise {
    /// The tensor plus its noise.
    ///
    /// Values and gradients are those of [`white`] and [`Colored::noise`] to float rounding, on
    /// every device: gradients flow to the tensor, through its standard deviation too where the
    /// convention says so, and to the parameters.
    ///
    /// # Panics
    ///
    /// Where the number of elements is not a multiple of the rows, or the parameters are not of a
    /// row's size.
    pub fn add_to<const D: usize>(self, tensor: Tensor<D>) -> Tensor<D> {
        let total = tensor.shape().num_elements();
        if total == 0 {
            return tensor;
        }
        let elements = total / self.rows.max(1);
        self.check(total, elements);
        let launch = self.kernel_rows().and_then(|rows| {
            let noise = self.parameters.fused();
            NoiseLaunch::new(&noise, &rows, &tensor).map(|launch| (launch, noise))
        });
        match launch {
            Some((launch, noise)) => launch.add(noise, tensor),
            None => self.add_by_tensor_operations(tensor, elements),
        }
    }

    /// The rows as kernels count them: their draws follow one another.
    fn kernel_rows(&self) -> Option<NoiseRows> {
        let parts = self.examples.parts(if self.draw_per_row { self.rows } else { 1 });
        let [(first, _)] = *parts.as_slice() else {
            return None;
        };
        Some(NoiseRows {
            rows: self.rows,
            draw_per_row: self.draw_per_row,
            std_per_row: self.std_per_row,
            independent: self.key.child(0).words(),
            shared: self.key.child(1).words(),
            first,
        })
    }

    fn check(&self, total: usize, elements: usize) {
        assert!(
            total == elements * self.rows,
            "rows: got {}, wanted a divisor of the tensor's {total} elements",
            self.rows
        );
        let fits = self.parameters.fit(elements);
        assert!(fits, "parameters: do not fit a row of {elements} elements");
    }

    /// What the kernels compute, by Burn's own operations: for backends and element types without
    /// one.
    fn add_by_tensor_operations<const D: usize>(
        self,
        tensor: Tensor<D>,
        elements: usize,
    ) -> Tensor<D> {
        let shape = tensor.shape();
        let rows = tensor.clone().reshape([self.rows, elements]);
        let values = match self.std_per_row {
            true => rows.clone(),
            false => tensor.clone().reshape([1, self.rows * elements]),
        };
        let draws = if self.draw_per_row { self.rows } else { 1 };
        let draw = |stream: u64, columns: usize| {
            let like =
                Tensor::<2>::empty([draws, columns], (&tensor.device().inner(), tensor.dtype()));
            normal_rows(self.key.child(stream), &self.examples, &like)
        };
        let independent = draw(0, elements);
        let noise = match self.parameters {
            Parameters::White { alpha, stride, convention } => {
                let values = match convention {
                    Convention::Reference => values.inner(),
                    Convention::Scaled => values,
                };
                white(spread(alpha, stride, elements), standard_deviations(values), independent)
            }
            Parameters::Colored(law) => {
                let shared = law.factor.as_ref().map(|factor| draw(1, factor.dims()[1]));
                law.noise(standard_deviations(values), independent, shared)
            }
        };
        (rows + noise).reshape(shape)
    }
}

/// `α` for every element, `[1, elements]`, or `[1, 1]` where there is only one.
fn spread(alpha: Tensor<1>, stride: usize, elements: usize) -> Tensor<2> {
    let [n] = alpha.dims();
    if n == 1 || n == elements {
        return alpha.reshape([1, n]);
    }
    let outer = elements / (n * stride);
    alpha.reshape([1, n, 1]).expand([outer, n, stride]).reshape([1, elements])
}
