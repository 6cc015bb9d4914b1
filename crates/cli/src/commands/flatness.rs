//! The flatness of the robust loss around the weights of checkpoints, side by side. One file,
//! because most of it is the flags of one command.

use crate::checkpoint::{Checkpoint, Origin, folder_for};
use crate::compute::Compute;
use crate::data::part;
use crate::exit::Exit;
use crate::given::{Given, Idle, command};
use crate::output::Output;
use crate::place::{Force, Place, of_seed};
use crate::progress::FlatnessBar;
use crate::threat::threat_for;
use crate::values::{above_zero, count, epsilon, named};
use burn::tensor::{Device, Tensor};
use clap::{Args, ValueEnum};
use cni_burn::attacks::weights::{WeightRegion, WeightThreat};
use cni_burn::evaluation::flatness::{
    AverageFlatness, Flatness as Measurement, FlatnessRecord, FlatnessRecords, Landscape,
    RobustLoss, WorstFlatness, flatness_table,
};
use cni_burn::evaluation::{EvaluationError, OtherSetting};
use cni_burn::layers::models::Network;
use cni_burn::prelude::*;
use cni_burn::report::FlatnessReport;
use std::error::Error;
use std::path::PathBuf;

/// The parts of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// The mean at random weights around the model's.
    Average,
    /// The largest value around the weights, by ascent.
    Worst,
}

/// The flags of `flatness`.
#[derive(Args)]
pub struct Flatness {
    /// Checkpoint, as in `evaluate`. Give it several times to compare some, such as --checkpoint
    /// best --checkpoint last.
    #[arg(long, default_value = "best")]
    checkpoint: Vec<PathBuf>,
    #[command(flatten)]
    from: Origin,
    #[command(flatten)]
    compute: Compute,
    /// Measures of flatness, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["average", "worst"])]
    measure: Vec<Measure>,
    /// Radius of the average, a share of each layer's norm. The paper's is 0.5.
    #[arg(long, default_value_t = AverageFlatness::RADIUS, value_parser = above_zero)]
    radius: f64,
    /// Radius of the worst case. That of the paper's text is 0.00075, that of its supplement 0.003.
    #[arg(long, default_value_t = WorstFlatness::RADIUS_OF_TEXT, value_parser = above_zero)]
    worst_radius: f64,
    /// Perturbations of the weights within the radius: ball or sphere. By default the sphere for
    /// the average and the ball for the worst case, as in the published code.
    #[arg(long, value_parser = named(WeightRegion::ALL))]
    region: Option<WeightRegion>,
    /// Perturbations of the average, and attempts at the worst case.
    #[arg(long, default_value_t = 10, value_parser = count)]
    attempts: usize,
    /// Iterations of an attempt at the worst case.
    #[arg(long, default_value_t = 20, value_parser = count)]
    worst_steps: usize,
    /// Runs of the attack on perturbed weights, of which the worst image counts.
    #[arg(long, default_value_t = 1, value_parser = count)]
    restarts: usize,
    /// The same on the weights themselves.
    #[arg(long, default_value_t = 10, value_parser = count)]
    reference_restarts: usize,
    /// Measure the loss along random directions too, and along that of the worst case.
    #[arg(long)]
    landscape: bool,
    /// Random directions of the landscape.
    #[arg(long, default_value_t = 10, value_parser = count)]
    directions: usize,
    /// Points of each direction, an odd number.
    #[arg(long, default_value_t = 51, value_parser = count)]
    points: usize,
    /// Largest change of a pixel: a fraction such as 8/255, or a number. By default that of the
    /// run's training, and 8/255 if it had none in Linf.
    #[arg(long, value_parser = epsilon)]
    epsilon: Option<f64>,
    /// Steps of the attack on the images, each of 0.223 of the radius.
    #[arg(long, default_value_t = 20, value_parser = count)]
    steps: usize,
    /// Test examples to measure on: the first, or of a folder those at equal distances.
    #[arg(long, default_value_t = 1000, value_parser = count)]
    examples: usize,
    /// Examples of a batch.
    #[arg(long, default_value_t = 128, value_parser = count)]
    batch: usize,
    /// Draws of the noise that judge each image. A model without noise needs one, and gets one.
    #[arg(long, default_value_t = 10, value_parser = count)]
    draws: usize,
    /// Draws that each gradient averages over. A model without noise needs one, and gets one.
    #[arg(long, default_value_t = 10, value_parser = count)]
    eot_draws: usize,
    /// Measure the models with their noise switched off.
    #[arg(long)]
    noise_off: bool,
    /// Seed of perturbations, attacks and draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the record and the page; by default `flatness` in the run's, and `NAME-flatness`
    /// here for --pretrained NAME or a PyTorch file NAME.pth.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// No progress.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    output: Output,
}

/// The published step of the attack, 0.007, as a share of its radius of 8/255.
const STEP: f64 = 0.007 * 255.0 / 8.0;

impl Flatness {
    /// Flags that others leave without effect.
    fn idle(&self) -> [Idle<'static>; 3] {
        let without = |measure| !self.measure.contains(&measure);
        let idle = |when, flags, because| Idle { when, flags, because };
        [
            idle(without(Measure::Average), &["radius"], "--measure leaves out the average"),
            idle(
                without(Measure::Worst),
                &["worst-radius", "worst-steps"],
                "--measure leaves out the worst case",
            ),
            idle(
                !self.landscape,
                &["directions", "points"],
                "only a landscape has them, and --landscape asks for one",
            ),
        ]
    }

    /// The measurement that the flags describe.
    fn measurement(&self) -> Result<Measurement, Box<dyn Error>> {
        let has = |measure| self.measure.contains(&measure);
        let threat = |radius, usual| WeightThreat::new(radius, self.region.unwrap_or(usual));
        let average = AverageFlatness::new(threat(self.radius, WeightRegion::Sphere)?)
            .with_attempts(self.attempts)?
            .with_restarts(self.restarts)?;
        let worst = WorstFlatness::new(threat(self.worst_radius, WeightRegion::Ball)?)
            .with_attempts(self.attempts)?
            .with_restarts(self.restarts)?
            .with_steps(self.worst_steps)?;
        let landscape = Landscape::published()
            .with_points(self.points)
            .map_err(|error| format!("--{error}"))?
            .with_directions(self.directions)?;
        Ok(Measurement::new()
            .with_average(has(Measure::Average).then_some(average))
            .with_worst(has(Measure::Worst).then_some(worst))
            .with_landscape(self.landscape.then_some(landscape))
            .with_reference_restarts(self.reference_restarts)?
            .with_key(Key::new(self.seed).named("flatness"))
            .with_command(command()))
    }
}

pub fn flatness(args: &Flatness, given: &Given) -> Result<Exit, Box<dyn Error>> {
    given.refuse(&args.idle())?;
    let (measurement, output) = (args.measurement()?, args.output);
    let device = args.compute.device(&[])?;
    let mut checkpoints: Vec<Checkpoint> = Vec::new();
    for path in &args.checkpoint {
        let checkpoint = Checkpoint::open(path, &args.from, given, &device, output)?;
        match checkpoints.iter().any(|other| other.name == checkpoint.name) {
            true => output.say(format_args!("{}: measured once", checkpoint.name))?,
            false => checkpoints.push(checkpoint),
        }
    }
    let because = "the model has no noise";
    let silent = checkpoints.iter().all(|checkpoint| checkpoint.silent);
    given.refuse(&[Idle { when: silent, flags: &["noise-off"], because }])?;
    let out = args.out.clone().unwrap_or_else(|| folder_for("flatness", &checkpoints[0]));
    let (_place, before) = Place::take_for_flatness(&out)?;
    let mut all = Vec::new();
    for checkpoint in checkpoints {
        let prepare = || Prepared::new(args, given, &measurement, checkpoint, &device);
        all.push(if args.noise_off { scope(Noise::Off, prepare) } else { prepare() }?);
    }
    if let Some(before) = before {
        let differs = differ(&all, &before).map(|setting| of_seed(setting, args.seed));
        args.force.allows(&out, "measurement of flatness", differs, output)?;
    }
    let mut records = Vec::new();
    for prepared in &all {
        let measure = || prepared.measure(args.quiet);
        records.push(if args.noise_off { scope(Noise::Off, measure) } else { measure() }?);
    }
    let said = flatness_table(&records);
    let records = FlatnessRecords::new(records);
    FlatnessReport::new(records.clone())?.write(&out)?;
    output.say(said)?;
    output.say(format_args!("record: {}", out.join(FlatnessRecords::FILE).display()))?;
    output.result(&records)?;
    output.say(format_args!("page: {}", out.join("flatness.html").display()))?;
    Ok(Exit::Done)
}

/// A checkpoint, ready to be measured.
struct Prepared {
    model: Network,
    name: String,
    measurement: Measurement,
    loss: RobustLoss<Forward>,
}

type Forward = fn(&Network, Tensor<4>) -> Tensor<2>;

impl Prepared {
    fn new(
        args: &Flatness,
        given: &Given,
        measurement: &Measurement,
        checkpoint: Checkpoint,
        device: &Device,
    ) -> Result<Self, Box<dyn Error>> {
        let Checkpoint { model, config, test, name, history, trained, .. } = checkpoint;
        let folder = args.from.test.is_some();
        let test = part(test, folder, Some(args.examples), "examples", given)?;
        let threat = threat_for(args.epsilon, trained, args.output)?;
        let attack = Pgd::new(threat)
            .with_steps(args.steps)?
            .with_step_size(STEP * threat.epsilon())?
            .with_draws(args.eot_draws)?;
        let config = Some(serde_json::to_value(&config)?);
        let card =
            ModelCard { config, trained_against: trained, history, ..model_card(&name, &model)? };
        let measurement = measurement.clone().with_cards(card, data_card(&test)?);
        let batches = test.batches(args.batch, device);
        let forward: Forward = Network::forward;
        let loss = RobustLoss::new(&model, forward, attack, batches)?
            .with_key(Key::new(args.seed).named("flatness"))
            .with_draws(args.draws)?;
        Ok(Self { model, name, measurement, loss })
    }

    fn measure(&self, quiet: bool) -> Result<FlatnessRecord, EvaluationError> {
        let Self { model, name, measurement, loss } = self;
        let mut bar = FlatnessBar::new(quiet);
        let record = measurement.run_with(model, loss, &mut |step| bar.show(step, name))?;
        bar.finish();
        Ok(record)
    }
}

/// The first setting in which the measurements of these checkpoints differ from those that are
/// there.
fn differ(all: &[Prepared], before: &FlatnessRecords) -> Option<OtherSetting> {
    let (got, wanted) = (all.len().to_string(), before.records.len().to_string());
    if got != wanted {
        return Some(OtherSetting { setting: "checkpoints".to_string(), got, wanted });
    }
    let mut pairs = all.iter().zip(&before.records);
    pairs.find_map(|(one, record)| one.measurement.difference_from(record, &one.loss))
}
