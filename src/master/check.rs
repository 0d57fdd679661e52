//! Whether records make a zone: what BIND's `named-checkzone` refuses is an error here, what it
//! remarks on a warning.

use super::faults::Faults;
use super::index::{Entry, Index, write_key};
use super::records::{RecordRef, Records};
use super::text::record_to_text;
use crate::fault::{Fault, Severity};
use crate::wire::{Name, Rtype, name};

/// Checks the records of the zone `origin`, all of which are at or below it. The faults are bounded
/// in number; their positions are lines.
pub fn check(origin: &Name, records: &Records) -> Vec<Fault> {
    let mut index = Index::default();
    index.fill(origin.as_wire(), records);
    let mut faults = Faults::default();
    check_indexed(origin.as_wire(), records, &index, Extent::Whole, &mut faults);
    faults.finish(records.file(0)).unwrap_or_else(|faults| faults)
}

/// Whether the records are all that the file has, or what could be read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    /// Faulty lines are missing: nothing can be said about what is not there.
    Readable,
}

/// Drops repeated records, and gives the records of an RRset its smallest TTL (RFC 2181 §5.2).
pub(super) fn tidy(origin: &[u8], records: &mut Records, index: &mut Index, faults: &mut Faults) {
    let mut repeated = Vec::new();
    for rrset in index.rrsets() {
        let [first, rest @ ..] = rrset else { continue };
        if rest.is_empty() {
            continue;
        }
        repeated.extend(
            rrset
                .windows(2)
                .filter(|pair| index.rdata(&pair[0]) == index.rdata(&pair[1]))
                .map(|pair| pair[1].record),
        );
        let ttl_of = |entry: &Entry| records.get(entry.record as usize).ttl;
        let ttl = rrset.iter().map(ttl_of).min().unwrap_or_default();
        if rrset.iter().all(|entry| ttl_of(entry) == ttl) {
            continue;
        }
        let odd =
            rrset.iter().filter(|entry| ttl_of(entry) != ttl_of(first)).map(|e| e.record).min();
        let record = records.get(odd.unwrap_or(first.record) as usize);
        faults.add(Severity::Warning, || {
            let problem = format!(
                "the records of one name and type have several TTLs; all are served with {ttl}"
            );
            let remedy = "give them one TTL (RFC 2181 section 5.2)";
            of_record(Severity::Warning, records, record, problem, remedy)
        });
        for entry in rrset {
            records.set_ttl(entry.record as usize, ttl);
        }
    }
    if !repeated.is_empty() {
        repeated.sort_unstable();
        records.remove(&repeated);
        index.fill(origin, records);
    }
}

/// As [`check`], with the index at hand.
pub(super) fn check_indexed(
    origin: &[u8],
    records: &Records,
    index: &Index,
    extent: Extent,
    faults: &mut Faults,
) {
    let mut checker = Checker { origin, records, index, faults, is_host: is_host(origin) };
    for node in index.nodes() {
        checker.check_node(node);
    }
    if extent == Extent::Whole {
        checker.check_apex();
        for record in records.iter() {
            checker.check_target(&record);
        }
    }
    for record in records.iter() {
        checker.check_names(&record);
    }
}

/// What is found at a name that something points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Address,
    Alias,
    BelowDname,
    /// The name is at or below a delegation: its address is the child's business.
    Delegated,
    Nothing,
}

struct Checker<'a> {
    origin: &'a [u8],
    /// The origin is the name of a host.
    is_host: bool,
    records: &'a Records,
    index: &'a Index,
    faults: &'a mut Faults,
}

impl Checker<'_> {
    fn error(&mut self, record: RecordRef<'_>, problem: &str, remedy: &str) {
        let make = || of_record(Severity::Error, self.records, record, problem, remedy);
        self.faults.add(Severity::Error, make);
    }

    fn warning(&mut self, record: RecordRef<'_>, problem: String, remedy: &str) {
        let make = || of_record(Severity::Warning, self.records, record, problem, remedy);
        self.faults.add(Severity::Warning, make);
    }

    /// The rules about what may stand together at one name.
    fn check_node(&mut self, node: &[Entry]) {
        let Some(first) = node.first() else { return };
        let is_apex = self.index.owner(first).is_empty();
        let mut single: [Option<u32>; 3] = [None; 3];
        for entry in node {
            let record = || self.records.get(entry.record as usize);
            let (slot, remedy) = match entry.rtype {
                Rtype::SOA if !is_apex => {
                    self.error(
                        record(),
                        "a zone has its SOA at its top only",
                        "take it away, or make this a zone file of its own",
                    );
                    continue;
                }
                Rtype::SOA => (0, "keep one SOA"),
                Rtype::CNAME => (1, "keep one CNAME; for several targets use A and AAAA"),
                Rtype::DNAME => (2, "keep one DNAME"),
                Rtype::DS if is_apex => {
                    self.error(
                        record(),
                        "DS stands in the zone above, not at the top of the zone that it is for",
                        "hand it to the registry, or publish CDS here",
                    );
                    continue;
                }
                Rtype::NS if name::labels(record().owner).next() == Some(b"*") => {
                    self.error(
                        record(),
                        "a wildcard cannot be delegated",
                        "delegate names one by one (RFC 4592 section 4.2)",
                    );
                    continue;
                }
                Rtype::NSEC3 if !has_hash_owner(record().owner) => {
                    self.error(
                        record(),
                        "NSEC3 stands at a hashed name only",
                        "sign the zone again",
                    );
                    continue;
                }
                _ => continue,
            };
            let earlier = single[slot].replace(entry.record);
            if let Some(earlier) = earlier {
                let later = self.records.get(entry.record.max(earlier) as usize);
                let problem = format!("a name has at most one {}", entry.rtype);
                self.error(later, &problem, remedy);
            }
        }
        // Types that a CNAME may stand beside: signatures, and what proves them (RFC 2181 §10.1,
        // RFC 4034).
        const BESIDE_CNAME: [Rtype; 6] =
            [Rtype::CNAME, Rtype::RRSIG, Rtype::NSEC, Rtype::SIG, Rtype::KEY, Rtype(30)];
        if let Some(cname) = single[1]
            && let Some(other) = node.iter().find(|entry| !BESIDE_CNAME.contains(&entry.rtype))
        {
            let later = self.records.get(cname.max(other.record) as usize);
            self.error(
                later,
                "CNAME and other data stand at one name",
                "keep the CNAME or the other data (RFC 1034 section 3.6.2)",
            );
        }
    }

    fn check_apex(&mut self) {
        // The apex comes before all names below.
        let first = self.index.nodes().next().unwrap_or_default();
        let is_apex = first.first().is_some_and(|entry| self.index.owner(entry).is_empty());
        let apex = if is_apex { first } else { &[] };
        for (rtype, remedy) in [
            (Rtype::SOA, "begin the file with `@ SOA ns hostmaster 1 3600 900 604800 300`"),
            (Rtype::NS, "name the zone's servers, as in `@ NS ns1.example.net.`"),
        ] {
            if !apex.iter().any(|entry| entry.rtype == rtype) {
                let origin = name::to_text(self.origin);
                let problem = format!("the zone {origin} has no {rtype} record at its top");
                let file = self.records.file(0);
                let make = || Fault::of_file(Severity::Error, file, problem, remedy);
                self.faults.add(Severity::Error, make);
            }
        }
    }

    /// NS, MX and SRV must lead to addresses.
    fn check_target(&mut self, record: &RecordRef<'_>) {
        let at = match record.rtype {
            Rtype::NS => 0,
            Rtype::MX => 2,
            Rtype::SRV => 6,
            _ => return,
        };
        let Some(target) = record.rdata.get(at..) else { return };
        if target == [0] || !name::suffix_matches(target, self.origin) {
            return;
        }
        let above_apex = name::above(target, self.origin);
        let mut room = [0; name::MAX_NAME_LEN];
        let Some(key) = room.get_mut(..above_apex.len()) else { return };
        write_key(above_apex, key);
        let is_ns = record.rtype == Rtype::NS;
        let is_apex_ns = is_ns && record.owner.len() == self.origin.len();
        let is_glue = is_ns && !is_apex_ns && name::suffix_matches(target, record.owner);
        let found = if is_glue { self.find_glue(key) } else { self.find(key) };
        let target = || name::to_text(target);
        let (problem, remedy) = match found {
            Found::Address | Found::Delegated => return,
            Found::Alias => (
                format!("{} is a CNAME, which {} must not point at", target(), record.rtype),
                "name the host itself (RFC 2181 section 10.3)",
            ),
            Found::BelowDname => (
                format!("{} is below a DNAME, which {} must not point at", target(), record.rtype),
                "name the host itself (RFC 2181 section 10.3)",
            ),
            Found::Nothing if is_glue => {
                (format!("the glue is missing: {} has no A or AAAA", target()), "add the address")
            }
            Found::Nothing => {
                (format!("{} has no A or AAAA in this zone", target()), "add the address")
            }
        };
        if is_apex_ns {
            self.error(*record, &problem, remedy);
        } else {
            self.warning(*record, problem, remedy);
        }
    }

    /// Names of hosts and mailboxes consist of letters, digits and hyphens (RFC 952, 1123).
    fn check_names(&mut self, record: &RecordRef<'_>) {
        let host_at: &[usize] = match record.rtype {
            Rtype::A | Rtype::AAAA => &[],
            Rtype::MX => &[2],
            Rtype::NS => &[0],
            Rtype::SRV => &[6],
            Rtype::SOA => &[0],
            _ => return,
        };
        if matches!(record.rtype, Rtype::A | Rtype::AAAA | Rtype::MX) {
            // One look at the origin is enough for all.
            let owner = match self.is_host {
                true => name::above(record.owner, self.origin),
                false => record.owner,
            };
            let owner = owner.strip_prefix(b"\x01*").unwrap_or(owner);
            if !is_host(owner) {
                self.warning(
                    *record,
                    "the owner is not the name of a host".to_owned(),
                    "host names have letters, digits and hyphens only",
                );
            }
        }
        for &at in host_at {
            let rest = record.rdata.get(at..).unwrap_or_default();
            let target = name::name_len(rest).map_or(rest, |len| &rest[..len]);
            let problem = if !is_host(target) {
                "is not the name of a host"
            } else if looks_like_ipv4(target) {
                "looks like an address, where a name belongs"
            } else {
                continue;
            };
            self.warning(
                *record,
                format!("{} {problem}", name::to_text(target)),
                "host names have letters, digits and hyphens only",
            );
        }
    }

    /// What an answer to a query for addresses at this name of the zone would hold.
    fn find(&self, key: &[u8]) -> Found {
        let (mut encloser, mut at) = (0, 0);
        loop {
            let (node, exists) = self.index.node(&key[..at]);
            let has = |rtype| node.iter().any(|entry| entry.rtype == rtype);
            if at > 0 && has(Rtype::NS) {
                return Found::Delegated;
            }
            if at == key.len() {
                if exists {
                    return addresses(node);
                }
                break;
            }
            if has(Rtype::DNAME) {
                return Found::BelowDname;
            }
            if exists {
                encloser = at;
            }
            // A key is whole labels, each with its length in front.
            at += usize::from(key[at]) + 1;
        }
        let wildcard = [&key[..encloser], b"\x01*"].concat();
        addresses(self.index.node(&wildcard).0)
    }

    fn find_glue(&self, key: &[u8]) -> Found {
        match addresses(self.index.node(key).0) {
            Found::Address => Found::Address,
            _ => Found::Nothing,
        }
    }
}

fn addresses(node: &[Entry]) -> Found {
    if node.iter().any(|entry| matches!(entry.rtype, Rtype::A | Rtype::AAAA)) {
        Found::Address
    } else if node.iter().any(|entry| entry.rtype == Rtype::CNAME) {
        Found::Alias
    } else {
        Found::Nothing
    }
}

/// A fault of one record, on its line.
fn of_record(
    severity: Severity,
    records: &Records,
    record: RecordRef<'_>,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> Fault {
    Fault {
        severity,
        file: records.file(record.file).to_owned(),
        line: record.line,
        column: 0,
        text: record_to_text(record),
        problem: problem.into(),
        remedy: remedy.into(),
    }
}

/// Whether a byte may stand in the name of a host.
const IS_OF_HOST: [bool; 256] = {
    let mut is_of_host = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        is_of_host[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'-';
        byte += 1;
    }
    is_of_host
};

fn is_host(wire: &[u8]) -> bool {
    name::labels(wire).all(|label| {
        !matches!(label, [b'-', ..] | [.., b'-'])
            && label.iter().all(|byte| IS_OF_HOST[usize::from(*byte)])
    })
}

/// True for names that begin with four numbers: a dot or an origin too many.
fn looks_like_ipv4(wire: &[u8]) -> bool {
    let is_number = |label: &&[u8]| label.len() < 4 && label.iter().all(u8::is_ascii_digit);
    name::labels(wire).take(4).take_while(is_number).count() == 4
}

fn has_hash_owner(owner: &[u8]) -> bool {
    name::labels(owner)
        .next()
        .is_some_and(|label| super::encoding::base32hex(label, &mut Vec::new()))
}
