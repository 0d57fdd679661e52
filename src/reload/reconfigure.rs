//! A changed configuration: what of it changes while running, and what must not.
//!
//! Owns that no change of a word drops the zones or closes the domains. A folder that is missing or
//! empty is refused. Filings of another provider or folder are read aside, and weighed as a
//! shrinking file is (DESIGN 4): what would close too many domains waits for the operator.

use std::sync::Arc;

use super::driver::Cause;
use super::hold;
use super::loader::{Shrink, Taken};
use super::rebuild::{ACCEPT, ReadAgain, Rebuild, Settings, some_of};
use super::scope::Scope;
use super::zone_files::ZoneFiles;
use crate::fault::{Fault, Severity};
use crate::feed::{self, Feed, FeedChange, FeedSettings, Moment};
use crate::filing::{Instant, Verdict};
use crate::journal;
use crate::state::verdicts::plain_text;
use crate::wire::Name;

/// Filings that wait for the operator.
#[derive(Debug)]
pub(super) struct Refiling {
    settings: FeedSettings,
    /// What they would close.
    pub(super) fault: Fault,
}

impl Rebuild {
    /// Reads the configuration anew and takes in what can change while running. What is wrong with it
    /// is told once, and whenever somebody asks.
    pub(super) fn reconfigure(&mut self, cause: Cause, shrink: Shrink, now: Instant) -> Taken {
        self.cause = journal::Cause::Config;
        let mut taken = self.take_settings(cause, shrink, now);
        if cause == Cause::Poll && taken.faults == self.config_faults {
            taken.faults.clear();
        } else {
            self.config_faults.clone_from(&taken.faults);
        }
        taken
    }

    fn take_settings(&mut self, cause: Cause, shrink: Shrink, now: Instant) -> Taken {
        let ReadAgain { settings, faults } = (self.read_settings)();
        let mut taken = Taken { faults, ..Taken::default() };
        let Some(new) = settings else { return taken };
        if let Some(fault) = self.fault_of_folders(&new) {
            taken.faults.push(fault);
            return taken;
        }
        let refiled = match self.read_filings_anew(&new, cause, shrink, now) {
            Ok(refiled) => refiled,
            Err(fault) => {
                taken.faults.push(fault);
                return taken;
            }
        };
        let old = std::mem::replace(&mut self.settings, new);
        let new = self.settings.clone();
        let mut is_changed = old.identity != new.identity;
        if old.gate != new.gate {
            self.gate = Arc::new(self.gate.with_settings(new.gate.clone()));
            is_changed = true;
        }
        if old.regions_stamp != new.regions_stamp
            || old.nameserver_addresses != new.nameserver_addresses
        {
            self.classify_all();
            is_changed = true;
        }
        // A folder that has not been looked at yet is none that a change could be missed in.
        if let Some((feed, change)) = refiled {
            let before = self.store().len();
            self.go_on_with(feed);
            self.note_feed_change(before, change, &mut taken);
        } else if old.feed != new.feed
            && let Some(feed) = &mut self.feed
        {
            feed.change_limits(&new.feed);
            self.refresh_feed(feed::Scope::All, &[], feed::Shrink::Guard, &mut taken);
        }
        if old.zones != new.zones || old.settle != new.settle {
            self.files = ZoneFiles::new(&new.zones, new.settle);
            self.files.meet(self.writers.clone(), self.folder_watch.clone());
            let scan = self.files.scan(&Scope::All, &[]);
            let origins: Vec<Name> =
                self.zones.iter().filter_map(|entry| Name::from_wire(entry.zone.apex())).collect();
            for origin in &origins {
                if self.files.file(origin).is_none() {
                    self.remove_zone(origin, now, &mut taken);
                }
            }
            taken.faults.extend(scan.faults);
            self.take_zones(&scan.changed, now, &mut taken);
            self.files.note_taken_in();
            is_changed = true;
        }
        let is_judged = !self.zones.is_empty()
            && (old.rules != self.settings.rules || old.feed != self.settings.feed)
            && self.judge_all(now, &mut taken);
        if old.rules != self.settings.rules {
            self.snapshots.note_change();
        }
        if is_changed || is_judged {
            tracing::info!("settings changed");
            self.publish(now);
        }
        taken
    }

    /// A configuration that names another folder, in which there is nothing, would remove every zone,
    /// or close every domain: it is refused.
    fn fault_of_folders(&self, new: &Settings) -> Option<Fault> {
        let zones = (!self.files.is_empty()).then_some((&self.settings.zones, &new.zones));
        let filings =
            (!self.store().is_empty()).then_some((&self.settings.feed.path, &new.feed.path));
        let changed = zones.into_iter().chain(filings).filter(|(old, new)| old != new);
        changed.map(|(_, folder)| folder).find_map(|folder| {
            let problem = match std::fs::read_dir(folder).map(|mut entries| entries.next()) {
                Ok(Some(_)) => return None,
                Ok(None) => "the folder that the changed configuration names is empty".to_owned(),
                Err(error) => {
                    format!("the folder that the changed configuration names: {error}")
                }
            };
            let remedy = "fill the folder, then `beiand reload`; the former settings stay in force";
            Some(Fault::of_file(Severity::Error, folder, problem, remedy))
        })
    }

    /// The filings as the changed configuration wants them, where those in force cannot be kept;
    /// they are read aside. Errors: they must not be taken in, and the former settings stay in
    /// force.
    fn read_filings_anew(
        &mut self,
        new: &Settings,
        cause: Cause,
        shrink: Shrink,
        now: Instant,
    ) -> Result<Option<(Feed, FeedChange)>, Fault> {
        let waiting = self.refiling.take();
        let is_kept = self.feed.as_ref().is_none_or(|feed| feed.can_go_on(&new.feed));
        if is_kept {
            return Ok(None);
        }
        if hold::is_held(&new.feed.path) {
            let problem = "the folder is on hold, and the configuration changed how it is read";
            let remedy = "the former settings stay in force until the .hold goes";
            return Err(Fault::of_file(Severity::Error, &new.feed.path, problem, remedy));
        }
        if let Some(waiting) = waiting
            && cause == Cause::Poll
            && waiting.settings == new.feed
        {
            // To read all filings every few seconds would be no help.
            return Err(self.refiling.insert(waiting).fault.clone());
        }
        let (feed, change) = Feed::open(new.feed.clone(), Moment::now());
        if shrink == Shrink::Refuse
            && let Some(fault) = self.fault_of_closing(&feed, new, now)
        {
            self.refiling = Some(Refiling { settings: new.feed.clone(), fault: fault.clone() });
            return Err(fault);
        }
        Ok(Some((feed, change)))
    }

    /// What would close, where that is a greater share of all that is open than `filings.max_shrink`.
    /// However few they are: nobody changes the provider as often as a filing.
    fn fault_of_closing(&self, feed: &Feed, new: &Settings, now: Instant) -> Option<Fault> {
        let open = || self.zones.iter().filter(|entry| entry.column.own == Verdict::Open);
        let would_close: Vec<String> = open()
            .filter(|entry| !new.rules.judge(&entry.zone, feed.store(), now).column.own.is_open())
            .map(|entry| plain_text(entry.zone.apex()))
            .collect();
        let of = open().count();
        if would_close.len() as f64 <= new.feed.max_shrink * of as f64 {
            return None;
        }
        let FeedSettings { path, provider, .. } = &new.feed;
        let problem = format!(
            "with filings.provider = {provider:?} and filings.path = {path:?}, {} of {of} open \
             domains would close ({}): the changed configuration waits, and the former settings \
             stay in force",
            would_close.len(),
            some_of(&would_close),
        );
        Some(Fault::of_file(Severity::Error, &new.config, problem, ACCEPT))
    }
}
