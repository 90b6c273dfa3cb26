//! What a node believes about members and slots, as text that can be compared with another's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use registry_runtime::Node;

use crate::{CounterClient, Ran, SLOTS, eventually};

/// How long one call may take while its answer is asked for again and again.
const ONE_CALL: Duration = Duration::from_millis(500);

/// The members that a node sees, each with its incarnation and state.
pub fn view(node: &Node) -> BTreeSet<String> {
    node.members().iter().map(|member| format!("{} {} {:?}", member.id, member.incarnation, member.state)).collect()
}

/// How a node sees a member: `Up`, `Suspect`, `Down`, `Left`; `None` when it knows no such member.
pub fn state_of(node: &Node, id: &str) -> Option<String> {
    node.members().iter().find(|member| member.id.as_str() == id).map(|member| format!("{:?}", member.state))
}

/// One key for each slot of a counter registry with [`SLOTS`] slots.
pub fn one_key_per_slot(counters: &CounterClient) -> Vec<u64> {
    keys_of_slots(counters, SLOTS)
}

fn keys_of_slots(counters: &CounterClient, slots: usize) -> Vec<u64> {
    let mut keys = BTreeMap::new();
    for key in 0.. {
        keys.entry(counters.registry().explain(key).slot).or_insert(key);
        if keys.len() == slots {
            break;
        }
        assert!(key < 1_000_000, "{} of {slots} slots have a key", keys.len());
    }
    keys.into_values().collect()
}

/// Owner and epoch of each key's slot, as far as the client's node knows.
pub fn table(counters: &CounterClient, keys: &[u64]) -> Vec<String> {
    keys.iter()
        .map(|key| {
            let route = counters.registry().explain(key);
            format!("slot {} {:?} in {:?}", route.slot, route.owner, route.epoch)
        })
        .collect()
}

/// The owner of a key once the client's node knows one.
pub async fn owner_of(counters: &CounterClient, key: u64) -> String {
    eventually(Duration::from_secs(10), async || {
        counters.registry().owner(key).map(|owner| owner.to_string()).ok_or_else(|| counters.registry().explain(key))
    })
    .await
}

/// Writes to every key until each has answered, and returns the answers in the order of the keys.
pub async fn every_slot_answers(deadline: Duration, counters: &CounterClient, keys: &[u64]) -> Vec<Ran> {
    let mut answers: BTreeMap<u64, Ran> = BTreeMap::new();
    eventually(deadline, async || {
        let open: Vec<u64> = keys.iter().copied().filter(|key| !answers.contains_key(key)).collect();
        let mut missing = None;
        let outcomes = crate::together(open.iter().map(|key| counters.bump(key).timeout(ONE_CALL)).collect()).await;
        for (key, outcome) in open.into_iter().zip(outcomes) {
            match outcome {
                Ok(ran) => _ = answers.insert(key, ran),
                Err(error) => missing = Some(format!("key {key}: {error:?}; {}", counters.registry().explain(key))),
            }
        }
        missing.map_or(Ok(()), Err)
    })
    .await;
    keys.iter().map(|key| answers[key].clone()).collect()
}
