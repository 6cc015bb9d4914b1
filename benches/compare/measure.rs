//! Timings taken in turns.

use crate::Result;
use crate::peer::Peer;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

/// The settings of a run, and the PyTorch side.
pub struct Bench {
    pub repeats: usize,
    pub batch: usize,
    pub peer: Option<Peer>,
    /// The tasks of the peer that this machine cannot run, with the reasons.
    pub skipped: BTreeMap<String, String>,
}

/// Something to be timed.
pub enum Run<'a> {
    /// A function of ours, and the number of its calls in one timing.
    Ours(usize, Box<dyn FnMut() -> Result<()> + 'a>),
    /// A task of the peer.
    Peer(String),
}

impl<'a> Run<'a> {
    pub fn ours(f: impl FnMut() -> Result<()> + 'a) -> Self {
        Self::Ours(1, Box::new(f))
    }

    pub fn peer(task: impl Into<String>) -> Self {
        Self::Peer(task.into())
    }
}

/// The seconds of every timed run of one thing.
#[derive(Serialize)]
pub struct Timing {
    pub name: String,
    pub median: f64,
    pub minimum: f64,
    pub seconds: Vec<f64>,
}

impl Timing {
    fn new(name: &str, seconds: Vec<f64>) -> Self {
        let minimum = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        Self { name: name.to_string(), median: median(&seconds), minimum, seconds }
    }
}

/// The ratio of the peer's time to ours: above 1 we are faster.
#[derive(Serialize)]
pub struct Ratio {
    pub ours: String,
    pub peer: String,
    pub of_medians: f64,
    pub of_minima: f64,
}

/// The timings of a task, in the order of its runs.
#[derive(Serialize)]
pub struct Timings(pub Vec<Timing>);

impl Timings {
    pub fn find(&self, name: &str) -> Option<&Timing> {
        self.0.iter().find(|timing| timing.name == name)
    }

    /// The ratios of pairs (ours, peer), which are also printed; none for a missing peer.
    pub fn ratios(&self, pairs: &[(&str, &str)]) -> Vec<Ratio> {
        let ratio = |&(ours, peer): &(&str, &str)| {
            let (a, b) = (self.find(ours)?, self.find(peer)?);
            let (of_medians, of_minima) = (b.median / a.median, b.minimum / a.minimum);
            println!("{peer} / {ours}: {of_medians:.2} (of minima {of_minima:.2})");
            Some(Ratio { ours: ours.into(), peer: peer.into(), of_medians, of_minima })
        };
        pairs.iter().filter_map(ratio).collect()
    }

    /// The ratio of the fastest of some peers to ours, which is also printed.
    pub fn best(&self, ours: &str, peers: &[&str]) -> Option<Ratio> {
        let peers = peers.iter().filter_map(|peer| self.find(peer));
        let best = peers.min_by(|a, b| a.median.total_cmp(&b.median))?;
        print!("the best: ");
        self.ratios(&[(ours, &best.name)]).pop()
    }
}

impl Bench {
    /// Times the runs in turns, so that other work of the machine affects all of them alike: each
    /// runs once to warm up, then `rounds` times. Runs of a missing peer are left out, and so are
    /// those that this machine cannot run.
    pub fn in_turns(&mut self, rounds: usize, mut runs: Vec<(&str, Run)>) -> Result<Timings> {
        if let Some(peer) = &mut self.peer {
            peer.forget()?;
        }
        runs.retain(|(_, run)| self.peer.is_some() || matches!(run, Run::Ours(..)));
        let mut runs: Vec<_> =
            runs.into_iter().map(|(name, run)| (name, run, Vec::with_capacity(rounds))).collect();
        for round in 0..=rounds {
            let mut left = Vec::with_capacity(runs.len());
            for (name, mut run, mut seconds) in runs {
                let Some(time) = self.once(name, &mut run)? else { continue };
                if round > 0 {
                    seconds.push(time);
                }
                left.push((name, run, seconds));
            }
            runs = left;
        }
        println!("{:<40}{:>12}{:>12}", "", "median ms", "minimum ms");
        let timings = runs.into_iter().map(|(name, _, seconds)| {
            let timing = Timing::new(name, seconds);
            println!("{name:<40}{:>12.2}{:>12.2}", timing.median * 1e3, timing.minimum * 1e3);
            timing
        });
        Ok(Timings(timings.collect()))
    }

    /// The seconds of one call; `None`, with a message, if the peer cannot run its task here.
    fn once(&mut self, name: &str, run: &mut Run) -> Result<Option<f64>> {
        match run {
            Run::Ours(calls, f) => {
                let start = Instant::now();
                (0..*calls).try_for_each(|_| f())?;
                Ok(Some(start.elapsed().as_secs_f64() / *calls as f64))
            }
            Run::Peer(task) => {
                let peer = self.peer.as_mut().ok_or("the peer was not started")?;
                match peer.seconds(task)? {
                    Ok(seconds) => Ok(Some(seconds)),
                    Err(reason) => {
                        println!("skipped: {name}: {reason}");
                        self.skipped.insert(task.clone(), reason);
                        Ok(None)
                    }
                }
            }
        }
    }
}

/// The median: half of the values lie below it.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The quantile at `level` in [0, 1], interpolated between neighbours.
pub fn quantile(values: &[f64], level: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = level * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}
