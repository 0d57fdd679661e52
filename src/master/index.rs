//! The records of one zone in order, to find names and RRsets by: for the checks of a zone that
//! was just read, not for answering.

use super::layout::{Field, layout};
use super::records::Records;
use super::verify;
use crate::wire::{Rtype, name};

/// Records sorted by owner, type and data. Owners and names in the data are in lower case;
/// owners are written from the root down, so that a name is followed by what is below it.
#[derive(Debug, Default)]
pub(super) struct Index {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// One record in the index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    owner_at: u32,
    owner_len: u16,
    rdata_len: u16,
    rdata_at: u32,
    pub(super) rtype: Rtype,
    /// Its place in the records.
    pub(super) record: u32,
}

impl Index {
    /// Forgets what was indexed, and indexes these.
    pub(super) fn fill(&mut self, records: &Records) {
        self.bytes.clear();
        self.entries.clear();
        let mut last_owner: (&[u8], u32, u16) = (&[], 0, 0);
        for (place, record) in records.iter().enumerate() {
            if last_owner.0 != record.owner {
                let at = self.bytes.len();
                push_key(record.owner, &mut self.bytes);
                last_owner = (record.owner, at as u32, (self.bytes.len() - at) as u16);
            }
            let rdata_at = self.bytes.len();
            self.bytes.extend_from_slice(record.rdata);
            fold_names(record.rtype, record.rdata, &mut self.bytes[rdata_at..]);
            self.entries.push(Entry {
                owner_at: last_owner.1,
                owner_len: last_owner.2,
                rdata_len: record.rdata.len() as u16,
                rdata_at: rdata_at as u32,
                rtype: record.rtype,
                record: place as u32,
            });
        }
        let bytes = &self.bytes;
        self.entries.sort_unstable_by(|a, b| {
            owner(bytes, a)
                .cmp(owner(bytes, b))
                .then(a.rtype.cmp(&b.rtype))
                .then_with(|| rdata(bytes, a).cmp(rdata(bytes, b)))
                .then(a.record.cmp(&b.record))
        });
    }

    /// Owner of an entry as a key.
    pub(super) fn owner(&self, entry: &Entry) -> &[u8] {
        owner(&self.bytes, entry)
    }

    /// Data of an entry, names in lower case.
    pub(super) fn rdata(&self, entry: &Entry) -> &[u8] {
        rdata(&self.bytes, entry)
    }

    /// The entries, one slice for each owner.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries.chunk_by(|a, b| a.owner_at == b.owner_at || self.owner(a) == self.owner(b))
    }

    /// The entries, one slice for each RRset; signatures make one for each type that they cover.
    pub(super) fn rrsets(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries.chunk_by(|a, b| {
            a.rtype == b.rtype
                && (a.owner_at == b.owner_at || self.owner(a) == self.owner(b))
                && (!matches!(a.rtype, Rtype::RRSIG | Rtype::SIG)
                    || self.rdata(a).get(..2) == self.rdata(b).get(..2))
        })
    }

    /// The entries of one owner, given as a key; empty where there are none.
    pub(super) fn node(&self, key: &[u8]) -> &[Entry] {
        let rest = self.from(key);
        let len = rest.partition_point(|entry| self.owner(entry) == key);
        &rest[..len]
    }

    /// True where the name, given as a key, or one below it has records.
    pub(super) fn exists(&self, key: &[u8]) -> bool {
        self.from(key).first().is_some_and(|entry| self.owner(entry).starts_with(key))
    }

    fn from(&self, key: &[u8]) -> &[Entry] {
        let start = self.entries.partition_point(|entry| self.owner(entry) < key);
        &self.entries[start..]
    }
}

/// Appends the key of a name: its labels in lower case, each with its length in front, the root's
/// child first. A key is the prefix of the keys of all names below.
pub(super) fn push_key(wire: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + wire.len().saturating_sub(1), 0);
    let mut end = out.len();
    for label in name::labels(wire) {
        // The labels of a whole name, with their lengths, are as long as the name without its root.
        let at = end - label.len() - 1;
        out[at] = label.len() as u8;
        out[at + 1..end].copy_from_slice(label);
        out[at + 1..end].make_ascii_lowercase();
        end = at;
    }
}

fn owner<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    &bytes[entry.owner_at as usize..][..usize::from(entry.owner_len)]
}

fn rdata<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    &bytes[entry.rdata_at as usize..][..usize::from(entry.rdata_len)]
}

/// Puts the names in a copy of RDATA in lower case (RFC 4343 §3).
fn fold_names(rtype: Rtype, rdata: &[u8], copy: &mut [u8]) {
    if !layout(rtype).is_some_and(|fields| fields.contains(&Field::Name)) {
        return;
    }
    let mut at = 0;
    // Records hold data that is valid for its type.
    let _ = verify::fields(rtype, rdata, |field, data| {
        if field == Field::Name {
            copy[at..at + data.len()].make_ascii_lowercase();
        }
        at += data.len();
    });
}
