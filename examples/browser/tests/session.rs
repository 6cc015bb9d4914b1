//! What the page asks of a session, without a browser.

use burn::tensor::{Device, Tensor};
use cni_browser::{AttackSettings, CATALOG, Method, Moved, PageError, Session, Summary};
use cni_burn::data::{Split, digits};
use cni_burn::prelude::*;
use std::fs;
use std::path::PathBuf;

fn weights() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../weights"))
}

fn session(name: &str) -> Session {
    let file = |file: &str| fs::read(weights().join(name).join(file)).unwrap();
    Session::new(name, &file("state.json"), file("model.bpk")).unwrap()
}

fn settings(method: Method, steps: usize, draws: usize) -> AttackSettings {
    AttackSettings { method, epsilon: 0.1, steps, draws, key: 1 }
}

fn attacked(session: &Session, settings: &AttackSettings, image: usize) -> (Vec<f32>, Vec<Moved>) {
    let label = session.describe().images[image].label;
    let mut steps = Vec::new();
    let pixels = session.image(image).unwrap();
    let found = session.attack(settings, &pixels, label, &mut |moved| steps.push(moved)).unwrap();
    (found, steps)
}

fn probability(session: &Session, pixels: &[f32], label: usize) -> Summary {
    Summary::of(&session.classes(pixels, 1, 0, 100).unwrap(), label, 5).unwrap()
}

#[test]
fn the_catalogue_has_all_weights_and_the_radius_of_their_records() {
    let mut names: Vec<_> = CATALOG.iter().map(|entry| entry.name).collect();
    for entry in CATALOG {
        let record = Record::read(weights().join(entry.name).join("record.json")).unwrap();
        assert_eq!(record.threat.threats[0].epsilon(), entry.epsilon, "{}", entry.name);
    }
    names.sort_unstable();
    let mut all: Vec<_> = Pretrained::ALL.iter().map(|weights| weights.name()).collect();
    all.sort_unstable();
    assert_eq!(names, all);
}

#[test]
fn a_description_is_that_of_the_model() {
    let noisy = session("digits-cni-w").describe();
    assert_eq!([noisy.channels, noisy.height, noisy.width], [1, 8, 8]);
    assert_eq!((noisy.parameters, noisy.noise_parameters), (134_994, 115_184));
    assert_eq!((noisy.layers.len(), noisy.stochastic), (10, true));
    assert_eq!(noisy.layers[0].law, "colored, rank 5");
    let labels: Vec<_> = noisy.images.iter().map(|image| image.label).collect();
    assert!((0..10).all(|digit| labels.iter().filter(|label| **label == digit).count() == 2));
    let clean = session("digits-clean").describe();
    assert_eq!((clean.layers.len(), clean.noise_parameters, clean.stochastic), (0, 0, false));
}

/// The models recognize the drawings: those without noise, and those with noise in most draws.
#[test]
fn models_of_photographs_have_drawn_pictures() {
    for entry in CATALOG.iter().filter(|entry| entry.name.starts_with("cifar10")) {
        let session = session(entry.name);
        let shown = session.describe();
        assert_eq!([shown.channels, shown.height, shown.width], [3, 32, 32]);
        assert_eq!((shown.images.len(), &*shown.images[2].name), (4, "drawn picture 3: ship"));
        for (image, example) in shown.images.iter().enumerate() {
            let classes = session.classes(&session.image(image).unwrap(), 1, 0, 10).unwrap();
            let right = Summary::of(&classes, example.label, 1).unwrap().right;
            assert!(right >= 8, "{}, {}: {right} of 10", entry.name, example.name);
        }
    }
}

#[test]
fn predictions_are_distributions_of_keyed_draws() {
    let session = session("digits-cni-w");
    let pixels = session.image(0).unwrap();
    let all = session.predict(&pixels, 1, 0, 6).unwrap();
    assert_eq!(all.len(), 60);
    for draw in all.chunks(10) {
        assert!((draw.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
    assert_ne!(all[..10], all[10..20], "draws differ");
    assert_eq!(all[20..40], session.predict(&pixels, 1, 2, 2).unwrap(), "draws have numbers");
    assert_ne!(all, session.predict(&pixels, 2, 0, 6).unwrap(), "another key, other draws");
}

#[test]
fn an_attack_stays_in_its_ball_and_tells_of_every_step() {
    let session = session("digits-cni-w");
    for (settings, steps) in [
        (settings(Method::Fgsm, 1, 3), (1..=1).collect::<Vec<_>>()),
        (settings(Method::Pgd, 8, 3), (1..=8).collect()),
        (settings(Method::Square, 35, 2), vec![10, 20, 30, 35]),
    ] {
        let (found, told) = attacked(&session, &settings, 3);
        assert_eq!(told.iter().map(|moved| moved.step).collect::<Vec<_>>(), steps);
        let clean = session.image(3).unwrap();
        let far = found.iter().zip(&clean).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far <= 0.1 + 1e-6 && far > 0.0, "{far}");
        assert!(found.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
        let last = told.last().unwrap();
        assert_eq!(last.pixels, found, "{:?}", settings.method);
        assert_eq!(last.backwards > 0, settings.method != Method::Square);
        for moved in &told {
            assert!(moved.loss.is_finite() && (0.0..=1.0).contains(&moved.wrong));
            assert_eq!(moved.steps, settings.steps);
        }
        let (again, _) = attacked(&session, &settings, 3);
        assert_eq!(again, found, "the same key, the same image");
    }
}

#[test]
fn an_attack_is_that_of_the_library_and_makes_a_model_fail() {
    let session = session("digits-clean");
    let test = digits(Split::Test);
    let mut fooled = 0;
    for (image, example) in session.describe().images.iter().enumerate() {
        let (found, told) = attacked(&session, &settings(Method::Pgd, 10, 1), image);
        fooled += usize::from(probability(&session, &found, example.label).right == 0);
        if image > 0 {
            continue;
        }
        let device = Device::flex();
        let run = Pretrained::DigitsClean.load(weights(), &device).unwrap();
        let model = FrozenModel::new(&run.model, ResNet::forward);
        let attack = Pgd::new(Threat::linf(0.1).unwrap()).with_steps(10).unwrap();
        let place = (0..test.len())
            .find(|&i| test.item(i).unwrap().pixels == session.image(0).unwrap())
            .unwrap();
        let (images, labels) = test.batch([place], &device).unwrap();
        let key = Key::new(1).named("attack");
        let library = attack.on(&model).with_key(key).run(images, labels).unwrap();
        assert_eq!(library.images.try_to_vec_as::<f32>().unwrap(), found);
        assert!(told[9].loss > told[0].loss);
    }
    // The record says that half of all test images are lost: of 20 at least 4 with a probability
    // of 0.999.
    assert!(fooled >= 4, "{fooled} of 20");
}

#[test]
fn a_search_that_ends_early_tells_of_its_last_query() {
    let session = session("digits-clean");
    let square = AttackSettings { epsilon: 0.5, ..settings(Method::Square, 200, 1) };
    for image in 0..8 {
        let (found, told) = attacked(&session, &square, image);
        let last = told.last().expect("an attack tells of its end");
        assert_eq!((last.wrong, &last.pixels), (1.0, &found), "image {image}");
        assert!(last.step < 200);
    }
}

/// Cross entropy and margin by their definitions, in double precision.
#[test]
fn a_step_is_watched_by_cross_entropy_and_margin() {
    let session = session("digits-adversarial");
    let (_, told) = attacked(&session, &settings(Method::Pgd, 3, 1), 5);
    let device = Device::flex();
    let run = Pretrained::DigitsAdversarial.load(weights(), &device).unwrap();
    let label = session.describe().images[5].label;
    for moved in told {
        let image = Tensor::<1>::from_floats(&moved.pixels[..], &device).reshape([1, 1, 8, 8]);
        let logits: Vec<f64> = run.model.forward(image).try_to_vec_as().unwrap();
        let others = (0..10).filter(|class| *class != label).map(|class| logits[class]);
        let margin = others.fold(f64::NEG_INFINITY, f64::max) - logits[label];
        let loss = logits.iter().map(|z| (z - logits[label]).exp()).sum::<f64>().ln();
        for (got, wanted) in [(moved.loss, loss), (moved.margin, margin)] {
            assert!((got - wanted).abs() < 1e-4 * (1.0 + wanted.abs()), "{got}, wanted {wanted}");
        }
        assert_eq!(moved.wrong, f64::from(margin > 0.0));
    }
}

#[test]
fn the_scale_silences_noise_and_makes_it_louder() {
    let mut session = session("digits-cni-w");
    let learned = session.noise(2).unwrap();
    session.set_scale(2.0).unwrap();
    let louder = session.noise(2).unwrap();
    assert!((louder.size / learned.size - 2.0).abs() < 1e-5);
    for (louder, learned) in louder.spectrum.iter().zip(&learned.spectrum).take(3) {
        assert!((louder / learned - 4.0).abs() < 1e-4);
    }
    assert_eq!(louder.covariance.len(), louder.side * louder.side);
    session.set_scale(0.0).unwrap();
    assert!(!session.is_stochastic() && !session.describe().stochastic);
    let pixels = session.image(1).unwrap();
    let silent = session.predict(&pixels, 1, 0, 2).unwrap();
    assert_eq!(silent[..10], silent[10..]);
    session.set_scale(1.0).unwrap();
    assert_eq!(session.noise(2).unwrap().covariance, learned.covariance);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let mut session = session("digits-pni-w");
    let file = |file: &str| fs::read(weights().join("digits-pni-w").join(file)).unwrap();
    let (state, model) = (file("state.json"), file("model.bpk"));
    let said = |error: Option<PageError>| error.unwrap().to_string();
    let opened = |name: &str, state: &[u8], model: &[u8]| {
        said(Session::new(name, state, model.to_vec()).err())
    };
    assert!(opened("cifar", &state, &model).starts_with("model: got cifar, wanted one of digits-"));
    assert!(opened("digits-cni-w", &state, &model).contains("that of digits-cni-w for cni-burn"));
    assert!(opened("digits-pni-w", &state, &model[..1000]).starts_with("model.bpk: got SHA-256"));

    let image = session.image(0).unwrap();
    let pixels = |pixels: &[f32], draws| said(session.predict(pixels, 1, 0, draws).err());
    assert_eq!(pixels(&image[1..], 1), "pixels: got 63, wanted 64 of them");
    assert_eq!(pixels(&[1.5; 64], 1), "pixels: got 1.5, wanted numbers from 0 to 1");
    assert_eq!(pixels(&[f32::NAN; 64], 1), "pixels: got NaN, wanted numbers from 0 to 1");
    assert_eq!(pixels(&image, 0), "draws: got 0, wanted 1 to 1000");
    assert_eq!(said(session.image(20).err()), "image: got 20, wanted less than 20");
    assert_eq!(said(session.noise(10).err()), "layer: got 10, wanted less than 10");

    let attack = |of: AttackSettings, label| {
        said(session.attack(&of, &image, label, &mut |_| panic!("no step")).err())
    };
    let pgd = settings(Method::Pgd, 5, 2);
    assert_eq!(attack(pgd, 10), "label: got 10, wanted less than 10");
    assert_eq!(attack(settings(Method::Fgsm, 2, 1), 0), "steps: got 2, wanted 1 for FGSM");
    assert!(attack(AttackSettings { steps: 0, ..pgd }, 0).contains("steps: got 0"));
    assert!(attack(AttackSettings { draws: 0, ..pgd }, 0).contains("draws: got 0"));
    assert!(attack(AttackSettings { epsilon: -0.1, ..pgd }, 0).contains("epsilon: got -0.1"));
    let unread = AttackSettings::parse(r#"{"method":"pgd","epsilon":0.1,"step":5}"#).unwrap_err();
    assert!(unread.to_string().contains("unknown field `step`"), "{unread}");
    assert!(said(session.set_scale(-1.0).err()).contains("factor: got -1"));
}
