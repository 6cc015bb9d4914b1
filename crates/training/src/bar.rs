use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Time between two lines if there is no terminal to show a bar.
const INTERVAL: Duration = Duration::from_secs(30);

/// Progress of a long work on standard error: a bar on a terminal, a line every half minute
/// elsewhere, or nothing.
///
/// The trainer shows its epochs by it. It is public for programs that show other work alike.
///
/// ```
/// use cni_training::Bar;
/// let mut bar = Bar::new(true); // quiet
/// bar.start("attacks", 200);
/// bar.show(50, "PGD-20");
/// bar.finish();
/// ```
///
/// Clones are the same bar.
#[derive(Clone, Debug)]
pub struct Bar {
    quiet: bool,
    bar: ProgressBar,
    begin: Instant,
    last_line: Instant,
}

impl Bar {
    /// A bar that shows nothing before its work has started, and nothing at all if it is `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let now = Instant::now();
        Self { quiet, bar, begin: now, last_line: now }
    }

    /// Starts a work of `length` steps.
    pub fn start(&mut self, name: impl Into<String>, length: u64) {
        (self.begin, self.last_line) = (Instant::now(), Instant::now());
        self.bar.reset();
        self.bar.set_prefix(name.into());
        self.set_length(length);
    }

    /// The name of the work; empty before the first one.
    pub fn name(&self) -> String {
        self.bar.prefix()
    }

    /// Changes the number of steps.
    pub fn set_length(&mut self, length: u64) {
        self.bar.set_length(length);
    }

    /// Shows how many steps are done, the time that is left at the mean rate so far, and a message,
    /// which may be empty.
    pub fn show(&mut self, done: u64, message: &str) {
        if self.quiet {
            return;
        }
        self.bar.set_position(done);
        let length = self.bar.length().unwrap_or(done);
        // The bar's own estimate follows the last seconds, in which whole batches end or none does.
        let rate = done as f64 / self.begin.elapsed().as_secs_f64();
        let left = match done {
            0 => "? s left".to_string(),
            _ => format!("{rate:.1}/s, {:.0} s left", length.saturating_sub(done) as f64 / rate),
        };
        let message = if message.is_empty() { left } else { format!("{left}  {message}") };
        if !stderr().is_terminal() && self.last_line.elapsed() > INTERVAL {
            write_line(format_args!("{}: {done} of {length}, {message}", self.bar.prefix()));
            self.last_line = Instant::now();
        }
        self.bar.set_message(message);
    }

    /// Prints a line above the bar.
    pub fn print(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| write_line(line));
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Writes a line to standard error. A reader that has seen enough, such as `head`, ends no
/// training.
pub(crate) fn write_line(line: impl Display) {
    let _ = writeln!(stderr(), "{line}");
}
