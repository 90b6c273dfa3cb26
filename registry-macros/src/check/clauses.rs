//! The clauses of one block, each at most once.

use super::words::one_of;
use crate::report::Report;
use crate::syntax::registry::{Block, Clause};

/// Finds the place that a word's clause has.
type Place<'a> = for<'b> fn(&'b mut Clauses<'a>) -> &'b mut Option<&'a Clause>;

/// The clauses of one block by their words.
#[derive(Default)]
pub(super) struct Clauses<'a> {
    pub(super) resource: Option<&'a Clause>,
    pub(super) sharding: Option<&'a Clause>,
    pub(super) load_balancing: Option<&'a Clause>,
    pub(super) failover: Option<&'a Clause>,
    pub(super) replicas: Option<&'a Clause>,
    pub(super) reads: Option<&'a Clause>,
    pub(super) on_partition: Option<&'a Clause>,
    pub(super) queue: Option<&'a Clause>,
    pub(super) concurrency: Option<&'a Clause>,
    pub(super) timeout: Option<&'a Clause>,
    pub(super) idempotency_window: Option<&'a Clause>,
    pub(super) name: Option<&'a Clause>,
}

impl<'a> Clauses<'a> {
    pub(super) fn sort(tree: &'a Block, report: &mut Report) -> Self {
        let words: &[(&str, Place<'a>)] = &[
            ("resource", |clauses| &mut clauses.resource),
            ("sharding", |clauses| &mut clauses.sharding),
            ("load_balancing", |clauses| &mut clauses.load_balancing),
            ("failover", |clauses| &mut clauses.failover),
            ("replicas", |clauses| &mut clauses.replicas),
            ("reads", |clauses| &mut clauses.reads),
            ("on_partition", |clauses| &mut clauses.on_partition),
            ("queue", |clauses| &mut clauses.queue),
            ("concurrency", |clauses| &mut clauses.concurrency),
            ("timeout", |clauses| &mut clauses.timeout),
            ("idempotency_window", |clauses| &mut clauses.idempotency_window),
            ("name", |clauses| &mut clauses.name),
        ];
        let mut sorted = Self::default();
        for clause in &tree.clauses {
            let place = match one_of(&clause.word, "clause", words) {
                Ok(place) => place,
                Err(message) => {
                    report.at(&clause.word, message);
                    continue;
                }
            };
            match place(&mut sorted) {
                Some(first) => {
                    let word = &clause.word;
                    report.at(word, format!("`{word}` is given twice in this block: remove one"));
                    report.at(&first.word, format!("`{word}` is given here first"));
                }
                empty => *empty = Some(clause),
            }
        }
        sorted
    }
}
