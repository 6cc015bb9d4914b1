//! Consistency of a record's numbers, checked in one place for all readers.

use crate::{Accuracy, Estimate, Evaluated, EvaluationError, Figure, Point, Record, Row};
use std::fmt::Display;

/// The largest difference, by rounding, between the accuracy of a record and that of its rows.
const ROUNDING: f64 = 1e-6;

type Checked = Result<(), EvaluationError>;

fn wrong(field: impl Display, got: impl Display, wanted: impl Display) -> EvaluationError {
    let (field, got, wanted) = (field.to_string(), got.to_string(), wanted.to_string());
    EvaluationError::Field { field, got, wanted }
}

fn equal(field: &str, got: usize, wanted: usize) -> Checked {
    if got == wanted { Ok(()) } else { Err(wrong(field, got, wanted)) }
}

fn all(
    field: &str,
    values: impl IntoIterator<Item = f64>,
    holds: impl Fn(f64) -> bool,
    wanted: &str,
) -> Checked {
    match values.into_iter().find(|value| !holds(*value)) {
        Some(value) => Err(wrong(field, value, wanted)),
        None => Ok(()),
    }
}

fn finite(field: &str, values: impl IntoIterator<Item = f64>) -> Checked {
    all(field, values, f64::is_finite, "finite numbers")
}

impl Record {
    /// Checks that the numbers of the record are possible. This holds for every record that
    /// [`read`](Self::read) returns.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Field`] for the first number that is impossible.
    pub fn check(&self) -> Checked {
        if self.draws == 0 {
            return Err(wrong("draws", 0, "at least 1"));
        }
        for (field, got) in [("votes", self.votes), ("tries", self.tries)] {
            if got == 0 || got > self.draws {
                return Err(wrong(field, got, format!("1 to the {} draws", self.draws)));
            }
        }
        let inside = |confidence: f64| confidence > 0.0 && confidence < 1.0;
        all("confidence", [self.confidence], inside, "a number between 0 and 1")?;
        let curves = self.curves.iter().flat_map(|curve| &curve.points);
        let radii = curves.clone().map(|point| point.epsilon);
        let radius = |e: f64| e.is_finite() && e >= 0.0;
        all("epsilon", radii, radius, "finite numbers of at least 0")?;
        let attacks = self.attacks.iter().map(|attack| &attack.robust);
        let attacks = attacks.chain(curves.map(|point| &point.accuracy));
        for accuracy in std::iter::once(&self.clean).chain(attacks).chain(&self.worst_case) {
            let Accuracy { one_shot, vote, best_of, noise_off, fixed_noise } = accuracy;
            let others = [vote, best_of, noise_off, fixed_noise].into_iter().flatten();
            for Estimate { accuracy, low, high, per_draw } in
                std::iter::once(one_shot).chain(others)
            {
                let values =
                    || [*accuracy, *low, *high].into_iter().chain(per_draw.iter().copied());
                finite("accuracy", values())?;
                let share = |v: f64| (-ROUNDING..=1.0 + ROUNDING).contains(&v);
                all("accuracy", values(), share, "fractions from 0 to 1")?;
            }
        }
        for attack in &self.attacks {
            if let Some(attacked) = attack.attacked.filter(|&attacked| attacked > self.examples) {
                let wanted = format!("at most the {} examples", self.examples);
                return Err(wrong(format!("attacked of {}", attack.name), attacked, wanted));
            }
            let attacked = attack.attacked.unwrap_or(self.examples);
            if let Some(broken) = attack.broken.filter(|&broken| broken > attacked) {
                let wanted = format!("at most the {attacked} that it attacked");
                return Err(wrong(format!("broken by {}", attack.name), broken, wanted));
            }
            for shares in attack.spectrum.iter().flat_map(|of| [&of.shares, &of.white]) {
                let field = format!("spectrum of {}", attack.name);
                all(
                    &field,
                    shares.iter().copied(),
                    |s| (0.0..=1.0).contains(&s),
                    "shares from 0 to 1",
                )?;
                let whole = |sum: f64| (sum - 1.0).abs() <= ROUNDING;
                all(&field, [shares.iter().sum()], whole, "shares with a sum of 1")?;
            }
        }
        self.check_figures()?;
        self.check_certificates()?;
        for layer in &self.model.layers {
            for row in &layer.covariance {
                equal(&format!("covariance of {}", layer.path), row.len(), layer.covariance.len())?;
            }
            let eigenvalues = layer.eigenvalues.iter().chain(&layer.factor_eigenvalues);
            finite(&layer.path, layer.covariance.iter().flatten().chain(eigenvalues).copied())?;
        }
        let history = self.model.history.iter();
        let trained = history.flat_map(|epoch| epoch.scores.values().chain(epoch.noise.values()));
        finite("history", trained.copied())
    }

    fn check_certificates(&self) -> Checked {
        let Some(made) = &self.certificates else { return Ok(()) };
        let settings = [made.sigma, made.alpha];
        all("certificates", settings, |v| v > 0.0 && v.is_finite(), "finite numbers above 0")?;
        let radii = [made.average_radius, made.average_radius_low, made.average_radius_high];
        let radii = radii.into_iter().chain(made.curve.iter().map(|point| point.x));
        all(
            "certified radius",
            radii,
            |r| r.is_finite() && r >= 0.0,
            "finite numbers of at least 0",
        )?;
        let values = |p: &Point| [Some(p.y), p.low, p.high];
        let shares = made.curve.iter().flat_map(values).flatten().chain([made.abstained]);
        let inside = |v: f64| (-ROUNDING..=1.0 + ROUNDING).contains(&v);
        all("certified accuracy", shares, inside, "fractions from 0 to 1")
    }

    fn check_figures(&self) -> Checked {
        for check in &self.checks {
            match &check.figure {
                None => {}
                Some(Figure::Curves { curves, .. }) => {
                    let points = curves.iter().flat_map(|curve| &curve.points);
                    let values = |p: &Point| [Some(p.x), Some(p.y), p.low, p.high];
                    finite(&check.name, points.flat_map(values).flatten())?;
                }
                Some(Figure::Surface { xs, ys, values, .. }) => {
                    if xs.is_empty() || ys.is_empty() {
                        let got = format!("{} by {} places", xs.len(), ys.len());
                        return Err(wrong(&check.name, got, "at least one by one"));
                    }
                    equal(&check.name, values.len(), ys.len())?;
                    for row in values {
                        equal(&check.name, row.len(), xs.len())?;
                    }
                    finite(&check.name, values.iter().flatten().chain(xs).chain(ys).copied())?;
                }
            }
        }
        Ok(())
    }
}

impl Evaluated {
    /// Checks that record, rows and gallery fit together. This holds for everything that
    /// [`read`](Self::read) returns.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Field`] for the first part that does not fit.
    pub fn check(&self) -> Checked {
        let Self { record, rows, gallery } = self;
        record.check()?;
        equal("rows", rows.len(), record.examples)?;
        let draws = record.draws as u32;
        for row in rows {
            equal("attacks of a row", row.attacks.len(), record.attacks.len())?;
            let counts = [row.clean, row.worst_case];
            let counts = counts.into_iter().chain(row.attacks.iter().map(|attack| attack.correct));
            if let Some(correct) = counts.into_iter().find(|&correct| correct > draws) {
                let field = format!("correct draws of example {}", row.index);
                return Err(wrong(field, correct, format!("at most the {draws} draws")));
            }
            let distances = row.attacks.iter().map(|attack| attack.distance);
            all(
                "distance",
                distances,
                |d| d.is_finite() && d >= 0.0,
                "finite numbers of at least 0",
            )?;
        }
        let mean = |name: &str, of: &Accuracy, correct: &dyn Fn(usize) -> u32| {
            let sum: f64 = (0..rows.len()).map(|row| f64::from(correct(row))).sum();
            let share = sum / (rows.len() * record.draws) as f64;
            let near = |got: f64| rows.is_empty() || (got - share).abs() < ROUNDING;
            let wanted = format!("{share}, as of the rows");
            all(&format!("accuracy of {name}"), [of.one_shot.accuracy], near, &wanted)
        };
        mean("the clean images", &record.clean, &|row| rows[row].clean)?;
        for (index, attack) in record.attacks.iter().enumerate() {
            mean(&attack.name, &attack.robust, &|row| rows[row].attacks[index].correct)?;
        }
        if let Some(worst) = &record.worst_case {
            mean("the worst case", worst, &|row| rows[row].worst_case)?;
        }
        self.check_certified_rows()?;
        for example in gallery {
            let pixels = example.shape.iter().product();
            equal("clean pixels of an example image", example.clean.len(), pixels)?;
            equal("adversarial pixels of an example image", example.adversarial.len(), pixels)?;
            if pixels == 0 {
                return Err(wrong("pixels of an example image", 0, "at least 1"));
            }
        }
        Ok(())
    }

    /// Checks that every row has a certificate if the record has certificates, that none has one if
    /// not, and that they give the record's average radius and its accuracy at radius zero.
    fn check_certified_rows(&self) -> Checked {
        let Self { record, rows, .. } = self;
        let certified = rows.iter().filter(|row| row.certificate.is_some()).count();
        let wanted = if record.certificates.is_some() { rows.len() } else { 0 };
        equal("certificates of rows", certified, wanted)?;
        let Some(made) = record.certificates.as_ref().filter(|_| !rows.is_empty()) else {
            return Ok(());
        };
        let of = |row: &Row| row.certificate.filter(|of| of.predicted == Some(row.label));
        let radii: Vec<f64> = rows.iter().filter_map(of).map(|of| of.radius).collect();
        let n = rows.len() as f64;
        let average = radii.iter().sum::<f64>() / n;
        let near = |wanted: f64| move |got: f64| (got - wanted).abs() < ROUNDING;
        let wanted = format!("{average}, as of the rows");
        all("average certified radius", [made.average_radius], near(average), &wanted)?;
        let share = radii.len() as f64 / n;
        let at_zero = made.curve.iter().filter(|point| point.x == 0.0).map(|point| point.y);
        let wanted = format!("{share}, as of the rows");
        all("certified accuracy at radius 0", at_zero, near(share), &wanted)
    }
}
