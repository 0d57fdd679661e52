//! What reading costs: a zone file to records and to a block, filing rows to the store, and a verdict
//! from the store.
//!
//! `cargo bench --bench reading [-- NAME]`
//!
//! Where there are many small things, each iteration goes through many of them, and the throughput
//! tells how many a second. `benches/instructions` counts instructions, for which each case runs once
//! within [`counted`].

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use beiand::feed::{Changed, Feed, FeedSettings, FilingStore, Moment, Scope, Shrink, SiteKey};
use beiand::filing::decide::{FilingPolicy, Target, decide};
use beiand::filing::{Facts, Instant};
use beiand::master::{Reader, Records};
use beiand::region::Region;
use beiand::state::verdicts::Rules;
use beiand::wire::{HashKey, Name};
use beiand::zone::{AddressClass, Builder, Zone};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

#[allow(dead_code)]
#[path = "load/data.rs"]
mod data;
#[path = "../tests/common/peers.rs"]
mod peers;

/// Small zones of one iteration.
const ZONES: usize = 1_000;
/// Records of a large zone, and rows of a file: little enough to be read by one thread.
const MANY: usize = 10_000;
/// Records of the store that verdicts are taken from.
const FILINGS: usize = 1_000_000;
/// Verdicts of one iteration.
const VERDICTS: usize = 10_000;
const NOW: Instant = Instant(1_795_000_000);

fn main() {
    divan::main();
}

/// What is counted, and nothing around it.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn scatter(n: usize) -> usize {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

// --- Zones -------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Zones {
    /// Of nine records each, as the load's.
    Small,
    /// One with many addresses.
    Large,
    /// As a signed zone has its texts: keys and signatures in base64, a kilobyte at a name.
    LongTexts,
}

const KINDS: [Zones; 3] = [Zones::Small, Zones::Large, Zones::LongTexts];

impl Zones {
    fn texts(self) -> Vec<(Name, String)> {
        let named = |origin: &str, text: String| (origin.parse().expect("a name"), text);
        let mut head = "$TTL 3600\n@ SOA ns1 hostmaster 1 14400 3600 1209600 300\n@ NS ns1\n\
                        @ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n"
            .to_owned();
        match self {
            Zones::Small => (0..ZONES)
                .map(|number| {
                    let text = data::zone_text(number, 2_024_000_000, data::address(number));
                    named(&data::origin(number), text)
                })
                .collect(),
            Zones::Large => {
                for number in 5..MANY {
                    let [_, b, c, d] = data::address(number);
                    writeln!(head, "host{number} A 10.{b}.{c}.{d}").expect("a String");
                }
                vec![named("large.example", head)]
            }
            Zones::LongTexts => {
                let part = "c2lnbmF0dXJlIG9yIGtleSBpbiBiYXNlNjQs".repeat(7);
                for number in 0..MANY / 10 {
                    let parts = format!("\"{part}\" ").repeat(4);
                    writeln!(head, "k{number} TXT ( {parts})").expect("a String");
                }
                vec![named("texts.example", head)]
            }
        }
    }
}

struct Reading {
    reader: Reader,
    records: Records,
}

impl Reading {
    fn new() -> Reading {
        Reading { reader: Reader::new(), records: Records::default() }
    }

    fn read(&mut self, (origin, text): &(Name, String)) -> &Records {
        let file = Path::new("zone");
        let read =
            self.reader.read_zone_bytes(text.as_bytes(), file, file, origin, &mut self.records);
        read.expect("a good zone");
        &self.records
    }
}

fn build(builder: &mut Builder, origin: &Name, records: &Records, key: HashKey) -> Zone {
    let class = AddressClass { region: Region::Own, is_our_nameserver: false };
    let classify = move |_: IpAddr| class;
    builder.build(origin, records, key, &classify).expect("a good zone")
}

/// The master-file parser with its checks.
#[divan::bench(args = KINDS)]
fn parse(bencher: Bencher, kind: Zones) {
    let texts = kind.texts();
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    let mut reading = Reading::new();
    let count = ItemsCount::new(texts.len());
    bencher.counter(count).counter(BytesCount::new(bytes)).bench_local(|| {
        counted(|| {
            for zone in &texts {
                black_box(reading.read(zone).len());
            }
        });
    });
}

/// From records to the block that is served.
#[divan::bench(args = KINDS)]
fn block(bencher: Bencher, kind: Zones) {
    let texts = kind.texts();
    let read: Vec<(Name, Records)> = texts
        .iter()
        .map(|zone| {
            let mut reading = Reading::new();
            reading.read(zone);
            (zone.0.clone(), reading.records)
        })
        .collect();
    let (mut builder, key) = (Builder::new(), HashKey::random());
    bencher.counter(ItemsCount::new(texts.len())).bench_local(|| {
        counted(|| {
            for (origin, records) in &read {
                black_box(build(&mut builder, origin, records, key));
            }
        });
    });
}

// --- Filings -----------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Format {
    Csv,
    /// Each value in double quotes.
    QuotedCsv,
    Ndjson,
    /// A reply of the ministry's query.
    MiitJson,
}

const FORMATS: [Format; 4] = [Format::Csv, Format::QuotedCsv, Format::Ndjson, Format::MiitJson];

const HEADER: &str =
    "domain,subject_number,site_number,subject,nature,status,approved_at,provider,synced_at";

fn domain(number: usize) -> String {
    if number < ZONES { data::origin(number) } else { format!("elsewhere{number}.com") }
}

fn row(number: usize) -> String {
    data::filing(&domain(number), number, "in-force")
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Format::Csv | Format::QuotedCsv => "csv",
            Format::Ndjson => "ndjson",
            Format::MiitJson => "json",
        }
    }

    fn text(self, rows: usize) -> String {
        let each = |line: fn(&[&str]) -> String, after: &str| {
            let lines = (0..rows).map(|number| {
                let row = row(number);
                line(&row.trim_end().split(',').collect::<Vec<_>>())
            });
            lines.collect::<Vec<_>>().join(after)
        };
        match self {
            Format::Csv => format!("{HEADER}\n{}\n", each(|values| values.join(","), "\n")),
            Format::QuotedCsv => {
                let quoted = |values: &[&str]| format!("\"{}\"", values.join("\",\""));
                format!("{HEADER}\n{}\n", each(quoted, "\n"))
            }
            Format::Ndjson => {
                let object = |values: &[&str]| {
                    let pairs = HEADER.split(',').zip(values);
                    let pairs: Vec<String> =
                        pairs.map(|(key, value)| format!("\"{key}\":\"{value}\"")).collect();
                    format!("{{{}}}", pairs.join(","))
                };
                each(object, "\n") + "\n"
            }
            Format::MiitJson => {
                let object = |values: &[&str]| {
                    format!(
                        "{{\"contentTypeName\":\"\",\"domain\":\"{}\",\"domainId\":1,\
                         \"leaderName\":\"\",\"limitAccess\":\"否\",\"mainId\":1,\
                         \"mainLicence\":\"{}\",\"natureName\":\"企业\",\"serviceId\":1,\
                         \"serviceLicence\":\"{}\",\"unitName\":\"{}\",\
                         \"updateRecordTime\":\"2024-01-02 10:00:00\"}}",
                        values[0], values[1], values[2], values[3]
                    )
                };
                format!(
                    "{{\"code\":200,\"msg\":\"操作成功\",\"params\":{{\"list\":[{}]}},\
                     \"success\":true}}",
                    each(object, ",")
                )
            }
        }
    }
}

fn settings(path: &Path) -> FeedSettings {
    FeedSettings {
        path: path.to_owned(),
        provider: "hoster".into(),
        max_bad_lines: 0.0,
        max_shrink: 1.0,
        settle: Duration::ZERO,
    }
}

fn feed_of(folder: &Path, rows: usize) -> Feed {
    let (feed, change) = Feed::open(settings(folder), Moment::now());
    assert!(change.faults.is_empty(), "{:?}", change.faults.first());
    assert_eq!(feed.store().len(), rows);
    feed
}

/// A file to a store, as at a start.
#[divan::bench(args = FORMATS)]
fn filings(bencher: Bencher, format: Format) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format.text(MANY);
    let bytes = BytesCount::new(text.len());
    fs::write(folder.path().join("1").with_extension(format.extension()), text).expect("written");
    bencher.counter(ItemsCount::new(MANY)).counter(bytes).bench_local(|| {
        counted(|| feed_of(folder.path(), MANY));
    });
}

/// What becomes of a file whose rows come in another order.
#[derive(Clone, Copy, Debug)]
enum Reread {
    Csv,
    Ndjson,
    /// And each row says something else.
    EveryRowNew,
}

impl Reread {
    fn format(self) -> Format {
        match self {
            Reread::Csv | Reread::EveryRowNew => Format::Csv,
            Reread::Ndjson => Format::Ndjson,
        }
    }

    /// The file as it is, and as it is then.
    fn texts(self) -> [String; 2] {
        let text = self.format().text(MANY);
        let (head, rows) = match self.format() {
            Format::Csv => text.split_once('\n').expect("a header"),
            _ => ("", text.as_str()),
        };
        let turned: String = rows.split_inclusive('\n').rev().collect();
        let turned = match self {
            Reread::EveryRowNew => turned.replace("T15:", "T16:"),
            Reread::Csv | Reread::Ndjson => turned,
        };
        let turned = if head.is_empty() { turned } else { format!("{head}\n{turned}") };
        [text, turned]
    }
}

/// A file that another one is put in the place of, to the store that has its records.
#[divan::bench(args = [Reread::Csv, Reread::Ndjson, Reread::EveryRowNew], sample_size = 1)]
fn reread(bencher: Bencher, reread: Reread) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("1").with_extension(reread.format().extension());
    let texts = reread.texts();
    let bytes = BytesCount::new(texts[0].len());
    fs::write(&file, &texts[0]).expect("written");
    let mut feed = feed_of(folder.path(), MANY);
    let mut next = texts.iter().cycle().skip(1);
    let replace = || {
        let aside = file.with_extension("tmp");
        fs::write(&aside, next.next().expect("they come again and again")).expect("written");
        fs::rename(&aside, &file).expect("renamed");
    };
    let bencher = bencher.counter(ItemsCount::new(MANY)).counter(bytes).with_inputs(replace);
    bencher.bench_local_values(|()| {
        let change = counted(|| feed.refresh(&Scope::All, &[], Shrink::Accept, Moment::now()));
        assert_eq!((change.changed == Changed::None), !matches!(reread, Reread::EveryRowNew));
    });
}

// --- Verdicts ----------------------------------------------------------------------------------

fn filed(rows: usize) -> Feed {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("1.csv"), Format::Csv.text(rows)).expect("written");
    feed_of(folder.path(), rows)
}

#[derive(Clone, Copy, Debug)]
enum Which {
    /// The same few again and again.
    Hot,
    /// All of them, one as often as another.
    Uniform,
}

impl Which {
    fn number(self, n: usize, of: usize) -> usize {
        match self {
            Which::Hot => n % 16,
            Which::Uniform => scatter(n) % of,
        }
    }
}

/// Of the facts of one record, at hand.
#[divan::bench]
fn decision(bencher: Bencher) {
    let (policy, facts) = (FilingPolicy::default(), facts_of(filed(2).store(), &domain(1)));
    bencher.counter(ItemsCount::new(VERDICTS)).bench_local(|| {
        counted(|| {
            for _ in 0..VERDICTS {
                black_box(decide(black_box(&facts), NOW, Target::Own, &policy));
            }
        });
    });
}

fn facts_of(store: &FilingStore, domain: &str) -> Vec<Facts> {
    let records = store.records_of(SiteKey::of(domain));
    let facts: Vec<Facts> = records.map(|record| record.facts).collect();
    assert_eq!(facts.len(), 1);
    facts
}

/// All that a zone's verdict takes, from its apex on.
#[divan::bench(args = [Which::Hot, Which::Uniform])]
fn verdict(bencher: Bencher, which: Which) {
    let (rules, feed, key) = (Rules::default(), filed(FILINGS), HashKey::random());
    let (mut reading, mut builder) = (Reading::new(), Builder::new());
    let zones: Vec<Zone> = (0..VERDICTS)
        .map(|n| {
            let origin: Name = domain(which.number(n, FILINGS)).parse().expect("a name");
            let text = "@ 60 SOA ns1 h 1 2 3 4 5\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n".to_owned();
            let zone = (origin, text);
            build(&mut builder, &zone.0, reading.read(&zone), key)
        })
        .collect();
    bencher.counter(ItemsCount::new(VERDICTS)).bench_local(|| {
        counted(|| {
            for zone in &zones {
                black_box(rules.judge(zone, feed.store(), NOW));
            }
        });
    });
}
