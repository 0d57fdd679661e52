//! TCP (RFC 7766): frames that are empty, in pieces, many, or cut off, and connections closed by
//! half.

use beiand::wire::Rtype;

use super::{Case, case};
use crate::exchange::Way;
use crate::packet::{Packet, Section, ask, flag, header};
use crate::want::Want::*;
use crate::want::*;

const WWW: Want = Answer(&["www A 192.0.2.11"]);

fn www(id: u16) -> Packet {
    ask("www.site.example", Rtype::A).id(id)
}

fn pipelined(queries: std::ops::Range<u16>) -> Vec<u8> {
    queries.flat_map(|id| www(id).frame()).collect()
}

pub fn cases() -> Vec<Case> {
    let one = [NOERROR, AA, WWW];
    vec![
        case(
            "a frame byte by byte",
            "RFC 7766 §8",
            Way::Stream(www(1).frame().chunks(1).map(<[u8]>::to_vec).collect()),
            one,
        ),
        case(
            "the length alone first",
            "RFC 7766 §8",
            {
                let frame = www(1).frame();
                Way::Stream(vec![frame[..2].to_vec(), frame[2..].to_vec()])
            },
            one,
        ),
        case(
            "one and a half frames, then the rest",
            "RFC 7766 §8",
            {
                let frames = pipelined(1..3);
                let (first, rest) = frames.split_at(frames.len() * 3 / 4);
                Way::Stream(vec![first.to_vec(), rest.to_vec()])
            },
            [NOERROR, AA, WWW, Replies(2)],
        ),
        case(
            "50 queries at once",
            "RFC 7766 §6.2.1.1",
            Way::Stream(vec![pipelined(0..50)]),
            [NOERROR, AA, WWW, Replies(50)],
        ),
        case(
            "two queries with one ID",
            "RFC 7766 §6.2.1",
            Way::Stream(vec![www(7).frame(), www(7).frame()]),
            [NOERROR, AA, WWW, Replies(2)],
        ),
        case(
            "three queries, then the client closes its side",
            "RFC 7766 §6.2.4",
            Way::HalfClosed(vec![pipelined(1..4)]),
            [NOERROR, AA, WWW, Replies(3)],
        ),
        case(
            "a query and half a frame, then the client closes its side",
            "RFC 7766 §6.2.4",
            Way::HalfClosed(vec![www(1).frame(), vec![0, 50, 1]]),
            one,
        ),
        case(
            "half a frame, then the client closes its side",
            "RFC 7766 §6.2.4",
            Way::HalfClosed(vec![vec![0, 50, 1]]),
            [SILENCE],
        ),
        case(
            "nothing, and the client closes its side",
            "RFC 7766 §6.2.4",
            Way::HalfClosed(vec![]),
            [SILENCE],
        ),
        case(
            "a frame of 0 bytes",
            "RFC 1035 §4.2.2",
            Way::Stream(vec![vec![0, 0]]),
            [SILENCE, Closed],
        ),
        case(
            "a frame of 11 bytes",
            "RFC 1035 §4.1.1",
            Way::Stream(vec![Packet::from(www(1).bytes[..11].to_vec()).frame()]),
            [SILENCE, Closed],
        ),
        case(
            "a query, then a frame of 0 bytes",
            "RFC 1035 §4.2.2",
            Way::Stream(vec![www(1).frame(), vec![0, 0]]),
            [NOERROR, AA, WWW, Replies(1), Closed],
        ),
        case(
            "a query, then a response",
            "RFC 1035 §4.1.1",
            Way::Stream(vec![www(1).frame(), www(2).flags(flag::QR).frame()]),
            [NOERROR, AA, WWW, Replies(1), Closed],
        ),
        case(
            "a malformed query: the connection stays",
            "RFC 7766 §6.2.4",
            Way::Stream(vec![header().count(Section::Question, 1).frame()]),
            [FORMERR, NO_AA],
        ),
        case(
            "an unknown opcode: the connection stays",
            "RFC 8490 §5.1.1",
            Way::Stream(vec![header().opcode(6).frame()]),
            [NOTIMP, NO_AA],
        ),
        case(
            "a message of 65,535 bytes",
            "RFC 1035 §4.2.2",
            Way::Stream(vec![{
                let query = www(1);
                let rest = 65_535 - query.bytes.len() - 15;
                query.option(65_001, &vec![0; rest]).frame()
            }]),
            [NOERROR, AA, Opt, NoOption(65_001), WWW],
        ),
        case(
            "transfers and queries mixed",
            "RFC 7766 §6.2.1.1",
            Way::Stream(vec![
                ask("site.example", Rtype::AXFR).frame(),
                ask("www.elsewhere.invalid", Rtype::A).frame(),
            ]),
            [REFUSED, NO_AA, Answer(&[]), Replies(2)],
        ),
    ]
}
