//! All hosted zones, each with its verdict beside it, as queries see them. [`super::set`] makes it: a
//! new version of one zone, or a new verdict, copies one shard of a few hundred slots and leaves the
//! rest as it is.

use std::sync::Arc;

use super::ancestors::Ancestors;
use super::block::Zone;
use super::shard::{self, Shard, place_of};
use crate::filing::Verdict;
use crate::prefetch::prefetch;
use crate::region::Region;
use crate::wire::{HashKey, HashedName, Name};

/// Number of shards; a power of two. At a million zones a shard has about 250 of them.
pub(super) const SHARDS: usize = 4096;
/// Bits of the hash that choose the shard.
const SHARD_BITS: u32 = SHARDS.trailing_zeros();

/// What the gate keeps beside each zone: the only thing about filings that a query reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The verdict where the addresses are this provider's, or of unknown region.
    pub own: Verdict,
    /// The verdict where they are in mainland China, but none of them ours (row 24).
    pub other_mainland: Verdict,
    /// Since when the verdict for own addresses has stood: seconds since 1970; 0 where unknown.
    pub since: u32,
    /// When a verdict changes by itself: seconds since 1970; 0 where none does.
    pub next_change: u32,
    /// Verdicts of names within the zone differ: see the state's scopes.
    pub has_scopes: bool,
}

impl Column {
    /// The same verdict wherever the addresses are, standing for good.
    pub fn of(verdict: Verdict) -> Column {
        Column {
            own: verdict,
            other_mainland: verdict,
            since: 0,
            next_change: 0,
            has_scopes: false,
        }
    }

    /// True where it is all that there is of a zone's verdicts, and stays so until a record changes.
    pub fn is_for_good(&self) -> bool {
        !self.has_scopes && self.next_change == 0
    }

    /// True where both say the same, since whenever.
    pub fn agrees_with(&self, other: &Column) -> bool {
        (self.own, self.other_mainland) == (other.own, other.other_mainland)
    }

    /// The verdict where the addresses are in that region.
    pub fn verdict_in(&self, region: Region) -> Verdict {
        match (self.own, region) {
            (Verdict::Exempt, _) => Verdict::Exempt,
            (own, Region::Own) => own,
            (_, Region::OtherMainland) => self.other_mainland,
            (_, Region::Overseas) => Verdict::NotRequired,
        }
    }
}

/// A hosted zone and its verdict. Two to a cache line, and none across two.
#[derive(Clone, Debug)]
#[repr(align(32))]
pub struct Entry {
    /// The zone.
    pub zone: Zone,
    /// Its verdict.
    pub column: Column,
    /// Of the zone; see [`Zone::lines`].
    lines: u8,
    pub(super) hash: u64,
}

impl Entry {
    /// A zone whose apex has that hash, with its verdict.
    pub(super) fn new(zone: Zone, column: Column, hash: u64) -> Entry {
        Entry { lines: zone.lines(), zone, column, hash }
    }

    /// What the writer knows the zone by.
    pub fn id(&self) -> ZoneId {
        ZoneId(self.hash)
    }
}

/// A hosted zone as the writer's indices know it: the hash of its apex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(pub(crate) u64);

const _: () = assert!(size_of::<Option<Entry>>() == 32);

/// The hosted zones. Immutable; cheap to clone.
#[derive(Clone, Debug)]
pub struct ZoneTable {
    pub(super) shards: Arc<[Shard]>,
    pub(super) key: HashKey,
    /// Bit n is set where a zone of n labels is hosted.
    pub(super) depths: u128,
    pub(super) ancestors: Ancestors,
}

/// A hosted zone found for a name, and the hosted zone above it, if there is one.
#[derive(Clone, Copy)]
pub struct Found<'t> {
    /// The zone with the longest matching apex.
    pub entry: &'t Entry,
    /// The zone with the next longest.
    pub parent: Option<&'t Entry>,
}

impl Default for ZoneTable {
    fn default() -> ZoneTable {
        let empty: Shard = Arc::from([None]);
        ZoneTable {
            shards: Arc::from(vec![empty; SHARDS]),
            key: HashKey::random(),
            depths: 0,
            ancestors: Ancestors::default(),
        }
    }
}

impl ZoneTable {
    /// The key under which names are hashed for this table and its zones.
    pub fn key(&self) -> HashKey {
        self.key
    }

    /// The hosted zone that a name is in: the one with the longest apex.
    #[inline]
    pub fn find<'t>(&'t self, name: &HashedName) -> Option<Found<'t>> {
        let mut found = None;
        let mut parent = None;
        // From the root down: upper levels are few, and so in the cache; most names need one
        // look at a cold slot, that of their own zone.
        for labels in self.levels(name) {
            if let Some(entry) = self.entry(name.hash(labels), name.suffix(labels)) {
                parent = found.replace(entry);
            }
        }
        found.map(|entry| Found { entry, parent })
    }

    /// Begins to fetch what leads to the slots of [`Self::fetch_slots`].
    #[inline]
    pub fn fetch_shards(&self, name: &HashedName) {
        for labels in self.levels(name) {
            prefetch(&raw const self.shards[shard_of(name.hash(labels))]);
        }
    }

    /// Begins to fetch the slots in which [`Self::find`] will look.
    #[inline]
    pub fn fetch_slots(&self, name: &HashedName) {
        for labels in self.levels(name) {
            let hash = name.hash(labels);
            let shard = &self.shards[shard_of(hash)];
            let slot = &raw const shard[place_of(hash, shard.len())];
            // A third of the searches end in the next cache line.
            prefetch(slot);
            prefetch(slot.wrapping_add(2));
        }
    }

    /// Begins to fetch the zones at which [`Self::find`] will look.
    #[inline]
    pub fn fetch_zones(&self, name: &HashedName) {
        for labels in self.levels(name) {
            // By its hash alone: the apex stands in the zone, which is what is yet to come.
            if let Some(entry) = self.slot(name.hash(labels), |_| true) {
                entry.zone.prefetch(entry.lines);
            }
        }
    }

    /// The zone with exactly that apex.
    pub fn get(&self, apex: &Name) -> Option<&Entry> {
        let name = HashedName::read(apex.as_wire(), self.key)?;
        self.entry(name.full_hash(), name.as_wire())
    }

    /// All hosted zones, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.shards.iter().flat_map(|shard| shard.iter().flatten())
    }

    /// The numbers of labels, ascending, of the name's suffixes at which zones may be hosted.
    #[inline]
    fn levels<'t>(&'t self, name: &'t HashedName) -> impl Iterator<Item = usize> + 't {
        let (mut depths, most) = (self.depths, name.label_count());
        std::iter::from_fn(move || {
            // Without any left it is 128, more than a name has.
            let labels = depths.trailing_zeros() as usize;
            depths &= depths.wrapping_sub(1);
            (labels <= most).then_some(labels)
        })
        // What has nothing below it has nothing further below either.
        .take_while(|&labels| labels == 0 || self.ancestors.may_contain(name.hash(labels - 1)))
    }

    #[inline]
    pub(super) fn entry(&self, hash: u64, apex: &[u8]) -> Option<&Entry> {
        self.slot(hash, |entry| entry.zone.apex() == apex)
    }

    /// The entry with that hash of which `is_it` holds.
    #[inline]
    pub(super) fn slot(&self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        shard::find(&self.shards[shard_of(hash)], hash, is_it).map(|(_, entry)| entry)
    }
}

pub(super) fn shard_of(hash: u64) -> usize {
    (hash >> (u64::BITS - SHARD_BITS)) as usize
}
