//! A bank on real processes: transfers between its accounts while node processes are killed, frozen or restarted one by one.
//!
//! The tellers are tasks of this process, on a node that only calls. A transfer takes from one account and gives to another, two
//! commands that are each repeated under their number until it is known what became of them. What the accounts say at the end is
//! compared with what the tellers were told. [`endure`] kills and freezes, [`roll`] restarts every node in turn.

mod book;
mod endure;
mod hall;
mod roll;
mod teller;

use registry_runtime::{Node, NodeId, Resource, Route, commands, registry};
use serde::{Deserialize, Serialize};

pub use endure::{Endurance, Endured, endure};
pub use roll::{Rolled, Rolling, roll};

/// How many accounts there are.
const ACCOUNTS: u64 = 512;

/// How many slots they live in.
const SLOTS: u64 = 64;

/// How many replicas each slot has: the default of a registry.
const REPLICAS: usize = 3;

registry! {
    /// Accounts, all empty at first. Steps are repeated within seconds, so their names need not be remembered for long.
    pub(super) bank { resource Account; sharding consistent_hashing(slots = 64); idempotency_window 2min; }
}

/// An account, with the number of every step that it took.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
pub(super) struct Account {
    #[key]
    id: u64,
    balance: i64,
    steps: Vec<u64>,
    /// What makes the account as large as a run wants it.
    ballast: Vec<u8>,
}

impl From<u64> for Account {
    fn from(id: u64) -> Self {
        Self { id, balance: 0, steps: Vec::new(), ballast: Vec::new() }
    }
}

/// What an account says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Statement {
    pub(super) balance: i64,
    pub(super) steps: Vec<u64>,
}

#[commands]
impl Account {
    /// Gives, or takes what is negative.
    pub(super) fn step(&mut self, number: u64, amount: i64) -> i64 {
        self.balance += amount;
        self.steps.push(number);
        self.balance
    }

    /// Makes the account so many bytes larger.
    pub(super) fn load(&mut self, bytes: u32) {
        self.ballast = vec![0x5A; usize::try_from(bytes).unwrap_or_default()];
    }

    /// Tells everything.
    pub(super) fn statement(&self) -> Statement {
        Statement { balance: self.balance, steps: self.steps.clone() }
    }
}

/// A line for each slot: its epoch, its owner and the others of its set.
pub(super) fn slots(node: &Node) -> Vec<String> {
    let client = bank::client(node);
    let mut lines: Vec<Option<String>> = vec![None; usize::try_from(SLOTS).unwrap_or_default()];
    for account in 0..ACCOUNTS {
        let route = client.registry().explain(account);
        if let Some(line) = usize::try_from(route.slot.get()).ok().and_then(|slot| lines.get_mut(slot)) {
            line.get_or_insert_with(|| describe(&route));
        }
    }
    lines.into_iter().flatten().collect()
}

fn describe(Route { slot, owner, epoch, replicas, .. }: &Route) -> String {
    let owner = owner.as_ref().map_or("nobody", NodeId::as_str);
    let replicas: Vec<&str> = replicas.iter().map(NodeId::as_str).collect();
    format!("slot {slot}, {owner} in {epoch}, held by {}", replicas.join("+"))
}

/// Whether every slot of these lines is held by as many nodes as it should be.
fn are_full(lines: &str) -> bool {
    !lines.is_empty() && lines.lines().all(|line| holders(line).count() == REPLICAS)
}

/// Whether every slot that the node held before its process ended was opened since: until then the set still counts on that process,
/// though a new one has its name.
fn are_done_with(node: &str, before: &str, now: &str) -> bool {
    let same = |line: &str| now.lines().any(|other| other == line);
    before.lines().filter(|line| holders(line).any(|holder| holder == node)).all(|line| !same(line))
}

fn holders(line: &str) -> impl Iterator<Item = &str> {
    line.rsplit_once("held by ").into_iter().flat_map(|(_, held)| held.split('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_full_with_three_members() {
        assert!(are_full("slot 1, a in 5, held by a+b+c\nslot 2, b in 5, held by b+c+d"));
        assert!(!are_full("slot 1, a in 5, held by a+b+c\nslot 2, b in 5, held by b+c"));
        assert!(!are_full(""));
    }

    #[test]
    fn a_set_that_counts_on_an_ended_process_is_not_done_with_it() {
        let before = "slot 1, a in 5, held by a+b+c\nslot 2, b in 5, held by b+c+d";
        assert!(!are_done_with("a", before, before) && are_done_with("e", before, before));
        assert!(are_done_with("a", before, "slot 1, b in 6, held by b+c+a\nslot 2, b in 5, held by b+c+d"));
    }
}
