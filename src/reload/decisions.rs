//! What the journal of decisions is told: which verdicts a zone has, before and after a change, and
//! the filing record that each shows.

use super::rebuild::Rebuild;
use crate::feed::{Feed, Place, SiteKey};
use crate::filing::decide::{Target, decide};
use crate::filing::{Facts, Instant, site_domain};
use crate::gate::{Gate, Mode, Scope};
use crate::journal::{Change, Domain, Evidence, Journal, Record, Served, Standing};
use crate::state::verdicts::{Judged, Rules, plain_text};
use crate::wire::{Name, name};
use crate::zone::{Column, Zone, ZoneSet};

/// The verdicts of a zone: its own, and those of names in it.
#[derive(Clone, Copy)]
struct Verdicts<'a> {
    column: &'a Column,
    scopes: &'a [Scope],
}

impl Verdicts<'_> {
    fn standing(self, apex: &[u8], name: &[u8]) -> Option<Standing> {
        if name == apex {
            return Some(standing(self.column));
        }
        let scope = self.scopes.iter().find(|scope| *scope.name == *name);
        scope.map(|scope| standing(&scope.column))
    }
}

/// All that is served, or about to be.
struct Everything<'a> {
    zones: &'a ZoneSet,
    gate: &'a Gate,
    feed: Option<&'a Feed>,
    rules: &'a Rules,
    now: Instant,
}

impl Rebuild {
    /// Notes what a change does to the domains of a zone; to be called while the scopes of before
    /// are in force. A zone whose file was never good is answered with SERVFAIL: it is neither open
    /// nor dark, and counts as none.
    pub(super) fn note_change(
        &mut self,
        before: Option<(&Zone, &Column)>,
        after: Option<(&Zone, &Judged)>,
        now: Instant,
    ) {
        if self.journal.is_none() || !self.is_serving() {
            return;
        }
        let before = before.filter(|(zone, _)| !zone.is_broken());
        let after = after.filter(|(zone, _)| !zone.is_broken());
        let zones = [before.map(|(zone, _)| zone), after.map(|(zone, _)| zone)];
        let Some(apex) = zones.into_iter().flatten().next().map(Zone::apex) else { return };
        // Changing the scopes later must not copy them all for this one look at them.
        let scopes = before.map_or_else(Vec::new, |_| self.gate.scopes(apex).to_vec());
        let before = before.map(|(_, column)| Verdicts { column, scopes: &scopes });
        let after = after.map(|(_, it)| Verdicts { column: &it.column, scopes: &it.scopes });
        let sides = [before, after].into_iter().flatten();
        let mut names: Vec<&[u8]> =
            sides.flat_map(|it| it.scopes).map(|scope| &*scope.name).chain([apex]).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let standing = |side: Option<Verdicts<'_>>| side?.standing(apex, name);
            self.note_domain(apex, name, standing(before), standing(after), now);
        }
    }

    fn note_domain(
        &mut self,
        apex: &[u8],
        name: &[u8],
        before: Option<Standing>,
        after: Option<Standing>,
        now: Instant,
    ) {
        if before == after {
            return;
        }
        let (zone, name) = (text(apex), text(name));
        let evidence = match after {
            Some(_) => {
                let Rebuild { zones, gate, feed, settings, .. } = &*self;
                let feed = feed.as_ref();
                Everything { zones, gate, feed, rules: &settings.rules, now }.evidence(&name)
            }
            None => Evidence::default(),
        };
        let domain = Domain { zone: &zone, name: &name };
        let (mode, cause) = (self.gate.settings.mode, self.cause);
        if let Some(journal) = &mut self.journal {
            journal.note(now, mode, &Change { domain, before, after, cause, evidence });
        }
    }

    /// Has the journal written; before the change is answered.
    pub(super) fn write_journal_ahead(&mut self, now: Instant) {
        self.with_journal(now, |journal, everything| journal.write_ahead(everything, now));
    }

    /// What the journal has to do once the change is answered.
    pub(super) fn settle_journal(&mut self, now: Instant) {
        self.with_journal(now, |journal, everything| journal.settle(everything, now));
    }

    fn with_journal(&mut self, now: Instant, act: impl FnOnce(&mut Journal, &Everything<'_>)) {
        let Rebuild { journal, zones, gate, feed, settings, .. } = self;
        if let Some(journal) = journal {
            let feed = feed.as_ref();
            act(journal, &Everything { zones, gate, feed, rules: &settings.rules, now });
        }
    }
}

impl Served for Everything<'_> {
    fn mode(&self) -> Mode {
        self.gate.settings.mode
    }

    fn each(&self, tell: &mut dyn FnMut(Domain<'_>, Standing)) {
        for entry in self.zones.iter().filter(|entry| !entry.zone.is_broken()) {
            let zone = text(entry.zone.apex());
            tell(Domain { zone: &zone, name: &zone }, standing(&entry.column));
            for scope in self.gate.scopes(entry.zone.apex()) {
                tell(Domain { zone: &zone, name: &text(&scope.name) }, standing(&scope.column));
            }
        }
    }

    fn evidence(&self, domain: &str) -> Evidence {
        let found = || -> Option<Evidence> {
            let name: Name = domain.parse().ok()?;
            if self.rules.is_exempt(name.as_wire()) {
                return None;
            }
            let site = site_domain::of_wire(name.as_wire())?;
            let site = SiteKey(site_domain::hash_wire(&name.as_wire()[site.offset..]));
            let plain = plain_text(name.as_wire());
            let feed = self.feed?;
            let records = feed.store().records_of(site).filter(|record| record.covers_name(&plain));
            let (facts, places): (Vec<Facts>, Vec<Place>) =
                records.map(|record| (record.facts, record.place)).unzip();
            let decision = decide(&facts, self.now, Target::Own, &self.rules.policy);
            let record = decision.shown.map(|shown| Record {
                file: feed.path_of(places[shown].file).to_string_lossy().into_owned(),
                line: places[shown].line,
            });
            Some(Evidence { record, since: decision.since })
        };
        found().unwrap_or_default()
    }
}

fn standing(column: &Column) -> Standing {
    Standing { own: column.own, other_mainland: column.other_mainland }
}

/// A name as the journal has it: without its final dot, except for the root.
fn text(wire: &[u8]) -> String {
    let mut text = name::to_text(wire);
    if text.len() > 1 {
        text.pop();
    }
    text
}
