//! Registries that the two sides know differently.

use std::time::Duration;

use registry_runtime::{CommandError, Executed, Node};
use registry_testkit::{builder, eventually};

use crate::events;

/// What the hosts were compiled with.
mod ours {
    use registry_runtime::{Resource, commands, registry};
    use serde::{Deserialize, Serialize};

    registry! {
        pub(crate) notes {
            resource Note;
            sharding consistent_hashing(slots = 64);
        }
    }

    #[derive(Clone, Debug, Serialize, Deserialize, Resource)]
    #[resource(on_demand)]
    pub(crate) struct Note {
        #[key]
        id: u64,
        lines: Vec<Line>,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Line {
        pub(crate) author: String,
        pub(crate) page: u32,
    }

    impl From<u64> for Note {
        fn from(id: u64) -> Self {
            Self { id, lines: Vec::new() }
        }
    }

    #[commands]
    impl Note {
        pub(crate) fn len(&self) -> u64 {
            self.lines.len() as u64
        }

        pub(crate) fn add(&mut self, line: Line) -> u64 {
            self.lines.push(line);
            self.lines.len() as u64
        }

        pub(crate) fn last(&self) -> Option<Line> {
            self.lines.last().cloned()
        }

        pub(crate) fn stamp(&mut self, year: u16) -> u64 {
            u64::from(year) + self.id
        }
    }
}

/// What others were compiled with: the same wire name, other types, one command more.
mod theirs {
    use registry_runtime::{Resource, commands, registry};
    use serde::{Deserialize, Serialize};

    registry! {
        pub(crate) their_notes {
            resource Memo;
            sharding consistent_hashing(slots = 64);
            name "notes";
        }

        pub(crate) nobodys {
            resource Memo;
        }
    }

    // A block of its own: within one, the macro refuses a second registry of one wire name.
    registry! {
        pub(crate) finer_notes {
            resource Memo;
            sharding consistent_hashing(slots = 128);
            name "notes";
        }
    }

    #[derive(Clone, Debug, Serialize, Deserialize, Resource)]
    #[resource(on_demand)]
    pub(crate) struct Memo {
        #[key]
        id: u64,
        entries: Vec<Entry>,
    }

    /// Another Rust name, but the same fields in the same order: fits.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Entry {
        pub(crate) author: String,
        pub(crate) page: u32,
    }

    /// The fields the other way round: does not fit.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct Swapped {
        pub(crate) page: u32,
        pub(crate) author: String,
    }

    impl From<u64> for Memo {
        fn from(id: u64) -> Self {
            Self { id, entries: Vec::new() }
        }
    }

    #[commands]
    impl Memo {
        pub(crate) fn len(&self) -> u64 {
            self.entries.len() as u64
        }

        pub(crate) fn add(&mut self, entry: Entry) -> u64 {
            self.entries.push(entry);
            self.entries.len() as u64
        }

        /// Another reply.
        pub(crate) fn last(&self) -> Option<Swapped> {
            let last = self.entries.last()?;
            Some(Swapped { page: last.page, author: last.author.clone() })
        }

        /// Another parameter.
        pub(crate) fn stamp(&mut self, year: u32) -> u64 {
            u64::from(year) + self.id
        }

        /// One more command.
        pub(crate) fn erase(&mut self) -> u64 {
            self.entries.clear();
            0
        }
    }
}

use ours::notes;
use theirs::{finer_notes, nobodys, their_notes};

/// A host of `notes` that serves, and a node that only calls.
async fn host_and_visitor(test: &str) -> (Node, Node) {
    events::listen();
    let host = builder(&format!("{test}-host")).host(notes::registry()).start().await.unwrap();
    let visitor = builder(&format!("{test}-visitor")).client_only().join([host.local_addr()]).start().await.unwrap();
    visitor.wait_for_members(2).await.unwrap();
    eventually(Duration::from_secs(20), async || notes::client(&visitor).len(1).await).await;
    (host, visitor)
}

fn assert_incompatible<T: std::fmt::Debug>(outcome: Result<T, CommandError<std::convert::Infallible>>, named: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.executed(), Executed::No);
    let CommandError::Incompatible { detail } = error else { panic!("{error:?}") };
    assert!(detail.contains(named), "{detail} does not name {named}");
}

#[tokio::test]
async fn an_unknown_registry() {
    let (host, visitor) = host_and_visitor("unknown").await;
    for node in [&host, &visitor] {
        let error = nobodys::client(node).len(1).await.unwrap_err();
        assert!(matches!(error, CommandError::Unavailable { .. } | CommandError::Incompatible { .. }), "{error:?}");
        assert_eq!(error.executed(), Executed::No);
    }
    for name in ["node=unknown-host", "node=unknown-visitor"] {
        events::told(&[&[name], &["nobodys"], &["no member hosts"]]).await;
    }
    assert_eq!(notes::client(&visitor).len(1).await, Ok(0));
}

#[tokio::test]
async fn an_unknown_command() {
    let (_host, visitor) = host_and_visitor("command").await;
    let (ours, theirs) = (notes::client(&visitor), their_notes::client(&visitor));
    let line = ours::Line { author: "Ada".to_owned(), page: 1 };
    assert_eq!(ours.add(1, line).await, Ok(1));
    assert_incompatible(theirs.erase(1).await, "erase");
    events::warned(&[&["node=command-visitor"], &["peer=command-host"], &["command=\"erase\""]]).await;
    assert_eq!(ours.len(1).await, Ok(1), "nothing was erased");
}

#[tokio::test]
async fn a_command_of_another_shape() {
    let (_host, visitor) = host_and_visitor("shape").await;
    let (ours, theirs) = (notes::client(&visitor), their_notes::client(&visitor));
    assert_incompatible(theirs.stamp(1, 1815).await, "stamp");
    assert_incompatible(theirs.last(1).await, "last");
    for command in ["command=\"stamp\"", "command=\"last\""] {
        events::warned(&[&["node=shape-visitor"], &["peer=shape-host"], &["notes"], &[command]]).await;
    }
    assert_eq!(ours.stamp(1, 1815).await, Ok(1816));
    // What fits is served, whatever the types are called.
    assert_eq!(theirs.add(1, theirs::Entry { author: "Bo".to_owned(), page: 2 }).await, Ok(1));
    assert_eq!(theirs.len(1).await, Ok(1));
    assert_eq!(ours.last(1).await, Ok(Some(ours::Line { author: "Bo".to_owned(), page: 2 })));
}

#[tokio::test]
async fn a_caller_with_another_slot_count() {
    let (_host, visitor) = host_and_visitor("slots").await;
    for key in 0..8 {
        assert_incompatible(finer_notes::client(&visitor).len(key).await, "slot");
    }
    events::warned(&[&["node=slots-visitor"], &["peer=slots-host"], &["128 slots"]]).await;
    assert_eq!(notes::client(&visitor).len(1).await, Ok(0));
}

/// A copy of an instance would be read as something else.
#[tokio::test]
async fn a_host_whose_resource_has_other_fields() {
    events::listen();
    let host = builder("fields-host").host(notes::registry()).start().await.unwrap();
    let at_home = notes::client(&host);
    eventually(Duration::from_secs(20), async || at_home.len(1).await).await;
    let other = builder("fields-other").host(their_notes::registry()).join([host.local_addr()]).start().await.unwrap();
    events::warned(&[&["notes"], &["the resource's fields"], &["fields-"]]).await;

    assert!(host.members().iter().all(|member| member.id != *other.id()), "a member that keeps something else");
    let error = their_notes::client(&other).len(1).timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No, "{error:?}");
    assert_eq!(at_home.len(1).await, Ok(0), "the host's own slots stay");
}

#[tokio::test]
async fn a_host_with_another_slot_count() {
    events::listen();
    let host = builder("finer-host").host(notes::registry()).start().await.unwrap();
    let at_home = notes::client(&host);
    eventually(Duration::from_secs(20), async || at_home.len(1).await).await;
    let finer = builder("finer-other").host(finer_notes::registry()).join([host.local_addr()]).start().await.unwrap();
    events::warned(&[&["notes"], &["slot"], &["finer-"]]).await;

    assert!(host.members().iter().all(|member| member.id != *finer.id()), "a member with another slot count");
    let error = finer_notes::client(&finer).len(1).timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No, "{error:?}");
    for key in 0..64 {
        assert_eq!(at_home.len(key).await, Ok(0), "the host's own slots stay");
        assert_eq!(at_home.registry().owner(key).as_ref(), Some(host.id()));
    }
}

#[tokio::test]
async fn a_second_host_with_another_slot_count() {
    let (host, visitor) = host_and_visitor("second").await;
    let both = [host.local_addr(), visitor.local_addr()];
    let _finer = builder("second-finer").host(finer_notes::registry()).join(both).start().await.unwrap();
    visitor.wait_for_members(3).await.unwrap();
    let (ours, theirs) = (notes::client(&visitor), finer_notes::client(&visitor));
    for key in 0..8 {
        assert_eq!(ours.len(key).await, Ok(0), "the slots belong to the first");
        assert_incompatible(theirs.len(key).await, "slot");
    }
}
