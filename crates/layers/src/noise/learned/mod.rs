//! The learnable parameters of a noise law, shared by weight and activation noise.

mod module;

use crate::NoiseError;
use crate::noise::Spec;
use burn::module::{Initializer, Param, Reparameterization};
use burn::tensor::{DType, Device, Tensor};
use cni_noise::laws::{LawParameters, NoiseKind, NoiseParameters, NoiseScale, TensorShape};
use cni_noise::{AddedNoise, ExampleIds, Key, layer_key};
use cni_ops::{FusedNoise, NoiseRows};

/// Learned noise for one tensor: the parameters of its law and the name that its draws are keyed
/// by.
///
/// As a [`Reparameterization`] it makes a weight noisy. [`ActivationNoise`](crate::ActivationNoise)
/// holds one for the output of another layer.
///
/// Its parameters are those that its law names, and lie at these names.
#[derive(Clone, Debug)]
pub struct LearnedNoise {
    spec: Spec,
    vectors: Vec<(&'static str, Param<Tensor<1>>)>,
    factor: Option<Param<Tensor<2>>>,
    name: String,
    /// True if one standard deviation over a whole batch scales it.
    batch_std: bool,
}

impl LearnedNoise {
    /// The name by which Burn's visitors know the container of this module's own parameters. A name
    /// in a path would not do: a user's module may have a field named `noise` too. Nor would the
    /// name that a derive gives: a user's struct may have the name of this one.
    // With `Struct:` it ends the layer around it for the adapters of `burn-store`, which would take
    // the parameters for those of that layer otherwise, and give them its element type.
    pub(crate) const CONTAINER: &'static str = "Struct:cni_layers::LearnedNoise";

    /// The name of the factor.
    pub(crate) const FACTOR: &'static str = "factor";

    /// Noise for a tensor of the given shape. The caller has validated the law.
    pub(crate) fn new(
        name: String,
        law: NoiseKind,
        scale: NoiseScale,
        shape: TensorShape,
        device: &Device,
    ) -> Self {
        let LawParameters { vectors, factor } = law.parameters(&shape);
        let constant = |value| Initializer::Constant { value };
        let vectors = vectors
            .into_iter()
            .map(|vector| (vector.name, constant(vector.initial).init([vector.len], device)))
            .collect();
        let size = shape.elements();
        let factor = factor.map(|f| constant(f.initial).init([size, f.rank], device));
        Self { spec: Spec { law, scale, shape }, vectors, factor, name, batch_std: false }
    }

    /// Tells visitors whether one standard deviation is taken over a whole batch. A scale that is
    /// absolute has none.
    pub(crate) fn with_batch_std(self, batch_std: bool) -> Self {
        Self { batch_std: batch_std && self.spec.scale != NoiseScale::Absolute, ..self }
    }

    /// Checks that a law fits a tensor.
    pub(crate) fn validate(
        name: &str,
        law: &NoiseKind,
        scale: NoiseScale,
        shape: &TensorShape,
    ) -> Result<(), NoiseError> {
        let named = |error| NoiseError::Law { name: name.to_string(), error };
        law.validate(scale, shape).map_err(named)
    }

    /// The law and its initial values.
    pub fn law(&self) -> &NoiseKind {
        &self.spec.law
    }

    /// The parameter vector of this name, such as `alpha` of white noise or `diagonal` of colored
    /// noise: `[n]`. The law's own documentation names its parameters.
    pub fn vector(&self, name: &str) -> Option<&Param<Tensor<1>>> {
        self.vectors.iter().find(|(known, _)| *known == name).map(|(_, vector)| vector)
    }

    /// The parameter vectors with their names, in the law's order.
    pub fn vectors(&self) -> impl Iterator<Item = (&'static str, &Param<Tensor<1>>)> {
        self.vectors.iter().map(|(name, vector)| (*name, vector))
    }

    /// The factor of a law that has one, `[elements, rank]`, such as `F` of colored noise.
    pub fn factor(&self) -> Option<&Param<Tensor<2>>> {
        self.factor.as_ref()
    }

    /// The way in which the noise's size follows the tensor.
    pub fn scale(&self) -> NoiseScale {
        self.spec.scale
    }

    /// The name that keys the draws.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tensor plus a draw of its noise; its mean by the law if noise is off.
    ///
    /// A pure function of the key, the parameters and the tensor, whose shape is that of the
    /// weight.
    pub fn noisy<const D: usize>(&self, key: Option<Key>, tensor: Tensor<D>) -> Tensor<D> {
        let shape = tensor.dims();
        self.add(key, tensor, &shape, |noise| noise)
    }

    /// A batch of rows of this shape plus the noise of the next draw by the
    /// [noise scope](cni_noise::scope): one draw for all rows, or one for each by its number among
    /// `examples`; and one standard deviation or one for each row.
    pub(crate) fn add_to_rows<const D: usize>(
        &self,
        batch: Tensor<D>,
        shape: &[usize],
        rows: usize,
        examples: Option<ExampleIds>,
        std_per_row: bool,
    ) -> Tensor<D> {
        let key = self.next_key(&batch.device());
        self.add(key, batch, shape, |mut noise| {
            noise = noise.with_rows(rows);
            if let Some(examples) = examples {
                noise = noise.with_draw_per_row(examples);
            }
            if std_per_row { noise.with_std_per_row() } else { noise }
        })
    }

    /// True if kernels can add one draw to a batch of rows of this shape.
    pub(crate) fn has_kernels(&self, shape: &[usize]) -> bool {
        let any_key = Key::from_words([0; 4]);
        self.added(any_key, shape, DType::F32).for_kernels().is_some()
    }

    /// The form and the rows of the next draw for kernels, one draw for all rows of this shape;
    /// `None` if noise is off.
    pub(crate) fn for_kernels(
        &self,
        shape: &[usize],
        rows: usize,
    ) -> Option<(FusedNoise, NoiseRows)> {
        let noise = |key| self.added(key, shape, DType::F32).with_rows(rows).for_kernels();
        // Its parameters tell the device from which a key may have to be read.
        let (any_draw, _) = noise(Key::from_words([0; 4]))?;
        noise(self.next_key(&any_draw.amplitudes.device())?)
    }

    /// The noise for a row of this shape and element type.
    fn added(&self, key: Key, shape: &[usize], dtype: DType) -> AddedNoise<'_> {
        let Spec { law, scale, shape: TensorShape { channel_axis, .. } } = &self.spec;
        let parameters = NoiseParameters {
            scale: *scale,
            shape: TensorShape::new(shape, *channel_axis),
            vectors: self.vectors.iter().map(|(_, vector)| value(vector, dtype)).collect(),
            factor: self.factor.as_ref().map(|factor| value(factor, dtype)),
        };
        AddedNoise::new(&**law, parameters, key)
    }

    fn add<'a, const D: usize>(
        &'a self,
        key: Option<Key>,
        tensor: Tensor<D>,
        shape: &[usize],
        rows: impl FnOnce(AddedNoise<'a>) -> AddedNoise<'a>,
    ) -> Tensor<D> {
        if key.is_none() && !self.spec.law.has_mean() {
            return tensor;
        }
        // Noise is added to numbers, which packed ones are not.
        let tensor = match tensor.dtype() {
            DType::QFloat(_) => tensor.dequantize(),
            _ => tensor,
        };
        // A mean needs no key.
        let some_key = key.unwrap_or(Key::from_words([0; 4]));
        let noise = rows(self.added(some_key, shape, tensor.dtype()));
        match key {
            Some(_) => noise.add_to(tensor),
            None => noise.mean_of(tensor),
        }
    }

    /// The key of the next draw, or `None` if noise is off.
    fn next_key(&self, device: &Device) -> Option<Key> {
        layer_key(&self.name, device)
    }
}

/// The value of a parameter in the element type of the noisy tensor.
fn value<const D: usize>(parameter: &Param<Tensor<D>>, dtype: DType) -> Tensor<D> {
    let value = parameter.val();
    if value.dtype() == dtype { value } else { value.cast(dtype) }
}

impl Reparameterization for LearnedNoise {
    const NAME: &'static str = "noise";

    /// The weight plus a draw of its noise; its mean by the law, which is most often the weight
    /// itself, if noise is off.
    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        self.noisy(self.next_key(&base.device()), base)
    }
}
