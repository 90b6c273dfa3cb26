//! The clauses that choose a strategy.

use std::time::Duration;

use super::arguments::{Arguments, no_arguments, strategy};
use super::values::{duration, number};
use super::words::one_of;
use crate::model::registry::{Failover, LoadBalancing, OnPartition, Reads, Sharding, Slots, Then};
use crate::report::Report;
use crate::syntax::registry::{Clause, Head};

/// The engines refuse a peer's registry with more: each slot costs every node an entry of its table.
const SLOTS_MAX: u32 = 65_536;

/// No failure detection is quicker than this, so a shorter wait would end before it began.
const WAIT_MIN: Duration = Duration::from_secs(1);

pub(super) fn sharding(clause: &Clause, report: &mut Report) -> Option<Sharding> {
    #[derive(Clone, Copy)]
    enum Strategy {
        ConsistentHashing,
        ByAttribute,
        Singleton,
    }
    let words = &[
        ("consistent_hashing", Strategy::ConsistentHashing),
        ("by_attribute", Strategy::ByAttribute),
        ("singleton", Strategy::Singleton),
    ];
    let (word, strategy, setting) = strategy(clause, "sharding strategy", "consistent_hashing", words, report)?;
    match strategy {
        Strategy::Singleton => {
            no_arguments(&word, &setting, "all keys share one slot", report);
            Some(Sharding::Singleton)
        }
        Strategy::ConsistentHashing => {
            let mut arguments = Arguments::of(&word, setting, report);
            let slots = slots(&mut arguments, report);
            arguments.finish("consistent_hashing(slots = 4096)", report);
            Some(Sharding::ConsistentHashing(slots))
        }
        Strategy::ByAttribute => {
            let mut arguments = Arguments::of(&word, setting, report);
            let field = arguments.positional();
            let slots = slots(&mut arguments, report);
            arguments.finish("by_attribute(key_field, slots = 4096)", report);
            match field {
                Some(Head::Word(field)) => Some(Sharding::ByAttribute(field, slots)),
                Some(Head::Literal(literal)) => {
                    report.at(literal, "`by_attribute` takes the name of a key field: write `by_attribute(tenant_id)`");
                    None
                }
                None => {
                    report.at(&word, "`by_attribute` needs a key field: write `by_attribute(tenant_id)`");
                    None
                }
            }
        }
    }
}

fn slots(arguments: &mut Arguments, report: &mut Report) -> Slots {
    let value = arguments.named("slots")?;
    number(&value, 1, SLOTS_MAX, "slots", report)
}

pub(super) fn load_balancing(clause: &Clause, report: &mut Report) -> Option<LoadBalancing> {
    let words = &[("least_busy", LoadBalancing::LeastBusy), ("round_robin", LoadBalancing::RoundRobin)];
    let (word, strategy, setting) = strategy(clause, "load-balancing strategy", "least_busy", words, report)?;
    no_arguments(&word, &setting, "it looks at the nodes alone", report);
    Some(strategy)
}

pub(super) fn reads(clause: &Clause, replicas: Option<u8>, report: &mut Report) -> Option<Reads> {
    let words = &[("owner", Reads::Owner), ("replicas", Reads::Replicas)];
    let (word, reads, setting) = strategy(clause, "way to read", "owner", words, report)?;
    no_arguments(&word, &setting, "any replica of the key may answer", report);
    if matches!(reads, Reads::Replicas) && replicas == Some(1) {
        report.at(&word, "with `replicas 1` there is only the owner to read from: write `replicas 3` or `reads owner`");
    }
    Some(reads)
}

pub(super) fn on_partition(clause: &Clause, report: &mut Report) -> Option<OnPartition> {
    let words = &[("pause_minority", OnPartition::PauseMinority), ("serve_all", OnPartition::ServeAll)];
    let (word, side, setting) = strategy(clause, "way through a partition", "pause_minority", words, report)?;
    no_arguments(&word, &setting, "it holds for every side of a partition", report);
    Some(side)
}

pub(super) fn failover(clause: &Clause, report: &mut Report) -> Option<Failover> {
    let words = &[("auto_reassign", false), ("wait_for_node", true)];
    let (word, waits, setting) = strategy(clause, "failover strategy", "auto_reassign", words, report)?;
    if !waits {
        no_arguments(&word, &setting, "its slots open elsewhere at once", report);
        return Some(Failover::AutoReassign);
    }
    let mut arguments = Arguments::of(&word, setting, report);
    let wait = arguments.positional();
    let then = arguments.named("then").and_then(|value| then(&value, report)).unwrap_or(Then::Reassign);
    arguments.finish("wait_for_node(30s, then = fail)", report);
    match wait {
        Some(wait) => duration(&wait, report).map(|(span, place)| {
            if span < WAIT_MIN {
                report.at(
                    place,
                    "no failure detection is quicker than 1s, so this wait would be over before it begins: write `1s` or more, or `auto_reassign`",
                );
            }
            Failover::WaitForNode(span, then)
        }),
        None => {
            report.at(&word, "`wait_for_node` needs a time: write `wait_for_node(30s)`");
            None
        }
    }
}

fn then(value: &Head, report: &mut Report) -> Option<Then> {
    let words = &[("reassign", Then::Reassign), ("fail", Then::Fail)];
    match value {
        Head::Word(word) => match one_of(word, "way to go on", words) {
            Ok(then) => Some(then),
            Err(message) => {
                report.at(word, message);
                None
            }
        },
        Head::Literal(literal) => {
            report.at(literal, "`then` takes a word: write `then = reassign` or `then = fail`");
            None
        }
    }
}
