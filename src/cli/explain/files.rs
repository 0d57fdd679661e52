//! Explanations from the files, with no server running: the filings are read once, and of the zones
//! those that a name is in or leads to.

use std::collections::{BTreeMap, HashSet};

use crate::answer::{Phase, State};
use crate::explain::{Explanation, Sources, ZoneFileTold};
use crate::fault::Fault;
use crate::feed::{Feed, Moment, TextReader};
use crate::filing::Instant;
use crate::gate::Gate;
use crate::reload::read_zones::{Loaded, read_zones};
use crate::reload::{Scope, ZoneFile, ZoneFiles, rebuild};
use crate::wire::{Name, Rtype};
use crate::zone::{Builder, ZoneSet};

/// The files, and what has been read of them.
pub(super) struct Files {
    settings: rebuild::Settings,
    at: Instant,
    files: ZoneFiles,
    feed: Feed,
    texts: TextReader,
    zones: ZoneSet,
    gate: Gate,
    /// The origins whose file has been read.
    read: HashSet<Name>,
    refused: BTreeMap<Name, Fault>,
}

impl Files {
    /// Reads the filings, and finds the zone files.
    pub(super) fn open(settings: rebuild::Settings, at: Instant) -> Files {
        let mut files = ZoneFiles::new(&settings.zones, settings.settle);
        files.scan(&Scope::All, &[]);
        let (feed, _) = Feed::open(settings.feed.clone(), Moment::now());
        Files {
            gate: Gate::new(settings.gate.clone()),
            settings,
            at,
            files,
            feed,
            texts: TextReader::default(),
            zones: ZoneSet::new(),
            read: HashSet::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Explains a name in lower case.
    pub(super) fn explain(&mut self, asked: &Name, rtype: Rtype) -> Explanation {
        self.read_zones_above(asked);
        // Each zone may lead on into one that has not been read.
        loop {
            let state = self.state();
            let met = self.with_sources(state, |sources| sources.way(asked).met);
            let before = self.read.len();
            for name in met {
                self.read_zones_above(&name);
            }
            if self.read.len() == before {
                break;
            }
        }
        let state = self.state();
        let draft = self.with_sources(state, |sources| sources.explain(asked, rtype));
        draft.finish(&mut self.texts)
    }

    fn state(&mut self) -> State {
        State {
            phase: Phase::Serving,
            zones: self.zones.publish(),
            gate: self.gate.clone().into(),
            ..State::default()
        }
    }

    fn with_sources<T>(&self, state: State, use_them: impl FnOnce(&Sources<'_>) -> T) -> T {
        let zone_file = |apex: &Name| ZoneFileTold {
            path: self.files.file(apex).map(|file| file.path()).unwrap_or_default(),
            refused: self.refused.get(apex).map(Fault::to_string),
        };
        let rebuild::Settings { regions, rules, .. } = &self.settings;
        let feed = Some(&self.feed);
        use_them(&Sources::new(state, regions, &rules.policy, feed, &zone_file, self.at))
    }

    /// Reads the zones that a name may be in: those of the name itself and of all names above.
    fn read_zones_above(&mut self, name: &Name) {
        let mut above = Some(name.clone());
        while let Some(origin) = above {
            above = origin.parent();
            if let Some(file) = self.files.file(&origin)
                && self.read.insert(origin)
            {
                self.read_zone(file);
            }
        }
    }

    fn read_zone(&mut self, file: ZoneFile) {
        let classify = self.settings.classifier();
        let key = self.zones.key();
        let mut loaded = None;
        let root = &self.settings.zones;
        read_zones(std::slice::from_ref(&file), root, key, &classify, |_, it| loaded = Some(it));
        let zone = match loaded {
            Some(Loaded::Zone { zone, .. }) => zone,
            Some(Loaded::Refused { faults, .. }) => {
                let fault = faults.into_iter().find(Fault::is_error);
                self.refused.extend(fault.map(|fault| (file.origin.clone(), fault)));
                Builder::broken(&file.origin)
            }
            Some(Loaded::Gone) | None => return,
        };
        let judged = self.settings.rules.judge(&zone, self.feed.store(), self.at);
        self.gate.set_scopes(zone.apex(), judged.scopes);
        self.zones.insert(zone, judged.column);
    }
}
