//! Which runtime the work runs on.

use std::io;
use std::str::FromStr;

use tokio::runtime::{Builder, Handle, Runtime};

/// Which runtime the work runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Everything on one thread.
    Current,
    /// Everything on tokio's threads, one for each core.
    Multi,
    /// Sockets and lanes on a thread of their own, callers on tokio's threads.
    Split,
}

impl Place {
    pub fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Multi => "multi",
            Self::Split => "split",
        }
    }

    /// Runs a future to its end on the callers' runtime.
    pub fn run<T>(self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let runtime = match self {
            Self::Current => Builder::new_current_thread().enable_all().build()?,
            Self::Multi | Self::Split => Builder::new_multi_thread().enable_all().build()?,
        };
        runtime.block_on(work)
    }

    /// The runtime that sockets live on.
    pub fn io(self) -> io::Result<Handle> {
        if self != Self::Split {
            return Ok(Handle::current());
        }
        let runtime: Runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        Ok(handle)
    }
}

impl FromStr for Place {
    type Err = io::Error;

    fn from_str(word: &str) -> io::Result<Self> {
        let all = [Self::Current, Self::Multi, Self::Split];
        all.into_iter().find(|place| place.word() == word).ok_or_else(|| io::Error::other(format!("no place `{word}`")))
    }
}
