//! Panics of tasks, which tokio would swallow, written down for the thread that runs the world.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static SEEN: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Writes down the panics of this thread from now on, and shows those of other threads as ever.
pub(super) fn watch() {
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let noted = SEEN.with_borrow_mut(|seen| seen.as_mut().map(|seen| seen.push(panic.to_string())));
            if noted.is_none() {
                usual(panic);
            }
        }));
    });
    SEEN.set(Some(Vec::new()));
}

/// The panics since the last time.
pub(super) fn take() -> Vec<String> {
    SEEN.with_borrow_mut(|seen| seen.as_mut().map(std::mem::take).unwrap_or_default())
}
