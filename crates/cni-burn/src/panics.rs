//! Panics of Burn's backends as values.

use std::panic;
use std::sync::{Mutex, PoisonError};

/// Panics since the work under way began. One work at a time: the hook is one for the whole
/// process.
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
static TURN: Mutex<()> = Mutex::new(());

/// What `work` gives on a thread of its own, or the text of its panic.
///
/// A missing driver or a kernel that cannot be compiled shows at first use, as panics of Burn's
/// threads and then of the caller's. The first of them names the cause. Meanwhile no panic of the
/// process is printed.
pub(crate) fn caught<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    heard().clear();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|panic| {
        heard().push(panic.payload_as_str().unwrap_or("no reason given").to_string());
    }));
    let result = std::thread::scope(|scope| scope.spawn(work).join());
    panic::set_hook(hook);
    result.map_err(|_| {
        let reason = heard().drain(..).next().unwrap_or_default();
        reason.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

fn heard() -> std::sync::MutexGuard<'static, Vec<String>> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}
