//! Whether a cluster has come to rest.

use crate::id::NodeId;
use crate::node::Node;

/// What keeps these nodes, which are all that live, from being one settled cluster: each must see exactly these up, hold the
/// same view and the same table as the others, and have every slot open where the plan wants it. `None` when nothing does.
pub fn unsettled(nodes: &[Node]) -> Option<String> {
    let mut wanted: Vec<&NodeId> = nodes.iter().map(Node::id).collect();
    wanted.sort();
    let first = nodes.first()?;
    let first_status = first.status();
    for node in nodes {
        let (id, status) = (node.id(), node.status());
        if let Some(stopped) = &status.stopped {
            return Some(format!("{id} has stopped: {stopped}"));
        }
        let up: Vec<&NodeId> = status.up().collect();
        if up != wanted {
            return Some(format!("{id} sees {up:?} up instead of {wanted:?}"));
        }
        if let Some(unsettled) = &status.unsettled {
            return Some(format!("on {id}: {unsettled}"));
        }
        if status.view != first_status.view {
            return Some(format!("{id} and {} hold different views", first.id()));
        }
        if status.table != first_status.table {
            return Some(format!("{id} and {} hold different tables", first.id()));
        }
    }
    None
}
