//! The verdict for a name: that of the site domain it is in, for the region that its addresses
//! are in.

use super::{ExternalTargets, Gate};
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
        let mut scopes = self.scopes(entry.zone.apex()).iter();
        scopes
            .find(|scope| !scope.column.own.is_open() && name::suffix_matches(&scope.name, owner))
            .map_or(column, |scope| &scope.column)
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
    ) -> Verdict {
        column.verdict_in(self.region(zones, entry, name, place, rtype))
    }

    /// Where the addresses of a name are, at the end of its chain. What is not known counts as
    /// own: the gate fails closed.
    pub fn region(
        &self,
        zones: &ZoneTable,
        entry: &Entry,
        name: &HashedName,
        place: &Place<'_>,
        rtype: Rtype,
    ) -> Region {
        let addresses = || self.region_at(zones, entry, name, place, &mut { MAX_CHAIN });
        match (place, rtype) {
            (Place::Redirected(owner), _) => self.region_below_dname(zones, entry, name, owner),
            (Place::Node(node), Rtype::DNAME | Rtype::ANY) if node.has_dname() => {
                let below = self.region_below_dname(zones, entry, name, node);
                if rtype == Rtype::ANY { below.min(addresses()) } else { below }
            }
            // RFC 6672 §3.3: what a wildcard makes of a DNAME is best not relied on.
            (Place::Wildcard(node), Rtype::DNAME | Rtype::ANY) if node.has_dname() => Region::Own,
            _ => addresses(),
        }
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

    /// `left` counts the names that may still be looked at, whatever way leads there.
    fn region_at(
        &self,
        zones: &ZoneTable,
        entry: &Entry,
        name: &HashedName,
        place: &Place<'_>,
        left: &mut usize,
    ) -> Region {
        let target = match place {
            Place::Node(node) | Place::Wildcard(node) => match node.rrset(Rtype::CNAME) {
                Some(cname) => alias_target(&cname, entry.zone.apex()),
                None => return self.region_of_node(zones, entry, node, left),
            },
            Place::Redirected(owner) => redirected(name, owner, entry.zone.apex()),
            Place::Delegated { .. } | Place::Missing => None,
        };
        target.map_or(Region::Own, |target| self.region_of_target(zones, &target, left))
    }

    fn region_of_target(&self, zones: &ZoneTable, target: &[u8], left: &mut usize) -> Region {
        let Some(name) = HashedName::read(target, zones.key()) else { return Region::Own };
        let Some(found) = zones.find(&name) else { return self.external_region() };
        if *left == 0 {
            return Region::Own;
        }
        *left -= 1;
        self.region_at(zones, found.entry, &name, &found.entry.zone.locate(&name), left)
    }

    /// A target within the zone is counted where its addresses are; it is gated where it stands.
    fn region_of_node(
        &self,
        zones: &ZoneTable,
        entry: &Entry,
        node: &Node<'_>,
        left: &mut usize,
    ) -> Region {
        let mut strictest = node.region();
        if node.has_external_target() {
            let rrsets = [Rtype::HTTPS, Rtype::SVCB].into_iter().filter_map(|t| node.rrset(t));
            let targets = rrsets.flat_map(|rrset| rrset.rdata().filter_map(service_target));
            for target in targets.filter(|target| !ends_in(zones, entry, target)) {
                let region = self.region_of_target(zones, target, left);
                strictest = Some(strictest.map_or(region, |known| known.min(region)));
                if region == Region::Own {
                    break;
                }
            }
        }
        strictest.unwrap_or(Region::Own)
    }

    fn external_region(&self) -> Region {
        match self.settings.external_targets {
            ExternalTargets::AsOwn => Region::Own,
            ExternalTargets::Open => Region::Overseas,
        }
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

/// True for a name of the zone that has its addresses, if any, itself.
fn ends_in(zones: &ZoneTable, entry: &Entry, wire: &[u8]) -> bool {
    HashedName::read(wire, zones.key()).is_some_and(|name| {
        zones.find(&name).is_some_and(|found| found.entry.id() == entry.id())
            && matches!(entry.zone.locate(&name), Place::Node(node) if !node.is_alias())
    })
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
