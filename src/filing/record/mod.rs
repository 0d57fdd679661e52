//! One filing record: reading its fields, saying what is wrong with them, and handing out the
//! facts that a decision needs.
//!
//! It does not own files and their formats ([`crate::feed`]), and it compares no record with
//! another.

mod fields;
mod read;
mod words_of_fields;

use super::blanks;
use super::facts::{
    Access, Application, ApplicationKind, ApplicationStatus, Facts, Instant, Kind, ProviderIs,
    Role, SiteKind, Standing,
};
use super::hash::PartsHasher;
use super::licence::Number;
use super::province::Province;
use super::site_domain::{NormalDomain, SiteDomain};
use crate::fault::Severity;

pub use fields::{Field, Fields};

/// How much of a hash is kept as a record's key. Keys tell apart the records of one subject for one
/// site domain, of which there are few: of a million such pairs, the odds that any takes one for the
/// other are one in a million.
pub const KEY_BITS: u32 = 40;

/// One filing of one domain, of one kind, with one provider, as a file tells it. Texts are
/// borrowed from the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilingRecord<'a> {
    /// Whose filing it is.
    pub domain: NormalDomain<'a>,
    /// 主体备案号.
    pub subject_number: Option<Number<'a>>,
    /// 服务备案号.
    pub site_number: Option<Number<'a>>,
    /// Name of the subject; empty where not told.
    pub subject: &'a str,
    /// Nature of the subject; `None` where not told.
    pub nature: Option<Nature<'a>>,
    /// As told, else by the number.
    pub province: Option<Province>,
    /// What was filed.
    pub kind: Kind,
    /// Web or forum.
    pub site: SiteKind,
    /// The document's number; empty where there is none.
    pub bbs_preapproval: &'a str,
    /// Standing of the filing.
    pub standing: Standing,
    /// First approval.
    pub approved_at: Option<Instant>,
    /// The access provider; empty where unknown.
    pub provider: &'a str,
    /// Access with that provider.
    pub access: Access,
    /// As the field has it: `None` where it was left empty.
    pub held_since: Option<Instant>,
    /// When it reached our system.
    pub synced_at: Option<Instant>,
    /// The application in progress.
    pub application: Option<Application>,
    /// Where a change of domain leads.
    pub new_domain: Option<NormalDomain<'a>>,
    /// 是否限制接入 = 是.
    pub restricted: bool,
    /// On the authority's blacklist.
    pub blacklisted: bool,
    /// Free text.
    pub remark: &'a str,
    /// When the record was last touched.
    pub updated_at: Option<Instant>,
}

/// Nature of a subject; only an individual's changes a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nature<'a> {
    /// 企业.
    Enterprise,
    /// 个人.
    Individual,
    /// 政府机关.
    Government,
    /// 事业单位.
    Institution,
    /// 社会团体.
    Association,
    /// Any other, as it was written.
    Other(&'a str),
}

impl Nature<'_> {
    /// The ministry's word for it.
    pub fn chinese(&self) -> &str {
        match self {
            Nature::Other(text) => text,
            known => words_of_fields::NATURES
                .iter()
                .find(|(nature, _)| nature == known)
                .and_then(|(_, words)| words.last())
                .copied()
                .unwrap_or_default(),
        }
    }
}

/// What is wrong with a field; the reader of the file adds file, line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field to mend.
    pub field: Field,
    /// Its text.
    pub text: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
    /// An error skips the record (but see [`FilingRecord::from_fields`]), a warning keeps it.
    pub severity: Severity,
}

impl<'a> FilingRecord<'a> {
    /// Reads a record. There is none where a fault makes it useless; the one error that keeps
    /// the record is a forum of an individual, since its reason is to be seen (row 18).
    #[inline]
    pub fn from_fields(fields: &'a Fields<'_>) -> (Option<FilingRecord<'a>>, Vec<FieldFault>) {
        read::read(fields)
    }

    /// The facts as they bear on the record's own domain ([`Role::Domain`]) or on that of its
    /// change of domain ([`Role::NewDomain`]). `provider` says whose `self.provider` is.
    pub fn facts(&self, provider: ProviderIs, role: Role) -> Facts {
        Facts {
            key: self.key(role),
            subject: self.subject_hash(),
            role,
            kind: self.kind,
            site: self.site,
            individual: self.nature == Some(Nature::Individual),
            province: self.province.map(Province::index),
            bbs_preapproval: !self.bbs_preapproval.is_empty(),
            standing: self.standing,
            approved_at: self.approved_at,
            provider,
            access: self.access,
            held_since: self.held_since,
            synced_at: self.synced_at,
            application: self.application,
            restricted: self.restricted,
            blacklisted: self.blacklisted,
        }
    }

    /// Whose the record is, if `ours` is the name of this provider (`filings.provider`); letter
    /// case of ASCII does not count.
    pub fn provider_is(&self, ours: &str) -> ProviderIs {
        let ours = blanks::trim(ours);
        if self.provider.is_empty() {
            ProviderIs::Unknown
        } else if self.provider == ours || self.provider.eq_ignore_ascii_case(ours) {
            ProviderIs::Ours
        } else {
            ProviderIs::Other
        }
    }

    /// The domain that a running or approved change of domain leads to.
    pub fn new_domain(&self) -> Option<&str> {
        let changes_domain = self.application.is_some_and(|application| {
            application.kind == ApplicationKind::ChangeDomain
                && application.status != ApplicationStatus::Withdrawn
        });
        self.new_domain.as_deref().filter(|_| changes_domain)
    }

    /// The site domain at or above [`FilingRecord::domain`].
    pub fn site_domain(&self) -> SiteDomain<'_> {
        self.domain.site_domain()
    }

    /// The subject, as in [`Facts::subject`], whose sites this record cancels all together: a
    /// cancelled record that names a subject's number, but no site's.
    ///
    /// The rule for whoever keeps the records: while such a record stands, every other record
    /// with the same [`Facts::subject`] counts as [`Standing::Cancelled`], of whatever domain, kind
    /// and provider, unless the filing is younger than the cancellation: unless its `approved_at`
    /// is later than the `application_at` of this record's approved `cancel-site`. Where either
    /// instant is missing the filing counts as cancelled, since a number that was cancelled never
    /// comes back. Records that name their subject without a number are another's:
    /// a new first application is not cancelled. [`falls_with_subject`] is this rule as code.
    pub fn cancels_subject(&self) -> Option<u64> {
        let whole_subject = self.standing == Standing::Cancelled
            && self.site_number.is_none()
            && self.subject_number.is_some_and(|number| !number.is_of_a_site());
        whole_subject.then(|| self.subject_hash())
    }

    /// Warnings about instants more than a day ahead of `now`, which reading cannot know.
    pub fn warnings_at(&self, now: Instant) -> Vec<FieldFault> {
        const A_DAY: i64 = 86_400;
        let application_at = self.application.and_then(|application| application.at);
        let latest = now.0.saturating_add(A_DAY);
        let mut warnings = Vec::new();
        for (field, instant) in [
            (Field::ApprovedAt, self.approved_at),
            (Field::HeldSince, self.held_since),
            (Field::SyncedAt, self.synced_at),
            (Field::ApplicationAt, application_at),
        ] {
            if let Some(instant) = instant.filter(|instant| instant.0 > latest) {
                warnings.push(FieldFault {
                    field,
                    text: instant.to_string(),
                    problem: "this is more than a day ahead".into(),
                    remedy: "it takes effect when the time comes; mend it if that is not meant"
                        .into(),
                    severity: Severity::Warning,
                });
            }
        }
        warnings
    }

    /// Hash of (domain, subject number or subject, kind, provider), and of the role, in [`KEY_BITS`].
    fn key(&self, role: Role) -> u64 {
        let domain = match role {
            Role::Domain => &self.domain,
            Role::NewDomain => self.new_domain.as_deref().unwrap_or_default(),
        };
        let mut hasher = PartsHasher::new();
        hasher.number(role as u64).lower_text(domain);
        self.hash_subject(&mut hasher);
        hasher.number(self.kind as u64).text(self.provider);
        hasher.finish() >> (u64::BITS - KEY_BITS)
    }

    fn subject_hash(&self) -> u64 {
        let mut hasher = PartsHasher::new();
        self.hash_subject(&mut hasher);
        hasher.finish()
    }

    fn hash_subject(&self, hasher: &mut PartsHasher) {
        let by_site = || self.site_number.as_ref().and_then(Number::known).map(Number::Known);
        let number = self.subject_number.or_else(by_site);
        match number {
            Some(Number::Known(licence)) => licence.subject().hash_into(hasher.number(1)),
            Some(unknown) => unknown.hash_into(hasher.number(2)),
            None => {
                hasher.number(3).text(self.subject);
            }
        }
    }
}

/// True where a record is cancelled together with its subject by `cancellation`, the facts of a
/// record with [`FilingRecord::cancels_subject`].
pub fn falls_with_subject(record: &Facts, cancellation: &Facts) -> bool {
    let cancelled_at = cancellation
        .application
        .filter(|application| {
            application.kind == ApplicationKind::CancelSite
                && application.status == ApplicationStatus::Approved
        })
        .and_then(|application| application.at);
    let younger = matches!((record.approved_at, cancelled_at), (Some(approved), Some(cancelled)) if approved > cancelled);
    record.subject == cancellation.subject && !younger
}

#[cfg(test)]
mod tests;
