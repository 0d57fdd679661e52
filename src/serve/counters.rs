//! Counting without contention: each thread counts in cache lines of its own, a reader sums.
//!
//! Owns the numbers, not how they are shown.

use std::cell::OnceCell;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::observe::Observed;
use super::qtype::QtypeGroup;
use super::rate_limit::Limited;
use crate::answer::{Outcome, Reply};
use crate::filing::Reason;

/// How a client reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Plain DNS in datagrams.
    Udp,
    /// Plain DNS over TCP.
    Tcp,
    /// DNS over TLS.
    Tls,
    /// DNS over HTTPS, HTTP/1.1 and HTTP/2.
    Https,
    /// DNS over QUIC.
    Quic,
    /// DNS over HTTP/3.
    Http3,
    /// HTTP, for the notice page; no queries.
    Notice,
    /// HTTP, for metrics and health; no queries.
    Metrics,
}

impl Protocol {
    /// Every protocol, in the order of [`Counters::by_protocol`].
    pub const ALL: [Protocol; 8] = [
        Protocol::Udp,
        Protocol::Tcp,
        Protocol::Tls,
        Protocol::Https,
        Protocol::Quic,
        Protocol::Http3,
        Protocol::Notice,
        Protocol::Metrics,
    ];

    /// Those that carry queries.
    pub fn of_queries() -> impl Iterator<Item = Protocol> {
        Protocol::ALL
            .into_iter()
            .filter(|protocol| !matches!(protocol, Protocol::Notice | Protocol::Metrics))
    }

    /// Whether its connections come through our own acceptor, which counts them.
    pub fn has_counted_connections(self) -> bool {
        !matches!(self, Protocol::Udp | Protocol::Quic | Protocol::Http3)
    }

    /// The label in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
            Protocol::Tls => "tls",
            Protocol::Https => "https",
            Protocol::Quic => "quic",
            Protocol::Http3 => "http3",
            Protocol::Notice => "notice",
            Protocol::Metrics => "metrics",
        }
    }
}

/// Length of [`Counts::rcodes`]: RCODE 0 to 23 (BADCOOKIE), and one slot for all above.
pub const RCODE_SLOTS: usize = 25;
const REASONS: usize = Reason::ALL.len();
const QTYPES: usize = QtypeGroup::ALL.len();

/// What was counted over one protocol, or over all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages received, well-formed or not, by [`QtypeGroup`].
    by_qtype: [u64; QTYPES],
    /// Replies by extended RCODE; the last slot is for every code above those listed.
    pub rcodes: [u64; RCODE_SLOTS],
    /// Replies that the gate changed (or, observing, would have), by the number of the reason.
    blocked: [u64; REASONS + 1],
    /// Messages that deserve no reply: responses, fragments of a header, from port 0, oversized.
    pub dropped: u64,
    /// Replies that the system did not take; they are among [`Counts::rcodes`].
    pub unsent: u64,
    /// Replies with the TC bit: the client is to ask again over TCP.
    pub truncated: u64,
    /// Replies held back by the rate limit; they are among [`Counts::rcodes`].
    pub withheld: u64,
    /// Replies cut down to the TC bit by the rate limit.
    pub slipped: u64,
    /// Connections accepted and served.
    pub connections: u64,
    /// Connections served that have ended.
    pub connections_ended: u64,
    /// Connections closed at once, or in favour of a new one, because of a limit.
    pub connections_over_limit: u64,
}

impl Counts {
    /// Messages received, well-formed or not.
    pub fn queries(&self) -> u64 {
        self.by_qtype.iter().sum()
    }

    /// Messages received that asked for a type of this group.
    pub fn queries_for(&self, group: QtypeGroup) -> u64 {
        self.by_qtype[group as usize]
    }

    /// Replies handed to the system for sending, and taken by it.
    pub fn replies(&self) -> u64 {
        self.rcodes.iter().sum::<u64>().saturating_sub(self.unsent + self.withheld)
    }

    /// Replies that the gate changed (or, observing, would have) for this reason.
    pub fn blocked(&self, reason: Reason) -> u64 {
        self.blocked.get(reason as usize).copied().unwrap_or(0)
    }

    /// Connections open now. The counts are read one by one, so it may be off by a few.
    pub fn open_connections(&self) -> u64 {
        self.connections.saturating_sub(self.connections_ended)
    }
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        fn add<const N: usize>(sums: &mut [u64; N], more: &[u64; N]) {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
        add(&mut self.by_qtype, &other.by_qtype);
        add(&mut self.rcodes, &other.rcodes);
        add(&mut self.blocked, &other.blocked);
        self.dropped += other.dropped;
        self.unsent += other.unsent;
        self.truncated += other.truncated;
        self.withheld += other.withheld;
        self.slipped += other.slipped;
        self.connections += other.connections;
        self.connections_ended += other.connections_ended;
        self.connections_over_limit += other.connections_over_limit;
    }
}

/// A snapshot of everything counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    by_protocol: [Counts; Protocol::ALL.len()],
}

impl Counters {
    /// What came over one protocol.
    pub fn by_protocol(&self, protocol: Protocol) -> &Counts {
        &self.by_protocol[protocol as usize]
    }

    /// The sum over all protocols.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.by_protocol.iter().for_each(|counts| total += counts);
        total
    }
}

/// A counter that only its owner thread changes, so that no atomic read-modify-write is needed.
#[derive(Debug, Default)]
struct Cell(AtomicU64);

impl Cell {
    fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one thread for one protocol. Aligned so that no two slots share a cache line,
/// nor the pair of lines that processors fetch together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Slot {
    by_qtype: [Cell; QTYPES],
    rcodes: [Cell; RCODE_SLOTS],
    blocked: [Cell; REASONS + 1],
    dropped: Cell,
    unsent: Cell,
    truncated: Cell,
    withheld: Cell,
    slipped: Cell,
    connections: Cell,
    connections_ended: Cell,
    connections_over_limit: Cell,
}

impl Slot {
    /// One message in, and what became of it; the reply may yet turn out [`Slot::unsent`].
    pub(super) fn count(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Drop => {
                self.by_qtype[QtypeGroup::None as usize].add(1);
                self.dropped.add(1);
            }
            Outcome::Reply(reply) => self.count_reply(reply),
        }
    }

    fn count_reply(&self, reply: &Reply) {
        self.by_qtype[QtypeGroup::of(reply.qtype) as usize].add(1);
        if let Some(cell) = self.rcodes.get(usize::from(reply.rcode)).or(self.rcodes.last()) {
            cell.add(1);
        }
        if let Some(cell) = reply.blocked.and_then(|reason| self.blocked.get(reason as usize)) {
            cell.add(1);
        }
        if reply.is_truncated {
            self.truncated.add(1);
        }
    }

    /// Replies counted already that the system did not take.
    pub(super) fn unsent(&self, replies: u64) {
        self.unsent.add(replies);
    }

    /// A reply counted already that the rate limit has its say about.
    pub(super) fn limited(&self, limited: Limited) {
        match limited {
            Limited::No => {}
            Limited::Slipped => self.slipped.add(1),
            Limited::Withheld => self.withheld.add(1),
        }
    }

    pub(super) fn connection(&self) {
        self.connections.add(1);
    }

    pub(super) fn connection_ended(&self) {
        self.connections_ended.add(1);
    }

    pub(super) fn connection_over_limit(&self) {
        self.connections_over_limit.add(1);
    }

    fn read(&self) -> Counts {
        fn read<const N: usize>(cells: &[Cell; N]) -> [u64; N] {
            std::array::from_fn(|at| cells[at].get())
        }
        Counts {
            by_qtype: read(&self.by_qtype),
            rcodes: read(&self.rcodes),
            blocked: read(&self.blocked),
            dropped: self.dropped.get(),
            unsent: self.unsent.get(),
            truncated: self.truncated.get(),
            withheld: self.withheld.get(),
            slipped: self.slipped.get(),
            // Ended before begun, so that no connection ends that had not begun.
            connections_ended: self.connections_ended.get(),
            connections: self.connections.get(),
            connections_over_limit: self.connections_over_limit.get(),
        }
    }
}

/// Every thread's slots; locked when a thread starts and when somebody reads, never to count.
#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<Vec<(Protocol, Arc<Slot>)>>);

impl Registry {
    /// A new slot, for the calling thread or for one thread that it is moved to.
    pub(super) fn slot(&self, protocol: Protocol) -> Arc<Slot> {
        let slot = Arc::new(Slot::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((protocol, Arc::clone(&slot)));
        slot
    }

    pub(super) fn sum(&self) -> Counters {
        let mut counters = Counters::default();
        for (protocol, slot) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            counters.by_protocol[*protocol as usize] += &slot.read();
        }
        counters
    }
}

/// Reads the counters of a running server, from any thread.
#[derive(Clone, Debug)]
pub struct Counting {
    registry: Arc<Registry>,
    observed: Vec<Observed>,
}

impl Counting {
    pub(super) fn of(registry: &Arc<Registry>, observed: &[Observed]) -> Counting {
        Counting { registry: Arc::clone(registry), observed: observed.to_vec() }
    }

    /// What was counted since the start, summed over all threads.
    pub fn sum(&self) -> Counters {
        self.registry.sum()
    }

    /// What query log and dnstap have written and lost; nothing of one that is off.
    pub fn observed(&self) -> &[Observed] {
        &self.observed
    }
}

thread_local! {
    static HERE: OnceCell<[Arc<Slot>; Protocol::ALL.len()]> = const { OnceCell::new() };
}

/// Gives the calling thread, one of a runtime's, slots of its own for whatever tasks it will run.
pub(super) fn count_here(registry: &Registry) {
    HERE.with(|here| {
        here.get_or_init(|| Protocol::ALL.map(|protocol| registry.slot(protocol)));
    });
}

/// Counts in the calling thread's own slot. Does nothing on a thread without one.
pub(super) fn here(protocol: Protocol, count: impl FnOnce(&Slot)) {
    HERE.with(|here| {
        if let Some(slots) = here.get() {
            count(&slots[protocol as usize]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Rtype;

    fn reply(rcode: u16, blocked: Option<Reason>) -> Outcome {
        let qtype = Some(Rtype::A);
        Outcome::Reply(Reply { len: 12, rcode, qtype, is_truncated: rcode == 3, blocked })
    }

    #[test]
    fn slots_of_several_threads_are_summed_by_protocol_rcode_and_reason() {
        let registry = Registry::default();
        let (udp_a, udp_b) = (registry.slot(Protocol::Udp), registry.slot(Protocol::Udp));
        let tcp = registry.slot(Protocol::Tcp);
        udp_a.count(&reply(0, Some(Reason::NoFiling)));
        udp_b.count(&reply(0, Some(Reason::NoFiling)));
        udp_b.count(&reply(3, None));
        udp_b.count(&Outcome::Drop);
        tcp.count(&reply(5, Some(Reason::ForumProvince)));

        let sum = registry.sum();
        let udp = sum.by_protocol(Protocol::Udp);
        assert_eq!((udp.queries(), udp.replies(), udp.dropped), (4, 3, 1));
        assert_eq!((udp.queries_for(QtypeGroup::A), udp.truncated), (3, 1));
        assert_eq!(udp.queries_for(QtypeGroup::None), 1);
        assert_eq!((udp.rcodes[0], udp.rcodes[3]), (2, 1));
        assert_eq!(udp.blocked(Reason::NoFiling), 2);
        assert_eq!(udp.blocked(Reason::ForumProvince), 0);
        assert_eq!(sum.by_protocol(Protocol::Tcp).blocked(Reason::ForumProvince), 1);
        assert_eq!(sum.total().queries(), 5);
        assert_eq!(sum.total().rcodes[5], 1);
    }

    #[test]
    fn rcodes_above_those_listed_share_the_last_slot() {
        let slot = Slot::default();
        slot.count(&reply(23, None));
        slot.count(&reply(24, None));
        slot.count(&reply(4095, None));
        let counts = slot.read();
        assert_eq!((counts.rcodes[23], counts.rcodes[24]), (1, 2));
    }

    #[test]
    fn an_unsent_reply_is_no_longer_counted_as_a_reply() {
        let slot = Slot::default();
        slot.count(&reply(0, None));
        slot.count(&reply(0, None));
        slot.unsent(1);
        let counts = slot.read();
        assert_eq!((counts.queries(), counts.replies(), counts.unsent), (2, 1, 1));
    }

    #[test]
    fn two_slots_never_share_a_cache_line() {
        assert_eq!(align_of::<Slot>(), 128);
        assert_eq!(size_of::<Slot>() % 128, 0);
    }
}
