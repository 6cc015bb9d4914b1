//! Keyed draws and the noise laws.

use super::comparison::{list, part};
use super::{Comparison, Parts, Tolerance, values};
use burn::tensor::{Device, Tensor};
use cni_noise::laws::{Colored, Granularity, NoiseParameters, NoiseScale, TensorShape, White};
use cni_noise::{AddedNoise, Key, NoiseKind, normal, normal_at, sign, uniform};
use std::error::Error;

/// Polynomials of the same degree, whose terms one of the two may fuse.
const DRAWS: f64 = 2e-6;
/// Sums of some thousand terms in another order.
const SUMS: f64 = 5e-5;

pub fn all() -> Vec<Comparison> {
    let mut all = vec![
        Comparison::new("uniform draws and signs", Tolerance::Relative(0.0), integers),
        Comparison::new("normal draws", Tolerance::Relative(DRAWS), normals),
    ];
    for rank in [None, Some(0), Some(1), Some(5)] {
        for scale in [NoiseScale::Reference, NoiseScale::Relative, NoiseScale::Absolute] {
            let law = match rank {
                None => "white".to_string(),
                Some(rank) => format!("colored of rank {rank}"),
            };
            let name = format!("noise, {law}, {scale:?}").to_lowercase();
            let compute = move |device: &Device| noise(device, rank, scale);
            let comparison = Comparison::new(name, Tolerance::Relative(SUMS), compute);
            // The gradient of the factor is a matrix product.
            all.push(match rank {
                Some(1..) => comparison.of_products(),
                _ => comparison,
            });
        }
    }
    all
}

const COUNTS: [usize; 6] = [1, 15, 64, 65, 1_000, 100_003];

fn integers(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let key = Key::new(1);
    let mut parts = Vec::new();
    for n in COUNTS {
        parts.push(part(format!("{n} uniform"), uniform::<1>(key, [n], device))?);
        parts.push(part(format!("{n} signs"), sign::<1>(key, [n], device))?);
    }
    Ok(parts)
}

fn normals(device: &Device) -> Result<Parts, Box<dyn Error>> {
    let key = Key::new(1);
    let mut parts = Vec::new();
    for n in COUNTS {
        parts.push(part(format!("{n} values"), normal::<1>(key, [n], device))?);
    }
    // Within a group, across the carry into the counter's second word, and beyond it.
    for first in [1, 63, (1 << 32) - 17, (1 << 34) - 100, (1 << 38) + 5, 1 << 60] {
        let like = Tensor::<1>::empty([1], device);
        let found = normal_at::<2, 1>(key, first, [3, 77], &like);
        parts.push(part(format!("values from {first}"), found)?);
    }
    Ok(parts)
}

/// Noise on `[4, 75]`: the tensor and every gradient, for each way to draw and to scale it.
fn noise(device: &Device, rank: Option<usize>, scale: NoiseScale) -> Result<Parts, Box<dyn Error>> {
    const SHAPE: [usize; 2] = [4, 75];
    let mut parts = Vec::new();
    for (draw_per_row, std_per_row) in [(false, false), (true, false), (true, true)] {
        let leaf =
            |seed, shape: [usize; 2]| values::<2>(seed, shape, device).autodiff().require_grad();
        let x = leaf(0, SHAPE);
        let parameter = leaf(1, [1, if rank.is_some() { 75 } else { 5 }]);
        let factor = leaf(2, [75, rank.unwrap_or(0).max(1)]);
        let (law, vector): (NoiseKind, _) = match rank {
            None => (White::new(Granularity::Channel).into(), parameter.clone().reshape([5])),
            Some(rank) => (Colored::new(rank).into(), parameter.clone().reshape([75])),
        };
        let parameters = NoiseParameters {
            scale,
            shape: TensorShape::new(&[5, 5, 3], 1),
            vectors: vec![vector],
            factor: rank.filter(|rank| *rank > 0).map(|_| factor.clone()),
        };
        let mut noise = AddedNoise::new(&*law, parameters, Key::new(3)).with_rows(4);
        if draw_per_row {
            noise = noise.with_draw_per_row(5.into());
        }
        if std_per_row {
            noise = noise.with_std_per_row();
        }
        let out = noise.add_to(x.clone());
        let gradients = (out.clone() * values::<2>(3, SHAPE, device)).sum().backward();
        let each = |per_row| if per_row { "each" } else { "all" };
        let way = format!("draw for {}, scale of {}", each(draw_per_row), each(std_per_row));
        parts.push((format!("sum, {way}"), list(out)?));
        let leaves = [("the tensor", &x), ("the amplitudes", &parameter), ("the factor", &factor)];
        for (of, leaf) in leaves {
            if let Some(slope) = leaf.grad(&gradients) {
                parts.push((format!("gradient of {of}, {way}"), list(slope)?));
            }
        }
    }
    Ok(parts)
}
