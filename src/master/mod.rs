//! Master files (RFC 1035 §5) to records in wire form, with the place of each.

pub mod records;

pub use records::{RecordRef, Records};
