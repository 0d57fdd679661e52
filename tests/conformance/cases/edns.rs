//! EDNS itself (RFC 6891): versions, flags, and where OPT stands.

use beiand::wire::Rtype;

use super::{Case, case, over_tcp};
use crate::packet::{Opt as OptRecord, Packet, Section, ask, flag, record};
use crate::want::Want::*;
use crate::want::*;

const DO: u16 = 0x8000;
const UNKNOWN_OPTION: u16 = 100;

fn soa(opt: OptRecord) -> Packet {
    ask("site.example", Rtype::SOA).opt(&opt)
}

fn v(version: u8) -> OptRecord {
    OptRecord::default().version(version)
}

pub fn cases() -> Vec<Case> {
    let answered = [NOERROR, AA, Opt, Answers(1)];
    let badvers = [BADVERS, NO_AA, Opt, Answer(&[]), Authority(&[])];
    let malformed = [FORMERR, NO_AA, Opt, Answer(&[])];
    let address = record("www.site.example", Rtype::A, &[192, 0, 2, 99]);
    let plain = || ask("site.example", Rtype::SOA);
    let known_options = |version| {
        v(version)
            .option(3, &[])
            .option(8, &[0, 1, 0, 0])
            .option(9, &[])
            .option(10, &[1, 2, 3, 4, 5, 6, 7, 8])
    };
    vec![
        case("version 0 [edns]", "RFC 8906 §8.2.1", soa(v(0)), answered),
        case(
            "the same over TCP [ednstcp]",
            "RFC 8906 §3.2.7",
            over_tcp(soa(v(0).flags(DO))),
            [NOERROR, AA, Opt, Do, Answers(1)],
        ),
        case("no OPT", "RFC 6891 §7", plain(), [NOERROR, AA, NoOpt, Answers(1)]),
        case("version 1 [edns1]", "RFC 8906 §8.2.2", soa(v(1)), badvers),
        case("version 1, over TCP", "RFC 6891 §6.1.3", over_tcp(soa(v(1))), badvers),
        case(
            "versions 2, 128, 255",
            "RFC 6891 §6.1.3",
            vec![soa(v(2)), soa(v(128)), soa(v(255))],
            badvers,
        ),
        case(
            "version 1, an unknown option [edns1opt]",
            "RFC 8906 §8.2.6",
            soa(v(1).option(UNKNOWN_OPTION, &[])),
            [BADVERS, NO_AA, Opt, NoOption(UNKNOWN_OPTION), Answer(&[])],
        ),
        case(
            "version 1, an unknown flag [edns1flg]",
            "RFC 8906 §8.2.5",
            soa(v(1).flags(0x0080)),
            badvers,
        ),
        case(
            "version 1, DO [edns1do]",
            "RFC 8906 §8.2.9",
            soa(v(1).flags(DO)),
            [BADVERS, NO_AA, Opt, Do, Answer(&[])],
        ),
        case("version 1, NSID [edns1nsid]", "RFC 6891 §6.1.3", soa(v(1).option(3, &[])), badvers),
        case(
            "version 1, a cookie [edns1cookie]",
            "RFC 6891 §6.1.3",
            soa(v(1).option(10, &[1, 2, 3, 4, 5, 6, 7, 8])),
            badvers,
        ),
        case(
            "version 1, EXPIRE [edns1expire]",
            "RFC 6891 §6.1.3",
            soa(v(1).option(9, &[])),
            badvers,
        ),
        case(
            "version 1, a client subnet [edns1subnet]",
            "RFC 6891 §6.1.3",
            soa(v(1).option(8, &[0, 1, 0, 0])),
            badvers,
        ),
        case("version 1, several options", "RFC 6891 §6.1.3", soa(known_options(1)), badvers),
        case(
            "version 1, RDATA that version 0 could not read",
            "RFC 6891 §6.1.3",
            soa(v(1).rdata(&[0, 3, 0])),
            badvers,
        ),
        case(
            "version 1, a name in no zone",
            "RFC 6891 §6.1.3",
            ask("www.elsewhere.invalid", Rtype::A).opt(&v(1)),
            badvers,
        ),
        case(
            "an unknown option [ednsopt]",
            "RFC 8906 §8.2.3",
            soa(v(0).option(UNKNOWN_OPTION, &[])),
            [NOERROR, AA, Opt, NoOption(UNKNOWN_OPTION), Answers(1)],
        ),
        case(
            "an unknown option with data",
            "RFC 6891 §6.1.2",
            soa(v(0).option(65_001, &[1, 2, 3, 4, 5])),
            [NOERROR, AA, Opt, NoOption(65_001), Answers(1)],
        ),
        case(
            "an unknown option twice",
            "RFC 6891 §6.1.2",
            soa(v(0).option(UNKNOWN_OPTION, &[]).option(UNKNOWN_OPTION, &[1])),
            [NOERROR, AA, Opt, NoOption(UNKNOWN_OPTION), Answers(1)],
        ),
        case("an unknown flag [ednsflags]", "RFC 8906 §8.2.4", soa(v(0).flags(0x0080)), answered),
        case("every flag but DO", "RFC 6891 §6.1.4", soa(v(0).flags(0x7FFF)), answered),
        case("DO [do]", "RFC 8906 §8.2.8", soa(v(0).flags(DO)), [NOERROR, AA, Opt, Do, Answers(1)]),
        case(
            "DO and CD [docd]",
            "RFC 3225 §3",
            soa(v(0).flags(DO)).flags(flag::CD),
            [NOERROR, AA, CD, Opt, Do, Answers(1)],
        ),
        case(
            "DO where the answer is an error",
            "RFC 3225 §3",
            ask("www.elsewhere.invalid", Rtype::A).opt(&v(0).flags(DO)),
            [REFUSED, NO_AA, Opt, Do],
        ),
        case(
            "DO and a malformed option",
            "RFC 3225 §3",
            soa(v(0).flags(DO).rdata(&[0, 3, 0, 9])),
            [FORMERR, NO_AA, Opt, Do],
        ),
        case(
            "several known options [optlist]",
            "RFC 8906 §8.2.10",
            soa(known_options(0)),
            answered,
        ),
        case(
            "DO, a cookie [bind11]",
            "RFC 8906 §8.2.8",
            soa(v(0).flags(DO).option(10, &[1, 2, 3, 4, 5, 6, 7, 8])),
            [NOERROR, AA, Opt, Do, Cookie, Answers(1)],
        ),
        case(
            "RD, AD and a cookie, as dig has them [dig11]",
            "RFC 8906 §8.2.1",
            soa(v(0).option(10, &[1, 2, 3, 4, 5, 6, 7, 8])).flags(flag::RD | flag::AD),
            [NOERROR, AA, Opt, Cookie, Answers(1)],
        ),
        case(
            "a code in OPT's extended RCODE",
            "RFC 6891 §6.1.3",
            {
                let mut query = soa(v(0));
                let at = query.bytes.len() - 6;
                query.bytes[at] = 0xFF;
                query
            },
            answered,
        ),
        case(
            "OPT before another record",
            "RFC 6891 §6.1.1",
            soa(v(0)).with(Section::Additional, &address),
            answered,
        ),
        case(
            "OPT after another record",
            "RFC 6891 §6.1.1",
            plain().with(Section::Additional, &address).edns(),
            answered,
        ),
        case("two OPT records", "RFC 6891 §6.1.1", soa(v(0)).edns(), malformed),
        case(
            "two OPT records, the first of version 1",
            "RFC 6891 §6.1.1",
            soa(v(1)).edns(),
            malformed,
        ),
        case(
            "OPT beside records that no query has",
            "RFC 6891 §6.1.1",
            vec![
                plain().with(Section::Answer, &address).edns(),
                plain().with(Section::Authority, &address).edns(),
            ],
            malformed,
        ),
        case("OPT, and a byte behind the end", "RFC 6891 §6.1.1", soa(v(0)).bytes(&[0]), malformed),
        case(
            "OPT with an owner",
            "RFC 6891 §6.1.2",
            soa(v(0).owner("site.example")),
            [FORMERR, NO_AA, Answer(&[])],
        ),
        case(
            "OPT in the answer section",
            "RFC 6891 §6.1.1",
            plain().with(Section::Answer, &v(0).record()),
            [FORMERR, NO_AA, Answer(&[])],
        ),
        case(
            "OPT in the authority section",
            "RFC 6891 §6.1.1",
            plain().with(Section::Authority, &v(0).record()),
            [FORMERR, NO_AA, Answer(&[])],
        ),
        case(
            "half an option",
            "RFC 6891 §6.1.2",
            vec![soa(v(0).rdata(&[0])), soa(v(0).rdata(&[0, 3])), soa(v(0).rdata(&[0, 3, 0]))],
            malformed,
        ),
        case(
            "an option longer than OPT",
            "RFC 6891 §6.1.2",
            soa(v(0).rdata(&[0, 100, 0, 9, 1])),
            malformed,
        ),
        case(
            "a TSIG record with a key that nobody knows",
            "RFC 8945 §5.2.1",
            plain().with(Section::Additional, &tsig()),
            [NOTAUTH, NO_AA, Answer(&[])],
        ),
        case(
            "TSIG before another record",
            "RFC 8945 §5.2",
            plain().with(Section::Additional, &tsig()).with(Section::Additional, &address),
            [FORMERR, NO_AA, Answer(&[])],
        ),
    ]
}

/// A TSIG record of 2026 with a MAC that is none.
fn tsig() -> Vec<u8> {
    let mut rdata = b"\x0bhmac-sha256\0".to_vec();
    rdata.extend([0, 0, 0x69, 0x56, 0, 0, 1, 44, 0, 32]);
    rdata.extend([0xAA; 32]);
    rdata.extend([0x1D, 0x1D, 0, 0, 0, 0]);
    let mut bytes = record("nobody.example", Rtype::TSIG, &rdata);
    // Class ANY.
    let class_at = bytes.len() - rdata.len() - 7;
    bytes[class_at] = 255;
    bytes
}
