//! How a name stands. The answer core is asked as a resolver would ask it, so that the page and the
//! DNS answer cannot disagree; the rest is read from what the state holds beside the zone.

use hickory_proto::rr::RData;

use crate::answer::{Phase, State};
use crate::explain::answer::{Asked, ask};
use crate::filing::decide::Target;
use crate::filing::{Instant, Reason, Verdict, site_domain};
use crate::gate::Mode;
use crate::region::Region;
use crate::state::verdicts::plain_text;
use crate::wire::query::rcode;
use crate::wire::{HashedName, Name, Rtype};

/// The codes of what is no verdict.
pub(super) const NOT_HOSTED: &str = "not-hosted";
pub(super) const NOT_READY: &str = "not-ready";

/// How a name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Situation {
    /// The data is not loaded, or the zone could not be.
    NotReady,
    /// No zone here has it, or it has no address.
    NotHosted,
    /// It is answered with its own addresses.
    Open {
        /// Why.
        verdict: Verdict,
        /// Whether to this provider.
        pointed: Pointed,
        /// The site domain that it is in.
        domain: String,
    },
    /// It is answered with the notice.
    Blocked(Blocked),
}

/// Whose addresses an open name has (row 26).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pointed {
    /// Ours, or it does not matter.
    Here,
    /// None of them is ours.
    Elsewhere,
}

/// A block, as the state tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocked {
    pub(super) reason: Reason,
    /// The name that is blocked: the one asked for, or one that its aliases lead to.
    pub(super) name: String,
    /// The site domain of that name.
    pub(super) domain: String,
    pub(super) since: Option<Instant>,
    /// When the verdict changes by itself.
    pub(super) next_change: Option<Instant>,
    /// Where its addresses are.
    pub(super) target: Target,
}

/// Asks for the name's addresses at an instant in seconds from 1970.
pub(super) fn of_name(state: &State, name: &Name, now: u32) -> Situation {
    if state.phase == Phase::Loading {
        return Situation::NotReady;
    }
    let mut is_pointed = false;
    for rtype in [Rtype::A, Rtype::AAAA] {
        let Some(asked) = ask(state, name, rtype, now) else { return Situation::NotReady };
        match asked.reply.rcode {
            rcode::REFUSED => return Situation::NotHosted,
            rcode::SERVFAIL => return Situation::NotReady,
            _ => {}
        }
        // Who watches only, answers with the real addresses.
        if let Some(reason) = asked.reply.blocked
            && state.gate.settings.mode == Mode::Enforce
        {
            let blocked = asked.hops(name).pop();
            let blocked = blocked.and_then(|name| blocked_at(state, &name, Some(reason)));
            return blocked.unwrap_or(Situation::NotReady);
        }
        is_pointed |= has_addresses(&asked);
    }
    if is_pointed {
        return open_at(state, name).unwrap_or(Situation::NotHosted);
    }
    // Nobody is led here by DNS, but the owner may ask all the same.
    blocked_at(state, name, None).unwrap_or(Situation::NotHosted)
}

/// The block at a name; `None` where nothing is hosted, or, with no reason given, where the name is
/// open.
fn blocked_at(state: &State, name: &Name, reason: Option<Reason>) -> Option<Situation> {
    let hashed = HashedName::read(name.as_wire(), state.zones.key())?;
    let entry = state.zones.find(&hashed)?.entry;
    let column = state.gate.column(entry, &hashed, &entry.zone.locate(&hashed));
    let reason = match (reason, column.own) {
        (Some(reason), _) => reason,
        (None, Verdict::Blocked(reason)) if state.gate.settings.mode == Mode::Enforce => reason,
        (None, _) => return None,
    };
    let target = match column.own {
        Verdict::Blocked(own) if own == reason => Target::Own,
        _ => Target::OtherMainland,
    };
    let instant = |seconds: u32| (seconds != 0).then(|| Instant(i64::from(seconds)));
    Some(Situation::Blocked(Blocked {
        reason,
        name: plain_text(hashed.as_wire()),
        domain: site_of(&hashed, entry.zone.apex()),
        since: instant(column.since),
        next_change: instant(column.next_change),
        target,
    }))
}

fn open_at(state: &State, name: &Name) -> Option<Situation> {
    let hashed = HashedName::read(name.as_wire(), state.zones.key())?;
    let entry = state.zones.find(&hashed)?.entry;
    let place = entry.zone.locate(&hashed);
    let column = state.gate.column(entry, &hashed, &place);
    let found = state.gate.whereabouts(&state.zones, entry, &hashed, &place, Rtype::A);
    let region = found.region;
    let verdict = match (column.own, region) {
        (Verdict::Exempt, _) => Verdict::Exempt,
        (_, Region::Overseas) => Verdict::NotRequired,
        // Whatever the filing says: it is answered.
        _ => Verdict::Open,
    };
    Some(Situation::Open {
        verdict,
        pointed: match (verdict, region) {
            (Verdict::Open, Region::OtherMainland) => Pointed::Elsewhere,
            _ => Pointed::Here,
        },
        domain: site_of(&hashed, entry.zone.apex()),
    })
}

fn site_of(name: &HashedName, apex: &[u8]) -> String {
    let site = site_domain::of_wire(name.as_wire());
    plain_text(site.map_or(apex, |site| &name.as_wire()[site.offset..]))
}

fn has_addresses(asked: &Asked) -> bool {
    asked.message.answers.iter().any(|it| matches!(it.data, RData::A(_) | RData::AAAA(_)))
}
