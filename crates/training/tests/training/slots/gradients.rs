//! Gradient rules of one's own: with state, at other weights, of single examples, on parts of a
//! batch.

use crate::support::linear_net::{Net, config, data, resumed, run, trainer};
use crate::support::{distance, numbers};
use burn::tensor::{Device, Tensor};
use cni_attacks::{Pgd, Threat};
use cni_data::Augmentation;
use cni_training::{
    Devices, GradientRule, Objective, Parallel, ParameterValues, RuleState, Step, StepError,
    StepGradients, StepInfo, Trainer, TrainingConfig,
};
use serde_json::{Value, json};

/// The sign of a running mean of the gradients, and the number of steps.
struct SignMomentum;

impl GradientRule for SignMomentum {
    fn spec(&self) -> Value {
        json!({ "gradient": "sign_momentum" })
    }

    fn is_additive(&self) -> bool {
        true
    }

    fn finish(
        &self,
        gradients: ParameterValues,
        info: &StepInfo,
        state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        let steps = state.number("steps").unwrap_or(0.0);
        assert_eq!((steps as usize, info.step / 3), (info.step, info.epoch));
        state.set_number("steps", steps + 1.0);
        Ok(gradients.map(|parameter, gradient| {
            let mean = match state.tensor(&parameter.path) {
                Some(mean) => mean.mul_scalar(0.9) + gradient.mul_scalar(0.1),
                None => gradient,
            };
            state.set_tensor(&parameter.path, mean.clone());
            mean.sign().mul_scalar(0.05)
        }))
    }
}

#[test]
fn a_gradient_rule_with_state_resumes_bit_for_bit() {
    let config = || TrainingConfig { gradient: SignMomentum.into(), ..config() };
    let whole = run(config()).unwrap();
    assert!(whole.history[2].train.loss < whole.history[0].train.loss);
    let resumed = resumed(config);
    assert_eq!(numbers(&resumed.model), numbers(&whole.model));
    assert_eq!(resumed.history, whole.history);
}

#[test]
fn an_additive_rule_trains_on_two_devices_as_on_one_and_another_is_refused() {
    struct Shy;
    impl GradientRule for Shy {
        fn spec(&self) -> Value {
            json!({ "gradient": "shy" })
        }
    }
    let two = || Devices::new(vec![Device::flex(); 2], Parallel::Multi).unwrap();
    let on_two = |config: TrainingConfig| {
        let folder = tempfile::tempdir().unwrap();
        let trainer = trainer(config, folder.path()).with_devices(two());
        trainer.run(Net::new(), Net::forward, data().0)
    };
    // A running mean without its sign, which would turn rounding into steps.
    struct Mean;
    impl GradientRule for Mean {
        fn spec(&self) -> Value {
            json!({ "gradient": "mean" })
        }
        fn is_additive(&self) -> bool {
            true
        }
        fn finish(
            &self,
            gradients: ParameterValues,
            _info: &StepInfo,
            state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            Ok(gradients.map(|parameter, gradient| {
                let mean = match state.tensor(&parameter.path) {
                    Some(mean) => mean.mul_scalar(0.5) + gradient.mul_scalar(0.5),
                    None => gradient,
                };
                state.set_tensor(&parameter.path, mean.clone());
                mean
            }))
        }
    }
    let config = |gradient| TrainingConfig { gradient, max_grad_norm: Some(1.0), ..config() };
    let one = run(config(Mean.into())).unwrap();
    let two = on_two(config(Mean.into())).unwrap();
    assert!(distance(&one.model, &two.model) < 1e-5);
    let error = on_two(config(Shy.into())).unwrap_err().to_string();
    assert!(error.contains("devices: got 2 with the gradient rule shy"), "{error}");
    let split = TrainingConfig { accumulation: 2, ..config(Shy.into()) };
    let error = Trainer::<Net>::new(split, "unused").map(drop).unwrap_err().to_string();
    assert!(error.contains("accumulation: got 2 with the gradient rule shy"), "{error}");
}

/// Adversarial weight perturbation in one rule (Wu et al., arXiv 2004.05884, equation 10): the
/// gradient at the weights plus the worst relative change of each matrix.
struct WeightPerturbation(f64);

impl GradientRule for WeightPerturbation {
    fn spec(&self) -> Value {
        json!({ "gradient": "weight_perturbation", "gamma": self.0 })
    }

    fn gradients(
        &self,
        objective: &Objective,
        step: &Step<'_>,
    ) -> Result<StepGradients, StepError> {
        let here = step.backward(objective.losses(step)?);
        let matrices = step.weights().filter(|parameter| parameter.shape.len() > 1);
        let worst = matrices.map(|parameter, weight| {
            let Some(gradient) = here.gradients.get(&parameter.path) else { return weight };
            let norm = |value: &Tensor<1>| value.clone().square().sum().sqrt();
            let size = norm(&weight) / norm(gradient).add_scalar(1e-12);
            weight + gradient.clone() * size.mul_scalar(self.0)
        });
        let there = step.at(worst);
        let worst = there.backward(objective.losses(&there)?);
        Ok(StepGradients { losses: here.losses, ..worst })
    }
}

#[test]
fn a_rule_can_differentiate_at_other_weights_with_the_images_of_one_attack() {
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    let madry = |gamma| TrainingConfig {
        gradient: WeightPerturbation(gamma).into(),
        objective: Objective::madry(attack.clone()),
        ..config()
    };
    let (near, far) = (run(madry(0.0)).unwrap(), run(madry(0.05)).unwrap());
    let plain = TrainingConfig { objective: Objective::madry(attack.clone()), ..config() };
    let plain = run(plain).unwrap();
    assert!(distance(&near.model, &plain.model) < 1e-6);
    assert!(distance(&far.model, &plain.model) > 1e-3);
    assert!(far.history[2].train.robust.is_some());
}

/// Clipping each example's gradient (Abadi et al., arXiv 1607.00133, algorithm 1, without noise).
struct PerExample(f64);

impl GradientRule for PerExample {
    fn spec(&self) -> Value {
        json!({ "gradient": "per_example", "max_norm": self.0 })
    }

    fn is_additive(&self) -> bool {
        true
    }

    fn gradients(
        &self,
        objective: &Objective,
        step: &Step<'_>,
    ) -> Result<StepGradients, StepError> {
        let losses = objective.losses(step)?;
        let examples = step.batch().images.dims()[0];
        let mut sum: Option<ParameterValues> = None;
        for example in 0..examples {
            let part = step.part(example..example + 1);
            let own = part.backward(objective.losses(&part)?).gradients;
            let norm = own.norm().unwrap().into_scalar::<f64>() * step.batch().whole as f64;
            let scale = (self.0 / norm).min(1.0);
            sum = Some(match sum {
                None => own.map(|_, gradient| gradient.mul_scalar(scale)),
                Some(sum) => sum.map(|parameter, sum| {
                    sum + own.get(&parameter.path).unwrap().clone().mul_scalar(scale)
                }),
            });
        }
        Ok(StepGradients { gradients: sum.unwrap_or_default(), losses })
    }
}

#[test]
fn the_gradients_of_single_examples_add_up_to_that_of_the_batch() {
    let one = |gradient| TrainingConfig { epochs: 1, gradient, ..config() };
    let plain = run(TrainingConfig { epochs: 1, ..config() }).unwrap();
    let all = run(one(PerExample(f64::INFINITY).into())).unwrap();
    assert!(distance(&plain.model, &all.model) < 1e-5);
    let clipped = run(one(PerExample(0.01).into())).unwrap();
    assert!(distance(&Net::new(), &clipped.model) < distance(&Net::new(), &plain.model));
}

/// Parts of 21, 21 and 22 examples, the last batch of 16 and 5 of them smaller; measured to be off
/// by 1e-7.
#[test]
fn gradients_that_are_accumulated_are_those_of_the_whole_batch() {
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    let with = |accumulation| TrainingConfig {
        accumulation,
        augment: vec![Augmentation::crop(1)],
        objective: Objective::half_and_half(attack.clone()),
        max_grad_norm: Some(0.5),
        ..config()
    };
    let whole = run(with(1)).unwrap();
    for parts in [3, 100] {
        let accumulated = run(with(parts)).unwrap();
        assert!(distance(&whole.model, &accumulated.model) < 1e-5, "{parts} parts");
        let [one, other] = [&whole, &accumulated].map(|run| run.history[2].train.clone());
        assert!((one.loss.unwrap() - other.loss.unwrap()).abs() < 1e-5);
        assert_eq!((one.clean, one.robust), (other.clean, other.robust));
    }
}
