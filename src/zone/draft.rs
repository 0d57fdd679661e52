//! The names and RRsets of a zone in canonical order (RFC 4034 §6.1), before they have places in a
//! block.

use std::ops::Range;

use super::block::flag;
use crate::master::{RecordRef, Records};
use crate::wire::{HashKey, Rtype, SortKey, name};

/// Scratch memory for the drafts of one zone after another.
#[derive(Default)]
pub(super) struct Draft {
    /// The [`push_key`]s of the owners. That of a name is the prefix of those of all names below.
    keys: Vec<u8>,
    /// The owners' labels above the apex, in lower case.
    names: Vec<u8>,
    pub(super) records: Vec<Sorted>,
    pub(super) nodes: Vec<NodeDraft>,
    pub(super) rrsets: Vec<RrsetDraft>,
    /// The key of a name that is looked for.
    wanted: Vec<u8>,
}

/// A record in canonical order of owners, then by type, then as read.
#[derive(Clone, Copy)]
pub(super) struct Sorted {
    key: SortKey,
    rtype: Rtype,
    ttl: u32,
    /// Its place in the records.
    pub(super) record: u32,
}

/// A name that owns records, or an empty non-terminal.
#[derive(Clone, Default)]
pub(super) struct NodeDraft {
    key: SortKey,
    name: Range<usize>,
    labels: usize,
    pub(super) rrsets: Range<usize>,
    pub(super) flags: u16,
    /// Place in the block.
    pub(super) at: u32,
    pub(super) parent: usize,
    pub(super) blocker: Option<usize>,
    /// Of the whole name.
    pub(super) hash: u64,
}

pub(super) struct RrsetDraft {
    pub(super) rtype: Rtype,
    /// RFC 2181 §5.2: one TTL for the set; the least, so that nothing lives on too long.
    pub(super) ttl: u32,
    /// Indices into [`Draft::records`].
    pub(super) records: Range<usize>,
}

impl Draft {
    /// Drafts a zone in place of the one before. The apex is in lower case.
    pub(super) fn fill(&mut self, apex: &[u8], records: &Records, hash_key: HashKey) {
        self.sort(apex, records);
        self.group(apex, records, hash_key);
        self.find_blockers();
    }

    /// The labels of a node above the apex, in lower case.
    #[inline]
    pub(super) fn name(&self, node: usize) -> &[u8] {
        &self.names[self.nodes[node].name.clone()]
    }

    /// The node of a name, if it is in the zone.
    pub(super) fn find(&mut self, wire: &[u8], apex: &[u8]) -> Option<usize> {
        if !name::suffix_matches(wire, apex) {
            return None;
        }
        self.wanted.clear();
        push_key(name::above(wire, apex), &mut self.wanted);
        let order = SortKey::orders_to(&self.wanted, &self.keys);
        self.nodes.binary_search_by(|node| order(node.key)).ok()
    }

    fn sort(&mut self, apex: &[u8], records: &Records) {
        self.keys.clear();
        self.records.clear();
        let mut last: (&[u8], SortKey) = (&[], SortKey::default());
        for (place, record) in (0..).zip(records.iter()) {
            let owner = name::above(record.owner, apex);
            if owner.is_empty() {
                last = (owner, SortKey::default());
            } else if owner != last.0 {
                let at = self.keys.len();
                push_key(owner, &mut self.keys);
                last = (owner, SortKey::last_of(&self.keys, at));
            }
            let RecordRef { rtype, ttl, .. } = record;
            self.records.push(Sorted { key: last.1, rtype, ttl, record: place });
        }
        let keys = &self.keys;
        self.records.sort_unstable_by(|a, b| {
            let by_owner = a.key.order(b.key, keys);
            by_owner.then(a.rtype.cmp(&b.rtype)).then(a.record.cmp(&b.record))
        });
    }

    /// Groups the sorted records into nodes and RRsets, with empty non-terminals in between.
    fn group(&mut self, apex: &[u8], records: &Records, hash_key: HashKey) {
        self.names.clear();
        self.nodes.clear();
        self.rrsets.clear();
        let mut at = 0;
        while let Some(&Sorted { key, record, .. }) = self.records.get(at) {
            let same = |sorted: &&Sorted| sorted.key.order(key, &self.keys).is_eq();
            let end = at + self.records[at..].iter().take_while(same).count();
            let owner = name::above(records.get(record as usize).owner, apex);
            let node = self.push_node(owner, key, apex, hash_key);
            for of_type in self.records[at..end].chunk_by(|a, b| a.rtype == b.rtype) {
                let rtype = of_type[0].rtype;
                let ttl = of_type.iter().map(|sorted| sorted.ttl).min().unwrap_or(0);
                self.rrsets.push(RrsetDraft { rtype, ttl, records: at..at + of_type.len() });
                self.nodes[node].note(rtype);
                at += of_type.len();
            }
            self.nodes[node].rrsets.end = self.rrsets.len();
        }
    }

    /// Adds the node of an owner, below those of the names above it that are missing.
    fn push_node(&mut self, owner: &[u8], key: SortKey, apex: &[u8], hash_key: HashKey) -> usize {
        let rrsets = self.rrsets.len()..self.rrsets.len();
        let new = NodeDraft { rrsets, flags: flag::NO_ADDRESS, ..NodeDraft::default() };
        if self.nodes.is_empty() {
            self.nodes.push(NodeDraft { hash: hash_key.hash(apex), ..new.clone() });
        }
        let name_at = self.names.len();
        name::push_lowercase(owner, &mut self.names);
        let starts = name::label_starts(owner);
        let owner_key = key.of(&self.keys);
        // The nearest name above is the last node, or one above that.
        let mut parent = self.nodes.len() - 1;
        while !owner_key.starts_with(self.nodes[parent].key.of(&self.keys)) {
            parent = self.nodes[parent].parent;
        }
        for &start in starts[..starts.len() - self.nodes[parent].labels].iter().rev() {
            let above = &self.nodes[parent];
            // Each label of a key ends in a zero.
            let above_len = above.key.of(&self.keys).len();
            let below = owner_key[above_len..].iter();
            let end = key.at() + above_len + below.take_while(|byte| **byte != 0).count() + 1;
            let start = usize::from(start);
            let label = name_at + start..=name_at + start + usize::from(owner[start]);
            let node = NodeDraft {
                key: SortKey::last_of(&self.keys[..end], key.at()),
                name: name_at + start..self.names.len(),
                labels: above.labels + 1,
                parent,
                hash: hash_key.hash_below(above.hash, &self.names[label]),
                ..new.clone()
            };
            parent = self.nodes.len();
            self.nodes.push(node);
        }
        parent
    }

    fn find_blockers(&mut self) {
        for node in 1..self.nodes.len() {
            let parent = &self.nodes[self.nodes[node].parent];
            self.nodes[node].blocker = match parent.blocker {
                Some(blocker) => Some(blocker),
                None if parent.flags & flag::DNAME != 0 => Some(self.nodes[node].parent),
                None if self.nodes[node].flags & flag::DELEGATION != 0 => Some(node),
                None => None,
            };
        }
    }
}

impl NodeDraft {
    fn note(&mut self, rtype: Rtype) {
        self.flags |= match rtype {
            Rtype::A | Rtype::AAAA | Rtype::HTTPS | Rtype::SVCB => flag::SITE_NAME,
            Rtype::CNAME => flag::SITE_NAME | flag::ALIAS,
            Rtype::DNAME => flag::SITE_NAME | flag::DNAME,
            Rtype::NS if self.labels > 0 => flag::SITE_NAME | flag::DELEGATION,
            _ => 0,
        };
    }
}

/// Appends a key whose order by bytes is the canonical order of names: labels from the right, in
/// lower case, each ended by 0, with 0 and 1 within a label escaped.
fn push_key(relative: &[u8], key: &mut Vec<u8>) {
    for &start in name::label_starts(relative).iter().rev() {
        let label = &relative[usize::from(start)..];
        for &byte in &label[1..=usize::from(label[0])] {
            match byte.to_ascii_lowercase() {
                byte @ 0..=1 => key.extend_from_slice(&[1, byte + 1]),
                byte => key.push(byte),
            }
        }
        key.push(0);
    }
}
