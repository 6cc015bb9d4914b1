//! Refusals, each by the name of its field. One file, because they are one list.

use crate::support::{device, made, random};
use crate::training::{config, network, pairs};
use burn::tensor::Tensor;
use cni_noise::Key;
use cni_registration::RegistrationError;
use cni_registration::adversary::{AdversarialLoss, DiscriminatorConfig};
use cni_registration::fields::{
    Inverse, affine_field, compose, integrate, jacobian_determinant, mean_distance, resize,
    resize_field, warp,
};
use cni_registration::losses::{
    BlurKernel, Lengths, Lncc, MultiScaleDice, Penalty, bending_energy, dice, mean_squared_error,
};
use cni_registration::networks::{GlobalNetConfig, LocalNet, LocalNetConfig, Pyramid};
use cni_registration::simulation::elastic::{Body, Material, Mesh, Plane};
use cni_registration::simulation::{
    FieldBank, FieldSource, GlandMotion, SmoothFields, SplineFields,
};
use cni_registration::training::Pairs;

fn assert_refused<T>(result: Result<T, RegistrationError>, start: &str) {
    let text = result.err().expect("it is refused").to_string();
    assert!(text.starts_with(start) && text.contains("wanted "), "{text}, not {start}");
}

const NO_NUMBERS: [f64; 2] = [f64::NAN, f64::INFINITY];

#[test]
fn fields_and_images_that_do_not_fit_together() {
    let image = random::<4>(1, [2, 1, 6, 5]);
    let field = random::<4>(2, [2, 2, 6, 5]);
    let to = Default::default;
    assert_refused(warp(image.clone(), random(3, [2, 3, 6, 5]), to()), "field: got shape [2, 3");
    assert_refused(warp(random(3, [1, 1, 6, 5]), field.clone(), to()), "image: got shape [1, 1");
    assert_refused(warp(random(3, [2, 1, 5, 5]), field.clone(), to()), "image: got shape");
    assert_refused(warp(random::<3>(1, [2, 1, 5]), random(3, [2, 1, 5]), to()), "image: got shape");
    let empty = Tensor::<4>::zeros([2, 1, 0, 5], &device());
    assert_refused(warp(empty, field.clone(), to()), "image: got shape [2, 1, 0, 5]");
    assert_refused(compose(field.clone(), random(3, [2, 2, 5, 5])), "inner: got shape");
    assert_refused(compose(image.clone(), field.clone()), "outer: got shape [2, 1");
    assert_refused(integrate(field.clone(), 25), "squarings: got 25");
    assert_refused(integrate(image.clone(), 2), "velocity: got shape");
    assert_refused(jacobian_determinant(&random::<4>(1, [1, 2, 1, 5])), "field: got shape");
    assert_refused(resize(image.clone(), &[3]), "size: got shape [3]");
    assert_refused(resize(image.clone(), &[3, 0]), "size: got shape [3, 0]");
    assert_refused(resize_field(field.clone(), &[3, 1]), "size: got shape [3, 1]");
    assert_refused(affine_field::<4>(random(1, [1, 3, 4]), &[4, 4]), "matrix: got shape [1, 3, 4]");
    assert_refused(affine_field::<5>(random(1, [1, 3, 4]), &[4, 4]), "size: got shape [4, 4]");
    let mask = Tensor::zeros_like(&image);
    assert_refused(mean_distance(&field, &field, &mask), "within[0, 0]: got no voxel");
    assert_refused(mean_distance(&field, &field, &field), "within: got shape");
    assert_refused(mean_distance(&field, &image, &mask), "b: got shape");
    for weight in NO_NUMBERS.into_iter().chain([-1.0]) {
        let mask = Tensor::zeros_like(&image).add_scalar(1.0);
        let mask = mask.slice_fill([1..2, 0..1, 2..3, 0..1], weight);
        assert_refused(mean_distance(&field, &field, &mask), &format!("within: got {weight}"));
    }
}

#[test]
fn fields_without_an_inverse() {
    let folded = made::<4>(2, &[6, 6], |axis, x| if axis == 0 { -1.5 * x[0] } else { 0.0 });
    assert_refused(Inverse::default().of(folded), "field[0]: got 36 folded voxels");
    let hard = made::<4>(2, &[20, 20], |axis, x| 1.9 * (0.5 * x[axis]).sin());
    let once = Inverse { iterations: 1, tolerance: 1e-9 };
    assert_refused(once.of(hard.clone()), "field[0]: got a residual of");
    let still = Tensor::zeros_like(&hard);
    let both = Tensor::cat(vec![still, hard.clone()], 0);
    assert_refused(once.of(both), "field[1]: got a residual of");
    assert_refused(Inverse { iterations: 0, ..once }.of(hard.clone()), "iterations: got 0");
    for tolerance in NO_NUMBERS.into_iter().chain([0.0, -1.0]) {
        let got = format!("tolerance: got {tolerance}");
        assert_refused(Inverse { tolerance, ..once }.of(hard.clone()), &got);
    }
}

#[test]
fn losses() {
    let (a, b) = (random::<4>(1, [1, 2, 4, 6]), random::<4>(2, [1, 2, 6, 6]));
    assert_refused(mean_squared_error(a.clone(), b.clone()), "warped: got shape [1, 2, 6, 6]");
    assert_refused(Lncc { window: 9 }.loss(a.clone(), b.clone()), "warped: got shape");
    for window in [0, 1, 4] {
        let got = format!("window: got {window}");
        assert_refused(Lncc { window }.loss(b.clone(), b.clone()), &got);
    }
    assert_refused(bending_energy(&a, Lengths::Voxels), "field: got shape [1, 2, 4, 6]");
    assert_refused(Penalty::GradientL1.of(&random::<4>(1, [1, 2, 2, 6])), "field: got shape");
    assert_refused(Penalty::GradientL2.of(&random::<5>(1, [1, 2, 6, 6, 6])), "field: got shape");
    let scales = |sigmas: &[f64]| {
        let loss = MultiScaleDice { sigmas: sigmas.to_vec(), kernel: BlurKernel::Cauchy };
        loss.loss(b.clone(), b.clone())
    };
    assert_refused(scales(&[]), "sigmas: got 0");
    for sigma in NO_NUMBERS.into_iter().chain([-1.0, 1e10]) {
        assert_refused(scales(&[0.0, sigma]), &format!("sigmas: got {sigma}"));
    }
    let empty = Tensor::zeros_like(&b);
    assert_refused(dice(&empty, &b), "fixed[0, 0]: got no voxel");
    assert_refused(dice(&b, &a), "warped: got shape");
}

#[test]
fn networks() {
    let local = |pyramid: Pyramid| LocalNetConfig { pyramid }.try_init::<4>(&device());
    let of = Pyramid::default();
    assert_refused(local(Pyramid { levels: 1, ..of }), "levels: got 1");
    assert_refused(local(Pyramid { levels: 17, ..of }), "levels: got 17");
    assert_refused(local(Pyramid { channels: 0, ..of }), "channels: got 0");
    assert_refused(local(Pyramid { channels: 30, ..of }), "channels: got 30");
    assert_refused(local(Pyramid { channels: usize::MAX - 3, ..of }), "channels: got 18446744073");
    assert_refused(local(Pyramid { channels: 2048, ..of }), "channels: got 2048");
    let images = Pyramid { image_channels: usize::MAX, ..of };
    assert_refused(local(images), "image_channels: got 18446744073");
    assert_refused(local(Pyramid { groups: 32, ..of }), "channels: got 32");
    assert_refused(local(Pyramid { groups: 0, ..of }), "groups: got 0");
    assert_refused(local(Pyramid { image_channels: 0, ..of }), "image_channels: got 0");
    assert_refused(local(Pyramid { kernel: 4, ..of }), "kernel: got 4");
    assert_refused(local(Pyramid { first_kernel: 0, ..of }), "first_kernel: got 0");
    assert_refused(LocalNetConfig { pyramid: of }.try_init::<3>(&device()), "rank: got 3");
    let global = GlobalNetConfig::new([8, 8, 8]).try_init::<4>(&device());
    assert_refused(global, "size: got shape [8, 8, 8]");
    let network = network();
    let image = Tensor::<4>::zeros([1, 1, 8, 8], &device());
    let other = Tensor::<4>::zeros([1, 1, 8, 9], &device());
    assert_refused(network.forward(image.clone(), other.clone()), "fixed: got shape [1, 1, 8, 9]");
    let color = Tensor::<4>::zeros([1, 3, 8, 8], &device());
    assert_refused(network.forward(color.clone(), color), "moving: got shape [1, 3, 8, 8]");
    let pyramid = Pyramid { channels: 4, levels: 2, groups: 2, ..of };
    let global = GlobalNetConfig { size: vec![8, 8], pyramid }.init::<4>(&device());
    assert_refused(global.forward(other.clone(), other), "moving: got shape [1, 1, 8, 9]");

    let judge = |change: fn(&mut DiscriminatorConfig)| {
        let mut config = DiscriminatorConfig::new([8, 8]);
        change(&mut config);
        config.try_init::<4>(&device())
    };
    assert_refused(judge(|c| c.size = vec![8]), "size: got shape [8]");
    assert_refused(judge(|c| c.channels = 0), "channels: got 0");
    assert_refused(judge(|c| c.channels = usize::MAX), "channels: got 18446744073");
    assert_refused(judge(|c| c.channels = 8192), "channels: got 8192");
    assert_refused(judge(|c| c.size = vec![usize::MAX; 2]), "size: got shape [18446744073");
    let global = |size| GlobalNetConfig::new(size).try_init::<4>(&device());
    assert_refused(global([usize::MAX; 2]), "size: got shape [18446744073");
    assert_refused(global([1 << 16; 2]), "size: got shape [65536, 65536]");
    assert_refused(judge(|c| c.levels = 0), "levels: got 0");
    assert_refused(judge(|c| c.kernel = 2), "kernel: got 2");
    assert_refused(judge(|c| c.unit = 0.0), "unit: got 0");
    let judge = DiscriminatorConfig::new([8, 8]).init::<4>(&device());
    let field = Tensor::<4>::zeros([1, 2, 8, 9], &device());
    assert_refused(judge.forward(field), "field: got shape [1, 2, 8, 9]");
}

#[test]
#[should_panic(expected = "levels: got 1, wanted at least 2")]
fn init_panics_with_the_message_of_the_error() {
    let pyramid = Pyramid { levels: 1, ..Pyramid::default() };
    LocalNetConfig { pyramid }.init::<4>(&device());
}

#[test]
fn sources_of_true_fields() {
    let draw = |source: &dyn FieldSource<4>| source.draw(Key::new(1), 1, &device());
    assert_refused(draw(&SmoothFields::new([8], 1.0, 1.0)), "size: got shape [8]");
    assert_refused(draw(&SmoothFields::new([8, 8], 0.0, 1.0)), "sigma: got 0");
    assert_refused(draw(&SmoothFields::new([8, 8], 1e10, 1.0)), "sigma: got 10000000000");
    assert_refused(draw(&SmoothFields::new([8, 8], 1.0, -1.0)), "amplitude: got -1");
    assert_refused(draw(&SplineFields::new([8, 8], 0, 1.0)), "intervals: got 0");
    let degree = SplineFields { degree: 4, ..SplineFields::new([8, 8], 2, 1.0) };
    assert_refused(draw(&degree), "degree: got 4");
    assert_refused(FieldBank::new(random::<4>(1, [2, 3, 4, 4])), "fields: got shape");
    let of = GlandMotion::new([16, 16]);
    for (motion, start) in [
        (GlandMotion { size: [16, 7], ..of }, "size: got 7"),
        (GlandMotion { radii: [0.0, 3.0], ..of }, "radii: got 0"),
        (GlandMotion { radii: [4.0, 3.0], ..of }, "radii: got 3"),
        (GlandMotion { stiffness: [-1.0, 3.0], ..of }, "stiffness: got -1"),
        (GlandMotion { stiffness: [1.0, 1e9], ..of }, "stiffness: got 1000000000"),
        (GlandMotion { stiffness: [1e-9, 1.0], ..of }, "stiffness: got 0.000000001"),
        (GlandMotion { shift: -1.0, ..of }, "shift: got -1"),
        (GlandMotion { poisson: 0.5, ..of }, "poisson: got 0.5"),
        (GlandMotion { probe: f64::NAN, ..of }, "probe: got NaN"),
        (GlandMotion { pressure: -0.1, ..of }, "pressure: got -0.1"),
    ] {
        assert_refused(draw(&motion), start);
    }
}

#[test]
fn meshes_and_bodies() {
    let square = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    assert_refused(Mesh::new(square.clone(), vec![]), "quads: got 0");
    assert_refused(Mesh::new(square.clone(), vec![[0, 1, 2, 4]]), "quads: got 4");
    // The other way round, and crossed.
    assert_refused(Mesh::new(square.clone(), vec![[3, 2, 1, 0]]), "quads[0]: got a Jacobian");
    assert_refused(Mesh::new(square.clone(), vec![[0, 2, 1, 3]]), "quads[0]: got a Jacobian");
    assert_refused(Mesh::grid([1, 4], [1.0; 2]), "rows: got 1");
    assert_refused(Mesh::grid([4, 1], [1.0; 2]), "columns: got 1");
    assert_refused(Mesh::grid([4, 4], [1.0, 0.0]), "spacing: got 0");
    let mesh = Mesh::grid([2, 2], [1.0; 2]).unwrap();
    let body =
        |young, poisson| Body::new(mesh.clone(), Plane::Stress, &[Material { young, poisson }]);
    assert_refused(body(0.0, 0.3), "young: got 0");
    assert_refused(body(1.0, 0.5), "poisson: got 0.5");
    assert_refused(body(1.0, -1.0), "poisson: got -1");
    assert_refused(Body::new(mesh.clone(), Plane::Stress, &[]), "materials: got 0");
    let mut body = body(1.0, 0.3).unwrap();
    assert_refused(body.hold(4, 0, 0.0).map(|_| ()), "node: got 4");
    assert_refused(body.hold(0, 2, 0.0).map(|_| ()), "axis: got 2");
    assert_refused(body.hold(0, 0, f64::NAN).map(|_| ()), "displacement: got NaN");
    assert_refused(body.force(9, [0.0; 2]).map(|_| ()), "node: got 9");
    assert_refused(body.force(0, [0.0, f64::INFINITY]).map(|_| ()), "force: got inf");
    assert_refused(body.traction([0, 9], [[0.0; 2]; 2]).map(|_| ()), "node: got 9");
    assert_refused(body.pressure([7, 0], 1.0).map(|_| ()), "node: got 7");
    assert_refused(body.solve(), "supports: got a body that can move freely");
}

#[test]
fn pairs_that_are_none() {
    let image = || Tensor::<4>::ones([2, 1, 4, 4], &device());
    let new = |fixed: Tensor<4>, moving_labels: Tensor<4>, fixed_labels: Tensor<4>| {
        Pairs::new(image(), fixed, moving_labels, fixed_labels)
    };
    let other = || Tensor::<4>::ones([2, 1, 4, 5], &device());
    assert_refused(new(other(), image(), image()), "fixed: got shape");
    assert_refused(new(image(), other(), other()), "moving_labels: got shape");
    let two = Tensor::<4>::ones([2, 2, 4, 4], &device());
    assert_refused(new(image(), two, image()), "fixed_labels: got shape");
    let empty = image().slice_fill([1..2, 0..1, 0..4, 0..4], 0.0);
    assert_refused(new(image(), image(), empty), "fixed_labels[1, 0]: got no voxel");
    assert_refused(new(image(), image().mul_scalar(2.0), image()), "moving_labels: got 2");
    assert_refused(new(image(), image(), image().mul_scalar(f64::NAN)), "fixed_labels: got NaN");
}

#[test]
fn trainings() {
    let pairs = pairs(3);
    let init = |config: cni_registration::training::RegistrationConfig| {
        config.init::<_, _, 4>(network(), LocalNet::forward, &device())
    };
    let adversarial = || config(Some(AdversarialLoss::Wasserstein { clip: 0.01 }));
    let mut bad = config(None);
    bad.batch_size = 0;
    assert_refused(init(bad), "batch_size: got 0");
    let mut bad = config(None);
    bad.optimization.learning_rate = 0.0;
    assert_refused(init(bad), "learning_rate: got 0");
    assert_refused(
        init(config(None).with_penalty(Penalty::GradientL1, -1.0)),
        "penalty.weight: got -1",
    );
    let mut bad = config(None);
    bad.similarity.sigmas.clear();
    assert_refused(init(bad), "sigmas: got 0");
    for (change, start) in [
        (
            (|a| a.weight = -1.0) as fn(&mut cni_registration::training::AdversaryConfig),
            "adversary.weight: got -1",
        ),
        (|a| a.updates = 0, "adversary.updates: got 0"),
        (|a| a.optimization.learning_rate = f64::NAN, "adversary.learning_rate: got NaN"),
        (|a| a.loss = AdversarialLoss::Wasserstein { clip: 0.0 }, "clip: got 0"),
        (|a| a.discriminator.levels = 0, "levels: got 0"),
    ] {
        let mut config = adversarial();
        change(config.adversary.as_mut().unwrap());
        assert_refused(init(config), start);
    }

    let source = SmoothFields::new([16, 16], 2.0, 1.0);
    let mut plain = init(config(None)).unwrap();
    assert_refused(plain.run(&pairs, Some(&source), 1), "true_fields: got a source");
    let mut trainer = init(adversarial()).unwrap();
    assert_refused(trainer.run(&pairs, None, 1), "true_fields: got none");
    let small = SmoothFields::new([8, 8], 2.0, 1.0);
    assert_refused(trainer.run(&pairs, Some(&small), 1), "field: got shape");
    let mut wild = config(None);
    wild.optimization.learning_rate = 1e30;
    let mut wild = init(wild).unwrap();
    assert_refused(wild.run(&pairs, None, 9), "step ");
    assert!(wild.history().iter().all(|losses| losses.label.is_finite()));
}

#[test]
fn checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("checkpoint");
    let trainer = config(None).init::<_, _, 4>(network(), LocalNet::forward, &device()).unwrap();
    trainer.save(&at).unwrap();
    let text = trainer.save(&at).unwrap_err().to_string();
    assert!(text.contains("wanted a new one"), "{text}");
    // Nothing hidden is left beside it.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let resume = |config: &cni_registration::training::RegistrationConfig, at: &std::path::Path| {
        let resumed = config.resume::<_, _, 4>(network(), LocalNet::forward, &device(), at);
        resumed.err().expect("it is refused").to_string()
    };
    assert!(resume(&config(None), &folder.path().join("none")).contains("state.json: "));
    let mut other = config(None);
    other.batch_size = 5;
    let text = resume(&other, &at);
    assert!(text.contains("got config {") && text.contains("\"batch_size\":5"), "{text}");
    let weights = std::fs::read(at.join("network.bpk")).unwrap();
    let mut changed = weights.clone();
    let last = changed.last_mut().unwrap();
    *last ^= 1;
    for bytes in [&changed[..], b"no record"] {
        std::fs::write(at.join("network.bpk"), bytes).unwrap();
        let text = resume(&config(None), &at);
        assert!(text.contains("network.bpk: got sha256 "), "{text}");
    }
    std::fs::write(at.join("network.bpk"), weights).unwrap();
    let state = std::fs::read_to_string(at.join("state.json")).unwrap();
    std::fs::write(at.join("state.json"), state.replace("\"format\": 2", "\"format\": 9")).unwrap();
    assert!(resume(&config(None), &at).contains("got format 9, wanted 2"));
    std::fs::write(at.join("state.json"), "{").unwrap();
    assert!(resume(&config(None), &at).contains("state.json: wanted a record of this training"));
}
