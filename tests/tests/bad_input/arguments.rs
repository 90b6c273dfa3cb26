//! Arguments and replies that are too large, and arguments that do not decode.

use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Executed, Reason, Resource, commands, registry};
use registry_testkit::eventually;
use serde::{Deserialize, Serialize};

use crate::events;

registry! {
    shelves {
        resource Shelf;
        sharding consistent_hashing(slots = 16);
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Shelf {
    #[key]
    id: u64,
    puts: u64,
    width: Even,
}

impl From<u64> for Shelf {
    fn from(id: u64) -> Self {
        Self { id, puts: 0, width: Even(0) }
    }
}

/// An even number. One that is odd can be made, sent, and not read.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "u64")]
struct Even(u64);

impl TryFrom<u64> for Even {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if number.is_multiple_of(2) { Ok(Self(number)) } else { Err(format!("{number} is odd")) }
    }
}

#[commands]
impl Shelf {
    fn put(&mut self, text: String) -> u64 {
        self.puts += 1;
        self.puts + u64::from(text.is_empty())
    }

    fn puts(&self) -> u64 {
        self.puts
    }

    fn halve(&mut self, number: Even) -> u64 {
        self.puts += 1;
        number.0 / 2
    }

    fn widen(&mut self, by: u64) -> u64 {
        self.width.0 += by;
        self.width.0
    }

    fn shout(&self, bytes: u64) -> String {
        "o".repeat(bytes as usize)
    }
}

/// A cluster, a client at its first node, and a shelf that the second one owns.
async fn away() -> (Cluster, ShelfClient, u64) {
    events::listen();
    let cluster = Cluster::builder().nodes(2).host(shelves::registry()).start().await.unwrap();
    let shelves = shelves::client(cluster.node(0));
    let other = cluster.node(1).id().clone();
    let id = eventually(Duration::from_secs(10), async || {
        (0..1_000).find(|id| shelves.registry().owner(id).as_ref() == Some(&other)).ok_or("node 1 owns nothing")
    })
    .await;
    (cluster, shelves, id)
}

#[tokio::test]
async fn too_large() {
    const LARGE: u64 = 1 << 20;
    const TOO_LARGE: u64 = 16 << 20;
    let (_cluster, shelves, id) = away().await;
    let text = |bytes: u64| "o".repeat(bytes as usize);
    for round in 1..=3 {
        let error = shelves.put(id, text(TOO_LARGE)).await.unwrap_err();
        assert_eq!(error.executed(), Executed::No);
        let CommandError::TooLarge { limit } = error else { panic!("{error:?}") };
        assert!((LARGE..TOO_LARGE).contains(&(limit as u64)), "{limit}");
        assert_eq!(shelves.put(id, text(LARGE)).await, Ok(round), "what is below the limit travels");
    }
    assert_eq!(shelves.puts(id).await, Ok(3));
    events::warned(&[&["a call cannot be sent"], &["registry=\"shelves\""], &["command=\"put\""]]).await;

    assert_eq!(shelves.shout(id, LARGE).await.map(|reply| reply.len() as u64), Ok(LARGE));
    let error = shelves.shout(id, TOO_LARGE).await.unwrap_err();
    assert!(!matches!(error, CommandError::DeadlineExceeded { .. }), "a reply over the limit is no silence: {error:?}");
    events::warned(&[&["what a command ends with is too large"], &["registry=\"shelves\""], &["command=\"shout\""]])
        .await;
    assert_eq!(shelves.puts(id).await, Ok(3), "the connection lives on");
}

#[tokio::test]
async fn undecodable() {
    let (_cluster, shelves, id) = away().await;
    assert_eq!(shelves.halve(id, Even(4)).await, Ok(2));
    let error = shelves.halve(id, Even(3)).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No);
    assert!(matches!(error, CommandError::Incompatible { .. }), "{error:?}");
    events::warned(&[&["cannot be read"], &["registry=\"shelves\""], &["command=\"halve\""]]).await;
    assert_eq!(shelves.puts(id).await, Ok(1), "the connection lives on, and nothing ran");
}

/// The one who made the type hears why, also where there is nobody else to refuse it.
#[tokio::test]
async fn what_replicas_could_not_read_is_not_kept_and_the_node_says_why() {
    events::listen();
    let cluster = Cluster::builder().nodes(1).host(shelves::registry()).start().await.unwrap();
    let shelves = shelves::client(cluster.node(0));
    assert_eq!(shelves.widen(1, 2).await, Ok(2));
    assert_eq!(shelves.widen(1, 3).await, Err(CommandError::Unknown { reason: Reason::BadReply }));
    assert_eq!(shelves.widen(1, 2).await, Ok(4), "it was as before");
    events::warned(&[&["replicas could not take"], &["registry=\"shelves\""], &["the instance cannot be read again"]])
        .await;
}
