//! What the reload thread knows of one name: its zone, its file, its records. For those who ask over
//! the control socket; nothing is changed by it.

use super::protocol::{WireFault, ZoneState, ZoneStatus};
use super::rebuild::{Rebuild, Settings};
use crate::explain::{Draft, Sources, ZoneFileTold};
use crate::fault::Fault;
use crate::filing::Instant;
use crate::state::State;
use crate::wire::{Name, Rtype};
use crate::zone::Zone;

impl Rebuild {
    /// What is known of a zone of this origin, in lower case.
    pub(super) fn zone_status_of(&self, origin: &Name) -> ZoneStatus {
        let refused = self.refused.get(origin).map(WireFault::from);
        let file = self.files.file(origin).map(|file| file.path());
        let name = origin.to_string();
        let Some(entry) = self.zones.get(origin) else {
            return ZoneStatus { name, file, refused, ..ZoneStatus::default() };
        };
        let column = &entry.column;
        ZoneStatus {
            name,
            state: match entry.zone.is_broken() {
                true => ZoneState::Failed,
                false => ZoneState::Served,
            },
            serial: serial(&entry.zone),
            file,
            read: instant(self.files.read_at(origin)),
            verdict: Some(column.own.code().to_owned()),
            since: instant(column.since),
            next_change: instant(column.next_change),
            has_scopes: column.has_scopes,
            refused,
        }
    }

    /// Explains a name in lower case to who asks for that type, as things are being answered.
    pub(super) fn explained(&self, asked: &Name, rtype: Rtype, now: Instant) -> Draft {
        let zone_file = |apex: &Name| ZoneFileTold {
            path: self.files.file(apex).map(|file| file.path()).unwrap_or_default(),
            refused: self.refused.get(apex).map(Fault::to_string),
        };
        let state = State::clone(&self.shared.load());
        let Settings { regions, rules, .. } = &self.settings;
        Sources::new(state, regions, &rules.policy, self.feed.as_ref(), &zone_file, now)
            .explain(asked, rtype)
    }
}

/// RFC 3339; `None` where there is no such instant (0).
fn instant(seconds: u32) -> Option<String> {
    (seconds != 0).then(|| Instant(i64::from(seconds)).to_string())
}

/// The serial number in the SOA record (RFC 1035 §3.3.13): the first of the five numbers at its end.
fn serial(zone: &Zone) -> Option<u32> {
    let soa = zone.soa()?.rdata().next()?;
    let numbers = soa.last_chunk::<20>()?;
    numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial))
}
