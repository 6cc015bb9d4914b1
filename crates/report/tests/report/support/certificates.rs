//! Synthetic certificates whose numbers fit together.

use cni_attacks::{Norm, Passes, Threat};
use cni_evaluation::{CertificateRecord, Evaluated, Point, RowCertificate, clopper_pearson};
use cni_noise::{Key, host_uniform};

const SIGMA: f64 = 0.25;

/// Adds certificates to a record, and makes its last attack one in L2.
pub fn certify(evaluated: &mut Evaluated) {
    let Evaluated { record, rows, .. } = evaluated;
    let n = rows.len() as u64;
    let coins = host_uniform(Key::new(8), 0..2 * n);
    for (i, row) in rows.iter_mut().enumerate() {
        let [which, far] = [coins[2 * i], coins[2 * i + 1]].map(f64::from);
        let predicted = match which {
            w if w < 0.15 => None,
            w if w < 0.35 => Some((row.label + 1) % 10),
            _ => Some(row.label),
        };
        row.certificate = Some(RowCertificate {
            predicted,
            radius: if predicted.is_some() { 3.0 * SIGMA * far * far } else { 0.0 },
            selected: predicted.unwrap_or(row.label),
            selection: 70,
            estimation: 60_000 + i as u32,
        });
    }
    let right = rows.iter().filter_map(|row| {
        row.certificate.filter(|of| of.predicted == Some(row.label)).map(|of| of.radius)
    });
    let right: Vec<f64> = right.collect();
    let point = |step: usize| {
        let x = SIGMA * step as f64 / 10.0;
        let count = right.iter().filter(|radius| **radius >= x).count() as u64;
        let (low, high) = clopper_pearson(count, n, 0.95).unwrap();
        Point { x, y: count as f64 / n as f64, low: Some(low), high: Some(high) }
    };
    let average = right.iter().sum::<f64>() / n as f64;
    let abstained = rows.iter().filter(|row| row.certificate.unwrap().predicted.is_none());
    record.certificates = Some(CertificateRecord {
        norm: Norm::L2,
        sigma: SIGMA,
        selection: 100,
        samples: 100_000,
        alpha: 0.001,
        batch: 256,
        key: Key::new(6),
        curve: (0..=39).map(point).collect(),
        average_radius: average,
        average_radius_low: 0.9 * average,
        average_radius_high: 1.1 * average,
        abstained: abstained.count() as f64 / n as f64,
        passes: Passes { forwards: 100_100 * n, backwards: 0 },
        seconds: 86.0,
    });
    let threat = Threat::l2(0.5).unwrap();
    record.threat.threats.push(threat);
    record.attacks[4].spec["threat"] = serde_json::to_value(threat).unwrap();
}
