//! Runs that do not learn.

use crate::history::{EpochRow, Scores};

/// Epochs in a row at chance before the trainer warns.
const EPOCHS: usize = 2;
/// Optimizer steps in these epochs before it warns: a few steps teach no model anything.
const STEPS: usize = 100;
/// Standard errors above chance at which a model has learned something.
const ERRORS: f64 = 3.0;

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
/// certain enough.
///
/// At chance is an accuracy that is not above `1/classes` by more than three standard errors of a
/// share of so many examples, in training and in validation alike.
pub(crate) fn stays_at_chance(rows: &[EpochRow], sizes: Sizes) -> Option<String> {
    let guesses = |row: &&EpochRow| at_chance(row, sizes);
    let streak = rows.iter().rev().take_while(guesses).count();
    let tells = |epochs: usize| epochs >= EPOCHS && epochs * sizes.steps >= STEPS;
    if streak == 0 || !tells(streak) || tells(streak - 1) {
        return None;
    }
    let percent = |scores: &Scores| format!("{:.1} %", 100.0 * accuracy(scores).unwrap_or(0.0));
    let last = rows.last()?;
    let chance = 100.0 / sizes.classes as f64;
    let validation = match sizes.validation {
        0 => String::new(),
        _ => format!(" and validation {}", percent(&last.validation)),
    };
    Some(format!(
        "warning: after {streak} epochs training {}{validation} are at chance ({chance:.1} %): look \
         at the learning rate, the clipping of gradients and the amplitude of the noise",
        percent(&last.train)
    ))
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
        let tells = |accuracies: &[(f64, f64)]| stays_at_chance(&rows(accuracies), SIZES);
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
            assert_eq!(stays_at_chance(&rows(&[(0.1, 0.1), learned]), SIZES), None);
        }
        let short = Sizes { steps: 30, ..SIZES };
        let guesses = |n: usize| rows(&vec![(0.1, 0.1); n]);
        let told: Vec<usize> =
            (1..6).filter(|n| stays_at_chance(&guesses(*n), short).is_some()).collect();
        assert_eq!(told, [4]);
    }

    #[test]
    fn training_on_adversarial_images_alone_and_without_validation_counts_too() {
        let robust = |robust| EpochRow {
            train: Scores { robust: Some(robust), ..Scores::default() },
            ..EpochRow::default()
        };
        let alone = Sizes { validation: 0, ..SIZES };
        let told = stays_at_chance(&[robust(0.02), robust(0.1)], alone).unwrap();
        assert!(told.starts_with("warning: after 2 epochs training 10.0 % are at"), "{told}");
        assert_eq!(stays_at_chance(&[robust(0.1), robust(0.2)], alone), None);
        // Nothing measured is no evidence.
        assert_eq!(stays_at_chance(&[EpochRow::default(), EpochRow::default()], alone), None);
    }
}
