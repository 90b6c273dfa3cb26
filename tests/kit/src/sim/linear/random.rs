//! The checker against histories that a simulated instance made, against mutations of them, and against trying every order.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::sim::history::{Op, Reply};

type History = Vec<Entry<Op, Reply>>;

/// One operation to come: who calls, how long after the caller's last one, how long until it takes effect, how long until the
/// answer, and what becomes of it.
#[derive(Clone, Debug)]
struct Plan {
    client: usize,
    pause: u64,
    until_effect: u64,
    until_answer: u64,
    fate: Fate,
    op: Op,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    Unanswered,
    Lost,
}

fn plan(op: impl Strategy<Value = Op>) -> impl Strategy<Value = Plan> {
    let fate = prop_oneof![8 => Just(Fate::Answered), 1 => Just(Fate::Unanswered), 1 => Just(Fate::Lost)];
    (0..6usize, 1..20u64, 1..40u64, 1..40u64, fate, op).prop_map(
        |(client, pause, until_effect, until_answer, fate, op)| Plan {
            client,
            pause,
            until_effect,
            until_answer,
            fate,
            op,
        },
    )
}

fn counter_op() -> impl Strategy<Value = Op> {
    prop_oneof![3 => (1..4i64).prop_map(Op::Add), 1 => (1..9i64).prop_map(Op::Take), 2 => Just(Op::Read)]
}

fn cell_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..100u64).prop_map(Op::Create),
        2 => (0..100u64).prop_map(Op::Write),
        1 => Just(Op::Destroy),
        2 => Just(Op::Read),
    ]
}

fn log_op() -> impl Strategy<Value = Op> {
    prop_oneof![2 => (0..1_000u64).prop_map(Op::Append), 1 => Just(Op::Read)]
}

/// Lets one instance do what was planned, each operation at one moment between its begin and its end.
fn simulate<M: Model<Op = Op, Reply = Reply>>(plans: &[Plan]) -> History {
    let mut free = [0; 6];
    let mut effects = Vec::new();
    for plan in plans {
        let begun = free[plan.client] + plan.pause;
        let effect = begun + plan.until_effect;
        let ended = effect + plan.until_answer;
        free[plan.client] = ended;
        effects.push((effect, begun, ended, plan));
    }
    effects.sort_by_key(|(effect, ..)| *effect);
    let mut state = M::first();
    let mut history = Vec::new();
    for (_, begun, ended, plan) in effects {
        let ended = if plan.fate == Fate::Lost {
            None
        } else {
            let (after, reply) = M::apply(&state, &plan.op);
            state = after;
            (plan.fate == Fate::Answered).then_some((ended, reply))
        };
        history.push(Entry { begun, ended, op: plan.op });
    }
    history
}

fn is_sound<M: Model<Op = Op, Reply = Reply>>(history: &[Entry<Op, Reply>]) -> bool {
    match check::<M>(history, Budget::default()) {
        Verdict::Linearizable => true,
        Verdict::Violation(_) => false,
        Verdict::Undecided { steps } => panic!("undecided after {steps} steps"),
    }
}

fn is_no_violation<M: Model<Op = Op, Reply = Reply>>(history: &[Entry<Op, Reply>]) -> bool {
    let budget = Budget { steps: 5_000, ..Budget::default() };
    !matches!(check::<M>(history, budget), Verdict::Violation(_))
}

/// The definition itself: some order of all answered and some pending entries that respects real time and explains every
/// answer.
fn some_order_explains<M: Model<Op = Op, Reply = Reply>>(rest: &[Entry<Op, Reply>], state: &M::State) -> bool {
    if rest.iter().all(|entry| entry.ended.is_none()) {
        return true;
    }
    (0..rest.len()).any(|chosen| {
        let entry = &rest[chosen];
        let is_preceded = rest.iter().any(|other| other.ended.as_ref().is_some_and(|(end, _)| *end < entry.begun));
        let (after, reply) = M::apply(state, &entry.op);
        let fits = entry.ended.as_ref().is_none_or(|(_, heard)| *heard == reply);
        let mut without = rest.to_vec();
        without.remove(chosen);
        !is_preceded && fits && some_order_explains::<M>(&without, &after)
    })
}

/// Six entries or fewer with short lives in a narrow span and answers drawn at random: about half are sound.
fn small(op: impl Strategy<Value = Op>, reply: impl Strategy<Value = Reply>) -> impl Strategy<Value = History> {
    let entry = (0..12u64, prop::option::weighted(0.8, (0..8u64, reply)), op).prop_map(|(begun, answer, op)| {
        let ended = answer.map(|(length, reply)| (begun + length, reply));
        Entry { begun, ended, op }
    });
    vec(entry, 0..7)
}

/// Changes the answer of one entry to another that the history has, or to one off by one.
fn mutate(history: &mut History, chosen: prop::sample::Index, other: prop::sample::Index, shift: i64) {
    let answers: Vec<Reply> =
        history.iter().filter_map(|entry| entry.ended.as_ref().map(|(_, reply)| *reply)).collect();
    let mut answered: Vec<_> = history.iter_mut().filter_map(|entry| entry.ended.as_mut()).collect();
    if answered.is_empty() {
        return;
    }
    let place = chosen.index(answered.len());
    let (_, reply) = &mut *answered[place];
    *reply = match (*reply, shift) {
        (Reply::Number(number), 1..) => Reply::Number(number + shift),
        _ => answers[other.index(answers.len())],
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_one_instance_did_is_linearizable(
        counter in vec(plan(counter_op()), 0..100),
        cell in vec(plan(cell_op()), 0..100),
        log in vec(plan(log_op()), 0..100),
    ) {
        // With many lost answers an order may be hard to find; what must never come out is that there is none.
        prop_assert!(is_no_violation::<Counter>(&simulate::<Counter>(&counter)));
        prop_assert!(is_no_violation::<Cell>(&simulate::<Cell>(&cell)));
        prop_assert!(is_no_violation::<Log>(&simulate::<Log>(&log)));
    }

    /// Without lost answers it is always decided.
    #[test]
    fn what_was_answered_throughout_is_decided(
        mut cell in vec(plan(cell_op()), 0..300),
        mut log in vec(plan(log_op()), 0..300),
    ) {
        cell.iter_mut().chain(&mut log).for_each(|plan| plan.fate = Fate::Answered);
        prop_assert!(is_sound::<Cell>(&simulate::<Cell>(&cell)));
        prop_assert!(is_sound::<Log>(&simulate::<Log>(&log)));
    }

    /// A counter that only grows shows every number once, so an answer beyond the last number cannot be explained.
    #[test]
    fn a_number_that_never_was_is_found(
        plans in vec(plan(counter_op()), 1..60),
        chosen in any::<prop::sample::Index>(),
    ) {
        let mut history = simulate::<Counter>(&plans);
        let sum: i64 = history.iter().map(|entry| if let Op::Add(amount) = entry.op { amount } else { 0 }).sum();
        let mut answered: Vec<_> = history.iter_mut().filter_map(|entry| entry.ended.as_mut()).collect();
        prop_assume!(!answered.is_empty());
        let place = chosen.index(answered.len());
        answered[place].1 = Reply::Number(sum + 1);
        let budget = Budget { steps: 5_000, ..Budget::default() };
        prop_assert_ne!(check::<Counter>(&history, budget), Verdict::Linearizable);
    }

    #[test]
    fn mutated_histories_are_judged_by_the_definition(
        plans in vec(plan(counter_op()), 1..7),
        chosen in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        shift in -2..3i64,
    ) {
        let mut history = simulate::<Counter>(&plans);
        mutate(&mut history, chosen, other, shift);
        prop_assert_eq!(is_sound::<Counter>(&history), some_order_explains::<Counter>(&history, &0));
    }

    #[test]
    fn any_small_history_is_judged_by_the_definition(
        counter in small(counter_op(), prop_oneof![4 => (0..6i64).prop_map(Reply::Number), 1 => Just(Reply::Refused)]),
        cell in small(
            prop_oneof![(0..3u64).prop_map(Op::Create), (0..3u64).prop_map(Op::Write), Just(Op::Destroy), Just(Op::Read)],
            prop_oneof![3 => (0..3i64).prop_map(Reply::Number), 1 => Just(Reply::Absent), 1 => Just(Reply::Exists)],
        ),
    ) {
        prop_assert_eq!(is_sound::<Counter>(&counter), some_order_explains::<Counter>(&counter, &0));
        prop_assert_eq!(is_sound::<Cell>(&cell), some_order_explains::<Cell>(&cell, &None));
    }
}
