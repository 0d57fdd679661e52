//! What stands in the filing record only: the number, the new domain, the authority's remark.
//!
//! Verdicts are in the state; texts stay in the files, and which record a verdict shows is known
//! to the thread that owns the filings. So both are asked for, one reader at a time, off the
//! threads that answer, and kept for a little while. A page does not wait for long: without the
//! details it says all that matters.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::situation::Blocked;
use crate::feed::{AskedRecord, FoundRecord, TextReader};
use crate::filing::Reason;
use crate::filing::record::Field;

/// How long a page waits.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long details are kept while the state stays the same: a text may change without it.
const KEPT: Duration = Duration::from_secs(10);
/// The same where they could not be had.
const KEPT_MISSING: Duration = Duration::from_secs(1);
/// Names of which details are kept.
const NAMES: usize = 4096;
/// Longest text that is shown, in characters.
const LONGEST: usize = 400;

/// Gives the record that a verdict shows. Blocks, but not for long; an error where it would have to.
pub type FindRecord = Arc<dyn Fn(AskedRecord) -> Result<Option<FoundRecord>, Busy> + Send + Sync>;

/// The owner of the filings is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// What the record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    pub(super) filing_number: Option<String>,
    pub(super) new_domain: Option<String>,
    pub(super) remark: Option<String>,
}

/// Reads details, and keeps them.
pub(super) struct DetailsReader {
    find: FindRecord,
    /// Whoever holds it reads.
    turn: Arc<tokio::sync::Mutex<TextReader>>,
    kept: Mutex<HashMap<Key, Kept>>,
}

impl fmt::Debug for DetailsReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetailsReader").finish_non_exhaustive()
    }
}

/// A name, and the generation of the state.
type Key = (String, u64);

struct Kept {
    details: Arc<Details>,
    until: Instant,
}

impl DetailsReader {
    pub(super) fn new(find: FindRecord) -> DetailsReader {
        DetailsReader { find, turn: Arc::default(), kept: Mutex::default() }
    }

    /// The details of a block, or none where they cannot be had soon.
    pub(super) async fn of(self: &Arc<Self>, blocked: &Blocked, generation: u64) -> Arc<Details> {
        let key = (blocked.name.clone(), generation);
        if let Some(details) = self.kept(&key) {
            return details;
        }
        tokio::time::timeout(PATIENCE, self.read(key, blocked)).await.unwrap_or_default()
    }

    async fn read(self: &Arc<Self>, key: Key, blocked: &Blocked) -> Arc<Details> {
        let mut reader = Arc::clone(&self.turn).lock_owned().await;
        // Whoever had the turn before may have read the same.
        if let Some(details) = self.kept(&key) {
            return details;
        }
        let asked = AskedRecord {
            name: blocked.name.clone(),
            site_domain: blocked.domain.clone(),
            target: blocked.target,
        };
        let reason = blocked.reason;
        let this = Arc::clone(self);
        // Goes on although nobody may wait for it any longer: the next one finds it kept.
        let reading = tokio::task::spawn_blocking(move || {
            let (details, keep) = match (this.find)(asked) {
                Ok(record) => (details_of(record, reason, &mut reader), KEPT),
                Err(Busy) => (Details::default(), KEPT_MISSING),
            };
            this.keep(key, Arc::new(details), keep)
        });
        reading.await.unwrap_or_default()
    }

    fn kept(&self, key: &Key) -> Option<Arc<Details>> {
        let kept = self.lock();
        let kept = kept.get(key).filter(|kept| Instant::now() < kept.until)?;
        Some(Arc::clone(&kept.details))
    }

    fn keep(&self, key: Key, details: Arc<Details>, keep: Duration) -> Arc<Details> {
        let mut kept = self.lock();
        if kept.len() >= NAMES {
            kept.clear();
        }
        let until = Instant::now() + keep;
        kept.insert(key, Kept { details: Arc::clone(&details), until });
        details
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn details_of(record: Option<FoundRecord>, reason: Reason, reader: &mut TextReader) -> Details {
    // A record that is no website's says nothing of the website.
    let Some(record) = record.filter(|_| reason != Reason::NoFiling) else {
        return Details::default();
    };
    let texts = reader.read(&record);
    let text = |field| texts.get(&field).map(|text| plain(text)).filter(|text| !text.is_empty());
    Details {
        filing_number: text(Field::SiteNumber).or_else(|| text(Field::SubjectNumber)),
        new_domain: texts.get(&Field::NewDomain).and_then(|domain| {
            crate::filing::site_domain::normalise(domain).ok().map(|domain| domain.into_owned())
        }),
        remark: text(Field::Remark),
    }
}

/// A text of a file as it may be shown: bounded, without control characters.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect::<String>().trim().to_owned()
}
