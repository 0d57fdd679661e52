//! The decision for a site domain at an instant (DESIGN 1.2 and 1.3).

use super::facts::{Facts, Instant};
use super::verdict::{Reason, Verdict};

/// Where the addresses are for which a decision is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// This provider's addresses, or addresses whose region is unknown.
    Own,
    /// Mainland China, none of them ours (row 24).
    OtherMainland,
}

/// `gate.transfer_in_progress` (row 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferInProgress {
    /// Closed until the transfer is approved and synced.
    Blocked,
    /// Open for 45 days from the provider's own review.
    AfterInitialReview,
    /// Open.
    Open,
}

/// `gate.other_mainland` (row 24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherMainland {
    /// Open if filed with anyone.
    Filed,
    /// As this provider's own addresses.
    AsOwn,
    /// Open.
    Open,
}

/// The settings that change a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilingPolicy {
    /// Row 11.
    pub transfer_in_progress: TransferInProgress,
    /// Row 24.
    pub other_mainland: OtherMainland,
    /// Provinces (indices as in [`Facts::province`]) that accept no forums (row 20).
    pub forum_closed_provinces: Vec<u8>,
    /// App and mini-program filings open websites, too.
    pub app_filings_open: bool,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Open or the reason.
    pub verdict: Verdict,
    /// Since when it has been so, as far as the records tell.
    pub since: Option<Instant>,
    /// The next instant at which the verdict changes by itself, if no record changes.
    pub next_change: Option<Instant>,
    /// Which of the facts the verdict shows; `None` where there are none.
    pub shown: Option<usize>,
}

/// Decides for one domain. `facts` are the records of the site domain that cover the name in
/// question, one for each key, in any order.
pub fn decide(facts: &[Facts], at: Instant, target: Target, policy: &FilingPolicy) -> Decision {
    let _ = (facts, at, target, policy);
    Decision {
        verdict: Verdict::Blocked(Reason::NoFiling),
        since: None,
        next_change: None,
        shown: None,
    }
}
