//! How fast a cluster agrees, and how fast a dead owner is replaced: a promise about a machine that has the time.
//!
//! The tests of this file take turns, and cargo runs the files one after another, so nothing of ours runs beside them. A try
//! that something else delays proves nothing, so the best of a few counts; each time is printed (`--nocapture`).

#![allow(clippy::unwrap_used, reason = "a test stops where something is wrong")]
#![allow(clippy::print_stdout, reason = "the times are worth knowing")]

use std::time::{Duration, Instant};

use registry_runtime::testing::Cluster;
use registry_runtime::{Node, Timing};
use registry_testkit::{
    SLOTS, builder, counters, eventually, every_slot_answers, free_addresses, one_key_per_slot, owner_of, table,
};
use tokio::sync::Mutex;

/// What both may take.
const PROMPT: Duration = Duration::from_secs(3);

/// How many tries there are.
const TRIES: usize = 3;

/// What is not measured may take as long as it likes.
const PATIENCE: Duration = Duration::from_secs(30);

static TURN: Mutex<()> = Mutex::const_new(());

/// Tries until one is prompt.
async fn prompt(what: &str, mut attempt: impl AsyncFnMut(usize) -> Duration) {
    let _turn = TURN.lock().await;
    let mut times = Vec::new();
    for number in 1..=TRIES {
        let took = attempt(number).await;
        println!("{what}: {took:.2?}");
        if took <= PROMPT {
            return;
        }
        times.push(took);
    }
    panic!("{what} took {times:.2?}, and never {PROMPT:?} or less");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_agree_within_three_seconds_of_start() {
    prompt("from the start of three nodes to one table on all of them", async |number| {
        let addresses = free_addresses(3);
        let begun = Instant::now();
        let start = async |index: usize| -> Node {
            builder(&format!("prompt-{number}-{index}"))
                .timing(Timing::fast())
                .listen(addresses[index])
                .join(&addresses)
                .host(counters::registry())
                .start()
                .await
                .unwrap()
        };
        let (one, two, three) = tokio::join!(start(0), start(1), start(2));
        let nodes = [one, two, three];
        let keys = one_key_per_slot(&counters::client(&nodes[0]));
        eventually(PATIENCE, async || {
            let tables = nodes.each_ref().map(|node| table(&counters::client(node), &keys));
            let agreed = tables.iter().all(|table| *table == tables[0]) && tables[0].len() == SLOTS;
            let open = !tables[0].iter().any(|line| line.contains("None"));
            let members = nodes.iter().all(|node| node.members().len() == nodes.len());
            if agreed && open && members { Ok(()) } else { Err("the tables differ or have holes") }
        })
        .await;
        begun.elapsed()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_owners_keys_answer_elsewhere_within_three_seconds() {
    prompt("from the death of an owner to an answer for each of its keys", async |_| {
        let cluster = Cluster::builder().nodes(3).host(counters::registry()).start().await.unwrap();
        let before = counters::client(cluster.node(0));
        let keys = one_key_per_slot(&before);
        every_slot_answers(PATIENCE, &before, &keys).await;
        let lost = owner_of(&before, keys[0]).await;
        let killed = (0..cluster.len()).find(|&index| cluster.node(index).id().as_str() == lost).unwrap();
        let survivor = counters::client(cluster.node((killed + 1) % cluster.len()));
        let owned = |key: &u64| before.registry().owner(key).is_some_and(|owner| owner.as_str() == lost);
        let orphans: Vec<u64> = keys.into_iter().filter(owned).collect();

        let begun = Instant::now();
        cluster.kill(killed).await;
        every_slot_answers(PATIENCE, &survivor, &orphans).await;
        begun.elapsed()
    })
    .await;
}
