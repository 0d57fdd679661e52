//! The facts of one filing record that a decision needs: small, `Copy`, without text, so that
//! five million of them fit in memory. The texts that only an explanation shows stay in the files.

/// An instant in whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

/// What was filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A website.
    Website,
    /// An app; its filing opens a website only by `gate.app_filings_open`.
    App,
    /// A mini-program (小程序).
    MiniProgram,
    /// A quick app (快应用).
    QuickApp,
}

/// What kind of site is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// An ordinary website.
    Web,
    /// A forum, which has rules of its own (rows 18 to 21).
    Forum,
}

/// Whether the filing is in force at the ministry (field `status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Never approved.
    None,
    /// Approved and not cancelled.
    InForce,
    /// 注销.
    Cancelled,
}

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderIs {
    /// `filings.provider` of the configuration.
    Ours,
    /// Another access provider.
    Other,
    /// Not told, as in the ministry's public query.
    Unknown,
}

/// The filing's access with the record's provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// The provider holds the filing.
    Held,
    /// 取消接入.
    Cancelled,
}

/// What an application in progress asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApplicationKind {
    /// 首次备案.
    First,
    /// 新增网站.
    AddWebsite,
    /// 变更备案: never closes a domain.
    Change,
    /// 接入备案.
    Transfer,
    /// A change to another domain.
    ChangeDomain,
    /// 注销网站.
    CancelSite,
    /// 取消接入.
    CancelAccess,
}

/// How far an application has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApplicationStatus {
    /// Being written.
    Draft,
    /// With the provider for its own review.
    InitialReview,
    /// Past the provider's own review.
    InitialPassed,
    /// With the authority.
    UnderReview,
    /// Sent back.
    Rejected,
    /// Approved.
    Approved,
    /// Taken back by the applicant: as if it had never been made.
    Withdrawn,
}

/// An application and when its status was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Application {
    /// What it asks for.
    pub kind: ApplicationKind,
    /// How far it has come.
    pub status: ApplicationStatus,
    /// When that status was reached.
    pub at: Option<Instant>,
}

/// Whether the facts speak of the record's own domain, or of the domain that a change of domain
/// names as the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The record's `domain`.
    Domain,
    /// The record's `new_domain` (rows 8 and 9).
    NewDomain,
}

/// One filing of one domain, of one kind, with one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facts {
    /// Hash of the record's key, (domain, subject number or subject, kind, provider), in 40 bits
    /// ([`super::record::KEY_BITS`]).
    pub key: u64,
    /// Hash of the subject (its number, or its name where there is none): a subject's
    /// cancellation reaches all its sites.
    pub subject: u64,
    /// Own domain, or the new one of a change of domain.
    pub role: Role,
    /// What was filed.
    pub kind: Kind,
    /// Web or forum.
    pub site: SiteKind,
    /// The subject is an individual.
    pub individual: bool,
    /// Index into the list of provinces; `None` where unknown.
    pub province: Option<u8>,
    /// A BBS preapproval document is named.
    pub bbs_preapproval: bool,
    /// In force, never approved or cancelled.
    pub standing: Standing,
    /// First approval of the filing.
    pub approved_at: Option<Instant>,
    /// Whose record it is.
    pub provider: ProviderIs,
    /// Access with that provider.
    pub access: Access,
    /// Approval of the filing, or of its transfer, with that provider; `None` where the record
    /// leaves it empty (then `approved_at` holds, but for a pending transfer).
    pub held_since: Option<Instant>,
    /// When it reached our system.
    pub synced_at: Option<Instant>,
    /// The application in progress.
    pub application: Option<Application>,
    /// 是否限制接入 = 是.
    pub restricted: bool,
    /// On the authority's blacklist.
    pub blacklisted: bool,
}
