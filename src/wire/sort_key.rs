//! Keys to sort by. They lie one after the other in a buffer, for a million zones are sorted in the
//! same memory; their first bytes are at hand, which tell most of them apart.

use std::cmp::Ordering;

/// A run of bytes in a buffer; the default is the empty one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SortKey {
    prefix: u64,
    at: usize,
    len: usize,
}

impl SortKey {
    /// The key that starts at that place of the buffer and ends with it.
    #[inline]
    pub fn last_of(buffer: &[u8], at: usize) -> SortKey {
        let bytes = &buffer[at..];
        SortKey { prefix: prefix(bytes), at, len: bytes.len() }
    }

    /// Where the key starts.
    #[inline]
    pub fn at(self) -> usize {
        self.at
    }

    /// True for the key without bytes.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The bytes.
    #[inline]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.at..self.at + self.len]
    }

    /// The order of two keys of one buffer, by their bytes.
    #[inline]
    pub fn order(self, other: SortKey, buffer: &[u8]) -> Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| {
            if self.len.max(other.len) <= PREFIX_LEN {
                // The longer one goes on with zeros.
                self.len.cmp(&other.len)
            } else if (self.at, self.len) == (other.at, other.len) {
                Ordering::Equal
            } else {
                self.of(buffer).cmp(other.of(buffer))
            }
        })
    }

    /// Tells the order of any key of the buffer to these bytes.
    #[inline]
    pub fn orders_to<'a>(bytes: &'a [u8], buffer: &'a [u8]) -> impl Fn(SortKey) -> Ordering + 'a {
        let prefix = prefix(bytes);
        move |key| {
            key.prefix.cmp(&prefix).then_with(|| match key.len.max(bytes.len()) <= PREFIX_LEN {
                true => key.len.cmp(&bytes.len()),
                false => key.of(buffer).cmp(bytes),
            })
        }
    }
}

const PREFIX_LEN: usize = size_of::<u64>();

/// The first bytes as a number, with zeros where there are too few: no greater than that of bytes
/// that come later.
#[inline]
fn prefix(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            // Nothing is left of no bytes.
            number.checked_shl(64 - 8 * bytes.len() as u32).unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_their_bytes(
            // Few bytes and zeros among them, so that prefixes are the same.
            a in vec(0..3u8, 0..12), b in vec(0..3u8, 0..12)
        ) {
            let mut buffer = a.clone();
            let first = SortKey::last_of(&buffer, 0);
            buffer.extend(&b);
            let second = SortKey::last_of(&buffer, a.len());
            prop_assert_eq!(first.order(second, &buffer), a.cmp(&b));
            prop_assert_eq!(SortKey::orders_to(&b, &buffer)(first), a.cmp(&b));
            prop_assert_eq!(first.order(first, &buffer), Ordering::Equal);
        }
    }
}
