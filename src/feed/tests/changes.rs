//! Each way of changing a folder, and when it is taken in.

use super::*;

#[test]
fn nothing_new_is_no_change() {
    let text = format!("{HEADER}{}", rows(0..5));
    let mut world = World::with(&[("a.csv", &text)]);
    assert_eq!(world.refresh_later().changed, Changed::None);
    world.write("a.csv", &text);
    assert_eq!(world.refresh().changed, Changed::None);
    world.replace("a.csv", &text);
    let change = world.refresh();
    assert_eq!((change.changed, change.look_again), (Changed::None, None));
}

#[test]
fn files_that_come_and_go_leave_nothing_behind() {
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{}", rows(0..5)))]);
    for number in 0..9 {
        let (name, domain) = (format!("b{number}.csv"), format!("new{number}.cn"));
        world.write(&name, &format!("{HEADER}{}", row(&domain, 7)));
        assert_eq!(world.refresh_later().changed, domains(&[&domain]));
        assert_eq!(world.feed.find_records(&domain)[0].file, world.path(&name));
        fs::remove_file(world.path(&name)).expect("removed");
        let change = world.refresh_with(&[], Shrink::Accept);
        assert_eq!(change.changed, domains(&[&domain]));
    }
    assert_eq!((world.feed.paths.len(), world.feed.store().len()), (2, 5));
}

#[test]
fn an_append_is_taken_by_whole_lines() {
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{}", rows(0..5)))]);
    let line = row("new.cn", 99);
    let (start, rest) = line.split_at(40);
    world.append("a.csv", &format!("{}{start}", row("more.cn", 98)));
    let change = world.refresh();
    assert_eq!(change.changed, domains(&["more.cn"]));
    assert!(change.look_again.is_some());
    world.append("a.csv", rest);
    assert_eq!(world.refresh().changed, domains(&["new.cn"]));
    assert_eq!(world.feed.find_records("new.cn")[0].line, 8);
}

#[test]
fn a_csv_line_without_line_end_counts_when_the_writer_is_done() {
    let text = format!("{HEADER}{}", rows(0..2));
    let mut world = World::with(&[("a.csv", text.trim_end())]);
    assert_eq!(world.opened.stats.records, 2, "an old file is whole");

    world.append("a.csv", &format!("\n{}", row("c.cn", 3).trim_end()));
    assert_eq!(world.refresh().stats.records, 2);
    let closed = Hint::Closed(world.path("a.csv"), SystemTime::now());
    assert_eq!(world.refresh_with(&[closed], Shrink::Guard).stats.records, 3);

    world.append("a.csv", &format!("\n{}", row("d.cn", 4).trim_end()));
    assert_eq!(world.refresh().stats.records, 3);
    assert_eq!(world.refresh_later().stats.records, 4);
    assert_eq!(world.feed.find_records("d.cn")[0].line, 5);
}

#[test]
fn what_is_written_on_to_a_line_that_counted_changes_that_line() {
    let text = format!("{HEADER}{}", row("a.cn", 1));
    let text = text.trim_end().trim_end_matches("no");
    let mut world = World::with(&[("a.csv", text)]);
    assert!(!world.facts("a.cn")[0].restricted);
    world.append("a.csv", "yes\n");
    assert_eq!(world.refresh_later().changed, domains(&["a.cn"]));
    assert!(world.facts("a.cn")[0].restricted);
}

/// An append is answered after samples; what differs between them is found by the next looks.
#[test]
fn what_was_changed_in_place_under_an_append_is_found() {
    let padding = format!("{{\"remark\":\"{}\",", "x".repeat(4_000));
    let line = |number| object(&format!("d{number}.cn"), number).replacen('{', &padding, 1);
    let text: String = (0..3_000).map(line).collect();
    let mut world = World::with(&[("a.ndjson", &text)]);
    // In the fourth of a dozen blocks; every other one is a sample.
    let number = (0..3_000).find(|&number| line(0).len() as u32 * number > (7 << 20) / 2);
    let number = number.expect("a line there");
    let site = format!("d{number}.cn");
    let changed = line(number).replace("false", "true ");
    let mut text = text.replace(&line(number), &changed);
    text.push_str(&line(3_000));
    let mut file = File::options().write(true).open(world.path("a.ndjson")).expect("the file");
    file.write_all(text.as_bytes()).expect("written");
    assert_eq!(world.refresh_later().changed, domains(&["d3000.cn"]));
    assert!(!world.facts(&site)[0].restricted);
    world.refresh_later();
    let found = world.refresh_later();
    assert_eq!(found.changed, domains(&[site.as_str()]));
    assert!(world.facts(&site)[0].restricted);
    assert_eq!(world.refresh_later().changed, Changed::None);
}

#[test]
fn an_ndjson_object_without_line_end_counts_when_it_is_whole() {
    let mut world = World::with(&[("a.ndjson", &object("a.cn", 1))]);
    let line = object("b.cn", 2).replace('{', "{\"colour\":\"red\",");
    let (start, rest) = line.trim_end().split_at(30);
    world.append("a.ndjson", start);
    assert_eq!(world.refresh().changed, Changed::None);
    world.append("a.ndjson", rest);
    let change = world.refresh();
    assert_eq!(change.changed, domains(&["b.cn"]));
    assert_eq!(change.faults, [], "unknown keys are told of whole files only");
}

#[test]
fn a_rename_over_is_taken_at_once() {
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{}", rows(0..5)))]);
    world.replace("a.csv", &format!("{HEADER}{}{}", rows(0..4), row("e.cn", 5)));
    let change = world.refresh();
    assert_eq!(change.changed, domains(&["d4.cn", "e.cn"]));
    assert_eq!(change.look_again, None);
}

/// It stands in a side table, since few records have an application.
#[test]
fn a_record_of_which_only_the_instant_of_its_application_changes_is_another() {
    let line = |at: &str| {
        format!(
            "{{\"domain\":\"a.com\",\"status\":\"none\",\"application\":\"first\",\
             \"application_status\":\"draft\",\"application_at\":\"{at}\"}}\n"
        )
    };
    let mut world = World::with(&[("a.ndjson", &line("2026-01-02T03:04:05Z"))]);
    let before = world.facts("a.com");
    world.replace("a.ndjson", &line("2026-01-02T03:04:06Z"));
    assert_eq!(world.refresh().changed, domains(&["a.com"]));
    let instant = |facts: &[Facts]| facts[0].application.and_then(|application| application.at);
    let [before, after] = [&before, &world.facts("a.com")].map(|facts| instant(facts));
    assert_eq!(after.map(|at| at.0), before.map(|at| at.0 + 1));
    assert!(before.is_some());
}

#[test]
fn a_file_made_anew_is_taken_when_it_is_whole() {
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{}", rows(0..5)))]);
    // The first keeps the old inode from being used again.
    fs::rename(world.path("a.csv"), world.path("a.old")).expect("renamed");
    let text = format!("{HEADER}{}", rows(1..6));
    let (start, rest) = text.split_at(text.len() / 2);
    world.write("a.csv", start);
    assert_eq!(world.refresh().changed, Changed::None, "it ends half-way");
    world.append("a.csv", rest);
    let writing = Hint::Writing(world.path("a.csv"));
    assert_eq!(world.refresh_with(&[writing], Shrink::Guard).changed, Changed::None);
    assert_eq!(world.refresh().changed, domains(&["d0.cn", "d5.cn"]));
}

#[test]
fn a_rewrite_in_place_is_taken_when_closed_or_quiet_but_never_in_the_middle() {
    let text = |from| format!("{HEADER}{}", rows(from..from + 5));
    let mut world = World::with(&[("a.csv", &text(0))]);
    world.write("a.csv", &text(1));
    let change = world.refresh();
    assert_eq!(change.changed, Changed::None);
    assert!(change.look_again.is_some_and(|wait| wait <= SETTLE));
    let closed = Hint::Closed(world.path("a.csv"), SystemTime::now());
    let change = world.refresh_with(&[closed], Shrink::Guard);
    assert_eq!(change.changed, domains(&["d0.cn", "d5.cn"]));

    world.write("a.csv", &text(2));
    assert_eq!(world.refresh().changed, Changed::None);
    let change = world.refresh_later();
    assert_eq!(change.changed, domains(&["d1.cn", "d6.cn"]));
    assert_eq!(change.look_again, None);
}

#[test]
fn quiet_is_also_what_we_have_seen_ourselves() {
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{}", rows(0..5)))]);
    world.write("a.csv", &format!("{HEADER}{}", rows(1..6)));
    // The file server's clock is far ahead.
    let ahead = world.now.wall + 10 * SETTLE;
    let file = File::options().append(true).open(world.path("a.csv")).expect("the file");
    file.set_modified(ahead).expect("dated");
    assert_eq!(world.refresh().changed, Changed::None);
    world.now.monotonic += 2 * SETTLE;
    assert_eq!(world.refresh().changed, domains(&["d0.cn", "d5.cn"]));
}

#[test]
fn named_paths_are_enough() {
    let mut world = World::with(&[("a.csv", HEADER), ("b.csv", HEADER), ("sub/c.csv", HEADER)]);
    world.append("a.csv", &row("a.cn", 1));
    world.append("b.csv", &row("b.cn", 2));
    let scope = Scope::Paths(vec![world.path("b.csv"), world.path(".b.csv.swp")]);
    let change = world.feed.refresh(&scope, &[], Shrink::Guard, world.now);
    assert_eq!(change.changed, domains(&["b.cn"]));
    let scope = Scope::Paths(vec![world.path("sub")]);
    let change = world.feed.refresh(&scope, &[], Shrink::Guard, world.now);
    assert_eq!(change.changed, domains(&["a.cn"]), "a folder means a look at all");
}

#[test]
fn links_are_followed_and_a_swapped_folder_is_one_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    write(&at("..1/a.csv"), &format!("{HEADER}{}", row("a.cn", 1)));
    write(&at("..2/a.csv"), &format!("{HEADER}{}", row("b.cn", 1)));
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).expect("linked");
    link("..1", "..data");
    link("..data/a.csv", "a.csv");
    let swap = at("..data");
    let mut world = World::over(folder, later(Moment::now()));
    assert_eq!(world.opened.stats.records, 1);
    fs::remove_file(&swap).expect("removed");
    std::os::unix::fs::symlink("..2", &swap).expect("linked");
    let scope = Scope::Paths(vec![swap]);
    let change = world.feed.refresh(&scope, &[], Shrink::Guard, world.now);
    assert_eq!(change.changed, domains(&["a.cn", "b.cn"]));
}

// What is refused.
