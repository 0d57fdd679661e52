//! Where the records lie: in numbered slots, in pages.
//!
//! Owns the room of a record and the sets of slots. What leads to a record is the store's business.

use std::ops::Range;

use crate::feed::packed::PackedFacts;
use crate::feed::store::{Candidate, FileId};
use crate::feed::verbatim::TextMark;
use crate::filing::record::KEY_BITS;
use crate::pages::Pages;
use crate::prefetch::prefetch;

pub(in crate::feed) type Entries = Pages<Entry, 14>;

const FILE_BITS: u32 = 24;
/// The file of no record.
pub(super) const NO_FILE: u32 = (1 << FILE_BITS) - 1;

/// One record of one file. Five million of them count: each byte is 5 MB.
#[derive(Clone, Copy, Debug)]
pub(in crate::feed) struct Entry {
    pub(super) site: u64,
    pub(super) key_and_file: u64,
    pub(super) subject: u64,
    pub(super) facts: PackedFacts,
    pub(super) line: u32,
    pub(super) mark: Option<TextMark>,
}

const _: () = assert!(size_of::<Entry>() == 48);

pub(super) const VACANT: Entry = Entry {
    site: 0,
    key_and_file: NO_FILE as u64,
    subject: 0,
    facts: PackedFacts::NOTHING,
    line: 0,
    mark: None,
};

const _: () = assert!(KEY_BITS + FILE_BITS == u64::BITS);

/// A record's key in the bits that its file leaves.
pub(super) fn key_and_file(key: u64, file: FileId) -> u64 {
    key << FILE_BITS | u64::from(file.0)
}

impl Entry {
    pub(super) fn key(&self) -> u64 {
        self.key_and_file >> FILE_BITS
    }

    pub(super) fn file(&self) -> u32 {
        self.key_and_file as u32 & NO_FILE
    }

    pub(super) fn is_vacant(&self) -> bool {
        self.file() == NO_FILE
    }

    /// Whether it is the file's record of the same key.
    pub(super) fn is_of(&self, file: FileId, new: &Candidate) -> bool {
        self.file() == file.0 && self.has_key_of(new)
    }

    /// Who finds a text whose record has the key of another one still has its subject against him.
    pub(super) fn has_key_of(&self, new: &Candidate) -> bool {
        (self.key(), self.subject) == (new.key, new.subject)
    }

    pub(super) fn has_key_like(&self, other: &Entry) -> bool {
        (self.key(), self.subject) == (other.key(), other.subject)
    }
}

/// Entries in pages.
#[derive(Debug, Default)]
pub(super) struct Slab {
    pub(super) entries: Entries,
    pub(super) free: Vec<u32>,
}

impl Slab {
    pub(super) fn get(&self, slot: u32) -> Entry {
        self.entries[slot as usize]
    }

    /// The entry of a slot that perhaps there is not.
    pub(super) fn find(&self, slot: u32) -> Option<Entry> {
        let slot = slot as usize;
        (slot < self.entries.len()).then(|| self.entries[slot])
    }

    /// Begins to bring an entry in.
    pub(super) fn fetch(&self, slot: u32) {
        let entry = &self.entries[slot as usize];
        // Half of them lie across two cache lines.
        prefetch(&entry.site);
        prefetch(&entry.mark);
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.entries[slot as usize]
    }

    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                *self.get_mut(slot) = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                // Each takes 48 bytes: there are not so many.
                self.entries.len() as u32 - 1
            }
        }
    }

    pub(super) fn remove(&mut self, slot: u32) {
        *self.get_mut(slot) = VACANT;
        self.free.push(slot);
    }

    pub(super) fn occupied(&self) -> impl Iterator<Item = (u32, Entry)> + '_ {
        (0..).zip(self.entries.iter().copied()).filter(|(_, entry)| !entry.is_vacant())
    }
}

/// One bit for each slot.
#[derive(Debug, Default)]
pub(in crate::feed) struct SlotSet(Vec<u64>);

impl SlotSet {
    pub(in crate::feed) fn insert(&mut self, slot: u32) {
        let word = slot as usize / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (slot % 64);
    }

    pub(in crate::feed) fn contains(&self, slot: u32) -> bool {
        self.0.get(slot as usize / 64).is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }
}

/// The slots of a file, each once, as runs: a file that is read at once fills few.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots(Vec<Range<u32>>);

impl Slots {
    pub(super) fn push(&mut self, slot: u32) {
        match self.0.last_mut() {
            Some(run) if run.end == slot => run.end += 1,
            // Freed slots are taken again from the last to the first.
            Some(run) if run.start == slot + 1 => run.start = slot,
            _ => self.0.push(slot..slot + 1),
        }
    }

    /// Slots in a row, above all that were pushed.
    pub(super) fn push_run(&mut self, run: Range<u32>) {
        match self.0.last_mut() {
            Some(last) if last.end == run.start => last.end = run.end,
            _ => self.0.push(run),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().cloned().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Slots come from the free ones or the end, so each is pushed once; the order is any.
        #[test]
        fn runs_hold_what_was_pushed(
            slots in Just((0..40).collect::<Vec<u32>>()).prop_shuffle(), count in 0usize..=40,
        ) {
            let slots = &slots[..count];
            let mut runs = Slots::default();
            slots.iter().for_each(|&slot| runs.push(slot));
            let held: Vec<u32> = runs.iter().collect();
            prop_assert_eq!(held.len(), slots.len());
            prop_assert_eq!(
                held.into_iter().collect::<BTreeSet<u32>>(),
                slots.iter().copied().collect::<BTreeSet<u32>>()
            );
        }
    }

    #[test]
    fn a_run_grows_at_both_ends() {
        let mut up = Slots::default();
        (7..2000).for_each(|slot| up.push(slot));
        assert_eq!((up.0.len(), up.0[0].clone()), (1, 7..2000));
        let mut down = Slots::default();
        (7..2000).rev().for_each(|slot| down.push(slot));
        assert_eq!((down.0.len(), down.0[0].clone()), (1, 7..2000));
    }
}
