//! Master files (RFC 1035 §5) to records in wire form, with the place of each.
//!
//! [`Reader`] reads one zone file after another into [`Records`], says what is wrong with each in
//! [`crate::fault::Fault`]s, and [`check`]s that the records make a zone. It goes by BIND's
//! `named-checkzone`: what that refuses is refused here.
//!
//! The way of a line: the lexer cuts it into words; the reader takes owner, TTL, class and type
//! from them; the type's layout says which fields its data has; each is read to wire form. The
//! same layout verifies data in generic form and writes data back as text.

mod address;
mod check;
mod encoding;
mod faults;
mod generate;
mod include;
mod index;
mod layout;
mod lexer;
mod loc;
mod rdata;
mod reader;
pub mod records;
mod svcb;
mod text;
#[cfg(test)]
mod types_test;
mod verify;
#[cfg(test)]
mod zone_test;

pub use check::check;
pub use reader::{Reader, read_zone, read_zone_bytes};
pub use records::{RecordRef, Records};
pub use text::{rdata_to_text, record_to_text};
