//! The feed on real files: the folder that tests change, and what they read of it.

mod changes;
mod laws;
mod reading;
mod refusals;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::fault::Fault;
use crate::filing::record::Field;
use crate::filing::{Facts, ProviderIs, Role, Standing};

/// Long enough that no test outlasts it.
const SETTLE: Duration = Duration::from_secs(3600);

const HEADER: &str = "domain,subject_number,site_number,status,approved_at,provider,synced_at,\
                      restricted\n";

/// A record in force, held here and synced.
fn row(domain: &str, number: u32) -> String {
    format!(
        "{domain},京ICP备{number:08}号,京ICP备{number:08}号-1,in-force,2024-01-01T00:00:00+08:00,\
         hoster,2024-01-02T00:00:00+08:00,no\n"
    )
}

fn rows(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| row(&format!("d{number}.cn"), number)).collect()
}

fn object(domain: &str, number: u32) -> String {
    format!(
        "{{\"domain\":\"{domain}\",\"subject_number\":\"京ICP备{number:08}号\",\
         \"site_number\":\"京ICP备{number:08}号-1\",\"status\":\"in-force\",\
         \"approved_at\":\"2024-01-01T00:00:00+08:00\",\"provider\":\"hoster\",\
         \"restricted\":false}}\n"
    )
}

struct World {
    folder: TempDir,
    feed: Feed,
    now: Moment,
    opened: FeedChange,
}

impl World {
    /// A feed over a folder with these files, all of them quiet.
    fn with(files: &[(&str, &str)]) -> World {
        let folder = tempfile::tempdir().expect("a folder for the test");
        for (name, text) in files {
            write(&folder.path().join(name), text);
        }
        World::over(folder, later(Moment::now()))
    }

    fn over(folder: TempDir, now: Moment) -> World {
        let (feed, opened) = Feed::open(settings(folder.path()), now);
        World { folder, feed, now: Moment::now(), opened }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = File::options().append(true).open(self.path(name)).expect("the file");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn replace(&self, name: &str, text: &str) {
        self.write("new.tmp", text);
        fs::rename(self.path("new.tmp"), self.path(name)).expect("renamed");
    }

    fn refresh(&mut self) -> FeedChange {
        self.refresh_with(&[], Shrink::Guard)
    }

    fn refresh_with(&mut self, hints: &[Hint], shrink: Shrink) -> FeedChange {
        self.feed.refresh(&Scope::All, hints, shrink, self.now)
    }

    /// As [`World::refresh`], when everything has been quiet for long.
    fn refresh_later(&mut self) -> FeedChange {
        self.now = later(Moment::now());
        self.refresh()
    }

    fn facts(&self, site: &str) -> Vec<Facts> {
        facts_of(&self.feed, site, site)
    }
}

fn domains(names: &[&str]) -> Changed {
    let mut keys: Vec<SiteKey> = names.iter().map(|name| SiteKey::of(name)).collect();
    keys.sort_unstable();
    Changed::Domains(keys)
}

fn facts_of(feed: &Feed, site: &str, name: &str) -> Vec<Facts> {
    let records = feed.store().records_of(SiteKey::of(site));
    records.filter(|record| record.covers_name(name)).map(|record| record.facts).collect()
}

fn settings(path: &Path) -> FeedSettings {
    FeedSettings {
        path: path.to_owned(),
        provider: "hoster".into(),
        max_bad_lines: 0.001,
        max_shrink: 0.1,
        settle: SETTLE,
    }
}

fn later(now: Moment) -> Moment {
    Moment { monotonic: now.monotonic + 2 * SETTLE, wall: now.wall + 2 * SETTLE }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

fn errors(faults: &[Fault]) -> Vec<String> {
    let name = |fault: &Fault| fault.file.file_name().unwrap_or_default().to_owned();
    let shown = |fault: &Fault| {
        format!("{}:{}:{}: {}", name(fault).display(), fault.line, fault.column, fault.problem)
    };
    faults.iter().filter(|fault| fault.is_error()).map(shown).collect()
}

// Reading.
