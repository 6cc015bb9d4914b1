//! Panics of Burn's backends as values.

use std::panic;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The messages of the panics since the current call of [`caught`] began.
static MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Held by the current call: the process has one panic hook.
static CALL: Mutex<()> = Mutex::new(());

/// The value of `work`, run on a thread of its own, or the text of its panic.
///
/// A missing driver or a kernel that cannot be compiled shows at first use, as panics of Burn's
/// threads and then of the caller's. The first of them names the cause. Meanwhile no panic of the
/// process is printed.
pub(crate) fn caught<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    let _call = CALL.lock().unwrap_or_else(PoisonError::into_inner);
    messages().clear();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|panic| {
        messages().push(panic.payload_as_str().unwrap_or("no reason given").to_string());
    }));
    let result = std::thread::scope(|scope| scope.spawn(work).join());
    panic::set_hook(hook);
    result.map_err(|_| {
        let reason = messages().drain(..).next().unwrap_or_default();
        reason.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

fn messages() -> MutexGuard<'static, Vec<String>> {
    MESSAGES.lock().unwrap_or_else(PoisonError::into_inner)
}
