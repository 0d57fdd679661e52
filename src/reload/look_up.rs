//! What the reload thread knows of one name: its zone, its file, its records. For those who ask over
//! the control socket; nothing is changed by it.

use super::protocol::{Explained, RecordPlace, WireFault, ZoneState, ZoneStatus};
use super::rebuild::Rebuild;
use crate::feed::{Feed, SiteKey};
use crate::filing::decide::{Target, reason_of};
use crate::filing::{Instant, Verdict, site_domain};
use crate::region::Region;
use crate::state::verdicts::plain_text;
use crate::wire::{HashedName, Name, Rtype, name};
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

    /// The verdict for a name in lower case, as an A query for it meets it.
    pub(super) fn explained(&self, asked: &Name, now: Instant) -> Explained {
        let state = self.shared.load();
        let site = site_domain::of_wire(asked.as_wire())
            .and_then(|site| asked.as_wire().get(site.offset..))
            .map(plain_text);
        let mut explained = Explained {
            name: asked.to_string(),
            at: now.to_string(),
            verdict: "not-hosted".to_owned(),
            site_domain: site.clone(),
            ..Explained::default()
        };
        let hashed = HashedName::read(asked.as_wire(), state.zones.key());
        let found = hashed.as_ref().and_then(|name| Some((name, state.zones.find(name)?)));
        let mut target = Target::Own;
        if let Some((hashed, found)) = found {
            let place = found.entry.zone.locate(hashed);
            let column = state.gate.column(found.entry, hashed, &place);
            let zones = &state.zones;
            let found_at = state.gate.whereabouts(zones, found.entry, hashed, &place, Rtype::A);
            let region = found_at.region;
            let verdict = column.verdict_in(region);
            if region == Region::OtherMainland {
                target = Target::OtherMainland;
            }
            explained.verdict = verdict.code().to_owned();
            explained.open = verdict.is_open();
            if verdict.is_by_filing() {
                explained.since = instant(column.since);
                explained.next_change = instant(column.next_change);
            }
            let apex = found.entry.zone.apex();
            explained.zone = Some(name::to_text(apex));
            explained.file = Name::from_wire(apex)
                .and_then(|apex| self.files.file(&apex))
                .map(|file| file.path());
        }
        if let (Some(feed), Some(site)) = (&self.feed, site) {
            explained.records = self.record_places(feed, &site, asked, target, now);
        }
        explained
    }

    fn record_places(
        &self,
        feed: &Feed,
        site: &str,
        asked: &Name,
        target: Target,
        now: Instant,
    ) -> Vec<RecordPlace> {
        let asked = plain_text(asked.as_wire());
        let policy = &self.settings.rules.policy;
        let records = feed.store().records_of(SiteKey::of(site));
        let mut places: Vec<RecordPlace> = records
            .filter(|record| record.covers_name(&asked))
            .map(|record| {
                let reason = reason_of(&record.facts, now, target, policy);
                RecordPlace {
                    file: feed.path_of(record.place.file),
                    line: record.place.line,
                    covers: record.covers.map(str::to_owned),
                    reason: reason.map_or(Verdict::Open, Verdict::Blocked).code().to_owned(),
                }
            })
            .collect();
        places.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        places
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
