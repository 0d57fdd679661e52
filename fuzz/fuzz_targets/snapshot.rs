//! Any bytes as a snapshot: as they are; as damage to one that was just written, which is found or
//! left it as it was; and as other chunks in it, with right checksums, so that what reads them is
//! reached. It is read or left aside, and so is what a start then does with it: nothing panics,
//! hangs, or takes more memory than the file.

#![no_main]

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use beiand::feed::{Feed, FeedSettings, Moment, Scope, Shrink};
use beiand::filing::decide::{FilingPolicy, Target, decide};
use beiand::filing::{Instant, Verdict};
use beiand::region::Region;
use beiand::reload::read_zones::{Loaded, read_zones};
use beiand::reload::zone_files::{ZoneFiles, read_chunk};
use beiand::snapshot::{Kind, Snapshot, Unusable, Writer};
use beiand::zone::{AddressClass, Column, ZoneSet};
use beiand_fuzz::folder;
use libfuzzer_sys::fuzz_target;

const HEAD: usize = 28;
const CHUNK_HEAD: usize = 16;
const KINDS: [Kind; 5] = [Kind::About, Kind::Filings, Kind::Records, Kind::ZoneFiles, Kind::Zones];

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| folder("snapshot"));
static RUNNING: AtomicBool = AtomicBool::new(false);
/// Written anew at each start, so that it is of the present format.
static WHOLE: LazyLock<Whole> = LazyLock::new(Whole::written);

fuzz_target!(|input: &[u8]| {
    let whole = &*WHOLE;
    let _ = start_from(&put(input));
    let mut damaged = whole.bytes.clone();
    edits(input).for_each(|edit| edit.apply(&mut damaged));
    let is_found = start_from(&put(&damaged)).is_err();
    assert!(is_found || damaged.starts_with(&whole.bytes), "damage is not seen");
    let _ = start_from(&sealed(&whole.chunks, input));
});

/// A snapshot as it was written.
struct Whole {
    bytes: Vec<u8>,
    chunks: Vec<(Kind, Vec<u8>)>,
}

impl Whole {
    fn written() -> Whole {
        let settings = settings();
        let zones = zones_folder();
        fs::create_dir_all(&settings.path).expect("a folder");
        fs::create_dir_all(zones.join("a")).expect("a folder");
        fs::write(settings.path.join("1.csv"), FILINGS).expect("written");
        fs::write(settings.path.join("2.ndjson"), MOVING).expect("written");
        fs::write(zones.join("a/one.example.zone"), ZONE).expect("written");
        fs::write(zones.join("Two.example.zone"), ZONE).expect("written");
        fs::write(zones.join("www.inc"), "www A 192.0.2.2\n").expect("written");

        let path = FOLDER.join("whole");
        let mut writer = Writer::create(&path, &RUNNING).expect("a file");
        writer.put_json(Kind::About, &"key and classes are the rebuild's").expect("a chunk");
        let (feed, change) = Feed::open(settings, Moment::now());
        assert!(change.faults.is_empty(), "{:?}", change.faults);
        feed.to_save().write(&mut writer).expect("chunks");
        let mut files = ZoneFiles::new(&zones, Duration::ZERO);
        let found = files.scan(&beiand::reload::Scope::All, &[]);
        let mut set = ZoneSet::new();
        let class = AddressClass { region: Region::Own, is_our_nameserver: false };
        let classify = |_: IpAddr| class;
        read_zones(&found.changed, &zones, set.key(), &classify, |file, loaded| match loaded {
            Loaded::Zone { zone, includes, .. } => {
                files.note_includes(&file.origin, &includes);
                set.insert(zone, Column::of(Verdict::Exempt));
            }
            _ => panic!("a zone is refused"),
        });
        files.to_save(std::iter::empty()).write(&set.publish(), &mut writer).expect("chunks");
        writer.finish().expect("written");
        start_from(&path).expect("what was written can be read");

        let bytes = fs::read(&path).expect("it");
        let (mut chunks, mut rest) = (Vec::new(), &bytes[HEAD..]);
        loop {
            let (head, behind) = rest.split_at(CHUNK_HEAD);
            let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("4"));
            let Some(kind) = KINDS.into_iter().find(|kind| *kind as u32 == number(0)) else {
                break;
            };
            let (chunk, behind) = behind.split_at(number(4) as usize);
            chunks.push((kind, chunk.to_vec()));
            rest = behind;
        }
        Whole { bytes, chunks }
    }
}

const FILINGS: &str = "\
domain,subject_number,site_number,status,approved_at,provider,synced_at,application,application_status,application_at
one.example,京ICP备2025000001号,京ICP备2025000001号-1,in-force,2025-06-01T10:00:00+08:00,hoster,2025-06-01T12:00:00+08:00,change,under-review,2025-07-01T12:00:00+08:00
shop.two.example,京ICP备2025000001号,京ICP备2025000001号-2,cancelled,2025-06-01T10:00:00+08:00,hoster,,,,
";
const MOVING: &str = "\
{\"domain\":\"old.example\",\"subject_number\":\"京ICP备2025000002号\",\"site_number\":\"京ICP备2025000002号-1\",\"status\":\"in-force\",\"approved_at\":\"2025-06-01T10:00:00+08:00\",\"provider\":\"hoster\",\"synced_at\":\"2025-06-01T12:00:00+08:00\",\"application\":\"change-domain\",\"application_status\":\"approved\",\"application_at\":\"2025-08-01T12:00:00+08:00\",\"new_domain\":\"one.example\"}
";
const ZONE: &str = "\
$TTL 3600
@ SOA ns1 hostmaster 1 14400 3600 1209600 300
@ NS ns1
@ NS ns2.elsewhere.invalid.
ns1 A 192.0.2.1
$INCLUDE www.inc
";

fn settings() -> FeedSettings {
    FeedSettings {
        path: FOLDER.join("filings"),
        provider: "hoster".into(),
        max_bad_lines: 0.0,
        max_shrink: 0.0,
        settle: Duration::ZERO,
    }
}

fn zones_folder() -> PathBuf {
    FOLDER.join("zones")
}

fn put(bytes: &[u8]) -> PathBuf {
    let path = FOLDER.join("snapshot");
    fs::write(&path, bytes).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    path
}

/// One change of some bytes: where, in two bytes, so many of them give way to so many others.
struct Edit<'a> {
    chunk: usize,
    at: usize,
    less: usize,
    more: &'a [u8],
}

impl Edit<'_> {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = self.at % (bytes.len() + 1);
        let end = (at + self.less).min(bytes.len());
        bytes.splice(at..end, self.more.iter().copied());
    }
}

fn edits(mut input: &[u8]) -> impl Iterator<Item = Edit<'_>> {
    std::iter::from_fn(move || {
        let [chunk, high, low, less, more, rest @ ..] = input else { return None };
        let (chunk, less) = (usize::from(*chunk), usize::from(*less));
        let (more, rest) = rest.split_at(usize::from(*more).min(rest.len()));
        input = rest;
        Some(Edit { chunk, at: usize::from(u16::from_be_bytes([*high, *low])), less, more })
    })
}

/// The chunks, edited, in a whole file. An edit of a chunk that is none adds one, whose kind is the
/// rest.
fn sealed(chunks: &[(Kind, Vec<u8>)], input: &[u8]) -> PathBuf {
    let mut chunks = chunks.to_vec();
    for edit in edits(input) {
        let kind = KINDS[edit.chunk % KINDS.len()];
        match chunks.get_mut(edit.chunk) {
            Some((_, chunk)) => edit.apply(chunk),
            None => chunks.push((kind, edit.more.to_vec())),
        }
    }
    let path = FOLDER.join("sealed");
    let mut writer = Writer::create(&path, &RUNNING).expect("a file");
    for (kind, chunk) in chunks {
        writer.put(kind, &chunk).expect("a chunk");
    }
    writer.finish().expect("written");
    path
}

/// As a start does: both halves are restored, each held against the files as they are, and the
/// records judged. Within a zone nothing is checked, so nothing is asked of it.
fn start_from(path: &Path) -> Result<(), Unusable> {
    let Some(snapshot) = Snapshot::open(path)? else { return Ok(()) };
    let mut feed = Feed::restore(settings(), &snapshot)?;
    feed.refresh(&Scope::All, &[], Shrink::Accept, Moment::now());
    let (store, mut facts) = (feed.store(), Vec::new());
    for site in store.sites() {
        let records = store.records_of(site);
        let records = records.filter(|record| record.covers_name("one.example"));
        facts.extend(records.map(|record| record.facts));
    }
    decide(&facts, Instant(1_795_000_000), Target::Own, &FilingPolicy::default());
    feed.to_save();
    let mut files = ZoneFiles::restore(&zones_folder(), Duration::ZERO, &snapshot)?;
    let none_yet = files.saved_files();
    let read = |chunk: &[u8]| {
        let (mut saved, mut zones) = (none_yet.clone(), Vec::new());
        read_chunk(chunk, &mut saved, |zone, _| zones.push(zone))?;
        Ok((saved, zones))
    };
    snapshot.each(Kind::Zones, read, |_, (saved, zones)| {
        files.note_saved(saved);
        assert!(zones.iter().all(|zone| zone.apex().len() <= 255));
        Ok(())
    })?;
    files.scan(&beiand::reload::Scope::All, &[]);
    snapshot.json::<String>(Kind::About).map(drop)
}
