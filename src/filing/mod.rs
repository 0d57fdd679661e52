//! ICP filings and what follows from them: whether a site domain is open at an instant, and why.
//!
//! Pure: no I/O, no clock of its own, no DNS types. `DESIGN` rows quoted in the comments are the
//! rows of the decision table in `ARCHITECTURE.md`.
//!
//! | file | owns |
//! | --- | --- |
//! | [`facts`] | what a decision needs of one record |
//! | [`decide`] | the decision |
//! | [`verdict`] | its outcome |
//! | [`words`] | what people are told about it |
//! | [`record`] | one line of a filing file: reading and validating its fields |
//! | [`licence`], [`province`] | filing numbers |
//! | [`site_domain`] | domains of filings |
//! | [`instant`] | times |

mod blanks;
pub mod decide;
pub mod facts;
mod hash;
pub mod instant;
pub mod licence;
pub mod province;
pub mod record;
pub mod site_domain;
pub mod verdict;
pub mod words;

pub use facts::{
    Access, Application, ApplicationKind, ApplicationStatus, Facts, Instant, Kind, ProviderIs,
    Role, SiteKind, Standing,
};
pub use verdict::{Reason, Verdict};
