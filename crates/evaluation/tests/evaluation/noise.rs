//! Noise is told from rounding, and warnings about models with noise.

use burn::tensor::{Device, Int, Tensor};
use cni_attacks::{
    Apgd, Attack, BoundaryAttack, HopSkipJump, Iterate, Pgd, RandomNoise, Spsa, Square, Suite,
    Threat, Transfer,
};
use cni_evaluation::Evaluation;
use cni_noise::{layer_key, normal};

fn threat() -> Threat {
    Threat::linf(0.1).unwrap()
}

/// A model of four classes with noise of this size on the logits, except for images whose mean
/// pixel is `sleeps_at`.
fn model(noise: f64, sleeps_at: f64) -> impl Fn(Tensor<4>) -> Tensor<2> {
    move |x: Tensor<4>| {
        let device = x.device();
        let [batch, ..] = x.dims();
        let pixels = x.flatten::<2>(1, 3);
        let awake = pixels.clone().mean_dim(1).sub_scalar(sleeps_at).abs().greater_elem(1e-6);
        let logits = pixels.slice([0..batch, 0..4]);
        match layer_key("noise", &device) {
            Some(key) => {
                let noise = normal::<2>(key, [1, 4], &device).mul_scalar(noise);
                let asleep = awake.bool_not().expand([batch, 4]);
                logits + noise.expand([batch, 4]).mask_fill(asleep, 0.0)
            }
            None => logits,
        }
    }
}

fn images() -> Tensor<4> {
    let image = Tensor::<1>::from_data([0.9, 0.1, 0.1, 0.1], &Device::flex());
    image.reshape([1, 1, 2, 2]).expand([3, 1, 2, 2])
}

/// Whether the model counts as stochastic, and the warnings, by ten draws.
fn report(noise: f64, sleeps_at: f64, attack: Box<dyn Attack>) -> (bool, Vec<String>) {
    let evaluation = Evaluation::new(vec![attack]).unwrap().with_draws(10).unwrap();
    let evaluation = evaluation.with_noise_off(false).with_fixed_noise(false);
    let labels = Tensor::<1, Int>::zeros([3], &Device::flex());
    let record = evaluation.run(&model(noise, sleeps_at), [(images(), labels)]).unwrap().record;
    (record.stochastic, record.warnings)
}

fn is_warned(attack: Box<dyn Attack>) -> bool {
    report(0.1, -1.0, attack).1.iter().any(|warning| warning.contains("(EOT)"))
}

#[test]
fn differences_of_rounding_are_a_note_and_no_noise() {
    let pgd = || Box::new(Pgd::new(threat()).with_draws(2).unwrap());
    let (stochastic, warnings) = report(1e-7, -1.0, pgd());
    assert!(!stochastic);
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.contains("counts as rounding"), "{warning}");
    assert_eq!(report(0.0, -1.0, pgd()), (false, vec![]));
    assert_eq!(report(1e-3, -1.0, pgd()), (true, vec![]));
}

#[test]
fn noise_that_sleeps_at_the_images_is_found_beside_them() {
    let (stochastic, _) = report(0.1, 0.5, Box::new(Pgd::new(threat()).with_draws(2).unwrap()));
    assert!(stochastic);
}

/// Draws that score candidates, or that decide between them, do not average a gradient.
#[test]
fn only_attacks_that_average_their_gradients_over_draws_silence_the_warning() {
    let surrogate = |x: Tensor<4>| x.flatten::<2>(1, 3);
    let eot = || Pgd::new(threat()).with_draws(5).unwrap();
    let silent: Vec<(Box<dyn Attack>, Option<usize>)> = vec![
        (Box::new(eot()), Some(5)),
        (
            Box::new(Apgd::cross_entropy(threat()).with_steps(3).unwrap().with_draws(4).unwrap()),
            Some(4),
        ),
        (Box::new(Suite::custom("inner", vec![Box::new(eot())]).unwrap()), Some(5)),
    ];
    for (attack, draws) in silent {
        assert_eq!(attack.gradient_draws(), draws, "{}", attack.name());
        assert!(!is_warned(attack));
    }
    let transfer = Transfer::new("twin", surrogate, eot()).with_candidates(2).unwrap();
    let walk = BoundaryAttack::new(Threat::l2(0.1).unwrap()).unwrap().with_steps(1).unwrap();
    let loud: Vec<(Box<dyn Attack>, Option<usize>)> = vec![
        (Box::new(walk.with_draws(9).unwrap()), None),
        (Box::new(Pgd::new(threat()).with_iterate(Iterate::Best)), Some(1)),
        (
            Box::new(
                Apgd::cross_entropy(threat()).with_steps(3).unwrap().with_score_draws(9).unwrap(),
            ),
            Some(1),
        ),
        (Box::new(transfer.with_draws(9).unwrap()), None),
        (Box::new(Square::new(threat()).with_queries(5).unwrap().with_draws(9).unwrap()), None),
        (Box::new(Spsa::new(threat()).with_steps(1).unwrap().with_draws(9).unwrap()), None),
        (
            Box::new(RandomNoise::new(threat()).with_samples(3).unwrap().with_draws(9).unwrap()),
            None,
        ),
        (
            Box::new(
                HopSkipJump::new(threat()).unwrap().with_steps(1).unwrap().with_draws(9).unwrap(),
            ),
            None,
        ),
    ];
    for (attack, draws) in loud {
        let name = attack.name();
        assert_eq!(attack.gradient_draws(), draws, "{name}");
        assert!(is_warned(attack), "{name}");
    }
}
