//! The store in a snapshot: its records as they lie in memory. What leads to them is found again
//! when they are read.

use super::site_slots::{InOrder, SiteSlots};
use super::slots::{Entries, Entry, Slots, VACANT};
use super::{FilingStore, OfFile, Rare};
use crate::feed::packed::PackedFacts;
use crate::feed::verbatim::{TextMark, TextSeed};
use crate::snapshot::{Bytes, Unusable, put_u32, put_u64};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

/// What a snapshot says of the store beside its records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::feed) struct SavedStore {
    used: usize,
    text_seed: TextSeed,
    /// By file id.
    ranks: Vec<u32>,
    records: usize,
    rare: Vec<(u32, Rare)>,
    application_at: Vec<(u32, NonZeroU32)>,
}

const ENTRY_LEN: usize = 48;

impl FilingStore {
    /// What is to be saved. The pages are shared with the store, not copied.
    pub(in crate::feed) fn to_save(&self) -> (SavedStore, Entries) {
        let saved = SavedStore {
            used: self.slab.entries.len(),
            text_seed: self.text_seed,
            ranks: self.files.iter().map(|file| file.rank).collect(),
            records: self.records,
            rare: self.rare.iter().map(|(slot, rare)| (*slot, rare.clone())).collect(),
            application_at: self.application_at.iter().map(|(&slot, &at)| (slot, at)).collect(),
        };
        (saved, self.slab.entries.clone())
    }

    /// The store as it was saved.
    pub(in crate::feed) fn restore(
        saved: SavedStore,
        pages: Vec<SavedPage>,
    ) -> Result<FilingStore, Unusable> {
        let SavedStore { used, text_seed, ranks, records, rare, application_at } = saved;
        let files = ranks.into_iter().map(|rank| OfFile { slots: Slots::default(), rank });
        let mut store = FilingStore {
            text_seed,
            files: files.collect(),
            records,
            rare: rare.into_iter().collect(),
            application_at: application_at.into_iter().collect(),
            ..FilingStore::default()
        };
        store.note_last_rank();
        let (mut sites, mut entries) = (Vec::with_capacity(pages.len()), Vec::new());
        let mut all_noted_aside = Vec::new();
        for (number, saved) in pages.into_iter().enumerate() {
            let first = first_slot(number);
            let SavedPage { page, sites: of_page, vacant, runs, noted_aside } = saved;
            entries.push(page);
            store.slab.free.extend(vacant.into_iter().map(|at| first + at));
            for (file, run) in runs {
                let no_file = Unusable::Damaged("a record is of no file");
                let file = store.files.get_mut(file as usize).ok_or(no_file)?;
                file.slots.push_run(first + run.start..first + run.end);
            }
            all_noted_aside.extend(noted_aside.into_iter().map(|at| first + at));
            sites.push(of_page);
        }
        store.slab.entries =
            Entries::of(entries, used).ok_or(Unusable::Damaged("records are missing"))?;
        all_noted_aside.into_iter().try_for_each(|slot| store.note_aside_again(slot))?;
        store.by_site = SiteSlots::of(&sites, first_slot);
        Ok(store)
    }

    /// Finds again what leads to a record of which something is kept aside.
    fn note_aside_again(&mut self, slot: u32) -> Result<(), Unusable> {
        let FilingStore { slab, rare, moved_to, moving, cancels, .. } = self;
        let entry = slab.get(slot);
        if entry.facts.cancels_subject() {
            cancels.entry(entry.subject).or_default().push(slot);
        }
        if entry.facts.has_rare() {
            let missing = Unusable::Damaged("what only few records have is missing");
            let rare = rare.get(&slot).ok_or(missing)?;
            if let Some(new_domain) = &rare.new_domain {
                moved_to.entry(new_domain.site.0).or_default().push(slot);
                moving.entry(entry.key()).or_default().push(slot);
            }
        }
        Ok(())
    }
}

fn first_slot(page: usize) -> u32 {
    // There are no more slots than 32 bits can count.
    (page * Entries::SIZE) as u32
}

/// A page out of a snapshot, and what leads to its records: their places in it.
#[derive(Debug)]
pub(in crate::feed) struct SavedPage {
    page: Arc<[Entry]>,
    sites: InOrder,
    vacant: Vec<u32>,
    /// Each of one file.
    runs: Vec<(u32, Range<u32>)>,
    /// Of those that cancel their subject, or have what few have.
    noted_aside: Vec<u32>,
}

impl SavedPage {
    fn of(mut entries: Vec<Entry>) -> SavedPage {
        let (mut sites, mut vacant) = (Vec::with_capacity(entries.len()), Vec::new());
        let (mut runs, mut noted_aside): (Vec<(u32, Range<u32>)>, Vec<u32>) = Default::default();
        for (at, entry) in (0u32..).zip(&entries) {
            if entry.is_vacant() {
                vacant.push(at);
                continue;
            }
            sites.push((entry.site, at));
            match runs.last_mut() {
                Some((file, run)) if *file == entry.file() && run.end == at => run.end += 1,
                _ => runs.push((entry.file(), at..at + 1)),
            }
            if entry.facts.cancels_subject() || entry.facts.has_rare() {
                noted_aside.push(at);
            }
        }
        SiteSlots::sort(&mut sites);
        entries.resize(Entries::SIZE, VACANT);
        SavedPage { page: entries.into(), sites, vacant, runs, noted_aside }
    }
}

/// Records as a chunk of a snapshot has them.
pub(in crate::feed) fn write_page(entries: &[Entry], out: &mut Vec<u8>) {
    out.clear();
    for &entry in entries {
        let Entry { site, key_and_file, subject, facts, line, mark } = entry;
        let mark = mark.map_or(0, |TextMark(mark)| mark.get());
        [site, key_and_file, subject].into_iter().for_each(|number| put_u64(out, number));
        facts.words().into_iter().chain([line, mark]).for_each(|number| put_u32(out, number));
    }
}

/// What [`write_page`] wrote.
pub(in crate::feed) fn read_page(bytes: &[u8]) -> Result<SavedPage, Unusable> {
    let entry = |bytes: &[u8]| {
        let mut fields = Bytes::of(bytes);
        let (site, key_and_file, subject) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let mut words = [0; 4];
        for word in &mut words {
            *word = fields.u32()?;
        }
        let facts = PackedFacts::of_words(words);
        let (line, mark) = (fields.u32()?, NonZeroU32::new(fields.u32()?).map(TextMark));
        Ok(Entry { site, key_and_file, subject, facts, line, mark })
    };
    if bytes.len() > ENTRY_LEN * Entries::SIZE {
        return Err(Unusable::Damaged("a chunk of records is too long"));
    }
    let entries: Result<Vec<Entry>, Unusable> = bytes.chunks(ENTRY_LEN).map(entry).collect();
    entries.map(SavedPage::of)
}
