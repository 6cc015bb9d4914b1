//! Where in the spectrum of the images the perturbations lie.

use super::{Model, style};
use crate::chart::{Chart, Plot, Series, Style};
use cni_evaluation::{AttackRecord, Axis, Point, Spectrum};

const NOTE: &str = "The plane of frequencies in rings of equal width: 0 is the mean of an image, 1 \
                    half a period a pixel along both axes. A mean over the changed images. White \
                    noise has the same energy at every frequency.";

/// The figure. For one model it has a curve for each attack, for several the curve of each model's
/// strongest attack; the last curve is white noise.
pub(super) fn chart(models: &[Model]) -> Option<Chart> {
    let mut series: Vec<Series> = match models {
        [model] => of_attacks(model)
            .enumerate()
            .map(|(n, (attack, spectrum))| {
                curve(model.record().heading(attack), &spectrum.shares, style(models, model, n))
            })
            .collect(),
        _ => models
            .iter()
            .filter_map(|model| {
                let accuracy = |attack: &AttackRecord| attack.robust.one_shot.accuracy;
                let weaker = |(a, _): &(&AttackRecord, _), (b, _): &(&AttackRecord, _)| {
                    accuracy(a).total_cmp(&accuracy(b))
                };
                let (attack, spectrum) = of_attacks(model).min_by(weaker)?;
                let name = format!("{}, {}", model.name, attack.name);
                Some(curve(name, &spectrum.shares, style(models, model, 0)))
            })
            .collect(),
    };
    let (_, first) = models.iter().flat_map(of_attacks).next()?;
    let style = Style { color: series.len(), shape: series.len(), filled: false };
    series.push(curve("white noise".to_string(), &first.white, style));
    let axis = |label: &str| Axis { label: label.to_string(), logarithmic: false };
    let (x, y) = (axis("radius in the plane of frequencies"), axis("share of the energy"));
    let plot = Plot::Curves { x, y, series };
    Some(
        Chart::new("perturbations".into(), "Spectrum of the perturbations".into(), plot)
            .noted(NOTE),
    )
}

fn of_attacks(model: &Model) -> impl Iterator<Item = (&AttackRecord, &Spectrum)> {
    model.record().attacks.iter().filter_map(|attack| Some((attack, attack.spectrum.as_ref()?)))
}

fn curve(name: String, shares: &[f64], style: Style) -> Series {
    let rings = shares.len() as f64;
    let point = |(ring, &y): (usize, &f64)| Point {
        x: (ring as f64 + 0.5) / rings,
        y,
        low: None,
        high: None,
    };
    Series { name, points: shares.iter().enumerate().map(point).collect(), style }
}
