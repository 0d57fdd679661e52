//! The gate's law, at the answer core: a resolver that keeps every record of every reply, and uses
//! all of them for ever, finds no way from a blocked name to an address that the gate keeps back;
//! and every reply is well formed. [`memory`] is that resolver.

mod memory;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use beiand::answer::{Context, MAX_MESSAGE, Outcome, Phase, State, Transport, answer};
use beiand::filing::{Reason, Verdict};
use beiand::gate::{ExternalTargets, Gate, GateSettings, Scope};
use beiand::master::{Reader, Records};
use beiand::wire::{HashedName, Name, Rtype};
use beiand::zone::{AddressClass, Builder, Column, Place, ZoneSet};
use hickory_proto::op::{Message, ResponseCode};
use memory::{Filed, Memory, World};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};

const NOTICE_IPV4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);
const NOTICE_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x80);
/// Every type that leads anywhere, ANY, and some that do not.
const TYPES: [u16; 21] =
    [1, 2, 5, 6, 12, 15, 16, 28, 29, 33, 35, 39, 43, 46, 47, 48, 64, 65, 255, 256, 65_400];
const DARK: &str = "dark.example.";
const SUB: &str = "sub.dark.example.";
const OPEN: &str = "open.example.";
const ZONES: [&str; 3] = [DARK, SUB, OPEN];

fn classify(address: IpAddr) -> AddressClass {
    AddressClass { region: memory::region(address), is_our_nameserver: memory::is_ours(address) }
}

/// A name of one to three labels of a small alphabet, below the origin.
fn owner() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec![
        "a",
        "a",
        "b",
        "b",
        "*",
        "www",
        "_acme-challenge",
        "_dmarc",
        "_icp",
    ]);
    // Mostly short ones, so that records meet.
    prop_oneof![3 => 1..=1_usize, 2 => 2..=2_usize, 1 => 3..=3_usize]
        .prop_flat_map(move |labels| prop::collection::vec(label.clone(), labels))
        .prop_map(|labels| labels.join("."))
}

fn target() -> impl Strategy<Value = String> {
    let zone = prop::sample::select(vec![DARK, DARK, OPEN, OPEN, SUB]);
    prop_oneof![
        8 => (owner(), zone).prop_map(|(owner, zone)| format!("{}.{zone}", owner.replace('*', "b"))),
        1 => prop::sample::select(vec![DARK, SUB, OPEN]).prop_map(str::to_owned),
        1 => Just("out.invalid.".to_owned()),
    ]
}

fn ipv4() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "192.0.2.7",
        "192.0.2.53",
        "198.51.100.7",
        "203.0.113.7",
        "203.0.113.7",
    ])
}

fn ipv6() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["2001:db8:1::7", "2001:db8:3::7"])
}

fn record() -> impl Strategy<Value = String> {
    let led = |text: &'static str| target().prop_map(move |target| format!("{text} {target}"));
    let data = prop_oneof![
        4 => ipv4().prop_map(|address| format!("A {address}")),
        2 => ipv6().prop_map(|address| format!("AAAA {address}")),
        1 => Just("TXT \"text\"".to_owned()),
        1 => (target(), ipv4()).prop_map(|(t, a)| format!("HTTPS 1 {t} ipv4hint={a}")),
        1 => ipv4().prop_map(|a| format!("HTTPS 1 . ipv4hint={a}")),
        1 => ipv6().prop_map(|a| format!("SVCB 1 . ipv6hint={a}")),
        1 => led("HTTPS 0"),
        1 => led("SVCB 1"),
        3 => led("CNAME"),
        2 => led("DNAME"),
        2 => led("NS"),
        1 => led("MX 10"),
        1 => led("SRV 1 1 443"),
        1 => led("NAPTR 1 1 \"s\" \"x\" \"\""),
        1 => led("PTR"),
        1 => Just("DS 1 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".to_owned()),
    ];
    // A name overseas by its address, and elsewhere by what its service record adds.
    let service = prop_oneof![
        led("HTTPS 0"),
        led("HTTPS 1"),
        ipv4().prop_map(|hint| format!("HTTPS 1 . ipv4hint={hint}")),
    ];
    let overseas = service.prop_map(|service| ["A 203.0.113.7".to_owned(), service].to_vec());
    let records = prop_oneof![5 => data.prop_map(|one| vec![one]), 1 => overseas];
    (prop_oneof![6 => owner(), 1 => Just("@".to_owned())], records).prop_map(|(owner, records)| {
        records.iter().map(|data| format!("{owner} {data}\n")).collect()
    })
}

/// What one case is made of.
#[derive(Clone, Debug)]
struct Case {
    dark: Vec<String>,
    sub: Vec<String>,
    open: Vec<String>,
    /// Names of the dark zone with filings of their own.
    scopes: Vec<(String, bool)>,
    /// The blocked names are filed elsewhere: other mainland addresses are open.
    is_filed_elsewhere: bool,
    externals_are_open: bool,
    /// Names that are asked for beside those that have records.
    names: Vec<String>,
}

fn case() -> impl Strategy<Value = Case> {
    let scope = (owner().prop_filter("no wildcard", |name| !name.contains('*')), any::<bool>());
    (
        prop::collection::vec(record(), 0..16),
        prop::collection::vec(record(), 0..6),
        prop::collection::vec(record(), 0..16),
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(scope, 1..4)],
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::collection::vec(owner(), 3),
    )
        .prop_map(
            |(dark, sub, open, scopes, is_filed_elsewhere, externals_are_open, names)| Case {
                dark,
                sub,
                open,
                scopes,
                is_filed_elsewhere,
                externals_are_open,
                names,
            },
        )
}

impl Case {
    fn column(&self, is_open: bool) -> Column {
        let blocked = Verdict::Blocked(Reason::HeldElsewhere);
        Column {
            own: if is_open { Verdict::Open } else { blocked },
            other_mainland: if is_open || self.is_filed_elsewhere {
                Verdict::Open
            } else {
                blocked
            },
            ..Column::of(blocked)
        }
    }

    /// What the memory knows of the world; later scopes of the same name win.
    fn world(&self) -> World {
        let blocked = if self.is_filed_elsewhere { Filed::Elsewhere } else { Filed::Nowhere };
        let mut filed = BTreeMap::new();
        for (name, is_open) in &self.scopes {
            let found = if *is_open { Filed::Here } else { blocked };
            filed.insert(format!("{name}.{DARK}"), found);
        }
        filed.insert(DARK.to_owned(), blocked);
        filed.insert(OPEN.to_owned(), Filed::Here);
        World {
            filed,
            apexes: ZONES.map(str::to_owned).into(),
            externals_are_open: self.externals_are_open,
        }
    }

    fn state(&self) -> State {
        let mut set = ZoneSet::new();
        let mut gate = Gate::new(GateSettings {
            notice_ipv4: vec![NOTICE_IPV4],
            notice_ipv6: vec![NOTICE_IPV6],
            notice_ttl: 60,
            ede_notice: 4,
            ede_nodata: 16,
            external_targets: match self.externals_are_open {
                true => ExternalTargets::Open,
                false => ExternalTargets::AsOwn,
            },
            ..GateSettings::default()
        });
        let mut scopes: BTreeMap<Vec<u8>, Column> = BTreeMap::new();
        for (name, is_open) in &self.scopes {
            let name: Name = format!("{name}.{DARK}").parse().expect("a name");
            scopes.insert(name.as_wire().to_vec(), self.column(*is_open));
        }
        let scopes: Vec<Scope> =
            scopes.into_iter().map(|(name, column)| Scope { name: name.into(), column }).collect();
        for (origin, records) in [(DARK, &self.dark), (SUB, &self.sub), (OPEN, &self.open)] {
            let mut column = self.column(origin == OPEN);
            column.has_scopes = origin == DARK && !scopes.is_empty();
            set.insert(zone(origin, records, &set), column);
        }
        let apex: Name = DARK.parse().expect("a name");
        gate.set_scopes(apex.as_wire(), scopes);
        let zones = set.publish();
        State { phase: Phase::Serving, zones, gate: Arc::new(gate), ..State::default() }
    }

    /// What is asked for: names with records, above, below and beside them; each third in capitals.
    fn questions(&self) -> Vec<String> {
        let mut names: Vec<String> = ZONES.map(str::to_owned).into();
        names.extend(["example.", "out.invalid.", "_icp.dark.example."].map(str::to_owned));
        let owners = [&self.dark, &self.sub, &self.open]
            .into_iter()
            .flatten()
            .filter_map(|record| record.split(' ').next())
            .filter(|owner| *owner != "@");
        for owner in owners.chain(self.names.iter().map(String::as_str)) {
            for zone in ZONES {
                names.push(format!("{owner}.{zone}"));
                names.push(format!("{}.{zone}", owner.replace('*', "b")));
                names.push(format!("a.{}.{zone}", owner.replace('*', "www")));
            }
        }
        names.sort_unstable();
        names.dedup();
        names.iter_mut().step_by(3).for_each(|name| name.make_ascii_uppercase());
        names
    }
}

/// A zone of those records that the reader takes; a refused one is left out.
fn zone(origin: &str, records: &[String], set: &ZoneSet) -> beiand::zone::Zone {
    let origin: Name = origin.parse().expect("a name");
    let mut text = "$TTL 300\n@ SOA ns.hoster.invalid. h.hoster.invalid. 1 1 1 1 300\n\
                    @ NS ns.hoster.invalid.\n@ A 192.0.2.7\n"
        .to_owned();
    let mut good = Records::default();
    let read = |text: &str, out: &mut Records| {
        Reader::new().read_zone_bytes(text.as_bytes(), Path::new("z"), Path::new("."), &origin, out)
    };
    read(&text, &mut good).expect("a good zone");
    for record in records {
        let longer = format!("{text}{record}");
        let mut tried = Records::default();
        if read(&longer, &mut tried).is_ok() {
            (text, good) = (longer, tried);
        }
    }
    Builder::new().build(&origin, &good, set.key(), &classify).expect("a small zone")
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

/// How often each kind of case was met: a law that is never put to the test holds always.
#[derive(Default)]
struct Coverage(BTreeMap<String, usize>);

impl Coverage {
    fn note(&mut self, kind: &str) {
        *self.0.entry(kind.to_owned()).or_default() += 1;
    }

    fn note_reply(
        &mut self,
        state: &State,
        world: &World,
        name: &Name,
        rtype: u16,
        reply: &Message,
    ) {
        let Some(hashed) = HashedName::read(name.as_wire(), state.zones.key()) else { return };
        let Some(found) = state.zones.find(&hashed) else {
            return self.note("not hosted");
        };
        let text = name.to_string().to_lowercase();
        let side = if world.is_open(&text) { "open" } else { "dark" };
        let place = match found.entry.zone.locate(&hashed) {
            Place::Node(node) if node.is_alias() => "alias",
            Place::Node(node) if node.has_dname() => "DNAME owner",
            Place::Node(node) if node.rrsets().next().is_none() => "empty non-terminal",
            Place::Node(_) => "node",
            Place::Wildcard(node) if node.is_alias() => "wildcard alias",
            Place::Wildcard(_) => "wildcard",
            Place::Delegated { is_exact: true, .. } => "delegation",
            Place::Delegated { .. } => "below a delegation",
            Place::Redirected(_) => "below a DNAME",
            Place::Missing => "missing",
        };
        self.note(&format!("{side}: {place}"));
        let is_notice =
            |r: &hickory_proto::rr::Record| r.data.ip_addr() == Some(NOTICE_IPV4.into());
        let (first, last) = (reply.answers.first(), reply.answers.last());
        let mut kinds = vec![
            ("dark: notice", first.is_some_and(is_notice)),
            (
                "chain to the notice",
                first.is_some_and(|r| !is_notice(r)) && last.is_some_and(is_notice),
            ),
            ("NXDOMAIN", reply.metadata.response_code == ResponseCode::NXDomain),
            ("YXDOMAIN", reply.metadata.response_code == ResponseCode::YXDomain),
            ("with addresses beside the answer", !reply.additionals.is_empty()),
        ];
        if side == "dark" {
            let leads =
                |rtype: u16| reply.answers.iter().any(|r| u16::from(r.record_type()) == rtype);
            kinds.extend([
                (
                    "dark: own address data (overseas or free)",
                    [1, 28].contains(&rtype) && first.is_some_and(|r| !is_notice(r)),
                ),
                ("dark: CNAME by region or free name", leads(5)),
                ("dark: DNAME by region", leads(39)),
                ("dark: HTTPS or SVCB by region", leads(64) || leads(65)),
            ]);
        } else if text.ends_with(DARK) {
            kinds.push(("open scope in a dark zone", true));
            kinds.push((
                "open scope: referral",
                reply.authorities.iter().any(|r| u16::from(r.record_type()) == 2),
            ));
        }
        for (kind, is_met) in kinds {
            if is_met {
                self.note(kind);
            }
        }
    }
}

/// The law by its letter, where every address is ours: what of a reply is gated data of a name that
/// is not open.
fn gated_data(world: &World, reply: &Message) -> Option<String> {
    let sections = [&reply.answers, &reply.authorities, &reply.additionals];
    let found = sections.into_iter().flatten().find(|record| {
        let owner = record.name.to_ascii().to_lowercase();
        if !world.is_hosted(&owner) || world.is_open(&owner) {
            return false;
        }
        match Rtype(record.record_type().into()) {
            Rtype::A | Rtype::AAAA => record.data.ip_addr().is_none_or(|address| {
                address != NOTICE_IPV4 && address != NOTICE_IPV6 && !memory::is_ours(address)
            }),
            Rtype::CNAME => !memory::has_free_label(&owner),
            Rtype::DNAME | Rtype::HTTPS | Rtype::SVCB => true,
            Rtype::NS => !ZONES.contains(&owner.as_str()),
            _ => false,
        }
    });
    found.map(ToString::to_string)
}

/// The case with every address moved to ours, and nothing known of what is not hosted.
fn all_ours(mut case: Case) -> Case {
    for record in [&mut case.dark, &mut case.sub, &mut case.open].into_iter().flatten() {
        *record = record
            .replace("203.0.113.7", "192.0.2.7")
            .replace("198.51.100.7", "192.0.2.7")
            .replace("2001:db8:3::7", "2001:db8:1::7");
    }
    Case { externals_are_open: false, ..case }
}

fn keeps_the_letter(case: &Case) -> Result<(), TestCaseError> {
    let (state, world) = (case.state(), case.world());
    for text in case.questions() {
        let name: Name = text.parse().expect("a name");
        for rtype in TYPES {
            let reply = ask(&state, &name, rtype, Transport::Stream);
            let shown = gated_data(&world, &reply);
            prop_assert!(shown.is_none(), "{text} {rtype}: {}\n{reply}", shown.unwrap_or_default());
        }
    }
    Ok(())
}

fn holds(case: &Case, coverage: &mut Coverage) -> Result<(), TestCaseError> {
    let state = case.state();
    let world = case.world();
    let mut memory = Memory::default();
    let names = case.questions();
    for text in &names {
        let name: Name = text.parse().expect("a name");
        let first = ask(&state, &name, 1, Transport::Stream);
        let is_missing =
            first.answers.is_empty() && first.metadata.response_code == ResponseCode::NXDomain;
        // Most names do not exist, and all types are the same there.
        let types = if is_missing { &TYPES[..3] } else { &TYPES[..] };
        for &rtype in types {
            let reply = ask(&state, &name, rtype, Transport::Stream);
            coverage.note_reply(&state, &world, &name, rtype, &reply);
            memory.keep(&reply);
            if Rtype(rtype) == Rtype::ANY || Rtype(rtype) == Rtype::A {
                memory.keep(&ask(&state, &name, rtype, Transport::Udp));
            }
        }
    }
    for name in names.iter().map(|name| name.to_lowercase()) {
        if world.is_hosted(&name) && !world.is_open(&name) {
            let way = memory.way_round(&world, &name);
            prop_assert!(way.is_none(), "{name}: {}\n{memory:#?}", way.unwrap_or_default());
        }
    }
    Ok(())
}

/// The same cases each time, so that what they reach does not hang on luck; as many others as
/// `BEIAND_PROPERTY_CASES` says by hand.
fn runner(usual: u32) -> TestRunner {
    let cases = std::env::var("BEIAND_PROPERTY_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(usual),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    match cases {
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        Some(_) => TestRunner::new(config),
    }
}

#[test]
fn where_all_addresses_are_ours_no_reply_holds_gated_data() {
    let mut runner = runner(100);
    let outcome = runner.run(&case().prop_map(all_ours), |case| keeps_the_letter(&case));
    if let Err(error) = outcome {
        panic!("{error}\n{runner}");
    }
}

#[test]
fn nothing_of_a_blocked_name_leaks() {
    let coverage = std::cell::RefCell::new(Coverage::default());
    let mut runner = runner(200);
    let outcome = runner.run(&case(), |case| holds(&case, &mut coverage.borrow_mut()));
    if let Err(error) = outcome {
        panic!("{error}\n{runner}");
    }
    let Coverage(met) = coverage.into_inner();
    for (kind, count) in &met {
        println!("{count:>8} {kind}");
    }
    for kind in KINDS {
        let count = met.get(kind).copied().unwrap_or(0);
        assert!(count >= 10, "{kind}: only {count} replies of all: {met:#?}");
    }
}

/// What the generators must have reached.
const KINDS: [&str; 25] = [
    "not hosted",
    "dark: alias",
    "dark: DNAME owner",
    "dark: empty non-terminal",
    "dark: node",
    "dark: wildcard alias",
    "dark: wildcard",
    "dark: delegation",
    "dark: below a delegation",
    "dark: below a DNAME",
    "dark: missing",
    "dark: notice",
    "dark: own address data (overseas or free)",
    "dark: CNAME by region or free name",
    "dark: DNAME by region",
    "dark: HTTPS or SVCB by region",
    "open: alias",
    "open: below a delegation",
    "open: below a DNAME",
    "open: wildcard",
    "open scope in a dark zone",
    "open scope: referral",
    "chain to the notice",
    "NXDOMAIN",
    "with addresses beside the answer",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_end_the_answer_core(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        tail in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let state = Case {
            dark: vec!["* A 192.0.2.7\n".to_owned()],
            sub: Vec::new(),
            open: Vec::new(),
            scopes: Vec::new(),
            is_filed_elsewhere: false,
            externals_are_open: false,
            names: Vec::new(),
        }
        .state();
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
