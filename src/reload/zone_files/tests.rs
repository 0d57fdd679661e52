use std::os::unix::fs::symlink;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const SETTLE: Duration = Duration::from_secs(2);

struct Zones {
    temp: TempDir,
    files: ZoneFiles,
    now: Instant,
    wall: SystemTime,
}

/// What a scan told, in text.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    changed: Vec<String>,
    removed: Vec<String>,
    faults: usize,
}

impl Zones {
    /// A folder in which every file counts as written long ago.
    fn new() -> Zones {
        let temp = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(temp.path().join("zones")).expect("create");
        let files = ZoneFiles::new(temp.path().join("zones"), SETTLE);
        let wall = SystemTime::now() + Duration::from_secs(3600);
        Zones { temp, files, now: Instant::now(), wall }
    }

    fn with(paths: &[&str]) -> Zones {
        let mut zones = Zones::new();
        paths.iter().for_each(|path| zones.write(path, "first"));
        zones.all();
        zones
    }

    fn path(&self, path: &str) -> PathBuf {
        self.temp.path().join("zones").join(path)
    }

    /// By rename, so that it is a new file.
    fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        let aside = path.with_file_name(".new");
        fs::write(&aside, content).expect("write");
        fs::rename(aside, path).expect("rename");
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).expect("remove");
    }

    fn scan(&mut self, scope: &Scope, closed: &[PathBuf]) -> (Told, Option<Duration>) {
        let at = SystemTime::now();
        let closed: Vec<Closed> =
            closed.iter().map(|path| Closed { path: path.clone(), at }).collect();
        let found = self.files.scan_at(scope, &closed, self.now, self.wall);
        let mut changed: Vec<_> = found.changed.iter().map(|f| f.origin.to_string()).collect();
        let mut removed: Vec<_> = found.removed.iter().map(Name::to_string).collect();
        changed.sort();
        removed.sort();
        (Told { changed, removed, faults: found.faults.len() }, found.look_again)
    }

    fn all(&mut self) -> Told {
        self.scan(&Scope::All, &[]).0
    }

    /// Looks at everything now, and when what is gone has been so for long enough.
    fn all_settled(&mut self) -> Told {
        let told = self.all();
        assert!(told.removed.is_empty(), "{told:?}");
        self.now += GONE_GRACE;
        let later = self.scan(&Scope::Nothing, &[]).0;
        Told {
            changed: [told.changed, later.changed].concat(),
            removed: later.removed,
            faults: told.faults + later.faults,
        }
    }

    fn paths(&mut self, paths: &[&str]) -> (Told, Option<Duration>) {
        let paths = paths.iter().map(|path| self.path(path)).collect();
        self.scan(&Scope::Paths(paths), &[])
    }

    fn serving(&self, origin: &str) -> PathBuf {
        self.files.file(&origin.parse().expect("a name")).expect("a known zone").path()
    }
}

fn changed(origins: &[&str]) -> Told {
    Told { changed: origins.iter().map(|&o| o.to_owned()).collect(), ..Told::default() }
}

fn removed(origins: &[&str]) -> Told {
    Told { removed: origins.iter().map(|&o| o.to_owned()).collect(), ..Told::default() }
}

#[test]
fn zones_are_found_at_any_depth_and_told_once() {
    let mut zones = Zones::new();
    for path in ["a.example.zone", "x/y/z/B.Example.zone", "例子.中国.zone", "@.zone"] {
        zones.write(path, "");
    }
    for path in ["x/part.inc", ".hidden/c.example.zone", ".d.example.zone", "e.example.zone~"] {
        zones.write(path, "");
    }
    assert_eq!(zones.all(), changed(&[".", "a.example.", "b.example.", "xn--fsqu00a.xn--fiqs8s."]));
    assert_eq!(zones.serving("b.example."), zones.path("x/y/z/B.Example.zone"));
    assert_eq!(zones.all(), Told::default());
}

/// Events name folders as they are made, one in the other.
#[test]
fn a_folder_that_is_too_deep_is_so_by_whichever_path_it_is_looked_at() {
    let mut zones = Zones::with(&["a.zone"]);
    let folder = |depth: usize| vec!["d"; depth].join("/");
    let [least, most] = [folder(MAX_DEPTH), folder(MAX_DEPTH + 1)];
    let [inside, beyond] = [format!("{least}/b.zone"), format!("{most}/c.zone")];
    zones.write(&inside, "");
    zones.write(&beyond, "");
    assert_eq!(zones.paths(&[&beyond]).0, Told { faults: 1, ..Told::default() });
    assert_eq!(zones.paths(&[&most]).0, Told::default(), "it was told");
    assert_eq!(zones.paths(&[&folder(2)]).0, changed(&["b."]));
    assert_eq!(zones.all(), Told::default());
    assert_eq!(zones.serving("b."), zones.path(&inside));
    assert_eq!(zones.files.len(), 2);
}

#[test]
fn a_touched_file_is_told_and_its_neighbours_are_not() {
    let mut zones = Zones::with(&["a.zone", "b.zone", "sub/c.zone"]);
    zones.write("b.zone", "second");
    zones.write("sub/c.zone", "second");
    assert_eq!(zones.paths(&["b.zone", "a.zone"]).0, changed(&["b."]));
    assert_eq!(zones.all(), changed(&["c."]));
}

#[test]
fn what_was_found_and_not_taken_in_is_found_again() {
    let mut zones = Zones::with(&["a.zone", "sub/b.zone"]);
    for path in ["a.zone", "sub/b.zone"] {
        let file = fs::File::options().append(true).open(zones.path(path)).expect("the file");
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).expect("a time");
    }
    let mut found = || zones.files.scan(&Scope::All, &[]).changed.len();
    assert_eq!([found(), found()], [2, 2]);
    zones.files.note_taken_in();
    assert!(zones.files.scan(&Scope::All, &[]).changed.is_empty());
}

#[test]
fn a_file_that_is_removed_and_remade_at_once_does_not_flap() {
    let mut zones = Zones::with(&["a.zone", "b.zone"]);
    zones.remove("a.zone");
    let (told, look_again) = zones.paths(&["a.zone"]);
    assert_eq!((told, look_again), (Told::default(), Some(GONE_GRACE)));
    zones.write("a.zone", "second");
    assert_eq!(zones.paths(&["a.zone"]), (changed(&["a."]), None));

    zones.remove("a.zone");
    zones.paths(&["a.zone"]);
    zones.now += GONE_GRACE;
    assert_eq!(zones.scan(&Scope::Nothing, &[]), (removed(&["a."]), None));
    assert_eq!(zones.files.len(), 1);
}

#[test]
fn a_scan_of_everything_removes_what_stays_away() {
    let mut zones = Zones::with(&["a.zone", "sub/b.zone", "sub/c.zone", "sub/deep/d.zone"]);
    zones.remove("sub/b.zone");
    assert_eq!(zones.all_settled(), removed(&["b."]));
    fs::remove_dir_all(zones.path("sub")).expect("remove");
    assert_eq!(zones.all(), Told::default());
    zones.write("sub/d.zone", "from elsewhere");
    assert_eq!(zones.paths(&["sub"]).0, changed(&["d."]));
    zones.now += GONE_GRACE;
    assert_eq!(zones.scan(&Scope::Nothing, &[]), (removed(&["c."]), None));
    assert_eq!(zones.files.len(), 2);
}

/// However long it stays away, and whatever of it was being looked at when it went.
#[test]
fn a_zones_folder_that_is_away_removes_nothing_that_was_touched_in_it() {
    let mut zones = Zones::with(&["a.zone", "b.zone", "sub/c.zone"]);
    let (root, away) = (zones.path(""), zones.temp.path().join("away"));
    zones.remove("b.zone");
    zones.paths(&["b.zone"]);
    fs::rename(&root, &away).expect("rename");
    let touched = ["a.zone", "b.zone", "sub", "sub/c.zone"];
    for _ in 0..3 {
        assert_eq!(zones.paths(&touched).0, Told::default());
        zones.now += GONE_GRACE;
    }
    // Another folder in its place is another matter, once it has been looked at.
    fs::create_dir(&root).expect("create");
    fs::write(zones.path("new.zone"), "").expect("write");
    assert_eq!(zones.paths(&touched), (Told::default(), None));
    fs::remove_dir_all(&root).expect("remove");
    fs::rename(&away, &root).expect("rename");
    assert_eq!(zones.all_settled(), removed(&["b."]));
    assert_eq!(zones.files.len(), 2);
}

#[test]
fn a_link_that_leads_nowhere_removes_nothing_and_is_told() {
    let mut zones = Zones::with(&["keep.zone", "..v1/a.zone", "..v1/b.zone"]);
    symlink("..v1", zones.path("linked")).expect("link");
    symlink("..v1/a.zone", zones.path("a.zone")).expect("link");
    zones.all();
    fs::rename(zones.path("..v1"), zones.path("..v2")).expect("rename");
    assert_eq!(zones.all_settled(), Told { faults: 2, ..Told::default() });
    zones.paths(&["linked", "a.zone"]);
    zones.now += GONE_GRACE;
    assert_eq!(zones.scan(&Scope::Nothing, &[]).0, Told::default());
    zones.remove("linked");
    assert_eq!(zones.all_settled().removed, ["b."]);
}

#[test]
fn a_file_that_is_away_when_it_is_to_be_read_is_read_when_it_is_back() {
    let mut zones = Zones::with(&["a.zone"]);
    let file = zones.files.file(&"a.".parse().expect("a name")).expect("a known zone");
    let (path, away) = (zones.path("a.zone"), zones.path("away"));
    fs::rename(&path, &away).expect("rename");
    assert_eq!(zones.files.put_off_if_written(&file, &[]), None);
    fs::rename(&away, &path).expect("rename");
    assert_eq!(zones.all(), changed(&["a."]));
}

#[test]
fn a_folder_that_goes_takes_its_zones_along_and_brings_them_back() {
    let mut zones = Zones::with(&["a.zone", "sub/deep/b.zone"]);
    fs::remove_dir_all(zones.path("sub")).expect("remove");
    assert_eq!(zones.paths(&["sub"]), (Told::default(), Some(GONE_GRACE)));
    zones.now += GONE_GRACE;
    assert_eq!(zones.scan(&Scope::Nothing, &[]).0, removed(&["b."]));
    zones.write("sub/deep/b.zone", "second");
    assert_eq!(zones.paths(&["sub"]), (changed(&["b."]), None));
}

#[test]
fn a_renamed_folder_changes_its_zones_and_removes_none() {
    let mut zones = Zones::with(&["old/a.zone", "old/b.zone"]);
    fs::rename(zones.path("old"), zones.path("anew")).expect("rename");
    assert_eq!(zones.paths(&["old", "anew"]).0, changed(&["a.", "b."]));
    zones.now += GONE_GRACE;
    assert_eq!(zones.scan(&Scope::Nothing, &[]), (Told::default(), None));
    assert_eq!(zones.serving("a."), zones.path("anew/a.zone"));
}

#[test]
fn a_moved_file_is_one_change_whichever_way_it_moves() {
    for (from, to) in [("a/x.zone", "b/x.zone"), ("b/x.zone", "a/x.zone")] {
        let mut zones = Zones::with(&["a/keep1.zone", "b/keep2.zone", from]);
        fs::rename(zones.path(from), zones.path(to)).expect("rename");
        assert_eq!(zones.paths(&[from, to]).0, changed(&["x."]), "{from} to {to}");
        assert_eq!(zones.serving("x."), zones.path(to));
        zones.now += GONE_GRACE;
        assert_eq!(zones.scan(&Scope::Nothing, &[]), (Told::default(), None));
    }
}

#[test]
fn a_zone_that_goes_and_turns_up_elsewhere_within_one_scan_is_changed_only() {
    let mut zones = Zones::with(&["p/a.zone", "p/b.zone"]);
    zones.remove("p/b.zone");
    zones.paths(&["p/b.zone"]);
    zones.now += GONE_GRACE;
    zones.write("q/b.zone", "moved late");
    assert_eq!(zones.paths(&["p/b.zone", "q"]).0, changed(&["b."]));
}

#[test]
fn an_empty_folder_moved_over_a_rivals_brings_no_file_back() {
    let mut zones = Zones::with(&["keep.zone", "p/a.zone", "q/a.zone"]);
    zones.remove("p/a.zone");
    zones.remove("q/a.zone");
    fs::rename(zones.path("p"), zones.path("q")).expect("rename");
    zones.paths(&["p", "p/a.zone", "q", "q/a.zone"]);
    zones.now += GONE_GRACE;
    zones.scan(&Scope::Nothing, &[]);
    assert_eq!(zones.files.len(), 1);
}

#[test]
fn of_two_files_for_one_zone_the_first_by_path_serves() {
    let mut zones = Zones::with(&["m/x.zone"]);
    zones.write("z/X.zone", "rival");
    let found = zones.files.scan_at(&Scope::All, &[], zones.now, zones.wall);
    assert!(found.changed.is_empty());
    let fault = found.faults[0].to_string();
    assert!(fault.contains("z/X.zone") && fault.contains("m/x.zone is served"), "{fault}");
    assert_eq!(zones.all(), Told::default(), "a standing fault is told once");

    zones.write("a/x.zone", "first by path");
    let (told, _) = zones.paths(&["a/x.zone"]);
    assert_eq!((told.changed.len(), told.faults), (1, 2));
    assert_eq!(zones.serving("x."), zones.path("a/x.zone"));

    zones.remove("a/x.zone");
    assert_eq!(zones.paths(&["a/x.zone"]).0, changed(&["x."]));
    assert_eq!(zones.serving("x."), zones.path("m/x.zone"));
    zones.remove("m/x.zone");
    assert_eq!(zones.all(), changed(&["x."]));
    assert_eq!(zones.serving("x."), zones.path("z/X.zone"));
    zones.remove("z/X.zone");
    zones.write("keep.zone", "");
    assert_eq!(zones.all_settled().removed, ["x."]);
}

#[test]
fn a_misnamed_file_is_told_once_and_again_when_it_comes_again() {
    let mut zones = Zones::with(&["a.zone"]);
    zones.write("b..c.zone", "");
    assert_eq!(zones.all().faults, 1);
    assert_eq!(zones.all().faults, 0);
    zones.remove("b..c.zone");
    zones.paths(&["b..c.zone"]);
    zones.write("b..c.zone", "");
    assert_eq!(zones.paths(&["b..c.zone"]).0.faults, 1);
}

#[test]
fn a_hold_keeps_everything_below_as_it_was_until_it_goes() {
    let mut zones = Zones::with(&["a.zone", "held/b.zone", "held/deep/c.zone", "held/d.zone"]);
    fs::write(zones.path("held/.hold"), "").expect("write");
    zones.write("a.zone", "second");
    zones.write("held/b.zone", "second");
    zones.write("held/e.zone", "new");
    zones.remove("held/d.zone");
    fs::remove_dir_all(zones.path("held/deep")).expect("remove");
    let touched = ["held/b.zone", "held/e.zone", "held/d.zone", "held/deep", "a.zone", "held"];
    assert_eq!(zones.paths(&touched).0, changed(&["a."]));
    assert_eq!(zones.all(), Told::default());
    zones.now += GONE_GRACE;
    assert_eq!(zones.all(), Told::default());

    zones.remove("held/.hold");
    // As it is told: the folder is whole now.
    let held = zones.path("held");
    let (told, look_again) = zones.scan(&Scope::Paths([held.clone()].into()), &[held]);
    assert_eq!(told.changed, ["b.", "e."]);
    assert_eq!(told.removed, ["c.", "d."]);
    assert_eq!(look_again, None);
}

#[test]
fn a_zone_is_read_again_when_a_file_that_it_includes_changes() {
    let mut zones = Zones::with(&["a.zone", "sub/b.zone", "common.inc"]);
    let a: Name = "a.".parse().expect("a name");
    let b: Name = "b.".parse().expect("a name");
    zones.files.note_includes(&a, &[zones.path("common.inc")]);
    zones.files.note_includes(&b, &[zones.path("sub/../common.inc")]);
    assert_eq!(zones.all(), Told::default());
    zones.write("common.inc", "second");
    assert_eq!(zones.paths(&["common.inc"]).0, changed(&["a.", "b."]));
    zones.write("common.inc", "third");
    assert_eq!(zones.all(), changed(&["a.", "b."]));
    zones.files.note_includes(&a, &[]);
    zones.write("common.inc", "fourth");
    assert_eq!(zones.all(), changed(&["b."]));
    zones.remove("common.inc");
    zones.paths(&["common.inc"]);
    zones.now += GONE_GRACE;
    assert_eq!(zones.scan(&Scope::Nothing, &[]).0, changed(&["b."]));
}

#[test]
fn a_rewrite_in_place_waits_for_its_close_or_for_quiet() {
    let mut zones = Zones::with(&["a.zone"]);
    let path = zones.path("a.zone");
    zones.wall = SystemTime::now();
    fs::write(&path, "hal").expect("write");
    assert_eq!(zones.paths(&["a.zone"]), (Told::default(), Some(SETTLE)));
    let closed = [path.clone()];
    assert_eq!(zones.scan(&Scope::Paths([path.clone()].into()), &closed).0, changed(&["a."]));

    // Who empties a file is about to write to it, whatever was seen of a close.
    fs::write(&path, "").expect("write");
    let scope = Scope::Paths([path.clone()].into());
    assert_eq!(zones.scan(&scope, &closed), (Told::default(), Some(SETTLE)));
    fs::write(&path, "half of").expect("write");
    zones.paths(&["a.zone"]);
    zones.now += SETTLE / 2;
    fs::write(&path, "half of the next").expect("write");
    assert_eq!(zones.paths(&["a.zone"]), (Told::default(), Some(SETTLE)));
    zones.now += SETTLE / 2;
    assert_eq!(zones.scan(&Scope::Nothing, &[]), (Told::default(), Some(SETTLE / 2)));
    zones.now += SETTLE / 2;
    assert_eq!(zones.scan(&Scope::Nothing, &[]), (changed(&["a."]), None));
}

#[test]
fn a_file_written_to_after_it_was_seen_closed_is_not_whole() {
    let mut zones = Zones::with(&["a.zone"]);
    let path = zones.path("a.zone");
    zones.wall = SystemTime::now();
    fs::write(&path, "whole").expect("write");
    let closed = [Closed { path: path.clone(), at: zones.wall - Duration::from_secs(1) }];
    let scope = Scope::Paths([path].into());
    let found = zones.files.scan_at(&scope, &closed, zones.now, zones.wall);
    assert_eq!((found.changed, found.look_again), (Vec::new(), Some(SETTLE)));
}

#[test]
fn a_file_written_to_while_it_is_read_is_put_off() {
    let mut zones = Zones::with(&["a.zone"]);
    let file = zones.files.file(&"a.".parse().expect("a name")).expect("a known zone");
    assert_eq!(zones.files.put_off_if_written(&file, &[]), None);
    fs::write(zones.path("a.zone"), "half").expect("write");
    assert_eq!(zones.files.put_off_if_written(&file, &[]), Some(SETTLE));
    let closed = [zones.path("a.zone")];
    assert_eq!(zones.scan(&Scope::Paths(closed.clone().into()), &closed).0, changed(&["a."]));
}

#[test]
fn a_file_that_was_just_closed_counts_though_its_times_are_the_same() {
    let mut zones = Zones::with(&["a.zone", "b.zone"]);
    let closed = [zones.path("a.zone")];
    let scope = Scope::Paths(closed.clone().into());
    assert_eq!(zones.scan(&scope, &closed).0, changed(&["a."]));
}

#[test]
fn a_folder_known_to_be_whole_makes_its_files_count_at_once() {
    let mut zones = Zones::with(&["a.zone"]);
    zones.wall = SystemTime::now();
    zones.write("sub/b.zone", "first");
    let folder = zones.path("sub");
    let scope = Scope::Paths([folder.clone()].into());
    assert_eq!(zones.scan(&scope, &[folder]).0, changed(&["b."]));
}

#[test]
fn a_zones_folder_gone_or_emptied_removes_nothing() {
    let mut zones = Zones::with(&["a.zone", "sub/b.zone"]);
    let (root, aside) = (zones.path(""), zones.temp.path().join("aside"));
    fs::rename(&root, &aside).expect("rename");
    assert_eq!(zones.all(), Told { faults: 1, ..Told::default() });
    fs::create_dir(&root).expect("create");
    assert_eq!(zones.all(), Told { faults: 1, ..Told::default() });
    assert_eq!(zones.files.len(), 2);
    fs::remove_dir(&root).expect("remove");
    fs::rename(&aside, &root).expect("rename");
    zones.remove("a.zone");
    assert_eq!(zones.all_settled(), removed(&["a."]));
}

#[test]
fn a_swapped_data_link_changes_the_files_behind_it() {
    let mut zones = Zones::new();
    zones.write("..1/a.zone", "first");
    zones.write("..2/a.zone", "second");
    symlink("..1", zones.path("..data")).expect("link");
    symlink("..data/a.zone", zones.path("a.zone")).expect("link");
    assert_eq!(zones.all(), changed(&["a."]));
    symlink("..2", zones.path("..data_tmp")).expect("link");
    fs::rename(zones.path("..data_tmp"), zones.path("..data")).expect("rename");
    assert_eq!(zones.all(), changed(&["a."]));
}

#[test]
fn a_link_that_leads_back_up_is_a_fault_and_no_endless_walk() {
    let mut zones = Zones::with(&["sub/a.zone"]);
    symlink("..", zones.path("sub/up")).expect("link");
    let told = zones.all();
    assert_eq!(told, Told { faults: 1, ..Told::default() });
    assert_eq!(zones.serving("a."), zones.path("sub/a.zone"));
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Remove(usize),
    Move(usize, usize),
    MoveFolder(usize, usize),
    Scan,
}

const PLACES: [&str; 6] =
    ["p/a.zone", "q/a.zone", "q/A.zone", "p/b.zone", "q/r/b.zone", "p/c..d.zone"];
const FOLDERS: [&str; 3] = ["p", "q", "q/r"];

fn step() -> impl Strategy<Value = Step> {
    let place = 0..PLACES.len();
    let folder = 0..FOLDERS.len();
    prop_oneof![
        place.clone().prop_map(Step::Write),
        place.clone().prop_map(Step::Remove),
        (place.clone(), place).prop_map(|(from, to)| Step::Move(from, to)),
        (folder.clone(), folder).prop_map(|(from, to)| Step::MoveFolder(from, to)),
        Just(Step::Scan),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens to the files, following the touched paths leads to the same zones from
    /// the same files as looking at everything afresh, and every difference has been told.
    #[test]
    fn following_paths_equals_looking_afresh(steps in prop::collection::vec(step(), 1..40)) {
        let mut zones = Zones::with(&["keep.zone"]);
        let mut followed: BTreeMap<String, PathBuf> = BTreeMap::new();
        followed.insert("keep.".to_owned(), zones.path("keep.zone"));
        let mut touched: Vec<String> = Vec::new();
        for step in steps.into_iter().chain([Step::Scan, Step::Scan]) {
            let mut touch = |path: &str| touched.push(path.to_owned());
            match step {
                Step::Write(at) => {
                    // As the events would tell: the topmost folder that was made, or the file.
                    let top = ["p", "q", "q/r"].into_iter().find(|top| {
                        PLACES[at].starts_with(top) && !zones.path(top).exists()
                    });
                    zones.write(PLACES[at], "new");
                    touch(top.unwrap_or(PLACES[at]));
                }
                Step::Remove(at) => { let _ = fs::remove_file(zones.path(PLACES[at])); touch(PLACES[at]); }
                Step::Move(from, to) => {
                    if fs::rename(zones.path(PLACES[from]), zones.path(PLACES[to])).is_ok() {
                        touch(PLACES[from]);
                        touch(PLACES[to]);
                    }
                }
                Step::MoveFolder(from, to) => {
                    if fs::rename(zones.path(FOLDERS[from]), zones.path(FOLDERS[to])).is_ok() {
                        touch(FOLDERS[from]);
                        touch(FOLDERS[to]);
                    }
                }
                Step::Scan => {
                    let paths = touched.drain(..).map(|path| zones.path(&path)).collect();
                    let found = zones.files.scan_at(&Scope::Paths(paths), &[], zones.now, zones.wall);
                    zones.now += GONE_GRACE;
                    for file in found.changed {
                        followed.insert(file.origin.to_string(), file.path());
                    }
                    for origin in found.removed {
                        followed.remove(&origin.to_string());
                    }
                }
            }
        }
        let mut fresh = ZoneFiles::new(zones.path(""), SETTLE);
        let afresh: BTreeMap<String, PathBuf> = fresh
            .scan_at(&Scope::All, &[], zones.now, zones.wall)
            .changed
            .into_iter()
            .map(|file| (file.origin.to_string(), file.path()))
            .collect();
        let known: BTreeMap<String, PathBuf> = zones
            .files
            .zones
            .iter()
            .filter_map(|(origin, _)| zones.files.file(&Name::from_wire(origin)?))
            .map(|file| (file.origin.to_string(), file.path()))
            .collect();
        prop_assert_eq!(&known, &afresh);
        prop_assert_eq!(&followed, &afresh);
    }
}
