//! How soon the instances of a killed process are served by another one, once its death is known.
//!
//! `cargo run --release -p registry-tests --bin opening -- --instances N --bytes B --rounds N`: three processes with three replicas, of
//! which each owns about N instances. One is killed with SIGKILL. From the moment when the caller hears that it is Down until every slot
//! that it had has answered is what an opening takes; afterwards every instance is looked at. Ends with 1 when the goal was missed.

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use registry_runtime::{MemberState, Node};
use registry_testkit::eventually;
use registry_testkit::parcels::{Member, caller, node, parcels, with_each};
use tokio::time::{Instant, sleep, timeout};

const NODES: usize = 3;

/// How long one call may take: far beyond the goal, so that a miss is measured and not cut off.
const CALL_TIME: Duration = Duration::from_secs(60);

/// How soon everything must be served.
const GOAL: Duration = Duration::from_secs(1);

/// One round: how long until the death was known, how long from then until all was served, and the slots and instances that were.
struct Round {
    known: Duration,
    served: Duration,
    slots: usize,
    instances: usize,
}

async fn round(each: u64, bytes: u32) -> Result<Round, Box<dyn Error>> {
    let mut members = Member::start_all(NODES)?;
    let caller = caller(&members).await?;
    caller.wait_for_members(NODES + 1).await?;
    let (client, instances) = (parcels::client(&caller), each * NODES as u64);
    with_each(&client, instances, async move |client, id| {
        client.pack(id, bytes).timeout(CALL_TIME).await.map(drop).map_err(|error| error.to_string())
    })
    .await?;
    let full = |id| client.registry().explain(id).replicas.len() == NODES;
    eventually(
        CALL_TIME,
        async || {
            if (0..instances).all(full) { Ok(()) } else { Err("some slot has not all its replicas") }
        },
    )
    .await;
    let victim = "parcels-2";
    let had = (0..instances).filter(|id| client.registry().owner(*id).is_some_and(|owner| owner.as_str() == victim));
    let had: Vec<u64> = had.collect();
    let slots: BTreeMap<u32, u64> = had.iter().map(|id| (client.registry().explain(*id).slot.get(), *id)).collect();

    let killed = Instant::now();
    drop(members.pop());
    timeout(CALL_TIME, async {
        while !is_down(&caller, victim) {
            // Finer than what is measured.
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await?;
    let known = Instant::now();
    let keys: Arc<[u64]> = slots.values().copied().collect();
    with_each(&client, keys.len() as u64, {
        let keys = Arc::clone(&keys);
        async move |client, at| {
            let id = usize::try_from(at).ok().and_then(|at| keys.get(at)).ok_or("a slot of nobody")?;
            client.weigh(*id).timeout(CALL_TIME).await.map(drop).map_err(|error| error.to_string())
        }
    })
    .await?;
    let served = known.elapsed();
    with_each(&client, instances, async move |client, id| {
        let weight = client.weigh(id).timeout(CALL_TIME).await.map_err(|error| error.to_string())?;
        if weight == u64::from(bytes) { Ok(()) } else { Err(format!("instance {id} has {weight} bytes")) }
    })
    .await?;
    caller.shutdown().await;
    Ok(Round { known: known - killed, served, slots: keys.len(), instances: had.len() })
}

fn is_down(caller: &Node, name: &str) -> bool {
    caller.members().iter().any(|member| member.id.as_str() == name && member.state == MemberState::Down)
}

async fn measure(each: u64, bytes: u32, rounds: u32) -> Result<bool, Box<dyn Error>> {
    let mut met = true;
    for number in 1..=rounds {
        let Round { known, served, slots, instances } = round(each, bytes).await?;
        println!(
            "round {number}: known to be Down after {:.0} ms; {instances} instances of {bytes} bytes in {slots} slots served {:.0} ms later",
            known.as_secs_f64() * 1e3,
            served.as_secs_f64() * 1e3,
        );
        met &= served <= GOAL;
    }
    println!("goal: {:.0} ms, {}", GOAL.as_secs_f64() * 1e3, if met { "reached" } else { "MISSED" });
    Ok(met)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut instances, mut bytes, mut rounds) = (100_000, 200, 3);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or("usage: opening [--instances N] [--bytes N] [--rounds N]");
        match word.as_str() {
            "node" => {
                let name = value()?;
                let join = words.next().map(|address| address.parse()).transpose()?;
                node(&name, join).await?;
            }
            "--instances" => instances = value()?.parse()?,
            "--bytes" => bytes = value()?.parse()?,
            "--rounds" => rounds = value()?.parse()?,
            other => return Err(format!("`{other}` is no option").into()),
        }
    }
    Ok(if measure(instances, bytes, rounds).await? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
