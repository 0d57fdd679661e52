//! How large a reply may be, and what is left out of one that would be larger.

use beiand::wire::Rtype;

use super::{Case, case, over_tcp};
use crate::packet::{Opt as OptRecord, Packet, ask};
use crate::want::Want::*;
use crate::want::*;

fn txt(name: &str) -> Packet {
    ask(&format!("{name}.site.example"), Rtype::TXT)
}

fn sized(name: &str, payload: u16) -> Packet {
    txt(name).opt(&OptRecord::default().payload(payload))
}

/// A query of that many bytes.
fn padded(length: usize) -> Packet {
    let bare = txt("mixed").option(12, &[]).bytes.len();
    txt("mixed").option(12, &vec![0; length - bare])
}

pub fn cases() -> Vec<Case> {
    let cut = [NOERROR, AA, TC, Opt, Answer(&[])];
    let whole = |records| [NOERROR, AA, Opt, Answers(records)];
    vec![
        case(
            "queries of 513, 1,232 and 1,472 bytes",
            "RFC 6891 §6.2.4",
            [513, 1232, 1472].map(padded).to_vec(),
            whole(1),
        ),
        case(
            "no EDNS, an answer of 3 kB",
            "RFC 1035 §4.2.1",
            txt("big"),
            [NOERROR, AA, TC, NoOpt, Answer(&[]), AtMost(512)],
        ),
        case(
            "no EDNS, an answer of 900 bytes",
            "RFC 1035 §4.2.1",
            txt("medium"),
            [NOERROR, AA, TC, NoOpt, Answer(&[]), AtMost(512)],
        ),
        case("payload size 512, OPT kept [edns@512]", "RFC 8906 §8.2.7", sized("medium", 512), cut),
        case(
            "payload sizes 0, 1, 511: as 512",
            "RFC 6891 §6.2.3",
            vec![sized("medium", 0), sized("medium", 1), sized("medium", 511)],
            cut,
        ),
        case(
            "payload size 0 and an answer that fits",
            "RFC 6891 §6.2.3",
            sized("mixed", 0),
            whole(1),
        ),
        case("payload size 1,232, 900 bytes", "RFC 9715 §3.1", sized("medium", 1232), whole(10)),
        case("payload size 4,096, 900 bytes", "RFC 6891 §6.2.5", sized("medium", 4096), whole(10)),
        case(
            "payload sizes 4,096 and 65,535, 3 kB: no more than 1,232",
            "RFC 9715 §3.1",
            vec![sized("big", 4096), sized("big", 65_535)],
            [NOERROR, AA, TC, Opt, Answer(&[]), AtMost(1232)],
        ),
        case(
            "the server's own payload size",
            "RFC 9715 §3.1",
            sized("mixed", 4096),
            [NOERROR, Opt, Payload(1232)],
        ),
        case(
            "3 kB over TCP",
            "RFC 7766 §5",
            over_tcp(txt("big")),
            [NOERROR, AA, NoOpt, Answers(40)],
        ),
        case(
            "3 kB over TCP, payload size 512 [ednstcp]",
            "RFC 6891 §6.2.3",
            over_tcp(sized("big", 512)),
            whole(40),
        ),
        case(
            "glue that does not fit",
            "RFC 9471 §3.1",
            ask("www.heavy.site.example", Rtype::A),
            [NOERROR, NO_AA, TC, AtMost(512)],
        ),
        case(
            "the same glue over TCP",
            "RFC 9471 §3.1",
            over_tcp(ask("www.heavy.site.example", Rtype::A)),
            [NOERROR, NO_AA, Answer(&[])],
        ),
        case(
            "the same glue where 1,232 bytes are taken",
            "RFC 9471 §3.1",
            ask("www.heavy.site.example", Rtype::A).edns(),
            [NOERROR, NO_AA, Opt, Answer(&[])],
        ),
    ]
}
