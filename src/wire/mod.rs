//! Names, types and messages as bytes: reading a query, writing a reply.
//!
//! Owns the wire format of RFC 1035 §4 and EDNS (RFC 6891) and nothing else: no zones, no policy,
//! no I/O.

pub mod fixed;
pub mod hashed_name;
pub mod name;
pub mod query;
pub mod reply;
pub mod rrtype;
pub mod sort_key;
pub mod tsig;

pub use hashed_name::{HashKey, HashedName};
pub use name::{Name, NameError};
pub use rrtype::Rtype;
pub use sort_key::SortKey;
