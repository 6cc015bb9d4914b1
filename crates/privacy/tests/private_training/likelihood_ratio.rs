//! The likelihood-ratio attack on Gaussians, whose best attack is known.

use crate::support::near;
use cni_noise::{Key, host_normal};
use cni_privacy::membership::{
    LikelihoodRatio, MembershipScores, ShadowModel, fair_members, logit_confidence,
};

/// Confidences of 4,000 examples: normal of mean 2 and standard deviation 0.5 around a value of the
/// example's own, and 1.5 standard deviations higher for a member.
const EXAMPLES: usize = 4000;
const GAP: f64 = 1.5;

fn model(key: Key) -> ShadowModel {
    let members = fair_members(key, EXAMPLES);
    let draws = host_normal(key.named("draws"), 0..EXAMPLES as u64);
    let own = host_normal(Key::new(9), 0..EXAMPLES as u64);
    let confidence = |i: usize| {
        let shift = if members[i] { GAP } else { 0.0 };
        2.0 + 3.0 * f64::from(own[i]) + 0.5 * (f64::from(draws[i]) + shift)
    };
    let confidences = (0..EXAMPLES).map(confidence).collect();
    ShadowModel { members, confidences }
}

/// The standard normal distribution function.
fn phi(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// With 256 shadow models a mean has an error of a sixteenth, which costs less than the tolerance
/// of the samples.
#[test]
fn both_attacks_have_the_area_and_the_rates_of_the_closed_form() {
    let target = model(Key::new(1));
    let shadows: Vec<_> = (0..256).map(|i| model(Key::new(2).child(i))).collect();
    for attack in [LikelihoodRatio::online(), LikelihoodRatio::offline()] {
        for attack in [attack, attack.pooled()] {
            let scores = attack.scores(&target.confidences, &shadows).unwrap();
            let scores = MembershipScores::new(&scores, &target.members).unwrap();
            let report = scores.report(attack.name(), None, 0.95).unwrap();
            // About 2,000 of each kind; the error of an area is at most that of a share of 1,000.
            near(report.auc.value, phi(GAP / 2f64.sqrt()), 0.007);
            assert!(report.auc.low < report.auc.value && report.auc.value < report.auc.high);
            // The best threshold lies half way.
            near(report.advantage.value, 2.0 * phi(GAP / 2.0) - 1.0, 0.02);
            for point in &report.points[1..] {
                let quantile = if point.wanted == 0.1 { 1.2815515655 } else { 2.3263478740 };
                let tpr = phi(GAP - quantile);
                // The threshold is an order statistic: its rate of false alarms is one too.
                let slope = (-(GAP - quantile).powi(2) / 2.0 + quantile * quantile / 2.0).exp();
                let fpr_error = (2.0 * point.wanted * (1.0 - point.wanted) / 1000.0).sqrt();
                let error = (tpr * (1.0 - tpr) / 1000.0).sqrt() + slope * fpr_error;
                near(point.true_positive_rate.value, tpr, error);
                near(point.false_positive_rate.value, point.wanted, fpr_error);
            }
        }
    }
}

/// The same confidences without the value of the example: the loss threshold does much worse.
#[test]
fn shadow_models_see_what_a_loss_threshold_does_not() {
    let target = model(Key::new(1));
    let plain = MembershipScores::new(&target.confidences, &target.members).unwrap();
    let plain = plain.report("loss-threshold", None, 0.95).unwrap();
    // A gap of 0.75 in a spread of √(3² + 0.5²).
    near(plain.auc.value, phi(0.75 / (9.25_f64 * 2.0).sqrt()), 0.0092);
    let shadows: Vec<_> = (0..8).map(|i| model(Key::new(2).child(i))).collect();
    // 8 fair coins leave some example without two models of a kind.
    let error = LikelihoodRatio::online().scores(&target.confidences, &shadows).unwrap_err();
    assert!(error.to_string().starts_with("shadows: got "), "{error}");
}

#[test]
fn few_shadow_models_do_better_with_one_variance() {
    let target = model(Key::new(1));
    let pairs = (0..8).flat_map(|i| {
        // Each model and its opposite, so that every example has as many of both kinds.
        let one = model(Key::new(2).child(i));
        let mut other = model(Key::new(3).child(i));
        for (i, member) in one.members.iter().enumerate() {
            let shift = f64::from(u8::from(!member)) - f64::from(u8::from(other.members[i]));
            other.confidences[i] += 0.5 * GAP * shift;
            other.members[i] = !member;
        }
        [one, other]
    });
    let shadows: Vec<_> = pairs.collect();
    let area = |attack: LikelihoodRatio| {
        let scores = attack.scores(&target.confidences, &shadows).unwrap();
        let scores = MembershipScores::new(&scores, &target.members).unwrap();
        scores.report("lira", None, 0.95).unwrap().auc.value
    };
    let attack = LikelihoodRatio::online();
    assert!(area(attack.pooled()) > area(attack) + 0.005);
}

#[test]
fn a_confidence_is_the_logit_of_the_probability_also_of_a_sure_model() {
    let logits = [1.0_f64, -0.5, 2.0];
    let sum: f64 = logits.iter().map(|z| z.exp()).sum();
    for (label, z) in logits.iter().enumerate() {
        let p = z.exp() / sum;
        assert!((logit_confidence(&logits, label) - (p / (1.0 - p)).ln()).abs() < 1e-12);
    }
    assert!((logit_confidence(&[900.0, 0.0, 0.0], 0) - (900.0 - 2f64.ln())).abs() < 1e-9);
}

#[test]
fn shadow_models_of_other_examples_are_refused() {
    let shadow = ShadowModel { members: vec![true; 3], confidences: vec![0.0; 3] };
    let error = LikelihoodRatio::offline().scores(&[0.0; 4], &[shadow]).unwrap_err().to_string();
    assert_eq!(error, "shadows: got 3 examples, wanted the 4 under attack");
    let shadow = ShadowModel { members: vec![true; 4], confidences: vec![0.0; 4] };
    let error = LikelihoodRatio::offline().scores(&[0.0; 4], &[shadow]).unwrap_err().to_string();
    assert_eq!(error, "shadows: got 0, wanted at least 2 models trained without example 0");
    let members = fair_members(Key::new(1), 10_000);
    let count = members.iter().filter(|member| **member).count() as f64;
    near(count / 1e4, 0.5, 0.005);
}
