//! How an explanation is found: from the state that is served and the filings that it comes from.
//!
//! What stands in the filing files themselves is left to [`Draft::finish`], so that the thread that
//! owns the filings reads no file for it.

use std::path::PathBuf;
use std::sync::Arc;

use super::answer::{Gated, ask};
use super::way::Way;
use super::{
    AddressTold, AnswerTold, Explanation, HopTold, ReasonTold, RecordTold, WordsTold, ZoneTold,
};
use crate::answer::{Phase, State};
use crate::feed::{Feed, FoundRecord, TextReader};
use crate::filing::decide::{FilingPolicy, Target, reasons_of};
use crate::filing::words::{self, Words};
use crate::filing::{Instant, Reason, Verdict, site_domain};
use crate::gate::{ExternalTargets, GateSettings, Mode};
use crate::region::{Region, Regions};
use crate::state::verdicts::plain_text;
use crate::wire::{HashedName, Name, Rtype, name};
use crate::zone::{Column, Entry, Node, Place, Zone};

/// What an explanation is found from.
pub struct Sources<'a> {
    state: State,
    /// The same, but for the gate, which only observes.
    observing: State,
    regions: &'a Regions,
    policy: &'a FilingPolicy,
    /// `None` before the filings have been read.
    feed: Option<&'a Feed>,
    /// What is known of the file of a zone with that origin.
    zone_file: &'a dyn Fn(&Name) -> ZoneFileTold,
    at: Instant,
}

/// What is known of a zone's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneFileTold {
    /// Its path.
    pub path: PathBuf,
    /// Why its present version is refused, where it is.
    pub refused: Option<String>,
}

/// An explanation that lacks the fields of its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    told: Explanation,
    /// One for each record told.
    found: Vec<FoundRecord>,
}

impl Draft {
    /// Reads the records' fields from their files; a record that has changed since keeps none.
    pub fn finish(self, reader: &mut TextReader) -> Explanation {
        let Draft { mut told, found } = self;
        for (record, found) in told.records.iter_mut().zip(&found) {
            let texts = reader.read(found).into_iter();
            record.fields = texts.map(|(field, text)| (field.name().to_owned(), text)).collect();
        }
        told
    }
}

/// How a hosted name stands.
struct Standing<'s> {
    entry: &'s Entry,
    place: Place<'s>,
    column: &'s Column,
    region: Region,
    verdict: Verdict,
}

impl<'a> Sources<'a> {
    /// Takes the state as it is served.
    pub fn new(
        state: State,
        regions: &'a Regions,
        policy: &'a FilingPolicy,
        feed: Option<&'a Feed>,
        zone_file: &'a dyn Fn(&Name) -> ZoneFileTold,
        at: Instant,
    ) -> Sources<'a> {
        let settings = GateSettings { mode: Mode::Observe, ..state.gate.settings.clone() };
        let gate = Arc::new(state.gate.with_settings(settings));
        let observing = State { gate, ..state.clone() };
        Sources { state, observing, regions, policy, feed, zone_file, at }
    }

    /// Where a name in lower case leads.
    pub fn way(&self, name: &Name) -> Way {
        Way::of(&self.observing, name, self.seconds())
    }

    /// Explains a name in lower case to who asks for that type.
    pub fn explain(&self, asked: &Name, rtype: Rtype) -> Draft {
        let way = self.way(asked);
        let is_hosted = self.standing(asked, rtype).is_some();
        let hops = way.hops.iter().filter(|_| is_hosted);
        let path: Vec<HopTold> = hops.map(|name| self.hop(name, rtype)).collect();
        // An alias is as open as what it leads to.
        let first_blocked = way.hops.iter().zip(&path).find(|(_, hop)| !hop.open);
        let blocked_at = match (path.first(), way.blocked, first_blocked) {
            (Some(HopTold { open: true, .. }), Some(_), Some((blocked, _))) => Some(blocked),
            _ => None,
        };
        let subject = blocked_at.unwrap_or(asked);
        let mut told = self.verdict_of(subject, rtype);
        told.name = asked.to_string();
        told.blocked_at = blocked_at.map(Name::to_string);
        told.zone = self.zone_of(asked);
        let gated = if told.open { Gated::Open } else { Gated::Blocked };
        let reply = ask(&self.state, asked, rtype, self.seconds());
        told.answer = match reply {
            Some(reply) => reply.told(self.state.gate.settings.mode, gated),
            None => {
                AnswerTold { status: "a reply that cannot be shown".into(), ..Default::default() }
            }
        };
        told.addresses = way.addresses.iter().map(|found| self.address(found)).collect();
        told.path = path;
        let target = match self.standing(subject, rtype) {
            Some(Standing { region: Region::OtherMainland, .. }) => Target::OtherMainland,
            _ => Target::Own,
        };
        let found = self.records_of(&told, subject);
        told.records = found.iter().map(|record| self.record(record, target)).collect();
        told.reasons = reasons(&told);
        Draft { told, found }
    }

    /// What can be said of the verdict alone.
    fn verdict_of(&self, name: &Name, rtype: Rtype) -> Explanation {
        let site = site_domain::of_wire(name.as_wire());
        let told = Explanation {
            rtype: rtype.to_string(),
            at: self.at.to_string(),
            site_domain: site.map(|site| plain_text(&name.as_wire()[site.offset..])),
            ..Explanation::default()
        };
        let without = |verdict: &str, words: Words| Explanation {
            verdict: verdict.to_owned(),
            words: words.into(),
            ..told.clone()
        };
        if self.state.phase == Phase::Loading {
            return without("not-ready", words::NOT_READY);
        }
        let Some(Standing { entry, column, region, verdict, .. }) = self.standing(name, rtype)
        else {
            return without("not-hosted", words::NOT_HOSTED);
        };
        if entry.zone.is_broken() {
            return without("not-ready", words::NOT_READY);
        }
        let not_pointed_here = verdict == Verdict::Open && region == Region::OtherMainland;
        let words = match not_pointed_here {
            true => words::NOT_POINTED_HERE,
            false => words::of_verdict(verdict),
        };
        let instant = |seconds: u32| {
            let is_told = seconds != 0 && verdict.is_by_filing();
            is_told.then(|| Instant(i64::from(seconds)).to_string())
        };
        Explanation {
            open: verdict.is_open(),
            since: instant(column.since),
            next_change: instant(column.next_change),
            not_pointed_here,
            ..without(verdict.code(), words)
        }
    }

    fn standing(&self, name: &Name, rtype: Rtype) -> Option<Standing<'_>> {
        let State { zones, gate, .. } = &self.state;
        let name = HashedName::read(name.as_wire(), zones.key())?;
        let entry = zones.find(&name)?.entry;
        let place = entry.zone.locate(&name);
        let column = gate.column(entry, &name, &place);
        let region = gate.whereabouts(zones, entry, &name, &place, rtype).region;
        Some(Standing { entry, place, column, region, verdict: column.verdict_in(region) })
    }

    fn hop(&self, name: &Name, rtype: Rtype) -> HopTold {
        let told = HopTold { name: name.to_string(), open: true, ..HopTold::default() };
        match self.standing(name, rtype) {
            Some(Standing { entry, place, verdict, .. }) => HopTold {
                zone: Some(name::to_text(entry.zone.apex())),
                place: told_place(&place, &entry.zone),
                verdict: verdict.code().to_owned(),
                open: verdict.is_open(),
                ..told
            },
            None => HopTold {
                place: match self.state.gate.settings.external_targets {
                    ExternalTargets::AsOwn => "outside the hosted zones, counts as own".to_owned(),
                    ExternalTargets::Open => {
                        "outside the hosted zones, open by gate.external_targets".to_owned()
                    }
                },
                verdict: "not-hosted".to_owned(),
                ..told
            },
        }
    }

    fn zone_of(&self, asked: &Name) -> Option<ZoneTold> {
        let Standing { entry, place, .. } = self.standing(asked, Rtype::A)?;
        let apex = Name::from_wire(entry.zone.apex())?;
        let ZoneFileTold { path, refused } = (self.zone_file)(&apex);
        Some(ZoneTold {
            apex: apex.to_string(),
            file: path.to_string_lossy().into_owned(),
            place: told_place(&place, &entry.zone),
            refused,
        })
    }

    fn address(&self, (owner, address): &(Name, std::net::IpAddr)) -> AddressTold {
        AddressTold {
            owner: owner.to_string(),
            address: *address,
            region: self.regions.lookup(*address).to_string(),
            decided_by: self.regions.why(*address).to_string(),
        }
    }

    fn records_of(&self, told: &Explanation, subject: &Name) -> Vec<FoundRecord> {
        let Some((feed, site)) = self.feed.zip(told.site_domain.as_ref()) else {
            return Vec::new();
        };
        let mut records = feed.find_records(site);
        let subject = plain_text(subject.as_wire());
        records.retain(|record| record.covers_name(&subject));
        records
    }

    fn record(&self, record: &FoundRecord, target: Target) -> RecordTold {
        let reasons = reasons_of(&record.facts, self.at, target, self.policy);
        let verdict = reasons.first().map_or(Verdict::Open, |reason| Verdict::Blocked(*reason));
        RecordTold {
            file: record.file.to_string_lossy().into_owned(),
            line: record.line,
            covers: record.covers.clone(),
            reason: verdict.code().to_owned(),
            reasons: reasons.iter().map(|reason| reason.code().to_owned()).collect(),
            words: words::of_verdict(verdict).into(),
            ..RecordTold::default()
        }
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.at.0).unwrap_or(u32::MAX)
    }
}

/// The reasons of a blocked name: the verdict's, and those of its records. A record that says
/// nothing of a website does not stand in the way of one that does.
fn reasons(told: &Explanation) -> Vec<ReasonTold> {
    if !Reason::ALL.iter().any(|reason| reason.code() == told.verdict) {
        return Vec::new();
    }
    let holds = |reason: &Reason| {
        let of_records = || told.records.iter().flat_map(|record| &record.reasons);
        told.verdict == reason.code()
            || (*reason != Reason::NoFiling && of_records().any(|code| code == reason.code()))
    };
    let holding = Reason::IN_ORDER.into_iter().filter(holds);
    let words = |reason| WordsTold::from(words::of_reason(reason));
    holding.map(|it| ReasonTold { code: it.code().to_owned(), words: words(it) }).collect()
}

fn told_place(place: &Place<'_>, zone: &Zone) -> String {
    if zone.is_broken() {
        return "its file was never good: queries get SERVFAIL".to_owned();
    }
    let owner = |node: &Node<'_>| name::to_text(&[node.relative_name(), zone.apex()].concat());
    let alias = |node: &Node<'_>| if node.is_alias() { ", an alias (CNAME)" } else { "" };
    match place {
        Place::Node(node) if node.is_alias() => "an alias (CNAME)".to_owned(),
        Place::Node(node) if node.rrsets().next().is_none() => "an empty non-terminal".to_owned(),
        Place::Node(_) => "a name with records".to_owned(),
        Place::Wildcard(node) => format!("made by the wildcard {}{}", owner(node), alias(node)),
        Place::Delegated { delegation, .. } => format!("delegated at {}", owner(delegation)),
        Place::Redirected(node) => format!("redirected by the DNAME at {}", owner(node)),
        Place::Missing => "no such name".to_owned(),
    }
}
