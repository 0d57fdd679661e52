//! No way round the gate by way of a real caching resolver: Unbound, under several settings, is
//! asked for every type of every name, in random orders, while domains open and close. Once the TTL
//! of the open answers is out, nothing that it keeps, and no order of questions, brings a real
//! address of a blocked name; once that of the notice is out, an opened name has its own.
//!
//! `BEIAND_RESOLVER_ROUNDS` sets how often domains change (4), `BEIAND_RESOLVER_SEED` the orders.

mod common;
#[path = "common/peers.rs"]
mod peers;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{PATIENCE, Server, Site, wire_name};
use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};
use peers::{Peer, ZoneFile};

/// `gate.notice_ttl` and `gate.max_open_ttl`, in seconds.
const TTL: u64 = 1;
/// A resolver counts whole seconds, and may have begun an answer just before the change.
const UNTIL_OUT: Duration = Duration::from_secs(TTL + 2);

/// The notice addresses of this test. While a delegation that has been closed is still in a cache,
/// the resolver asks there for names below it: on loopback nobody answers at once.
const NOTICE_IPV4: &str = "127.0.0.80";
const NOTICE_IPV6: &str = "::1";

const TYPES: [u16; 15] = [1, 28, 65, 64, 5, 39, 2, 15, 16, 33, 255, 6, 43, 12, 65_400];

/// Opens and closes. Its own addresses are 192.0.2.10 to 19.
const SITE: &str = "@ A 192.0.2.10\n@ AAAA 2001:db8:1::10\n@ HTTPS 1 . ipv4hint=192.0.2.10\n\
    @ MX 10 mail\n@ TXT \"v=spf1 -all\"\nwww A 192.0.2.11\nwww AAAA 2001:db8:1::11\n\
    mail A 192.0.2.12\n_sip._tcp SRV 1 1 443 sip\nsip A 192.0.2.13\n\
    *.wild A 192.0.2.14\n*.wildalias CNAME www\nnear CNAME www\nfar CNAME www.other.example.\n\
    farther CNAME far\nout CNAME cdn.elsewhere.example.\nalias HTTPS 0 www.site.example.\n\
    svc SVCB 1 www.site.example. port=8443\noutsvc HTTPS 0 cdn.elsewhere.example.\n\
    old DNAME other.example.\naway DNAME elsewhere.example.\n\
    _acme-challenge CNAME token.elsewhere.example.\n_acme-challenge.www TXT \"token\"\n\
    over A 203.0.113.10\nover HTTPS 1 . ipv4hint=203.0.113.10\noveralias CNAME over.open.example.\n\
    txt TXT \"no site name\"\nback CNAME tosite.elsewhere.example.\n";
/// Delegations to the other server, with glue and without.
const CUTS: &str = "cut NS ns.cut\nns.cut A GLUE\nleft NS ns.elsewhere.example.\n";
/// A zone of its own below `site.example`, under the same filing.
const SUB: &str = "@ A 192.0.2.15\nwww A 192.0.2.16\n* A 192.0.2.17\nup CNAME www.site.example.\n";
/// Opens and closes by itself: 192.0.2.20 to 29.
const OTHER: &str = "@ A 192.0.2.20\nwww A 192.0.2.21\n* A 192.0.2.22\nback CNAME www.site.example.\n\
    *.wild CNAME near.site.example.\ncdn A 192.0.2.23\n@ MX 10 mail.site.example.\n";
/// Stays open.
const OPEN: &str = "www A 192.0.2.30\nover A 203.0.113.11\ntosite CNAME www.site.example.\n\
    hop CNAME farther.site.example.\nout CNAME out.site.example.\ndn DNAME site.example.\n\
    * CNAME near.site.example.\nsvc HTTPS 0 www.site.example.\n@ MX 10 mail.site.example.\n\
    @ SRV 1 1 443 www.sub.site.example.\nintocut CNAME www.cut.site.example.\n";
/// Other people's zone, at another server.
const ELSEWHERE: &str = "$TTL 1\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A GLUE\ncdn A 192.0.2.40\n\
    www A 192.0.2.41\ntoken TXT \"token\"\ntosite CNAME www.site.example.\ndn DNAME site.example.\n";
/// What the delegated zones have, there too.
const DELEGATED: &str =
    "$TTL 1\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A GLUE\n@ A 192.0.2.18\nwww A 192.0.2.19\n";
const EMPTY_ROOT: &str = ". 1 SOA ns. h. 1 1 1 1 1\n. 1 NS ns.\nns. 1 A 127.0.0.1\n";

/// What is asked for: names with records, and names that wildcards and DNAMEs make, or nothing.
const NAMES: [(&str, &str); 4] = [
    (
        "site.example.",
        "@ www mail _sip._tcp sip wild x.wild y.x.wild x.wildalias near far farther out alias svc \
         outsvc old www.old x.old away cdn.away www.away tosite.away _acme-challenge \
         _acme-challenge.www cut www.cut ns.cut left www.left over overalias txt back sub www.sub \
         x.sub up.sub x x.www _icp",
    ),
    ("other.example.", "@ www x back y.wild cdn token.x _icp"),
    (
        "open.example.",
        "@ www over tosite hop out dn www.dn near.dn far.dn cut.dn www.cut.dn x.wild.dn x svc \
         intocut _icp",
    ),
    ("elsewhere.example.", "@ cdn www token tosite dn www.dn far.dn cdn.dn.dn"),
];

/// What of the names below a domain a resolver may show while it is blocked: free by rule, or
/// overseas.
const FREE_ALIASES: [&str; 2] = ["_acme-challenge.site.example.", "overalias.site.example."];
const FREE_SERVICES: [&str; 1] = ["over.site.example."];
const APEXES: [&str; 3] = ["site.example.", "sub.site.example.", "other.example."];

/// A sequence that a seed repeats (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            things.swap(at, self.below(at + 1));
        }
    }
}

/// Which domains are open, as the filing file says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Filed {
    site: Result<(), &'static str>,
    other: Result<(), &'static str>,
}

impl Filed {
    fn of_domain(&self, domain: &str) -> Result<(), &'static str> {
        if domain.starts_with("site") { self.site } else { self.other }
    }

    /// The domain that the name is below, where that is blocked.
    fn blocked_above(&self, name: &str) -> Option<&'static str> {
        ["site.example.", "other.example."].into_iter().find(|domain| {
            let below = name.strip_suffix(domain);
            below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                && self.of_domain(domain).is_err()
        })
    }

    fn records(&self) -> Vec<common::Record> {
        let mut records = vec![common::Record::open("open.example")];
        for domain in ["site.example", "other.example"] {
            records.push(match self.of_domain(domain) {
                Ok(()) => common::Record::open(domain),
                Err("restricted") => common::Record::open(domain).set("restricted", "yes"),
                Err("cancelled") => common::Record::open(domain).set("status", "cancelled"),
                Err("not-synced") => common::Record::in_force(domain),
                Err("held-elsewhere") => common::Record::elsewhere(domain),
                Err(_) => continue,
            });
        }
        records
    }
}

const REASONS: [&str; 5] = ["no-filing", "restricted", "cancelled", "not-synced", "held-elsewhere"];

struct Resolver {
    peer: Peer,
    socket: UdpSocket,
}

impl Resolver {
    fn start(folder: &Path, name: &'static str, settings: &str, stubs: &str) -> Resolver {
        fs::create_dir_all(folder).expect("a folder");
        let address = peers::at(peers::free_port());
        let config = folder.join("unbound.conf");
        let text = format!(
            "server:\n interface: 127.0.0.1@{port}\n outgoing-interface: 127.0.0.1\n do-ip6: no\n\
             \x20access-control: 127.0.0.0/8 allow\n do-not-query-localhost: no\n num-threads: 1\n\
             \x20directory: {folder:?}\n chroot: \"\"\n username: \"\"\n pidfile: \"\"\n\
             \x20use-syslog: no\n logfile: {log:?}\n module-config: \"iterator\"\n\
             \x20minimal-responses: no\n deny-any: no\n prefetch: no\n serve-expired: no\n\
             \x20msg-cache-size: 4m\n rrset-cache-size: 4m\n{settings}\
             remote-control:\n control-enable: no\n{stubs}",
            port = address.port(),
            log = folder.join("unbound.log"),
        );
        fs::write(&config, text).expect("a file");
        let unbound = peers::installed("unbound", "unbound");
        let command = [&unbound, Path::new("-d"), Path::new("-c"), &config];
        let peer = peers::spawn(name, &command, None, address, &config);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(address).expect("a loopback address");
        socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        Resolver { peer, socket }
    }

    /// Asks as clients do, twice; none where the resolver has no answer by then: it may be starting,
    /// or busy with a server that is gone.
    fn ask(&self, id: u16, name: &str, rtype: u16) -> Option<Message> {
        let mut query = id.to_be_bytes().to_vec();
        query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        query.extend(wire_name(name));
        query.extend(rtype.to_be_bytes());
        query.extend([0, 1, 0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0]);
        let mut buffer = [0; 4_096];
        for _ in 0..2 {
            self.socket.send(&query).ok()?;
            while let Ok(length) = self.socket.recv(&mut buffer) {
                if buffer[..2] == query[..2] {
                    return Some(Message::from_vec(&buffer[..length]).expect("a message"));
                }
            }
        }
        None
    }
}

/// Real addresses are the ones of this documentation prefix, and of the one for IPv6.
fn real_addresses(data: &RData) -> BTreeSet<IpAddr> {
    let text = data.to_string();
    text.split([' ', ',', '"', '=', '\n'])
        .filter_map(|word| word.parse::<IpAddr>().ok())
        .filter(|address| {
            let text = address.to_string();
            text.starts_with("192.0.2.") || text.starts_with("2001:db8:1:")
        })
        .collect()
}

fn is_of_site(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => (10..20).contains(&address.octets()[3]),
        IpAddr::V6(_) => true,
    }
}

fn is_of_other(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if (20..30).contains(&address.octets()[3]))
}

/// The record of a reply that goes round the gate.
fn way_round<'r>(filed: &Filed, name: &str, reply: &'r Message) -> Option<&'r Record> {
    for record in [&reply.answers, &reply.authorities, &reply.additionals].into_iter().flatten() {
        let owner = record.name.to_ascii().to_lowercase();
        let shown = real_addresses(&record.data);
        let leaks = |address: &IpAddr| {
            filed.site.is_err() && is_of_site(address)
                || filed.other.is_err() && is_of_other(address)
                || filed.blocked_above(name).is_some()
        };
        if shown.iter().any(leaks) {
            return Some(record);
        }
        if filed.blocked_above(&owner).is_none() {
            continue;
        }
        let is_kept_back = match u16::from(record.record_type()) {
            1 | 28 => {
                let address = record.data.ip_addr().map(|address| address.to_string());
                let address = address.unwrap_or_default();
                ![NOTICE_IPV4, NOTICE_IPV6].contains(&address.as_str())
                    && !address.starts_with("203.0.113.")
            }
            5 => !FREE_ALIASES.contains(&owner.as_str()),
            39 => true,
            64 | 65 => !FREE_SERVICES.contains(&owner.as_str()),
            2 => !APEXES.contains(&owner.as_str()),
            _ => false,
        };
        if is_kept_back {
            return Some(record);
        }
    }
    None
}

struct World {
    server: Server,
    resolvers: Vec<Resolver>,
    names: Vec<String>,
    /// The delegated server answers on the port that resolvers ask at.
    has_cut: bool,
    asked: AtomicUsize,
    /// Answers that were held to the law.
    answered: AtomicUsize,
    _authority: Peer,
}

impl World {
    fn start() -> World {
        let mut site = Site::new();
        site.gate("notice_ttl", &TTL.to_string()).gate("max_open_ttl", &TTL.to_string());
        site.gate("notice_ipv4", &format!("[{NOTICE_IPV4:?}]"));
        site.gate("notice_ipv6", &format!("[{NOTICE_IPV6:?}]"));
        site.gate("exempt_zones", r#"["hoster.example"]"#);
        let loopback = loopback_with_port_53();
        let has_cut = loopback.is_some();
        let glue = loopback.unwrap_or(Ipv4Addr::LOCALHOST).to_string();
        let zones = [("site", SITE), ("sub.site", SUB), ("other", OTHER), ("open", OPEN)];
        for (label, body) in zones {
            site.zone(&format!("{label}.example"), body);
        }
        if has_cut {
            site.zone("site.example", &format!("{SITE}{}", CUTS.replace("GLUE", &glue)));
        }
        site.zone("hoster.example", "ns1 A 127.0.0.1\nns2 A 127.0.0.1\n");
        site.records(&[common::Record::open("open.example")]);
        let mut zone_files = Vec::new();
        for (origin, text) in [
            ("elsewhere.example", ELSEWHERE),
            ("cut.site.example", DELEGATED),
            ("left.site.example", DELEGATED),
            (".", EMPTY_ROOT),
        ] {
            let file = site.path(&format!("authority-{}.zone", origin.trim_matches('.')));
            fs::write(&file, text.replace("GLUE", &glue)).expect("a file");
            zone_files.push(ZoneFile { origin: origin.to_owned(), file });
        }
        let address = loopback.map_or_else(
            || peers::at(peers::free_port()),
            |address| SocketAddr::from((address, 53)),
        );
        let mut authority = peers::knot_at(address, &site.path("knot"), &zone_files, None);
        authority.wait_for("elsewhere.example", PATIENCE);
        let server = site.start();
        let mut stubs = String::new();
        let hosted = ["site", "sub.site", "other", "open", "hoster"];
        for label in hosted {
            stubs.push_str(&stub(&format!("{label}.example"), server.udp()));
        }
        stubs.push_str(&stub("elsewhere.example", address));
        stubs.push_str(&stub(".", address));
        let lax = " harden-glue: no\n harden-below-nxdomain: no\n harden-dnssec-stripped: no\n";
        let resolvers = [
            ("minimising", " qname-minimisation: yes\n", ""),
            ("whole names", " qname-minimisation: no\n", ""),
            ("minimising and lax", " qname-minimisation: yes\n", lax),
            ("whole names and lax", " qname-minimisation: no\n use-caps-for-id: yes\n", lax),
        ];
        let resolvers = resolvers
            .into_iter()
            .map(|(name, minimisation, harden)| {
                let folder = server.site.path(&name.replace(' ', "-"));
                Resolver::start(&folder, name, &format!("{minimisation}{harden}"), &stubs)
            })
            .collect();
        let mut names = Vec::new();
        for (domain, labels) in NAMES {
            names.extend(labels.split_whitespace().map(|label| match label {
                "@" => domain.to_owned(),
                label => format!("{label}.{domain}"),
            }));
        }
        World {
            server,
            resolvers,
            names,
            has_cut,
            asked: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            _authority: authority,
        }
    }

    fn ask(
        &self,
        resolver: &Resolver,
        random: &mut Random,
        name: &str,
        rtype: u16,
    ) -> Option<Message> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        resolver.ask(random.below(0x10000) as u16, name, rtype)
    }

    fn questions(&self, random: &mut Random) -> Vec<(&str, u16)> {
        let names = self.names.iter();
        let mut all: Vec<_> =
            names.flat_map(|name| TYPES.map(|rtype| (name.as_str(), rtype))).collect();
        random.shuffle(&mut all);
        all
    }

    /// Fills the caches with whatever is answered, until the TTL of the last change is out; then
    /// asks for everything once more, under the law.
    fn ask_all(&self, resolver: &Resolver, random: &mut Random, filed: &Filed, changed: Instant) {
        let filling = self.questions(random);
        for (name, rtype) in filling.into_iter().cycle() {
            if changed.elapsed() > UNTIL_OUT {
                break;
            }
            self.ask(resolver, random, name, rtype);
        }
        for (name, rtype) in self.questions(random) {
            let reply = self.ask(resolver, random, name, rtype);
            self.answered.fetch_add(reply.is_some().into(), Ordering::Relaxed);
            if let Some((reply, way)) =
                reply.as_ref().and_then(|reply| Some((reply, way_round(filed, name, reply)?)))
            {
                panic!("{}, {filed:?}: {name} {rtype} brings {way}\n{reply}", resolver.peer.name);
            }
        }
    }

    /// That what is open is there, and that the resolver tells why the rest is not.
    fn check_shown(&self, resolver: &Resolver, random: &mut Random, filed: &Filed) {
        for domain in ["site.example.", "other.example."] {
            let state = filed.of_domain(domain);
            let icp = match state {
                Ok(()) => ["state=open".to_owned(), "reason=open".to_owned()],
                Err(reason) => ["state=blocked".to_owned(), format!("reason={reason}")],
            };
            self.comes(resolver, random, &format!("_icp.{domain}"), 16, &icp);
            let notice = [NOTICE_IPV4.to_owned()];
            let www = if domain.starts_with("site") { "192.0.2.11" } else { "192.0.2.21" };
            let www = if state.is_ok() { [www.to_owned()] } else { notice };
            self.comes(resolver, random, &format!("www.{domain}"), 1, &www);
        }
        self.comes(resolver, random, "over.site.example.", 1, &["203.0.113.10".to_owned()]);
        if filed.site.is_err() {
            return;
        }
        let cuts = ["www.cut.site.example.", "www.left.site.example."];
        let cuts = cuts.map(|name| (name, 1, "192.0.2.19"));
        let shown = [
            ("near.site.example.", 1, "192.0.2.11"),
            ("x.wild.site.example.", 1, "192.0.2.14"),
            ("x.wildalias.site.example.", 1, "192.0.2.11"),
            ("www.sub.site.example.", 1, "192.0.2.16"),
            ("site.example.", 28, "2001:db8:1::10"),
            ("site.example.", 65, "192.0.2.10"),
            ("out.site.example.", 1, "192.0.2.40"),
            ("cdn.away.site.example.", 1, "192.0.2.40"),
            ("www.dn.open.example.", 1, "192.0.2.11"),
            ("tosite.elsewhere.example.", 1, "192.0.2.11"),
        ];
        for (name, rtype, address) in
            shown.into_iter().chain(cuts.into_iter().filter(|_| self.has_cut))
        {
            self.comes(resolver, random, name, rtype, &[address.to_owned()]);
        }
    }

    fn comes(
        &self,
        resolver: &Resolver,
        random: &mut Random,
        name: &str,
        rtype: u16,
        wanted: &[String],
    ) {
        common::eventually(&format!("{}: {name} {rtype} {wanted:?}", resolver.peer.name), || {
            let Some(reply) = self.ask(resolver, random, name, rtype) else { return false };
            let text: String =
                reply.answers.iter().map(|record| format!("{} ", record.data)).collect();
            wanted.iter().all(|wanted| text.contains(wanted.as_str()))
        });
    }
}

fn stub(origin: &str, address: SocketAddr) -> String {
    format!(
        "stub-zone:\n name: {origin:?}\n stub-addr: {}@{}\n stub-prime: no\n",
        address.ip(),
        address.port()
    )
}

/// A loopback address of this test's own on which port 53 may be used. A referral cannot name a
/// port, so that without one (who runs the tests is not root) the delegated server is out of reach.
fn loopback_with_port_53() -> Option<Ipv4Addr> {
    let [.., a, b] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 53, a, b.clamp(1, 254));
    let is_free = UdpSocket::bind((address, 53)).is_ok();
    if !is_free {
        eprintln!("port 53 of {address} is not to be had: the delegated zone is left out");
    }
    is_free.then_some(address)
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn no_resolver_finds_a_way_to_a_blocked_name() {
    let seed = number_from("BEIAND_RESOLVER_SEED").unwrap_or(1);
    let rounds = number_from("BEIAND_RESOLVER_ROUNDS").unwrap_or(4);
    println!("BEIAND_RESOLVER_SEED={seed} BEIAND_RESOLVER_ROUNDS={rounds}");
    let world = World::start();
    let mut random = Random(seed);
    let reason = |random: &mut Random| Err(REASONS[random.below(REASONS.len())]);
    for round in 0..rounds {
        // Each domain changes in turn, the other one by chance.
        let filed = match (round % 2, random.below(2)) {
            (0, 0) => Filed { site: Ok(()), other: reason(&mut random) },
            (0, _) => Filed { site: Ok(()), other: Ok(()) },
            (_, 0) => Filed { site: reason(&mut random), other: Ok(()) },
            (_, _) => Filed { site: reason(&mut random), other: reason(&mut random) },
        };
        world.server.records(&filed.records());
        world.server.reloaded();
        let changed = Instant::now();
        std::thread::scope(|scope| {
            for resolver in &world.resolvers {
                let mut random = Random(random.below(usize::MAX) as u64);
                let (world, filed) = (&world, &filed);
                scope.spawn(move || {
                    world.ask_all(resolver, &mut random, filed, changed);
                    world.check_shown(resolver, &mut random, filed);
                });
            }
        });
    }
    let asked = world.asked.load(Ordering::Relaxed);
    let answered = world.answered.load(Ordering::Relaxed);
    let due = rounds as usize * world.resolvers.len() * world.names.len() * TYPES.len();
    println!("{asked} questions; after the TTL {answered} answers to {due}");
    assert!(answered > due / 10 * 9, "too few answers: {answered} of {due}");
}
