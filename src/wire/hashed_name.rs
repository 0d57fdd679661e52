//! A name prepared for lookups: lower-cased once, with the hash of every suffix of it, from the
//! root label down. Zones and owner names are found by these hashes.

use arrayvec::ArrayVec;

use super::fixed::get;
use super::name::{MAX_LABEL_LEN, MAX_NAME_LEN, label_starts};

/// Most labels that a name of 255 bytes can have, the root label not counted.
const MAX_LABELS: usize = 127;
/// Room to read the last label in words of eight bytes without leaving the buffer.
const WORD: usize = 8;

/// Keys the suffix hashes. Random for each process, so that a zone's owner cannot make up names
/// that collide.
#[derive(Clone, Copy, Debug)]
pub struct HashKey([u64; 2]);

impl HashKey {
    /// A key from the operating system's randomness.
    pub fn random() -> HashKey {
        use std::hash::{BuildHasher, RandomState};
        let word = || RandomState::new().hash_one(0u8);
        HashKey([word(), word() | 1])
    }

    /// For a snapshot, whose hashes go by this key.
    pub fn words(self) -> [u64; 2] {
        self.0
    }

    /// The key of these [`HashKey::words`].
    pub fn of_words(words: [u64; 2]) -> HashKey {
        HashKey(words)
    }

    /// The hash of a whole name in lower case, as [`HashedName::full_hash`] has it.
    pub fn hash(self, wire: &[u8]) -> u64 {
        let mut hash = self.root();
        for &start in label_starts(wire).iter().rev() {
            let rest = &wire[usize::from(start)..];
            hash = self.hash_below(hash, &rest[..=usize::from(rest[0])]);
        }
        hash
    }

    /// The hash of a name from that of the name above it and from its first label, in lower case and
    /// with its length in front.
    pub fn hash_below(self, above: u64, label: &[u8]) -> u64 {
        let (words, rest) = label.as_chunks::<WORD>();
        let hash = words.iter().fold(above, |hash, word| self.mix(hash, u64::from_le_bytes(*word)));
        match rest {
            [] => hash,
            _ => {
                self.mix(hash, rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
            }
        }
    }

    /// The hash of the root name.
    fn root(self) -> u64 {
        self.0[0]
    }

    fn mix(self, state: u64, word: u64) -> u64 {
        let product = u128::from(state ^ word) * u128::from(self.0[1]);
        let folded = (product as u64) ^ ((product >> 64) as u64);
        // The sum keeps a state that has folded to zero from staying there.
        folded.wrapping_add(self.0[0])
    }
}

/// A lower-cased name in wire form with the hashes of its suffixes.
#[derive(Clone)]
pub struct HashedName {
    wire: [u8; MAX_NAME_LEN + WORD],
    len: usize,
    /// Where each label starts, leftmost first.
    starts: ArrayVec<u8, MAX_LABELS>,
    /// `hashes[n]` is the hash of the suffix of `n` labels; the root's is the first.
    hashes: ArrayVec<u64, { MAX_LABELS + 1 }>,
}

impl HashedName {
    /// Room for a name: no name yet, until [`Self::fill`] has read one.
    pub fn room() -> HashedName {
        HashedName {
            wire: [0; MAX_NAME_LEN + WORD],
            len: 0,
            starts: ArrayVec::new(),
            hashes: ArrayVec::new(),
        }
    }

    /// Reads the uncompressed name that `wire` starts with; `None` where it is no whole name
    /// (compression pointers, too long, cut short).
    pub fn read(wire: &[u8], key: HashKey) -> Option<HashedName> {
        let mut name = HashedName::room();
        name.fill(wire, key).then_some(name)
    }

    /// As [`Self::read`], in place of what was there; false where it is no whole name. Saves the
    /// answer path the copying of 1.4 KB.
    pub fn fill(&mut self, wire: &[u8], key: HashKey) -> bool {
        self.starts.clear();
        self.hashes.clear();
        let mut at = 0;
        loop {
            let Some(&len) = wire.get(at) else { return false };
            let len = usize::from(len);
            if len == 0 {
                break;
            }
            let is_too_long = len > MAX_LABEL_LEN || at + len + 2 > MAX_NAME_LEN;
            if is_too_long || self.starts.try_push(at as u8).is_err() {
                return false;
            }
            at += len + 1;
        }
        self.len = at + 1;
        let lower = &mut self.wire[..self.len];
        lower.copy_from_slice(&wire[..self.len]);
        lower.make_ascii_lowercase();
        self.hash_suffixes(key);
        true
    }

    fn hash_suffixes(&mut self, key: HashKey) {
        let mut hash = key.root();
        self.hashes.push(hash);
        for &start in self.starts.iter().rev() {
            let start = usize::from(start);
            // The length byte goes into the hash, so that labels cannot run into each other.
            let end = start + 1 + usize::from(self.wire[start]);
            let mut at = start;
            while at < end {
                let word = u64::from_le_bytes(get(&self.wire, at));
                let kept = (end - at).min(WORD);
                let mask = u64::MAX >> (8 * (WORD - kept));
                hash = key.mix(hash, word & mask);
                at += WORD;
            }
            self.hashes.push(hash);
        }
    }

    /// The whole name, in lower case.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire[..self.len]
    }

    /// Number of labels, the root label not counted.
    pub fn label_count(&self) -> usize {
        self.starts.len()
    }

    /// Hash of the suffix of that many labels (0: the root; [`Self::label_count`]: the name).
    pub fn hash(&self, labels: usize) -> u64 {
        self.hashes[labels]
    }

    /// Hash of the whole name.
    pub fn full_hash(&self) -> u64 {
        self.hashes[self.label_count()]
    }

    /// The suffix of that many labels, in wire form.
    pub fn suffix(&self, labels: usize) -> &[u8] {
        &self.wire[self.offset(labels)..self.len]
    }

    /// Where in the wire form the suffix of that many labels starts.
    pub fn offset(&self, labels: usize) -> usize {
        match self.label_count().checked_sub(labels) {
            Some(index) if labels > 0 => usize::from(self.starts[index]),
            _ => self.len - 1,
        }
    }

    /// The labels, leftmost first.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        super::name::labels(self.as_wire())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Name;

    fn hashed(text: &str, key: HashKey) -> HashedName {
        let name: Name = text.parse().expect("a test's name is valid");
        HashedName::read(name.as_wire(), key).expect("a whole name")
    }

    #[test]
    fn suffixes_hash_as_the_names_they_are() {
        let key = HashKey::random();
        let name = hashed("www.Some-Longer-Label.Example.", key);
        for (labels, text) in
            [".", "example.", "some-longer-label.example.", "www.some-longer-label.example."]
                .into_iter()
                .enumerate()
        {
            let suffix = hashed(text, key);
            assert_eq!(name.hash(labels), suffix.full_hash(), "{text}");
            assert_eq!(name.suffix(labels), suffix.as_wire(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_name_hashes_as_its_first_label_below_the_rest(
            labels in vec(vec(any::<u8>(), 1..=63), 1..4)
        ) {
            let key = HashKey::random();
            let wire = labels.iter().flat_map(|label| [&[label.len() as u8][..], label].concat());
            let wire: Vec<u8> = wire.chain([0]).collect();
            let name = HashedName::read(&wire, key).expect("a whole name");
            let first = &name.as_wire()[..=labels[0].len()];
            prop_assert_eq!(key.hash_below(name.hash(labels.len() - 1), first), name.full_hash());
            prop_assert_eq!(key.hash(name.as_wire()), name.full_hash());
        }
    }

    #[test]
    fn neighbouring_names_hash_apart() {
        let key = HashKey::random();
        let hashes = ["ab.c.", "a.bc.", "abc.", "a.b.c.", "abcdefgh.", "abcdefghi.", "."]
            .map(|text| hashed(text, key).full_hash());
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash));
        }
    }

    #[test]
    fn what_is_no_whole_name_is_refused() {
        let key = HashKey::random();
        for wire in [&b""[..], b"\x03www", b"\xc0\x0c", b"\x40"] {
            assert!(HashedName::read(wire, key).is_none());
        }
        let longest = [[&[63u8][..], &[b'a'; 63]].concat().repeat(3), vec![61], vec![b'a'; 61]];
        let mut longest = longest.concat();
        longest.push(0);
        assert_eq!(longest.len(), 255);
        assert!(HashedName::read(&longest, key).is_some());
        longest[192] = 62;
        longest.insert(193, b'a');
        assert!(HashedName::read(&longest, key).is_none());
    }
}
