//! Every side of a partition serves, and what the sides did comes together again.

use std::collections::BTreeMap;
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Context, NodeId, Resource, commands, registry};
use registry_testkit::{eventually, together};
use serde::{Deserialize, Serialize};

/// An upper bound for what a cluster does unaided after a cut or a heal.
const UNAIDED: Duration = Duration::from_secs(20);

/// How long one call may take that is repeated until it succeeds.
const ONE_TRY: Duration = Duration::from_secs(1);

registry! {
    likes {
        resource Likes;
        sharding consistent_hashing(slots = 16);
        on_partition serve_all;
    }
    names {
        resource Name;
        sharding consistent_hashing(slots = 16);
        on_partition serve_all;
    }
}

/// Who likes something how often, each counted by the node that was asked: a counter that can be merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(on_demand, merge = Self::merge)]
struct Likes {
    #[key]
    id: u64,
    by_node: BTreeMap<String, u64>,
}

impl From<u64> for Likes {
    fn from(id: u64) -> Self {
        Self { id, by_node: BTreeMap::new() }
    }
}

impl Likes {
    fn merge(&mut self, other: Self) {
        for (node, count) in other.by_node {
            let mine = self.by_node.entry(node).or_default();
            *mine = count.max(*mine);
        }
    }

    fn sum(&self) -> u64 {
        self.by_node.values().sum()
    }
}

#[commands]
impl Likes {
    /// Answers who counted it, and the sum.
    fn like(&mut self, cx: &Context) -> (String, u64) {
        let node = cx.node().to_string();
        *self.by_node.entry(node.clone()).or_default() += 1;
        (node, self.sum())
    }

    fn count(&self) -> u64 {
        self.sum()
    }
}

/// A name, the last of which counts: nothing that could be merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
struct Name {
    #[key]
    id: u64,
    text: String,
}

#[commands]
impl Name {
    fn give(id: u64, text: String) -> Self {
        Self { id, text }
    }

    fn rename(&mut self, text: String) {
        self.text = text;
    }

    fn text(&self) -> String {
        self.text.clone()
    }

    fn forget(self) {}
}

async fn three_nodes() -> Cluster {
    Cluster::builder().nodes(3).host(likes::registry()).host(names::registry()).start().await.unwrap()
}

/// How many keys are made, of which those are looked at that the node owns which is to be cut off: about a third.
///
/// What is acknowledged is on most replicas, and the owner is the one of which that is known. A node that is cut off may lack the last
/// changes of others' slots, as `serve_all` has it.
const MADE: u64 = 120;

/// Those of the keys that were made which the cut-off node owns.
fn owned(owner: impl Fn(u64) -> Option<NodeId>, node: &NodeId) -> Vec<u64> {
    let keys: Vec<u64> = (0..MADE).filter(|key| owner(*key).as_ref() == Some(node)).collect();
    assert!(keys.len() >= 12, "{node} owns {} keys of {MADE}", keys.len());
    keys
}

/// Waits until each of these keys can be liked through this client, and says what the last like of each answered.
async fn like_all(likes: &LikesClient, keys: &[u64]) -> Vec<(String, u64)> {
    let mut answers = Vec::new();
    for key in keys {
        let liked = eventually(UNAIDED, async || likes.like(key).timeout(ONE_TRY).await).await;
        answers.push(liked);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_serve_and_their_counts_are_merged() {
    let cluster = three_nodes().await;
    let [single, two, three] = [0, 1, 2].map(|index| likes::client(cluster.node(index)));
    like_all(&single, &(0..MADE).collect::<Vec<_>>()).await;
    let keys = owned(|key| single.registry().owner(key), cluster.node(0).id());

    cluster.partition(&[&[0], &[1, 2]]).await;
    let alone = cluster.node(0).id().to_string();
    let here = like_all(&single, &keys).await;
    let there = like_all(&two, &keys).await;
    assert!(here.iter().all(|(node, _)| *node == alone), "the single node serves everything: {here:?}");
    assert!(there.iter().all(|(node, _)| *node != alone), "so do the others: {there:?}");
    // Once more on each side, under a name that is used again when they have met.
    let named = |client: &LikesClient, key: u64, side: &str| {
        client.like(key).idempotency_key(format!("{side} {key}")).timeout(Duration::from_secs(10))
    };
    let on_both = |key: u64| [named(&single, key, "here"), named(&three, key, "there")];
    for outcome in together(keys.iter().flat_map(|key| on_both(*key)).collect()).await {
        outcome.unwrap();
    }
    let counts = async |client: &LikesClient| {
        let counts = together(keys.iter().map(|key| client.count(key).timeout(ONE_TRY)).collect()).await;
        counts.into_iter().collect::<Result<Vec<u64>, _>>()
    };
    let (here, there) = (counts(&single).await.unwrap(), counts(&two).await.unwrap());

    cluster.heal().await;
    // Each side knew one like of each key before the cut.
    let expected: Vec<u64> = here.iter().zip(&there).map(|(here, there)| here + there - 1).collect();
    for client in [&single, &two, &three] {
        eventually(UNAIDED, async || match counts(client).await {
            Ok(counts) if counts == expected => Ok(()),
            other => Err(format!("{other:?} instead of {expected:?}")),
        })
        .await;
    }
    // Both sides' receipts are kept: what either did is not done again.
    let again = |key: u64| [named(&two, key, "here"), named(&single, key, "there")];
    eventually(UNAIDED, async || {
        let outcomes = together(keys.iter().flat_map(|key| again(*key)).collect()).await;
        outcomes.into_iter().collect::<Result<Vec<_>, _>>()
    })
    .await;
    assert_eq!(counts(&three).await.unwrap(), expected);
}

/// Makes a name; an attempt that was too late to be told of counts.
async fn give(names: &NameClient, key: u64, text: &str) {
    eventually(UNAIDED, async || match names.give(key, text.into()).timeout(ONE_TRY).await {
        Ok(_) | Err(CommandError::AlreadyExists) => Ok(()),
        Err(error) => Err(error),
    })
    .await;
}

/// Ends a name, likewise.
async fn forget(names: &NameClient, key: u64) {
    eventually(UNAIDED, async || match names.forget(key).timeout(ONE_TRY).await {
        Ok(()) | Err(CommandError::NotFound) => Ok(()),
        Err(error) => Err(error),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_merge_one_side_stays_where_both_have_changed_and_all_else_is_kept() {
    let cluster = three_nodes().await;
    let [single, two, three] = [0, 1, 2].map(|index| names::client(cluster.node(index)));
    for key in 0..MADE {
        give(&single, key, "first").await;
    }
    let keys = owned(|key| single.registry().owner(key), cluster.node(0).id());

    cluster.partition(&[&[0], &[1, 2]]).await;
    let rename = async |client: &NameClient, key: u64, text: &str| {
        eventually(UNAIDED, async || client.rename(key, text.into()).timeout(ONE_TRY).await).await;
    };
    for (nth, key) in keys.iter().copied().enumerate() {
        match nth % 5 {
            0 => rename(&single, key, "here").await,
            1 => rename(&two, key, "there").await,
            2 => {
                rename(&single, key, "here").await;
                rename(&two, key, "there").await;
            }
            3 => give(&single, key + MADE, "made here").await,
            _ => forget(&single, key).await,
        }
    }

    cluster.heal().await;
    eventually(UNAIDED, async || {
        for (nth, key) in keys.iter().copied().enumerate() {
            let text = three.text(key).timeout(ONE_TRY).await;
            let fits = match (nth % 5, &text) {
                (0, Ok(text)) => text == "here",
                (1, Ok(text)) => text == "there",
                (2, Ok(text)) => text == "here" || text == "there",
                (3, Ok(text)) => text == "first",
                (nth, text) => nth == 4 && matches!(text, Err(CommandError::NotFound)),
            };
            if !fits {
                return Err(format!("key {key}: {text:?}"));
            }
            if nth % 5 == 3 && three.text(key + MADE).timeout(ONE_TRY).await.ok().as_deref() != Some("made here") {
                return Err(format!("key {}", key + MADE));
            }
        }
        Ok(())
    })
    .await;
}
