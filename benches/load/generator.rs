//! The load: packets made beforehand, sent and received in batches on several sockets, and every
//! reply matched to its query by socket, id and question.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::data::Queries;
use super::measured::Measured;
use super::process;
use super::sockets::{self, Address, BATCH, Batch, Wait};

/// Sockets, each with its own source port.
const SOCKETS: usize = 8;
/// Queries that may be under way on one socket at full load. All sockets' together fit into the
/// receive buffer that Linux gives a server by default: a closed loop should lose none.
const WINDOW: usize = 24;
/// Queries that may be under way on one socket at a fixed rate: of all sockets more than come up
/// before the first of them counts as lost, so that a server that stalls slows no query down.
const DEEP_WINDOW: usize = 8_192;
/// A query that has no answer by then is lost.
pub const LOST_AFTER: Duration = Duration::from_millis(500);
/// A generator that was kept from its core for longer goes on from there, and does not send all that
/// it missed in one burst: no client would, and a server would pay for it.
const CATCHES_UP: Duration = Duration::from_millis(4);
/// How long a generator that leaves its core to others does so.
const NAP: Duration = Duration::from_micros(50);
/// Receive buffer of each socket, in bytes: a second of answers at a fixed rate.
const RECEIVE_BUFFER: libc::c_int = 16 << 20;
/// Slots of a socket that are looked through for lost queries in one turn: few, since every look
/// keeps queries waiting.
const SWEPT: usize = 16;

/// How hard to push.
#[derive(Clone, Copy)]
pub enum Load {
    /// A new query for each answer: as fast as the server can.
    Full,
    /// So many queries a second, whatever the server does.
    Rate(u64),
    /// The same from a core that is left to others while no query is due.
    Aside(u64),
}

impl Load {
    /// Queries a second, where they are set.
    fn rate(self) -> Option<u64> {
        match self {
            Load::Full => None,
            Load::Rate(rate) | Load::Aside(rate) => Some(rate),
        }
    }
}

/// One thread's sockets.
pub struct Generator<'q> {
    lanes: Vec<Lane>,
    batch: Batch,
    load: Load,
    queries: &'q Queries,
    /// The next query.
    next: usize,
}

/// One socket and what is under way on it. The id of a query is its slot, in the low bits, and
/// how often the slot was used, in the high ones.
struct Lane {
    socket: UdpSocket,
    slots: Vec<Slot>,
    free: Vec<u16>,
    /// Where to look for lost queries next.
    swept: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    id: u16,
    query: u32,
    /// When it was sent; at a fixed rate, when it should have been.
    due: Option<Instant>,
}

/// Puts load on a server for a time, after a short one that does not count.
pub fn run(
    server: SocketAddr,
    pids: &[u32],
    load: Load,
    time: Duration,
    queries: &Queries,
) -> Measured {
    let mut generator = Generator::new(server, load, queries);
    generator.run_for(warm_up(time));
    let family = process::family(pids);
    let cpu = process::cpu_nanos(&family);
    let mut measured = generator.run_for(time);
    measured.cpu_nanos = process::cpu_nanos(&family) - cpu;
    measured
}

/// How long the load lasts before a measurement of this time.
pub fn warm_up(time: Duration) -> Duration {
    time.mul_f64(0.2).min(Duration::from_secs(1))
}

impl<'q> Generator<'q> {
    /// Its sockets, with nothing under way.
    pub fn new(server: SocketAddr, load: Load, queries: &'q Queries) -> Generator<'q> {
        let window = if load.rate().is_some() { DEEP_WINDOW } else { WINDOW };
        let lanes = (0..SOCKETS).map(|_| Lane::new(server, window)).collect();
        Generator { lanes, batch: Batch::new(), load, queries, next: 0 }
    }

    /// Puts load on the server for a time.
    pub fn run_for(&mut self, time: Duration) -> Measured {
        self.run_while(|passed, _| passed < time)
    }

    /// Puts load on the server while the caller says so, who may also take what has been measured
    /// so far. At a fixed rate a query's latency counts from when it was due, not from when it
    /// left: what delays a query delays its answer.
    pub fn run_while(
        &mut self,
        mut go_on: impl FnMut(Duration, &mut Measured) -> bool,
    ) -> Measured {
        let begun = Instant::now();
        let mut measured = Measured::default();
        let mut sent = 0;
        // Those that were due while this thread was kept from its core.
        let mut skipped = 0;
        loop {
            let passed = begun.elapsed();
            if !go_on(passed, &mut measured) {
                break;
            }
            let mut allowed = u64::MAX;
            if let Some(rate) = self.load.rate() {
                allowed = queries_in(passed, rate).saturating_sub(sent + skipped);
                let late = allowed.saturating_sub(queries_in(CATCHES_UP, rate));
                skipped += late;
                allowed -= late;
            }
            let done = sent + measured.answered;
            for lane in &mut self.lanes {
                lane.receive(&mut self.batch, self.queries, &mut measured);
                measured.lost += lane.sweep();
                // Small batches at a fixed rate, as many clients would send them.
                let most = if self.load.rate().is_some() { 8 } else { BATCH };
                let count =
                    most.min(lane.free.len()).min(usize::try_from(allowed).unwrap_or(usize::MAX));
                let now = Instant::now();
                let due = |place: usize| match self.load.rate() {
                    None => now,
                    Some(rate) => {
                        let number = sent + skipped + place as u64;
                        begun + Duration::from_nanos(number * 1_000_000_000 / rate)
                    }
                };
                let took = lane.send(&mut self.batch, count, self.next, self.queries, due);
                self.next += took;
                sent += took as u64;
                allowed -= took as u64;
            }
            match self.load {
                // With nothing to do, whoever shares this core with the server is in its way.
                Load::Full if sent + measured.answered == done => thread::yield_now(),
                Load::Aside(_) if allowed == 0 => thread::sleep(NAP),
                _ => {}
            }
        }
        if skipped > 0 {
            eprintln!(
                "{skipped} of {} queries were not sent: no core to send them",
                skipped + sent
            );
        }
        let dropped: u64 = self.lanes.iter().map(|lane| sockets::dropped(&lane.socket)).sum();
        if dropped > 0 {
            eprintln!("the generator itself lost {dropped} answers, which count as lost here");
        }
        measured.finish();
        measured
    }
}

/// How many are due in that time.
fn queries_in(time: Duration, rate: u64) -> u64 {
    (time.as_secs_f64() * rate as f64) as u64
}

impl Lane {
    fn new(server: SocketAddr, window: usize) -> Lane {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(server).expect("a loopback address");
        sockets::enlarge_receive_buffer(&socket, RECEIVE_BUFFER);
        Lane {
            socket,
            slots: (0..window).map(|i| Slot { id: i as u16, query: 0, due: None }).collect(),
            free: (0..window as u16).collect(),
            swept: 0,
        }
    }

    fn send(
        &mut self,
        batch: &mut Batch,
        count: usize,
        next: usize,
        queries: &Queries,
        due: impl Fn(usize) -> Instant,
    ) -> usize {
        if count == 0 {
            return 0;
        }
        let first = self.free.len() - count;
        for place in 0..count {
            let slot = &mut self.slots[usize::from(self.free[first + place])];
            slot.id = slot.id.wrapping_add(DEEP_WINDOW as u16);
            slot.query = ((next + place) % queries.len()) as u32;
            slot.due = Some(due(place));
            let packet = batch.fill(place, queries.get(slot.query as usize));
            packet[..2].copy_from_slice(&slot.id.to_be_bytes());
        }
        let took = batch.send(&self.socket, count, Address::Connected);
        for place in took..count {
            self.slots[usize::from(self.free[first + place])].due = None;
        }
        // Those not taken stay free: they are the last ones.
        self.free.drain(first..first + took);
        took
    }

    fn receive(&mut self, batch: &mut Batch, queries: &Queries, measured: &mut Measured) {
        loop {
            let came = batch.receive(&self.socket, Wait::No);
            let now = Instant::now();
            for place in 0..came {
                match self.slot_of(batch.bytes(place), queries) {
                    Some(index) => {
                        if let Some(due) = self.slots[usize::from(index)].due.take() {
                            measured.latencies.add(now.saturating_duration_since(due));
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
            && slot.due.is_some()
            && reply.get(2)? & 0x80 != 0
            && reply.get(12..12 + question.len())? == question;
        fits.then_some(index)
    }

    /// Gives back the slots of lost queries, of a few slots each time; how many there were.
    fn sweep(&mut self) -> u64 {
        let from = self.swept;
        let to = (from + SWEPT).min(self.slots.len());
        self.swept = to % self.slots.len();
        let mut lost = 0;
        for (index, slot) in self.slots.iter_mut().enumerate().take(to).skip(from) {
            if slot.due.is_some_and(|due| due.elapsed() > LOST_AFTER) {
                slot.due = None;
                self.free.push(index as u16);
                lost += 1;
            }
        }
        lost
    }
}
