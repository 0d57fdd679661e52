//! Domain names in uncompressed wire form (RFC 1035 §3.1): length-prefixed labels, ended by the
//! root label.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayVec;

/// Longest name in wire form, root label included (RFC 1035 §2.3.4).
pub const MAX_NAME_LEN: usize = 255;
/// Longest label without its length byte.
pub const MAX_LABEL_LEN: usize = 63;

/// Why a text is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A label of more than 63 bytes.
    #[error("a label is longer than 63 bytes")]
    LabelTooLong,
    /// More than 255 bytes in wire form.
    #[error("the name is longer than 255 bytes")]
    NameTooLong,
    /// Two dots in a row, or a dot at the start.
    #[error("a label is empty")]
    EmptyLabel,
    /// A backslash that is followed by neither a character nor three digits up to 255.
    #[error("a backslash must be followed by a character or by three digits up to 255")]
    BadEscape,
    /// No text at all.
    #[error("the name is empty")]
    Empty,
}

/// An absolute domain name in wire form, in the case it was written in. Equality, order and hash
/// go by the bytes: call [`Name::to_lowercase`] first where RFC 4343 wants case ignored.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    /// The root name.
    pub fn root() -> Name {
        Name(Box::new([0]))
    }

    /// Takes over bytes that are one whole uncompressed name; `None` where they are not.
    pub fn from_wire(wire: &[u8]) -> Option<Name> {
        (name_len(wire)? == wire.len()).then(|| Name(wire.into()))
    }

    /// Reads presentation form (RFC 1035 §5.1) with `\.` and `\DDD` escapes. A name without a
    /// final dot is completed with `origin`, or with the root where there is none.
    pub fn parse(text: &[u8], origin: Option<&Name>) -> Result<Name, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        parse_into(text, origin.map(Name::as_wire), &mut wire)?;
        Ok(Name(wire.into_boxed_slice()))
    }

    /// The wire form, root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The same name in lower case (ASCII letters only, RFC 4343).
    pub fn to_lowercase(&self) -> Name {
        // Length bytes are at most 63 and so never in the range of the letters.
        Name(self.0.to_ascii_lowercase().into_boxed_slice())
    }

    /// Number of labels, the root label not counted.
    pub fn label_count(&self) -> usize {
        labels(&self.0).count()
    }

    /// The labels from the leftmost on, without the root label.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        labels(&self.0)
    }

    /// The name without its leftmost label; `None` for the root.
    pub fn parent(&self) -> Option<Name> {
        let skip = usize::from(self.0[0]) + 1;
        (skip > 1).then(|| Name(self.0[skip..].into()))
    }

    /// True where `self` is `ancestor` or a name below it, case ignored.
    pub fn is_at_or_below(&self, ancestor: &Name) -> bool {
        suffix_matches(&self.0, &ancestor.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        Name::parse(text.as_bytes(), None)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_text(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// The labels of a name in wire form, leftmost first, without the root label.
pub fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let len = usize::from(*wire.get(at)?);
        if len == 0 {
            return None;
        }
        let label = wire.get(at + 1..at + 1 + len)?;
        at += 1 + len;
        Some(label)
    })
}

/// Where each label of a name starts, leftmost first, the root label not counted.
#[inline]
pub fn label_starts(wire: &[u8]) -> ArrayVec<u8, { MAX_NAME_LEN / 2 }> {
    let mut starts = ArrayVec::new();
    let mut at = 0;
    while let Some(&len) = wire.get(at)
        && len > 0
        && starts.try_push(at as u8).is_ok()
    {
        at += usize::from(len) + 1;
    }
    starts
}

/// The labels of a name above an ancestor. Both are whole names.
#[inline]
pub fn above<'a>(wire: &'a [u8], ancestor: &[u8]) -> &'a [u8] {
    &wire[..wire.len().saturating_sub(ancestor.len())]
}

/// Appends bytes in lower case (ASCII letters only, RFC 4343).
#[inline]
pub fn push_lowercase(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(bytes);
    out[start..].make_ascii_lowercase();
}

/// Length in bytes of the uncompressed name that `wire` starts with, root label included; `None`
/// where there is no whole name of at most 255 bytes.
pub fn name_len(wire: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let len = usize::from(*wire.get(at)?);
        if len > MAX_LABEL_LEN {
            return None;
        }
        at += 1 + len;
        if at > MAX_NAME_LEN {
            return None;
        }
        if len == 0 {
            return Some(at);
        }
    }
}

/// True where the name `wire` is `ancestor` or below it, case ignored. Both are whole names.
pub fn suffix_matches(wire: &[u8], ancestor: &[u8]) -> bool {
    let Some(skip) = wire.len().checked_sub(ancestor.len()) else { return false };
    let mut at = 0;
    while at < skip {
        at += usize::from(wire[at]) + 1;
    }
    // Mostly they are written in one case, and bytes that are the same are compared many at a time.
    at == skip && (wire[skip..] == *ancestor || wire[skip..].eq_ignore_ascii_case(ancestor))
}

/// Presentation form with a final dot; bytes that are not printable ASCII, and the characters
/// that mean something in a master file, are escaped.
pub fn to_text(wire: &[u8]) -> String {
    let mut text = String::with_capacity(wire.len());
    for label in labels(wire) {
        for &byte in label {
            match byte {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                    text.push('\\');
                    text.push(char::from(byte));
                }
                0x21..=0x7e => text.push(char::from(byte)),
                _ => text.push_str(&format!("\\{byte:03}")),
            }
        }
        text.push('.');
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// Appends the wire form of a name in presentation form; see [`Name::parse`]. `@` alone stands
/// for nothing special here: that is the master file's business.
pub fn parse_into(text: &[u8], origin: Option<&[u8]>, wire: &mut Vec<u8>) -> Result<(), NameError> {
    let start = wire.len();
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text == b"." {
        wire.push(0);
        return Ok(());
    }
    // No byte of text makes more than one of wire form, and the first length comes in front.
    wire.resize(start + 1 + text.len(), 0);
    let labels = &mut wire[start..];
    let (mut len_at, mut to) = (0, 1);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'.' => {
                labels[len_at] = label_len(to - len_at - 1)?;
                len_at = to;
            }
            b'\\' => {
                // What comes first is told first.
                if to - len_at > MAX_LABEL_LEN + 1 {
                    return Err(NameError::LabelTooLong);
                }
                let (byte, used) = unescape(&text[at - 1..]).ok_or(NameError::BadEscape)?;
                labels[to] = byte;
                at += used - 1;
            }
            _ => labels[to] = byte,
        }
        to += 1;
    }
    // A final dot leaves a last label without bytes: the root's.
    let is_absolute = to == len_at + 1;
    if !is_absolute {
        labels[len_at] = label_len(to - len_at - 1)?;
    }
    wire.truncate(start + to);
    if !is_absolute {
        wire.extend_from_slice(origin.unwrap_or(&[0]));
    }
    if wire.len() - start > MAX_NAME_LEN {
        return Err(NameError::NameTooLong);
    }
    Ok(())
}

fn label_len(len: usize) -> Result<u8, NameError> {
    match len {
        0 => Err(NameError::EmptyLabel),
        1..=MAX_LABEL_LEN => Ok(len as u8),
        _ => Err(NameError::LabelTooLong),
    }
}

/// The byte that an escape at the start of `text` stands for, and the escape's length.
pub fn unescape(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = [a, b, c].iter().fold(0u16, |sum, d| sum * 10 + u16::from(*d - b'0'));
            Some((u8::try_from(value).ok()?, 4))
        }
        [b'\\', b'0'..=b'9', ..] => None,
        [b'\\', byte, ..] => Some((*byte, 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().expect("a test's name is valid")
    }

    #[test]
    fn presentation_form_survives_a_round_trip() {
        for text in [".", "example.com.", r"a\.b.example.", r"\000\255x.example.", r"\@.\;x."] {
            assert_eq!(name(text).to_string(), text);
        }
    }

    #[test]
    fn relative_names_take_the_origin_and_absolute_ones_do_not() {
        let origin = name("example.com.");
        let parse = |text: &str| Name::parse(text.as_bytes(), Some(&origin)).map(|n| n.to_string());
        assert_eq!(parse("www").as_deref(), Ok("www.example.com."));
        assert_eq!(parse("www.").as_deref(), Ok("www."));
    }

    #[test]
    fn limits_are_those_of_rfc_1035() {
        let label = "a".repeat(63);
        assert!(label.parse::<Name>().is_ok());
        assert_eq!(format!("{label}a").parse::<Name>(), Err(NameError::LabelTooLong));
        assert_eq!([&*label; 4].join(".").parse::<Name>(), Err(NameError::NameTooLong));
        assert_eq!("a..b".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!(r"a\256".parse::<Name>(), Err(NameError::BadEscape));
        assert_eq!(r"a\".parse::<Name>(), Err(NameError::BadEscape));
    }

    #[test]
    fn what_comes_first_is_told_and_a_long_name_last() {
        let long = "a.".repeat(1000);
        assert_eq!(long.parse::<Name>(), Err(NameError::NameTooLong));
        assert_eq!(format!("{long}.").parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!(format!(r"{long}\256").parse::<Name>(), Err(NameError::BadEscape));
        let label = "a".repeat(64);
        assert_eq!(format!("{long}{label}").parse::<Name>(), Err(NameError::LabelTooLong));
        assert_eq!(format!(r"{label}\256").parse::<Name>(), Err(NameError::LabelTooLong));
    }

    #[test]
    fn below_means_whole_labels_and_ignores_case() {
        assert!(name("www.Example.com.").is_at_or_below(&name("eXample.com.")));
        assert!(!name("badexample.com.").is_at_or_below(&name("example.com.")));
        assert!(name("a.").is_at_or_below(&Name::root()));
    }
}
