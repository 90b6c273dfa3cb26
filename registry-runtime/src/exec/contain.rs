//! Calls a user's code so that nothing but its value gets out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls a user's code; `None` when it panicked. The panic has been reported by the process's panic hook.
pub(super) fn contain<T>(act: impl FnOnce() -> T) -> Option<T> {
    // A body sees its own copy and its own arguments, which are dropped with it. What it shares beyond them by interior
    // mutability is outside this library's protection, as the documentation of commands says.
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(value) => Some(value),
        Err(payload) => {
            bury(payload);
            None
        }
    }
}

/// Drops a user's value, whose `Drop` may panic.
pub(super) fn discard<T>(value: T) {
    let _ = contain(|| drop(value));
}

/// Drops what was thrown, which may throw again; the second time it is leaked.
fn bury(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
