//! Where in the spectrum of the images the perturbations lie.

use super::{Model, style};
use crate::chart::{Chart, Plot, Series, Style};
use cni_evaluation::{AttackRecord, Axis, Point, Spectrum};

const NOTE: &str = "The plane of frequencies in rings of equal width: 0 is the mean of an image, 1 \
                    half a period a pixel along both axes. A mean over the changed images. White \
                    noise has the same energy at every frequency.";

/// The figure. For one model it has a curve for each attack, for several the curve of each model's
/// strongest attack; the last curves are white noise, one for each size of images.
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
    // White noise has other shares on images of another size.
    let mut whites: Vec<(&Model, &[f64])> = Vec::new();
    for model in models {
        let white = of_attacks(model).map(|(_, spectrum)| spectrum.white.as_slice()).next();
        let new = |white: &&[f64]| whites.iter().all(|(_, other)| other != white);
        if let Some(white) = white.filter(new) {
            whites.push((model, white));
        }
    }
    let (sizes, taken) = (whites.len(), series.len().max(models.len()));
    for (n, (model, white)) in whites.into_iter().enumerate() {
        let name = match sizes {
            1 => "white noise".to_string(),
            _ => format!("white noise of the size of {}", model.name),
        };
        let style = Style { color: taken + n, shape: taken + n, filled: false };
        series.push(curve(name, white, style));
    }
    if series.is_empty() {
        return None;
    }
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
