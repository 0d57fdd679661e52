//! The store in a snapshot: its records as they lie in memory. What leads to them is found again
//! when they are read.

use super::slots::{Entry, NO_FILE, PAGE_SIZE, Page, Slab, Slots, VACANT};
use super::{FilingStore, OfFile, Rare};
use crate::feed::packed::PackedFacts;
use crate::snapshot::{Bytes, Unusable, put_u32, put_u64};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// What a snapshot says of the store beside its records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::feed) struct SavedStore {
    used: u32,
    /// By file id.
    ranks: Vec<u32>,
    records: usize,
    rare: Vec<(u32, Rare)>,
    application_at: Vec<(u32, NonZeroU32)>,
}

const ENTRY_LEN: usize = 48;

impl FilingStore {
    /// What is to be saved. The pages are shared with the store, not copied.
    pub(in crate::feed) fn to_save(&self) -> (SavedStore, Vec<Page>) {
        let saved = SavedStore {
            used: self.slab.used,
            ranks: self.files.iter().map(|file| file.rank).collect(),
            records: self.records,
            rare: self.rare.iter().map(|(slot, rare)| (*slot, rare.clone())).collect(),
            application_at: self.application_at.iter().map(|(&slot, &at)| (slot, at)).collect(),
        };
        (saved, self.slab.pages.clone())
    }

    /// The store as it was saved.
    pub(in crate::feed) fn restore(
        saved: SavedStore,
        pages: Vec<Page>,
    ) -> Result<FilingStore, Unusable> {
        let SavedStore { used, ranks, records, rare, application_at } = saved;
        if pages.len() != (used as usize).div_ceil(PAGE_SIZE) {
            return Err(Unusable::Damaged("records are missing"));
        }
        let files = ranks.into_iter().map(|rank| OfFile { slots: Slots::default(), rank });
        let mut store = FilingStore {
            slab: Slab { pages, used, free: Vec::new() },
            files: files.collect(),
            records,
            rare: rare.into_iter().collect(),
            application_at: application_at.into_iter().collect(),
            ..FilingStore::default()
        };
        store.find_all()?;
        Ok(store)
    }

    /// Finds again what leads to the records.
    fn find_all(&mut self) -> Result<(), Unusable> {
        let FilingStore { slab, by_site, files, rare, moved_to, moving, cancels, .. } = self;
        slab.free = (0..slab.used).filter(|slot| slab.get(*slot).file == NO_FILE).collect();
        let hash = |&slot: &u32| slab.get(slot).site;
        by_site.reserve(slab.used as usize - slab.free.len(), hash);
        for (slot, entry) in slab.occupied() {
            let no_file = Unusable::Damaged("a record is of no file");
            files.get_mut(entry.file as usize).ok_or(no_file)?.slots.push(slot);
            by_site.insert_unique(entry.site, slot, hash);
            if entry.facts.cancels_subject() {
                cancels.entry(entry.subject).or_default().push(slot);
            }
            if entry.facts.has_rare() {
                let missing = Unusable::Damaged("what only few records have is missing");
                let rare = rare.get(&slot).ok_or(missing)?;
                if let Some(new_domain) = &rare.new_domain {
                    moved_to.entry(new_domain.site.0).or_default().push(slot);
                    moving.entry(entry.key).or_default().push(slot);
                }
            }
        }
        Ok(())
    }
}

impl SavedStore {
    /// The part of a page, the first being 0, that has ever held a record.
    pub(in crate::feed) fn used_of<'p>(&self, page: &'p Page, index: usize) -> &'p [Entry] {
        let before = index * PAGE_SIZE;
        &page[..(self.used as usize).saturating_sub(before).min(PAGE_SIZE)]
    }
}

/// Records as a chunk of a snapshot has them.
pub(in crate::feed) fn write_page(entries: &[Entry], out: &mut Vec<u8>) {
    out.clear();
    for &entry in entries {
        let Entry { site, key, subject, facts, file, line } = entry;
        [site, key, subject].into_iter().for_each(|number| put_u64(out, number));
        facts.words().into_iter().chain([file, line]).for_each(|number| put_u32(out, number));
    }
}

/// What [`write_page`] wrote.
pub(in crate::feed) fn read_page(bytes: &[u8]) -> Result<Page, Unusable> {
    let entry = |bytes: &[u8]| {
        let mut fields = Bytes::of(bytes);
        let (site, key, subject) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let mut words = [0; 4];
        for word in &mut words {
            *word = fields.u32()?;
        }
        let facts = PackedFacts::of_words(words);
        Ok(Entry { site, key, subject, facts, file: fields.u32()?, line: fields.u32()? })
    };
    if bytes.len() > ENTRY_LEN * PAGE_SIZE {
        return Err(Unusable::Damaged("a chunk of records is too long"));
    }
    let mut page = bytes.chunks(ENTRY_LEN).map(entry).collect::<Result<Vec<Entry>, Unusable>>()?;
    page.resize(PAGE_SIZE, VACANT);
    Ok(Page::from(page))
}
