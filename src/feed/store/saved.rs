//! The store in a snapshot: its records as they lie in memory. What leads to them is found again
//! when they are read.

use super::{Entry, FileSlots, FilingStore, NIL, PAGE_SIZE, Page, Rare, Slab, SlotSet, VACANT};
use crate::feed::packed::PackedFacts;
use crate::snapshot::{Bytes, Unusable, put_u32, put_u64};
use serde::{Deserialize, Serialize};

/// What a snapshot says of the store beside its records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::feed) struct SavedStore {
    used: u32,
    files: Vec<FileSlots>,
    records: usize,
    rare: Vec<(u32, Rare)>,
}

const ENTRY_LEN: usize = 60;

impl FilingStore {
    /// What is to be saved. The pages are shared with the store, not copied.
    pub(in crate::feed) fn to_save(&self) -> (SavedStore, Vec<Page>) {
        let saved = SavedStore {
            used: self.slab.used,
            files: self.files.clone(),
            records: self.records,
            rare: self.rare.iter().map(|(slot, rare)| (*slot, rare.clone())).collect(),
        };
        (saved, self.slab.pages.clone())
    }

    /// The store as it was saved.
    pub(in crate::feed) fn restore(
        saved: SavedStore,
        pages: Vec<Page>,
    ) -> Result<FilingStore, Unusable> {
        let SavedStore { used, files, records, rare } = saved;
        if pages.len() != (used as usize).div_ceil(PAGE_SIZE) {
            return Err(Unusable::Damaged("records are missing"));
        }
        let mut slab = Slab { pages, used, free: Vec::new() };
        slab.free = (0..used).filter(|slot| slab.get(*slot).file == NIL).collect();
        let rare = rare.into_iter().collect();
        let mut store = FilingStore { slab, files, records, rare, ..FilingStore::default() };
        store.find_sites()?;
        store.check_files()?;
        store.find_rare()?;
        Ok(store)
    }

    /// Fills the index. Each record is in one chain, and no chain leads round in a circle: as many
    /// records are reached as there are.
    fn find_sites(&mut self) -> Result<(), Unusable> {
        let wrong = Unusable::Damaged("the records of a domain do not hang together");
        let used = self.slab.used;
        let mut followers = SlotSet::default();
        let mut count = 0;
        for (_, entry) in self.slab.occupied() {
            count += 1;
            let next = entry.next_of_site;
            if next == NIL {
                continue;
            }
            if next >= used || followers.contains(next) || self.slab.get(next).site != entry.site {
                return Err(wrong);
            }
            followers.insert(next);
        }
        let slab = &self.slab;
        let hash = |&slot: &u32| slab.get(slot).site;
        self.by_site.reserve(count, hash);
        let mut reached = 0;
        for (slot, entry) in slab.occupied().filter(|(slot, _)| !followers.contains(*slot)) {
            self.by_site.insert_unique(entry.site, slot, hash);
            reached += 1;
            let mut next = entry.next_of_site;
            while next != NIL {
                reached += 1;
                next = slab.get(next).next_of_site;
            }
        }
        if reached == count { Ok(()) } else { Err(wrong) }
    }

    /// Each record is in the list of its file.
    fn check_files(&self) -> Result<(), Unusable> {
        let wrong = Unusable::Damaged("the records of a file do not hang together");
        let mut counts = vec![0u32; self.files.len()];
        for (_, entry) in self.slab.occupied() {
            let Some(count) = counts.get_mut(entry.file as usize) else { return Err(wrong) };
            *count += 1;
        }
        for (file, (slots, mut count)) in (0..).zip(self.files.iter().zip(counts)) {
            let mut slot = slots.first;
            while slot != NIL {
                if slot >= self.slab.used || count == 0 || self.slab.get(slot).file != file {
                    return Err(wrong);
                }
                count -= 1;
                slot = self.slab.get(slot).next_of_file;
            }
            if count > 0 {
                return Err(wrong);
            }
        }
        Ok(())
    }

    fn find_rare(&mut self) -> Result<(), Unusable> {
        for (slot, entry) in self.slab.occupied() {
            if { entry.facts }.cancels_subject() {
                self.cancels.entry(entry.subject).or_default().push(slot);
            }
            if { entry.facts }.has_rare() {
                let missing = Unusable::Damaged("what only few records have is missing");
                let rare = self.rare.get(&slot).ok_or(missing)?;
                if let Some(new_domain) = &rare.new_domain {
                    self.moved_to.entry(new_domain.site.0).or_default().push(slot);
                    self.moving.entry(entry.key).or_default().push(slot);
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
        let Entry { site, key, subject, facts, file, line, next_of_site, next_of_file } = entry;
        [site, key, subject].into_iter().for_each(|number| put_u64(out, number));
        facts.words().into_iter().for_each(|number| put_u32(out, number));
        let numbers = [file, line, next_of_site, next_of_file];
        numbers.into_iter().for_each(|number| put_u32(out, number));
    }
}

/// What [`write_page`] wrote.
pub(in crate::feed) fn read_page(bytes: &[u8]) -> Result<Page, Unusable> {
    let entry = |bytes: &[u8]| {
        let mut fields = Bytes::of(bytes);
        let (site, key, subject) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let mut words = [0; 5];
        for word in &mut words {
            *word = fields.u32()?;
        }
        Ok(Entry {
            site,
            key,
            subject,
            facts: PackedFacts::of_words(words),
            file: fields.u32()?,
            line: fields.u32()?,
            next_of_site: fields.u32()?,
            next_of_file: fields.u32()?,
        })
    };
    if bytes.len() > ENTRY_LEN * PAGE_SIZE {
        return Err(Unusable::Damaged("a chunk of records is too long"));
    }
    let mut page = bytes.chunks(ENTRY_LEN).map(entry).collect::<Result<Vec<Entry>, Unusable>>()?;
    page.resize(PAGE_SIZE, VACANT);
    Ok(Page::from(page))
}
