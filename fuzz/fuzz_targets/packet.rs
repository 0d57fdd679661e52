//! Any bytes as a query to the answer core, over each transport: no panic, and a reply that
//! another implementation can read, that belongs to its query, that is no larger than it may be,
//! and that holds nothing of what the gate keeps back.
//!
//! Each input is asked twice: as a packet, and as the choices that make up a well-formed query for
//! a name of the zones.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use beiand::answer::{
    Context, Identity, MAX_MESSAGE, MAX_UDP_REPLY, Outcome, Phase, State, Transport, answer,
};
use beiand::filing::{Reason, Verdict};
use beiand::gate::{ExternalTargets, Gate, GateSettings, Mode, Scope};
use beiand::master::{Reader, Records};
use beiand::region::Region;
use beiand::wire::Name;
use beiand::zone::{AddressClass, Builder, Column, ZoneSet};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use libfuzzer_sys::fuzz_target;

const NOTICE_IPV4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
const NOTICE_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x80);
const NOW: u32 = 1_795_000_000;

/// Every zone has these records; `NET` is its own network, the third number of each address.
const BODY: &str = r#"$TTL 3600
@ SOA ns1 hostmaster 1 14400 3600 1209600 300
@ NS ns1
@ NS ns2.elsewhere.invalid.
@ A 198.51.NET.1
@ AAAA 2001:db8:NET::1
@ MX 10 mail
@ MX 20 mail.elsewhere.invalid.
@ TXT "v=spf1 mx -all" "second"
@ HTTPS 1 . alpn=h2 ipv4hint=198.51.NET.2
@ CAA 0 issue "ca.example"
ns1 A 198.51.NET.3
mail A 198.51.NET.4
www A 198.51.NET.5
www AAAA 2001:db8:NET::5
alias CNAME www
chain CNAME alias
loop CNAME pool
pool CNAME loop
out CNAME target.elsewhere.invalid.
over CNAME www.open.example.
under CNAME www.dark.example.
across CNAME www.closed.scoped.example.
*.wild A 198.51.NET.6
*.wild MX 5 mail
a.b.*.wild TXT "below the star"
*.wc CNAME www
a.ent.deep A 198.51.NET.7
cut NS ns.cut
cut NS ns.other.cut
cut DS 1 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
ns.cut A 198.51.NET.8
ns.other.cut AAAA 2001:db8:NET::8
old DNAME new
x.new A 198.51.NET.9
away DNAME elsewhere.invalid.
cross DNAME dark.example.
long DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.example.
svc HTTPS 0 www
svc SVCB 1 target.elsewhere.invalid. port=53
_sip._tcp SRV 1 1 5060 mail
_dmarc TXT "v=DMARC1; p=none"
_acme-challenge TXT "token"
$GENERATE 1-80 big A 198.51.NET.$
$GENERATE 1-30 huge TXT "0123456789012345678901234567890123456789012345678901234567890123456789 $"
\000\.\\odd A 198.51.NET.11
free A 198.51.NET.20
www.free A 198.51.NET.21
cut.free NS ns.cut.free
ns.cut.free A 198.51.NET.22
closed A 198.51.NET.23
www.closed A 198.51.NET.24
x.free CNAME www
y CNAME www.free
"#;

/// Zones by the third number of their addresses.
const OPEN: (&str, u8) = ("open.example.", 100);
const DARK: (&str, u8) = ("dark.example.", 101);
const SCOPED: (&str, u8) = ("scoped.example.", 102);
const SUB: (&str, u8) = ("sub.dark.example.", 103);
const REVERSE: (&str, u8) = ("100.51.198.in-addr.arpa.", 104);
const PARENT: (&str, u8) = ("example.", 105);
/// Addresses of the scoped zone that are open: what stands at and below `free`.
const FREE: std::ops::RangeInclusive<u8> = 20..=22;
const BROKEN: &str = "broken.example.";

/// Labels and types of the queries that are made up.
const LABELS: [&str; 48] = [
    "www",
    "alias",
    "chain",
    "loop",
    "pool",
    "out",
    "over",
    "under",
    "across",
    "wild",
    "wc",
    "*",
    "a",
    "b",
    "ent",
    "deep",
    "cut",
    "ns",
    "other",
    "old",
    "new",
    "x",
    "y",
    "away",
    "cross",
    "long",
    "svc",
    "_sip",
    "_tcp",
    "_dmarc",
    "_acme-challenge",
    "_domainkey",
    "_icp",
    "big",
    "huge",
    "free",
    "closed",
    "mail",
    "ns1",
    "sub",
    "dark",
    "open",
    "scoped",
    "broken",
    "example",
    "version",
    "\\000\\.\\\\odd",
    "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
];
const ORIGINS: [&str; 10] = [
    OPEN.0,
    DARK.0,
    SCOPED.0,
    SUB.0,
    REVERSE.0,
    PARENT.0,
    BROKEN,
    "elsewhere.invalid.",
    "bind.",
    ".",
];
const TYPES: [u16; 24] = [
    1, 28, 2, 5, 6, 12, 15, 16, 33, 35, 39, 43, 46, 48, 64, 65, 255, 257, 251, 252, 250, 41, 0,
    65_400,
];
const PAYLOADS: [u16; 8] = [0, 511, 512, 600, 1232, 1233, 4096, 65_535];

struct States {
    enforce: State,
    observe: State,
    loading: State,
    dark: hickory_proto::rr::Name,
    sub: hickory_proto::rr::Name,
}

static STATES: LazyLock<States> = LazyLock::new(|| {
    let name = |text: &str| text.parse().expect("a name");
    States {
        enforce: state(Mode::Enforce, ExternalTargets::AsOwn),
        observe: state(Mode::Observe, ExternalTargets::Open),
        loading: State::default(),
        dark: name(DARK.0),
        sub: name(SUB.0),
    }
});

fn state(mode: Mode, external_targets: ExternalTargets) -> State {
    let mut set = ZoneSet::new();
    let blocked = Column::of(Verdict::Blocked(Reason::NoFiling));
    let changing = Column { next_change: NOW + 30, ..Column::of(Verdict::Open) };
    for ((origin, net), column) in [
        (OPEN, changing),
        (DARK, blocked),
        (SCOPED, Column { has_scopes: true, ..blocked }),
        (SUB, Column::of(Verdict::Open)),
        (REVERSE, Column::of(Verdict::Exempt)),
        (PARENT, Column::of(Verdict::Open)),
    ] {
        let origin: Name = origin.parse().expect("a name");
        let text = BODY.replace("NET", &net.to_string());
        let mut records = Records::default();
        let here = Path::new(".");
        Reader::new()
            .read_zone_bytes(text.as_bytes(), here, here, &origin, &mut records)
            .unwrap_or_else(|faults| panic!("{}", faults[0]));
        let own = |_| AddressClass { region: Region::Own, is_our_nameserver: false };
        set.insert(
            Builder::new().build(&origin, &records, set.key(), &own).expect("built"),
            column,
        );
    }
    set.insert(Builder::broken(&BROKEN.parse().expect("a name")), blocked);
    let mut gate = Gate::new(GateSettings {
        mode,
        notice_ipv4: vec![NOTICE_IPV4],
        notice_ipv6: vec![NOTICE_IPV6],
        notice_ttl: 60,
        external_targets,
        ede_notice: 4,
        ede_nodata: 16,
        notice_page: "http://beian.hoster.example/{domain}".to_owned(),
        ..GateSettings::default()
    });
    let scope = |name: &str, verdict| {
        let name: Name = format!("{name}.{}", SCOPED.0).parse().expect("a name");
        Scope { name: name.as_wire().into(), column: Column::of(verdict) }
    };
    let apex: Name = SCOPED.0.parse().expect("a name");
    let restricted = Verdict::Blocked(Reason::Restricted);
    let scopes = vec![scope("free", Verdict::Open), scope("closed", restricted)];
    gate.set_scopes(apex.as_wire(), scopes);
    State {
        phase: Phase::Serving,
        zones: set.publish(),
        gate: Arc::new(gate),
        identity: Arc::new(Identity {
            nsid: b"fuzz".to_vec(),
            version: "beiand".to_owned(),
            id: String::new(),
            cookie_secret: [7; 16].into(),
        }),
        ..State::default()
    }
}

fuzz_target!(|bytes: &[u8]| {
    ask(bytes);
    if let Some(query) = made_up(bytes) {
        ask(&query);
    }
});

/// A well-formed query: one byte for what its OPT holds, one for the type, one for the zone, then
/// one for each label.
fn made_up(bytes: &[u8]) -> Option<Vec<u8>> {
    let (&[options, rtype, origin], labels) = bytes.split_first_chunk()?;
    let mut text = String::new();
    for &label in labels.iter().take(64) {
        let label = LABELS.get(usize::from(label) % LABELS.len())?;
        text.push_str(label);
        text.push('.');
    }
    let origin = ORIGINS[usize::from(origin) % ORIGINS.len()];
    let name: Name = match (text.is_empty(), origin) {
        (false, ".") => text,
        (_, origin) => text + origin,
    }
    .parse()
    .ok()?;
    let class = if origin == "bind." { 3 } else { 1 };
    let mut query = vec![0xab, 0xcd, options & 1, 0x10, 0, 1, 0, 0, 0, 0, 0, options >> 1 & 1];
    query.extend_from_slice(name.as_wire());
    query.extend_from_slice(&TYPES[usize::from(rtype) % TYPES.len()].to_be_bytes());
    query.extend_from_slice(&[0, class]);
    if options & 2 != 0 {
        query.extend_from_slice(&[0, 0, 41]);
        query.extend_from_slice(&PAYLOADS[usize::from(options >> 5)].to_be_bytes());
        query.extend_from_slice(&[0, 0, if options & 4 != 0 { 0x80 } else { 0 }, 0]);
        let mut data = Vec::new();
        if options & 8 != 0 {
            data.extend_from_slice(&[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        }
        if options & 16 != 0 {
            data.extend_from_slice(&[0, 3, 0, 0]);
        }
        query.extend_from_slice(&(data.len() as u16).to_be_bytes());
        query.extend_from_slice(&data);
    }
    Some(query)
}

fn ask(query: &[u8]) {
    let States { enforce, observe, loading, .. } = &*STATES;
    let read = Message::from_vec(query).ok();
    let stream = reply(enforce, query, read.as_ref(), Transport::Stream);
    let udp = reply(enforce, query, read.as_ref(), Transport::Udp);
    assert_eq!(stream.is_some(), udp.is_some(), "answered over one transport only");
    let (Some(stream), Some(udp)) = (stream, udp) else { return };
    if !udp.metadata.truncation && !stream.metadata.truncation {
        assert_eq!(udp.answers, stream.answers);
        assert_eq!(udp.authorities, stream.authorities);
    }
    let encrypted =
        reply(enforce, query, read.as_ref(), Transport::Encrypted).expect("a reply, too");
    assert_eq!(encrypted.answers, stream.answers);
    assert_eq!(encrypted.authorities, stream.authorities);
    for message in [&stream, &udp, &encrypted] {
        keeps_what_is_gated(message);
    }
    reply(observe, query, read.as_ref(), Transport::Udp);
    let unready = reply(loading, query, read.as_ref(), Transport::Udp).expect("a reply, too");
    assert!(unready.answers.is_empty() && unready.authorities.is_empty(), "data while loading");
}

/// Asks once, and checks what every reply must keep to.
fn reply(
    state: &State,
    query: &[u8],
    read: Option<&Message>,
    transport: Transport,
) -> Option<Message> {
    let context = Context { client: IpAddr::V4(Ipv4Addr::LOCALHOST), transport, now: NOW };
    let mut out = [vec![0; MAX_MESSAGE], vec![0xff; MAX_MESSAGE]];
    let outcomes = out.each_mut().map(|out| answer(state, &context, query, out));
    assert_eq!(outcomes[0], outcomes[1], "not the same twice");
    let Outcome::Reply(reply) = outcomes[0] else {
        assert!(query.len() < 12 || query[2] & 0x80 != 0, "a query without a reply");
        return None;
    };
    let bytes = &out[0][..reply.len];
    assert_eq!(bytes, &out[1][..reply.len], "not the same twice");

    let mut decoder = BinDecoder::new(bytes);
    let message = Message::read(&mut decoder)
        .unwrap_or_else(|error| panic!("{error}\n{query:02x?}\n{bytes:02x?}"));
    assert!(decoder.is_empty(), "bytes behind the last record");
    assert_eq!(bytes[..2], query[..2], "the ID");
    // QR is set; opcode and RD are the query's; RA, Z and AD are clear, CD is the query's or clear.
    assert_eq!(bytes[2] & 0xf9, query[2] & 0x79 | 0x80, "flags");
    assert_eq!(bytes[3] & 0xe0 & !(query[3] & 0x10), 0, "flags");

    let rcode = message.metadata.response_code;
    assert_eq!(u16::from(rcode), reply.rcode);
    assert!(matches!(u16::from(rcode), 0..=6 | 9 | 16), "{rcode}");
    let limit = match (transport, read.and_then(|read| read.edns.as_ref())) {
        (Transport::Stream | Transport::Encrypted, _) => MAX_MESSAGE,
        (Transport::Udp, Some(edns)) => usize::from(edns.max_payload()).clamp(512, MAX_UDP_REPLY),
        (Transport::Udp, None) if read.is_some() => 512,
        (Transport::Udp, None) => MAX_UDP_REPLY,
    };
    assert!(bytes.len() <= limit, "{} bytes where {limit} are allowed", bytes.len());

    if let [question] = &message.queries[..] {
        let end = 12 + question_len(&bytes[12..]);
        assert_eq!(bytes.get(12..end), query.get(12..end), "the question");
        assert!(question.query_class().to_string() != "", "a class");
    } else {
        assert!(message.queries.is_empty(), "several questions");
        assert!(message.answers.is_empty() && message.authorities.is_empty());
    }
    if let Some(read) = read.filter(|read| read.metadata.op_code == OpCode::Query) {
        assert_eq!(read.metadata.message_type, MessageType::Query);
        // A pointer in the question's name is refused here, and followed by others.
        if rcode != ResponseCode::FormErr {
            assert_eq!(message.queries, read.queries, "the question");
            assert_eq!(message.edns.is_some(), read.edns.is_some(), "OPT");
        }
    }
    Some(message)
}

fn question_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    while bytes[at] != 0 {
        at += usize::from(bytes[at]) + 1;
    }
    at + 1 + 4
}

/// No record leads to what stands at a blocked name.
fn keeps_what_is_gated(message: &Message) {
    let States { dark, sub, .. } = &*STATES;
    let sections = [&message.answers, &message.authorities, &message.additionals];
    for record in sections.into_iter().flatten() {
        let is_dark = dark.zone_of(&record.name) && !sub.zone_of(&record.name);
        match record.data.ip_addr() {
            Some(IpAddr::V4(address)) => {
                let [_, _, net, host] = address.octets();
                assert!(net != DARK.1 || address == NOTICE_IPV4, "{record}");
                assert!(net != SCOPED.1 || FREE.contains(&host), "{record}");
                assert!(!is_dark || address == NOTICE_IPV4, "{record}");
            }
            Some(IpAddr::V6(address)) => {
                // The network is written in decimal digits.
                let net = format!("{:x}", address.segments()[2]);
                assert!(net != DARK.1.to_string() && net != SCOPED.1.to_string(), "{record}");
                assert!(!is_dark || address == NOTICE_IPV6, "{record}");
            }
            None if is_dark => assert!(may_be_told(record), "{record}"),
            None => {}
        }
    }
}

/// Of a blocked zone: whatever does not lead on, its own NS, and aliases for domain validation.
fn may_be_told(record: &Record) -> bool {
    match record.record_type() {
        RecordType::CNAME => record.name.iter().any(|label| {
            [&b"_acme-challenge"[..], b"_domainkey", b"_dmarc"]
                .iter()
                .any(|free| label.eq_ignore_ascii_case(free))
        }),
        RecordType::NS => record.name == STATES.dark,
        RecordType::DNAME | RecordType::HTTPS | RecordType::SVCB => false,
        _ => true,
    }
}
