//! The records of one zone file, in one arena: a million zones are read through a handful of
//! these, cleared and filled again.

use std::path::PathBuf;

use crate::wire::Rtype;

/// Records in the order read. Owners and RDATA are uncompressed wire form, in the case written.
#[derive(Debug, Default)]
pub struct Records {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    owner_at: u32,
    owner_len: u8,
    rtype: Rtype,
    ttl: u32,
    rdata_at: u32,
    rdata_len: u16,
    file: u16,
    line: u32,
}

/// One record and the place that it was read from.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Owner, a whole name in wire form.
    pub owner: &'a [u8],
    /// Type; the class is always IN.
    pub rtype: Rtype,
    /// Seconds.
    pub ttl: u32,
    /// RDATA without its length; names in it are uncompressed.
    pub rdata: &'a [u8],
    /// Index for [`Records::file`].
    pub file: u16,
    /// Line, counted from 1, on which the record starts.
    pub line: u32,
}

impl Records {
    /// Forgets all records, and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.files.clear();
    }

    /// Names a file that records come from; its index goes into [`RecordRef::file`].
    pub fn add_file(&mut self, file: PathBuf) -> u16 {
        self.files.push(file);
        u16::try_from(self.files.len() - 1).unwrap_or(u16::MAX)
    }

    /// The file of that index.
    pub fn file(&self, index: u16) -> &std::path::Path {
        self.files.get(usize::from(index)).map_or(std::path::Path::new(""), PathBuf::as_path)
    }

    /// All files that the zone was read from: the zone file, then what it includes.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Adds a record.
    pub fn push(&mut self, record: RecordRef<'_>) {
        let owner_at = self.bytes.len() as u32;
        // A record whose owner repeats the one before shares its bytes.
        let owner_at = match self.entries.last() {
            Some(last) if self.owner_of(last) == record.owner => last.owner_at,
            _ => {
                self.bytes.extend_from_slice(record.owner);
                owner_at
            }
        };
        let rdata_at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(record.rdata);
        self.entries.push(Entry {
            owner_at,
            owner_len: record.owner.len() as u8,
            rtype: record.rtype,
            ttl: record.ttl,
            rdata_at,
            rdata_len: record.rdata.len() as u16,
            file: record.file,
            line: record.line,
        });
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The record at a place in the order read.
    #[inline]
    pub fn get(&self, index: usize) -> RecordRef<'_> {
        self.record_of(&self.entries[index])
    }

    #[inline]
    fn record_of(&self, entry: &Entry) -> RecordRef<'_> {
        RecordRef {
            owner: self.owner_of(entry),
            rtype: entry.rtype,
            ttl: entry.ttl,
            rdata: &self.bytes[entry.rdata_at as usize..][..usize::from(entry.rdata_len)],
            file: entry.file,
            line: entry.line,
        }
    }

    /// All records in the order read.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> {
        self.entries.iter().map(|entry| self.record_of(entry))
    }

    /// True where there may be no room for another record: the arena counts in 32 bits.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > (u32::MAX - (1 << 17)) as usize
    }

    /// Gives a record another TTL.
    pub(super) fn set_ttl(&mut self, index: usize, ttl: u32) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.ttl = ttl;
        }
    }

    /// Takes out the records at these places, which are in rising order.
    pub(super) fn remove(&mut self, places: &[u32]) {
        let mut next = places.iter().copied().peekable();
        let mut place = 0;
        self.entries.retain(|_| {
            let gone = next.next_if_eq(&place).is_some();
            place += 1;
            !gone
        });
    }

    #[inline]
    fn owner_of(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.owner_at as usize..][..usize::from(entry.owner_len)]
    }
}
