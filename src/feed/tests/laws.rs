//! Large files, any bytes, and the law: however a folder came to be, its records are those of a fresh
//! reading.

use super::*;
use crate::feed::csv::Columns;
use crate::feed::packed::PackedFacts;
use crate::feed::rows::Layout;
use crate::feed::store::{Candidate, Delta, Put, Rest, SlotSet, Touched, read_page, write_page};
use crate::feed::verbatim::Verbatim;

/// The store as a snapshot gives it back.
fn restored(store: &FilingStore) -> FilingStore {
    let (saved, entries) = store.to_save();
    let pages = entries.used().map(|page| {
        let mut bytes = Vec::new();
        write_page(page, &mut bytes);
        read_page(&bytes).expect("a page")
    });
    let pages = pages.collect();
    FilingStore::restore(saved, pages).expect("a whole store")
}

#[test]
fn a_file_of_many_portions_is_read_like_a_small_one() {
    let count = 60_000;
    let mut text = HEADER.to_owned();
    for number in 0..count {
        text.push_str(&row(&format!("d{number}.cn"), number));
    }
    assert!(text.len() > 5 << 20, "more than is read in one thread");
    let mut world = World::with(&[("a.csv", &text)]);
    assert_eq!(world.opened.stats.records, count as usize);
    for line in [2, 30_000, 60_001] {
        let shown = world.feed.find_records(&format!("d{}.cn", line - 2));
        assert_eq!(shown[0].line, line);
        assert_eq!(shown[0].read_texts()[&Field::Domain], format!("d{}.cn", line - 2));
    }
    let restored = restored(&world.feed.store);
    restored.assert_hangs_together();
    assert!(restored.sites().into_iter().eq(world.feed.store.sites()));
    world.append("a.csv", &row("new.cn", 1));
    assert_eq!(world.refresh().changed, domains(&["new.cn"]));
    assert_eq!(world.feed.find_records("new.cn")[0].line, 60_002);

    // The same key on many lines: the last one wins, whichever thread reads it.
    let many: String = (0..60_000)
        .map(|n| row("same.cn", 1).replace(",no\n", if n == 59_999 { ",yes\n" } else { ",no\n" }))
        .collect();
    world.replace("a.csv", &format!("{HEADER}{many}"));
    world.refresh_with(&[], Shrink::Accept);
    assert_eq!(world.feed.store().len(), 1);
    assert!(world.facts("same.cn")[0].restricted);
    assert_eq!(world.feed.find_records("same.cn")[0].line, 60_001);
}

/// What is read again is what is new: a row that says what it said is known by its text.
#[test]
fn rows_are_known_by_their_text() {
    let plain = rows(0..3);
    let quoted = format!("\"{}", row("d1.cn", 1).replacen(',', "\",", 1));
    let crlf = rows(0..3).replace('\n', "\r\n");
    let objects: String = (0..3).map(|n| object(&format!("d{n}.cn"), n)).collect();
    let spaced = objects.replace("\":", "\" : ");
    let turned = |row: &str| row.trim_end().split(',').rev().collect::<Vec<_>>().join(",");
    let domain_last: Vec<String> = plain.lines().map(turned).collect();
    for (name, header, rows) in [
        ("a.csv", HEADER, plain),
        ("a.csv", HEADER, quoted),
        ("a.csv", HEADER, crlf),
        ("a.csv", &(turned(HEADER) + "\n"), domain_last.join("\n") + "\n"),
        ("a.csv", &(turned(HEADER) + "\r\n"), domain_last.join("\r\n") + "\r\n"),
        ("a.ndjson", "", objects),
        ("a.ndjson", "", spaced),
    ] {
        let mut world = World::with(&[(name, &format!("{header}{rows}"))]);
        for row in rows.split_inclusive('\n') {
            assert!(is_known(&world.feed, name, row), "{name}: {row}");
            assert!(is_known(&world.feed, name, row.trim_end_matches('\n')), "{name}: {row}");
        }
        let reworded = rows.replace("hoster", "HOSTER");
        assert!(!is_known(&world.feed, name, reworded.lines().next().unwrap_or_default()));
        world.replace(name, &format!("{header}{reworded}"));
        assert_eq!(world.refresh().changed, Changed::None);
        assert!(reworded.split_inclusive('\n').all(|row| is_known(&world.feed, name, row)));
    }
}

fn is_known(feed: &Feed, file: &str, row: &str) -> bool {
    let source = &feed.sources[Path::new(file)];
    let layout = source.taken.as_ref().and_then(|taken| taken.layout.as_ref());
    let verbatim = Verbatim::of(layout.expect("it was read"), feed.store.text_seed());
    let site = verbatim.perhaps_site(row.as_bytes()).expect("a plain domain");
    let likely = feed.store.find_row(source.id, site, verbatim.mark(row.as_bytes()));
    likely.is_some_and(|likely| likely.in_these_words)
}

/// Of rows of one site domain that have the same mark none is taken for another.
#[test]
fn rows_with_the_mark_of_another_are_read() {
    let both = row("d1.cn", 1) + &row("d1.cn", 2);
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{both}"))]);
    let file = world.feed.sources[Path::new("a.csv")].id;
    let turned = row("d1.cn", 2) + &row("d1.cn", 1);
    let layout = Layout::Csv(Columns::parse(HEADER).expect("a header").layout);
    let verbatim = Verbatim::of(&layout, world.feed.store.text_seed());
    let mark = Some(verbatim.mark(row("d1.cn", 2).as_bytes()));
    let none_seen = SlotSet::default();
    let slots = world.feed.store.unseen(file, &none_seen);
    let reworded: Vec<_> = slots.map(|(slot, ..)| (slot, mark)).collect();
    assert_eq!(reworded.len(), 2);
    let delta = Delta { reworded: vec![reworded], ..Delta::default() };
    world.feed.store.apply(file, delta, Rest::Stays, &mut Touched::default());
    world.replace("a.csv", &format!("{HEADER}{turned}"));
    assert_eq!(world.refresh().changed, Changed::None);
    assert_eq!(world.feed.store().len(), 2);
}

/// A key has 40 bits: whoever makes one up that another subject's record has does not get its place.
#[test]
fn records_of_two_subjects_with_one_key_are_two() {
    let mut store = FilingStore::default();
    let (file, site) = (FileId(0), SiteKey::of("a.cn"));
    store.set_order([file]);
    let of_subject = |subject| Candidate {
        site,
        key: 5,
        subject,
        packed: PackedFacts::NOTHING,
        application_at: None,
        line: 1 + subject as u32,
        mark: None,
        rare: None,
    };
    for subject in [1, 2, 1] {
        let put = Put { replaces: None, candidate: of_subject(subject) };
        let delta = Delta { puts: vec![vec![put]], ..Delta::default() };
        store.apply(file, delta, Rest::Stays, &mut Touched::default());
    }
    let mut subjects: Vec<u64> =
        store.records_of(site).map(|record| record.facts.subject).collect();
    subjects.sort_unstable();
    assert_eq!((subjects, store.len()), (vec![1, 2], 2));
    for likely in [None, Some(0), Some(1)] {
        let found = [1, 2, 3].map(|subject| store.compare(file, likely, &of_subject(subject)));
        assert_eq!(found.map(|found| found.map(|(slot, _)| slot)), [Some(0), Some(1), None]);
        assert_eq!(store.compare(FileId(1), likely, &of_subject(1)), None);
    }
    store.apply(file, Delta::default(), Rest::Goes, &mut Touched::default());
    assert!(store.is_empty());
}

/// What there is to tell of a file, it tells at each reading.
#[test]
fn what_is_wrong_is_told_at_each_reading() {
    let ahead = row("ahead.cn", 7).replace("2024-01-01", "2999-01-01");
    let odd = row("odd.cn", 8).replace(",no\n", ",perhaps\n");
    let csv = |rows: String| format!("{HEADER}{rows}{ahead}{odd}");
    let unknown = object("c.cn", 3).replace("{", "{\"colour\":\"red\",");
    let ndjson = |objects: String| format!("{objects}{unknown}");
    let mut world =
        World::with(&[("a.csv", &csv(rows(0..3))), ("b.ndjson", &ndjson(object("a.cn", 1)))]);
    let told = |change: &FeedChange| {
        let told = change.faults.iter().map(|fault| format!("{} {}", fault.text, fault.problem));
        (told.collect::<Vec<_>>(), change.stats)
    };
    let (faults, stats) = told(&world.opened);
    assert!(faults.len() >= 3, "{faults:?}");
    world.replace("a.csv", &csv(row("d2.cn", 2) + &rows(0..2)));
    world.replace("b.ndjson", &ndjson(object("a.cn", 2)));
    let (again, stats_again) = told(&world.refresh_with(&[], Shrink::Accept));
    assert_eq!(again, faults);
    assert_eq!((stats_again.records, stats_again.bad_lines), (stats.records, stats.bad_lines));
}

#[test]
fn a_crowd_under_one_site_domain_is_told() {
    let text: String = (0..4100).map(|n| row(&format!("d{n}.a.cn"), n)).collect();
    let world = World::with(&[("a.csv", &format!("{HEADER}{text}"))]);
    assert_eq!(world.opened.stats.records, 4096);
    let told = errors(&world.opened.faults);
    assert!(told[0].contains("4 records not taken in"), "{told:?}");
}

proptest! {
    /// Whatever stands in a file, it is read or told, and never stops the feed.
    #[test]
    fn any_bytes_can_be_read(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "([{}\\[\\]\",:\\\\ \n\r]|domain|code|200|list|a\\.cn|null|人){0,40}"
                .prop_map(String::into_bytes),
        ],
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.csv", "b.csv", "c.ndjson", "d.json"] {
            let header = if name == "b.csv" { HEADER.as_bytes() } else { b"" };
            fs::write(folder.path().join(name), [header, &bytes[..]].concat()).expect("written");
        }
        let (feed, change) = Feed::open(settings(folder.path()), later(Moment::now()));
        prop_assert_eq!(change.look_again, None);
        prop_assert_eq!(feed.store().len(), change.stats.records);
        let _ = change.faults.iter().map(Fault::to_string).collect::<Vec<_>>();
    }
}

/// What becomes of a row in a file that is written anew.
#[derive(Clone, Copy, Debug)]
enum Rewritten {
    Gone,
    SaysElse,
    WithAnotherBefore,
    Twice,
    First,
}

proptest! {
    /// In whatever order they stand now, and beside whatever other rows.
    #[test]
    fn rows_of_a_file_written_anew_are_found_and_no_others(
        edits in proptest::collection::vec(
            (0usize..30, proptest::sample::select(&[
                Rewritten::Gone,
                Rewritten::SaysElse,
                Rewritten::WithAnotherBefore,
                Rewritten::Twice,
                Rewritten::First,
            ])),
            0..5,
        ),
        is_reversed in any::<bool>(),
    ) {
        let mut rows: Vec<String> = (0..40).map(|n| row(&format!("d{n}.cn"), n)).collect();
        // The other file has the same texts, and stands before it.
        let text = format!("{HEADER}{}", rows.concat());
        let mut world = World::with(&[("0.csv", &text), ("a.csv", &text)]);
        for (at, becomes) in edits {
            let one = rows.remove(at);
            match becomes {
                Rewritten::Gone => {}
                Rewritten::SaysElse => rows.insert(at, one.replace(",no", ",yes")),
                Rewritten::WithAnotherBefore => {
                    rows.splice(at..at, [row(&format!("e{at}.cn"), 1), one]);
                }
                Rewritten::Twice => rows.splice(at..at, [one.clone(), one]).for_each(drop),
                Rewritten::First => rows.insert(0, one),
            }
        }
        if is_reversed {
            rows.reverse();
        }
        world.replace("a.csv", &format!("{HEADER}{}", rows.concat()));
        world.refresh_with(&[], Shrink::Accept);
        let (fresh, _) = Feed::open(settings(world.folder.path()), world.now);
        let sites: Vec<String> =
            (0..40).flat_map(|n| [format!("d{n}.cn"), format!("e{n}.cn")]).collect();
        prop_assert_eq!(everything(&world.feed, &sites), everything(&fresh, &sites));
        world.feed.store.assert_hangs_together();
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Append(usize, Vec<u8>),
    Rewrite(usize, Vec<u8>),
    RenameOver(usize, Vec<u8>),
    Remove(usize),
    Move(usize, usize),
    Touch(usize),
}

const FILES: [&str; 5] = ["a.csv", "b.ndjson", "sub/c.csv", "d.csv", "q.json"];

/// One of a few records, so that keys meet across files.
fn line_of(file: &str, which: u8) -> String {
    let domain = ["a.cn", "b.cn", "x.b.cn", "c.cn"][usize::from(which & 3)];
    let number = u32::from(which >> 2 & 3);
    let restricted = which >> 4 & 1 == 1;
    let cancels = which >> 5 & 7 == 7;
    let moves = which >> 5 & 7 == 6;
    let status = match which >> 5 & 7 {
        7 => "cancelled",
        // The same in other words.
        5 => " in-force",
        _ => "in-force",
    };
    let site_number = if cancels { String::new() } else { format!("京ICP备{number:08}号-1") };
    if file.ends_with("csv") {
        let restricted = if restricted { "yes" } else { "no" };
        format!(
            "{domain},京ICP备{number:08}号,{site_number},{status},2024-01-01T00:00:00+08:00,\
             hoster,,{restricted}\n"
        )
    } else {
        let moved_at = if restricted { "2024-02-01T00:00:00Z" } else { "" };
        let application = if moves {
            format!(
                ",\"application\":\"change-domain\",\"application_status\":\"draft\",\
                 \"application_at\":\"{moved_at}\",\"new_domain\":\"n.cn\""
            )
        } else {
            String::new()
        };
        format!(
            "{{\"domain\":\"{domain}\",\"subject_number\":\"京ICP备{number:08}号\",\
             \"site_number\":\"{site_number}\",\"status\":\"{status}\",\"provider\":\"hoster\",\
             \"approved_at\":\"2024-01-01T00:00:00+08:00\",\"restricted\":{restricted}{application}}}\n"
        )
    }
}

fn text_of(file: &str, lines: &[u8]) -> String {
    if file.ends_with(".json") {
        let one = |which: &u8| {
            format!(
                "{{\"domain\":\"q{}.cn\",\"mainLicence\":\"京ICP备{which:08}号\",\
                 \"serviceLicence\":\"京ICP备{which:08}号-1\"}}",
                which & 3
            )
        };
        let list: Vec<String> = lines.iter().map(one).collect();
        return format!("{{\"code\":200,\"params\":{{\"list\":[{}]}}}}", list.join(","));
    }
    let header = match (file.ends_with("csv"), lines) {
        (false, _) => String::new(),
        // Below it the same rows say something else.
        (true, [128..=255, ..]) => HEADER.replace("restricted", "blacklisted"),
        (true, _) => HEADER.to_owned(),
    };
    let lines: String = lines.iter().map(|&which| line_of(file, which)).collect();
    format!("{header}{lines}")
}

fn edits() -> impl Strategy<Value = Vec<(Edit, bool)>> {
    let file = 0..FILES.len();
    let lines = || proptest::collection::vec(any::<u8>(), 0..6);
    let edit = prop_oneof![
        3 => (file.clone(), lines()).prop_map(|(file, lines)| Edit::Append(file, lines)),
        2 => (file.clone(), lines()).prop_map(|(file, lines)| Edit::Rewrite(file, lines)),
        2 => (file.clone(), lines()).prop_map(|(file, lines)| Edit::RenameOver(file, lines)),
        1 => file.clone().prop_map(Edit::Remove),
        1 => (file.clone(), file.clone()).prop_map(|(from, to)| Edit::Move(from, to)),
        1 => file.prop_map(Edit::Touch),
    ];
    proptest::collection::vec((edit, any::<bool>()), 1..20)
}

fn carry_out(world: &World, edit: &Edit) {
    match edit {
        Edit::Append(file, lines) => {
            let name = FILES[*file];
            let lines: String = lines.iter().map(|&which| line_of(name, which)).collect();
            if world.path(name).exists() && !name.ends_with(".json") {
                world.append(name, &lines);
            }
        }
        Edit::Rewrite(file, lines) => world.write(FILES[*file], &text_of(FILES[*file], lines)),
        Edit::RenameOver(file, lines) => {
            fs::create_dir_all(world.path("sub")).expect("made");
            world.replace(FILES[*file], &text_of(FILES[*file], lines));
        }
        Edit::Remove(file) => drop(fs::remove_file(world.path(FILES[*file]))),
        Edit::Move(from, to) => {
            let same_format =
                Path::new(FILES[*from]).extension() == Path::new(FILES[*to]).extension();
            if same_format {
                fs::create_dir_all(world.path("sub")).expect("made");
                drop(fs::rename(world.path(FILES[*from]), world.path(FILES[*to])));
            }
        }
        Edit::Touch(file) => {
            if let Ok(file) = File::options().append(true).open(world.path(FILES[*file])) {
                file.set_modified(world.now.wall - SETTLE - SETTLE / 2).expect("dated");
            }
        }
    }
}

const SITES: [&str; 8] = ["a.cn", "b.cn", "c.cn", "n.cn", "q0.cn", "q1.cn", "q2.cn", "q3.cn"];

fn facts_by_site(store: &FilingStore) -> Vec<Vec<Facts>> {
    let sorted = |site: &str| {
        let mut facts: Vec<Facts> =
            store.records_of(SiteKey::of(site)).map(|record| record.facts).collect();
        // Of two domains that are to become one the facts have the same key there.
        facts.sort_by_cached_key(|facts| (facts.key, format!("{facts:?}")));
        facts
    };
    SITES.iter().map(|site| sorted(site)).collect()
}

fn everything<S: AsRef<str>>(feed: &Feed, sites: &[S]) -> (usize, Vec<String>) {
    let mut all = Vec::new();
    for site in sites.iter().map(S::as_ref) {
        for shown in feed.find_records(site) {
            all.push(format!("{site} {shown:?} {:?}", shown.read_texts()));
        }
    }
    all.sort();
    (feed.store().len(), all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_store_is_that_of_a_fresh_reading(edits in edits()) {
        let mut world = World::with(&[]);
        world.now = later(Moment::now());
        for (edit, refreshes) in &edits {
            carry_out(&world, edit);
            if !refreshes {
                continue;
            }
            let before = facts_by_site(&world.feed.store);
            let change = world.refresh_with(&[], Shrink::Accept);
            prop_assert_eq!(change.look_again, None);
            let (fresh, _) = Feed::open(settings(world.folder.path()), world.now);
            prop_assert_eq!(everything(&world.feed, &SITES), everything(&fresh, &SITES));
            let restored = restored(&world.feed.store);
            for store in [&world.feed.store, &restored] {
                store.assert_hangs_together();
            }
            prop_assert_eq!(facts_by_site(&restored), facts_by_site(&world.feed.store));
            let told = match change.changed {
                Changed::None => Vec::new(),
                Changed::Domains(sites) => sites,
                Changed::All => SITES.map(SiteKey::of).to_vec(),
            };
            for (site, (before, after)) in
                SITES.iter().zip(before.iter().zip(facts_by_site(&world.feed.store)))
            {
                prop_assert!(*before == after || told.contains(&SiteKey::of(site)), "{}", site);
            }
        }
    }
}
