//! From records to a zone's block. A [`Builder`] is scratch memory: a million zones are built by
//! one for each thread.

use std::net::IpAddr;
use std::ops::Range;

use super::block::{
    EXTRA_LEN, FLAGS_AT, HEADER_LEN, INDEX_ENTRY_LEN, NODE_LEN, NODE_RRSET_LEN, OWN_OWNER,
    RECORD_LEN, RRSET_LEN, TO_APEX, TTL_AT, ZONE_BROKEN, Zone, flag, index_entry, places_of,
    u16_at, u32_at,
};
use super::classify::{AddressClass, marks};
use super::draft::{Draft, RrsetDraft};
use crate::master::Records;
use crate::wire::fixed::put;
use crate::wire::{HashKey, Name, Rtype, name};

/// Names within an RRset are pointed to only up to here, so that a pointer stays in reach at
/// whatever place of a message the RRset lands.
const LAST_POINTED_TO: usize = 0x1800;

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
    apex: Vec<u8>,
    draft: Draft,
    block: Vec<u8>,
    /// Places within the RRset in the making at which an uncompressed name starts.
    names: Vec<(Range<usize>, usize)>,
    patches: Vec<u16>,
    extras: Vec<(u16, u16, u32)>,
    marks: Vec<(usize, u16)>,
}

impl Builder {
    /// A builder with no memory yet.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// A zone that failed to load and has no last good version: it answers SERVFAIL.
    pub fn broken(origin: &Name) -> Zone {
        let mut block = Vec::new();
        begin_block(&mut block, origin.to_lowercase().as_wire());
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
        let mut apex = std::mem::take(&mut self.apex);
        apex.clear();
        name::push_lowercase(origin.as_wire(), &mut apex);
        let built = self.build_at(&apex, records, key, classify);
        self.apex = apex;
        built
    }

    fn build_at(
        &mut self,
        apex: &[u8],
        records: &Records,
        key: HashKey,
        classify: &dyn Fn(IpAddr) -> AddressClass,
    ) -> Result<Zone, BuildError> {
        self.draft.fill(apex, records, key);
        let index_at = self.lay_out(apex)?;
        for node in 0..self.draft.nodes.len() {
            for rrset in self.draft.nodes[node].rrsets.clone() {
                self.write_rrset(apex, records, node, rrset)?;
            }
        }
        self.write_node_links();
        u32::try_from(self.block.len()).map_err(|_| BuildError::TooLarge)?;
        self.write_index(index_at);
        put_u32(&mut self.block, 16, negative_ttl(records));
        self.marks.clear();
        self.marks.extend(marks(&self.block, classify));
        self.marks.iter().for_each(|(at, flags)| put(&mut self.block, *at, flags.to_le_bytes()));
        Ok(Zone::of_block(&self.block))
    }

    /// Gives each node its place, and writes everything but links, RRsets and index entries.
    fn lay_out(&mut self, apex: &[u8]) -> Result<usize, BuildError> {
        let block = &mut self.block;
        begin_block(block, apex);
        let capacity = (self.draft.nodes.len() * 4 / 3 + 1).next_power_of_two();
        let index_at = block.len();
        block.resize(index_at + INDEX_ENTRY_LEN * capacity, 0);
        put_u32(block, 0, capacity as u32 - 1);
        put_u32(block, 4, index_at as u32);
        let nodes_at = block.len() as u32;
        put_u32(block, 8, nodes_at);
        for index in 0..self.draft.nodes.len() {
            let at = block.len();
            self.draft.nodes[index].at = at as u32;
            let (node, name) = (&self.draft.nodes[index], self.draft.name(index));
            let rrsets = u8::try_from(node.rrsets.len())
                .map_err(|_| BuildError::TooManyTypes { owner: owner_text(name, apex) })?;
            let name_at = at + NODE_LEN + NODE_RRSET_LEN * node.rrsets.len();
            block.resize(name_at + name.len(), 0);
            put(block, at + FLAGS_AT, node.flags.to_le_bytes());
            put(block, at + FLAGS_AT + 2, [name.len() as u8, rrsets]);
            block[name_at..].copy_from_slice(name);
        }
        let end = block.len() as u32;
        put_u32(block, 12, end);
        Ok(index_at)
    }

    fn write_rrset(
        &mut self,
        apex: &[u8],
        records: &Records,
        node: usize,
        rrset: usize,
    ) -> Result<(), BuildError> {
        let RrsetDraft { rtype, ttl, records: ref range } = self.draft.rrsets[rrset];
        let range = range.clone();
        let start = self.block.len();
        self.names.clear();
        self.patches.clear();
        self.extras.clear();
        let body = start + RRSET_LEN;
        let record_at = |draft: &Draft, at: usize| records.get(draft.records[at].record as usize);
        // The head of the RRset, and of its first record.
        let mut head = [0; RRSET_LEN + RECORD_LEN];
        put(&mut head, RRSET_LEN, [0xc0, 0x0c]);
        put(&mut head, RRSET_LEN + 2, rtype.0.to_be_bytes());
        put(&mut head, RRSET_LEN + 4, [0, 1]);
        put(&mut head, RRSET_LEN + TTL_AT, ttl.to_be_bytes());
        self.block.extend_from_slice(&head);
        let mut count = 0u16;
        for at in range.clone() {
            let rdata = record_at(&self.draft, at).rdata;
            if at > range.start {
                let mut earlier = (range.start..at).map(|at| record_at(&self.draft, at).rdata);
                if earlier.any(|earlier| earlier == rdata) {
                    continue;
                }
                self.block.extend_from_slice(&head[RRSET_LEN..]);
            }
            count = count.saturating_add(1);
            let rdata_at = self.block.len();
            self.write_rdata(apex, rtype, rdata, body, node);
            let len = (self.block.len() - rdata_at) as u16;
            put(&mut self.block, rdata_at - 2, len.to_be_bytes());
            if self.block.len() - body > usize::from(u16::MAX) {
                break;
            }
        }
        let len = self.block.len() - body;
        // A message has a header, a question and perhaps OPT beside it.
        if len > usize::from(u16::MAX) - 600 {
            let owner = owner_text(self.draft.name(node), apex);
            return Err(BuildError::RrsetTooLarge { owner, rtype, len });
        }
        put(&mut self.block, start, (len as u16).to_le_bytes());
        put(&mut self.block, start + 2, count.to_le_bytes());
        put(&mut self.block, start + 4, (self.patches.len() as u16).to_le_bytes());
        put(&mut self.block, start + 6, (self.extras.len() as u16).to_le_bytes());
        self.write_lists();
        let node = &self.draft.nodes[node];
        let index = rrset - node.rrsets.start;
        let at = node.at as usize + NODE_LEN + NODE_RRSET_LEN * index;
        put(&mut self.block, at, rtype.0.to_le_bytes());
        put_u32(&mut self.block, at + 2, start as u32);
        Ok(())
    }

    /// Writes the patches and the extras of an RRset; most have none.
    fn write_lists(&mut self) {
        let mut at = self.block.len();
        if self.patches.is_empty() && self.extras.is_empty() {
            return;
        }
        let extras_at = at + 2 * self.patches.len();
        self.block.resize(extras_at + EXTRA_LEN * self.extras.len(), 0);
        for patch in &self.patches {
            put(&mut self.block, at, patch.to_le_bytes());
            at += 2;
        }
        for (name_at, flags, target) in &self.extras {
            put(&mut self.block, at, name_at.to_le_bytes());
            put(&mut self.block, at + 2, flags.to_le_bytes());
            put(&mut self.block, at + 4, target.to_le_bytes());
            at += EXTRA_LEN;
        }
    }

    /// Writes RDATA; names in the types of RFC 1035 are compressed (RFC 3597 §4 forbids it for
    /// any other).
    fn write_rdata(&mut self, apex: &[u8], rtype: Rtype, rdata: &[u8], body: usize, node: usize) {
        // What stands in front of the names, how many there are, and whether they are compressed.
        let (fixed, names, is_compressed) = match rtype {
            Rtype::NS | Rtype::CNAME | Rtype::PTR => (0, 1, true),
            Rtype::SOA => (0, 2, true),
            Rtype::MX => (2, 1, true),
            Rtype::SRV => (6, 1, false),
            Rtype::HTTPS | Rtype::SVCB => (2, 1, false),
            _ => return self.block.extend_from_slice(rdata),
        };
        let Some((fixed, mut rest)) = rdata.split_at_checked(fixed) else {
            return self.block.extend_from_slice(rdata);
        };
        self.block.extend_from_slice(fixed);
        for _ in 0..names {
            let Some(len) = name::name_len(rest) else { break };
            let (name, after) = rest.split_at(len);
            if !matches!(rtype, Rtype::CNAME | Rtype::PTR | Rtype::SOA) {
                self.note_extra(apex, rtype, name, self.block.len() - body, node);
            }
            match is_compressed {
                true => self.write_name(apex, name, body),
                false => self.block.extend_from_slice(name),
            }
            rest = after;
        }
        self.block.extend_from_slice(rest);
    }

    fn write_name(&mut self, apex: &[u8], wire: &[u8], body: usize) {
        let start = self.block.len();
        if apex.len() > 1 && name::suffix_matches(wire, apex) {
            self.block.extend_from_slice(name::above(wire, apex));
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
        let [high, low] = target.to_be_bytes();
        self.block.push(high);
        self.block.push(low);
    }

    /// Notes that records of a name go into the additional section, if the zone has any: its
    /// addresses, and beside SVCB and HTTPS those of the same type. Marks MX targets.
    fn note_extra(&mut self, apex: &[u8], rtype: Rtype, target: &[u8], at: usize, node: usize) {
        let found = self.draft.find(target, apex);
        if let (Rtype::MX, Some(host)) = (rtype, found) {
            let flags_at = self.draft.nodes[host].at as usize + FLAGS_AT;
            let flags = u16_at(&self.block, flags_at) | flag::MAIL_HOST;
            put(&mut self.block, flags_at, flags.to_le_bytes());
        }
        let (index, name_at) = match target.len() {
            1 => (Some(node), OWN_OWNER),
            _ => (found, at as u16),
        };
        let Some(index) = index else { return };
        let rrsets = &self.draft.rrsets[self.draft.nodes[index].rrsets.clone()];
        let has_any = rrsets.iter().any(|rrset| match rrset.rtype {
            Rtype::A | Rtype::AAAA => true,
            Rtype::SVCB | Rtype::HTTPS => rrset.rtype == rtype,
            _ => false,
        });
        let at_node = self.draft.nodes[index].at;
        let is_noted = self.extras.iter().any(|(.., noted)| *noted == at_node);
        if !has_any || is_noted || at >= usize::from(OWN_OWNER) {
            return;
        }
        let is_required = self.draft.nodes[node].flags & flag::DELEGATION != 0
            && name::above(target, apex).to_ascii_lowercase().ends_with(self.draft.name(node));
        self.extras.push((name_at, u16::from(is_required), at_node));
    }

    fn write_node_links(&mut self) {
        for (index, node) in self.draft.nodes.iter().enumerate() {
            if let Some(blocker) = node.blocker {
                put_u32(&mut self.block, node.at as usize + 4, self.draft.nodes[blocker].at);
            }
            let name = self.draft.name(index);
            // Only the parent's own child: "*" further down belongs to its own parent.
            if name.starts_with(b"\x01*") && name.len() == self.draft.name(node.parent).len() + 2 {
                put_u32(&mut self.block, self.draft.nodes[node.parent].at as usize, node.at);
            }
        }
    }

    fn write_index(&mut self, index_at: usize) {
        let mask = u32_at(&self.block, 0);
        let places = places_of(self.block.len());
        for node in &self.draft.nodes {
            let mut place = node.hash as u32 & mask;
            let entry_at = |place: u32| index_at + INDEX_ENTRY_LEN * place as usize;
            while u32_at(&self.block, entry_at(place)) != 0 {
                place = (place + 1) & mask;
            }
            put_u32(&mut self.block, entry_at(place), index_entry(node.hash, node.at, places));
        }
    }
}

fn negative_ttl(records: &Records) -> u32 {
    let soa = records.iter().find(|record| record.rtype == Rtype::SOA);
    soa.map_or(0, |soa| {
        let minimum = soa.rdata.last_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        minimum.min(soa.ttl)
    })
}

fn begin_block(block: &mut Vec<u8>, apex: &[u8]) {
    block.clear();
    block.resize(HEADER_LEN, 0);
    block[20] = apex.len() as u8;
    block[21] = name::labels(apex).count() as u8;
    block.extend_from_slice(apex);
}

fn owner_text(relative: &[u8], apex: &[u8]) -> String {
    name::to_text(&[relative, apex].concat())
}

fn put_u32(block: &mut [u8], at: usize, value: u32) {
    put(block, at, value.to_le_bytes());
}

const _: () = assert!(RECORD_LEN == TTL_AT + 6);
