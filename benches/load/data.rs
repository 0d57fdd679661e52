//! The zones, the filings and the queries of a run. Each zone has its own addresses, serial and
//! texts, so that no server profits from a shared template file.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::peers::ZoneFile;

/// The notice address; a blocked name's answer.
pub const NOTICE: [u8; 4] = [203, 0, 113, 80];

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuerySet {
    /// Open zones, a few of them asked for most of the time.
    Hot,
    /// Open zones, each as often as the others.
    Uniform,
    /// Names that do not exist, in open zones.
    Nxdomain,
    /// Zones without a filing.
    Blocked,
    /// Names below a delegation of an open zone, with its glue.
    Referral,
    /// Domains that no server here hosts.
    NotHosted,
}

/// Whether queries carry an OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edns {
    /// Version 0, 1,232 bytes: as resolvers ask.
    With,
    /// A bare question.
    Without,
}

impl Edns {
    /// As the report calls it, after the name of a set.
    pub fn suffix(self) -> &'static str {
        match self {
            Edns::With => "",
            Edns::Without => ", no EDNS",
        }
    }
}

impl QuerySet {
    /// All of them, in the order of the report.
    pub const ALL: [QuerySet; 6] = [
        QuerySet::Hot,
        QuerySet::Uniform,
        QuerySet::Nxdomain,
        QuerySet::Blocked,
        QuerySet::Referral,
        QuerySet::NotHosted,
    ];

    /// As the command line and the report call it.
    pub fn name(self) -> &'static str {
        match self {
            QuerySet::Hot => "hot",
            QuerySet::Uniform => "uniform",
            QuerySet::Nxdomain => "nxdomain",
            QuerySet::Blocked => "blocked",
            QuerySet::Referral => "referral",
            QuerySet::NotHosted => "not-hosted",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<QuerySet> {
        QuerySet::ALL.into_iter().find(|set| set.name() == name)
    }
}

/// Ready-made query packets, one after the other.
pub struct Queries {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    edns: Edns,
}

/// Bytes of an OPT record without options.
const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

impl Queries {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// One packet; its id is zero.
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[start..self.ends[index] as usize]
    }

    /// The question of a packet.
    pub fn question(&self, index: usize) -> &[u8] {
        let packet = self.get(index);
        match self.edns {
            Edns::With => &packet[12..packet.len() - OPT.len()],
            Edns::Without => &packet[12..],
        }
    }

    fn push(&mut self, name: &str, qtype: u16) {
        self.bytes.extend([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(self.edns == Edns::With)]);
        for label in name.split('.') {
            self.bytes.push(label.len() as u8);
            self.bytes.extend(label.as_bytes());
        }
        self.bytes.push(0);
        self.bytes.extend(qtype.to_be_bytes());
        self.bytes.extend([0, 1]);
        if self.edns == Edns::With {
            self.bytes.extend(OPT);
        }
        self.ends.push(self.bytes.len() as u32);
    }
}

/// What was written.
pub struct Data {
    /// Every zone, in order; those whose number ends in 7 have no filing.
    pub zones: Vec<ZoneFile>,
    /// The folder of the zones.
    pub zones_folder: PathBuf,
    /// The folder of the filings.
    pub filings_folder: PathBuf,
    /// How many domains have a number; those behind the zones' are hosted elsewhere.
    filings: usize,
}

/// How the records of the filing file stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By number.
    Ascending,
    /// The last one first.
    Descending,
}

const TLDS: [&str; 6] = ["com", "cn", "net", "com.cn", "org", "top"];
const WORDS: [&str; 16] = [
    "jade",
    "river",
    "cloud",
    "panda",
    "tea",
    "silk",
    "lotus",
    "dragon",
    "harbour",
    "garden",
    "market",
    "travel",
    "studio",
    "clinic",
    "school",
    "machinery",
];

/// The origin of the zone with this number.
pub fn origin(number: usize) -> String {
    format!("{}{number}.{}", WORDS[number * 7 % WORDS.len()], TLDS[number % TLDS.len()])
}

/// Whether the zone with this number is filed.
pub fn is_filed(number: usize) -> bool {
    number % 10 != 7
}

/// Whether the zone with this number delegates `dev` below it.
fn delegates(number: usize) -> bool {
    number.is_multiple_of(20)
}

/// The text of a zone of nine records.
pub fn zone_text(number: usize, serial: u32, address: [u8; 4]) -> String {
    let [a, b, c, d] = address;
    let origin = origin(number);
    let mut text = String::with_capacity(600);
    write!(
        text,
        "$ORIGIN {origin}.\n$TTL {ttl}\n\
         @ IN SOA ns1.hoster.example. hostmaster.{origin}. {serial} 14400 3600 1209600 300\n\
         @ IN NS ns1.hoster.example.\n@ IN NS ns2.hoster.example.\n\
         @ IN A {a}.{b}.{c}.{d}\n@ IN MX 10 mail\n\
         www IN A {a}.{b}.{c}.{d}\nmail IN A {a}.{b}.{c}.{e}\n",
        ttl = 300 + number % 7 * 300,
        e = d ^ 1,
    )
    .expect("a String");
    let [hi, lo] = [number >> 16, number & 0xFFFF];
    if delegates(number) {
        write!(text, "dev IN NS ns.dev\nns.dev IN AAAA 2001:db8:1:{hi:x}::{lo:x}\n")
    } else {
        let token = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        write!(
            text,
            "@ IN AAAA 2001:db8:1:{hi:x}::{lo:x}\n\
             @ IN TXT \"v=spf1 ip4:{a}.{b}.{c}.{d} -all; token={token:016x}\"\n"
        )
    }
    .expect("a String");
    text
}

/// The address of a zone as first written.
pub fn address(number: usize) -> [u8; 4] {
    [10, (number >> 16) as u8, (number >> 8) as u8, number as u8]
}

/// The serial of a zone as first written.
fn serial(number: usize) -> u32 {
    2_024_000_000 + (number as u32).wrapping_mul(7_919) % 1_000_000
}

/// One line of filings.
pub fn filing(domain: &str, number: usize, status: &str) -> String {
    format!(
        "{domain},京ICP备2024{n:06}号,京ICP备2024{n:06}号-1,owner {number},enterprise,{status},2024-01-02T10:00:00+08:00,hoster,2024-01-02T15:00:00+08:00\n",
        n = number % 1_000_000,
    )
}

impl Data {
    /// Writes everything below the folder.
    pub fn write(folder: &Path, zones: usize, filings: usize) -> Data {
        let zones_folder = folder.join("zones");
        let filings_folder = folder.join("filings");
        fs::create_dir_all(&filings_folder).expect("a folder");
        let mut files = Vec::with_capacity(zones);
        for number in 0..zones {
            let part = zones_folder.join(format!("{:03}", number / 1_000));
            if number % 1_000 == 0 {
                fs::create_dir_all(&part).expect("a folder");
            }
            let origin = origin(number);
            let file = part.join(format!("{origin}.zone"));
            files.push(ZoneFile { origin, file });
        }
        let data = Data { zones: files, zones_folder, filings_folder, filings };
        data.restore_zones(0..zones);
        data.restore_filings();
        data
    }

    /// Has these zones as they are at first.
    pub fn restore_zones(&self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            let file = &self.zones[number].file;
            let text = zone_text(number, serial(number), address(number));
            // Of an earlier run in the same folder most are as they should be.
            if fs::read(file).ok().as_deref() != Some(text.as_bytes()) {
                fs::write(file, text).expect("a file");
            }
            if (number + 1).is_multiple_of(100_000) {
                eprintln!("{} zones written", number + 1);
            }
        }
    }

    /// Has the filings as they are at first.
    pub fn restore_filings(&self) {
        self.write_filings(&self.filings_file(), Order::Ascending, None);
    }

    /// The file of all filings.
    pub fn filings_file(&self) -> PathBuf {
        self.filings_folder.join("10.csv")
    }

    /// Writes a file of all filings, one of them cancelled if so told.
    pub fn write_filings(&self, file: &Path, order: Order, cancelled: Option<usize>) {
        let mut out = BufWriter::new(fs::File::create(file).expect("a file"));
        out.write_all(
            b"domain,subject_number,site_number,subject,nature,status,approved_at,provider,synced_at\n",
        )
        .expect("a write");
        let zones = self.zones.len();
        for place in 0..self.filings {
            let number = match order {
                Order::Ascending => place,
                Order::Descending => self.filings - 1 - place,
            };
            if number < zones && !is_filed(number) {
                continue;
            }
            let status = if cancelled == Some(number) { "cancelled" } else { "in-force" };
            let line = match self.zones.get(number) {
                Some(zone) => filing(&zone.origin, number, status),
                None => filing(&format!("elsewhere{number}.com"), number, status),
            };
            out.write_all(line.as_bytes()).expect("a write");
        }
        out.flush().expect("a write");
    }

    /// A quarter of a million queries of the set.
    pub fn queries(&self, set: QuerySet, edns: Edns, seed: u64) -> Queries {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let zones = self.zones.len();
        let mut queries = Queries { bytes: Vec::new(), ends: Vec::new(), edns };
        while queries.len() < 1 << 18 {
            let number = match set {
                // Log-uniform ranks: rank r is asked for about 1/r of the time, as Zipf has it;
                // spread over the zones so that ranks are not neighbours.
                QuerySet::Hot => {
                    let rank = (zones as f64).powf(random.fraction()) as usize - 1;
                    rank.wrapping_mul(7_919) % zones
                }
                _ => random.below(zones),
            };
            let number = if set == QuerySet::Referral { number / 20 * 20 } else { number };
            if is_filed(number) == (set == QuerySet::Blocked) {
                continue;
            }
            let origin = &self.zones[number].origin;
            match set {
                QuerySet::Hot | QuerySet::Uniform => match random.below(20) {
                    0..7 => queries.push(&format!("www.{origin}"), 1),
                    7..14 => queries.push(origin, 1),
                    14..17 => queries.push(origin, 28),
                    17..19 => queries.push(origin, 15),
                    _ => queries.push(origin, 16),
                },
                QuerySet::Nxdomain => {
                    queries.push(&format!("x{:x}.{origin}", random.below(1 << 20)), 1);
                }
                QuerySet::Blocked => match random.below(2) {
                    0 => queries.push(&format!("www.{origin}"), 1),
                    _ => queries.push(origin, 1),
                },
                QuerySet::Referral => queries.push(&format!("www.dev.{origin}"), 1),
                QuerySet::NotHosted => {
                    queries.push(&format!("www.nowhere{:x}.com", random.below(1 << 20)), 1);
                }
            }
        }
        queries
    }
}

/// xorshift: repeatable, and good enough to choose zones by.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// In (0, 1].
    fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}
