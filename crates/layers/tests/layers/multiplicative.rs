//! Multiplicative noise with a floor (CTRW) as a layer: by its formula, trained, saved and loaded.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, Tolerance};
use cni_layers::{
    ActivationNoise, ActivationNoiseConfig, Per, WeightNoise, keyed_init, noise_amplitudes,
    noise_covariances,
};
use cni_noise::laws::{Granularity, Multiplicative};
use cni_noise::{Key, Noise, NoiseScale, normal, normal_at, scope, scope_at};

const LAW: Multiplicative =
    Multiplicative { granularity: Granularity::Element, mean: 0.75, excess: 0.75, floor: 0.25 };

fn layer(draw_per: Per, device: &Device) -> ActivationNoise {
    ActivationNoiseConfig::new(LAW)
        .with_draw_per(draw_per)
        .with_name("ctrw")
        .with_features([3, 2, 2])
        .init(device)
}

#[test]
fn it_is_the_input_times_a_normal_weight() {
    let device = Device::flex();
    let x = normal::<4>(Key::new(1), [5, 3, 2, 2], &device);
    let key = Key::new(2).named("ctrw").child(0).child(0);
    for (draw_per, first, rows) in [(Per::Batch, 0, 1), (Per::Example, 7, 5)] {
        let layer = layer(draw_per, &device);
        let e = normal_at::<4, 4>(key, first * 12, [rows, 3, 2, 2], &x);
        let wanted = x.clone() * (e + 0.75);
        let noise = Noise::Keyed(Key::new(2));
        let found = scope_at(noise, first, || layer.forward(x.clone()));
        let close = Tolerance::rel_abs(1e-6, 1e-6);
        found.into_data().assert_approx_eq::<f32>(&wanted.into_data(), close);
        let off = scope(Noise::Off, || layer.forward(x.clone()));
        off.into_data().assert_eq(&x.clone().mul_scalar(0.75).into_data(), true);
    }
}

/// At excess zero the scale is the floor, and the noise is not removed.
#[test]
fn training_moves_it_but_not_below_its_floor() {
    let device = Device::flex().autodiff();
    let mut net = layer(Per::Batch, &device);
    let x = normal::<4>(Key::new(1), [5, 3, 2, 2], &Device::flex());
    // The power of the noise as the loss: its gradient asks for none.
    let loss = |net: &ActivationNoise| {
        let out = scope(Noise::Keyed(Key::new(3)), || net.forward(x.clone()));
        let mean = scope(Noise::Off, || net.forward(x.clone()));
        let noise = out - mean;
        (noise.clone() * noise).mean()
    };
    let mut optimizer = SgdConfig::new().init();
    for _ in 0..200 {
        let gradients = GradientsParams::from_grads(loss(&net).backward(), &net);
        net = optimizer.step(0.1, net, gradients);
    }
    let amplitude = noise_amplitudes(&net)[0].1;
    assert!((0.25..0.99).contains(&amplitude), "{amplitude}");
    let (path, noise) = noise_covariances(&net).unwrap().remove(0);
    assert_eq!((path.as_str(), noise.law(), noise.std()), ("", "multiplicative", None));
    assert!((0..12).all(|i| noise.covariance().at(i, i) >= 0.25f64.powi(2)));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.bpk");
    net.clone().save_file(&file).unwrap();
    let loaded = layer(Per::Batch, &device).load_file(&file);
    let [a, b] = [&net, &loaded].map(|net| loss(net).into_scalar::<f32>());
    assert_eq!(a, b);
}

#[test]
#[should_panic(expected = "ctrw: got an input of shape [5, 3, 2], wanted [batch, features..]")]
fn an_input_of_another_shape_is_refused() {
    let device = Device::flex();
    layer(Per::Batch, &device).forward(Tensor::<3>::zeros([5, 3, 2], &device));
}

/// Multiplicative noise has a learned mean, which is no noise.
#[test]
fn a_learned_mean_stays_where_noise_is_off() {
    let device = Device::flex();
    let linear = LinearConfig::new(3, 2).with_bias(false).init(&device);
    let linear: Linear = keyed_init(linear, Key::new(1));
    let noisy = WeightNoise::new(LAW).inject(linear.clone());
    let off = scope(Noise::Off, || noisy.weight.val());
    off.into_data().assert_eq(&linear.weight.val().mul_scalar(0.75).into_data(), true);
    let bare = WeightNoise::remove(noisy);
    bare.weight
        .base()
        .into_data()
        .assert_eq(&linear.weight.val().mul_scalar(0.75).into_data(), true);
    let absolute = WeightNoise::new(LAW).with_scale(NoiseScale::Absolute).try_inject(linear);
    assert_eq!(
        absolute.unwrap_err().to_string(),
        "scale: got absolute for weight, wanted reference or relative for multiplicative noise"
    );
}
