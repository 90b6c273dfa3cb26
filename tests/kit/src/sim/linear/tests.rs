//! Histories that are known to be sound, and ones with a planted fault.

use super::*;
use crate::sim::history::{Op, Reply};

/// A name, whether the history is linearizable, and the history.
type Case = (&'static str, bool, Vec<Entry<Op, Reply>>);

/// An answered entry.
fn told(begun: u64, ended: u64, op: Op, reply: Reply) -> Entry<Op, Reply> {
    Entry { begun, ended: Some((ended, reply)), op }
}

/// A pending one.
fn open(begun: u64, op: Op) -> Entry<Op, Reply> {
    Entry { begun, ended: None, op }
}

fn n(number: i64) -> Reply {
    Reply::Number(number)
}

/// Whether the history is linearizable.
fn judge<M: Model<Op = Op, Reply = Reply>>(history: &[Entry<Op, Reply>]) -> bool {
    match check::<M>(history, Budget::default()) {
        Verdict::Linearizable => true,
        Verdict::Violation(_) => false,
        Verdict::Undecided { steps } => panic!("undecided after {steps} steps"),
    }
}

#[test]
fn counters() {
    use Op::{Add, Read, Take};
    let table: [Case; 17] = [
        ("nothing", true, vec![]),
        ("one after the other", true, vec![told(0, 1, Add(2), n(2)), told(2, 3, Read, n(2))]),
        ("side by side, either order", true, vec![told(0, 9, Add(2), n(5)), told(1, 8, Add(3), n(3))]),
        ("a read beside a write, before it", true, vec![told(0, 9, Add(2), n(2)), told(1, 8, Read, n(0))]),
        ("a read beside a write, after it", true, vec![told(0, 9, Add(2), n(2)), told(1, 8, Read, n(2))]),
        ("a stale read", false, vec![told(0, 1, Add(2), n(2)), told(2, 3, Read, n(0))]),
        (
            "two reads that saw the write come and go",
            false,
            vec![told(0, 9, Add(2), n(2)), told(1, 2, Read, n(2)), told(3, 4, Read, n(0))],
        ),
        ("a lost update", false, vec![told(0, 1, Add(2), n(2)), told(2, 3, Add(2), n(2))]),
        ("two side by side, one lost", false, vec![told(0, 5, Add(2), n(2)), told(1, 4, Add(2), n(2))]),
        ("a double effect", false, vec![told(0, 1, Add(2), n(2)), told(2, 3, Read, n(4))]),
        ("a read from the future", false, vec![told(0, 1, Read, n(2)), told(2, 3, Add(2), n(2))]),
        ("a value from nowhere", false, vec![told(0, 1, Add(2), n(2)), told(0, 1, Read, n(7))]),
        ("a pending one explains", true, vec![open(0, Add(2)), told(5, 6, Read, n(2)), told(7, 8, Read, n(2))]),
        ("a pending one never came", true, vec![open(0, Add(2)), told(5, 6, Read, n(0)), told(7, 8, Add(1), n(1))]),
        ("a pending one comes late", true, vec![open(0, Add(2)), told(5, 6, Read, n(0)), told(7, 8, Read, n(2))]),
        ("a pending one cannot come before its begin", false, vec![told(0, 1, Read, n(2)), open(5, Add(2))]),
        (
            "a pending one comes once",
            false,
            vec![open(0, Add(2)), told(1, 2, Read, n(2)), told(3, 4, Read, n(4)), told(5, 6, Take(1), n(3))],
        ),
    ];
    for (name, sound, history) in table {
        assert_eq!(judge::<Counter>(&history), sound, "{name}");
    }
}

#[test]
fn refusals_are_answers_too() {
    use Op::{Add, Take};
    let short = vec![told(0, 1, Add(2), n(2)), told(2, 3, Take(3), Reply::Refused), told(4, 5, Take(2), n(0))];
    assert!(judge::<Counter>(&short));
    let enough = vec![told(0, 1, Add(2), n(2)), told(2, 3, Take(2), Reply::Refused)];
    assert!(!judge::<Counter>(&enough));
    let beside = vec![told(0, 9, Add(2), n(2)), told(2, 3, Take(2), Reply::Refused)];
    assert!(judge::<Counter>(&beside));
}

#[test]
fn lists() {
    use Op::{Append, Read};
    let all = |entries: &[u64]| Reply::list(entries);
    let table: [Case; 7] = [
        (
            "in order",
            true,
            vec![told(0, 1, Append(7), n(1)), told(2, 3, Append(8), n(2)), told(4, 5, Read, all(&[7, 8]))],
        ),
        (
            "reordered",
            false,
            vec![told(0, 1, Append(7), n(1)), told(2, 3, Append(8), n(2)), told(4, 5, Read, all(&[8, 7]))],
        ),
        (
            "side by side, the other order",
            true,
            vec![told(0, 9, Append(7), n(2)), told(1, 8, Append(8), n(1)), told(10, 11, Read, all(&[8, 7]))],
        ),
        (
            "an acknowledged entry is gone",
            false,
            vec![told(0, 1, Append(7), n(1)), told(2, 3, Append(8), n(2)), told(4, 5, Read, all(&[8]))],
        ),
        ("twice", false, vec![told(0, 1, Append(7), n(1)), told(4, 5, Read, all(&[7, 7]))]),
        (
            "pending, between the others",
            true,
            vec![
                open(0, Append(9)),
                told(1, 2, Append(7), n(1)),
                told(3, 4, Append(8), n(3)),
                told(5, 6, Read, all(&[7, 9, 8])),
            ],
        ),
        (
            "pending twice",
            false,
            vec![open(0, Append(9)), told(1, 2, Append(7), n(2)), told(5, 6, Read, all(&[9, 7, 9]))],
        ),
    ];
    for (name, sound, history) in table {
        assert_eq!(judge::<Log>(&history), sound, "{name}");
    }
}

#[test]
fn cells() {
    use Op::{Create, Destroy, Read, Write};
    let table: [Case; 6] = [
        (
            "a life",
            true,
            vec![
                told(0, 1, Read, Reply::Absent),
                told(2, 3, Create(4), n(4)),
                told(4, 5, Create(5), Reply::Exists),
                told(6, 7, Write(6), n(6)),
                told(8, 9, Destroy, n(6)),
                told(10, 11, Write(7), Reply::Absent),
            ],
        ),
        ("gone by itself", false, vec![told(0, 1, Create(4), n(4)), told(2, 3, Read, Reply::Absent)]),
        (
            "gone by a pending destroy",
            true,
            vec![told(0, 1, Create(4), n(4)), open(2, Destroy), told(3, 4, Read, Reply::Absent)],
        ),
        ("created twice", false, vec![told(0, 1, Create(4), n(4)), told(2, 3, Create(5), n(5))]),
        (
            "destroyed twice",
            false,
            vec![told(0, 1, Create(4), n(4)), told(2, 5, Destroy, n(4)), told(3, 4, Destroy, n(4))],
        ),
        (
            "back from the dead",
            false,
            vec![told(0, 1, Create(4), n(4)), told(2, 3, Destroy, n(4)), told(4, 5, Read, n(4))],
        ),
    ];
    for (name, sound, history) in table {
        assert_eq!(judge::<Cell>(&history), sound, "{name}");
    }
}

#[test]
fn a_witness_says_how_far_it_came() {
    let history = [told(0, 1, Op::Add(2), n(2)), told(2, 3, Op::Add(1), n(3)), told(4, 5, Op::Read, n(2))];
    let Verdict::Violation(witness) = check::<Counter>(&history, Budget::default()) else { panic!("it is none") };
    assert_eq!(witness, Witness { explained: 2, answered: 3, state: "3".to_owned(), next: vec![2] });
}

/// Sixteen unanswered additions of different amounts, and a total that none of their sums reaches: the search must give up.
#[test]
fn a_budget_ends_in_undecided() {
    let mut history: Vec<_> = (0..16).map(|bit| open(0, Op::Add(2 << bit))).collect();
    history.push(told(1, 2, Op::Read, n(1)));
    let budget = Budget { steps: 1_000, ..Budget::default() };
    assert!(matches!(check::<Counter>(&history, budget), Verdict::Undecided { .. }));
    let budget = Budget { remembered: 1_000, ..Budget::default() };
    assert!(matches!(check::<Counter>(&history, budget), Verdict::Undecided { .. }));
}

/// Hundreds of pending entries that ask the same are no harder than one.
#[test]
fn equal_pending_entries_are_interchangeable() {
    let mut history: Vec<_> = (0..300).map(|begun| open(begun, Op::Add(1))).collect();
    history.extend((0..300).map(|turn| told(1_000 + 2 * turn, 1_001 + 2 * turn, Op::Read, n(turn as i64))));
    assert!(judge::<Counter>(&history));
    history.push(told(2_000, 2_001, Op::Read, n(301)));
    assert!(!judge::<Counter>(&history));
}
