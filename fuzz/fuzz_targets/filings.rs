//! Any bytes as a filing file, in each format: read in pieces as they are appended, it says what
//! it says when it is read at once; bad lines are counted, and their faults stand inside the text;
//! whatever a record says, a decision can be taken on it.

#![no_main]

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use beiand::fault::Fault;
use beiand::feed::{Feed, FeedChange, FeedSettings, Hint, Moment, Scope, Shrink, SiteKey};
use beiand::filing::decide::{FilingPolicy, Target, decide};
use beiand::filing::site_domain::{SiteDomain, normalise};
use beiand::filing::{Facts, Instant};
use beiand_fuzz::{assert_placed, folder, without_mark};
use libfuzzer_sys::fuzz_target;

/// Longer than any file has been quiet, unless the moment lies in the future.
const SETTLE: Duration = Duration::from_secs(3600);
/// The faults that are told of one file.
const FAULTS_TOLD: usize = 1000;
/// Times at which decisions are taken: 1970, November 2026, and where 32 bits end.
const INSTANTS: [i64; 4] = [0, 1_795_000_000, u32::MAX as i64, i64::MAX];

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| folder("filings"));

fuzz_target!(|bytes: &[u8]| {
    // What is told of times that lie ahead must not differ between one reading and the next.
    let now = Moment::now();
    let now = Moment { monotonic: now.monotonic + 2 * SETTLE, wall: now.wall + 2 * SETTLE };
    let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let names: &[&str] = if is_json { &["f.ndjson", "f.json"] } else { &["f.csv"] };
    let sites = sites(bytes);
    for name in names {
        let path = FOLDER.join(name);
        let whole = at_once(&path, bytes, now);
        is_counted(&whole, bytes);
        is_decided(&whole.feed, &sites);
        if *name != "f.json" {
            let pieces = in_pieces(&path, bytes, now);
            is_same(&whole, &pieces, &sites);
        }
        fs::remove_file(&path).expect("removed");
    }
});

/// A feed, what it told of each reading, and the last.
struct Told {
    feed: Feed,
    faults: Vec<Fault>,
    last: FeedChange,
}

fn settings() -> FeedSettings {
    FeedSettings {
        path: FOLDER.clone(),
        provider: "hoster".into(),
        // Bad lines refuse no file: how many are borne differs between a file and its beginning.
        max_bad_lines: 1.0,
        max_shrink: 1.0,
        settle: SETTLE,
    }
}

fn at_once(path: &Path, bytes: &[u8], now: Moment) -> Told {
    fs::write(path, bytes).expect("written");
    let (feed, last) = Feed::open(settings(), now);
    let faults = last.faults.clone();
    Told { feed, faults, last }
}

/// The file as it is appended to in three pieces; the writer is seen to be writing until the last.
fn in_pieces(path: &Path, bytes: &[u8], now: Moment) -> Told {
    fs::remove_file(path).expect("removed");
    let (mut feed, mut last) = Feed::open(settings(), now);
    let mut faults = Vec::new();
    let mut file = File::create(path).expect("made");
    for (piece, is_last) in pieces(bytes) {
        file.write_all(piece).expect("written");
        let hints = if is_last { vec![] } else { vec![Hint::Writing(path.to_owned())] };
        let scope = Scope::Paths(vec![path.to_owned()]);
        last = feed.refresh(&scope, &hints, Shrink::Accept, now);
        faults.extend(last.faults.iter().cloned());
    }
    Told { feed, faults, last }
}

/// Where the cuts are depends on the text alone.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let sum = bytes
        .iter()
        .fold(0x811c_9dc5u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let cut = |sum: u32| sum as usize % (bytes.len() + 1);
    let (one, other) = (cut(sum), cut(sum.rotate_left(16)));
    let (first, second) = (one.min(other), one.max(other));
    [(&bytes[..first], false), (&bytes[first..second], false), (&bytes[second..], true)].into_iter()
}

/// The site domains that the text may speak of.
fn sites(bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split([',', '"', '\n', '\r', '{', '}', ' ']);
    let names: HashSet<&str> = words.filter(|word| !word.is_empty()).collect();
    let names = names.into_iter().filter_map(|name| normalise(name).ok());
    names.filter_map(|name| SiteDomain::of_text(&name).map(|s| s.as_str().to_owned())).collect()
}

/// Each bad record has a fault, which stands on a line of the text.
fn is_counted(told: &Told, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for fault in &told.faults {
        assert_placed(fault, without_mark(&text));
    }
    let errors = told.faults.iter().filter(|fault| fault.is_error() && fault.line > 0).count();
    let bad = told.last.stats.bad_lines;
    assert!(errors >= FAULTS_TOLD || bad <= errors as u64, "{bad} bad, {errors} faults");
}

fn is_decided(feed: &Feed, sites: &BTreeSet<String>) {
    for site in sites {
        let records = feed.store().records_of(SiteKey::of(site));
        let records = records.filter(|record| record.covers_name(site));
        let facts: Vec<Facts> = records.map(|record| record.facts).collect();
        for at in INSTANTS {
            for target in [Target::Own, Target::OtherMainland] {
                let decision = decide(&facts, Instant(at), target, &FilingPolicy::default());
                assert!(decision.next_change.is_none_or(|next| next.0 > at), "{decision:?}");
            }
        }
        for shown in feed.find_records(site) {
            assert!(!shown.read_texts().is_empty(), "line {} is not found again", shown.line);
        }
    }
}

fn is_same(whole: &Told, pieces: &Told, sites: &BTreeSet<String>) {
    let (one, other) = (whole.feed.store(), pieces.feed.store());
    assert_eq!(one.len(), other.len(), "records");
    assert_eq!(whole.last.stats.bad_lines, pieces.last.stats.bad_lines, "bad lines");
    assert_eq!(whole.last.refused, pieces.last.refused);
    for site in sites {
        assert_eq!(records(&whole.feed, site), records(&pieces.feed, site), "{site}");
    }
    for fault in whole.faults.iter().filter(|fault| fault.line > 0) {
        assert!(pieces.faults.contains(fault), "not told of pieces: {fault}");
    }
}

/// Everything that the store has of a site domain: line, name covered, facts.
fn records(feed: &Feed, site: &str) -> Vec<(u32, Option<String>, Facts)> {
    let records = feed.store().records_of(SiteKey::of(site));
    let mut records: Vec<_> = records
        .map(|record| (record.place.line, record.covers.map(str::to_owned), record.facts))
        .collect();
    records.sort_by_key(|(line, _, facts)| (*line, facts.key));
    records
}
