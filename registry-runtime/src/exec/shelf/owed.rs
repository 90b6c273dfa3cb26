//! Backups that do not have all receipts that the owner has taken in from another side of a partition: receipts are no records, so they
//! come with a filling.

use super::Shelf;
use crate::exec::record::Filling;
use crate::id::{Epoch, Process};
use crate::resource::Resource;

/// After how many looks without a sign of it a filling counts as lost. With one look a second this is longer than what waits in a channel
/// takes over a slow line, as for records.
const LOOKS_MAX: u32 = 30;

/// A backup that is to be filled for receipts.
#[derive(Debug)]
pub(super) struct Owed {
    backup: Process,
    /// The filling that is on its way there. One that had begun before the receipts were there is none.
    filling: Option<Filling>,
    /// How many looks ago more of it was sent.
    looks: u32,
}

impl Owed {
    pub(super) fn new(backup: Process) -> Self {
        Self { backup, filling: None, looks: 0 }
    }

    fn is_due(&self, epoch: Epoch) -> bool {
        self.looks >= LOOKS_MAX || self.filling.is_none_or(|filling| filling.epoch != epoch)
    }
}

impl<R: Resource> Shelf<R> {
    /// The backups of the stream that is led here that are owed a filling which is not on its way.
    pub(in crate::exec) fn owed(&self) -> Vec<(Epoch, Process)> {
        let (Some(past), Some(flow)) = (&self.past, &self.flow) else { return Vec::new() };
        let epoch = flow.epoch();
        let is_backup = |process: &Process| flow.backups().any(|backup| backup == process);
        let due = past.owed.iter().filter(|owed| owed.is_due(epoch) && is_backup(&owed.backup));
        due.map(|owed| (epoch, owed.backup.clone())).collect()
    }

    /// Whether a filling is on its way to a backup that is owed it.
    pub(super) fn is_carried_what_it_is_owed(&self, epoch: Epoch, to: &Process) -> bool {
        let owed = self.past.iter().flat_map(|past| &past.owed).find(|owed| owed.backup == *to);
        owed.and_then(|owed| owed.filling).is_some_and(|filling| filling.epoch == epoch)
            && self.flow.as_ref().is_some_and(|flow| flow.epoch() == epoch && flow.backups().any(|backup| backup == to))
    }

    /// A backup has a filling whole.
    pub(in crate::exec) fn hear_filled(&mut self, epoch: Epoch, from: &Process, number: u64) {
        if let Some(past) = &mut self.past {
            let is_it = |filling: Filling| (filling.epoch, filling.number) == (epoch, number);
            past.owed.retain(|owed| owed.backup != *from || !owed.filling.is_some_and(is_it));
        }
    }

    /// A filling begins, and brings a backup what it is owed.
    pub(super) fn begin_owed(&mut self, to: &Process, filling: Filling) {
        self.each_owed(Some(to), |owed| (owed.filling, owed.looks) = (Some(filling), 0));
    }

    /// More of a filling is on its way.
    pub(super) fn carry_owed(&mut self, to: &Process) {
        self.each_owed(Some(to), |owed| owed.looks = 0);
    }

    /// A backup may have lost what was on its way there; without a process, that is one look at all of them.
    pub(super) fn ask_owed(&mut self, process: Option<&Process>) {
        self.each_owed(process, |owed| match process {
            Some(_) => owed.filling = None,
            None => owed.looks = owed.looks.saturating_add(1),
        });
    }

    fn each_owed(&mut self, process: Option<&Process>, change: impl FnMut(&mut Owed)) {
        if let Some(past) = &mut self.past {
            let is_meant = |owed: &&mut Owed| process.is_none_or(|process| owed.backup == *process);
            past.owed.iter_mut().filter(is_meant).for_each(change);
        }
    }
}
