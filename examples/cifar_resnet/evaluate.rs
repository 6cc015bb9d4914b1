//! From a checkpoint to a report.

use crate::args::{Checks, Evaluate};
use crate::checkpoint::{self, Checkpoint};
use crate::given::{Given, Idle};
use crate::model::Kind;
use crate::train::some;
use crate::watch::Watch;
use cni_burn::attacks::checkup::Checkup;
use cni_burn::attacks::evaluation::Check;
use cni_burn::prelude::*;
use cni_burn::report::Report;
use cni_burn::training::data::{ImageData, Split};
use std::error::Error;
use std::ffi::OsString;
use std::path::Path;

pub fn evaluate(args: Evaluate, given: &Given) -> Result<(), Box<dyn Error>> {
    given.refuse(&idle(&args))?;
    let device = cni_burn::device::device(&args.source.device)?;
    let precision = args.source.precision;
    if !precision.works_on(&device) {
        return Err(
            format!("--precision: got {precision}, which {} lacks", args.source.device).into()
        );
    }
    let Checkpoint { model, settings, name, history, out } =
        checkpoint::open(&args, given, &device)?;
    given.refuse(&[Idle {
        when: settings.noise == Kind::None,
        flags: &["noise-off"],
        because: "the model has no noise",
    }])?;
    let out = args.out.clone().unwrap_or(out);
    let test = settings.load(&args.source, Split::Test)?;
    let test = some(test, Some(args.examples), "examples", given)?;
    // The model is judged by what was asked for, else by what it was trained against.
    let asked = given.has("epsilon").then_some(args.model.epsilon);
    let threat = Threat::linf(asked.unwrap_or(settings.epsilon))?;
    let noise = NoiseSummary::of(&model);
    let eot = Pgd::new(threat).with_steps(args.eot_steps)?.with_draws(args.eot_draws)?;
    let model_card = ModelCard {
        name: args.name.clone().unwrap_or(name),
        parameters: count_parameters(&model),
        noise: noise.to_string(),
        precision: (precision != Precision::Full).then(|| precision.to_string()),
        history,
        layers: noise_covariances(&model)?,
    };
    let data_card = DataCard {
        name: test.name().to_string(),
        fingerprint: test.fingerprint(),
        classes: test.classes().to_vec(),
    };
    let batch = args.batch;
    let batches = (0..test.len()).step_by(batch).map(|first| {
        let rows: Vec<usize> = (first..test.len().min(first + batch)).collect();
        (test.images(&rows, &device), test.labels(&rows, &device))
    });
    let victim = Victim::new(&model, move |model: &ResNet, images| {
        autocast(precision, || model.forward(images))
    });
    let key = Key::new(args.seed).named("evaluation");
    let evaluation = Evaluation::new(args.suite.attacks(eot.clone(), args.draws)?)?
        .with_draws(args.draws)?
        .with_key(key)
        .with_cards(model_card, data_card)
        .with_command(command());
    let state = out.join("state");
    let judge = || -> Result<_, Box<dyn Error>> {
        let mut watch = Watch::new("attacks", args.quiet, test.len() as u64);
        let mut evaluated =
            evaluation.run_with(&victim, batches, Some(&state), &mut |step| watch.step(step))?;
        watch.end();
        let subject = (&victim as &dyn Classifier, evaluated.record.stochastic);
        evaluated.record.checks = checks(&args, eot, subject, &test, &device, &state)?;
        Ok(evaluated)
    };
    let evaluated = if args.noise_off { scope(Noise::Off, judge) } else { judge() }?;

    println!("{}", table(&[&evaluated.record]));
    evaluated.record.warnings.iter().for_each(|warning| println!("warning: {warning}"));
    for Check { verdict, name, measured, .. } in &evaluated.record.checks {
        println!("{verdict:8} {name:17} {measured}");
    }
    evaluated.save(&out)?;
    Report::new(vec![evaluated])?.write(&out)?;
    println!("record: {}", out.join("record.json").display());
    println!("report: {}", out.join("report.html").display());
    Ok(())
}

/// Flags that others leave without effect.
fn idle(args: &Evaluate) -> [Idle<'static>; 3] {
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
        args.source.idle(),
    ]
}

/// Checks the attack on whose numbers the evaluation relies.
fn checks(
    args: &Evaluate,
    audited: Pgd,
    (victim, stochastic): (&dyn Classifier, bool),
    test: &ImageData,
    device: &burn::tensor::Device,
    state: &Path,
) -> Result<Vec<Check>, Box<dyn Error>> {
    let by_default = if args.suite.has_eot() { Checks::Quick } else { Checks::None };
    let Some(effort) = args.checks.unwrap_or(by_default).effort() else {
        return Ok(Vec::new());
    };
    // A model without noise would have its one gradient averaged over as many equal ones.
    let audited = if stochastic { audited } else { audited.with_draws(1)? };
    let checkup = Checkup::new(audited)
        .with_effort(effort)
        .with_key(Key::new(args.seed).named("checkup"))
        .with_judging_draws(args.draws)?
        .with_chunk(args.batch)?
        .with_state(state.join("checkup"));
    let plan = checkup.plan_for(test.classes().len(), stochastic, test.len());
    let most = plan.checks.iter().map(|check| check.examples).max().unwrap_or(0);
    let rows: Vec<usize> = (0..most.clamp(1, test.len())).collect();
    let (images, labels) = (test.images(&rows, device), test.labels(&rows, device));
    let mut watch = Watch::new("checks", args.quiet, 0);
    let time = checkup.estimate(victim, images.clone(), labels.clone())?;
    watch.say(&format!("the {effort} checks take about {:.0} s", time.as_secs_f64().max(1.0)));
    let checks = checkup.run(victim, images, labels, 0, &mut |progress| watch.check(progress))?;
    watch.end();
    Ok(checks)
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
