//! The end of the program from outside: by a signal, or together with the program that began it.

use std::io;
use std::sync::{Mutex, MutexGuard};

/// The last that the program does, with the reason of its end.
type LastWords = Box<dyn FnOnce(&str) + Send>;

static LAST: Mutex<Option<LastWords>> = Mutex::new(None);

/// Sets what the program does before it is ended from outside. Files of a run need nothing: they
/// are whole whenever it ends.
///
/// # Errors
///
/// If the system does not tell of its signals.
pub fn before_the_end(words: impl FnOnce(&str) + Send + 'static) -> io::Result<()> {
    *last() = Some(Box::new(words));
    watch()
}

/// Does what was set, once, after which the program is ended. A second caller waits for the first.
pub fn last_words(reason: &str) {
    let mut last = last();
    if let Some(words) = last.take() {
        words(reason);
    }
}

fn last() -> MutexGuard<'static, Option<LastWords>> {
    LAST.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Waits for an interrupt, such as by Ctrl-C, or the request to end.
#[cfg(unix)]
fn watch() -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;
    // A signal that whoever began the program has it ignore stays ignored, as with `nohup`.
    let heard = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = Signals::new(heard)?;
    let wait = move || {
        for signal in signals.forever() {
            last_words(match signal {
                SIGINT => "it was interrupted",
                SIGHUP => "its terminal was closed",
                _ => "it was told to end",
            });
            // The status of the program says which signal it was, as if nobody had waited for it.
            let _ = emulate_default_handler(signal);
        }
    };
    std::thread::Builder::new().name("signals".to_string()).spawn(wait).map(drop)
}

/// True if the program was begun with this signal ignored, where the system tells: on Linux.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Other systems end the program without a word.
#[cfg(not(unix))]
fn watch() -> io::Result<()> {
    Ok(())
}
