//! What an instance costs: a cluster of three processes is filled with instances and emptied again.
//!
//! `cargo run --release -p registry-tests --bin memory -- --instances N --bytes B` prints the resident memory of each node before, filled,
//! emptied and filled again, and what that is for each instance and replica. The last shows what the allocator had kept; with
//! `--features jemalloc` another one than the system's is used.

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use registry_testkit::parcels::{Member, caller, node, parcels, with_each};
use tokio::time::{Instant, sleep};

/// Another allocator than the system's, to see what is due to which.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const NODES: usize = 3;

/// How long one call may take: the cluster is busy with nothing else.
const CALL_TIME: Duration = Duration::from_secs(60);

/// How long is waited at most until the memory of what is gone has been given back: twice as long as receipts are kept.
const GIVEN_BACK_TIME: Duration = Duration::from_secs(150);

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

fn tell(what: &str, members: &[Member], before: &[f64], instances: u64) -> io::Result<Vec<f64>> {
    let now: Vec<f64> = members.iter().map(Member::resident).collect::<io::Result<_>>()?;
    let mib: Vec<String> = now.iter().map(|bytes| format!("{:.1}", bytes / f64::from(1 << 20))).collect();
    let more: f64 = now.iter().zip(before).map(|(now, before)| now - before).sum();
    print!("{what:>8}: {} MiB", mib.join(" / "));
    if !before.is_empty() {
        print!(", {:.0} bytes more for each instance and replica", more / (instances as f64 * members.len() as f64));
    }
    println!();
    Ok(now)
}

async fn measure(instances: u64, bytes: u32) -> Result<bool, Box<dyn Error>> {
    let members = Member::start_all(NODES)?;
    let caller = caller(&members).await?;
    caller.wait_for_members(NODES + 1).await?;
    let client = parcels::client(&caller);
    // Every slot is opened and every connection used, as it will be, before anything is weighed.
    with_each(&client, 10_000, async move |client, id| {
        let key = u64::MAX - id;
        client.pack(key, bytes).timeout(CALL_TIME).await.map_err(|error| error.to_string())?;
        client.unpack(key).timeout(CALL_TIME).await.map_err(|error| error.to_string())
    })
    .await?;
    sleep(LOOK_EVERY).await;
    println!("{instances} instances of {bytes} bytes and a key of 8, {NODES} processes, {NODES} replicas");
    let before = tell("before", &members, &[], instances)?;
    let rate = with_each(&client, instances, async move |client, id| {
        client.pack(id, bytes).timeout(CALL_TIME).await.map(drop).map_err(|error| error.to_string())
    })
    .await?;
    println!("          {rate:.0} created a second");
    let filled = tell("filled", &members, &before, instances)?;
    let rate = with_each(&client, instances, async |client, id| {
        client.unpack(id).timeout(CALL_TIME).await.map_err(|error| error.to_string())
    })
    .await?;
    println!("          {rate:.0} destroyed a second");
    let limit: f64 = before.iter().sum::<f64>() * 1.1;
    let begun = Instant::now();
    let emptied = loop {
        let now: Vec<f64> = members.iter().map(Member::resident).collect::<io::Result<_>>()?;
        if now.iter().sum::<f64>() <= limit || begun.elapsed() >= GIVEN_BACK_TIME {
            break tell("emptied", &members, &before, instances)?;
        }
        sleep(LOOK_EVERY).await;
    };
    with_each(&client, instances, async move |client, id| {
        client.pack(id, bytes).timeout(CALL_TIME).await.map(drop).map_err(|error| error.to_string())
    })
    .await?;
    tell("again", &members, &before, instances)?;
    let each = filled.iter().zip(&before).map(|(filled, before)| filled - before).sum::<f64>()
        / (instances as f64 * NODES as f64);
    let raw = f64::from(bytes) + 8.0;
    let ratio = emptied.iter().sum::<f64>() / before.iter().sum::<f64>();
    println!(
        "goals: {each:.0} of at most {:.0} bytes filled; {ratio:.2} of at most 1.10 times as much emptied",
        2.0 * raw + 150.0
    );
    Ok(each <= 2.0 * raw + 150.0 && ratio <= 1.1)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut instances, mut bytes) = (1_000_000, 200);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or("usage: memory [--instances N] [--bytes N]");
        match word.as_str() {
            "node" => {
                let name = value()?;
                let join = words.next().map(|address| address.parse()).transpose()?;
                node(&name, join).await?;
            }
            "--instances" => instances = value()?.parse()?,
            "--bytes" => bytes = value()?.parse()?,
            other => return Err(format!("`{other}` is no option").into()),
        }
    }
    Ok(if measure(instances, bytes).await? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
