//! What a check works on: some images of the subject, and what is known of them.

use super::fared::Fared;
use super::setup::Setup;
use super::subject::{Found, Subject, Target};
use burn::tensor::{Int, Tensor};
use cni_attacks::{Attack, AttackBatch, AttackError, Goal, Pgd, Rows};
use cni_noise::{Key, Noise, scope};
use std::ops::Range;

/// Some images of a subject, one after the other.
pub(super) struct Case<'a> {
    pub subject: &'a Subject<'a>,
    /// The images that are attacked: all, or those that the model gets right in some draw.
    pub problem: AttackBatch,
    /// The images as they are.
    pub clean: Fared,
    images: Range<usize>,
    /// Where the attacked images are among the subject's.
    rows: Vec<usize>,
}

/// The attack that hurt most of several, chosen on some of the images and run on the others.
pub(super) struct Best<'a> {
    /// Its place among the several.
    pub place: usize,
    /// The images that had no part in the choice, or all where there are too few for that.
    pub case: Case<'a>,
    /// How it fared there.
    pub fared: Fared,
    /// How the several fared where they were chosen from.
    pub pilots: Vec<Fared>,
    /// The number of differences of which it is the largest.
    pub of: usize,
}

impl<'a> Case<'a> {
    /// All of the images.
    pub fn every(subject: &'a Subject<'a>, images: Range<usize>) -> Self {
        Self::new(subject, images.clone(), images.collect())
    }

    /// Those of the images that the model gets right in some draw, of which there must be one. The
    /// others count as wrong: no attack can win anything of them.
    pub fn right(subject: &'a Subject<'a>, images: Range<usize>) -> Self {
        let rows = subject.right[subject.right_within(images.clone())].to_vec();
        Self::new(subject, images, rows)
    }

    /// Those of the images that the model gets right in no draw.
    pub fn others(&self) -> Option<Self> {
        let right = |row: &usize| self.rows.binary_search(row).is_ok();
        let rows: Vec<usize> = self.images.clone().filter(|row| !right(row)).collect();
        (!rows.is_empty()).then(|| Self::new(self.subject, self.images.clone(), rows))
    }

    fn new(subject: &'a Subject<'a>, images: Range<usize>, rows: Vec<usize>) -> Self {
        let clean = subject.clean.rows(&rows, images.len() - rows.len());
        let problem = subject.problem.select(&Rows::new(rows.clone(), &subject.problem.images));
        Self { subject, problem, clean, images, rows }
    }

    /// The first of the attacked images, so many, and the others; those that are not attacked go
    /// with their neighbours.
    fn split(&self, first: usize) -> (Self, Self) {
        let Range { start, end } = self.images;
        let cut = self.rows[first];
        (Self::right(self.subject, start..cut), Self::right(self.subject, cut..end))
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
            0 => (Self::right(self.subject, self.images.clone()), None),
            pilot => {
                let (few, rest) = self.split(pilot);
                (few, Some(rest))
            }
        }
    }

    /// How the [few](Self::few) images of a result for all of them fared.
    pub fn few_of(&self, fared: &Fared) -> Fared {
        match fared.margin.len() == self.problem.len() {
            true => {
                let few = self.few();
                fared.rows(&(0..few.problem.len()).collect::<Vec<_>>(), few.clean.wrong)
            }
            false => fared.clone(),
        }
    }

    pub fn setup(&self) -> &Setup {
        &self.subject.setup
    }

    /// The key of a check's own random numbers.
    pub fn key(&self, name: &str) -> Key {
        self.subject.key.named("check").named(name)
    }

    /// The result of the audited attack.
    pub fn audited(&self) -> Result<Found, AttackError> {
        self.shared(&self.subject.audit)
    }

    /// The result of the stronger attacks.
    pub fn strong(&self) -> Result<Found, AttackError> {
        self.shared(&self.subject.strong)
    }

    fn shared(&self, result: &Option<Result<Found, AttackError>>) -> Result<Found, AttackError> {
        let found = result.as_ref().expect("it was run before the checks that need it").clone()?;
        let places: Vec<usize> = self.subject.right_within(self.images.clone()).collect();
        let fared = found.fared.rows(&places, self.clean.wrong);
        Ok(Found { images: Rows::new(places, &found.images).of(&found.images), fared })
    }

    /// How the results of the audited attack fare where all images are attacked: those that the
    /// model never gets right as well, which the shared result leaves out.
    pub fn audited_of_all(&self) -> Result<Fared, AttackError> {
        let right = |row: &usize| self.subject.right.binary_search(row).is_ok();
        let (right, wrong): (Vec<usize>, Vec<usize>) = self.rows.iter().copied().partition(right);
        let mut found: Option<Fared> = None;
        if !right.is_empty() {
            found = Some(Self::right(self.subject, self.images.clone()).audited()?.fared);
        }
        if !wrong.is_empty() {
            let others = Self::new(self.subject, self.images.clone(), wrong.clone());
            let others = others.find(&self.setup().attack)?.fared;
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
        self.find_on(self.subject.target, attack)
    }

    /// The same of what was made of the subject.
    pub fn find_on(&self, target: Target<'_>, attack: &dyn Attack) -> Result<Found, AttackError> {
        let mut found = self.subject.find(target, attack, &self.problem)?;
        found.fared.wrong = self.clean.wrong;
        Ok(found)
    }

    /// Which of these attacks hurts most. The choice is made on the first images and the result is
    /// of the others, so that it is not the luckiest of several.
    pub fn best_of(&self, attacks: &[Pgd]) -> Result<Best<'a>, AttackError> {
        let (first, rest) = self.parts();
        let of = |attack: &Pgd| Ok(first.find(attack)?.fared);
        let pilots: Vec<Fared> = attacks.iter().map(of).collect::<Result<_, AttackError>>()?;
        let harm = |fared: &Fared| (-fared.accuracy(), fared.margin.iter().sum::<f64>());
        let mut place = 0;
        for (other, fared) in pilots.iter().enumerate().skip(1) {
            if harm(fared) > harm(&pilots[place]) {
                place = other;
            }
        }
        Ok(match rest {
            None => {
                let fared = pilots[place].clone();
                Best { place, case: first, fared, pilots, of: attacks.len() }
            }
            Some(case) => {
                let fared = case.find(&attacks[place])?.fared;
                Best { place, case, fared, pilots, of: 1 }
            }
        })
    }

    /// How images in the place of the attacked ones fare.
    pub fn judge(&self, images: &Tensor<4>) -> Result<Fared, AttackError> {
        self.judge_of(&self.problem, images)
    }

    fn judge_of(&self, problem: &AttackBatch, images: &Tensor<4>) -> Result<Fared, AttackError> {
        let (subject, key) = (self.subject, self.subject.key.named("judge"));
        let fared = subject.judge(subject.target, problem, images, key, subject.setup.draws)?;
        Ok(Fared { wrong: self.clean.wrong, ..fared })
    }

    /// As `f` has it with the noise off.
    pub fn without_noise<R>(&self, f: impl FnOnce(Target<'_>) -> R) -> R {
        let target = Target { stochastic: false, ..self.subject.target };
        scope(Noise::Off, || f(target))
    }

    /// A problem of the same images with other labels.
    pub fn relabelled(&self, problem: &AttackBatch, labels: &[i64]) -> AttackBatch {
        let labels = Tensor::<1, Int>::from_data(labels, &problem.images.device());
        let labels = labels.cast(burn::tensor::IntDType::I32);
        AttackBatch { goal: Goal::Misclassify(labels), ..problem.clone() }
    }
}
