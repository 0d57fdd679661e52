//! From a question to its records: RFC 1034 §4.3.2 and what came after it.

use beiand::wire::Rtype;

use super::{Case, case};
use crate::packet::{Packet, ask, ask_labels};
use crate::want::Want::*;
use crate::want::*;

fn at(name: &str, rtype: Rtype) -> Packet {
    ask(&format!("{name}.site.example"), rtype)
}

pub fn cases() -> Vec<Case> {
    [negatives(), wildcards(), chains(), delegations(), data()].into_iter().flatten().collect()
}

fn negatives() -> Vec<Case> {
    vec![
        case(
            "NXDOMAIN carries the SOA",
            "RFC 2308 §2.1",
            at("missing", Rtype::A),
            [NXDOMAIN, AA, Answer(&[]), SOA],
        ),
        case(
            "NODATA carries the SOA",
            "RFC 2308 §2.2",
            at("www", Rtype::AAAA),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case(
            "the SOA's TTL is its MINIMUM where that is less",
            "RFC 2308 §3",
            vec![at("missing", Rtype::A), at("www", Rtype::AAAA)],
            [AA, SOA, Ttl(300)],
        ),
        case(
            "an empty non-terminal is NODATA",
            "RFC 8020 §2",
            at("ent", Rtype::A),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case(
            "below a name with data",
            "RFC 8020 §2",
            at("below.www", Rtype::A),
            [NXDOMAIN, AA, SOA],
        ),
        case(
            "beside what makes an empty non-terminal",
            "RFC 8020 §2",
            at("b.ent", Rtype::A),
            [NXDOMAIN, AA, SOA],
        ),
    ]
}

fn wildcards() -> Vec<Case> {
    vec![
        case(
            "a wildcard's address",
            "RFC 4592 §2.2.1",
            at("any.wild", Rtype::A),
            [NOERROR, AA, Answer(&["any.wild A 192.0.2.14"])],
        ),
        case(
            "a wildcard several labels up",
            "RFC 4592 §2.2.1",
            at("a.b.c.wild", Rtype::A),
            [NOERROR, AA, Answer(&["a.b.c.wild A 192.0.2.14"])],
        ),
        case(
            "a wildcard without the type",
            "RFC 4592 §2.2.1",
            at("any.wild", Rtype::TXT),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case(
            "a name that hides the wildcard",
            "RFC 4592 §2.2.1",
            at("present.wild", Rtype::A),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case(
            "an empty non-terminal that hides it",
            "RFC 4592 §2.2.2",
            at("under.wild", Rtype::A),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case(
            "below what hides it",
            "RFC 4592 §2.2.2",
            at("y.under.wild", Rtype::A),
            [NXDOMAIN, AA, Answer(&[]), SOA],
        ),
        case(
            "the wildcard's own name",
            "RFC 4592 §2.1.1",
            at("*.wild", Rtype::A),
            [NOERROR, AA, Answer(&["*.wild A 192.0.2.14"])],
        ),
        case(
            "below the asterisk",
            "RFC 4592 §2.2.1",
            at("x.*.wild", Rtype::A),
            [NXDOMAIN, AA, SOA],
        ),
        case(
            "a wildcard's alias",
            "RFC 4592 §3.3.1",
            at("x.wildalias", Rtype::A),
            [NOERROR, AA, Answer(&["x.wildalias CNAME www", "www A 192.0.2.11"])],
        ),
    ]
}

fn chains() -> Vec<Case> {
    let label = [b'd'; 60];
    vec![
        case(
            "two aliases",
            "RFC 1034 §4.3.2",
            at("alias2", Rtype::A),
            [NOERROR, AA, Answer(&["alias2 CNAME alias", "alias CNAME www", "www A 192.0.2.11"])],
        ),
        case(
            "the alias itself",
            "RFC 1034 §3.6.2",
            at("alias", Rtype::CNAME),
            [NOERROR, AA, Answer(&["alias CNAME www"])],
        ),
        case(
            "an alias of what has no such type",
            "RFC 2308 §2.2",
            at("alias", Rtype::AAAA),
            [NOERROR, AA, Answer(&["alias CNAME www"]), SOA],
        ),
        case(
            "an alias of nothing",
            "RFC 6604 §3",
            at("dangling", Rtype::A),
            [NXDOMAIN, AA, Answer(&["dangling CNAME missing"]), SOA],
        ),
        case(
            "an alias into no zone of ours",
            "RFC 1034 §4.3.2",
            at("outside", Rtype::A),
            [NOERROR, AA, Answer(&["outside CNAME www.elsewhere.invalid."])],
        ),
        case(
            "an alias of itself",
            "RFC 1034 §3.6.2",
            at("self", Rtype::A),
            [NOERROR, AA, Answer(&["self CNAME self"])],
        ),
        case(
            "two aliases of each other",
            "RFC 1034 §3.6.2",
            at("ping", Rtype::A),
            [NOERROR, AA, Answer(&["ping CNAME pong", "pong CNAME ping"])],
        ),
        case(
            "below a DNAME",
            "RFC 6672 §3.2",
            at("www.old", Rtype::A),
            [
                NOERROR,
                AA,
                Answer(&["old DNAME new", "www.old CNAME www.new", "www.new A 192.0.2.15"]),
            ],
        ),
        case(
            "below a DNAME, CNAME asked for",
            "RFC 6672 §3.2",
            at("www.old", Rtype::CNAME),
            [NOERROR, AA, Answer(&["old DNAME new", "www.old CNAME www.new"])],
        ),
        case(
            "the DNAME itself",
            "RFC 6672 §2.3",
            at("old", Rtype::DNAME),
            [NOERROR, AA, Answer(&["old DNAME new"])],
        ),
        case(
            "a DNAME's owner, another type",
            "RFC 6672 §2.3",
            at("old", Rtype::A),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case(
            "data beside a DNAME",
            "RFC 6672 §2.3",
            at("old", Rtype::TXT),
            [NOERROR, AA, Answers(1)],
        ),
        case(
            "a DNAME to nothing there",
            "RFC 6604 §3",
            at("none.old", Rtype::A),
            [NXDOMAIN, AA, Answer(&["old DNAME new", "none.old CNAME none.new"]), SOA],
        ),
        case(
            "a DNAME whose result is too long",
            "RFC 6672 §2.2",
            ask_labels(&[&label, b"long", b"site", b"example"], Rtype::A),
            [YXDOMAIN, AA, Answers(1)],
        ),
    ]
}

fn delegations() -> Vec<Case> {
    let referral = [
        NOERROR,
        NO_AA,
        Answer(&[]),
        Authority(&["child NS ns.child"]),
        Additional(&["ns.child A 192.0.2.20"]),
    ];
    vec![
        case(
            "a cut, and below it: a referral with glue",
            "RFC 1034 §4.3.2",
            vec![at("child", Rtype::A), at("www.child", Rtype::MX), at("child", Rtype::NS)],
            referral,
        ),
        case("glue is no answer", "RFC 2181 §5.4.1", at("ns.child", Rtype::A), referral),
        case(
            "a cut without glue",
            "RFC 1034 §4.3.2",
            at("www.outer", Rtype::A),
            [
                NOERROR,
                NO_AA,
                Answer(&[]),
                Authority(&["outer NS ns1.hoster.example."]),
                Additional(&[]),
            ],
        ),
        case(
            "DS at a cut",
            "RFC 4035 §3.1.4.1",
            at("signed", Rtype::DS),
            [NOERROR, AA, Answers(1)],
        ),
        case(
            "DS at an unsigned cut",
            "RFC 4035 §3.1.4.1",
            at("outer", Rtype::DS),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case(
            "DS at the apex, the parent elsewhere",
            "RFC 4035 §3.1.4.1",
            ask("site.example", Rtype::DS),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case("DS below a cut", "RFC 4035 §3.1.4.1", at("x.child", Rtype::DS), referral),
    ]
}

fn data() -> Vec<Case> {
    vec![
        case("ANY", "RFC 8482 §4.1", ask("site.example", Rtype::ANY), [NOERROR, AA, OneRrset]),
        case(
            "ANY of nothing",
            "RFC 8482 §4.1",
            at("missing", Rtype::ANY),
            [NXDOMAIN, AA, Answer(&[]), SOA],
        ),
        case(
            "ANY of an empty non-terminal",
            "RFC 8482 §4.1",
            at("ent", Rtype::ANY),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case(
            "ANY of an alias",
            "RFC 8482 §4.1",
            at("alias", Rtype::ANY),
            [NOERROR, AA, Answer(&["alias CNAME www"])],
        ),
        case(
            "a type that nobody knows, with data",
            "RFC 3597 §3",
            at("unknown", Rtype(65_400)),
            [NOERROR, AA, Answers(1)],
        ),
        case(
            "a TTL of 2^31-1",
            "RFC 2181 §8",
            at("longest", Rtype::TXT),
            [NOERROR, AA, AnswerTtl(0x7FFF_FFFF)],
        ),
        case("a TTL of 0", "RFC 1035 §3.2.1", at("zero", Rtype::TXT), [NOERROR, AA, AnswerTtl(0)]),
        case(
            "MX with its host's addresses",
            "RFC 1035 §3.3.9",
            ask("site.example", Rtype::MX),
            [
                NOERROR,
                AA,
                Answer(&["@ MX 10 mail"]),
                Additional(&["mail A 192.0.2.12", "mail AAAA 2001:db8:1::12"]),
            ],
        ),
        case(
            "SRV with its host's addresses",
            "RFC 2782",
            at("srv", Rtype::SRV),
            [
                NOERROR,
                AA,
                Answers(1),
                Additional(&["mail A 192.0.2.12", "mail AAAA 2001:db8:1::12"]),
            ],
        ),
        case(
            "HTTPS with its target's addresses",
            "RFC 9460 §4.1",
            at("pool", Rtype::HTTPS),
            [
                NOERROR,
                AA,
                Answers(1),
                Additional(&["mail A 192.0.2.12", "mail AAAA 2001:db8:1::12"]),
            ],
        ),
        case(
            "HTTPS whose target is its owner",
            "RFC 9460 §4.1",
            at("svc", Rtype::HTTPS),
            [NOERROR, AA, Answers(1), Additional(&["svc A 192.0.2.16"])],
        ),
        case(
            "HTTPS whose target is its owner by name",
            "RFC 9460 §4.1",
            at("byname", Rtype::HTTPS),
            [NOERROR, AA, Answer(&["byname HTTPS 1 byname"]), Additional(&["byname A 192.0.2.17"])],
        ),
        case(
            "HTTPS in AliasMode with its target's records",
            "RFC 9460 §4.1",
            at("aliasmode", Rtype::HTTPS),
            [NOERROR, AA, Answers(1), Additional(&["svc A 192.0.2.16", "svc HTTPS 1 ."])],
        ),
        case(
            "SVCB in AliasMode with its target's records",
            "RFC 9460 §4.1",
            at("aliassvcb", Rtype::SVCB),
            [NOERROR, AA, Answers(1), Additional(&["pool2 SVCB 1 mail"])],
        ),
        case(
            "HTTPS in AliasMode is no alias of A",
            "RFC 9460 §2.4.2",
            at("aliasmode", Rtype::A),
            [NOERROR, AA, Answer(&[]), SOA],
        ),
        case(
            "NS of the apex",
            "RFC 1034 §4.3.2",
            ask("site.example", Rtype::NS),
            [NOERROR, AA, Answer(&["@ NS ns1.hoster.example.", "@ NS ns2.hoster.example."])],
        ),
    ]
}
