//! What a audit is about, before any model is asked: enough to know what each check costs.

use super::effort::Sizes;
use super::judgement::Judgement;
use cni_attacks::{Apgd, Eot, Iterate, Loss, Norm, Passes, Pgd, RandomNoise, Square, Threat};

/// The fewest draws of a noisy model that tell which images it gets wrong: with fewer, shares cannot
/// differ by two standard errors, or hardly.
const COUNTING: usize = 5;

/// The audited attack, and what is known of model and judgement.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub attack: Pgd,
    pub sizes: Sizes,
    /// Draws that the caller judges by.
    pub judging: usize,
    /// Draws that are of use, one for a model without noise.
    pub draws: usize,
    pub classes: usize,
    pub stochastic: bool,
    /// Whether there is a surrogate, or the model with its noise off to serve as one.
    pub surrogate: bool,
}

/// How many images a check attacks, and on behalf of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub examples: usize,
    /// Those that the model gets right in some draw: of the others no attack can win anything.
    pub right: usize,
}

/// Passes as forward passes; a backward pass counts as two.
pub(super) fn weight(passes: &Passes) -> u64 {
    passes.forwards + 2 * passes.backwards
}

/// So many forward passes.
pub(super) fn forwards(count: usize) -> Passes {
    Passes { forwards: count as u64, backwards: 0 }
}

impl Setup {
    /// The difference of accuracies that rules name, a fraction.
    pub fn bound(&self) -> f64 {
        self.sizes.bound
    }

    /// What all checks may cost together, in forward passes.
    pub fn budget(&self) -> u64 {
        self.sizes.budget * if self.stochastic { self.sizes.noise } else { 1 }
    }

    /// Of so many examples those on which the best of several variants is chosen, and which
    /// pictures show. Too few to be divided are not.
    pub fn pilot(&self, examples: usize) -> usize {
        if examples < 12 { 0 } else { self.sizes.few.min(examples / 3) }
    }

    /// Of so many examples those that pictures show.
    pub fn few(&self, examples: usize) -> usize {
        match self.pilot(examples) {
            0 => examples,
            pilot => pilot,
        }
    }

    /// What it costs to find the best of several attacks on the pilot, and to run it on all.
    pub fn best_of(&self, attacks: &[Pgd], examples: usize) -> Passes {
        let all: Passes = self.judged(attacks);
        let dearest = attacks.iter().map(|attack| self.judged([attack]));
        let dearest = dearest.max_by_key(weight).unwrap_or_default();
        match self.pilot(examples) {
            0 => all * examples as u64,
            pilot => all * pilot as u64 + dearest * (examples - pilot) as u64,
        }
    }

    /// A judgement of a count of images that most draws get wrong: of fewer draws of a noisy model
    /// than tell that, chance would make up as many.
    pub fn counted(&self, judgement: Judgement) -> Judgement {
        match self.stochastic && self.draws < COUNTING {
            true => judgement.of_few_draws(),
            false => judgement,
        }
    }

    /// What it costs to judge an image.
    pub fn judge_cost(&self) -> Passes {
        forwards(self.draws)
    }

    /// What it costs to run each of these attacks and to judge what it found.
    pub fn judged<'a>(&self, attacks: impl IntoIterator<Item = &'a Pgd>) -> Passes {
        attacks.into_iter().map(|attack| attack.cost() + self.judge_cost()).sum()
    }

    /// The audited attack in another ball, its steps in proportion.
    pub fn at(&self, epsilon: f64) -> Pgd {
        let attack = &self.attack;
        let threat = Threat::of_any_radius(attack.threat.norm(), epsilon).expect("it is positive");
        let step_size = attack.step_size * epsilon / attack.threat.epsilon();
        Pgd { threat, step_size, ..attack.clone() }
    }

    /// The audited attack cut down to a single step of this many ε.
    pub fn one_step(&self, length: f64, random_start: bool) -> Pgd {
        let step_size = length * self.attack.threat.epsilon();
        Pgd {
            steps: 1,
            step_size,
            random_start,
            restarts: 1,
            momentum: 0.0,
            iterate: Iterate::Last,
            ..self.attack.clone()
        }
    }

    /// The audited attack on a model without noise, where draws beyond the first are all alike.
    pub fn without_draws(&self) -> Pgd {
        Pgd { eot: Eot::ONE, ..self.attack.clone() }
    }

    /// Counts below `used` by the effort's factor, and doublings past it, up to `reach` if not
    /// farther.
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

    /// The losses that can tell so many classes apart.
    pub fn losses(&self) -> Vec<Loss> {
        let all = [Loss::CrossEntropy, Loss::Margin, Loss::Dlr];
        all.into_iter().filter(|loss| loss.classes() <= self.classes).collect()
    }

    /// The target classes of the stronger attack; a third where each costs means over draws.
    fn targets(&self) -> usize {
        let share = if self.attack.eot.draws > 1 { 3 } else { 1 };
        self.sizes.targets.div_ceil(share)
    }

    /// The attacks that together are to be no stronger than the audited one.
    pub fn strong(&self) -> Vec<Apgd> {
        let (threat, sizes) = (self.attack.threat, &self.sizes);
        let second = match self.classes {
            2 => Apgd::cross_entropy(threat).with_loss(Loss::Margin).expect("it has no targets"),
            3 => Apgd::dlr(threat),
            _ => Apgd::targeted(threat).with_targets(self.targets()).expect("it is positive"),
        };
        let ready = |apgd: Apgd| {
            apgd.with_steps(sizes.iterations)
                .and_then(|apgd| apgd.with_draws(self.attack.eot.draws))
                .expect("they are positive")
                .with_expectation(self.attack.eot.expectation)
                .with_enlarged_start(threat.norm() == Norm::L1)
        };
        [Apgd::cross_entropy(threat), second].map(ready).to_vec()
    }

    /// What the strong attacks cost, with the draws that choose between them and those that judge.
    pub fn strong_cost(&self) -> Passes {
        let attacks = self.strong();
        let judgements = if self.stochastic { 2 } else { 1 };
        let judged = self.judge_cost() * (judgements * attacks.len() as u64);
        attacks.iter().map(|apgd| apgd.cost(self.classes, self.stochastic)).sum::<Passes>() + judged
    }

    /// Draws behind scores of attacks that ask for very many.
    pub fn score_draws(&self) -> usize {
        self.attack.eot.draws.min(4)
    }

    /// Random points on the sphere, and what they cost.
    pub fn random(&self) -> (RandomNoise, Passes) {
        let (points, draws) = (self.sizes.points, self.score_draws());
        let attack = RandomNoise::gaussian(self.attack.threat).with_samples(points);
        let attack = attack.and_then(|attack| attack.with_draws(draws)).expect("both are positive");
        (attack, forwards(points * draws))
    }

    /// The attack without gradients, and what it costs at most.
    pub fn black_box(&self) -> (Square, Passes) {
        let (queries, draws) = (self.sizes.queries, self.score_draws());
        let attack = Square::new(self.attack.threat).with_rescaled_schedule(true);
        let attack = attack.with_queries(queries).and_then(|attack| attack.with_draws(draws));
        (attack.expect("both are positive"), forwards(queries * draws))
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
        let found = |judging: usize, stochastic: bool, verdict: Verdict| {
            let audit = audit.clone().with_judging_draws(judging).unwrap();
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
