//! Progress of an evaluation, for people.

use cni_burn::evaluation::Step;
use cni_burn::evaluation::audit::AuditProgress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// How often a line is written where there is no terminal to show a bar.
const INTERVAL: Duration = Duration::from_secs(30);

/// A bar on a terminal, a line now and then elsewhere, or nothing.
pub struct Watch {
    quiet: bool,
    bar: ProgressBar,
    begin: Instant,
    last: Instant,
}

impl Watch {
    pub fn new(what: &str, quiet: bool, length: u64) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(length) };
        let template = "{prefix} {bar:30} {pos}/{len}  {msg}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_prefix(what.to_string());
        let now = Instant::now();
        Self { quiet, bar, begin: now, last: now }
    }

    /// An iteration of an attack, or a check.
    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Attack { examples, noise, label, attack } => {
                self.bar.set_position(*examples as u64);
                let (iteration, active) = (attack.iteration, attack.active);
                self.show(format!(
                    "{label}, iteration {iteration} on {active} images, noise {noise}"
                ));
            }
            Step::Certificates { examples, passes } => {
                self.bar.set_position(*examples as u64);
                self.show(format!("certificates, {} passes", passes.forwards));
            }
            Step::Check(progress) => self.check(progress),
        }
    }

    /// The beginning or the end of a check.
    fn check(&mut self, progress: &AuditProgress) {
        if self.bar.prefix() != "checks" {
            self.bar.set_prefix("checks");
            self.begin = Instant::now();
        }
        // A backward pass takes about as long as two forward passes.
        let weight = |passes: cni_burn::attacks::Passes| passes.forwards + 2 * passes.backwards;
        self.bar.set_length(weight(progress.planned));
        self.bar.set_position(weight(progress.passes));
        self.show(format!("{} ({} of {})", progress.check, progress.position, progress.of));
    }

    fn show(&mut self, message: String) {
        let (done, of) = (self.bar.position(), self.bar.length().unwrap_or(0));
        // The bar's own estimate follows the last seconds, in which whole batches end or none does.
        let seconds = self.begin.elapsed().as_secs_f64();
        let rate = done as f64 / seconds;
        let left = match done {
            0 => "? s left".to_string(),
            _ => format!("{rate:.1}/s, {:.0} s left", of.saturating_sub(done) as f64 / rate),
        };
        if !self.quiet && !stderr().is_terminal() && self.last.elapsed() > INTERVAL {
            eprintln!("{}: {done} of {of}, {left}: {message}", self.bar.prefix());
            self.last = Instant::now();
        }
        self.bar.set_message(format!("{left}  {message}"));
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
