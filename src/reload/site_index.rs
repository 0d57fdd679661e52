//! From a site domain to the zones whose verdicts depend on its records.
//!
//! Owns that index. A site domain is known there by half of its key: with a million zones, one
//! look-up in 4,000 also finds a zone that it has nothing to do with, whose verdict is then taken
//! in vain.

use hashbrown::HashTable;

use crate::feed::SiteKey;
use crate::zone::ZoneId;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct SiteIndex(HashTable<Pair>);

/// Not aligned to eight bytes: there are two million places for a million zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(4))]
struct Pair {
    site: u32,
    zone: ZoneId,
}

const _: () = assert!(size_of::<Pair>() == 12);

impl SiteIndex {
    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, pairs: usize) {
        self.0.reserve(pairs, hash);
    }

    /// A pair that is there already stays there once.
    pub(super) fn insert(&mut self, site: SiteKey, zone: ZoneId) {
        let pair = Pair { site: half(site), zone };
        if self.0.find(hash(&pair), |other| *other == pair).is_none() {
            self.0.insert_unique(hash(&pair), pair, hash);
        }
    }

    pub(super) fn remove(&mut self, site: SiteKey, zone: ZoneId) {
        let pair = Pair { site: half(site), zone };
        if let Ok(found) = self.0.find_entry(hash(&pair), |other| *other == pair) {
            found.remove();
        }
    }

    /// Each zone of the site domain, once, and perhaps others.
    pub(super) fn zones_of(&self, site: SiteKey) -> impl Iterator<Item = ZoneId> {
        let site = half(site);
        let found = self.0.iter_hash(spread(site)).filter(move |pair| pair.site == site);
        found.map(|pair| pair.zone)
    }
}

fn half(site: SiteKey) -> u32 {
    site.0 as u32
}

fn hash(pair: &Pair) -> u64 {
    spread(pair.site)
}

/// The table wants its highest bits to differ, too.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Sites come in twins that share their half: each finds the zones of both, once.
        #[test]
        fn a_look_up_finds_what_was_noted_and_not_forgotten(
            steps in proptest::collection::vec((any::<bool>(), 0u64..8, 0u64..4), 0..200),
        ) {
            let (mut index, mut noted) = (SiteIndex::default(), BTreeSet::new());
            let site = |number: u64| SiteKey(((number / 4) << 32) | (number % 4));
            for (inserts, number, zone) in steps {
                if inserts {
                    index.insert(site(number), ZoneId(zone));
                    noted.insert((number % 4, zone));
                } else {
                    index.remove(site(number), ZoneId(zone));
                    noted.remove(&(number % 4, zone));
                }
            }
            for number in 0..8 {
                let mut found: Vec<u64> = index.zones_of(site(number)).map(|zone| zone.0).collect();
                found.sort_unstable();
                let of_site = noted.range((number % 4, 0)..=(number % 4, u64::MAX));
                prop_assert_eq!(found, of_site.map(|&(_, zone)| zone).collect::<Vec<u64>>());
            }
        }
    }
}
