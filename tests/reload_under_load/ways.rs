//! The files, and every way in which they are changed (DESIGN 4).

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, Record, Server, Site, append, exchange, message, replace, rewrite};
use crate::world::{Kind, OPEN_ADDRESS, REGIONAL_ADDRESS, World, is_dark_in, pair_of, zone_of};

/// Zones that change all at once.
const MANY: usize = 60;
/// `filings.settle`.
const SETTLE: Duration = Duration::from_millis(400);
/// Records of a [`Kind::Grown`] in one reply of 512 bytes.
const GROWN: u32 = 12;
/// Records beside the one that is asked for in the file that shrinks.
const FILLERS: usize = 400;

/// One way of changing files.
type Way = fn(&mut Files);

/// The things by what is done to them.
struct Things {
    renamed: usize,
    in_place: usize,
    halves: usize,
    restored: usize,
    moved: usize,
    left_open: usize,
    remade: Vec<usize>,
    overflowed: usize,
    broken: usize,
    grown: usize,
    many: Vec<usize>,
    held: usize,
    mapped: usize,
    filed_renamed: usize,
    filed_in_place: usize,
    filed_halves: usize,
    filed_appended: usize,
    filed_bad_line: usize,
    filed_held: [usize; 2],
    filed_mapped: usize,
    filed_shrinking: usize,
    filed_gone: usize,
    filed_left_open: usize,
    regional: usize,
    exempt: usize,
    churned: Churned,
}

/// What a thread of its own changes all the time, and waits for nothing.
#[derive(Clone)]
struct Churned {
    renamed: Vec<usize>,
    in_place: Vec<usize>,
    filed_renamed: usize,
    filed_in_place: usize,
}

/// The folder, the server, and what has been done.
pub struct Files {
    pub world: Arc<World>,
    pub server: Server,
    /// Versions that were written and then seen.
    pub changes: u64,
    /// Those of them that `beiand reload --wait` told of.
    pub reloads: u64,
    /// Versions that were written without waiting for any.
    pub churned: Arc<AtomicU64>,
    /// How often the queue of file events was made to overflow.
    pub overflows: u64,
    /// What is being done.
    pub doing: &'static str,
    things: Things,
    churn: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// Held while the folders stand where they should.
    in_place: Arc<Mutex<()>>,
}

impl Drop for Files {
    fn drop(&mut self) {
        self.stop_churning();
    }
}

fn things(world: &mut World) -> Things {
    let mut add = |kind, name: &str| world.add(kind, &format!("{name}.example"));
    Things {
        renamed: add(Kind::Zone, "renamed"),
        in_place: add(Kind::Zone, "in-place"),
        halves: add(Kind::Zone, "halves"),
        restored: add(Kind::Zone, "restored"),
        moved: add(Kind::Zone, "moved"),
        left_open: add(Kind::Zone, "left-open"),
        remade: (0..3).map(|number| add(Kind::Zone, &format!("remade{number}"))).collect(),
        overflowed: add(Kind::Zone, "overflowed"),
        broken: add(Kind::Zone, "broken"),
        grown: add(Kind::Grown, "appended"),
        many: (0..MANY).map(|number| add(Kind::Zone, &format!("many{number}"))).collect(),
        held: add(Kind::Pair, "held-a"),
        mapped: add(Kind::Pair, "mapped-a"),
        filed_renamed: add(Kind::Filed, "filed-renamed"),
        filed_in_place: add(Kind::Filed, "filed-in-place"),
        filed_halves: add(Kind::Filed, "filed-halves"),
        filed_appended: add(Kind::Filed, "filed-appended"),
        filed_bad_line: add(Kind::Filed, "filed-bad-line"),
        filed_held: ["filed-held-a", "filed-held-b"].map(|name| add(Kind::Filed, name)),
        filed_mapped: add(Kind::Filed, "filed-mapped"),
        filed_shrinking: add(Kind::Filed, "filed-shrinking"),
        filed_gone: add(Kind::Filed, "filed-gone"),
        filed_left_open: add(Kind::Filed, "filed-left-open"),
        regional: add(Kind::Regional, "regional"),
        exempt: add(Kind::Exempt, "exempt"),
        churned: Churned {
            renamed: (0..4).map(|n| add(Kind::Zone, &format!("churn-renamed{n}"))).collect(),
            in_place: (0..4).map(|n| add(Kind::Zone, &format!("churn-in-place{n}"))).collect(),
            filed_renamed: add(Kind::Filed, "filed-churn-renamed"),
            filed_in_place: add(Kind::Filed, "filed-churn-in-place"),
        },
    }
}

/// The line of a filed domain in a version.
fn line(origin: &str, version: u32) -> String {
    match is_dark_in(version) {
        true => Record::in_force(origin).line(),
        false => Record::open(origin).line(),
    }
}

fn fillers(count: usize) -> String {
    (0..count).map(|number| Record::open(&format!("filler{number}.example")).line()).collect()
}

fn second_of(first: &str) -> String {
    first.replace("-a.", "-b.")
}

fn grown_zone(origin: &str, version: u32) -> String {
    format!(
        "$ORIGIN {origin}.\n$TTL 300\n@ SOA ns.hoster.example. h {version} 1 1 1 300\n\
         @ NS ns.hoster.example.\ngrown TXT \"v={version}\"\n"
    )
}

impl Files {
    /// Writes all files in their version 0 and starts the server.
    pub fn start() -> Files {
        let mut world = World::default();
        let things = things(&mut world);
        let mut site = Site::new();
        configure(&mut site, 0, 0);
        site.filings_setting(&format!("settle = \"{}ms\"", SETTLE.as_millis()));
        for folder in ["zones/many", "zones/sub", "zones/remade", "zones/held", "zones/mapped"] {
            fs::create_dir(site.path(folder)).expect("a folder");
        }
        for folder in ["filings/held", "filings/mapped"] {
            fs::create_dir(site.path(folder)).expect("a folder");
        }
        let mut filings = String::new();
        let mut open = |origin: &str| filings.push_str(&Record::open(origin).line());
        for thing in &world.things {
            let origin = &thing.origin;
            match thing.kind {
                Kind::Zone => open(origin),
                Kind::Grown => open(origin),
                Kind::Pair => {
                    open(origin);
                    open(&second_of(origin));
                }
                Kind::Filed | Kind::Exempt => {
                    site.zone(origin, &format!("@ A {OPEN_ADDRESS}\nwww A {OPEN_ADDRESS}\n"));
                }
                Kind::Regional => {
                    let address = REGIONAL_ADDRESS;
                    site.zone(origin, &format!("@ A {address}\nwww A {address}\n"));
                }
            }
        }
        replace(&site.path("filings/00-base.ndjson"), &filings);
        let world = Arc::new(world);
        let mut files = Files {
            server: {
                write_first(&site, &world, &things);
                site.start()
            },
            world,
            changes: 0,
            reloads: 0,
            churned: Arc::default(),
            overflows: 0,
            doing: "nothing",
            things,
            churn: None,
            stop: Arc::default(),
            in_place: Arc::default(),
        };
        files.reloaded(0);
        files.changes = 0;
        files.start_churning();
        files
    }

    fn start_churning(&mut self) {
        let (world, things) = (Arc::clone(&self.world), self.things.churned.clone());
        let (stop, count) = (Arc::clone(&self.stop), Arc::clone(&self.churned));
        let folder = self.path("");
        let in_place = Arc::clone(&self.in_place);
        let pid = self.server.pid();
        self.churn = Some(std::thread::spawn(move || {
            for round in 0_u32.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let standing = in_place.lock();
                count.fetch_add(churn(&world, &things, &folder, round), Ordering::Relaxed);
                drop(standing);
                if round % 4 == 0 {
                    // SAFETY: kill(2) takes two integers; the server outlives this thread.
                    unsafe { libc::kill(pid as libc::pid_t, libc::SIGHUP) };
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }));
    }

    /// Ends the thread that changes files all the time.
    pub fn stop_churning(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(churn) = self.churn.take() {
            churn.join().expect("the churning thread does not panic");
        }
    }

    /// Each way once, and `stop` is asked between two.
    pub fn change_in_every_way(&mut self, stop: impl Fn() -> bool) {
        let ways: [(&'static str, Way); 26] = [
            ("a zone renamed over", Files::zone_renamed_over),
            ("a zone written in place", Files::zone_written_in_place),
            ("a zone written in two halves", Files::zone_in_two_halves),
            ("a zone left open by its writer", Files::zone_left_open),
            ("a zone deleted and restored", Files::zone_deleted_and_restored),
            ("a folder renamed away and back", Files::folder_renamed_away_and_back),
            ("a folder removed and remade", Files::folder_removed_and_remade),
            ("both roots renamed away and back", Files::roots_renamed_away_and_back),
            ("more events than the system keeps", Files::events_overflow),
            ("a zone broken and mended", Files::zone_broken_and_mended),
            ("a zone appended to", Files::zone_appended_to),
            ("many zones at once", Files::many_zones_at_once),
            ("two zones under .hold", Files::zones_held),
            ("two zones behind a link", Files::zones_behind_a_link),
            ("a filing renamed over", Files::filing_renamed_over),
            ("a filing written in place", Files::filing_written_in_place),
            ("a filing written in two halves", Files::filing_in_two_halves),
            ("a filing left open by its writer", Files::filing_left_open),
            ("a filing appended", Files::filing_appended),
            ("a broken filing line", Files::filing_line_broken),
            ("filings under .hold", Files::filings_held),
            ("a filing behind a link", Files::filing_behind_a_link),
            ("a filing file that shrinks", Files::filing_file_shrinks),
            ("a filing file deleted and restored", Files::filing_file_deleted_and_restored),
            ("regions changed", Files::regions_changed),
            ("the gate's exemptions changed", Files::exemptions_changed),
        ];
        for (name, way) in ways {
            if stop() {
                return;
            }
            self.doing = name;
            way(self);
        }
    }

    // --- Knowing that a change is answered ------------------------------------------------------

    fn origin(&self, thing: usize) -> &str {
        &self.world.things[thing].origin
    }

    fn begin(&self, thing: usize) -> u32 {
        self.world.things[thing].begin()
    }

    fn path(&self, below: &str) -> PathBuf {
        self.server.site.path(below)
    }

    fn zone_path(&self, thing: usize) -> PathBuf {
        self.path(&format!("zones/{}.zone", self.origin(thing)))
    }

    /// Whether the newest version is answered; any reply must be one that may be given.
    #[track_caller]
    fn shows(&self, thing: usize) -> bool {
        let questions = self.world.questions.iter().enumerate();
        let (id, question) = questions
            .filter(|(_, question)| question.thing == thing)
            .nth(self.changes as usize % 2)
            .or_else(|| {
                self.world.questions.iter().enumerate().find(|(_, asked)| asked.thing == thing)
            })
            .expect("each thing is asked about");
        let query =
            [&(id as u16).to_be_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0], &question.wire];
        let sent = Instant::now();
        let reply = exchange(self.server.udp(), &query.concat()).expect("a reply");
        if let Err(complaint) = self.world.judge(question, sent, &reply) {
            panic!("{}: {complaint}\n{}", self.doing, self.server.log_text());
        }
        let asked = &self.world.things[thing];
        match asked.kind {
            Kind::Filed | Kind::Regional | Kind::Exempt => {
                let is_dark = reply.ends_with(&[203, 0, 113, 80]);
                is_dark == is_dark_in(asked.version())
            }
            _ => asked.confirmed_version() == asked.version(),
        }
    }

    /// Waits until the file events have brought the newest version of these things.
    #[track_caller]
    fn seen(&mut self, things: &[usize]) {
        for &thing in things {
            let deadline = Instant::now() + PATIENCE;
            while !self.shows(thing) {
                assert!(
                    Instant::now() < deadline,
                    "{}: version {} of {} was never seen\n{}",
                    self.doing,
                    self.world.things[thing].version(),
                    self.origin(thing),
                    self.server.log_text()
                );
                std::thread::sleep(Duration::from_millis(2));
            }
            self.world.things[thing].confirm(self.world.things[thing].version());
            self.changes += 1;
        }
    }

    /// `beiand reload --wait` with this outcome: what stands on disk is answered from now on.
    #[track_caller]
    fn reloaded_with(&mut self, more: &[&str], code: i32, things: &[usize]) {
        let ran = self.server.reload(more);
        assert_eq!(ran.code, code, "{}: {ran}\n{}", self.doing, self.server.log_text());
        for &thing in things {
            self.world.things[thing].confirm(self.world.things[thing].version());
            assert!(
                self.shows(thing),
                "{}: `reload --wait` returned before version {} of {}\n{}",
                self.doing,
                self.world.things[thing].version(),
                self.origin(thing),
                self.server.log_text()
            );
            self.changes += 1;
            self.reloads += 1;
        }
    }

    #[track_caller]
    fn reloaded(&mut self, thing: usize) {
        self.reloaded_with(&[], 0, &[thing]);
    }

    /// By events, by the command, or by a signal, in turns.
    #[track_caller]
    fn taken_in(&mut self, thing: usize) {
        match self.changes % 3 {
            0 => self.seen(&[thing]),
            1 => self.reloaded(thing),
            _ => {
                self.server.signal(libc::SIGHUP);
                self.seen(&[thing]);
            }
        }
    }

    /// Other changes go through meanwhile.
    #[track_caller]
    fn others_change(&mut self) {
        self.zone_renamed_over();
        self.filing_renamed_over();
    }

    // --- Zones ----------------------------------------------------------------------------------

    fn next_zone(&self, thing: usize) -> (PathBuf, String) {
        let version = self.begin(thing);
        (self.zone_path(thing), zone_of(self.origin(thing), version))
    }

    fn zone_renamed_over(&mut self) {
        let thing = self.things.renamed;
        let (path, text) = self.next_zone(thing);
        replace(&path, &text);
        self.taken_in(thing);
    }

    fn zone_written_in_place(&mut self) {
        let thing = self.things.in_place;
        let (path, text) = self.next_zone(thing);
        rewrite(&path, &text);
        self.taken_in(thing);
    }

    /// Half of it is a whole zone by itself, with names missing.
    fn zone_in_two_halves(&mut self) {
        let thing = self.things.halves;
        let (path, text) = self.next_zone(thing);
        let half = text.find("alias").expect("the name is there");
        let mut file = File::create(&path).expect("the file");
        file.write_all(&text.as_bytes()[..half]).expect("a write");
        self.others_change();
        file.write_all(&text.as_bytes()[half..]).expect("a write");
        drop(file);
        self.taken_in(thing);
    }

    /// Each piece is quiet for longer than what counts as quiet where nothing tells of a close.
    fn zone_left_open(&mut self) {
        let thing = self.things.left_open;
        let (path, text) = self.next_zone(thing);
        let mut file = File::create(&path).expect("the file");
        for piece in text.split_inclusive("mail\n") {
            assert!(!self.shows(thing), "taken in before its writer closed it");
            file.write_all(piece.as_bytes()).expect("a write");
            self.pause();
        }
        assert!(!self.shows(thing), "taken in before its writer closed it");
        drop(file);
        self.taken_in(thing);
    }

    /// For longer than `filings.settle`, while other things change.
    fn pause(&mut self) {
        let begun = Instant::now();
        self.others_change();
        std::thread::sleep((SETTLE + SETTLE / 2).saturating_sub(begun.elapsed()));
        self.others_change();
    }

    fn zone_deleted_and_restored(&mut self) {
        let thing = self.things.restored;
        let (path, text) = self.next_zone(thing);
        self.world.things[thing].goes_away();
        fs::remove_file(&path).expect("a removal");
        fs::write(&path, text).expect("a file");
        self.seen(&[thing]);
        self.world.things[thing].is_back();
    }

    fn folder_removed_and_remade(&mut self) {
        let folder = self.path("zones/remade");
        let things = self.things.remade.clone();
        let texts: Vec<(PathBuf, String)> = things
            .iter()
            .map(|&thing| {
                let (version, origin) = (self.begin(thing), self.origin(thing));
                (folder.join(format!("{origin}.zone")), zone_of(origin, version))
            })
            .collect();
        things.iter().for_each(|&thing| self.world.things[thing].goes_away());
        fs::remove_dir_all(&folder).expect("a removal");
        fs::create_dir(&folder).expect("a folder");
        for (number, (path, text)) in texts.iter().enumerate() {
            if number % 2 == 0 { replace(path, text) } else { rewrite(path, text) }
        }
        self.seen(&things);
        things.iter().for_each(|&thing| self.world.things[thing].is_back());
    }

    /// Once: lost events need a look at everything, and the next such look lets itself be waited for.
    fn events_overflow(&mut self) {
        if self.overflows > 0 {
            return;
        }
        let kept = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("a figure");
        let kept: u32 = kept.trim().parse().expect("a number");
        if kept > 200_000 {
            println!("no overflow of the event queue: this system keeps {kept} events");
            return;
        }
        let mark = self.server.log_mark();
        // Nobody takes events from the queue meanwhile, and the clients wait.
        self.server.signal(libc::SIGSTOP);
        let scratch = self.path("zones/many/.scratch");
        for _ in 0..kept / 2 {
            // Made, closed and removed: three events. Some may be taken before the server stops.
            File::create(&scratch).expect("a file");
            fs::remove_file(&scratch).expect("a removal");
        }
        let thing = self.things.overflowed;
        let (path, text) = self.next_zone(thing);
        replace(&path, &text);
        self.server.signal(libc::SIGCONT);
        self.seen(&[thing]);
        self.server.logged(mark, |event| message(event).starts_with("file events were lost"));
        self.overflows += 1;
    }

    fn folder_renamed_away_and_back(&mut self) {
        let thing = self.things.moved;
        let version = self.begin(thing);
        self.world.things[thing].goes_away();
        let (folder, away) = (self.path("zones/sub"), self.path("zones.sub.away"));
        fs::rename(&folder, &away).expect("a rename");
        let origin = self.origin(thing).to_owned();
        replace(&away.join(format!("{origin}.zone")), &zone_of(&origin, version));
        fs::rename(&away, &folder).expect("a rename");
        self.taken_in(thing);
        self.world.things[thing].is_back();
    }

    fn roots_renamed_away_and_back(&mut self) {
        let (zone, filed) = (self.things.renamed, self.things.filed_renamed);
        for (root, thing) in [("zones", zone), ("filings", filed)] {
            let (folder, away) = (self.path(root), self.path(&format!("{root}.away")));
            let in_place = Arc::clone(&self.in_place);
            let standing = in_place.lock();
            fs::rename(&folder, &away).expect("a rename");
            let ran = self.server.reload(&[]);
            assert_ne!(ran.code, 0, "the operator is told that {root} is gone: {ran}");
            fs::rename(&away, &folder).expect("a rename");
            drop(standing);
            self.server.signal(libc::SIGHUP);
            match thing == zone {
                true => self.zone_renamed_over(),
                false => self.filing_renamed_over(),
            }
        }
    }

    fn zone_broken_and_mended(&mut self) {
        let thing = self.things.broken;
        let path = self.zone_path(thing);
        let next = self.world.things[thing].version() + 1;
        let broken = zone_of(self.origin(thing), next) + "www A 10.0.0.300\n";
        replace(&path, &broken);
        let ran = self.server.reload(&[]);
        assert_eq!(ran.code, 1, "a zone is refused: {ran}");
        assert!(self.shows(thing), "the last good version stays");
        let (path, text) = self.next_zone(thing);
        rewrite(&path, &text);
        self.taken_in(thing);
    }

    fn zone_appended_to(&mut self) {
        let thing = self.things.grown;
        for _ in 0..3 {
            let version = self.begin(thing);
            let path = self.zone_path(thing);
            if version.is_multiple_of(GROWN) {
                replace(&path, &grown_zone(self.origin(thing), version));
            } else {
                append(&path, &format!("grown TXT \"v={version}\"\n"));
            }
            self.taken_in(thing);
        }
    }

    fn many_zones_at_once(&mut self) {
        let many = self.things.many.clone();
        for (number, &thing) in many.iter().enumerate() {
            let version = self.begin(thing);
            let origin = self.origin(thing);
            let path = self.path(&format!("zones/many/{origin}.zone"));
            match number % 2 {
                0 => replace(&path, &zone_of(origin, version)),
                _ => rewrite(&path, &zone_of(origin, version)),
            }
        }
        match self.changes % 2 {
            0 => self.seen(&many),
            _ => self.reloaded_with(&[], 0, &many),
        }
    }

    fn zones_held(&mut self) {
        let thing = self.things.held;
        let hold = self.path("zones/held/.hold");
        fs::write(&hold, "").expect("a file");
        let version = self.world.things[thing].version() + 1;
        write_pair(&self.server.site, "zones/held", self.origin(thing), version);
        self.others_change();
        assert!(self.shows(thing), "nothing is taken in while .hold stands");
        self.begin(thing);
        fs::remove_file(&hold).expect("a removal");
        self.taken_in(thing);
    }

    fn zones_behind_a_link(&mut self) {
        let thing = self.things.mapped;
        let version = self.begin(thing);
        let folder = format!("zones/mapped/..v{version}");
        fs::create_dir(self.path(&folder)).expect("a folder");
        write_pair(&self.server.site, &folder, self.origin(thing), version);
        swap_link(&self.server.site, "zones/mapped", version);
        self.taken_in(thing);
    }

    // --- Filings --------------------------------------------------------------------------------

    fn filing_path(&self, thing: usize) -> PathBuf {
        self.path(&format!("filings/{}.ndjson", self.origin(thing)))
    }

    fn next_line(&self, thing: usize) -> String {
        let version = self.begin(thing);
        line(self.origin(thing), version)
    }

    fn filing_renamed_over(&mut self) {
        let thing = self.things.filed_renamed;
        let text = self.next_line(thing);
        replace(&self.filing_path(thing), &text);
        self.taken_in(thing);
    }

    fn filing_written_in_place(&mut self) {
        let thing = self.things.filed_in_place;
        let text = self.next_line(thing);
        rewrite(&self.filing_path(thing), &text);
        self.taken_in(thing);
    }

    /// The first half holds whole lines, but not the one that is asked for.
    fn filing_in_two_halves(&mut self) {
        let thing = self.things.filed_halves;
        let text = self.next_line(thing);
        let mut file = File::create(self.filing_path(thing)).expect("the file");
        file.write_all(fillers(3).as_bytes()).expect("a write");
        self.others_change();
        file.write_all(text.as_bytes()).expect("a write");
        drop(file);
        self.taken_in(thing);
    }

    fn filing_left_open(&mut self) {
        let thing = self.things.filed_left_open;
        let text = self.next_line(thing);
        let mut file = File::create(self.filing_path(thing)).expect("the file");
        for piece in [&fillers(3), &text, &fillers(2)] {
            file.write_all(piece.as_bytes()).expect("a write");
            self.pause();
            assert!(!self.shows(thing), "taken in before its writer closed it");
        }
        drop(file);
        self.taken_in(thing);
    }

    fn filing_appended(&mut self) {
        let thing = self.things.filed_appended;
        let path = self.filing_path(thing);
        let text = self.next_line(thing);
        append(&path, &text);
        self.taken_in(thing);
        // By halves: the line counts when it is whole.
        let next = self.world.things[thing].version() + 1;
        let text = line(self.origin(thing), next);
        let (first, second) = text.split_at(text.len() / 2);
        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("the file");
        file.write_all(first.as_bytes()).expect("an append");
        self.pause();
        assert!(self.shows(thing), "half a line is no line");
        self.begin(thing);
        file.write_all(second.as_bytes()).expect("an append");
        self.taken_in(thing);
    }

    fn filing_line_broken(&mut self) {
        let thing = self.things.filed_bad_line;
        let path = self.filing_path(thing);
        let text = self.next_line(thing);
        replace(&path, &format!("{}{{\"domain\": \n{text}", fillers(5)));
        self.seen(&[thing]);
        let ran = self.server.reload(&[]);
        assert!(self.shows(thing), "{ran}");
        let text = self.next_line(thing);
        replace(&path, &text);
        self.taken_in(thing);
    }

    fn filings_held(&mut self) {
        let pair = self.things.filed_held;
        let hold = self.path("filings/held/.hold");
        fs::write(&hold, "").expect("a file");
        for thing in pair {
            let origin = self.origin(thing);
            let text = line(origin, self.world.things[thing].version() + 1);
            let path = self.path(&format!("filings/held/{origin}.ndjson"));
            if thing == pair[0] { replace(&path, &text) } else { rewrite(&path, &text) }
        }
        self.others_change();
        for thing in pair {
            assert!(self.shows(thing), "nothing is taken in while .hold stands");
        }
        for thing in pair {
            self.begin(thing);
        }
        fs::remove_file(&hold).expect("a removal");
        // Both came in as one: who sees the first need not wait for the second.
        self.seen(&pair[..1]);
        self.world.things[pair[1]].confirm(self.world.things[pair[1]].version());
        assert!(self.shows(pair[1]), "one of two held files was taken in before the other");
        self.changes += 1;
    }

    fn filing_behind_a_link(&mut self) {
        let thing = self.things.filed_mapped;
        let version = self.begin(thing);
        let folder = self.path(&format!("filings/mapped/..v{version}"));
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("10.ndjson"), line(self.origin(thing), version)).expect("a file");
        swap_link(&self.server.site, "filings/mapped", version);
        self.taken_in(thing);
    }

    fn filing_file_shrinks(&mut self) {
        let thing = self.things.filed_shrinking;
        let path = self.filing_path(thing);
        let next = self.world.things[thing].version() + 1;
        let text = line(self.origin(thing), next);
        replace(&path, &format!("{text}{}", fillers(FILLERS / 4)));
        self.reloaded_with(&[], 1, &[]);
        assert!(self.shows(thing), "a change that drops many records waits");
        self.begin(thing);
        self.reloaded_with(&["--accept-shrink"], 0, &[thing]);
        let text = self.next_line(thing);
        rewrite(&path, &format!("{text}{}", fillers(FILLERS)));
        self.taken_in(thing);
    }

    fn regions_changed(&mut self) {
        let thing = self.things.regional;
        self.begin(thing);
        self.configured(thing);
    }

    fn exemptions_changed(&mut self) {
        let thing = self.things.exempt;
        self.begin(thing);
        self.configured(thing);
    }

    fn configured(&mut self, thing: usize) {
        let version = |thing: usize| self.world.things[thing].version();
        let (regional, exempt) = (version(self.things.regional), version(self.things.exempt));
        configure(&mut self.server.site, regional, exempt);
        self.server.site.write_config();
        self.taken_in(thing);
    }

    fn filing_file_deleted_and_restored(&mut self) {
        let thing = self.things.filed_gone;
        let path = self.filing_path(thing);
        fs::remove_file(&path).expect("a removal");
        self.reloaded_with(&[], 1, &[]);
        assert!(self.shows(thing), "a file that is gone closes nothing");
        let text = self.next_line(thing);
        replace(&path, &text);
        self.taken_in(thing);
    }
}

/// What the configuration says in these versions of the two domains that it opens.
fn configure(site: &mut Site, regional: u32, exempt: u32) {
    let overseas = match is_dark_in(regional) {
        true => String::new(),
        false => format!("\noverseas = [\"{REGIONAL_ADDRESS}/32\"]"),
    };
    site.regions(&format!("own = [\"10.0.0.0/8\"]{overseas}"));
    let zones = if is_dark_in(exempt) { "[]" } else { "[\"exempt.example\"]" };
    site.gate("exempt_zones", zones);
}

/// Changes one zone and one filing by rename, and one of each in place; tells how many versions.
fn churn(world: &World, things: &Churned, folder: &Path, round: u32) -> u64 {
    let next = |thing: usize| {
        let version = world.things[thing].begin();
        (&world.things[thing].origin, version)
    };
    let pick = |things: &[usize]| things[round as usize % things.len()];
    let (origin, version) = next(pick(&things.renamed));
    replace(&folder.join(format!("zones/{origin}.zone")), &zone_of(origin, version));
    let (origin, version) = next(pick(&things.in_place));
    // By several writes, as whoever writes more than a buffer holds.
    let mut file = File::create(folder.join(format!("zones/{origin}.zone"))).expect("the file");
    for part in zone_of(origin, version).split_inclusive('\n') {
        file.write_all(part.as_bytes()).expect("a write");
    }
    drop(file);
    let (origin, version) = next(things.filed_renamed);
    replace(&folder.join(format!("filings/{origin}.ndjson")), &line(origin, version));
    let (origin, version) = next(things.filed_in_place);
    rewrite(&folder.join(format!("filings/{origin}.ndjson")), &line(origin, version));
    4
}

fn write_pair(site: &Site, folder: &str, first: &str, version: u32) {
    let second = second_of(first);
    for (origin, text) in [first, &second].into_iter().zip(pair_of(first, &second, version)) {
        replace(&site.path(&format!("{folder}/{origin}.zone")), &text);
    }
}

/// As Kubernetes does.
fn swap_link(site: &Site, folder: &str, version: u32) {
    let (new, link) =
        (site.path(&format!("{folder}/..new")), site.path(&format!("{folder}/..data")));
    symlink(format!("..v{version}"), &new).expect("a link");
    fs::rename(&new, &link).expect("a rename");
    if let Some(before) = version.checked_sub(1) {
        fs::remove_dir_all(site.path(&format!("{folder}/..v{before}"))).expect("a removal");
    }
}

fn write_first(site: &Site, world: &World, things: &Things) {
    for (index, thing) in world.things.iter().enumerate() {
        let origin = &thing.origin;
        match thing.kind {
            Kind::Zone if things.many.contains(&index) => {
                replace(&site.path(&format!("zones/many/{origin}.zone")), &zone_of(origin, 0));
            }
            Kind::Zone if index == things.moved => {
                replace(&site.path(&format!("zones/sub/{origin}.zone")), &zone_of(origin, 0));
            }
            Kind::Zone if things.remade.contains(&index) => {
                replace(&site.path(&format!("zones/remade/{origin}.zone")), &zone_of(origin, 0));
            }
            Kind::Zone => {
                replace(&site.path(&format!("zones/{origin}.zone")), &zone_of(origin, 0));
            }
            Kind::Grown => {
                replace(&site.path(&format!("zones/{origin}.zone")), &grown_zone(origin, 0));
            }
            Kind::Pair if index == things.held => write_pair(site, "zones/held", origin, 0),
            Kind::Pair => {
                fs::create_dir(site.path("zones/mapped/..v0")).expect("a folder");
                write_pair(site, "zones/mapped/..v0", origin, 0);
                swap_link(site, "zones/mapped", 0);
                for origin in [origin.clone(), second_of(origin)] {
                    let link = site.path(&format!("zones/mapped/{origin}.zone"));
                    symlink(format!("..data/{origin}.zone"), link).expect("a link");
                }
            }
            Kind::Filed if index == things.filed_mapped => {
                let folder = site.path("filings/mapped/..v0");
                fs::create_dir(&folder).expect("a folder");
                fs::write(folder.join("10.ndjson"), line(origin, 0)).expect("a file");
                swap_link(site, "filings/mapped", 0);
                symlink("..data/10.ndjson", site.path("filings/mapped/10.ndjson")).expect("a link");
            }
            Kind::Filed if things.filed_held.contains(&index) => {
                replace(&site.path(&format!("filings/held/{origin}.ndjson")), &line(origin, 0));
            }
            Kind::Regional | Kind::Exempt => {}
            Kind::Filed => {
                let more =
                    if index == things.filed_shrinking { fillers(FILLERS) } else { "".into() };
                let text = line(origin, 0) + &more;
                replace(&site.path(&format!("filings/{origin}.ndjson")), &text);
            }
        }
    }
}
