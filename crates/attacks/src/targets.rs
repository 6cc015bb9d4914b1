//! Target classes: random, least likely, next best.

use crate::error::at_least_one;
use crate::rows::{read, read_labels};
use crate::{AttackBatch, AttackError, Classifier, Eot, Goal, Loss, ModelAccess, Objective};
use burn::tensor::{Int, IntDType, Tensor};
use cni_noise::{ExampleIds, Key, uniform_rows};

/// A rule that chooses a target class for each image, never its true class.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_attacks::{Attack, Pgd, Targets, Threat};
/// # let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
/// # let images = Tensor::<4>::full([2, 1, 2, 2], 0.5, &Device::flex());
/// # let labels = Tensor::from_ints([0, 3], &Device::flex());
/// let goal = Targets::least_likely().goal(&model, images.clone(), labels, 0)?;
/// let found = Pgd::new(Threat::linf(8.0 / 255.0)?).on(&model).run(images, goal)?;
/// # assert_eq!(found.success_rate.len(), 2);
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Targets {
    choice: Choice,
    draws: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Choice {
    Random(Key),
    /// By the logits: the wrong class with the largest, or with the smallest one.
    NextBest,
    LeastLikely,
}

/// Draws of a stochastic model whose mean logits rank the classes.
const DRAWS: usize = 20;

impl Targets {
    /// A wrong class drawn uniformly: a function of the key and the example's number.
    pub fn random(key: Key) -> Self {
        Self { choice: Choice::Random(key), draws: DRAWS }
    }

    /// The wrong class with the largest logit: the second most likely class if the model classifies
    /// the image correctly.
    pub fn next_best() -> Self {
        Self { choice: Choice::NextBest, draws: DRAWS }
    }

    /// The wrong class with the smallest logit (Kurakin et al., arXiv 1607.02533, section 2.3).
    pub fn least_likely() -> Self {
        Self { choice: Choice::LeastLikely, draws: DRAWS }
    }

    /// The draws of a stochastic model whose mean logits rank the classes, an error if it is zero.
    /// Default: 20. A model without noise needs one pass.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { draws: at_least_one("draws", draws)?, ..self })
    }

    /// The targeted goal that this rule gives for images `[batch, channels, height, width]` with
    /// pixels in [0, 1], with their true classes `[batch]` and their numbers in the data set.
    ///
    /// Among equal logits, the class with the smaller number counts as more likely.
    ///
    /// # Errors
    ///
    /// Those of [`AttackBatch::new`] and [`score`](crate::score).
    pub fn goal(
        self,
        model: &dyn Classifier,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
        examples: impl Into<ExampleIds>,
    ) -> Result<Goal, AttackError> {
        let batch = AttackBatch::new(images, &labels.into(), examples)?;
        let mut access = ModelAccess::new(model);
        let draws = if access.is_stochastic(&batch)? { self.draws } else { 1 };
        let AttackBatch { images, goal, examples } = &batch;
        let (margin, key) = (Objective::new(Loss::Margin, goal), Key::new(0).named("targets"));
        let eot = Eot::new(draws)?;
        let logits = access.score(images, &margin, examples, eot, key)?.logits;
        let [rows, classes] = logits.dims();
        let labels = read_labels(goal.labels());
        let targets: Vec<i32> = match self.choice {
            Choice::Random(key) => {
                let uniform = uniform_rows(key.named("targets"), examples, rows, 1);
                let each = labels.iter().zip(uniform);
                each.map(|(&label, u)| random(label, f64::from(u), classes)).collect()
            }
            Choice::NextBest | Choice::LeastLikely => {
                let logits = read(&logits);
                let each = labels.iter().zip(logits.chunks(classes));
                each.map(|(&label, logits)| self.ranked_class(label, logits)).collect()
            }
        };
        let device = images.device();
        let targets = Tensor::<1, Int>::from_data(targets.as_slice(), &device);
        Ok(Goal::Target(targets.cast(IntDType::I32)))
    }

    /// The class that this rule chooses by the logits of an image.
    fn ranked_class(self, label: i64, logits: &[f64]) -> i32 {
        let mut wrong: Vec<usize> = (0..logits.len()).filter(|&c| c as i64 != label).collect();
        wrong.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let at = if self.choice == Choice::LeastLikely { wrong.len() - 1 } else { 0 };
        wrong[at] as i32
    }
}

/// The wrong class for a draw that is uniform in [0, 1).
fn random(label: i64, uniform: f64, classes: usize) -> i32 {
    let others = classes - 1;
    let drawn = ((uniform * others as f64) as usize).min(others - 1) as i64;
    (if drawn < label { drawn } else { drawn + 1 }) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn targets(of: Targets, examples: impl Into<ExampleIds>, labels: &[i64]) -> Vec<i64> {
        let device = Device::flex();
        let pixels = Tensor::<1>::from_data([0.3, 0.9, 0.1, 0.5], &device);
        let images = pixels.reshape([1, 1, 2, 2]).expand([labels.len() as i32, 1, 2, 2]);
        let labels = Tensor::<1, Int>::from_data(labels, &device);
        let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
        read_labels(of.goal(&model, images, labels, examples).unwrap().labels())
    }

    #[test]
    fn the_likeliest_and_the_least_likely_wrong_class_are_found() {
        assert_eq!(targets(Targets::next_best(), 0, &[0, 1, 2, 3]), [1, 3, 1, 1]);
        assert_eq!(targets(Targets::least_likely(), 0, &[0, 1, 2, 3]), [2, 2, 0, 2]);
    }

    /// Each of three classes is drawn 1000 times of 3000 by chance, with a standard deviation of
    /// 26.
    #[test]
    fn random_classes_are_wrong_equally_frequent_and_those_of_their_examples() {
        let random = Targets::random(Key::new(5));
        let all = targets(random, 0, &[2; 3000]);
        for class in 0..4 {
            let count = all.iter().filter(|target| **target == class).count() as f64;
            let wanted = if class == 2 { 0.0 } else { 1000.0 };
            assert!((count - wanted).abs() < 4.0 * 26.0 * f64::from(class != 2) + 0.5, "{count}");
        }
        assert_eq!(targets(random, 40, &[2; 5]), all[40..45]);
        assert_ne!(targets(Targets::random(Key::new(6)), 0, &[2; 3000]), all);
    }

    #[test]
    fn a_draw_at_the_ends_is_a_class() {
        let below_one = f64::from(1.0f32 - f32::EPSILON / 2.0);
        assert_eq!([0.0, below_one].map(|u| random(3, u, 4)), [0, 2]);
        assert_eq!([0.0, below_one].map(|u| random(0, u, 2)), [1, 1]);
    }
}
