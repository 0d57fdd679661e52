//! From the hash of a site domain to the slots of its records.
//!
//! Owns that index: many small tables, by a part of the hash, so that one that grows moves its own
//! slots only. A search waits for one cache line, where sixteen slots have room, each beside the
//! bits of the hash for which its number leaves room; what a line has no room for is in the next one.

use crate::parallel::{self, Waits};
use crate::prefetch::prefetch;

const TABLE_BITS: u32 = 8;
const TABLES: usize = 1 << TABLE_BITS;
const PER_LINE: usize = 16;
/// Slots for each line at most: a fuller table has long ways.
const FILLED: usize = 14;
/// Slots have at least so many bits: the others are soon enough needed.
const FEWEST_SLOT_BITS: u32 = 20;

const VACANT: u32 = u32::MAX;
/// Here was a slot, and the line was full: some of its slots may be in the next one.
const TAKEN_OUT: u32 = u32::MAX - 1;

/// See the module's description.
#[derive(Debug)]
pub(super) struct SiteSlots(Vec<Table>);

/// Slots of some sites, in the order of the tables.
pub(super) type InOrder = Vec<(u64, u32)>;

impl Default for SiteSlots {
    fn default() -> SiteSlots {
        SiteSlots(vec![Table::default(); TABLES])
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
            let largest = found.iter().map(|&(_, slot)| slot).max().unwrap_or(0);
            let mut table = Table::with_room(found.len(), largest);
            found.iter().for_each(|&(site, slot)| table.place(site, slot));
            table
        };
        parallel::each(TABLES, Waits::Never, Vec::new, fill, |index, table| {
            tables.0[index] = table
        });
        tables
    }

    /// Begins to bring in what a search for a site domain looks at.
    pub(super) fn fetch(&self, site: u64) {
        let table = &self.0[table_of(site)];
        if let Some(line) = table.lines.get(table.first_line(site)) {
            prefetch(line);
        }
    }

    /// Those of a site domain, and perhaps a few others.
    pub(super) fn perhaps_of(&self, site: u64) -> impl Iterator<Item = u32> + '_ {
        self.0[table_of(site)].perhaps_of(site)
    }

    /// Makes room for about so many more, all of them below `end`.
    pub(super) fn reserve(&mut self, slots: usize, end: usize, site_of: impl Fn(u32) -> u64) {
        let (share, largest) = (slots / TABLES, u32::try_from(end).unwrap_or(u32::MAX));
        for table in &mut self.0 {
            if table.len + share > table.lines.len() * FILLED {
                table.make_anew(table.len + share, largest, &site_of);
            }
        }
    }

    /// Adds a slot that is not there yet. `site_of` tells those of the others.
    pub(super) fn insert(&mut self, site: u64, slot: u32, site_of: impl Fn(u32) -> u64) {
        let table = &mut self.0[table_of(site)];
        if table.len == table.lines.len() * FILLED || slot > table.largest_slot() {
            table.make_anew(table.len + 1, slot, &site_of);
        }
        table.place(site, slot);
    }

    /// Takes out a slot that is there. `site_of` tells those of the others.
    pub(super) fn remove(&mut self, site: u64, slot: u32, site_of: impl Fn(u32) -> u64) {
        let table = &mut self.0[table_of(site)];
        table.take_out(site, slot);
        // Searches shall not become long ones, and room that nobody needs is given back.
        let is_worn = table.taken_out > table.lines.len();
        if is_worn || table.len < table.lines.len() * FILLED / 2 {
            table.make_anew(table.len, 0, &site_of);
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(Table::iter)
    }
}

fn table_of(site: u64) -> usize {
    (site >> (u64::BITS - TABLE_BITS)) as usize
}

#[derive(Clone, Debug, Default)]
struct Table {
    lines: Vec<Line>,
    len: usize,
    /// Places that are [`TAKEN_OUT`].
    taken_out: usize,
    /// How much of a place is the slot; the rest is of the hash.
    slot_bits: u32,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u32; PER_LINE]);

const _: () = assert!(size_of::<Line>() == 64);

impl Line {
    /// A bit for each place whose upper bits, but for so many, are these. Without branches.
    fn alike(&self, lower: u32, upper: u32) -> u32 {
        let each = self.0.iter().enumerate();
        each.fold(0, |alike, (at, place)| alike | u32::from(place >> lower == upper) << at)
    }
}

impl Table {
    /// A table for so many slots, and a sixteenth more: what one table after the other grows by.
    fn with_room(slots: usize, largest: u32) -> Table {
        // The largest number of these bits stands for no slot.
        let needed = u32::BITS - largest.saturating_add(2).leading_zeros();
        let slot_bits = needed.max(FEWEST_SLOT_BITS);
        let lines = vec![Line([VACANT; PER_LINE]); (slots + slots / 16).div_ceil(FILLED)];
        Table { lines, len: 0, taken_out: 0, slot_bits }
    }

    fn largest_slot(&self) -> u32 {
        (1u32 << self.slot_bits) - 3
    }

    /// The line at which the way of a site begins; any where there is none.
    fn first_line(&self, site: u64) -> usize {
        let within_table = u128::from(site << TABLE_BITS);
        ((within_table * self.lines.len() as u128) >> u64::BITS) as usize
    }

    fn place_of(&self, site: u64, slot: u32) -> u32 {
        (site as u32) >> self.slot_bits << self.slot_bits | slot
    }

    /// The lines on the way of a site, to the one at which it ends.
    fn way(&self, site: u64) -> impl Iterator<Item = usize> + '_ {
        let first = self.first_line(site);
        let mut has_ended = false;
        (first..self.lines.len()).chain(0..first).take_while(move |&line| {
            let goes_on = !has_ended;
            has_ended = self.lines[line].alike(0, VACANT) != 0;
            goes_on
        })
    }

    fn perhaps_of(&self, site: u64) -> impl Iterator<Item = u32> + '_ {
        let (bits, tag) = (self.slot_bits, (site as u32) >> self.slot_bits);
        self.way(site).flat_map(move |line| {
            let line = &self.lines[line];
            let mut alike = line.alike(bits, tag);
            let places = std::iter::from_fn(move || {
                let place = line.0[(alike != 0).then(|| alike.trailing_zeros() as usize)?];
                alike &= alike - 1;
                Some(place)
            });
            let taken = places.filter(|&place| place < TAKEN_OUT);
            taken.map(move |place| place & ((1 << bits) - 1))
        })
    }

    /// There is room.
    fn place(&mut self, site: u64, slot: u32) {
        let place = self.place_of(site, slot);
        let first = self.first_line(site);
        let mut way = (first..self.lines.len()).chain(0..first);
        let free = way.find_map(|line| {
            let at = self.lines[line].0.iter().position(|&place| place >= TAKEN_OUT)?;
            Some((line, at))
        });
        let (line, at) = free.expect("a table has more places than slots");
        let was = std::mem::replace(&mut self.lines[line].0[at], place);
        self.taken_out -= usize::from(was == TAKEN_OUT);
        self.len += 1;
    }

    fn take_out(&mut self, site: u64, slot: u32) {
        let place = self.place_of(site, slot);
        let found = self.way(site).find_map(|line| {
            let at = self.lines[line].0.iter().position(|&other| other == place)?;
            Some((line, at))
        });
        let (line, at) = found.expect("a slot that holds a record is in the index");
        let line = &mut self.lines[line].0;
        let is_full = !line.contains(&VACANT);
        line[at] = if is_full { TAKEN_OUT } else { VACANT };
        self.taken_out += usize::from(is_full);
        self.len -= 1;
    }

    fn make_anew(&mut self, room: usize, largest: u32, site_of: impl Fn(u32) -> u64) {
        let largest = self.iter().fold(largest, u32::max);
        let mut anew = Table::with_room(room, largest);
        self.iter().for_each(|slot| anew.place(site_of(slot), slot));
        *self = anew;
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let places = self.lines.iter().flat_map(|line| line.0);
        let taken = places.filter(|&place| place < TAKEN_OUT);
        taken.map(|place| place & ((1 << self.slot_bits) - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few tables and tags, so that lines run over, and also the tag whose bits are all set.
    fn site(number: u8) -> u64 {
        let tag = u64::from(number >> 4) * 0x1111_1111;
        u64::from(number & 1) << 63 | u64::from(number >> 1 & 7) << 53 | tag
    }

    proptest! {
        #[test]
        fn what_was_put_is_found_until_it_is_taken_out(
            steps in proptest::collection::vec((any::<u8>(), 0u32..400, any::<bool>()), 0..900),
            far in proptest::sample::select(&[0, (1 << 20) - 400, (1 << 20) - 200, (1u32 << 31) - 1000]),
        ) {
            let mut slots = SiteSlots::default();
            let mut held = BTreeMap::new();
            for (number, slot, comes) in steps {
                let slot = far + slot;
                let site_of = |slot: u32| held[&slot];
                match held.get(&slot) {
                    None if comes => {
                        slots.insert(site(number), slot, site_of);
                        held.insert(slot, site(number));
                    }
                    Some(&site) if !comes => {
                        slots.remove(site, slot, |slot| held[&slot]);
                        held.remove(&slot);
                    }
                    _ => {}
                }
            }
            let mut all: Vec<u32> = slots.iter().collect();
            all.sort_unstable();
            prop_assert_eq!(&all, &held.keys().copied().collect::<Vec<_>>());
            for (&slot, &site) in &held {
                prop_assert_eq!(slots.perhaps_of(site).filter(|&other| other == slot).count(), 1);
                prop_assert!(slots.perhaps_of(site).all(|slot| held.contains_key(&slot)));
            }
            for table in &slots.0 {
                let places = table.lines.iter().flat_map(|line| line.0);
                prop_assert_eq!(places.filter(|&p| p == TAKEN_OUT).count(), table.taken_out);
                prop_assert!(table.taken_out <= table.lines.len());
            }
            slots.reserve(10_000, 0, |slot| held[&slot]);
            prop_assert_eq!(slots.iter().count(), held.len());
            while let Some((slot, site)) = held.pop_first() {
                slots.remove(site, slot, |slot| held[&slot]);
                let table = &slots.0[table_of(site)];
                prop_assert!(table.len > 0 || table.lines.is_empty(), "room is given back");
            }
            prop_assert_eq!(slots.iter().count(), 0);
        }
    }

    /// The lines of a full table are short ways: few run over.
    #[test]
    fn a_full_table_finds_most_in_the_first_line() {
        let site = |slot: u32| crate::filing::site_domain::hash_text(&format!("d{slot}.cn"));
        let mut slots = SiteSlots::default();
        let count = 100_000;
        slots.reserve(count as usize, count as usize, site);
        (0..count).for_each(|slot| slots.insert(site(slot), slot, site));
        let lines_on_the_way = |slot: u32| slots.0[table_of(site(slot))].way(site(slot)).count();
        let total: usize = (0..count).map(lines_on_the_way).sum();
        assert!(total < count as usize * 2, "{total}");
        let found: usize = (0..count).map(|slot| slots.perhaps_of(site(slot)).count()).sum();
        assert!(found < count as usize * 11 / 10, "{found}");
    }
}
