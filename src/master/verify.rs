//! Whether bytes are valid RDATA of their type: of data in generic form, and of what the fields
//! of one record must agree on.

use super::layout::{Field, layout};
use super::{loc, svcb};
use crate::wire::Rtype;
use crate::wire::name::name_len;

/// Says what is wrong with the RDATA of a type; fine for types of unknown layout.
pub(super) fn verify(rtype: Rtype, rdata: &[u8]) -> Result<(), String> {
    fields(rtype, rdata, |_, _| {})?;
    verify_meaning(rtype, rdata)
}

/// Splits RDATA into its fields and hands each to `take`; says what is wrong where that cannot be
/// done. Data of unknown layout has no fields.
pub(super) fn fields<'a>(
    rtype: Rtype,
    rdata: &'a [u8],
    mut take: impl FnMut(Field, &'a [u8]),
) -> Result<(), String> {
    let mut rest = rdata;
    for &field in layout(rtype).unwrap_or_default() {
        let (data, after) = field_len(field, rest)?
            .and_then(|len| rest.split_at_checked(len))
            .ok_or_else(|| format!("the data is too short for {rtype}"))?;
        take(field, data);
        rest = after;
    }
    if layout(rtype).is_some() && !rest.is_empty() {
        return Err(format!("the data is {} bytes too long for {rtype}", rest.len()));
    }
    Ok(())
}

/// What the fields of one record must agree on. The fields by themselves are valid.
#[inline]
pub(super) fn verify_meaning(rtype: Rtype, rdata: &[u8]) -> Result<(), String> {
    match rtype {
        Rtype::DS | Rtype::CDS => {
            let len = match rdata.get(3) {
                Some(1) => 20,
                Some(2 | 3) => 32,
                Some(4) => 48,
                _ => return Ok(()),
            };
            digest_len(rdata, 4, len)
        }
        Rtype::SSHFP => match rdata.get(1) {
            Some(1) => digest_len(rdata, 2, 20),
            Some(2) => digest_len(rdata, 2, 32),
            _ => Ok(()),
        },
        Rtype::ZONEMD => match rdata.get(5) {
            Some(1) => digest_len(rdata, 6, 48),
            Some(2) => digest_len(rdata, 6, 64),
            _ if rdata.len() < 6 + 12 => Err("the digest is shorter than 12 bytes".to_owned()),
            _ => Ok(()),
        },
        // Both high bits of the flags say that there is no key (RFC 2535 §3.1.2).
        Rtype::KEY if rdata.len() == 4 && rdata[0] & 0xc0 != 0xc0 => {
            Err("the key is missing".to_owned())
        }
        Rtype::NAPTR => verify_regexp(rdata),
        _ => Ok(()),
    }
}

fn digest_len(rdata: &[u8], at: usize, len: usize) -> Result<(), String> {
    let found = rdata.len().saturating_sub(at);
    if found == len {
        return Ok(());
    }
    Err(format!("the digest has {found} bytes, its type asks for {len}"))
}

/// A NAPTR's regexp is empty or has three parts, the last of them empty or `i` (RFC 3402 §3.2).
fn verify_regexp(rdata: &[u8]) -> Result<(), String> {
    let mut at = 4;
    let mut regexp: &[u8] = &[];
    for _ in 0..3 {
        let len = usize::from(*rdata.get(at).unwrap_or(&0));
        regexp = rdata.get(at + 1..at + 1 + len).unwrap_or_default();
        at += 1 + len;
    }
    let Some((&delimiter, parts)) = regexp.split_first() else { return Ok(()) };
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(&byte) = parts.get(at) {
        if byte == delimiter {
            ends.push(at);
        }
        at += if byte == b'\\' { 2 } else { 1 };
    }
    let flags = ends.last().map(|end| &parts[end + 1..]);
    let usable = !delimiter.is_ascii_digit() && !matches!(delimiter, b'i' | b'\\' | 0);
    if usable && ends.len() == 2 && matches!(flags, Some(b"" | b"i")) {
        return Ok(());
    }
    Err("the regexp must be three parts, as in \"!^.*$!sip:info@example.com!\"".to_owned())
}

/// Length of a field at the start of `rest`; `None` where the data ends before the field does.
fn field_len(field: Field, rest: &[u8]) -> Result<Option<usize>, String> {
    let counted = rest.first().map(|len| usize::from(*len) + 1);
    let to_end = (!rest.is_empty()).then_some(rest.len());
    Ok(match field {
        Field::U8 | Field::Algorithm => Some(1),
        Field::U16 | Field::CertType | Field::Covered => Some(2),
        Field::Ipv4 | Field::U32 | Field::Seconds | Field::Time => Some(4),
        Field::Eui48 => Some(6),
        Field::Eui64 => Some(8),
        Field::Ipv6 => Some(16),
        Field::Name => {
            if let Some(len) = name_len(rest) {
                Some(len)
            } else {
                return Err("a domain name is cut off, too long, or compressed".to_owned());
            }
        }
        Field::Text | Field::Salt => counted,
        Field::NextHash => counted.filter(|len| *len > 1),
        Field::Tag => {
            let tag = counted.and_then(|len| rest.get(1..len)).unwrap_or_default();
            if tag.is_empty() || !tag.iter().all(u8::is_ascii_alphanumeric) {
                return Err("the tag must be letters and digits".to_owned());
            }
            counted
        }
        Field::Texts => {
            let mut at = 0;
            while let Some(len) = rest.get(at) {
                at += usize::from(*len) + 1;
            }
            (at > 0 && at == rest.len()).then_some(at)
        }
        Field::RestText | Field::OptionalBase64 => Some(rest.len()),
        Field::Target | Field::Hex | Field::Base64 => to_end,
        Field::Types => {
            verify_types(rest)?;
            to_end
        }
        Field::OptionalTypes => {
            verify_types(rest)?;
            Some(rest.len())
        }
        Field::Loc => {
            if let Some(data) = rest.first_chunk() {
                loc::verify(data)?;
            }
            Some(16)
        }
        Field::SvcParams => {
            svcb::verify(rest)?;
            Some(rest.len())
        }
    })
}

/// Windows rise, have 1 to 32 bytes, and end in a byte that is not zero (RFC 4034 §4.1.2).
fn verify_types(mut rest: &[u8]) -> Result<(), String> {
    let mut before = None;
    while let [window, len, after @ ..] = rest {
        let bits = after.split_at_checked(usize::from(*len));
        match bits {
            Some((bits @ [.., last], tail))
                if bits.len() <= 32 && *last != 0 && before < Some(*window) =>
            {
                rest = tail;
            }
            _ => return Err("the type bit maps are not valid".to_owned()),
        }
        before = Some(*window);
    }
    if rest.is_empty() { Ok(()) } else { Err("the type bit maps are cut off".to_owned()) }
}
