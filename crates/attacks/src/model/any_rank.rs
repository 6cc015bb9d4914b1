//! Models whose inputs are not images.

use crate::{AttackError, Classifier};
use burn::tensor::Tensor;

/// A model with inputs of any rank, as a [`Classifier`]: for tables, signals and volumes.
///
/// Norms do not depend on shapes, so that every attack works on `[batch, features]` as on images,
/// except those with square windows or patches. Inputs of rank 2 become images `[batch, 1, 1,
/// features]`, of rank 3 `[batch, channels, 1, length]`, and of rank 5 and more `[batch, channels,
/// .., last]` with the axes between them merged. The values of inputs are in [0, 1], like pixels.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use cni_attacks::{Attack, Goal, Pgd, AnyRank, Threat};
/// use cni_noise::Key;
/// let device = Device::flex();
/// let weight = Tensor::<2>::from_data([[1.0, -1.0], [-2.0, 0.5], [0.0, 1.0]], &device);
/// let model = AnyRank::new([3], move |x: Tensor<2>| x.matmul(weight.clone()))?;
/// let inputs = Tensor::<2>::from_data([[0.9, 0.2, 0.1]], &device);
/// let goal = Goal::Misclassify(Tensor::from_ints([0], &device));
/// let attack = Pgd::new(Threat::linf(0.2)?);
/// let found = attack.on(&model).with_key(Key::new(1)).run(model.to_images(inputs)?, &goal)?;
/// let adversarial: Tensor<2> = model.to_inputs(found.images);
/// assert_eq!(adversarial.dims(), [1, 3]);
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AnyRank<const D: usize, F> {
    shape: Vec<usize>,
    forward: F,
}

impl<const D: usize, F: Fn(Tensor<D>) -> Tensor<2>> AnyRank<D, F> {
    /// The model that `forward` computes: from inputs `[batch, shape..]` to logits `[batch,
    /// classes]`.
    ///
    /// # Errors
    ///
    /// [`AttackError::InputShape`] if the rank of `forward`'s input is not one more than the length
    /// of `shape`.
    pub fn new(shape: impl Into<Vec<usize>>, forward: F) -> Result<Self, AttackError> {
        let shape = shape.into();
        if shape.len() + 1 != D || D < 2 {
            let wanted = vec![0; D.saturating_sub(1)];
            return Err(AttackError::InputShape { got: shape, wanted });
        }
        Ok(Self { shape, forward })
    }

    /// The inputs as images, `[batch, channels, height, width]`, for the attacks.
    ///
    /// # Errors
    ///
    /// [`AttackError::InputShape`] if they are not `[batch, shape..]`.
    pub fn to_images(&self, inputs: Tensor<D>) -> Result<Tensor<4>, AttackError> {
        let dims = inputs.dims();
        if dims[1..] != self.shape {
            let (got, wanted) = (dims[1..].to_vec(), self.shape.clone());
            return Err(AttackError::InputShape { got, wanted });
        }
        let (batch, values) = (dims[0], self.shape.iter().product::<usize>());
        let last = dims[D - 1];
        let channels = if D > 2 { dims[1] } else { 1 };
        Ok(inputs.reshape([batch, channels, values / (channels * last).max(1), last]))
    }

    /// The images as inputs, `[batch, shape..]`: the inverse of [`to_images`](Self::to_images).
    ///
    /// # Panics
    ///
    /// If an image does not have as many values as an input of this model.
    pub fn to_inputs(&self, images: Tensor<4>) -> Tensor<D> {
        let got: usize = images.dims()[1..].iter().product();
        let wanted: usize = self.shape.iter().product();
        assert_eq!(
            got, wanted,
            "images: got {got} values each, wanted {wanted} as {:?}",
            self.shape
        );
        let mut dims = [images.dims()[0]; D];
        dims[1..].copy_from_slice(&self.shape);
        images.reshape(dims)
    }
}

impl<const D: usize, F: Fn(Tensor<D>) -> Tensor<2>> Classifier for AnyRank<D, F> {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        (self.forward)(self.to_inputs(images))
    }
}
