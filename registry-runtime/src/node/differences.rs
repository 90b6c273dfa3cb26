//! What peers offer otherwise than this node calls it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::id::{LinkId, NodeId};
use crate::telemetry;
use crate::transport::Link;

/// What has been said of differences, so that each is said once for each connection and not with every new table.
///
/// It holds at most one entry for each connection and command that this program calls, and one for each registry.
#[derive(Debug, Default)]
pub(super) struct Differences {
    commands: Mutex<BTreeSet<(LinkId, &'static str, &'static str)>>,
    unhosted: Mutex<BTreeSet<&'static str>>,
}

impl Differences {
    /// A command, or with an empty name the whole registry, is another one at the other end of a connection.
    pub(super) fn differs(
        &self,
        own: &NodeId,
        link: &Link,
        registry: &'static str,
        command: &'static str,
        detail: &str,
    ) {
        let mut said = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert((link.id(), registry, command)) {
            telemetry::peer_differs(own, &link.peer().node, registry, command, detail);
        }
    }

    /// Whether any member hosts a registry that is called here.
    pub(super) fn hosted(&self, own: &NodeId, registry: &'static str, hosted: bool) {
        let mut said = self.unhosted.lock().unwrap_or_else(PoisonError::into_inner);
        if hosted {
            said.remove(registry);
        } else if said.insert(registry) {
            telemetry::nobody_hosts(own, registry);
        }
    }

    /// A connection has ended.
    pub(super) fn forget(&self, link: LinkId) {
        let mut said = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|(of, ..)| *of != link);
    }
}
