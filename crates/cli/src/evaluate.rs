//! From a checkpoint to a report.

use crate::args::Evaluate;
use crate::checkpoint::{self, Checkpoint};
use crate::choices::Kind;
use crate::given::{Given, Idle};
use crate::suites::Checks;
use crate::train::some;
use crate::watch::Watch;
use cni_burn::data::{DataError, ImageData, Loader, Split};
use cni_burn::device::device;
use cni_burn::evaluation::audit::Audit;
use cni_burn::evaluation::{Check, Verdict};
use cni_burn::prelude::*;
use cni_burn::report::Report;
use std::error::Error;
use std::ffi::OsString;

pub fn evaluate(args: Evaluate, given: &Given) -> Result<(), Box<dyn Error>> {
    given.refuse(&idle(&args))?;
    let device = device(&args.source.device)?;
    let precision = args.source.precision;
    if !precision.works_on(&device) {
        return Err(
            format!("--precision: got {precision}, which {} lacks", args.source.device).into()
        );
    }
    let Checkpoint { model, settings, name, out, classes, history, trained } =
        checkpoint::open(&args, given, &device)?;
    let (when, because) = (settings.noise == Kind::None, "the model has no noise");
    given.refuse(&[Idle { when, flags: &["noise-off"], because }])?;
    let test = settings.load(&args.source, Split::Test)?;
    same_classes(&test, &classes, &name)?;
    let test = some(test, Some(args.examples), "examples", given)?;
    // The model is judged by what was asked for, else by what its run was made with.
    let asked = given.has("epsilon").then_some(args.model.epsilon);
    let threat = Threat::linf(asked.unwrap_or(settings.epsilon))?;

    let eot = Pgd::new(threat).with_steps(args.eot_steps)?.with_draws(args.eot_draws)?;
    let model_card = ModelCard {
        name: args.name.clone().unwrap_or(name),
        fingerprint: ModelCard::fingerprint_of(&model),
        parameters: count_parameters(&model),
        noise: NoiseSummary::of(&model).to_string(),
        precision: (precision != Precision::Full).then(|| precision.to_string()),
        trained_against: trained,
        history,
        layers: NoiseCovariance::of(noise_covariances(&model)?),
    };
    let data_card = DataCard {
        name: test.name().to_string(),
        fingerprint: test.fingerprint(),
        classes: test.classes().to_vec(),
    };
    let mut evaluation = (args.suite.evaluation(eot.clone())?)
        .with_draws(args.draws)?
        .with_key(Key::new(args.seed).named("evaluation"))
        .with_cards(model_card, data_card)
        .with_command(command());
    let by_default = if args.suite.has_eot() { Checks::Quick } else { Checks::None };
    if let Some(effort) = args.checks.unwrap_or(by_default).effort() {
        evaluation = evaluation.with_audit(Audit::new(eot).with_effort(effort))?;
    }
    if !args.epsilons.is_empty() {
        evaluation = evaluation.with_epsilons(args.epsilons.iter().copied())?;
    }
    if let Some(sigma) = args.sigma {
        evaluation =
            evaluation.with_certificates(Smoothing::new(sigma)?.with_samples(args.samples)?)?;
    }
    let out = args.out.clone().unwrap_or(out);
    if args.keep_adversarial {
        evaluation = evaluation.with_adversarial(out.join("adversarial"));
    }
    let loader = Loader::validation(test.clone(), args.batch, Key::new(args.seed), &device)?;
    let batches = loader.epoch(0).map(|batch| batch.map(|batch| (batch.images, batch.labels)));
    let frozen = FrozenModel::new(&model, move |model: &ResNet, images| {
        autocast(precision, || model.forward(images))
    });
    let state = out.join("state");
    let judge = || -> Result<_, Box<dyn Error>> {
        let mut watch = Watch::new("attacks", args.quiet, test.len() as u64);
        let evaluated =
            evaluation.run_with(&frozen, batches, Some(&state), &mut |step| watch.step(step))?;
        watch.end();
        Ok(evaluated)
    };
    let evaluated = if args.noise_off { scope(Noise::Off, judge) } else { judge() }?;

    print(&evaluated.record, args.noise_off);
    evaluated.save(&out)?;
    Report::new(vec![evaluated])?.write(&out)?;
    println!("record: {}", out.join("record.json").display());
    println!("report: {}", out.join("report.html").display());
    Ok(())
}

/// Flags that others leave without effect.
fn idle(args: &Evaluate) -> [Idle<'static>; 4] {
    let apart = !args.suite.has_eot();
    let because = "AutoAttack attacks by itself";
    let checks = args.checks.is_some_and(|checks| checks != Checks::None);
    [
        Idle { when: apart, flags: &["eot-steps", "eot-draws"], because },
        Idle {
            when: apart && checks,
            flags: &["checks"],
            because: "they are about the EOT attack, which --suite leaves out",
        },
        Idle {
            when: args.sigma.is_none(),
            flags: &["samples"],
            because: "only certificates need samples, and --sigma asks for them",
        },
        args.source.idle(),
    ]
}

/// Refuses a test set whose labels mean something else than those of the training.
fn same_classes(test: &ImageData, classes: &[String], model: &str) -> Result<(), DataError> {
    let longest = classes.len().max(test.classes().len());
    let differs = |&i: &usize| classes.get(i) != test.classes().get(i);
    match (0..longest).find(differs) {
        // Checkpoints of other makes do not say.
        Some(position) if !classes.is_empty() => Err(DataError::Classes {
            name: test.name().to_string(),
            reference: format!("the training of {model}"),
            position,
            got: test.classes().get(position).cloned(),
            wanted: classes.get(position).cloned(),
        }),
        _ => Ok(()),
    }
}

fn print(record: &Record, noise_off: bool) {
    println!("{}", table(&[record]));
    if !record.stochastic {
        let noise = if noise_off { "its noise switched off" } else { "no noise" };
        println!("the model has {noise}: one draw judged each image and made each gradient\n");
    }
    record.warnings.iter().for_each(|warning| println!("warning: {warning}"));
    let Some(audit) = &record.audit else {
        return;
    };
    println!("the {} checks of {}:", audit.effort, audit.attack);
    // What was found comes first, and what could not be is told apart from it.
    let order =
        [Verdict::Fail, Verdict::Warn, Verdict::Pass, Verdict::Inconclusive, Verdict::Skipped];
    let mut counts = Vec::new();
    for of in order {
        let checks = record.checks.iter().filter(|check| check.verdict == of);
        let mut count = 0;
        for Check { verdict, name, measured, .. } in checks {
            println!("{verdict:12} {name:17} {measured}");
            count += 1;
        }
        counts.push(format!("{count} {of}"));
    }
    println!("checks: {}\n", counts.join(", "));
}

/// The command as it was given, for the record: as a shell takes it, but for what is no text.
fn command() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    let quoted = |argument: OsString| {
        let text = argument.to_string_lossy();
        match !text.is_empty() && text.chars().all(plain) {
            true => text.into_owned(),
            false => format!("'{}'", text.replace('\'', r"'\''")),
        }
    };
    let arguments: Vec<String> = std::env::args_os().skip(1).map(quoted).collect();
    format!("cifar_resnet {}", arguments.join(" "))
}
