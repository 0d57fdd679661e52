//! Which names hosted zones are below: asked before each look at the table of zones, since a look that
//! finds nothing waits for memory as long as one that finds something.

use std::sync::Arc;

/// Words that the smallest set has: half a kilobyte.
const FEWEST_WORDS: usize = 64;

/// A set of names by their hashes: a bit for each name, among 64 times as many or more, so that about
/// one stranger in 64 at most passes for one of them. None of them is ever taken for a stranger. Under
/// a few top-level domains it is half a kilobyte, at a million zones with a parent each 8 MiB.
#[derive(Clone, Debug)]
pub struct Ancestors {
    words: Arc<[u64]>,
    /// A hash shifted right by this is the number of its bit.
    shift: u32,
}

impl Default for Ancestors {
    fn default() -> Ancestors {
        Ancestors::of([].into_iter())
    }
}

impl Ancestors {
    /// The set of the names that have these hashes.
    pub fn of(hashes: impl ExactSizeIterator<Item = u64>) -> Ancestors {
        let mut words = vec![0; hashes.len().next_power_of_two().max(FEWEST_WORDS)];
        let shift = u64::BITS - u64::BITS.trailing_zeros() - words.len().trailing_zeros();
        for hash in hashes {
            let (word, bit) = place_of(hash, shift);
            words[word] |= bit;
        }
        Ancestors { words: Arc::from(words), shift }
    }

    /// False only where the name is not in the set.
    #[inline]
    pub fn may_contain(&self, hash: u64) -> bool {
        let (word, bit) = place_of(hash, self.shift);
        self.words[word] & bit != 0
    }
}

#[inline]
fn place_of(hash: u64, shift: u32) -> (usize, u64) {
    let bit = hash >> shift;
    ((bit / u64::from(u64::BITS)) as usize, 1 << (bit % u64::from(u64::BITS)))
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn all_that_were_put_in_are_in_it_and_few_others() {
        let state = RandomState::new();
        let hash = |number: u32| state.hash_one(number);
        for count in [0, 1, 63, 64, 65, 1_000, 20_000] {
            let set = Ancestors::of((0..count).map(hash));
            assert!((0..count).all(|number| set.may_contain(hash(number))), "{count}");
            let others = (count..count + 64_000).filter(|number| set.may_contain(hash(*number)));
            // A thousand are expected where there is no room to spare.
            let others = others.count();
            assert!(others < 1_200, "{others} beside {count}");
            assert!(count > 0 || others == 0);
        }
    }
}
