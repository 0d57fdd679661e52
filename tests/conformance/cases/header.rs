//! The header: flags, opcodes, IDs, and messages that are none.

use beiand::wire::Rtype;

use super::{Case, case, over_tcp};
use crate::packet::{Packet, Section, ask, flag, header, record};
use crate::want::Want::*;
use crate::want::*;

const THE_SOA: Want = Answer(&["@ SOA"]);

fn soa() -> Packet {
    ask("site.example", Rtype::SOA)
}

pub fn cases() -> Vec<Case> {
    let answered = [NOERROR, AA, NoOpt, THE_SOA];
    let every_flag = flag::AA | flag::TC | flag::RD | flag::RA | flag::Z | flag::AD | flag::CD;
    let response = soa().flags(flag::QR);
    let new_address = record("new.site.example", Rtype::A, &[192, 0, 2, 99]);
    let update = soa().opcode(5).with(Section::Authority, &new_address);
    vec![
        case("a plain query [dns]", "RFC 8906 §8.1.1", soa(), answered),
        case("the same over TCP [tcp]", "RFC 8906 §8.1.5", over_tcp(soa()), answered),
        case("AA set [aa]", "RFC 1035 §4.1.1", soa().flags(flag::AA), answered),
        case("TC set [tc]", "RFC 1035 §4.1.1", soa().flags(flag::TC), answered),
        case("RD set [rd]", "RFC 8906 §8.1.3.4", soa().flags(flag::RD), answered),
        case("RA set [ra]", "RFC 1035 §4.1.1", soa().flags(flag::RA), answered),
        case("the reserved bit set [zflag]", "RFC 8906 §8.1.3.3", soa().flags(flag::Z), answered),
        case("AD set [ad]", "RFC 8906 §8.1.3.2", soa().flags(flag::AD), answered),
        case(
            "CD set [cd]",
            "RFC 4035 §3.1.6",
            soa().flags(flag::CD),
            [NOERROR, AA, CD, NoOpt, THE_SOA],
        ),
        case("every flag set", "RFC 8906 §3.1.2", soa().flags(every_flag), answered),
        case("a code in RCODE", "RFC 1035 §4.1.1", soa().flags(0x000F), answered),
        case("ID 0", "RFC 1035 §4.1.1", soa().id(0), answered),
        case("ID 65,535", "RFC 1035 §4.1.1", soa().id(0xFFFF), answered),
        case("QR set", "RFC 1035 §4.1.1", response.clone(), [SILENCE]),
        case("QR set, with EDNS", "RFC 1035 §4.1.1", response.clone().edns(), [SILENCE]),
        case("QR set, over TCP", "RFC 1035 §4.1.1", over_tcp(response), [SILENCE, Closed]),
        case("less than a header: 0 to 11 bytes", "RFC 1035 §4.1.1", soa().cuts(0..12), [SILENCE]),
        case("a header alone", "RFC 1035 §4.1.1", header(), [FORMERR, NO_AA, NoOpt, AtMost(12)]),
        case("IQUERY, obsolete", "RFC 3425 §3", soa().opcode(1), [NOTIMP, NO_AA, Answer(&[])]),
        case("STATUS", "RFC 1035 §4.1.1", soa().opcode(2), [NOTIMP, NO_AA, Answer(&[])]),
        case(
            "NOTIFY to a primary",
            "RFC 1996 §3",
            soa().opcode(4),
            [Status(&[4, 5, 9]), Answer(&[])],
        ),
        case(
            "NOTIFY with EDNS",
            "RFC 6891 §6.1.1",
            soa().opcode(4).edns(),
            [Status(&[4, 5, 9]), Opt, Answer(&[])],
        ),
        case(
            "UPDATE",
            "RFC 2136 §3.1",
            update.clone(),
            [Status(&[4, 5, 9]), NO_AA, NoOpt, Answer(&[])],
        ),
        case(
            "UPDATE with EDNS",
            "RFC 6891 §6.1.1",
            update.edns(),
            [Status(&[4, 5, 9]), NO_AA, Opt, Answer(&[])],
        ),
        case(
            "DSO, over TCP",
            "RFC 8490 §5.1.1",
            over_tcp(header().opcode(6)),
            [NOTIMP, NO_AA, Answer(&[])],
        ),
        case(
            "unassigned opcodes 3, 7 to 15",
            "RFC 8906 §8.1.4",
            [3, 7, 8, 9, 10, 11, 12, 13, 14, 15].map(|n| soa().opcode(n)).to_vec(),
            [NOTIMP, NO_AA, NoOpt, Answer(&[]), Authority(&[])],
        ),
        case(
            "opcode 15, a header alone [opcode]",
            "RFC 8906 §8.1.4",
            header().opcode(15),
            [NOTIMP, NO_AA, AtMost(12)],
        ),
        case(
            "opcode 15, every flag set [opcodeflg]",
            "RFC 8906 §8.1.4",
            header().opcode(15).flags(every_flag),
            [NOTIMP, NO_AA, AtMost(12)],
        ),
        case(
            "opcode 15 with EDNS",
            "RFC 6891 §6.1.1",
            soa().opcode(15).edns(),
            [NOTIMP, NO_AA, Opt, Answer(&[])],
        ),
    ]
}
