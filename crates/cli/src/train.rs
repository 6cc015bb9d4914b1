//! A run of the trainer.

use crate::args::Train;
use crate::choices::{Dataset, Kind};
use crate::devices;
use crate::given::{Given, Idle};
use cni_burn::data::{ImageData, Split};
use cni_burn::evaluation::write_json;
use cni_burn::prelude::*;
use cni_burn::training::{
    AttackLabels, CheckpointSelector, Devices, HalfAndHalf, Optimizer, Progress, checkpoint_info,
};
use std::error::Error;
use std::sync::Arc;

/// Flags that others leave without effect.
fn idle(args: &Train) -> [Idle<'static>; 5] {
    let idle = |when, flags, because| Idle { when, flags, because };
    [
        idle(args.clean, &["adversarial-from", "predicted-labels"], "--clean attacks nothing"),
        idle(args.devices == 1, &["parallel"], "one device shares nothing"),
        idle(
            args.weight_decay == 0.0 || args.model.noise == Kind::None,
            &["no-noise-decay"],
            "no noise decays",
        ),
        idle(!cfg!(feature = "tui"), &["tui"], "the program is built without `--features tui`"),
        args.source.idle(),
    ]
}

pub fn train(args: Train, given: &Given) -> Result<(), Box<dyn Error>> {
    // A run that goes on is the one that was begun, and says so before it reads any data.
    if args.resume {
        match checkpoint_info(&args.out, CheckpointSelector::Last) {
            Ok(_) => args.model.agrees_with(&args.out, given)?,
            Err(error) => println!("nothing to continue: {error}"),
        }
    }
    given.refuse(&args.model.idle())?;
    given.refuse(&idle(&args))?;
    if !args.clean && args.adversarial_from >= args.epochs {
        let wanted = format!("less than the {} of --epochs", args.epochs);
        let because = "no epoch would train on adversarial images; --clean asks for that";
        return Err(given.refusal("adversarial-from", wanted, because).into());
    }
    let list = devices::devices(&args.source.device, args.devices)?;
    let devices = Devices::new(list, args.parallel.into())?;
    let key = Key::new(args.seed);
    let data = some(args.model.load(&args.source, Split::Train)?, args.subset, "subset", given)?;
    if args.validation >= data.len() {
        let wanted = format!("less than the {} examples there are", data.len());
        let because = "the rest is what there is to train on";
        return Err(given.refusal("validation", wanted, because).into());
    }
    let (train, validation) = data.split_validation(args.validation, key.named("split"))?;

    let attack = Pgd::training(Threat::linf(args.model.epsilon)?);
    let labels = if args.predicted_labels { AttackLabels::Predicted } else { AttackLabels::True };
    let objective = match args.clean {
        true => Objective::clean(),
        false => HalfAndHalf::new(attack.clone())
            .with_start_epoch(args.adversarial_from)
            .with_labels(labels)
            .into(),
    };
    let mut config = TrainingConfig::cni(objective);
    config.epochs = args.epochs;
    config.batch_size = args.batch;
    config.optimizer = Optimizer::Sgd(Sgd {
        weight_decay: args.weight_decay,
        decay_noise: !args.no_noise_decay,
        ..Sgd::cni()
    });
    config.max_grad_norm =
        args.clip.map_or(config.max_grad_norm, |clip| (clip > 0.0).then_some(clip));
    // At most one for each epoch, and none before the first, which trains at the rate asked for.
    let mut quarters = [1, 2, 3].map(|quarter| (quarter * args.epochs / 4).max(1)).to_vec();
    quarters.dedup();
    config.schedule = match args.one_cycle {
        true => Schedule::one_cycle(args.rate),
        false => Schedule::multi_step(args.rate, &quarters),
    };
    config.augment.flip &= args.model.dataset != Dataset::Digits;
    config.validation_attack = (!args.clean).then(|| Arc::new(attack) as Arc<dyn Attack>);
    config.precision = args.source.precision;
    config.key = key.named("training");

    let model = keyed_init(args.model.build(devices.first())?, key.named("weights"));
    println!("{} parameters, {} examples to train on", count_parameters(&model), train.len());
    let progress = if args.tui { Progress::Dashboard } else { Progress::Lines };
    let trained = Trainer::new(config, &args.out)?
        .with_validation(validation)
        .with_devices(devices)
        .with_progress(progress)
        .with_watch(noise_amplitudes)
        .with_model_config(&args.model)?
        .resume(args.resume)
        .run(model, ResNet::forward, train)?;
    write_json(&args.out.join("history.json"), &trained.history)?;
    println!(
        "best epoch on the validation slice: {}; run: {}",
        trained.best_epoch,
        args.out.display()
    );
    Ok(())
}

/// The first of a set's examples, as many as a flag that was given says.
pub fn some(
    data: ImageData,
    count: Option<usize>,
    flag: &str,
    given: &Given,
) -> Result<ImageData, String> {
    match count {
        Some(count) if count > data.len() && given.has(flag) => {
            let wanted = format!("at most {}", data.len());
            Err(given.refusal(flag, wanted, &format!("{} has no more examples", data.name())))
        }
        Some(count) => Ok(data.take(count)),
        None => Ok(data),
    }
}
