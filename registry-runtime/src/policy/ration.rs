//! How often the same thing is worth a line.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Moment;

/// How long nothing more is said of the same thing: a person sees that it goes on, and who says it a million times a second
/// fills no disk.
pub(crate) const SILENCE: Duration = Duration::from_secs(1);

/// How many things are told apart: a few for each peer of the largest cluster. Beyond that the one forgotten is the one
/// that was told longest ago, so memory stays bounded whatever peers call themselves.
pub(crate) const REMEMBERED_MAX: usize = 1024;

/// Counts things by what they are, and says which are worth a line: the first, and after a [`SILENCE`] the next.
#[derive(Debug)]
pub(crate) struct Ration<K>(BTreeMap<K, Entry>);

#[derive(Debug)]
struct Entry {
    told: Moment,
    total: u64,
    silent: u64,
}

/// A thing that is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// How often it has happened, this time included.
    pub(crate) total: u64,
    /// How often it has happened since the last line, this time not included.
    pub(crate) silent: u64,
}

impl Line {
    /// Of a thing that happens for the first time.
    pub(crate) const FIRST: Self = Self { total: 1, silent: 0 };
}

impl<K> Default for Ration<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Ration<K> {
    /// Counts a thing; `Some` when it is worth a line now.
    pub(crate) fn count(&mut self, what: &K, now: Moment) -> Option<Line> {
        if let Some(entry) = self.0.get_mut(what) {
            entry.total = entry.total.saturating_add(1);
            if now.since(entry.told) < SILENCE {
                entry.silent = entry.silent.saturating_add(1);
                return None;
            }
            entry.told = now;
            return Some(Line { total: entry.total, silent: std::mem::take(&mut entry.silent) });
        }
        if self.0.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, entry)| entry.told).map(|(what, _)| what.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(what.clone(), Entry { told: now, total: 1, silent: 0 });
        Some(Line::FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn a_flood_is_one_line_a_second_and_every_one_is_counted() {
        let mut ration = Ration::default();
        let lines: Vec<Line> = (0..3_000).filter_map(|ms| ration.count(&"bad", at(ms))).collect();
        let line = |total, silent| Line { total, silent };
        assert_eq!(lines, [line(1, 0), line(1_001, 999), line(2_001, 999)]);
    }

    #[test]
    fn other_things_have_lines_of_their_own() {
        let mut ration = Ration::default();
        assert!(ration.count(&("a", 1), at(0)).is_some());
        assert!(ration.count(&("a", 2), at(0)).is_some());
        assert!(ration.count(&("b", 1), at(0)).is_some());
        assert!(ration.count(&("a", 1), at(0)).is_none());
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let mut ration = Ration::default();
        let names = 0..2 * REMEMBERED_MAX as u64;
        assert!(names.clone().all(|name| ration.count(&name, at(name)).is_some()));
        assert_eq!(ration.0.len(), REMEMBERED_MAX);
        assert!(ration.count(&(names.end - 1), at(names.end)).is_none(), "the newest is remembered");
        assert!(ration.count(&0, at(names.end)).is_some(), "the oldest is forgotten");
    }
}
