//! What is refused, what waits for a person, and what stays in force meanwhile.

use super::*;

#[test]
fn a_file_with_too_many_bad_lines_is_refused_whole() {
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{}", rows(0..5)))]);
    world.replace("a.csv", &format!("{HEADER}bad\nworse\n{}", rows(0..50)));
    let change = world.refresh();
    assert_eq!(change.changed, Changed::None);
    assert_eq!(change.refused, [world.path("a.csv")]);
    let told = errors(&change.faults);
    assert!(told[0].starts_with("a.csv:2:") && told[1].starts_with("a.csv:3:"), "{told:?}");
    assert!(told[2].contains("2 of 52 lines are bad"), "{told:?}");
    assert_eq!(world.feed.store().len(), 5);

    let change = world.refresh();
    assert_eq!((change.faults.len(), change.refused.len()), (0, 1), "it is told once");
    world.replace("a.csv", &format!("{HEADER}{}", rows(0..50)));
    let change = world.refresh();
    assert_eq!((change.stats.records, change.refused.len()), (50, 0));
}

#[test]
fn a_file_emptied_or_gone_waits_for_a_person() {
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{}", rows(0..5)))]);
    for emptied in [Some(""), Some(HEADER), None] {
        match emptied {
            Some(text) => world.replace("a.csv", text),
            None => fs::remove_file(world.path("a.csv")).expect("removed"),
        }
        let change = world.refresh_later();
        assert_eq!(change.changed, Changed::None);
        let waiting = change.waiting_shrink.expect("it waits");
        assert_eq!((waiting.records, waiting.of), (5, 5));
        assert_eq!(waiting.files, [world.path("a.csv")]);
        assert_eq!(waiting.sites.len(), 5);
        assert!(world.refresh().waiting_shrink.is_some(), "for as long as it takes");
    }
    let change = world.refresh_with(&[], Shrink::Accept);
    assert!(matches!(change.changed, Changed::Domains(sites) if sites.len() == 5));
    assert_eq!((change.stats.records, change.waiting_shrink), (0, None));
}

#[test]
fn a_file_that_comes_back_waits_no_more() {
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{}", rows(0..5)))]);
    fs::rename(world.path("a.csv"), world.path("a.bak")).expect("renamed");
    assert!(world.refresh().waiting_shrink.is_some());
    fs::rename(world.path("a.bak"), world.path("a.csv")).expect("renamed");
    let change = world.refresh();
    assert_eq!((change.changed, change.waiting_shrink), (Changed::None, None));
}

#[test]
fn a_file_whose_every_row_changes_is_no_loss() {
    let before = rows(0..300);
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{before}"))]);
    let synced_at = world.facts("d7.cn")[0].synced_at;
    // One of them goes, so that the shrink is looked at.
    let after = rows(0..299).replace("2024-01-02", "2024-01-03");
    world.replace("a.csv", &format!("{HEADER}{after}"));
    let change = world.refresh();
    assert_eq!((change.waiting_shrink.is_none(), change.stats.records), (true, 299));
    assert!(world.facts("d7.cn")[0].synced_at > synced_at);
}

#[test]
fn records_that_move_to_another_file_are_no_loss() {
    let text = format!("{HEADER}{}", rows(0..5));
    let mut world = World::with(&[("a.csv", &text)]);
    fs::rename(world.path("a.csv"), world.path("b.csv")).expect("renamed");
    let change = world.refresh();
    assert_eq!((change.stats.records, change.waiting_shrink), (5, None));
    assert_eq!(world.feed.find_records("d0.cn")[0].file, world.path("b.csv"));

    // Seen one after the other.
    fs::remove_file(world.path("b.csv")).expect("removed");
    assert!(world.refresh().waiting_shrink.is_some());
    world.write("c.csv", &text);
    let change = world.refresh();
    assert_eq!((change.stats.records, change.waiting_shrink), (5, None));
    assert_eq!(world.feed.find_records("d0.cn")[0].file, world.path("c.csv"));
}

#[test]
fn a_great_shrink_waits_and_a_small_one_does_not() {
    let text = |count| format!("{HEADER}{}", rows(0..count));
    let mut world = World::with(&[("a.csv", &text(1500)), ("b.csv", &text(10))]);
    world.replace("a.csv", &text(1401));
    assert_eq!(world.refresh().stats.records, 1401, "99 are few");
    world.replace("a.csv", &text(1270));
    assert_eq!(world.refresh().stats.records, 1270, "131 of 1401 are less than a tenth");
    world.replace("a.csv", &text(1100));
    world.append("b.csv", &row("other.cn", 4000));
    let change = world.refresh();
    assert_eq!(change.changed, domains(&["other.cn"]), "other files go on");
    let waiting = change.waiting_shrink.expect("it waits");
    assert_eq!((waiting.records, waiting.of), (170, 1271));
    assert_eq!(world.refresh_with(&[], Shrink::Accept).stats.records, 1101);
}

#[test]
fn a_filing_that_gets_its_number_is_no_loss() {
    let pending = |n: u32| format!("d{n}.cn,,,none,,hoster,,\n");
    let before: String = (0..300).map(pending).collect();
    let mut world = World::with(&[("a.csv", &format!("{HEADER}{before}"))]);
    world.replace("a.csv", &format!("{HEADER}{}", rows(0..300)));
    let change = world.refresh();
    assert_eq!(change.waiting_shrink, None);
    assert_eq!(world.facts("d7.cn")[0].standing, Standing::InForce);
}

#[test]
fn what_cannot_be_read_stays_in_force() {
    let mut world = World::with(&[("sub/a.csv", &format!("{HEADER}{}", rows(0..5)))]);
    fs::remove_file(world.path("sub/a.csv")).expect("removed");
    fs::create_dir(world.path("sub/a.csv")).expect("made");
    let scope = Scope::All;
    let change = world.feed.refresh(&scope, &[], Shrink::Guard, world.now);
    assert_eq!(change.stats.records, 5);
    let moved = world.path("").with_extension("moved");
    fs::rename(world.folder.path(), &moved).expect("renamed");
    let change = world.refresh();
    fs::rename(&moved, world.folder.path()).expect("renamed");
    assert!(errors(&change.faults)[0].contains("cannot be read"), "{:?}", change.faults);
    assert_eq!(change.stats.records, 5);
}

#[test]
fn on_hold_nothing_is_taken_in_until_all_is() {
    let mut world = World::with(&[("sub/a.csv", HEADER), ("sub/b.csv", HEADER), ("c.csv", HEADER)]);
    world.write("sub/.hold", "");
    for name in ["sub/a.csv", "sub/b.csv", "c.csv"] {
        let domain = format!("{}.cn", name.replace(['/', '.'], "-"));
        world.append(name, &row(&domain, 1));
    }
    let change = world.refresh();
    assert_eq!(change.changed, domains(&["c-csv.cn"]));
    assert_eq!(change.on_hold, [PathBuf::from("sub")]);
    let scope = Scope::Paths(vec![world.path("sub/a.csv")]);
    let change = world.feed.refresh(&scope, &[], Shrink::Guard, world.now);
    assert_eq!(change.changed, Changed::None);
    fs::remove_file(world.path("sub/.hold")).expect("removed");
    let scope = Scope::Paths(vec![world.path("sub/.hold")]);
    let change = world.feed.refresh(&scope, &[], Shrink::Guard, world.now);
    assert_eq!(change.changed, domains(&["sub-a-csv.cn", "sub-b-csv.cn"]));
}

// Large files: several portions, several threads.
