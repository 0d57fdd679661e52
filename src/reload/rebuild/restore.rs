//! The zones of a snapshot: taken into service at a start, and written when they have changed.

use std::sync::Arc;

use super::Rebuild;
use super::judge::{note_due, set_scopes};
use crate::feed::{Feed, FilingStore, SiteKey};
use crate::filing::Instant;
use crate::gate::Gate;
use crate::reload::site_index::SiteIndex;
use crate::reload::snapshots::{About, ToSave};
use crate::reload::zone_files::{SavedFiles, ZoneFiles, read_chunk};
use crate::snapshot::{Kind, Unusable};
use crate::state::verdicts::{Judged, Rules};
use crate::wire::HashKey;
use crate::zone::{Filling, Portion, Zone, ZoneId, ZoneSet};

/// Zones whose verdicts are taken together.
const TOGETHER: usize = 32;

/// The zones of a chunk with their verdicts: all that can be done of them on a thread of its own.
struct JudgedChunk {
    zones: Portion,
    files: SavedFiles,
    sites: Vec<(SiteKey, ZoneId)>,
    /// Of zones whose verdict changes by itself, or that have more than one; with the apex.
    rare: Vec<(ZoneId, Box<[u8]>, Judged)>,
}

fn judge_chunk(
    chunk: &[u8],
    key: HashKey,
    files: SavedFiles,
    rules: &Rules,
    store: &FilingStore,
    now: Instant,
) -> Result<JudgedChunk, Unusable> {
    let (sites, rare) = (Vec::new(), Vec::new());
    let mut chunk_of = JudgedChunk { zones: Portion::new(key), files, sites, rare };
    let JudgedChunk { zones, files, sites, rare } = &mut chunk_of;
    let mut judge = |together: &mut Vec<Zone>| {
        let judged = rules.judge_together(together, store, now);
        for (zone, judged) in together.drain(..).zip(judged) {
            let is_rare = judged.column.next_change != 0 || !judged.scopes.is_empty();
            let apex = is_rare.then(|| Box::from(zone.apex()));
            let id = zones.add(zone, judged.column);
            sites.extend(judged.sites.iter().map(|&site| (site, id)));
            rare.extend(apex.map(|apex| (id, apex, judged)));
        }
    };
    let mut together = Vec::with_capacity(TOGETHER);
    read_chunk(chunk, files, |zone| {
        together.push(zone);
        if together.len() == TOGETHER {
            judge(&mut together);
        }
    })?;
    judge(&mut together);
    Ok(chunk_of)
}

impl Rebuild {
    /// Takes the filings of the snapshot into service, if there is one, as they were when it was
    /// written. The look at the files that follows finds what has changed since.
    pub(super) fn restore_feed(&mut self) {
        let settings = self.settings.feed.clone();
        let restored = self.snapshots.read("filings", |saved| Feed::restore(settings, saved));
        if let Some(feed) = restored {
            self.go_on_with(feed);
        }
    }

    /// The same of its zones; once.
    pub(super) fn restore_zones(&mut self, now: Instant) {
        if std::mem::replace(&mut self.has_restored_zones, true) {
            return;
        }
        let mut snapshots = std::mem::take(&mut self.snapshots);
        let restored = snapshots.read("zones", |saved| {
            let about: About = saved.json(Kind::About)?;
            self.files = ZoneFiles::restore(&self.settings.zones, self.settings.settle, saved)?;
            let Rebuild { settings, feed, no_filings, files, by_site, due, gate, .. } = self;
            let rules = &settings.rules;
            let store = feed.as_ref().map_or(&*no_filings, Feed::store);
            let (key, none_yet) = (about.key(), files.saved_files());
            let judge = |chunk: &[u8]| judge_chunk(chunk, key, none_yet.clone(), rules, store, now);
            by_site.reserve(files.expected());
            let mut zones = Filling::new(key, files.expected());
            saved.each(Kind::Zones, judge, |_, chunk| {
                files.note_saved(chunk.files);
                zones.add(chunk.zones);
                chunk.sites.into_iter().for_each(|(site, id)| by_site.insert(site, id));
                for (id, apex, judged) in chunk.rare {
                    note_due(due, id, &judged);
                    set_scopes(gate, &apex, judged);
                }
                Ok(())
            })?;
            self.zones = zones.finish();
            if about.classes != self.settings.classes() {
                self.classify_all();
            }
            Ok(())
        });
        self.snapshots = snapshots;
        if restored.is_none() {
            // Perhaps half of it has been.
            self.files = ZoneFiles::new(&self.settings.zones, self.settings.settle);
            self.zones = ZoneSet::new();
            self.by_site = SiteIndex::default();
            self.due.clear();
            self.gate = Arc::new(Gate::new(self.settings.gate.clone()));
        }
        self.files.meet(self.writers.clone(), self.folder_watch.clone());
    }

    pub(super) fn write_snapshot(&mut self, now: Instant) {
        if self.files.is_being_taken_in() {
            return;
        }
        let Rebuild { feed, files, zones, settings, refused, snapshots, .. } = self;
        snapshots.write(now, || {
            Some(ToSave {
                about: About::new(zones.key(), settings.classes()),
                feed: feed.as_ref()?.to_save(),
                files: files.to_save(refused.keys()),
                zones: zones.publish(),
            })
        });
    }
}
