//! beiand against Knot DNS and NSD: the same zones, the same queries, and wherever those two give
//! the same answer, beiand gives it, too, or the difference is one of [`KNOWN`].
//!
//! beiand runs with `gate.mode = "observe"`: the gate decides, and the answers are the zones'.

mod common;
#[path = "common/peers.rs"]
mod peers;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{PATIENCE, Site, wire_name};
use peers::ZoneFile;

/// What resolvers and RFC lawyers trip over, in one zone.
const TRICKY: &str = r#"$TTL 3600
@ SOA ns1 hostmaster 1 14400 3600 1209600 300
@ NS ns1
@ NS ns2.hoster.example.
ns1 A 192.0.2.101
@ MX 10 mail
@ MX 20 *.wild
@ CAA 0 issue "ca.example"
mail A 192.0.2.102
mail AAAA 2001:db8:1::102
; wildcards, their blocks, and wildcards below wildcards
* TXT "the apex's"
*.wild A 192.0.2.103
*.wild MX 10 mail
exists.wild TXT "no address"
x.ent.wild TXT "ent.wild is empty"
*.x.ent.wild A 192.0.2.104
*.*.twice TXT "a label that is an asterisk, twice"
sub.*.twice TXT "below an asterisk"
; empty non-terminals
a.b.c.d.e A 192.0.2.105
; chains
c1 CNAME c2
c2 CNAME c3
c3 CNAME mail
dangling CNAME gone.mail
out CNAME www.elsewhere.invalid.
across CNAME www.filed.example.
wildcname CNAME any.wild
*.towild CNAME q.wild
intocut CNAME www.cut
self CNAME self
ping CNAME pong
pong CNAME ping
; DNAME: to a subtree here, to another zone, to an alias, to itself below
d1 DNAME target
d1 TXT "beside a DNAME"
www.target A 192.0.2.106
alias.target CNAME www.target
d2 DNAME filed.example.
d3 DNAME d1
d4 DNAME gone
toolong DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
intodname CNAME www.d1
; cuts: glue below, glue beside, none; signed; data hidden under the cut
cut NS ns.cut
cut NS mail
ns.cut A 192.0.2.107
ns.cut AAAA 2001:db8:1::107
hidden.cut TXT "occluded"
deep.hidden.cut A 192.0.2.108
far NS ns1.hoster.example.
signed NS ns.cut
signed DS 12345 13 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF
; the rest
srv SRV 1 2 443 mail
srv SRV 1 3 443 c1
svcb HTTPS 1 mail alpn=h2
unknown TYPE65400 \# 5 0102030405
naptr NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp
escaped\.dot TXT "a dot in a label"
\000\255 TXT "any byte"
MiXeD A 192.0.2.109
"#;

/// A difference that is ours by intent, where Knot and NSD agree with each other.
struct Known {
    why: &'static str,
    applies: fn(&Case<'_>) -> bool,
}

struct Case<'c> {
    qtype: u16,
    hosted: &'c BTreeSet<Vec<u8>>,
    ours: &'c Answer,
    theirs: &'c Answer,
}

const KNOWN: &[Known] = &[
    Known {
        why: "RFC 8482: ANY over UDP gets one RRset of the name",
        applies: |case| {
            case.qtype == 255
                && case.ours.rcode == case.theirs.rcode
                && case.ours.answer.is_subset(&case.theirs.answer)
        },
    },
    Known {
        why: "a chain is followed into the other zones hosted here, to its end there",
        applies: |case| {
            let leaves = case.theirs.last_target().is_some_and(|target| {
                zone_of(&target, case.hosted).is_some()
                    && !case.theirs.answer.iter().any(|r| r.owner == target)
            });
            leaves && case.theirs.answer.is_subset(&case.ours.answer)
        },
    },
];

#[test]
fn beiand_answers_as_knot_and_nsd_do_where_they_agree() {
    let mut site = Site::shipped();
    site.gate("mode", "\"observe\"");
    fs::write(site.path("zones/tricky.example.zone"), TRICKY).expect("a file");
    let zones = compiled(&zone_files(&site.path("zones")), &site.path("compiled"));
    let mut knot = peers::knot(&site.path("knot"), &zones, None);
    let mut nsd = peers::nsd(&site.path("nsd"), &zones, None);
    for zone in &zones {
        knot.wait_for(&zone.origin, PATIENCE);
        nsd.wait_for(&zone.origin, PATIENCE);
    }
    let hosted: BTreeSet<Vec<u8>> = zones.iter().map(|zone| wire_name(&zone.origin)).collect();
    let queries = queries(&zones);
    let beiand = site.start();
    let (ours, knots, nsds) =
        (Client::of(beiand.udp()), Client::of(knot.address), Client::of(nsd.address));

    // Answers where Knot and NSD differ and beiand gives a third one: counted, not judged.
    let (mut agreed, mut neither) = (0, 0);
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, qtype) in &queries {
        let (theirs, second) = (knots.ask(name, *qtype), nsds.ask(name, *qtype));
        let answer = ours.ask(name, *qtype);
        if theirs != second {
            neither += usize::from(answer != theirs && answer != second);
            continue;
        }
        agreed += 1;
        if answer == theirs {
            continue;
        }
        let case = Case { qtype: *qtype, hosted: &hosted, ours: &answer, theirs: &theirs };
        match KNOWN.iter().find(|k| (k.applies)(&case)) {
            Some(difference) => *known.entry(difference.why).or_default() += 1,
            None => wrong.push(format!(
                "{} TYPE{qtype}\n  peers:  {theirs:?}\n  beiand: {answer:?}",
                show(name)
            )),
        }
    }
    println!(
        "{} zones, {} queries; Knot and NSD agree on {agreed}; equal {}; known differences {known:?}; \
         wrong {}; a third answer where they differ {neither}",
        zones.len(),
        queries.len(),
        agreed - known.values().sum::<usize>() - wrong.len(),
        wrong.len()
    );
    assert!(
        agreed * 10 > queries.len() * 9,
        "Knot and NSD agree on {agreed} of {} only",
        queries.len()
    );
    let shown = wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} answers differ from Knot's and NSD's\n{shown}", wrong.len());
}

fn zone_files(folder: &Path) -> Vec<ZoneFile> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|e| e == "zone") {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|file| ZoneFile {
            origin: file.file_stem().and_then(|s| s.to_str()).expect("UTF-8").to_owned(),
            file,
        })
        .collect()
}

/// The zones as BIND writes them out, since Knot and NSD know no `$GENERATE`.
fn compiled(zones: &[ZoneFile], folder: &Path) -> Vec<ZoneFile> {
    fs::create_dir(folder).expect("a folder");
    zones
        .iter()
        .map(|zone| {
            let file = folder.join(format!("{}.zone", zone.origin));
            let output = Command::new("named-compilezone")
                .args(["-q", "-i", "local", "-k", "ignore", "-o"])
                .args([&file, Path::new(&zone.origin), &zone.file])
                .output()
                .expect("named-compilezone is installed (package bind9-utils)");
            assert!(output.status.success(), "BIND refuses {}", zone.file.display());
            ZoneFile { origin: zone.origin.clone(), file }
        })
        .collect()
}

/// Every owner name, every name between it and its apex, names below and beside: each with each
/// type.
fn queries(zones: &[ZoneFile]) -> Vec<(Vec<u8>, u16)> {
    let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
    for zone in zones {
        let apex = wire_name(&zone.origin);
        for owner in owners(zone) {
            let mut name = &owner[..];
            while name.len() > apex.len() {
                names.insert(name.to_vec());
                name = &name[1 + usize::from(name[0])..];
            }
            for label in [&b"zzz"[..], b"*", b"a.b"] {
                names.extend(below(label, &owner));
            }
        }
        names.insert(apex.clone());
        names.extend(below(b"0", &apex));
        names.extend(below(&b"d".repeat(63), &apex));
    }
    names.insert(wire_name("nothosted.example"));
    names.insert(vec![0]);
    // A NS SOA CNAME PTR MX TXT AAAA SRV DNAME DS HTTPS TYPE65400, and ANY.
    let types = [1, 2, 6, 5, 12, 15, 16, 28, 33, 39, 43, 65, 65_400, 255];
    names.iter().flat_map(|name| types.map(|qtype| (name.clone(), qtype))).collect()
}

fn below(label: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut whole = vec![label.len() as u8];
    whole.extend(label);
    whole.extend(name);
    (whole.len() <= 255).then_some(whole)
}

/// The owner names of a compiled zone: the first word of each line.
fn owners(zone: &ZoneFile) -> BTreeSet<Vec<u8>> {
    fs::read_to_string(&zone.file)
        .expect("a file of ours")
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(unescape)
        .collect()
}

/// A name as master files write it, to wire form, lower case.
fn unescape(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut label = Vec::new();
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => {
                wire.push(label.len() as u8);
                wire.append(&mut label);
            }
            b'\\' if bytes.peek().is_some_and(u8::is_ascii_digit) => {
                let value = bytes.by_ref().take(3).fold(0u32, |v, b| v * 10 + u32::from(b - b'0'));
                label.push(value as u8);
            }
            b'\\' => label.extend(bytes.next()),
            byte => label.push(byte.to_ascii_lowercase()),
        }
    }
    wire.push(0);
    wire
}

fn show(name: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some((&length, tail)) = rest.split_first()
        && length > 0
    {
        text += &tail[..length.into()].escape_ascii().to_string();
        text.push('.');
        rest = &tail[length.into()..];
    }
    text
}

/// The hosted zone that a name belongs to.
fn zone_of(name: &[u8], hosted: &BTreeSet<Vec<u8>>) -> Option<Vec<u8>> {
    let mut name = name;
    loop {
        if hosted.contains(name) {
            return Some(name.to_vec());
        }
        let length = usize::from(*name.first()?);
        if length == 0 {
            return None;
        }
        name = &name[1 + length..];
    }
}

// --- Asking, and reading what came -------------------------------------------------------------

struct Client(UdpSocket);

impl Client {
    fn of(server: SocketAddr) -> Client {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(server).expect("a loopback address");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        Client(socket)
    }

    fn ask(&self, name: &[u8], qtype: u16) -> Answer {
        let mut packet = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        packet.extend(name);
        packet.extend(qtype.to_be_bytes());
        packet.extend([0, 1]);
        // OPT: 1,232 bytes.
        packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        self.0.send(&packet).expect("a datagram");
        let mut buffer = [0; 4_096];
        match self.0.recv(&mut buffer) {
            Ok(length) => Answer::read(&buffer[..length]).unwrap_or_default(),
            Err(_) => Answer::default(),
        }
    }
}

/// What is compared of a reply. `rcode` is `None` where nothing readable came.
#[derive(Clone, Default, PartialEq, Eq)]
struct Answer {
    rcode: Option<u8>,
    aa: bool,
    tc: bool,
    answer: BTreeSet<Record>,
    authority: BTreeSet<Record>,
}

/// Names in lower case and uncompressed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    owner: Vec<u8>,
    rtype: u16,
    ttl: u32,
    rdata: Vec<u8>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} TYPE{} {}",
            show(&self.owner),
            self.ttl,
            self.rtype,
            self.rdata.escape_ascii()
        )
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Answer { rcode, aa, tc, answer, authority } = self;
        write!(f, "rcode {rcode:?} aa {aa} tc {tc} answer {answer:?} authority {authority:?}")
    }
}

impl Answer {
    fn read(message: &[u8]) -> Option<Answer> {
        let count =
            |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        let mut at = 12;
        for _ in 0..count(4)? {
            at = name_at(message, at)?.1 + 4;
        }
        let mut sections = [BTreeSet::new(), BTreeSet::new()];
        for (section, records) in sections.iter_mut().enumerate() {
            for _ in 0..count(6 + 2 * section)? {
                let (owner, fixed) = name_at(message, at)?;
                let rtype = count(fixed)?;
                let ttl = u32::from_be_bytes(message.get(fixed + 4..fixed + 8)?.try_into().ok()?);
                let start = fixed + 10;
                at = start + usize::from(count(fixed + 8)?);
                let rdata = rdata_at(message, rtype, start, at)?;
                records.insert(Record { owner, rtype, ttl, rdata });
            }
        }
        let [answer, authority] = sections;
        Some(Answer {
            rcode: Some(message.get(3)? & 0x0F),
            aa: message[2] & 4 != 0,
            tc: message[2] & 2 != 0,
            answer,
            authority,
        })
    }

    /// Where the chain of CNAMEs in the answer leads that nothing in it answers.
    fn last_target(&self) -> Option<Vec<u8>> {
        let cnames: BTreeMap<&[u8], &[u8]> = self
            .answer
            .iter()
            .filter(|r| r.rtype == 5)
            .map(|r| (&r.owner[..], &r.rdata[..]))
            .collect();
        cnames.values().find(|target| !cnames.contains_key(**target)).map(|target| target.to_vec())
    }
}

/// The name at an offset, in lower case, and the offset after it.
fn name_at(message: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut name = Vec::new();
    let mut after = None;
    while name.len() <= 255 {
        let length = *message.get(at)?;
        if length & 0xC0 == 0xC0 {
            after.get_or_insert(at + 2);
            at = usize::from(u16::from_be_bytes([length & 0x3F, *message.get(at + 1)?]));
            continue;
        }
        name.push(length);
        name.extend(message.get(at + 1..at + 1 + usize::from(length))?.to_ascii_lowercase());
        at += 1 + usize::from(length);
        if length == 0 {
            return Some((name, after.unwrap_or(at)));
        }
    }
    None
}

/// RDATA with the names uncompressed that RFC 1035 lets be compressed, and SRV's, DNAME's.
fn rdata_at(message: &[u8], rtype: u16, start: usize, end: usize) -> Option<Vec<u8>> {
    let (fixed, names) = match rtype {
        2 | 5 | 12 | 39 => (0, 1),
        15 => (2, 1),
        33 => (6, 1),
        6 => (0, 2),
        _ => (end.checked_sub(start)?, 0),
    };
    let mut rdata = message.get(start..start + fixed)?.to_vec();
    let mut at = start + fixed;
    for _ in 0..names {
        let (name, after) = name_at(message, at)?;
        rdata.extend(name);
        at = after;
    }
    rdata.extend(message.get(at..end)?);
    Some(rdata)
}
