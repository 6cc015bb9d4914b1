//! The targets of the cross-entropy: labels, smoothed or partly replaced.

use crate::TrainingError;
use crate::step::Step;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use cni_attacks::Loss;
use cni_attacks::rows::{align_to, at_least_single};
use cni_noise::{ExampleIds, Key, uniform_rows};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Symmetric label noise: a share of the training labels is replaced by classes drawn at random.
///
/// It regularises adversarial training (Stutz et al., ICCV 2021, supplementary material). An
/// example's label is replaced with probability `share`, by a class uniform among all outputs of
/// the model, its own included. Both are a function of the key and of the example's position in the
/// data set, so that it is the same in every epoch. Attacks and scores keep the labels of the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelNoise {
    /// The probability that a label is replaced, above 0 and at most 1.
    pub share: f64,
    /// The key of the choice. A file may give a seed.
    #[serde(default = "first_key")]
    pub key: Key,
}

fn first_key() -> Key {
    Key::new(0)
}

impl LabelNoise {
    /// Replaces this share of the labels, by the key 0.
    pub fn new(share: f64) -> Self {
        Self { share, key: first_key() }
    }

    /// The labels of a step, `[batch]`, for a model of so many outputs.
    fn labels(&self, step: &Step<'_>, outputs: usize) -> Tensor<1, Int> {
        let indices = &step.batch().indices;
        let ids: Arc<[u64]> = indices.iter().map(|&index| index as u64).collect();
        let draws =
            uniform_rows(self.key.named("labels"), &ExampleIds::Each(ids), indices.len(), 2);
        let class = |u: f32| ((f64::from(u) * outputs as f64) as usize).min(outputs - 1) as i32;
        let (replaced, classes): (Vec<bool>, Vec<i32>) =
            draws.chunks(2).map(|draw| (f64::from(draw[0]) < self.share, class(draw[1]))).unzip();
        let (n, device) = (indices.len(), step.device().inner());
        let labels = align_to(step.labels(), &device);
        let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [n]), &device);
        let replaced = Tensor::from_data(TensorData::new(replaced, [n]), &device);
        labels.mask_where(replaced, align_to(&classes, &device))
    }
}

/// What the cross-entropy of an objective compares with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Targets {
    /// The share of the target that is spread evenly over all classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_smoothing: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_noise: Option<LabelNoise>,
}

impl Targets {
    /// The cross-entropy of each example, `[batch]`.
    pub fn cross_entropy(&self, step: &Step<'_>, logits: Tensor<2>) -> Tensor<1> {
        let own = match &self.label_noise {
            None => step.cross_entropy(logits.clone()),
            Some(noise) => {
                let labels = noise.labels(step, logits.dims()[1]);
                Loss::CrossEntropy.per_example(logits.clone(), &labels)
            }
        };
        let Some(smoothing) = self.label_smoothing else { return own };
        let spread = -log_softmax(at_least_single(logits), 1).mean_dim(1).squeeze_dim::<1>(1);
        own.mul_scalar(1.0 - smoothing) + spread.mul_scalar(smoothing)
    }

    pub fn check(&self) -> Result<(), TrainingError> {
        if let Some(smoothing) = self.label_smoothing
            && !(smoothing > 0.0 && smoothing < 1.0)
        {
            let wanted = "a number above 0 and below 1";
            return Err(TrainingError::setting("label_smoothing", smoothing, wanted));
        }
        match self.label_noise {
            Some(LabelNoise { share, .. }) if !(share > 0.0 && share <= 1.0) => {
                let wanted = "a number above 0 and at most 1";
                Err(TrainingError::setting("label_noise: share", share, wanted))
            }
            _ => Ok(()),
        }
    }
}

/// Setters of an objective's targets, which are in the given field.
macro_rules! target_setters {
    ($targets:ident) => {
        /// Spreads this share of each target evenly over all classes, its own included: PyTorch's
        /// `label_smoothing` (Szegedy et al., arXiv 1512.00567, section 7). Above 0 and below 1.
        ///
        /// It is in the update of the weights alone; attacks keep to the labels. Where the true
        /// class has the target 1 − τ and each other one τ / (K − 1), as in Stutz et al. (ICCV
        /// 2021), `smoothing` is τ K / (K − 1).
        ///
        /// # Errors
        ///
        /// [`TrainingError::Setting`](crate::TrainingError::Setting) for a share out of its range.
        pub fn with_label_smoothing(
            mut self,
            smoothing: f64,
        ) -> Result<Self, $crate::TrainingError> {
            self.$targets.label_smoothing = Some(smoothing);
            self.$targets.check()?;
            Ok(self)
        }

        /// Replaces a share of the labels at random, in the update of the weights alone.
        ///
        /// # Errors
        ///
        /// [`TrainingError::Setting`](crate::TrainingError::Setting) for a share out of its range.
        pub fn with_label_noise(
            mut self,
            noise: $crate::LabelNoise,
        ) -> Result<Self, $crate::TrainingError> {
            self.$targets.label_noise = Some(noise);
            self.$targets.check()?;
            Ok(self)
        }
    };
}

pub(super) use target_setters;

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Module, Param};
    use burn::tensor::Device;
    use cni_data::Batch;

    const OUTPUTS: usize = 10;

    #[derive(Module, Debug)]
    struct Nothing {
        weight: Param<Tensor<1>>,
    }

    /// The labels of examples in a batch, by their positions in the data set; all true ones are 3.
    fn noisy(noise: &LabelNoise, indices: Vec<usize>, epoch: usize) -> Vec<i32> {
        let (n, device) = (indices.len(), Device::flex());
        let batch = Batch {
            images: Tensor::<4>::zeros([n, 1, 1, 1], &device).autodiff(),
            labels: Tensor::<1, Int>::full([n], 3, &device),
            key: Key::new(7).child(epoch as u64),
            epoch,
            number: 0,
            batches: 1,
            indices: indices.into(),
            first_example: 0,
            whole: n,
        };
        let model = Nothing { weight: Param::from_tensor(Tensor::zeros([1], &device)) };
        let step = Step::new(&model, |_, images| images.flatten(1, 3), batch);
        noise.labels(&step, OUTPUTS).try_to_vec_as().unwrap()
    }

    /// Of 4000 labels 0.4 · 9/10 differ from the true one, with a standard error of 0.0076; each
    /// other class has 160 of them, with a standard error of 12.4.
    #[test]
    fn noise_replaces_its_share_by_every_class_alike() {
        let labels = noisy(&LabelNoise::new(0.4), (0..4000).collect(), 0);
        let count = |class| labels.iter().filter(|&&label| label == class).count() as f64;
        let differ = 1.0 - count(3) / 4000.0;
        assert!((differ - 0.36).abs() < 5.0 * 0.0076, "{differ}");
        for class in (0..OUTPUTS as i32).filter(|class| *class != 3) {
            assert!((count(class) - 160.0).abs() < 5.0 * 12.4, "{class}: {}", count(class));
        }
        let all = noisy(&LabelNoise::new(1.0), (0..4000).collect(), 0);
        let kept = all.iter().filter(|&&label| label == 3).count() as f64;
        assert!((kept - 400.0).abs() < 5.0 * 19.0, "{kept}");
    }

    #[test]
    fn an_example_has_the_same_noise_in_every_epoch_and_batch_and_another_by_another_key() {
        let noise = LabelNoise::new(0.5);
        let whole = noisy(&noise, (0..100).collect(), 0);
        let mixed = [70, 3, 3, 99, 12];
        let wanted: Vec<i32> = mixed.iter().map(|&index: &usize| whole[index]).collect();
        assert_eq!(noisy(&noise, mixed.to_vec(), 4), wanted);
        let other = LabelNoise { key: Key::new(9), ..noise };
        assert_ne!(noisy(&other, (0..100).collect(), 0), whole);
    }

    #[test]
    fn shares_out_of_range_are_named() {
        for share in [0.0, -0.1, 1.0, 1.1, f64::NAN] {
            let targets = Targets { label_smoothing: Some(share), ..Targets::default() };
            let wanted = format!("label_smoothing: got {share}, wanted a number above 0");
            assert!(targets.check().unwrap_err().to_string().starts_with(&wanted));
        }
        for share in [0.0, -0.1, 1.1, f64::NAN] {
            let noise = Some(LabelNoise::new(share));
            let targets = Targets { label_noise: noise, ..Targets::default() };
            let wanted = format!("label_noise: share: got {share}, wanted a number above 0");
            assert!(targets.check().unwrap_err().to_string().starts_with(&wanted));
        }
    }
}
