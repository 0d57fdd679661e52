//! Which name a request is for. Whatever a client sends here is hostile until proven otherwise:
//! only letters, digits, hyphens and underscores in labels of a name get any further.

use hyper::header::{HOST, HeaderMap};
use hyper::{Uri, Version};

use crate::wire::Name;

/// Longest host that is looked at: a name of 253 characters, its final dot, and a port.
const MAX_LEN: usize = 253 + 1 + 6;

/// What a request says it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A name, in lower case.
    Name(Name),
    /// No name: an address, or nothing, as HTTP/1.0 allows.
    None,
    /// Nothing that a client may send; a missing header, too, from HTTP/1.1 on (RFC 9112 §3.2).
    Malformed,
}

/// The host of a request. That of an absolute target comes before the header (RFC 9112 §3.2.2).
pub(super) fn of_request(uri: &Uri, version: Version, headers: &HeaderMap) -> Host {
    let mut sent = headers.get_all(HOST).iter();
    let (first, second) = (sent.next(), sent.next());
    if second.is_some() {
        return Host::Malformed;
    }
    match (uri.authority(), first) {
        (Some(authority), _) => parse(authority.as_str().as_bytes()),
        (None, Some(header)) => parse(header.as_bytes()),
        (None, None) if version <= Version::HTTP_10 => Host::None,
        (None, None) => Host::Malformed,
    }
}

fn parse(host: &[u8]) -> Host {
    if host.len() > MAX_LEN {
        return Host::Malformed;
    }
    if host.is_empty() || host.starts_with(b"[") {
        return Host::None;
    }
    let name = match host.iter().position(|byte| *byte == b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => &host[..colon],
        Some(_) => return Host::Malformed,
        None => host,
    };
    let name = name.strip_suffix(b".").unwrap_or(name);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if !name.iter().all(is_plain) {
        return Host::Malformed;
    }
    // RFC 3986 §3.2.2: what ends in a number is an address, whatever its form.
    let last = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    if last.iter().all(u8::is_ascii_digit) {
        return Host::None;
    }
    match Name::parse(name, None) {
        Ok(name) => Host::Name(name.to_lowercase()),
        Err(_) => Host::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Host {
        Host::Name(Name::parse(text.as_bytes(), None).unwrap())
    }

    #[test]
    fn names_come_with_ports_dots_and_capitals() {
        for host in ["www.site.example", "WWW.Site.example.", "www.site.example:8080"] {
            assert_eq!(parse(host.as_bytes()), name("www.site.example"), "{host}");
        }
        assert_eq!(parse(b"_a.xn--fsqu00a.example"), name("_a.xn--fsqu00a.example"));
    }

    #[test]
    fn addresses_are_no_names() {
        for host in ["", ":80", ".", "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "3221225985"]
        {
            assert_eq!(parse(host.as_bytes()), Host::None, "{host}");
        }
    }

    #[test]
    fn whatever_could_do_harm_is_malformed() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = "a.".repeat(127) + "example";
        for host in [
            "<script>alert(1)</script>",
            "site.example/../..",
            "user@site.example",
            "site.example:80:80",
            "site.example:http",
            "a..example",
            ".example",
            "site example",
            "例子.example",
            "site.example\0",
            "\\000.example",
            "$(id).example",
            long_label.as_str(),
            long_name.as_str(),
        ] {
            assert_eq!(parse(host.as_bytes()), Host::Malformed, "{host}");
        }
    }

    #[test]
    fn the_target_comes_before_the_header_of_which_there_is_one() {
        let of = |uri: &str, headers: &HeaderMap| {
            of_request(&uri.parse().unwrap(), Version::HTTP_11, headers)
        };
        let mut headers = HeaderMap::new();
        assert_eq!(of("/x", &headers), Host::Malformed);
        assert_eq!(of_request(&Uri::default(), Version::HTTP_10, &headers), Host::None);
        headers.append(HOST, "other.example".parse().unwrap());
        assert_eq!(of("http://site.example/x", &headers), name("site.example"));
        assert_eq!(of("/x", &headers), name("other.example"));
        headers.append(HOST, "other.example".parse().unwrap());
        assert_eq!(of("http://site.example/x", &headers), Host::Malformed);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
