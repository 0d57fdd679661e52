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
    pub fn column<'a>(&'a self, entry: &'a Entry, name: &HashedName) -> &'a Column {
        if !entry.column.has_scopes {
            return &entry.column;
        }
        self.scopes(entry.zone.apex())
            .iter()
            .filter(|scope| name::suffix_matches(name.as_wire(), &scope.name))
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
    ) -> Verdict {
        match self.region(zones, entry, name, place) {
            Region::Own => column.own,
            Region::OtherMainland => column.other_mainland,
            Region::Overseas => Verdict::NotRequired,
        }
    }

    /// Where the addresses of a name are, at the end of its chain. What is not known counts as
    /// own: the gate fails closed.
    pub fn region(
        &self,
        zones: &ZoneTable,
        entry: &Entry,
        name: &HashedName,
        place: &Place<'_>,
    ) -> Region {
        let mut target = match self.step(entry, name, place) {
            Step::At(region) => return region,
            Step::To(target) => target,
        };
        for _ in 0..MAX_CHAIN {
            let Some(name) = HashedName::read(&target, zones.key()) else { return Region::Own };
            let Some(found) = zones.find(&name) else { return self.external_region() };
            let place = found.entry.zone.locate(&name);
            target = match self.step(found.entry, &name, &place) {
                Step::At(region) => return region,
                Step::To(target) => target,
            };
        }
        Region::Own
    }

    fn step(&self, entry: &Entry, name: &HashedName, place: &Place<'_>) -> Step {
        let apex = entry.zone.apex();
        match place {
            Place::Node(node) | Place::Wildcard(node) => match node.rrset(Rtype::CNAME) {
                Some(cname) => alias_target(&cname, apex).map_or(Step::At(Region::Own), Step::To),
                None => Step::At(self.region_of_node(node)),
            },
            Place::Redirected(owner) => owner
                .rrset(Rtype::DNAME)
                .and_then(|dname| redirected(name, owner, apex, &dname))
                .map_or(Step::At(Region::Own), Step::To),
            Place::Delegated { .. } | Place::Missing => Step::At(Region::Own),
        }
    }

    fn region_of_node(&self, node: &Node<'_>) -> Region {
        let external = node.has_external_target().then(|| self.external_region());
        node.region().into_iter().chain(external).min().unwrap_or(Region::Own)
    }

    fn external_region(&self) -> Region {
        match self.settings.external_targets {
            ExternalTargets::AsOwn => Region::Own,
            ExternalTargets::Open => Region::Overseas,
        }
    }
}

enum Step {
    At(Region),
    To(Vec<u8>),
}

/// The target of a CNAME record, in wire form.
fn alias_target(cname: &Rrset<'_>, apex: &[u8]) -> Option<Vec<u8>> {
    let mut target = Vec::with_capacity(name::MAX_NAME_LEN);
    expand(cname.rdata().next()?, apex, &mut |bytes| target.extend_from_slice(bytes))?;
    Some(target)
}

fn redirected(
    name: &HashedName,
    owner: &Node<'_>,
    apex: &[u8],
    dname: &Rrset<'_>,
) -> Option<Vec<u8>> {
    let owner_len = owner.relative_name().len() + apex.len();
    let kept = &name.as_wire()[..name.as_wire().len() - owner_len];
    let target = [kept, dname.rdata().next()?].concat();
    Name::from_wire(&target).map(|_| target)
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
