//! Response rate limiting over UDP: of one class of answer, the clients of one prefix get so many a
//! second, so that forged queries make no flood of answers to a third party.
//!
//! Who asks over TCP, or with a server cookie (RFC 7873) that this server gave, is no forgery, and is
//! never limited. Of what is withheld, every so many-th answer goes out as a truncated one: a real
//! resolver behind the prefix comes back over TCP (the *slip* of BIND, NSD and Knot).
//!
//! A prefix and class has one number in a table that all threads share: the time at which its next
//! answer would come if answers left at exactly the rate (the generic cell rate algorithm). Two that
//! fall on the same place take it from each other: a stranger's flood may then let too much pass, but
//! never holds back who keeps to the rate.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ipnet::IpNet;

use super::settings::RateLimitSettings;
use crate::answer::{Context, Reply, State};
use crate::wire::query::{HEADER_LEN, Query, rcode};
use crate::wire::{Rtype, name};

/// Places in the table; eight bytes each.
const PLACES: usize = 1 << 18;
/// Bits of a place that tell whose it is; the others hold microseconds since the start, which are
/// enough for eight years.
const OWNER_BITS: u32 = 16;
const MICROS: u64 = 1_000_000;
const MICROS_MASK: u64 = u64::MAX >> OWNER_BITS;

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Class {
    /// Records in the answer section.
    Answer,
    /// Type ANY: what amplifies most.
    Any,
    /// NODATA, and referrals.
    Empty,
    /// NXDOMAIN.
    Missing,
    /// Any other response code.
    Error,
}

impl Class {
    fn of(reply: &Reply, message: &[u8]) -> Class {
        let has_answers = message.get(6..8).is_some_and(|count| count != [0, 0]);
        match reply.rcode {
            _ if reply.qtype == Some(Rtype::ANY) => Class::Any,
            rcode::NOERROR if has_answers => Class::Answer,
            rcode::NOERROR => Class::Empty,
            rcode::NXDOMAIN => Class::Missing,
            _ => Class::Error,
        }
    }
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limited {
    /// It goes out as it is.
    No,
    /// It goes out truncated.
    Slipped,
    /// It does not go out.
    Withheld,
}

/// The limiter, shared by all UDP threads.
#[derive(Debug)]
pub(super) struct RateLimit {
    settings: RateLimitSettings,
    /// Microseconds from one answer to the next at exactly the rate.
    interval: u64,
    hasher: RandomState,
    places: Box<[AtomicU64]>,
    began: Instant,
    /// Answers over the limit; every `slip`-th of them is sent.
    over: AtomicU64,
    /// When a prefix was last named in the log.
    logged: AtomicU64,
}

impl RateLimit {
    /// `None` where the rate is 0: nothing is limited.
    pub(super) fn new(settings: RateLimitSettings) -> Option<RateLimit> {
        let interval = MICROS.checked_div(u64::from(settings.per_second))?;
        Some(RateLimit {
            settings,
            interval: interval.max(1),
            hasher: RandomState::new(),
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            began: Instant::now(),
            over: AtomicU64::new(0),
            logged: AtomicU64::new(0),
        })
    }

    /// The time that [`Self::limit`] counts in; read once for a batch.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX) & MICROS_MASK
    }

    /// Decides about one answer; a slipped one is cut down in `message`, and in `reply`.
    pub(super) fn limit(
        &self,
        now: u64,
        state: &State,
        context: &Context,
        query: &[u8],
        message: &mut [u8],
        reply: &mut Reply,
    ) -> Limited {
        let class = Class::of(reply, message);
        let prefix = self.prefix(context.client);
        if self.takes(self.hasher.hash_one((prefix, class)), now)
            || self.settings.exempt.iter().any(|net| net.contains(&context.client))
            || has_our_cookie(state, context, query)
        {
            return Limited::No;
        }
        self.log(now, prefix, class);
        let over = self.over.fetch_add(1, Ordering::Relaxed);
        match over.checked_rem(u64::from(self.settings.slip)) {
            Some(0) => {
                truncate(message, reply);
                Limited::Slipped
            }
            _ => Limited::Withheld,
        }
    }

    /// Takes one answer of what the key has left; false where nothing is.
    fn takes(&self, key: u64, now: u64) -> bool {
        let place = &self.places[key as usize & (PLACES - 1)];
        let owner = key & !MICROS_MASK;
        // A second's worth may leave at once.
        let latest = now + MICROS - self.interval.min(MICROS);
        let next = |held: u64| {
            let due = if held & !MICROS_MASK == owner { held & MICROS_MASK } else { 0 };
            (due <= latest).then(|| owner | (due.max(now) + self.interval) & MICROS_MASK)
        };
        place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    fn prefix(&self, client: IpAddr) -> IpAddr {
        let len = match client {
            IpAddr::V4(_) => self.settings.ipv4_prefix,
            IpAddr::V6(_) => self.settings.ipv6_prefix,
        };
        // The configuration keeps the lengths within those of the addresses.
        IpNet::new(client, len).map_or(client, |net| net.network())
    }

    /// Names a prefix in the log, once a second at most.
    fn log(&self, now: u64, prefix: IpAddr, class: Class) {
        let logged = self.logged.load(Ordering::Relaxed);
        let is_first = logged == 0 || now.saturating_sub(logged) > MICROS;
        let exchange = || {
            self.logged.compare_exchange(logged, now.max(1), Ordering::Relaxed, Ordering::Relaxed)
        };
        if is_first && exchange().is_ok() {
            tracing::warn!(%prefix, class = ?class, "answers withheld: over the rate limit");
        }
    }
}

/// Whether the query carries a server cookie that this server gave the client.
fn has_our_cookie(state: &State, context: &Context, query: &[u8]) -> bool {
    let edns = Query::read(query).ok().and_then(|query| query.edns);
    edns.and_then(|edns| edns.cookie).is_some_and(|cookie| {
        state.identity.cookie_secret.is_ours(cookie, context.client, context.now)
    })
}

/// Cuts the message down to header and question, with the TC bit.
fn truncate(message: &mut [u8], reply: &mut Reply) {
    const TYPE_AND_CLASS: usize = 4;
    const FLAG_TC: u8 = 0x02;
    let question = message.get(HEADER_LEN..reply.len).unwrap_or_default();
    let has_question = message.get(5) == Some(&1);
    let question_len = name::name_len(question).filter(|_| has_question);
    reply.len = HEADER_LEN + question_len.map_or(0, |len| len + TYPE_AND_CLASS);
    reply.is_truncated = true;
    if let Some(header) = message.first_chunk_mut::<HEADER_LEN>() {
        header[2] |= FLAG_TC;
        header[6..].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_second: u32) -> RateLimit {
        let settings = RateLimitSettings { per_second, ..RateLimitSettings::default() };
        RateLimit::new(settings).expect("a rate")
    }

    #[test]
    fn a_rate_of_zero_limits_nothing() {
        assert!(RateLimit::new(RateLimitSettings::default()).is_none());
    }

    #[test]
    fn a_seconds_worth_passes_at_once_and_then_the_rate() {
        let limiter = limiter(10);
        let passed = |now: u64| (0..100).filter(|_| limiter.takes(7 << 50, now)).count();
        assert_eq!(passed(5_000_000), 10);
        assert_eq!(passed(5_000_000), 0);
        assert_eq!(passed(5_300_000), 3);
        assert_eq!(passed(60_000_000), 10, "what was left long ago is not saved up");
    }

    #[test]
    fn whoever_shares_a_place_is_not_held_back() {
        let limiter = limiter(1);
        let [one, other] = [1 << 50, 2 << 50];
        assert!(limiter.takes(one, 0) && !limiter.takes(one, 0));
        assert!(limiter.takes(other, 0));
    }

    #[test]
    fn clients_are_taken_together_by_prefix() {
        let limiter = limiter(1);
        for (client, prefix) in
            [("192.0.2.77", "192.0.2.0"), ("2001:db8:0:1ff:1::1", "2001:db8:0:100::")]
        {
            let [client, prefix] = [client, prefix].map(|text| text.parse().expect("an address"));
            assert_eq!(limiter.prefix(client), prefix);
        }
    }
}
