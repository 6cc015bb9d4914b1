//! The setup of an audit: everything that is known before the model is asked, and that decides the
//! cost of each check.

use super::effort::Sizes;
use super::judgement::Judgement;
use cni_attacks::{
    Apgd, Attack, AttackError, Eot, Knob, Knobs, Loss, Norm, Passes, Pgd, RandomNoise, Square,
    Threat,
};
use std::sync::Arc;

/// The smallest number of draws of a noisy model that tells which images it misclassifies. With
/// fewer draws, shares of draws hardly ever differ by two standard errors.
const COUNTING: usize = 5;

/// The number of draws behind the gradients of the audit's own attacks on a noisy model, if the
/// audited attack has no number of draws. AutoAttack's `rand` takes as many.
const DRAWS: usize = 20;

/// The assumed cost for each example of an attack that cannot tell its cost.
const UNKNOWN: Passes = Passes { forwards: 1000, backwards: 0 };

/// The setup: the audited attack, the model's classes and noise, and how images are judged.
#[derive(Clone)]
pub(super) struct Setup {
    pub attack: Arc<dyn Attack>,
    /// The values of the attack's knobs.
    pub knobs: Knobs,
    pub sizes: Sizes,
    /// The number of judging draws that the caller set.
    pub judging_draws: usize,
    /// The number of judging draws in use; one for a model without noise.
    pub draws: usize,
    pub classes: usize,
    pub stochastic: bool,
    /// True if there is a surrogate, or the model with its noise off to serve as one.
    pub surrogate: bool,
}

/// The size of a check: how many examples it takes, and how many of them it attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub examples: usize,
    /// The number of examples that the model classifies correctly in some draw. On the others no
    /// attack can gain anything.
    pub right: usize,
}

/// The cost in forward passes; a backward pass counts as two.
pub(super) fn weight(passes: &Passes) -> u64 {
    passes.forwards + 2 * passes.backwards
}

/// This number of forward passes.
pub(super) fn forwards(count: usize) -> Passes {
    Passes { forwards: count as u64, backwards: 0 }
}

impl Setup {
    /// The difference of accuracies that the rules name, as a fraction.
    pub fn bound(&self) -> f64 {
        self.sizes.bound
    }

    /// The threat of the audited attack.
    pub fn threat(&self) -> Threat {
        self.attack.threat()
    }

    /// The budget of all checks together, in forward passes.
    pub fn budget(&self) -> u64 {
        self.sizes.budget * if self.stochastic { self.sizes.noise } else { 1 }
    }

    /// The number of examples, of `examples`, on which the best of several variants is chosen and
    /// which figures show. Zero if there are fewer than twelve, which are not divided.
    pub fn pilot(&self, examples: usize) -> usize {
        if examples < 12 { 0 } else { self.sizes.few.min(examples / 3) }
    }

    /// The number of examples, of `examples`, that figures show.
    pub fn few(&self, examples: usize) -> usize {
        match self.pilot(examples) {
            0 => examples,
            pilot => pilot,
        }
    }

    /// The largest cost of an attack for each example.
    pub fn cost(&self, attack: &impl Attack) -> Passes {
        attack.cost(self.classes, self.stochastic).unwrap_or(UNKNOWN)
    }

    /// The largest cost of an attack for each example of a model without noise.
    pub fn cost_without_noise(&self, attack: &impl Attack) -> Passes {
        attack.cost(self.classes, false).unwrap_or(UNKNOWN)
    }

    /// The cost of finding the best of several attacks on the pilot, and of running it on all
    /// examples.
    pub fn best_of(&self, attacks: &[Arc<dyn Attack>], examples: usize) -> Passes {
        let all: Passes = self.judged(attacks);
        let dearest = attacks.iter().map(|attack| self.judged([attack]));
        let dearest = dearest.max_by_key(weight).unwrap_or_default();
        match self.pilot(examples) {
            0 => all * examples as u64,
            pilot => all * pilot as u64 + dearest * (examples - pilot) as u64,
        }
    }

    /// A judgement about the number of images that most draws misclassify. With few draws of a
    /// noisy model chance can cause the same number, and the judgement becomes inconclusive.
    pub fn counted(&self, judgement: Judgement) -> Judgement {
        match self.stochastic && self.draws < COUNTING {
            true => judgement.of_few_draws(),
            false => judgement,
        }
    }

    /// The cost of judging an image.
    pub fn judge_cost(&self) -> Passes {
        forwards(self.draws)
    }

    /// The cost of running each of these attacks and judging its images.
    pub fn judged<'a, A: Attack + 'a>(&self, attacks: impl IntoIterator<Item = &'a A>) -> Passes {
        attacks.into_iter().map(|attack| self.cost(attack) + self.judge_cost()).sum()
    }

    /// The reason why a check is skipped that needs a setting which the audited attack lacks.
    pub fn lacking(&self, field: &str, value: Option<impl Sized>) -> Option<String> {
        let reason = || format!("{} has no setting `{field}`", self.attack.name());
        value.is_none().then(reason)
    }

    /// The radius, if it can be changed in the audited attack.
    pub fn epsilon_knob(&self) -> Option<f64> {
        let epsilon = self.threat().epsilon();
        let turned = self.attack.with_knob(Knob::Epsilon(epsilon));
        (!matches!(turned, Err(AttackError::NoKnob { .. }))).then_some(epsilon)
    }

    /// The loss of the audit's own attacks and of its questions about gradients: that of the
    /// audited attack, or the cross-entropy.
    pub fn loss(&self) -> Loss {
        self.knobs.loss.clone().unwrap_or(Loss::CrossEntropy)
    }

    /// The expectation of the audit's own attacks: that of the audited attack.
    pub fn eot(&self) -> Eot {
        let unknown = if self.stochastic { DRAWS } else { 1 };
        let draws = self.attack.gradient_draws().or(self.knobs.draws).unwrap_or(unknown);
        Eot { draws, expectation: self.knobs.expectation.unwrap_or_default() }
    }

    /// FGSM, and FGSM from a random start, with the audited loss and expectation.
    pub fn one_step(&self) -> [Pgd; 2] {
        [Pgd::fgsm(self.threat()), Pgd::random_fgsm(self.threat())].map(|fgsm| {
            let Eot { draws, expectation } = self.eot();
            let fgsm = fgsm.with_loss(self.loss()).with_expectation(expectation);
            fgsm.with_draws(draws).expect("there is a draw")
        })
    }

    /// The audited attack for a model without noise, on which all draws are equal.
    pub fn without_draws(&self) -> Arc<dyn Attack> {
        self.attack.with_knob(Knob::Draws(1)).unwrap_or_else(|_| self.attack.clone())
    }

    /// Counts below `used`, by the effort's factor, and doublings above it up to `reach`, or up to
    /// the effort's own multiple if that is larger.
    pub fn ladder(&self, used: usize, reach: usize) -> (Vec<usize>, Vec<usize>) {
        let (mut below, mut next) = (Vec::new(), used / self.sizes.fineness);
        while next > 1 {
            below.push(next);
            next /= self.sizes.fineness;
        }
        if used > 1 {
            below.push(1);
        }
        below.reverse();
        let doubled = (1..).map(|power| used << power);
        let most = reach.max(self.sizes.beyond * used);
        (below, doubled.take_while(|count| *count <= most).collect())
    }

    /// The losses that work with this number of classes.
    pub fn losses(&self) -> Vec<Loss> {
        let all = [Loss::CrossEntropy, Loss::Margin, Loss::Dlr];
        all.into_iter().filter(|loss| loss.classes() <= self.classes).collect()
    }

    /// The number of target classes of the stronger attack; a third of it if every gradient is a
    /// mean over draws.
    fn targets(&self) -> usize {
        let share = if self.eot().draws > 1 { 3 } else { 1 };
        self.sizes.targets.div_ceil(share)
    }

    /// The stronger attacks, which together must not beat the audited one.
    pub fn strong(&self) -> Vec<Apgd> {
        let (threat, eot, sizes) = (self.threat(), self.eot(), &self.sizes);
        let second = match self.classes {
            2 => Apgd::cross_entropy(threat).with_loss(Loss::Margin).expect("it has no targets"),
            3 => Apgd::dlr(threat),
            _ => Apgd::targeted(threat).with_targets(self.targets()).expect("it is positive"),
        };
        let ready = |apgd: Apgd| {
            apgd.with_steps(sizes.iterations)
                .and_then(|apgd| apgd.with_draws(eot.draws))
                .expect("they are positive")
                .with_expectation(eot.expectation)
                .with_enlarged_start(threat.norm() == Norm::L1)
        };
        [Apgd::cross_entropy(threat), second].map(ready).to_vec()
    }

    /// The cost of the stronger attacks, with the draws that choose between them and those that
    /// judge.
    pub fn strong_cost(&self) -> Passes {
        let attacks = self.strong();
        let judgements = if self.stochastic { 2 } else { 1 };
        let judged = self.judge_cost() * (judgements * attacks.len() as u64);
        attacks.iter().map(|apgd| self.cost(apgd)).sum::<Passes>() + judged
    }

    /// The number of draws behind each score, for attacks that ask for very many scores.
    pub fn score_draws(&self) -> usize {
        self.eot().draws.min(4)
    }

    /// The attack by random points on the sphere.
    pub fn random(&self) -> RandomNoise {
        let attack = RandomNoise::gaussian(self.threat()).with_samples(self.sizes.points);
        let attack = attack.and_then(|attack| attack.with_draws(self.score_draws()));
        attack.expect("both are positive")
    }

    /// The attack without gradients.
    pub fn black_box(&self) -> Square {
        let attack = Square::new(self.threat()).with_rescaled_schedule(true);
        let attack = attack.with_queries(self.sizes.queries);
        let attack = attack.and_then(|attack| attack.with_draws(self.score_draws()));
        attack.expect("both are positive")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Audit;
    use super::*;
    use crate::Verdict;

    /// With two draws one image of a fair coin's is broken here and not there in every 16th case.
    #[test]
    fn counts_of_images_in_few_draws_are_inconclusive() {
        let audit = Audit::new(Pgd::new(Threat::linf(0.1).unwrap()));
        let found = |judging_draws: usize, stochastic: bool, verdict: Verdict| {
            let audit = audit.clone().with_judging_draws(judging_draws).unwrap();
            let judgement = Judgement::new(verdict, 0.03, 0.01, 400, Some(100));
            audit.setup(4, stochastic).counted(judgement)
        };
        let blind = found(2, true, Verdict::Pass);
        assert_eq!((blind.verdict, blind.needed()), (Verdict::Inconclusive, None));
        assert!(blind.note().contains("more draws"), "{}", blind.note());
        assert_eq!(found(5, true, Verdict::Pass).verdict, Verdict::Pass);
        assert_eq!(found(2, false, Verdict::Pass).verdict, Verdict::Pass);
        assert_eq!(found(2, true, Verdict::Fail).verdict, Verdict::Fail);
    }
}
