//! Tables are compared, and only what differs is told.

use super::directed::{SECOND, settle};
use super::sim::{MS, Options, Sim, registry};
use crate::engine::output::Output;
use crate::engine::ownership::{Input, Ownership};
use crate::id::{Epoch, RegistryName, Slot};
use crate::message::*;

fn settled(nodes: usize, slots: u32, replicas: u8) -> Sim {
    let mut sim = Sim::new(1, Options { nodes, charter: nodes, slots, replicas, ..Options::default() });
    settle(&mut sim, 10 * SECOND);
    sim
}

fn digest(sim: &Sim, index: usize) -> u64 {
    sim.nodes[index].engine.as_ref().and_then(|engine| engine.table(&registry())).map_or(0, |table| table.digest())
}

/// How many rows are told and how often is asked until a newcomer that hosts nothing knows what the others know.
fn cost_of_a_newcomer(sim: &mut Sim) -> (usize, usize) {
    let before = sim.counts;
    let newcomer = sim.add_client();
    let knows = sim.run_until(5 * SECOND, |sim| digest(sim, newcomer) == digest(sim, 0));
    assert!(knows && digest(sim, 0) != 0);
    sim.run(3 * SECOND);
    (sim.counts.rows - before.rows, sim.counts.questions - before.questions)
}

#[test]
fn a_newcomer_is_told_each_row_once_however_many_it_meets() {
    assert_eq!(cost_of_a_newcomer(&mut settled(9, 128, 3)), (128, 1));
}

#[test]
fn those_who_meet_again_tell_one_another_nothing_that_both_know() {
    let mut sim = settled(5, 128, 3);
    let before = sim.counts;
    for other in 1..5 {
        for (at, of) in [(0, other), (other, 0)] {
            let process = sim.nodes[of].process.clone();
            sim.handle(at, Input::Disconnected(process.node.clone()));
            sim.handle(at, Input::Connected(process));
        }
    }
    sim.run(3 * SECOND);
    assert_eq!((sim.counts.rows, sim.counts.questions), (before.rows, before.questions));
}

/// Lets n1 say something to an engine of n0. Returns what that engine sends.
fn say(engine: &mut Ownership, sim: &Sim, body: Body) -> Vec<Body> {
    let (from, to) = (&sim.nodes[1].process, sim.nodes[0].process.start);
    let message = Message { from: from.start, to, body };
    engine.handle(sim.local(0), Input::Received(from.node.clone(), message));
    let outputs = std::iter::from_fn(|| engine.poll());
    let sent = outputs.filter_map(|output| match output {
        Output::Send { message, .. } => Some(message.body),
        _ => None,
    });
    sent.collect()
}

/// What a node asks after one more message.
fn questions(engine: &mut Ownership, sim: &Sim, body: Body) -> Vec<Digests> {
    let asked = say(engine, sim, body).into_iter().filter_map(|body| match body {
        Body::Digests(digests) => Some(digests),
        _ => None,
    });
    asked.collect()
}

/// A table that n1 tells of.
fn told(registry: &RegistryName, slots: u32, rows: std::ops::Range<u32>, sim: &Sim) -> Body {
    let epoch = Epoch::from_parts(3_700_000, 0);
    let words = rows.map(|slot| (Slot::new(slot), Word::Active { epoch, set: 0 })).collect();
    Body::Batch(Batch { registry: registry.clone(), slots, sets: vec![vec![sim.nodes[1].process.clone()]], words })
}

#[test]
fn a_large_table_is_told_in_parts() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let large = RegistryName::new("large").unwrap();
    let slots = (ROWS_TOLD_MAX + 2 * WORDS_MAX) as u32;
    for first in (0..slots).step_by(WORDS_MAX) {
        say(&mut engine, &sim, told(&large, slots, first..first + WORDS_MAX as u32, &sim));
    }
    let known = engine.table(&large).unwrap().buckets().to_vec();
    let mut rows_after = |buckets: Vec<u64>| {
        let slots = if buckets.is_empty() { 0 } else { slots };
        let digests = Digests { registry: large.clone(), slots, buckets };
        let answer = say(&mut engine, &sim, Body::Digests(digests));
        assert_eq!(answer.last(), Some(&Body::Told(large.clone())), "the end of the answer goes last");
        let rows = answer.iter().map(|body| match body {
            Body::Batch(batch) => batch.words.len(),
            _ => 0,
        });
        rows.sum::<usize>()
    };
    assert_eq!(rows_after(Vec::new()), ROWS_TOLD_MAX);
    let mut half = known.clone();
    half[ROWS_TOLD_MAX / SLOTS_PER_BUCKET as usize..].fill(0);
    assert_eq!(rows_after(half), 2 * WORDS_MAX, "the rest");
    assert_eq!(rows_after(known), 0);
}

#[test]
fn few_are_asked_at_a_time_and_about_what_is_not_known_here_too() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let names = ["a", "b", "c"].map(|name| RegistryName::new(name).unwrap());
    let own = engine.table(&registry()).unwrap().digest();
    let tables = names.iter().map(|name| (name.clone(), 7)).chain([(registry(), own)]).collect();
    let asked = questions(&mut engine, &sim, Body::Heartbeat(Heartbeat { sequence: 1, heard: 0, tables }));
    let nothing = |name: &RegistryName| Digests { registry: name.clone(), slots: 0, buckets: Vec::new() };
    assert_eq!(asked, [nothing(&names[0]), nothing(&names[1])]);
    assert_eq!(questions(&mut engine, &sim, Body::Told(names[2].clone())), [], "nobody asked about it yet");

    assert_eq!(questions(&mut engine, &sim, told(&names[0], 8, 5..6, &sim)), []);
    assert!(engine.table(&names[0]).is_some_and(|table| table.digest() != 0), "it is known now");
    // There was news, and still the digests differ: the answer may have been a part.
    let asked = questions(&mut engine, &sim, Body::Told(names[0].clone()));
    assert_eq!(asked.iter().map(|asked| (&asked.registry, asked.slots)).collect::<Vec<_>>(), [(&names[0], 8)]);
    // There was none: the next one is asked about, and this one in a while.
    assert_eq!(questions(&mut engine, &sim, Body::Told(names[0].clone())), [nothing(&names[2])]);
}

#[test]
fn who_does_not_answer_keeps_nobody_from_being_asked_for_long() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let mut asks = |sim: &Sim, at: usize| {
        let from = &sim.nodes[at].process;
        let body = Body::Heartbeat(Heartbeat { sequence: 1, heard: 0, tables: vec![(registry(), 7)] });
        let message = Message { from: from.start, to: sim.nodes[0].process.start, body };
        engine.handle(sim.local(0), Input::Received(from.node.clone(), message));
        let outputs: Vec<_> = std::iter::from_fn(|| engine.poll()).collect();
        outputs.iter().any(|output| match output {
            Output::Send { to, message } => *to == from.node && matches!(message.body, Body::Digests(_)),
            _ => false,
        })
    };
    sim.now += SECOND;
    assert!(asks(&sim, 1), "they were equal a second ago");
    assert!(!asks(&sim, 2), "one at a time");
    sim.now += 999 * MS;
    assert!(!asks(&sim, 2));
    sim.now += MS;
    assert!(asks(&sim, 2));
}
