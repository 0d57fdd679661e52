//! The feed on real files: what each way of changing a folder does to the records.

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
    let mut facts = Vec::new();
    feed.store().facts_of(SiteKey::of(site), name, &mut facts);
    facts
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

#[test]
fn a_fifo_in_the_place_of_a_file_keeps_nobody_waiting() {
    let world = World::with(&[("a.ndjson", &object("a.cn", 7))]);
    let path = world.path("a.ndjson");
    fs::remove_file(&path).expect("removed");
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("a path");
    // SAFETY: the name is a C string, and lives until the call returns.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    assert!(world.feed.find_records("a.cn")[0].read_texts().is_empty());
    assert!(super::each_record(&path, &mut |_, _| {}).is_err());
}

#[test]
fn every_format_gives_the_same_facts() {
    let csv = World::with(&[("a.csv", &format!("{HEADER}{}", row("a.cn", 7)))]);
    let ndjson = World::with(&[("sub/deep/a.ndjson", &object("a.cn", 7))]);
    let mut facts = csv.facts("a.cn");
    assert_eq!(facts.len(), 1);
    assert_eq!(facts[0].provider, ProviderIs::Ours);
    assert_eq!(facts[0].standing, Standing::InForce);
    assert!(facts[0].synced_at.take().is_some(), "the NDJSON record has none");
    assert_eq!(ndjson.facts("a.cn"), facts);
    assert_eq!(csv.opened.changed, Changed::All);
    assert!(csv.opened.faults.is_empty() && ndjson.opened.faults.is_empty());
}

#[test]
fn csv_comes_with_any_column_order_quotes_byte_order_mark_and_line_ends() {
    let text = "\u{feff}remark,STATUS,colour,\"domain\",subject_number\r\n\
                \"two\r\nlines, \"\"quoted\"\"\",none,red,a.cn,\r\n\
                \r\n\
                ,none,blue,例子.中国,\r\n";
    let world = World::with(&[("a.csv", text)]);
    assert_eq!(errors(&world.opened.faults), [""; 0]);
    assert_eq!(world.opened.stats.records, 2);
    let unknown: Vec<_> = world.opened.faults.iter().filter(|f| f.line == 0).collect();
    assert_eq!(unknown.len(), 1, "{:?}", world.opened.faults);
    assert!(unknown[0].problem.contains("colour"));
    let shown = world.feed.find_records("a.cn");
    assert_eq!(shown[0].line, 2);
    assert_eq!(shown[0].read_texts()[&Field::Remark], "two\r\nlines, \"quoted\"");
    assert_eq!(world.feed.find_records("xn--fsqu00a.xn--fiqs8s")[0].line, 5);
}

#[test]
fn ndjson_takes_scalars_and_escapes_and_tells_unknown_keys_once() {
    let text = "{\"domain\":\"a.cn\",\"restricted\":true,\"remark\":null,\"x\":[1]}\n\
                 { \"domain\" : \"b.cn\" , \"remark\":\"\\u4eba \\\"q\\\"\", \"x\":\"y\" }\r\n\
                \n\
                {\"domain\":\"c.cn\",\"bbs_preapproval\":17}\n";
    let world = World::with(&[("a.jsonl", text)]);
    assert_eq!(errors(&world.opened.faults), [""; 0]);
    let unknown = world.opened.faults.iter().filter(|f| f.problem.contains("unknown")).count();
    assert_eq!(unknown, 1);
    assert!(world.facts("a.cn")[0].restricted);
    assert_eq!(world.feed.find_records("b.cn")[0].read_texts()[&Field::Remark], "人 \"q\"");
    assert!(world.facts("c.cn")[0].bbs_preapproval);
    assert_eq!(world.feed.find_records("c.cn")[0].line, 4);
}

#[test]
fn bad_lines_are_told_with_their_place_and_skipped() {
    let good = rows(0..3000);
    let csv = format!("{HEADER}{good}{}{}", row("1.2.3.4", 1), row("z.cn", 9));
    let world = World::with(&[("a.csv", &csv)]);
    let told = errors(&world.opened.faults);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("a.csv:3002:1: "), "{told:?}");
    assert_eq!(world.opened.faults[0].text, "1.2.3.4");
    assert_eq!(world.facts("z.cn").len(), 1);
    assert_eq!(world.opened.stats.bad_lines, 1);

    let ndjson = "{\"domain\":\"a.cn\",\"remark\":\"人\",\"restricted\":\"perhaps\"}\n";
    let world = World::with(&[("a.ndjson", ndjson)]);
    let fault = &world.opened.faults[0];
    assert_eq!((fault.line, fault.column, fault.text.as_str()), (1, 45, "perhaps"));
}

#[test]
fn a_line_that_is_not_utf8_or_has_too_few_fields_is_bad() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.csv");
    write(&path, HEADER);
    let mut file = File::options().append(true).open(&path).expect("the file");
    file.write_all(b"\xb0\xa1.cn,,,none,,,,\n").expect("written");
    file.write_all(rows(0..2500).as_bytes()).expect("written");
    file.write_all(b"short.cn,none\n").expect("written");
    let world = World::over(folder, later(Moment::now()));
    let told = errors(&world.opened.faults);
    assert!(told[0].starts_with("a.csv:2:1: the line is not UTF-8"), "{told:?}");
    assert!(told[1].starts_with("a.csv:2503:0: the row has 2 fields"), "{told:?}");
    assert_eq!(world.opened.stats.records, 2500);
}

#[test]
fn a_byte_that_is_not_utf8_is_found_on_its_own_line_of_a_quoted_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut file = File::create(folder.path().join("a.csv")).expect("made");
    file.write_all(HEADER.as_bytes()).expect("written");
    file.write_all(b"\"d1\n\xe4\xbe\x8b\xb0 b\nc\",,,none,,,,\n").expect("written");
    let world = World::over(folder, later(Moment::now()));
    let fault = &world.opened.faults[0];
    assert_eq!((fault.line, fault.column, fault.text.as_str()), (3, 2, "例\u{fffd} b"));
}

#[test]
fn a_csv_file_without_domain_column_is_refused() {
    let world = World::with(&[("a.csv", "name,status\na.cn,none\n")]);
    let told = errors(&world.opened.faults);
    assert!(told[0].contains("does not name a column \"domain\""), "{told:?}");
    assert_eq!(world.opened.refused, [world.path("a.csv")]);
}

#[test]
fn other_files_are_none_of_ours() {
    let world = World::with(&[
        (".a.csv", "x"),
        ("a.csv~", "x"),
        (".a.csv.swp", "x"),
        ("b.tmp", "x"),
        ("notes.txt", "x"),
        (".git/a.csv", "x"),
        ("filings.csv.bak", "x"),
    ]);
    assert!(world.opened.faults.is_empty(), "{:?}", world.opened.faults);
    assert_eq!(world.opened.stats.files, 0);
}

// The ministry's query.

const REPLY: &str = r#"{"code":200,"msg":"操作成功","success":true,"params":{"total":2,"list":[
  {"domain":"bilibili.com","mainLicence":"沪ICP备13002172号","serviceLicence":"沪ICP备13002172号-3",
   "natureName":"企业","unitName":"上海宽娱数码科技有限公司","limitAccess":"否",
   "updateRecordTime":"2025-10-09 16:00:40","domainId":110000731411,"contentTypeName":""},
  {"domain":"limited.cn","mainLicence":"京ICP备00000001号","serviceLicence":"京ICP备00000001号-2",
   "natureName":"个人","unitName":"某","limitAccess":"是","updateRecordTime":"2025-10-09 16:00:40"}
]}}"#;

#[test]
fn a_reply_of_the_ministry_proves_filings_but_no_provider_and_no_date() {
    let world = World::with(&[("q.json", REPLY)]);
    assert_eq!(errors(&world.opened.faults), [""; 0]);
    let facts = world.facts("bilibili.com")[0];
    assert_eq!(facts.standing, Standing::InForce);
    assert_eq!(facts.provider, ProviderIs::Unknown);
    assert_eq!((facts.approved_at, facts.held_since, facts.synced_at), (None, None, None));
    assert!(!facts.restricted && !facts.individual);
    let limited = world.facts("limited.cn")[0];
    assert!(limited.restricted && limited.individual);
    let shown = &world.feed.find_records("limited.cn")[0];
    assert_eq!(shown.line, 5);
    assert_eq!(shown.read_texts()[&Field::UpdatedAt], "2025-10-09T16:00:40+08:00");
}

#[test]
fn a_failed_query_is_no_statement() {
    let failed = r#"{"code":401,"msg":"token过期","success":false}"#;
    let mut world = World::with(&[("q.json", REPLY)]);
    world.replace("q.json", failed);
    let change = world.refresh_later();
    assert_eq!(change.changed, Changed::None);
    assert!(errors(&change.faults)[0].contains("query failed"), "{:?}", change.faults);
    assert_eq!(change.refused, [world.path("q.json")]);
    assert_eq!(world.facts("bilibili.com").len(), 1);

    // "No filing" is a statement, but one that a person must confirm.
    world.replace("q.json", r#"{"code":200,"success":true,"params":{"total":0,"list":[]}}"#);
    let change = world.refresh_later();
    assert_eq!(world.facts("bilibili.com").len(), 1);
    assert_eq!(change.waiting_shrink.expect("it waits").records, 2);
    assert_eq!(change.refused, [""; 0].map(PathBuf::from));
}

#[test]
fn records_of_a_reply_may_come_bare() {
    let record = r#"{"domain":"a.cn","mainLicence":"京ICP备00000001号","serviceLicence":"京ICP备00000001号-1"}"#;
    let list = format!("[\n{record},\n{{\"domain\":\"b.cn\"}}]");
    let world = World::with(&[("one.json", record), ("list.json", &list.replace("a.cn", "c.cn"))]);
    assert_eq!(world.facts("a.cn").len(), 1);
    assert_eq!(world.facts("c.cn").len(), 1);
    let told = errors(&world.opened.faults);
    assert!(told[0].starts_with("list.json:3:0: the record has neither"), "{told:?}");
}

// Which record counts.

#[test]
fn later_files_and_lines_win_and_the_earlier_come_back() {
    let with = |restricted: &str| row("a.cn", 1).replace(",no\n", &format!(",{restricted}\n"));
    let mut world = World::with(&[
        ("10.csv", &format!("{HEADER}{}{}", with("yes"), with("no"))),
        ("20.csv", &format!("{HEADER}{}", row("b.cn", 2))),
    ]);
    let restricted = |world: &World| {
        let facts = world.facts("a.cn");
        assert_eq!(facts.len(), 1, "one record counts for a key");
        facts[0].restricted
    };
    assert!(!restricted(&world), "the later line wins");
    assert_eq!(world.opened.stats.records, 2);

    world.append("20.csv", &with("yes"));
    assert_eq!(world.refresh().changed, domains(&["a.cn"]));
    assert!(restricted(&world), "the later file wins");

    world.write("00.csv", &format!("{HEADER}{}", with("no")));
    world.refresh();
    assert!(restricted(&world), "an earlier file that came later does not");
    assert_eq!(world.feed.store().len(), 2);

    world.replace("20.csv", &format!("{HEADER}{}", row("b.cn", 2)));
    assert_eq!(world.refresh().changed, domains(&["a.cn"]));
    assert!(!restricted(&world), "the earlier file's line is back");
    assert_eq!(world.feed.find_records("a.cn")[0].file, world.path("10.csv"));
    assert_eq!(world.feed.find_records("a.cn")[0].line, 3);
}

#[test]
fn another_providers_record_stands_beside_ours() {
    let other = row("a.cn", 1).replace("hoster", "elsewhere");
    let world = World::with(&[("a.csv", &format!("{HEADER}{}{other}", row("a.cn", 1)))]);
    let providers: Vec<_> = world.facts("a.cn").iter().map(|facts| facts.provider).collect();
    assert_eq!(providers.len(), 2);
    assert!(providers.contains(&ProviderIs::Ours) && providers.contains(&ProviderIs::Other));
}

#[test]
fn a_record_below_the_site_domain_covers_only_its_name_and_below() {
    let world =
        World::with(&[("a.csv", &format!("{HEADER}{}{}", row("app.a.cn", 1), row("a.cn", 2)))]);
    let count = |name: &str| facts_of(&world.feed, "a.cn", name).len();
    assert_eq!(count("a.cn"), 1);
    assert_eq!(count("www.a.cn"), 1);
    assert_eq!(count("xapp.a.cn"), 1);
    assert_eq!(count("app.a.cn"), 2);
    assert_eq!(count("x.app.a.cn"), 2);
    let below: Vec<_> = world.feed.store().covered_below(SiteKey::of("a.cn")).collect();
    assert_eq!(below, ["app.a.cn"]);
}

#[test]
fn a_change_of_domain_speaks_of_both_domains() {
    let object = |status: &str| {
        object("old.cn", 1).replace(
            "}\n",
            &format!(
                ",\"application\":\"change-domain\",\"application_status\":\"{status}\",\
                 \"application_at\":\"2024-05-01T00:00:00Z\",\"new_domain\":\"new.cn\"}}\n"
            ),
        )
    };
    let mut world = World::with(&[("a.ndjson", &object("under-review"))]);
    assert_eq!(world.facts("old.cn")[0].role, Role::Domain);
    let new = world.facts("new.cn");
    assert_eq!(new.iter().map(|facts| facts.role).collect::<Vec<_>>(), [Role::NewDomain]);
    assert_ne!(new[0].key, world.facts("old.cn")[0].key);
    assert_eq!(world.feed.find_records("new.cn")[0].read_texts()[&Field::Domain], "old.cn");

    // A later file without the change takes the new domain's facts away, too.
    world.write("b.ndjson", &super::tests::object("old.cn", 1));
    assert_eq!(world.refresh().changed, domains(&["old.cn", "new.cn"]));
    assert_eq!(world.facts("new.cn"), []);
}

#[test]
fn a_cancelled_subject_takes_all_its_sites_along() {
    let cancelled = "whole.cn,京ICP备00000001号,,cancelled,,,,\n";
    let mut world = World::with(&[
        ("a.csv", &format!("{HEADER}{}{}{}", row("a.cn", 1), row("b.cn", 1), row("c.cn", 2))),
        ("b.csv", HEADER),
        (
            "c.ndjson",
            &object("a.cn", 1).replace("hoster", "elsewhere").replace(
                "}\n",
                ",\"application\":\"change-domain\",\"application_status\":\"draft\",\
             \"new_domain\":\"new.cn\"}\n",
            ),
        ),
    ]);
    let standings = |world: &World| ["a.cn", "b.cn", "c.cn"].map(|d| world.facts(d)[0].standing);
    assert_eq!(standings(&world), [Standing::InForce; 3]);
    world.append("b.csv", cancelled);
    assert_eq!(world.refresh().changed, domains(&["a.cn", "b.cn", "new.cn", "whole.cn"]));
    let fell = [Standing::Cancelled, Standing::Cancelled, Standing::InForce];
    assert_eq!(standings(&world), fell);
    world.replace("b.csv", HEADER);
    let change = world.refresh_with(&[], Shrink::Accept);
    assert_eq!(change.changed, domains(&["a.cn", "b.cn", "new.cn", "whole.cn"]));
    assert_eq!(standings(&world), [Standing::InForce; 3]);
}

// The published description.

#[test]
fn the_schema_names_every_field_and_only_values_that_are_read() {
    let schema = include_str!("../../config/filings.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).expect("JSON");
    let properties = schema["properties"].as_object().expect("properties");
    let mut named: Vec<&str> = properties.keys().map(String::as_str).collect();
    let mut fields: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    named.sort_unstable();
    fields.sort_unstable();
    assert_eq!(named, fields);

    let mut text = String::new();
    for (name, property) in properties {
        assert!(!property["description"].as_str().unwrap_or_default().is_empty(), "{name}");
        let referred = property["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let property = referred.map_or(property, |name| &schema["$defs"][name]);
        let branches = property["anyOf"].as_array().cloned().unwrap_or_default();
        for place in branches.iter().chain([property]) {
            for values in [&place["enum"], &place["examples"]] {
                for value in values.as_array().into_iter().flatten() {
                    let new_domain = (value == "change-domain" || value == "变更域名")
                        .then_some(r#","new_domain":"new.cn""#);
                    let domain = if name == "domain" { "remark" } else { "domain" };
                    text.push_str(&format!(
                        "{{\"{domain}\":\"a.cn\",\"{name}\":{value}{}}}\n",
                        new_domain.unwrap_or_default()
                    ));
                }
            }
        }
    }
    let numbered = text.replace(
        r#""status":"in-force""#,
        r#""status":"in-force","subject_number":"京ICP备12345678号""#,
    );
    let numbered = numbered
        .replace(r#""status":"有效""#, r#""status":"有效","subject_number":"京ICP备12345678号""#);
    let world = World::with(&[("a.ndjson", &numbered)]);
    assert!(numbered.lines().count() > 60);
    assert_eq!(errors(&world.opened.faults), [""; 0]);
}

// How files change.

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

// The law: however a folder came to be what it is, its records are those of a fresh reading.

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
    let status = if cancels { "cancelled" } else { "in-force" };
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
    let header = if file.ends_with("csv") { HEADER } else { "" };
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
        facts.sort_by_key(|facts| facts.key);
        facts
    };
    SITES.iter().map(|site| sorted(site)).collect()
}

fn everything(feed: &Feed) -> (usize, Vec<String>) {
    let mut all = Vec::new();
    for site in SITES {
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
            prop_assert_eq!(everything(&world.feed), everything(&fresh));
            let (saved, pages) = world.feed.store.to_save();
            let restored = FilingStore::restore(saved, pages).expect("a whole store");
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
