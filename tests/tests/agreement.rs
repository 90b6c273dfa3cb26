//! In a settled cluster nobody disagrees on an owner.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is wrong"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{Context, Resource, commands, registry};
use registry_testkit::{Counter, CounterClient, eventually};
use serde::{Deserialize, Serialize};

registry! {
    spread {
        resource Counter;
    }

    gathered {
        resource Guest;
        sharding by_attribute(table);
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Guest {
    #[key]
    table: u32,
    #[key]
    name: String,
    greeted: u32,
}

impl From<GuestKey> for Guest {
    fn from(key: GuestKey) -> Self {
        Self { table: key.table, name: key.name, greeted: 0 }
    }
}

#[commands]
impl Guest {
    fn greet(&mut self, cx: &Context) -> String {
        self.greeted += 1;
        cx.node().to_string()
    }
}

/// How many random keys every node is asked for.
const KEYS: usize = 100_000;
/// How many of them are written to, from every node.
const WRITTEN: usize = 200;
/// How many keys are asked for before the nodes' other work gets a turn.
const AT_A_STRETCH: usize = 1_000;

/// Numbers that look random: `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
fn random_keys(seed: u64) -> impl Iterator<Item = u64> {
    (1u64..).map(move |step| {
        let z = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_of_100_000_keys_are_the_same_to_five_nodes() {
    let cluster =
        Cluster::builder().nodes(5).host(spread::registry()).host(gathered::registry()).start().await.unwrap();
    let keys: Vec<u64> = random_keys(7).take(KEYS).collect();
    let clients: Vec<CounterClient> = (0..cluster.len()).map(|index| spread::client(cluster.node(index))).collect();
    let guests: Vec<GuestClient> = (0..cluster.len()).map(|index| gathered::client(cluster.node(index))).collect();
    // A registry's routes come to a node with its first client there.
    for index in 0..cluster.len() {
        eventually(Duration::from_secs(10), async || {
            let known = |key: &u64| clients[index].registry().owner(key).is_some();
            let known_guest = |table: u32| guests[index].registry().owner((table, "")).is_some();
            let unknown = keys.iter().take(AT_A_STRETCH).filter(|key| !known(key)).count()
                + (0..1_000).filter(|table| !known_guest(*table)).count();
            if unknown == 0 { Ok(()) } else { Err(format!("{} keys have no owner to node {index}", unknown)) }
        })
        .await;
    }

    let mut owners = BTreeSet::new();
    for stretch in keys.chunks(AT_A_STRETCH) {
        for &key in stretch {
            let owner = clients[0].registry().owner(key).expect("a settled cluster has an owner for every key");
            let guest = ((key >> 32) as u32, format!("guest {}", key as u32));
            let host = guests[0].registry().owner(&guest).expect("a settled cluster has an owner for every key");
            for index in 1..cluster.len() {
                let (its_owner, its_host) =
                    (clients[index].registry().owner(key), guests[index].registry().owner(&guest));
                assert_eq!(its_owner.as_ref(), Some(&owner), "key {key}, nodes 0 and {index}");
                assert_eq!(its_host.as_ref(), Some(&host), "guest {guest:?}, nodes 0 and {index}");
            }
            owners.insert(owner);
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(owners.len(), cluster.len(), "every node owns some: {owners:?}");

    // What they say is where commands run.
    for (index, client) in clients.iter().enumerate() {
        for &key in keys.iter().take(WRITTEN) {
            let owner = client.registry().owner(key).unwrap();
            assert_eq!(client.bump(key).await.unwrap().node, owner.as_str(), "key {key} from node {index}");
            let guest = (key as u32, "Ada");
            let host = guests[index].registry().owner(guest).unwrap();
            assert_eq!(guests[index].greet(guest).await.unwrap(), host.as_str(), "guest {guest:?} from node {index}");
        }
    }
}
