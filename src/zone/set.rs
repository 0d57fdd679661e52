//! The writer's side of the zones: changes are collected, then published as a new table.

use std::sync::Arc;

use hashbrown::HashMap;

use super::ancestors::Ancestors;
use super::block::Zone;
use super::shard::{self, ShardDraft};
use super::table::{Column, Entry, SHARDS, ZoneId, ZoneTable, shard_of};
use crate::wire::{HashKey, HashedName, Name};

/// Hosted zones in the making: see the module's description.
#[derive(Clone, Debug, Default)]
pub struct ZoneSet {
    table: ZoneTable,
    changed: HashMap<usize, ShardDraft>,
    /// For each name that a hosted zone is below: how many are.
    below: HashMap<u64, u32>,
    /// Since the last publication a name became one of these, or ceased to be one.
    has_other_ancestors: bool,
    /// Zones by number of labels.
    depths: HashMap<usize, u32>,
    len: usize,
}

impl ZoneSet {
    /// Into how many shards the zones fall, by their hashes.
    pub const SHARDS: usize = SHARDS;

    /// No zones.
    pub fn new() -> ZoneSet {
        ZoneSet::default()
    }

    /// No zones; names are hashed under this key.
    pub fn with_key(key: HashKey) -> ZoneSet {
        let table = ZoneTable { key, ..ZoneTable::default() };
        ZoneSet { table, ..ZoneSet::default() }
    }

    /// The key under which names are hashed.
    pub fn key(&self) -> HashKey {
        self.table.key
    }

    /// Number of zones.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without zones.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The zone with exactly that apex, changes since the last publication included.
    pub fn get(&self, apex: &Name) -> Option<&Entry> {
        let name = HashedName::read(apex.as_wire(), self.table.key)?;
        self.slot(name.full_hash(), |entry| is_at(entry, &name))
    }

    /// The zone of that id, changes since the last publication included.
    pub fn by_id(&self, id: ZoneId) -> Option<&Entry> {
        self.slot(id.0, |_| true)
    }

    fn slot(&self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        match self.changed.get(&shard_of(hash)) {
            Some(draft) => shard::find(draft.slots(), hash, is_it).map(|(_, entry)| entry),
            None => self.table.slot(hash, is_it),
        }
    }

    /// Adds a zone, or replaces the one with the same apex.
    pub fn insert(&mut self, zone: Zone, column: Column) -> ZoneId {
        let name = HashedName::read(zone.apex(), self.table.key).expect("an apex is a name");
        let id = ZoneId(name.full_hash());
        let new = Entry::new(zone, column, name.full_hash());
        let draft = self.draft(name.full_hash());
        if let Some(entry) = draft.find_mut(id.0, |entry| is_at(entry, &name)) {
            *entry = new;
            return id;
        }
        draft.add(new);
        self.len += 1;
        *self.depths.entry(name.label_count()).or_default() += 1;
        for labels in 0..name.label_count() {
            let below = self.below.entry(name.hash(labels)).or_default();
            *below += 1;
            self.has_other_ancestors |= *below == 1;
        }
        id
    }

    /// Takes a zone out. False where there was none.
    pub fn remove(&mut self, apex: &Name) -> bool {
        let Some(name) = HashedName::read(apex.as_wire(), self.table.key) else { return false };
        if !self.draft(name.full_hash()).remove(name.full_hash(), |entry| is_at(entry, &name)) {
            return false;
        }
        self.len -= 1;
        release(&mut self.depths, name.label_count());
        for labels in 0..name.label_count() {
            self.has_other_ancestors |= release(&mut self.below, name.hash(labels)) == 0;
        }
        true
    }

    /// Sets the verdict of a zone. False where there is no such zone, or it has that verdict.
    pub fn set_column(&mut self, id: ZoneId, column: Column) -> bool {
        if self.by_id(id).is_none_or(|entry| entry.column == column) {
            return false;
        }
        if let Some(entry) = self.draft(id.0).find_mut(id.0, |_| true) {
            entry.column = column;
        }
        true
    }

    /// The table with all changes so far.
    pub fn publish(&mut self) -> ZoneTable {
        if !self.changed.is_empty() {
            let mut shards = self.table.shards.to_vec();
            for (index, draft) in self.changed.drain() {
                shards[index] = draft.finish();
            }
            self.table.shards = Arc::from(shards);
        }
        if std::mem::take(&mut self.has_other_ancestors) {
            self.table.ancestors = Ancestors::of(self.below.keys().copied());
        }
        self.table.depths = self.depths.keys().map(|labels| 1 << labels).sum();
        self.table.clone()
    }

    /// All zones, changes since the last publication included.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        (0..Self::SHARDS).flat_map(|shard| self.in_shard(shard))
    }

    /// The zones of one shard. A zone stays in its shard.
    pub fn in_shard(&self, shard: usize) -> impl Iterator<Item = &Entry> {
        let slots = match self.changed.get(&shard) {
            Some(draft) => draft.slots(),
            None => &self.table.shards[shard],
        };
        slots.iter().flatten()
    }

    fn draft(&mut self, hash: u64) -> &mut ShardDraft {
        let index = shard_of(hash);
        self.changed.entry(index).or_insert_with(|| ShardDraft::of(&self.table.shards[index]))
    }
}

/// A set that is filled with many zones at once: each is looked at once, and each shard laid out once.
#[derive(Debug)]
pub struct Filling {
    set: ZoneSet,
    shards: Vec<Vec<Entry>>,
}

/// Zones for a [`Filling`]: they can be put together, and their names hashed, on another thread.
pub struct Portion {
    entries: Vec<Entry>,
    below: HashMap<u64, u32>,
    depths: HashMap<usize, u32>,
    key: HashKey,
    /// Room for the name at hand.
    name: HashedName,
}

impl Portion {
    /// No zones yet; names are hashed under this key.
    pub fn new(key: HashKey) -> Portion {
        let (below, depths) = (HashMap::new(), HashMap::new());
        Portion { entries: Vec::new(), below, depths, key, name: HashedName::room() }
    }

    /// Adds a zone. No other may have the same apex, whatever portion it is in.
    pub fn add(&mut self, zone: Zone, column: Column) -> ZoneId {
        let Portion { entries, below, depths, key, name } = self;
        assert!(name.fill(zone.apex(), *key), "an apex is a name");
        let hash = name.full_hash();
        *depths.entry(name.label_count()).or_default() += 1;
        for labels in 0..name.label_count() {
            *below.entry(name.hash(labels)).or_default() += 1;
        }
        entries.push(Entry::new(zone, column, hash));
        ZoneId(hash)
    }
}

impl Filling {
    /// No zones yet, and room for so many; names are hashed under this key.
    pub fn new(key: HashKey, expected: usize) -> Filling {
        let shard = || Vec::with_capacity(expected / SHARDS);
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Filling { set: ZoneSet::with_key(key), shards }
    }

    /// Adds the zones of a portion, whose key is the same.
    pub fn add(&mut self, portion: Portion) {
        let Filling { set, shards } = self;
        let Portion { entries, below, depths, .. } = portion;
        set.len += entries.len();
        for (labels, count) in depths {
            *set.depths.entry(labels).or_default() += count;
        }
        for (hash, count) in below {
            *set.below.entry(hash).or_default() += count;
        }
        for entry in entries {
            shards[shard_of(entry.hash)].push(entry);
        }
    }

    /// The set of all zones that were added.
    pub fn finish(self) -> ZoneSet {
        let Filling { mut set, shards } = self;
        set.table.shards =
            shards.into_iter().map(|entries| ShardDraft::filled_with(entries).finish()).collect();
        set.has_other_ancestors = true;
        set
    }
}

fn is_at(entry: &Entry, name: &HashedName) -> bool {
    entry.hash == name.full_hash() && entry.zone.apex() == name.as_wire()
}

/// Counts one less; gives how many are left.
fn release<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) -> u32 {
    let hashbrown::hash_map::Entry::Occupied(mut count) = counts.entry(key) else { return 0 };
    *count.get_mut() -= 1;
    let left = *count.get();
    if left == 0 {
        count.remove();
    }
    left
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::filing::{Reason, Verdict};
    use crate::zone::Builder;

    fn name(text: &str) -> Name {
        text.parse().expect("a test's name is valid")
    }

    fn apex_found(table: &ZoneTable, text: &str) -> Option<String> {
        let name = HashedName::read(name(text).as_wire(), table.key())?;
        Some(crate::wire::name::to_text(table.find(&name)?.entry.zone.apex()))
    }

    #[test]
    fn the_longest_apex_wins_and_removed_zones_are_gone() {
        let mut set = ZoneSet::new();
        for apex in ["a.b.example.", "example.", "other.", "b.example."] {
            set.insert(Builder::broken(&name(apex)), Column::of(Verdict::Open));
        }
        let table = set.publish();
        assert_eq!(apex_found(&table, "x.a.b.EXAMPLE.").as_deref(), Some("a.b.example."));
        assert_eq!(apex_found(&table, "x.b.example.").as_deref(), Some("b.example."));
        assert_eq!(apex_found(&table, "x.y.example.").as_deref(), Some("example."));
        assert_eq!(apex_found(&table, "com."), None);
        assert!(set.remove(&name("b.example.")));
        assert!(!set.remove(&name("b.example.")));
        let later = set.publish();
        assert_eq!(apex_found(&later, "x.b.example.").as_deref(), Some("example."));
        assert_eq!(apex_found(&later, "a.b.example.").as_deref(), Some("a.b.example."));
        assert_eq!(apex_found(&table, "x.b.example.").as_deref(), Some("b.example."), "unchanged");
    }

    #[test]
    fn a_verdict_changes_without_the_zone() {
        let mut set = ZoneSet::new();
        let apex = name("example.");
        set.insert(Builder::broken(&apex), Column::of(Verdict::Open));
        let before = set.publish();
        let blocked = Column::of(Verdict::Blocked(Reason::Cancelled));
        let id = before.get(&apex).expect("the zone is hosted").id();
        assert!(set.set_column(id, blocked));
        assert!(!set.set_column(id, blocked), "nothing changed");
        let after = set.publish();
        assert_eq!(before.get(&apex).map(|entry| entry.column.own), Some(Verdict::Open));
        assert_eq!(after.get(&apex).map(|entry| entry.column), Some(blocked));
    }

    #[test]
    fn many_zones_are_all_found() {
        let mut set = ZoneSet::new();
        let names: Vec<Name> = (0..20_000).map(|n| name(&format!("z{n}.example."))).collect();
        for apex in &names {
            set.insert(Builder::broken(apex), Column::of(Verdict::Open));
        }
        let table = set.publish();
        assert!(names.iter().all(|apex| table.get(apex).is_some()));
        assert_eq!(table.iter().count(), names.len());
        let longest = table.shards.iter().map(|shard| shard.len()).max();
        assert!(longest.is_some_and(|slots| slots <= 64), "about five zones a shard: {longest:?}");

        // The verdict of one is not that of its neighbours in the shard.
        let blocked = Column::of(Verdict::Blocked(Reason::Cancelled));
        let id = table.get(&names[0]).expect("the zone is hosted").id();
        assert!(set.set_column(id, blocked));
        let changed = set.publish();
        let changed: Vec<_> = changed.iter().filter(|entry| entry.column == blocked).collect();
        assert_eq!(changed.iter().map(|entry| entry.id()).collect::<Vec<_>>(), [id]);
    }

    #[test]
    fn a_zone_is_known_by_its_hash_and_its_apex() {
        let mut set = ZoneSet::new();
        let [here, there] = ["here.", "there."].map(|apex| {
            set.insert(Builder::broken(&name(apex)), Column::of(Verdict::Open));
            HashedName::read(name(apex).as_wire(), set.key()).expect("a name")
        });
        let table = set.publish();
        let entry = table.entry(here.full_hash(), here.as_wire()).expect("the zone is hosted");
        assert!(is_at(entry, &here) && !is_at(entry, &there));
        // A stranger's name with the same hash, and a hash that has gone wrong.
        let forged = Entry::new(entry.zone.clone(), entry.column, there.full_hash());
        assert!(!is_at(&forged, &there) && !is_at(&forged, &here));
        for (hash_of, apex_of) in [(&here, &there), (&there, &here)] {
            assert!(table.entry(hash_of.full_hash(), apex_of.as_wire()).is_none());
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert(usize, Verdict),
        Remove(usize),
        Judge(usize, Verdict),
        Publish,
    }

    const APEXES: [&str; 7] =
        [".", "example.", "a.example.", "b.a.example.", "c.b.a.example.", "b.example.", "other."];

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop::sample::select(vec![Verdict::Open, Verdict::Blocked(Reason::NoFiling)])
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0..APEXES.len(), verdict()).prop_map(|(apex, verdict)| Step::Insert(apex, verdict)),
            2 => (0..APEXES.len()).prop_map(Step::Remove),
            1 => (0..APEXES.len(), verdict()).prop_map(|(apex, verdict)| Step::Judge(apex, verdict)),
            2 => Just(Step::Publish),
        ];
        prop::collection::vec(step, 1..30)
    }

    /// The hosted apexes that a name is in, the longest first.
    fn enclosing(hosted: &BTreeMap<Name, Verdict>, of: &Name, key: HashKey) -> Vec<Name> {
        let of = HashedName::read(of.as_wire(), key).expect("a name");
        let suffixes = (0..=of.label_count()).rev();
        suffixes
            .filter_map(|labels| Name::from_wire(of.suffix(labels)))
            .filter(|apex| hosted.contains_key(apex))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_set_is_what_was_put_into_it(
            first in prop::collection::btree_map(0..APEXES.len(), verdict(), 0..APEXES.len()),
            steps in steps(),
        ) {
            let key = HashKey::random();
            let mut portions = [Portion::new(key), Portion::new(key)];
            let mut hosted: BTreeMap<Name, Verdict> = BTreeMap::new();
            for (number, (apex, verdict)) in first.into_iter().enumerate() {
                let apex = name(APEXES[apex]);
                portions[number % 2].add(Builder::broken(&apex), Column::of(verdict));
                hosted.insert(apex, verdict);
            }
            let mut filling = Filling::new(key, hosted.len());
            portions.into_iter().for_each(|portion| filling.add(portion));
            let mut set = filling.finish();
            let zone_name = |entry: &Entry| Name::from_wire(entry.zone.apex()).expect("an apex");
            // Whatever came before, nothing stays behind once all is taken out.
            let leave = (0..APEXES.len()).map(Step::Remove).chain([Step::Publish]);
            for step in [Step::Publish].into_iter().chain(steps).chain([Step::Publish]).chain(leave) {
                match step {
                    Step::Insert(apex, verdict) => {
                        let apex = name(APEXES[apex]);
                        set.insert(Builder::broken(&apex), Column::of(verdict));
                        hosted.insert(apex, verdict);
                    }
                    Step::Remove(apex) => {
                        let apex = name(APEXES[apex]);
                        prop_assert_eq!(set.remove(&apex), hosted.remove(&apex).is_some());
                    }
                    Step::Judge(apex, verdict) => {
                        let apex = name(APEXES[apex]);
                        let id = HashedName::read(apex.as_wire(), key).expect("a name").full_hash();
                        let changes = hosted.get(&apex).is_some_and(|old| *old != verdict);
                        prop_assert_eq!(set.set_column(ZoneId(id), Column::of(verdict)), changes);
                        hosted.entry(apex).and_modify(|old| *old = verdict);
                    }
                    Step::Publish => {
                        let table = set.publish();
                        prop_assert_eq!(table.iter().count(), hosted.len());
                        for apex in APEXES {
                            let below = format!("q.{}", apex.trim_start_matches('.'));
                            for asked in [name(apex), name(&below)] {
                                let asked_hash = HashedName::read(asked.as_wire(), key).expect("a name");
                                let found = table.find(&asked_hash);
                                let expected = enclosing(&hosted, &asked, key);
                                prop_assert_eq!(found.map(|found| zone_name(found.entry)), expected.first().cloned());
                                prop_assert_eq!(
                                    found.and_then(|found| found.parent).map(zone_name),
                                    expected.get(1).cloned()
                                );
                            }
                        }
                    }
                }
                prop_assert_eq!((set.len(), set.is_empty()), (hosted.len(), hosted.is_empty()));
                let all: BTreeMap<Name, Verdict> =
                    set.iter().map(|entry| (zone_name(entry), entry.column.own)).collect();
                prop_assert_eq!(&all, &hosted);
                prop_assert_eq!(set.iter().count(), hosted.len());
                for apex in APEXES.map(name) {
                    let found = set.get(&apex);
                    prop_assert_eq!(found.map(|entry| entry.column.own), hosted.get(&apex).copied());
                    let by_id = found.and_then(|entry| set.by_id(entry.id()));
                    prop_assert_eq!(by_id.map(zone_name), found.map(zone_name));
                }
            }
            prop_assert!(set.below.is_empty() && set.depths.is_empty() && set.table.depths == 0);
            let root = HashedName::read(name(".").as_wire(), key).expect("a name").full_hash();
            prop_assert!(!set.table.ancestors.may_contain(root));
        }
    }
}
