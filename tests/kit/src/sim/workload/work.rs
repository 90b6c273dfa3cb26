//! What a command does besides its purpose, and what every reply tells.

use std::fmt;
use std::time::Duration;

use registry_runtime::Context;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::sim::history::{Ran, Reply, Running};

/// What a command does between its change and its reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    /// How long it waits, in milliseconds.
    pub(super) nap_ms: u32,
    /// How it goes on.
    pub(super) mood: Mood,
}

/// How a command goes on after its change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mood {
    /// It replies.
    #[default]
    Well,
    /// It refuses: nothing may be left of the change.
    Balks,
    /// It panics: the same.
    Panics,
}

impl Work {
    /// Does it as the last part of a command's body, and notes how that ends.
    pub(super) async fn end(self, running: Running) -> Result<(), Refusal> {
        let end = self.go().await;
        match end {
            Ok(()) => running.returned(),
            Err(_) => running.refused(),
        }
        end
    }

    async fn go(self) -> Result<(), Refusal> {
        if self.nap_ms > 0 {
            sleep(Duration::from_millis(self.nap_ms.into())).await;
        }
        match self.mood {
            Mood::Well => Ok(()),
            Mood::Balks => Err(Refusal::Asked),
            // A panic without the hook's message: it is one of many, and as it should be.
            Mood::Panics => std::panic::resume_unwind(Box::new("asked to panic")),
        }
    }
}

/// Why a command says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refusal {
    /// It was asked to.
    Asked,
    /// There is not enough.
    Short,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "as asked",
            Self::Short => "there is not enough",
        })
    }
}

/// What a command tells: something about the instance, and where it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) what: What,
    pub(super) node: String,
    pub(super) epoch: u64,
}

/// Something about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    /// Its number or value.
    Number(i64),
    /// Its list.
    List { count: u64, digest: u64 },
    /// Nothing.
    Nothing,
}

impl Told {
    /// That number, here.
    pub(super) fn number(number: i64, cx: &Context) -> Self {
        Self::here(What::Number(number), cx)
    }

    /// That many of something, here.
    pub(super) fn count(count: usize, cx: &Context) -> Self {
        Self::number(i64::try_from(count).unwrap_or(i64::MAX), cx)
    }

    /// Those entries, here.
    pub(super) fn list(entries: &[u64], cx: &Context) -> Self {
        let what = match Reply::list(entries) {
            Reply::List { count, digest } => What::List { count, digest },
            _ => What::Nothing,
        };
        Self::here(what, cx)
    }

    pub(super) fn here(what: What, cx: &Context) -> Self {
        Self { what, node: cx.node().to_string(), epoch: cx.epoch().get() }
    }

    /// For the notes.
    pub(super) fn parts(&self) -> (Reply, Option<Ran>) {
        let reply = match self.what {
            What::Number(number) => Reply::Number(number),
            What::List { count, digest } => Reply::List { count, digest },
            What::Nothing => Reply::Done,
        };
        (reply, Some(Ran { node: self.node.clone(), epoch: self.epoch }))
    }
}

/// The whole of an instance, for the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Statement {
    pub(super) told: Told,
    pub(super) number: Option<i64>,
    pub(super) effects: Vec<u64>,
}

impl Statement {
    /// For the notes.
    pub(super) fn parts(&self) -> (Reply, Option<Ran>) {
        self.told.parts()
    }
}
