//! Rows that say word for word what they said: they are known by their text, and not read again.
//!
//! Owns the mark of a row's text, and where the record is looked for that was read from it. Whether
//! there is one is the store's to say.

use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::ndjson;
use super::rows::Layout;
use super::store::SiteKey;
use crate::filing::record::Field;
use crate::wire::hashed_name::HashKey;

/// Tells the texts of one site domain's rows apart. Of four billion rows that change, one passes for
/// what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextMark(pub(super) NonZeroU32);

/// Random, so that no subject can make up a row that passes for an earlier one.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct TextSeed(u64);

impl Default for TextSeed {
    fn default() -> TextSeed {
        TextSeed(HashKey::random().words()[0])
    }
}

/// Rows in the order of their records' slots, or in the reverse, as those of a file that is written
/// anew mostly are, whatever they say now: after two neighbours the next row is looked for in the next
/// slot first.
///
/// After two, so that rows in no such order are not held against one slot after the other: of four
/// billion texts, one passes for another.
#[derive(Debug, Default)]
pub(super) struct Run {
    last: Option<u32>,
    next: Option<u32>,
}

impl Run {
    /// Where the next row may be found.
    pub(super) fn next(&self) -> Option<u32> {
        self.next
    }

    /// The slot of the record that a row seems to be of, if there is one.
    pub(super) fn note(&mut self, slot: Option<u32>) {
        self.next = self.last.zip(slot).and_then(|(last, slot)| match slot.abs_diff(last) {
            1 if slot > last => slot.checked_add(1),
            1 => slot.checked_sub(1),
            _ => None,
        });
        self.last = slot;
    }
}

/// The texts of a file's rows.
pub(super) struct Verbatim<'l> {
    layout: &'l Layout,
    seed: u64,
}

impl<'l> Verbatim<'l> {
    pub(super) fn of(layout: &'l Layout, TextSeed(seed): TextSeed) -> Verbatim<'l> {
        // Below another header the same text says something else.
        let mut hasher = XxHash3_64::with_seed(seed);
        layout.hash(&mut hasher);
        Verbatim { layout, seed: hasher.finish() }
    }

    /// The mark of a row, with or without its line end.
    pub(super) fn mark(&self, row: &[u8]) -> TextMark {
        let text = row.strip_suffix(b"\n").unwrap_or(row);
        let hash = XxHash3_64::oneshot_with_seed(self.seed, text) as u32;
        TextMark(NonZeroU32::new(hash).unwrap_or(NonZeroU32::MIN))
    }

    /// Where the record of a row probably is. What is no site domain in plain letters, or does not
    /// stand where it mostly does, is not worth the search: that row is read.
    pub(super) fn perhaps_site(&self, row: &[u8]) -> Option<SiteKey> {
        let domain = match self.layout {
            Layout::Csv(columns) => columns.perhaps_value(row, Field::Domain),
            Layout::Ndjson => ndjson::perhaps_value(row, Field::Domain),
        };
        let domain = std::str::from_utf8(domain?).ok()?;
        let is_plain = domain.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
        is_plain.then(|| SiteKey::of(domain))
    }
}
