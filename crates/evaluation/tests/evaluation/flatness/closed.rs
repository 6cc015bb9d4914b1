//! Losses whose flatness has a closed value.

use super::world::{OfWeights, Pair};
use burn::tensor::{Device, Tensor};
use cni_attacks::weights::{Layer, LayerValues, WeightRegion, WeightThreat, norm};
use cni_evaluation::flatness::{AverageFlatness, Neighborhood, WorstFlatness};
use cni_noise::{Key, normal};

const XI: f64 = 0.3;

fn threat(region: WeightRegion) -> WeightThreat {
    WeightThreat::new(XI, region).unwrap()
}

fn layers(model: &Pair) -> LayerValues {
    LayerValues::of_weights(model, Layer::is_perturbed)
}

/// The norms of the two layers of a row of ten values.
fn norms(row: &Tensor<1>) -> [f64; 2] {
    [0..6, 6..10].map(|part| norm(&row.clone().slice([part])).into_scalar())
}

/// L = c·w: ξ Σ ‖c_l‖ ‖w_l‖ in the worst case, and 0 on average over the sphere. n = 400 draws; the
/// tolerance is four standard errors of the mean.
#[test]
fn a_linear_loss_is_as_flat_as_its_slope_says() {
    let model = Pair::new();
    let layers = layers(&model);
    let c = normal::<1>(Key::new(41), [10], &Device::flex());
    let wanted: f64 =
        XI * norms(&c).iter().zip(norms(&model.row())).map(|(c, w)| c * w).sum::<f64>();
    let loss = OfWeights(|model: &Pair| (model.row() * c.clone()).sum());
    let reference = (model.row() * c.clone()).sum().into_scalar::<f64>();
    let around = |key| Neighborhood { model: &model, loss: &loss, layers: &layers, reference, key };
    for region in [WeightRegion::Ball, WeightRegion::Sphere] {
        let settings = WorstFlatness::new(threat(region)).with_attempts(2).unwrap();
        let settings = settings.with_step(2.0).unwrap();
        let found = around(Key::new(1)).worst(&settings).unwrap();
        assert!((found.flatness - wanted).abs() < 1e-5 * wanted.max(1.0), "{found:?} ≠ {wanted}");
        assert_eq!((found.losses.len(), found.steps, found.step), (2, Some(20), Some(2.0)));
    }
    let settings = AverageFlatness::new(threat(WeightRegion::Sphere)).with_attempts(400).unwrap();
    let found = around(Key::new(2)).average(&settings).unwrap();
    let error = found.standard_error.unwrap();
    assert!(found.flatness.abs() < 4.0 * error, "{} ± {error}", found.flatness);
    assert!(error < 0.1 * wanted);
    assert!((found.mean - reference - found.flatness).abs() < 1e-9);
}

/// L = ½ wᵀHw: Σ ξ² ‖w_l‖² tr(H_ll) / (2 n_l) on average over the sphere, and n_l / (n_l + 2) of
/// each term over the ball. n = 3000 draws; the tolerance is four standard errors of the mean.
#[test]
fn a_quadratic_loss_is_as_flat_as_its_trace_says() {
    let model = Pair::new();
    let layers = layers(&model);
    let h = normal::<2>(Key::new(42), [10, 10], &Device::flex());
    let h = h.clone() + h.transpose();
    let quadratic = |row: Tensor<1>| {
        let column = row.clone().reshape([10, 1]);
        (h.clone().matmul(column).reshape([10]) * row).sum().mul_scalar(0.5)
    };
    let trace: Vec<f64> =
        h.clone().try_to_vec_as::<f64>().unwrap().into_iter().step_by(11).collect();
    let [a, b] = norms(&model.row());
    let terms = [(6.0, a, trace[..6].iter().sum::<f64>()), (4.0, b, trace[6..].iter().sum())];
    let loss = OfWeights(|model: &Pair| quadratic(model.row()));
    let reference = quadratic(model.row()).into_scalar::<f64>();
    let around = |key| Neighborhood { model: &model, loss: &loss, layers: &layers, reference, key };
    for region in [WeightRegion::Sphere, WeightRegion::Ball] {
        let share = |n: f64| if region == WeightRegion::Ball { n / (n + 2.0) } else { 1.0 };
        let of = |(n, w, trace): (f64, f64, f64)| XI * XI * w * w * trace / (2.0 * n) * share(n);
        let wanted: f64 = terms.into_iter().map(of).sum();
        let settings = AverageFlatness::new(threat(region)).with_attempts(3000).unwrap();
        let found = around(Key::new(3)).average(&settings).unwrap();
        let error = found.standard_error.unwrap();
        let off = (found.flatness - wanted).abs();
        assert!(off < 4.0 * error, "{region}: {} ± {error} ≠ {wanted}", found.flatness);
    }
}

/// The largest value of a quadratic form over two spheres of two dimensions, by a dense grid.
#[test]
fn the_worst_case_of_a_quadratic_loss_is_that_of_a_grid() {
    let model = Pair::new();
    // Of the ten weights two move, with the others held at zero slope.
    let layers = LayerValues::of_weights(&model, |layer| layer.path == "b");
    let h = normal::<2>(Key::new(43), [4, 4], &Device::flex());
    let h: Vec<f64> = (h.clone() + h.transpose()).try_to_vec_as().unwrap();
    let w: Vec<f64> = model.b.val().try_to_vec_as().unwrap();
    let value =
        |x: [f64; 2]| 0.5 * (h[0] * x[0] * x[0] + 2.0 * h[1] * x[0] * x[1] + h[5] * x[1] * x[1]);
    let radius = XI * w.iter().map(|w| w * w).sum::<f64>().sqrt();
    // The slope of the third and the fourth weight is zero, so the best ball point leaves them.
    let grid = (0..40_000).map(|i| f64::from(i) * std::f64::consts::TAU / 40_000.0);
    let best = |r: f64| {
        let at = |t: f64| value([w[0] + r * t.cos(), w[1] + r * t.sin()]);
        grid.clone().map(at).fold(f64::MIN, f64::max)
    };
    let wanted = (0..=50).map(|i| best(radius * f64::from(i) / 50.0)).fold(f64::MIN, f64::max);
    let coefficients: Vec<f32> = [h[0], h[1], h[5]].iter().map(|&h| h as f32).collect();
    let loss = OfWeights(move |model: &Pair| {
        let b = model.b.val();
        let [x, y] = [0, 1].map(|i| b.clone().narrow(0, i, 1));
        let square =
            x.clone() * x.clone() * coefficients[0] + y.clone() * y.clone() * coefficients[2];
        (square + x * y * (2.0 * coefficients[1])).mul_scalar(0.5)
    });
    let settings = WorstFlatness::new(threat(WeightRegion::Ball));
    let settings = settings.with_steps(200).unwrap().with_step(0.02).unwrap();
    let (model, loss, layers) = (&model, &loss, &layers);
    let around = Neighborhood { model, loss, layers, reference: 0.0, key: Key::new(4) };
    let found = around.worst(&settings).unwrap();
    let off = (found.flatness - wanted).abs() / wanted.abs().max(1.0);
    assert!(off < 1e-3, "{} ≠ {wanted}", found.flatness);
}
