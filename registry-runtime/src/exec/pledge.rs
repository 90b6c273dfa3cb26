//! The word that a record which is under way will be decided.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::outcome::Refused;

/// What became of a record: it is acknowledged, or the slot was lost before.
pub(super) type Decided = Result<(), Refused>;

/// Waits for a record to be decided. The slot holds the other end, in its line of records.
#[derive(Clone, Debug)]
#[must_use = "whoever called wants to hear"]
pub(super) struct Pledge(Arc<Mutex<State>>);

enum State {
    Open(Option<Box<dyn FnOnce(Decided) + Send>>),
    Decided(Decided),
}

impl Pledge {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State::Open(None))))
    }

    /// Decides it. What waits is run here, so no lock may be held.
    pub(super) fn decide(self, decided: Decided) {
        let before = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *state, State::Decided(decided.clone()))
        };
        if let State::Open(Some(waiter)) = before {
            waiter(decided);
        }
    }

    /// Runs the waiter when it is decided: here, if it is already.
    pub(super) fn then(self, waiter: impl FnOnce(Decided) + Send + 'static) {
        let decided = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *state {
                State::Open(place) => return *place = Some(Box::new(waiter)),
                State::Decided(decided) => decided.clone(),
            }
        };
        waiter(decided);
    }

    /// Waits until it is decided.
    pub(super) async fn decided(self) -> Decided {
        let (teller, told) = oneshot::channel();
        // A caller that is gone wants to hear nothing.
        self.then(move |decided| _ = teller.send(decided));
        told.await.unwrap_or(Err(Refused::Lost))
    }
}

impl Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(_) => f.write_str("Open"),
            Self::Decided(decided) => f.debug_tuple("Decided").field(decided).finish(),
        }
    }
}
