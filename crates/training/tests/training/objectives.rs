//! The built-in objectives in runs and in single steps: exact resume, two devices, the passes that
//! a step takes, the images that attacks find, and refused settings. One file, because every test
//! is the same small step with another objective in it.

use crate::support::linear_net::Net;
use crate::support::numbers::numbers;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Tensor};
use cni_attacks::{Attack, Loss, Norm, Pgd, RandomStart, Square, Threat};
use cni_data::{Batch, ImageData, Loader, Sampler, Split, digits};
use cni_noise::{ExampleIds, Key, normal_rows, uniform_rows};
use cni_training::{
    AttackLabels, Clean, Devices, Elle, EpsilonRamp, Free, HalfAndHalf, LabelNoise, Madry, Mart,
    Objective, Parallel, Progress, Rotation, Schedule, Sgd, Step, Trades, Trained, Trainer,
    TrainingConfig, TrainingError, kl_divergence,
};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::path::Path;

impl Net {
    /// True in a training pass.
    fn trains(&self) -> bool {
        self.out.weight.val().is_autodiff()
    }
}

fn data() -> (ImageData, ImageData) {
    digits(Split::Train).take(240).split_validation(48, Key::new(2)).unwrap()
}

/// Steps in L2 follow the gradient evenly: the sign of a gradient near zero would turn the rounding
/// of sums, in which devices differ, into steps.
fn threat() -> Threat {
    Threat::l2(0.5).unwrap()
}

fn two() -> Pgd {
    Pgd::two_steps(threat())
}

fn trades() -> Pgd {
    Pgd::trades(threat()).with_steps(2).unwrap()
}

/// Turns told from the hidden units, by the weights of the first four classes.
fn turns(net: &Net, images: Tensor<4>) -> Tensor<2> {
    net.forward(images).narrow(1, 0, 4)
}

fn rotation() -> Objective {
    Rotation::new(Objective::madry(two()), turns).with_weight(0.5).unwrap().into()
}

fn every() -> Vec<Objective> {
    let noise = LabelNoise { share: 0.2, key: Key::new(4) };
    let ramp = EpsilonRamp { epochs: 2, from: 0.1 };
    vec![
        Clean::new().with_label_smoothing(0.1).unwrap().with_label_noise(noise).unwrap().into(),
        Objective::madry(Pgd::random_fgsm(threat())),
        Madry::new(Pgd::n_fgsm(threat())).with_label_smoothing(0.3).unwrap().into(),
        HalfAndHalf::new(two())
            .with_start_epoch(1)
            .with_epsilon_ramp(ramp)
            .with_labels(AttackLabels::Predicted)
            .with_label_noise(noise)
            .unwrap()
            .into(),
        Objective::trades(trades()),
        Trades::new(trades()).with_beta(2.0).unwrap().with_epsilon_ramp(ramp).into(),
        Mart::new(trades()).with_start_epoch(1).into(),
        Elle::new(Pgd::fgsm(threat())).with_lambda(10.0).unwrap().into(),
        rotation(),
        Free { threat: threat(), step_size: Some(0.2) }.into(),
    ]
}

/// Three epochs of three steps.
fn config(objective: Objective) -> TrainingConfig {
    TrainingConfig { batch_size: 64, key: Key::new(3), ..TrainingConfig::new(3, objective) }
}

fn trainer(objective: Objective, folder: &Path) -> Trainer<Net> {
    let trainer = Trainer::new(config(objective), folder).unwrap();
    trainer.with_validation(data().1).with_progress(Progress::Quiet)
}

fn run(objective: Objective, devices: usize) -> Trained<Net> {
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::new(vec![Device::flex(); devices], Parallel::Multi).unwrap();
    let trainer = trainer(objective, folder.path()).with_devices(devices);
    trainer.run(Net::new(), Net::forward, data().0).unwrap()
}

/// A run that is ended after its second epoch, and then goes on.
fn resumed(objective: Objective) -> Trained<Net> {
    let folder = tempfile::tempdir().unwrap();
    let first =
        trainer(objective.clone(), folder.path()).with_callback(|epoch| match epoch.row.epoch {
            2 => ControlFlow::Break("enough".into()),
            _ => ControlFlow::Continue(()),
        });
    let ended = first.run(Net::new(), Net::forward, data().0).unwrap();
    assert_eq!(ended.history.len(), 2);
    let trainer = trainer(objective, folder.path()).resume(true);
    trainer.run(Net::new(), Net::forward, data().0).unwrap()
}

fn distance(a: &Net, b: &Net) -> f32 {
    let pairs = numbers(a).into_iter().zip(numbers(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Nine steps; all but the random draws of the attacks would be the same for any number of devices.
#[test]
fn every_objective_resumes_bit_for_bit_and_trains_on_two_devices_as_on_one() {
    for objective in every() {
        let case = objective.spec().to_string();
        let whole = run(objective.clone(), 1);
        let again = resumed(objective.clone());
        assert_eq!(numbers(&again.model), numbers(&whole.model), "{case}");
        assert_eq!(again.history, whole.history, "{case}");
        if case.contains("\"free\"") {
            continue;
        }
        let moved = distance(&whole.model, &Net::new());
        let off = distance(&run(objective, 2).model, &whole.model);
        assert!(off < 1e-5 && moved > 0.05, "{case}: {off} off after a move of {moved}");
    }
}

#[test]
fn every_objective_is_read_back_from_its_file() {
    for objective in every() {
        if objective.spec()["objective"] == "rotation" {
            let error = serde_json::from_value::<Objective>(objective.spec()).unwrap_err();
            assert!(error.to_string().contains("a custom rule is built in code"), "{error}");
            continue;
        }
        let again: Objective = serde_json::from_value(objective.spec()).unwrap();
        assert_eq!(again.spec(), objective.spec());
        let text = serde_json::to_string(&config(objective)).unwrap();
        let config: TrainingConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&config).unwrap(), text);
    }
    let pgd = json!({ "attack": "pgd", "threat": { "norm": "l2", "epsilon": 0.5 } });
    let read = |spec: Value| serde_json::from_value::<Objective>(spec).unwrap().spec();
    for (name, weight, value) in
        [("trades", "beta", 6.0), ("mart", "lambda", 5.0), ("elle", "lambda", 5000.0)]
    {
        let short = read(json!({ "objective": name, "attack": pgd }));
        assert_eq!(short[weight], value, "{name}");
        assert_eq!(short["start_epoch"], 0);
    }
    // What is not set is not written: the specifications of before stay as they were.
    assert_eq!(Objective::clean().spec(), json!({ "objective": "clean" }));
    let madry = read(json!({ "objective": "madry", "attack": pgd }));
    let attack = Pgd::new(threat()).spec();
    let wanted =
        json!({ "objective": "madry", "attack": attack, "start_epoch": 0, "labels": "true" });
    assert_eq!(madry, wanted);
    let noisy = json!({
        "objective": "clean", "label_smoothing": 0.1, "label_noise": { "share": 0.2, "key": 4 },
    });
    assert_eq!(read(noisy)["label_noise"], json!({ "share": 0.2, "key": Key::new(4) }));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |objective: Objective| {
        let error = Trainer::<Net>::new(config(objective), "never").err().unwrap();
        assert!(matches!(error, TrainingError::Setting { .. }));
        error.to_string()
    };
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let wanted = |field| format!("{field}: got {weight}, wanted a finite number above 0");
        let trades = Trades::new(trades()).with_beta(weight).err().unwrap();
        assert_eq!(trades.to_string(), wanted("beta"));
        let mart = Mart::new(two()).with_lambda(weight).err().unwrap();
        assert_eq!(mart.to_string(), wanted("lambda"));
        let elle = Elle::new(two()).with_lambda(weight).err().unwrap();
        assert_eq!(elle.to_string(), wanted("lambda"));
    }
    let of_file = |spec: Value| serde_json::from_value::<Objective>(spec);
    let mut spec = Objective::trades(trades()).spec();
    spec["beta"] = json!(-2.0);
    let error = refused(of_file(spec.clone()).unwrap());
    assert_eq!(error, "objective trades: beta: got -2, wanted a finite number above 0");
    spec["beta"] = json!(6.0);
    spec["attack"]["loss"] = json!("margin");
    let error = refused(of_file(spec.clone()).unwrap());
    assert!(error.starts_with("objective trades: attack: got PGD-2-margin, wanted one"), "{error}");
    // A setting of other objectives, without an effect here.
    spec["labels"] = json!("predicted");
    let error = of_file(spec).err().unwrap().to_string();
    assert!(error.contains("objective trades: labels: there is no such setting"), "{error}");
    let fixed_loss = refused(Objective::trades(Square::new(threat())));
    assert!(fixed_loss.starts_with("objective trades: attack: got Square"), "{fixed_loss}");
    let late = Mart::new(two()).with_start_epoch(3);
    assert!(refused(late.into()).starts_with("objective mart: start_epoch: got 3 of 3 epochs"));
    let ramp = Elle::new(two()).with_start_epoch(1).with_epsilon_ramp(EpsilonRamp::new(3));
    let error = refused(ramp.into());
    assert!(error.starts_with("objective elle: epsilon_ramp: epochs: got 3 of 2 epo"), "{error}");
    let smooth = json!({ "objective": "clean", "label_smoothing": 1.0 });
    let error = refused(of_file(smooth).unwrap());
    assert!(error.starts_with("objective clean: label_smoothing: got 1, wanted a"), "{error}");
    let noise = json!({ "objective": "clean", "label_noise": { "share": 0.1, "seed": 3 } });
    let error = of_file(noise).err().unwrap().to_string();
    assert!(error.contains("unknown field `seed`"), "{error}");
}

fn first_batch() -> Batch {
    let loader = Loader::new(data().0, 64, Key::new(3), &Device::flex().autodiff()).unwrap();
    loader.epoch(0).next().unwrap().unwrap()
}

/// The training passes and those of the attack in a step.
#[test]
fn a_step_takes_no_more_passes_than_its_attack_and_its_loss_need() {
    let three = || two().with_steps(3).unwrap();
    let cases: [(Objective, [usize; 2]); 10] = [
        (Objective::clean(), [1, 0]),
        (Objective::madry(three()), [1, 3]),
        (Objective::madry(Pgd::n_fgsm(threat())), [1, 1]),
        (Objective::half_and_half(three()), [2, 3]),
        (Objective::trades(three()), [2, 3]),
        (Objective::mart(three()), [2, 3]),
        (Objective::elle(three()), [4, 3]),
        // Its head is a function of its own beside that of the step.
        (rotation(), [1, 2]),
        (Objective::free(threat()), [1, 0]),
        // Without a radius nothing is attacked.
        (Madry::new(three()).with_epsilon_ramp(EpsilonRamp::new(2)).into(), [1, 0]),
    ];
    for (objective, wanted) in cases {
        let passes = Cell::new([0; 2]);
        let forward = |net: &Net, images: Tensor<4>| {
            let mut counts = passes.get();
            counts[usize::from(!net.trains())] += 1;
            passes.set(counts);
            net.forward(images)
        };
        let net = Net::new().train();
        let step = Step::new(&net, forward, first_batch());
        objective.losses(&step).unwrap();
        assert_eq!(passes.get(), wanted, "{objective:?}");
    }
}

/// The images of the training passes of a step, in their order.
fn trained_on(objective: &Objective, batch: Batch) -> Vec<Tensor<4>> {
    let seen = RefCell::new(Vec::new());
    let forward = |net: &Net, images: Tensor<4>| {
        if net.trains() {
            seen.borrow_mut().push(images.clone().inner());
        }
        net.forward(images)
    };
    let net = Net::new().train();
    objective.losses(&Step::new(&net, forward, batch)).unwrap();
    seen.into_inner()
}

fn largest<const D: usize>(values: Tensor<D>) -> f64 {
    values.abs().max().into_scalar()
}

/// Three steps of ε/4 up the divergence from the clean predictions, from a start that is Gaussian.
#[test]
fn the_attack_of_trades_is_that_of_its_algorithm() {
    let (batch, threat) = (first_batch(), Threat::linf(0.1).unwrap());
    let attack = Pgd::trades(threat).with_steps(3).unwrap();
    let found = trained_on(&Objective::trades(attack.clone()), batch.clone());
    let [clean, found] = found.try_into().unwrap();
    let net = Net::new();
    let key = batch.key.named("attack").child(0).named("start");
    let examples = ExampleIds::from(batch.first_example);
    let change = normal_rows(key, &examples, &clean).mul_scalar(0.001);
    let mut x = Norm::Linf.project(clean.clone() + change, &clean, 0.1);
    let p = softmax(net.forward(clean.clone()), 1);
    for _ in 0..3 {
        let leaf = x.clone().autodiff().require_grad();
        let log = log_softmax(net.forward(leaf.clone()), 1);
        let slope = leaf.grad(&(-(log * p.clone())).sum().backward()).unwrap();
        x = Norm::Linf.project(x + slope.sign().mul_scalar(0.025), &clean, 0.1);
    }
    // The sign of a slope near zero is a matter of rounding.
    let differ = (found.clone() - x).abs().greater_elem(1e-5).float().mean();
    assert!(differ.into_scalar::<f64>() < 1e-2);
    let divergence = |images: Tensor<4>| {
        let [p, q] = [clean.clone(), images].map(|images| net.forward(images));
        kl_divergence(p, q).mean().into_scalar::<f64>()
    };
    // Farther than a random point.
    let far = trained_on(&Objective::trades(attack.with_steps(10).unwrap()), batch.clone());
    let random = Norm::Linf.random_start(batch.key, &clean, 0.1, &examples);
    let random = Norm::Linf.project(clean.clone() + random, &clean, 0.1);
    let [far, random] = [far[1].clone(), random].map(divergence);
    assert!(far > 3.0 * random, "{far}, {random}");
}

/// Examples leave a run of restarts with the row of the reference that is theirs.
#[test]
fn the_best_of_several_starts_diverges_at_least_as_far_in_prediction() {
    let (batch, net) = (first_batch(), Net::new());
    let changed = |attack: Pgd| {
        let found = trained_on(&Objective::trades(attack), batch.clone());
        let [clean, found] = [0, 1].map(|i: usize| net.forward(found[i].clone()).argmax(1));
        clean.not_equal(found).float().sum().into_scalar::<f64>()
    };
    let attack = Pgd::trades(Threat::linf(0.05).unwrap()).with_steps(3).unwrap();
    let several = attack.clone().with_restarts(3).unwrap();
    assert!(changed(several) >= changed(attack));
}

#[test]
fn a_ramp_moves_the_radius_with_every_step() {
    let clean = first_batch();
    let ramp = EpsilonRamp { epochs: 2, from: 0.02 };
    let fgsm = Pgd::fgsm(Threat::linf(0.1).unwrap());
    let objective: Objective = Madry::new(fgsm).with_start_epoch(1).with_epsilon_ramp(ramp).into();
    for (epoch, number, wanted) in
        [(0, 2, 0.0), (1, 0, 0.02), (1, 3, 0.05), (2, 2, 0.08), (3, 0, 0.1), (7, 3, 0.1)]
    {
        let batch = Batch { epoch, number, batches: 4, ..clean.clone() };
        let images = trained_on(&objective, batch).remove(0);
        let moved = largest(images - clean.images.clone().inner());
        assert!((moved - wanted).abs() < 1e-6, "{epoch} {number}: {moved}");
    }
}

#[test]
fn noise_on_labels_and_smoothing_leave_the_attack_alone() {
    let attack = || Pgd::new(threat()).with_random_start(RandomStart::none());
    let plain = trained_on(&Objective::madry(attack()), first_batch());
    let noisy = Madry::new(attack()).with_label_noise(LabelNoise::new(1.0)).unwrap();
    let noisy = noisy.with_label_smoothing(0.5).unwrap();
    let noisy = trained_on(&noisy.into(), first_batch());
    assert_eq!(plain[0].to_data(), noisy[0].to_data());
}

/// The squares by hand, at the points that the keys of the step give.
#[test]
fn the_penalty_of_elle_is_its_formula_and_a_score() {
    let (batch, net) = (first_batch(), Net::new().train());
    let step = Step::new(&net, Net::forward, batch.clone());
    let attack = Pgd::fgsm(Threat::linf(0.1).unwrap());
    let [plain, elle] = [Objective::madry(attack.clone()), Objective::elle(attack)]
        .map(|objective| objective.losses(&step).unwrap());
    let (clean, key) = (batch.images.clone().inner(), batch.key.named("nonlinearity"));
    let examples = ExampleIds::from(batch.first_example);
    let [a, b] = ["a", "b"].map(|name| {
        let change = Norm::Linf.random_start(key.named(name), &clean, 0.1, &examples);
        (clean.clone() + change).clamp(0.0, 1.0)
    });
    let shares = uniform_rows(key.named("share"), &examples, 64, 1);
    let share = Tensor::<1>::from_data(shares.as_slice(), &Device::flex());
    let at = share.clone().reshape([64, 1, 1, 1]);
    let c = a.clone() * (-at.clone() + 1.0) + b.clone() * at;
    let plain_net = Net::new();
    let [a, b, c] = [a, b, c]
        .map(|images| Loss::CrossEntropy.per_example(plain_net.forward(images), &batch.labels));
    let wanted = (c - a * (-share.clone() + 1.0) - b * share).square();
    let score = elle.score("nonlinearity").unwrap().clone();
    assert!(largest(wanted.clone()) > 0.0);
    assert!(largest(score - wanted.clone()) < 1e-6);
    let penalty = elle.loss().clone().inner() - plain.loss().clone().inner();
    assert!(largest(penalty - wanted * 5000.0) < 1e-2);
}

/// Every second image is turned, all by the same angle, and a head that always answers "not turned"
/// with certainty is right on the others.
#[test]
fn rotation_turns_every_second_image_and_refuses_what_it_cannot_use() {
    let (batch, net) = (first_batch(), Net::new().train());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let keep = seen.clone();
    let head = move |net: &Net, images: Tensor<4>| {
        *keep.lock().unwrap() = Some(images.clone().inner());
        turns(net, images).mul_scalar(0.0)
    };
    let rule: Objective = Rotation::new(Objective::clean(), head).with_weight(2.0).unwrap().into();
    let step = Step::new(&net, Net::forward, batch.clone());
    let losses = rule.losses(&step).unwrap();
    let clean = Objective::clean().losses(&step).unwrap();
    let added = losses.loss().clone().inner() - clean.loss().clone().inner();
    assert!(largest(added - 2.0 * 4f64.ln()) < 1e-5);
    // Of equal logits the first counts as the largest.
    let hits: Vec<f32> = losses.score("rotation").unwrap().try_to_vec_as().unwrap();
    let images = seen.lock().unwrap().clone().unwrap();
    for (row, hit) in hits.into_iter().enumerate() {
        let of = |images: &Tensor<4>| images.clone().narrow(0, row, 1);
        let same = largest(of(&images) - of(&batch.images.clone().inner())) == 0.0;
        assert_eq!((same, hit), (row % 2 == 0, f32::from(u8::from(row % 2 == 0))), "{row}");
    }
    let refused = |rule: Objective, batch: Batch| {
        rule.losses(&Step::new(&net, Net::forward, batch)).err().unwrap().to_string()
    };
    let three = |net: &Net, images: Tensor<4>| net.forward(images).narrow(1, 0, 3);
    let error = refused(Rotation::new(Objective::clean(), three).into(), batch.clone());
    assert!(error.starts_with("objective rotation: head: got shape [64, 3] for 64"), "{error}");
    let other = |_: &Linear, images: Tensor<4>| images.flatten::<2>(1, 3);
    let error = refused(Rotation::new(Objective::clean(), other).into(), batch.clone());
    assert!(error.starts_with("objective rotation: model: got one of another type"), "{error}");
    let flat = Batch { images: batch.images.clone().reshape([64, 1, 4, 16]), ..batch };
    let error = refused(rotation(), flat);
    assert!(error.starts_with("objective rotation: images: got 4 by 16, wanted sq"), "{error}");
    let error = Rotation::<Net>::new(Objective::clean(), turns).with_weight(0.0).err().unwrap();
    assert_eq!(error.to_string(), "weight: got 0, wanted a finite number above 0");
}

/// Two replays of each of three batches with plain gradient descent, against a loop by hand.
#[test]
fn free_training_is_its_algorithm() {
    let threat = Threat::linf(0.1).unwrap();
    let config = TrainingConfig {
        epochs: 1,
        sampler: Sampler::replays(2),
        optimizer: Sgd::default().into(),
        schedule: Schedule::constant(0.2),
        ..config(Objective::free(threat))
    };
    let folder = tempfile::tempdir().unwrap();
    let trainer = Trainer::new(config, folder.path()).unwrap().with_progress(Progress::Quiet);
    let trained = trainer.run(Net::new(), Net::forward, data().0).unwrap();

    let loader = Loader::new(data().0, 64, Key::new(3), &Device::flex()).unwrap();
    let loader = loader.with_sampler(Sampler::replays(2)).unwrap();
    let mut net = Net::new();
    let mut change = Tensor::<4>::zeros([64, 1, 8, 8], &Device::flex());
    let mut steps = 0;
    for batch in loader.epoch(0) {
        let Batch { images, labels, .. } = batch.unwrap();
        let leaf = (images.clone() + change).clamp(0.0, 1.0).autodiff().require_grad();
        let on_tape = net.clone().train();
        let loss = Loss::CrossEntropy.per_example(on_tape.forward(leaf.clone()), &labels).mean();
        let gradients = loss.backward();
        let moved = leaf.clone().inner() + leaf.grad(&gradients).unwrap().sign() * 0.1;
        change = Norm::Linf.project(moved, &images, 0.1) - images;
        let descend = |layer: &Linear| {
            let down = |param: Tensor<2>, gradient: Tensor<2>| param.inner() - gradient * 0.2;
            let (weight, bias) = (layer.weight.val(), layer.bias.as_ref().unwrap().val());
            let [of_weight, of_bias] =
                [weight.grad(&gradients).unwrap(), bias.grad(&gradients).unwrap().unsqueeze()];
            let bias = down(bias.unsqueeze::<2>(), of_bias).squeeze_dim::<1>(0);
            let weight = Param::from_tensor(down(weight, of_weight));
            Linear { weight, bias: Some(Param::from_tensor(bias)) }
        };
        net = Net { hidden: descend(&on_tape.hidden), out: descend(&on_tape.out) };
        steps += 1;
    }
    assert_eq!(steps, 6);
    let moved = distance(&net, &Net::new());
    let off = distance(&trained.model, &net);
    assert!(off < 1e-5 && moved > 0.01, "{off} off after a move of {moved}");
}

#[test]
fn what_an_objective_with_a_memory_cannot_have_is_refused_by_name() {
    let refused = |config| Trainer::<Net>::new(config, "never").err().unwrap().to_string();
    let free = || Objective::free(threat());
    let parts = TrainingConfig { accumulation: 2, ..config(free()) };
    let error = refused(parts);
    assert!(error.starts_with("accumulation: got 2 with the objective free, wanted 1"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::new(vec![Device::flex(); 2], Parallel::Multi).unwrap();
    let error = trainer(free(), folder.path()).with_devices(devices);
    let error = error.run(Net::new(), Net::forward, data().0).unwrap_err().to_string();
    assert!(error.starts_with("devices: got 2 with the objective free, wanted one"), "{error}");
    let size = Free { threat: threat(), step_size: Some(0.0) };
    let error = refused(config(size.into()));
    assert_eq!(error, "objective free: step_size: got 0, wanted a finite number above 0");
    for bad in [Threat::unbounded(Norm::L2), Threat::l2(0.0).unwrap()] {
        let error = refused(config(Objective::free(bad)));
        assert!(error.starts_with("objective free: threat: got L2 "), "{error}");
    }
}
