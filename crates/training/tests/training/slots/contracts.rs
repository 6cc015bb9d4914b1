//! Broken contracts, gradients that are not finite and refused settings, each named with its rule.

use crate::support::linear_net::{Net, config, data, run, trainer};
use cni_training::{
    Average, AverageRule, GradientRule, Losses, Objective, ObjectiveRule, ParameterValues,
    RuleState, Step, StepError, StepGradients, StepInfo, StopReason, Trainer, TrainingConfig,
    TrainingError, UpdateRule,
};
use serde_json::{Value, json};

/// The sign of the gradients, and a setting.
struct Sign(f64);

impl GradientRule for Sign {
    fn spec(&self) -> Value {
        json!({ "gradient": "sign", "size": self.0 })
    }

    fn check(&self) -> Result<(), TrainingError> {
        match self.0 > 0.0 {
            true => Ok(()),
            false => Err(TrainingError::setting("size", self.0, "a number above 0")),
        }
    }

    fn finish(
        &self,
        gradients: ParameterValues,
        _info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        Ok(gradients.map(|_, gradient| gradient.sign().mul_scalar(self.0)))
    }
}

/// A finite loss whose gradient is not, and one without a gradient.
enum Strange {
    Gradient,
    NoTape,
}

impl ObjectiveRule for Strange {
    fn spec(&self) -> Value {
        json!({ "objective": "strange" })
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let logits = step.logits("clean", step.batch().images.clone());
        let loss = step.cross_entropy(logits);
        Ok(Losses::new(match self {
            // The root of zero has an infinite gradient, and zero times that is none.
            Self::Gradient => loss.clone() + loss.mul_scalar(0.0).sqrt(),
            Self::NoTape => loss.inner(),
        }))
    }
}

#[test]
fn a_rule_cannot_hide_a_gradient_that_is_not_finite() {
    let objective = || Objective::from(Strange::Gradient);
    let hidden = TrainingConfig { gradient: Sign(0.1).into(), objective: objective(), ..config() };
    let error = run(hidden).unwrap_err().to_string();
    let says = "the gradient of hidden.weight, before the gradient rule sign";
    assert!(error.contains(says), "{error}");
}

#[test]
fn a_loss_without_the_tape_is_named() {
    let error = run(TrainingConfig { objective: Strange::NoTape.into(), ..config() }).unwrap_err();
    let says = "objective strange: loss: got a tensor without the tape, wanted one on the tape";
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn a_setting_that_a_rule_refuses_is_named_with_its_rule() {
    let refused = |config| Trainer::<Net>::new(config, "never").err().unwrap().to_string();
    let sign = TrainingConfig { gradient: Sign(-1.0).into(), ..config() };
    assert_eq!(refused(sign), "gradient rule sign: size: got -1, wanted a number above 0");
    let ema = TrainingConfig { average: Some(Average::ema(1.5)), ..config() };
    assert_eq!(refused(ema), "average rule ema: decay: got 1.5, wanted a number in [0, 1)");
}

#[test]
fn a_broken_contract_is_named() {
    /// An objective with losses of other examples, one that is NaN, and a score without a name.
    struct Broken(&'static str);
    impl ObjectiveRule for Broken {
        fn spec(&self) -> Value {
            json!({ "objective": "broken", "how": self.0 })
        }
        fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
            let logits = step.logits("clean", step.batch().images.clone());
            let loss = step.cross_entropy(logits);
            Ok(match self.0 {
                "mean" => Losses::new(loss.mean()),
                "nan" => Losses::new(loss.mul_scalar(f64::NAN)),
                "score" => Losses::new(loss.clone()).with_score("mystery", loss),
                _ => return Err(StepError::custom("the moon is full")),
            })
        }
    }
    /// A rule that forgets a parameter, and one that changes a shape, before or after the sum.
    struct Careless(&'static str);
    impl GradientRule for Careless {
        fn spec(&self) -> Value {
            json!({ "gradient": "careless", "how": self.0 })
        }
        fn gradients(
            &self,
            objective: &Objective,
            step: &Step<'_>,
        ) -> Result<StepGradients, StepError> {
            let StepGradients { gradients, losses } = step.backward(objective.losses(step)?);
            let gradients = match self.0 {
                "forgets" => gradients.filter(|parameter| parameter.path != "out.weight"),
                "cuts" => gradients.map(|_, gradient| gradient.narrow(0, 0, 3)),
                _ => gradients,
            };
            Ok(StepGradients { gradients, losses })
        }
        fn finish(
            &self,
            gradients: ParameterValues,
            _info: &StepInfo,
            _state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            Ok(match self.0 {
                "forgets all" => ParameterValues::default(),
                _ => gradients,
            })
        }
    }
    struct Stretch;
    impl UpdateRule for Stretch {
        fn spec(&self) -> Value {
            json!({ "update": "stretch" })
        }
        fn after(
            &self,
            weights: ParameterValues,
            _info: &StepInfo,
            _state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            Ok(weights.map(|_, weight| weight.repeat_dim(0, 2)))
        }
    }
    struct Beyond;
    impl AverageRule for Beyond {
        fn spec(&self) -> Value {
            json!({ "average": "beyond" })
        }
        fn weight(&self, _info: &StepInfo) -> Option<f64> {
            Some(1.5)
        }
    }
    let objective = |how| TrainingConfig { objective: Broken(how).into(), ..config() };
    let gradient = |how| TrainingConfig { gradient: Careless(how).into(), ..config() };
    let cases = [
        (objective("mean"), "objective broken: loss: got 1 values, wanted one for each of 64"),
        (objective("nan"), "the loss of the objective broken is NaN"),
        (objective("score"), "objective broken: score: got mystery, wanted one of those that it"),
        (objective("error"), "the moon is full"),
        (gradient("forgets"), "gradient rule careless: gradient of out.weight: got none, wanted"),
        (gradient("cuts"), "gradient rule careless: gradient of hidden.weight: got 3 values, want"),
        (gradient("forgets all"), "gradient rule careless: gradient of hidden.weight: got none"),
        (
            TrainingConfig { updates: vec![Stretch.into()], ..config() },
            "update rule stretch: weight of hidden.weight: got 2048 values, wanted the 1024 of its",
        ),
        (
            TrainingConfig { average: Some(Beyond.into()), ..config() },
            "average rule beyond: weight: got 1.5, wanted a number in [0, 1]",
        ),
    ];
    for (config, wanted) in cases {
        let error = run(config).unwrap_err();
        assert!(matches!(error, TrainingError::Stopped { last: None, .. }), "{error}");
        assert!(error.to_string().starts_with(wanted), "{error}\nlacks {wanted}");
    }
    let error = run(objective("error")).unwrap_err();
    let custom = matches!(
        error,
        TrainingError::Stopped { reason: StopReason::Step(StepError::Custom(_)), .. }
    );
    assert!(custom);
    // A rule without a name, and a metric of another length.
    struct Nameless;
    impl ObjectiveRule for Nameless {
        fn spec(&self) -> Value {
            json!({})
        }
        fn losses(&self, _step: &Step<'_>) -> Result<Losses, StepError> {
            unreachable!("it is refused before")
        }
    }
    let nameless = TrainingConfig { objective: Nameless.into(), ..config() };
    let error = Trainer::<Net>::new(nameless, "unused").map(drop).unwrap_err().to_string();
    assert!(error.starts_with("objective: got {}, wanted an object"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let trainer = trainer(config(), folder.path());
    let trainer = trainer.with_metric("top", |logits, _| logits.clone().max().reshape([1]));
    let error = trainer.run(Net::new(), Net::forward, data().0).unwrap_err().to_string();
    assert!(error.starts_with("metric top: values: got 1, wanted one for each of 48"), "{error}");
}
