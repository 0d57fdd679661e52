//! Verdicts taken and noted: a zone put in service, or judged anew when filings, regions or the clock
//! have changed it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Rebuild;
use crate::filing::{Instant, Verdict};
use crate::gate::Gate;
use crate::reload::loader::Taken;
use crate::state::verdicts::{Judged, plain_text};
use crate::wire::Name;
use crate::zone::{Column, Zone, ZoneId};

impl Rebuild {
    /// Puts a zone in service with its verdicts.
    pub(super) fn put_zone(&mut self, zone: Zone, now: Instant, taken: &mut Taken) {
        self.snapshots.note_change();
        let judged = self.settings.rules.judge(&zone, self.store(), now);
        let before = Name::from_wire(zone.apex()).and_then(|apex| self.zones.get(&apex).cloned());
        if let Some(before) = &before {
            self.forget_sites(before.id(), &before.zone, now);
            self.tell_verdict(before.zone.apex(), &before.column, &judged.column, taken);
        }
        let before = before.as_ref().map(|before| (&before.zone, &before.column));
        self.note_change(before, Some((&zone, &judged)), now);
        let id = self.zones.insert(zone.clone(), judged.column);
        self.note_judged(id, zone.apex(), judged);
    }

    /// Takes the verdicts of a zone anew. True where one changed.
    fn judge_zone(&mut self, id: ZoneId, now: Instant, taken: &mut Taken) -> bool {
        let Some(entry) = self.zones.by_id(id) else { return false };
        let (zone, before) = (entry.zone.clone(), entry.column);
        let judged = self.settings.rules.judge(&zone, self.store(), now);
        if before == judged.column && judged.scopes == self.gate.scopes(zone.apex()) {
            note_due(&mut self.due, id, &judged);
            return false;
        }
        self.tell_verdict(zone.apex(), &before, &judged.column, taken);
        self.note_change(Some((&zone, &before)), Some((&zone, &judged)), now);
        self.zones.set_column(id, judged.column);
        // A zone that was exempt till now depends on no filing yet.
        self.note_judged(id, zone.apex(), judged);
        true
    }

    pub(in crate::reload) fn judge_all(&mut self, now: Instant, taken: &mut Taken) -> bool {
        let ids: Vec<ZoneId> = self.zones.iter().map(|entry| entry.id()).collect();
        self.judge_each(ids, now, taken)
    }

    /// True where any verdict changed.
    pub(super) fn judge_each(
        &mut self,
        ids: impl IntoIterator<Item = ZoneId>,
        now: Instant,
        taken: &mut Taken,
    ) -> bool {
        let mut is_changed = false;
        for id in ids {
            is_changed |= self.judge_zone(id, now, taken);
        }
        is_changed
    }

    fn note_judged(&mut self, id: ZoneId, apex: &[u8], judged: Judged) {
        judged.sites.iter().for_each(|&site| self.by_site.insert(site, id));
        note_due(&mut self.due, id, &judged);
        set_scopes(&mut self.gate, apex, judged);
    }

    pub(super) fn forget_sites(&mut self, id: ZoneId, zone: &Zone, now: Instant) {
        for site in self.settings.rules.judge(zone, self.store(), now).sites {
            self.by_site.remove(site, id);
        }
    }

    fn tell_verdict(&self, apex: &[u8], before: &Column, after: &Column, taken: &mut Taken) {
        if before.own == after.own || !self.is_serving() {
            return;
        }
        let domain = plain_text(apex);
        let (was, now) = (before.own.code(), after.own.code());
        match (before.own.is_open(), after.own) {
            (false, Verdict::Blocked(_)) => tracing::info!(domain, was, now, "reason changed"),
            (true, Verdict::Blocked(_)) => {
                taken.closed += 1;
                tracing::info!(domain, was, reason = now, "domain closed");
            }
            (false, _) => {
                taken.opened += 1;
                tracing::info!(domain, was, reason = now, "domain opened");
            }
            (true, _) => {}
        }
    }
}

pub(super) fn note_due(due: &mut BTreeSet<(u32, ZoneId)>, id: ZoneId, judged: &Judged) {
    let columns = judged.scopes.iter().map(|scope| &scope.column).chain([&judged.column]);
    for column in columns.filter(|column| column.next_change != 0) {
        due.insert((column.next_change, id));
    }
}

pub(super) fn set_scopes(gate: &mut Arc<Gate>, apex: &[u8], judged: Judged) {
    if judged.scopes != gate.scopes(apex) {
        Arc::make_mut(gate).set_scopes(apex, judged.scopes);
    }
}
