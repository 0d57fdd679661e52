//! The one 64-bit hash of filing keys, subjects and site domains.
//!
//! Its key is fixed, so that the same record has the same hash in every run: snapshots and logs
//! may hold it. Nobody outside can choose enough records to make collisions pay.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

const KEY: (u64, u64) = (0x6265_6961_6e64_2e69, 0x6370_2e66_696c_696e);

/// The hash of some bytes.
pub(super) fn of_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(KEY.0, KEY.1);
    hasher.write(bytes);
    hasher.finish()
}

/// A hash over several parts, none of which can pass for another.
pub(super) struct PartsHasher(SipHasher13);

impl PartsHasher {
    pub(super) fn new() -> PartsHasher {
        PartsHasher(SipHasher13::new_with_keys(KEY.1, KEY.0))
    }

    /// Adds a text, letter case of ASCII ignored.
    pub(super) fn text(&mut self, text: &str) -> &mut PartsHasher {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            for byte in text.bytes() {
                self.0.write(&[byte.to_ascii_lowercase()]);
            }
        } else {
            self.0.write(text.as_bytes());
        }
        // No UTF-8 text holds this byte, so the parts cannot run into each other.
        self.0.write(&[0xff]);
        self
    }

    /// Adds a number.
    pub(super) fn number(&mut self, number: u64) -> &mut PartsHasher {
        self.0.write(&number.to_le_bytes());
        self
    }

    pub(super) fn finish(&self) -> u64 {
        self.0.finish()
    }
}
