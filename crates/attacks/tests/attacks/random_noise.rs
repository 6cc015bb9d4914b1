//! The laws of random noise.

use burn::tensor::{DType, Device, Tensor};
use cni_attacks::{Attack, Goal, Norm, RandomNoise, Threat};
use cni_noise::Key;

/// The moments of the laws, in units of ε. Linf: a normal variable cut off at ±1, whose mean square
/// is `1 − 2 φ(1)` and mean fourth power `3 (2 Φ(1) − 1) − 8 φ(1) + 2 (1 − Φ(1))`; it is within ±½
/// with the probability `2 Φ(½) − 1`, and at an end with `2 (1 − Φ(1))`. L2 and L1: of length one,
/// and scaled to Euclidean length one a point uniform on the sphere, whose entries have the mean
/// square `1 / d`, the mean fourth power `3 / (d (d + 2))` and the mean eighth `105 / (d (d + 2) (d
/// + 4) (d + 6))`.
///
/// Bounds are five standard errors of the mean of n = 20 000 · 12 entries. Those of one image are
/// independent in Linf; on the sphere they are uncorrelated and their fourth powers negatively
/// correlated, so that the error is smaller yet.
#[test]
fn gaussian_noise_is_cut_off_in_linf_and_of_length_epsilon_otherwise() {
    let (n, d, epsilon) = (20_000, 12.0, 0.3);
    let clean = Tensor::<4>::full([n, 3, 2, 2], 0.5, (&Device::flex(), DType::F64));
    let model = |_: Tensor<4>| -> Tensor<2> { unreachable!("a single point asks for nothing") };
    let goal = Goal::Misclassify(Tensor::zeros([n], &clean.device()));
    let change = |norm| {
        let attack = RandomNoise::gaussian(Threat::new(norm, epsilon).unwrap());
        let found = attack.on(&model).with_key(Key::new(1)).perturb(clean.clone(), &goal).unwrap();
        (found.images - clean.clone()).div_scalar(epsilon)
    };
    let mean = |what: &str, of: Tensor<4>, wanted: f64, variance: f64| {
        let got = of.mean().into_scalar::<f64>();
        let bound = 5.0 * (variance / (n as f64 * d)).sqrt();
        assert!((got - wanted).abs() < bound, "{what}: got {got}, wanted {wanted} ± {bound}");
    };

    let x = change(Norm::Linf);
    let (square, fourth) = (0.516_058_6, 0.429_613_2);
    mean("Linf", x.clone(), 0.0, square);
    mean("Linf square", x.clone().square(), square, fourth - square * square);
    for (what, hits, wanted) in [
        ("Linf inside", x.clone().abs().lower_elem(0.5), 0.382_924_9),
        ("Linf ends", x.abs().greater_elem(1.0 - 1e-9), 0.317_310_5),
    ] {
        mean(what, hits.float().cast(DType::F64), wanted, wanted * (1.0 - wanted));
    }
    for norm in [Norm::L2, Norm::L1] {
        let x = change(norm);
        let length = norm.length(x.clone());
        assert!(length.sub_scalar(1.0).abs().max().into_scalar::<f64>() < 1e-12, "{norm:?}");
        let x = Norm::L2.unit(x);
        let fourth = 3.0 / (d * (d + 2.0));
        let eighth = 105.0 / (d * (d + 2.0) * (d + 4.0) * (d + 6.0));
        mean(&format!("{norm:?}"), x.clone(), 0.0, 1.0 / d);
        let what = format!("{norm:?} fourth power");
        mean(&what, x.powi_scalar(4), fourth, eighth - fourth * fourth);
    }
}
