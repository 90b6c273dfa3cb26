//! Tells the parent what the node of this process records of its life, as far as an oracle asks for it.

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::member::Mouth;
use super::word::Word;
use crate::sim::sighting::Seen;
use crate::sim::trace::Words;
use crate::sim::{Clock, Sighting};

/// The subscriber of a node process.
pub(super) struct Scribe {
    pub(super) clock: Clock,
    pub(super) mouth: Mouth,
}

impl Subscriber for Scribe {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG
            && metadata.is_event()
            && metadata.target().starts_with("registry")
            && metadata.target().ends_with("::telemetry")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        match Sighting::read(self.clock.stamp(), &words.message, &words.fields) {
            Some(Sighting { what: Seen::Other(_), .. }) | None => {}
            Some(sighting) => self.mouth.say(&Word::Sighted(sighting)),
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
