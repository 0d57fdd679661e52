//! The zone store: hosted zones in a compact, immutable form, found by the longest suffix of a
//! name, and looked up as RFC 1034 §4.3.2 says.
//!
//! | file | idea |
//! | --- | --- |
//! | `block` | one zone as one allocation: layout and read view |
//! | `locate` | where a name stands in its zone: node, wildcard, delegation, DNAME, nowhere |
//! | `draft` | records to names and RRsets in canonical order |
//! | `build` | those to a block |
//! | `classify` | what the addresses of each name are to the gate |
//! | `saved` | a block in a snapshot |
//! | `table` | all zones, each with its verdict beside it: what queries look in |
//! | `shard` | one of the parts that it consists of |
//! | `ancestors` | which names have zones below them |
//! | `set` | the table in the making; zones and verdicts are replaced one by one |
//!
//! Owns no policy: what a verdict does to an answer is [`crate::gate`]'s business.

mod ancestors;
pub mod block;
pub mod build;
mod classify;
mod draft;
pub mod locate;
mod saved;
mod set;
mod shard;
mod table;

pub use block::{Extra, Node, Rrset, Zone};
pub use build::{BuildError, Builder};
pub use classify::AddressClass;
pub use locate::Place;
pub use set::{Filling, Portion, ZoneSet};
pub use table::{Column, Entry, Found, ZoneId, ZoneTable};
