//! The filing store: the facts of every record that the files hold, found by site domain.
//!
//! Owns the packed records, their index, and the rule which record of a key counts. It does not
//! read files and keeps no text but the few names that only some records have; what else a record
//! says is read again from its file, by its [`Place`].
//!
//! One record costs 48 bytes and less than 5 in the index, so that five million fit in 265 MB. A site
//! domain is known by its 64-bit hash ([`SiteKey`]): with one million hosted zones and five million
//! filed domains, the odds that any hosted one meets a stranger's record are about 1 in 4 million.
//!
//! The store belongs to the one thread that takes in changes; queries never see it.

use std::collections::HashSet;
use std::num::NonZeroU32;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::verbatim::{TextMark, TextSeed};
use crate::filing::record::falls_with_subject;
use crate::filing::site_domain::hash_text;
use crate::filing::{Facts, Role, Standing};

mod delta;
mod saved;
mod site_slots;
mod slots;

pub(super) use delta::{Candidate, Changed, CoveredName, Delta, Put, Rare};
pub(super) use saved::{SavedStore, read_page, write_page};
use site_slots::SiteSlots;
pub(super) use slots::{Entries, SlotSet};
use slots::{Entry, NO_FILE, Slab, Slots, key_and_file};

/// A site domain, by its hash ([`crate::filing::site_domain::SiteDomain::hash64`], which for names
/// in wire form is [`crate::filing::site_domain::hash_wire`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SiteKey(pub u64);

impl SiteKey {
    /// The key of a site domain in A-labels, lower case, without the final dot.
    pub fn of(site_domain: &str) -> SiteKey {
        SiteKey(hash_text(site_domain))
    }
}

/// A file of the feed. An id stays with the path while the file is there; then another file may get
/// it. Ids have 24 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub u32);

impl FileId {
    /// The id of that number; `None` where there is none so high.
    pub(super) fn at(number: usize) -> Option<FileId> {
        u32::try_from(number).ok().filter(|&file| file < NO_FILE).map(FileId)
    }
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// Its line there, counted from 1; for JSON the line on which the object begins.
    pub line: u32,
}

/// A record that counts for a site domain: no later line or file has the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRecord<'a> {
    /// What a decision needs; the cancellation of its subject is worked in.
    pub facts: Facts,
    /// The name that the record covers, with what is below, where that is not the site domain.
    pub covers: Option<&'a str>,
    /// Where to read the rest of it.
    pub place: Place,
}

impl StoredRecord<'_> {
    /// True when the record speaks of `name` (A-labels, lower case, no final dot), a name at or
    /// below the site domain.
    pub fn covers_name(&self, name: &str) -> bool {
        covers(self.covers, name)
    }
}

/// Whether a record for `covered`, or for the whole site domain, speaks of a name in it.
pub(super) fn covers(covered: Option<&str>, name: &str) -> bool {
    match covered {
        None => true,
        Some(covered) => match name.strip_suffix(covered) {
            Some("") => true,
            Some(below) => below.ends_with('.'),
            None => false,
        },
    }
}

/// Which site domains a change has touched.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) sites: Vec<SiteKey>,
    /// Subjects that a cancelling record names, before or after, and the cancellations before.
    subjects: HashMap<u64, Vec<Facts>>,
    /// Records that were not taken in, since [`CROWD`] others have the same site domain.
    pub(super) crowded_out: usize,
}

impl Touched {
    pub(super) fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }
}

/// Records that are looked for, or put, at once: their waits for memory overlap.
pub(super) const TOGETHER: usize = 64;

/// More records of one site domain than this are not taken in: no domain has them, and each costs
/// as much as all those before it.
pub(super) const CROWD: usize = 4096;

/// Every record of every file. See the module's description.
#[derive(Debug, Default)]
pub struct FilingStore {
    slab: Slab,
    text_seed: TextSeed,
    /// Every slot that holds a record, by the record's site domain.
    by_site: SiteSlots,
    /// By file id.
    files: Vec<OfFile>,
    /// No file has a higher rank.
    last_rank: u32,
    /// Distinct keys.
    records: usize,
    rare: HashMap<u32, Rare>,
    /// By slot: few records have an application.
    application_at: HashMap<u32, NonZeroU32>,
    /// The slots whose record names a new domain, by that domain's site domain.
    moved_to: HashMap<u64, Vec<u32>>,
    /// The same slots, by their record's key.
    moving: HashMap<u64, Vec<u32>>,
    /// The slots whose record cancels the subject, by the subject's hash.
    cancels: HashMap<u64, Vec<u32>>,
}

#[derive(Clone, Debug, Default)]
struct OfFile {
    slots: Slots,
    /// Later files have higher ranks.
    rank: u32,
}

impl FilingStore {
    /// How many records count: a key is counted once, however many files hold it.
    pub fn len(&self) -> usize {
        self.records
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Begins to bring in what leads to the records of a site domain.
    pub(super) fn fetch_way_to(&self, site: SiteKey) {
        self.by_site.fetch(site.0);
    }

    /// Begins to bring in the records of some site domains, side by side: each by itself is two waits
    /// for memory.
    pub fn fetch(&self, sites: impl Iterator<Item = SiteKey> + Clone) {
        sites.clone().for_each(|site| self.fetch_way_to(site));
        let slots = sites.flat_map(|site| self.by_site.perhaps_of(site.0));
        slots.for_each(|slot| self.slab.fetch(slot));
    }

    /// The records that count for a site domain, in no particular order: its own, and those of
    /// other domains that are to move to it ([`Role::NewDomain`]).
    pub fn records_of(&self, site: SiteKey) -> impl Iterator<Item = StoredRecord<'_>> {
        let own = self.slots_of(site).filter(|&slot| self.counts(slot)).map(move |slot| {
            let rare = self.rare_of(slot, &self.slab.get(slot));
            self.stored(slot, rare.and_then(|rare| rare.below.as_deref()))
        });
        let moving = self.moved_to.get(&site.0).into_iter().flatten();
        let moving = moving.filter(|&&slot| self.counts(slot)).map(move |&slot| {
            let new_domain = self.new_domain_of(slot, &self.slab.get(slot));
            let mut stored = self.stored(slot, new_domain.and_then(|name| name.below.as_deref()));
            stored.facts.role = Role::NewDomain;
            stored.facts.key = new_domain.map_or(stored.facts.key, |name| name.key);
            stored
        });
        own.chain(moving)
    }

    /// Every site domain that some record is of, or is to move to; each once, in the order of keys.
    pub fn sites(&self) -> Vec<SiteKey> {
        let own = self.by_site.iter().map(|slot| SiteKey(self.slab.get(slot).site));
        let mut sites: Vec<SiteKey> =
            own.chain(self.moved_to.keys().copied().map(SiteKey)).collect();
        sites.sort_unstable();
        sites.dedup();
        sites
    }

    fn stored<'a>(&'a self, slot: u32, covers: Option<&'a str>) -> StoredRecord<'a> {
        let entry = self.slab.get(slot);
        let mut facts = self.unpack(slot, &entry);
        if self.cancellations(entry.subject).any(|other| falls_with_subject(&facts, &other)) {
            facts.standing = Standing::Cancelled;
        }
        StoredRecord {
            facts,
            covers,
            place: Place { file: FileId(entry.file()), line: entry.line },
        }
    }

    /// The records that count and cancel the subject with all its sites.
    fn cancellations(&self, subject: u64) -> impl Iterator<Item = Facts> + '_ {
        let slots = self.cancels.get(&subject).into_iter().flatten();
        slots
            .filter(|&&slot| self.counts(slot))
            .map(|&slot| self.unpack(slot, &self.slab.get(slot)))
    }

    fn unpack(&self, slot: u32, entry: &Entry) -> Facts {
        entry.facts.unpack(entry.key(), entry.subject, self.application_at(slot, entry))
    }

    fn application_at(&self, slot: u32, entry: &Entry) -> Option<NonZeroU32> {
        let at = entry.facts.has_application().then(|| self.application_at.get(&slot));
        at.flatten().copied()
    }

    fn new_domain_of(&self, slot: u32, entry: &Entry) -> Option<&CoveredName> {
        self.rare_of(slot, entry)?.new_domain.as_ref()
    }

    fn rare_of(&self, slot: u32, entry: &Entry) -> Option<&Rare> {
        entry.facts.has_rare().then(|| self.rare.get(&slot)).flatten()
    }

    /// The slots of a site domain's records, whether they count or not.
    fn slots_of(&self, site: SiteKey) -> impl Iterator<Item = u32> + '_ {
        self.by_site.perhaps_of(site.0).filter(move |&slot| self.slab.get(slot).site == site.0)
    }

    fn rank(&self, file: u32) -> u32 {
        self.files[file as usize].rank
    }

    /// Whether no later file has a record of the same key.
    fn counts(&self, slot: u32) -> bool {
        let entry = self.slab.get(slot);
        let rank = self.rank(entry.file());
        let is_counted = |other: u32| {
            let other = self.slab.get(other);
            !other.has_key_like(&entry) || self.rank(other.file()) <= rank
        };
        rank == self.last_rank || self.slots_of(SiteKey(entry.site)).all(is_counted)
    }
}

/// What the feed does to the store.
impl FilingStore {
    /// Sets the order of the files, earliest first. Every file that is put into must be named.
    pub(super) fn set_order(&mut self, files: impl IntoIterator<Item = FileId>) {
        self.files.iter_mut().for_each(|file| file.rank = 0);
        for (rank, file) in (0u32..).zip(files) {
            if file.0 as usize >= self.files.len() {
                self.files.resize(file.0 as usize + 1, OfFile::default());
            }
            self.files[file.0 as usize].rank = rank;
        }
        self.note_last_rank();
    }

    fn note_last_rank(&mut self) {
        self.last_rank = self.files.iter().map(|file| file.rank).max().unwrap_or(0);
    }

    /// What the marks of texts go by.
    pub(super) fn text_seed(&self) -> TextSeed {
        self.text_seed
    }

    /// Whether the file has any record.
    pub(super) fn has_records_in(&self, file: FileId) -> bool {
        self.files.get(file.0 as usize).is_some_and(|file| file.slots.iter().next().is_some())
    }

    /// The file's record that a row of a site domain and with that mark is probably of. Where two have
    /// the mark, the key tells them apart.
    pub(super) fn find_row(&self, file: FileId, site: SiteKey, mark: TextMark) -> Option<Likely> {
        let of_file = || self.slots_of(site).filter(|&slot| self.slab.get(slot).file() == file.0);
        let mut marked = of_file().filter(|&slot| self.slab.get(slot).mark == Some(mark));
        match (marked.next(), marked.next()) {
            (Some(slot), None) => Some(Likely { slot, in_these_words: true }),
            _ => of_file().next().map(|slot| Likely { slot, in_these_words: false }),
        }
    }

    /// The same where it stands in that slot. `site` is asked for where the text is another one.
    pub(super) fn row_at(
        &self,
        slot: u32,
        file: FileId,
        mark: TextMark,
        site: impl FnOnce() -> Option<SiteKey>,
    ) -> Option<Likely> {
        let entry = self.slab.find(slot).filter(|entry| entry.file() == file.0)?;
        let in_these_words = entry.mark == Some(mark);
        let is_it = in_these_words || site() == Some(SiteKey(entry.site));
        is_it.then_some(Likely { slot, in_these_words })
    }

    /// The file's record of that key, if it has one, and whether it says the same. It is looked for in
    /// the `likely` slot first.
    pub(super) fn compare(
        &self,
        file: FileId,
        likely: Option<u32>,
        new: &Candidate,
    ) -> Option<(u32, Same)> {
        let is_it = |slot: u32| {
            let entry = self.slab.get(slot);
            entry.site == new.site.0 && entry.is_of(file, new)
        };
        let slot = match likely.filter(|&slot| is_it(slot)) {
            Some(slot) => slot,
            None => self.by_site.perhaps_of(new.site.0).find(|&slot| is_it(slot))?,
        };
        Some((slot, self.same(slot, new)))
    }

    /// The file's records whose slots are not in `seen`, as (slot, site domain, key).
    pub(super) fn unseen<'a>(
        &'a self,
        file: FileId,
        seen: &'a SlotSet,
    ) -> impl Iterator<Item = (u32, SiteKey, u64)> + 'a {
        let slots = self.files.get(file.0 as usize).into_iter().flat_map(|file| file.slots.iter());
        slots.filter(|&slot| !seen.contains(slot)).map(|slot| {
            let entry = self.slab.get(slot);
            (slot, SiteKey(entry.site), entry.key())
        })
    }

    /// Whether a record of that key would be left if the slots of `removed` went.
    pub(super) fn survives(&self, site: SiteKey, key: u64, removed: &SlotSet) -> bool {
        self.slots_of(site).any(|slot| self.slab.get(slot).key() == key && !removed.contains(slot))
    }

    /// Whether a file other than `file` has a record of that key.
    pub(super) fn stands_elsewhere(&self, site: SiteKey, key: u64, file: FileId) -> bool {
        self.slots_of(site).any(|slot| {
            let entry = self.slab.get(slot);
            entry.key() == key && entry.file() != file.0
        })
    }

    /// Takes in what a file says anew. `Rest::Goes` means that the file was read whole, so that
    /// what it no longer says is dropped.
    pub(super) fn apply(&mut self, file: FileId, delta: Delta, rest: Rest, touched: &mut Touched) {
        let mut seen = SlotSet::default();
        for portion in delta.kept {
            let page_of = |&(slot, _): &(u32, u32)| Entries::page_of(slot as usize);
            for kept in portion.chunk_by(|a, b| page_of(a) == page_of(b)) {
                // What is written to is copied where a snapshot in the making holds it.
                if kept.iter().all(|&(slot, line)| self.slab.get(slot).line == line) {
                    kept.iter().for_each(|&(slot, _)| seen.insert(slot));
                    continue;
                }
                let page = self.slab.entries.page_mut(page_of(&kept[0]));
                for &(slot, line) in kept {
                    let entry = &mut page[Entries::within_page(slot as usize)];
                    entry.line = if seen.contains(slot) { line.max(entry.line) } else { line };
                    seen.insert(slot);
                }
            }
        }
        for (slot, mark) in delta.reworded.into_iter().flatten() {
            self.slab.get_mut(slot).mark = mark;
        }
        for Changed { slot, line, packed, mark } in delta.changed.into_iter().flatten() {
            let before = self.slab.get(slot);
            let (site, key, subject) = (SiteKey(before.site), before.key(), before.subject);
            let (application_at, rare) = (None, None);
            let new = Candidate { site, key, subject, packed, application_at, line, mark, rare };
            self.replace(slot, new, &mut seen, touched);
        }
        let new = delta.puts.iter().flatten().filter(|put| put.replaces.is_none()).count();
        let slab = &self.slab;
        self.by_site.reserve(new, slab.entries.len() + new, |slot| slab.get(slot).site);
        for portion in delta.puts {
            let mut puts = portion.into_iter();
            while !puts.as_slice().is_empty() {
                let next = puts.as_slice().iter().take(TOGETHER);
                self.fetch(next.map(|put| put.candidate.site));
                puts.by_ref()
                    .take(TOGETHER)
                    .for_each(|put| self.put(file, put, &mut seen, touched));
            }
        }
        match rest {
            Rest::Stays => {}
            Rest::Goes => self.drop_unseen(file, &seen, touched),
        }
    }

    /// Takes in a record that was not found as it is. `seen` are the slots of those that were found,
    /// or put, before it.
    fn put(&mut self, file: FileId, put: Put, seen: &mut SlotSet, touched: &mut Touched) {
        let new = put.candidate;
        let (mut replaces, mut of_site, mut is_known) = (put.replaces, 0, false);
        if replaces.is_none() {
            for slot in self.slots_of(new.site) {
                of_site += 1;
                let entry = self.slab.get(slot);
                is_known |= entry.has_key_of(&new);
                if entry.is_of(file, &new) {
                    replaces = Some(slot);
                    break;
                }
            }
        }
        match replaces {
            Some(slot) => self.replace(slot, new, seen, touched),
            None if of_site >= CROWD => touched.crowded_out += 1,
            None => {
                self.records += usize::from(!is_known);
                seen.insert(self.insert(file, new, touched));
            }
        }
    }

    /// Puts a record in the place of its file's of the same key. Later lines win, and a file's portions
    /// may come in any order.
    fn replace(&mut self, slot: u32, new: Candidate, seen: &mut SlotSet, touched: &mut Touched) {
        if !seen.contains(slot) || self.slab.get(slot).line < new.line {
            seen.insert(slot);
            self.overwrite(slot, new, touched);
        }
    }

    /// The sites whose facts may have changed, each once; `None` if they are most of all there are.
    pub(super) fn settle(&self, touched: Touched) -> Option<Vec<SiteKey>> {
        const MANY: usize = 10_000;
        let mut sites = touched.sites;
        if sites.len() > MANY.max(self.records / 2) {
            return None;
        }
        let turned: HashSet<u64> = touched
            .subjects
            .into_iter()
            .filter(|(subject, before)| !self.cancellations(*subject).eq(before.iter().copied()))
            .map(|(subject, _)| subject)
            .collect();
        if !turned.is_empty() {
            for (slot, entry) in self.slab.occupied() {
                if turned.contains(&entry.subject) {
                    sites.push(SiteKey(entry.site));
                    sites.extend(self.new_domain_of(slot, &entry).map(|name| name.site));
                }
            }
        }
        sites.sort_unstable();
        sites.dedup();
        Some(sites)
    }

    fn same(&self, slot: u32, new: &Candidate) -> Same {
        let entry = self.slab.get(slot);
        let equal = entry.facts == new.packed
            && self.application_at(slot, &entry) == new.application_at
            && self.rare_of(slot, &entry) == new.rare.as_deref();
        match equal {
            true => Same::Yes { in_these_words: entry.mark == new.mark },
            false => Same::No,
        }
    }

    fn insert(&mut self, file: FileId, new: Candidate, touched: &mut Touched) -> u32 {
        self.note(new.site, new.key, new.subject, touched);
        let slot = self.slab.insert(Entry {
            site: new.site.0,
            key_and_file: key_and_file(new.key, file),
            subject: new.subject,
            facts: new.packed,
            line: new.line,
            mark: new.mark,
        });
        self.files[file.0 as usize].slots.push(slot);
        let slab = &self.slab;
        self.by_site.insert(new.site.0, slot, |other| slab.get(other).site);
        self.add_rare(slot, new, touched);
        slot
    }

    fn overwrite(&mut self, slot: u32, new: Candidate, touched: &mut Touched) {
        self.note(new.site, new.key, new.subject, touched);
        self.drop_rare(slot, touched);
        let entry = self.slab.get_mut(slot);
        entry.facts = new.packed;
        entry.line = new.line;
        entry.mark = new.mark;
        self.add_rare(slot, new, touched);
    }

    fn drop_unseen(&mut self, file: FileId, seen: &SlotSet, touched: &mut Touched) {
        let Some(of_file) = self.files.get_mut(file.0 as usize) else { return };
        let before = std::mem::take(&mut of_file.slots);
        let mut left = Slots::default();
        for slot in before.iter() {
            if seen.contains(slot) {
                left.push(slot);
            } else {
                self.remove(slot, touched);
            }
        }
        self.files[file.0 as usize].slots = left;
    }

    /// Removes the record of a slot that is no longer among its file's.
    fn remove(&mut self, slot: u32, touched: &mut Touched) {
        let entry = self.slab.get(slot);
        let site = SiteKey(entry.site);
        self.note(site, entry.key(), entry.subject, touched);
        self.drop_rare(slot, touched);
        let slab = &self.slab;
        self.by_site.remove(site.0, slot, |other| slab.get(other).site);
        self.slab.remove(slot);
        if !self.slots_of(site).any(|other| self.slab.get(other).has_key_like(&entry)) {
            self.records -= 1;
        }
    }

    /// Notes, before it changes, what a record bears on: also the new domains that other files'
    /// records of the same key name, since these records now begin or cease to count.
    fn note(&self, site: SiteKey, key: u64, subject: u64, touched: &mut Touched) {
        touched.sites.push(site);
        for slot in self.moving.get(&key).into_iter().flatten() {
            let new_domain = self.rare.get(slot).and_then(|rare| rare.new_domain.as_ref());
            touched.sites.extend(new_domain.map(|name| name.site));
        }
        if self.cancels.contains_key(&subject) {
            let before = || self.cancellations(subject).collect();
            touched.subjects.entry(subject).or_insert_with(before);
        }
    }

    fn add_rare(&mut self, slot: u32, new: Candidate, touched: &mut Touched) {
        if new.packed.cancels_subject() {
            touched.subjects.entry(new.subject).or_default();
            self.cancels.entry(new.subject).or_default().push(slot);
        }
        self.application_at.extend(new.application_at.map(|at| (slot, at)));
        if let Some(rare) = new.rare {
            if let Some(new_domain) = &rare.new_domain {
                touched.sites.push(new_domain.site);
                self.moved_to.entry(new_domain.site.0).or_default().push(slot);
                self.moving.entry(new.key).or_default().push(slot);
            }
            self.rare.insert(slot, *rare);
        }
    }

    fn drop_rare(&mut self, slot: u32, touched: &mut Touched) {
        let entry = self.slab.get(slot);
        if entry.facts.cancels_subject() {
            forget(&mut self.cancels, entry.subject, slot);
        }
        if entry.facts.has_application() {
            self.application_at.remove(&slot);
        }
        if entry.facts.has_rare()
            && let Some(rare) = self.rare.remove(&slot)
            && let Some(new_domain) = rare.new_domain
        {
            touched.sites.push(new_domain.site);
            forget(&mut self.moved_to, new_domain.site.0, slot);
            forget(&mut self.moving, entry.key(), slot);
        }
    }
}

/// The record that a row, not yet read, is probably of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Likely {
    pub(super) slot: u32,
    /// It was read from this very text.
    pub(super) in_these_words: bool,
}

/// Whether a file's record says what the store has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Same {
    Yes { in_these_words: bool },
    No,
}

/// What becomes of the records of a file that were not read this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Only what was appended was read.
    Stays,
    /// The file was read whole: they are no longer in it.
    Goes,
}

fn forget(slots_by: &mut HashMap<u64, Vec<u32>>, hash: u64, slot: u32) {
    if let Some(slots) = slots_by.get_mut(&hash) {
        slots.retain(|&other| other != slot);
        if slots.is_empty() {
            slots_by.remove(&hash);
        }
    }
}

#[cfg(test)]
impl FilingStore {
    /// What leads to the records leads to each, once, and to nothing else.
    pub(super) fn assert_hangs_together(&self) {
        let sorted = |mut slots: Vec<u32>| {
            slots.sort_unstable();
            slots
        };
        let held: Vec<u32> = self.slab.occupied().map(|(slot, _)| slot).collect();
        assert_eq!(sorted(self.by_site.iter().collect()), held);
        let of_files = self.files.iter().flat_map(|file| file.slots.iter());
        assert_eq!(sorted(of_files.collect()), held);
        for (file, of_file) in (0..).zip(&self.files) {
            assert!(of_file.slots.iter().all(|slot| self.slab.get(slot).file() == file));
        }
        let side = |slot: &u32| self.slab.get(*slot).facts;
        assert!(self.application_at.keys().all(|slot| side(slot).has_application()));
        assert!(self.rare.keys().all(|slot| side(slot).has_rare()));
    }
}
