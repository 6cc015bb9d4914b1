//! Statistics of the draws. Every bound is five standard errors of the statistic at the n stated,
//! so that a correct generator fails one check in two million; the draws are keyed, so the outcome
//! never changes.

use burn::tensor::{DType, Device};
use cni_noise::{Key, host_normal, host_uniform, sign};
use cni_ops::{Distribution, Stream, draw};
use statrs::distribution::{ContinuousCDF, Normal};

const N: usize = 1 << 20;

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0u64), |(sum, n), v| (sum + v, n + 1));
    sum / n as f64
}

fn within(what: &str, got: f64, wanted: f64, standard_error: f64) {
    assert!(
        (got - wanted).abs() < 5.0 * standard_error,
        "{what}: got {got}, wanted {wanted} ± {}",
        5.0 * standard_error
    );
}

fn normals(key: Key) -> Vec<f64> {
    host_normal(key, 0..N as u64).into_iter().map(f64::from).collect()
}

#[test]
fn normal_moments_are_those_of_the_standard_normal() {
    let x = normals(Key::new(1));
    let n = N as f64;
    // The variance of the p-th moment's estimate is (E x²ᵖ − (E xᵖ)²) / n, with E x² = 1, x⁴ = 3,
    // x⁶ = 15, x⁸ = 105.
    within("mean", mean(x.iter().copied()), 0.0, (1.0 / n).sqrt());
    within("second moment", mean(x.iter().map(|x| x * x)), 1.0, (2.0 / n).sqrt());
    within("third moment", mean(x.iter().map(|x| x.powi(3))), 0.0, (15.0 / n).sqrt());
    within("fourth moment", mean(x.iter().map(|x| x.powi(4))), 3.0, (96.0 / n).sqrt());
}

/// Kolmogorov and Smirnov's distance; its 1e-6 quantile is 2.69 / √n.
#[test]
fn normal_distribution_is_the_standard_normal() {
    let law = Normal::standard();
    let mut x = normals(Key::new(2));
    x.sort_by(f64::total_cmp);
    let distance = x
        .iter()
        .enumerate()
        .map(|(i, &x)| (law.cdf(x) - (i as f64 + 0.5) / N as f64).abs())
        .fold(0.0, f64::max);
    assert!(distance < 2.69 / (N as f64).sqrt(), "distance {distance}");
}

/// Neighbours within a vector lane, a Box-Muller pair, a group and a task: the places where an
/// error would show.
#[test]
fn values_of_a_stream_are_uncorrelated() {
    let x = normals(Key::new(3));
    for lag in [1, 2, 16, 32, 48, 64, 128, 16_384] {
        let products = || x.iter().zip(&x[lag..]);
        let n = (N - lag) as f64;
        within(&format!("lag {lag}"), mean(products().map(|(a, b)| a * b)), 0.0, (1.0 / n).sqrt());
        // Of squares: the two members of a Box-Muller pair share a radius.
        let squares = mean(products().map(|(a, b)| (a * a - 1.0) * (b * b - 1.0)));
        within(&format!("squares at lag {lag}"), squares, 0.0, (4.0 / n).sqrt());
    }
}

#[test]
fn streams_of_related_keys_are_uncorrelated() {
    let parent = Key::new(4);
    let n = N as f64;
    for (name, other) in [
        ("child", parent.child(0)),
        ("next seed", Key::new(5)),
        ("name", parent.named("weight")),
        ("grandchild", parent.child(0).child(0)),
    ] {
        let (a, b) = (normals(parent), normals(other));
        within(name, mean(a.iter().zip(&b).map(|(a, b)| a * b)), 0.0, (1.0 / n).sqrt());
    }
}

#[test]
fn uniform_values_fill_the_unit_interval_evenly() {
    let x = host_uniform(Key::new(6), 0..N as u64);
    assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
    let mut counts = [0u32; 256];
    x.iter().for_each(|x| counts[(x * 256.0) as usize] += 1);
    let expected = N as f64 / 256.0;
    let chi: f64 = counts.iter().map(|&c| (f64::from(c) - expected).powi(2) / expected).sum();
    // χ² with 255 degrees of freedom: mean 255, standard deviation √510.
    within("χ²", chi, 255.0, 510f64.sqrt());
}

/// One value in 512 is nearer to 1 than to any value of bfloat16 below it, one in 4096 for the
/// other type.
#[test]
fn uniform_values_of_half_precision_are_below_one_too() {
    let single = host_uniform(Key::new(6), 0..N as u64);
    for (dtype, bits) in [(DType::BF16, 8), (DType::F16, 11)] {
        // The largest value below 1.
        let last = 1.0 - 2f64.powi(-bits);
        let stream = Stream { key: Key::new(6).words(), first: 0 };
        let drawn = draw::<1>(Distribution::Uniform, stream, [N], (&Device::flex(), dtype));
        assert_eq!(drawn.dtype(), dtype);
        let drawn = drawn.try_to_vec_as::<f64>().unwrap();
        assert_eq!(drawn.iter().copied().fold(0.0, f64::max), last);
        // Half a unit in the last place, a whole one for those next to 1.
        let room = |single: f64| if single > last { 1.0 - last } else { (1.0 - last) / 2.0 };
        for (drawn, single) in drawn.into_iter().zip(single.iter().copied().map(f64::from)) {
            assert!((drawn - single).abs() <= room(single), "{dtype:?}: {drawn} of {single}");
        }
    }
}

#[test]
fn signs_are_balanced() {
    let x = sign::<1>(Key::new(7), [N], &Device::flex()).try_to_vec_as::<f64>().unwrap();
    assert!(x.iter().all(|x| x.abs() == 1.0));
    within("mean sign", mean(x.into_iter()), 0.0, (1.0 / N as f64).sqrt());
}
