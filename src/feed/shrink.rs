//! What a change would lose, and whether that is so much that a person must say yes.
//!
//! Owns the rule of `filings.max_shrink`. A record is lost when no file holds its key any more and
//! its site domain has fewer records than before: a filing that gets its number, and so another
//! key, is no loss.

use std::collections::{HashMap, HashSet};

use super::store::{Delta, FileId, FilingStore, SiteKey, SlotSet};

/// Fewer lost records than this never wait, unless a file was emptied or has gone.
const AT_LEAST: usize = 100;

/// A file's part in a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) file: FileId,
    /// What it says now; `None` for a file that has gone.
    pub(super) delta: Option<&'a Delta>,
}

impl Part<'_> {
    /// The file has no records any more.
    pub(super) fn is_empty(&self) -> bool {
        self.delta.is_none_or(|delta| {
            let Delta { kept, reworded: _, changed, puts } = delta;
            kept.iter().all(Vec::is_empty)
                && changed.iter().all(Vec::is_empty)
                && puts.iter().all(Vec::is_empty)
        })
    }
}

/// A record that would be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lost {
    pub(super) site: SiteKey,
    pub(super) key: u64,
}

/// Which of the parts (all read whole, or gone) must wait, and what each would lose; the others
/// can be taken in together.
pub(super) fn waiting(
    store: &FilingStore,
    parts: &[Part<'_>],
    max_shrink: f64,
) -> HashMap<FileId, Vec<Lost>> {
    let mut waiting = HashMap::new();
    loop {
        let going: Vec<&Part<'_>> =
            parts.iter().filter(|part| !waiting.contains_key(&part.file)).collect();
        let lost = lost(store, &going);
        let count: HashSet<Lost> = lost.iter().map(|&(_, lost)| lost).collect();
        let emptied: HashSet<FileId> =
            going.iter().filter(|part| part.is_empty()).map(|part| part.file).collect();
        let from_emptied = lost.iter().any(|(file, _)| emptied.contains(file));
        if !from_emptied && !is_too_much(count.len(), store.len(), max_shrink) {
            return waiting;
        }
        for (file, lost) in lost {
            if !from_emptied || emptied.contains(&file) {
                waiting.entry(file).or_insert_with(Vec::new).push(lost);
            }
        }
    }
}

/// Whether what a waiting file would lose is still too much, now that other files have changed.
pub(super) fn still_waits(
    store: &FilingStore,
    file: FileId,
    lost: &[Lost],
    emptied: Emptied,
    max_shrink: f64,
) -> bool {
    let mut left = lost.iter().filter(|lost| !store.stands_elsewhere(lost.site, lost.key, file));
    match emptied {
        Emptied::Yes => left.next().is_some(),
        Emptied::No => is_too_much(left.count(), store.len(), max_shrink),
    }
}

/// Whether a file has no records any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emptied {
    Yes,
    No,
}

fn is_too_much(lost: usize, of: usize, max_shrink: f64) -> bool {
    lost >= AT_LEAST && lost as f64 > max_shrink * of as f64
}

/// Each lost record, with each file that no longer holds it.
fn lost(store: &FilingStore, parts: &[&Part<'_>]) -> Vec<(FileId, Lost)> {
    let mut removed = SlotSet::default();
    let mut lost = Vec::new();
    for part in parts {
        let mut seen = SlotSet::default();
        if let Some(delta) = part.delta {
            delta.kept.iter().flatten().for_each(|&(slot, _)| seen.insert(slot));
            let puts = delta.puts.iter().flatten();
            puts.filter_map(|put| put.replaces).for_each(|slot| seen.insert(slot));
            delta.changed.iter().flatten().for_each(|changed| seen.insert(changed.slot));
        }
        for (slot, site, key) in store.unseen(part.file, &seen) {
            removed.insert(slot);
            lost.push((part.file, Lost { site, key }));
        }
    }
    lost.retain(|(_, lost)| !store.survives(lost.site, lost.key, &removed));
    if lost.is_empty() {
        return lost;
    }

    let mut keys: HashMap<SiteKey, Keys> = HashMap::new();
    for (_, lost) in &lost {
        keys.entry(lost.site).or_default().lost.insert(lost.key);
    }
    let deltas = parts.iter().filter_map(|part| part.delta);
    for put in deltas.flat_map(|delta| delta.puts.iter().flatten()) {
        if put.replaces.is_none()
            && let Some(keys) = keys.get_mut(&put.candidate.site)
            && !keys.lost.remove(&put.candidate.key)
            && !store.survives(put.candidate.site, put.candidate.key, &removed)
        {
            keys.new.insert(put.candidate.key);
        }
    }
    lost.retain(|(_, lost)| {
        keys.get(&lost.site)
            .is_some_and(|keys| keys.lost.contains(&lost.key) && keys.lost.len() > keys.new.len())
    });
    lost
}

/// Of one site domain.
#[derive(Debug, Default)]
struct Keys {
    lost: HashSet<u64>,
    new: HashSet<u64>,
}
