//! One zone as one immutable allocation: a small header, an index by hash, the nodes in
//! canonical order (RFC 4034 §6.1), and the RRsets in wire form.
//!
//! ```text
//! header   index mask u32 · index at u32 · nodes at u32 · nodes end u32 · negative TTL u32 ·
//!          apex length u8 · apex labels u8 · flags u8 · 0 · apex (wire, lower case)
//! index    (hash and node at, u32)*  open addressing; 0 = free; see `index_entry`
//! node     wildcard child u32 · blocker u32 · flags u16 · name length u8 · RRsets u8 ·
//!          (type u16 · RRset at u32)* · name (labels above the apex, lower case)
//! RRset    length u16 · records u16 · patches u16 · extras u16 ·
//!          records as they go into a message · (patch u16)* · (name u16 · flags u16 · node u32)*
//! ```
//!
//! A record's owner is the pointer `C0 0C`, to the question's name: right for every answer but
//! those further along a chain, where it is rewritten. A *patch* is the place of a pointer within
//! the records that is completed when they are written: to the apex, wherever it stands in that
//! message, or to an earlier name of the same RRset. An *extra* is a name in the RDATA whose
//! records go into the additional section.

use std::net::IpAddr;
use triomphe::ThinArc;

use crate::prefetch::prefetch;
use crate::region::Region;
use crate::wire::Rtype;
use crate::wire::fixed::{get, put};

pub(super) const HEADER_LEN: usize = 24;
pub(super) const NODE_LEN: usize = 12;
/// Where a node's flags stand in it.
pub(super) const FLAGS_AT: usize = 8;
pub(super) const NODE_RRSET_LEN: usize = 6;
pub(super) const RRSET_LEN: usize = 8;
pub(super) const INDEX_ENTRY_LEN: usize = 4;
pub(super) const EXTRA_LEN: usize = 8;
/// Fixed part of a record with a pointer as its owner: owner, type, class, TTL, RDATA length.
pub const RECORD_LEN: usize = 12;
/// Where the TTL stands in a record with a pointer as its owner.
pub const TTL_AT: usize = 6;

const CACHE_LINE: usize = 64;
/// Most cache lines of a zone that are fetched ahead: of those further on, which are wanted cannot be
/// told before the first have come.
const MOST_LINES: usize = 16;

pub(super) const ZONE_BROKEN: u8 = 1;

/// What a node's flags say.
pub(super) mod flag {
    /// Two bits: a [`crate::region::Region`], or 3 for a name without addresses.
    pub(crate) const REGION: u16 = 0b11;
    pub(crate) const NO_ADDRESS: u16 = 3;
    /// An NS target of this zone, all of whose addresses are this provider's nameservers'.
    pub(crate) const OUR_NAMESERVER: u16 = 1 << 2;
    /// An MX target of this zone.
    pub(crate) const MAIL_HOST: u16 = 1 << 3;
    /// NS records below the apex.
    pub(crate) const DELEGATION: u16 = 1 << 4;
    /// A, AAAA, HTTPS, SVCB, CNAME or DNAME records, or a delegation.
    pub(crate) const SITE_NAME: u16 = 1 << 5;
    /// A CNAME record.
    pub(crate) const ALIAS: u16 = 1 << 6;
    /// A DNAME record.
    pub(crate) const DNAME: u16 = 1 << 7;
}

/// A hosted zone. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(ThinArc<(), u8>);

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Zone({}, {} bytes)", crate::wire::name::to_text(self.apex()), self.size())
    }
}

impl Zone {
    /// A zone of a whole block.
    pub(super) fn of_block(block: &[u8]) -> Zone {
        Zone(ThinArc::from_header_and_slice((), block))
    }

    /// The block.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// Sets the flags of nodes, by their places in the block: in place where nobody else holds the
    /// block yet, else in a copy.
    pub(super) fn set_flags(&mut self, flags: &[(usize, u16)]) {
        let set = |bytes: &mut [u8]| {
            flags.iter().for_each(|(at, flags)| put(bytes, *at, flags.to_le_bytes()));
        };
        let is_own = self.0.with_arc_mut(|arc| match triomphe::Arc::get_mut(arc) {
            Some(block) => {
                set(block.slice_mut());
                true
            }
            None => false,
        });
        if !is_own {
            let mut block = self.bytes().to_vec();
            set(&mut block);
            *self = Zone::of_block(&block);
        }
    }

    /// The apex, in lower case, in wire form.
    pub fn apex(&self) -> &[u8] {
        let bytes = self.bytes();
        &bytes[HEADER_LEN..HEADER_LEN + usize::from(bytes[20])]
    }

    /// Labels of the apex, the root label not counted.
    pub fn apex_labels(&self) -> usize {
        usize::from(self.bytes()[21])
    }

    /// True for a zone that failed to load and has no last good version.
    pub fn is_broken(&self) -> bool {
        self.bytes()[22] & ZONE_BROKEN != 0
    }

    /// TTL of negative answers: the lesser of the SOA's TTL and its MINIMUM (RFC 2308 §5).
    pub fn negative_ttl(&self) -> u32 {
        u32_at(self.bytes(), 16)
    }

    /// The SOA RRset; `None` only for a broken zone.
    pub fn soa(&self) -> Option<Rrset<'_>> {
        self.nodes().next()?.rrset(Rtype::SOA)
    }

    /// All nodes in canonical order, the apex first; empty non-terminals are nodes, too.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        nodes(self.bytes())
    }

    /// Cache lines to [prefetch](Self::prefetch). Whoever does so must know it from elsewhere: the
    /// length stands in what is yet to come.
    pub(super) fn lines(&self) -> u8 {
        let first = self.0.as_ptr().addr();
        let end = self.bytes().as_ptr().addr() + self.size();
        // It fits: no more than `MOST_LINES`.
        (end.div_ceil(CACHE_LINE) - first / CACHE_LINE).min(MOST_LINES) as u8
    }

    /// Begins to fetch the first [lines](Self::lines).
    #[inline]
    pub(crate) fn prefetch(&self, lines: u8) {
        let first = self.0.as_ptr().cast::<u8>();
        for line in 0..usize::from(lines) {
            prefetch(first.wrapping_add(line * CACHE_LINE));
        }
    }

    /// Bytes of the allocation.
    pub fn size(&self) -> usize {
        self.bytes().len()
    }

    /// The node with that hash whose name above the apex is `relative`.
    pub(super) fn find(&self, hash: u64, relative: &[u8]) -> Option<Node<'_>> {
        let bytes = self.bytes();
        let mask = u32_at(bytes, 0);
        let index_at = u32_at(bytes, 4) as usize;
        let places = places_of(bytes.len());
        let mut place = hash as u32 & mask;
        loop {
            let entry = u32_at(bytes, index_at + INDEX_ENTRY_LEN * place as usize);
            if entry == 0 {
                return None;
            }
            if (entry ^ hash as u32) & !places == 0 {
                let node = Node { bytes, at: (entry & places) as usize };
                if node.relative_name() == relative {
                    return Some(node);
                }
            }
            place = (place + 1) & mask;
        }
    }
}

/// The nodes of a block.
pub(super) fn nodes(block: &[u8]) -> impl Iterator<Item = Node<'_>> {
    let end = u32_at(block, 12) as usize;
    let mut at = u32_at(block, 8) as usize;
    std::iter::from_fn(move || {
        let node = (at < end).then_some(Node { bytes: block, at })?;
        at += node.len();
        Some(node)
    })
}

/// A name of a zone: one that owns records, or an empty non-terminal.
#[derive(Clone, Copy)]
pub struct Node<'z> {
    pub(super) bytes: &'z [u8],
    pub(super) at: usize,
}

impl<'z> Node<'z> {
    /// The labels above the apex, in lower case, without a root label.
    pub fn relative_name(&self) -> &'z [u8] {
        let start = self.at + NODE_LEN + NODE_RRSET_LEN * self.rrset_count();
        &self.bytes[start..start + usize::from(self.bytes[self.at + 10])]
    }

    /// The RRset of a type.
    pub fn rrset(&self, rtype: Rtype) -> Option<Rrset<'z>> {
        let first = self.at + NODE_LEN;
        let mut entries = (0..self.rrset_count()).map(|index| first + NODE_RRSET_LEN * index);
        let entry = entries.find(|entry| u16_at(self.bytes, *entry) == rtype.0)?;
        Some(Rrset { bytes: self.bytes, at: u32_at(self.bytes, entry + 2) as usize, rtype })
    }

    /// All RRsets, by ascending type.
    pub fn rrsets(&self) -> impl Iterator<Item = Rrset<'z>> {
        let node = *self;
        (0..self.rrset_count()).map(move |index| {
            let (rtype, at) = node.rrset_by_index(index);
            Rrset { bytes: node.bytes, at, rtype }
        })
    }

    /// The child node `*`, from which names below this one are synthesised (RFC 4592).
    pub fn wildcard(&self) -> Option<Node<'z>> {
        self.node_at(u32_at(self.bytes, self.at))
    }

    /// What keeps this name from being authoritative data: the delegation at or above it, or the
    /// DNAME above it, whichever is nearest to the apex.
    pub(super) fn blocker(&self) -> Option<Node<'z>> {
        self.node_at(u32_at(self.bytes, self.at + 4))
    }

    /// Where the name's own addresses are: the strictest of its A, AAAA, and HTTPS or SVCB hints.
    /// `None` where it has none.
    pub fn region(&self) -> Option<Region> {
        match self.flags() & flag::REGION {
            0 => Some(Region::Own),
            1 => Some(Region::OtherMainland),
            2 => Some(Region::Overseas),
            _ => None,
        }
    }

    /// An NS target of this zone, all of whose addresses are this provider's nameservers'.
    pub fn is_our_nameserver(&self) -> bool {
        self.flags() & flag::OUR_NAMESERVER != 0
    }

    /// An MX target of this zone.
    pub fn is_mail_host(&self) -> bool {
        self.flags() & flag::MAIL_HOST != 0
    }

    /// Delegated: NS records below the apex.
    pub fn is_delegation(&self) -> bool {
        self.flags() & flag::DELEGATION != 0
    }

    /// Has gated data: A, AAAA, HTTPS, SVCB, CNAME, DNAME or a delegation (DESIGN 2).
    pub fn is_site_name(&self) -> bool {
        self.flags() & flag::SITE_NAME != 0
    }

    /// Has a CNAME record.
    pub fn is_alias(&self) -> bool {
        self.flags() & flag::ALIAS != 0
    }

    /// Has a DNAME record.
    pub fn has_dname(&self) -> bool {
        self.flags() & flag::DNAME != 0
    }

    /// The same node of the same zone.
    pub fn is_same(&self, other: &Node<'_>) -> bool {
        std::ptr::eq(self.bytes, other.bytes) && self.at == other.at
    }

    #[inline]
    pub(super) fn flags(&self) -> u16 {
        u16_at(self.bytes, self.at + FLAGS_AT)
    }

    #[inline]
    fn rrset_count(&self) -> usize {
        usize::from(self.bytes[self.at + 11])
    }

    #[inline]
    fn rrset_by_index(&self, index: usize) -> (Rtype, usize) {
        let at = self.at + NODE_LEN + NODE_RRSET_LEN * index;
        (Rtype(u16_at(self.bytes, at)), u32_at(self.bytes, at + 2) as usize)
    }

    #[inline]
    fn len(&self) -> usize {
        NODE_LEN + NODE_RRSET_LEN * self.rrset_count() + usize::from(self.bytes[self.at + 10])
    }

    fn node_at(&self, at: u32) -> Option<Node<'z>> {
        (at != 0).then_some(Node { bytes: self.bytes, at: at as usize })
    }
}

/// Records of one owner and type, as they go into a message.
#[derive(Clone, Copy)]
pub struct Rrset<'z> {
    bytes: &'z [u8],
    at: usize,
    rtype: Rtype,
}

/// A name in an RRset's RDATA whose addresses go into the additional section, and beside SVCB and
/// HTTPS its records of that type, too (RFC 9460 §4.1).
#[derive(Clone, Copy)]
pub struct Extra<'z> {
    /// Where the name stands within the records; `None` for the RRset's own owner (a target of
    /// "." in an HTTPS or SVCB record).
    pub name_at: Option<usize>,
    /// The answer is incomplete without it: glue below its own delegation (RFC 9471 §2.1).
    pub is_required: bool,
    /// The type of the RRset, where other records of that type go along.
    pub service: Option<Rtype>,
    /// Where the records are.
    pub node: Node<'z>,
}

impl<'z> Rrset<'z> {
    /// The type.
    pub fn rtype(&self) -> Rtype {
        self.rtype
    }

    /// Seconds; the same for all records of the set (RFC 2181 §5.2).
    pub fn ttl(&self) -> u32 {
        let ttl = &self.records()[TTL_AT..TTL_AT + 4];
        u32::from_be_bytes([ttl[0], ttl[1], ttl[2], ttl[3]])
    }

    /// Number of records.
    pub fn record_count(&self) -> u16 {
        u16_at(self.bytes, self.at + 2)
    }

    /// The records in message form, pointers to the apex not yet set.
    pub fn records(&self) -> &'z [u8] {
        &self.bytes[self.at + RRSET_LEN..][..self.records_len()]
    }

    /// RDATA of each record, in message form.
    pub fn rdata(&self) -> impl Iterator<Item = &'z [u8]> + use<'z> {
        let mut rest = self.records();
        std::iter::from_fn(move || {
            let len = usize::from(u16::from_be_bytes([*rest.get(10)?, *rest.get(11)?]));
            let rdata = &rest[RECORD_LEN..RECORD_LEN + len];
            rest = &rest[RECORD_LEN + len..];
            Some(rdata)
        })
    }

    /// Addresses of an A or AAAA RRset; none of any other.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let rtype = self.rtype;
        self.rdata().filter_map(move |rdata| match rtype {
            Rtype::A => Some(IpAddr::from(<[u8; 4]>::try_from(rdata).ok()?)),
            Rtype::AAAA => Some(IpAddr::from(<[u8; 16]>::try_from(rdata).ok()?)),
            _ => None,
        })
    }

    /// Copies the records into `out` (as long as [`Self::records`]) for a message in which they
    /// start at `start`, with the zone's apex spelled out at `apex_at`.
    pub fn write(&self, out: &mut [u8], start: usize, apex_at: usize) {
        out.copy_from_slice(self.records());
        for place in 0..usize::from(u16_at(self.bytes, self.at + 4)) {
            let patches_at = self.at + RRSET_LEN + self.records_len();
            let at = usize::from(u16_at(self.bytes, patches_at + 2 * place));
            let stored = u16::from_be_bytes([out[at], out[at + 1]]);
            let target = if stored == TO_APEX { apex_at } else { start + usize::from(stored) };
            // Both lie within the first 16 KiB by what the callers reserve for names.
            put(out, at, (0xc000 | target as u16).to_be_bytes());
        }
    }

    /// The names whose addresses go into the additional section.
    pub fn extras(&self) -> impl Iterator<Item = Extra<'z>> {
        let rrset = *self;
        let patches = usize::from(u16_at(self.bytes, self.at + 4));
        let extras_at = self.at + RRSET_LEN + self.records_len() + 2 * patches;
        (0..usize::from(u16_at(self.bytes, self.at + 6))).map(move |index| {
            let at = extras_at + EXTRA_LEN * index;
            let name_at = u16_at(rrset.bytes, at);
            let node = Node { bytes: rrset.bytes, at: u32_at(rrset.bytes, at + 4) as usize };
            let is_service = matches!(rrset.rtype, Rtype::SVCB | Rtype::HTTPS)
                && node.blocker().is_none()
                && node.rrset(rrset.rtype).is_some_and(|other| other.at != rrset.at);
            Extra {
                name_at: (name_at != OWN_OWNER).then_some(usize::from(name_at)),
                is_required: u16_at(rrset.bytes, at + 2) != 0,
                service: is_service.then_some(rrset.rtype),
                node,
            }
        })
    }

    #[inline]
    fn records_len(&self) -> usize {
        usize::from(u16_at(self.bytes, self.at))
    }
}

/// The bits of an index entry in which a block of that length has its places.
pub(super) fn places_of(block_len: usize) -> u32 {
    // A block is never empty, and its length fits 32 bits.
    u32::MAX >> (block_len as u32).leading_zeros()
}

/// An entry of the index: where the node is, and in the bits that places leave free, its name's
/// hash. One load tells nearly always whether it is the node.
pub(super) fn index_entry(hash: u64, node_at: u32, places: u32) -> u32 {
    hash as u32 & !places | node_at
}

/// A stored pointer that stands for the apex; any other value is an offset within the RRset.
pub(super) const TO_APEX: u16 = 0xffff;
/// The place of an extra that is the RRset's owner.
pub(super) const OWN_OWNER: u16 = 0xffff;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(get(bytes, at))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(get(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_those_that_the_allocation_lies_in() {
        for len in 1..2_048 {
            let zone = Zone::of_block(&vec![0; len]);
            let first = zone.0.as_ptr().addr();
            let end = zone.bytes().as_ptr_range().end.addr();
            let lines = (first / CACHE_LINE..).take_while(|line| line * CACHE_LINE < end).count();
            assert_eq!(usize::from(zone.lines()), lines.min(MOST_LINES), "{len} bytes");
        }
    }
}
