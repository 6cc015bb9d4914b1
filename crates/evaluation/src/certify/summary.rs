//! Summary of the certificates of a set of images.

use crate::certify::certificate::certified;
use crate::statistics::shares::mean_share;
use crate::{
    Certificate, CertificateRecord, Certificates, EvaluationError, Point, RowCertificate,
    Smoothing, clopper_pearson,
};
use cni_attacks::{Norm, Passes};
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// The number of radii of a curve within one σ.
const STEPS: usize = 10;

/// The settings of smoothing as plain data, with the number of images in a pass.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct SmoothingSettings {
    sigma: f64,
    selection: usize,
    samples: usize,
    alpha: f64,
    batch: usize,
}

impl From<&Smoothing> for SmoothingSettings {
    fn from(of: &Smoothing) -> Self {
        Self {
            sigma: of.sigma(),
            selection: of.selection(),
            samples: of.samples(),
            alpha: of.alpha(),
            batch: of.batch(),
        }
    }
}

impl TryFrom<&SmoothingSettings> for Smoothing {
    type Error = EvaluationError;

    fn try_from(of: &SmoothingSettings) -> Result<Self, EvaluationError> {
        Smoothing::new(of.sigma)?
            .with_selection(of.selection)?
            .with_samples(of.samples)?
            .with_alpha(of.alpha)?
            .with_batch(of.batch)
    }
}

impl Certificates {
    /// The certificates as rows, one for each image.
    pub(crate) fn rows(&self) -> Vec<RowCertificate> {
        let votes = self.selected.iter().zip(&self.selection).zip(&self.estimation);
        let all = self.certificates.iter().zip(votes);
        let row = |(certificate, ((&selected, few), many)): (&Certificate, _)| {
            let (few, many): (&Vec<u32>, &Vec<u32>) = (few, many);
            let (predicted, radius) = match *certificate {
                Certificate::Certified { class, radius, .. } => (Some(class as i64), radius),
                Certificate::Abstain => (None, 0.0),
            };
            RowCertificate {
                predicted,
                radius,
                selected: selected as i64,
                selection: few[selected],
                estimation: many[selected],
            }
        };
        all.map(row).collect()
    }
}

impl Smoothing {
    /// The record of certificates: the rows and labels of all examples, in the same order. Errors
    /// if there are no rows, or `confidence` is not between 0 and 1.
    pub(crate) fn record(
        &self,
        rows: &[(RowCertificate, i64)],
        confidence: f64,
        key: Key,
        (passes, seconds): (Passes, f64),
    ) -> Result<CertificateRecord, EvaluationError> {
        let n = rows.len() as u64;
        let most = self.largest_radius();
        let point = |x: f64| {
            let holds = |(row, label): &&(RowCertificate, i64)| {
                certified(row.predicted, row.radius, *label, x)
            };
            let count = rows.iter().filter(holds).count() as u64;
            let (low, high) = clopper_pearson(count, n, confidence)?;
            Ok(Point { x, y: count as f64 / n as f64, low: Some(low), high: Some(high) })
        };
        let last = (most / self.sigma() * STEPS as f64).floor() as usize + 1;
        let radii = (0..=last).map(|step| self.sigma() * step as f64 / STEPS as f64);
        let curve = radii.map(point).collect::<Result<Vec<_>, EvaluationError>>()?;
        // A share of the largest radius. Rounding must not make it larger than one.
        let share = |(row, label): &(RowCertificate, i64)| match row.predicted == Some(*label) {
            true => (row.radius / most).min(1.0),
            false => 0.0,
        };
        let shares: Vec<f64> = rows.iter().map(share).collect();
        let (mean, low, high) = mean_share(&shares, f64::INFINITY, confidence)?;
        let abstained = rows.iter().filter(|(row, _)| row.predicted.is_none()).count();
        Ok(CertificateRecord {
            norm: Norm::L2,
            sigma: self.sigma(),
            selection: self.selection(),
            samples: self.samples(),
            alpha: self.alpha(),
            batch: self.batch(),
            key,
            curve,
            average_radius: most * mean,
            average_radius_low: most * low,
            average_radius_high: most * high,
            abstained: abstained as f64 / n as f64,
            passes,
            seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(predicted: Option<i64>, radius: f64) -> RowCertificate {
        RowCertificate { predicted, radius, selected: 0, selection: 1, estimation: 1 }
    }

    fn record(rows: &[(RowCertificate, i64)]) -> CertificateRecord {
        let cost = (Passes { forwards: 7, backwards: 0 }, 1.5);
        let smoothing = Smoothing::new(0.5).unwrap();
        smoothing.record(rows, 0.95, Key::new(1), cost).unwrap()
    }

    /// Two of four certificates have the right class, with radii of 0.5 and 0.3: the mean over all
    /// four is 0.2.
    #[test]
    fn the_average_radius_counts_what_is_wrong_as_zero() {
        let rows = [
            (row(Some(1), 0.5), 1),
            (row(Some(0), 0.3), 0),
            (row(Some(2), 1.0), 1),
            (row(None, 0.0), 0),
        ];
        let found = record(&rows);
        assert!((found.average_radius - 0.2).abs() < 1e-12, "{}", found.average_radius);
        let interval = found.average_radius_low..found.average_radius_high;
        assert!(interval.contains(&0.2) && interval.start > 0.0, "{interval:?}");
        assert_eq!((found.abstained, found.passes.forwards), (0.25, 7));
    }

    #[test]
    fn the_curve_falls_from_the_accuracy_to_zero_with_exact_intervals() {
        let rows = [(row(Some(1), 0.5), 1), (row(Some(0), 0.3), 0), (row(Some(2), 1.0), 1)];
        let curve = record(&rows).curve;
        assert!(curve.windows(2).all(|pair| pair[0].y >= pair[1].y && pair[0].x < pair[1].x));
        let at = |x: f64| *curve.iter().find(|point| (point.x - x).abs() < 1e-9).unwrap();
        assert_eq!(
            [0.0, 0.25, 0.35, 0.5, 0.55].map(|x| at(x).y),
            [2., 2., 1., 1., 0.].map(|k| k / 3.0)
        );
        let Point { low, high, .. } = at(0.25);
        assert_eq!((low.unwrap(), high.unwrap()), clopper_pearson(2, 3, 0.95).unwrap());
        // The accuracy is zero beyond the largest radius of 100,000 samples, 3.81 σ.
        let last = curve.last().unwrap();
        assert!(last.y == 0.0 && (1.9..2.0).contains(&last.x), "{}", last.x);
    }

    #[test]
    fn no_images_have_no_record() {
        let smoothing = Smoothing::new(0.5).unwrap();
        let none = smoothing.record(&[], 0.95, Key::new(1), (Passes::default(), 0.0));
        let error = none.unwrap_err().to_string();
        assert_eq!(error, "trials: got 0, wanted at least 1");
    }
}
