//! What EDNS carries: cookies, and the options that beiand knows, leaves alone, or never sends.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use beiand::answer::cookie::CookieSecret;
use beiand::wire::Rtype;

use super::{Case, case, over_tcp};
use crate::exchange::{CLIENT_COOKIE, Way, with_cookie};
use crate::packet::{Opt as OptRecord, Packet, Section, ask, header};
use crate::want::Want::*;
use crate::want::*;

/// The server's cookie secret, so that a case can make a cookie that was good once.
pub const SECRET: [u8; 16] = [0x5E; 16];

const WWW: Want = Answer(&["www A 192.0.2.11"]);

fn www(code: u16, data: &[u8]) -> Packet {
    ask("www.site.example", Rtype::A).option(code, data)
}

pub fn cases() -> Vec<Case> {
    [cookies(), others()].into_iter().flatten().collect()
}

/// The cookie that a client of that address got so many seconds ago.
fn issued(client: [u8; 4], seconds_ago: u32) -> Packet {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let then = (now as u32).wrapping_sub(seconds_ago);
    with_cookie(&CookieSecret::from(SECRET).cookie(&CLIENT_COOKIE, IpAddr::from(client), then))
}

fn cookies() -> Vec<Case> {
    let given = [NOERROR, AA, Opt, Cookie, WWW];
    // A server that insists on good cookies may ask for another try (RFC 7873 §5.2.3).
    let wrong_lengths = |lengths: std::ops::RangeInclusive<usize>| -> Vec<Packet> {
        lengths.map(|length| with_cookie(&vec![7; length])).collect()
    };
    let malformed = [FORMERR, NO_AA, Opt, Answer(&[])];
    let alone = |cookie: &[u8]| header().option(10, cookie);
    vec![
        case("a client cookie [ednscookie]", "RFC 7873 §5.2.3", with_cookie(&CLIENT_COOKIE), given),
        case(
            "a client cookie, over TCP",
            "RFC 7873 §5.2.3",
            over_tcp(with_cookie(&CLIENT_COOKIE)),
            given,
        ),
        case("the cookie that was given", "RFC 7873 §5.2.5", Way::Cookie(|_| {}), given),
        case(
            "a server cookie with one bit wrong",
            "RFC 7873 §5.2.4",
            Way::Cookie(|cookie| {
                if let Some(last) = cookie.last_mut() {
                    *last ^= 1;
                }
            }),
            given,
        ),
        case(
            "a server cookie of a day ago",
            "RFC 9018 §4.3",
            issued([127, 0, 0, 1], 86_400),
            given,
        ),
        case(
            "a server cookie of tomorrow",
            "RFC 9018 §4.3",
            issued([127, 0, 0, 1], 0u32.wrapping_sub(86_400)),
            given,
        ),
        case("another client's server cookie", "RFC 9018 §4.4", issued([192, 0, 2, 1], 10), given),
        case(
            "a server cookie of 8 bytes, of 32",
            "RFC 7873 §4",
            vec![
                with_cookie(&[&CLIENT_COOKIE[..], &[9; 8]].concat()),
                with_cookie(&[&CLIENT_COOKIE[..], &[9; 32]].concat()),
            ],
            given,
        ),
        case("a cookie of 0 to 7 bytes", "RFC 7873 §5.2.2", wrong_lengths(0..=7), malformed),
        case("a cookie of 9 to 15 bytes", "RFC 7873 §5.2.2", wrong_lengths(9..=15), malformed),
        case(
            "a cookie of 41 bytes, of 100",
            "RFC 7873 §5.2.2",
            {
                let mut packets = wrong_lengths(41..=41);
                packets.extend(wrong_lengths(100..=100));
                packets
            },
            malformed,
        ),
        case(
            "two cookies",
            "RFC 7873 §5.2",
            ask("www.site.example", Rtype::A)
                .opt(&OptRecord::default().option(10, &CLIENT_COOKIE).option(10, &[7; 8])),
            given,
        ),
        case(
            "QDCOUNT 0 and a client cookie",
            "RFC 7873 §5.4",
            alone(&CLIENT_COOKIE),
            [NOERROR, Opt, Cookie, Answer(&[]), Authority(&[])],
        ),
        case(
            "QDCOUNT 0 and a cookie of a wrong length",
            "RFC 7873 §5.2.2",
            alone(&[7; 9]),
            [FORMERR, NO_AA, Opt],
        ),
        case(
            "a cookie where the answer is an error",
            "RFC 7873 §5.2.3",
            ask("www.elsewhere.invalid", Rtype::A).option(10, &CLIENT_COOKIE),
            [REFUSED, NO_AA, Opt, Cookie],
        ),
        case(
            "no cookie",
            "RFC 7873 §5.2.1",
            ask("www.site.example", Rtype::A).edns(),
            [NOERROR, AA, Opt, NoOption(10), WWW],
        ),
        case(
            "a cookie and an answer that is truncated",
            "RFC 7873 §5.2.3",
            ask("big.site.example", Rtype::TXT)
                .opt(&OptRecord::default().payload(512).option(10, &CLIENT_COOKIE)),
            [NOERROR, AA, TC, Opt, Cookie, AtMost(512)],
        ),
    ]
}

fn others() -> Vec<Case> {
    let ignored = [NOERROR, AA, Opt, WWW];
    vec![
        case(
            "NSID [ednsnsid]",
            "RFC 5001 §2.2",
            www(3, &[]),
            [NOERROR, AA, Opt, WithOption(3), WWW],
        ),
        case(
            "NSID not asked for",
            "RFC 5001 §2.2",
            ask("www.site.example", Rtype::A).edns(),
            [NOERROR, AA, Opt, NoOption(3), WWW],
        ),
        case("NSID with data", "RFC 5001 §2.2", www(3, b"who?"), ignored),
        case(
            "NSID where the answer is an error",
            "RFC 5001 §2.2",
            ask("www.elsewhere.invalid", Rtype::A).option(3, &[]),
            [REFUSED, NO_AA, Opt, WithOption(3)],
        ),
        case(
            "a client subnet [ednssubnet]",
            "RFC 7871 §7.2.1",
            www(8, &[0, 1, 24, 0, 192, 0, 2]),
            ignored,
        ),
        case("a client subnet of length 0", "RFC 7871 §7.2.1", www(8, &[0, 1, 0, 0]), ignored),
        case(
            "EXPIRE [ednsexpire]",
            "RFC 7314 §3.1",
            ask("site.example", Rtype::SOA).option(9, &[]),
            [NOERROR, AA, Opt, Answers(1)],
        ),
        case(
            "TCP keepalive over UDP",
            "RFC 7828 §3.3.1",
            www(11, &[]),
            [NOERROR, AA, Opt, NoOption(11), WWW],
        ),
        case("TCP keepalive over TCP", "RFC 7828 §3.3.2", over_tcp(www(11, &[])), ignored),
        case("padding, over UDP", "RFC 7830 §4", www(12, &[0; 64]), ignored),
        case("a chain query", "RFC 7901 §5.1", www(13, b"\x07example\0"), ignored),
        case(
            "DAU, DHU, N3U",
            "RFC 6975 §5",
            vec![www(5, &[8, 13]), www(6, &[1, 2]), www(7, &[1])],
            ignored,
        ),
        case(
            "an extended error in a query",
            "RFC 8914 §2",
            www(15, &[0, 22, b'n', b'o']),
            [NOERROR, AA, Opt, NoOption(15), WWW],
        ),
        case("a key tag", "RFC 8145 §4", www(14, &[0x4A, 0x5C]), ignored),
        case(
            "an error report channel in a query",
            "RFC 9567 §5",
            www(18, b"\x06report\x07example\0"),
            [NOERROR, AA, Opt, NoOption(18), WWW],
        ),
        case(
            "the zone version asked for",
            "RFC 9660 §3.2",
            ask("site.example", Rtype::SOA).option(19, &[]),
            [NOERROR, AA, Opt, Answers(1)],
        ),
        case(
            "options behind an additional record",
            "RFC 6891 §6.1.1",
            ask("www.site.example", Rtype::A)
                .with(
                    Section::Additional,
                    &crate::packet::record("x.example", Rtype::A, &[192, 0, 2, 1]),
                )
                .option(3, &[]),
            [NOERROR, AA, Opt, WithOption(3), WWW],
        ),
    ]
}
