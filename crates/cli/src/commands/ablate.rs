//! Trainings by a plan, and what they say together.

use crate::ablation::{Done, Phase, Plan, PlanRun, Runner, State, folder_of, record};
use crate::exit::Exit;
use crate::given::{Given, Idle};
use crate::output::Output;
use crate::place::{Force, Place};
use crate::values::{confidence, count, shard};
use clap::Args;
use cni_burn::evaluation::{AblationRecord, Shard, ablation_table};
use cni_burn::report::AblationReport;
use serde_json::json;
use std::error::Error;
use std::path::PathBuf;

/// The flags of `ablate`.
#[derive(Args)]
pub struct Ablate {
    /// Plan of the ablation: a TOML file with its recipe, arms and seeds.
    #[arg(long)]
    plan: PathBuf,
    /// Folder of the ablation: the runs, the record and the report. What is done there is not done
    /// again.
    #[arg(long, default_value = "runs/ablation")]
    out: PathBuf,
    /// Runs at the same time, each with its share of the cores.
    #[arg(long, default_value_t = 1, value_parser = count)]
    jobs: usize,
    /// Part of the runs to do here, such as 3/8. The last command, without this flag, makes the
    /// record.
    #[arg(long, value_parser = shard)]
    shard: Option<Shard>,
    /// Begin the runs that failed once more.
    #[arg(long)]
    retry: bool,
    #[command(flatten)]
    force: Force,
    /// Print the runs and how far they are, and do nothing.
    #[arg(long)]
    list: bool,
    /// Confidence of the intervals.
    #[arg(long, default_value_t = 0.95, value_parser = confidence)]
    confidence: f64,
    #[command(flatten)]
    output: Output,
}

pub fn ablate(args: &Ablate, given: &Given) -> Result<Exit, Box<dyn Error>> {
    given.refuse(&[Idle {
        when: args.list,
        flags: &["jobs", "retry", "confidence", "force"],
        because: "--list does nothing",
    }])?;
    let plan = Plan::load(&args.plan)?;
    // The runs of a part lie apart, so that the parts have about equal shares of every arm.
    let ours = |run: &PlanRun<'_>| {
        args.shard.is_none_or(|shard| run.index % shard.count() + 1 == shard.index())
    };
    let runs: Vec<PlanRun<'_>> = plan.runs().filter(ours).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runner = Runner {
        plan: &plan,
        out: &args.out,
        program: std::env::current_exe()?,
        jobs: args.jobs,
        threads: (args.jobs > 1).then(|| (cores / args.jobs).max(1)),
        retry: args.retry,
        output: args.output,
    };
    runner.check_arms()?;
    if args.list {
        return list(args, &runs);
    }
    if args.out.join("checkpoints").exists() {
        let out = args.out.display();
        return Err(format!("{out}: got the folder of a run, wanted that of an ablation").into());
    }
    // The runs stay in any case; their record is that of one plan.
    let before = args.out.join("ablation.json");
    if before.exists() {
        let before = AblationRecord::read(&before)?;
        if let Some(differs) = difference(&before, &plan, args.confidence) {
            args.force.allows(&args.out, "ablation", Some(differs), args.output)?;
        }
    }
    Place::refuse_report_of_others(&args.out.join("report"))?;
    let done = runner.run(runs)?;
    let counted = |of: fn(&Done) -> bool| done.iter().filter(|run| of(run)).count();
    args.output.say(format_args!(
        "{} runs done, {} done before, {} failed, {} of another process",
        counted(|run| *run == Done::Now),
        counted(|run| *run == Done::Before),
        counted(|run| matches!(run, Done::Failed(_))),
        counted(|run| *run == Done::Elsewhere),
    ))?;
    let (found, missing) = record(&plan, &args.out, &crate::given::command(), args.confidence)?;
    if !missing.is_empty() {
        let names = missing.join("; ");
        args.output
            .say(format_args!("no record yet, {} runs are missing: {names}", missing.len()))?;
        args.output.result(&json!({ "missing": missing }))?;
        return Ok(if args.shard.is_some() { Exit::Done } else { Exit::Negative });
    }
    let found = found.ok_or("no run came to a number: see `failed` in `ablate --list`")?;
    conclude(args, found)
}

/// The difference of a plan from the one that a record is of, if its record would have less or
/// compare otherwise. A plan may grow.
fn difference(before: &AblationRecord, plan: &Plan, confidence: f64) -> Option<String> {
    for (field, got, wanted) in [
        ("name", &plan.name, &before.name),
        ("baseline", &plan.baseline, &before.baseline),
        ("confidence", &confidence.to_string(), &before.confidence.to_string()),
    ] {
        if got != wanted {
            return Some(format!("{field}: got {got}, wanted {wanted}"));
        }
    }
    let has = |name: &str| plan.arms.iter().any(|arm| arm.name == name);
    if let Some(arm) = before.arms.iter().find(|arm| !has(&arm.name)) {
        return Some(format!("arm: got none of the name {0}, wanted {0} too", arm.name));
    }
    let planned =
        |name: &str, seed: u64| plan.runs().any(|run| run.arm.name == name && run.seed == seed);
    let mut runs =
        before.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (&arm.name, run.seed)));
    let (arm, seed) = runs.find(|(arm, seed)| !planned(arm, *seed))?;
    Some(format!("seeds: got none of {seed}, wanted it too, as {arm} has"))
}

/// Writes the record and the report.
fn conclude(args: &Ablate, record: AblationRecord) -> Result<Exit, Box<dyn Error>> {
    let report = args.out.join("report");
    // One process at a time, from the record to the last page.
    let (_place, _) = Place::take_for_report(&report)?;
    let path = args.out.join("ablation.json");
    record.save(&path)?;
    args.output.say(format_args!("\n{}", ablation_table(&record)))?;
    args.output.say(format_args!("record: {}", path.display()))?;
    args.output.result(&record)?;
    let failed = record.arms.iter().any(|arm| !arm.failed.is_empty());
    AblationReport::new(record).write(&report)?;
    args.output.say(format_args!("report: {}", report.join("report.html").display()))?;
    Ok(if failed { Exit::Negative } else { Exit::Done })
}

/// Prints how far the runs are.
fn list(args: &Ablate, runs: &[PlanRun<'_>]) -> Result<Exit, Box<dyn Error>> {
    let mut all = Vec::new();
    for run in runs {
        let folder = folder_of(&args.out, run);
        let phase = State::read(&folder)?.map(|state| state.phase);
        let said = match &phase {
            None => "not begun".to_string(),
            Some(Phase::Begun) => "begun".to_string(),
            Some(Phase::Done) => "done".to_string(),
            Some(Phase::Failed { reason }) => format!("failed: {reason}"),
        };
        args.output.say(format_args!("{}: {said}", run.name()))?;
        let (arm, seed, folder) = (&run.arm.name, run.seed, folder.to_string_lossy());
        all.push(json!({ "arm": arm, "seed": seed, "folder": folder, "phase": phase }));
    }
    args.output.result(&all)?;
    Ok(Exit::Done)
}
