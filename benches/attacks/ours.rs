//! Our side: runs and times the attacks, by the names that the peer uses.

use crate::calls::Calls;
use crate::{Result, Settings};
use burn::tensor::{Int, Tensor};
use clap::ValueEnum;
use cni_burn::attacks::{
    Apgd, Attack, CarliniWagner, Classifier, Fab, FrozenModel, Goal, Norm, Passes, Pgd, Rows,
    Square, Suite, Threat,
};
use cni_burn::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Instant;

/// The name of an attack that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Name {
    Fgsm,
    Pgd20,
    ApgdCe,
    ApgdDlr,
    ApgdT,
    FabT,
    Square,
    /// Carlini and Wagner's attack, in L2 whatever the threat.
    Cw,
    /// The standard suite of AutoAttack.
    Standard,
}

impl Name {
    /// The name in the peer and in records.
    pub fn key(self) -> String {
        self.to_possible_value().expect("no name is hidden").get_name().to_string()
    }

    fn attack(self, settings: &Settings) -> Result<Box<dyn Attack>> {
        let norm = match settings.norm.as_str() {
            "linf" => Norm::Linf,
            "l2" => Norm::L2,
            "l1" => Norm::L1,
            other => return Err(format!("--norm: got {other}, wanted linf, l2 or l1").into()),
        };
        let threat = Threat::new(norm, settings.epsilon.parse::<Epsilon>()?.value())?;
        // AutoAttack starts APGD in an enlarged ball in L1, and the peer does so for single attacks
        // too.
        let enlarged = norm == Norm::L1;
        let (iterations, queries) = (settings.targeted_iterations, settings.queries);
        Ok(match self {
            Self::Fgsm => Box::new(Pgd::fgsm(threat)),
            Self::Pgd20 => Box::new(Pgd::new(threat).with_steps(20)?),
            Self::ApgdCe => Box::new(Apgd::cross_entropy(threat).with_enlarged_start(enlarged)),
            Self::ApgdDlr => Box::new(Apgd::dlr(threat).with_enlarged_start(enlarged)),
            Self::ApgdT => Box::new(
                Apgd::targeted(threat).with_steps(iterations)?.with_enlarged_start(enlarged),
            ),
            Self::FabT => Box::new(Fab::targeted(threat).with_steps(iterations)?),
            Self::Square => Box::new(Square::new(threat).with_queries(queries)?),
            Self::Cw => Box::new(
                CarliniWagner::new(Threat::unbounded(Norm::L2))?
                    .with_search_steps(settings.cw_search)?
                    .with_steps(settings.cw_steps)?
                    .with_initial_constant(0.01)?,
            ),
            Self::Standard => Box::new(Suite::standard(threat)?),
        })
    }
}

type Forward = fn(&ResNet, Tensor<4>) -> Tensor<2>;

/// The model and the images of both sides.
pub struct Model {
    frozen: FrozenModel<ResNet, Forward>,
    images: Tensor<4>,
    pub labels: Tensor<1, Int>,
    pub card: Value,
}

impl Model {
    pub fn new(model: &ResNet, images: Tensor<4>, labels: Tensor<1, Int>, card: Value) -> Self {
        Self { frozen: FrozenModel::new(model, ResNet::forward), images, labels, card }
    }

    /// True for each image that is classified correctly.
    pub fn correct(&self, images: &Tensor<4>, batch: usize) -> Vec<u8> {
        let [all, ..] = images.dims();
        let parts = (0..all).step_by(batch).flat_map(|first| {
            let rows = first..all.min(first + batch);
            let logits = self.frozen.logits(images.clone().slice(rows.clone()));
            let goal = Goal::Misclassify(self.labels.clone().slice(rows));
            let wrong: Vec<bool> =
                goal.reached(&logits).try_to_vec_as().expect("the host can be read");
            wrong.into_iter().map(|wrong| u8::from(!wrong))
        });
        parts.collect()
    }

    pub fn clean(&self, batch: usize) -> Vec<u8> {
        self.correct(&self.images, batch)
    }
}

/// The result of an attack.
pub struct Ours {
    pub name: String,
    pub spec: Value,
    pub robust: Vec<u8>,
    /// The distances in L2, for Carlini and Wagner's attack; none for an image without an
    /// adversarial example.
    pub norm: Option<Vec<Option<f64>>>,
    cost: Cost,
}

impl Ours {
    pub fn cost(&self) -> Cost {
        self.cost.clone()
    }
}

/// The cost of an attack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// The number of attacked images, which the model classifies correctly.
    pub attacked: usize,
    pub seconds: f64,
    /// The seconds in the model's forward and backward passes.
    pub model_seconds: f64,
    pub forwards: u64,
    pub backwards: u64,
}

impl Cost {
    /// The numbers of forward and backward passes.
    pub fn passes(&self) -> [u64; 2] {
        [self.forwards, self.backwards]
    }

    /// The microseconds of a pass of one image; a backward pass counts as two forward passes.
    pub fn per_pass(&self) -> f64 {
        1e6 * self.seconds / (self.forwards + 2 * self.backwards) as f64
    }
}

/// Runs an attack on those of the first `examples` images that the model classifies correctly, in
/// full precision.
pub fn run(name: Name, settings: &Settings, model: &Model, examples: usize) -> Result<Ours> {
    run_in(Precision::Full, name, settings, model, examples)
}

/// The same in another precision. The images are judged in full precision.
pub fn run_in(
    precision: Precision,
    name: Name,
    settings: &Settings,
    model: &Model,
    examples: usize,
) -> Result<Ours> {
    let attack = name.attack(settings)?;
    let images = model.images.clone().slice(0..examples);
    let clean = model.correct(&images, settings.batch);
    let right = Rows::wherever(clean.iter().map(|&right| right == 1), &images);
    let attacked = right.of(&images);
    let goal = Goal::Misclassify(right.of_labels(&model.labels));

    let calls = Calls::default();
    let counted = |x: Tensor<4>| calls.logits(&model.frozen, x);
    let started = Instant::now();
    let runner = attack.on(&counted).with_chunk(settings.batch)?.with_key(Key::new(1));
    let found = autocast(precision, || runner.perturb(attacked.clone(), &goal))?;
    let seconds = started.elapsed().as_secs_f64();
    let model_seconds = autocast(precision, || calls.seconds(&model.frozen, &images));

    let distance: Vec<f64> = Norm::L2.distance(&found.images, &attacked).try_to_vec_as()?;
    // Images are judged in the batches of the whole set, as in the peer.
    let robust = model.correct(&right.replace(&images, &found.images), settings.batch);
    let norm = (name == Name::Cw).then(|| {
        let mut norms = vec![None; examples];
        for (at, &row) in right.as_slice().iter().enumerate() {
            norms[row] = (robust[row] == 0).then_some(distance[at]);
        }
        norms
    });
    let Passes { forwards, backwards } = found.passes;
    let attacked = right.as_slice().len();
    let cost = Cost { attacked, seconds, model_seconds, forwards, backwards };
    Ok(Ours { name: attack.name(), spec: attack.spec(), robust, norm, cost })
}
