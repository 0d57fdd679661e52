//! The outcome of a decision: open, or blocked for a reason. One byte, since the zone store keeps
//! one beside each zone.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a site domain is blocked (DESIGN 1.2). The codes are an interface: they stand in extended
/// DNS errors, logs, the `_icp` TXT record and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Row 1: no filing at all.
    NoFiling = 1,
    /// Rows 2, 3, 8: the filing is in progress.
    UnderReview,
    /// Rows 4, 8: the authority rejected it.
    Rejected,
    /// Row 6: approved, but not yet in the provider's own system.
    NotSynced,
    /// Row 9: the filing was moved to another domain.
    DomainChanged,
    /// Row 10: filed, but only with another provider.
    HeldElsewhere,
    /// Row 11: a transfer to this provider is in progress.
    TransferInProgress,
    /// Row 12: the transfer was rejected.
    TransferRejected,
    /// Rows 13, 15: the filing was cancelled.
    Cancelled,
    /// Row 16: access with this provider was cancelled.
    AccessCancelled,
    /// Row 17: restricted or blacklisted by the authority.
    Restricted,
    /// Row 18: a forum of an individual.
    ForumIndividual,
    /// Row 19: a forum without the BBS preapproval.
    ForumNoPreapproval,
    /// Row 20: a forum in a province that accepts none.
    ForumProvince,
}

impl Reason {
    /// Every reason, in the order of the numbers.
    pub const ALL: [Reason; 14] = [
        Reason::NoFiling,
        Reason::UnderReview,
        Reason::Rejected,
        Reason::NotSynced,
        Reason::DomainChanged,
        Reason::HeldElsewhere,
        Reason::TransferInProgress,
        Reason::TransferRejected,
        Reason::Cancelled,
        Reason::AccessCancelled,
        Reason::Restricted,
        Reason::ForumIndividual,
        Reason::ForumNoPreapproval,
        Reason::ForumProvince,
    ];

    /// Every reason, in the order of the decision (DESIGN 1.3): a record gives the first that
    /// holds.
    pub const IN_ORDER: [Reason; 14] = [
        Reason::Restricted,
        Reason::Cancelled,
        Reason::DomainChanged,
        Reason::AccessCancelled,
        Reason::ForumIndividual,
        Reason::ForumNoPreapproval,
        Reason::ForumProvince,
        Reason::Rejected,
        Reason::NoFiling,
        Reason::UnderReview,
        Reason::HeldElsewhere,
        Reason::TransferRejected,
        Reason::TransferInProgress,
        Reason::NotSynced,
    ];

    /// The reason code of DESIGN 1.2, such as `no-filing`.
    pub fn code(self) -> &'static str {
        match self {
            Reason::NoFiling => "no-filing",
            Reason::UnderReview => "under-review",
            Reason::Rejected => "rejected",
            Reason::NotSynced => "not-synced",
            Reason::DomainChanged => "domain-changed",
            Reason::HeldElsewhere => "held-elsewhere",
            Reason::TransferInProgress => "transfer-in-progress",
            Reason::TransferRejected => "transfer-rejected",
            Reason::Cancelled => "cancelled",
            Reason::AccessCancelled => "access-cancelled",
            Reason::Restricted => "restricted",
            Reason::ForumIndividual => "forum-individual",
            Reason::ForumNoPreapproval => "forum-no-preapproval",
            Reason::ForumProvince => "forum-province",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whether a site domain's gated data is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The filing opens it.
    Open,
    /// Row 23: nothing of it is in mainland China.
    NotRequired,
    /// Reverse zones and the provider's own zones: no filing is asked for.
    Exempt,
    /// The notice address is answered.
    Blocked(Reason),
}

impl Verdict {
    /// True unless blocked.
    pub fn is_open(self) -> bool {
        !matches!(self, Verdict::Blocked(_))
    }

    /// True where a filing, or the lack of one, decided.
    pub fn is_by_filing(self) -> bool {
        !matches!(self, Verdict::Exempt | Verdict::NotRequired)
    }

    /// The code shown to people and machines: `open`, `not-required`, `exempt` or the reason's.
    pub fn code(self) -> &'static str {
        match self {
            Verdict::Open => "open",
            Verdict::NotRequired => "not-required",
            Verdict::Exempt => "exempt",
            Verdict::Blocked(reason) => reason.code(),
        }
    }

    /// The verdict as a number, never 0: what a snapshot holds. Others mean it by its code.
    pub fn number(self) -> u8 {
        match self {
            Verdict::Blocked(reason) => reason as u8,
            Verdict::Open => 0x80,
            Verdict::NotRequired => 0x81,
            Verdict::Exempt => 0x82,
        }
    }

    /// The verdict of a number; none where this version has no such number.
    pub fn of_number(number: u8) -> Option<Verdict> {
        match number {
            0x80 => Some(Verdict::Open),
            0x81 => Some(Verdict::NotRequired),
            0x82 => Some(Verdict::Exempt),
            reason => {
                let reason = Reason::ALL.get(usize::from(reason).checked_sub(1)?)?;
                Some(Verdict::Blocked(*reason))
            }
        }
    }

    /// The verdict of a code; none where this version has no such code.
    pub fn of_code(code: &str) -> Option<Verdict> {
        let unblocked = [Verdict::Open, Verdict::Exempt, Verdict::NotRequired];
        let blocked = Reason::ALL.into_iter().map(Verdict::Blocked);
        unblocked.into_iter().chain(blocked).find(|verdict| verdict.code() == code)
    }
}

/// By its code.
impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
        let code = Cow::<str>::deserialize(deserializer)?;
        Verdict::of_code(&code)
            .ok_or_else(|| serde::de::Error::custom(format!("{code} is no verdict")))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_and_reason_are_shown_by_their_codes() {
        let verdicts = [Verdict::Open, Verdict::NotRequired, Verdict::Exempt];
        assert_eq!(verdicts.map(|v| v.to_string()), ["open", "not-required", "exempt"]);
        let reason = Reason::ForumProvince;
        assert_eq!(reason.to_string(), "forum-province");
        assert_eq!(Verdict::Blocked(reason).to_string(), "forum-province");
    }

    #[test]
    fn each_number_is_of_one_verdict() {
        let numbered = |number| Some((number, Verdict::of_number(number)?));
        let all: Vec<_> = (0..=u8::MAX).filter_map(numbered).collect();
        assert_eq!(all.len(), 3 + Reason::ALL.len());
        assert!(all.iter().all(|(number, verdict)| verdict.number() == *number && *number > 0));
    }

    #[test]
    fn a_filing_decides_unless_none_was_asked_for() {
        assert!(Verdict::Open.is_by_filing() && Verdict::Blocked(Reason::NoFiling).is_by_filing());
        assert!(!Verdict::Exempt.is_by_filing() && !Verdict::NotRequired.is_by_filing());
    }
}
