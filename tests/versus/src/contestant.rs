//! Who takes part: each serves an echo and calls it.
//!
//! To add one, write a file beside the others and name it in [`Contestant`].

mod lanes;
mod tarpc;
mod typed;

pub use typed::echoes;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
    /// Typed commands of this workspace, end to end.
    Typed,
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
    pub const ALL: [Self; 3] = [Self::Tarpc, Self::Lanes, Self::Typed];

    pub fn word(self) -> &'static str {
        match self {
            Self::Tarpc => "tarpc",
            Self::Lanes => "lanes",
            Self::Typed => "typed",
        }
    }

    /// Begins to serve on the runtime that it is called on.
    pub async fn serve(self) -> io::Result<Serving> {
        match self {
            Self::Tarpc => tarpc::serve().await,
            Self::Lanes => lanes::serve(),
            Self::Typed => typed::serve().await,
        }
    }

    /// Connects and puts the load on.
    pub async fn drive(self, place: Place, load: Load) -> io::Result<crate::load::Outcome> {
        match self {
            Self::Tarpc => crate::load::drive(tarpc::connect(load.address).await?, load).await,
            Self::Lanes => crate::load::drive(lanes::connect(place, load.address).await?, load).await,
            Self::Typed => crate::load::drive(typed::connect(place, load.address).await?, load).await,
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
