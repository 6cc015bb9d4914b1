//! Runs that do not learn.

use crate::history::{EpochRow, Scores};

/// Epochs in a row at chance before the trainer warns.
const EPOCHS: usize = 2;
/// Optimizer steps in these epochs before it warns: a few steps teach no model anything.
const STEPS: usize = 100;
/// Standard errors above chance at which a model has learned something.
const ERRORS: f64 = 3.0;
/// The largest probability with which the end of a run warns of a model that has learned something.
const MISTAKES: f64 = 0.05;

/// The sizes of a run that say what chance is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub classes: usize,
    /// Examples of an epoch of training, and of validation; 0 without validation.
    pub train: usize,
    pub validation: usize,
    /// Optimizer steps of an epoch.
    pub steps: usize,
}

/// The warning of a run whose accuracy stays at chance, once: after the epoch with which that is
/// certain enough, or, in a run that ends before, after its last epoch. `ends` is true after that.
///
/// At chance is an accuracy that is not above `1/classes` by more than three standard errors of a
/// share of so many examples, in training and in validation alike. Few examples have large errors,
/// and few steps may teach a model nothing yet: the end of a run warns only if an exact test of the
/// hits rules out [a little learning](little). A model that has learned that much, and is right on
/// one image whatever it is on others, is warned of by mistake with a probability of at most 5 %.
/// The first epoch of a longer run never warns.
pub(crate) fn stays_at_chance(rows: &[EpochRow], sizes: Sizes, ends: bool) -> Option<String> {
    if sizes.classes < 2 {
        return None;
    }
    let guesses = |row: &&EpochRow| at_chance(row, sizes);
    let streak = rows.iter().rev().take_while(guesses).count();
    let tells = |epochs: usize| epochs >= EPOCHS && epochs * sizes.steps >= STEPS;
    if streak == 0 {
        return None;
    }
    let last = rows.last()?;
    let (when, advice) = match (tells(streak), tells(streak - 1)) {
        (true, false) => (format!("after {streak} epochs"), String::new()),
        (false, _) if ends && rules_out_learning(last, sizes) => {
            let steps = last.epoch * sizes.steps;
            let advice = format!("{steps} steps in all may be too few, or ");
            ("at the end of the run".to_string(), advice)
        }
        _ => return None,
    };
    let percent = |scores: &Scores| format!("{:.1} %", 100.0 * accuracy(scores).unwrap_or(0.0));
    let chance = 100.0 / sizes.classes as f64;
    let validation = match sizes.validation {
        0 => String::new(),
        _ => format!(" and validation {}", percent(&last.validation)),
    };
    Some(format!(
        "warning: {when} training {}{validation} are at chance ({chance:.1} %): {advice}look at \
         the learning rate, the clipping of gradients and the amplitude of the noise",
        percent(&last.train)
    ))
}

/// The accuracy of a model that has learned a little: twice that of guessing, or, of two classes,
/// three quarters.
fn little(classes: usize) -> f64 {
    let chance = 1.0 / classes as f64;
    (2.0 * chance).min(0.5 + 0.5 * chance)
}

/// True if a model that has learned a little would seldom have so few hits, in training and in
/// validation together. Clean images count, and adversarial ones where there are no others.
fn rules_out_learning(row: &EpochRow, sizes: Sizes) -> bool {
    let sets = [(&row.train, sizes.train), (&row.validation, sizes.validation)];
    let counts = |value: fn(&Scores) -> Option<f64>| {
        let hits = |(scores, n): &(&Scores, usize)| Some((value(scores)? * *n as f64, *n as u64));
        let add = |(hits, n): (f64, u64), (more, of): (f64, u64)| (hits + more, n + of);
        sets.iter().filter_map(hits).fold((0.0, 0), add)
    };
    let (hits, n) = match counts(|scores| scores.clean) {
        (_, 0) => counts(|scores| scores.robust),
        clean => clean,
    };
    // Means over draws are no whole numbers of hits; the larger one makes no mistake.
    let hits = (hits - 1e-6).ceil().max(0.0) as u64;
    n > 0 && at_most(hits, n, little(sizes.classes)) <= MISTAKES
}

/// The probability of at most so many hits in `n` trials of probability `p` below 1 each.
fn at_most(hits: u64, n: u64, p: f64) -> f64 {
    let odds = (p / (1.0 - p)).ln();
    let mut term = n as f64 * (1.0 - p).ln();
    let mut sum = term.exp();
    for k in 0..hits.min(n) {
        term += ((n - k) as f64 / (k + 1) as f64).ln() + odds;
        sum += term.exp();
    }
    sum.min(1.0)
}

/// The accuracy on clean images, or on adversarial ones in a pass that saw no others.
fn accuracy(scores: &Scores) -> Option<f64> {
    scores.clean.or(scores.robust)
}

/// True if neither accuracy of an epoch is above chance.
fn at_chance(row: &EpochRow, sizes: Sizes) -> bool {
    let chance = 1.0 / sizes.classes as f64;
    let near = |scores: &Scores, examples: usize| {
        let error = (chance * (1.0 - chance) / examples as f64).sqrt();
        accuracy(scores).map(|accuracy| accuracy <= chance + ERRORS * error)
    };
    match (near(&row.train, sizes.train), sizes.validation) {
        (Some(train), 0) => train,
        (Some(train), n) => train && near(&row.validation, n).unwrap_or(false),
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten classes: three standard errors are 0.9 points of 10,000 and 2.8 points of 1,000.
    const SIZES: Sizes = Sizes { classes: 10, train: 10_000, validation: 1_000, steps: 60 };

    fn rows(accuracies: &[(f64, f64)]) -> Vec<EpochRow> {
        let scores = |clean| Scores { clean: Some(clean), ..Scores::default() };
        let row = |(i, &(train, validation)): (usize, &(f64, f64))| EpochRow {
            epoch: i + 1,
            train: scores(train),
            validation: scores(validation),
            ..EpochRow::default()
        };
        accuracies.iter().enumerate().map(row).collect()
    }

    #[test]
    fn a_run_at_chance_is_told_once_after_two_epochs() {
        let guess = (0.105, 0.09);
        let tells = |accuracies: &[(f64, f64)]| stays_at_chance(&rows(accuracies), SIZES, false);
        assert_eq!(tells(&[guess]), None);
        let told = tells(&[guess; 2]).unwrap();
        assert_eq!(
            told,
            "warning: after 2 epochs training 10.5 % and validation 9.0 % are at chance (10.0 %): \
             look at the learning rate, the clipping of gradients and the amplitude of the noise"
        );
        assert_eq!(tells(&[guess; 3]), None);
        // Once more after a new streak.
        assert!(tells(&[guess, guess, (0.3, 0.3), guess, guess]).is_some());
    }

    #[test]
    fn what_is_above_chance_is_no_cause_and_neither_are_few_steps() {
        for learned in [(0.11, 0.1), (0.1, 0.13), (0.5, 0.5)] {
            let rows = rows(&[(0.1, 0.1), learned]);
            assert_eq!(stays_at_chance(&rows, SIZES, true), None);
        }
        let short = Sizes { steps: 30, ..SIZES };
        let guesses = |n: usize| rows(&vec![(0.1, 0.1); n]);
        let told: Vec<usize> =
            (1..6).filter(|n| stays_at_chance(&guesses(*n), short, false).is_some()).collect();
        assert_eq!(told, [4]);
    }

    #[test]
    fn training_on_adversarial_images_alone_and_without_validation_counts_too() {
        let robust = |robust| EpochRow {
            train: Scores { robust: Some(robust), ..Scores::default() },
            ..EpochRow::default()
        };
        let alone = Sizes { validation: 0, ..SIZES };
        let told = stays_at_chance(&[robust(0.02), robust(0.1)], alone, false).unwrap();
        assert!(told.starts_with("warning: after 2 epochs training 10.0 % are at"), "{told}");
        assert_eq!(stays_at_chance(&[robust(0.1), robust(0.2)], alone, true), None);
        // Nothing measured is no evidence.
        let nothing = [EpochRow::default(), EpochRow::default()];
        assert_eq!(stays_at_chance(&nothing, alone, true), None);
    }

    #[test]
    fn a_run_of_few_steps_is_told_at_its_end_if_its_examples_can_tell() {
        let few = Sizes { classes: 10, train: 60, validation: 20, steps: 2 };
        let guesses = rows(&[(0.1, 0.1); 3]);
        assert_eq!(stays_at_chance(&guesses, few, false), None);
        let told = stays_at_chance(&guesses, few, true).unwrap();
        assert_eq!(
            told,
            "warning: at the end of the run training 10.0 % and validation 10.0 % are at chance \
             (10.0 %): 6 steps in all may be too few, or look at the learning rate, the clipping \
             of gradients and the amplitude of the noise"
        );
        // Within three errors of chance, and within what a model that learns may have.
        assert_eq!(stays_at_chance(&rows(&[(0.2, 0.2)]), few, true), None);
        // So few examples tell nothing, whatever their number of hits.
        let fewer = Sizes { train: 6, validation: 4, ..few };
        assert_eq!(stays_at_chance(&rows(&[(0.0, 0.0)]), fewer, true), None);
        // One long epoch is a run too, and what was told is not told again.
        assert!(stays_at_chance(&rows(&[(0.1, 0.1)]), SIZES, true).is_some());
        let twice = stays_at_chance(&rows(&[(0.1, 0.1); 2]), SIZES, true).unwrap();
        assert!(twice.starts_with("warning: after 2 epochs "), "{twice}");
        assert_eq!(stays_at_chance(&rows(&[(0.1, 0.1); 3]), SIZES, true), None);
        // Adversarial images of a training do not stand for clean ones of its validation.
        let mut mixed = rows(&[(0.0, 0.25)]);
        mixed[0].train = Scores { robust: Some(0.0), ..Scores::default() };
        assert_eq!(stays_at_chance(&mixed, few, true), None);
    }

    #[test]
    fn the_tail_of_the_binomial_law_is_exact_and_two_classes_have_one_too() {
        for (hits, n, p, wanted) in [
            (0, 10, 0.2, 0.8_f64.powi(10)),
            (8, 80, 0.2, 0.013_087_518_174_476),
            (16, 80, 0.2, 0.566_374_548_101_307),
            (36, 360, 0.2, 2.263_451_887_062_6e-7),
        ] {
            let got = at_most(hits, n, p);
            assert!((got / wanted - 1.0).abs() < 1e-9, "{hits} of {n}: {got}");
        }
        assert!((at_most(20, 20, 0.75) - 1.0).abs() < 1e-12);
        // Ten thousand trials are no trouble.
        assert!(at_most(1_000, 10_000, 0.2) < 1e-100);
        assert_eq!([little(2), little(10), little(100)], [0.75, 0.2, 0.02]);
    }
}
