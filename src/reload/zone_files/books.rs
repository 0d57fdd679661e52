//! What is remembered of each zone's file: 24 bytes, and the zone's name once.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::folders::FolderId;
use crate::pages::Pages;
use crate::wire::name::{Name, name_len};

/// Where a zone's file stands, and how it looked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// 0 where it is to be read again whatever it looks like.
    pub(super) fingerprint: u64,
    pub(super) folder: FolderId,
    /// The scan that last saw the file here.
    pub(super) seen_in: u32,
    /// When the version in service was read, in seconds after 1970; 0 for never.
    pub(super) read_at: u32,
}

type Places = Pages<Noted, 12>;
/// A page has room for 64 names at least.
type Names = Pages<u8, 14>;

/// Zones by name, each with its place.
#[derive(Debug, Default)]
pub(super) struct Books {
    places: Places,
    /// The names in wire form, one after the other; those of removed zones among them.
    names: Names,
    unused: usize,
    expected: usize,
    /// Indices of `places`, by name.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// New places, put together apart from the books that they are for.
#[derive(Clone, Debug)]
pub(super) struct NewPlaces {
    places: Vec<Noted>,
    names: Names,
    hashes: Vec<u64>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy, Debug)]
struct Noted {
    place: Place,
    name_at: u32,
}

impl Books {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.len() == 0
    }

    pub(super) fn contains(&self, origin: &Name) -> bool {
        self.find(origin).is_some()
    }

    pub(super) fn get(&self, origin: &Name) -> Option<Place> {
        self.find(origin).map(|at| self.at(at))
    }

    pub(super) fn get_mut(&mut self, origin: &Name) -> Option<&mut Place> {
        let at = self.find(origin)?;
        Some(self.at_mut(at))
    }

    /// The place that [`Books::find`] found.
    pub(super) fn at(&self, at: usize) -> Place {
        self.places[at].place
    }

    /// The name, in wire form, and the place of the zone that is noted there.
    pub(super) fn named_at(&self, at: usize) -> Option<(&[u8], Place)> {
        self.places.get(at).map(|&noted| (name_at_place(&self.names, noted), noted.place))
    }

    pub(super) fn at_mut(&mut self, at: usize) -> &mut Place {
        &mut self.places[at].place
    }

    /// Has no file count as one that has been read.
    pub(super) fn forget_fingerprints(&mut self) {
        (0..self.places.len()).for_each(|at| self.places[at].place.fingerprint = 0);
    }

    /// Notes a zone's place, made from the one noted before.
    pub(super) fn note(&mut self, origin: &Name, place: impl FnOnce(Option<Place>) -> Place) {
        let hash = self.hasher.hash_one(origin.as_wire());
        match self.find_hashed(origin, hash) {
            Some(at) => self.places[at].place = place(Some(self.places[at].place)),
            None => self.insert_new(origin.as_wire(), hash, place(None)),
        }
    }

    /// How many there are to be.
    pub(super) fn expected(&self) -> usize {
        self.expected
    }

    /// Makes room for so many, of which there are none yet.
    pub(super) fn expect(&mut self, count: usize) {
        let Books { places, names, index, hasher, expected, .. } = self;
        *expected = count;
        let hash_of = |&at: &u32| hasher.hash_one(name_at_place(names, places[at as usize]));
        index.reserve(count, hash_of);
    }

    fn insert_new(&mut self, origin: &[u8], hash: u64, place: Place) {
        let name_at = note_name(&mut self.names, origin);
        self.places.push(Noted { place, name_at });
        self.index_new(self.places.len() - 1, hash);
    }

    fn index_new(&mut self, at: usize, hash: u64) {
        let at = u32::try_from(at).expect("fewer zones than 2^32");
        let Books { places, names, index, hasher, .. } = self;
        let hash_of = |&at: &u32| hasher.hash_one(name_at_place(names, places[at as usize]));
        index.insert_unique(hash, at, hash_of);
    }

    /// For these books, and none in it yet.
    pub(super) fn new_places(&self) -> NewPlaces {
        let (places, names, hashes) = (Vec::new(), Names::default(), Vec::new());
        NewPlaces { places, names, hashes, hasher: self.hasher }
    }

    /// Notes all of them; none is noted yet.
    pub(super) fn insert_all_new(&mut self, new: NewPlaces) {
        let names_at = as_name_at(self.names.append(new.names));
        as_name_at(self.names.len());
        let at = self.places.len();
        for noted in new.places {
            self.places.push(Noted { name_at: names_at + noted.name_at, ..noted });
        }
        for (at, hash) in (at..).zip(new.hashes) {
            self.index_new(at, hash);
        }
    }

    pub(super) fn remove(&mut self, origin: &Name) {
        let Books { places, names, index, hasher, .. } = self;
        let is_it = |&at: &u32| name_at_place(names, places[at as usize]) == origin.as_wire();
        let Ok(entry) = index.find_entry(hasher.hash_one(origin.as_wire()), is_it) else { return };
        let (at, _) = entry.remove();
        // The last one moves to where it was.
        let last = places.len() as u32 - 1;
        let moved = name_at_place(names, places[last as usize]);
        if let Some(moved) = index.find_mut(hasher.hash_one(moved), |&other| other == last) {
            *moved = at;
        }
        places.swap_remove(at as usize);
        self.unused += origin.as_wire().len();
        if self.unused > self.names.len() / 2 {
            self.close_ranks();
        }
    }

    /// As it is now, to be walked through only: nothing is found in it by name. What does not change
    /// is shared.
    pub(super) fn without_index(&self) -> Books {
        let (places, names) = (self.places.clone(), self.names.clone());
        Books { places, names, ..Books::default() }
    }

    /// Every zone's name in wire form, and its place.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Place)> {
        self.places.iter().map(|&noted| (name_at_place(&self.names, noted), noted.place))
    }

    /// Where a zone is in the books, until one is removed.
    pub(super) fn find(&self, origin: &Name) -> Option<usize> {
        self.find_hashed(origin, self.hasher.hash_one(origin.as_wire()))
    }

    fn find_hashed(&self, origin: &Name, hash: u64) -> Option<usize> {
        let is_it =
            |&at: &u32| name_at_place(&self.names, self.places[at as usize]) == origin.as_wire();
        self.index.find(hash, is_it).map(|&at| at as usize)
    }

    /// Drops the names of removed zones.
    fn close_ranks(&mut self) {
        let mut names = Names::default();
        for at in 0..self.places.len() {
            let name_at = note_name(&mut names, name_at_place(&self.names, self.places[at]));
            self.places[at].name_at = name_at;
        }
        self.names = names;
        self.unused = 0;
    }
}

impl NewPlaces {
    /// One more; its name is whole, and in wire form.
    pub(super) fn add(&mut self, origin: &[u8], place: Place) {
        let name_at = note_name(&mut self.names, origin);
        self.places.push(Noted { place, name_at });
        self.hashes.push(self.hasher.hash_one(origin));
    }
}

fn note_name(names: &mut Names, name: &[u8]) -> u32 {
    as_name_at(names.push_together(name))
}

fn as_name_at(at: usize) -> u32 {
    u32::try_from(at).expect("the names fill less than 4 GiB")
}

fn name_at_place(names: &Names, noted: Noted) -> &[u8] {
    let rest = names.from(noted.name_at as usize);
    &rest[..name_len(rest).expect("only whole names are noted")]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The books say what a map says, whatever was put in and taken out before.
        #[test]
        fn the_books_are_a_map(
            steps in prop::collection::vec((0u8..20, any::<bool>()), 0..200),
            first in prop::collection::btree_set(0u8..20, 0..20),
        ) {
            let (mut books, mut map) = (Books::default(), BTreeMap::new());
            let mut new = books.new_places();
            for zone in first {
                let name: Name = format!("z{zone}.example.").parse().expect("a name");
                let print = u64::from(zone) + 1_000;
                let folder = FolderId::at(0);
                new.add(name.as_wire(), Place { fingerprint: print, folder, seen_in: 0, read_at: 0 });
                map.insert(name, print);
            }
            books.insert_all_new(new);
            for (at, (zone, is_added)) in steps.into_iter().enumerate() {
                let name: Name = format!("z{zone}.example.").parse().expect("a name");
                let folder = FolderId::at(at);
                if is_added {
                    let place = Place { fingerprint: at as u64, folder, seen_in: 0, read_at: 0 };
                    books.note(&name, |_| place);
                    map.insert(name, at as u64);
                } else {
                    books.remove(&name);
                    map.remove(&name);
                }
            }
            prop_assert_eq!(books.len(), map.len());
            for (name, fingerprint) in &map {
                prop_assert_eq!(books.get(name).map(|place| place.fingerprint), Some(*fingerprint));
            }
            let listed: BTreeMap<Vec<u8>, u64> =
                books.iter().map(|(name, place)| (name.to_vec(), place.fingerprint)).collect();
            let wanted: BTreeMap<Vec<u8>, u64> =
                map.iter().map(|(name, print)| (name.as_wire().to_vec(), *print)).collect();
            prop_assert_eq!(listed, wanted);
        }
    }
}
