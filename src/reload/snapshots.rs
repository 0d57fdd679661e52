//! When the snapshot is read and written, and what of the loaded state goes into it.
//!
//! It is read once, at the start, in two steps as everything is: the filings, then the zones. It is
//! written by a thread of its own after the first load, and again when something has changed since,
//! but not more often than every [`PAUSE`]. What it holds of one moment is shared or copied, so that
//! changes go on meanwhile. Verdicts in it hold until they have been taken anew, which is done when
//! the server answers already, by and by; those that change by themselves are taken anew at once.
//!
//! Owns no format: what a chunk holds is known to `feed`, `zone` and
//! [`super::zone_files`]; whether it is as it was written, to [`crate::snapshot`].

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant as Monotonic;

use serde::{Deserialize, Serialize};

use super::priority;
use super::zone_files::ZoneFilesToSave;
use crate::feed::FeedToSave;
use crate::filing::Instant;
use crate::snapshot::{Kind, Snapshot, Unusable, Writer};
use crate::state::verdicts::Rules;
use crate::wire::HashKey;
use crate::zone::ZoneTable;

/// From one writing to the next, in seconds.
const PAUSE: i64 = 600;

/// What the zones of a snapshot depend on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    /// The key that their hashes go by.
    key: [u64; 2],
    /// What the addresses in them were classified by.
    pub(super) classes: String,
    /// What their verdicts were taken by ([`Rules::stamp`]), beside the filings.
    rules: String,
    /// None of them was taken later: seconds since 1970.
    at: i64,
}

impl About {
    pub(super) fn new(key: HashKey, classes: String, rules: &Rules, at: Instant) -> About {
        About { key: key.words(), classes, rules: rules.stamp(), at: at.0 }
    }

    /// Whether the verdicts that stand for good are those that would be taken by these rules then,
    /// and by the same filings.
    pub(super) fn verdicts_hold(&self, rules: &Rules, now: Instant) -> bool {
        self.rules == rules.stamp() && self.at <= now.0
    }

    pub(super) fn key(&self) -> HashKey {
        HashKey::of_words(self.key)
    }
}

/// The state of one moment.
pub(super) struct ToSave {
    pub(super) about: About,
    pub(super) feed: FeedToSave,
    pub(super) files: ZoneFilesToSave,
    pub(super) zones: ZoneTable,
}

/// The snapshot of this server, if it is to have one.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    path: Option<PathBuf>,
    /// Until it has been read.
    opened: Option<Snapshot>,
    /// It does not hold what is in service. Shared with the thread that writes, which may fail.
    has_changed: Arc<AtomicBool>,
    not_before: i64,
    writing: Option<JoinHandle<()>>,
    is_stopping: Arc<AtomicBool>,
}

impl Snapshots {
    /// Opens the snapshot at this path.
    pub(super) fn new(path: Option<&Path>) -> Snapshots {
        let opened = path.and_then(|path| match Snapshot::open(path) {
            Ok(opened) => {
                if opened.is_none() {
                    tracing::info!(snapshot = %path.display(), "no snapshot yet");
                }
                opened
            }
            Err(problem) => {
                leave_aside(path, &problem);
                None
            }
        });
        let mut snapshots = Snapshots::default();
        snapshots.path = path.map(Path::to_owned);
        snapshots.opened = opened;
        snapshots
    }

    /// Reads a part of the snapshot; whatever is wrong with it, a panic of `read` included, is told,
    /// and it is not read again.
    pub(super) fn read<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&Snapshot) -> Result<T, Unusable>,
    ) -> Option<T> {
        let begun = Monotonic::now();
        let snapshot = self.opened.take()?;
        let part = catch_unwind(AssertUnwindSafe(|| read(&snapshot)))
            .unwrap_or(Err(Unusable::Damaged("reading it panicked")));
        match part {
            Ok(part) => {
                self.opened = Some(snapshot);
                let took_ms = begun.elapsed().as_millis() as u64;
                tracing::info!(what, took_ms, "read from the snapshot");
                Some(part)
            }
            Err(problem) => {
                self.path.iter().for_each(|path| leave_aside(path, &problem));
                None
            }
        }
    }

    /// Everything has been loaded, from the snapshot or not. The snapshot is due where it does not
    /// hold all of it.
    pub(super) fn note_loaded(&mut self) {
        if self.opened.take().is_none() {
            self.note_change();
        }
    }

    /// The snapshot does not hold what is in service any longer.
    pub(super) fn note_change(&mut self) {
        self.has_changed.store(true, Ordering::Relaxed);
    }

    /// When it is to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        let has_changed = self.has_changed.load(Ordering::Relaxed);
        let is_due = self.path.is_some() && self.opened.is_none() && has_changed;
        is_due.then_some(Instant(self.not_before))
    }

    /// Writes it in a thread of its own, unless one is at it.
    pub(super) fn write(&mut self, now: Instant, to_save: impl FnOnce() -> Option<ToSave>) {
        self.not_before = now.0 + PAUSE;
        let Some(path) = self.path.clone() else { return };
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return;
        }
        let Some(to_save) = to_save() else { return };
        self.has_changed.store(false, Ordering::Relaxed);
        let has_changed = Arc::clone(&self.has_changed);
        let is_stopping = Arc::clone(&self.is_stopping);
        let work = move || {
            priority::stand_back(priority::SNAPSHOT);
            let begun = Monotonic::now();
            match write(&to_save, &path, &is_stopping) {
                Ok(bytes) => tracing::info!(
                    snapshot = %path.display(),
                    mib = bytes >> 20,
                    took_ms = begun.elapsed().as_millis() as u64,
                    "snapshot written"
                ),
                Err(_) if is_stopping.load(Ordering::Relaxed) => {}
                Err(error) => {
                    has_changed.store(true, Ordering::Relaxed);
                    tracing::warn!(
                        snapshot = %path.display(),
                        %error,
                        remedy = "make room, and let the server's user write in its folder; it is \
                                  tried again, and a start without a snapshot reads every file",
                        "no snapshot written"
                    );
                }
            }
        };
        match std::thread::Builder::new().name("snapshot".to_owned()).spawn(work) {
            Ok(thread) => self.writing = Some(thread),
            Err(error) => {
                self.note_change();
                tracing::warn!(%error, "no snapshot written");
            }
        }
    }
}

impl Drop for Snapshots {
    /// Who stops the server does not wait for a snapshot.
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.writing.take() {
            // Whatever became of it, the one before stands, or it does.
            let _ = thread.join();
        }
    }
}

fn write(to_save: &ToSave, path: &Path, is_stopping: &AtomicBool) -> io::Result<u64> {
    let ToSave { about, feed, files, zones } = to_save;
    let mut writer = Writer::create(path, is_stopping)?;
    writer.put_json(Kind::About, about)?;
    feed.write(&mut writer)?;
    files.write(zones, &mut writer)?;
    writer.finish()
}

fn leave_aside(path: &Path, problem: &Unusable) {
    tracing::warn!(
        snapshot = %path.display(),
        %problem,
        "the snapshot is left aside; every file is read"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_hold_by_the_same_rules_and_no_earlier() {
        let rules = Rules::default();
        let about = About::new(HashKey::random(), String::new(), &rules, Instant(100));
        assert!(about.verdicts_hold(&rules, Instant(100)));
        assert!(!about.verdicts_hold(&rules, Instant(99)), "the clock was set back");
        let exempt_zones = ["a.example".parse().expect("a name")].into();
        assert!(!about.verdicts_hold(&Rules { exempt_zones, ..rules.clone() }, Instant(100)));
        let mut other = rules;
        other.policy.app_filings_open = true;
        assert!(!about.verdicts_hold(&other, Instant(100)));
    }

    #[test]
    fn a_snapshot_whose_reading_panics_is_left_aside_and_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("snapshot");
        let writer = Writer::create(&path, &AtomicBool::new(false)).expect("a file").finish();
        writer.expect("written");
        let mut snapshots = Snapshots::new(Some(&path));
        assert_eq!(snapshots.read("zones", |_| Ok(())), Some(()));
        assert_eq!(snapshots.read::<()>("zones", |_| panic!("no reader is perfect")), None);
        assert_eq!(snapshots.read("zones", |_| Ok(())), None);
        snapshots.note_loaded();
        assert!(snapshots.due().is_some());
    }
}
