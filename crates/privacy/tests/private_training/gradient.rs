//! The gradient: clipped example by example, summed, over the expected batch, with noise.

use crate::support::{Net, Unreached, alone, batch, flat, largest_difference, near, norm};
use burn::module::Module;
use burn::tensor::Tensor;
use cni_attacks::{Pgd, Threat};
use cni_data::Batch;
use cni_noise::Key;
use cni_privacy::PrivateGradient;
use cni_training::{
    GradientRule, Objective, ParameterValues, PerExampleClip, Rotation, RuleState, Step, StepInfo,
};

/// The gradient of a batch before the noise.
fn gradient<N: Module + 'static>(
    rule: &PrivateGradient,
    net: &N,
    forward: impl Fn(&N, Tensor<4>) -> Tensor<2> + Clone,
    batch: Batch,
) -> ParameterValues {
    let step = Step::new(net, forward, batch);
    rule.gradients(&Objective::clean(), &step).unwrap().gradients
}

fn rule(clip: PerExampleClip, expected: usize) -> PrivateGradient {
    PrivateGradient::new(clip, 1.0, 1000, expected).unwrap()
}

fn info(step: usize) -> StepInfo {
    StepInfo { key: Key::new(7), epoch: 0, step, ends_epoch: false, examples: 3, lr: 0.1 }
}

#[test]
fn it_is_the_clipped_sum_of_gradients_of_batches_of_one_over_the_expected_batch() {
    let net = Net::new().train();
    let examples = [0, 3, 5, 8, 13, 21];
    let all: Vec<_> = examples.iter().map(|&i| alone(&net, Net::forward, i)).collect();
    // Some are longer, some shorter.
    let mut norms: Vec<f64> = all.iter().map(|(_, norm, _)| *norm).collect();
    norms.sort_by(f64::total_cmp);
    let max = 0.5 * (norms[2] + norms[3]);
    for per_layer in [false, true] {
        let clip = PerExampleClip { max_norm: max, per_layer };
        let mut wanted: Vec<f64> = Vec::new();
        for (gradients, norm, of_tensors) in &all {
            let share = max / (of_tensors.len() as f64).sqrt();
            let mut of_tensors = of_tensors.iter();
            let clipped = gradients.clone().map(|_, gradient| {
                let own = of_tensors.next().unwrap();
                let scale = if per_layer { share / own } else { max / norm };
                gradient.mul_scalar(scale.min(1.0) / 9.0)
            });
            let clipped = flat(&clipped);
            wanted.resize(clipped.len(), 0.0);
            wanted.iter_mut().zip(clipped).for_each(|(sum, own)| *sum += own);
        }
        let found = flat(&gradient(&rule(clip, 9), &net, Net::forward, batch(&examples)));
        assert!(largest_difference(&found, &wanted) < 1e-6);
        assert!(norm(&found) > 1e-2);
    }
}

#[test]
fn one_example_changes_the_sum_by_its_own_clipped_gradient_and_by_the_norm_at_most() {
    let net = Net::new().train();
    let (all, without) = ([0, 3, 5, 8], [0, 3, 8]);
    // Gradients of usual size, of a norm whose square is near the largest float, and beyond it.
    for (scale, max) in [(1.0, 0.5), (1.0, 1e-3), (1e16, 0.5), (1e25, 0.5)] {
        let forward = move |net: &Net, images| net.forward(images).mul_scalar(scale);
        for per_layer in [false, true] {
            let rule = rule(PerExampleClip { max_norm: max, per_layer }, 1);
            let of = |examples: &[usize]| flat(&gradient(&rule, &net, forward, batch(examples)));
            let (all, without, own) = (of(&all), of(&without), of(&[5]));
            let removed: Vec<f64> = all.iter().zip(&without).map(|(a, b)| a - b).collect();
            assert!(norm(&removed) <= max * (1.0 + 1e-5), "{} of {max}", norm(&removed));
            assert!(norm(&own) <= max * (1.0 + 1e-5));
            assert!(largest_difference(&removed, &own) < 1e-5 * max);
            // All of the bound is used where gradients are longer, unless their square is infinite.
            if scale == 1.0 && !per_layer {
                assert!((norm(&removed) / max - 1.0).abs() < 1e-4, "{}", norm(&removed));
            }
        }
    }
}

#[test]
fn the_divisor_is_the_expected_batch_so_that_the_mean_over_poisson_batches_is_the_mean_of_all() {
    let net = Net::new().train();
    let rule = rule(PerExampleClip::new(0.5), 2);
    let of = |examples: &[usize]| flat(&gradient(&rule, &net, Net::forward, batch(examples)));
    // All subsets of four examples, which are equally likely at q = 1/2; the empty one adds zero.
    let mut mean = vec![0.0; of(&[0]).len()];
    for subset in 1..16_usize {
        let examples: Vec<usize> = (0..4).filter(|i| subset >> i & 1 == 1).collect();
        mean.iter_mut().zip(of(&examples)).for_each(|(sum, own)| *sum += own / 16.0);
    }
    let step = Step::new(&net, Net::forward, batch(&[0, 1, 2, 3]));
    let clipped = PerExampleClip::new(0.5).gradients(&Objective::clean(), &step).unwrap();
    let off = largest_difference(&mean, &flat(&clipped.gradients));
    assert!(off < 1e-6, "{off}");
    // The divisor does not follow the batch: four examples are twice the expected two.
    let all = of(&[0, 1, 2, 3]);
    let twice: Vec<f64> = flat(&clipped.gradients).iter().map(|g| 2.0 * g).collect();
    assert!(largest_difference(&all, &twice) < 1e-6);
}

#[test]
fn parts_of_a_batch_add_up_to_it_and_attacks_are_those_of_the_examples() {
    let net = Net::new().train();
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    let (objective, rule) = (Objective::madry(attack), rule(PerExampleClip::new(0.5), 4));
    let whole = batch(&[0, 3, 5, 8, 13]);
    let of = |batch: Batch| {
        let step = Step::new(&net, Net::forward, batch);
        flat(&rule.gradients(&objective, &step).unwrap().gradients)
    };
    let part = |from: usize, to: usize| Batch {
        images: whole.images.clone().narrow(0, from, to - from),
        labels: whole.labels.clone().narrow(0, from, to - from),
        indices: whole.indices[from..to].into(),
        first_example: from as u64,
        ..whole.clone()
    };
    let (first, second) = (of(part(0, 2)), of(part(2, 5)));
    let sum: Vec<f64> = first.iter().zip(second).map(|(a, b)| a + b).collect();
    assert!(largest_difference(&sum, &of(whole.clone())) < 1e-6);
}

/// Under an attack from a random start, and with a head that tells which images are turned: another
/// example before an example, in its batch or in those before, changes nothing of its gradient.
#[test]
fn one_example_adds_its_own_clipped_gradient_whatever_is_drawn_for_the_others() {
    let net = Net::new().train();
    let head = |net: &Net, images: Tensor<4>| net.forward(images).narrow(1, 0, 4);
    let attack = Pgd::training(Threat::l2(1.0).unwrap()).with_steps(2).unwrap();
    let objectives: [Objective; 3] = [
        Objective::madry(attack.clone()),
        Rotation::new(Objective::clean(), head).into(),
        Objective::elle(attack),
    ];
    let rule = rule(PerExampleClip::new(0.5), 1);
    for objective in objectives {
        let of = |examples: &[usize], first_example| {
            let batch = Batch { first_example, ..batch(examples) };
            let step = Step::new(&net, Net::forward, batch);
            flat(&rule.gradients(&objective, &step).unwrap().gradients)
        };
        let (all, without, own) = (of(&[0, 3, 5, 8], 0), of(&[0, 5, 8], 17), of(&[3], 4));
        let removed: Vec<f64> = all.iter().zip(&without).map(|(a, b)| a - b).collect();
        assert!(norm(&own) > 1e-2, "{objective:?}");
        let off = largest_difference(&removed, &own);
        assert!(off < 1e-5, "{off} {objective:?}");
    }
}

/// 4,000 draws for each of 100 coordinates.
#[test]
fn the_noise_is_normal_of_sigma_times_norm_over_the_expected_batch_and_new_in_every_step() {
    let (net, n) = (Unreached::new().train(), 4000);
    let rule = PrivateGradient::new(PerExampleClip::new(0.5), 3.0, 1000, 20).unwrap();
    assert_eq!(rule.noise_std(), 3.0 * 0.5 / 20.0);
    let zero = || Step::new(&net, Unreached::forward, batch(&[0])).weights().map(|_, w| w * 0.0);
    let draw = |step| {
        let noise = rule.finish(zero(), &info(step), &mut RuleState::default()).unwrap();
        flat(&noise)[..100].to_vec()
    };
    let draws: Vec<Vec<f64>> = (0..n).map(draw).collect();
    let (std, count) = (rule.noise_std(), (100 * n) as f64);
    let all = || draws.iter().flatten();
    near(all().sum::<f64>() / count, 0.0, std / count.sqrt());
    let square = all().map(|v| v * v).sum::<f64>() / count;
    near(square / (std * std), 1.0, (2.0 / count).sqrt());
    let fourth = all().map(|v| v.powi(4)).sum::<f64>() / count;
    near(fourth / std.powi(4), 3.0, (96.0 / count).sqrt());
    // Neighbouring steps and neighbouring coordinates are uncorrelated.
    let product = |pairs: &mut dyn Iterator<Item = (f64, f64)>| {
        let (sum, n) = pairs.fold((0.0, 0.0), |(s, n), (a, b)| (s + a * b, n + 1.0));
        near(sum / n / (std * std), 0.0, 1.0 / f64::sqrt(n));
    };
    product(
        &mut draws
            .windows(2)
            .flat_map(|two| two[0].iter().copied().zip(two[1].iter().copied()).collect::<Vec<_>>()),
    );
    product(&mut draws.iter().flat_map(|draw| draw.windows(2).map(|two| (two[0], two[1]))));
    assert_eq!(draw(7), draw(7));
}

#[test]
fn every_trainable_parameter_has_noise_also_one_that_no_example_reaches() {
    let net = Unreached::new().train();
    let rule = rule(PerExampleClip::new(0.5), 4);
    let found = gradient(&rule, &net, Unreached::forward, batch(&[0, 1]));
    let unused = flat(&found.clone().filter(|p| p.path.starts_with("unused")));
    assert_eq!((unused.len(), norm(&unused)), (650, 0.0));
    let noisy = rule.finish(found, &info(0), &mut RuleState::default()).unwrap();
    for path in ["unused.weight", "unused.bias", "out.weight", "out.bias"] {
        let values: Vec<f32> = noisy.get(path).unwrap().try_to_vec_as().unwrap();
        assert!(values.iter().all(|value| *value != 0.0), "{path}");
    }
}

#[test]
fn the_noise_does_not_depend_on_the_data_and_a_step_beyond_the_allowed_is_refused() {
    let net = Net::new().train();
    let rule = rule(PerExampleClip::new(0.5), 4).with_steps(5);
    let noise = |examples: &[usize], step| {
        let before = gradient(&rule, &net, Net::forward, batch(examples));
        let after = rule.finish(before.clone(), &info(step), &mut RuleState::default());
        let (before, after) = (flat(&before), flat(&after.unwrap()));
        after.iter().zip(before).map(|(a, b)| a - b).collect::<Vec<_>>()
    };
    assert!(largest_difference(&noise(&[0, 1], 4), &noise(&[5], 4)) < 1e-6);
    let found = gradient(&rule, &net, Net::forward, batch(&[0]));
    let error = rule.finish(found, &info(5), &mut RuleState::default()).err().unwrap();
    assert_eq!(error.to_string(), "steps: got 6, wanted at most 5, which the budget allows");
}

#[test]
fn the_gradient_of_an_example_is_its_own_under_one_draw_of_noise_on_weights() {
    use cni_layers::WeightNoise;
    let net = WeightNoise::colored(2).inject(Net::new()).train();
    let rule = rule(PerExampleClip::new(0.5), 1);
    let of = |examples: &[usize]| flat(&gradient(&rule, &net, Net::forward, batch(examples)));
    let removed: Vec<f64> = of(&[0, 3, 5]).iter().zip(of(&[0, 3])).map(|(a, b)| a - b).collect();
    assert!(norm(&removed) <= 0.5 * (1.0 + 1e-5));
    assert!(largest_difference(&removed, &of(&[5])) < 1e-5);
}
