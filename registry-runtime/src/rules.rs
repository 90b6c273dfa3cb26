//! The rules that the promises stand on, as switches.
//!
//! A node keeps them all. A test takes one away and shows what is lost without it: [`Rules`] is handed in where a node is
//! born and carried by value to wherever a rule lives. Without the feature `mutations` it is empty and
//! [`Rules::keeps`] is the constant `true`, so that nothing of this is left in what users compile.

/// A rule. Its doc comment says what is kept, and what a node does that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    // Commands on their node.
    /// An owner starts a command only in the very epoch that the attempt carries. Without it, any attempt will do.
    Epoch,
    /// What is here is shown and changed only while the lease holds. Without it, for as long as the slot is not closed.
    Lease,
    /// A slot is sealed before it is handed over. Without it, it is served on.
    Seal,
    /// A command waits for its key's lane. Without it, it runs beside the one that holds the lane.
    Alone,
    /// A deadline is kept by a clock that nobody sets. Without it, by a wall clock that is set back by a minute as soon as a
    /// command waits.
    Deadline,
    /// A second attempt at a command is told what the first was. Without it, it runs.
    Receipt,

    // Calls.
    /// An action that may have run is not sent again, unless that does no harm. Without it, always.
    SentOnce,
    /// A call's mark is the lowest number that its session has open in the slot: receipts of calls that may still be repeated stay. Without it,
    /// its own number.
    MarkIsLowest,
    /// A call with an attempt that may have run does not say that the command never ran. Without it, the last attempt
    /// speaks for all.
    NoMeansNo,

    // Members.
    /// Who sees nobody knocks until somebody answers. Without it, it waits to be spoken to.
    Watchdog,
    /// A suspicion that was refuted never hardens. Without it, foca's own timer fires for it, and tells the member that it is
    /// Down.
    StaleTimer,
    /// Somebody's word that a live member is Down is checked before it is believed. Without it, it counts at once.
    Doubt,
    /// A suspect is asked over the stream before its suspicion hardens. Without it, nobody asks.
    Question,

    // Ownership.
    /// Suspicion moves nothing. Without it, a suspect counts as Down.
    Suspicion,
    /// A slot is kept for the node it waits for. Without it, it opens elsewhere like any other.
    Reservation,
    /// A borrower counts a lease from its question and not to its end, for clocks differ. Without it, the whole of it from
    /// the answer.
    LeaseMargin,
    /// Who promises notes the new set and names it to later openers. Without it, it forgets the set.
    SetNoted,
    /// Of openings with equal epochs the first one promised wins, and one process draws none twice. Without it, neither.
    EpochsDiffer,
    /// An opening is served and told only when a majority of its set has stored it. Without it, as soon as it was promised.
    MajorityStores,
    /// An owner needs more than half of its set's word. Without it, half of an even set is enough.
    MajorityLends,
    /// Whoever has lent its word promises nobody else meanwhile. Without it, it promises at once.
    LenderWaits,
    /// A lender tells an owner about every slot on which it has given another its word. Without it, the owner finds out.
    LenderTells,
    /// An opening waits for the promises of enough of every set that may hold data. Without it, the opener's own is enough.
    PromisesAwaited,
    /// A process that has promised an epoch takes no records of lower ones. Without it, it goes on taking them.
    Fenced,
    /// An opener takes over the newest data of all that have promised. Without it, it opens with its own.
    NewestFetched,
    /// Data is compared by its epoch, and by its position only within one. Without it, by its position alone.
    EpochCompared,

    // Records.
    /// An update is acknowledged when more than half of the slot's set hold its record. Without it, as soon as the owner
    /// does.
    MajorityHolds,
    /// A backup takes only the record that follows what it holds. Without it, a backup that lacks records says it holds
    /// them.
    NoGaps,
    /// A record carries the command's receipt. Without it, the receipt stays with the owner.
    ReceiptTravels,
    /// What a record brings while its backup is being filled counts like what the filling brings. Without it, its receipt is dropped.
    ReceiptFills,
    /// A backup shows a caller nothing older than what the caller has seen. Without it, whatever it has.
    NothingOlder,
    /// A slot whose majority is gone for good opens with what there is. The one rule that may lose, taken away where a test
    /// wants to see that nothing else does.
    OpensWithWhatThereIs,
}

/// Which rules are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// One bit for each rule that was taken away.
    #[cfg(any(test, feature = "mutations"))]
    missing: u64,
}

impl Rules {
    /// All of them: the only choice outside of tests.
    pub const ALL: Self = Self {
        #[cfg(any(test, feature = "mutations"))]
        missing: 0,
    };

    /// Whether the rule is kept.
    #[cfg(not(any(test, feature = "mutations")))]
    #[inline(always)]
    pub(crate) const fn keeps(self, _: Rule) -> bool {
        true
    }

    /// Whether the rule is kept.
    #[cfg(any(test, feature = "mutations"))]
    pub(crate) const fn keeps(self, rule: Rule) -> bool {
        self.missing & (1 << rule as u64) == 0
    }

    /// All of these but one. Every rule less is a fault.
    #[cfg(any(test, feature = "mutations"))]
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self { missing: self.missing | 1 << rule as u64 }
    }
}
