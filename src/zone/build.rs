//! From records to a zone's block. A [`Builder`] is scratch memory: a million zones are built by
//! one for each thread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use arrayvec::ArrayVec;

use super::block::{
    EXTRA_LEN, HEADER_LEN, INDEX_ENTRY_LEN, NODE_LEN, NODE_RRSET_LEN, Node, OWN_OWNER, RECORD_LEN,
    RRSET_LEN, TO_APEX, TTL_AT, ZONE_BROKEN, Zone, flag, index_entry, places_of, u32_at,
};
use crate::master::Records;
use crate::region::Region;
use crate::wire::{HashKey, HashedName, Name, Rtype, name};

/// Names within an RRset are pointed to only up to here, so that a pointer stays in reach at
/// whatever place of a message the RRset lands.
const LAST_POINTED_TO: usize = 0x1800;

/// What an address is to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressClass {
    /// Where it is.
    pub region: Region,
    /// It is in `gate.nameserver_addresses`.
    pub is_our_nameserver: bool,
}

/// Why records cannot become a zone. The master-file reader's checks come first; these are the
/// limits of the store itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// An RRset that fits in no DNS message.
    #[error("the {rtype} records of {owner} fill {len} bytes: no DNS message holds them")]
    RrsetTooLarge {
        /// Owner, in presentation form.
        owner: String,
        /// Type.
        rtype: Rtype,
        /// Bytes in wire form.
        len: usize,
    },
    /// More than 255 types at one name.
    #[error("{owner} has more than 255 types of records")]
    TooManyTypes {
        /// Owner, in presentation form.
        owner: String,
    },
    /// More than 4 GiB.
    #[error("the zone is larger than 4 GiB")]
    TooLarge,
}

/// Builds zones, one after the other, in the same scratch memory.
#[derive(Default)]
pub struct Builder {
    /// Sort keys of all records, and of each its place, in canonical order of owners.
    keys: Vec<u8>,
    order: Vec<Sorted>,
    nodes: Vec<NodeDraft>,
    rrsets: Vec<RrsetDraft>,
    block: Vec<u8>,
    /// Places within the RRset in the making at which an uncompressed name starts.
    names: Vec<(Range<usize>, usize)>,
    patches: Vec<u16>,
    extras: Vec<(u16, u16, u32)>,
}

struct Sorted {
    key: Range<usize>,
    record: usize,
}

struct NodeDraft {
    /// Labels above the apex in lower case.
    name: Vec<u8>,
    rrsets: Range<usize>,
    flags: u16,
    /// Place in the block.
    at: u32,
    parent: usize,
    blocker: Option<usize>,
}

struct RrsetDraft {
    rtype: Rtype,
    /// Indices into [`Builder::order`].
    records: Range<usize>,
}

impl Builder {
    /// A builder with no memory yet.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// A zone that failed to load and has no last good version: it answers SERVFAIL.
    pub fn broken(origin: &Name) -> Zone {
        let apex = origin.to_lowercase();
        let mut block = Vec::new();
        begin_block(&mut block, &apex);
        block[22] = ZONE_BROKEN;
        // One free index entry: every search ends there.
        let index_at = block.len() as u32;
        block.extend_from_slice(&[0; INDEX_ENTRY_LEN]);
        put_u32(&mut block, 4, index_at);
        let end = block.len() as u32;
        put_u32(&mut block, 8, end);
        put_u32(&mut block, 12, end);
        Zone::of_block(&block)
    }

    /// Builds a zone from records that passed the master-file checks: all at or below the
    /// origin, with one SOA at the apex.
    pub fn build(
        &mut self,
        origin: &Name,
        records: &Records,
        key: HashKey,
        classify: &dyn Fn(IpAddr) -> AddressClass,
    ) -> Result<Zone, BuildError> {
        let apex = origin.to_lowercase();
        self.sort(&apex, records);
        self.draft_nodes(&apex, records);
        let index_at = self.lay_out(&apex)?;
        for index in 0..self.nodes.len() {
            for rrset in self.nodes[index].rrsets.clone() {
                self.write_rrset(&apex, records, index, rrset)?;
            }
        }
        self.write_node_links();
        u32::try_from(self.block.len()).map_err(|_| BuildError::TooLarge)?;
        self.write_index(&apex, index_at, key);
        self.mark_mail_hosts(&apex, records);
        let negative_ttl = self.negative_ttl(records);
        put_u32(&mut self.block, 16, negative_ttl);
        let mut zone = Zone::of_block(&self.block);
        zone.classify(classify);
        Ok(zone)
    }

    /// Sorts the records by owner in canonical order, then by type, then as read.
    fn sort(&mut self, apex: &Name, records: &Records) {
        self.keys.clear();
        self.order.clear();
        for (index, record) in records.iter().enumerate() {
            let start = self.keys.len();
            canonical_key(relative(record.owner, apex), &mut self.keys);
            self.order.push(Sorted { key: start..self.keys.len(), record: index });
        }
        let keys = &self.keys;
        self.order.sort_by(|a, b| {
            let types = |sorted: &Sorted| records.get(sorted.record).rtype;
            keys[a.key.clone()].cmp(&keys[b.key.clone()]).then_with(|| types(a).cmp(&types(b)))
        });
    }

    /// Groups the sorted records into nodes and RRsets, with empty non-terminals in between.
    fn draft_nodes(&mut self, apex: &Name, records: &Records) {
        self.nodes.clear();
        self.rrsets.clear();
        // The nodes from the apex down to the one before, by depth.
        let mut path: Vec<usize> = Vec::new();
        let mut at = 0;
        while at < self.order.len() {
            let key = self.order[at].key.clone();
            let same_owner =
                |sorted: &Sorted| self.keys[sorted.key.clone()] == self.keys[key.clone()];
            let end = at + self.order[at..].iter().take_while(|sorted| same_owner(sorted)).count();
            let owner = relative(records.get(self.order[at].record).owner, apex);
            let owner = owner.to_ascii_lowercase();
            let starts = label_starts(&owner);
            let depth = starts.len();
            let shared = path
                .iter()
                .take_while(|&&node| {
                    let name = &self.nodes[node].name;
                    owner.ends_with(name)
                        && starts.iter().any(|&start| owner.len() - start == name.len())
                        || name.is_empty()
                })
                .count();
            path.truncate(shared);
            // From the first missing ancestor (or the apex) down to the owner itself.
            for level in shared..=depth {
                let name = match level {
                    0 => Vec::new(),
                    _ => owner[starts[depth - level]..].to_vec(),
                };
                let parent = path.last().copied().unwrap_or(0);
                let rrsets = self.rrsets.len()..self.rrsets.len();
                path.push(self.nodes.len());
                self.nodes.push(NodeDraft { name, rrsets, flags: 0, at: 0, parent, blocker: None });
            }
            let mut from = at;
            while from < end {
                let rtype = records.get(self.order[from].record).rtype;
                let count = self.order[from..end]
                    .iter()
                    .take_while(|sorted| records.get(sorted.record).rtype == rtype)
                    .count();
                self.rrsets.push(RrsetDraft { rtype, records: from..from + count });
                from += count;
            }
            let node = self.nodes.len() - 1;
            self.nodes[node].rrsets.end = self.rrsets.len();
            self.note_types(node);
            at = end;
        }
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

    fn note_types(&mut self, node: usize) {
        let is_apex = self.nodes[node].name.is_empty();
        let mut flags = flag::NO_ADDRESS;
        for rrset in &self.rrsets[self.nodes[node].rrsets.clone()] {
            flags |= match rrset.rtype {
                Rtype::A | Rtype::AAAA | Rtype::HTTPS | Rtype::SVCB => flag::SITE_NAME,
                Rtype::CNAME => flag::SITE_NAME | flag::ALIAS,
                Rtype::DNAME => flag::SITE_NAME | flag::DNAME,
                Rtype::NS if !is_apex => flag::SITE_NAME | flag::DELEGATION,
                _ => 0,
            };
        }
        self.nodes[node].flags = flags;
    }

    /// Gives each node its place, and writes everything but links, RRsets and index entries.
    fn lay_out(&mut self, apex: &Name) -> Result<usize, BuildError> {
        begin_block(&mut self.block, apex);
        let capacity = (self.nodes.len() * 4 / 3 + 1).next_power_of_two();
        let index_at = self.block.len();
        self.block.resize(index_at + INDEX_ENTRY_LEN * capacity, 0);
        put_u32(&mut self.block, 0, capacity as u32 - 1);
        put_u32(&mut self.block, 4, index_at as u32);
        let nodes_at = self.block.len() as u32;
        put_u32(&mut self.block, 8, nodes_at);
        for node in &mut self.nodes {
            let rrsets = u8::try_from(node.rrsets.len())
                .map_err(|_| BuildError::TooManyTypes { owner: owner_text(&node.name, apex) })?;
            node.at = self.block.len() as u32;
            self.block.extend_from_slice(&[0; 8]);
            self.block.extend_from_slice(&node.flags.to_le_bytes());
            self.block.push(node.name.len() as u8);
            self.block.push(rrsets);
            self.block.resize(self.block.len() + NODE_RRSET_LEN * node.rrsets.len(), 0);
            self.block.extend_from_slice(&node.name);
        }
        let end = self.block.len() as u32;
        put_u32(&mut self.block, 12, end);
        Ok(index_at)
    }

    fn write_rrset(
        &mut self,
        apex: &Name,
        records: &Records,
        node: usize,
        rrset: usize,
    ) -> Result<(), BuildError> {
        let RrsetDraft { rtype, records: ref range } = self.rrsets[rrset];
        let range = range.clone();
        let start = self.block.len();
        self.block.resize(start + RRSET_LEN, 0);
        self.names.clear();
        self.patches.clear();
        self.extras.clear();
        let body = start + RRSET_LEN;
        // RFC 2181 §5.2: one TTL for the set; the least, so that nothing lives on too long.
        let ttl = range.clone().map(|at| records.get(self.order[at].record).ttl).min().unwrap_or(0);
        let mut count = 0u16;
        for at in range.clone() {
            let record = records.get(self.order[at].record);
            let is_repeated = (range.start..at)
                .any(|before| records.get(self.order[before].record).rdata == record.rdata);
            if is_repeated {
                continue;
            }
            count = count.saturating_add(1);
            self.block.extend_from_slice(&[0xc0, 0x0c]);
            self.block.extend_from_slice(&rtype.0.to_be_bytes());
            self.block.extend_from_slice(&[0, 1]);
            self.block.extend_from_slice(&ttl.to_be_bytes());
            let len_at = self.block.len();
            self.block.extend_from_slice(&[0, 0]);
            self.write_rdata(apex, rtype, record.rdata, body, node);
            let len = (self.block.len() - len_at - 2) as u16;
            self.block[len_at..len_at + 2].copy_from_slice(&len.to_be_bytes());
            if self.block.len() - body > usize::from(u16::MAX) {
                break;
            }
        }
        let len = self.block.len() - body;
        // A message has a header, a question and perhaps OPT beside it.
        if len > usize::from(u16::MAX) - 600 {
            let owner = owner_text(&self.nodes[node].name, apex);
            return Err(BuildError::RrsetTooLarge { owner, rtype, len });
        }
        let counts = [len as u16, count, self.patches.len() as u16, self.extras.len() as u16];
        for (place, value) in counts.into_iter().enumerate() {
            let at = start + 2 * place;
            self.block[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        for patch in &self.patches {
            self.block.extend_from_slice(&patch.to_le_bytes());
        }
        for (name_at, flags, target) in &self.extras {
            self.block.extend_from_slice(&name_at.to_le_bytes());
            self.block.extend_from_slice(&flags.to_le_bytes());
            self.block.extend_from_slice(&target.to_le_bytes());
            const { assert!(EXTRA_LEN == 8) };
        }
        let index = rrset - self.nodes[node].rrsets.start;
        let at = self.nodes[node].at as usize + NODE_LEN + NODE_RRSET_LEN * index;
        self.block[at..at + 2].copy_from_slice(&rtype.0.to_le_bytes());
        put_u32(&mut self.block, at + 2, start as u32);
        Ok(())
    }

    /// Writes RDATA; names in the types of RFC 1035 are compressed (RFC 3597 §4 forbids it for
    /// any other).
    fn write_rdata(&mut self, apex: &Name, rtype: Rtype, rdata: &[u8], body: usize, node: usize) {
        let fixed = match rtype {
            Rtype::NS | Rtype::CNAME | Rtype::PTR | Rtype::SOA => 0,
            Rtype::MX => 2,
            Rtype::SRV => {
                self.note_extra(apex, rtype, rdata.get(6..), self.block.len() + 6 - body, node);
                return self.block.extend_from_slice(rdata);
            }
            Rtype::HTTPS | Rtype::SVCB => {
                self.note_extra(apex, rtype, rdata.get(2..), self.block.len() + 2 - body, node);
                return self.block.extend_from_slice(rdata);
            }
            _ => return self.block.extend_from_slice(rdata),
        };
        let names = if rtype == Rtype::SOA { 2 } else { 1 };
        self.block.extend_from_slice(&rdata[..fixed]);
        let mut rest = &rdata[fixed..];
        for _ in 0..names {
            let Some(len) = name::name_len(rest) else { break };
            let at = self.block.len() - body;
            if matches!(rtype, Rtype::NS | Rtype::MX) {
                self.note_extra(apex, rtype, Some(rest), at, node);
            }
            self.write_name(apex, &rest[..len], body);
            rest = &rest[len..];
        }
        self.block.extend_from_slice(rest);
    }

    fn write_name(&mut self, apex: &Name, wire: &[u8], body: usize) {
        let start = self.block.len();
        let apex_len = apex.as_wire().len();
        if apex_len > 1 && name::suffix_matches(wire, apex.as_wire()) {
            self.block.extend_from_slice(&wire[..wire.len() - apex_len]);
            return self.write_pointer(TO_APEX, body);
        }
        let mut at = 0;
        while wire[at] != 0 {
            let suffix = &wire[at..];
            let earlier = self.names.iter().find_map(|(range, offset)| {
                let name = &self.block[range.clone()];
                name::suffix_matches(name, suffix).then(|| offset + name.len() - suffix.len())
            });
            if let Some(target) = earlier.filter(|&target| target < LAST_POINTED_TO) {
                self.block.extend_from_slice(&wire[..at]);
                return self.write_pointer(target as u16, body);
            }
            at += usize::from(wire[at]) + 1;
        }
        self.block.extend_from_slice(wire);
        self.names.push((start..self.block.len(), start - body));
    }

    fn write_pointer(&mut self, target: u16, body: usize) {
        // Places beyond 64 KiB belong to an RRset that is refused as too large.
        self.patches.push((self.block.len() - body) as u16);
        self.block.extend_from_slice(&target.to_be_bytes());
    }

    /// Notes that records of the name at the start of `rest` go into the additional section, if the
    /// zone has any: its addresses, and beside SVCB and HTTPS those of the same type.
    fn note_extra(
        &mut self,
        apex: &Name,
        rtype: Rtype,
        rest: Option<&[u8]>,
        at: usize,
        node: usize,
    ) {
        let Some(rest) = rest else { return };
        let Some(len) = name::name_len(rest) else { return };
        let target = &rest[..len];
        let (index, name_at) = match len {
            1 => (Some(node), OWN_OWNER),
            _ => (self.node_of(target, apex), at as u16),
        };
        let Some(index) = index else { return };
        let has_any =
            self.rrsets[self.nodes[index].rrsets.clone()].iter().any(|rrset| match rrset.rtype {
                Rtype::A | Rtype::AAAA => true,
                Rtype::SVCB | Rtype::HTTPS => rrset.rtype == rtype,
                _ => false,
            });
        let at_node = self.nodes[index].at;
        let is_noted = self.extras.iter().any(|(.., noted)| *noted == at_node);
        if !has_any || is_noted || at >= usize::from(OWN_OWNER) {
            return;
        }
        let is_required = self.nodes[node].flags & flag::DELEGATION != 0
            && relative(target, apex).to_ascii_lowercase().ends_with(&self.nodes[node].name);
        self.extras.push((name_at, u16::from(is_required), at_node));
    }

    /// The node of a name, if it is in the zone.
    fn node_of(&self, wire: &[u8], apex: &Name) -> Option<usize> {
        if !name::suffix_matches(wire, apex.as_wire()) {
            return None;
        }
        let mut key = Vec::with_capacity(wire.len());
        canonical_key(relative(wire, apex), &mut key);
        let mut own = Vec::with_capacity(wire.len());
        self.nodes
            .binary_search_by(|node| {
                own.clear();
                canonical_key(&node.name, &mut own);
                own.as_slice().cmp(&key)
            })
            .ok()
    }

    fn write_node_links(&mut self) {
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            if let Some(blocker) = node.blocker {
                put_u32(&mut self.block, node.at as usize + 4, self.nodes[blocker].at);
            }
            if index > 0 && node.name.starts_with(b"\x01*") {
                let parent = &self.nodes[node.parent];
                // Only the parent's own child: "*" further down belongs to its own parent.
                if node.name.len() == parent.name.len() + 2 {
                    put_u32(&mut self.block, parent.at as usize, node.at);
                }
            }
        }
    }

    fn write_index(&mut self, apex: &Name, index_at: usize, key: HashKey) {
        let mask = u32_at(&self.block, 0);
        let places = places_of(self.block.len());
        let mut wire = Vec::with_capacity(name::MAX_NAME_LEN);
        for node in &self.nodes {
            wire.clear();
            wire.extend_from_slice(&node.name);
            wire.extend_from_slice(apex.as_wire());
            let Some(name) = HashedName::read(&wire, key) else { continue };
            let entry = index_entry(name.full_hash(), node.at, places);
            let mut place = name.full_hash() as u32 & mask;
            let entry_at = |place: u32| index_at + INDEX_ENTRY_LEN * place as usize;
            while u32_at(&self.block, entry_at(place)) != 0 {
                place = (place + 1) & mask;
            }
            put_u32(&mut self.block, entry_at(place), entry);
        }
    }

    /// Marks MX targets.
    fn mark_mail_hosts(&mut self, apex: &Name, records: &Records) {
        for record in records.iter().filter(|record| record.rtype == Rtype::MX) {
            let target =
                record.rdata.get(2..).and_then(|rest| Some(&rest[..name::name_len(rest)?]));
            if let Some(node) = target.and_then(|target| self.node_of(target, apex)) {
                let at = self.nodes[node].at as usize + 8;
                let flags = u16::from_le_bytes([self.block[at], self.block[at + 1]]);
                let flags = flags | flag::MAIL_HOST;
                self.block[at..at + 2].copy_from_slice(&flags.to_le_bytes());
            }
        }
    }

    fn negative_ttl(&self, records: &Records) -> u32 {
        let soa = records.iter().find(|record| record.rtype == Rtype::SOA);
        soa.map_or(0, |soa| {
            let minimum = soa.rdata.last_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
            minimum.min(soa.ttl)
        })
    }
}

impl Zone {
    /// Sets what the regions and nameserver addresses say of each node. True where that changed
    /// anything. Called once for a new zone, and again when those settings change.
    pub fn classify(&mut self, classify: &dyn Fn(IpAddr) -> AddressClass) -> bool {
        let marks: Vec<(usize, u16)> = self
            .nodes()
            .filter_map(|node| {
                let before = super::block::u16_at(self.bytes(), node.at + 8);
                let after = self.marks_of(&node, before, classify);
                (before != after).then_some((node.at + 8, after))
            })
            .collect();
        if marks.is_empty() {
            return false;
        }
        self.set_flags(&marks);
        true
    }

    fn marks_of(
        &self,
        node: &Node<'_>,
        before: u16,
        classify: &dyn Fn(IpAddr) -> AddressClass,
    ) -> u16 {
        let mut region: Option<Region> = None;
        let mut note =
            |found: Region| region = Some(region.map_or(found, |known| known.min(found)));
        let mut addresses = 0;
        let mut nameservers = 0;
        for rrset in node.rrsets() {
            match rrset.rtype() {
                Rtype::A | Rtype::AAAA => {
                    for class in rrset.addresses().map(classify) {
                        note(class.region);
                        addresses += 1;
                        nameservers += u32::from(class.is_our_nameserver);
                    }
                }
                Rtype::HTTPS | Rtype::SVCB => {
                    for rdata in rrset.rdata() {
                        address_hints(rdata, |address| note(classify(address).region));
                    }
                }
                _ => {}
            }
        }
        let mut flags = before & !(flag::REGION | flag::OUR_NAMESERVER);
        flags |= region.map_or(flag::NO_ADDRESS, |region| region as u16);
        if addresses > 0 && addresses == nameservers && self.is_ns_target(node) {
            flags |= flag::OUR_NAMESERVER;
        }
        flags
    }

    fn is_ns_target(&self, node: &Node<'_>) -> bool {
        let mut ns_rrsets = self.nodes().filter_map(|owner| owner.rrset(Rtype::NS));
        ns_rrsets.any(|ns| ns.extras().any(|extra| extra.node.is_same(node)))
    }
}

/// The addresses in the hints of HTTPS or SVCB RDATA (RFC 9460 §7.3).
fn address_hints(rdata: &[u8], mut note: impl FnMut(IpAddr)) {
    const IPV4_HINT: u16 = 4;
    const IPV6_HINT: u16 = 6;
    let Some(mut rest) = rdata.get(2..).and_then(|rest| rest.get(name::name_len(rest)?..)) else {
        return;
    };
    while let [k1, k2, l1, l2, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*l1, *l2]));
        let Some((value, tail)) = tail.split_at_checked(len) else { return };
        match u16::from_be_bytes([*k1, *k2]) {
            IPV4_HINT => value.as_chunks().0.iter().for_each(|octets: &[u8; 4]| {
                note(Ipv4Addr::from(*octets).into());
            }),
            IPV6_HINT => value.as_chunks().0.iter().for_each(|octets: &[u8; 16]| {
                note(Ipv6Addr::from(*octets).into());
            }),
            _ => {}
        }
        rest = tail;
    }
}

fn begin_block(block: &mut Vec<u8>, apex: &Name) {
    block.clear();
    block.resize(HEADER_LEN, 0);
    block[20] = apex.as_wire().len() as u8;
    block[21] = apex.label_count() as u8;
    block.extend_from_slice(apex.as_wire());
}

/// The labels of an owner above the apex.
fn relative<'a>(owner: &'a [u8], apex: &Name) -> &'a [u8] {
    &owner[..owner.len().saturating_sub(apex.as_wire().len())]
}

/// A name of 255 bytes has no more than 127 labels.
fn label_starts(relative: &[u8]) -> ArrayVec<usize, { name::MAX_NAME_LEN / 2 }> {
    let mut starts = ArrayVec::new();
    let mut at = 0;
    while at < relative.len() {
        starts.push(at);
        at += usize::from(relative[at]) + 1;
    }
    starts
}

/// A key whose order by bytes is the canonical order of names: labels from the right, in lower
/// case, each ended by 0, with 0 and 1 within a label escaped.
fn canonical_key(relative: &[u8], key: &mut Vec<u8>) {
    for &start in label_starts(relative).iter().rev() {
        for &byte in &relative[start + 1..=start + usize::from(relative[start])] {
            match byte.to_ascii_lowercase() {
                byte @ 0..=1 => key.extend_from_slice(&[1, byte + 1]),
                byte => key.push(byte),
            }
        }
        key.push(0);
    }
}

fn owner_text(relative: &[u8], apex: &Name) -> String {
    name::to_text(&[relative, apex.as_wire()].concat())
}

fn put_u32(block: &mut [u8], at: usize, value: u32) {
    block[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

const _: () = assert!(RECORD_LEN == TTL_AT + 6);
