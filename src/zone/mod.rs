//! The zone store: hosted zones in a compact, immutable form, found by the longest suffix of a
//! name, and looked up as RFC 1034 §4.3.2 says.
//!
//! | file | idea |
//! | --- | --- |
//! | `block` | one zone as one allocation: layout and read view |
//! | `locate` | where a name stands in its zone: node, wildcard, delegation, DNAME, nowhere |
//! | `build` | records to a block |
//! | `saved` | a block in a snapshot |
//! | `table` | all zones, each with its verdict beside it; replaced one by one |
//!
//! Owns no policy: what a verdict does to an answer is [`crate::gate`]'s business.

pub mod block;
pub mod build;
pub mod locate;
mod saved;
pub mod table;

pub use block::{Extra, Node, Rrset, Zone};
pub use build::{AddressClass, BuildError, Builder};
pub use locate::Place;
pub use table::{Column, Entry, Filling, Found, Portion, ZoneId, ZoneSet, ZoneTable};
