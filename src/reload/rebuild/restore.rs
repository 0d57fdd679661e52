//! The zones of a snapshot: taken into service at a start, and written when they have changed.

use std::sync::Arc;

use super::Rebuild;
use super::judge::{note_due, set_scopes};
use crate::feed::Feed;
use crate::filing::Instant;
use crate::gate::Gate;
use crate::reload::site_index::SiteIndex;
use crate::reload::snapshots::{About, ToSave};
use crate::reload::zone_files::{SavedZone, ZoneFiles, read_chunk};
use crate::snapshot::Kind;
use crate::zone::{Filling, ZoneSet};

impl Rebuild {
    /// Takes the zones of the snapshot into service, if there is one, as they were when it was
    /// written. The scan that follows finds what has changed since.
    pub(super) fn restore_zones(&mut self, now: Instant) {
        let mut snapshots = std::mem::take(&mut self.snapshots);
        let restored = snapshots.read("zones", |saved| {
            let about: About = saved.json(Kind::About)?;
            self.files = ZoneFiles::restore(&self.settings.zones, self.settings.settle, saved)?;
            let Rebuild { settings, feed, no_filings, files, by_site, due, gate, .. } = self;
            let store = feed.as_ref().map_or(&*no_filings, Feed::store);
            // The verdicts are taken on all cores, and noted here.
            let read = |chunk: &[u8]| {
                let judge = |saved: SavedZone| {
                    let judged = settings.rules.judge(&saved.zone, store, now);
                    (saved, judged)
                };
                Ok(read_chunk(chunk)?.into_iter().map(judge).collect::<Vec<_>>())
            };
            by_site.reserve(files.expected());
            let mut zones = Filling::new(about.key(), files.expected());
            saved.each(Kind::Zones, read, |_, judged| {
                for (saved, judged) in judged {
                    files.note_saved(&saved)?;
                    let id = zones.add(saved.zone.clone(), judged.column);
                    judged.sites.iter().for_each(|&site| by_site.insert(site, id));
                    note_due(due, id, &judged);
                    set_scopes(gate, saved.zone.apex(), judged);
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
        self.files.meet(self.writers.clone());
    }

    pub(super) fn write_snapshot(&mut self, now: Instant) {
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
