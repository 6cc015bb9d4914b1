//! What a run refuses by name, before anything is written or harmed.

use super::{Net, config, epochs, run_with};
use burn::tensor::Device;
use cni_attacks::{Apgd, Attack, Pgd, Threat};
use cni_data::{Augmentation, ImageData};
use cni_training::{
    CheckpointSelector, HalfAndHalf, Objective, OverfittingWatch, Progress, Schedule, Sgd, Trainer,
    TrainingConfig, load_checkpoint,
};
use std::sync::Arc;

#[test]
fn folders_that_do_not_fit_are_refused_by_name_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let short = || TrainingConfig { epochs: 2, ..config() };
    run_with(short(), folder.path(), false, Net::forward).unwrap();
    let refuse = |config: TrainingConfig, start| {
        let error = run_with(config, folder.path(), start, Net::forward).unwrap_err().to_string();
        assert_eq!(epochs(folder.path()), ["epoch-1", "epoch-2"]);
        error
    };
    assert!(refuse(short(), false).contains("holds checkpoints already"));
    let other = TrainingConfig { batch_size: 32, ..short() };
    assert!(refuse(other, true).contains("config/batch_size was 64, is 32"));
    let model = folder.path().join("checkpoints/epoch-2/model.bpk");
    let bytes = std::fs::read(&model).unwrap();
    std::fs::write(&model, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refuse(short(), true).contains("model.bpk"));
    let absent =
        load_checkpoint(Net::new(&Device::flex()), "no/such/run", CheckpointSelector::Last);
    assert!(absent.unwrap_err().to_string().contains("no/such/run"));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refuse = |config: TrainingConfig| match Trainer::<Net>::new(config, "unused") {
        Err(error) => error.to_string(),
        Ok(_) => panic!("a wrong setting was taken"),
    };
    let sgd = |optimizer: Sgd| TrainingConfig { optimizer: optimizer.into(), ..config() };
    let clip = |max| TrainingConfig { max_grad_norm: Some(max), ..config() };
    let schedule = |schedule| TrainingConfig { schedule, ..config() };
    let cases = [
        (TrainingConfig { epochs: 0, ..config() }, "epochs: got 0, wanted at least 1"),
        (TrainingConfig { batch_size: 0, ..config() }, "batch_size: got 0, wanted at least 1"),
        (
            sgd(Sgd { momentum: 1.0, ..Sgd::default() }),
            "momentum: got 1, wanted a number in [0, 1)",
        ),
        (
            sgd(Sgd { weight_decay: f64::NAN, ..Sgd::default() }),
            "weight_decay: got NaN, wanted a finite number of at least 0",
        ),
        (clip(0.0), "max_grad_norm: got 0, wanted a finite number above 0"),
        (clip(-1.0), "max_grad_norm: got -1, wanted"),
        (clip(f64::NAN), "max_grad_norm: got NaN, wanted"),
        (sgd(Sgd { nesterov: true, ..Sgd::default() }), "nesterov: got momentum 0, dampening 0"),
        (sgd(Sgd { dampening: 0.5, ..Sgd::cni() }), "nesterov: got momentum 0.9, dampening 0.5"),
        (sgd(Sgd { dampening: 0.5, ..Sgd::default() }), "dampening: got 0.5 without momentum"),
        (sgd(Sgd { dampening: 2.0, ..Sgd::cni() }), "dampening: got 2, wanted a number in [0, 1]"),
        (
            TrainingConfig { validation_draws: 0, ..config() },
            "validation_draws: got 0, wanted at least 1",
        ),
        (
            TrainingConfig { epochs: 1, ..config() },
            "objective half_and_half: start_epoch: got 1 of 1 epochs",
        ),
        (schedule(Schedule::constant(f64::NAN)), "schedule: got lr NaN"),
        (schedule(Schedule::constant(0.0)), "schedule: got lr 0"),
        (schedule(Schedule::multi_step(0.1, &[0, 3])), "schedule: got milestones [0, 3]"),
        (schedule(Schedule::cosine(-1.0)), "schedule: got lr -1"),
        (schedule(Schedule::one_cycle(f64::INFINITY)), "schedule: got max_lr inf"),
    ];
    for (config, message) in cases {
        let error = refuse(config);
        assert!(error.starts_with(message), "{error}");
    }
    let adversarial = HalfAndHalf::new(Pgd::training(Threat::linf(0.1).unwrap()));
    assert!(adversarial.clone().with_weights(-1.0, 1.0).is_err());
    assert!(adversarial.with_weights(0.0, 0.0).is_err());
}

#[test]
fn what_the_images_or_the_outputs_are_too_few_for_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    for crop_padding in [8, usize::MAX] {
        let augment = vec![Augmentation::crop(crop_padding)];
        let config = TrainingConfig { augment, ..config() };
        let error = run_with(config, &out, false, Net::forward).unwrap_err().to_string();
        let wanted = format!("augmentation crop: padding: got {crop_padding}, wanted 0..8");
        assert!(error.contains(&wanted), "{error}");
    }

    // Three classes, of which a targeted DLR needs four.
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    let toy = |name| {
        let labels: Vec<u16> = (0..64).map(|i| i % 3).collect();
        ImageData::new(name, [1, 8, 8], vec![7; 64 * 64], labels, classes.clone()).unwrap()
    };
    let targeted = Apgd::targeted(Threat::linf(0.1).unwrap());
    let three = |net: &Net, images| net.forward(images).narrow(1, 0, 3);
    let attack = || Arc::new(targeted.clone()) as Arc<dyn Attack>;
    let clean = || TrainingConfig { objective: Objective::clean(), ..config() };
    let watch = OverfittingWatch::stop(Threat::linf(0.1).unwrap()).unwrap();
    let watch = Some(OverfittingWatch { attack: attack(), ..watch });
    let objective = Objective::half_and_half(targeted.clone());
    let asked = [
        ("objective", TrainingConfig { objective, ..config() }),
        ("validation_attack", TrainingConfig { validation_attack: Some(attack()), ..clean() }),
        ("overfitting: attack", TrainingConfig { overfitting: watch, ..clean() }),
    ];
    for (field, config) in asked {
        let trainer = Trainer::new(config, &out).unwrap().with_progress(Progress::Quiet);
        let trainer = trainer.with_validation(toy("slice"));
        let run = trainer.run(Net::new(&Device::flex()), three, toy("train"));
        let error = run.unwrap_err().to_string();
        let wanted = format!("{field}: got APGD-T-100 against 3 outputs, of which it wants 4");
        assert!(error.starts_with(&wanted), "{error}");
    }
    assert!(!out.exists());
}
