//! What the host promises, sentence by sentence.

mod bytes;
mod copies;
mod ending;
mod gate;
mod lanes;
mod limits;
mod mixture;
mod on_demand;
mod receipts;
mod refills;
mod reopened;
mod salvage;
mod spans;
mod tally;
mod trailing;
mod world;

/// Who is to own a slot after it was sealed, where that does not matter.
pub(super) fn somebody() -> crate::id::Process {
    crate::id::Process { node: crate::id::NodeId::new("somebody").unwrap(), start: crate::id::Start::new(1) }
}

/// One may run and two may wait.
pub(super) const fn narrow() -> crate::spec::Spec {
    crate::spec::Spec { concurrency: 1, queue: 2, ..tally::spec("narrow") }
}
