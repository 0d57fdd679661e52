//! What a reader of a file hands over to the store: how the file differs from what the store has of
//! it.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::SiteKey;
use crate::feed::packed::PackedFacts;
use crate::feed::verbatim::TextMark;

/// A name that a record speaks of: its site domain, and the name itself where it lies below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::feed) struct CoveredName {
    pub(in crate::feed) site: SiteKey,
    pub(in crate::feed) below: Option<Box<str>>,
    /// Of the facts as they bear on this name.
    pub(in crate::feed) key: u64,
}

/// What only few records have.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::feed) struct Rare {
    pub(in crate::feed) below: Option<Box<str>>,
    pub(in crate::feed) new_domain: Option<CoveredName>,
}

/// A record as a reader hands it over.
#[derive(Clone, Debug)]
pub(in crate::feed) struct Candidate {
    pub(in crate::feed) site: SiteKey,
    pub(in crate::feed) key: u64,
    pub(in crate::feed) subject: u64,
    pub(in crate::feed) packed: PackedFacts,
    pub(in crate::feed) application_at: Option<NonZeroU32>,
    pub(in crate::feed) line: u32,
    /// Of the text that it was read from, where that says all there is to tell.
    pub(in crate::feed) mark: Option<TextMark>,
    pub(in crate::feed) rare: Option<Box<Rare>>,
}

/// What reading a file found, measured against what the store holds of that file.
#[derive(Debug, Default)]
pub(in crate::feed) struct Delta {
    /// Records of the store that the file still holds as they are, and their lines now; quickest to
    /// take in where those of a portion are in the order of the store. In portions, so that memory is
    /// given back while they are taken in.
    pub(in crate::feed) kept: Vec<Vec<(u32, u32)>>,
    /// Those of them that say the same in other words.
    pub(in crate::feed) reworded: Vec<Vec<(u32, Option<TextMark>)>>,
    /// Records that say something else, but nothing that few records say.
    pub(in crate::feed) changed: Vec<Vec<Changed>>,
    /// New and changed records, in portions, too.
    pub(in crate::feed) puts: Vec<Vec<Put>>,
}

/// What a record says now; the rest of it is as it was. Five million may change at once: what an
/// export has of the day, say.
#[derive(Clone, Copy, Debug)]
pub(in crate::feed) struct Changed {
    pub(in crate::feed) slot: u32,
    pub(super) line: u32,
    pub(super) packed: PackedFacts,
    pub(super) mark: Option<TextMark>,
}

const _: () = assert!(size_of::<Changed>() == 28);

impl Changed {
    /// `None` where the record says what few do.
    pub(in crate::feed) fn of(slot: u32, new: &Candidate) -> Option<Changed> {
        let Candidate { packed, line, mark, .. } = *new;
        let is_plain = new.application_at.is_none() && new.rare.is_none();
        is_plain.then_some(Changed { slot, line, packed, mark })
    }
}

/// A new record, or one that replaces what the file said for the same key.
#[derive(Debug)]
pub(in crate::feed) struct Put {
    pub(in crate::feed) replaces: Option<u32>,
    pub(in crate::feed) candidate: Candidate,
}
