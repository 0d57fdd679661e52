//! The one 64-bit hash of filing keys, subjects and site domains.
//!
//! Its key is fixed, so that the same record has the same hash in every run: snapshots and logs
//! may hold it. Nobody outside can choose enough records to make collisions pay.

use std::hash::Hasher;

use arrayvec::ArrayVec;
use siphasher::sip::SipHasher13;

const KEY: (u64, u64) = (0x6265_6961_6e64_2e69, 0x6370_2e66_696c_696e);

/// Behind a text. No UTF-8 text holds this byte, so the parts cannot run into each other.
const END: u8 = 0xff;

/// The hash of some bytes.
pub(super) fn of_bytes(bytes: &[u8]) -> u64 {
    SipHasher13::new_with_keys(KEY.0, KEY.1).hash(bytes)
}

/// A hash over several parts, none of which can pass for another.
pub(super) struct PartsHasher {
    hasher: SipHasher13,
    /// What is not hashed yet: parts are short, and all at once take a third of one by one.
    waiting: ArrayVec<u8, 256>,
}

impl PartsHasher {
    pub(super) fn new() -> PartsHasher {
        let hasher = SipHasher13::new_with_keys(KEY.1, KEY.0);
        PartsHasher { hasher, waiting: ArrayVec::new() }
    }

    /// Adds a text, letter case of ASCII ignored.
    pub(super) fn text(&mut self, text: &str) -> &mut PartsHasher {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            for byte in text.bytes() {
                self.write(&[byte.to_ascii_lowercase()]);
            }
            self.write(&[END]);
            self
        } else {
            self.lower_text(text)
        }
    }

    /// Adds a text that has no letters of ASCII in upper case.
    pub(super) fn lower_text(&mut self, text: &str) -> &mut PartsHasher {
        self.write(text.as_bytes());
        self.write(&[END]);
        self
    }

    /// Adds a number.
    pub(super) fn number(&mut self, number: u64) -> &mut PartsHasher {
        self.write(&number.to_le_bytes());
        self
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.waiting.try_extend_from_slice(bytes).is_err() {
            self.hasher.write(&self.waiting);
            self.waiting.clear();
            if self.waiting.try_extend_from_slice(bytes).is_err() {
                self.hasher.write(bytes);
            }
        }
    }

    pub(super) fn finish(&self) -> u64 {
        self.hasher.hash(&self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Snapshots hold these hashes.
        #[test]
        fn parts_that_wait_are_hashed_as_parts_that_do_not(
            texts in proptest::collection::vec("[a-cA例]{0,120}|[a例]{250,300}", 0..6), number: u64,
        ) {
            let mut parts = PartsHasher::new();
            let mut whole = SipHasher13::new_with_keys(KEY.1, KEY.0);
            for text in &texts {
                let lower = text.to_ascii_lowercase();
                parts.text(text).number(number).lower_text(&lower);
                whole.write(lower.as_bytes());
                whole.write(&[END]);
                whole.write(&number.to_le_bytes());
                whole.write(lower.as_bytes());
                whole.write(&[END]);
            }
            proptest::prop_assert_eq!(parts.finish(), whole.finish());
        }
    }
}
