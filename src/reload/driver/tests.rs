//! The driver with its watches, over real folders, with a Loader that notes its calls.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::super::folder_watch::FolderWatch;
use super::super::protocol::ZoneStatus;
use super::super::scope::Closed;
use super::super::watch::Watched;
use super::super::writers::Writers;
use super::super::zone_files::ZoneFiles;
use super::*;
use crate::explain::Draft;
use crate::wire::{Name, Rtype};

/// No test waits so long unless it fails.
const DEADLINE: Duration = Duration::from_secs(60);
/// A poll that never comes within a test.
const NEVER: Option<Duration> = None;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Config,
    Filings { scope: Scope, closed: Vec<PathBuf>, shrink: Shrink },
    Zones { changed: Vec<String>, removed: Vec<String> },
    Due(Instant),
}

/// What a call is to do beside being noted.
#[derive(Clone, Debug)]
enum Order {
    Panic,
    LookAgain(Duration),
}

struct Noting {
    watched: Watched,
    zones: ZoneFiles,
    calls: Sender<Call>,
    orders: Arc<Mutex<VecDeque<Order>>>,
    due: Arc<Mutex<Option<Instant>>>,
}

impl Noting {
    fn note(&self, call: Call) -> Taken {
        let is_filings = matches!(call, Call::Filings { .. });
        let order = if is_filings { lock(&self.orders).pop_front() } else { None };
        self.calls.send(call).expect("the test listens");
        match order {
            Some(Order::Panic) => panic!("as ordered by the test"),
            Some(Order::LookAgain(wait)) => Taken { look_again: Some(wait), ..Taken::default() },
            None => Taken { records_changed: usize::from(is_filings), ..Taken::default() },
        }
    }
}

impl Loader for Noting {
    fn watched(&self) -> Watched {
        self.watched.clone()
    }

    /// Each test begins with a panic: nothing depends on what an earlier run has left.
    fn restore(&mut self, _now: Instant) {
        panic!("as in every test of the driver");
    }

    fn meet(&mut self, writers: Writers, folders: FolderWatch) {
        self.zones.meet(writers, folders);
    }

    fn config(&mut self, _cause: Cause, _shrink: Shrink, _now: Instant) -> Taken {
        self.note(Call::Config)
    }

    fn filings(
        &mut self,
        scope: &Scope,
        closed: &[Closed],
        shrink: Shrink,
        _now: Instant,
    ) -> Taken {
        self.note(Call::Filings {
            scope: scope.clone(),
            closed: closed.iter().map(|closed| closed.path.clone()).collect(),
            shrink,
        })
    }

    fn zones(&mut self, scope: &Scope, closed: &[Closed], _now: Instant) -> Taken {
        let found = self.zones.scan(scope, closed);
        self.zones.note_taken_in();
        let mut changed: Vec<_> =
            found.changed.iter().map(|file| file.origin.to_string()).collect();
        changed.sort();
        let removed: Vec<_> = found.removed.iter().map(ToString::to_string).collect();
        let taken = Taken {
            zones_changed: changed.len(),
            zones_removed: removed.len(),
            look_again: found.look_again,
            ..Taken::default()
        };
        self.note(Call::Zones { changed, removed });
        taken
    }

    fn due(&mut self, now: Instant) -> Taken {
        *lock(&self.due) = None;
        self.note(Call::Due(now))
    }

    fn zones_refused(&self) -> Vec<Fault> {
        Vec::new()
    }

    fn filings_refused(&self) -> Vec<Fault> {
        Vec::new()
    }

    fn zone_status(&self, origin: &Name) -> ZoneStatus {
        ZoneStatus { name: origin.to_string(), ..ZoneStatus::default() }
    }

    fn explain(&self, _name: &Name, _rtype: Rtype, _now: Instant) -> Draft {
        Draft::default()
    }

    fn trace(&mut self, _name: &Name, _minutes: u32, _now: Instant) -> Result<(), String> {
        Ok(())
    }

    fn record_shown(&self, _asked: &AskedRecord, _now: Instant) -> Option<FoundRecord> {
        None
    }

    fn next_due(&self) -> Option<Instant> {
        *lock(&self.due)
    }
}

/// A running driver over `zones/`, `config/beiand.toml` and `config/filings/`.
struct House {
    temp: TempDir,
    driver: Handle,
    calls: Receiver<Call>,
    orders: Arc<Mutex<VecDeque<Order>>>,
    due: Arc<Mutex<Option<Instant>>>,
    /// Seconds that the wall clock is set off by.
    clock_offset: Arc<AtomicI64>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.driver.stop();
    }
}

impl House {
    fn new(prepare: impl FnOnce(&Path)) -> House {
        House::polling(NEVER, prepare)
    }

    /// Started, with the calls of the start done and forgotten.
    fn polling(poll: Option<Duration>, prepare: impl FnOnce(&Path)) -> House {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let root = temp.path();
        for folder in ["zones", "config/filings"] {
            fs::create_dir_all(root.join(folder)).expect("create");
        }
        fs::write(root.join("config/beiand.toml"), "").expect("write");
        prepare(root);
        let (sender, calls) = mpsc::channel();
        let orders = Arc::default();
        let due = Arc::default();
        let loader = Noting {
            watched: Watched {
                zones: root.join("config/../zones"),
                filings: root.join("config/filings"),
                config: root.join("config/beiand.toml"),
                files: vec![root.join("country.mmdb")],
            },
            zones: ZoneFiles::new(root.join("config/../zones"), Duration::from_millis(200)),
            calls: sender,
            orders: Arc::clone(&orders),
            due: Arc::clone(&due),
        };
        let clock_offset = Arc::new(AtomicI64::new(0));
        let offset = Arc::clone(&clock_offset);
        let clock = Clock::reading(Box::new(move || {
            let offset = offset.load(Ordering::Relaxed);
            let shift = Duration::from_secs(offset.unsigned_abs());
            if offset < 0 { SystemTime::now() - shift } else { SystemTime::now() + shift }
        }));
        let driver =
            Driver::spawn(Settings { zones_poll: poll, filings_poll: poll, clock }, loader)
                .expect("a thread");
        assert!(driver.wait_started(DEADLINE));
        while calls.try_recv().is_ok() {}
        House { temp, driver, calls, orders, due, clock_offset }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join(path)
    }

    fn write_in_place(&self, path: &str, content: &str) {
        fs::write(self.path(path), content).expect("write");
    }

    fn rename_over(&self, path: &str, content: &str) {
        let aside = self.path(path).with_file_name(".aside");
        fs::write(&aside, content).expect("write");
        fs::rename(aside, self.path(path)).expect("rename");
    }

    /// The calls up to the first that fits, which is the last.
    fn until(&self, what: &str, mut fits: impl FnMut(&Call) -> bool) -> Vec<Call> {
        let deadline = Monotonic::now() + DEADLINE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Monotonic::now());
            match self.calls.recv_timeout(left) {
                Ok(call) => {
                    seen.push(call);
                    if seen.last().is_some_and(&mut fits) {
                        return seen;
                    }
                }
                Err(_) => panic!("no call for: {what}; there were {seen:?}"),
            }
        }
    }

    /// Waits until the zone has been told as changed, and nothing as removed.
    fn until_changed(&self, origin: &str) {
        let calls = self.until(origin, |call| {
            matches!(call, Call::Zones { changed, .. } if changed.iter().any(|o| o == origin))
        });
        let removed =
            |call: &Call| matches!(call, Call::Zones { removed, .. } if !removed.is_empty());
        assert!(!calls.iter().any(removed), "{calls:?}");
    }

    fn until_removed(&self, origin: &str) {
        self.until(origin, |call| {
            matches!(call, Call::Zones { removed, .. } if removed.iter().any(|o| o == origin))
        });
    }

    /// Waits until the filing file has been told, and is known to be whole.
    fn until_filing(&self, path: &str) {
        let path = self.path(path);
        self.until("a whole filing file", |call| match call {
            Call::Filings { scope: Scope::Paths(paths), closed, .. } => {
                paths.contains(&path) && closed.contains(&path)
            }
            _ => false,
        });
    }

    /// All calls that a command brings, and those before it.
    fn all_calls(&self) -> Vec<Call> {
        let outcome = self.driver.reload(Shrink::Refuse);
        outcome.recv_timeout(DEADLINE).expect("the reload ends");
        self.calls.try_iter().collect()
    }
}

#[test]
fn a_file_renamed_over_written_in_place_or_new_is_taken_in() {
    let house = House::new(|root| fs::write(root.join("zones/a.zone"), "first").expect("write"));
    house.rename_over("zones/a.zone", "second");
    house.until_changed("a.");
    house.write_in_place("zones/a.zone", "third");
    house.until_changed("a.");
    house.write_in_place("zones/b.zone", "first");
    house.until_changed("b.");
    house.write_in_place("config/filings/a.csv", "first\n");
    house.until_filing("config/filings/a.csv");
    house.rename_over("config/filings/a.csv", "second\n");
    house.until_filing("config/filings/a.csv");
}

#[test]
fn an_append_is_told_with_and_without_a_close() {
    let house = House::new(|root| {
        fs::write(root.join("config/filings/a.csv"), "header\n").expect("write");
    });
    let path = house.path("config/filings/a.csv");
    let mut file = File::options().append(true).open(&path).expect("open");
    file.write_all(b"line\n").expect("append");
    let is_told = |call: &Call| matches!(call, Call::Filings { scope: Scope::Paths(paths), .. } if paths.contains(&path));
    let calls = house.until("the append", is_told);
    assert!(
        matches!(calls.last(), Some(Call::Filings { closed, .. }) if closed.is_empty()),
        "{calls:?}"
    );
    drop(file);
    house.until_filing("config/filings/a.csv");
}

/// The quiet that counts where nothing tells of a close is 200 ms here.
#[test]
fn a_file_left_open_by_its_writer_is_taken_in_when_it_is_closed() {
    let house = House::new(|root| fs::write(root.join("zones/a.zone"), "first").expect("write"));
    let mut file = File::create(house.path("zones/a.zone")).expect("the file");
    for piece in ["second", "third"] {
        file.write_all(piece.as_bytes()).expect("a write");
        let begun = Monotonic::now();
        while begun.elapsed() < Duration::from_millis(500) {
            let left = Duration::from_millis(500).saturating_sub(begun.elapsed());
            if let Ok(Call::Zones { changed, .. }) = house.calls.recv_timeout(left) {
                assert!(changed.is_empty(), "taken in the middle of {piece}");
            }
        }
    }
    drop(file);
    house.until_changed("a.");
}

#[test]
fn removed_files_remove_their_zones() {
    let house = House::new(|root| fs::write(root.join("zones/a.zone"), "").expect("write"));
    fs::remove_file(house.path("zones/a.zone")).expect("remove");
    house.until_removed("a.");
}

#[test]
fn new_folders_are_watched_at_any_depth() {
    let house = House::new(|_| {});
    fs::create_dir_all(house.path("zones/x/y")).expect("create");
    fs::write(house.path("zones/x/y/a.zone"), "first").expect("write");
    house.until_changed("a.");
    house.rename_over("zones/x/y/a.zone", "second");
    house.until_changed("a.");
}

#[test]
fn folders_that_stand_at_the_start_are_watched_and_those_below_a_held_one_when_it_is_free() {
    let house = House::new(|root| {
        for folder in ["zones/x/y", "zones/held/below"] {
            fs::create_dir_all(root.join(folder)).expect("create");
        }
        for file in ["x/y/a.zone", "held/below/b.zone", "held/.hold"] {
            fs::write(root.join("zones").join(file), "").expect("write");
        }
    });
    house.rename_over("zones/x/y/a.zone", "second");
    house.until_changed("a.");
    fs::remove_file(house.path("zones/held/.hold")).expect("remove");
    house.until_changed("b.");
    house.rename_over("zones/held/below/b.zone", "second");
    house.until_changed("b.");
}

#[test]
fn a_folder_moved_into_place_is_taken_in_whole_and_watched() {
    let house = House::new(|root| {
        fs::create_dir_all(root.join("made/deep")).expect("create");
        fs::write(root.join("made/deep/a.zone"), "").expect("write");
    });
    fs::rename(house.path("made"), house.path("zones/made")).expect("rename");
    house.until_changed("a.");
    house.rename_over("zones/made/deep/a.zone", "second");
    house.until_changed("a.");
    fs::rename(house.path("zones/made"), house.path("zones/other")).expect("rename");
    house.until_changed("a.");
    house.rename_over("zones/other/deep/a.zone", "third");
    house.until_changed("a.");
}

#[test]
fn a_folder_removed_and_remade_is_watched_again() {
    let house = House::new(|root| {
        fs::create_dir(root.join("zones/sub")).expect("create");
        fs::write(root.join("zones/sub/a.zone"), "").expect("write");
    });
    fs::remove_dir_all(house.path("zones/sub")).expect("remove");
    house.until_removed("a.");
    fs::create_dir(house.path("zones/sub")).expect("create");
    house.rename_over("zones/sub/a.zone", "second");
    house.until_changed("a.");
    house.rename_over("zones/sub/a.zone", "third");
    house.until_changed("a.");
}

#[test]
fn folders_that_are_missing_at_the_start_are_watched_when_they_come() {
    let house = House::new(|root| {
        fs::remove_dir(root.join("config/filings")).expect("remove");
        fs::remove_dir(root.join("zones")).expect("remove");
    });
    fs::create_dir(house.path("zones")).expect("create");
    house.until("the zones folder", |call| matches!(call, Call::Zones { .. }));
    house.rename_over("zones/a.zone", "first");
    house.until_changed("a.");
    fs::create_dir(house.path("config/filings")).expect("create");
    let everything = |call: &Call| matches!(call, Call::Filings { scope: Scope::All, .. });
    house.until("the filings folder", everything);
    house.rename_over("config/filings/a.csv", "line\n");
    house.until_filing("config/filings/a.csv");
}

#[test]
fn a_root_removed_and_remade_keeps_its_zones_and_is_watched_again() {
    let house = House::new(|root| fs::write(root.join("zones/a.zone"), "").expect("write"));
    fs::remove_dir_all(house.path("zones")).expect("remove");
    house.until("the loss", |call| matches!(call, Call::Zones { .. }));
    fs::create_dir(house.path("zones")).expect("create");
    house.rename_over("zones/a.zone", "second");
    house.until_changed("a.");
    house.rename_over("zones/a.zone", "third");
    house.until_changed("a.");

    fs::remove_dir_all(house.path("config/filings")).expect("remove");
    fs::create_dir(house.path("config/filings")).expect("create");
    house.until("the whole folder", |call| matches!(call, Call::Filings { scope: Scope::All, .. }));
    // Removal and making anew may come as two looks.
    house.all_calls();
    house.rename_over("config/filings/a.csv", "line\n");
    house.until_filing("config/filings/a.csv");
}

#[test]
fn a_kubernetes_data_link_swap_is_seen() {
    let house = House::new(|root| {
        let zones = root.join("zones");
        for (folder, content) in [("..1", "first"), ("..2", "second")] {
            fs::create_dir(zones.join(folder)).expect("create");
            fs::write(zones.join(folder).join("a.zone"), content).expect("write");
        }
        symlink("..1", zones.join("..data")).expect("link");
        symlink("..data/a.zone", zones.join("a.zone")).expect("link");
    });
    symlink("..2", house.path("zones/..data_tmp")).expect("link");
    fs::rename(house.path("zones/..data_tmp"), house.path("zones/..data")).expect("rename");
    house.until_changed("a.");
}

#[test]
fn a_zones_folder_that_is_a_swapped_link_is_followed() {
    let house = House::new(|root| {
        fs::remove_dir(root.join("zones")).expect("remove");
        for release in ["1", "2"] {
            fs::create_dir_all(root.join("releases").join(release)).expect("create");
            fs::write(root.join("releases").join(release).join("a.zone"), release).expect("write");
        }
        symlink("releases/1", root.join("zones")).expect("link");
    });
    symlink("releases/2", house.path("aside")).expect("link");
    fs::rename(house.path("aside"), house.path("zones")).expect("rename");
    house.until_changed("a.");
    house.rename_over("releases/2/a.zone", "third");
    house.until_changed("a.");
}

#[test]
fn a_hold_holds_back_until_it_goes_and_then_all_comes_at_once() {
    let house = House::new(|root| {
        for file in ["a", "b", "c"] {
            fs::write(root.join(format!("zones/{file}.zone")), "").expect("write");
        }
        fs::write(root.join("zones/.hold"), "").expect("write");
        fs::write(root.join("config/filings/.hold"), "").expect("write");
    });
    for file in ["a", "b", "c"] {
        house.rename_over(&format!("zones/{file}.zone"), "second");
    }
    house.rename_over("config/filings/a.csv", "line\n");
    let calls = house.all_calls();
    let nothing = Call::Zones { changed: Vec::new(), removed: Vec::new() };
    assert!(calls.iter().all(|call| *call == Call::Config || *call == nothing), "{calls:?}");

    fs::remove_file(house.path("zones/.hold")).expect("remove");
    let calls = house.until(
        "the zones",
        |call| matches!(call, Call::Zones { changed, .. } if !changed.is_empty()),
    );
    let all = ["a.", "b.", "c."].map(str::to_owned).to_vec();
    assert_eq!(calls.last(), Some(&Call::Zones { changed: all, removed: Vec::new() }));
    fs::remove_file(house.path("config/filings/.hold")).expect("remove");
    house.until("the filings", |call| matches!(call, Call::Filings { scope: Scope::All, closed, .. } if *closed == [house.path("config/filings")]));
}

#[test]
fn the_config_file_and_the_files_that_it_names_are_followed() {
    let house = House::new(|_| {});
    house.rename_over("config/beiand.toml", "# second");
    house.until("the config", |call| *call == Call::Config);
    house.write_in_place("config/beiand.toml", "# third");
    house.until("the config", |call| *call == Call::Config);
    house.rename_over("country.mmdb", "new");
    house.until("the database", |call| *call == Call::Config);
}

#[test]
fn what_we_read_ourselves_and_what_editors_leave_wakes_nobody() {
    let house = House::new(|root| {
        fs::write(root.join("zones/a.zone"), "").expect("write");
        fs::write(root.join("config/filings/a.csv"), "").expect("write");
    });
    for file in ["zones/a.zone", "config/filings/a.csv", "config/beiand.toml"] {
        fs::read(house.path(file)).expect("read");
    }
    fs::read_dir(house.path("zones")).expect("list").for_each(drop);
    for file in ["zones/.a.zone.swp", "zones/a.zone~", "config/filings/.#a.csv"] {
        house.write_in_place(file, "");
    }
    // Events keep their order: when this one has come, those before it have.
    house.write_in_place("zones/b.zone", "first");
    let calls = house.until("the zone", |call| matches!(call, Call::Zones { .. }));
    let expected = Call::Zones { changed: vec!["b.".to_owned()], removed: Vec::new() };
    assert_eq!(calls, [expected]);
}

#[test]
fn the_poll_finds_what_no_event_told() {
    let house = House::polling(Some(Duration::from_millis(50)), |root| {
        fs::create_dir(root.join("elsewhere")).expect("create");
        fs::write(root.join("elsewhere/a.zone"), "first").expect("write");
        symlink("../elsewhere/a.zone", root.join("zones/a.zone")).expect("link");
    });
    let aside = house.path("elsewhere/aside");
    fs::write(&aside, "second").expect("write");
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    File::options().append(true).open(&aside).and_then(|f| f.set_modified(long_ago)).expect("set");
    fs::rename(aside, house.path("elsewhere/a.zone")).expect("rename");
    house.until_changed("a.");
}

#[test]
fn a_reload_looks_at_everything_and_says_so_to_the_loader() {
    let house = House::new(|_| {});
    let outcome = house.driver.reload(Shrink::Accept).recv_timeout(DEADLINE).expect("an outcome");
    assert_eq!(outcome.end, End::Answered);
    assert_eq!(outcome.taken.records_changed, 1);
    let calls: Vec<Call> = house.calls.try_iter().collect();
    assert!(calls.contains(&Call::Config));
    assert!(calls.contains(&Call::Filings {
        scope: Scope::All,
        closed: Vec::new(),
        shrink: Shrink::Accept
    }));
    house.driver.rescan();
    house.until("the rescan", |call| {
        matches!(call, Call::Filings { scope: Scope::All, shrink: Shrink::Refuse, .. })
    });
}

#[test]
fn who_waits_for_a_reload_is_answered_when_nothing_is_put_off_any_more() {
    let house = House::new(|_| {});
    lock(&house.orders).push_back(Order::LookAgain(Duration::from_millis(20)));
    let outcome = house.driver.reload(Shrink::Refuse).recv_timeout(DEADLINE).expect("an outcome");
    assert_eq!((outcome.end, outcome.taken.look_again), (End::Answered, None));
    assert_eq!(outcome.taken.records_changed, 1, "the second look is part of it");
    let again = Call::Filings { scope: Scope::Nothing, closed: Vec::new(), shrink: Shrink::Refuse };
    assert!(house.calls.try_iter().any(|call| call == again));
}

#[test]
fn a_panic_in_the_loader_is_reported_and_survived() {
    let house = House::new(|_| {});
    lock(&house.orders).push_back(Order::Panic);
    let outcome = house.driver.reload(Shrink::Refuse).recv_timeout(DEADLINE).expect("an outcome");
    assert_eq!(outcome.end, End::Panicked);
    house.rename_over("zones/a.zone", "");
    house.until_changed("a.");
    let outcome = house.driver.reload(Shrink::Refuse).recv_timeout(DEADLINE).expect("an outcome");
    assert_eq!(outcome.end, End::Answered);
}

#[test]
fn a_timed_change_is_taken_at_its_instant_and_a_jump_of_the_clock_is_noticed() {
    let house = House::new(|_| {});
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let soon = Instant(i64::try_from(now).expect("an instant") + 1);
    *lock(&house.due) = Some(soon);
    house.driver.rescan();
    let calls = house.until("the instant", |call| matches!(call, Call::Due(_)));
    assert!(matches!(calls.last(), Some(Call::Due(at)) if *at >= soon), "{calls:?}");

    let in_a_year = Instant(soon.0 + 31_536_000);
    *lock(&house.due) = Some(in_a_year);
    house.driver.rescan();
    house.clock_offset.store(31_536_000 + 10, Ordering::Relaxed);
    let calls = house.until("the instant", |call| matches!(call, Call::Due(_)));
    assert!(matches!(calls.last(), Some(Call::Due(at)) if *at >= in_a_year), "{calls:?}");

    // The clock is set back by a day; what was due then stays due.
    house.clock_offset.store(31_536_000 - 86_400, Ordering::Relaxed);
    *lock(&house.due) = Some(Instant(in_a_year.0 - 3_600));
    house.driver.rescan();
    let calls = house.until("the instant", |call| matches!(call, Call::Due(_)));
    assert!(matches!(calls.last(), Some(Call::Due(at)) if *at >= in_a_year), "{calls:?}");
}

#[test]
fn a_stopped_driver_lets_go_of_whoever_waits() {
    let house = House::new(|_| {});
    house.driver.stop();
    assert!(house.driver.reload(Shrink::Refuse).recv_timeout(DEADLINE).is_err());
    house.driver.stop();
}

#[test]
fn a_burst_is_folded_into_few_looks() {
    const FILES: usize = 500;
    let house = House::new(|_| {});
    for number in 0..FILES {
        house.rename_over(&format!("zones/z{number}.zone"), "");
    }
    let mut told = 0;
    let calls = house.until("all zones", |call| {
        if let Call::Zones { changed, .. } = call {
            told += changed.len();
        }
        told == FILES
    });
    assert!(calls.len() < FILES / 2, "{} looks", calls.len());
}
