//! From the hash of a site domain to the slots of its records.
//!
//! Owns that index: many small tables, by a part of the hash. A table that grows moves its own slots
//! only, and one that is filled at once stays in a core's own cache meanwhile.

use hashbrown::HashTable;

use crate::parallel::{self, Waits};

/// A table has room for 7/8 of a power of two, and of five million slots these make good use of it:
/// 13,000 of 14,336 in 30 MiB, where 256 tables, of twice the room, took 40. Beyond 5.5 million they
/// double, too.
const TABLES: usize = 384;

/// See the module's description.
#[derive(Debug)]
pub(super) struct SiteSlots(Vec<HashTable<u32>>);

/// Slots of some sites, in the order of the tables.
pub(super) type InOrder = Vec<(u64, u32)>;

impl Default for SiteSlots {
    fn default() -> SiteSlots {
        SiteSlots(vec![HashTable::new(); TABLES])
    }
}

impl SiteSlots {
    /// Brings the slots of sites into the order that [`SiteSlots::of`] takes them in.
    pub(super) fn sort(slots: &mut InOrder) {
        slots.sort_unstable_by_key(|&(site, _)| table_of(site));
    }

    /// The slots of all these pages, whose own numbers begin with 0: `first` is that of a page's
    /// first slot. They are filled in on all cores.
    pub(super) fn of(pages: &[InOrder], first: impl Fn(usize) -> u32 + Sync) -> SiteSlots {
        let mut tables = SiteSlots::default();
        let fill = |found: &mut Vec<(u64, u32)>, index: usize| {
            found.clear();
            for (number, page) in pages.iter().enumerate() {
                let begins = page.partition_point(|&(site, _)| table_of(site) < index);
                let its = page[begins..].iter().take_while(|&&(site, _)| table_of(site) == index);
                found.extend(its.map(|&(site, slot)| (site, first(number) + slot)));
            }
            let mut table = HashTable::with_capacity(found.len());
            for &(site, slot) in found.iter() {
                table.insert_unique(site, slot, |_| unreachable!("there is room for all"));
            }
            table
        };
        parallel::each(TABLES, Waits::Never, Vec::new, fill, |index, table| {
            tables.0[index] = table
        });
        tables
    }

    /// Those of a site domain, and perhaps a few others.
    pub(super) fn perhaps_of(&self, site: u64) -> impl Iterator<Item = u32> + '_ {
        self.0[table_of(site)].iter_hash(site).copied()
    }

    /// Makes room for about so many more.
    pub(super) fn reserve(&mut self, slots: usize, site_of: impl Fn(u32) -> u64) {
        for table in &mut self.0 {
            table.reserve(slots / TABLES, |&other| site_of(other));
        }
    }

    /// Adds a slot that is not there yet. `site_of` tells those of the others.
    pub(super) fn insert(&mut self, site: u64, slot: u32, site_of: impl Fn(u32) -> u64) {
        self.0[table_of(site)].insert_unique(site, slot, |&other| site_of(other));
    }

    /// Takes out a slot that is there.
    pub(super) fn remove(&mut self, site: u64, slot: u32) {
        self.0[table_of(site)]
            .find_entry(site, |&other| other == slot)
            .expect("a slot that holds a record is in the index")
            .remove();
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// By bits that a table itself makes little of: it goes by the lowest, and the seven highest, by which it
/// tells apart, hardly bear on the remainder.
fn table_of(site: u64) -> usize {
    (site >> 40) as usize % TABLES
}
