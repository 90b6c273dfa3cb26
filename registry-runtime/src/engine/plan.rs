//! Where slots should be: a pure function of the eligible members, the same on every node and platform.
//!
//! Each slot ranks the members by weighted rendezvous hashing in the logarithmic method (C. Schindelhauer and
//! G. Schomaker, "Weighted Distributed Hash Tables", SPAA 2005): the member with the least `-ln(u) / weight` is first,
//! where `u` is a hash of registry, slot and node id taken as a fraction. Then a bound: no member owns more than 1.1 times
//! its fair share, rounded up. Who is over its bound keeps the slots that rank it best and turns the others away, to
//! their next member, until nobody is over: a stable matching (D. Gale and L. Shapley, 1962) with slots proposing, whose
//! result does not depend on the order of proposals, so the bound costs little movement and no history.
//!
//! All arithmetic is on integers, since platforms differ in the last bit of a logarithm.

use std::collections::BinaryHeap;

use xxhash_rust::xxh3::xxh3_64;

use super::view::Weight;
use crate::id::{Process, RegistryName, Slot};

/// The rank of every slot of one registry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// In the order of node ids.
    candidates: Vec<Candidate>,
    /// For each slot the index of its owner.
    owners: Vec<u16>,
}

#[derive(Clone, Debug)]
struct Candidate {
    process: Process,
    weight: Weight,
    /// A hash of registry and node id.
    seed: u64,
    /// What a cost is multiplied with: the inverse of the weight.
    inverse: u64,
}

/// How far down a slot's list of members one stands: the cost, and for equal costs the index.
type Standing = (u64, u16);

impl Plan {
    /// Plans `slots` slots over the members that may be given any; of two with one name the last counts.
    pub(crate) fn new<'a>(
        registry: &RegistryName,
        slots: u32,
        members: impl IntoIterator<Item = (&'a Process, Weight)>,
    ) -> Self {
        let candidates = candidates(registry, members);
        let owners = Matching::new(&candidates, slots).run();
        Self { candidates, owners }
    }

    /// The member that should own the slot; `None` when there is no member or no such slot.
    pub(crate) fn owner(&self, slot: Slot) -> Option<&Process> {
        let owner = self.owners.get(slot.index())?;
        self.candidates.get(usize::from(*owner)).map(|candidate| &candidate.process)
    }

    /// Whether the process may be given slots.
    pub(crate) fn contains(&self, process: &Process) -> bool {
        self.candidates.binary_search_by(|candidate| candidate.process.cmp(process)).is_ok()
    }

    /// Whether nobody may be given slots.
    pub(crate) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// All members in the order in which the slot wants them, its owner first.
    pub(crate) fn rank(&self, slot: Slot) -> impl Iterator<Item = &Process> {
        let owner = self.owner(slot);
        let mut others: Vec<(Standing, &Process)> =
            standings(&self.candidates, slot).zip(self.candidates.iter().map(|candidate| &candidate.process)).collect();
        others.sort_unstable_by_key(|(standing, _)| *standing);
        let others = others.into_iter().map(|(_, process)| process).filter(move |process| Some(*process) != owner);
        owner.into_iter().chain(others)
    }
}

fn candidates<'a>(registry: &RegistryName, members: impl IntoIterator<Item = (&'a Process, Weight)>) -> Vec<Candidate> {
    let registry = xxh3_64(registry.as_str().as_bytes());
    let mut candidates: Vec<_> = members
        .into_iter()
        .take(usize::from(u16::MAX))
        .map(|(process, weight)| Candidate {
            process: process.clone(),
            weight,
            seed: mix(registry ^ xxh3_64(process.node.as_str().as_bytes())),
            inverse: INVERSE_ONE / u64::from(weight.thousandths()),
        })
        .collect();
    candidates.sort_by(|left, right| left.process.cmp(&right.process));
    candidates.dedup_by(|later, earlier| {
        let same = later.process.node == earlier.process.node;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    candidates
}

/// Slots propose to members; a member over its bound turns away the slots that it stands worst with.
struct Matching<'a> {
    candidates: &'a [Candidate],
    slots: u32,
    /// What each member holds, the worst on top.
    held: Vec<BinaryHeap<(Standing, u32)>>,
    bounds: Vec<usize>,
    owners: Vec<u16>,
}

impl<'a> Matching<'a> {
    fn new(candidates: &'a [Candidate], slots: u32) -> Self {
        let total: u64 = candidates.iter().map(|candidate| u64::from(candidate.weight.thousandths())).sum();
        let bound = |candidate: &Candidate| {
            let share = 11 * u64::from(slots) * u64::from(candidate.weight.thousandths());
            usize::try_from(share.div_ceil(10 * total.max(1))).unwrap_or(usize::MAX)
        };
        Self { candidates, slots, held: Vec::new(), bounds: candidates.iter().map(bound).collect(), owners: Vec::new() }
    }

    fn run(mut self) -> Vec<u16> {
        if self.candidates.is_empty() {
            return Vec::new();
        }
        let mut held: Vec<Vec<(Standing, u32)>> = vec![Vec::new(); self.candidates.len()];
        for slot in 0..self.slots {
            let first = first(self.candidates, Slot::new(slot));
            self.owners.push(first.1);
            if let Some(held) = held.get_mut(usize::from(first.1)) {
                held.push((first, slot));
            }
        }
        self.held = held.into_iter().map(BinaryHeap::from).collect();
        for member in 0..self.candidates.len() {
            self.turn_away(member);
        }
        self.owners
    }

    /// Brings one member down to its bound, and whoever comes over its own bound by that.
    fn turn_away(&mut self, member: usize) {
        let mut over = vec![member];
        while let Some(member) = over.pop() {
            let (Some(held), Some(bound)) = (self.held.get_mut(member), self.bounds.get(member)) else { continue };
            if held.len() <= *bound {
                continue;
            }
            let Some((standing, slot)) = held.pop() else { continue };
            over.push(member);
            let Some(next) = next(self.candidates, Slot::new(slot), standing) else { continue };
            let index = usize::from(next.1);
            if let (Some(owner), Some(held)) = (self.owners.get_mut(slot as usize), self.held.get_mut(index)) {
                *owner = next.1;
                held.push((next, slot));
                over.push(index);
            }
        }
    }
}

/// The member that stands best with the slot. Most members are ruled out without a logarithm.
fn first(candidates: &[Candidate], slot: Slot) -> Standing {
    let slot = mix(u64::from(slot.get()));
    let mut best = (u64::MAX, 0);
    for (index, candidate) in (0..).zip(candidates) {
        let hash = mix(candidate.seed ^ slot);
        // -log2(1 - v) is never below v, and v is the complement of the hash.
        if (!hash >> 32) * candidate.inverse < best.0 {
            best = best.min((neg_log2(hash) * candidate.inverse, index));
        }
    }
    best
}

/// The member that stands best among those after `last`.
fn next(candidates: &[Candidate], slot: Slot, last: Standing) -> Option<Standing> {
    standings(candidates, slot).filter(|standing| *standing > last).min()
}

fn standings(candidates: &[Candidate], slot: Slot) -> impl Iterator<Item = Standing> {
    let slot = mix(u64::from(slot.get()));
    let costs = candidates.iter().map(move |candidate| neg_log2(mix(candidate.seed ^ slot)) * candidate.inverse);
    costs.zip(0..)
}

/// The inverse of the weight of one thousandth. With costs under 2^38 (64 in Q32) the product stays under 2^63.
const INVERSE_ONE: u64 = 1 << 25;

/// Spreads the bits of a word, as the last step of splitmix64 does (S. Vigna, public domain constants by D. Stafford).
const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// `-log2(hash / 2^64)` in Q32: 0 for the largest hash, just under 64 for the smallest.
///
/// The mantissa's logarithm is interpolated between [`LOG2`]'s points; a chord lies below the curve, so the result errs
/// by less than 3e-6 upwards, and it never decreases where the hash decreases.
#[expect(clippy::indexing_slicing, reason = "eight bits index a table of 257, and so does the next")]
const fn neg_log2(hash: u64) -> u64 {
    let hash = hash | 1;
    let zeros = hash.leading_zeros();
    // The leading one drops out; below it stand 8 bits of index and 32 bits of the way to the next point.
    let mantissa = (hash << zeros) << 1;
    let index = (mantissa >> 56) as usize;
    let between = (mantissa >> 24) & 0xffff_ffff;
    let (low, high) = (LOG2[index], LOG2[index + 1]);
    let log2 = low + (((high - low) * between) >> 32);
    ((zeros as u64 + 1) << 32) - log2
}

/// `log2(1 + i / 256)` in Q32.
static LOG2: [u64; 257] = log2_table();

#[expect(clippy::indexing_slicing, reason = "the loop ends before the table does")]
const fn log2_table() -> [u64; 257] {
    let mut table = [0; 257];
    let mut index = 0;
    while index < 256 {
        // The mantissa as Q62 in [1, 2); each squaring yields one more bit of the logarithm.
        let mut mantissa = (256 + index as u128) << 54;
        let mut bits = 0;
        let mut log2 = 0;
        while bits < 32 {
            mantissa = (mantissa * mantissa) >> 62;
            log2 <<= 1;
            if mantissa >> 63 != 0 {
                mantissa >>= 1;
                log2 |= 1;
            }
            bits += 1;
        }
        table[index] = log2;
        index += 1;
    }
    table[256] = 1 << 32;
    table
}

#[cfg(test)]
mod tests;
