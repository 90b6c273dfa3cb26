//! A peer that says what no sound peer says: it is not believed, and nothing breaks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use super::sim::{MS, Options, Sim, registry};
use crate::engine::output::Event;
use crate::engine::ownership::Input;
use crate::id::{Epoch, NodeId, Position, Process, RegistryName, Slot, Start};
use crate::message::*;

fn founded() -> Sim {
    let mut sim = Sim::new(1, Options::default());
    assert!(sim.run_until(5000 * MS, Sim::is_settled));
    sim
}

/// Lets n1 say something to n0, and hears what n0 finds wrong with it.
fn complaint(sim: &mut Sim, body: Body) -> Option<&'static str> {
    let (from, to) = (sim.nodes[1].process.clone(), sim.nodes[0].process.start);
    sim.nodes[0].events.clear();
    sim.handle(0, Input::Received(from.node, Message { from: from.start, to, body }));
    sim.nodes[0].events.iter().find_map(|event| match event {
        Event::BadInput { what, .. } => Some(*what),
        _ => None,
    })
}

fn batch(sets: Vec<Vec<Process>>, slot: u32, word: Word<u16>) -> Body {
    Body::Batch(Batch { registry: registry(), slots: 24, sets, words: vec![(Slot::new(slot), word)] })
}

#[test]
fn what_is_out_of_bounds_is_refused_with_a_reason() {
    let mut sim = founded();
    let members: Vec<_> = sim.nodes.iter().map(|node| node.process.clone()).collect();
    let (mine, own) = (vec![members.clone()], vec![vec![members[1].clone(), members[0].clone()]]);
    let epoch = Epoch::from_parts(3_700_000, 0);
    let collect = |set| Word::Collect { epoch, set, known: None, released: None };
    let far = Epoch::from_parts(Epoch::COUNTER_MAX, 0);
    let mut check = |body: Body, expected: Option<&str>| assert_eq!(complaint(&mut sim, body), expected);
    check(batch(mine.clone(), 0, collect(0)), Some("an opening in another's name"));
    check(batch(own.clone(), 0, collect(1)), Some("a set that is not listed"));
    check(batch(own.clone(), 24, collect(0)), Some("a slot that does not exist"));
    check(batch(vec![Vec::new()], 0, collect(0)), Some("a set with too few or too many members"));
    check(batch(vec![vec![members[1].clone(); 2]], 0, collect(0)), Some("a set with too few or too many members"));
    check(batch(own.clone(), 0, Word::Active { epoch: far, set: 0 }), Some("an epoch from the far future"));
    let others = vec![vec![members[1].clone(), members[2].clone()]];
    let install = Word::Install { epoch, set: 0, base: (Epoch::ZERO, Position::new(0)) };
    check(batch(others, 0, install), Some("an installation for others"));
    let install = Word::Install { epoch, set: 0, base: (Epoch::from_parts(3_700_000, 1), Position::new(0)) };
    check(batch(own.clone(), 0, install), Some("an installation of data above its epoch"));
    let noted = vec![Noted { set: 0, first: epoch, last: Epoch::ZERO }];
    let promise = Word::Promise { epoch, active: None, noted, accepted: (Epoch::ZERO, Position::new(0)) };
    check(batch(own.clone(), 0, promise), Some("a promise with noted sets that no row can have"));
    let promise =
        Word::Promise { epoch: Epoch::ZERO, active: None, noted: Vec::new(), accepted: (epoch, Position::new(0)) };
    check(batch(own.clone(), 0, promise), Some("a promise of data above the promised epoch"));
    let words = vec![(Slot::new(0), Word::Active { epoch, set: 0 }); WORDS_MAX + 1];
    check(
        Body::Batch(Batch { registry: registry(), slots: 24, sets: Vec::new(), words }),
        Some("a batch over its limits"),
    );
    let sized = |slots| Body::Batch(Batch { registry: registry(), slots, sets: Vec::new(), words: Vec::new() });
    check(sized(25), Some("another number of slots for a registry"));
    let named = |name: &str, slots| {
        let registry = RegistryName::new(name).unwrap();
        Body::Batch(Batch { registry, slots, sets: Vec::new(), words: Vec::new() })
    };
    check(named("huge", SLOTS_MAX + 1), Some("an impossible number of slots"));
    check(named("none", 0), Some("an impossible number of slots"));
    let large = FOREIGN_SLOTS_MAX / SLOTS_MAX - 1;
    for index in 0..large {
        check(named(&format!("large{index}"), SLOTS_MAX), None);
    }
    check(named("left", SLOTS_MAX - REGISTRIES_MAX as u32), None);
    check(named("over", REGISTRIES_MAX as u32 + 1), Some("too many slots of registries that are not hosted here"));
    for index in large + 2..REGISTRIES_MAX as u32 {
        check(named(&format!("r{index}"), 1), None);
    }
    check(named("one-more", 1), Some("one registry too many"));
    let digests = Digests { registry: registry(), number: 1, slots: 24, buckets: vec![0; 2] };
    check(Body::Digests(digests), Some("digests of a table of another size"));
    let tables = vec![(registry(), 0); REGISTRIES_MAX + 1];
    check(Body::Heartbeat(Heartbeat { sequence: 1, heard: 0, tables }), Some("a heartbeat with too many registries"));
    let forgotten = vec![members[2].clone(); FORGOTTEN_MAX + 1];
    let forgotten = Forgotten { after: Duration::from_secs(3600), processes: forgotten };
    check(Body::Forgotten(forgotten), Some("too many members that are forgotten"));
    let entry = Superseded { registry: registry(), slot: Slot::new(0), epoch: far };
    let lend = |superseded| Body::Lend(Lend { sequence: 0, version: 0, superseded, complete: true });
    check(lend(vec![entry.clone()]), Some("an epoch from the far future"));
    check(lend(vec![entry; SUPERSEDED_MAX + 1]), Some("a lease with too many superseded slots"));
}

#[test]
fn what_is_meant_for_another_life_is_ignored() {
    let mut sim = founded();
    let (from, to) = (sim.nodes[1].process.clone(), Start::new(0));
    let before = sim.handled;
    let body = Body::Heartbeat(Heartbeat { sequence: 1, heard: 0, tables: Vec::new() });
    sim.handle(0, Input::Received(from.node, Message { from: from.start, to, body }));
    assert_eq!(sim.handled, before + 1);
    assert!(sim.nodes[0].events.iter().all(|event| !matches!(event, Event::BadInput { .. })));
}

/// Whatever is said, in whatever order, no engine panics.
#[test]
fn nonsense_breaks_nothing() {
    let mut sim = founded();
    for round in 0..20_000 {
        let from = sim.nodes[1].process.clone();
        let message = nonsense(&mut sim);
        let told = format!("{message:?}");
        let heard = catch_unwind(AssertUnwindSafe(|| sim.handle(0, Input::Received(from.node, message))));
        assert!(heard.is_ok(), "round {round}: {told}");
        if round % 50 == 0 {
            sim.now += 10 * MS;
            sim.handle(0, Input::Tick);
        }
    }
}

fn nonsense(sim: &mut Sim) -> Message {
    let members: Vec<_> = sim.nodes.iter().map(|node| node.process.clone()).collect();
    let (from, to) = (members[1].start, members[0].start);
    let rng = &mut sim.rng;
    let registry = if rng.random_range(0..20) == 0 { RegistryName::new("other").unwrap() } else { registry() };
    let body = match rng.random_range(0..20) {
        0 => Body::Heartbeat(Heartbeat {
            sequence: rng.next_u64(),
            heard: rng.next_u64(),
            tables: vec![(registry, rng.next_u64())],
        }),
        1 => Body::Lend(Lend {
            sequence: rng.random_range(0..100),
            version: rng.next_u64(),
            superseded: vec![Superseded { registry, slot: slot(rng), epoch: epoch(rng) }],
            complete: rng.random(),
        }),
        2 => Body::Digests(Digests { registry, number: rng.next_u64(), slots: 24, buckets: vec![rng.next_u64()] }),
        4 => Body::Forgotten(Forgotten { after: Duration::from_secs(3600), processes: set(rng, &members) }),
        3 => Body::Told(Told { registry, number: rng.random_range(0..100), whole: rng.random() }),
        _ => {
            let sets = (0..rng.random_range(0..4)).map(|_| set(rng, &members)).collect();
            let words = (0..rng.random_range(0..4)).map(|_| (slot(rng), word(rng))).collect();
            Body::Batch(Batch { registry, slots: 24, sets, words })
        }
    };
    Message { from, to, body }
}

fn slot(rng: &mut ChaCha8Rng) -> Slot {
    Slot::new(rng.random_range(0..26))
}

fn epoch(rng: &mut ChaCha8Rng) -> Epoch {
    match rng.random_range(0..10) {
        0 => Epoch::new(rng.next_u64()),
        1 => Epoch::ZERO,
        _ => Epoch::from_parts(rng.random_range(3_599_990..3_601_000), rng.random_range(0..4)),
    }
}

fn set(rng: &mut ChaCha8Rng, members: &[Process]) -> Vec<Process> {
    let stranger = Process { node: NodeId::new("stranger").unwrap(), start: Start::new(rng.random_range(0..3)) };
    let pick = |rng: &mut ChaCha8Rng| members.get(rng.random_range(0..4)).unwrap_or(&stranger).clone();
    let mut set: Vec<_> = (0..rng.random_range(0..4)).map(|_| pick(rng)).collect();
    if rng.random() {
        set.insert(0, members[1].clone());
    }
    set
}

fn word(rng: &mut ChaCha8Rng) -> Word<u16> {
    let set = rng.random_range(0..4);
    let some = |rng: &mut ChaCha8Rng| if rng.random() { Some(epoch(rng)) } else { None };
    let active = some(rng).map(|epoch| (epoch, set));
    let position = Position::new(rng.next_u64());
    match rng.random_range(0..6) {
        0 => Word::Collect { epoch: epoch(rng), set, known: some(rng), released: some(rng) },
        1 => Word::Promise {
            epoch: epoch(rng),
            active,
            noted: (0..rng.random_range(0..3)).map(|set| Noted { set, first: epoch(rng), last: epoch(rng) }).collect(),
            accepted: (epoch(rng), position),
        },
        2 => {
            let refusal = match rng.random_range(0..4) {
                0 => Refusal::Promised(epoch(rng)),
                1 => Refusal::Outdated,
                2 => Refusal::Lent(epoch(rng), Process { node: NodeId::new("n2").unwrap(), start: Start::new(1) }),
                _ => Refusal::Full,
            };
            Word::Refuse { epoch: epoch(rng), refusal, active }
        }
        3 => Word::Install { epoch: epoch(rng), set, base: (epoch(rng), position) },
        4 => Word::Active { epoch: epoch(rng), set },
        _ => Word::HandOver { epoch: epoch(rng), set },
    }
}
