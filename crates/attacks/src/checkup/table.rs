//! The one table of all checks, which is why it is long.

use super::finding::Finding;
use super::setup::Setup;
use super::subject::Case;
use super::{active, baselines, differences, draws, gradients, model, noise, pictures, strength};
use super::{surface, sweeps};
use crate::{AttackError, Passes};

/// A check as a row of the table.
pub(super) struct Entry {
    pub name: &'static str,
    /// When it warns or fails.
    pub raised_if: &'static str,
    /// Whether that is a difference of accuracies, which must exceed chance, too.
    pub differs: bool,
    /// What to do then.
    pub advice: &'static str,
    /// Whether it has a meaning only for models with noise.
    pub noise: bool,
    pub needs: Needs,
    /// Whether it only shows something, for which few examples are enough.
    pub few: bool,
    /// What it costs for each example, without what it needs.
    pub cost: fn(&Setup) -> Passes,
    pub run: fn(&Case<'_>) -> Result<Finding, AttackError>,
}

/// What must have been run before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    Nothing,
    /// The audited attack.
    Audit,
    /// The stronger attacks as well.
    Strong,
}

/// What most rows have in common.
const BASE: Entry = Entry {
    name: "",
    raised_if: "",
    differs: true,
    advice: "",
    noise: false,
    needs: Needs::Audit,
    few: false,
    cost: |_| Passes { forwards: 0, backwards: 0 },
    run: |_| Ok(Finding::skipped("")),
};

pub(super) const CHECKS: [Entry; 24] = [
    Entry {
        name: "determinism",
        raised_if: "equal keys give unequal logits, or noise is silent at the images (fails); under 10 draws judge",
        differs: false,
        advice: "Draw all noise by the scope's key, at the images themselves too, and judge by 10 draws or more.",
        needs: Needs::Nothing,
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
        cost: model::logits_cost,
        run: model::logits,
        ..BASE
    },
    Entry {
        name: "gradient-health",
        raised_if: "an image still right has no gradient, or 20 % are saturated; NaN, infinite or 5 % zero fail",
        differs: false,
        advice: "Find the layer that stops the gradient; attack through a surrogate of it (BPDA), on the margin, or \
                 without gradients.",
        needs: Needs::Nothing,
        cost: gradients::health_cost,
        run: gradients::health,
        ..BASE
    },
    Entry {
        name: "finite-difference",
        raised_if: "gradients and differences of the loss differ by over 1 % (fails over 10 %)",
        differs: false,
        advice: "The gradient is not that of the loss: look for straight-through estimates, wrong backward passes and \
                 hidden randomness.",
        needs: Needs::Nothing,
        cost: differences::cost,
        run: differences::run,
        ..BASE
    },
    Entry {
        name: "gradient-noise",
        raised_if: "the mean gradient over the audited draws is shorter than its error",
        differs: false,
        advice: "Take the attack's gradients over more draws.",
        noise: true,
        needs: Needs::Nothing,
        cost: gradients::noise_cost,
        run: gradients::noise,
        ..BASE
    },
    Entry {
        name: "draw-sweep",
        raised_if: "draws past the audited number cost over 1 point of accuracy (fails over 5)",
        advice: "Take the attack's gradients over more draws, until accuracy stays.",
        noise: true,
        cost: draws::sweep_cost,
        run: draws::sweep,
        ..BASE
    },
    Entry {
        name: "fixed-noise",
        raised_if: "with one draw held, chance does as much (fails), or over 2 points more survive (fails over 10)",
        advice: "Randomness is not what defends here: the attack is broken, or something else masks gradients.",
        noise: true,
        cost: noise::fixed_cost,
        run: noise::fixed,
        ..BASE
    },
    Entry {
        name: "noise-off",
        raised_if: "with the noise off, chance does as much (fails), or over 2 points more survive (fails over 10)",
        advice: "Randomness is not what defends here: the attack is broken, or something else masks gradients.",
        noise: true,
        cost: noise::off_cost,
        run: noise::off,
        ..BASE
    },
    Entry {
        name: "epsilon-sweep",
        raised_if: "accuracy rises with ε by over 1 point (fails over 5), or is above chance at the end (fails)",
        advice: "An attack that may change everything must win: look for masked gradients.",
        cost: sweeps::radii_cost,
        run: sweeps::run_radii,
        ..BASE
    },
    Entry {
        name: "steps-sweep",
        raised_if: "doubling the steps costs over 0.5 points of accuracy (fails over 5)",
        advice: "Give the attack more steps, until accuracy stays.",
        cost: |setup| sweeps::steps(setup).cost(setup),
        run: sweeps::run_steps,
        ..BASE
    },
    Entry {
        name: "restarts-sweep",
        raised_if: "doubling the restarts costs over 0.5 points of accuracy (fails over 5)",
        advice: "Give the attack more restarts, from random points.",
        cost: |setup| sweeps::restarts(setup).cost(setup),
        run: sweeps::run_restarts,
        ..BASE
    },
    Entry {
        name: "step-size-sweep",
        raised_if: "another step size costs over 1 point of accuracy (fails over 5)",
        advice: "Use the step size that hurts most; where it is the largest or smallest tried, look farther.",
        cost: |setup| setup.judged(sweeps::step_sizes(setup).iter().map(|(_, attack)| attack)),
        run: sweeps::run_step_sizes,
        ..BASE
    },
    Entry {
        name: "one-step",
        raised_if: "FGSM beats the audited attack by over 1 point (fails over 5)",
        advice: "Gradients mislead beyond the first step: look for what masks them.",
        cost: baselines::one_step_cost,
        run: baselines::one_step,
        ..BASE
    },
    Entry {
        name: "random-noise",
        raised_if: "random points break two images or more that the audited attack leaves (fails over 5 %)",
        differs: false,
        advice: "Gradients mislead, or the attack is far too weak: chance must not beat it.",
        cost: baselines::random_cost,
        run: baselines::random,
        ..BASE
    },
    Entry {
        name: "black-box",
        raised_if: "Square breaks over 0.2 % and two images the audited attack leaves (fails over 5 %, or APGD too)",
        differs: false,
        advice: "Gradients mislead: look for what masks them, and report the attack without gradients.",
        needs: Needs::Strong,
        cost: baselines::black_box_cost,
        run: baselines::black_box,
        ..BASE
    },
    Entry {
        name: "transfer",
        raised_if: "examples of a surrogate beat the audited attack by over 1 point (fails over 5)",
        advice: "Gradients mislead: look for what masks them, and report the transferred examples.",
        cost: baselines::transfer_cost,
        run: baselines::transfer,
        ..BASE
    },
    Entry {
        name: "draw-transfer",
        raised_if: "accuracy is over 2 points higher in other draws than in the attack's own (fails over 10)",
        advice: "The attack fits its own draws: give it more of them.",
        noise: true,
        cost: draws::transfer_cost,
        run: draws::transfer,
        ..BASE
    },
    Entry {
        name: "loss-choice",
        raised_if: "another loss or expectation costs over 2 points of accuracy (fails over 10)",
        advice: "Attack by the loss that hurts most, or by several.",
        cost: strength::losses_cost,
        run: strength::losses,
        ..BASE
    },
    Entry {
        name: "stronger-attack",
        raised_if: "APGD costs over 2 points of accuracy beyond the audited attack (fails over 10)",
        advice: "Report APGD, better a whole suite, in place of the audited attack.",
        needs: Needs::Strong,
        run: strength::stronger,
        ..BASE
    },
    Entry {
        name: "silent-success",
        raised_if: "over 1 % and two images are broken on the way, but not at the end",
        differs: false,
        advice: "Keep the best iterate, not the last.",
        cost: strength::silent_cost,
        run: strength::silent,
        ..BASE
    },
    Entry {
        name: "eight-bit",
        raised_if: "rounding to 8 bits gives back over 1 point of accuracy (fails over half of the damage)",
        advice: "The attack lives between the values of an image file: judge rounded images.",
        cost: pictures::eight_bit_cost,
        run: pictures::eight_bit,
        ..BASE
    },
    Entry {
        name: "label-leakage",
        raised_if: "attacks by true labels leave 2 points more than by predicted ones, or than no attack (fails)",
        advice: "The attack tells the model the label: attack by predicted labels, or iterate.",
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
        few: true,
        cost: surface::cost,
        run: surface::run,
        ..BASE
    },
    Entry {
        name: "active-test",
        raised_if: "the attack misses over 5 % of planted adversarial images (fails over 20 %)",
        advice: "The attack misses what is known to be there: repair it before any of its numbers is used.",
        needs: Needs::Nothing,
        cost: active::cost,
        run: active::run,
        ..BASE
    },
];

impl Entry {
    /// When it is raised, with what is left to chance.
    pub fn rule(&self) -> String {
        match self.differs {
            true => format!(
                "{}; only beyond two standard errors, more with few examples or for the largest of several",
                self.raised_if
            ),
            false => self.raised_if.to_string(),
        }
    }

    /// Whether it has a meaning for such a model.
    pub fn applies(&self, setup: &Setup) -> bool {
        setup.stochastic || !self.noise
    }

    /// How many of the available examples it takes.
    pub fn examples(&self, setup: &Setup, available: usize) -> usize {
        let sizes = &setup.sizes;
        let mut each = (self.cost)(setup);
        if self.needs >= Needs::Audit {
            each += setup.attack.cost() + setup.judge_cost();
        }
        if self.needs == Needs::Strong {
            each += setup.strong_cost();
        }
        let each = each.forwards + 2 * each.backwards;
        let affordable = (sizes.allowance / each.max(1)) as usize;
        let wanted = match self.few {
            true => sizes.few,
            false => affordable.clamp(setup.fewest(), sizes.examples),
        };
        wanted.min(available)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_table_is_the_table() {
        let docs = include_str!("mod.rs").lines().filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix("//! | `")?.split(" | ").collect();
            Some((cells[0].trim_end_matches('`'), cells[1].trim_end_matches(" |")))
        });
        let wanted: Vec<(&str, &str)> = CHECKS.map(|entry| (entry.name, entry.raised_if)).to_vec();
        assert_eq!(docs.collect::<Vec<_>>(), wanted);
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
