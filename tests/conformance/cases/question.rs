//! The question section and what surrounds it: counts, names, classes, types, messages cut off or
//! too long.

use beiand::wire::Rtype;

use super::{Case, case, over_tcp};
use crate::packet::{Packet, Section, ask, ask_labels, header, record};
use crate::want::Want::*;
use crate::want::*;

const WWW: Want = Answer(&["www A 192.0.2.11"]);

fn www() -> Packet {
    ask("www.site.example", Rtype::A)
}

/// A question whose name is these bytes.
fn raw_name(name: &[u8]) -> Packet {
    header().count(Section::Question, 1).bytes(name).bytes(&[0, 1, 0, 1])
}

pub fn cases() -> Vec<Case> {
    [counts(), names(), classes(), types()].into_iter().flatten().collect()
}

fn counts() -> Vec<Case> {
    let malformed = [FORMERR, NO_AA, Answer(&[]), Authority(&[])];
    let second = [b"\x03www\x04site\x07example\0".as_slice(), &[0, 28, 0, 1]].concat();
    let address = record("www.site.example", Rtype::A, &[192, 0, 2, 99]);
    let whole = www().bytes.len();
    vec![
        case(
            "QDCOUNT 0 with a question behind it",
            "RFC 1035 §4.1.2",
            www().count(Section::Question, 0),
            malformed,
        ),
        case(
            "QDCOUNT 0, EDNS without cookie",
            "RFC 7873 §5.4",
            header().edns(),
            [FORMERR, NO_AA, Opt, Answer(&[])],
        ),
        case(
            "QDCOUNT 2, two questions",
            "RFC 9619 §4",
            www().with(Section::Question, &second),
            malformed,
        ),
        case(
            "QDCOUNT 2, one question",
            "RFC 9619 §4",
            www().count(Section::Question, 2),
            malformed,
        ),
        case(
            "QDCOUNT 65,535, one question",
            "RFC 9619 §4",
            www().count(Section::Question, 65_535),
            malformed,
        ),
        case(
            "ANCOUNT 1 with a record",
            "RFC 1035 §4.1.1",
            www().with(Section::Answer, &address),
            malformed,
        ),
        case(
            "NSCOUNT 1 with a record",
            "RFC 1035 §4.1.1",
            www().with(Section::Authority, &address),
            malformed,
        ),
        case(
            "ARCOUNT 1 with a record that is not OPT",
            "RFC 1035 §4.1.1",
            www().with(Section::Additional, &address),
            [NOERROR, AA, WWW],
        ),
        case(
            "ANCOUNT, NSCOUNT or ARCOUNT 1 without a record",
            "RFC 1035 §4.1.1",
            [Section::Answer, Section::Authority, Section::Additional]
                .map(|section| www().count(section, 1))
                .to_vec(),
            malformed,
        ),
        case(
            "ARCOUNT 65,535 without a record",
            "RFC 1035 §4.1.1",
            www().count(Section::Additional, 65_535),
            malformed,
        ),
        case(
            "cut off at each byte after the header",
            "RFC 1035 §4.1.2",
            www().cuts(12..whole),
            malformed,
        ),
        case(
            "cut off within OPT",
            "RFC 6891 §6.1.2",
            www().edns().cuts(whole + 1..whole + 11),
            malformed,
        ),
        case("a byte behind the end", "RFC 1035 §4.1", www().bytes(&[0]), malformed),
        case("400 bytes behind the end", "RFC 1035 §4.1", www().bytes(&[0; 400]), malformed),
    ]
}

fn names() -> Vec<Case> {
    let malformed = [FORMERR, NO_AA, Answer(&[]), AtMost(300)];
    let n63 = [b'n'; 63];
    let n48 = [b'n'; 48];
    let n49 = [b'n'; 49];
    let longest: [&[u8]; 6] = [&n63, &n63, &n63, &n48, b"site", b"example"];
    let too_long: [&[u8]; 6] = [&n63, &n63, &n63, &n49, b"site", b"example"];
    let mut label_64 = vec![64];
    label_64.extend([b'l'; 64]);
    label_64.extend(b"\x04site\x07example\0");
    vec![
        case(
            "a compression pointer to itself",
            "RFC 1035 §4.1.4",
            raw_name(&[0xC0, 12]),
            malformed,
        ),
        case(
            "two pointers to each other",
            "RFC 1035 §4.1.4",
            raw_name(&[0xC0, 14, 0xC0, 12]),
            malformed,
        ),
        case("a pointer into the header", "RFC 1035 §4.1.4", raw_name(&[0xC0, 4]), malformed),
        case("a pointer forward", "RFC 1035 §4.1.4", raw_name(&[0xC0, 18]).bytes(&[0]), malformed),
        case("a pointer beyond the message", "RFC 1035 §4.1.4", raw_name(&[0xFF, 0xFF]), malformed),
        case(
            "a label, then a pointer back to it",
            "RFC 1035 §4.1.4",
            raw_name(b"\x03www\xC0\x0C"),
            malformed,
        ),
        case("label type 01", "RFC 6891 §5", raw_name(&[0x41, b'a', 0]), malformed),
        case("label type 10", "RFC 1035 §4.1.4", raw_name(&[0x81, b'a', 0]), malformed),
        case(
            "a label that runs past the end",
            "RFC 1035 §3.1",
            header().count(Section::Question, 1).bytes(&[63, b'a', 0, 0, 1]),
            malformed,
        ),
        case(
            "a label of 63 bytes",
            "RFC 1035 §2.3.4",
            ask_labels(&[&[b'l'; 63], b"site", b"example"], Rtype::A),
            [NOERROR, AA, Answers(1)],
        ),
        case("a label of 64 bytes", "RFC 1035 §2.3.4", raw_name(&label_64), malformed),
        case(
            "a name of 255 bytes",
            "RFC 1035 §2.3.4",
            ask_labels(&longest, Rtype::A),
            [NOERROR, AA, Answers(1)],
        ),
        case("a name of 256 bytes", "RFC 1035 §2.3.4", ask_labels(&too_long, Rtype::A), malformed),
        case(
            "a name of 127 labels below a zone",
            "RFC 1035 §2.3.4",
            {
                let mut labels = vec![b"x".as_slice(); 120];
                labels.extend([b"site".as_slice(), b"example"]);
                ask_labels(&labels, Rtype::A)
            },
            [NXDOMAIN, AA, SOA],
        ),
        case(
            "bytes 0 and 255 in a label",
            "RFC 2181 §11",
            ask_labels(&[b"\0\xFF", b"site", b"example"], Rtype::TXT),
            [NOERROR, AA, Answers(1)],
        ),
        case(
            "a dot within a label",
            "RFC 1035 §5.1",
            ask_labels(&[b"escaped.dot", b"site", b"example"], Rtype::TXT),
            [NOERROR, AA, Answers(1)],
        ),
        case(
            "two labels where the zone has a dot within one",
            "RFC 1035 §5.1",
            ask("escaped.dot.site.example", Rtype::TXT),
            [NXDOMAIN, AA, SOA],
        ),
        case(
            "UTF-8 in a label",
            "RFC 2181 §11",
            ask_labels(&["例子".as_bytes(), b"site", b"example"], Rtype::A),
            [NXDOMAIN, AA, SOA],
        ),
        case(
            "mixed case in the question",
            "RFC 4343 §4.1",
            ask("wWw.SiTe.eXaMpLe", Rtype::A),
            [NOERROR, AA, Answers(1)],
        ),
        case(
            "mixed case in the zone",
            "RFC 4343 §3",
            ask("mixed.site.example", Rtype::TXT),
            [NOERROR, AA, Answers(1)],
        ),
        case("the root", "RFC 8906 §8.1.1", ask("", Rtype::NS), [REFUSED, NO_AA, Answer(&[])]),
        case(
            "a name in no zone",
            "RFC 8906 §8.1.1",
            ask("www.elsewhere.invalid", Rtype::A),
            [REFUSED, NO_AA, Answer(&[]), Authority(&[])],
        ),
        case(
            "a name in no zone, with EDNS",
            "RFC 8914 §4.21",
            ask("www.elsewhere.invalid", Rtype::A).edns(),
            [REFUSED, NO_AA, Opt, ExtendedError(20), Answer(&[])],
        ),
        case(
            "the zone's parent",
            "RFC 1034 §4.3.2",
            ask("example", Rtype::NS),
            [REFUSED, NO_AA, Answer(&[])],
        ),
    ]
}

fn classes() -> Vec<Case> {
    let version = ask("version.bind", Rtype::TXT).class(3);
    let refused = [REFUSED, NO_AA, Answer(&[])];
    vec![
        case("CH, `version.bind` TXT, not configured", "RFC 4892 §2", version, refused),
        case(
            "CH, `id.server` TXT, not configured",
            "RFC 4892 §2",
            ask("id.server", Rtype::TXT).class(3),
            refused,
        ),
        case("CH, a name of the zone", "RFC 1034 §4.3.2", www().class(3), refused),
        case("HS", "RFC 1035 §3.2.4", www().class(4), refused),
        case("ANY", "RFC 1035 §6.2", www().class(255), [NOERROR, NO_AA, WWW]),
        case("NONE", "RFC 2136 §2.4", www().class(254), [Status(&[1, 5]), NO_AA, Answer(&[])]),
        case("0, reserved", "RFC 6895 §3.2", www().class(0), [Status(&[1, 5]), NO_AA, Answer(&[])]),
        case(
            "2, 5 and 65,280, unassigned or private",
            "RFC 6895 §3.2",
            vec![www().class(2), www().class(5), www().class(65_280)],
            refused,
        ),
    ]
}

fn types() -> Vec<Case> {
    let of = |rtype| ask("site.example", Rtype(rtype));
    let nodata = [NOERROR, AA, Answer(&[]), SOA];
    let refused = [REFUSED, NO_AA, Answer(&[]), Authority(&[])];
    let serial =
        record("site.example", Rtype::SOA, &[&[0, 0][..], &[0, 0, 0, 1], &[0; 16]].concat());
    vec![
        case("an unassigned type [type666]", "RFC 8906 §8.1.2", of(666), nodata),
        case(
            "unassigned, private and reserved types",
            "RFC 3597 §3",
            vec![of(1000), of(65_280), of(65_534), of(65_535)],
            nodata,
        ),
        case("type 0", "RFC 6895 §3.1", of(0), [Status(&[0, 1]), Answer(&[])]),
        case(
            "obsolete types: MD, MF, MB, WKS, A6",
            "RFC 8906 §3.1.1",
            vec![of(3), of(4), of(7), of(11), of(38)],
            nodata,
        ),
        case(
            "DNSSEC types in an unsigned zone: RRSIG, NSEC, DNSKEY, NSEC3PARAM",
            "RFC 8906 §3.1.1",
            vec![of(46), of(47), of(48), of(51)],
            nodata,
        ),
        case("OPT as a type", "RFC 6891 §6.1.1", of(41), [FORMERR, NO_AA, Answer(&[])]),
        case("TSIG as a type", "RFC 8945 §4.2", of(250), [Status(&[1, 4, 5]), NO_AA, Answer(&[])]),
        case(
            "TKEY without a key",
            "RFC 2930 §4",
            of(249),
            [Status(&[1, 4, 5]), NO_AA, Answer(&[])],
        ),
        case("NXNAME", "RFC 9824 §3.5", of(128), [FORMERR, NO_AA, Answer(&[])]),
        case(
            "unassigned meta-types 129, 248",
            "RFC 6895 §3.1",
            vec![of(129), of(248)],
            [Status(&[0, 1, 4, 5]), Answer(&[])],
        ),
        case(
            "MAILB and MAILA",
            "RFC 1035 §3.2.3",
            vec![of(253), of(254)],
            [Status(&[0, 4, 5]), Answer(&[])],
        ),
        case("AXFR over UDP", "RFC 5936 §4.2", of(252), [Status(&[1, 4, 5]), NO_AA, Answer(&[])]),
        case("AXFR over TCP", "RFC 5936 §5", over_tcp(of(252)), refused),
        case("IXFR over UDP", "RFC 1995 §2", of(251).with(Section::Authority, &serial), refused),
        case(
            "IXFR over TCP",
            "RFC 1995 §2",
            over_tcp(of(251).with(Section::Authority, &serial)),
            refused,
        ),
        case(
            "IXFR without a SOA",
            "RFC 1995 §3",
            over_tcp(of(251)),
            [Status(&[1, 5]), NO_AA, Answer(&[])],
        ),
    ]
}
