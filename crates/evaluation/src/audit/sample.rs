//! What a check works on: some images of the subject, and what is known of them.

use super::context::{Context, Found, Model};
use super::predictions::Predictions;
use super::setup::Setup;
use burn::tensor::{Int, Tensor};
use cni_attacks::{Attack, AttackBatch, AttackError, Goal, Rows};
use cni_noise::{Key, Noise, scope};
use std::ops::Range;
use std::sync::Arc;

/// Some images of a subject, one after the other.
pub(super) struct Sample<'a> {
    pub context: &'a Context<'a>,
    /// The images that are attacked: all, or those that the model gets right in some draw.
    pub problem: AttackBatch,
    /// The images as they are.
    pub clean: Predictions,
    images: Range<usize>,
    /// Where the attacked images are among the subject's.
    rows: Vec<usize>,
}

/// The attack that hurt most of several, chosen on some of the images and run on the others.
pub(super) struct Best<'a> {
    /// Its place among the several.
    pub place: usize,
    /// The images that had no part in the choice, or all where there are too few for that.
    pub sample: Sample<'a>,
    /// How it fared there.
    pub predictions: Predictions,
    /// How the several fared where they were chosen from.
    pub pilots: Vec<Predictions>,
    /// The number of differences of which it is the largest.
    pub of: usize,
}

impl<'a> Sample<'a> {
    /// All of the images.
    pub fn every(context: &'a Context<'a>, images: Range<usize>) -> Self {
        Self::new(context, images.clone(), images.collect())
    }

    /// Those of the images that the model gets right in some draw, of which there must be one. The
    /// others count as wrong: no attack can win anything of them.
    pub fn right(context: &'a Context<'a>, images: Range<usize>) -> Self {
        let rows = context.right[context.right_within(images.clone())].to_vec();
        Self::new(context, images, rows)
    }

    /// Those of the images that the model gets right in no draw.
    pub fn others(&self) -> Option<Self> {
        let right = |row: &usize| self.rows.binary_search(row).is_ok();
        let rows: Vec<usize> = self.images.clone().filter(|row| !right(row)).collect();
        (!rows.is_empty()).then(|| Self::new(self.context, self.images.clone(), rows))
    }

    fn new(context: &'a Context<'a>, images: Range<usize>, rows: Vec<usize>) -> Self {
        let clean = context.clean.rows(&rows, images.len() - rows.len());
        let problem = context.problem.select(&Rows::new(rows.clone(), &context.problem.images));
        Self { context, problem, clean, images, rows }
    }

    /// The first of the attacked images, so many, and the others; those that are not attacked go
    /// with their neighbours.
    fn split(&self, first: usize) -> (Self, Self) {
        let Range { start, end } = self.images;
        let cut = self.rows[first];
        (Self::right(self.context, start..cut), Self::right(self.context, cut..end))
    }

    /// The images on which choices are made, and that pictures show.
    pub fn few(&self) -> Self {
        self.parts().0
    }

    /// The images that have no part in a choice, where there are enough to be divided.
    pub fn rest(&self) -> Option<Self> {
        self.parts().1
    }

    fn parts(&self) -> (Self, Option<Self>) {
        match self.setup().pilot(self.problem.len()) {
            0 => (Self::right(self.context, self.images.clone()), None),
            pilot => {
                let (few, rest) = self.split(pilot);
                (few, Some(rest))
            }
        }
    }

    /// How the [few](Self::few) images of a result for all of them fared.
    pub fn few_of(&self, predictions: &Predictions) -> Predictions {
        match predictions.margin.len() == self.problem.len() {
            true => {
                let few = self.few();
                predictions.rows(&(0..few.problem.len()).collect::<Vec<_>>(), few.clean.wrong)
            }
            false => predictions.clone(),
        }
    }

    pub fn setup(&self) -> &Setup {
        &self.context.setup
    }

    /// The key of a check's own random numbers.
    pub fn key(&self, name: &str) -> Key {
        self.context.key.named("check").named(name)
    }

    /// The result of the audited attack.
    pub fn audited(&self) -> Result<Found, AttackError> {
        self.shared(&self.context.audit)
    }

    /// The result of the stronger attacks.
    pub fn strong(&self) -> Result<Found, AttackError> {
        self.shared(&self.context.strong)
    }

    fn shared(&self, result: &Option<Result<Found, AttackError>>) -> Result<Found, AttackError> {
        let found = result.as_ref().expect("it was run before the checks that need it").clone()?;
        let places: Vec<usize> = self.context.right_within(self.images.clone()).collect();
        let predictions = found.predictions.rows(&places, self.clean.wrong);
        Ok(Found { images: Rows::new(places, &found.images).of(&found.images), predictions })
    }

    /// How the results of the audited attack fare where all images are attacked: those that the
    /// model never gets right as well, which the shared result leaves out.
    pub fn audited_of_all(&self) -> Result<Predictions, AttackError> {
        let right = |row: &usize| self.context.right.binary_search(row).is_ok();
        let (right, wrong): (Vec<usize>, Vec<usize>) = self.rows.iter().copied().partition(right);
        let mut found: Option<Predictions> = None;
        if !right.is_empty() {
            found = Some(Self::right(self.context, self.images.clone()).audited()?.predictions);
        }
        if !wrong.is_empty() {
            let others = Self::new(self.context, self.images.clone(), wrong.clone());
            let others = others.find(&self.setup().attack)?.predictions;
            match &mut found {
                None => found = Some(others),
                Some(all) => all.extend(others),
            }
        }
        // Back into the order of the images.
        let order: Vec<usize> = right.into_iter().chain(wrong).collect();
        let place =
            |row: usize| order.iter().position(|&other| other == row).expect("a row of either");
        let places: Vec<usize> = self.rows.iter().map(|&row| place(row)).collect();
        Ok(found.expect("there are images").rows(&places, 0))
    }

    /// What an attack on the subject finds, and how that fares.
    pub fn find(&self, attack: &dyn Attack) -> Result<Found, AttackError> {
        self.find_on(self.context.model, attack)
    }

    /// The same of what was made of the subject.
    pub fn find_on(&self, model: Model<'_>, attack: &dyn Attack) -> Result<Found, AttackError> {
        let mut found = self.context.find(model, attack, &self.problem)?;
        found.predictions.wrong = self.clean.wrong;
        Ok(found)
    }

    /// Which of these attacks hurts most. The choice is made on the first images and the result is
    /// of the others, so that it is not the luckiest of several.
    pub fn best_of(&self, attacks: &[Arc<dyn Attack>]) -> Result<Best<'a>, AttackError> {
        let (first, rest) = self.parts();
        let of = |attack: &Arc<dyn Attack>| Ok(first.find(attack)?.predictions);
        let pilots: Vec<Predictions> =
            attacks.iter().map(of).collect::<Result<_, AttackError>>()?;
        let harm = |predictions: &Predictions| {
            (-predictions.accuracy(), predictions.margin.iter().sum::<f64>())
        };
        let mut place = 0;
        for (other, predictions) in pilots.iter().enumerate().skip(1) {
            if harm(predictions) > harm(&pilots[place]) {
                place = other;
            }
        }
        Ok(match rest {
            None => {
                let predictions = pilots[place].clone();
                Best { place, sample: first, predictions, pilots, of: attacks.len() }
            }
            Some(sample) => {
                let predictions = sample.find(&attacks[place])?.predictions;
                Best { place, sample, predictions, pilots, of: 1 }
            }
        })
    }

    /// How images in the place of the attacked ones fare.
    pub fn judge(&self, images: &Tensor<4>) -> Result<Predictions, AttackError> {
        self.judge_of(&self.problem, images)
    }

    fn judge_of(
        &self,
        problem: &AttackBatch,
        images: &Tensor<4>,
    ) -> Result<Predictions, AttackError> {
        let (context, key) = (self.context, self.context.key.named("judge"));
        let predictions =
            context.judge(context.model, problem, images, key, context.setup.draws)?;
        Ok(Predictions { wrong: self.clean.wrong, ..predictions })
    }

    /// As `f` has it with the noise off.
    pub fn without_noise<R>(&self, f: impl FnOnce(Model<'_>) -> R) -> R {
        let model = Model { stochastic: false, ..self.context.model };
        scope(Noise::Off, || f(model))
    }

    /// A problem of the same images with other labels.
    pub fn relabelled(&self, problem: &AttackBatch, labels: &[i64]) -> AttackBatch {
        let labels = Tensor::<1, Int>::from_data(labels, &problem.images.device());
        let labels = labels.cast(burn::tensor::IntDType::I32);
        AttackBatch { goal: Goal::Misclassify(labels), ..problem.clone() }
    }
}
