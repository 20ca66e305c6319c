//! What has failed, in words.

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::iter;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::thread;

pub(crate) fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

/// Returns what an error says, and what each of its sources does: that of a server says that its
/// loop has failed, and leaves why to its source.
pub(crate) fn with_sources(error: &(dyn Error + 'static)) -> String {
    let errors = iter::successors(Some(error), |&error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

thread_local! {
    /// This thread does what has failed before.
    static IS_REPEATING: Cell<bool> = const { Cell::new(false) };
}

/// Runs something that has failed before, to see more of it. A panic of it was printed then, and is
/// not printed again.
pub(crate) fn repeat_silently<T>(run: impl FnOnce() -> T) -> thread::Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_REPEATING.get() {
                print(panic);
            }
        }));
    });
    IS_REPEATING.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    IS_REPEATING.set(false);
    result
}
