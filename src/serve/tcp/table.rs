//! Who is connected, whatever is spoken: the limits in all and by client, and who has to go when there is no room.
//!
//! Locked when a connection comes or goes, never while it is being answered.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::TcpSettings;
use crate::serve::counters::{self, Protocol};

/// Every connection that holds a seat.
pub(in crate::serve) struct Table {
    settings: TcpSettings,
    started: Instant,
    seats: Mutex<Seats>,
    /// Told when the last seat is given up.
    empty: Notify,
}

#[derive(Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<Entry>>,
    by_client: HashMap<IpAddr, usize>,
}

struct Entry {
    client: IpAddr,
    protocol: Protocol,
    /// Milliseconds from the table's start to the last query answered, or to the accept.
    active: AtomicU64,
    order: Mutex<Option<Order>>,
    ordered: Notify,
}

/// What a connection is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Order {
    /// Make room: close at once.
    Close,
    /// Finish what the client has sent, then close.
    Drain,
}

/// What becomes of a newcomer.
pub(super) enum Admission {
    Seated(Seat),
    Refused,
}

impl Table {
    pub(in crate::serve) fn new(settings: TcpSettings) -> Table {
        Table { settings, started: Instant::now(), seats: Mutex::default(), empty: Notify::new() }
    }

    /// Seats a newcomer if the limits allow, in the place of the one idle longest if need be.
    pub(super) fn admit(self: &Arc<Table>, address: IpAddr, protocol: Protocol) -> Admission {
        let client = client_of(address);
        let mut seats = self.lock();
        let held = seats.by_client.get(&client).copied().unwrap_or(0);
        if held >= self.settings.max_connections_per_client {
            return Admission::Refused;
        }
        if seats.taken.len() >= self.settings.max_connections && !self.evict(&mut seats) {
            return Admission::Refused;
        }
        let entry = Arc::new(Entry {
            client,
            protocol,
            active: AtomicU64::new(self.millis(Instant::now())),
            order: Mutex::new(None),
            ordered: Notify::new(),
        });
        let id = seats.next;
        seats.next += 1;
        seats.taken.insert(id, Arc::clone(&entry));
        *seats.by_client.entry(client).or_default() += 1;
        Admission::Seated(Seat { table: Arc::clone(self), id, entry })
    }

    /// Closes the connection idle longest, if there is one that may be closed.
    pub(super) fn evict_idle(&self) {
        self.evict(&mut self.lock());
    }

    fn evict(&self, seats: &mut Seats) -> bool {
        let now = self.millis(Instant::now());
        let least = self.settings.evict_idle_after.as_millis();
        let longest_idle = seats
            .taken
            .iter()
            .map(|(id, entry)| (entry.active.load(Ordering::Relaxed), *id))
            .min()
            .filter(|(active, _)| u128::from(now.saturating_sub(*active)) >= least);
        let Some((_, id)) = longest_idle else { return false };
        if let Some(entry) = seats.remove(id) {
            counters::here(entry.protocol, |slot| slot.connection_over_limit());
            entry.order(Order::Close);
        }
        true
    }

    /// Tells every connection to finish, and waits until all have gone.
    pub(super) async fn drain(&self) {
        for entry in self.lock().taken.values() {
            entry.order(Order::Drain);
        }
        loop {
            let empty = self.empty.notified();
            if self.len() == 0 {
                return;
            }
            empty.await;
        }
    }

    /// The number of seats taken.
    pub(super) fn len(&self) -> usize {
        self.lock().taken.len()
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.started);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Seats {
    fn remove(&mut self, id: u64) -> Option<Arc<Entry>> {
        let entry = self.taken.remove(&id)?;
        if let Some(held) = self.by_client.get_mut(&entry.client) {
            *held -= 1;
            if *held == 0 {
                self.by_client.remove(&entry.client);
            }
        }
        Some(entry)
    }
}

impl Entry {
    fn order(&self, order: Order) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
        self.ordered.notify_one();
    }
}

/// A connection's place in the table; given up when dropped.
pub(in crate::serve) struct Seat {
    table: Arc<Table>,
    id: u64,
    entry: Arc<Entry>,
}

impl Seat {
    /// Notes that the client has just been answered.
    pub(in crate::serve) fn active(&self, now: Instant) {
        self.entry.active.store(self.table.millis(now), Ordering::Relaxed);
    }

    /// Who sits here: an address, or the first of an IPv6 /64.
    pub(in crate::serve) fn client(&self) -> IpAddr {
        self.entry.client
    }

    /// The limits and timeouts that hold here.
    pub(in crate::serve) fn settings(&self) -> &TcpSettings {
        &self.table.settings
    }

    /// When the client was last answered, or came.
    pub(in crate::serve) fn last_active(&self) -> Instant {
        self.table.started + Duration::from_millis(self.entry.active.load(Ordering::Relaxed))
    }

    /// Waits for the next order.
    pub(in crate::serve) async fn ordered(&self) -> Order {
        loop {
            self.entry.ordered.notified().await;
            let order = *self.entry.order.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(order) = order {
                return order;
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        counters::here(self.entry.protocol, |slot| slot.connection_ended());
        let mut seats = self.table.lock();
        // An evicted connection's seat has been taken away already.
        seats.remove(self.id);
        if seats.taken.is_empty() {
            self.table.empty.notify_waiters();
        }
    }
}

/// Addresses that count as one client: an IPv4 address, or an IPv6 /64, of which a single host
/// has every address at its disposal.
fn client_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(in_all: usize, per_client: usize, evict_idle_after: Duration) -> Arc<Table> {
        Arc::new(Table::new(TcpSettings {
            max_connections: in_all,
            max_connections_per_client: per_client,
            evict_idle_after,
            ..TcpSettings::default()
        }))
    }

    fn admit(table: &Arc<Table>, address: &str) -> Option<Seat> {
        match table.admit(address.parse().unwrap(), Protocol::Tcp) {
            Admission::Seated(seat) => Some(seat),
            Admission::Refused => None,
        }
    }

    fn order(seat: &Seat) -> Option<Order> {
        *seat.entry.order.lock().unwrap()
    }

    #[test]
    fn a_client_has_so_many_and_no_more_until_one_goes() {
        let table = table(10, 2, Duration::ZERO);
        let first = admit(&table, "192.0.2.1").unwrap();
        let _second = admit(&table, "192.0.2.1").unwrap();
        assert!(admit(&table, "192.0.2.1").is_none());
        assert!(admit(&table, "192.0.2.2").is_some());
        drop(first);
        assert!(admit(&table, "192.0.2.1").is_some());
    }

    #[test]
    fn an_ipv6_64_is_one_client() {
        let table = table(10, 1, Duration::ZERO);
        let _first = admit(&table, "2001:db8::1").unwrap();
        assert!(admit(&table, "2001:db8::ffff:1").is_none());
        assert!(admit(&table, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn when_full_the_one_idle_longest_makes_room() {
        let table = table(2, 2, Duration::ZERO);
        let old = admit(&table, "192.0.2.1").unwrap();
        let older = admit(&table, "192.0.2.2").unwrap();
        old.entry.active.store(1, Ordering::Relaxed);
        older.entry.active.store(0, Ordering::Relaxed);
        let _new = admit(&table, "192.0.2.3").unwrap();
        assert_eq!((order(&old), order(&older)), (None, Some(Order::Close)));
        assert_eq!(table.len(), 2);
        drop(older);
        assert_eq!(table.len(), 2, "the evicted one's seat is given up once only");
    }

    #[test]
    fn when_full_of_active_ones_the_newcomer_is_refused() {
        let table = table(1, 1, Duration::from_secs(3600));
        let seated = admit(&table, "192.0.2.1").unwrap();
        assert!(admit(&table, "192.0.2.2").is_none());
        assert_eq!(order(&seated), None);
    }

    #[test]
    fn no_client_is_remembered_after_it_has_gone() {
        let table = table(10, 2, Duration::ZERO);
        drop((admit(&table, "192.0.2.1"), admit(&table, "2001:db8::1")));
        assert!(table.lock().by_client.is_empty());
    }
}
