//! From a checkpoint to a report.

use crate::args::Evaluate;
use crate::checkpoint::{self, Checkpoint};
use crate::device;
use crate::watch::Watch;
use cni_burn::attacks::checkup::Checkup;
use cni_burn::attacks::evaluation::Check;
use cni_burn::prelude::*;
use cni_burn::report::Report;
use cni_burn::training::data::Split;
use std::error::Error;

pub fn evaluate(args: Evaluate) -> Result<(), Box<dyn Error>> {
    let device = device::device(&args.source.device)?;
    let precision = args.source.precision;
    if !precision.works_on(&device) {
        return Err(
            format!("--precision: got {precision}, which {} lacks", args.source.device).into()
        );
    }
    let Checkpoint { model, settings, name, history, out } = checkpoint::open(&args, &device)?;
    let out = args.out.clone().unwrap_or(out);
    let test = settings.load(&args.source, Split::Test)?.take(args.examples);
    let threat = Threat::linf(settings.epsilon)?;
    let noise = NoiseSummary::of(&model);
    let eot = Pgd::new(threat).with_steps(args.eot_steps)?.with_draws(args.eot_draws)?;
    let model_card = ModelCard {
        name: args.name.clone().unwrap_or(name),
        fingerprint: ModelCard::fingerprint_of(&model),
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
    let batch = args.batch.max(1);
    let batches = (0..test.len()).step_by(batch).map(|first| {
        let rows: Vec<usize> = (first..test.len().min(first + batch)).collect();
        (test.images(&rows, &device), test.labels(&rows, &device))
    });
    let victim = Victim::new(&model, move |model: &ResNet, images| {
        autocast(precision, || model.forward(images))
    });
    let key = Key::new(args.seed).named("evaluation");
    let mut evaluation = Evaluation::new(args.suite.attacks(eot.clone(), args.draws)?)?
        .with_draws(args.draws)?
        .with_key(key)
        .with_cards(model_card, data_card)
        .with_command(command());
    if let Some(effort) = args.checks.effort() {
        evaluation = evaluation.with_audit(Checkup::new(eot).with_effort(effort))?;
    }
    let state = out.join("state");
    let judge = || -> Result<_, Box<dyn Error>> {
        let mut watch = Watch::new("attacks", args.quiet, test.len() as u64);
        let evaluated =
            evaluation.run_with(&victim, batches, Some(&state), &mut |step| watch.step(step))?;
        watch.end();
        Ok(evaluated)
    };
    let evaluated = if args.noise_off { scope(Noise::Off, judge) } else { judge() }?;

    println!("{}", table(&[&evaluated.record]));
    evaluated.record.warnings.iter().for_each(|warning| println!("warning: {warning}"));
    if let Some(audit) = &evaluated.record.audit {
        println!("the {} checks of {}:", audit.effort, audit.attack);
    }
    for Check { verdict, name, measured, .. } in &evaluated.record.checks {
        println!("{verdict:12} {name:17} {measured}");
    }
    evaluated.save(&out)?;
    Report::new(vec![evaluated])?.write(&out)?;
    println!("record: {}", out.join("record.json").display());
    println!("report: {}", out.join("report.html").display());
    Ok(())
}

/// The command as it was given, for the record.
fn command() -> String {
    let quoted = |argument: String| match argument.contains(char::is_whitespace) {
        true => format!("'{argument}'"),
        false => argument,
    };
    let arguments: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    format!("cifar_resnet {}", arguments.join(" "))
}
