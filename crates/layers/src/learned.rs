//! The learnable parameters of a noise law, shared by weight and activation noise.

use crate::NoiseError;
use crate::spec::Spec;
use burn::module::{
    Content, Devices, DisplaySettings, Initializer, Module, ModuleDisplay, ModuleDisplayDefault,
    ModuleMapper, ModuleVisitor, Param, Reparameterization,
};
use burn::tensor::{DType, Device, Tensor};
use cni_noise::laws::{LawParameters, NoiseKind, NoiseParameters, NoiseScale, TensorShape};
use cni_noise::{AddedNoise, ExampleIds, Key, layer_key};

/// Learned noise for one tensor: the parameters of its law and the name that its draws are keyed
/// by.
///
/// As a [`Reparameterization`] it makes a weight noisy. [`ActivationNoise`](crate::ActivationNoise)
/// holds one for the output of another layer.
///
/// A module by hand: its parameters are those that its law names, and lie at these names.
#[derive(Clone, Debug)]
pub struct LearnedNoise {
    spec: Spec,
    vectors: Vec<(&'static str, Param<Tensor<1>>)>,
    factor: Option<Param<Tensor<2>>>,
    name: String,
}

impl LearnedNoise {
    /// The name by which Burn's visitors know the container of this module's own parameters. A name
    /// in a path would not do: a user's module may have a field named `noise` too.
    pub(crate) const CONTAINER: &'static str = "Struct:LearnedNoise";

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
        Self { spec: Spec { law, scale, shape }, vectors, factor, name }
    }

    /// Checks that a law fits a tensor.
    pub(crate) fn validate(
        name: &str,
        law: NoiseKind,
        scale: NoiseScale,
        shape: &TensorShape,
    ) -> Result<(), NoiseError> {
        let named = |error| NoiseError::Law { name: name.to_string(), error };
        law.validate(scale, shape).map_err(named)
    }

    /// The law and its initial values.
    pub fn law(&self) -> NoiseKind {
        self.spec.law
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
    /// A pure function of the key, the parameters and the tensor, whose shape is that of the weight.
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
        let Spec { law, scale, shape: TensorShape { channel_axis, .. } } = &self.spec;
        let dtype = tensor.dtype();
        let parameters = NoiseParameters {
            scale: *scale,
            shape: TensorShape::new(shape, *channel_axis),
            vectors: self.vectors.iter().map(|(_, vector)| value(vector, dtype)).collect(),
            factor: self.factor.as_ref().map(|factor| value(factor, dtype)),
        };
        // A mean needs no key.
        let noise =
            rows(AddedNoise::new(&**law, parameters, key.unwrap_or(Key::from_words([0; 4]))));
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

/// The noise with each of its parameters mapped.
macro_rules! each_parameter {
    ($noise:expr, $parameter:ident => $mapped:expr) => {{
        let Self { spec, vectors, factor, name } = $noise;
        let vectors = vectors.into_iter().map(|(name, $parameter)| (name, $mapped)).collect();
        let factor = factor.map(|$parameter| $mapped);
        Self { spec, vectors, factor, name }
    }};
}

impl Module for LearnedNoise {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        // First: visitors need the metadata before the parameters.
        let metadata = serde_json::to_string(&self.spec).expect("the metadata are plain data");
        visitor.enter_module(Spec::FIELD, Self::CONTAINER);
        visitor.enter_module(&metadata, Spec::CONTAINER);
        visitor.exit_module(&metadata, Spec::CONTAINER);
        visitor.exit_module(Spec::FIELD, Self::CONTAINER);
        for (name, vector) in &self.vectors {
            visitor.enter_module(name, Self::CONTAINER);
            vector.visit(visitor);
            visitor.exit_module(name, Self::CONTAINER);
        }
        if let Some(factor) = &self.factor {
            visitor.enter_module(Self::FACTOR, Self::CONTAINER);
            factor.visit(visitor);
            visitor.exit_module(Self::FACTOR, Self::CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let Self { spec, vectors, factor, name } = self;
        let mut vector = |(name, vector): (&'static str, Param<Tensor<1>>)| {
            mapper.enter_module(name, Self::CONTAINER);
            let vector = Module::map(vector, mapper);
            mapper.exit_module(name, Self::CONTAINER);
            (name, vector)
        };
        let vectors = vectors.into_iter().map(&mut vector).collect();
        let factor = factor.map(|factor| {
            mapper.enter_module(Self::FACTOR, Self::CONTAINER);
            let factor = Module::map(factor, mapper);
            mapper.exit_module(Self::FACTOR, Self::CONTAINER);
            factor
        });
        Self { spec, vectors, factor, name }
    }

    fn to_device(self, device: &Device) -> Self {
        each_parameter!(self, parameter => parameter.to_device(device))
    }

    fn fork(self, device: &Device) -> Self {
        each_parameter!(self, parameter => parameter.fork(device))
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        let vectors = self.vectors.iter();
        let devices = vectors.fold(devices, |found, (_, vector)| vector.collect_devices(found));
        match &self.factor {
            Some(factor) => factor.collect_devices(devices),
            None => devices,
        }
    }

    fn materialize(self) -> Self {
        each_parameter!(self, parameter => parameter.materialize())
    }

    fn valid(&self) -> Self {
        each_parameter!(self.clone(), parameter => parameter.valid())
    }

    fn train(self) -> Self {
        each_parameter!(self, parameter => parameter.train())
    }
}

impl ModuleDisplayDefault for LearnedNoise {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("LearnedNoise")
            .add_debug_attribute("law", &self.spec.law)
            .add_debug_attribute("scale", &self.spec.scale)
            .optional()
    }

    fn num_params(&self) -> usize {
        Module::num_params(self)
    }
}

impl ModuleDisplay for LearnedNoise {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }
}

impl std::fmt::Display for LearnedNoise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.format(Default::default()))
    }
}
