//! The requests of a lane that wait for an answer, by the number that they travel under.

/// A table of waiting things, each under a number of its own.
///
/// Numbers rise by one with every insertion, passing over places that are still taken, so a late answer finds its own
/// request or none: it would have to be 2^32 requests late to find another. A thing's place is its number modulo the
/// size, which doubles before the table is half full; finding it is one step.
#[derive(Debug)]
pub(super) struct Ring<T> {
    places: Vec<Option<(u32, T)>>,
    used: usize,
    next: u32,
    limit: usize,
}

/// The places that a table begins with: enough for the calls of a quiet node.
const PLACES_MIN: usize = 64;

impl<T> Ring<T> {
    /// A table for up to `limit` things.
    pub(super) fn new(limit: usize) -> Self {
        Self { places: Vec::new(), used: 0, next: 1, limit }
    }

    /// How many things wait.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Whether no more can be put in.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.used >= self.limit
    }

    /// Puts a thing in and says its number; `None` when the table is full.
    #[inline]
    pub(super) fn insert(&mut self, thing: T) -> Option<u32> {
        if self.is_full() {
            return None;
        }
        if self.used.saturating_mul(2) >= self.places.len() {
            self.grow();
        }
        // At least half of the places are free, so this ends, and soon.
        loop {
            let number = self.next;
            self.next = self.next.wrapping_add(1);
            let at = self.at(number);
            if let Some(place @ None) = self.places.get_mut(at) {
                *place = Some((number, thing));
                self.used = self.used.saturating_add(1);
                return Some(number);
            }
        }
    }

    /// The thing of that number.
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let at = self.at(number);
        match self.places.get_mut(at) {
            Some(Some((found, thing))) if *found == number => Some(thing),
            _ => None,
        }
    }

    /// Takes the thing of that number out.
    #[inline]
    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let at = self.at(number);
        let place = self.places.get_mut(at)?;
        let (_, thing) = place.take_if(|(found, _)| *found == number)?;
        self.used = self.used.saturating_sub(1);
        Some(thing)
    }

    /// Every thing with its number.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.places.iter_mut().flatten().map(|(number, thing)| (*number, thing))
    }

    fn at(&self, number: u32) -> usize {
        // The size is a power of two; of an empty table nothing is ever found.
        number as usize & self.places.len().wrapping_sub(1)
    }

    /// Doubles the table. Numbers that differ modulo the old size differ modulo the new one.
    #[cold]
    fn grow(&mut self) {
        let size = self.places.len().saturating_mul(2).max(PLACES_MIN);
        let old = std::mem::replace(&mut self.places, std::iter::repeat_with(|| None).take(size).collect());
        for (number, thing) in old.into_iter().flatten() {
            let at = self.at(number);
            if let Some(place) = self.places.get_mut(at) {
                *place = Some((number, thing));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn it_is_a_map_with_numbers_that_rise() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let (mut ring, mut model) = (Ring::new(1000), BTreeMap::new());
        ring.next = u32::MAX - 5000;
        let mut last = ring.next;
        for step in 0..50_000_u32 {
            if rng.random_bool(0.52) {
                match ring.insert(step) {
                    Some(number) => {
                        assert!(number.wrapping_sub(last) < 1 << 31, "numbers rise");
                        last = number;
                        assert_eq!(model.insert(number, step), None);
                    }
                    None => assert_eq!(model.len(), 1000),
                }
            } else if let Some(&number) = model.keys().nth(rng.random_range(0..model.len().max(1))) {
                assert_eq!(ring.get_mut(number).copied(), model.get(&number).copied());
                assert_eq!(ring.remove(number), model.remove(&number));
                assert_eq!(ring.remove(number), None);
            }
            assert_eq!(ring.len(), model.len());
        }
        let mut left: Vec<_> = ring.iter_mut().map(|(number, step)| (number, *step)).collect();
        left.sort_unstable();
        assert_eq!(left, model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_late_answer_finds_nothing() {
        let mut ring = Ring::new(10);
        assert_eq!(ring.remove(1), None);
        let first = ring.insert('a').unwrap();
        assert_eq!(ring.remove(first), Some('a'));
        let second = ring.insert('b').unwrap();
        assert_ne!(first, second);
        assert_eq!(ring.get_mut(first), None);
        assert_eq!(ring.get_mut(second), Some(&mut 'b'));
    }
}
