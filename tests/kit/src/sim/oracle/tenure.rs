//! Who had a slot open after whom.

use std::collections::BTreeMap;

use registry_runtime::Epoch;

use super::Evidence;
use crate::sim::Sighting;
use crate::sim::history::{Fate, Stamp};
use crate::sim::sighting::{Change, Seen, SlotOf};

/// One opening of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tenure<'a> {
    pub(super) owner: &'a str,
    pub(super) epoch: u64,
    pub(super) why: &'a str,
    pub(super) at: Stamp,
}

/// The openings of every slot, in the order of their epochs.
pub(super) fn tenures(evidence: &Evidence) -> BTreeMap<&SlotOf, Vec<Tenure<'_>>> {
    let mut slots: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for sighting in &evidence.sightings {
        if let Seen::Opened { slot, epoch, why, .. } = &sighting.what {
            let tenure = Tenure { owner: &sighting.node, epoch: *epoch, why, at: sighting.at };
            slots.entry(slot).or_default().push(tenure);
        }
    }
    slots.values_mut().for_each(|tenures| tenures.sort_by_key(|tenure| (tenure.epoch, tenure.at)));
    slots
}

/// How long the opening of a slot may have been under way when it succeeds.
const ATTEMPT_MS: u64 = 1000;

/// When somebody first noted, before a moment, that the incarnation of a node that had the slot was Down or had left.
///
/// A node rises to a new incarnation when its process starts and when it finds itself declared Down. A Down of the one before
/// that is heard of late counts as well, and so does one that came while the opening may have been under way, which a node goes on
/// with when it rises: the answer errs towards too early, never towards too late.
pub(super) fn departed(evidence: &Evidence, tenure: &Tenure<'_>, before: Stamp) -> Option<(Stamp, Change)> {
    let started = |fate: &Fate| *fate == Fate::Up;
    let ups = evidence.records.fates.iter().filter(|(_, host, fate)| **host == *tenure.owner && started(fate));
    let rejoins =
        evidence.sightings.iter().filter(|sighting| sighting.node == tenure.owner && sighting.what == Seen::Rejoined);
    let risen = ups.map(|(at, ..)| *at).chain(rejoins.map(|sighting| sighting.at));
    let is_before = |at: &Stamp| at.at_ms.saturating_add(ATTEMPT_MS) <= tenure.at.at_ms;
    let born = risen.filter(is_before).max().unwrap_or_default();
    evidence.sightings.iter().find_map(|sighting| match &sighting.what {
        Seen::Member { member, change: change @ (Change::Down | Change::Left), .. }
            if member == tenure.owner && sighting.at >= born && sighting.at < before =>
        {
            Some((sighting.at, *change))
        }
        _ => None,
    })
}

/// Whether the node that opened a slot next held the one before for Down at that moment: of all that it had noted of it, that was the last.
/// After a partition the word of a return may reach it later than the promises of others.
pub(super) fn held_for_down(evidence: &Evidence, tenure: &Tenure<'_>, next: &Tenure<'_>) -> bool {
    let fates = evidence.records.fates.iter();
    let starts = fates.filter(|(at, host, fate)| **host == *next.owner && *fate == Fate::Up && *at < next.at);
    let born = starts.map(|(at, ..)| *at).max().unwrap_or_default();
    let is_noted = |sighting: &&Sighting| sighting.node == next.owner && (born..next.at).contains(&sighting.at);
    let noted = evidence.sightings.iter().filter(is_noted);
    let changes = noted.filter_map(|sighting| match &sighting.what {
        Seen::Member { member, change, .. } if member == tenure.owner => Some((sighting.at, *change)),
        _ => None,
    });
    changes.max_by_key(|(at, _)| *at).is_some_and(|(_, change)| change == Change::Down)
}

/// Whether the process that had the slot was gone and another had started on its host before a moment: then nobody need have
/// noted a Down.
pub(super) fn restarted(evidence: &Evidence, tenure: &Tenure<'_>, before: Stamp) -> bool {
    let fates = &evidence.records.fates;
    fates.iter().any(|(at, host, fate)| **host == *tenure.owner && *fate == Fate::Up && tenure.at < *at && *at < before)
}

/// Whether the node that opened a slot next had been asked to, whatever it says it did so for: somebody who had it before had handed it over
/// to that node.
pub(super) fn handed_over(evidence: &Evidence, slot: &SlotOf, next: &Tenure<'_>) -> bool {
    let asked = |sighting: &&Sighting| match &sighting.what {
        Seen::HandedOver { slot: sealed, to } => sealed == slot && to == next.owner,
        _ => false,
    };
    evidence.sightings.iter().filter(asked).any(|sighting| sighting.at < next.at)
}

/// Whether the node that opened a slot next had handed it over to the one before, last of all that it handed over of it: it may not have
/// heard that the slot was taken, and takes back what is still its own for all that it knows.
pub(super) fn took_back(evidence: &Evidence, slot: &SlotOf, tenure: &Tenure<'_>, next: &Tenure<'_>) -> bool {
    let given = evidence.sightings.iter().filter_map(|sighting| match &sighting.what {
        Seen::HandedOver { slot: sealed, to } if sealed == slot && sighting.node == *next.owner => {
            (sighting.at < next.at).then_some((sighting.at, to))
        }
        _ => None,
    });
    let last = given.max_by_key(|(at, _)| *at);
    matches!(next.why, "Return" | "TakeBack") && last.is_some_and(|(_, to)| to == tenure.owner)
}

/// Whether the node that opened a slot next had had it before, had closed it, and was opening it again by the time the one before opened it with
/// a lower epoch and crashed: that may have had no time to say so to any of those whose promises the other got.
///
/// When the opening began is known by its epoch alone, and so by a clock that may run a little fast or slow; that the owner had closed the slot
/// and that the other is gone is known for certain.
pub(super) fn was_returning(evidence: &Evidence, slot: &SlotOf, earlier: &[Tenure<'_>], next: &Tenure<'_>) -> bool {
    let [.., own, before] = earlier else { return false };
    let drawn_ms = Epoch::new(next.epoch).counter().checked_sub(evidence.rules.genesis_ms);
    let was_under_way = drawn_ms.is_some_and(|drawn_ms| own.at.at_ms <= drawn_ms && drawn_ms < before.at.at_ms);
    let had_closed = || {
        evidence.sightings.iter().any(|sighting| match &sighting.what {
            Seen::Closed { slot: closed, epoch, .. } => {
                closed == slot && *epoch == own.epoch && sighting.node == *own.owner && sighting.at < before.at
            }
            _ => false,
        })
    };
    let mut fates = evidence.records.fates.iter();
    let has_crashed = fates
        .any(|(at, host, fate)| **host == *before.owner && *fate == Fate::Crashed && before.at < *at && *at < next.at);
    next.why == "Return" && own.owner == next.owner && was_under_way && has_crashed && had_closed()
}

/// Whether the one that had the slot had given it up by itself before a moment: it left, or saw too few.
pub(super) fn gave_up(evidence: &Evidence, slot: &SlotOf, tenure: &Tenure<'_>, before: Stamp) -> bool {
    evidence.sightings.iter().any(|sighting| match &sighting.what {
        Seen::Closed { slot: closed, epoch, why } => {
            let is_its = closed == slot && *epoch == tenure.epoch && sighting.node == *tenure.owner;
            is_its && sighting.at < before && matches!(why.as_str(), "Leaving" | "Halted")
        }
        _ => false,
    })
}

/// Whether a process on the host of the one that had the slot was told to leave since it had it, and before a moment: the
/// same one, or a later one that came in its place.
pub(super) fn took_leave(evidence: &Evidence, tenure: &Tenure<'_>, before: Stamp) -> bool {
    let fates = &evidence.records.fates;
    fates
        .iter()
        .any(|(at, host, fate)| **host == *tenure.owner && *fate == Fate::Leaving && tenure.at < *at && *at < before)
}
