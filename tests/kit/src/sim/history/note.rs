//! One thing that is written down, as a value that travels between processes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clock::Stamp;
use super::record::{Ask, CallId, Ending, Fate, RunId};
use super::value::{Outcome, Place};

/// One thing that is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Note {
    /// A call begins.
    Asked {
        /// Its name.
        call: CallId,
        /// What is asked by whom.
        ask: Ask,
    },
    /// A call ends.
    Ended {
        /// The call.
        call: CallId,
        /// How.
        outcome: Outcome,
    },
    /// A command's body begins to run.
    RunBegan {
        /// The run's name.
        run: RunId,
        /// Whose command.
        whose: Whose,
        /// Where.
        host: String,
        /// In which epoch.
        epoch: u64,
        /// Which attempt of the call.
        attempt: u32,
    },
    /// A run ends.
    RunEnded {
        /// The run.
        run: RunId,
        /// How.
        ending: Ending,
    },
    /// Something happens to a host.
    Fate {
        /// The host.
        host: Arc<str>,
        /// What.
        fate: Fate,
    },
    /// An instance's slot.
    Slot {
        /// The instance.
        place: Place,
        /// The slot.
        slot: u32,
    },
    /// A caller has looked at a number that only grows.
    Looked {
        /// The caller's host.
        host: Arc<str>,
        /// The instance.
        place: Place,
        /// The most that the caller was told before.
        knew: i64,
        /// What it saw.
        saw: i64,
    },
    /// An instance's last state.
    Audited {
        /// The instance.
        place: Place,
        /// When somebody began to look.
        since: Stamp,
        /// Its number, if it has one.
        number: Option<i64>,
        /// The effects that it carries, in their order.
        effects: Vec<u64>,
    },
}

/// Whose command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whose {
    /// That of a call.
    Call(CallId),
    /// That of the first call with this effect, whichever of them it is.
    Effect(u64),
}
