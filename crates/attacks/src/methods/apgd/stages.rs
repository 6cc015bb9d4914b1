//! The objectives of APGD, and the balls in which it raises them.

use super::ascent::{Ascent, Start};
use super::{Apgd, ObjectiveKind};
use crate::methods::shared::targets::targets;
use crate::{AttackBatch, AttackError, Eot, ModelAccess, Norm, Objective, PairLoss};
use burn::tensor::Tensor;
use cni_noise::Key;

/// The way a run treats noise, and examples that reach the goal.
#[derive(Clone, Copy)]
pub(super) struct RunMode {
    pub stochastic: bool,
    pub stop: bool,
}

impl Apgd {
    /// The objectives, raised one after the other.
    pub(super) fn objectives(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Vec<Objective>, AttackError> {
        match &self.kind {
            ObjectiveKind::Loss(loss) => Ok(vec![Objective::new(loss.clone(), &batch.goal)]),
            ObjectiveKind::Targets(most) => targets(access, batch, self.score_eot(), key, *most)
                .map(|pairs| pairs.into_iter().map(|pair| pair.objective(PairLoss::Dlr)).collect()),
        }
    }

    /// The expectation behind each score of a stochastic model.
    pub(super) fn score_eot(&self) -> Eot {
        Eot { draws: self.score_draws.unwrap_or(self.eot.draws), ..self.eot }
    }

    /// The balls of a run, from the first to that of the threat, and the iterations in each.
    pub(super) fn stages(&self) -> Vec<(f64, usize)> {
        let epsilon = self.threat.epsilon();
        if !self.enlarged {
            return vec![(epsilon, self.steps)];
        }
        let part = (3 * self.steps).div_ceil(10).min(self.steps);
        let rest = self.steps.saturating_sub(2 * part).max(1);
        vec![(3.0 * epsilon, part), (2.0 * epsilon, part), (epsilon, rest)]
    }

    /// A run on all examples of `batch`: its result, and which examples reached the goal.
    pub(super) fn run_stages(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        objective: &Objective,
        key: Key,
        mode: RunMode,
    ) -> Result<(Tensor<4>, Vec<bool>), AttackError> {
        let clean = &batch.images;
        let (norm, epsilon) = (self.threat.norm(), self.stages()[0].0);
        let of_start = key.child(0).named("start");
        let change = match norm {
            // The authors' start: normal values, projected.
            Norm::L1 => cni_noise::normal_rows(of_start, &batch.examples, clean),
            _ => norm.random_surface(of_start, clean, epsilon, &batch.examples),
        };
        self.run_stages_from(access, batch, objective, key, mode, clean.clone() + change)
    }

    /// As [`run_stages`](Self::run_stages), from this point, projected into the ball. With an
    /// enlarged start every stage starts with the sparsity of its first point, as the authors
    /// have it.
    fn run_stages_from(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        objective: &Objective,
        key: Key,
        mode: RunMode,
        start: Tensor<4>,
    ) -> Result<(Tensor<4>, Vec<bool>), AttackError> {
        let (norm, stages) = (self.threat.norm(), self.stages());
        let mut x = start;
        for (stage, &(epsilon, steps)) in stages.iter().enumerate() {
            let last = stage + 1 == stages.len();
            let ascent = Ascent {
                norm,
                epsilon,
                steps,
                rho: self.rho,
                eot: self.eot,
                score: mode.stochastic.then_some(self.score_eot()),
                // A point outside the threat's ball is no result.
                stop: mode.stop && last,
                last,
            };
            let key = key.child(stage as u64);
            x = norm.project(x, &batch.images, epsilon);
            let start = if self.enlarged { Start::From(x) } else { Start::Fresh(x) };
            let (best, reached) = ascent.run(access, batch, objective, key, start)?;
            if last {
                return Ok((best, reached));
            }
            // If the budget ends in a larger ball, the result is its best point, projected into the
            // threat's ball.
            if !access.has_budget() {
                let epsilon = self.threat.epsilon();
                return Ok((norm.project(best, &batch.images, epsilon), reached));
            }
            x = best;
        }
        unreachable!("the last stage returns")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Goal, Loss, Threat};
    use burn::tensor::{DType, Device, Int, TensorData};
    use cni_noise::ExampleIds;
    use serde_json::Value;

    const DATA: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/apgd_l1.json");

    fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn tensor<const D: usize>(values: &Value, shape: [usize; D]) -> Tensor<D> {
        let data = TensorData::new(list::<f64>(values), shape);
        Tensor::from_data(data, (&Device::flex(), DType::F64))
    }

    fn classes(values: &Value) -> Tensor<1, Int> {
        Tensor::from_data(list::<i64>(values).as_slice(), &Device::flex())
    }

    /// By the code of pyautoattack from the same start; `tests/reference/apgd_l1.py` made the
    /// numbers.
    #[test]
    fn runs_in_l1_are_those_of_the_reference_to_rounding() {
        let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
        let of = |name: &str| &data["values"][name]["data"];
        let (count, shape) = (12, [12, 3, 4, 4]);
        let [w1, w2] = [tensor(of("w1"), [24, 48]), tensor(of("w2"), [6, 24])];
        let [b1, b2] = [tensor(of("b1"), [1, 24]), tensor(of("b2"), [1, 6])];
        let network = |x: Tensor<4>| {
            let hidden = x.flatten::<2>(1, 3).matmul(w1.clone().transpose()) + b1.clone();
            hidden.tanh().matmul(w2.clone().transpose()) + b2.clone()
        };
        let [images, start] = ["x", "start"].map(|name| tensor(of(name), shape));
        let labels = classes(&data["labels"]);
        let goal = Goal::Misclassify(labels.clone());
        let batch = AttackBatch::new(images.clone(), &goal, ExampleIds::from(0)).unwrap();
        let threat = Threat::l1(data["epsilon"].as_f64().unwrap()).unwrap();
        let cases = data["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let (attack, objective) = match case["loss"].as_str().unwrap() {
                "ce" => (Apgd::cross_entropy(threat), Objective::new(Loss::CrossEntropy, &goal)),
                _ => {
                    let (loss, to) = (PairLoss::Dlr, classes(&data["targets"]));
                    let pair = Objective::Pair { loss, from: labels.clone(), to };
                    (Apgd::targeted(threat), pair)
                }
            };
            let steps = case["steps"].as_u64().unwrap() as usize;
            let attack = attack.with_steps(steps).unwrap();
            let attack = attack.with_enlarged_start(case["enlarged"].as_bool().unwrap());
            let mut access = ModelAccess::new(&network).with_stochastic(false);
            let mode = RunMode { stochastic: false, stop: true };
            let (key, x) = (Key::new(1), images.clone() + start.clone());
            let (found, reached) =
                attack.run_stages_from(&mut access, &batch, &objective, key, mode, x).unwrap();
            assert_eq!(reached, list::<bool>(&case["reached"]), "{} {steps}", case["loss"]);
            assert_eq!(reached.len(), count);
            let gap = (found - tensor(&case["result"], shape)).abs().max().into_scalar::<f64>();
            assert!(gap < 1e-9, "{} {} {steps}: {gap}", case["loss"], case["enlarged"]);
        }
    }
}
