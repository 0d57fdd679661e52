//! Many zones put in service at once, where there is none yet: those who read them take their
//! verdicts, too, and one thread puts them together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::judge::{note_due, set_scopes};
use super::{Rebuild, seconds};
use crate::fault::Fault;
use crate::feed::{Feed, FilingStore, SiteKey};
use crate::filing::Instant;
use crate::gate::Gate;
use crate::reload::loader::Taken;
use crate::reload::read_zones::{Loaded, read_portions};
use crate::reload::site_index::SiteIndex;
use crate::reload::zone_files::{ZoneFile, ZoneFiles};
use crate::state::verdicts::{Judged, Rules};
use crate::wire::{HashKey, Name};
use crate::zone::{Builder, Filling, Portion, Zone, ZoneId, ZoneSet};

/// Zones whose verdicts are taken together.
pub(super) const TOGETHER: usize = 32;

/// What verdicts are taken by.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) rules: &'a Rules,
    pub(super) store: &'a FilingStore,
    pub(super) now: Instant,
}

/// Zones with their verdicts: all that can be done of them on a thread of its own.
pub(super) struct JudgedZones {
    zones: Portion,
    sites: Vec<(SiteKey, ZoneId)>,
    /// Of zones whose verdict changes by itself, or that have more than one; with the apex.
    rare: Vec<(ZoneId, Box<[u8]>, Judged)>,
    waiting: Vec<Zone>,
}

impl JudgedZones {
    pub(super) fn new(key: HashKey) -> JudgedZones {
        let (sites, rare, waiting) = (Vec::new(), Vec::new(), Vec::with_capacity(TOGETHER));
        JudgedZones { zones: Portion::new(key), sites, rare, waiting }
    }

    /// Adds a zone; no other may have the same apex. [`JudgedZones::finish`] has to follow the last.
    pub(super) fn add(&mut self, zone: Zone, judge: Judge<'_>) {
        self.waiting.push(zone);
        if self.waiting.len() == TOGETHER {
            self.finish(judge);
        }
    }

    pub(super) fn finish(&mut self, Judge { rules, store, now }: Judge<'_>) {
        let JudgedZones { zones, sites, rare, waiting } = self;
        let judged = rules.judge_together(waiting, store, now);
        for (zone, judged) in waiting.drain(..).zip(judged) {
            let apex = (!judged.column.is_for_good()).then(|| Box::from(zone.apex()));
            let id = zones.add(zone, judged.column);
            sites.extend(judged.sites.iter().map(|&site| (site, id)));
            rare.extend(apex.map(|apex| (id, apex, judged)));
        }
    }

    /// Adds a zone whose one column stands for good.
    pub(super) fn add_judged(&mut self, zone: Zone, judged: Judged) {
        let id = self.zones.add(zone, judged.column);
        self.sites.extend(judged.sites.into_iter().map(|site| (site, id)));
    }
}

/// The zones in the making, and what is noted of them elsewhere.
pub(super) struct Fill<'a> {
    zones: Filling,
    by_site: &'a mut SiteIndex,
    due: &'a mut BTreeSet<(u32, ZoneId)>,
    gate: &'a mut Arc<Gate>,
}

impl<'a> Fill<'a> {
    /// None yet, and room for so many.
    pub(super) fn new(
        key: HashKey,
        expected: usize,
        by_site: &'a mut SiteIndex,
        due: &'a mut BTreeSet<(u32, ZoneId)>,
        gate: &'a mut Arc<Gate>,
    ) -> Fill<'a> {
        by_site.reserve(expected);
        Fill { zones: Filling::new(key, expected), by_site, due, gate }
    }

    pub(super) fn take(&mut self, judged: JudgedZones) {
        self.zones.add(judged.zones);
        judged.sites.into_iter().for_each(|(site, id)| self.by_site.insert(site, id));
        for (id, apex, judged) in judged.rare {
            note_due(self.due, id, &judged);
            set_scopes(self.gate, &apex, judged);
        }
    }

    pub(super) fn finish(self) -> ZoneSet {
        self.zones.finish()
    }
}

impl Rebuild {
    /// Reads the first zones of all.
    pub(super) fn fill_zones(&mut self, files: &[ZoneFile], now: Instant, taken: &mut Taken) {
        let key = self.zones.key();
        let classify = self.settings.classifier();
        let root = self.settings.zones.clone();
        let Rebuild { settings, feed, no_filings, by_site, due, gate, refused, .. } = self;
        let books = &mut self.files;
        let store = feed.as_ref().map_or(&*no_filings, Feed::store);
        let judge = Judge { rules: &settings.rules, store, now };
        let judge_all = |files: &[ZoneFile], loaded: Vec<Loaded>| {
            let mut judged = JudgedZones::new(key);
            for (file, loaded) in files.iter().zip(&loaded) {
                match loaded {
                    Loaded::Zone { zone, .. } => judged.add(zone.clone(), judge),
                    Loaded::Refused { .. } => judged.add(Builder::broken(&file.origin), judge),
                    Loaded::Gone => {}
                }
            }
            judged.finish(judge);
            (loaded, judged)
        };
        let mut fill = Fill::new(key, files.len(), by_site, due, gate);
        read_portions(files, &root, key, &classify, judge_all, |files, (loaded, judged)| {
            fill.take(judged);
            for (file, loaded) in files.iter().zip(loaded) {
                books.note_includes(&file.origin, loaded.includes());
                let zone = note_loaded(books, refused, file, loaded, false, now, taken);
                taken.zones_changed += usize::from(zone.is_some_and(|zone| !zone.is_broken()));
            }
        });
        self.zones = fill.finish();
        self.snapshots.note_change();
    }
}

/// Notes what became of a zone file; the zone that is to be served of it, where there is one, or
/// where none is served so far.
pub(super) fn note_loaded(
    books: &mut ZoneFiles,
    refused: &mut BTreeMap<Name, Fault>,
    file: &ZoneFile,
    loaded: Loaded,
    is_served: bool,
    now: Instant,
    taken: &mut Taken,
) -> Option<Zone> {
    match &loaded {
        Loaded::Refused { is_unread: true, .. } => books.note_unread(file),
        _ => books.note_readable(file),
    }
    match loaded {
        Loaded::Gone => None,
        Loaded::Zone { zone, faults, .. } => {
            refused.remove(&file.origin);
            books.note_read(&file.origin, seconds(now));
            taken.faults.extend(faults);
            Some(zone)
        }
        Loaded::Refused { faults, is_unread, .. } => {
            if let Some(fault) = faults.iter().find(|fault| fault.is_error()) {
                let told = refused.insert(file.origin.clone(), fault.clone());
                if is_unread && told.as_ref() == Some(fault) {
                    return None;
                }
            }
            taken.faults.extend(faults);
            taken.zones_refused += 1;
            (!is_served).then(|| Builder::broken(&file.origin))
        }
    }
}
