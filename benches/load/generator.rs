//! The load: packets made beforehand, sent and received in batches on several sockets, and every
//! reply matched to its query by socket, id and question.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::data::Queries;
use super::process;
use super::sockets::{Address, BATCH, Batch, Wait};

/// Sockets, each with its own source port.
const SOCKETS: usize = 8;
/// Queries that may be under way on one socket at full load. All sockets' together fit into the
/// receive buffer that Linux gives a server by default: a closed loop should lose none.
const WINDOW: usize = 24;
/// Queries that may be under way on one socket at a fixed rate.
const DEEP_WINDOW: usize = 1_024;
/// A query that has no answer by then is lost.
const LOST_AFTER: Duration = Duration::from_millis(500);

/// How hard to push.
pub enum Load {
    /// A new query for each answer: as fast as the server can.
    Full,
    /// So many queries a second, whatever the server does.
    Rate(u64),
}

/// What a measurement found.
pub struct Measured {
    /// Wall-clock time.
    pub time: Duration,
    /// Answers that matched their queries.
    pub answered: u64,
    /// Queries without one.
    pub lost: u64,
    /// Replies that matched no query.
    pub strange: u64,
    /// The server's CPU time, in nanoseconds.
    pub cpu_nanos: u64,
    latencies: Histogram,
}

impl Measured {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.time.as_secs_f64()
    }

    /// The server's CPU time for one answer, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu_nanos as f64 / 1_000.0 / self.answered.max(1) as f64
    }

    /// The latency that this share of the answers did not exceed, in microseconds.
    pub fn latency_micros(&self, share: f64) -> f64 {
        self.latencies.quantile(share) as f64 / 1_000.0
    }
}

/// One socket and what is under way on it. The id of a query is its slot, in the low bits, and
/// how often the slot was used, in the high ones.
struct Lane {
    socket: UdpSocket,
    slots: Vec<Slot>,
    free: Vec<u16>,
}

#[derive(Clone, Copy)]
struct Slot {
    id: u16,
    query: u32,
    sent: Option<Instant>,
}

/// Puts load on a server for a time, after a short one that does not count.
pub fn run(
    server: SocketAddr,
    pid: u32,
    load: &Load,
    time: Duration,
    queries: &Queries,
) -> Measured {
    let window = match load {
        Load::Full => WINDOW,
        Load::Rate(_) => DEEP_WINDOW,
    };
    let mut lanes: Vec<Lane> = (0..SOCKETS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            socket.connect(server).expect("a loopback address");
            Lane {
                socket,
                slots: (0..window).map(|i| Slot { id: i as u16, query: 0, sent: None }).collect(),
                free: (0..window as u16).collect(),
            }
        })
        .collect();
    let mut batch = Batch::new();
    let mut next = 0;
    let warm_up = time.mul_f64(0.2).min(Duration::from_secs(1));
    phase(&mut lanes, &mut batch, &mut next, load, warm_up, queries);
    let family = process::family(pid);
    let cpu = process::cpu_nanos(&family);
    let mut measured = phase(&mut lanes, &mut batch, &mut next, load, time, queries);
    measured.cpu_nanos = process::cpu_nanos(&family) - cpu;
    measured
}

fn phase(
    lanes: &mut [Lane],
    batch: &mut Batch,
    next: &mut usize,
    load: &Load,
    time: Duration,
    queries: &Queries,
) -> Measured {
    let begun = Instant::now();
    let mut measured = Measured {
        time,
        answered: 0,
        lost: 0,
        strange: 0,
        cpu_nanos: 0,
        latencies: Histogram::new(),
    };
    let mut sent = 0u64;
    let mut swept = begun;
    loop {
        let now = Instant::now();
        let passed = now - begun;
        if passed >= time {
            break;
        }
        // Lost ones are looked for now and then; a slow answer's slot is given back then, too.
        if now - swept > LOST_AFTER / 4 {
            swept = now;
            measured.lost += lanes.iter_mut().map(|lane| lane.sweep(now)).sum::<u64>();
        }
        let mut allowed = match load {
            Load::Full => u64::MAX,
            Load::Rate(rate) => ((passed.as_secs_f64() * *rate as f64) as u64).saturating_sub(sent),
        };
        for lane in &mut *lanes {
            lane.receive(batch, queries, &mut measured);
            // Small batches at a fixed rate, as many clients would send them.
            let most = match load {
                Load::Full => BATCH,
                Load::Rate(_) => 8,
            };
            let count =
                most.min(lane.free.len()).min(usize::try_from(allowed).unwrap_or(usize::MAX));
            let took = lane.send(batch, count, next, queries);
            sent += took as u64;
            allowed -= took as u64;
        }
    }
    measured.time = begun.elapsed();
    measured
}

impl Lane {
    fn send(
        &mut self,
        batch: &mut Batch,
        count: usize,
        next: &mut usize,
        queries: &Queries,
    ) -> usize {
        if count == 0 {
            return 0;
        }
        let now = Instant::now();
        let first = self.free.len() - count;
        for place in 0..count {
            let slot = &mut self.slots[usize::from(self.free[first + place])];
            slot.id = slot.id.wrapping_add(DEEP_WINDOW as u16);
            slot.query = ((*next + place) % queries.len()) as u32;
            slot.sent = Some(now);
            let packet = batch.fill(place, queries.get(slot.query as usize));
            packet[..2].copy_from_slice(&slot.id.to_be_bytes());
        }
        let took = batch.send(&self.socket, count, Address::Connected);
        for place in took..count {
            self.slots[usize::from(self.free[first + place])].sent = None;
        }
        // Those not taken stay free: they are the last ones.
        self.free.drain(first..first + took);
        *next += took;
        took
    }

    fn receive(&mut self, batch: &mut Batch, queries: &Queries, measured: &mut Measured) {
        loop {
            let came = batch.receive(&self.socket, Wait::No);
            let now = Instant::now();
            for place in 0..came {
                match self.slot_of(batch.bytes(place), queries) {
                    Some(index) => {
                        let slot = &mut self.slots[usize::from(index)];
                        if let Some(sent) = slot.sent.take() {
                            measured.latencies.add((now - sent).as_nanos() as u64);
                        }
                        measured.answered += 1;
                        self.free.push(index);
                    }
                    None => measured.strange += 1,
                }
            }
            if came < BATCH {
                return;
            }
        }
    }

    /// The slot whose query this answers: same id, a response, and the same question.
    fn slot_of(&self, reply: &[u8], queries: &Queries) -> Option<u16> {
        let id = u16::from_be_bytes([*reply.first()?, *reply.get(1)?]);
        let index = id % DEEP_WINDOW as u16;
        let slot = self.slots.get(usize::from(index))?;
        let question = queries.question(slot.query as usize);
        let fits = slot.id == id
            && slot.sent.is_some()
            && reply.get(2)? & 0x80 != 0
            && reply.get(12..12 + question.len())? == question;
        fits.then_some(index)
    }

    fn sweep(&mut self, now: Instant) -> u64 {
        let mut lost = 0;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.sent.is_some_and(|sent| now - sent > LOST_AFTER) {
                slot.sent = None;
                self.free.push(index as u16);
                lost += 1;
            }
        }
        lost
    }
}

/// Counts by magnitude: 32 steps for each doubling, so 3 % exact.
struct Histogram(Vec<u64>);

impl Histogram {
    fn new() -> Histogram {
        Histogram(vec![0; 64 * 32])
    }

    fn add(&mut self, nanos: u64) {
        let nanos = nanos.max(32);
        let doubling = nanos.ilog2();
        let step = (nanos >> (doubling - 5)) & 31;
        self.0[(doubling * 32) as usize + step as usize] += 1;
    }

    fn quantile(&self, share: f64) -> u64 {
        let total: u64 = self.0.iter().sum();
        let wanted = (total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (place, count) in self.0.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                let (doubling, step) = (place as u32 / 32, place as u64 % 32);
                return (32 + step) << doubling.saturating_sub(5);
            }
        }
        0
    }
}
