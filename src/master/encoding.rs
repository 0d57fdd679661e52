//! Base64 (RFC 4648 §4), base16, base32hex without padding (RFC 4648 §7), and the times of
//! signatures (RFC 4034 §3.2), to bytes and back.

/// Decodes base64 that may come in several words: [`Base64::push`] each, then
/// [`Base64::finish`].
#[derive(Default)]
pub(super) struct Base64 {
    bits: u32,
    chars: u32,
    padding: u32,
}

impl Base64 {
    /// Takes one word; false where it is not base64 or goes on after the padding.
    pub(super) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in text {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' if self.chars >= 2 && self.chars + self.padding < 4 => {
                    self.padding += 1;
                    continue;
                }
                _ => return false,
            };
            if self.padding > 0 {
                return false;
            }
            self.bits = self.bits << 6 | u32::from(value);
            self.chars += 1;
            if self.chars == 4 {
                out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                *self = Base64::default();
            }
        }
        true
    }

    /// Ends the data; false where it stops in the middle, lacks its padding, or has bits set
    /// that stand for nothing.
    pub(super) fn finish(self, out: &mut Vec<u8>) -> bool {
        let spare = match self.chars {
            0 => return true,
            2 => 4,
            3 => 2,
            _ => return false,
        };
        if self.chars + self.padding != 4 || self.bits & ((1 << spare) - 1) != 0 {
            return false;
        }
        let bytes = (self.bits >> spare).to_be_bytes();
        out.extend_from_slice(&bytes[5 - self.chars as usize..]);
        true
    }
}

/// Base64 with padding.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for place in 0..4 {
            if place <= chunk.len() {
                let digit = group >> (18 - 6 * place) & 63;
                text.push(char::from(DIGITS[digit as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Decodes hexadecimal that may come in several words, broken anywhere.
#[derive(Default)]
pub(super) struct Hex {
    half: Option<u8>,
}

impl Hex {
    /// Takes one word; false where it is not hexadecimal.
    pub(super) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in text {
            let Some(digit) = char::from(byte).to_digit(16) else { return false };
            let digit = digit as u8;
            match self.half.take() {
                None => self.half = Some(digit),
                Some(high) => out.push(high << 4 | digit),
            }
        }
        true
    }

    /// False where a digit is left over.
    pub(super) fn finish(self) -> bool {
        self.half.is_none()
    }
}

/// Upper-case hexadecimal.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// Decodes base32hex without padding; false where the text is not that.
pub(super) fn base32hex(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut bits = 0u32;
    let mut have = 0;
    for &byte in text {
        let value = match byte.to_ascii_uppercase() {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'A'..=b'V' => digit - b'A' + 10,
            _ => return false,
        };
        bits = bits << 5 | u32::from(value);
        have += 5;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
            bits &= (1 << have) - 1;
        }
    }
    have < 5 && bits == 0
}

/// Base32hex without padding, in upper case.
pub(super) fn to_base32hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let mut bits = 0u32;
    let mut have = 0;
    for &byte in bytes {
        bits = bits << 8 | u32::from(byte);
        have += 8;
        while have >= 5 {
            have -= 5;
            text.push(char::from(DIGITS[(bits >> have & 31) as usize]));
        }
        bits &= (1 << have) - 1;
    }
    if have > 0 {
        text.push(char::from(DIGITS[(bits << (5 - have) & 31) as usize]));
    }
    text
}

/// The seconds since 1970 modulo 2³² of `YYYYMMDDHHmmSS`; `None` where there is no such instant
/// between 1970 and 9999.
pub(super) fn time(text: &[u8]) -> Option<u32> {
    if text.len() != 14 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        text[range].iter().fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'))
    };
    let (year, month, day) = (number(0..4), number(4..6), number(6..8));
    let (hour, minute, second) = (number(8..10), number(10..12), number(12..14));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=month_days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds as u32)
}

/// `YYYYMMDDHHmmSS` of seconds since 1970, taken as they stand (until 2106).
pub(super) fn to_time(seconds: u32) -> String {
    let days = i64::from(seconds / 86_400);
    let (mut year, mut month) = (1970, 12);
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    while days_since_1970(year, month, 1) > days {
        month -= 1;
    }
    let day = days - days_since_1970(year, month, 1) + 1;
    let rest = seconds % 86_400;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// Days from 1970-01-01 in the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day is the last of its year.
    let years = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let leap_days = years / 4 - years / 100 + years / 400;
    years * 365 + leap_days + (months * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from_base64(words: &[&str]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut decoder = Base64::default();
        let good = words.iter().all(|word| decoder.push(word.as_bytes(), &mut out));
        (good && decoder.finish(&mut out)).then_some(out)
    }

    #[test]
    fn base64_is_exact() {
        assert_eq!(from_base64(&["Zm9v", "YmE="]).as_deref(), Some(&b"fooba"[..]));
        assert_eq!(from_base64(&["Zg", "=="]).as_deref(), Some(&b"f"[..]));
        for bad in ["Zg", "Zg=", "Z===", "Zg==Zg==", "Zh==", "Z", "Zm9v!", "===="] {
            assert_eq!(from_base64(&[bad]), None, "{bad}");
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(b"19700101000000"), Some(0));
        assert_eq!(time(b"20300101000000"), Some(1_893_456_000));
        assert_eq!(time(b"20240229120000"), Some(1_709_208_000));
        assert_eq!(time(b"20230229120000"), None);
        assert_eq!(time(b"20231301000000"), None);
        assert_eq!(to_time(u32::MAX), "21060207062815");
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes(bytes in proptest::collection::vec(any::<u8>(), 0..40), seconds: u32) {
            prop_assert_eq!(from_base64(&[&to_base64(&bytes)]), Some(bytes.clone()));
            let mut out = Vec::new();
            prop_assert!(base32hex(to_base32hex(&bytes).as_bytes(), &mut out));
            prop_assert_eq!(&out, &bytes);
            out.clear();
            let mut hex = Hex::default();
            prop_assert!(hex.push(to_hex(&bytes).as_bytes(), &mut out) && hex.finish());
            prop_assert_eq!(&out, &bytes);
            prop_assert_eq!(time(to_time(seconds).as_bytes()), Some(seconds));
        }
    }
}
