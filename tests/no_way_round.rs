//! The gate's law, at the answer core: for a blocked zone, no reply to any query holds an address,
//! an alias or a delegation of a site name, in whatever section; and every reply is well formed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use beiand::answer::{Context, MAX_MESSAGE, Outcome, Phase, State, Transport, answer};
use beiand::filing::{Reason, Verdict};
use beiand::gate::{Gate, GateSettings};
use beiand::master::{Reader, Records};
use beiand::region::Region;
use beiand::wire::Name;
use beiand::zone::{AddressClass, Builder, Column, ZoneSet};
use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};
use proptest::prelude::*;

const NOTICE_IPV4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
const NOTICE_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x80);
const TYPES: [u16; 15] = [1, 28, 5, 39, 2, 15, 16, 65, 64, 33, 43, 6, 255, 46, 257];

/// A name of one to three labels of a small alphabet, below the origin.
fn owner() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec!["a", "b", "*", "www", "_acme-challenge", "_dmarc"]);
    prop::collection::vec(label, 1..=3).prop_map(|labels| labels.join("."))
}

fn target() -> impl Strategy<Value = String> {
    let zone = prop::sample::select(vec!["dark.example.", "open.example.", "sub.dark.example."]);
    prop_oneof![
        (owner(), zone).prop_map(|(owner, zone)| format!("{}.{zone}", owner.replace('*', "b"))),
        Just("out.invalid.".to_owned()),
    ]
}

fn record() -> impl Strategy<Value = String> {
    let data = prop_oneof![
        Just("A 192.0.2.7".to_owned()),
        Just("AAAA 2001:db8:1::7".to_owned()),
        Just("TXT \"text\"".to_owned()),
        Just("HTTPS 1 . ipv4hint=192.0.2.7".to_owned()),
        target().prop_map(|target| format!("CNAME {target}")),
        target().prop_map(|target| format!("DNAME {target}")),
        target().prop_map(|target| format!("NS {target}")),
        target().prop_map(|target| format!("MX 10 {target}")),
        target().prop_map(|target| format!("SRV 1 1 443 {target}")),
        target().prop_map(|target| format!("SVCB 1 {target}")),
    ];
    (prop_oneof![owner(), Just("@".to_owned())], data)
        .prop_map(|(owner, data)| format!("{owner} {data}\n"))
}

/// Zones that the reader takes; a refused record is left out.
fn state(zones: &[(&str, Verdict, Vec<String>)]) -> State {
    let mut set = ZoneSet::new();
    let mut builder = Builder::new();
    let classify = |_: IpAddr| AddressClass { region: Region::Own, is_our_nameserver: false };
    for (origin, verdict, records) in zones {
        let origin: Name = origin.parse().expect("a name");
        let mut text = "$TTL 300\n@ SOA ns.hoster.invalid. h.hoster.invalid. 1 1 1 1 300\n\
                        @ NS ns.hoster.invalid.\n@ A 192.0.2.7\n"
            .to_owned();
        let mut good = Records::default();
        let read = |text: &str, out: &mut Records| {
            Reader::new().read_zone_bytes(
                text.as_bytes(),
                Path::new("z"),
                Path::new("."),
                &origin,
                out,
            )
        };
        read(&text, &mut good).expect("a good zone");
        for record in records {
            let longer = format!("{text}{record}");
            let mut tried = Records::default();
            if read(&longer, &mut tried).is_ok() {
                (text, good) = (longer, tried);
            }
        }
        let zone = builder.build(&origin, &good, set.key(), &classify).expect("a small zone");
        set.insert(zone, Column::of(*verdict));
    }
    let settings = GateSettings {
        notice_ipv4: vec![NOTICE_IPV4],
        notice_ipv6: vec![NOTICE_IPV6],
        notice_ttl: 60,
        ede_notice: 4,
        ede_nodata: 16,
        ..GateSettings::default()
    };
    State {
        phase: Phase::Serving,
        zones: set.publish(),
        gate: Arc::new(Gate::new(settings)),
        ..State::default()
    }
}

fn ask(state: &State, name: &Name, rtype: u16, transport: Transport) -> Message {
    let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    query.extend_from_slice(name.as_wire());
    query.extend_from_slice(&rtype.to_be_bytes());
    query.extend_from_slice(&[0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    let context = Context { client: Ipv4Addr::LOCALHOST.into(), transport, now: 1 };
    let mut out = vec![0; MAX_MESSAGE];
    match answer(state, &context, &query, &mut out) {
        Outcome::Reply(reply) => Message::from_vec(&out[..reply.len]).expect("a message"),
        Outcome::Drop => panic!("no reply to a query"),
    }
}

/// True where a record shows what the gate keeps back.
fn leaks(record: &Record) -> bool {
    let owner = record.name.to_ascii().to_lowercase();
    let is_dark = owner.ends_with("dark.example.");
    let is_free = ["_acme-challenge", "_dmarc"]
        .iter()
        .any(|label| owner.split('.').any(|found| found == *label));
    is_dark
        && match &record.data {
            RData::A(address) => address.0 != NOTICE_IPV4,
            RData::AAAA(address) => address.0 != NOTICE_IPV6,
            RData::CNAME(_) => !is_free,
            RData::NS(_) => !matches!(owner.as_str(), "dark.example." | "sub.dark.example."),
            RData::HTTPS(_) | RData::SVCB(_) => true,
            _ => u16::from(record.record_type()) == 39,
        }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_of_a_blocked_zone_leaks(
        dark in prop::collection::vec(record(), 0..12),
        sub in prop::collection::vec(record(), 0..6),
        open in prop::collection::vec(record(), 0..12),
        names in prop::collection::vec(owner(), 4),
    ) {
        let blocked = Verdict::Blocked(Reason::NoFiling);
        let state = state(&[
            ("dark.example.", blocked, dark.clone()),
            ("sub.dark.example.", blocked, sub.clone()),
            ("open.example.", Verdict::Open, open.clone()),
        ]);
        for zone in ["dark.example.", "sub.dark.example.", "open.example."] {
            let below = names.iter().map(|name| format!("{name}.{zone}"));
            let own = [&dark, &open].into_iter().flatten().filter_map(|record| {
                record.split(' ').next().filter(|owner| *owner != "@").map(|o| format!("{o}.{zone}"))
            });
            for name in below.chain(own).chain([zone.to_owned()]) {
                let name: Name = name.parse().expect("a name");
                for rtype in TYPES {
                    for transport in [Transport::Udp, Transport::Stream] {
                        let reply = ask(&state, &name, rtype, transport);
                        let sections =
                            [&reply.answers, &reply.authorities, &reply.additionals];
                        for record in sections.into_iter().flatten() {
                            prop_assert!(!leaks(record), "{name} {rtype}: {record}\n{reply:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_bytes_end_the_answer_core(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        tail in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let state = state(&[("dark.example.", Verdict::Open, vec!["* A 192.0.2.7\n".to_owned()])]);
        let context = Context {
            client: Ipv4Addr::LOCALHOST.into(),
            transport: Transport::Udp,
            now: 1,
        };
        let mut near = b"\0\x01\0\0\0\x01\0\0\0\0\0\x01\x01a\x04dark\x07example\0\0\x01\0\x01".to_vec();
        near.extend_from_slice(&tail);
        for query in [&bytes, &near] {
            let mut out = vec![0; 1232];
            if let Outcome::Reply(reply) = answer(&state, &context, query, &mut out) {
                prop_assert!(reply.len >= 12 && reply.len <= 1232);
            }
        }
    }
}
