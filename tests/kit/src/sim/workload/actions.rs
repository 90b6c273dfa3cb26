//! Actions, which any node may run, under both load balancers.

use registry_runtime::{Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Task};
use super::work::{Refusal, Told, What, Work};
use crate::sim::History;
use crate::sim::history::{Op, Place};

registry! {
    /// Errands for whoever is less busy.
    pub(super) errands {
        resource Errand;
        sharding consistent_hashing(slots = 1);
        load_balancing least_busy;
    }

    /// Errands for one after the other.
    pub(super) rounds {
        resource Errand;
        sharding consistent_hashing(slots = 1);
        load_balancing round_robin;
    }
}

/// Nothing but its actions.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub(super) struct Errand {
    #[key]
    id: u64,
}

impl From<u64> for Errand {
    fn from(id: u64) -> Self {
        Self { id }
    }
}

#[commands]
impl Errand {
    /// Does something, somewhere.
    pub(super) async fn run(call: u64, work: Work, cx: &Context) -> Result<Told, Refusal> {
        let running = History::running(cx, call);
        work.end(running).await?;
        Ok(Told::here(What::Nothing, cx))
    }
}

/// Both registries, by their names and clients.
fn both(caller: &Caller) -> [(&'static str, ErrandClient); 2] {
    [(errands::Registry::NAME, errands::client(&caller.node)), (rounds::Registry::NAME, rounds::client(&caller.node))]
}

pub(super) async fn turn(caller: &mut Caller) {
    let [least_busy, round_robin] = both(caller);
    let (registry, client) = if caller.once_in(2) { least_busy } else { round_robin };
    let (work, timeout_ms) = (caller.work(), caller.timeout_ms());
    let task = Task { place: Place { registry, key: 0 }, op: Op::Act, effect: None, timeout_ms };
    let call = caller.call(task, move |call, _| client.run(call, work), Told::parts);
    caller.wait(call).await;
}

/// There is nothing to look at; each must find somebody.
pub(super) async fn audit(caller: &mut Caller) -> Result<(), String> {
    for (registry, client) in both(caller) {
        let place = Place { registry, key: 0 };
        let run = move |call, _| client.run(call, Work::default());
        // One that was sent to a host that is just lost ends, and nobody may send it again; the next one goes elsewhere.
        caller.insist(Task::audits(place, Op::Act), run, Told::parts).await?;
    }
    Ok(())
}
