//! Noise on the weights of any module. One file, because the documentation of the noise, the states
//! of training among it, is half of it.

use super::LearnedNoise;
use crate::parameters::{Found, Parameter};
use crate::{Granularity, NoiseError, NoiseKind, NoiseScale};
use burn::config::Config;
use burn::module::{Module, Param, ParamGroup, Reparameterization, Reparameterizer};
use burn::tensor::Tensor;
use cni_noise::laws::{Colored, TensorShape, White};
use cni_noise::{Key, Noise, scope};
use serde::{Deserialize, Serialize};

/// Adds learnable noise to the weights of a module, without touching its code or its type.
///
/// Each time a layer reads a noisy weight `w` it gets `w + m` with a new draw `m`, by the law of
/// PNI ([`white`](Self::white)) or CNI ([`colored`](Self::colored)). One draw serves the whole
/// batch, as in both papers. The [noise scope](cni_noise::scope) decides which draw it is; noise is
/// on in training and at inference alike.
///
/// The parameters of the noise train, move, save and load with the module, below the path of their
/// weight: `conv.weight.noise.diagonal`. The path also keys the draws, so two models with the same
/// paths draw the same noise in the same scope.
///
/// ```
/// # use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
/// use cni_layers::WeightNoise;
/// use cni_noise::{Key, Noise, scope};
/// # let device = Device::flex();
/// let model = LinearConfig::new(8, 4).init(&device);
/// let model = WeightNoise::colored(5).inject(model);
/// let x = Tensor::<2>::ones([2, 8], &device);
/// let replayed = || scope(Noise::Keyed(Key::new(1)), || model.forward(x.clone())).into_data();
/// assert_eq!(replayed(), replayed());
/// assert_ne!(model.forward(x.clone()).into_data(), model.forward(x.clone()).into_data());
/// ```
///
/// # Training state
///
/// The state of a module decides what is trained. It never decides whether noise is on: that is the
/// scope alone.
///
/// - `freeze`, `no_grad` and `unfreeze` act on the parameters of noise as on all others, and
///   `unfreeze` trains those that were frozen one by one too.
///   [`noise_parameters`](crate::noise_parameters) gives the group for `freeze_group`, for a
///   learning rate or a weight decay of its own:
///   `model.freeze_group(noise_parameters(&model))` trains the weights under noise of fixed size.
/// - `valid` gives a copy without gradients, `train` takes the training up again as it was.
/// - [`fold`](Self::fold) and [`remove`](Self::remove) end the noise. The parameters keep their
///   ids, and whether they are trained.
/// - A clone has the same ids and draws the same noise in the same scope. A training step changes
///   one of the two and not the other.
/// - `to_device` and `fork` move the noise with its weight. The same key draws the same noise on
///   every device, to float rounding.
/// - **LoRA.** Burn allows one reparameterization on a parameter, so that noise and an adapter lie
///   on different weights. `apply_lora` comes first, since it freezes all parameters that it finds
///   and takes the factor of colored noise for a weight to adapt; put on a weight with noise,
///   Burn drops the adapter in silence. A group then selects the weights for the noise; one with an
///   adapter is refused. To have noise on an adapted weight, fold the adapter with
///   `model.materialize()` first.
/// - **Half precision.** A weight in `f16` or `bf16` gets noise in its own type. The parameters of
///   the noise may have that type too or stay in single precision, which suits training.
/// - **Quantization.** A quantized weight is dequantized for each draw, and stays packed in memory.
///   Without noise Burn multiplies by the packed weight. Quantize the weights alone,
///   `ParamGroup::all().exclude(noise_parameters(&model))`, with biases left out if the backend
///   asks for it.
///
/// ```
/// # use burn::{module::{Lora, Module, ParamGroup}, nn::{Linear, LinearConfig}};
/// # use burn::tensor::Device;
/// use cni_layers::{WeightNoise, noise_parameters};
/// #[derive(Module, Debug)]
/// struct Net {
///     first: Linear,
///     second: Linear,
/// }
/// # let device = Device::flex().autodiff();
/// # let linear = || LinearConfig::new(8, 8).init(&device);
/// # let net = Net { first: linear(), second: linear() };
/// let first = ParamGroup::from_path("first.weight");
/// let net = net.apply_lora(Lora::new(2, 4.0).set_param_group(first));
/// let noise = WeightNoise::colored(2).with_group(ParamGroup::from_path("second.weight"));
/// let net = noise.inject(net);
/// // Noise of fixed size: the adapter alone is trained.
/// let frozen = net.clone().freeze_group(noise_parameters(&net));
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightNoise {
    law: NoiseKind,
    // The name in files of before.
    #[serde(alias = "convention")]
    scale: NoiseScale,
    group: Option<ParamGroup>,
    channel_axis: Option<usize>,
    #[serde(default)]
    prefix: String,
}

impl Config for WeightNoise {}

/// Equal settings. Burn's groups of parameters are compared by their JSON.
impl PartialEq for WeightNoise {
    fn eq(&self, other: &Self) -> bool {
        let group = |noise: &Self| serde_json::to_string(&noise.group).ok();
        let rest = |noise: &Self| (noise.scale, noise.channel_axis, noise.prefix.clone());
        self.law == other.law && rest(self) == rest(other) && group(self) == group(other)
    }
}

impl WeightNoise {
    /// Noise by any law, at the reference's scale.
    ///
    /// A custom law is an implementation of [`NoiseLaw`](cni_noise::NoiseLaw), whose documentation
    /// has one to copy: `WeightNoise::new(Uniform { width: 0.5 })`, with its scale. It does all
    /// that a built-in law does, with one exception: its configuration can be written and not read
    /// back, so that the caller builds it in code.
    pub fn new(law: impl Into<NoiseKind>) -> Self {
        Self {
            law: law.into(),
            scale: NoiseScale::Reference,
            group: None,
            channel_axis: None,
            prefix: String::new(),
        }
    }

    /// PNI's white noise with its initial α of 0.25.
    pub fn white(granularity: Granularity) -> Self {
        Self::new(White::new(granularity))
    }

    /// CNI's colored noise with its initial values. The reference uses rank 5; rank 0 is the
    /// diagonal alone.
    pub fn colored(rank: usize) -> Self {
        Self::new(Colored::new(rank))
    }

    /// Uses another scale than the reference's.
    pub fn with_scale(mut self, scale: NoiseScale) -> Self {
        self.scale = scale;
        self
    }

    /// Selects the parameters. By default every parameter named `weight` of rank 2 or more: the
    /// weights of convolutions and linear layers, and of embeddings where a model has some.
    pub fn with_group(mut self, group: ParamGroup) -> Self {
        self.group = Some(group);
        self
    }

    /// The axis of output channels for [`Granularity::Channel`]. By default 1 for rank 2, as in
    /// Burn's `Linear`, and 0 otherwise, as in its convolutions; transposed convolutions have it at
    /// 1.
    pub fn with_channel_axis(mut self, axis: usize) -> Self {
        self.channel_axis = Some(axis);
        self
    }

    /// Prefixes the names that key the draws, which are the paths of the weights otherwise. Wanted
    /// where the parts of a model receive their noise one by one, so that equal paths within the
    /// parts do not draw the same noise.
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.to_string();
        self
    }

    /// The law and its initial values.
    pub fn law(&self) -> &NoiseKind {
        &self.law
    }

    /// Attaches the noise.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_inject`](Self::try_inject) would give.
    pub fn inject<M: Module>(&self, model: M) -> M {
        self.try_inject(model).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Attaches the noise, each selected parameter's at its own path.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] where the group selects nothing, or a parameter that has noise already, and
    /// where the law does not fit a selected parameter: a setting out of its range, or a custom law
    /// that breaks the contract of its trait.
    pub fn try_inject<M: Module>(&self, model: M) -> Result<M, NoiseError> {
        let found = Found::of(&model);
        let selected = found.selected(self.group.as_ref())?;
        for Parameter { path, shape, .. } in &selected {
            let name = self.name(path);
            let other = found.reparameterized.iter().find(|(found, _)| found == path);
            if let Some((_, other)) = other {
                return Err(match other.as_str() == LearnedNoise::NAME {
                    true => NoiseError::AlreadyNoisy(name),
                    false => NoiseError::Reparameterized { name, found: other.clone() },
                });
            }
            let axis = self.axis(shape.len());
            if axis >= shape.len() {
                return Err(NoiseError::ChannelAxis { name, axis, rank: shape.len() });
            }
            let shape = TensorShape::new(shape, axis);
            LearnedNoise::validate(&name, &self.law, self.scale, &shape)?;
        }
        let selected = selected.into_iter().map(|parameter| parameter.path.clone()).collect();
        Ok(model.apply_reparameterization(Attach { noise: self, selected }))
    }

    /// The module without its weight noise: the weights that it has with the noise off, no noise
    /// parameters. They are the same as before, but of a law that has a mean of its own, such as
    /// multiplicative noise, that mean.
    ///
    /// Every reparameterization of the module is folded in, those of other origin (LoRA) too. The
    /// parameters keep their ids, and whether they are trained.
    pub fn remove<M: Module>(model: M) -> M {
        scope(Noise::Off, || model.materialize())
    }

    /// The module with one draw of the noise folded into its weights: the draw that a forward pass
    /// in the scope of `key` sees. As [`remove`](Self::remove), it folds every reparameterization.
    pub fn fold<M: Module>(model: M, key: Key) -> M {
        scope(Noise::Keyed(key), || model.materialize())
    }

    /// This noise for a layer within a model: its draws are keyed by the layer's name.
    pub(crate) fn within(&self, layer: &str) -> Self {
        let mut noise = self.clone();
        if !layer.is_empty() {
            noise.prefix = format!("{}{layer}.", self.prefix);
        }
        noise
    }

    /// This noise on the parameter at `path`, unless a group says otherwise.
    pub(crate) fn or_on(mut self, path: &str) -> Self {
        self.group.get_or_insert_with(|| ParamGroup::from_path(path));
        self
    }

    fn name(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    fn axis(&self, rank: usize) -> usize {
        self.channel_axis.unwrap_or(usize::from(rank == 2))
    }
}

struct Attach<'a> {
    noise: &'a WeightNoise,
    selected: Vec<String>,
}

impl Reparameterizer for Attach<'_> {
    type Reparam = LearnedNoise;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LearnedNoise>) {
        let noise = self.selected.iter().any(|selected| selected == path).then(|| {
            let shape = TensorShape::new(param.lazy_shape().as_slice(), self.noise.axis(D));
            let WeightNoise { law, scale, .. } = self.noise;
            let name = self.noise.name(path);
            LearnedNoise::new(name, law.clone(), *scale, shape, &param.lazy_device())
        });
        (param, noise)
    }
}
