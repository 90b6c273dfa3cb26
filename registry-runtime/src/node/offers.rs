//! Which of the offers of a slot is taken in first, where every side of a partition serves.
//!
//! The replicas of the side that lost a slot offer what each of them has, and the last records had reached some of them only. Taken in first,
//! what lags behind would make every instance in those records one that both sides have changed, when the rest comes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::id::{NodeId, Slot};
use crate::policy::lineage::{Kinship, Lineage};
use crate::policy::replica::Stamp;

/// For how long the offers of a slot are heard before one is taken in, and for how long one is waited for that is not repeated: more than
/// twice the time between two offers of the same.
const HEARING_TIME: Duration = Duration::from_millis(2500);

/// The offers that were heard, of each slot the one that goes furthest. Bounded by the slots.
#[derive(Debug, Default)]
pub(super) struct Offers {
    heard: BTreeMap<(&'static str, Slot), Heard>,
    /// The last of each slot that came to nothing: it is passed over while another is offered.
    failed: BTreeMap<(&'static str, Slot), (NodeId, Stamp)>,
}

#[derive(Debug)]
struct Heard {
    node: NodeId,
    stamp: Stamp,
    lineage: Vec<Stamp>,
    /// When the first offer of the slot came.
    since: Instant,
    /// When this one came last.
    last: Instant,
    /// When any of the slot did.
    last_of_any: Instant,
}

impl Offers {
    /// Hears an offer. Says whether it is to be taken in now; the others of its slot are heard anew then.
    pub(super) fn hear(
        &mut self,
        place: (&'static str, Slot),
        (node, stamp, lineage): (&NodeId, Stamp, &[Stamp]),
        now: Instant,
    ) -> bool {
        let failed = self.failed.get(&place);
        let has_failed =
            |node: &NodeId, stamp: Stamp| failed.is_some_and(|failed| (&failed.0, failed.1) == (node, stamp));
        if self.heard.get(&place).is_some_and(|heard| now.duration_since(heard.last_of_any) >= HEARING_TIME) {
            // Nothing was offered for so long that it is another story.
            self.heard.remove(&place);
        }
        let heard = self.heard.entry(place).or_insert_with(|| Heard::new(node, stamp, lineage, now));
        heard.last_of_any = now;
        if heard.is_of(node, stamp) {
            heard.last = now;
        } else {
            let goes_further = heard.is_behind(lineage) && !has_failed(node, stamp);
            let is_gone = now.duration_since(heard.last) >= HEARING_TIME;
            if goes_further || is_gone || has_failed(&heard.node, heard.stamp) {
                *heard = Heard { since: heard.since, ..Heard::new(node, stamp, lineage, now) };
            }
        }
        let begins = heard.is_of(node, stamp) && now.duration_since(heard.since) >= HEARING_TIME;
        if begins {
            self.heard.remove(&place);
        }
        begins
    }

    /// It came to nothing.
    pub(super) fn failed(&mut self, place: (&'static str, Slot), node: NodeId, stamp: Stamp) {
        self.failed.insert(place, (node, stamp));
    }

    /// It is in the slot now.
    pub(super) fn done(&mut self, place: (&'static str, Slot)) {
        self.failed.remove(&place);
    }
}

impl Heard {
    fn new(node: &NodeId, stamp: Stamp, lineage: &[Stamp], now: Instant) -> Self {
        Self { node: node.clone(), stamp, lineage: lineage.to_vec(), since: now, last: now, last_of_any: now }
    }

    fn is_of(&self, node: &NodeId, stamp: Stamp) -> bool {
        self.node == *node && self.stamp == stamp
    }

    /// Whether a content with that lineage has all of this one, and more.
    fn is_behind(&self, lineage: &[Stamp]) -> bool {
        let reaches = |stamps: &[Stamp], other: &[Stamp]| {
            Lineage::of(stamps.iter().copied()).kinship(other) == Kinship::Contained
        };
        reaches(lineage, &self.lineage) && !reaches(&self.lineage, lineage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Epoch, Position};

    const PLACE: (&str, Slot) = ("baskets", Slot::new(3));

    fn stamp(epoch: u64, position: u64) -> Stamp {
        (Epoch::new(epoch), Position::new(position))
    }

    /// Offers heard at times.
    struct Scene {
        offers: Offers,
        begun: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self { offers: Offers::default(), begun: Instant::now() }
        }

        /// Whether a content that reaches so far is to be taken in when it is offered so many milliseconds after the beginning.
        fn hear(&mut self, after: u64, node: &str, reaches: u64) -> bool {
            let node = NodeId::new(node).unwrap();
            let tip = stamp(2, reaches);
            let now = self.begun + Duration::from_millis(after);
            self.offers.hear(PLACE, (&node, tip, &[stamp(1, 5), tip]), now)
        }
    }

    #[test]
    fn a_single_offer_is_taken_in_when_others_had_time_to_come() {
        let mut scene = Scene::new();
        assert!(!scene.hear(0, "backup", 8));
        assert!(!scene.hear(1000, "backup", 8));
        assert!(scene.hear(2500, "backup", 8));
    }

    #[test]
    fn what_goes_furthest_is_taken_in_whoever_comes_first() {
        for behind_comes_first in [true, false] {
            let mut scene = Scene::new();
            let (behind, furthest) = (("backup", 8), ("owner", 9));
            let order = if behind_comes_first { [behind, furthest] } else { [furthest, behind] };
            for round in 0..2 {
                assert!(order.iter().all(|(node, reaches)| !scene.hear(1000 * round, node, *reaches)));
            }
            assert!(!scene.hear(3000, "backup", 8));
            assert!(scene.hear(3000, "owner", 9));
        }
    }

    #[test]
    fn of_two_that_reach_as_far_the_first_is_taken_in() {
        let mut scene = Scene::new();
        for after in [0, 1000, 2000] {
            assert!(!scene.hear(after, "backup", 8) && !scene.hear(after, "owner", 8));
        }
        assert!(!scene.hear(3000, "owner", 8) && scene.hear(3000, "backup", 8));
    }

    #[test]
    fn what_is_offered_no_more_is_not_waited_for() {
        let mut scene = Scene::new();
        assert!(!scene.hear(0, "owner", 9));
        assert!(!scene.hear(1000, "backup", 8));
        assert!(scene.hear(2500, "backup", 8));
    }

    #[test]
    fn what_came_to_nothing_is_passed_over_while_another_is_offered() {
        let mut scene = Scene::new();
        scene.offers.failed(PLACE, NodeId::new("owner").unwrap(), stamp(2, 9));
        for after in [1000, 2000, 3000] {
            assert!(!scene.hear(after, "owner", 9) && !scene.hear(after, "backup", 8));
        }
        assert!(!scene.hear(4000, "owner", 9) && scene.hear(4000, "backup", 8));
        scene.offers.done(PLACE);
        scene.hear(5000, "owner", 9);
        scene.hear(6000, "owner", 9);
        assert!(!scene.hear(7000, "owner", 9) && scene.hear(8000, "owner", 9));
    }

    #[test]
    fn after_a_silence_offers_are_heard_anew() {
        let mut scene = Scene::new();
        assert!(!scene.hear(0, "owner", 9));
        assert!(!scene.hear(60_000, "owner", 9) && !scene.hear(60_000, "backup", 8));
        assert!(!scene.hear(62_000, "owner", 9) && scene.hear(63_000, "owner", 9));
    }

    #[test]
    fn when_one_is_being_taken_in_the_others_are_heard_anew() {
        let mut scene = Scene::new();
        assert!([0, 1000, 2000].into_iter().all(|after| !scene.hear(after, "owner", 9)));
        assert!(scene.hear(3000, "owner", 9));
        assert!(!scene.hear(3000, "owner", 9));
    }
}
