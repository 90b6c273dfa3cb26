//! What the benchmarks may touch.

pub mod members;

use super::plan::Plan;
use super::view::Weight;
use crate::id::{NodeId, Process, RegistryName, Slot, Start};

/// Members with these weights, in thousandths, over and over.
pub fn members(count: usize, weights: &[u16]) -> Vec<(Process, u16)> {
    let names = (0..count).filter_map(|index| NodeId::new(format!("node-{index}")).ok());
    let processes = names.map(|node| Process { node, start: Start::new(1) });
    processes.zip(weights.iter().copied().cycle()).collect()
}

/// Makes a plan, and says who owns the first slot.
pub fn plan(registry: &RegistryName, slots: u32, members: &[(Process, u16)]) -> Option<Process> {
    make(registry, slots, members).owner(Slot::new(0)).cloned()
}

/// Makes a plan, and hands out how long one slot's rank is.
pub fn rank(registry: &RegistryName, slots: u32, members: &[(Process, u16)]) -> impl Fn(u32) -> usize + use<> {
    let plan = make(registry, slots, members);
    move |slot| plan.rank(Slot::new(slot)).count()
}

fn make(registry: &RegistryName, slots: u32, members: &[(Process, u16)]) -> Plan {
    let weighted = members.iter().map(|(process, weight)| (process, Weight::from_thousandths(*weight)));
    Plan::new(registry, slots, weighted)
}
