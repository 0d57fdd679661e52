//! ICP filings and what follows from them: whether a site domain is open at an instant, and why.
//!
//! Pure: no I/O, no clock of its own, no DNS types. `DESIGN` rows quoted in the comments are the
//! rows of the decision table in `ARCHITECTURE.md`.

pub mod decide;
pub mod facts;
pub mod verdict;

pub use facts::{
    Access, Application, ApplicationKind, ApplicationStatus, Facts, Instant, Kind, ProviderIs,
    Role, SiteKind, Standing,
};
pub use verdict::{Reason, Verdict};
