//! The records of one zone in order, to find names and RRsets by: for the checks of a zone that
//! was just read, not for answering.

use super::layout::{Field, layout};
use super::records::Records;
use super::verify;
use crate::wire::{Rtype, SortKey, name};

/// Records sorted by owner, type and data. Owners and names in the data are in lower case;
/// owners are written from the apex down, so that a name is followed by what is below it.
#[derive(Debug, Default)]
pub(super) struct Index {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// One record in the index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    owner: SortKey,
    rdata_len: u16,
    rdata_at: u32,
    pub(super) rtype: Rtype,
    /// Its place in the records.
    pub(super) record: u32,
}

impl Index {
    /// Forgets what was indexed, and indexes these, which are all at or below the apex.
    pub(super) fn fill(&mut self, apex: &[u8], records: &Records) {
        self.bytes.clear();
        self.entries.clear();
        let mut last_owner: (&[u8], SortKey) = (apex, SortKey::default());
        for (place, record) in (0..).zip(records.iter()) {
            if record.owner.len() == apex.len() {
                last_owner = (record.owner, SortKey::default());
            } else if last_owner.0 != record.owner {
                let at = self.bytes.len();
                let above_apex = name::above(record.owner, apex);
                self.bytes.extend_from_slice(above_apex);
                write_key(above_apex, &mut self.bytes[at..]);
                last_owner = (record.owner, SortKey::last_of(&self.bytes, at));
            }
            let rdata_at = self.bytes.len();
            self.bytes.extend_from_slice(record.rdata);
            fold_names(record.rtype, &mut self.bytes[rdata_at..]);
            self.entries.push(Entry {
                owner: last_owner.1,
                rdata_len: record.rdata.len() as u16,
                rdata_at: rdata_at as u32,
                rtype: record.rtype,
                record: place,
            });
        }
        let bytes = &self.bytes;
        self.entries.sort_unstable_by(|a, b| {
            let by_owner = a.owner.order(b.owner, bytes);
            by_owner
                .then(a.rtype.cmp(&b.rtype))
                .then_with(|| rdata(bytes, a).cmp(rdata(bytes, b)))
                .then(a.record.cmp(&b.record))
        });
    }

    /// Owner of an entry as a key.
    pub(super) fn owner(&self, entry: &Entry) -> &[u8] {
        entry.owner.of(&self.bytes)
    }

    /// Data of an entry, names in lower case.
    pub(super) fn rdata(&self, entry: &Entry) -> &[u8] {
        rdata(&self.bytes, entry)
    }

    /// The entries, one slice for each owner.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries.chunk_by(|a, b| self.is_of_one_owner(a, b))
    }

    /// The entries, one slice for each RRset; signatures make one for each type that they cover.
    pub(super) fn rrsets(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries.chunk_by(|a, b| {
            a.rtype == b.rtype
                && self.is_of_one_owner(a, b)
                && (!matches!(a.rtype, Rtype::RRSIG | Rtype::SIG)
                    || self.rdata(a).get(..2) == self.rdata(b).get(..2))
        })
    }

    /// The entries of one owner, given as a key, and whether the name exists: it or one below it has
    /// records.
    pub(super) fn node(&self, key: &[u8]) -> (&[Entry], bool) {
        let order = SortKey::orders_to(key, &self.bytes);
        let start = self.entries.partition_point(|entry| order(entry.owner).is_lt());
        let rest = &self.entries[start..];
        let Some(first) = rest.first() else { return (rest, false) };
        let owner = self.owner(first);
        let len = match owner == key {
            true => rest.iter().take_while(|entry| self.is_of_one_owner(first, entry)).count(),
            false => 0,
        };
        (&rest[..len], owner.starts_with(key))
    }

    #[inline]
    fn is_of_one_owner(&self, a: &Entry, b: &Entry) -> bool {
        a.owner.order(b.owner, &self.bytes).is_eq()
    }
}

/// Writes the key of a name, given by its labels above the apex, over as many bytes: in lower case,
/// each with its length in front, the apex's child first. A key is the prefix of the keys of all
/// names below, and that of the apex is empty.
pub(super) fn write_key(above_apex: &[u8], key: &mut [u8]) {
    let mut end = key.len();
    for label in name::labels(above_apex) {
        let at = end - label.len() - 1;
        key[at] = label.len() as u8;
        key[at + 1..end].copy_from_slice(label);
        end = at;
    }
    key.make_ascii_lowercase();
}

fn rdata<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    &bytes[entry.rdata_at as usize..][..usize::from(entry.rdata_len)]
}

/// Puts the names in RDATA in lower case (RFC 4343 §3).
fn fold_names(rtype: Rtype, rdata: &mut [u8]) {
    // Of the types that nearly all records have it is known without taking them apart. The length of
    // a label is no letter.
    let names = match rtype {
        Rtype::A | Rtype::AAAA | Rtype::TXT => return,
        Rtype::NS | Rtype::CNAME => 0..rdata.len(),
        Rtype::MX => 2..rdata.len(),
        Rtype::SOA => 0..rdata.len().saturating_sub(20),
        _ => return fold_by_layout(rtype, rdata),
    };
    rdata.get_mut(names).unwrap_or_default().make_ascii_lowercase();
}

fn fold_by_layout(rtype: Rtype, rdata: &mut [u8]) {
    if !layout(rtype).is_some_and(|fields| fields.contains(&Field::Name)) {
        return;
    }
    let (mut at, mut names) = (0, Vec::new());
    // Records hold data that is valid for its type.
    let _ = verify::fields(rtype, rdata, |field, data| {
        if field == Field::Name {
            names.push(at..at + data.len());
        }
        at += data.len();
    });
    names.into_iter().for_each(|name| rdata[name].make_ascii_lowercase());
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_of_the_frequent_types_are_folded_as_the_layout_has_them(
            labels in vec(vec(any::<u8>(), 0..=63), 2), fixed in vec(any::<u8>(), 20)
        ) {
            let label = |bytes: &Vec<u8>| match bytes.len() {
                0 => vec![0],
                len => [&[len as u8][..], bytes, &[0]].concat(),
            };
            let (first, second) = (label(&labels[0]), label(&labels[1]));
            for (rtype, rdata) in [
                (Rtype::A, fixed[..4].to_vec()),
                (Rtype::AAAA, fixed[..16].to_vec()),
                (Rtype::TXT, [&[20], &fixed[..]].concat()),
                (Rtype::NS, first.clone()),
                (Rtype::CNAME, first.clone()),
                (Rtype::MX, [&fixed[..2], &first[..]].concat()),
                (Rtype::SOA, [&first[..], &second[..], &fixed[..]].concat()),
            ] {
                let (mut frequent, mut by_layout) = (rdata.clone(), rdata);
                fold_names(rtype, &mut frequent);
                fold_by_layout(rtype, &mut by_layout);
                prop_assert_eq!(frequent, by_layout);
            }
        }
    }
}
