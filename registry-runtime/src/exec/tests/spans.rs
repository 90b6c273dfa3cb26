//! The span around each command, and what is said of one that panics.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::tally::*;
use super::world::*;
use crate::exec::{Attempt, Outcome};
use crate::id::{CommandId, Descent};

/// The spans of commands that began on this test's thread, and its warnings, in order.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>, Arc<Mutex<Vec<BTreeMap<&'static str, String>>>>);

#[derive(Clone, Debug)]
struct Seen {
    id: u64,
    parent: Option<u64>,
    fields: BTreeMap<&'static str, String>,
    entered: usize,
    closed: bool,
}

impl Spans {
    fn record(level: Level) -> (Self, DefaultGuard) {
        // With one subscriber in the whole process, `tracing` asks only the thread that first comes by a span whether
        // anybody wants it, and that may be another test's. A second one that is always there makes it ask them all.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Registry::default()));
        LazyLock::force(&ANOTHER);
        let spans = Self::default();
        let filtered = spans.clone().with_filter(tracing_subscriber::filter::LevelFilter::from_level(level));
        let guard = tracing::subscriber::set_default(Registry::default().with(filtered));
        (spans, guard)
    }

    fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    fn change(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.0.lock().unwrap();
        if let Some(seen) = seen.iter_mut().rev().find(|seen| seen.id == id.into_u64()) {
            change(seen);
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() != "command" {
            return;
        }
        let mut fields = Fields(BTreeMap::new());
        attributes.record(&mut fields);
        let parent = context.span(id).and_then(|span| span.parent()).map(|parent| parent.id().into_u64());
        let seen = Seen { id: id.into_u64(), parent, fields: fields.0, entered: 0, closed: false };
        self.0.lock().unwrap().push(seen);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::WARN {
            let mut fields = Fields(BTreeMap::new());
            event.record(&mut fields);
            self.1.lock().unwrap().push(fields.0);
        }
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.change(id, |seen| seen.entered += 1);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change(&id, |seen| seen.closed = true);
    }
}

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

#[tokio::test]
async fn every_command_has_a_span_that_names_it() {
    let (spans, _recording) = Spans::record(Level::DEBUG);
    let world = World::with(1, 0);
    assert_eq!(world.sum(1), Some(0));
    assert_eq!(world.call(&ADD, 1, (Do::Add(1),)).ready(), Outcome::Done(1));
    assert_eq!(world.call(&PING, 1, (Do::Panic(1),)).ready(), Outcome::Panicked);
    let runs = world.call(&ADD_SLOWLY, 1, (1, Do::Add(1))).later();
    let waits = world.call(&ADD, 1, (Do::Add(1),)).later();
    world.stage.gate.add_permits(1);
    assert_eq!((runs.await, waits.await), (Outcome::Done(2), Outcome::Done(3)));
    assert_eq!(world.call(&SUM, 7, ()).ready(), Outcome::NotFound, "no body, no span");
    world.idle().await;

    let seen = spans.seen();
    assert_eq!(seen.len(), 6, "{seen:?}");
    let slot = world.slot(1).to_string();
    for (place, span) in seen.iter().enumerate() {
        let field = |name| span.fields.get(name).map(String::as_str);
        let told = ["registry", "command", "node", "caller", "attempt", "id", "trace"].map(field);
        let id = ask(place as u64 + 1).id.to_string();
        let expected = ["\"tallies\"", "\"a_command\"", "node", "caller", "1", &id, &id].map(Some);
        assert_eq!(told, expected);
        // An action has no slot.
        assert_eq!(field("slot"), (place != 3).then_some(slot.as_str()), "{span:?}");
        assert!(span.entered > 0 && span.closed && span.parent.is_none(), "{span:?}");
    }
}

#[tokio::test]
async fn a_command_that_panics_is_a_warning_but_not_each_of_many() {
    let (spans, _recording) = Spans::record(Level::WARN);
    let world = World::with(1, 0);
    for _ in 0..3 {
        assert_eq!(world.call(&ADD, 1, (Do::Panic(1),)).ready(), Outcome::Panicked);
    }
    let warnings = spans.1.lock().unwrap().clone();
    let [warning] = &warnings[..] else { panic!("one line: {warnings:?}") };
    let told = ["registry", "command", "node", "total"].map(|name| warning.get(name).map(String::as_str));
    assert_eq!(told, ["\"tallies\"", "\"a_command\"", "node", "1"].map(Some));
}

#[tokio::test]
async fn a_command_that_is_called_by_another_lies_within_its_span() {
    let (spans, _recording) = Spans::record(Level::DEBUG);
    let world = World::new();
    let outcome = end(world.call(&DIVE, 1, (2,))).await;
    assert_eq!(outcome, Outcome::Done(2));
    let seen = spans.seen();
    let parents: Vec<_> = seen.iter().map(|span| span.parent).collect();
    assert_eq!(parents, [None, Some(seen[0].id), Some(seen[1].id)]);
}

#[tokio::test]
async fn the_span_of_a_call_that_a_command_makes_names_the_command_at_the_beginning() {
    let (spans, _recording) = Spans::record(Level::DEBUG);
    let world = World::with(1, 0);
    let root = CommandId { session: 9, sequence: 1 };
    let descent = Some(Descent { root, outlives: Duration::ZERO, rerun: false });
    let made = Attempt { descent, ..world.repeatable(1, ask(100)) };
    assert_eq!(world.host.call(&ADD, made, (Do::Add(1),), &mut |_, _| ()).ready(), Outcome::Done(1));
    let seen = spans.seen();
    let told = seen.last().map(|span| (span.fields["trace"].clone(), span.fields["id"].clone()));
    assert_eq!(told, Some((root.to_string(), ask(100).id.to_string())));
}

#[tokio::test]
async fn nobody_who_does_not_ask_for_them_gets_spans() {
    let (spans, _recording) = Spans::record(Level::INFO);
    let world = World::with(1, 0);
    assert_eq!(world.call(&ADD, 1, (Do::Add(1),)).ready(), Outcome::Done(1));
    assert!(spans.seen().is_empty());
}
