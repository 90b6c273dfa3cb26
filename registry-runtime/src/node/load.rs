//! How busy this node is, in one number for callers to compare nodes by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::exec::AnyHost;

/// The commands that this node runs or has waiting, over all its registries. Refreshed with every heartbeat.
#[derive(Debug, Default)]
pub(super) struct LoadMeter(AtomicU16);

impl LoadMeter {
    /// The last reading.
    pub(super) fn get(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }

    /// Reads the hosts.
    pub(super) fn read<'a>(&self, hosts: impl Iterator<Item = &'a Arc<dyn AnyHost>>) -> u16 {
        let commands = hosts.map(|host| {
            let load = host.load();
            load.running.saturating_add(load.waiting)
        });
        let sum = commands.fold(0_u32, u32::saturating_add);
        let load = u16::try_from(sum).unwrap_or(u16::MAX);
        self.0.store(load, Ordering::Relaxed);
        load
    }
}
