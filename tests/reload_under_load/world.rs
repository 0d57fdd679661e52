//! What is served at which time, and whether a reply fits to it.
//!
//! Everything that changes is a [`Thing`] with versions. A version is *begun* before its first byte
//! is written to disk, and *confirmed* once it was seen in an answer or `beiand reload --wait` has
//! returned. A reply may show any version from the latest confirmed before its query was sent up to
//! the latest begun before it came; so no reply is ever older than one that came before its query.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record};

use crate::common::{NOTICE_IPV4, wire_name};

/// What a thing's versions look like in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A zone that carries its version in every record.
    Zone,
    /// A zone to whose end a TXT record is appended with each version.
    Grown,
    /// Two zones that change as one: a CNAME leads from one into the other.
    Pair,
    /// A domain whose filing is synced in even versions and not in odd ones.
    Filed,
    /// A domain without a filing whose addresses are overseas in even versions, and ours in odd ones.
    Regional,
    /// A domain without a filing that the configuration exempts in even versions.
    Exempt,
}

/// Something that changes.
#[derive(Debug)]
pub struct Thing {
    pub kind: Kind,
    /// The zone, or the first of two.
    pub origin: String,
    begun: AtomicU32,
    confirmed: Mutex<Vec<(Instant, u32)>>,
    /// Its file was taken away at this time and is not back, as far as is known.
    away: Mutex<Option<Instant>>,
}

/// What a query asks of a thing.
#[derive(Debug)]
pub struct Question {
    pub thing: usize,
    /// Name, type and class as in a query's question section.
    pub wire: Vec<u8>,
    text: String,
    exists: bool,
}

/// All things, and all that is asked about them.
#[derive(Debug, Default)]
pub struct World {
    pub things: Vec<Thing>,
    pub questions: Vec<Question>,
    /// REFUSED for zones whose file was away for longer than a zone outlives its file.
    pub forgiven: AtomicU64,
}

/// A zone outlives its file for at least so long.
const OUTLIVES: Duration = Duration::from_millis(900);

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const MX: u16 = 15;
const TXT: u16 = 16;

impl Thing {
    /// Counts the next version as begun.
    pub fn begin(&self) -> u32 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The latest version begun.
    pub fn version(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Every query sent from now on gets this version or a later one.
    pub fn confirm(&self, version: u32) {
        let mut confirmed = lock(&self.confirmed);
        if confirmed.last().is_none_or(|&(_, latest)| latest < version) {
            confirmed.push((Instant::now(), version));
        }
    }

    /// Its file goes away, to come back at once.
    pub fn goes_away(&self) {
        *lock(&self.away) = Some(Instant::now());
    }

    /// It is back, and has been seen.
    pub fn is_back(&self) {
        *lock(&self.away) = None;
    }

    /// A machine that had no time for whoever was to bring it back.
    fn is_away_for_long(&self) -> bool {
        lock(&self.away).is_some_and(|since| since.elapsed() > OUTLIVES)
    }

    /// The latest version confirmed.
    pub fn confirmed_version(&self) -> u32 {
        lock(&self.confirmed).last().map_or(0, |&(_, version)| version)
    }

    fn confirmed_before(&self, sent: Instant) -> u32 {
        let confirmed = lock(&self.confirmed);
        let index = confirmed.partition_point(|&(at, _)| at < sent);
        index.checked_sub(1).map_or(0, |index| confirmed[index].1)
    }
}

impl World {
    /// Adds a thing and the questions about it.
    pub fn add(&mut self, kind: Kind, origin: &str) -> usize {
        let thing = self.things.len();
        self.things.push(Thing {
            kind,
            origin: origin.to_owned(),
            begun: AtomicU32::new(0),
            confirmed: Mutex::default(),
            away: Mutex::default(),
        });
        let asked: &[(&str, u16, bool)] = match kind {
            Kind::Zone => &[
                ("", A, true),
                ("", TXT, true),
                ("", SOA, true),
                ("", MX, true),
                ("", NS, true),
                ("alias.", A, true),
                ("none.", A, false),
                ("any.wild.", TXT, true),
            ],
            Kind::Grown => &[("grown.", TXT, true)],
            Kind::Pair => &[("link.", A, true)],
            Kind::Filed | Kind::Regional | Kind::Exempt => &[("", A, true), ("www.", A, true)],
        };
        for &(prefix, qtype, exists) in asked {
            let name = format!("{prefix}{origin}");
            let mut wire = wire_name(&name);
            wire.extend([qtype.to_be_bytes(), [0, 1]].concat());
            self.questions.push(Question { thing, wire, text: format!("{name} {qtype}"), exists });
        }
        thing
    }

    /// Whether the reply is one that may be given to this question at this time.
    pub fn judge(&self, question: &Question, sent: Instant, reply: &[u8]) -> Result<(), String> {
        let thing = &self.things[question.thing];
        let (oldest, newest) = (thing.confirmed_before(sent), thing.version());
        let told = |problem: String| {
            format!("{}: {problem}; versions {oldest} to {newest} may be given", question.text)
        };
        let message = Message::from_vec(reply).map_err(|error| told(error.to_string()))?;
        let expected = if question.exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
        if message.metadata.response_code == ResponseCode::Refused && thing.is_away_for_long() {
            self.forgiven.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if message.metadata.response_code != expected || message.metadata.truncation {
            return Err(told(format!("{:?}", message.metadata)));
        }
        let seen = match thing.kind {
            Kind::Filed | Kind::Exempt => {
                return seen_gate(&message, OPEN_ADDRESS, oldest, newest).map_err(told);
            }
            Kind::Regional => {
                return seen_gate(&message, REGIONAL_ADDRESS, oldest, newest).map_err(told);
            }
            Kind::Grown => seen_grown(&message),
            Kind::Zone => seen_versions(&message, if question.exists { 1 } else { 0 }),
            Kind::Pair => seen_versions(&message, 2),
        };
        let version = seen.map_err(told)?;
        if version < oldest || version > newest {
            return Err(told(format!("version {version} was given")));
        }
        thing.confirm(version);
        Ok(())
    }
}

/// The one version that every record of the reply carries.
fn seen_versions(message: &Message, least_answers: usize) -> Result<u32, String> {
    let records = || message.answers.iter().chain(&message.authorities).chain(&message.additionals);
    if message.answers.len() < least_answers {
        return Err(format!("an answer with records missing: {:?}", message.answers));
    }
    let versions: BTreeSet<u32> = records().filter_map(version_of).collect();
    let mut versions = versions.into_iter();
    match (versions.next(), versions.next()) {
        (Some(version), None) => Ok(version),
        (None, _) => Err("a reply without a version".to_owned()),
        (Some(_), Some(_)) => {
            let records: Vec<String> = records().map(ToString::to_string).collect();
            Err(format!("a reply that mixes two states: {records:#?}"))
        }
    }
}

fn version_of(record: &Record) -> Option<u32> {
    match &record.data {
        RData::A(address) => Some(u32::from(address.0) & 0x00ff_ffff),
        RData::SOA(soa) => Some(soa.serial),
        RData::MX(mx) => Some(mx.preference.into()),
        RData::TXT(_) => txt_version(record),
        RData::CNAME(target) => {
            target.0.to_string().strip_prefix('v')?.split('.').next()?.parse().ok()
        }
        _ => None,
    }
}

fn txt_version(record: &Record) -> Option<u32> {
    let RData::TXT(txt) = &record.data else { return None };
    let text = String::from_utf8(txt.txt_data.concat()).ok()?;
    text.strip_prefix("v=")?.parse().ok()
}

/// The records appended, from the first to the version's, without a gap.
fn seen_grown(message: &Message) -> Result<u32, String> {
    let seen: BTreeSet<u32> = message.answers.iter().filter_map(txt_version).collect();
    match (seen.first(), seen.last()) {
        (Some(first), Some(last)) if (last - first) as usize + 1 == seen.len() => Ok(*last),
        _ => Err(format!("appended records with a gap: {seen:?}")),
    }
}

/// Open or dark, as one of the versions that may be given.
fn seen_gate(message: &Message, open: Ipv4Addr, oldest: u32, newest: u32) -> Result<(), String> {
    let notice: Ipv4Addr = NOTICE_IPV4.parse().expect("an address");
    let addresses: Vec<Ipv4Addr> = message
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        })
        .collect();
    let is_dark = addresses == [notice];
    if !is_dark && addresses != [open] {
        return Err(format!("neither the notice nor the site's own address: {addresses:?}"));
    }
    let fits = (oldest..=newest).any(|version| is_dark_in(version) == is_dark);
    fits.then_some(()).ok_or_else(|| format!("dark: {is_dark}"))
}

/// The address of a domain that a filing or an exemption opens; ours in all versions.
pub const OPEN_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 1);

/// The address of a domain that the regions open, and of no other.
pub const REGIONAL_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 255, 254, 1);

/// Whether a filed domain gets the notice in this version.
pub fn is_dark_in(version: u32) -> bool {
    version % 2 == 1
}

/// An address that carries a version.
pub fn address(version: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 | version)
}

/// The zone file of a [`Kind::Zone`].
pub fn zone_of(origin: &str, version: u32) -> String {
    let address = address(version);
    format!(
        "$ORIGIN {origin}.\n$TTL 300\n\
         @ SOA ns hostmaster {version} 14400 3600 1209600 300\n\
         @ NS ns\nns A {address}\n\
         @ A {address}\n@ TXT \"v={version}\"\n@ MX {version} mail\nmail A {address}\n\
         alias CNAME www\nwww A {address}\n*.wild TXT \"v={version}\"\n"
    )
}

/// The two zone files of a [`Kind::Pair`].
pub fn pair_of(first: &str, second: &str, version: u32) -> [String; 2] {
    let head = |origin: &str| {
        format!("$ORIGIN {origin}.\n$TTL 300\n@ SOA ns.hoster.example. h {version} 1 1 1 300\n")
            + "@ NS ns.hoster.example.\n"
    };
    [
        head(first) + &format!("link CNAME v{version}.{second}.\n"),
        head(second) + &format!("v{version} A {}\n", address(version)),
    ]
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
