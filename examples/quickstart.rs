//! The main job in one run: a small ResNet on the embedded digits, trained four ways, attacked and
//! judged.
//!
//! `cargo run --release --example quickstart`

use burn::tensor::Device;
use clap::Parser;
use cni_burn::data::{Split, digits};
use cni_burn::evaluation::audit::Audit;
use cni_burn::evaluation::{Verdict, compare, write_json};
use cni_burn::prelude::*;
use std::error::Error;
use std::path::PathBuf;

/// Trains a small ResNet on 8x8 digits four ways and compares what attacks leave of it.
#[derive(Parser)]
struct Args {
    /// Epochs of each of the four trainings.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    epochs: u16,
    /// Test examples to judge, of 360.
    #[arg(long, default_value_t = 360, value_parser = clap::value_parser!(u16).range(1..=360))]
    examples: u16,
    /// Largest change of a pixel in [0, 1], such as 0.1 or 8/255.
    #[arg(long, default_value = "0.1", allow_hyphen_values = true, value_parser = threat)]
    epsilon: Threat,
    /// Draws of the noise that judge each image.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    draws: u16,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the record and the report.
    #[arg(long, default_value = "runs/quickstart")]
    out: PathBuf,
}

/// The attacker who may change each pixel by that much.
fn threat(epsilon: &str) -> Result<Threat, Box<dyn Error + Send + Sync>> {
    let epsilon = epsilon.parse::<Epsilon>()?.value();
    match epsilon == 0.0 {
        true => Err("an attacker who may change nothing leaves nothing to audit".into()),
        false => Ok(Threat::linf(epsilon)?),
    }
}

/// What noise is worth on this data, under the attack that hurts most: one training of each kind.
fn verdict(noisy: &Evaluated, plain: &Evaluated) -> Result<String, Box<dyn Error>> {
    let (a, b) = (&noisy.record.model.name, &plain.record.model.name);
    let found = compare(noisy, plain)?.worst_case.ok_or("the suites differ")?;
    let said = match (found.low > 0.0, found.high < 0.0) {
        (true, _) => "the noise helps",
        (_, true) => "the noise costs robustness here",
        _ => "this does not tell the two apart",
    };
    let [points, low, high] = [found.accuracy, found.low, found.high].map(|share| 100.0 * share);
    Ok(format!("{a} less {b}, worst case: {points:+.1} points [{low:+.1}, {high:+.1}]: {said}"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let device = Device::flex();
    let (key, threat) = (Key::new(args.seed), args.epsilon);
    let (train, validation) = digits(Split::Train).split_validation(200, key.named("split"))?;
    let test = digits(Split::Test).take(args.examples.into());
    let checkpoints = tempfile::tempdir()?;

    let clean = Objective::clean();
    // One step of attack for each step of training, as the recipe `fast-noise` has it.
    let adversarial = Objective::madry(Pgd::n_fgsm(threat));
    // Noise in proportion to the weights: the reference's own scale starts far louder on a network
    // this small.
    let weights = WeightNoise::colored(5).with_scale(NoiseScale::Relative);
    let cni = ModelNoise::cni(5).with_weight(weights);
    let ways = [
        ("plain", clean, ModelNoise::none()),
        ("adversarial", adversarial.clone(), ModelNoise::none()),
        ("adversarial + PNI-W", adversarial.clone(), ModelNoise::pni(Granularity::Layer)),
        ("adversarial + CNI-W", adversarial, cni),
    ];
    let mut evaluated = Vec::new();
    for (name, objective, noise) in ways {
        println!("{name}: training");
        let model = ResNetConfig::cifar(8, 10)
            .with_width(0.5)
            .with_images([8, 8], NormalizeConfig::centered(1))
            .with_noise(noise)
            .init(&device);
        let model = keyed_init(model, key.named("weights"));
        let mut config = TrainingConfig::new(args.epochs.into(), objective);
        config.batch_size = 64;
        config.schedule = Schedule::triangular(0.2, 0.4);
        config.key = key.named("training");
        let trained = Trainer::new(config, checkpoints.path().join(name))?
            .with_validation(validation.clone())
            .run(model, ResNet::forward, train.clone())?;

        println!("{name}: attacking");
        let pgd = Pgd::new(threat).with_steps(20)?;
        let eot = pgd.clone().with_draws(10)?;
        let suite: Vec<Box<dyn Attack>> =
            vec![Box::new(Pgd::fgsm(threat)), Box::new(pgd), Box::new(eot.clone())];
        let frozen = FrozenModel::new(&trained.model, ResNet::forward);
        let evaluation = Evaluation::new(suite)?
            .with_draws(args.draws.into())?
            .with_key(key.named("evaluation"))
            .with_cards(model_card(name, &trained.model)?, data_card(&test)?)
            .with_audit(Audit::new(eot))?;
        evaluated.push(evaluation.run(&frozen, test.batches(120, &device))?);
    }
    let records: Vec<&Record> = evaluated.iter().map(|of_model| &of_model.record).collect();

    println!(
        "\naccuracy under changes of at most {} in each pixel, with 95 % intervals\n",
        threat.epsilon()
    );
    println!("{}", table(&records));
    for record in &records {
        record.warnings.iter().for_each(|warning| println!("{}: {warning}", record.model.name));
        for check in record.checks.iter().filter(|check| check.verdict >= Verdict::Warn) {
            println!("{}: {} {}: {}", record.model.name, check.name, check.verdict, check.measured);
        }
        // What could not be found out is told apart from what is well.
        let verdicts =
            [Verdict::Fail, Verdict::Warn, Verdict::Pass, Verdict::Inconclusive, Verdict::Skipped];
        let counts = verdicts.map(|verdict| {
            let of = record.checks.iter().filter(|check| check.verdict == verdict);
            format!("{} {verdict}", of.count())
        });
        println!("{}: checks: {}", record.model.name, counts.join(", "));
    }
    for noisy in &evaluated[2..] {
        println!("{}", verdict(noisy, &evaluated[1])?);
    }
    let path = args.out.join("record.json");
    write_json(&path, &records)?;
    println!("record: {}", path.display());
    Report::new(evaluated)?.write(&args.out)?;
    println!("report: {}", args.out.join("report.html").display());
    Ok(())
}
