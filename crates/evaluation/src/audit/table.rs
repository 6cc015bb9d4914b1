//! The table of all checks. It is one table, and therefore one long file.

use super::result::CheckResult;
use super::sample::Sample;
use super::setup::{Setup, Size};
use super::{
    active, baselines, draws, finite_difference, gradients, model, noise, pictures, radii,
};
use super::{strength, surface, sweeps};
use cni_attacks::{AttackError, Passes};

/// A check as a row of the table.
pub(super) struct Entry {
    pub name: &'static str,
    /// The rule: when the check warns or fails. `{b}` is the effort's bound in points.
    pub raised_if: &'static str,
    /// True if the rule is about a difference of accuracies, which must exceed chance as well.
    pub differs: bool,
    /// The advice for a check that warns or fails.
    pub advice: &'static str,
    /// True if the check applies only to models with noise.
    pub noise: bool,
    /// The reason why the check does not apply to the audited attack, such as a missing knob.
    pub lacking: fn(&Setup) -> Option<String>,
    /// True if the check asks what another attack wins. If the model classifies no image correctly,
    /// that is nothing.
    pub wins: bool,
    pub needs: Needs,
    pub takes: Takes,
    /// True if the check is about all images, including those that the model always misclassifies.
    pub every: bool,
    /// The largest cost of the check, without the shared results that it needs.
    pub cost: fn(&Setup, Size) -> Passes,
    pub run: fn(&Sample<'_>) -> Result<CheckResult, AttackError>,
}

/// The shared results that a check needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    Nothing,
    /// The result of the audited attack.
    Audit,
    /// The results of the audited attack and of the stronger attacks.
    Strong,
}

/// The number of examples that a check takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// As many examples as it needs to see its bound, and more if the budget allows.
    Most,
    /// As many examples as a check of the model alone needs.
    Some,
    /// A few examples, for a figure.
    Few,
}

/// The values that most rows have in common.
const BASE: Entry = Entry {
    name: "",
    raised_if: "",
    differs: true,
    advice: "",
    noise: false,
    lacking: |_| None,
    wins: true,
    needs: Needs::Audit,
    takes: Takes::Most,
    every: false,
    cost: |_, _| Passes { forwards: 0, backwards: 0 },
    run: |_| Ok(CheckResult::skipped("")),
};

pub(super) const CHECKS: [Entry; 24] = [
    Entry {
        name: "determinism",
        raised_if: "equal keys give unequal logits, or the model has noise and was taken for one \
                    without (fails); fewer than 10 draws judge",
        differs: false,
        advice: "Draw all noise by the scope's key, at the images themselves too, and judge by 10 \
                 draws or more.",
        needs: Needs::Nothing,
        takes: Takes::Some,
        every: true,
        cost: model::determinism_cost,
        run: model::determinism,
        ..BASE
    },
    Entry {
        name: "logits",
        raised_if: "outputs are not negative and sum to one: probabilities (fails)",
        differs: false,
        advice: "Give the attacks what comes before the softmax.",
        needs: Needs::Nothing,
        takes: Takes::Some,
        every: true,
        cost: model::logits_cost,
        run: model::logits,
        ..BASE
    },
    Entry {
        name: "gradient-health",
        raised_if: "an image that is classified correctly has a gradient of zero, or 20 % are \
                    saturated (fails if over 5 % are zero, or any is NaN or infinite)",
        differs: false,
        advice: "Find the layer that stops the gradient; attack through a surrogate of it (BPDA), \
                 on the margin, or without gradients.",
        needs: Needs::Nothing,
        takes: Takes::Some,
        every: true,
        cost: gradients::health_cost,
        run: gradients::health,
        ..BASE
    },
    Entry {
        name: "finite-difference",
        raised_if: "gradients and differences of the loss differ by over 1 % (fails over 10 %)",
        differs: false,
        advice: "The gradient is not that of the loss: look for straight-through estimates, wrong \
                 backward passes and hidden randomness.",
        needs: Needs::Nothing,
        takes: Takes::Some,
        every: true,
        cost: finite_difference::cost,
        run: finite_difference::run,
        ..BASE
    },
    Entry {
        name: "gradient-noise",
        raised_if: "the mean gradient over the audited draws is shorter than its error",
        differs: false,
        advice: "Take the attack's gradients over more draws.",
        noise: true,
        needs: Needs::Nothing,
        takes: Takes::Some,
        every: true,
        lacking: gradients::without_gradients,
        cost: gradients::noise_cost,
        run: gradients::noise,
        ..BASE
    },
    Entry {
        name: "draw-sweep",
        raised_if: "draws past the audited number cost over {b} points of accuracy (fails over 5)",
        advice: "Take the attack's gradients over more draws, until accuracy stays.",
        noise: true,
        lacking: |setup| setup.lacking("draws", setup.knobs.draws),
        cost: draws::sweep_cost,
        run: draws::sweep,
        ..BASE
    },
    Entry {
        name: "fixed-noise",
        raised_if: "with one draw held, a random point does as much as the attack (fails), or \
                    accuracy is over {b} points higher (fails over 10)",
        advice: "Randomness is not what defends here: the attack is broken, or something else \
                 masks gradients.",
        noise: true,
        wins: false,
        cost: noise::fixed_cost,
        run: noise::fixed,
        ..BASE
    },
    Entry {
        name: "noise-off",
        raised_if: "with the noise off, a random point does as much as the attack (fails), or \
                    accuracy is over {b} points higher (fails over 10)",
        advice: "Randomness is not what defends here: the attack is broken, or something else \
                 masks gradients.",
        noise: true,
        wins: false,
        cost: noise::off_cost,
        run: noise::off,
        ..BASE
    },
    Entry {
        name: "epsilon-sweep",
        raised_if: "accuracy rises with ε by over {b} points (fails over 5), or ends above 1 / \
                    classes (fails)",
        advice: "An attack that may change everything must win: look for masked gradients.",
        wins: false,
        lacking: |setup| setup.lacking("epsilon", setup.epsilon_knob()),
        cost: radii::cost,
        run: radii::run,
        ..BASE
    },
    Entry {
        name: "steps-sweep",
        raised_if: "doubling the steps costs over {b} points of accuracy (fails over 5)",
        advice: "Give the attack more steps, until accuracy stays.",
        lacking: |setup| setup.lacking("steps", setup.knobs.steps),
        cost: sweeps::steps_cost,
        run: sweeps::run_steps,
        ..BASE
    },
    Entry {
        name: "restarts-sweep",
        raised_if: "doubling the restarts costs over {b} points of accuracy (fails over 5)",
        advice: "Give the attack more restarts, from random points.",
        lacking: |setup| setup.lacking("restarts", setup.knobs.restarts),
        cost: sweeps::restarts_cost,
        run: sweeps::run_restarts,
        ..BASE
    },
    Entry {
        name: "step-size-sweep",
        raised_if: "another step size costs over {b} points of accuracy (fails over 5)",
        advice: "Use the strongest step size; if it is the largest or smallest that was tried, \
                 look farther.",
        lacking: |setup| setup.lacking("step_size", setup.knobs.step_size),
        cost: sweeps::step_sizes_cost,
        run: sweeps::run_step_sizes,
        ..BASE
    },
    Entry {
        name: "one-step",
        raised_if: "FGSM beats the audited attack by over {b} points (fails over 5)",
        advice: "Gradients mislead beyond the first step: look for what masks them.",
        cost: baselines::one_step_cost,
        run: baselines::one_step,
        ..BASE
    },
    Entry {
        name: "random-noise",
        raised_if: "random points break two images or more that the audited attack does not (fails \
                    over 5 %)",
        differs: false,
        advice: "Gradients mislead, or the attack is far too weak: chance must not beat it.",
        cost: baselines::random_cost,
        run: baselines::random,
        ..BASE
    },
    Entry {
        name: "black-box",
        raised_if: "Square breaks over 0.2 % and two images that the audited attack does not \
                    (fails over 5 %, or if APGD does not)",
        differs: false,
        advice: "Gradients mislead: look for what masks them, and report the attack without \
                 gradients.",
        needs: Needs::Strong,
        cost: baselines::black_box_cost,
        run: baselines::black_box,
        ..BASE
    },
    Entry {
        name: "transfer",
        raised_if: "examples of a surrogate beat the audited attack by over {b} points (fails over \
                    5)",
        advice: "Gradients mislead: look for what masks them, and report the transferred examples.",
        lacking: baselines::ignores_models,
        cost: baselines::transfer_cost,
        run: baselines::transfer,
        ..BASE
    },
    Entry {
        name: "draw-transfer",
        raised_if: "accuracy is over {b} points higher in other draws than in the attack's own \
                    (fails over 10)",
        advice: "The attack fits its own draws: give it more of them.",
        noise: true,
        wins: false,
        lacking: draws::without_draws_of_its_own,
        cost: draws::transfer_cost,
        run: draws::transfer,
        ..BASE
    },
    Entry {
        name: "loss-choice",
        raised_if: "another loss or expectation costs over {b} points of accuracy (fails over 10)",
        advice: "Attack by the strongest loss, or by several.",
        lacking: strength::without_others,
        cost: strength::losses_cost,
        run: strength::losses,
        ..BASE
    },
    Entry {
        name: "stronger-attack",
        raised_if: "APGD costs over {b} points of accuracy beyond the audited attack (fails over \
                    10)",
        advice: "Report APGD, better a whole suite, in place of the audited attack.",
        needs: Needs::Strong,
        run: strength::stronger,
        ..BASE
    },
    Entry {
        name: "silent-success",
        raised_if: "over 1 % and two images are adversarial on the way, but not at the end",
        differs: false,
        advice: "Keep the best iterate, not the last.",
        lacking: strength::without_iterates,
        cost: strength::silent_cost,
        run: strength::silent,
        ..BASE
    },
    Entry {
        name: "eight-bit",
        raised_if: "rounding to 8 bits gives back over {b} points of accuracy (fails over half of \
                    the damage)",
        advice: "The attack lives between the values of an image file: judge rounded images.",
        wins: false,
        cost: pictures::eight_bit_cost,
        run: pictures::eight_bit,
        ..BASE
    },
    Entry {
        name: "label-leakage",
        raised_if: "accuracy is over {b} points higher under attacks by true labels than by \
                    predicted ones, or than unattacked (fails)",
        advice: "The attack tells the model the label: attack by predicted labels, or iterate.",
        every: true,
        cost: pictures::leakage_cost,
        run: pictures::leakage,
        ..BASE
    },
    Entry {
        name: "loss-surface",
        raised_if: "the loss rises less along the gradient than along a random direction",
        differs: false,
        advice: "Gradients mislead: look at the surface for plateaus and noise.",
        needs: Needs::Nothing,
        takes: Takes::Few,
        every: true,
        cost: surface::cost,
        run: surface::run,
        ..BASE
    },
    Entry {
        name: "active-test",
        raised_if: "the attack misses over 5 % of planted adversarial images (fails over 20 %)",
        advice: "The attack misses what is known to be there: repair it before any of its numbers \
                 is used.",
        needs: Needs::Nothing,
        every: true,
        lacking: active::wants_more_classes,
        cost: active::cost,
        run: active::run,
        ..BASE
    },
];

impl Entry {
    /// The rule in words, with this bound.
    pub fn rule(&self, bound: f64) -> String {
        let named = self.raised_if.replace("{b}", &format!("{}", 100.0 * bound));
        match self.differs {
            true => format!(
                "{named}; only beyond two standard errors, more with few examples or for the \
                 largest of several"
            ),
            false => named,
        }
    }

    /// The reason why the check is skipped for such a model and attack, if it is.
    pub fn skipped(&self, setup: &Setup) -> Option<String> {
        match self.noise && !setup.stochastic {
            true => Some("the model has no noise".to_string()),
            false => (self.lacking)(setup),
        }
    }

    /// True if the check applies to such a model and attack.
    pub fn applies(&self, setup: &Setup) -> bool {
        self.skipped(setup).is_none()
    }

    /// The largest number of examples that the check takes.
    pub fn most(&self, setup: &Setup) -> usize {
        match self.takes {
            Takes::Most => setup.sizes.examples,
            Takes::Some => setup.sizes.some,
            Takes::Few => setup.sizes.few,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::difference::needed_for;
    use super::*;
    use crate::record::Effort;

    #[test]
    fn the_documented_table_is_the_table() {
        let docs = include_str!("mod.rs").lines().filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix("//! | `")?.split(" | ").collect();
            Some((cells[0].trim_end_matches('`'), cells[1].trim_end_matches(" |")))
        });
        let docs: Vec<(&str, String)> =
            docs.map(|(name, rule)| (name, rule.replace("*b* points", "{b} points"))).collect();
        let wanted = CHECKS.map(|entry| (entry.name, entry.raised_if.to_string()));
        assert_eq!(docs, wanted);
    }

    #[test]
    fn the_documented_bounds_are_those_of_the_efforts() {
        for effort in [Effort::Quick, Effort::Standard, Effort::Thorough] {
            let bound = effort.sizes().bound;
            let points = if bound > 0.01 { "points" } else { "point" };
            let (b, needed) = (100.0 * bound, needed_for(bound));
            let row = format!("//! | {effort} | {b} {points} | {needed} examples |");
            assert!(include_str!("mod.rs").contains(&row), "{row}");
        }
    }

    #[test]
    fn every_name_is_there_once_and_has_an_advice() {
        let mut names: Vec<&str> = CHECKS.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        let kebab = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(CHECKS.iter().all(|entry| kebab(entry.name) && entry.advice.ends_with('.')));
    }
}
