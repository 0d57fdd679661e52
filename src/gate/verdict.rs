//! The verdict for a name: that of the site domain it is in, for the region that its addresses
//! are in.

use arrayvec::ArrayVec;

use super::{ExternalTargets, Gate, Mode};
use crate::filing::Verdict;
use crate::region::Region;
use crate::wire::{HashedName, Name, Rtype, name};
use crate::zone::{Column, Entry, Node, Place, Rrset, ZoneTable};

/// Longest chain of CNAME and DNAME records that is followed (BIND's limit, too).
pub const MAX_CHAIN: usize = 16;

impl Gate {
    /// The column that holds for a name: the zone's, or that of the nearest scope.
    #[inline]
    pub fn column<'a>(
        &'a self,
        entry: &'a Entry,
        name: &HashedName,
        place: &Place<'_>,
    ) -> &'a Column {
        if entry.column.has_scopes { self.scoped_column(entry, name, place) } else { &entry.column }
    }

    /// A delegation or DNAME covers every name below it: what a resolver learns of it by one name,
    /// it uses for all. So it is open only where its own name is, and no name below is blocked.
    #[cold]
    fn scoped_column<'a>(
        &'a self,
        entry: &'a Entry,
        name: &HashedName,
        place: &Place<'_>,
    ) -> &'a Column {
        let (Place::Delegated { delegation: owner, .. } | Place::Redirected(owner)) = place else {
            return self.column_of(entry, name.as_wire());
        };
        let owner_len = owner.relative_name().len() + entry.zone.apex().len();
        let owner = &name.as_wire()[name.as_wire().len() - owner_len..];
        let column = self.column_of(entry, owner);
        if !column.own.is_open() {
            return column;
        }
        // Of those that are open, the one that changes first says how long the answer may be kept;
        // 0, for none, comes last.
        let order = |column: &&Column| (column.own.is_open(), column.next_change.wrapping_sub(1));
        let scopes = self.scopes(entry.zone.apex()).iter();
        scopes
            .filter(|scope| name::suffix_matches(&scope.name, owner))
            .map(|scope| &scope.column)
            .chain([column])
            .min_by_key(order)
            .unwrap_or(column)
    }

    /// The column of a name of the zone, in wire form and lower case.
    fn column_of<'a>(&'a self, entry: &'a Entry, wire: &[u8]) -> &'a Column {
        self.scopes(entry.zone.apex())
            .iter()
            .filter(|scope| name::suffix_matches(wire, &scope.name))
            .max_by_key(|scope| scope.name.len())
            .map_or(&entry.column, |scope| &scope.column)
    }

    /// The verdict for a name whose column does not simply say "open": it depends on the region.
    #[cold]
    pub fn verdict_by_region(
        &self,
        zones: &ZoneTable,
        column: &Column,
        entry: &Entry,
        name: &HashedName,
        place: &Place<'_>,
        rtype: Rtype,
    ) -> ByRegion {
        let found = self.whereabouts(zones, entry, name, place, rtype);
        let verdict = column.verdict_in(found.region);
        // Whoever edits the other zone moves the addresses, and is not held up by this verdict.
        let is_bounded = found.is_told_elsewhere && self.settings.mode == Mode::Enforce;
        let max_ttl = if is_bounded { self.settings.notice_ttl } else { u32::MAX };
        ByRegion { verdict, max_ttl }
    }

    /// Where the addresses of a name are, at the end of its chain. What is not known counts as
    /// own: the gate fails closed.
    pub fn whereabouts(
        &self,
        zones: &ZoneTable,
        entry: &Entry,
        name: &HashedName,
        place: &Place<'_>,
        rtype: Rtype,
    ) -> Whereabouts {
        let mut search = Search {
            gate: self,
            zones,
            home: entry,
            visited: ArrayVec::from_iter([name.full_hash()]),
            leaves_home: false,
        };
        let mut addresses = || search.at(entry, name, place).unwrap_or(Region::Own);
        let region = match (place, rtype) {
            (Place::Redirected(owner), _) => self.region_below_dname(zones, entry, name, owner),
            (Place::Node(node), Rtype::DNAME | Rtype::ANY) if node.has_dname() => {
                let below = self.region_below_dname(zones, entry, name, node);
                if rtype == Rtype::ANY { below.min(addresses()) } else { below }
            }
            // RFC 6672 §3.3: what a wildcard makes of a DNAME is best not relied on.
            (Place::Wildcard(node), Rtype::DNAME | Rtype::ANY) if node.has_dname() => Region::Own,
            _ => addresses(),
        };
        Whereabouts { region, is_told_elsewhere: search.leaves_home }
    }

    /// The DNAME is answered along with the name, and leads every other name below it on, too:
    /// where one of them ends in the hosted zones says nothing of the others.
    fn region_below_dname(
        &self,
        zones: &ZoneTable,
        entry: &Entry,
        name: &HashedName,
        owner: &Node<'_>,
    ) -> Region {
        let is_hosted = |target: &[u8]| {
            HashedName::read(target, zones.key()).is_none_or(|name| zones.find(&name).is_some())
        };
        match redirected(name, owner, entry.zone.apex()) {
            Some(target) if !is_hosted(&target) => self.external_region(),
            _ => Region::Own,
        }
    }

    fn external_region(&self) -> Region {
        match self.settings.external_targets {
            ExternalTargets::AsOwn => Region::Own,
            ExternalTargets::Open => Region::Overseas,
        }
    }
}

/// The verdict that a region gives, and how long what it opens may be kept.
pub struct ByRegion {
    /// The verdict.
    pub verdict: Verdict,
    /// Seconds; the upper bound of gated data's TTL.
    pub max_ttl: u32,
}

/// Where the addresses of a name are.
pub struct Whereabouts {
    /// The strictest of their regions.
    pub region: Region,
    /// It is so by the data of names under another verdict than the name's own.
    is_told_elsewhere: bool,
}

/// The search for the addresses that a name leads to, by CNAME, DNAME, HTTPS and SVCB.
struct Search<'z> {
    gate: &'z Gate,
    zones: &'z ZoneTable,
    /// The zone of the name that the search is for.
    home: &'z Entry,
    /// Hashes of the names come by, whatever way led there.
    visited: ArrayVec<u64, MAX_CHAIN>,
    leaves_home: bool,
}

impl Search<'_> {
    /// The strictest region of all addresses; `None` where there are none.
    fn at(&mut self, entry: &Entry, name: &HashedName, place: &Place<'_>) -> Option<Region> {
        let target = match place {
            Place::Node(node) | Place::Wildcard(node) => match node.rrset(Rtype::CNAME) {
                Some(cname) => alias_target(&cname, entry.zone.apex()),
                None => return self.at_node(node),
            },
            Place::Redirected(owner) => redirected(name, owner, entry.zone.apex()),
            Place::Delegated { .. } | Place::Missing => None,
        };
        target.map_or(Some(Region::Own), |target| self.at_target(&target))
    }

    /// A browser goes on from an HTTPS record to the records of its target, and so forth.
    fn at_node(&mut self, node: &Node<'_>) -> Option<Region> {
        let rrsets = [Rtype::HTTPS, Rtype::SVCB].into_iter().filter_map(|t| node.rrset(t));
        let mut targets = rrsets.flat_map(|rrset| rrset.rdata().filter_map(service_target));
        let mut strictest = node.region();
        while strictest != Some(Region::Own)
            && let Some(target) = targets.next()
        {
            strictest = strictest.into_iter().chain(self.at_target(target)).min();
        }
        strictest
    }

    fn at_target(&mut self, target: &[u8]) -> Option<Region> {
        let Some(name) = HashedName::read(target, self.zones.key()) else {
            return Some(Region::Own);
        };
        let Some(found) = self.zones.find(&name) else { return Some(self.gate.external_region()) };
        if self.visited.contains(&name.full_hash()) {
            return None;
        }
        if self.visited.try_push(name.full_hash()).is_err() {
            return Some(Region::Own);
        }
        self.leaves_home |= found.entry.id() != self.home.id() || self.home.column.has_scopes;
        self.at(found.entry, &name, &found.entry.zone.locate(&name))
    }
}

/// The target of a CNAME record, in wire form.
fn alias_target(cname: &Rrset<'_>, apex: &[u8]) -> Option<Vec<u8>> {
    let mut target = Vec::with_capacity(name::MAX_NAME_LEN);
    expand(cname.rdata().next()?, apex, &mut |bytes| target.extend_from_slice(bytes))?;
    Some(target)
}

/// What a DNAME makes of its owner, or of a name below.
fn redirected(name: &HashedName, owner: &Node<'_>, apex: &[u8]) -> Option<Vec<u8>> {
    let dname = owner.rrset(Rtype::DNAME)?;
    let owner_len = owner.relative_name().len() + apex.len();
    let kept = &name.as_wire()[..name.as_wire().len().checked_sub(owner_len)?];
    let target = [kept, dname.rdata().next()?].concat();
    Name::from_wire(&target).map(|_| target)
}

/// The target of HTTPS or SVCB RDATA, unless it is the owner itself.
fn service_target(rdata: &[u8]) -> Option<&[u8]> {
    let rest = rdata.get(2..)?;
    rest.get(..name::name_len(rest)?).filter(|target| target.len() > 1)
}

/// Gives the bytes of a name that a block holds: its labels, then, where it ends in the pointer
/// that stands for the apex, the apex. Returns the length of the labels before that pointer, or
/// of the whole name where there is none.
pub fn expand(rdata: &[u8], apex: &[u8], take: &mut dyn FnMut(&[u8])) -> Option<usize> {
    let mut at = 0;
    loop {
        match *rdata.get(at)? {
            0 => {
                take(&rdata[..=at]);
                return Some(at + 1);
            }
            len @ 1..=63 => at += usize::from(len) + 1,
            _ => {
                take(&rdata[..at]);
                take(apex);
                return Some(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_name_is_expanded_by_the_apex() {
        let apex = b"\x07example\0";
        for (stored, whole, head_len) in [
            (&b"\xc0\x00"[..], &b"\x07example\0"[..], Some(0)),
            (b"\x03www\xc0\x00", b"\x03www\x07example\0", Some(4)),
            (b"\x03www\x05other\0", b"\x03www\x05other\0", Some(11)),
            (b"\0", b"\0", Some(1)),
            (b"\x03ww", b"", None),
        ] {
            let mut taken = Vec::new();
            let found = expand(stored, apex, &mut |bytes| taken.extend_from_slice(bytes));
            assert_eq!((found, &taken[..]), (head_len, whole), "{stored:?}");
        }
    }
}
