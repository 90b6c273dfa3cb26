//! Arguments and replies that are too large.

use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Executed, Resource, commands, registry};
use registry_tests::eventually;
use serde::{Deserialize, Serialize};

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
}

impl From<u64> for Shelf {
    fn from(id: u64) -> Self {
        Self { id, puts: 0 }
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

    fn shout(&self, bytes: u64) -> String {
        "o".repeat(bytes as usize)
    }
}

#[tokio::test]
async fn too_large() {
    const LARGE: u64 = 1 << 20;
    const TOO_LARGE: u64 = 16 << 20;
    let cluster = Cluster::builder().nodes(2).host(shelves::registry()).start().await.unwrap();
    let shelves = shelves::client(cluster.node(0));
    let other = cluster.node(1).id().clone();
    let id = eventually(Duration::from_secs(10), async || {
        (0..1_000).find(|id| shelves.registry().owner(id).as_ref() == Some(&other)).ok_or("node 1 owns nothing")
    })
    .await;

    let text = |bytes: u64| "o".repeat(bytes as usize);
    for round in 1..=3 {
        let error = shelves.put(id, text(TOO_LARGE)).await.unwrap_err();
        assert_eq!(error.executed(), Executed::No);
        let CommandError::TooLarge { limit } = error else { panic!("{error:?}") };
        assert!((LARGE..TOO_LARGE).contains(&(limit as u64)), "{limit}");
        assert_eq!(shelves.put(id, text(LARGE)).await, Ok(round), "what is below the limit travels");
    }
    assert_eq!(shelves.puts(id).await, Ok(3));

    assert_eq!(shelves.shout(id, LARGE).await.map(|reply| reply.len() as u64), Ok(LARGE));
    let error = shelves.shout(id, TOO_LARGE).await.unwrap_err();
    assert!(!matches!(error, CommandError::DeadlineExceeded { .. }), "a reply over the limit is no silence: {error:?}");
    assert_eq!(shelves.puts(id).await, Ok(3), "the connection lives on");
}
