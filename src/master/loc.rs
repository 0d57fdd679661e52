//! LOC (RFC 1876): latitude, longitude, altitude and three sizes.

use super::lexer::{Bad, Lexer, Outcome, Word};
use super::rdata::{expect, number};

/// The equator and the prime meridian, in thousandths of an arc second.
const MIDDLE: u32 = 1 << 31;
/// Altitude zero lies 100,000 m above the reference, in centimetres.
const SEA_LEVEL_CM: i64 = 10_000_000;

/// Reads the data up to its last field and appends its 16 bytes.
pub(super) fn read(lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let latitude = read_angle(lexer, 90, b"N", b"S")?;
    let longitude = read_angle(lexer, 180, b"E", b"W")?;
    let word = expect(lexer, "the altitude")?;
    let altitude =
        centimetres(word.text).and_then(|cm| u32::try_from(cm + SEA_LEVEL_CM).ok()).ok_or_else(
            || word.bad("this is not an altitude", "write metres from -100000 to 42849672.95"),
        )?;
    // Size 1 m, horizontal precision 10 km, vertical precision 10 m (RFC 1876 §3).
    let mut sizes = [0x12, 0x16, 0x13];
    for size in &mut sizes {
        let Some(word) = lexer.next()? else { break };
        *size = centimetres(word.text)
            .filter(|cm| (0..=9_000_000_000).contains(cm))
            .map(|cm| to_exponent(cm as u64))
            .ok_or_else(|| word.bad("this is not a size", "write metres from 0 to 90000000"))?;
    }
    out.push(0);
    out.extend_from_slice(&sizes);
    for number in [latitude, longitude, altitude] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    Ok(())
}

/// Says what is wrong with the 16 bytes.
pub(super) fn verify(data: &[u8; 16]) -> Result<(), String> {
    if data[0] != 0 {
        return Err("LOC has version 0 only".to_owned());
    }
    if data[1..4].iter().any(|size| size >> 4 > 9 || size & 15 > 9) {
        return Err("a size or precision of LOC is out of range".to_owned());
    }
    let far = |at: usize, degrees: u32| word_at(data, at).abs_diff(MIDDLE) > degrees * 3_600_000;
    if far(4, 90) || far(8, 180) {
        return Err("latitude or longitude is out of range".to_owned());
    }
    Ok(())
}

/// Presentation form with all fields.
pub(super) fn to_text(data: &[u8; 16]) -> String {
    let angle = |value: u32, ahead: char, behind: char| {
        let thousandths = value.abs_diff(MIDDLE);
        let seconds = thousandths / 1000;
        format!(
            "{} {} {}.{:03} {}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            thousandths % 1000,
            if value >= MIDDLE { ahead } else { behind },
        )
    };
    let metres = |cm: i64| {
        let sign = if cm < 0 { "-" } else { "" };
        format!("{sign}{}.{:02}m", cm.abs() / 100, cm.abs() % 100)
    };
    let size = |byte: u8| metres(i64::from(byte >> 4) * 10i64.pow(u32::from(byte & 15)));
    format!(
        "{} {} {} {} {} {}",
        angle(word_at(data, 4), 'N', 'S'),
        angle(word_at(data, 8), 'E', 'W'),
        metres(i64::from(word_at(data, 12)) - SEA_LEVEL_CM),
        size(data[1]),
        size(data[2]),
        size(data[3]),
    )
}

fn word_at(data: &[u8; 16], at: usize) -> u32 {
    data[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// `d [m [s[.fff]]] {N|S}`, in thousandths of an arc second from the middle.
fn read_angle(lexer: &mut Lexer<'_>, most: u32, ahead: &[u8], behind: &[u8]) -> Outcome<u32> {
    let mut thousandths = 0;
    let mut last: Option<Word<'_>> = None;
    for unit in [3_600_000, 60_000, 1_000, 0] {
        let word = expect(lexer, "the end of latitude or longitude, a letter of N, S, E, W")?;
        if let Some(degrees) = last.filter(|_| word.text == ahead || word.text == behind) {
            if thousandths > most * 3_600_000 {
                return Err(too_far(&degrees, most));
            }
            return Ok(if word.text == ahead {
                MIDDLE + thousandths
            } else {
                MIDDLE - thousandths
            });
        }
        let value = match unit {
            1_000 => decimal(word.text, 3)
                .filter(|value| *value < 60_000)
                .and_then(|value| u32::try_from(value).ok())
                .ok_or_else(|| word.bad("these are not arc seconds", "write 0 to 59.999"))?,
            0 => {
                return Err(
                    word.bad("neither letter of this direction", "write N or S, then E or W")
                );
            }
            _ => {
                let value: u8 = number(&word)?;
                let most = if unit == 60_000 { 59 } else { most };
                if u32::from(value) > most {
                    return Err(too_far(&word, most));
                }
                u32::from(value) * unit
            }
        };
        thousandths += value;
        last = Some(word);
    }
    Err(Bad::new(lexer.mark(), b"", "the direction is missing", "write N or S, then E or W"))
}

fn too_far(word: &Word<'_>, most: u32) -> Box<Bad> {
    word.bad("this is out of range", format!("write at most {most}"))
}

/// Metres with an optional fraction, sign and `m`, in centimetres.
fn centimetres(text: &[u8]) -> Option<i64> {
    let text = text.strip_suffix(b"m").unwrap_or(text);
    match text.strip_prefix(b"-") {
        Some(text) => decimal(text, 2).map(|value| -value),
        None => decimal(text, 2),
    }
}

/// A decimal number, scaled by ten to the number of places that its fraction may have.
fn decimal(text: &[u8], places: u32) -> Option<i64> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    let missing = places.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    if whole.len() + fraction.len() == 0 || whole.len() > 10 {
        return None;
    }
    let digits = whole.iter().chain(fraction).try_fold(0i64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
    })?;
    Some(digits * 10i64.pow(missing))
}

/// One digit and a power of ten, rounded down.
fn to_exponent(mut cm: u64) -> u8 {
    let mut power = 0;
    while cm > 9 {
        cm /= 10;
        power += 1;
    }
    (cm as u8) << 4 | power
}
