//! The zones of a snapshot: taken into service at a start, and written when they have changed.

use std::sync::Arc;

use super::Rebuild;
use super::fill::{Fill, Judge, JudgedZones};
use super::judge::Correction;
use crate::feed::Feed;
use crate::filing::Instant;
use crate::gate::Gate;
use crate::reload::site_index::SiteIndex;
use crate::reload::snapshots::{About, ToSave};
use crate::reload::zone_files::{SavedFiles, ZoneFiles, read_chunk};
use crate::snapshot::{Kind, Unusable};
use crate::wire::HashKey;
use crate::zone::ZoneSet;

/// The zones of a chunk, judged, and where their files stand.
struct JudgedChunk {
    zones: JudgedZones,
    files: SavedFiles,
}

fn judge_chunk(
    chunk: &[u8],
    key: HashKey,
    files: SavedFiles,
    judge: Judge<'_>,
    verdicts_hold: bool,
) -> Result<JudgedChunk, Unusable> {
    let mut chunk_of = JudgedChunk { zones: JudgedZones::new(key), files };
    let JudgedChunk { zones, files } = &mut chunk_of;
    read_chunk(chunk, files, |zone, column| {
        let column = column.filter(|_| verdicts_hold);
        match column.and_then(|column| judge.rules.judged_before(&zone, column)) {
            Some(judged) => zones.add_judged(zone, judged),
            None => zones.add(zone, judge),
        }
    })?;
    zones.finish(judge);
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

    /// The same of its zones; once. Their verdicts in the snapshot are of use only with the filings as
    /// they are there.
    pub(super) fn restore_zones(&mut self, filings_are_as_saved: bool, now: Instant) {
        if std::mem::replace(&mut self.has_restored_zones, true) {
            return;
        }
        let mut snapshots = std::mem::take(&mut self.snapshots);
        let restored = snapshots.read("zones", |saved| {
            let about: About = saved.json(Kind::About)?;
            self.files = ZoneFiles::restore(&self.settings.zones, self.settings.settle, saved)?;
            let Rebuild { settings, feed, no_filings, files, by_site, due, gate, .. } = self;
            let store = feed.as_ref().map_or(&*no_filings, Feed::store);
            let judge = Judge { rules: &settings.rules, store, now };
            let (key, none_yet) = (about.key(), files.saved_files());
            let verdicts_hold = filings_are_as_saved && about.verdicts_hold(&settings.rules, now);
            let mut fill = Fill::new(key, files.expected(), by_site, due, gate);
            let judge_chunk =
                |chunk: &[u8]| judge_chunk(chunk, key, none_yet.clone(), judge, verdicts_hold);
            saved.each(Kind::Zones, judge_chunk, |_, chunk| {
                files.note_saved(chunk.files);
                fill.take(chunk.zones);
                Ok(())
            })?;
            self.zones = fill.finish();
            if about.classes != self.settings.classes() {
                self.classify_all();
            }
            Ok(verdicts_hold)
        });
        self.snapshots = snapshots;
        match restored {
            Some(true) => self.correction = Some(Correction::default()),
            Some(false) => self.snapshots.note_change(),
            None => {
                // Perhaps half of it has been.
                self.files = ZoneFiles::new(&self.settings.zones, self.settings.settle);
                self.zones = ZoneSet::new();
                self.by_site = SiteIndex::default();
                self.due.clear();
                self.gate = Arc::new(Gate::new(self.settings.gate.clone()));
            }
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
                about: About::new(zones.key(), settings.classes(), &settings.rules, now),
                feed: feed.as_ref()?.to_save(),
                files: files.to_save(refused.keys()),
                zones: zones.publish(),
            })
        });
    }
}
