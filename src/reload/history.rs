//! What the reloads did so far, and what is refused as things stand: for `beiand status` and the
//! metrics. Written by the reload thread, read by whoever asks; neither waits for the other's work.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::driver::Cause;
use super::loader::Taken;
use super::protocol::Changes;
use crate::fault::Fault;

/// Upper bounds, in seconds, of the slots of [`Record::durations`]; a last slot is for all above.
pub const DURATION_BOUNDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything that had changed was taken in.
    Applied,
    /// Something was refused, or waits for the operator.
    Refused,
    /// The reload failed inside the server.
    Failed,
}

impl End {
    /// Every end, in the order of [`Record::ends`].
    pub const ALL: [End; 3] = [End::Applied, End::Refused, End::Failed];

    /// The word for it, and the label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            End::Applied => "applied",
            End::Refused => "refused",
            End::Failed => "failed",
        }
    }

    pub(super) fn of(taken: &Taken) -> End {
        let is_refused = taken.zones_refused > 0 || taken.faults.iter().any(Fault::is_error);
        if is_refused { End::Refused } else { End::Applied }
    }
}

/// The last reload that did something.
#[derive(Clone, Copy, Debug)]
pub struct Last {
    /// When it was done.
    pub at: SystemTime,
    /// Why it was begun.
    pub cause: Cause,
    /// How it ended.
    pub end: End,
    /// What it changed, and how long it took.
    pub changes: Changes,
}

/// All that is remembered.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The last reload that did something.
    pub last: Option<Last>,
    /// Reloads by [`End`].
    pub ends: [u64; End::ALL.len()],
    /// Reloads by how long they took: see [`DURATION_BOUNDS`].
    pub durations: [u64; DURATION_BOUNDS.len() + 1],
    /// How long all of them took together.
    pub took: Duration,
    /// When a zone was last added, replaced or removed; at first the start.
    pub zones_changed: Option<SystemTime>,
    /// When a filing record was last added, replaced or dropped; at first the start.
    pub filings_changed: Option<SystemTime>,
    /// What is wrong with each zone file whose present version is refused.
    pub zones_refused: Vec<Fault>,
    /// The same of filing files, and of those whose change waits for the operator.
    pub filings_refused: Vec<Fault>,
    /// Filing files that are refused whole.
    pub files_refused: usize,
    /// Filing files whose change waits for `beiand reload --accept-shrink`.
    pub files_waiting: usize,
}

/// The record, shared.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Record>);

impl History {
    pub(super) fn read(&self) -> Record {
        self.lock().clone()
    }

    pub(super) fn note(&self, taken: &Taken, cause: Cause, end: End, took: Duration) {
        let at = SystemTime::now();
        let mut record = self.lock();
        record.ends[end as usize] += 1;
        let seconds = took.as_secs_f64();
        let slot = DURATION_BOUNDS.iter().take_while(|bound| seconds > **bound).count();
        record.durations[slot] += 1;
        record.took += took;
        if taken.zones_changed + taken.zones_removed > 0 || record.zones_changed.is_none() {
            record.zones_changed = Some(at);
        }
        if taken.records_changed > 0 || record.filings_changed.is_none() {
            record.filings_changed = Some(at);
        }
        record.last = Some(Last { at, cause, end, changes: Changes::of(taken, took) });
    }

    pub(super) fn note_refused(&self, zones: Vec<Fault>, filings: Vec<Fault>, taken: &Taken) {
        let mut record = self.lock();
        record.zones_refused = zones;
        record.filings_refused = filings;
        record.files_refused = taken.files_refused.unwrap_or(record.files_refused);
        record.files_waiting = taken.files_waiting.unwrap_or(record.files_waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        // The record is whole after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Severity;

    #[test]
    fn a_reload_is_counted_by_its_end_and_in_the_slot_of_its_duration() {
        let history = History::default();
        let fine = Taken { zones_changed: 1, ..Taken::default() };
        history.note(&fine, Cause::Start, End::of(&fine), Duration::from_millis(5));
        let fault = Fault::of_file(Severity::Error, "a.zone", "no SOA", "add one");
        let refused = Taken { faults: vec![fault], ..Taken::default() };
        history.note(&refused, Cause::Files, End::of(&refused), Duration::from_secs(31));
        let record = history.read();
        assert_eq!(record.ends, [1, 1, 0]);
        assert_eq!((record.durations[0], record.durations[9]), (1, 1));
        let last = record.last.expect("a reload");
        assert_eq!(
            (last.cause, last.end, last.changes.took_ms),
            (Cause::Files, End::Refused, 31_000)
        );
        assert!(record.zones_changed <= record.last.map(|last| last.at));
    }

    #[test]
    fn what_was_not_looked_at_stays_as_it_was() {
        let history = History::default();
        let seen = Taken { files_refused: Some(2), files_waiting: Some(1), ..Taken::default() };
        history.note_refused(Vec::new(), Vec::new(), &seen);
        history.note_refused(Vec::new(), Vec::new(), &Taken::default());
        let record = history.read();
        assert_eq!((record.files_refused, record.files_waiting), (2, 1));
    }
}
