//! The owner of a key is killed; somebody else answers for it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rand::RngExt;
use registry_runtime::Timing;
use tokio::time::sleep;

use super::stage::Stage;
use crate::counters;
use crate::sim::Clock;

/// How often the caller calls: the time is measured as exactly as that.
const CALL_EVERY: Duration = Duration::from_millis(10);

/// How long a call may take: longer than a failover ever should, so that it is answered when there is an owner again.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// For how long the caller calls before the kill.
const BEFORE_MS: u64 = 200;

/// How long an answer from elsewhere is waited for; beyond the goal, so that a miss has a number.
const PATIENCE_MS: u64 = 30_000;

/// The sizes of the clusters, from and to.
const NODES: (u16, u16) = (3, 7);

/// How many keys there are to choose from: all slots are among theirs.
const KEYS: u64 = 1000;

/// How long after the kill of a key's owner a caller on another node had its first answer from a new owner.
pub(super) fn play(mut stage: Stage, timing: Timing) -> Result<u64, String> {
    let nodes = stage.rng.random_range(NODES.0..=NODES.1);
    let mut world = stage.settled(nodes, timing)?;
    let key = stage.rng.random_range(0..KEYS);
    let clients: Vec<_> = world.nodes().iter().map(counters::client).collect();
    let owner = clients.first().and_then(|client| client.registry().owner(key)).ok_or("the key has no owner")?;
    let is_owner = |host: &u16| world.host(*host).name() == owner.as_str();
    let victim = (1..=nodes).find(is_owner).ok_or_else(|| format!("{owner} is no host"))?;
    let caller = 1 + (victim - 1 + stage.rng.random_range(1..nodes)) % nodes;

    let answered = Arc::new(OnceLock::new());
    let calls = Calls { key, victim: owner.to_string(), clock: stage.clock.clone(), answered: answered.clone() };
    let client = clients.into_iter().nth(usize::from(caller) - 1).ok_or("the caller has no client")?;
    world.host(caller).spawn(calls.run(client));
    world.run(BEFORE_MS);
    world.crash(victim);
    let killed_ms = world.now_ms();
    world.run_until(PATIENCE_MS, |_| answered.get().is_some());
    let answered_ms = answered.get().ok_or("nobody else answers for the key")?;
    Ok(answered_ms - killed_ms)
}

/// A call every few milliseconds, none of which waits for another.
struct Calls {
    key: u64,
    victim: String,
    clock: Clock,
    /// When the first answer from elsewhere came.
    answered: Arc<OnceLock<u64>>,
}

impl Calls {
    async fn run(self, client: crate::CounterClient) {
        while self.answered.get().is_none() {
            let call = client.bump(self.key).timeout(CALL_TIMEOUT);
            let (victim, clock, answered) = (self.victim.clone(), self.clock.clone(), self.answered.clone());
            tokio::spawn(async move {
                if call.await.is_ok_and(|ran| ran.node != victim) {
                    answered.get_or_init(|| clock.now_ms());
                }
            });
            sleep(CALL_EVERY).await;
        }
    }
}
