//! Panics of Burn's backends as values.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The messages of the panics since the current call of [`caught`] began.
static MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Held by the current call: the process has one panic hook.
static CALL: Mutex<()> = Mutex::new(());

thread_local! {
    /// True on the thread that a call of [`caught`] has begun for its work.
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// The value of `work`, run on a thread of its own, or the text of its panic.
///
/// A missing driver or a kernel that cannot be compiled shows at first use, as panics of Burn's
/// threads and then of the caller's. The first of them names the cause. Meanwhile no panic of the
/// process is printed. Work that calls this itself, such as a comparison that asks for a device,
/// runs on its thread within the call that goes on.
pub(crate) fn caught<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    if AT_WORK.get() {
        let before = messages().len();
        return panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| reason(before));
    }
    let _call = CALL.lock().unwrap_or_else(PoisonError::into_inner);
    messages().clear();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|panic| {
        messages().push(panic.payload_as_str().unwrap_or("no reason given").to_string());
    }));
    let work = || {
        AT_WORK.set(true);
        work()
    };
    let result = std::thread::scope(|scope| scope.spawn(work).join());
    panic::set_hook(hook);
    result.map_err(|_| reason(0))
}

/// The first message after the first `before`, which it forgets with all that follow.
fn reason(before: usize) -> String {
    let reason = messages().drain(before..).next().unwrap_or_default();
    reason.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn messages() -> MutexGuard<'static, Vec<String>> {
    MESSAGES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_may_call_for_work() {
        let nested = caught(|| {
            let inner: Result<(), String> = caught(|| panic!("the inner\n one"));
            (inner, caught(|| 3))
        });
        assert_eq!(nested, Ok((Err("the inner one".to_string()), Ok(3))));
        let outer: Result<(), String> = caught(|| {
            let _ = caught(|| panic!("caught within"));
            panic!("the outer one")
        });
        assert_eq!(outer, Err("the outer one".to_string()));
    }
}
