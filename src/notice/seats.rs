//! Who is connected: the limits in all and by client, and who has to go when there is no room.
//!
//! Every connection has a short life by its timeouts, so the oldest one makes room: a client that
//! holds connections open keeps nobody out for long.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Every connection that holds a seat.
#[derive(Debug)]
pub(super) struct Seats {
    in_all: usize,
    per_client: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// In the order in which they came.
    by_number: BTreeMap<u64, (IpAddr, Arc<Notify>)>,
    by_client: HashMap<IpAddr, usize>,
}

impl Seats {
    pub(super) fn new(in_all: usize, per_client: usize) -> Seats {
        Seats { in_all, per_client, taken: Mutex::default() }
    }

    /// Seats a newcomer, in the place of the one who came first if need be; `None` where its client
    /// has too many already.
    pub(super) fn take(self: &Arc<Seats>, address: IpAddr) -> Option<Seat> {
        let client = client_of(address);
        let mut taken = self.lock();
        if taken.by_client.get(&client).is_some_and(|held| *held >= self.per_client) {
            return None;
        }
        while taken.by_number.len() >= self.in_all {
            let (&first, _) = taken.by_number.first_key_value()?;
            if let Some(leave) = taken.give_up(first) {
                leave.notify_one();
            }
        }
        let number = taken.next;
        taken.next += 1;
        let leave = Arc::new(Notify::new());
        taken.by_number.insert(number, (client, Arc::clone(&leave)));
        *taken.by_client.entry(client).or_default() += 1;
        Some(Seat { seats: Arc::clone(self), number, leave })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn give_up(&mut self, number: u64) -> Option<Arc<Notify>> {
        let (client, leave) = self.by_number.remove(&number)?;
        if let Some(held) = self.by_client.get_mut(&client) {
            *held -= 1;
            if *held == 0 {
                self.by_client.remove(&client);
            }
        }
        Some(leave)
    }
}

/// A connection's seat; given up when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    leave: Arc<Notify>,
}

impl Seat {
    /// Waits until somebody else needs the seat.
    pub(super) async fn is_needed(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().give_up(self.number);
    }
}

/// Addresses that count as one client: an IPv4 address, or an IPv6 /64.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(seats: &Arc<Seats>, address: &str) -> Option<Seat> {
        seats.take(address.parse().unwrap())
    }

    #[test]
    fn a_client_has_so_many_seats_until_one_goes() {
        let seats = Arc::new(Seats::new(10, 2));
        let first = take(&seats, "2001:db8::1").unwrap();
        let _second = take(&seats, "2001:db8::2").unwrap();
        assert!(take(&seats, "2001:db8::3").is_none());
        assert!(take(&seats, "2001:db8:0:1::1").is_some());
        drop(first);
        assert!(take(&seats, "2001:db8::3").is_some());
    }

    #[tokio::test]
    async fn when_full_whoever_came_first_makes_room() {
        let seats = Arc::new(Seats::new(2, 2));
        let first = take(&seats, "192.0.2.1").unwrap();
        let second = take(&seats, "192.0.2.2").unwrap();
        let third = take(&seats, "192.0.2.3").unwrap();
        first.is_needed().await;
        assert_eq!(seats.lock().by_number.len(), 2);
        drop((first, second, third));
        assert!(seats.lock().by_number.is_empty() && seats.lock().by_client.is_empty());
    }
}
