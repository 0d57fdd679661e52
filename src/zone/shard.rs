//! One of the many parts of the zone table: zones laid out by the hashes of their apexes, with open
//! addressing, so that most searches end in the slot in which they begin.

use std::sync::Arc;

use super::table::Entry;

/// Slots, one of which at least is free, so that every search ends.
pub(super) type Shard = Arc<[Option<Entry>]>;

/// The entry with that hash of which `is_it` holds, and its place.
#[inline]
pub(super) fn find(
    slots: &[Option<Entry>],
    hash: u64,
    is_it: impl Fn(&Entry) -> bool,
) -> Option<(usize, &Entry)> {
    let mut place = place_of(hash, slots.len());
    loop {
        let entry = slots[place].as_ref()?;
        if entry.hash == hash && is_it(entry) {
            return Some((place, entry));
        }
        place = next(place, slots.len());
    }
}

/// Where in a shard of that many slots the search for a hash begins: the hash's lower half, scaled.
#[inline]
pub(super) fn place_of(hash: u64, slots: usize) -> usize {
    (((hash & 0xffff_ffff) * slots as u64) >> 32) as usize
}

#[inline]
fn next(place: usize, slots: usize) -> usize {
    if place + 1 == slots { 0 } else { place + 1 }
}

/// A shard in the making.
#[derive(Clone, Debug)]
pub(super) struct ShardDraft {
    slots: Vec<Option<Entry>>,
    len: usize,
}

impl ShardDraft {
    /// A shard that is to be changed.
    pub(super) fn of(shard: &Shard) -> ShardDraft {
        ShardDraft { slots: shard.to_vec(), len: shard.iter().flatten().count() }
    }

    /// A shard of these, no two of which are equal.
    pub(super) fn filled_with(entries: Vec<Entry>) -> ShardDraft {
        let len = entries.len();
        let mut slots = vec![None; slots_for(len)];
        entries.into_iter().for_each(|entry| put(&mut slots, entry));
        ShardDraft { slots, len }
    }

    /// Its slots as they are so far.
    pub(super) fn slots(&self) -> &[Option<Entry>] {
        &self.slots
    }

    /// The entry with that hash of which `is_it` holds.
    pub(super) fn find_mut(
        &mut self,
        hash: u64,
        is_it: impl Fn(&Entry) -> bool,
    ) -> Option<&mut Entry> {
        let (place, _) = find(&self.slots, hash, is_it)?;
        self.slots[place].as_mut()
    }

    /// Adds an entry that is not there yet.
    pub(super) fn add(&mut self, entry: Entry) {
        self.len += 1;
        if self.slots.len() < slots_for(self.len) {
            // A quarter more, so that not each of many is a new layout.
            self.lay_out(slots_for(self.len + self.len / 4));
        }
        put(&mut self.slots, entry);
    }

    /// Takes an entry out. False where it is not there.
    pub(super) fn remove(&mut self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> bool {
        let Some((mut place, _)) = find(&self.slots, hash, is_it) else { return false };
        self.slots[place] = None;
        self.len -= 1;
        // No search may end at its slot for what stands behind it.
        loop {
            place = next(place, self.slots.len());
            let Some(entry) = self.slots[place].take() else { return true };
            put(&mut self.slots, entry);
        }
    }

    /// The shard, with as many slots as its entries want.
    pub(super) fn finish(mut self) -> Shard {
        if self.slots.len() != slots_for(self.len) {
            self.lay_out(slots_for(self.len));
        }
        Arc::from(self.slots)
    }

    fn lay_out(&mut self, slots: usize) {
        let before = std::mem::replace(&mut self.slots, vec![None; slots]);
        before.into_iter().flatten().for_each(|entry| put(&mut self.slots, entry));
    }
}

fn slots_for(entries: usize) -> usize {
    entries * 5 / 3 + 1
}

fn put(slots: &mut [Option<Entry>], entry: Entry) {
    let mut place = place_of(entry.hash, slots.len());
    while slots[place].is_some() {
        place = next(place, slots.len());
    }
    slots[place] = Some(entry);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::filing::{Reason, Verdict};
    use crate::zone::{Builder, Column};

    fn entry(hash: u64, verdict: Verdict) -> Entry {
        let apex = "example.".parse().expect("a name");
        Entry::new(Builder::broken(&apex), Column::of(verdict), hash)
    }

    proptest! {
        /// The hashes are few and lie close together, so that most searches go on and around the end.
        #[test]
        fn a_shard_is_a_map(
            first in prop::collection::btree_set(0u64..40, 0..30),
            steps in prop::collection::vec((0u64..40, 0u8..3), 0..120),
        ) {
            let hash = |number: u64| 0xffff_fff0 + number % 20 + ((number / 20) << 40);
            let open = |number| entry(hash(number), Verdict::Open);
            let mut draft = ShardDraft::filled_with(first.iter().copied().map(open).collect());
            let mut map: BTreeMap<u64, Verdict> =
                first.into_iter().map(|number| (hash(number), Verdict::Open)).collect();
            for (number, step) in steps {
                let hash = hash(number);
                match (step, map.contains_key(&hash)) {
                    (0, is_there) => {
                        prop_assert_eq!(draft.remove(hash, |_| true), is_there);
                        map.remove(&hash);
                    }
                    (1, false) => {
                        draft.add(open(number));
                        map.insert(hash, Verdict::Open);
                    }
                    (_, is_there) => {
                        let verdict = Verdict::Blocked(Reason::NoFiling);
                        let found = draft.find_mut(hash, |_| true);
                        prop_assert_eq!(found.is_some(), is_there);
                        found.into_iter().for_each(|entry| entry.column = Column::of(verdict));
                        map.entry(hash).and_modify(|of| *of = verdict);
                    }
                }
                if number % 7 == 0 {
                    draft = ShardDraft::of(&draft.finish());
                }
                let slots = draft.slots();
                prop_assert!(slots.iter().any(Option::is_none), "every search ends");
                prop_assert_eq!(slots.iter().flatten().count(), map.len());
                for (&hash, &verdict) in &map {
                    let found = find(slots, hash, |_| true).map(|(_, entry)| entry.column.own);
                    prop_assert_eq!(found, Some(verdict));
                }
            }
            let len = map.len();
            prop_assert_eq!(draft.finish().len(), slots_for(len));
        }
    }
}
