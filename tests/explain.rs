//! `beiand explain` and `beiand check` on files, as an operator sees them.

mod common;

use common::{Record, Site, replace};
use serde_json::Value;

fn explained(site: &Site, args: &[&str]) -> (i32, Value) {
    let mut all = vec!["explain", "--json"];
    all.extend(args);
    let ran = site.beiand(&all);
    let json = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran}"));
    (ran.code, json)
}

#[test]
fn a_blocked_name_is_explained_with_its_records_and_the_answer() {
    let site = Site::new();
    site.plain_zone("site.example");
    site.records(&[
        Record::open("site.example").set("status", "cancelled"),
        Record::applied("site.example", "first", "under-review"),
    ]);
    let (code, told) = explained(&site, &["www.site.example"]);
    assert_eq!(code, 1, "{told:#}");
    assert_eq!((&told["open"], &told["verdict"]), (&Value::from(false), &"under-review".into()));
    assert_eq!(told["since"], "2024-06-01T02:00:00Z (2024-06-01T10:00:00+08:00)");
    let records = told["records"].as_array().expect("a list");
    let reasons: Vec<&str> = records.iter().filter_map(|r| r["reason"].as_str()).collect();
    assert_eq!(reasons, ["cancelled", "under-review"]);
    assert_eq!(records[1]["line"], 3, "after the anchor and the first record");
    assert_eq!(told["answer"]["status"], "NOERROR");
    assert_eq!(told["answer"]["extended_error"], "4 (icp:under-review)");
    assert_eq!(told["addresses"][0]["address"], "192.0.2.10");
    assert_eq!(told["addresses"][0]["region"], "own");
}

#[test]
fn an_open_name_exits_zero_and_an_instant_can_be_chosen() {
    let site = Site::new();
    site.plain_zone("site.example").records(&[Record::open("site.example")]);
    let (code, told) = explained(&site, &["site.example", "AAAA"]);
    assert_eq!((code, &told["verdict"]), (0, &"open".into()), "{told:#}");
    let (code, told) = explained(&site, &["site.example", "--at", "2024-05-01T12:00:00+08:00"]);
    assert_eq!((code, &told["verdict"]), (1, &"not-synced".into()), "{told:#}");
    assert_eq!(told["next_change"], "2024-05-01T10:00:00Z (2024-05-01T18:00:00+08:00)");
}

#[test]
fn what_is_not_hosted_and_what_a_chain_leads_to_are_told() {
    let site = Site::new();
    site.zone("site.example", "www CNAME www.dark.example.\n").plain_zone("dark.example");
    site.records(&[Record::open("site.example")]);
    let (code, told) = explained(&site, &["www.other.example"]);
    assert_eq!((code, &told["verdict"]), (1, &"not-hosted".into()), "{told:#}");
    assert_eq!(told["answer"]["status"], "REFUSED");
    let ran = site.beiand(&["explain", "www.site.example"]);
    assert!(ran.stdout.contains("leads to a name that is blocked: 4 (icp:no-filing)"), "{ran}");
    assert!(ran.stdout.contains("www.dark.example. 192.0.2.10: own"), "{ran}");
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
