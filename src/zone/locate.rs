//! Where a name stands in its zone (RFC 1034 §4.3.2 step 3, RFC 4592, RFC 6672 §3.2).

use super::block::{Node, Zone};
use crate::wire::HashedName;

/// Where a name stands.
#[derive(Clone, Copy)]
pub enum Place<'z> {
    /// The name is a node of the zone's authoritative data; perhaps an empty non-terminal.
    Node(Node<'z>),
    /// The name does not exist; this wildcard answers for it.
    Wildcard(Node<'z>),
    /// The name is this delegation, or below it.
    Delegated {
        /// The node with the NS records.
        delegation: Node<'z>,
        /// The name is the delegation's own.
        is_exact: bool,
    },
    /// The name is below this DNAME's owner.
    Redirected(Node<'z>),
    /// The name does not exist.
    Missing,
}

impl Zone {
    /// Finds the place of a name at or below the apex.
    pub fn locate(&self, name: &HashedName) -> Place<'_> {
        let wire = name.as_wire();
        let apex_labels = self.apex_labels();
        let relative_end = wire.len() - self.apex().len();
        let find =
            |labels: usize| self.find(name.hash(labels), &wire[name.offset(labels)..relative_end]);
        let mut labels = name.label_count();
        if let Some(node) = find(labels) {
            return match node.blocker() {
                None => Place::Node(node),
                Some(blocker) => blocked_by(blocker, blocker.is_same(&node)),
            };
        }
        // The apex always is a node, so that the search ends there at the latest; a broken zone
        // has no nodes at all.
        while labels > apex_labels {
            labels -= 1;
            let Some(encloser) = find(labels) else { continue };
            if let Some(blocker) = encloser.blocker() {
                return blocked_by(blocker, false);
            }
            if encloser.has_dname() {
                return Place::Redirected(encloser);
            }
            return encloser.wildcard().map_or(Place::Missing, Place::Wildcard);
        }
        Place::Missing
    }
}

fn blocked_by(blocker: Node<'_>, is_exact: bool) -> Place<'_> {
    if blocker.is_delegation() {
        Place::Delegated { delegation: blocker, is_exact }
    } else {
        Place::Redirected(blocker)
    }
}
