//! Distances to the boundaries of linear models.

use crate::support::{Toy, VALUES};
use burn::tensor::Tensor;
use cni_attacks::Norm;

pub fn rows<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.try_to_vec_as().unwrap()
}

fn labels_of(toy: &Toy, images: &Tensor<4>) -> Vec<usize> {
    let labels = toy.predictions(images).try_to_vec_as::<i32>().unwrap();
    labels.into_iter().map(|label| label as usize).collect()
}

/// For each image and each other class, the slopes and the value of the difference of logits.
fn boundaries(toy: &Toy, images: &Tensor<4>) -> Vec<Vec<(Vec<f64>, f64)>> {
    let (weight, logits) = (rows(&toy.weight), rows(&toy.logits(images.clone())));
    let classes = toy.weight.dims()[0];
    let of = |class: usize| &weight[class * VALUES..(class + 1) * VALUES];
    (labels_of(toy, images).into_iter().zip(logits.chunks(classes)))
        .map(|(label, logits)| {
            let others = (0..classes).filter(|&class| class != label);
            let each = others.map(|class| {
                let slopes = of(class).iter().zip(of(label)).map(|(a, b)| a - b).collect();
                (slopes, logits[class] - logits[label])
            });
            each.collect()
        })
        .collect()
}

/// The distance `|margin| / ‖w‖` in the dual norm to the nearest boundary, as if there were no box.
pub fn exact_distances(toy: &Toy, images: &Tensor<4>, norm: Norm) -> Vec<f64> {
    let distance = |(slopes, margin): &(Vec<f64>, f64)| {
        let sizes = slopes.iter().map(|w| w.abs());
        let dual = match norm {
            Norm::Linf => sizes.sum::<f64>(),
            Norm::L2 => sizes.map(|w| w * w).sum::<f64>().sqrt(),
            Norm::L1 => sizes.fold(0.0, f64::max),
        };
        margin.abs() / dual
    };
    let nearest = |each: &Vec<_>| each.iter().map(distance).fold(f64::INFINITY, f64::min);
    boundaries(toy, images).iter().map(nearest).collect()
}

/// The distance to the nearest boundary within the box, by bisection on the one multiplier that the
/// solution has; infinite if the box does not meet it.
pub fn exact_distances_in_box(toy: &Toy, images: &Tensor<4>, norm: Norm) -> Vec<f64> {
    let pixels = rows(images);
    let distance = |pixels: &[f64], (slopes, margin): &(Vec<f64>, f64)| -> f64 {
        let room = |(&x, &w): (&f64, &f64)| (w.abs(), if w > 0.0 { 1.0 - x } else { x });
        let parts: Vec<(f64, f64)> = pixels.iter().zip(slopes).map(room).collect();
        if parts.iter().map(|(w, room)| w * room).sum::<f64>() < -margin {
            return f64::INFINITY;
        }
        // In L1 a coordinate moves when its slope is among the steepest: the multiplier is the
        // price of a step.
        let steps = |factor: f64| -> Vec<f64> {
            let step = |&(w, room): &(f64, f64)| match norm {
                Norm::Linf => room.min(factor),
                Norm::L2 => room.min(factor * w),
                Norm::L1 if w * factor > 1.0 => room,
                Norm::L1 => 0.0,
            };
            parts.iter().map(step).collect()
        };
        let gain = |factor: f64| -> f64 {
            steps(factor).iter().zip(&parts).map(|(t, (w, _))| t * w).sum()
        };
        let (mut low, mut high) = (0.0, 1e6);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if gain(middle) >= -margin { high = middle } else { low = middle }
        }
        let steps = steps(high);
        match norm {
            Norm::Linf => steps.into_iter().fold(0.0, f64::max),
            Norm::L2 => steps.iter().map(|t| t * t).sum::<f64>().sqrt(),
            // The last coordinate to move goes only as far as it has to.
            Norm::L1 => steps.iter().sum::<f64>() - (gain(high) + margin) * high,
        }
    };
    let each = boundaries(toy, images).into_iter().zip(pixels.chunks(VALUES));
    each.map(|(boundaries, pixels)| {
        boundaries.iter().map(|one| distance(pixels, one)).fold(f64::INFINITY, f64::min)
    })
    .collect()
}
