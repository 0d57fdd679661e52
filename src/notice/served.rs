//! How often the page was shown, and why: for the operator's figures.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::situation::{NOT_HOSTED, NOT_READY};
use crate::filing::{Reason, Verdict};

/// Requests answered since the start.
#[derive(Debug)]
pub struct Served(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    by_reason: BTreeMap<&'static str, u64>,
    by_status: BTreeMap<u16, u64>,
}

impl Default for Served {
    fn default() -> Served {
        let opening = [Verdict::Open, Verdict::Exempt, Verdict::NotRequired].map(Verdict::code);
        let codes = Reason::ALL.map(Reason::code).into_iter().chain(opening);
        let by_reason = codes.chain([NOT_HOSTED, NOT_READY]).map(|code| (code, 0)).collect();
        Served(Mutex::new(Counts { by_reason, by_status: BTreeMap::new() }))
    }
}

impl Served {
    /// Counts one answer. The reason is one of the codes that [`Served::by_reason`] lists.
    pub(super) fn count(&self, reason: &'static str, status: u16) {
        let mut counts = self.lock();
        *counts.by_reason.entry(reason).or_default() += 1;
        *counts.by_status.entry(status).or_default() += 1;
    }

    /// By reason code, what opens the domain, or `not-hosted` and `not-ready`; every one of them.
    pub fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.lock().by_reason.clone()
    }

    /// By HTTP status; those that there were.
    pub fn by_status(&self) -> BTreeMap<u16, u64> {
        self.lock().by_status.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
