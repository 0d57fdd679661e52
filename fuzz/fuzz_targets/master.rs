//! Any bytes as a master file: what is refused is refused at a place inside the text; what is
//! accepted can be found in the zone that is built of it, asked for, written as text and read
//! again. Nothing outside the zones folder is included, and no text is read in time that grows with
//! the square of its length.

#![no_main]

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use beiand::answer::{Context, MAX_MESSAGE, Outcome, Phase, State, Transport, answer};
use beiand::fault::Fault;
use beiand::filing::Verdict;
use beiand::master::records::RecordRef;
use beiand::master::{Reader, Records, record_to_text};
use beiand::region::Region;
use beiand::wire::{HashedName, Name, Rtype};
use beiand::zone::{AddressClass, Builder, Column, Place, Zone, ZoneSet};
use beiand_fuzz::{assert_placed, folder, text_of, with_line_feeds, without_mark};
use hickory_proto::op::Message;
use libfuzzer_sys::{Corpus, fuzz_target};

/// Longer zones, as `$GENERATE` makes them, are read but kept out of the corpus: they are slow.
const MANY: usize = 2_000;
/// Records of a zone that the answer core is asked for.
const ASKED: usize = 24;
/// Types whose data names are compressed in, or that go along with them. Of other types hickory-proto
/// takes less than BIND: an ALPN identifier must be UTF-8 there.
const COMPRESSED: [Rtype; 8] =
    [Rtype::A, Rtype::AAAA, Rtype::NS, Rtype::CNAME, Rtype::SOA, Rtype::PTR, Rtype::MX, Rtype::SRV];
/// Length that a text is repeated to.
const LONG: usize = 128 * 1024;
/// Time on the processor for that length; some hundred times what it takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The zones folder, and the zone file.
struct Folder {
    root: PathBuf,
    file: PathBuf,
    origin: Name,
}

static AT: LazyLock<Folder> = LazyLock::new(|| {
    let folder = folder("master");
    let root = folder.join("zones");
    fs::create_dir_all(root.join("sub")).expect("made");
    let write = |path: PathBuf, text: &str| fs::write(path, text).expect("written");
    write(root.join("in"), "$TTL 60\nincluded A 192.0.2.1\n TXT \"more\"\n");
    write(root.join("sub/up"), "up A 192.0.2.2\n$INCLUDE ../in\n$INCLUDE up\n");
    write(root.join("bad"), "bad A 1.2.3\n\"\n(\n");
    write(folder.join("outside"), "outside A 192.0.2.3\n");
    let _ = std::os::unix::fs::symlink("../outside", root.join("link"));
    let file = root.join("fuzz.zone");
    write(file.clone(), "");
    Folder { root, file, origin: "example.".parse().expect("a name") }
});

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.iter().fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)) == 0 {
        is_read_in_time(bytes);
    }
    let mut records = Records::default();
    let Ok(warnings) = read(bytes, &mut records) else { return Corpus::Keep };
    assert!(warnings.iter().all(|fault| !fault.is_error()), "accepted with an error");
    if records.len() > MANY {
        return Corpus::Reject;
    }
    is_read_again(&records);
    let mut set = ZoneSet::new();
    let built = Builder::new().build(&AT.origin, &records, set.key(), &|address| AddressClass {
        region: if address.is_ipv4() { Region::Own } else { Region::Overseas },
        is_our_nameserver: false,
    });
    if let Ok(zone) = built {
        are_found(&zone, &records, &set);
        set.insert(zone, Column::of(Verdict::Open));
        let state = State { phase: Phase::Serving, zones: set.publish(), ..State::default() };
        are_answered(&state, &records);
    }
    Corpus::Keep
});

/// Reads the zone; the faults stand inside the text, the files inside the folder.
fn read(bytes: &[u8], records: &mut Records) -> Result<Vec<Fault>, Vec<Fault>> {
    let Folder { root, file, origin } = &*AT;
    let result = Reader::new().read_zone_bytes(bytes, file, root, origin, records);
    let (Ok(faults) | Err(faults)) = &result;
    assert!(result.is_ok() || faults.iter().any(Fault::is_error), "refused for nothing");
    let text = with_line_feeds(bytes);
    for fault in faults {
        assert_placed(fault, &text_of(fault, file, without_mark(&text)));
    }
    for file in records.files() {
        assert!(file.starts_with(root), "{} was included", file.display());
    }
    for record in records.iter() {
        assert!(usize::from(record.file) < records.files().len() && record.line > 0);
        assert!(Name::from_wire(record.owner).is_some_and(|owner| owner.is_at_or_below(origin)));
    }
    result
}

/// The records as text are a master file of the same records.
fn is_read_again(records: &Records) {
    let text: String = records.iter().map(|record| record_to_text(record) + "\n").collect();
    let mut again = Records::default();
    if let Err(faults) = read(text.as_bytes(), &mut again) {
        panic!("{}\n{text}", faults[0]);
    }
    let data = |record: RecordRef<'_>| {
        (record.owner.to_vec(), record.rtype, record.ttl, record.rdata.to_vec())
    };
    let (first, second): (Vec<_>, Vec<_>) =
        (records.iter().map(data).collect(), again.iter().map(data).collect());
    assert_eq!(first, second, "{text}");
}

/// Every record stands in the zone, at the node of its name, or below a cut.
fn are_found(zone: &Zone, records: &Records, set: &ZoneSet) {
    let mut rrsets: HashMap<(Vec<u8>, Rtype), usize> = HashMap::new();
    for record in records.iter() {
        *rrsets.entry((record.owner.to_ascii_lowercase(), record.rtype)).or_default() += 1;
    }
    for record in records.iter() {
        let name = HashedName::read(record.owner, set.key()).expect("an owner");
        let node = match zone.locate(&name) {
            Place::Node(node) | Place::Delegated { delegation: node, is_exact: true } => node,
            Place::Delegated { .. } | Place::Redirected(_) => continue,
            Place::Wildcard(_) | Place::Missing => panic!("not found: {}", record_to_text(record)),
        };
        let rrset = node.rrset(record.rtype).expect("the record's type at its node");
        assert_eq!(rrset.ttl(), record.ttl);
        let count = rrsets[&(name.as_wire().to_vec(), record.rtype)];
        assert_eq!(usize::from(rrset.record_count()), count, "{}", record_to_text(record));
    }
    let stored = zone.nodes().flat_map(|node| {
        node.rrsets().map(|rrset| usize::from(rrset.record_count())).collect::<Vec<_>>()
    });
    assert_eq!(stored.sum::<usize>(), records.len(), "records in the zone");
}

/// What is asked for is answered with a message that another implementation can read.
fn are_answered(state: &State, records: &Records) {
    let context =
        Context { client: IpAddr::V4(Ipv4Addr::LOCALHOST), transport: Transport::Stream, now: 1 };
    let mut out = vec![0; MAX_MESSAGE];
    for record in records.iter().filter(|r| COMPRESSED.contains(&r.rtype)).take(ASKED) {
        let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend_from_slice(record.owner);
        query.extend_from_slice(&record.rtype.0.to_be_bytes());
        query.extend_from_slice(&[0, 1]);
        let Outcome::Reply(reply) = answer(state, &context, &query, &mut out) else {
            panic!("no reply: {}", record_to_text(record));
        };
        if let Err(error) = Message::from_vec(&out[..reply.len]) {
            panic!("{error}: {}\n{:02x?}", record_to_text(record), &out[..reply.len]);
        }
    }
}

/// The text over and over, each time for other names, is read in time that grows with its length.
fn is_read_in_time(bytes: &[u8]) {
    let lines = || bytes.split_inclusive(|byte| *byte == b'\n');
    let starts_with = |line: &[u8], start: &[u8]| {
        line.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
    };
    let has_soa = |line: &&[u8]| line.windows(3).any(|word| word.eq_ignore_ascii_case(b"SOA"));
    let once: Vec<&[u8]> =
        lines().filter(|line| !starts_with(line, b"$") && !has_soa(line)).collect();
    let once = once.concat();
    if once.is_empty() {
        return;
    }
    let first = lines().filter(|l| !starts_with(l, b"$GENERATE") && !starts_with(l, b"$INCLUDE"));
    let mut long = first.collect::<Vec<_>>().concat();
    for number in 0.. {
        if long.len() >= LONG {
            break;
        }
        long.extend_from_slice(format!("\n$ORIGIN n{number}.example.\n").as_bytes());
        long.extend_from_slice(&once);
    }
    let started = time_on_the_processor();
    let mut records = Records::default();
    let Folder { root, file, origin } = &*AT;
    if Reader::new().read_zone_bytes(&long, file, root, origin, &mut records).is_ok() {
        let own = |_| AddressClass { region: Region::Own, is_our_nameserver: false };
        let _ = Builder::new().build(origin, &records, ZoneSet::new().key(), &own);
    }
    let spent = time_on_the_processor() - started;
    assert!(spent < PATIENCE, "{spent:?} for {} bytes", long.len());
}

/// What this thread has used (Linux), however busy the machine is.
fn time_on_the_processor() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
