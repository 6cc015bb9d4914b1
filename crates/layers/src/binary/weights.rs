//! Binary weights for any module.

use super::{Binarized, Quantizer};
use crate::NoiseError;
use crate::parameters::Found;
use burn::module::{Module, Param, ParamGroup, Reparameterizer};
use burn::tensor::Tensor;

/// Makes the weights of a module binary, without touching its code or its type.
///
/// Each time a layer reads such a weight it gets the signs of the latent weight, which trains,
/// moves, saves and loads in its place. Latent weights need no decay: only their signs count, and a
/// decay pulls them to where they change. An update rule clamps them to where they have a gradient.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
/// use cni_layers::binary::{BinaryWeights, Quantizer};
/// # let device = Device::flex();
/// let model = LinearConfig::new(8, 4).with_bias(false).init(&device);
/// let model = BinaryWeights::new(Quantizer::ste_sign()).inject(model);
/// let y = model.forward(Tensor::<2>::ones([1, 8], &device)); // sums of eight signs
/// assert!(y.into_data().iter::<f32>().all(|y| y % 2.0 == 0.0 && y.abs() <= 8.0));
/// ```
#[derive(Clone, Debug)]
pub struct BinaryWeights {
    quantizer: Quantizer,
    group: Option<ParamGroup>,
}

impl BinaryWeights {
    /// Weights by a quantizer.
    pub fn new(quantizer: Quantizer) -> Self {
        Self { quantizer, group: None }
    }

    /// Selects the parameters. By default every parameter named `weight` of rank 2 or more.
    pub fn with_group(mut self, group: ParamGroup) -> Self {
        self.group = Some(group);
        self
    }

    /// Makes the weights binary.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_inject`](Self::try_inject) would give.
    pub fn inject<M: Module>(&self, model: M) -> M {
        self.try_inject(model).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes the weights binary, each selected parameter's at its own path.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] where the group selects nothing, or a parameter that has a reparameterization
    /// already (noise, LoRA), since Burn allows one on a parameter; and for a setting of the
    /// quantizer out of its range.
    pub fn try_inject<M: Module>(&self, model: M) -> Result<M, NoiseError> {
        self.quantizer.check()?;
        let found = Found::of(&model);
        let selected = found.selected(self.group.as_ref())?;
        let selected: Vec<String> = selected.iter().map(|weight| weight.path.clone()).collect();
        if let Some((name, found)) =
            found.reparameterized.iter().find(|(path, _)| selected.contains(path))
        {
            let (name, found) = (name.clone(), found.clone());
            return Err(NoiseError::Reparameterized { name, found });
        }
        Ok(model.apply_reparameterization(Attach { quantizer: self.quantizer, selected }))
    }
}

struct Attach {
    quantizer: Quantizer,
    selected: Vec<String>,
}

impl Reparameterizer for Attach {
    type Reparam = Binarized;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<Binarized>) {
        let selected = self.selected.iter().any(|selected| selected == path);
        (param, selected.then_some(Binarized::new(self.quantizer)))
    }
}
