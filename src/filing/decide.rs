//! The decision for a site domain at an instant (DESIGN 1.2 and 1.3).
//!
//! Owns what each record says by itself, which record the verdict shows, and when the verdict will
//! change without any record changing. It does not own which records cover a name (the filing
//! store), where a name's addresses are ([`crate::region`]), or what is never gated
//! ([`crate::gate`]).
//!
//! Where DESIGN leaves a case open, the reading here is:
//! - A status whose instant lies ahead is not reached yet: the application is pending until then.
//! - A filing in force whose approval lies ahead is `under-review` until then.
//! - An approved `first` or `add-website` on a record with standing *none* is `not-synced`: the
//!   authority has approved, the record does not know it yet.
//! - A transfer withdrawn on our own record without `held_since` leaves the filing where it was:
//!   `held-elsewhere`.
//! - App records give `no-filing` whatever else they say, and never hide another record.
//! - The blacklist names a domain, so it stays with the old one through a change of domain; a
//!   restriction is the filing's, so it moves to the new one with the approval.
//! - `forum-individual` holds for other mainland addresses, too; the rules of access do not.

use super::facts::{
    Access, Application, ApplicationKind, ApplicationStatus, Facts, Instant, Kind, ProviderIs,
    Role, SiteKind, Standing,
};
use super::verdict::{Reason, Verdict};

/// How long a provider's own review opens a domain whose transfer is in progress, in seconds
/// (row 11): 45 days.
pub const INITIAL_REVIEW_HOLDS: i64 = 45 * 86_400;

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
    /// Open for 45 days from the provider's own review: from `application_at` of the status
    /// `initial-passed` or `under-review`. A record that leaves the instant out opens nothing.
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
    /// Open, unless restricted or blacklisted.
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

impl Default for FilingPolicy {
    /// The settings of a configuration that names none.
    fn default() -> FilingPolicy {
        FilingPolicy {
            transfer_in_progress: TransferInProgress::Blocked,
            other_mainland: OtherMainland::Filed,
            forum_closed_provinces: Vec::new(),
            app_filings_open: false,
        }
    }
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
/// question, one for each key, in any order. Allocates nothing.
pub fn decide(facts: &[Facts], at: Instant, target: Target, policy: &FilingPolicy) -> Decision {
    let now = weigh(facts, at, target, policy);
    Decision {
        verdict: now.verdict,
        since: now.since,
        next_change: next_change(facts, at, now.verdict, target, policy),
        shown: now.shown,
    }
}

/// The first reason for which one record does not open the domain, in the order of DESIGN 1.3;
/// `None` where it opens it.
pub fn reason_of(
    facts: &Facts,
    at: Instant,
    target: Target,
    policy: &FilingPolicy,
) -> Option<Reason> {
    judge(facts, at, target, policy).reason
}

/// Every reason for which one record does not open the domain, in the order of DESIGN 1.3: the
/// first one, and those that would be left if what stands before them were mended. None where it
/// opens the domain.
pub fn reasons_of(
    facts: &Facts,
    at: Instant,
    target: Target,
    policy: &FilingPolicy,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut left = *facts;
    while let Some(reason) = reason_of(&left, at, target, policy) {
        reasons.push(reason);
        match reason {
            Reason::Restricted => (left.restricted, left.blacklisted) = (false, false),
            Reason::ForumNoPreapproval => left.bbs_preapproval = true,
            Reason::ForumIndividual | Reason::ForumProvince => left.site = SiteKind::Web,
            // How access stands with us is asked anew with the next one; the forum stays one.
            Reason::AccessCancelled => {
                reasons.extend(forum_reason(&left, policy));
                break;
            }
            // These exclude each other.
            _ => break,
        }
    }
    reasons
}

/// What all records together say at one instant.
struct Weighed {
    verdict: Verdict,
    since: Option<Instant>,
    shown: Option<usize>,
}

fn weigh(facts: &[Facts], at: Instant, target: Target, policy: &FilingPolicy) -> Weighed {
    let findings = facts.iter().enumerate().map(|(index, record)| {
        let finding = judge(record, at, target, policy);
        (weight(&finding, record), finding, index)
    });
    let best = findings.max_by_key(|(weight, _, _)| *weight);
    match best {
        Some((_, finding, index)) => Weighed {
            verdict: finding.reason.map_or(Verdict::Open, Verdict::Blocked),
            since: finding.since,
            shown: Some(index),
        },
        None => {
            let verdict = match (target, policy.other_mainland) {
                (Target::OtherMainland, OtherMainland::Open) => Verdict::Open,
                _ => Verdict::Blocked(Reason::NoFiling),
            };
            Weighed { verdict, since: None, shown: None }
        }
    }
}

/// How much a record counts for the verdict: a restriction before all, then whatever opens, then
/// the record that is furthest along. Among equals the longest open or the latest blocked, and
/// then the key, so that the order of the records never matters.
type Weight = (u8, i64, std::cmp::Reverse<u64>, bool);

fn weight(finding: &Finding, record: &Facts) -> Weight {
    let standing = match finding.reason {
        Some(Reason::Restricted) => 15,
        None => 14,
        Some(Reason::NotSynced) => 13,
        Some(Reason::TransferInProgress) => 12,
        Some(Reason::TransferRejected) => 11,
        Some(Reason::HeldElsewhere) => 10,
        Some(Reason::UnderReview) => 9,
        Some(Reason::Rejected) => 8,
        Some(Reason::ForumProvince) => 7,
        Some(Reason::ForumNoPreapproval) => 6,
        Some(Reason::ForumIndividual) => 5,
        Some(Reason::AccessCancelled) => 4,
        Some(Reason::DomainChanged) => 3,
        Some(Reason::Cancelled) => 2,
        // A record that says nothing of the website is behind every record that says something.
        Some(Reason::NoFiling) => 1,
    };
    let recency = match (finding.since, finding.reason) {
        (None, _) => i64::MIN,
        (Some(since), Some(_)) => since.0,
        (Some(since), None) => since.0.saturating_neg(),
    };
    (standing, recency, std::cmp::Reverse(record.key), record.role == Role::Domain)
}

/// The verdict is constant between the instants that the records name, so looking at each of
/// those that lie ahead is exact.
fn next_change(
    facts: &[Facts],
    at: Instant,
    verdict: Verdict,
    target: Target,
    policy: &FilingPolicy,
) -> Option<Instant> {
    let mut seen = at;
    loop {
        seen = next_instant(facts, seen)?;
        if weigh(facts, seen, target, policy).verdict != verdict {
            return Some(seen);
        }
    }
}

/// The earliest instant after `after` at which anything in the records takes effect or lapses.
fn next_instant(facts: &[Facts], after: Instant) -> Option<Instant> {
    let named = facts.iter().flat_map(|record| {
        let applied = record.application.and_then(|application| application.at);
        let lapses = applied.map(initial_review_lapses);
        [record.approved_at, record.held_since, record.synced_at, applied, lapses]
    });
    named.flatten().filter(|instant| *instant > after).min()
}

fn initial_review_lapses(passed: Instant) -> Instant {
    Instant(passed.0.saturating_add(INITIAL_REVIEW_HOLDS))
}

/// What one record says: `reason` is `None` where it opens the domain.
struct Finding {
    reason: Option<Reason>,
    since: Option<Instant>,
}

fn opens(since: Option<Instant>) -> Finding {
    Finding { reason: None, since }
}

fn gives(reason: Reason, since: Option<Instant>) -> Finding {
    Finding { reason: Some(reason), since }
}

/// An application as it stood at an instant.
#[derive(Clone, Copy)]
struct Applied {
    kind: ApplicationKind,
    status: ApplicationStatus,
    /// When the status was reached; `None` where the record does not tell, or tells of a later one.
    since: Option<Instant>,
}

impl Applied {
    fn as_of(application: Application, at: Instant) -> Applied {
        let kind = application.kind;
        if application.at.is_none_or(|reached| reached <= at) {
            return Applied { kind, status: application.status, since: application.at };
        }
        // Without its instant, one pending status is as good as another.
        Applied { kind, status: ApplicationStatus::UnderReview, since: None }
    }

    fn is_approved(&self, kind: ApplicationKind) -> bool {
        self.kind == kind && self.status == ApplicationStatus::Approved
    }
}

fn judge(record: &Facts, at: Instant, target: Target, policy: &FilingPolicy) -> Finding {
    let applied = record.application.map(|application| Applied::as_of(application, at));
    let approved = |kind| applied.filter(|applied| applied.is_approved(kind));
    let domain_change = approved(ApplicationKind::ChangeDomain);
    let site_cancelled = approved(ApplicationKind::CancelSite);
    let approval_reached = record.approved_at.is_none_or(|approved| approved <= at);
    let in_force =
        record.standing == Standing::InForce && approval_reached && site_cancelled.is_none();
    let speaks_for_domain = match record.role {
        Role::Domain => domain_change.is_none(),
        Role::NewDomain => domain_change.is_some(),
    };

    if record.restricted && in_force && speaks_for_domain
        || record.blacklisted && (record.role == Role::Domain || speaks_for_domain)
    {
        return gives(Reason::Restricted, None);
    }
    if target == Target::OtherMainland && policy.other_mainland == OtherMainland::Open {
        return opens(None);
    }
    if record.kind != Kind::Website && !policy.app_filings_open {
        return gives(Reason::NoFiling, None);
    }
    if record.standing == Standing::Cancelled || site_cancelled.is_some() {
        return gives(Reason::Cancelled, site_cancelled.and_then(|cancelled| cancelled.since));
    }
    if let (Role::Domain, Some(change)) = (record.role, domain_change) {
        return gives(Reason::DomainChanged, change.since);
    }
    let access_counts = target == Target::Own || policy.other_mainland == OtherMainland::AsOwn;
    // Who moves here may have left the old provider before the transfer is through.
    let is_moving_here = record.provider != ProviderIs::Ours
        && record.application.is_some_and(|asked| asked.kind == ApplicationKind::Transfer);
    if access_counts && in_force && speaks_for_domain && !is_moving_here {
        let cancelled = approved(ApplicationKind::CancelAccess);
        if record.access == Access::Cancelled || cancelled.is_some() {
            return gives(Reason::AccessCancelled, cancelled.and_then(|cancelled| cancelled.since));
        }
    }
    if let Some(reason) = forum_reason(record, policy) {
        return gives(reason, applied.and_then(|applied| applied.since));
    }
    if !speaks_for_domain {
        return new_domain_not_approved(applied);
    }
    if !in_force {
        return not_in_force(record, applied);
    }
    if access_counts {
        held_here(record, applied, at, policy)
    } else {
        opens(record.approved_at.max(domain_change.and_then(|change| change.since)))
    }
}

/// Rows 18 to 20. Only the first holds once the authority has approved.
fn forum_reason(record: &Facts, policy: &FilingPolicy) -> Option<Reason> {
    if record.site != SiteKind::Forum {
        return None;
    }
    let closed_province = || {
        record.province.is_some_and(|province| policy.forum_closed_provinces.contains(&province))
    };
    match record.standing {
        _ if record.individual => Some(Reason::ForumIndividual),
        Standing::None if !record.bbs_preapproval => Some(Reason::ForumNoPreapproval),
        Standing::None if closed_province() => Some(Reason::ForumProvince),
        _ => None,
    }
}

/// Row 8 for the new domain: the change has not been approved.
fn new_domain_not_approved(applied: Option<Applied>) -> Finding {
    match applied {
        Some(Applied { kind: ApplicationKind::ChangeDomain, status, since }) => {
            pending_or_rejected(status, since)
        }
        _ => gives(Reason::NoFiling, None),
    }
}

/// Rows 1 to 4, and a filing whose approval lies ahead.
fn not_in_force(record: &Facts, applied: Option<Applied>) -> Finding {
    use ApplicationKind::*;
    if record.standing == Standing::InForce {
        return gives(Reason::UnderReview, None);
    }
    match applied {
        Some(Applied { kind: First | AddWebsite | Transfer, status, since }) => {
            pending_or_rejected(status, since)
        }
        _ => gives(Reason::NoFiling, None),
    }
}

fn pending_or_rejected(status: ApplicationStatus, since: Option<Instant>) -> Finding {
    use ApplicationStatus::*;
    let reason = match status {
        Draft | InitialReview | InitialPassed | UnderReview => Reason::UnderReview,
        Rejected => Reason::Rejected,
        Withdrawn => Reason::NoFiling,
        Approved => Reason::NotSynced,
    };
    gives(reason, since)
}

/// Rows 5, 6, 10 to 12 and 14: the filing is in force for the domain; is it held with us?
fn held_here(
    record: &Facts,
    applied: Option<Applied>,
    at: Instant,
    policy: &FilingPolicy,
) -> Finding {
    let ours = record.provider == ProviderIs::Ours;
    if record.role == Role::NewDomain {
        // `judge` comes here for a new domain only once its change is approved.
        let Some(changed) = applied.and_then(|change| change.since).filter(|_| ours) else {
            let reason = if ours { Reason::NotSynced } else { Reason::HeldElsewhere };
            return gives(reason, applied.and_then(|change| change.since));
        };
        let held_since = record.held_since.map_or(changed, |held| held.max(changed));
        return synced(record, Some(held_since), at);
    }
    match applied.filter(|applied| applied.kind == ApplicationKind::Transfer) {
        Some(transfer) if !ours || record.held_since.is_none_or(|held| held > at) => {
            transferred(record, transfer, at, policy)
        }
        _ if ours => synced(record, record.held_since.or(record.approved_at), at),
        _ => gives(Reason::HeldElsewhere, record.approved_at),
    }
}

/// Rows 11, 12 and 14.
fn transferred(record: &Facts, transfer: Applied, at: Instant, policy: &FilingPolicy) -> Finding {
    use ApplicationStatus::*;
    match transfer.status {
        Rejected => gives(Reason::TransferRejected, transfer.since),
        Withdrawn => gives(Reason::HeldElsewhere, transfer.since),
        Approved if record.provider == ProviderIs::Ours => {
            let held_since = record.held_since.or(transfer.since).or(record.approved_at);
            synced(record, held_since, at)
        }
        // The other provider's `held_since` speaks of the other provider.
        Approved if transfer.since.is_some() => synced(record, transfer.since, at),
        Approved => gives(Reason::NotSynced, None),
        Draft | InitialReview | InitialPassed | UnderReview => {
            in_progress(transfer, at, policy.transfer_in_progress)
        }
    }
}

/// Row 11.
fn in_progress(transfer: Applied, at: Instant, setting: TransferInProgress) -> Finding {
    use ApplicationStatus::{InitialPassed, UnderReview};
    match (setting, transfer.status, transfer.since) {
        (TransferInProgress::Open, _, since) => opens(since),
        (TransferInProgress::AfterInitialReview, InitialPassed | UnderReview, Some(passed)) => {
            let lapses = initial_review_lapses(passed);
            if at < lapses {
                opens(Some(passed))
            } else {
                gives(Reason::TransferInProgress, Some(lapses))
            }
        }
        (_, _, since) => gives(Reason::TransferInProgress, since),
    }
}

/// Rows 5 and 6: synced means held since ≤ synced ≤ now.
fn synced(record: &Facts, held_since: Option<Instant>, at: Instant) -> Finding {
    match record.synced_at {
        Some(synced) if synced <= at && held_since.is_none_or(|held| held <= synced) => {
            opens(Some(synced))
        }
        _ => gives(Reason::NotSynced, held_since.filter(|held| *held <= at)),
    }
}

#[cfg(test)]
mod tests;
