//! Why a run came to no verdict.

use std::time::Duration;
use std::{error, fmt, io};

/// Why a run came to no verdict. Whatever it is, nothing is left behind.
#[derive(Debug)]
pub enum ChaosError {
    /// A process could not be started or spoken to.
    Process(String, io::Error),
    /// The relay has no sockets.
    Relay(io::Error),
    /// Something did not happen in time.
    TooLate(String, Duration),
    /// Something happened that no fault explains.
    Broken(Vec<String>),
    /// The caller's node did not start.
    Caller(registry_runtime::StartError),
}

impl fmt::Display for ChaosError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(name, error) => write!(f, "the process {name}: {error}"),
            Self::Relay(error) => write!(f, "the relay: {error}"),
            Self::TooLate(what, limit) => write!(f, "within {limit:?} not done: {what}"),
            Self::Broken(promises) => f.write_str(&promises.join("; ")),
            Self::Caller(error) => write!(f, "the caller's node does not start: {error}"),
        }
    }
}

impl error::Error for ChaosError {}
