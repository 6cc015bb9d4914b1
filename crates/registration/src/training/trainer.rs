use super::{AdversaryConfig, Batch, Pairs, RegistrationConfig, StepLosses};
use crate::RegistrationError;
use crate::adversary::Discriminator;
use crate::fields::{Sampling, warp};
use crate::simulation::FieldSource;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use cni_layers::keyed_init;
use cni_noise::{Key, Noise, scope};
use cni_ops::{Precision, autocast};

/// The training of a registration network. Made by [`RegistrationConfig::init`].
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_noise::Key;
/// use cni_registration::adversary::DiscriminatorConfig;
/// use cni_registration::networks::{LocalNet, LocalNetConfig, Pyramid};
/// use cni_registration::simulation::SmoothFields;
/// use cni_registration::training::{AdversaryConfig, Pairs, RegistrationConfig};
/// # let device = Device::flex();
/// # let image = Tensor::<4>::ones([2, 1, 8, 8], &device);
/// # let (moving, fixed, moving_labels) = (image.clone(), image.clone(), image.clone());
/// let pairs = Pairs::new(moving, fixed, moving_labels, image)?;
/// let adversary = AdversaryConfig::new(DiscriminatorConfig::new([8, 8]), 0.1);
/// let config = RegistrationConfig::new(Key::new(1)).with_adversary(adversary);
/// let pyramid = Pyramid { channels: 8, levels: 2, ..Pyramid::default() };
/// let network = LocalNetConfig { pyramid }.init::<4>(&device);
/// let mut trainer = config.init(network, LocalNet::forward, &device)?;
/// let true_fields = SmoothFields::new([8, 8], 2.0, 0.5);
/// trainer.run(&pairs, Some(&true_fields), 2)?; // up to two steps in all
/// assert_eq!(trainer.history().len(), 2);
/// let network = trainer.network(); // without gradients, to predict fields
/// # Ok::<(), cni_registration::RegistrationError>(())
/// ```
pub struct RegistrationTrainer<M, F, const R: usize> {
    pub(super) config: RegistrationConfig,
    pub(super) network: M,
    pub(super) forward: F,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) adversary: Option<Adversary<R>>,
    pub(super) history: Vec<StepLosses>,
}

/// A discriminator in training.
pub(super) struct Adversary<const R: usize> {
    pub config: AdversaryConfig,
    pub discriminator: Discriminator<R>,
    pub optimizer: ModuleOptimizer,
}

impl<M, F, const R: usize> RegistrationTrainer<M, F, R>
where
    M: Module,
    F: Fn(&M, Tensor<R>, Tensor<R>) -> Result<Tensor<R>, RegistrationError>,
{
    pub(super) fn new(
        config: RegistrationConfig,
        network: M,
        forward: F,
        device: &Device,
    ) -> Result<Self, RegistrationError> {
        config.check()?;
        let device = device.clone().inner();
        let adversary = config.adversary.clone().map(|adversary| {
            let discriminator = adversary.discriminator.try_init(&device)?;
            let key = config.key.named("discriminator");
            Ok(Adversary {
                discriminator: keyed_init(discriminator, key).train(),
                optimizer: adversary.optimization.adam.init(),
                config: adversary,
            })
        });
        Ok(Self {
            network: network.valid().to_device(&device).train(),
            optimizer: config.optimization.adam.init(),
            adversary: adversary.transpose()?,
            history: Vec::new(),
            config,
            forward,
        })
    }

    /// Trains up to `steps` steps in all; those done before count. `true_fields` is what the
    /// adversary takes for true.
    ///
    /// Each step runs in full precision and in a noise scope of its own, keyed by the configuration
    /// and the step: what the caller's scopes say does not reach it. Layers of Burn's own that draw
    /// from the device's generator, such as `Dropout`, do not follow the key.
    ///
    /// A step that is refused changes nothing.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::TrueFields`] for an adversary without true fields, or true fields
    /// without an adversary; [`RegistrationError::Diverged`] for a loss that is not finite;
    /// [`RegistrationError::Shape`] for images or fields that the networks do not fit; those of the
    /// source.
    pub fn run(
        &mut self,
        pairs: &Pairs<R>,
        true_fields: Option<&dyn FieldSource<R>>,
        steps: usize,
    ) -> Result<(), RegistrationError> {
        match (&self.adversary, true_fields) {
            (Some(_), None) => {
                let wanted = "a source for the adversary";
                return Err(RegistrationError::TrueFields { got: "none", wanted });
            }
            (None, Some(_)) => {
                let wanted = "none without an adversary";
                return Err(RegistrationError::TrueFields { got: "a source", wanted });
            }
            _ => {}
        }
        while self.history.len() < steps {
            let step = self.history.len() as u64;
            let noise = Noise::Keyed(self.config.key.named("noise").child(step));
            autocast(Precision::Full, || scope(noise, || self.step(pairs, true_fields)))?;
        }
        Ok(())
    }

    /// The network as it is now, without gradients.
    pub fn network(&self) -> M {
        self.network.valid()
    }

    /// The discriminator as it is now, without gradients, in a training with an adversary.
    pub fn discriminator(&self) -> Option<Discriminator<R>> {
        self.adversary.as_ref().map(|adversary| adversary.discriminator.valid())
    }

    /// The losses of all steps so far.
    pub fn history(&self) -> &[StepLosses] {
        &self.history
    }

    fn step(
        &mut self,
        pairs: &Pairs<R>,
        true_fields: Option<&dyn FieldSource<R>>,
    ) -> Result<(), RegistrationError> {
        let step = self.history.len();
        let config = &self.config;
        let batch = pairs.batch(config.key.named("batches"), step, config.batch_size);
        let Batch { moving, fixed, moving_labels, fixed_labels } = batch;
        let field = (self.forward)(&self.network, moving, fixed)?;

        let warped = warp(moving_labels, field.clone(), Sampling::default())?;
        let label = config.similarity.loss(fixed_labels, warped)?;
        let mut losses = StepLosses {
            label: finite(step, &label)?,
            penalty: None,
            adversarial: None,
            discriminator: None,
        };
        let mut objective = label;
        if let Some(weighted) = &config.penalty {
            let penalty = weighted.penalty.of(&field)?;
            losses.penalty = Some(finite(step, &penalty)?);
            objective = objective + penalty.mul_scalar(weighted.weight);
        }
        // The discriminator's update is kept back until the network's cannot fail.
        let mut adversary = None;
        if let (Some(current), Some(source)) = (&self.adversary, true_fields) {
            let key = config.key.named("true fields").child(step as u64);
            let predicted = field.clone().detach().inner();
            let (updated, loss) = current.updated(&predicted, source, key, step)?;
            losses.discriminator = Some(loss);
            let logits = updated.discriminator.valid().forward(field)?;
            let adversarial = current.config.loss.network(logits);
            losses.adversarial = Some(finite(step, &adversarial)?);
            objective = objective + adversarial.mul_scalar(current.config.weight);
            adversary = Some(updated);
        }

        let gradients = GradientsParams::from_grads(objective.backward(), &self.network);
        let rate = self.config.optimization.learning_rate;
        self.network = self.optimizer.step(rate, self.network.clone(), gradients);
        if adversary.is_some() {
            self.adversary = adversary;
        }
        self.history.push(losses);
        Ok(())
    }
}

impl<const R: usize> Adversary<R> {
    /// The adversary after the updates of a step, and its loss at the last of them.
    fn updated(
        &self,
        predicted: &Tensor<R>,
        source: &dyn FieldSource<R>,
        key: Key,
        step: usize,
    ) -> Result<(Self, f64), RegistrationError> {
        let config = self.config.clone();
        let mut discriminator = self.discriminator.clone();
        let mut optimizer = self.optimizer.clone();
        let mut last = f64::NAN;
        for update in 0..config.updates {
            let drawn = key.child(update as u64);
            let fields = source.draw(drawn, predicted.dims()[0], &predicted.device())?;
            let on_true = discriminator.forward(fields)?;
            let on_predicted = discriminator.forward(predicted.clone())?;
            let loss = config.loss.discriminator(on_true, on_predicted);
            last = finite(step, &loss)?;
            let gradients = GradientsParams::from_grads(loss.backward(), &discriminator);
            let rate = config.optimization.learning_rate;
            discriminator = optimizer.step(rate, discriminator, gradients);
            if let Some(clip) = config.loss.clip() {
                discriminator = discriminator.map(&mut Clip(clip));
            }
        }
        Ok((Self { config, discriminator, optimizer }, last))
    }
}

/// Clips all weights.
struct Clip(f64);

impl ModuleMapper for Clip {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let tracked = param.is_require_grad();
        let clip = self.0;
        param.map(|t| t.inner().clamp(-clip, clip).autodiff().set_require_grad(tracked))
    }
}

/// The number of a loss, or an error if it is not finite.
fn finite(step: usize, loss: &Tensor<1>) -> Result<f64, RegistrationError> {
    let got = loss.clone().detach().into_scalar::<f64>();
    match got.is_finite() {
        true => Ok(got),
        false => Err(RegistrationError::Diverged { step, got }),
    }
}
