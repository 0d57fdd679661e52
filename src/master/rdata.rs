//! RDATA from text to wire form, by the layout of its type or in the generic form of RFC 3597 §5.

use super::address::{ipv4, ipv6};
use super::encoding::{Base64, Hex, base32hex, time};
use super::layout::{Field, layout, parse_rtype};
use super::lexer::{Bad, Lexer, Mark, Outcome, Quoting, Word};
use super::{loc, svcb, verify};
use crate::wire::name::{NameError, parse_into, unescape};
use crate::wire::{Name, Rtype};

/// Longest RDATA (RFC 1035 §3.2.1).
const MAX_RDATA_LEN: usize = 65_535;

/// Appends the RDATA that the rest of the entry spells, and goes to the entry's end. Faults of the
/// data as a whole are placed at `mark`, where the type stands.
pub(super) fn read(
    rtype: Rtype,
    mark: Mark,
    lexer: &mut Lexer<'_>,
    origin: &[u8],
    out: &mut Vec<u8>,
) -> Outcome<()> {
    let start = out.len();
    let whole = |problem: String, remedy: &'static str| {
        Bad::new(mark, rtype.to_string().as_bytes(), problem, remedy)
    };
    if is_generic(lexer) {
        read_generic(lexer, out)?;
        if layout(rtype).is_some() {
            verify::verify(rtype, &out[start..])
                .map_err(|problem| whole(problem, "correct the hexadecimal data"))?;
        }
        return Ok(());
    }
    let Some(fields) = layout(rtype) else {
        return Err(whole(
            "the data of this type is read in generic form only".to_owned(),
            "write it as in TYPE65534 \\# 2 ABCD (RFC 3597 §5)",
        ));
    };
    for &field in fields {
        read_field(field, lexer, origin, out)?;
    }
    if let Some(extra) = lexer.next()? {
        return Err(extra.bad(
            format!("{rtype} has no more fields, yet the record goes on"),
            "put this on a line of its own, or take it away",
        ));
    }
    if out.len() - start > MAX_RDATA_LEN {
        return Err(whole("the data is longer than 65535 bytes".to_owned(), "shorten it"));
    }
    verify::verify_meaning(rtype, &out[start..])
        .map_err(|problem| whole(problem, "correct the data"))
}

/// Reads seconds, or a time with units as in `1h30m`, up to 2³² − 1.
pub(super) fn parse_seconds(text: &[u8]) -> Option<u32> {
    let mut total = 0u32;
    let mut number: Option<u32> = None;
    let mut units = 0;
    for &byte in text {
        let unit = match byte {
            b'0'..=b'9' => {
                let digit = u32::from(byte - b'0');
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
                continue;
            }
            b's' | b'S' => 1,
            b'm' | b'M' => 60,
            b'h' | b'H' => 3600,
            b'd' | b'D' => 86_400,
            b'w' | b'W' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
        units += 1;
    }
    match number {
        Some(seconds) if units == 0 => Some(seconds),
        Some(_) => None,
        None => (units > 0).then_some(total),
    }
}

/// Reads a name and appends its wire form; `@` is the origin.
pub(super) fn read_name(word: &Word<'_>, origin: &[u8], out: &mut Vec<u8>) -> Outcome<()> {
    if word.text == b"@" {
        out.extend_from_slice(origin);
        return Ok(());
    }
    let start = out.len();
    parse_into(word.text, Some(origin), out).map_err(|error| {
        out.truncate(start);
        let remedy = match error {
            NameError::NameTooLong if !word.text.ends_with(b".") => {
                let origin = Name::from_wire(origin).unwrap_or_else(Name::root);
                format!("shorten it, or end it with a dot: it was completed with {origin}")
            }
            NameError::NameTooLong | NameError::LabelTooLong => "shorten it".to_owned(),
            NameError::EmptyLabel => "put one dot between labels and none in front".to_owned(),
            NameError::BadEscape => "write a backslash as \\\\".to_owned(),
            NameError::Empty => "write @ for the origin".to_owned(),
        };
        word.bad(format!("this is not a domain name: {error}"), remedy)
    })
}

/// True where the data starts with `\#`.
fn is_generic(lexer: &Lexer<'_>) -> bool {
    if !matches!(lexer.peek(), Some(b'\\' | b'(' | b';' | b'\n' | b'\r')) {
        return false;
    }
    let mut ahead = *lexer;
    matches!(ahead.next(), Ok(Some(word)) if word.quoting == Quoting::Bare && word.text == b"\\#")
}

fn read_generic(lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    expect(lexer, "\\#")?;
    let count = expect(lexer, "the length of the data")?;
    let len = usize::from(number::<u16>(&count)?);
    let start = out.len();
    let mut hex = Hex::default();
    while let Some(word) = lexer.next()? {
        if !hex.push(word.text, out) {
            return Err(bad_hex(&word));
        }
    }
    if !hex.finish() || out.len() - start != len {
        return Err(count.bad(
            format!(
                "the data that follows has {} whole bytes, not as many as announced",
                out.len() - start
            ),
            "write the length in bytes, then two hexadecimal digits for each",
        ));
    }
    Ok(())
}

/// The next word, which must be there and must not be quoted.
pub(super) fn expect<'a>(lexer: &mut Lexer<'a>, what: &str) -> Outcome<Word<'a>> {
    if let Some(word) = lexer.next_plain() {
        return Ok(word);
    }
    let mark = lexer.mark();
    match lexer.next()? {
        Some(word) if word.quoting == Quoting::Bare => Ok(word),
        Some(word) => Err(word.bad(format!("{what} must not be quoted"), "take the quotes away")),
        None => Err(missing(mark, what)),
    }
}

/// The next word, which must be there; quoted or not.
fn expect_string<'a>(lexer: &mut Lexer<'a>, what: &str) -> Outcome<Word<'a>> {
    let mark = lexer.mark();
    lexer.next()?.ok_or_else(|| missing(mark, what))
}

fn missing(mark: Mark, what: &str) -> Box<Bad> {
    Bad::new(mark, b"", format!("the record ends before {what}"), "add what is missing")
}

/// A number in decimal that fits its type.
pub(super) fn number<T: TryFrom<u64>>(word: &Word<'_>) -> Outcome<T> {
    let good = !word.text.is_empty() && word.text.iter().all(u8::is_ascii_digit);
    let value = word.text.iter().fold(0u64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0')))
    });
    let highest = u128::MAX >> (128 - 8 * size_of::<T>());
    if !good {
        return Err(word.bad("this is not a number", format!("write a number from 0 to {highest}")));
    }
    T::try_from(value).map_err(|_| {
        word.bad("this number is too big", format!("write a number from 0 to {highest}"))
    })
}

fn bad_hex(word: &Word<'_>) -> Box<Bad> {
    word.bad("this is not hexadecimal", "write pairs of the digits 0 to 9 and A to F")
}

fn bad_base64(word: &Word<'_>) -> Box<Bad> {
    word.bad("this is not base64", "copy it again, whole, with the = signs at its end")
}

fn read_field(
    field: Field,
    lexer: &mut Lexer<'_>,
    origin: &[u8],
    out: &mut Vec<u8>,
) -> Outcome<()> {
    match field {
        Field::Ipv4 => {
            let word = expect(lexer, "the IPv4 address")?;
            let octets = ipv4(word.text).ok_or_else(|| {
                word.bad("this is not an IPv4 address", "write four numbers, as in 192.0.2.1")
            })?;
            out.extend_from_slice(&octets);
        }
        Field::Ipv6 => {
            let word = expect(lexer, "the IPv6 address")?;
            let octets = ipv6(word.text).ok_or_else(|| {
                word.bad("this is not an IPv6 address", "write it as in 2001:db8::1")
            })?;
            out.extend_from_slice(&octets);
        }
        Field::Name => read_name(&expect(lexer, "a domain name")?, origin, out)?,
        Field::U8 => out.push(number(&expect(lexer, "a number")?)?),
        Field::U16 => {
            out.extend_from_slice(&number::<u16>(&expect(lexer, "a number")?)?.to_be_bytes())
        }
        Field::U32 => {
            out.extend_from_slice(&number::<u32>(&expect(lexer, "a number")?)?.to_be_bytes())
        }
        Field::Seconds => {
            let word = expect(lexer, "a time in seconds")?;
            let seconds = parse_seconds(word.text).ok_or_else(|| {
                word.bad("this is not a time", "write seconds, or units as in 1h30m")
            })?;
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        Field::Algorithm => {
            let word = expect(lexer, "the algorithm")?;
            out.push(match lookup(ALGORITHMS, word.text) {
                Some(code) => code as u8,
                None => number(&word)?,
            });
        }
        Field::CertType => {
            let word = expect(lexer, "the certificate type")?;
            let code = match lookup(CERT_TYPES, word.text) {
                Some(code) => code,
                None => number(&word)?,
            };
            out.extend_from_slice(&code.to_be_bytes());
        }
        Field::Covered => {
            let word = expect(lexer, "the type that is covered")?;
            out.extend_from_slice(&rtype_of(&word)?.0.to_be_bytes());
        }
        Field::Time => {
            let word = expect(lexer, "a time")?;
            let seconds = match word.text.len() {
                14 => time(word.text)
                    .ok_or_else(|| word.bad("there is no such time", "write YYYYMMDDHHmmSS"))?,
                _ => number(&word)?,
            };
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        Field::Text => read_text(&expect_string(lexer, "a text")?, out)?,
        Field::Texts => {
            read_text(&expect_string(lexer, "a text")?, out)?;
            while let Some(word) = lexer.next()? {
                read_text(&word, out)?;
            }
        }
        Field::Tag => {
            let word = expect(lexer, "the tag")?;
            if word.text.len() > 255 || !word.text.iter().all(u8::is_ascii_alphanumeric) {
                return Err(word.bad(
                    "this is not a CAA tag",
                    "write issue, issuewild, iodef, or another word of letters and digits",
                ));
            }
            read_text(&word, out)?;
        }
        Field::RestText => unescape_into(&expect_string(lexer, "the value")?, out)?,
        Field::Target => {
            let word = expect_string(lexer, "the target")?;
            if word.quoting == Quoting::Bare {
                return Err(word.bad("the target of URI must be quoted", "put it in quotes"));
            }
            if word.text.is_empty() {
                return Err(word.bad("the target of URI must not be empty", "write a URI"));
            }
            unescape_into(&word, out)?;
        }
        Field::Hex => {
            let mut hex = Hex::default();
            let mut word = expect(lexer, "hexadecimal data")?;
            loop {
                if !hex.push(word.text, out) {
                    return Err(bad_hex(&word));
                }
                match lexer.next()? {
                    Some(next) => word = next,
                    None if hex.finish() => break,
                    None => return Err(bad_hex(&word)),
                }
            }
        }
        Field::Base64 => read_base64(expect(lexer, "base64 data")?, lexer, out)?,
        Field::OptionalBase64 => {
            if let Some(word) = lexer.next()? {
                read_base64(word, lexer, out)?;
            }
        }
        Field::Salt => {
            let word = expect(lexer, "the salt")?;
            with_len(out, |out| {
                let mut hex = Hex::default();
                word.text == b"-"
                    || !word.text.is_empty() && hex.push(word.text, out) && hex.finish()
            })
            .ok_or_else(|| {
                word.bad(
                    "this is not a salt",
                    "write up to 255 bytes in hexadecimal, or - for none",
                )
            })?;
        }
        Field::NextHash => {
            let word = expect(lexer, "the next hashed owner")?;
            with_len(out, |out| !word.text.is_empty() && base32hex(word.text, out)).ok_or_else(
                || {
                    word.bad(
                        "this is not base32hex",
                        "write the digits 0 to 9 and A to V, no padding",
                    )
                },
            )?;
        }
        Field::Types | Field::OptionalTypes => read_types(field, lexer, out)?,
        Field::Loc => loc::read(lexer, out)?,
        Field::SvcParams => svcb::read(lexer, out)?,
        Field::Eui48 => read_eui(&expect(lexer, "the EUI-48")?, 6, out)?,
        Field::Eui64 => read_eui(&expect(lexer, "the EUI-64")?, 8, out)?,
    }
    Ok(())
}

/// Appends what a word stands for once its escapes are resolved.
pub(super) fn unescape_into(word: &Word<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let mut text = word.text;
    while let Some(at) = memchr::memchr(b'\\', text) {
        out.extend_from_slice(&text[..at]);
        let (byte, used) = unescape(&text[at..]).ok_or_else(|| {
            word.bad(
                "a backslash must be followed by a character or by three digits up to 255",
                "write a backslash as \\\\",
            )
        })?;
        out.push(byte);
        text = &text[at + used..];
    }
    out.extend_from_slice(text);
    Ok(())
}

/// Appends a character string.
fn read_text(word: &Word<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let len_at = out.len();
    out.push(0);
    unescape_into(word, out)?;
    let len = out.len() - len_at - 1;
    out[len_at] = u8::try_from(len).map_err(|_| {
        word.bad(
            format!("this text has {len} bytes, more than 255"),
            "split it: \"first part\" \"second part\"",
        )
    })?;
    Ok(())
}

/// Appends what `fill` writes with its length in front; `None` where `fill` says no or the
/// length does not fit.
fn with_len(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<()> {
    let len_at = out.len();
    out.push(0);
    let good = fill(out);
    out[len_at] = u8::try_from(out.len() - len_at - 1).ok()?;
    good.then_some(())
}

fn read_base64(first: Word<'_>, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let start = out.len();
    let mut base64 = Base64::default();
    let mut word = first;
    loop {
        if !base64.push(word.text, out) {
            return Err(bad_base64(&word));
        }
        match lexer.next()? {
            Some(next) => word = next,
            None => break,
        }
    }
    if base64.finish(out) && out.len() > start { Ok(()) } else { Err(bad_base64(&word)) }
}

fn rtype_of(word: &Word<'_>) -> Outcome<Rtype> {
    parse_rtype(word.text).ok_or_else(|| {
        word.bad(
            "this is not a record type",
            "write a type such as A, or its number as in TYPE65534",
        )
    })
}

fn read_types(field: Field, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let mut types = Vec::new();
    if field == Field::Types {
        types.push(rtype_of(&expect(lexer, "a record type")?)?.0);
    }
    while let Some(word) = lexer.next()? {
        types.push(rtype_of(&word)?.0);
    }
    types.sort_unstable();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = [0u8; 32];
        for code in window {
            bits[usize::from(code & 0xff) / 8] |= 0x80 >> (code & 7);
        }
        // A window that a type opened has a last type.
        let len = window.last().map_or(0, |code| usize::from(code & 0xff) / 8 + 1);
        out.extend_from_slice(&[(window[0] >> 8) as u8, len as u8]);
        out.extend_from_slice(&bits[..len]);
    }
    Ok(())
}

fn read_eui(word: &Word<'_>, len: usize, out: &mut Vec<u8>) -> Outcome<()> {
    let mut count = 0;
    for pair in word.text.split(|&byte| byte == b'-') {
        let mut hex = Hex::default();
        if pair.len() != 2 || !hex.push(pair, out) {
            count = 0;
            break;
        }
        count += 1;
    }
    if count == len {
        return Ok(());
    }
    Err(word.bad(
        format!("this is not {len} bytes of a hardware address"),
        format!("write {len} pairs of hexadecimal digits with - between them"),
    ))
}

/// Mnemonics of DNSSEC algorithms (IANA registry), the canonical one of a number first.
const ALGORITHMS: &[(&str, u16)] = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("ECC", 4),
    ("RSASHA1", 5),
    ("NSEC3DSA", 6),
    ("DSA-NSEC3-SHA1", 6),
    ("NSEC3RSASHA1", 7),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECCGOST", 12),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ECDSA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// Mnemonics of certificate types (RFC 4398 §2.1).
const CERT_TYPES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

fn lookup(table: &[(&str, u16)], text: &[u8]) -> Option<u16> {
    table
        .iter()
        .find(|(mnemonic, _)| text.eq_ignore_ascii_case(mnemonic.as_bytes()))
        .map(|&(_, code)| code)
}
