use super::{Objective, ObjectiveRule, check_above_zero};
use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor, TensorData};
use cni_attacks::{Attack, Loss};
use cni_noise::{ExampleIds, Key, host_uniform, uniform_rows};
use serde_json::{Value, json};
use std::sync::Arc;

/// Another objective, and self-supervision by rotation: a second head of the model tells by which
/// multiple of 90° an image is turned (Hendrycks et al., NeurIPS 2019, arXiv 1906.12340).
///
/// In each step one multiple of 90°, 180° or 270° is drawn. Every second clean image is turned by
/// it, and the cross-entropy of the head on all of them, against the turns 0 to 3 in units of 90°,
/// is added with its weight. In a run whose batches have random sizes each image is turned by a
/// coin of its own instead. The share of right answers is the score `rotation`. It costs one
/// training pass, which has noise of its own name, `rotation`.
///
/// The head is a function of the user's model, so this objective is built in code: a file can hold
/// its settings and not give it back. The head computes in full precision in a run of another
/// precision, unless it says otherwise.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use cni_attacks::{Pgd, Threat};
/// use cni_training::{Objective, Rotation, TrainingConfig};
///
/// #[derive(Module, Debug)]
/// struct TwoHeads {
///     body: Linear,
///     classes: Linear,
///     turns: Linear,
/// }
///
/// impl TwoHeads {
///     fn turns(&self, images: Tensor<4>) -> Tensor<2> {
///         self.turns.forward(self.body.forward(images.flatten::<2>(1, 3)).tanh())
///     }
/// }
///
/// let madry = Objective::madry(Pgd::two_steps(Threat::linf(0.1)?));
/// let objective = Rotation::new(madry, TwoHeads::turns).with_weight(4.0)?;
/// let config = TrainingConfig::new(10, objective);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Rotation<N> {
    of: Objective,
    weight: f64,
    head: Arc<Head<N>>,
}

type Head<N> = dyn Fn(&N, Tensor<4>) -> Tensor<2> + Send + Sync;

/// The name of the pass, the score and the draw.
const ROTATION: &str = "rotation";

impl<N: Module + 'static> Rotation<N> {
    /// Adds to `of` what `head` answers, a function from images `[batch, channels, side, side]` to
    /// logits of the turns, `[batch, 4]`. Its weight is 4, the best of Stutz et al. (ICCV 2021).
    pub fn new(
        of: impl Into<Objective>,
        head: impl Fn(&N, Tensor<4>) -> Tensor<2> + Send + Sync + 'static,
    ) -> Self {
        Self { of: of.into(), weight: 4.0, head: Arc::new(head) }
    }

    /// Sets the weight of the head's cross-entropy.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] unless it is finite and above 0.
    pub fn with_weight(mut self, weight: f64) -> Result<Self, TrainingError> {
        self.weight = check_above_zero("weight", weight)?;
        Ok(self)
    }

    fn refused(&self, what: &str, got: impl ToString, wanted: &str) -> StepError {
        StepError::contract("objective rotation", what, got, wanted)
    }

    /// The cross-entropy of the head and its hits, `[batch]` each.
    fn pass(&self, step: &Step<'_>) -> Result<[Tensor<1>; 2], StepError> {
        let another = || self.refused("model", "one of another type", "that of the head");
        let model = step.model::<N>().ok_or_else(another)?;
        let images = step.batch().images.clone().inner();
        let [n, _, height, width] = images.dims();
        if height != width {
            return Err(self.refused("images", format!("{height} by {width}"), "squares"));
        }
        let draw = f64::from(host_uniform(step.key(ROTATION).named("turn"), 0..1)[0]);
        let turn = 1 + ((3.0 * draw) as usize).min(2);
        let turned = turned(step.examples(), n, step.key(ROTATION).named("turned"));
        let turns: Vec<i32> =
            turned.iter().map(|&turned| turn as i32 * i32::from(turned)).collect();
        let device = images.device();
        let mask: Tensor<1, Bool> = Tensor::from_data(TensorData::new(turned, [n]), &device);
        let turns: Tensor<1, Int> = Tensor::from_data(TensorData::new(turns, [n]), &device);
        let mask = mask.reshape([n, 1, 1, 1]).expand(images.dims());
        let images = images.clone().mask_where(mask, rotated(images, turn)).autodiff();
        let logits = step.under(ROTATION, || (self.head)(model, images));
        let [rows, outputs] = logits.dims();
        if [rows, outputs] != [n, 4] {
            let got = format!("shape [{rows}, {outputs}] for {n} images");
            return Err(self.refused("head", got, "four logits for each image"));
        }
        let hits = crate::step::hits(logits.clone().inner(), &turns);
        Ok([Loss::CrossEntropy.per_example(logits, &turns), hits])
    }
}

/// True for each of the first `n` rows that is turned. Ids that are given one by one say nothing of
/// the place in the order of the epoch, so that a coin takes that of their parity.
fn turned(examples: &ExampleIds, n: usize, key: Key) -> Vec<bool> {
    match examples {
        ExampleIds::From(_) => (0..n).map(|row| examples.id(row) % 2 == 1).collect(),
        ExampleIds::Each(_) => {
            let coins = uniform_rows(key, examples, n, 1);
            coins.into_iter().map(|coin| coin < 0.5).collect()
        }
    }
}

/// Images turned by so many right angles.
fn rotated(images: Tensor<4>, turns: usize) -> Tensor<4> {
    match turns {
        1 => images.flip([3]).swap_dims(2, 3),
        2 => images.flip([2, 3]),
        _ => images.flip([2]).swap_dims(2, 3),
    }
}

impl<N: Module + 'static> ObjectiveRule for Rotation<N> {
    fn spec(&self) -> Value {
        json!({ "objective": ROTATION, "weight": self.weight, "of": self.of.spec() })
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let losses = self.of.losses(step)?;
        let [loss, hits] = self.pass(step)?;
        Ok(losses.plus(loss.mul_scalar(self.weight)).with_score(ROTATION, hits))
    }

    fn scores(&self) -> Vec<String> {
        let mut names = self.of.0.scores();
        names.push(ROTATION.to_string());
        names
    }

    fn has_memory(&self) -> bool {
        self.of.has_memory()
    }

    fn attacks(&self) -> Vec<&dyn Attack> {
        self.of.attacks()
    }

    fn passes(&self) -> u64 {
        self.of.0.passes() + 1
    }

    fn forward_passes(&self) -> u64 {
        self.of.0.forward_passes()
    }

    fn with_attack(&self, attack: Arc<dyn Attack>) -> Option<Objective> {
        let (of, weight, head) = (self.of.with_attack(attack)?, self.weight, self.head.clone());
        Some(Self { of, weight, head }.into())
    }

    fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        check_above_zero("weight", self.weight)?;
        self.of.check(epochs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_coin_turns_an_image_whichever_batch_it_comes_in() {
        let every_second = turned(&ExampleIds::from(5), 3, Key::new(1));
        assert_eq!(every_second, [true, false, true]);
        let all: Vec<u64> = (0..1000).collect();
        let of = |ids: &[u64]| turned(&ExampleIds::Each(ids.into()), ids.len(), Key::new(1));
        let whole = of(&all);
        // 500 with a standard error of 16.
        let count = whole.iter().filter(|&&turned| turned).count();
        assert!(count.abs_diff(500) < 5 * 16, "{count}");
        let some = [7, 8, 12, 999];
        assert_eq!(of(&some), some.map(|id: u64| whole[id as usize]));
    }

    #[test]
    fn turns_are_multiples_of_a_quarter() {
        let image = Tensor::<4>::from_data([[[[1.0, 2.0], [3.0, 4.0]]]], &Device::flex());
        let values = |images: Tensor<4>| images.try_to_vec_as::<f32>().unwrap();
        assert_eq!(values(rotated(image.clone(), 1)), [2.0, 4.0, 1.0, 3.0]);
        for turns in 1..=3 {
            let again = (0..turns).fold(image.clone(), |image, _| rotated(image, 1));
            assert_eq!(values(rotated(image.clone(), turns)), values(again));
        }
    }
}
