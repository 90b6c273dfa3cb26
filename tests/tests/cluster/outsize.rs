//! What is too much for a replica.

use std::collections::BTreeMap;

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Reason, Resource, commands, registry};
use registry_testkit::{counters, eventually, one_key_per_slot, view};
use serde::{Deserialize, Serialize};

use crate::PATIENCE;

registry! {
    lone { resource Heap; sharding consistent_hashing(slots = 8); replicas 1; timeout 2s; }
    kept { resource Heap; sharding consistent_hashing(slots = 8); replicas 3; }
    noted { resource Note; sharding consistent_hashing(slots = 8); replicas 3; }
}

/// Something that grows, in breadth and in depth.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Heap {
    #[key]
    id: u64,
    bytes: Vec<u8>,
    nest: Option<Box<Nest>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Nest(Option<Box<Nest>>);

impl From<u64> for Heap {
    fn from(id: u64) -> Self {
        Self { id, bytes: Vec::new(), nest: None }
    }
}

#[commands]
impl Heap {
    fn grow(&mut self, bytes: usize) -> usize {
        self.bytes.resize(bytes, 7);
        self.bytes.len()
    }

    fn deepen(&mut self, levels: usize) {
        self.nest = (0..levels).fold(None, |inner, _| Some(Box::new(Nest(inner))));
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn is_nested(&self) -> bool {
        self.nest.is_some()
    }
}

/// Something that nobody can read while its text is missing, and nobody can tell before.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Note {
    #[key]
    id: u64,
    #[serde(with = "terse")]
    text: Option<String>,
    changes: u64,
}

/// Writes a text, and nothing where there is none.
mod terse {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
        match text {
            Some(text) => to.serialize_str(text),
            None => to.serialize_unit(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
        String::deserialize(from).map(Some)
    }
}

impl From<u64> for Note {
    fn from(id: u64) -> Self {
        Self { id, text: None, changes: 0 }
    }
}

#[commands]
impl Note {
    fn write(&mut self, text: Option<String>) -> u64 {
        self.text = text;
        self.changes += 1;
        self.changes
    }

    fn changes(&self) -> u64 {
        self.changes
    }
}

/// More than an instance may have that is to have replicas.
const TOO_MANY: usize = 5 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_replicas_could_not_take_is_refused_before_there_are_any() {
    let cluster = Cluster::builder().nodes(1).host(kept::registry()).start().await.unwrap();
    let heaps = kept::client(cluster.node(0));
    assert_eq!(heaps.grow(1, 1000).await.unwrap(), 1000);
    let refused = CommandError::Unknown { reason: Reason::BadReply };
    assert_eq!(heaps.grow(1, TOO_MANY).await, Err(refused.clone()));
    assert_eq!(heaps.len(1).await.unwrap(), 1000, "it is as it was");

    heaps.deepen(1, 20).await.unwrap();
    assert_eq!(heaps.deepen(2, 100).await, Err(refused));
    assert!(!heaps.is_nested(2).await.unwrap(), "it is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_replicas_could_not_read_is_refused_and_its_slot_goes_on() {
    let cluster = Cluster::builder().nodes(3).host(noted::registry()).start().await.unwrap();
    let notes = noted::client(cluster.node(0));
    for id in 0..20 {
        assert_eq!(notes.write(id, Some("here".into())).await.unwrap(), 1);
        let refused = CommandError::Unknown { reason: Reason::BadReply };
        assert_eq!(notes.write(id, None).await, Err(refused));
        assert_eq!(notes.changes(id).await.unwrap(), 1, "it is as it was");
        assert_eq!(notes.write(id, Some("again".into())).await.unwrap(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_move_stays_and_is_served() {
    let cluster = Cluster::builder().nodes(1).host(lone::registry()).host(counters::registry()).start().await.unwrap();
    let heaps = lone::client(cluster.node(0));
    let keys: BTreeMap<_, _> = (0..200).map(|key| (heaps.registry().explain(key).slot, key)).collect();
    let keys: Vec<u64> = keys.into_values().collect();
    assert_eq!(keys.len(), 8, "one for each slot");
    for key in &keys {
        assert_eq!(heaps.grow(*key, TOO_MANY).await.unwrap(), TOO_MANY);
    }

    let added = cluster.add().await;
    let added = cluster.node(added);
    let counters = counters::client(cluster.node(0));
    let counted = one_key_per_slot(&counters);
    eventually(PATIENCE, async || {
        let moved = counted.iter().any(|key| counters.registry().owner(key).as_ref() == Some(added.id()));
        if moved { Ok(()) } else { Err(format!("nothing moves: {:?}", view(&added))) }
    })
    .await;
    for round in 1..=3 {
        for key in &keys {
            let bytes = TOO_MANY + round;
            eventually(PATIENCE, async || match heaps.grow(*key, bytes).await {
                Ok(len) if len == bytes => Ok(()),
                Err(CommandError::Unknown { reason: Reason::BadReply }) => panic!("{key}: nothing is wrong with it"),
                other => Err(format!("{key}: {other:?}")),
            })
            .await;
            assert_eq!(heaps.registry().owner(key).as_ref(), Some(cluster.node(0).id()), "{key} cannot have moved");
        }
    }
}
