//! The sample of a check: its examples, and what is known about them.

use super::context::{Context, Found, Model};
use super::labelled::LabelledPredictions;
use super::setup::Setup;
use burn::tensor::{Int, Tensor};
use cni_attacks::{Attack, AttackBatch, AttackError, Goal, Rows};
use cni_noise::{Key, Noise, scope};
use std::ops::Range;
use std::sync::Arc;

/// A sample: consecutive examples of the audited data. Some or all of them are attacked.
pub(super) struct Sample<'a> {
    pub context: &'a Context<'a>,
    /// The images that are attacked: all, or those that the model classifies correctly in some
    /// draw.
    pub batch: AttackBatch,
    /// The predictions of the clean images.
    pub clean: LabelledPredictions,
    images: Range<usize>,
    /// The rows of the attacked images in the context's data.
    rows: Vec<usize>,
}

/// The strongest of several attacks, chosen on some of the images and run on the others.
pub(super) struct Best<'a> {
    /// The position of the strongest attack among the several.
    pub place: usize,
    /// The images that the choice did not use, or all if they are too few to be divided.
    pub sample: Sample<'a>,
    /// The predictions under the strongest attack on that sample.
    pub predictions: LabelledPredictions,
    /// The predictions under each of the several attacks, on the images of the choice.
    pub pilots: Vec<LabelledPredictions>,
    /// The number of attacks among which these very images chose; 1 if other images chose.
    pub of: usize,
}

impl<'a> Sample<'a> {
    /// The sample of all images in this range.
    pub fn every(context: &'a Context<'a>, images: Range<usize>) -> Self {
        Self::new(context, images.clone(), images.collect())
    }

    /// The sample of the images in this range that the model classifies correctly in some draw;
    /// there must be at least one. The others count as wrong, because no attack can gain anything
    /// on them.
    pub fn right(context: &'a Context<'a>, images: Range<usize>) -> Self {
        let rows = context.right[context.right_within(images.clone())].to_vec();
        Self::new(context, images, rows)
    }

    /// The sample of the images that the model misclassifies in every draw.
    pub fn others(&self) -> Option<Self> {
        let right = |row: &usize| self.rows.binary_search(row).is_ok();
        let rows: Vec<usize> = self.images.clone().filter(|row| !right(row)).collect();
        (!rows.is_empty()).then(|| Self::new(self.context, self.images.clone(), rows))
    }

    fn new(context: &'a Context<'a>, images: Range<usize>, rows: Vec<usize>) -> Self {
        let clean = context.clean.rows(&rows, images.len() - rows.len());
        let batch = context.batch.select(&Rows::new(rows.clone(), &context.batch.images));
        Self { context, batch, clean, images, rows }
    }

    /// A sample with the first `first` attacked images, and one with the rest. Images that are not
    /// attacked stay with their neighbours.
    fn split(&self, first: usize) -> (Self, Self) {
        let Range { start, end } = self.images;
        let cut = self.rows[first];
        (Self::right(self.context, start..cut), Self::right(self.context, cut..end))
    }

    /// The images on which choices are made, and which figures show.
    pub fn few(&self) -> Self {
        self.parts().0
    }

    /// The images that choices do not use, if there are enough images to divide.
    pub fn rest(&self) -> Option<Self> {
        self.parts().1
    }

    fn parts(&self) -> (Self, Option<Self>) {
        match self.setup().pilot(self.batch.len()) {
            0 => (Self::right(self.context, self.images.clone()), None),
            pilot => {
                let (few, rest) = self.split(pilot);
                (few, Some(rest))
            }
        }
    }

    /// The predictions of the [few](Self::few), taken from those of all images.
    pub fn few_of(&self, predictions: &LabelledPredictions) -> LabelledPredictions {
        match predictions.margin.len() == self.batch.len() {
            true => {
                let few = self.few();
                predictions.rows(&(0..few.batch.len()).collect::<Vec<_>>(), few.clean.wrong)
            }
            false => predictions.clone(),
        }
    }

    pub fn setup(&self) -> &Setup {
        &self.context.setup
    }

    /// The key of the random numbers of one check.
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

    /// The predictions of all images under the audited attack. They include the images that the
    /// model misclassifies in every draw, which the shared result leaves out.
    pub fn audited_of_all(&self) -> Result<LabelledPredictions, AttackError> {
        let right = |row: &usize| self.context.right.binary_search(row).is_ok();
        let (right, wrong): (Vec<usize>, Vec<usize>) = self.rows.iter().copied().partition(right);
        let mut found: Option<LabelledPredictions> = None;
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
        // The original order of the images.
        let order: Vec<usize> = right.into_iter().chain(wrong).collect();
        let place =
            |row: usize| order.iter().position(|&other| other == row).expect("a row of either");
        let places: Vec<usize> = self.rows.iter().map(|&row| place(row)).collect();
        Ok(found.expect("there are images").rows(&places, 0))
    }

    /// The result of an attack on the audited model.
    pub fn find(&self, attack: &dyn Attack) -> Result<Found, AttackError> {
        self.find_on(self.context.model, attack)
    }

    /// The result of an attack on a variant of the model.
    pub fn find_on(&self, model: Model<'_>, attack: &dyn Attack) -> Result<Found, AttackError> {
        let mut found = self.context.find(model, attack, &self.batch)?;
        found.predictions.wrong = self.clean.wrong;
        Ok(found)
    }

    /// The strongest of these attacks. It is chosen on the first images and run on the others, so
    /// that it is not merely the luckiest one.
    pub fn best_of(&self, attacks: &[Arc<dyn Attack>]) -> Result<Best<'a>, AttackError> {
        let (first, rest) = self.parts();
        let on_first = |attack: &Arc<dyn Attack>| Ok(first.find(attack)?.predictions);
        let pilots: Vec<LabelledPredictions> =
            attacks.iter().map(on_first).collect::<Result<_, AttackError>>()?;
        let strength = |predictions: &LabelledPredictions| {
            (-predictions.accuracy(), predictions.margin.iter().sum::<f64>())
        };
        let mut place = 0;
        for (other, predictions) in pilots.iter().enumerate().skip(1) {
            if strength(predictions) > strength(&pilots[place]) {
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

    /// Judges `images` with the labels of the attacked examples.
    pub fn judge(&self, images: &Tensor<4>) -> Result<LabelledPredictions, AttackError> {
        self.judge_of(&self.batch, images)
    }

    fn judge_of(
        &self,
        batch: &AttackBatch,
        images: &Tensor<4>,
    ) -> Result<LabelledPredictions, AttackError> {
        let (context, key) = (self.context, self.context.key.named("judge"));
        let predictions = context.judge(context.model, batch, images, key, context.setup.draws)?;
        Ok(LabelledPredictions { wrong: self.clean.wrong, ..predictions })
    }

    /// Calls `f` with the model's noise switched off.
    pub fn without_noise<R>(&self, f: impl FnOnce(Model<'_>) -> R) -> R {
        let model = Model { stochastic: false, ..self.context.model };
        scope(Noise::Off, || f(model))
    }

    /// The same images with other labels.
    pub fn relabelled(&self, batch: &AttackBatch, labels: &[i64]) -> AttackBatch {
        let labels = Tensor::<1, Int>::from_data(labels, &batch.images.device());
        let labels = labels.cast(burn::tensor::IntDType::I32);
        AttackBatch { goal: Goal::Misclassify(labels), ..batch.clone() }
    }
}
