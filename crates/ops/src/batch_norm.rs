use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

/// The epilogue of a batch norm: a residual sum and a rectifier, each if wanted.
///
/// The residual is a tensor, or a value within a [`Chain`](crate::Chain).
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<T = Tensor<4>> {
    /// A sum with this, of the output's shape.
    pub residual: Option<T>,
    /// A rectifier, after the sum.
    pub relu: bool,
}

impl<T> Default for Epilogue<T> {
    fn default() -> Self {
        Self { residual: None, relu: false }
    }
}

impl<T> Epilogue<T> {
    /// A rectifier.
    pub fn relu() -> Self {
        Self { residual: None, relu: true }
    }

    /// A sum.
    pub fn add(residual: T) -> Self {
        Self { residual: Some(residual), relu: false }
    }

    /// A sum, then a rectifier.
    pub fn add_relu(residual: T) -> Self {
        Self { residual: Some(residual), relu: true }
    }
}

impl Epilogue {
    /// By Burn's own operations.
    pub(crate) fn apply(self, x: Tensor<4>) -> Tensor<4> {
        let x = match self.residual {
            Some(residual) => x + residual,
            None => x,
        };
        if self.relu { relu(x) } else { x }
    }
}

/// `layer.forward(x)` and what follows, `[batch, channels, height, width]`.
///
/// As Burn's layer it uses, and updates, the batch's statistics if `x` is on an autodiff device and
/// the layer is in training mode, and uses the running statistics otherwise.
///
/// # Panics
///
/// If the layer has another number of channels than `x`, or the residual another shape.
pub fn batch_norm(layer: &BatchNorm, x: Tensor<4>, epilogue: Epilogue) -> Tensor<4> {
    check(layer, x.dims(), &epilogue);
    #[cfg(feature = "flex")]
    {
        let parts = [&x].into_iter().chain(&epilogue.residual);
        if fast::applies(parts) {
            return match trains(layer, &x) {
                true => fast::by_batch(layer, x, epilogue),
                false => fast::by_running(layer, x, epilogue),
            };
        }
    }
    epilogue.apply(layer.forward(x))
}

/// The affine map of each channel that a batch norm is with its running statistics: factors and
/// shifts.
pub fn running_affine(layer: &BatchNorm) -> [Tensor<1>; 2] {
    let (mean, variance) = (layer.running_mean.value(), layer.running_var.value());
    let scale = layer.gamma.val() / (variance + layer.epsilon).sqrt();
    let shift = layer.beta.val() - mean * scale.clone();
    [scale, shift]
}

/// Refuses what a kernel would read beyond its end, or in another order than its shape says.
pub(crate) fn check(layer: &BatchNorm, output: [usize; 4], epilogue: &Epilogue) {
    let ([_, channels, ..], num_features) = (output, layer.gamma.lazy_shape()[0]);
    assert!(
        num_features == channels,
        "batch_norm: got a batch norm of {num_features} channels for an input of shape {output:?}, \
         wanted {channels}"
    );
    if let Some(residual) = &epilogue.residual {
        let got = residual.dims();
        assert!(got == output, "residual: got shape {got:?}, wanted the output's {output:?}");
    }
}

/// True if the layer uses the batch's statistics.
#[cfg(feature = "flex")]
pub(crate) fn trains(layer: &BatchNorm, x: &Tensor<4>) -> bool {
    x.device().is_autodiff() && layer.training.is_enabled()
}

#[cfg(feature = "flex")]
pub(crate) mod fast {
    use super::{Epilogue, running_affine};
    use crate::extension::FastOps;
    use burn::backend::{Dispatch, DispatchDevice};
    use burn::nn::BatchNorm;
    use burn::tensor::{DType, Tensor};

    /// True if our kernels take these tensors.
    pub fn applies<'a, const D: usize>(tensors: impl IntoIterator<Item = &'a Tensor<D>>) -> bool {
        tensors.into_iter().all(|tensor| {
            let device = tensor.device().inner();
            tensor.dtype() == DType::F32
                && matches!(device.as_dispatch(), DispatchDevice::Flex(_))
                && tensor.shape().num_elements() > 0
        })
    }

    pub fn by_running(layer: &BatchNorm, x: Tensor<4>, epilogue: Epilogue) -> Tensor<4> {
        let [scale, shift] = running_affine(layer).map(Tensor::into_dispatch);
        let x = x.into_dispatch();
        Tensor::from_dispatch(match epilogue.residual {
            None => Dispatch::fast_affine(x, scale, shift, epilogue.relu),
            Some(residual) => {
                Dispatch::fast_affine_add(x, scale, shift, residual.into_dispatch(), epilogue.relu)
            }
        })
    }

    pub fn by_batch(layer: &BatchNorm, x: Tensor<4>, epilogue: Epilogue) -> Tensor<4> {
        let x = x.into_dispatch();
        let [gamma, beta] = [&layer.gamma, &layer.beta].map(|param| param.val().into_dispatch());
        let (out, mean, variance) = match epilogue.residual {
            None => Dispatch::fast_norm(x, gamma, beta, layer.epsilon, epilogue.relu),
            Some(residual) => Dispatch::fast_norm_add(
                x,
                gamma,
                beta,
                residual.into_dispatch(),
                layer.epsilon,
                epilogue.relu,
            ),
        };
        let [mean, variance] =
            [mean, variance].map(|vector| Tensor::<1>::from_dispatch(vector).detach());
        update_running(layer, mean, variance);
        Tensor::from_dispatch(out)
    }

    /// Moves the running statistics towards those of a batch.
    pub fn update_running(layer: &BatchNorm, mean: Tensor<1>, variance: Tensor<1>) {
        let statistics = [(&layer.running_mean, mean), (&layer.running_var, variance)];
        for (running, batch) in statistics {
            let old = running.value_sync().to_device(&batch.device());
            let new = old.mul_scalar(1.0 - layer.momentum) + batch.mul_scalar(layer.momentum);
            running.update(new.detach());
        }
    }
}
