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
    say_from(1, engine, sim, body)
}

fn say_from(from: usize, engine: &mut Ownership, sim: &Sim, body: Body) -> Vec<Body> {
    let (from, to) = (&sim.nodes[from].process, sim.nodes[0].process.start);
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
    questions_to(1, engine, sim, body)
}

fn questions_to(whom: usize, engine: &mut Ownership, sim: &Sim, body: Body) -> Vec<Digests> {
    let asked = say_from(whom, engine, sim, body).into_iter().filter_map(|body| match body {
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

/// The end of n1's answer to a question.
fn end_of(asked: &Digests, whole: bool) -> Body {
    Body::Told(Told { registry: asked.registry.clone(), number: asked.number, whole })
}

fn heartbeat(names: &[&RegistryName]) -> Body {
    let tables = names.iter().map(|name| (RegistryName::clone(name), 7)).collect();
    Body::Heartbeat(Heartbeat { sequence: 1, heard: 0, tables })
}

fn names_of(asked: &[Digests]) -> Vec<&str> {
    asked.iter().map(|asked| asked.registry.as_str()).collect()
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
    let mut answer_to = |slots: u32, buckets: Vec<u64>| {
        let answer =
            say(&mut engine, &sim, Body::Digests(Digests { registry: large.clone(), number: 9, slots, buckets }));
        let rows = answer.iter().map(|body| match body {
            Body::Batch(batch) => batch.words.len(),
            _ => 0,
        });
        let rows = rows.sum::<usize>();
        // The end of the answer goes last.
        match answer.last() {
            Some(Body::Told(Told { registry, number: 9, whole })) if *registry == large => (rows, *whole),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(answer_to(0, Vec::new()), (ROWS_TOLD_MAX, false));
    let mut half = known.clone();
    half[ROWS_TOLD_MAX / SLOTS_PER_BUCKET as usize..].fill(0);
    assert_eq!(answer_to(slots, half), (2 * WORDS_MAX, true), "the rest");
    assert_eq!(answer_to(slots, known), (0, true));
    assert_eq!(answer_to(slots + 64, vec![0; 97]), (0, true), "nothing comes to one who knows another table");
}

#[test]
fn only_so_much_is_asked_for_at_a_time_and_what_is_not_known_here_too() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| RegistryName::new(name).unwrap());
    let first = questions(&mut engine, &sim, heartbeat(&[&a, &b, &c]));
    assert_eq!(names_of(&first), ["a", "b"], "half of all from one peer");
    assert!(first.iter().all(|asked| asked.slots == 0 && asked.buckets.is_empty()));
    assert_eq!(questions(&mut engine, &sim, heartbeat(&[&a, &b, &c])), [], "they are asked already");
    let stray = Body::Told(Told { registry: a.clone(), number: first[0].number + 7, whole: true });
    assert_eq!(questions(&mut engine, &sim, stray), [], "an answer to none of its questions");

    assert_eq!(questions(&mut engine, &sim, told(&a, 8, 5..6, &sim)), []);
    assert!(engine.table(&a).is_some_and(|table| table.digest() != 0), "it is known now");
    // That was not all, and there was news: on at once, and now it is known how little room it takes.
    let next = questions(&mut engine, &sim, end_of(&first[0], false));
    assert_eq!(names_of(&next), ["a"]);
    assert_eq!(next[0].slots, 8);
    // It brought nothing: the next one is asked about, and this one in a while.
    let after = questions(&mut engine, &sim, end_of(&next[0], false));
    assert_eq!(names_of(&after), ["c"]);
}

#[test]
fn answers_without_news_make_questions_rare() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let unknown = RegistryName::new("unknown").unwrap();
    let mut asked = 0;
    for _ in 0..600 {
        sim.now += 100 * MS;
        for question in questions(&mut engine, &sim, heartbeat(&[&unknown])) {
            asked += 1;
            assert_eq!(questions(&mut engine, &sim, end_of(&question, true)), []);
        }
    }
    // At once, after 0.8 s, 1.6 s, and then every 3.2 s.
    assert_eq!(asked, 3 + (60_000 - 100 - 2400) / 3200);
}

/// Four heartbeats' time.
const PATIENCE: u64 = 4 * 100 * MS;

#[test]
fn who_does_not_answer_is_asked_rarely_and_keeps_nobody_else_from_being_asked() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let own = engine.table(&registry()).unwrap().digest();
    for whom in [1, 2] {
        let tables = vec![(registry(), own)];
        say_from(whom, &mut engine, &sim, Body::Heartbeat(Heartbeat { sequence: 1, heard: 0, tables }));
    }
    let mut asks = |sim: &Sim, whom| !questions_to(whom, &mut engine, sim, heartbeat(&[&registry()])).is_empty();
    sim.now += PATIENCE - MS;
    assert!(!asks(&sim, 1), "they were equal a moment ago");
    sim.now += 1 + MS;
    assert!(asks(&sim, 1));
    assert!(!asks(&sim, 2), "of one at a time");
    sim.now += PATIENCE - 1;
    assert!(!asks(&sim, 1) && !asks(&sim, 2), "there is time to answer");
    sim.now += 1;
    assert!(!asks(&sim, 1) && asks(&sim, 2), "the other one is asked");
    sim.now += 2 * PATIENCE - 1;
    assert!(!asks(&sim, 1));
    sim.now += 1;
    assert!(asks(&sim, 1), "it has another chance");
    sim.now += PATIENCE;
    assert!(!asks(&sim, 1));
    sim.now += 4 * PATIENCE - 1;
    assert!(!asks(&sim, 1));
    sim.now += 1;
    assert!(asks(&sim, 1), "later each time");
}

#[test]
fn who_answers_late_is_asked_again() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let [a, b] = ["a", "b"].map(|name| RegistryName::new(name).unwrap());
    let first = questions(&mut engine, &sim, heartbeat(&[&a]));
    for slot in 0..3 {
        sim.now += PATIENCE - 1;
        assert_eq!(questions(&mut engine, &sim, told(&a, 8, slot..slot + 1, &sim)), []);
        assert_eq!(questions_to(2, &mut engine, &sim, heartbeat(&[&a])), [], "its answer is coming");
    }
    sim.now += PATIENCE;
    assert_eq!(questions(&mut engine, &sim, heartbeat(&[&a, &b])), [], "given up, and left alone for a while");
    assert_eq!(questions(&mut engine, &sim, end_of(&first[0], true)), [], "of no use any more");
    assert_eq!(names_of(&questions(&mut engine, &sim, heartbeat(&[&a, &b]))), ["a", "b"], "but it does answer");
}

#[test]
fn news_in_a_whole_answer_is_no_reason_to_ask_at_once() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let a = RegistryName::new("a").unwrap();
    let asked = questions(&mut engine, &sim, heartbeat(&[&a]));
    assert_eq!(questions(&mut engine, &sim, told(&a, 8, 0..1, &sim)), []);
    assert_eq!(questions(&mut engine, &sim, end_of(&asked[0], true)), []);
    sim.now += PATIENCE - 1;
    assert_eq!(questions(&mut engine, &sim, heartbeat(&[&a])), []);
    sim.now += 1;
    assert_eq!(names_of(&questions(&mut engine, &sim, heartbeat(&[&a]))), ["a"]);
}

#[test]
fn nobody_tells_parts_for_ever() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let a = RegistryName::new("a").unwrap();
    let mut asked = questions(&mut engine, &sim, heartbeat(&[&a]));
    let mut parts = 0;
    while let Some(question) = asked.pop() {
        assert_eq!(questions(&mut engine, &sim, told(&a, SLOTS_MAX, parts..parts + 1, &sim)), []);
        parts += 1;
        asked = questions(&mut engine, &sim, end_of(&question, false));
    }
    assert_eq!(parts, 1 + SLOTS_MAX / ROWS_TOLD_MAX as u32);
    assert_eq!(names_of(&questions_to(2, &mut engine, &sim, heartbeat(&[&a]))), ["a"], "another one is asked");
}

#[test]
fn of_all_peers_together_only_so_much_is_asked_for() {
    let mut sim = settled(4, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let names = ["a", "b", "c", "d", "e", "f"].map(|name| RegistryName::new(name).unwrap());
    let told = heartbeat(&names.each_ref());
    let asked = [1, 2, 3].map(|whom| questions_to(whom, &mut engine, &sim, told.clone()));
    assert_eq!(asked.each_ref().map(|asked| names_of(asked)), [vec!["a", "b"], vec!["c", "d"], vec![]]);
}

#[test]
fn what_could_not_be_kept_is_not_asked_about() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    for index in 1..REGISTRIES_MAX {
        let name = RegistryName::new(&format!("r{index}")).unwrap();
        say(&mut engine, &sim, told(&name, 1, 0..1, &sim));
    }
    let [known, unknown] = ["r1", "unknown"].map(|name| RegistryName::new(name).unwrap());
    assert_eq!(names_of(&questions(&mut engine, &sim, heartbeat(&[&known, &unknown]))), ["r1"]);
}

#[test]
fn a_new_connection_is_asked_anew() {
    let mut sim = settled(3, 24, 3);
    let mut engine = sim.nodes[0].engine.take().unwrap();
    let large = RegistryName::new("large").unwrap();
    assert_eq!(names_of(&questions(&mut engine, &sim, heartbeat(&[&large]))), ["large"]);
    let other = sim.nodes[1].process.clone();
    engine.handle(sim.local(0), Input::Disconnected(other.node.clone()));
    engine.handle(sim.local(0), Input::Connected(other));
    while engine.poll().is_some() {}
    assert_eq!(names_of(&questions(&mut engine, &sim, heartbeat(&[&large]))), ["large"]);
}
