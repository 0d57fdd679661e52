//! Reading: every format, what is bad in it, and what its records mean.

use super::*;

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
    let schema = include_str!("../../../config/filings.schema.json");
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
