//! What an instance does when it does one thing at a time.

use std::fmt::Debug;
use std::hash::Hash;

use crate::sim::history::{Op, Reply};

/// A sequential object.
pub trait Model {
    /// What is asked. Equal operations do the same.
    type Op: Clone + Eq + Debug;
    /// What is answered.
    type Reply: Clone + Eq + Debug;
    /// What it remembers.
    type State: Clone + Eq + Hash + Debug;

    /// Its state before anything was asked.
    fn first() -> Self::State;

    /// The state after an operation, and the answer.
    fn apply(state: &Self::State, op: &Self::Op) -> (Self::State, Self::Reply);

    /// Whether an operation that was answered so has changed nothing, whatever the state was.
    fn only_looked(op: &Self::Op, reply: &Self::Reply) -> bool;
}

/// A number that is there from the start: `Add`, `Take` (refused below zero) and `Read`. `Balk` refuses everywhere.
#[derive(Debug)]
pub enum Counter {}

impl Model for Counter {
    type Op = Op;
    type Reply = Reply;
    type State = i64;

    fn first() -> i64 {
        0
    }

    fn apply(state: &i64, op: &Op) -> (i64, Reply) {
        let after = match op {
            Op::Add(amount) => state.saturating_add(*amount),
            Op::Take(amount) if amount > state => return (*state, Reply::Refused),
            Op::Take(amount) => state - amount,
            Op::Balk => return (*state, Reply::Refused),
            _ => *state,
        };
        (after, Reply::Number(after))
    }

    fn only_looked(op: &Op, reply: &Reply) -> bool {
        *op == Op::Read || *reply == Reply::Refused
    }
}

/// A list that only grows: `Append` answers with its length, `Read` with all of it.
#[derive(Debug)]
pub enum Log {}

impl Model for Log {
    type Op = Op;
    type Reply = Reply;
    /// The length and the digest of a [`Reply::List`], which stand for the entries.
    type State = Reply;

    fn first() -> Reply {
        Reply::empty_list()
    }

    fn apply(state: &Reply, op: &Op) -> (Reply, Reply) {
        let after = match op {
            Op::Append(entry) => state.with(*entry),
            Op::Balk => return (*state, Reply::Refused),
            _ => return (*state, *state),
        };
        let count = if let Reply::List { count, .. } = after { count } else { 0 };
        (after, Reply::Number(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    fn only_looked(op: &Op, _reply: &Reply) -> bool {
        matches!(op, Op::Read | Op::Balk)
    }
}

/// A register that may be there or not: `Create`, `Write`, `Destroy` and `Read`, each answering with the value that it left
/// or found.
#[derive(Debug)]
pub enum Cell {}

impl Model for Cell {
    type Op = Op;
    type Reply = Reply;
    type State = Option<u64>;

    fn first() -> Option<u64> {
        None
    }

    fn apply(state: &Option<u64>, op: &Op) -> (Option<u64>, Reply) {
        let number = |value: u64| Reply::Number(i64::try_from(value).unwrap_or(i64::MAX));
        match (op, *state) {
            (Op::Create(_), Some(_)) => (*state, Reply::Exists),
            (Op::Create(value), None) | (Op::Write(value), Some(_)) => (Some(*value), number(*value)),
            (_, None) => (None, Reply::Absent),
            (Op::Balk, Some(value)) => (Some(value), Reply::Refused),
            (Op::Destroy, Some(value)) => (None, number(value)),
            (_, Some(value)) => (Some(value), number(value)),
        }
    }

    fn only_looked(op: &Op, reply: &Reply) -> bool {
        *op == Op::Read || matches!(reply, Reply::Absent | Reply::Exists | Reply::Refused)
    }
}
