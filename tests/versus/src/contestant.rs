//! Who takes part: each serves an echo and calls it.
//!
//! To add one, write a file beside the others and name it in [`Contestant`].

mod lanes;
mod tarpc;
mod typed;
mod updates;

pub use typed::echoes;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use self::updates::Keepers;
use crate::load::Load;
use crate::place::Place;

/// What travels there and back, the same for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub id: u64,
    pub note: String,
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// tarpc over plain TCP with bincode, as its own example sets it up.
    Tarpc,
    /// The bare lanes of this workspace: mutual TLS, nothing on top.
    Lanes,
    /// Typed reads of this workspace, end to end.
    Typed,
    /// Typed updates, which one process keeps.
    Alone,
    /// Typed updates, which two of three processes have before they are acknowledged.
    Kept,
}

/// A server that has begun.
pub struct Serving {
    pub address: SocketAddr,
    /// Ends when the server does.
    pub done: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Calls the echo of one contestant.
pub trait Caller: Clone + Send + 'static {
    fn call(&self, message: Message) -> impl Future<Output = io::Result<Message>> + Send;
}

impl Contestant {
    pub const ALL: [Self; 5] = [Self::Tarpc, Self::Lanes, Self::Typed, Self::Alone, Self::Kept];

    pub fn word(self) -> &'static str {
        match self {
            Self::Tarpc => "tarpc",
            Self::Lanes => "lanes",
            Self::Typed => "typed",
            Self::Alone => "alone",
            Self::Kept => "kept",
        }
    }

    /// How many processes serve it.
    pub fn servers(self) -> usize {
        if self == Self::Kept { 3 } else { 1 }
    }

    /// What it is compared with under a load, and the ratio to that which must be reached, if one is asked for: of calls per second, or
    /// for one call under way of the medians of time, which must not be passed.
    pub fn goal(self, bytes: usize, outstanding: usize) -> (Self, Option<f64>) {
        let goal = match (self, bytes, outstanding) {
            (Self::Lanes | Self::Typed, 64, 1) => Some(1.15),
            (Self::Lanes | Self::Typed, 64, 64) => Some(2.0),
            (Self::Lanes | Self::Typed, 64, 512) => Some(3.0),
            (Self::Lanes | Self::Typed, 4096, 64) => Some(1.5),
            (Self::Kept, 64, 1) => return (Self::Alone, Some(2.5)),
            (Self::Kept, 64, 512) => Some(0.7),
            _ => None,
        };
        (Self::Tarpc, goal)
    }

    /// Begins to serve on the runtime that it is called on, as one of several where another is to be joined.
    pub async fn serve(self, number: usize, join: Option<SocketAddr>) -> io::Result<Serving> {
        match self {
            Self::Tarpc => tarpc::serve().await,
            Self::Lanes => lanes::serve(),
            Self::Typed => typed::serve().await,
            Self::Alone => updates::serve(Keepers::One, number, join).await,
            Self::Kept => updates::serve(Keepers::Three, number, join).await,
        }
    }

    /// Connects and puts the load on.
    pub async fn drive(self, place: Place, load: Load) -> io::Result<crate::load::Outcome> {
        match self {
            Self::Tarpc => crate::load::drive(tarpc::connect(load.address).await?, load).await,
            Self::Lanes => crate::load::drive(lanes::connect(place, load.address).await?, load).await,
            Self::Typed => crate::load::drive(typed::connect(place, load.address).await?, load).await,
            Self::Alone => crate::load::drive(updates::connect(Keepers::One, place, load.address).await?, load).await,
            Self::Kept => crate::load::drive(updates::connect(Keepers::Three, place, load.address).await?, load).await,
        }
    }
}

impl FromStr for Contestant {
    type Err = io::Error;

    fn from_str(word: &str) -> io::Result<Self> {
        let found = Self::ALL.into_iter().find(|contestant| contestant.word() == word);
        found.ok_or_else(|| io::Error::other(format!("no contestant `{word}`")))
    }
}
