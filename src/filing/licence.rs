//! Filing and licence numbers: what they look like, and when two of them are the same.
//!
//! ```text
//! licence = prefix ( icp | telecom ) [ "号" ] [ "-" seq [ kind ] ]
//! icp     = "ICP" ( "备" | "证" ) 5*10DIGIT
//! telecom = ( "A2" | "B1" | "B2" | "B1.B2" | "B-2-4" ) "-" 8*10DIGIT
//! seq     = 1*5DIGIT          ; without leading zero; absent in a subject's number
//! kind    = "A" | "X" | "K"   ; app, mini-program, quick app; absent for a website
//! ```
//!
//! A number decides nothing, it only tells subjects apart and proves that there is a filing: one of
//! an unknown form is kept as text.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::blanks;
use super::facts::Kind;
use super::hash::PartsHasher;
use super::province::Province;

/// A number of a known form. Two that differ only in how they were written (an alias of the
/// province, blanks, full-width characters, a missing 号) are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Licence {
    /// Who issued it.
    pub province: Province,
    /// Filing, permit, or telecommunications licence.
    pub form: Form,
    serial: Serial,
    /// The site's ordinal under its subject; `None` in a subject's number.
    pub site: Option<SiteOrdinal>,
}

/// Which register a number belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// ICP备: a filing.
    Filing,
    /// ICP证: a permit.
    Permit,
    /// A telecommunications licence by its class.
    Telecom(TelecomClass),
}

/// The class in a telecommunications licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TelecomClass {
    /// `A2-…`
    A2,
    /// `B1-…`
    B1,
    /// `B2-…`
    B2,
    /// `B1.B2-…`
    B1B2,
    /// `B-2-4-…`
    B24,
}

/// Digits with their leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Serial {
    value: u64,
    digits: u8,
}

/// What stands behind the hyphen of a site number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SiteOrdinal {
    /// From 1 on.
    pub seq: u32,
    /// By its letter; a website has none.
    pub kind: Kind,
}

impl Licence {
    /// Reads a number in any of the ways in which people write it; `None` for an unknown form.
    /// Allocates nothing.
    pub fn parse(text: &str) -> Option<Licence> {
        Licence::parse_canonical(text).or_else(|| {
            let mut normal = [0u8; MAX_NORMAL_LEN];
            Licence::parse_canonical(normalise_into(text, &mut normal)?)
        })
    }

    /// The subject's number: without the site's ordinal.
    pub fn subject(self) -> Licence {
        Licence { site: None, ..self }
    }

    pub(super) fn hash_into(&self, hasher: &mut PartsHasher) {
        let form = match self.form {
            Form::Filing => 0,
            Form::Permit => 1,
            Form::Telecom(class) => 2 + class as u64,
        };
        hasher
            .number(
                u64::from(self.province.index()) << 16 | form << 8 | u64::from(self.serial.digits),
            )
            .number(self.serial.value);
    }

    fn parse_canonical(text: &str) -> Option<Licence> {
        let first = text.chars().next()?;
        let province = Province::from_abbreviation(first)?;
        let (form, rest) = form(&text[first.len_utf8()..])?;
        let mut value = 0u64;
        let mut digit_count = 0;
        for digit in rest.bytes().take_while(u8::is_ascii_digit) {
            // What has more digits than any number of a known form is refused below.
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            digit_count += 1;
        }
        let permitted = match form {
            Form::Filing | Form::Permit => 5..=10,
            Form::Telecom(_) => 8..=10,
        };
        if !permitted.contains(&digit_count) {
            return None;
        }
        let serial = Serial { value, digits: digit_count as u8 };
        let rest = &rest[digit_count..];
        let rest = rest.strip_prefix('号').unwrap_or(rest);
        let site = match rest.strip_prefix('-') {
            Some(ordinal) => Some(site_ordinal(ordinal)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Licence { province, form, serial, site })
    }
}

/// The usual way to write it: `蜀ICP备19011193号-6`, `粤B2-20090059-5`.
impl fmt::Display for Licence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = match self.form {
            Form::Filing => ("ICP备", "号"),
            Form::Permit => ("ICP证", "号"),
            Form::Telecom(TelecomClass::A2) => ("A2-", ""),
            Form::Telecom(TelecomClass::B1) => ("B1-", ""),
            Form::Telecom(TelecomClass::B2) => ("B2-", ""),
            Form::Telecom(TelecomClass::B1B2) => ("B1.B2-", ""),
            Form::Telecom(TelecomClass::B24) => ("B-2-4-", ""),
        };
        let width = usize::from(self.serial.digits);
        let (province, value) = (self.province.abbreviation(), self.serial.value);
        write!(f, "{province}{before}{value:0width$}{after}")?;
        if let Some(site) = self.site {
            let letter = match site.kind {
                Kind::Website => "",
                Kind::App => "A",
                Kind::MiniProgram => "X",
                Kind::QuickApp => "K",
            };
            write!(f, "-{}{letter}", site.seq)?;
        }
        Ok(())
    }
}

fn form(text: &str) -> Option<(Form, &str)> {
    const FORMS: [(&str, Form); 7] = [
        ("ICP备", Form::Filing),
        ("ICP证", Form::Permit),
        ("B2-", Form::Telecom(TelecomClass::B2)),
        ("A2-", Form::Telecom(TelecomClass::A2)),
        ("B1-", Form::Telecom(TelecomClass::B1)),
        ("B1.B2-", Form::Telecom(TelecomClass::B1B2)),
        ("B-2-4-", Form::Telecom(TelecomClass::B24)),
    ];
    FORMS.iter().find_map(|(prefix, form)| Some((*form, text.strip_prefix(prefix)?)))
}

fn site_ordinal(text: &str) -> Option<SiteOrdinal> {
    let (digits, kind) = match text.as_bytes().last()? {
        b'A' => (&text[..text.len() - 1], Kind::App),
        b'X' => (&text[..text.len() - 1], Kind::MiniProgram),
        b'K' => (&text[..text.len() - 1], Kind::QuickApp),
        _ => (text, Kind::Website),
    };
    let well_formed = (1..=5).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    well_formed.then(|| digits.parse().ok()).flatten().map(|seq| SiteOrdinal { seq, kind })
}

/// Longer than any number of a known form.
const MAX_NORMAL_LEN: usize = 64;

/// NFKC, without blanks, in upper case, and the hyphens and dots that people take for these;
/// `None` where it would be longer than any known form.
fn normalise_into<'b>(text: &str, normal: &'b mut [u8; MAX_NORMAL_LEN]) -> Option<&'b str> {
    let mut len = 0;
    for character in normal_characters(text) {
        let end = len + character.len_utf8();
        character.encode_utf8(normal.get_mut(len..end)?);
        len = end;
    }
    std::str::from_utf8(normal.get(..len)?).ok()
}

fn normal_characters(text: &str) -> impl Iterator<Item = char> {
    let is_seen = |character: &char| {
        !character.is_whitespace() && !matches!(character, '\u{200b}'..='\u{200d}' | '\u{feff}')
    };
    text.nfkc().filter(is_seen).map(|character| match character {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '號' => '号',
        '備' => '备',
        '證' => '证',
        other => other.to_ascii_uppercase(),
    })
}

/// A number as a record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number<'a> {
    /// Of a known form.
    Known(Licence),
    /// Of an unknown form, as it was written.
    Unknown(&'a str),
}

impl<'a> Number<'a> {
    /// Reads a number; `None` for nothing but blanks.
    pub fn read(text: &'a str) -> Option<Number<'a>> {
        let text = blanks::trim(text);
        if text.is_empty() {
            return None;
        }
        Some(Licence::parse(text).map_or(Number::Unknown(text), Number::Known))
    }

    /// Reads the number of a subject and that of a site. Where the site's is the subject's with an
    /// ordinal, which is the rule, the subject's is not read twice.
    pub fn read_both(subject: &'a str, site: &'a str) -> (Option<Number<'a>>, Option<Number<'a>>) {
        let (subject, site) = (blanks::trim(subject), blanks::trim(site));
        let number = Number::read(subject);
        let licence = number.as_ref().and_then(Number::known).filter(|known| known.site.is_none());
        let ordinal = || site_ordinal(site.strip_prefix(subject)?.strip_prefix('-')?);
        let of_subject = licence
            .and_then(|licence| Some(Number::Known(Licence { site: Some(ordinal()?), ..licence })));
        (number, of_subject.or_else(|| Number::read(site)))
    }

    /// The number where its form is known.
    pub fn known(&self) -> Option<Licence> {
        match self {
            Number::Known(licence) => Some(*licence),
            Number::Unknown(_) => None,
        }
    }

    /// True for a known form with a site's ordinal.
    pub fn is_of_a_site(&self) -> bool {
        self.known().is_some_and(|licence| licence.site.is_some())
    }

    /// The usual way to write it; a number of an unknown form without blanks, in upper case.
    pub fn canonical(&self) -> Cow<'a, str> {
        match self {
            Number::Known(licence) => Cow::Owned(licence.to_string()),
            Number::Unknown(text) => Cow::Owned(normal_characters(text).collect()),
        }
    }

    pub(super) fn hash_into(&self, hasher: &mut PartsHasher) {
        match self {
            Number::Known(licence) => licence.hash_into(hasher),
            Number::Unknown(_) => {
                hasher.text(&self.canonical());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Licence {
        Licence::parse(text).unwrap_or_else(|| panic!("{text} is of a known form"))
    }

    #[test]
    fn every_form_seen_in_the_wild_is_read_and_written_back() {
        for text in [
            "京ICP备10046444号",
            "京ICP备10046444号-9",
            "京ICP证030173号",
            "京ICP证030173号-102",
            "粤B2-20090059",
            "粤B2-20090059-5",
            "粤A2-20044005",
            "皖B1.B2-20070020",
            "辽B-2-4-20080039",
            "豫ICP备2020028892号-1",
            "陇ICP备2024012699号-3",
            "京ICP备16059763号-1",
            "沪ICP备2025152989号-1A",
            "黔ICP备2025044274号-1X",
            "黔ICP备2025044274号-1K",
            "蜀ICP备19011193号-6",
            "京ICP备04000001号-1",
            "粤B2-20090059-87",
            "川B2-20090059",
        ] {
            let written = parse(text).to_string();
            assert_eq!(written, text.replace('川', "蜀"));
        }
    }

    #[test]
    fn the_way_of_writing_makes_no_difference() {
        let number = parse("蜀ICP备19011193号-6");
        for text in [
            " 蜀ICP备 19011193 号 - 6 ",
            "蜀icp备19011193号-6",
            "蜀ＩＣＰ备１９０１１１９３号－６",
            "川ICP备19011193-6",
            "蜀ICP備19011193號-6",
            "蜀ICP备19011193号—6",
            "蜀ICP备19011193号-6\u{200b}",
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
        assert_eq!(parse("粤A2-20044005号"), parse("粤A2-20044005"));
        assert_ne!(parse("京ICP备04000001号"), parse("京ICP备4000001号"));
        assert_ne!(parse("京ICP备030173号"), parse("京ICP证030173号"));
    }

    #[test]
    fn subject_and_site_numbers_are_told_apart() {
        let site = parse("京ICP证030173号-102");
        assert_eq!(site.site, Some(SiteOrdinal { seq: 102, kind: Kind::Website }));
        assert_eq!(site.subject(), parse("京ICP证030173号"));
        assert_eq!(parse("粤B2-20090059-5").subject(), parse("粤B2-20090059"));
        assert_eq!(parse("辽B-2-4-20080039").site, None);
        for (letter, kind) in [("A", Kind::App), ("X", Kind::MiniProgram), ("K", Kind::QuickApp)] {
            let site = parse(&format!("沪ICP备2025152989号-1{letter}")).site;
            assert_eq!(site.map(|site| site.kind), Some(kind));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_number_is_read_beside_another_as_it_is_alone(
            subject in "( ?京|川)?(ICP备|icp备|B2-)[0-9]{7,9}( 号|号)?(-1)? ?",
            rest in "[-—]?( |号)?[0-9]{0,6}[AXKB]? ?",
            other in "京ICP备12345678号-1|x| ",
            is_other in proptest::bool::weighted(0.1),
        ) {
            let site = if is_other { other } else { format!("{}{rest}", subject.trim_end()) };
            let both = Number::read_both(&subject, &site);
            proptest::prop_assert_eq!(both, (Number::read(&subject), Number::read(&site)));
        }
    }

    #[test]
    fn other_forms_are_kept_as_text() {
        for text in [
            "港ICP备12345678号",
            "京ICP备1234号",
            "京ICP备12345678901号",
            "京ICP备12345678号-0",
            "京ICP备12345678号-01",
            "京ICP备12345678号-1B",
            "京ICP备12345678号-123456",
            "京ICP备12345678号1",
            "京ICP12345678号",
            "京公网安备11000002000001号",
            "B2-20090059",
            "京ICP备1234567８９号-",
            "京",
            "ICP",
        ] {
            assert_eq!(Licence::parse(text), None, "{text}");
            assert_eq!(Number::read(text), Some(Number::Unknown(text)));
        }
        assert_eq!(Number::Unknown("琼 b3-1").canonical(), "琼B3-1");
        assert_eq!(Number::read(" "), None);
        assert_eq!(Licence::parse(&"京".repeat(1000)), None);
    }
}
