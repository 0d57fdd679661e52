//! Records from wire form to one line of presentation form, for people and for tests.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::encoding::{to_base32hex, to_base64, to_hex, to_time};
use super::layout::{Field, layout};
use super::records::RecordRef;
use super::{loc, svcb, verify};
use crate::wire::{Rtype, name};

/// `owner TTL IN type rdata` on one line. Data that is not valid for its type, and data of types
/// without a presentation form of their own, is written in the generic form of RFC 3597.
pub fn record_to_text(record: RecordRef<'_>) -> String {
    let RecordRef { owner, rtype, ttl, rdata, .. } = record;
    format!("{} {ttl} IN {rtype} {}", name::to_text(owner), rdata_to_text(rtype, rdata))
}

/// Presentation form of RDATA, as [`record_to_text`] writes it.
pub fn rdata_to_text(rtype: Rtype, rdata: &[u8]) -> String {
    if layout(rtype).is_none() || verify::verify(rtype, rdata).is_err() {
        return generic(rdata);
    }
    let mut text = String::new();
    // The data was verified above, so that every field is whole.
    let _ = verify::fields(rtype, rdata, |field, data| {
        if !text.is_empty() && !matches!(field, Field::SvcParams) {
            text.push(' ');
        }
        write_field(field, data, &mut text);
    });
    text.truncate(text.trim_end().len());
    text
}

/// A character string in quotes.
pub(super) fn quote(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            0x20..=0x7e => text.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(text, "\\{byte:03}")),
        }
    }
    text.push('"');
    text
}

fn generic(rdata: &[u8]) -> String {
    format!("\\# {} {}", rdata.len(), to_hex(rdata)).trim_end().to_owned()
}

fn write_field(field: Field, data: &[u8], text: &mut String) {
    let value = || data.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
    match field {
        Field::U8
        | Field::U16
        | Field::U32
        | Field::Seconds
        | Field::Algorithm
        | Field::CertType => text.push_str(&value().to_string()),
        Field::Ipv4 => text.push_str(&Ipv4Addr::from(value()).to_string()),
        Field::Ipv6 => {
            let octets: [u8; 16] = data.try_into().unwrap_or_default();
            text.push_str(&Ipv6Addr::from(octets).to_string());
        }
        Field::Name => text.push_str(&name::to_text(data)),
        Field::Covered => text.push_str(&Rtype(value() as u16).to_string()),
        Field::Time => text.push_str(&to_time(value())),
        Field::Text => text.push_str(&quote(data.get(1..).unwrap_or_default())),
        Field::Texts => {
            let mut rest = data;
            let mut texts = Vec::new();
            while let Some((len, after)) = rest.split_first() {
                let (bytes, after) =
                    after.split_at_checked(usize::from(*len)).unwrap_or((after, &[]));
                texts.push(quote(bytes));
                rest = after;
            }
            text.push_str(&texts.join(" "));
        }
        Field::Tag => text.push_str(&String::from_utf8_lossy(data.get(1..).unwrap_or_default())),
        Field::RestText | Field::Target => text.push_str(&quote(data)),
        Field::Hex => text.push_str(&to_hex(data)),
        Field::Base64 | Field::OptionalBase64 => text.push_str(&to_base64(data)),
        Field::Salt if data.len() <= 1 => text.push('-'),
        Field::Salt => text.push_str(&to_hex(&data[1..])),
        Field::NextHash => text.push_str(&to_base32hex(data.get(1..).unwrap_or_default())),
        Field::Types | Field::OptionalTypes => {
            text.push_str(&types(data).iter().map(Rtype::to_string).collect::<Vec<_>>().join(" "));
        }
        Field::Loc => {
            if let Ok(data) = data.try_into() {
                text.push_str(&loc::to_text(data));
            }
        }
        Field::SvcParams => text.push_str(&svcb::to_text(data)),
        Field::Eui48 | Field::Eui64 => {
            let pairs: Vec<_> = data.iter().map(|byte| format!("{byte:02x}")).collect();
            text.push_str(&pairs.join("-"));
        }
    }
}

/// The types of valid bit maps.
fn types(mut rest: &[u8]) -> Vec<Rtype> {
    let mut types = Vec::new();
    while let [window, len, after @ ..] = rest {
        let (bits, tail) = after.split_at_checked(usize::from(*len)).unwrap_or((after, &[]));
        for code in 0..bits.len() * 8 {
            if bits[code / 8] & (0x80 >> (code % 8)) != 0 {
                types.push(Rtype(u16::from(*window) << 8 | code as u16));
            }
        }
        rest = tail;
    }
    types
}
