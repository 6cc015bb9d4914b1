//! Averaging of attacks over the draws of a noisy model.

use cni_attacks::Transfer;

/// The way in which an attack treats the draws of a noisy model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Averaging {
    /// It averages over several draws.
    Averages,
    /// It uses one draw at a time, or stops where draws disagree.
    Neglects,
    /// It asks the model nothing that a draw could change.
    AsksNothing,
}

/// The averaging of an attack, by the number of draws behind its gradients, else by that in its
/// settings. Of a suite the best attack counts; if any takes gradients, the best of those.
pub(crate) fn averaging(spec: &serde_json::Value, gradient_draws: Option<usize>) -> Averaging {
    let all = gradients_first(parts(spec, gradient_draws));
    let all: Vec<Averaging> = all.iter().map(Part::averaging).collect();
    let best = [Averaging::Averages, Averaging::Neglects].into_iter();
    best.into_iter().find(|one| all.contains(one)).unwrap_or(Averaging::AsksNothing)
}

/// The attacks that take gradients of the model; all of them if none does.
fn gradients_first(mut all: Vec<Part<'_>>) -> Vec<Part<'_>> {
    if all.iter().any(Part::takes_gradients) {
        all.retain(Part::takes_gradients);
    }
    all
}

/// True if any of these attacks averages over draws, so that the worst case is evidence.
pub(crate) fn is_worst_evidence(all: Vec<Part<'_>>) -> bool {
    let averages = |part: &Part| part.averaging() == Averaging::Averages;
    gradients_first(all).iter().any(|part| !part.asks_of_others() && averages(part))
}

/// One attack, which can be a member of a suite.
pub(crate) struct Part<'a> {
    name: &'a str,
    /// The number of draws behind its gradients, if it takes any.
    gradient_draws: Option<u64>,
    /// The number of draws in its settings.
    draws: u64,
    /// The number of points that it chooses from.
    points: u64,
    /// True if its points come from the attacked model with its noise held or off.
    from_itself: bool,
}

/// True for the minimum-norm attacks of this library, as their settings name them. On a noisy model
/// their result lies where the draws that decide change their mind, and about every other draw is
/// right.
fn is_nearest(name: &str) -> bool {
    NEAREST_BY_GRADIENTS.contains(&name) || ["hop_skip_jump", "boundary"].contains(&name)
}

/// Those of them that take gradients of the model.
const NEAREST_BY_GRADIENTS: [&str; 7] =
    ["fab", "deepfool", "ddn", "fmn", "carlini_wagner", "carlini_wagner_linf", "ead"];

/// True if an attack with these settings looks for the nearest image.
pub(crate) fn looks_for_the_nearest(spec: &serde_json::Value) -> bool {
    spec["attack"].as_str().is_some_and(is_nearest)
}

/// The members of an attack. The record of the gradients' draws comes first; older records have
/// only the settings.
pub(crate) fn parts(spec: &serde_json::Value, gradient_draws: Option<usize>) -> Vec<Part<'_>> {
    if let Some(members) = spec["attacks"].as_array() {
        let mut all: Vec<Part> = members.iter().flat_map(|spec| parts(spec, None)).collect();
        // A member from another library, whose settings do not say it.
        if let (Some(draws), false) = (gradient_draws, all.iter().any(Part::takes_gradients)) {
            let gradient_draws = Some(draws as u64);
            all.push(Part { name: "", gradient_draws, draws: 1, points: 1, from_itself: false });
        }
        return all;
    }
    let count = |name: &str| spec[name].as_u64().unwrap_or(1);
    let name = spec["attack"].as_str().unwrap_or_default();
    let draws = count("draws");
    let of_settings = takes_gradients(name).then_some(draws);
    let gradient_draws = gradient_draws.map(|draws| draws as u64).or(of_settings);
    let points = count("samples").max(count("candidates"));
    let surrogate = spec["surrogate"].as_str().unwrap_or_default();
    let from_itself =
        name == "transfer" && [Transfer::HELD, Transfer::NOISE_OFF].contains(&surrogate);
    vec![Part { name, gradient_draws, draws, points, from_itself }]
}

/// True for the attacks of this library that take gradients of the model, as their settings name
/// them.
fn takes_gradients(name: &str) -> bool {
    NEAREST_BY_GRADIENTS.contains(&name) || ["pgd", "apgd"].contains(&name)
}

impl Part<'_> {
    fn takes_gradients(&self) -> bool {
        self.gradient_draws.is_some()
    }

    /// True if it asks the model only which of some points is the best.
    fn asks_of_others(&self) -> bool {
        ["random_noise", "transfer"].contains(&self.name)
    }

    fn averaging(&self) -> Averaging {
        match self.gradient_draws {
            // Draws that choose among its points do not average the gradients that made them.
            _ if self.from_itself || is_nearest(self.name) => Averaging::Neglects,
            None if self.asks_of_others() && self.points <= 1 => Averaging::AsksNothing,
            draws if draws.unwrap_or(self.draws) > 1 => Averaging::Averages,
            _ => Averaging::Neglects,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn draws_behind_scores_are_no_evidence_where_gradients_have_one() {
        let worst = |all: &[(Value, Option<usize>)]| {
            is_worst_evidence(all.iter().flat_map(|(spec, draws)| parts(spec, *draws)).collect())
        };
        let pgd = |draws: usize| (json!({ "attack": "pgd", "draws": draws }), Some(draws));
        let square = || (json!({ "attack": "square", "draws": 4 }), None);
        let random = json!({ "attack": "random_noise", "draws": 4, "samples": 10 });
        let transfer = json!({ "attack": "transfer", "draws": 4, "candidates": 3 });
        assert!(worst(&[square()]) && worst(&[pgd(8), square()]));
        assert!(!worst(&[pgd(1), square()]));
        assert!(!worst(&[(random, None), (transfer, None)]));
        // An attack of another library in a record before version 3.
        assert!(!worst(&[(json!({ "attack": "own" }), Some(1)), square()]));
        assert!(!worst(&[(pgd(1).0, None), square()]) && worst(&[(pgd(8).0, None), square()]));
        // A suite of the two attacks.
        let suite = |draws| json!({ "attack": "suite", "attacks": [pgd(draws).0, square().0] });
        assert!(!worst(&[(suite(1), Some(1))]) && worst(&[(suite(8), Some(8))]));
        assert_eq!(averaging(&suite(1), None), Averaging::Neglects);
        assert_eq!(averaging(&suite(8), Some(8)), Averaging::Averages);
    }

    #[test]
    fn the_nearest_image_of_a_noisy_model_is_no_evidence() {
        let fab = || json!({ "attack": "fab", "draws": 20 });
        assert_eq!(averaging(&fab(), Some(20)), Averaging::Neglects);
        // Beside an attack that averages, as in AutoAttack's suite, it does no harm.
        let apgd = json!({ "attack": "apgd", "draws": 20 });
        let suite = json!({ "attack": "suite", "attacks": [apgd, fab()] });
        assert_eq!(averaging(&suite, Some(20)), Averaging::Averages);
    }

    #[test]
    fn what_the_model_itself_gives_in_another_state_of_its_noise_is_no_evidence() {
        let from = |surrogate: &str, candidates: usize| {
            let draws = if candidates == 1 { 1 } else { 9 };
            averaging(
                &json!({
                    "attack": "transfer",
                    "surrogate": surrogate,
                    "candidates": candidates,
                    "draws": draws,
                }),
                None,
            )
        };
        for itself in [Transfer::HELD, Transfer::NOISE_OFF] {
            assert_eq!(
                (from(itself, 1), from(itself, 3)),
                (Averaging::Neglects, Averaging::Neglects)
            );
        }
        assert_eq!(
            (from("a1b2c3d4", 1), from("a1b2c3d4", 3)),
            (Averaging::AsksNothing, Averaging::Averages)
        );
    }
}
