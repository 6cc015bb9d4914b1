//! The report of a membership attack.

use crate::support::near;
use cni_noise::{Key, host_normal};
use cni_privacy::Budget;
use cni_privacy::membership::{MembershipReport, MembershipScores, Verdict};

fn budget(epsilon: f64) -> Option<Budget> {
    Some(Budget::new(epsilon, 1e-5).unwrap())
}

/// Normal scores of `n` examples, every other one a member, whose scores are higher by a gap.
fn scores(n: usize, gap: f64) -> MembershipScores {
    let members: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
    let draws = host_normal(Key::new(1), 0..n as u64);
    let score = |(draw, member): (&f32, &bool)| f64::from(*draw) + if *member { gap } else { 0.0 };
    let scores: Vec<f64> = draws.iter().zip(&members).map(score).collect();
    MembershipScores::new(&scores, &members).unwrap()
}

#[test]
fn a_perfect_attack_beats_every_bound_that_its_size_can_refute() {
    let report = scores(400, 100.0).report("perfect", budget(1.0), 0.95).unwrap();
    assert_eq!((report.members, report.others), (100, 100));
    assert_eq!((report.auc.value, report.advantage.value), (1.0, 1.0));
    assert_eq!(report.verdict, Some(Verdict::Beaten));
    assert!(report.advantage.low > report.bound.unwrap().advantage);
    assert!(report.epsilon_at_least > 3.0, "{}", report.epsilon_at_least);
    // Against epsilon 8 a hundred examples of each kind prove nothing, for or against.
    let report = scores(400, 100.0).report("perfect", budget(8.0), 0.95).unwrap();
    assert_eq!(report.verdict, Some(Verdict::Inconclusive));
}

#[test]
fn a_guess_stays_under_the_bound() {
    let report = scores(8000, 0.0).report("guess", budget(0.5), 0.95).unwrap();
    assert_eq!(report.verdict, Some(Verdict::Under));
    near(report.auc.value, 0.5, (1.0 / 12.0 * 2.0 / 4000.0_f64).sqrt());
    assert!(report.auc.low < 0.5 && report.auc.high > 0.5);
    assert!(report.advantage.low <= 0.0 && report.epsilon_at_least < 0.5);
    let without = scores(8000, 0.0).report("guess", None, 0.95).unwrap();
    assert_eq!((without.verdict, without.bound, without.points[0].bound), (None, None, None));
}

#[test]
fn the_area_is_the_share_of_ordered_pairs_with_ties_as_halves() {
    let members = [true, false, true, false, true, false, true, false, false];
    let values = [3.0, 3.0, 1.0, 0.0, 5.0, 2.0, 2.0, 1.0, 7.0];
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (a, _) in values.iter().zip(members).filter(|(_, member)| *member) {
        for (b, _) in values.iter().zip(members).filter(|(_, member)| !member) {
            wins += if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            };
            pairs += 1.0;
        }
    }
    let scores = MembershipScores::new(&values, &members).unwrap();
    let report = scores.report("pairs", None, 0.95).unwrap();
    assert!((report.auc.value - wins / pairs).abs() < 1e-12);
}

/// A true epsilon of 1 by randomized response is not refuted: at most 5 % of 300 trials, by their
/// intervals, and none by chance more.
#[test]
fn a_true_bound_is_seldom_called_beaten() {
    use rand::Rng;
    let (mut beaten, mut above) = (0, 0);
    for trial in 0..300 {
        let mut generator = Key::new(8).child(trial).generator();
        let members: Vec<bool> = (0..600).map(|_| generator.next_u32() >> 31 == 1).collect();
        let lie = 1.0 / (1.0 + 1f64.exp());
        let mut told = |member: bool| {
            let lies = f64::from(generator.next_u32()) < lie * 2f64.powi(32);
            f64::from(u8::from(member != lies)) + 1e-9 * f64::from(generator.next_u32())
        };
        let values: Vec<f64> = members.iter().map(|member| told(*member)).collect();
        let scores = MembershipScores::new(&values, &members).unwrap();
        let report = scores.report("response", budget(1.0), 0.95).unwrap();
        beaten += u32::from(report.verdict == Some(Verdict::Beaten));
        above += u32::from(report.epsilon_at_least > 1.0);
    }
    // 15 expected at most; five standard errors are 19.
    assert!(beaten <= 34 && above <= 34, "{beaten} {above}");
}

#[test]
fn a_report_saves_and_nonsense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let report = scores(400, 1.0).report("loss-threshold", budget(1.0), 0.95).unwrap();
    report.save(&path).unwrap();
    assert_eq!(MembershipReport::load(&path).unwrap(), report);
    std::fs::write(&path, "{}").unwrap();
    assert!(MembershipReport::load(&path).unwrap_err().to_string().contains("report.json"));
    let says = |scores: &[f64], members: &[bool]| {
        MembershipScores::new(scores, members).unwrap_err().to_string()
    };
    assert_eq!(says(&[1.0], &[]), "scores: got 1 scores, wanted one for each of 0 examples");
    assert_eq!(says(&[1.0, f64::NAN], &[true, false]), "scores: got NaN at 1, wanted numbers");
    assert_eq!(says(&[1.0; 6], &[true; 6]), "others: got 0, wanted at least 4");
    for confidence in [0.0, 1.0, f64::NAN] {
        assert!(scores(400, 1.0).report("a", None, confidence).is_err());
    }
}
