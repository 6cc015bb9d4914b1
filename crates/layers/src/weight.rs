//! Noise on the weights of any module.

use crate::models::Normalize;
use crate::{Granularity, LearnedNoise, NoiseError, NoiseKind, NoiseScale, NoiseSummary};
use burn::module::{Module, ModuleVisitor, Param, ParamGroup, Reparameterizer};
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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

impl WeightNoise {
    /// Noise by any law, at the reference's scale.
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
    pub fn law(&self) -> NoiseKind {
        self.law
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
    /// where the law does not fit a selected parameter.
    pub fn try_inject<M: Module>(&self, model: M) -> Result<M, NoiseError> {
        let noisy = NoiseSummary::of(&model);
        let mut survey = Survey {
            noise: self,
            path: Vec::new(),
            no_weight: false,
            candidates: Vec::new(),
            selected: Vec::new(),
        };
        model.visit(&mut survey);
        for (path, shape) in &survey.selected {
            if noisy.entries().iter().any(|entry| entry.path == *path) {
                return Err(NoiseError::AlreadyNoisy(self.name(path)));
            }
            let (name, axis) = (self.name(path), self.axis(shape.len()));
            if axis >= shape.len() {
                return Err(NoiseError::ChannelAxis { name, axis, rank: shape.len() });
            }
            let shape = TensorShape::new(shape, axis);
            LearnedNoise::validate(&name, self.law, self.scale, &shape)?;
        }
        if survey.selected.is_empty() {
            return Err(NoiseError::NothingSelected { candidates: survey.candidates });
        }
        let selected = survey.selected.into_iter().map(|(path, _)| path).collect();
        Ok(model.apply_reparameterization(Attach { noise: self, selected }))
    }

    /// The module without its weight noise: the same weights, no noise parameters.
    ///
    /// Every reparameterization of the module is folded in, those of other origin (LoRA) too.
    pub fn remove<M: Module>(model: M) -> M {
        scope(Noise::Off, || model.materialize())
    }

    /// The module with one draw of the noise folded into its weights: the draw that a forward pass
    /// in the scope of `key` sees. As [`remove`](Self::remove), it folds every reparameterization.
    pub fn fold<M: Module>(model: M, key: Key) -> M {
        scope(Noise::Keyed(key), || model.materialize())
    }

    /// This noise for a layer within a model: its draws are keyed by the layer's name, and it is on
    /// the parameter at `path` unless a group says otherwise.
    pub(crate) fn within(&self, layer: &str, path: &str) -> Self {
        let mut noise = self.clone();
        noise.prefix = format!("{}{layer}.", self.prefix);
        noise.group.get_or_insert_with(|| ParamGroup::from_path(path));
        noise
    }

    fn name(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    fn axis(&self, rank: usize) -> usize {
        self.channel_axis.unwrap_or(usize::from(rank == 2))
    }
}

/// Lists the parameters that could carry the noise and those that the group selects.
struct Survey<'a> {
    noise: &'a WeightNoise,
    path: Vec<String>,
    /// Whether the parameter at hand is one of noise or a constant of a normalization.
    no_weight: bool,
    candidates: Vec<String>,
    selected: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for Survey<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_string());
        self.no_weight = [LearnedNoise::CONTAINER, Normalize::CONTAINER].contains(&container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // The noise's own parameters, running statistics and the constants of a normalization are
        // no weights, whatever a group says.
        let running = self.path.last().is_some_and(|name| name.starts_with("running_"));
        if self.no_weight || running {
            return;
        }
        let path = self.path.join(".");
        let selected = match &self.noise.group {
            Some(group) => group.matches(&param.id, Some(&path)),
            None => D >= 2 && self.path.last().is_some_and(|name| name == "weight"),
        };
        if selected {
            self.selected.push((path.clone(), param.lazy_shape().to_vec()));
        }
        self.candidates.push(path);
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
            let WeightNoise { law, scale, .. } = *self.noise;
            LearnedNoise::new(self.noise.name(path), law, scale, shape, &param.lazy_device())
        });
        (param, noise)
    }
}
