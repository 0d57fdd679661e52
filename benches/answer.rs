//! What one answer costs, without sockets: nanoseconds by kind of answer, hot and uniform.
//!
//! `cargo bench --bench answer [-- ZONES]`
//!
//! The clock runs once a batch of queries stands where the one before stood, as packets do that the
//! kernel has just written: waiting for queries that nobody has looked at for a while is no server's work.
//!
//! The last row is what memory alone takes: of each query of a batch the line that leads to its zone is
//! asked for, then the zone's lines, and one word of each is read.
//!
//! On a noisy machine instructions tell more than time. `-- 1000 'MX'` runs that kind alone, once, for
//! `valgrind --tool=callgrind --toggle-collect='answer::in_batches'` on the program that
//! `cargo bench --bench answer --no-run` names: so many instructions for [`COUNTED`] queries.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beiand::answer::{
    AskedName, Context, MAX_UDP_REPLY, Outcome, Phase, State, Transport, answer, answer_asked,
};
use beiand::filing::{Reason, Verdict};
use beiand::gate::{Gate, GateSettings};
use beiand::master::{Reader, Records};
use beiand::prefetch::prefetch;
use beiand::region::Region;
use beiand::wire::Name;
use beiand::zone::{AddressClass, Builder, Column, ZoneSet};

/// Answers measured at a time.
const ROUND: usize = 200_000;
/// The median of so many rounds is shown.
const ROUNDS: usize = 9;
/// Queries of the one round in which instructions are counted.
const COUNTED: usize = 10_000;
/// As `serve` takes packets in.
const BATCH: usize = 32;
const CONTEXT: Context =
    Context { client: IpAddr::V4(Ipv4Addr::LOCALHOST), transport: Transport::Udp, now: 1 };

fn main() {
    // Cargo passes `--bench` along.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let zones = words.first().map_or(100_000, |word| word.parse().expect("a number of zones"));
    let counted = words.get(1);
    let started = Instant::now();
    let (open, bytes) = state(zones, Verdict::Open);
    eprintln!("{zones} zones, {bytes} bytes each, built in {:.1?}", started.elapsed());
    let blocked = state(zones, Verdict::Blocked(Reason::NoFiling)).0;
    println!("| answer | hot ns | uniform ns | hot, batch | uniform, batch |");
    println!("| --- | --- | --- | --- | --- |");
    let kinds = [
        ("A", &open, "www.zone", 1),
        ("A, blocked", &blocked, "www.zone", 1),
        ("CNAME and A", &open, "shop.zone", 1),
        ("MX", &open, "zone", 15),
        ("NXDOMAIN", &open, "nosuch.zone", 1),
        ("referral", &open, "www.dev.zone", 1),
        ("not hosted", &open, "www.other", 1),
    ];
    for (kind, state, name, rtype) in kinds {
        let ask_for = |zone: usize| query(&format!("{name}{zone}.example."), rtype);
        if let Some(counted) = counted {
            if counted == kind {
                let some: Vec<Vec<u8>> = (0..COUNTED).map(|n| ask_for(n % 16)).collect();
                ask_all(state, &some, &mut Worker::default(), in_batches);
            }
            continue;
        }
        let uniform: Vec<Vec<u8>> = (0..ROUND).map(|n| ask_for(scatter(n) % zones)).collect();
        let hot: Vec<Vec<u8>> = (0..ROUND).map(|n| ask_for(n % 16)).collect();
        let [one_hot, one] = [&hot, &uniform].map(|queries| measure(state, queries, one_by_one));
        let [all_hot, all] = [&hot, &uniform].map(|queries| measure(state, queries, in_batches));
        println!("| {kind} | {one_hot:.0} | {one:.0} | {all_hot:.0} | {all:.0} |");
    }
    if counted.is_none() {
        drop((open, blocked));
        let memory = Memory::of(zones, bytes);
        let [hot, uniform] = [16, zones].map(|among| memory.measure(among));
        println!("| memory alone | | | {hot:.0} | {uniform:.0} |");
    }
}

type Line = [u64; 8];

/// As many lines as zones have, and a table that leads to them.
struct Memory {
    /// Where the lines of a zone begin.
    slots: Vec<Line>,
    blocks: Vec<Line>,
    lines_of_block: usize,
}

impl Memory {
    fn of(zones: usize, bytes_of_zone: usize) -> Memory {
        let lines_of_block = bytes_of_zone.div_ceil(size_of::<Line>());
        let slots = (0..zones).map(|zone| [(zone * lines_of_block) as u64; 8]).collect();
        // Written to, so that each page is one of its own.
        Memory { slots, blocks: vec![[1; 8]; zones * lines_of_block], lines_of_block }
    }

    /// Nanoseconds a query, of queries for so many zones.
    fn measure(&self, among: usize) -> f64 {
        let wanted: Vec<usize> = (0..ROUND).map(|n| scatter(n) % among).collect();
        median(|| {
            let started = Instant::now();
            for batch in wanted.chunks(BATCH) {
                batch.iter().for_each(|&zone| prefetch(&self.slots[zone]));
                batch.iter().flat_map(|&zone| self.block(zone)).for_each(|line| prefetch(line));
                let words = batch.iter().flat_map(|&zone| self.block(zone)).map(|line| line[0]);
                black_box(words.sum::<u64>());
            }
            started.elapsed()
        })
    }

    fn block(&self, zone: usize) -> &[Line] {
        &self.blocks[self.slots[zone][0] as usize..][..self.lines_of_block]
    }
}

fn scatter(n: usize) -> usize {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

/// What a thread that answers keeps from batch to batch.
struct Worker {
    names: Vec<AskedName>,
    out: [u8; MAX_UDP_REPLY],
}

impl Default for Worker {
    fn default() -> Worker {
        let names = std::iter::repeat_with(AskedName::default).take(BATCH).collect();
        Worker { names, out: [0; MAX_UDP_REPLY] }
    }
}

type Ask = fn(&State, &[Vec<u8>], &mut Worker);

fn measure(state: &State, queries: &[Vec<u8>], ask: Ask) -> f64 {
    let mut worker = Worker::default();
    median(|| ask_all(state, queries, &mut worker, ask))
}

/// How long the answers take, one batch of queries after the other.
fn ask_all(state: &State, queries: &[Vec<u8>], worker: &mut Worker, ask: Ask) -> Duration {
    let mut received = vec![Vec::new(); BATCH];
    let answered = queries.chunks(BATCH).map(|queries| {
        let batch = &mut received[..queries.len()];
        batch.iter_mut().zip(queries).for_each(|(packet, query)| packet.clone_from(query));
        let started = Instant::now();
        ask(state, batch, worker);
        started.elapsed()
    });
    answered.sum()
}

/// Nanoseconds for one of the [`ROUND`] that `work` does.
fn median(mut work: impl FnMut() -> Duration) -> f64 {
    let round = |_| work().as_nanos() as f64 / ROUND as f64;
    let mut rounds: Vec<f64> = (0..ROUNDS).map(round).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn one_by_one(state: &State, batch: &[Vec<u8>], worker: &mut Worker) {
    for query in batch {
        let outcome = answer(state, &CONTEXT, black_box(query), &mut worker.out);
        assert!(matches!(black_box(outcome), Outcome::Reply(_)));
    }
}

/// As the UDP threads do.
#[inline(never)]
fn in_batches(state: &State, batch: &[Vec<u8>], worker: &mut Worker) {
    let Worker { names, out } = worker;
    for (query, name) in batch.iter().zip(names.iter_mut()) {
        name.read(state, black_box(query));
    }
    AskedName::fetch_zones(&names[..batch.len()], state);
    for (query, name) in batch.iter().zip(names.iter()) {
        let outcome = answer_asked(state, &CONTEXT, black_box(query), name, out);
        assert!(matches!(black_box(outcome), Outcome::Reply(_)));
    }
}

fn query(name: &str, rtype: u16) -> Vec<u8> {
    let name: Name = name.parse().expect("a name");
    let mut query = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    query.extend_from_slice(name.as_wire());
    query.extend_from_slice(&rtype.to_be_bytes());
    query.extend_from_slice(&[0, 1]);
    query.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    query
}

fn state(zones: usize, verdict: Verdict) -> (State, usize) {
    let mut set = ZoneSet::new();
    let (mut reader, mut records, mut builder) =
        (Reader::new(), Records::default(), Builder::new());
    let mut bytes = 0;
    let classify = |_: IpAddr| AddressClass { region: Region::Own, is_our_nameserver: false };
    for number in 0..zones {
        let origin: Name = format!("zone{number}.example.").parse().expect("a name");
        let address = Ipv4Addr::from(0x0a00_0000 + number as u32);
        let text = format!(
            "$TTL 3600\n@ SOA ns1.hoster.example. hostmaster.hoster.example. {number} 14400 3600 1209600 300\n\
             @ NS ns1.hoster.example.\n@ NS ns2.hoster.example.\n@ A {address}\n@ MX 10 mail\n\
             @ TXT \"v=spf1 mx -all {number}\"\nwww A {address}\nmail A {address}\nshop CNAME www\n\
             dev NS ns.dev\nns.dev A {address}\n"
        );
        let file = Path::new("zone");
        reader
            .read_zone_bytes(text.as_bytes(), file, file, &origin, &mut records)
            .expect("a good zone");
        let zone = builder.build(&origin, &records, set.key(), &classify).expect("a good zone");
        bytes += zone.size();
        set.insert(zone, Column::of(verdict));
    }
    let settings = GateSettings {
        notice_ipv4: vec![Ipv4Addr::new(203, 0, 113, 80)],
        notice_ttl: 60,
        ede_notice: 4,
        ede_nodata: 16,
        ..GateSettings::default()
    };
    let state = State {
        phase: Phase::Serving,
        zones: set.publish(),
        gate: Arc::new(Gate::new(settings)),
        ..State::default()
    };
    (state, bytes / zones.max(1))
}
