//! A measurement of flatness, from a model to a record.

use super::Neighborhood;
use super::average::average;
use super::landscape::landscape;
use super::watch::Watch;
use super::worst::worst;
use super::{AverageFlatness, FlatnessStep, Landscape, RobustLoss, WeightLoss, WorstFlatness};
use crate::record::flatness::FlatnessRecord;
use crate::{DataCard, EvaluationError, ModelCard};
use burn::module::Module;
use burn::tensor::Tensor;
use cni_attacks::weights::{Layer, LayerValues};
use cni_attacks::{Attack, at_least_one};
use cni_noise::Key;
use std::sync::Arc;
use web_time::Instant;

type Keep = dyn Fn(&Layer) -> bool + Send + Sync;

/// A measurement of flatness, with its settings.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor};
/// use cni_attacks::{Pgd, Threat};
/// use cni_evaluation::flatness::{AverageFlatness, Flatness, RobustLoss, flatness_table};
/// # let device = Device::flex();
/// # let model = LinearConfig::new(12, 2).init(&device);
/// # let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
/// # let labels = Tensor::from_ints([0, 1, 0, 1, 0], &device);
/// let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
/// let attack = Pgd::new(Threat::linf(8.0 / 255.0)?).with_steps(20)?.with_step_size(0.007)?;
/// let loss = RobustLoss::new(&model, forward, attack, [(images, labels)])?;
/// let record = Flatness::new()
///     .with_reference_restarts(1)?
///     .with_worst(None)
///     .with_average(Some(AverageFlatness::published().with_attempts(3)?))
///     .run(&model, &loss)?;
/// println!("{}", flatness_table(&[record]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Defaults
///
/// | setting | default | set by |
/// | --- | --- | --- |
/// | average flatness | as published | [`with_average`](Self::with_average) |
/// | worst-case flatness | as in the paper's text | [`with_worst`](Self::with_worst) |
/// | landscape | none | [`with_landscape`](Self::with_landscape) |
/// | runs of the attack on the model | 10 | [`with_reference_restarts`][restarts] |
/// | layers | weights and biases | [`with_layers`](Self::with_layers) |
/// | key of all random numbers | `Key::new(0)` | [`with_key`](Self::with_key) |
///
/// [restarts]: Self::with_reference_restarts
#[derive(Clone)]
pub struct Flatness {
    pub(super) average: Option<AverageFlatness>,
    pub(super) worst: Option<WorstFlatness>,
    pub(super) landscape: Option<Landscape>,
    pub(super) reference_restarts: usize,
    pub(super) layers: Arc<Keep>,
    pub(super) key: Key,
    pub(super) data: DataCard,
    pub(super) model: ModelCard,
    command: String,
}

impl Default for Flatness {
    fn default() -> Self {
        Self::new()
    }
}

impl Flatness {
    /// The settings of the table [above](Self#defaults).
    pub fn new() -> Self {
        Self {
            average: Some(AverageFlatness::published()),
            worst: Some(WorstFlatness::of_text()),
            landscape: None,
            reference_restarts: 10,
            layers: Arc::new(Layer::is_perturbed),
            key: Key::new(0),
            data: DataCard::default(),
            model: ModelCard::default(),
            command: String::new(),
        }
    }

    /// Sets the measurement of the average, or leaves it out.
    pub fn with_average(mut self, average: Option<AverageFlatness>) -> Self {
        self.average = average;
        self
    }

    /// Sets the measurement of the worst case, or leaves it out.
    pub fn with_worst(mut self, worst: Option<WorstFlatness>) -> Self {
        self.worst = worst;
        self
    }

    /// Sets the measurement of a landscape, or leaves it out. Its adversarial direction is that of
    /// the worst case, and is not there without one.
    pub fn with_landscape(mut self, landscape: Option<Landscape>) -> Self {
        self.landscape = landscape;
        self
    }

    /// Sets the runs of the attack on the model itself, of which the worst image of an example
    /// counts; an error if they are zero.
    ///
    /// The published 10 are more than the one of each perturbation, which makes a flatness look
    /// smaller than one by equal runs.
    pub fn with_reference_restarts(mut self, restarts: usize) -> Result<Self, EvaluationError> {
        self.reference_restarts = at_least_one("reference_restarts", restarts)?;
        Ok(self)
    }

    /// Sets the layers that are perturbed: by default those of [`Layer::is_perturbed`].
    pub fn with_layers(mut self, keep: impl Fn(&Layer) -> bool + Send + Sync + 'static) -> Self {
        self.layers = Arc::new(keep);
        self
    }

    /// Sets the key from which perturbations and attacks derive theirs.
    pub fn with_key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Sets the cards for the record.
    pub fn with_cards(mut self, model: ModelCard, data: DataCard) -> Self {
        (self.model, self.data) = (model, data);
        self
    }

    /// Sets the command line for the record.
    pub fn with_command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    /// Measures the flatness of the robust loss around a model's weights.
    ///
    /// # Errors
    ///
    /// As [`run_with`](Self::run_with).
    pub fn run<M, F>(
        &self,
        model: &M,
        loss: &RobustLoss<F>,
    ) -> Result<FlatnessRecord, EvaluationError>
    where
        M: Module,
        F: Fn(&M, Tensor<4>) -> Tensor<2> + Clone,
    {
        self.run_with(model, loss, &mut |_| {})
    }

    /// As [`run`](Self::run), with a callback after each perturbation, attempt and point.
    ///
    /// The record does not depend on the noise scope of the caller, but that a scope of
    /// `Noise::Off` measures the model without its noise. It is in memory: nothing is written
    /// before all of it is there.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Attack`] for an attack that fails, and [`EvaluationError::Field`] for a
    /// loss that is not finite and for settings that leave no layer.
    pub fn run_with<M, F>(
        &self,
        model: &M,
        loss: &RobustLoss<F>,
        progress: &mut dyn FnMut(&FlatnessStep),
    ) -> Result<FlatnessRecord, EvaluationError>
    where
        M: Module,
        F: Fn(&M, Tensor<4>) -> Tensor<2> + Clone,
    {
        let (started, mut watch) = (Instant::now(), Watch::new(progress));
        let before = WeightLoss::<M>::passes(loss);
        let model = &model.valid();
        let layers = LayerValues::of_weights(model, |layer| (self.layers)(layer));
        if layers.is_empty() {
            return Err(EvaluationError::Field {
                field: "layers".to_string(),
                got: "none".to_string(),
                wanted: "at least one that is perturbed".to_string(),
            });
        }
        let key = self.key.named("reference");
        let reference = loss.loss(model, key, self.reference_restarts)?;
        watch.step("reference", 1, 1);
        let around = |part| {
            let key = self.key.named(part);
            Neighborhood { model, loss, layers: &layers, reference, key }
        };
        let perturbed = around("perturbations");
        let average = match &self.average {
            Some(settings) => Some(average(&perturbed, settings, &mut watch)?),
            None => None,
        };
        let (worst, change) = match &self.worst {
            Some(settings) => {
                let (record, change) = worst(&perturbed, settings, &mut watch)?;
                (Some(record), Some(change))
            }
            None => (None, None),
        };
        let landscape = match &self.landscape {
            Some(settings) => {
                landscape(&around("landscape"), change.as_ref(), settings, &mut watch)?
            }
            None => Vec::new(),
        };
        Ok(FlatnessRecord {
            version: env!("CARGO_PKG_VERSION").to_string(),
            data: self.data.clone(),
            model: self.model.clone(),
            command: self.command.clone(),
            examples: loss.examples(),
            attack: loss.attack().spec(),
            attack_name: loss.attack().name(),
            stochastic: loss.is_stochastic(),
            draws: loss.draws(),
            key: self.key,
            layers: layers.iter().map(|(layer, _)| layer.path.clone()).collect(),
            reference_restarts: self.reference_restarts,
            reference,
            average,
            worst,
            landscape,
            passes: WeightLoss::<M>::passes(loss) - before,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
