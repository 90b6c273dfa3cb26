//! How busy this node is, in one number for callers to compare nodes by.

use std::sync::Arc;

use crate::exec::AnyHost;

/// Counts the commands that this node runs or has waiting, over all its registries.
pub(super) struct LoadMeter(Vec<Arc<dyn AnyHost>>);

impl LoadMeter {
    pub(super) fn new(hosts: Vec<Arc<dyn AnyHost>>) -> Self {
        Self(hosts)
    }

    /// The present load: a few atomic reads for each registry, so that every reply can carry it.
    pub(super) fn read(&self) -> u16 {
        let commands = self.0.iter().map(|host| {
            let load = host.load();
            load.running.saturating_add(load.waiting)
        });
        let sum = commands.fold(0_u32, u32::saturating_add);
        u16::try_from(sum).unwrap_or(u16::MAX)
    }
}
