//! What a node tells about itself: one value, replaced as a whole.

use std::sync::Arc;

use super::error::{LeaveError, Stopped};
use super::member::{Member, MemberState};
use crate::id::{Incarnation, NodeId};

/// What a node tells about itself.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    /// Its present incarnation.
    pub(crate) incarnation: Incarnation,
    /// Everybody it knows of.
    pub(crate) members: Vec<Member>,
    /// A digest of its view; equal digests, equal views.
    #[cfg(feature = "testing")]
    pub(crate) view: u64,
    /// A digest of its table of open slots.
    #[cfg(feature = "testing")]
    pub(crate) table: u64,
    /// What keeps the cluster from being settled, as far as this node knows; `None` when nothing does.
    #[cfg(feature = "testing")]
    pub(crate) unsettled: Option<String>,
    /// Why whom this node has dialled last, of those with another reason than before, is no fellow member, though it answers.
    pub(crate) refused: Option<Arc<str>>,
    /// What it could not hand over, once it has left.
    pub(crate) left_behind: Option<LeaveError>,
    /// Why it has stopped, once it has.
    pub(crate) stopped: Option<Stopped>,
}

impl Status {
    /// The members that are up.
    pub(crate) fn up(&self) -> impl Iterator<Item = &NodeId> {
        self.members.iter().filter(|member| member.state == MemberState::Up).map(|member| &member.id)
    }
}
