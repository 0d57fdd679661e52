//! Which part of a name a filing is for, and how domains in filing records are written.
//!
//! Owns the site domain (a public suffix of the list's ICANN section plus one label), taken from
//! text or from wire form, the hash that both forms share, and the normalising of domains in
//! records. It does not own names in general ([`crate::wire::name`]).
//!
//! The private section of the public suffix list does not count: were `github.io` a suffix, its
//! operator's filing would cover nothing. A top-level domain that the list does not know follows
//! the list's default rule: it is a suffix by itself.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use psl::{Psl, Type};

use super::{blanks, hash};

/// A name has at most 127 labels (RFC 1035 §2.3.4).
const MAX_LABELS: usize = 127;
const MAX_TEXT_LEN: usize = 253;
const MAX_LABEL_LEN: usize = 63;

/// A registrable domain as lower-case A-label text without final dot, such as `example.com.cn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteDomain<'a>(&'a str);

impl<'a> SiteDomain<'a> {
    /// The site domain of a normalised name ([`normalise`]), given without final dot; `None` for a
    /// public suffix itself, a single label and the root.
    pub fn of_text(name: &'a str) -> Option<SiteDomain<'a>> {
        let suffix = icann_suffix_len(name.as_bytes().rsplit(|byte| *byte == b'.'));
        let before = name.len().checked_sub(suffix + 1).filter(|_| suffix > 0)?;
        let dot = name.as_bytes().get(..before)?.iter().rposition(|byte| *byte == b'.');
        let start = dot.map_or(0, |dot| dot + 1);
        if start == before {
            return None;
        }
        name.get(start..).map(SiteDomain)
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The same hash as [`hash_wire`] gives for the name in wire form.
    pub fn hash64(self) -> u64 {
        hash_text(self.0)
    }
}

impl std::fmt::Display for SiteDomain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// Where the site domain stands within a name in wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteDomainInWire {
    /// Bytes before the site domain: `wire[offset..]` is its wire form.
    pub offset: usize,
    /// Its labels, the root label not counted.
    pub labels: usize,
}

/// The site domain of a lower-case name in uncompressed wire form. `None` for a public suffix
/// itself, a single label, the root, bytes that are no whole name, and a site domain with a dot
/// inside a label, which no text can be told apart from. Allocates nothing.
pub fn of_wire(wire: &[u8]) -> Option<SiteDomainInWire> {
    let mut starts = [0u8; MAX_LABELS];
    let mut count = 0;
    let mut at = 0usize;
    loop {
        let len = usize::from(*wire.get(at)?);
        if len == 0 {
            break;
        }
        *starts.get_mut(count)? = u8::try_from(at).ok()?;
        count += 1;
        at += 1 + len;
    }
    let label = |start: &u8| {
        let start = usize::from(*start);
        let len = usize::from(wire[start]);
        // The loop above has read the length byte after this label, so the label is inside.
        &wire[start + 1..start + 1 + len]
    };
    let labels = starts.get(..count)?;
    let suffix = icann_suffix_len(labels.iter().rev().map(label));
    if suffix == 0 {
        return None;
    }
    // The suffix's text length, dots included, is one less than the sum of its labels' wire lengths.
    let mut left = suffix + 1;
    for (index, start) in labels.iter().enumerate().rev() {
        let found = label(start);
        if found.contains(&b'.') {
            return None;
        }
        if left == 0 {
            return Some(SiteDomainInWire { offset: usize::from(*start), labels: count - index });
        }
        left = left.checked_sub(found.len() + 1)?;
    }
    None
}

/// The hash of a normalised name in text form without final dot.
pub fn hash_text(name: &str) -> u64 {
    hash::of_bytes(name.as_bytes())
}

/// The hash of a lower-case name in uncompressed wire form; equal to [`hash_text`] of its text.
/// The root hashes as the empty text. Bytes that are no whole name hash as far as they go.
pub fn hash_wire(wire: &[u8]) -> u64 {
    let mut text = [0u8; MAX_TEXT_LEN + 2];
    let mut len = 0;
    let mut at = 0;
    while let Some(&label_len) = wire.get(at)
        && label_len > 0
        && let Some(label) = wire.get(at + 1..at + 1 + usize::from(label_len))
        && let Some(room) = text.get_mut(len..len + label.len() + 1)
    {
        room[..label.len()].copy_from_slice(label);
        room[label.len()] = b'.';
        len += label.len() + 1;
        at += label.len() + 1;
    }
    hash::of_bytes(&text[..len.saturating_sub(1)])
}

/// Length in bytes, as text without final dot, of the longest public suffix of the ICANN section;
/// `labels` from the rightmost on.
fn icann_suffix_len<'a>(labels: impl Iterator<Item = &'a [u8]> + Clone) -> usize {
    let mut considered = MAX_LABELS;
    loop {
        let suffix = psl::List.find(labels.clone().take(considered));
        if suffix.typ != Some(Type::Private) {
            return suffix.len;
        }
        // A private suffix of n labels: what is the longest suffix of fewer?
        let mut len = 0;
        let suffix_labels = labels
            .clone()
            .take_while(|label| {
                len += label.len() + 1;
                len <= suffix.len + 1
            })
            .count();
        considered = considered.min(suffix_labels).saturating_sub(1);
        if considered == 0 {
            return 0;
        }
    }
}

/// Why a text is not the domain of a filing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainFault {
    /// Nothing but blanks.
    #[error("the domain is empty")]
    Empty,
    /// Row 22.
    #[error(
        "an IP address is not a domain, and a site reached by its address is not filed through an access provider"
    )]
    IpAddress,
    /// A scheme, a path, a port or a user.
    #[error("this is a URL, not a domain")]
    Url {
        /// The host in it, where there is one.
        host: Option<String>,
    },
    /// `*.example.com`.
    #[error("a filing is for a domain, not for a wildcard")]
    Wildcard,
    /// A public suffix, such as `com.cn`, or a single label.
    #[error("this is a public suffix, under which others register domains; nobody can file it")]
    PublicSuffix,
    /// What is wrong with its form.
    #[error("this is not a domain name: {0}")]
    NotAName(&'static str),
}

impl DomainFault {
    /// What to write instead.
    pub fn remedy(&self) -> String {
        match self {
            DomainFault::Empty => "write the filed domain, such as example.com".into(),
            DomainFault::IpAddress => {
                "the owner files it with the local communications administration \
                 (the ministry's procedure for IP addresses); remove the line here"
                    .into()
            }
            DomainFault::Url { host: Some(host) } => {
                let domain = SiteDomain::of_text(host).map_or(host.as_str(), SiteDomain::as_str);
                format!("write only the domain: {domain}")
            }
            DomainFault::Url { host: None } => "write only the domain, such as example.com".into(),
            DomainFault::Wildcard => {
                "leave out \"*.\": a filing covers its domain and every name below".into()
            }
            DomainFault::PublicSuffix => {
                "write the registered domain: one label before the suffix, as in example.com.cn"
                    .into()
            }
            DomainFault::NotAName(_) => {
                "write letters, digits and hyphens in labels of at most 63, such as example.com or \
                 例子.中国"
                    .into()
            }
        }
    }
}

/// The domain of a record as everything else compares it: without blanks around it and without final
/// dot, in lower case, Unicode labels as A-labels (UTS 46, the ideographic full stop counts as a dot).
/// It has a site domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NormalDomain<'a> {
    name: Cow<'a, str>,
    /// Where its site domain begins: that is looked for once.
    site: usize,
}

impl<'a> NormalDomain<'a> {
    /// Reads the domain of a record.
    pub fn read(text: &'a str) -> Result<NormalDomain<'a>, DomainFault> {
        let name = normal_name(text)?;
        let site = SiteDomain::of_text(&name).ok_or(DomainFault::PublicSuffix)?;
        let site = name.len() - site.as_str().len();
        Ok(NormalDomain { name, site })
    }

    /// The site domain at or above it.
    pub fn site_domain(&self) -> SiteDomain<'_> {
        SiteDomain(&self.name[self.site..])
    }

    /// As text.
    pub fn into_name(self) -> Cow<'a, str> {
        self.name
    }
}

impl std::ops::Deref for NormalDomain<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

/// As [`NormalDomain`] has it.
pub fn normalise(text: &str) -> Result<Cow<'_, str>, DomainFault> {
    NormalDomain::read(text).map(NormalDomain::into_name)
}

fn normal_name(text: &str) -> Result<Cow<'_, str>, DomainFault> {
    let text = blanks::trim(text);
    if is_plain(text.as_bytes()) {
        return Ok(Cow::Borrowed(text));
    }
    normal_name_of_any(text)
}

/// Whether it is written as most are, so that there is nothing to change, and nothing amiss with its
/// form: lower-case letters and digits, between them single dots and hyphens (two may be those of an
/// A-label), no longer in all than a label may be, and no digit at the end, where an address has one.
fn is_plain(text: &[u8]) -> bool {
    let mut was_between = true;
    for &byte in text {
        let is_between = matches!(byte, b'.' | b'-');
        let fits = if is_between {
            !was_between
        } else {
            byte.is_ascii_lowercase() || byte.is_ascii_digit()
        };
        if !fits {
            return false;
        }
        was_between = is_between;
    }
    text.len() <= MAX_LABEL_LEN && text.last().is_some_and(u8::is_ascii_lowercase)
}

fn normal_name_of_any(text: &str) -> Result<Cow<'_, str>, DomainFault> {
    if text.is_empty() {
        return Err(DomainFault::Empty);
    }
    if is_ip_address(text) {
        return Err(DomainFault::IpAddress);
    }
    if text.bytes().any(|byte| matches!(byte, b'/' | b':' | b'@' | b'?' | b'#')) {
        return Err(url_fault(text));
    }
    if text.starts_with("*.") {
        return Err(DomainFault::Wildcard);
    }
    let name = to_a_labels(text)?;
    check_form(&name)?;
    Ok(name)
}

fn to_a_labels(text: &str) -> Result<Cow<'_, str>, DomainFault> {
    let has_a_label = || text.contains("--");
    if !text.is_ascii() || has_a_label() {
        // Full-width digits and dots come out as ASCII, so an address may have hidden in them.
        let ascii = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::EMPTY)
            .map_err(|_| DomainFault::NotAName("its Unicode form is not a valid IDN"))?;
        if is_ip_address(&ascii) {
            return Err(DomainFault::IpAddress);
        }
        return Ok(without_final_dot(ascii));
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    Ok(if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    })
}

fn without_final_dot(name: Cow<'_, str>) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.strip_suffix('.').unwrap_or(name)),
        Cow::Owned(mut name) => {
            if name.ends_with('.') {
                name.pop();
            }
            Cow::Owned(name)
        }
    }
}

fn check_form(name: &str) -> Result<(), DomainFault> {
    if name.len() > MAX_TEXT_LEN {
        return Err(DomainFault::NotAName("it is longer than 253 characters"));
    }
    for label in name.split('.') {
        let bytes = label.as_bytes();
        if bytes.is_empty() {
            return Err(DomainFault::NotAName("a label is empty"));
        }
        if bytes.len() > MAX_LABEL_LEN {
            return Err(DomainFault::NotAName("a label is longer than 63 characters"));
        }
        if !bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            return Err(DomainFault::NotAName(
                "it holds a character other than letters, digits, hyphens and dots",
            ));
        }
        if bytes.starts_with(b"-") || bytes.ends_with(b"-") {
            return Err(DomainFault::NotAName("a label begins or ends with a hyphen"));
        }
    }
    Ok(())
}

/// True for an address, also in brackets, with a port or with a prefix length.
fn is_ip_address(text: &str) -> bool {
    let may_be = text.starts_with(|c: char| c == '[' || c.is_ascii_digit()) || text.contains(':');
    if !may_be {
        return false;
    }
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    is_address(text)
        || bare.is_some_and(is_address)
        || text.parse::<SocketAddr>().is_ok()
        || text.split_once('/').is_some_and(|(network, _)| is_address(network))
}

fn url_fault(text: &str) -> DomainFault {
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if is_ip_address(host) {
        return DomainFault::IpAddress;
    }
    let host = host.split(':').next().unwrap_or_default();
    DomainFault::Url { host: normalise(host).ok().map(Cow::into_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(name: &str) -> Vec<u8> {
        let mut wire = Vec::new();
        for label in name.split('.').filter(|label| !label.is_empty()) {
            wire.push(label.len() as u8);
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        wire
    }

    /// The site domain by text, after checking that the wire form gives the same.
    fn site_domain(name: &str) -> Option<&str> {
        let by_text = SiteDomain::of_text(name).map(SiteDomain::as_str);
        let wire = wire(name);
        let by_wire = of_wire(&wire);
        assert_eq!(
            by_wire.map(|site| site.labels),
            by_text.map(|s| s.split('.').count()),
            "{name}"
        );
        if let (Some(text), Some(site)) = (by_text, by_wire) {
            assert_eq!(hash_wire(&wire[site.offset..]), hash_text(text), "{name}");
        }
        by_text
    }

    #[test]
    fn a_site_domain_is_a_suffix_of_the_icann_section_and_one_label() {
        for (name, expected) in [
            ("www.example.com", Some("example.com")),
            ("example.com", Some("example.com")),
            ("com", None),
            ("", None),
            ("a.b.example.com.cn", Some("example.com.cn")),
            ("com.cn", None),
            ("bj.cn", None),
            ("example.bj.cn", Some("example.bj.cn")),
            ("foo.cn", Some("foo.cn")),
            // 例子.公司.cn: the list has 公司.cn.
            ("www.xn--fsqu00a.xn--55qx5d.cn", Some("xn--fsqu00a.xn--55qx5d.cn")),
            ("xn--55qx5d.cn", None),
            ("xn--fsqu00a.xn--fiqs8s", Some("xn--fsqu00a.xn--fiqs8s")),
            ("xn--fiqs8s", None),
            // The private section does not count, however deep its suffixes are.
            ("www.project.github.io", Some("github.io")),
            ("github.io", Some("github.io")),
            ("x.y.blogspot.com.cn", Some("blogspot.com.cn")),
            ("x.s3.cn-north-1.amazonaws.com.cn", Some("amazonaws.com.cn")),
            // Wildcard and exception rules.
            ("a.b.c.ck", Some("b.c.ck")),
            ("x.www.ck", Some("www.ck")),
            ("city.kawasaki.jp", Some("city.kawasaki.jp")),
            // The default rule.
            ("www.foo.example", Some("foo.example")),
            ("example", None),
        ] {
            assert_eq!(site_domain(name), expected, "{name}");
        }
    }

    #[test]
    fn bytes_that_are_no_name_have_no_site_domain() {
        assert_eq!(of_wire(b""), None);
        assert_eq!(of_wire(b"\x03com"), None);
        assert_eq!(of_wire(b"\x3fcom\x00"), None);
        assert_eq!(of_wire(&[1u8; 300]), None);
        // foo\.com.cn is not foo.com.cn.
        assert_eq!(of_wire(b"\x07foo.com\x02cn\x00"), None);
        assert_eq!(
            of_wire(b"\x03a.b\x03foo\x02cn\x00"),
            Some(SiteDomainInWire { offset: 4, labels: 2 })
        );
        hash_wire(&[63u8; 300]);
    }

    proptest::proptest! {
        #[test]
        fn what_is_plain_is_normal(
            name in "[a-c1.-]{0,12}|([a-z0-9]{1,3}[.-]){0,90}[a-z]{0,2}|[a-z-]{60,66}\\.[a-z]{2}|[0-9.]{7,11}",
        ) {
            if is_plain(name.as_bytes()) {
                proptest::prop_assert_eq!(normal_name_of_any(&name), Ok(Cow::Borrowed(&*name)));
            }
        }
    }

    #[test]
    fn machines_write_plain_domains() {
        for name in ["example.com", "a.b-c.com.cn", "1.example", "123.cn"] {
            assert!(is_plain(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn domains_are_normalised() {
        for (text, expected) in [
            ("example.com", "example.com"),
            (" Example.COM. ", "example.com"),
            ("例子.中国", "xn--fsqu00a.xn--fiqs8s"),
            ("例子。中国", "xn--fsqu00a.xn--fiqs8s"),
            ("例子．公司．cn", "xn--fsqu00a.xn--55qx5d.cn"),
            ("ＷＷＷ.ｅｘａｍｐｌｅ.com.", "www.example.com"),
            ("XN--FSQU00A.xn--fiqs8s", "xn--fsqu00a.xn--fiqs8s"),
        ] {
            assert_eq!(normalise(text).as_deref(), Ok(expected), "{text}");
        }
        assert!(matches!(normalise(" example.com. "), Ok(Cow::Borrowed("example.com"))));
    }

    #[test]
    fn what_is_not_a_domain_is_refused_with_a_way_out() {
        let fault = |text: &str| normalise(text).expect_err(text);
        for text in [
            "192.0.2.1",
            "2001:db8::1",
            "[2001:db8::1]:80",
            "192.0.2.1:8080",
            "１９２.0.2.1",
            "http://192.0.2.1/",
            "192.0.2.0/24",
        ] {
            assert_eq!(fault(text), DomainFault::IpAddress, "{text}");
        }
        assert!(fault("192.0.2.1").remedy().contains("local communications administration"));
        for text in ["com.cn", "公司.cn", "localhost", "cn"] {
            assert_eq!(fault(text), DomainFault::PublicSuffix, "{text}");
        }
        for text in ["https://www.Example.com/a?b", "www.example.com:443", "me@www.example.com"] {
            assert_eq!(fault(text).remedy(), "write only the domain: example.com", "{text}");
        }
        assert_eq!(fault("  "), DomainFault::Empty);
        assert_eq!(fault("*.example.com"), DomainFault::Wildcard);
        for text in [
            "exa mple.com",
            "a..com",
            "-a.com",
            "a_b.com",
            ".com",
            ".",
            "xn--zzzzzz999999.com",
            "例 子.中国",
        ] {
            assert!(matches!(fault(text), DomainFault::NotAName(_)), "{text}");
        }
        assert!(matches!(fault(&format!("{}.com", "a".repeat(64))), DomainFault::NotAName(_)));
    }
}
