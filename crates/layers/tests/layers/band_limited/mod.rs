//! Band-limited layers.

mod conv2d;
mod models;

use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Device, Distribution, Tensor};
use cni_layers::Per;
use cni_layers::band_limited::{
    Band, BandLimit2d, BandLimit2dConfig, BandLimitedConv2dConfig, BandLimitedInputConfig, Method,
    spectral_energy,
};
use cni_noise::{Key, Noise, normal, scope, scope_at};
use conv2d::{CASES, conv};
use std::f64::consts::TAU;

fn device() -> Device {
    Device::flex()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.inner().try_to_vec_as::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// Standard normal values of a key.
fn values<const D: usize>(key: u64, shape: [usize; D]) -> Tensor<D> {
    normal(Key::new(key), shape, &device())
}

fn close(name: &str, a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len(), "{name}");
    let error = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error <= tolerance, "{name}: {error:e} > {tolerance:e}");
}

fn limit(band: Band) -> BandLimit2d {
    BandLimit2dConfig::new(band).with_name("limit").init()
}

#[test]
fn a_band_limit_is_a_projection_with_itself_as_its_gradient() {
    for size in [[16, 16], [7, 12], [1, 5], [32, 32]] {
        for band in [Band::Rate(0.5), Band::Frequencies([1, 2]), Band::Rate(0.9)] {
            let (limit, name) = (limit(band), format!("{size:?} {band:?}"));
            let shape = [2, 3, size[0], size[1]];
            let x = values::<4>(1, shape).autodiff().require_grad();
            let y = values::<4>(2, shape).autodiff();
            let once = limit.forward(x.clone());
            close(&name, &numbers(limit.forward(once.clone())), &numbers(once.clone()), 1e-5);
            // <Px, y> = <x, Py>, and the gradient of <Px, y> is Py.
            let of_y = limit.forward(y.clone());
            let gradients = (once.clone() * y.clone()).sum().backward();
            close(&name, &numbers(x.grad(&gradients).unwrap()), &numbers(of_y.clone()), 1e-5);
            let [a, b] = [(once * y), (x * of_y)].map(|product| numbers(product.sum())[0]);
            assert!((a - b).abs() < 1e-3, "{name}: {a} {b}");
        }
    }
}

#[test]
fn a_drawn_band_is_a_function_of_the_scope_and_of_the_example() {
    let random = Band::Random { from: 0.0, to: 0.95 };
    let x = values::<4>(1, [6, 2, 16, 16]);
    let run = |limit: &BandLimit2d, noise, first: u64, x: Tensor<4>| {
        scope_at(noise, first, || numbers(limit.forward(x)))
    };
    let each = limit(random);
    let keyed = Noise::Keyed(Key::new(5));
    let all = run(&each, keyed, 0, x.clone());
    assert_eq!(run(&each, keyed, 0, x.clone()), all);
    assert_ne!(run(&each, Noise::Keyed(Key::new(6)), 0, x.clone()), all);
    // In other company an example keeps its band.
    let len = 2 * 16 * 16;
    let last = run(&each, keyed, 4, x.clone().narrow(0, 4, 2));
    close("the last two", &last, &all[4 * len..], 1e-6);
    // Each example is limited to the band of its draw.
    let drawn = cni_noise::uniform_rows(Key::new(5).named("limit").child(0), &0.into(), 6, 1);
    for (example, u) in drawn.iter().enumerate() {
        let fixed = limit(Band::Rate(0.95 * f64::from(*u)));
        let wanted = numbers(fixed.forward(x.clone().narrow(0, example, 1)));
        close(&format!("example {example}"), &all[example * len..][..len], &wanted, 1e-5);
    }
    // One draw for the batch: all have the same band.
    let shared = BandLimit2dConfig::new(random).with_name("limit").with_draw_per(Per::Batch).init();
    let u = cni_noise::host_uniform(Key::new(5).named("limit").child(0), 0..1)[0];
    let wanted = numbers(limit(Band::Rate(0.95 * f64::from(u))).forward(x.clone()));
    close("the batch", &run(&shared, keyed, 0, x.clone()), &wanted, 1e-5);
    // Off: the mean rate.
    let off = scope(Noise::Off, || numbers(each.forward(x.clone())));
    close("off", &off, &numbers(limit(Band::Rate(0.475)).forward(x)), 1e-6);
}

#[test]
fn the_energy_of_a_spectrum_is_that_of_the_values_and_lies_where_they_put_it() {
    let [height, width] = [12, 10];
    let x = values::<4>(1, [2, 3, height, width]);
    let energy = spectral_energy(x.clone()).unwrap();
    let wanted: f64 = numbers(x.clone()).iter().map(|v| v * v).sum();
    assert!((energy.total() - wanted).abs() < 1e-9 * wanted);
    let sum: f64 = energy.by_radius(7).iter().sum();
    assert!((sum - 1.0).abs() < 1e-12);
    // What a band keeps is the energy of the projection.
    for q in [[1, 1], [3, 2], [7, 6]] {
        let kept: f64 =
            numbers(limit(Band::Frequencies(q)).forward(x.clone())).iter().map(|v| v * v).sum();
        let share = energy.share_within(q);
        assert!((share - kept / wanted).abs() < 1e-5, "{q:?}: {share} {}", kept / wanted);
    }
    // A wave of two periods down and three across.
    let wave = (0..height * width).map(|at| {
        let (y, x) = ((at / width) as f64, (at % width) as f64);
        (TAU * (2.0 * y / height as f64 + 3.0 * x / width as f64)).cos() as f32
    });
    let wave = Tensor::<1>::from_floats(wave.collect::<Vec<f32>>().as_slice(), &device());
    let energy = spectral_energy(wave.reshape([1, 1, height, width])).unwrap();
    assert!(energy.share_within([3, 4]) > 1.0 - 1e-6 && energy.share_within([2, 4]) < 1e-6);
    assert!(energy.share_within([3, 3]) < 1e-6);
    let radius = (2.0 * 2.0 / height as f64).hypot(2.0 * 3.0 / width as f64) / 2f64.sqrt();
    let bins = energy.by_radius(10);
    assert!(bins[(radius * 10.0) as usize] > 1.0 - 1e-6, "{bins:?}");
    assert_eq!(Band::preserving(0.9, &energy).unwrap(), Band::Frequencies([4, 4]));
    assert_eq!(
        Band::preserving(1.0, &spectral_energy(x).unwrap()).unwrap(),
        Band::Frequencies([7, 6])
    );
    // Nothing has all of its energy anywhere.
    let nothing = spectral_energy(Tensor::zeros([1, 1, 4, 4], &device())).unwrap();
    assert_eq!((nothing.share_within([1, 1]), nothing.by_radius(3)), (1.0, vec![0.0; 3]));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let device = device();
    let error = |config: BandLimitedConv2dConfig| config.try_init(&device).unwrap_err().to_string();
    let config = |band| BandLimitedConv2dConfig::new(conv(CASES[0]), band);
    assert!(error(config(Band::Rate(1.0))).starts_with("band.rate: got 1,"));
    let random = Band::Random { from: 0.1, to: 0.5 };
    let spectra = config(random).with_method(Method::Spectra);
    assert!(error(spectra.clone()).starts_with("method: got spectra with a band drawn for each"));
    let per_batch = BandLimit2dConfig::new(random).with_draw_per(Per::Batch);
    let per_batch = BandLimitedInputConfig::new(random).with_limit(per_batch);
    assert!(spectra.with_input(per_batch).try_init(&device).is_ok());
    let mut grouped = config(Band::Rate(0.5)).with_method(Method::Spectra);
    grouped.conv = Conv2dConfig::new([4, 4], [3, 3]).with_groups(2);
    assert!(error(grouped).starts_with("method: got spectra with 2 groups"));
    let mut zero = config(Band::Rate(0.5));
    zero.conv.stride = [0, 1];
    assert!(error(zero).starts_with("stride: got [0, 1]"));
    let energy = spectral_energy(Tensor::ones([1, 1, 4, 4], &device)).unwrap();
    for share in [0.0, -1.0, 1.5, f64::NAN] {
        let error = Band::preserving(share, &energy).unwrap_err().to_string();
        assert!(error.starts_with(&format!("share: got {share}")), "{error}");
    }
    let nan = spectral_energy(Tensor::full([1, 1, 2, 2], f32::NAN, &device)).unwrap_err();
    assert!(nan.to_string().starts_with("images: got values that are not finite"));
    assert!(spectral_energy(Tensor::zeros([0, 1, 4, 4], &device)).is_err());
    assert!("spectrum".parse::<Method>().unwrap_err().to_string().contains("direct, spectra"));
}

#[test]
#[should_panic(expected = "kernel_size: got [3, 3], dilation [1, 1], for an input of [2, 2]")]
fn a_kernel_larger_than_the_map_is_refused() {
    let conv = Conv2dConfig::new([1, 1], [3, 3]);
    let layer = BandLimitedConv2dConfig::new(conv, Band::Rate(0.5)).init(&device());
    layer.forward(Tensor::random([1, 1, 2, 2], Distribution::Default, &device()));
}
