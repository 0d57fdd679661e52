//! `beiand check`, `beiand filings` and `beiand zones`: files looked at without a server.

mod common;

use std::fs;

use common::{Record, Site, replace};
use serde_json::Value;

fn json(site: &Site, args: &[&str]) -> (i32, Value) {
    let ran = site.beiand(args);
    (ran.code, serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran}")))
}

fn written(site: &Site, name: &str, text: &str) -> String {
    let path = site.path(name);
    fs::write(&path, text).expect("a file");
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn lines(records: &[Record]) -> String {
    records.iter().map(Record::line).collect()
}

#[test]
fn validate_tells_each_fault_of_the_files_it_is_given() {
    let site = Site::new();
    let good = written(&site, "good.ndjson", &Record::open("site.example").line());
    let ran = site.beiand(&["filings", "validate", &good]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1 filing file, 1 filing record: no faults\n"));
    let bad = written(
        &site,
        "bad.csv",
        "domain,subject_number,status\nsite.example,京ICP备12345678号,in-force\nb.example,,active\n",
    );
    let (code, report) = json(&site, &["filings", "validate", "--json", &good, &bad]);
    assert_eq!((code, &report["read"]["filing file"]), (1, &2.into()), "{report:#}");
    let fault = &report["faults"][0];
    assert_eq!(
        (&fault["file"], &fault["line"], &fault["text"]),
        (&bad.as_str().into(), &3.into(), &"active".into())
    );
    // What is no filing file, or is not there, is told, since it was named.
    let other = written(&site, "notes.txt", "");
    for named in [other.as_str(), "/nowhere.csv"] {
        let ran = site.beiand(&["filings", "validate", named]);
        assert!(ran.code == 1 && ran.stdout.contains("cannot be read"), "{ran}");
    }
}

#[test]
fn conversions_lead_back_to_the_same_records() {
    let site = Site::new();
    let records = [
        Record::open("site.example").set("subject", "a \"quoted\", comma'd subject"),
        Record::elsewhere("other.example").set("remark", "two\nlines"),
        Record::applied("third.example", "first", "rejected").set("restricted", "yes"),
    ];
    let first = written(&site, "first.ndjson", &lines(&records));
    let csv = site.beiand(&["filings", "convert", &first, "--to", "csv"]);
    assert_eq!(csv.code, 0, "{csv}");
    let csv = written(&site, "second.csv", &csv.stdout);
    let again = site.path("third.ndjson");
    let again = again.to_str().expect("a path in UTF-8");
    let ran = site.beiand(&["filings", "convert", &csv, "--to", "ndjson", "--output", again]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran}");
    let parsed = |path: &str| -> Vec<Value> {
        let text = fs::read_to_string(path).expect("a file");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
    };
    assert_eq!(parsed(&first), parsed(again));
    let leftovers = fs::read_dir(site.path("")).expect("a folder").flatten();
    assert_eq!(
        leftovers.filter(|file| file.file_name().as_encoded_bytes().ends_with(b".new")).count(),
        0
    );
}

#[test]
fn as_a_reply_of_the_ministry_only_what_it_shows_is_written() {
    let site = Site::new();
    let records = [
        Record::open("site.example")
            .set("nature", "enterprise")
            .set("restricted", "no")
            .set("updated_at", "2025-10-09T08:00:40Z"),
        Record::applied("applied.example", "first", "under-review"),
        Record::open("app.example").set("kind", "app"),
    ];
    let file = written(&site, "records.ndjson", &lines(&records));
    let ran = site.beiand(&["filings", "convert", &file, "--to", "miit"]);
    assert_eq!(ran.code, 1, "something was left out: {ran}");
    assert!(ran.stderr.contains("2 records left out") && ran.stderr.contains("provider"), "{ran}");
    let reply: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran}"));
    assert_eq!((&reply["code"], &reply["params"]["total"]), (&200.into(), &1.into()), "{reply:#}");
    let shown = &reply["params"]["list"][0];
    assert_eq!((&shown["domain"], &shown["natureName"]), (&"site.example".into(), &"企业".into()));
    assert_eq!(
        (&shown["limitAccess"], &shown["updateRecordTime"]),
        (&"否".into(), &"2025-10-09 16:00:40".into())
    );
    // And it is read as such a reply: filed, with whom is unknown.
    let reply = written(&site, "reply.json", &ran.stdout);
    let (code, stats) = json(&site, &["filings", "stats", "--json", &reply]);
    assert_eq!(
        (code, &stats["records"], &stats["by_provider"]["unknown"]),
        (0, &1.into(), &1.into())
    );
    let back = site.beiand(&["filings", "convert", &reply, "--to", "ndjson"]);
    let back: Value = serde_json::from_str(&back.stdout).unwrap_or_else(|e| panic!("{e}: {back}"));
    assert_eq!(
        (&back["status"], &back["updated_at"]),
        (&"in-force".into(), &"2025-10-09T16:00:40+08:00".into())
    );
}

#[test]
fn diff_tells_what_an_import_would_open_and_close() {
    let site = Site::new();
    site.plain_zone("closes.example").plain_zone("opens.example");
    let old = [
        Record::open("closes.example"),
        Record::open("stays.example"),
        Record::applied("opens.example", "first", "under-review"),
        Record::applied("rejected.example", "first", "under-review"),
    ];
    let new = [
        Record::open("closes.example").set("status", "cancelled"),
        Record::open("stays.example").set("remark", "another word"),
        Record::open("opens.example"),
        Record::applied("rejected.example", "first", "rejected"),
        Record::open("new.example"),
        Record::open("below.stays.example").set("restricted", "yes"),
    ];
    fs::create_dir(site.path("old")).expect("a folder");
    written(&site, "old/all.ndjson", &lines(&old));
    let old = site.path("old");
    let old = old.to_str().expect("a path in UTF-8");
    let new = written(&site, "new.ndjson", &lines(&new));
    let (code, told) = json(&site, &["filings", "diff", old, &new, "--json"]);
    assert_eq!(code, 1, "something closes: {told:#}");
    let changes: Vec<String> = told["domains"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| {
            let text = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
            let line = text("record").rsplit(':').next().unwrap_or_default().to_owned();
            [text("domain"), text("effect"), text("before"), text("after"), line].join(" ")
        })
        .collect();
    assert_eq!(
        changes,
        [
            "below.stays.example closes open restricted 6",
            "closes.example closes open cancelled 1",
            "new.example opens no-filing open 5",
            "opens.example opens under-review open 3",
            "rejected.example reason-changes under-review rejected 4",
        ]
    );
    let ran = site.beiand(&["filings", "diff", old, &new, "--hosted"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stdout.contains("closes  closes.example  open -> cancelled"), "{ran}");
    assert!(!ran.stdout.contains("new.example"), "{ran}");
    assert!(ran.stdout.ends_with("1 domain opens, 1 domain closes, 0 domains change their reason, 1 domain stays as it is\n"), "{ran}");
    let ran = site.beiand(&["filings", "diff", &new, &new]);
    assert_eq!(ran.code, 0, "{ran}");
}

#[test]
fn stats_count_records_and_verdicts() {
    let site = Site::new();
    site.records(&[
        Record::open("site.example"),
        Record::elsewhere("other.example"),
        Record::applied("third.example", "first", "rejected"),
    ]);
    let (code, stats) = json(&site, &["filings", "stats", "--json"]);
    assert_eq!(code, 0, "{stats:#}");
    // The site has one open domain of its own.
    for (verdict, wanted) in [("open", 2), ("held-elsewhere", 1), ("rejected", 1)] {
        assert_eq!(stats["by_verdict"][verdict], wanted, "{verdict}: {stats:#}");
    }
    assert_eq!(stats["by_application"]["first rejected"], 1, "{stats:#}");
    assert_eq!(stats["by_provider"]["others"], 1, "{stats:#}");
}

#[test]
fn zones_are_checked_by_their_files_names() {
    let site = Site::new();
    site.plain_zone("site.example");
    let good = site.path("zones/site.example.zone");
    let ran = site.beiand(&["zones", "check", good.to_str().expect("UTF-8")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1 zone: no faults\n"), "{ran}");
    let bad = written(
        &site,
        "bad.example.zone",
        "@ 300 IN SOA ns.hoster.example. h 1 1 1 1 1\n@ A 1.2.3\n",
    );
    let (code, report) = json(&site, &["zones", "check", "--json", &bad]);
    assert_eq!((code, &report["faults"][0]["line"]), (1, &2.into()), "{report:#}");
    let misnamed = written(&site, "zone.txt", "");
    for named in [misnamed.as_str(), "/nowhere/a.example.zone"] {
        let ran = site.beiand(&["zones", "check", named]);
        assert!(ran.code == 1 && ran.stdout.contains(named), "{ran}");
    }
}

#[test]
fn a_zone_is_shown_as_master_file_text() {
    let site = Site::new();
    site.zone("site.example", "@ A 192.0.2.1\nwww.sub A 192.0.2.2\nx.www.sub TXT \"a;b\"\n");
    let ran = site.beiand(&["zones", "show", "site.example"]);
    assert_eq!(ran.code, 0, "{ran}");
    let again = written(&site, "site.example.zone", &ran.stdout);
    let checked = site.beiand(&["zones", "check", &again]);
    assert_eq!(checked.code, 0, "what is shown is a master file: {checked}");
    let (code, shown) = json(&site, &["zones", "show", "--json", "WWW.sub.site.example"]);
    assert_eq!((code, &shown["apex"]), (0, &"site.example.".into()), "{shown:#}");
    let records = shown["records"].as_array().expect("a list");
    let owners: Vec<&str> = records.iter().filter_map(|r| r["owner"].as_str()).collect();
    assert_eq!(owners, ["www.sub.site.example.", "x.www.sub.site.example."]);
    assert_eq!((&records[1]["type"], &records[1]["rdata"]), (&"TXT".into(), &"\"a;b\"".into()));
    assert_eq!(site.beiand(&["zones", "show", "none.site.example"]).code, 1);
    let ran = site.beiand(&["zones", "show", "elsewhere.invalid"]);
    assert!(ran.code == 3 && ran.stderr.contains("elsewhere.invalid"), "{ran}");
}

#[test]
fn check_names_every_fault_with_file_and_line() {
    let site = Site::new();
    site.plain_zone("good.example").zone("bad.example", "www A 192.0.2.300\n");
    site.records(&[Record::open("good.example"), Record::open("192.0.2.1")]);
    let ran = site.beiand(&["check"]);
    assert_eq!(ran.code, 1, "{ran}");
    for wanted in ["bad.example.zone:6:", "192.0.2.300", "10.ndjson:3", "2 zones"] {
        assert!(ran.stdout.contains(wanted), "{wanted} is missing: {ran}");
    }
    site.zone("bad.example", "www A 192.0.2.30\n");
    replace(&site.path("filings/10.ndjson"), &Record::open("good.example").line());
    let ran = site.beiand(&["check"]);
    assert_eq!(ran.code, 0, "{ran}");
}

#[test]
fn check_reads_the_certificate_as_the_server_does() {
    let mut site = Site::new();
    site.config_tail("[tls]\nlisten = [\"127.0.0.1:0\"]\ncertificate = \"c.pem\"\nkey = \"k.pem\"");
    replace(&site.path("c.pem"), "no certificate\n");
    site.plain_zone("site.example").records(&[Record::open("site.example")]);
    let ran = site.beiand(&["check"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stdout.contains("c.pem"), "{ran}");
}
