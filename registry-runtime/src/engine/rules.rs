//! The rules that ownership stands on, as switches.
//!
//! A running node has them all on. A test takes one away and shows what is lost without it.

/// Which rules are kept. Every `false` is a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Who promises notes the new set and names it to later openers.
    pub(crate) promise_notes_set: bool,
    /// Two openings never share an epoch, and of equal epochs the first one promised wins.
    pub(crate) epochs_differ: bool,
    /// An opening is served and told only when a majority of its set has stored it.
    pub(crate) majority_stores: bool,
    /// An owner needs more than half of its set's word; half of an even set is not enough.
    pub(crate) majority_lends: bool,
    /// Whoever has lent its word promises nobody else meanwhile.
    pub(crate) lender_waits: bool,
    /// A lender tells an owner about every slot on which it has given another its word.
    pub(crate) lender_tells: bool,
    /// A slot whose majority is gone for good opens with what there is. The one rule that may lose, switched off where a
    /// test wants to see that nothing else does.
    pub(crate) opens_with_what_there_is: bool,
}

impl Rules {
    /// All rules on: the only choice outside of tests.
    pub(crate) const ALL: Self = Self {
        promise_notes_set: true,
        epochs_differ: true,
        majority_stores: true,
        majority_lends: true,
        lender_waits: true,
        lender_tells: true,
        opens_with_what_there_is: true,
    };
}
