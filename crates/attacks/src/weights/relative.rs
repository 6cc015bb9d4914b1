//! Lengths relative to a layer's: the arithmetic of one layer, on flat tensors `[n]`.

use crate::rows::at_least_single;
use burn::tensor::Tensor;

/// A direction scaled to the length `radius · ‖weight‖₂`, both `[n]`.
///
/// A direction or a weight of length zero gives zero, so that a layer of norm zero stays as it is.
/// Lengths are computed in single precision at least, and neither vanish nor overflow there for
/// values that do not.
pub fn relative(direction: Tensor<1>, weight: &Tensor<1>, radius: f64) -> Tensor<1> {
    let dtype = direction.dtype();
    let (unit, _) = unit(direction);
    (unit * norm(weight).mul_scalar(radius)).cast(dtype)
}

/// A change of a layer, shortened to the length `radius · ‖weight‖₂` if it is longer; `[n]` each.
pub fn within_ball(change: Tensor<1>, weight: &Tensor<1>, radius: f64) -> Tensor<1> {
    let dtype = change.dtype();
    let (unit, length) = unit(change);
    (unit * length.min_pair(norm(weight).mul_scalar(radius))).cast(dtype)
}

/// The Euclidean length of a layer, `[1]`, in single precision at least.
pub fn norm(values: &Tensor<1>) -> Tensor<1> {
    unit(values.clone()).1
}

/// The direction of length one, or zero, and the length.
fn unit(values: Tensor<1>) -> (Tensor<1>, Tensor<1>) {
    let values = at_least_single(values);
    // Scaled to a largest entry of one first: the squares of a gradient near 1e-25 vanish in single
    // precision, and with them the length. That is then at least one, or zero with the values.
    let peak = values.clone().abs().max();
    let zero = peak.clone().equal_elem(0.0);
    let scaled = values / peak.clone().mask_fill(zero, 1.0);
    let length = scaled.clone().square().sum().sqrt();
    (scaled / length.clone().clamp_min(1.0), length * peak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn vector(values: [f64; 3]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex())
    }

    fn read(values: Tensor<1>) -> Vec<f64> {
        values.try_to_vec_as().unwrap()
    }

    #[test]
    fn lengths_are_shares_of_the_weights_however_small_the_direction_is() {
        let weight = vector([3.0, 0.0, -4.0]);
        for size in [1.0, 1e-30, 1e30] {
            let change = relative(vector([size, -size, 0.0]), &weight, 0.1);
            let length = norm(&change).into_scalar::<f64>();
            assert!((length - 0.5).abs() < 1e-6, "{size}: {length}");
        }
        let long = within_ball(vector([0.0, 0.0, 7.0]), &weight, 0.1);
        assert!((norm(&long).into_scalar::<f64>() - 0.5).abs() < 1e-6);
        let short = within_ball(vector([0.1, 0.0, 0.2]), &weight, 0.1);
        for (got, wanted) in read(short).into_iter().zip([0.1, 0.0, 0.2]) {
            assert!((got - wanted).abs() < 1e-7);
        }
    }

    #[test]
    fn a_layer_of_norm_zero_and_a_direction_of_zero_stay() {
        let (zero, one) = (vector([0.0; 3]), vector([1.0; 3]));
        for change in [
            relative(one.clone(), &zero, 0.5),
            relative(zero.clone(), &one, 0.5),
            within_ball(one.clone(), &zero, 0.5),
            within_ball(zero.clone(), &one, 0.5),
        ] {
            assert_eq!(read(change), [0.0; 3]);
        }
    }
}
