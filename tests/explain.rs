//! `beiand explain`, from files and from the running server, as an operator sees it.

mod common;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use common::{PATIENCE, Ran, Record, Rr, Site, append, program, replace, zone_text};
use serde_json::Value;

fn explained(site: &Site, args: &[&str]) -> (i32, Value) {
    let mut all = vec!["explain", "--json"];
    all.extend(args);
    let ran = site.beiand(&all);
    let json = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {ran}"));
    (ran.code, json)
}

/// Starts `beiand explain`, its standard streams in our hands.
fn started(site: &Site, args: &[&str]) -> Child {
    Command::new(program())
        .arg("explain")
        .args(args)
        .arg("--config")
        .arg(site.write_config())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("beiand starts")
}

/// Runs `beiand explain` with that on its standard input.
fn fed(site: &Site, args: &[&str], input: &[u8]) -> Ran {
    let mut child = started(site, args);
    let mut stdin = child.stdin.take().expect("stdin was piped");
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("beiand ends");
    let _ = feeding.join();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn codes(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|it| it["code"].as_str().or(it.as_str()).expect("a code")).collect()
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
    assert_eq!(told["since"], "2024-06-01T02:00:00Z");
    let records = told["records"].as_array().expect("a list");
    let reasons: Vec<&str> = records.iter().filter_map(|r| r["reason"].as_str()).collect();
    assert_eq!(reasons, ["cancelled", "under-review"]);
    assert_eq!(records[1]["line"], 3, "after the anchor and the first record");
    assert_eq!(records[1]["fields"]["application"], "first");
    assert_eq!(told["answer"]["status"], "NOERROR");
    assert_eq!(told["answer"]["extended_error"], "4 (icp:under-review)");
    assert_eq!(told["answer"]["gate"], "changed");
    assert_eq!(told["addresses"][0]["address"], "192.0.2.10");
    assert_eq!(told["addresses"][0]["region"], "own");
    assert_eq!(told["addresses"][0]["decided_by"], "192.0.2.0/24 of the list \"own\"");
}

#[test]
fn an_open_name_exits_zero_and_an_instant_can_be_chosen() {
    let site = Site::new();
    site.plain_zone("site.example").records(&[Record::open("site.example")]);
    let (code, told) = explained(&site, &["site.example", "AAAA"]);
    assert_eq!((code, &told["verdict"]), (0, &"open".into()), "{told:#}");
    assert_eq!(told["reasons"], Value::Array(Vec::new()));
    let (code, told) = explained(&site, &["site.example", "--at", "2024-05-01T12:00:00+08:00"]);
    assert_eq!((code, &told["verdict"]), (1, &"not-synced".into()), "{told:#}");
    assert_eq!(told["next_change"], "2024-05-01T10:00:00Z");
    let ran = site.beiand(&["explain", "site.example", "--at", "2024-05-01T12:00:00+08:00"]);
    let both = "next change  2024-05-01T10:00:00Z (2024-05-01T18:00:00+08:00)";
    assert!(ran.stdout.contains(both), "{ran}");
}

#[test]
fn every_reason_that_holds_is_told_in_the_order_of_the_decision_with_its_remedy() {
    let mut site = Site::new();
    site.gate("forum_closed_provinces", r#"["藏"]"#);
    site.plain_zone("forum.example").plain_zone("sold.example").plain_zone("app.example");
    let forum = Record::applied("forum.example", "first", "under-review");
    site.records(&[
        forum.set("site", "forum").set("province", "藏"),
        // Of the former owner, and of the present one.
        Record::applied("sold.example", "first", "rejected").set("subject", "new owner"),
        Record::open("sold.example").set("status", "cancelled").set("restricted", "yes"),
        Record::open("sold.example")
            .set("subject_number", "京ICP备2020000001号")
            .set("site_number", "京ICP备2020000001号-1")
            .set("access", "cancelled"),
        Record::open("app.example").set("kind", "app"),
        Record::applied("app.example", "first", "under-review"),
    ]);
    let (_, told) = explained(&site, &["forum.example"]);
    let wanted = ["forum-no-preapproval", "forum-province", "under-review"];
    assert_eq!(codes(&told["reasons"]), wanted, "{told:#}");
    assert_eq!(codes(&told["records"][0]["reasons"]), wanted);
    let human = site.beiand(&["explain", "forum.example"]).stdout;
    let mut rest = human.as_str();
    for reason in told["reasons"].as_array().expect("a list").iter().skip(1) {
        for text in [&reason["code"], &reason["words"]["en"], &reason["words"]["en_remedy"]] {
            let text = text.as_str().expect("a text");
            let at = rest.find(text).unwrap_or_else(|| panic!("{text:?} in {rest}\nof {human}"));
            rest = &rest[at..];
        }
    }
    let (_, told) = explained(&site, &["sold.example"]);
    assert_eq!(codes(&told["reasons"]), ["cancelled", "access-cancelled", "rejected"], "{told:#}");
    assert_eq!(told["verdict"], "rejected");
    // An app's filing says nothing of the website.
    let (_, told) = explained(&site, &["app.example"]);
    assert_eq!(codes(&told["reasons"]), ["under-review"], "{told:#}");
}

#[test]
fn each_hop_has_a_verdict_of_its_own_and_a_blocked_one_decides() {
    let site = Site::new();
    site.zone("site.example", "www CNAME www.dark.example.\nold DNAME open.example.\n*.w CNAME @\n@ A 192.0.2.1\ncdn CNAME x.cdn.invalid.\nsvc HTTPS 1 www.open.example. ipv4hint=203.0.113.9\n");
    site.plain_zone("dark.example").plain_zone("open.example");
    site.records(&[Record::open("site.example"), Record::open("open.example")]);
    let (code, told) = explained(&site, &["www.site.example"]);
    assert_eq!((code, &told["open"]), (1, &false.into()), "{told:#}");
    assert_eq!(told["verdict"], "no-filing");
    assert_eq!(told["blocked_at"], "www.dark.example.");
    assert_eq!(told["site_domain"], "dark.example");
    assert_eq!(told["answer"]["extended_error"], "4 (icp:no-filing)");
    let hop = |n: usize| {
        let hop = &told["path"][n];
        ["name", "zone", "verdict"].map(|key| hop[key].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(hop(0), ["www.site.example.", "site.example.", "open"]);
    assert_eq!(hop(1), ["www.dark.example.", "dark.example.", "no-filing"]);
    let human = site.beiand(&["explain", "www.site.example"]);
    assert!(
        human.stdout.contains("it leads to www.dark.example., which is blocked")
            && human.stdout.contains("path         www.site.example. open: an alias (CNAME)\n")
            && human.stdout.contains("www.dark.example. blocked (no-filing): a name with records")
            && human.stdout.contains("www.dark.example. 192.0.2.10: own"),
        "{human}"
    );
    for (name, place, last) in [
        ("a.old.site.example", "redirected by the DNAME at old.site.example.", "a.open.example."),
        (
            "a.w.site.example",
            "made by the wildcard *.w.site.example., an alias (CNAME)",
            "site.example.",
        ),
        ("cdn.site.example", "an alias (CNAME)", "x.cdn.invalid."),
    ] {
        let (_, told) = explained(&site, &[name]);
        assert_eq!(told["path"][0]["place"], place, "{told:#}");
        assert_eq!(told["path"][1]["name"], last, "{told:#}");
    }
    let (_, cdn) = explained(&site, &["cdn.site.example"]);
    assert_eq!(cdn["path"][1]["place"], "outside the hosted zones, counts as own");
    let (_, svc) = explained(&site, &["svc.site.example"]);
    let addresses = svc["addresses"].as_array().expect("a list").iter();
    let regions: Vec<_> = addresses.map(|it| format!("{} {}", it["owner"], it["region"])).collect();
    let wanted = [r#""svc.site.example." "overseas""#, r#""www.open.example." "own""#];
    assert_eq!(regions, wanted, "{svc:#}");
}

#[test]
fn what_is_not_hosted_not_readable_or_not_pointed_here_is_told() {
    let site = Site::new();
    site.zone("elsewhere.example", "@ A 198.51.100.7\n").zone("bad.example", "@ A 192.0.2.300\n");
    site.records(&[Record::open("elsewhere.example"), Record::open("bad.example")]);
    let (code, told) = explained(&site, &["www.other.example"]);
    assert_eq!((code, &told["verdict"]), (1, &"not-hosted".into()), "{told:#}");
    assert_eq!(told["answer"]["status"], "REFUSED");
    assert_eq!(told["answer"]["extended_error"], "20 (icp:not-hosted)");
    let (code, told) = explained(&site, &["bad.example"]);
    assert_eq!((code, &told["verdict"]), (1, &"not-ready".into()), "{told:#}");
    assert_eq!(told["answer"]["status"], "SERVFAIL");
    let ran = site.beiand(&["explain", "bad.example"]);
    assert!(
        ran.stdout.contains("bad.example.zone:6:") && ran.stdout.contains("192.0.2.300"),
        "{ran}"
    );
    let (code, told) = explained(&site, &["elsewhere.example"]);
    assert_eq!((code, &told["not_pointed_here"]), (0, &true.into()), "{told:#}");
    assert_eq!(told["addresses"][0]["region"], "other mainland");
}

#[test]
fn what_the_gate_leaves_or_only_observes_is_told() {
    let mut site = Site::new();
    site.plain_zone("dark.example").records(&[]);
    let (code, told) = explained(&site, &["dark.example", "MX"]);
    assert_eq!((code, &told["answer"]["gate"]), (1, &"untouched".into()), "{told:#}");
    assert_eq!(told["answer"]["answer"][0], "dark.example. 3600 IN MX 10 mx.hoster.example.");
    site.gate("mode", "\"observe\"");
    let (code, told) = explained(&site, &["dark.example"]);
    assert_eq!((code, &told["answer"]["gate"]), (1, &"observed".into()), "{told:#}");
    assert_eq!(told["answer"]["answer"][0], "dark.example. 3600 IN A 192.0.2.10");
    let ran = site.beiand(&["explain", "dark.example"]);
    assert!(ran.stdout.contains("the real data is answered"), "{ran}");
}

/// Names of the shipped zones, with a type: every row of the decision table, and what chains,
/// delegations, wildcards and services make of it.
const SHIPPED: [(&str, &str); 27] = [
    ("www.filed.example", "A"),
    ("www.nofiling.example", "A"),
    ("www.underreview.example", "AAAA"),
    ("www.notsynced.example", "A"),
    ("transferring.example", "A"),
    ("newforum.example", "A"),
    ("restricted.example", "A"),
    ("overseas.example", "A"),
    ("notpointed.example", "AAAA"),
    ("hongkong.mixed.example", "A"),
    ("www.nothosted.example", "A"),
    ("www.xn--fsqu00a.xn--fiqs8s", "A"),
    ("chain.example", "SOA"),
    ("www.chain.example", "A"),
    ("dark.chain.example", "A"),
    ("cdn.chain.example", "A"),
    ("loop.chain.example", "A"),
    ("a.old.dname.example", "A"),
    ("x.wildcard.example", "TXT"),
    ("x.tenants.wildcard.example", "A"),
    ("a.inside.delegating.example", "A"),
    ("www.child.blockedcut.example", "A"),
    ("services.example", "CAA"),
    ("services.example", "TYPE65400"),
    ("sip.services.example", "NAPTR"),
    ("services.example", "HTTPS"),
    ("_icp.nofiling.example", "TXT"),
];

#[test]
fn server_and_files_say_the_same_to_the_byte_and_the_answer_is_what_dig_shows() {
    let server = Site::shipped().start();
    let without_now = |ran: &Ran| -> String {
        ran.stdout.lines().filter(|line| !line.starts_with("as of ")).collect::<Vec<_>>().join("\n")
    };
    let mut input = String::new();
    for (name, rtype) in SHIPPED {
        let files = server.beiand(&["explain", name, rtype]);
        let asked = server.beiand(&["explain", "--server", name, rtype]);
        assert_eq!(files.code, asked.code, "{files}\n{asked}");
        assert!(files.stdout.starts_with("name  "), "{files}");
        assert_eq!(without_now(&files), without_now(&asked));
        writeln!(input, "{name} {rtype}").expect("a String");
    }
    let stream = |more: &[&str]| -> Vec<Value> {
        let ran = fed(&server.site, &[&["-", "--json"], more].concat(), input.as_bytes());
        assert_eq!(ran.code, 1, "{ran}");
        let object = |line| {
            let mut object: Value = serde_json::from_str(line).expect("an object on each line");
            assert!(object["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{object}");
            object["at"] = Value::Null;
            object
        };
        ran.stdout.lines().map(object).collect()
    };
    let (files, asked) = (stream(&[]), stream(&["--server"]));
    assert_eq!(files.len(), SHIPPED.len());
    assert_eq!(files, asked);
    for ((name, rtype), told) in SHIPPED.iter().zip(&asked) {
        let reply = server.dig(&[name, rtype, "+tcp"]);
        let answer = &told["answer"];
        assert_eq!(answer["status"], reply.status, "{name} {rtype}\n{reply}\n{answer:#}");
        let ede = reply.ede.first().map(|(code, text)| format!("{code} ({text})"));
        assert_eq!(answer["extended_error"].as_str(), ede.as_deref(), "{name}\n{reply}");
        for (section, records) in [
            ("answer", &reply.answer),
            ("authority", &reply.authority),
            ("additional", &reply.additional),
        ] {
            assert_eq!(lines(&answer[section]), of_dig(records), "{name} {rtype}\n{reply}");
        }
    }
}

fn lines(section: &Value) -> Vec<String> {
    let section = section.as_array().expect("a list").iter();
    section.map(|line| line.as_str().expect("a line").to_owned()).collect()
}

fn of_dig(records: &[Rr]) -> Vec<String> {
    let line = |it: &Rr| format!("{} {} {} {} {}", it.owner, it.ttl, it.class, it.rtype, it.rdata);
    records.iter().map(line).collect()
}

#[test]
fn the_server_tells_what_it_serves_whatever_stands_in_the_files_since() {
    let site = Site::new();
    site.plain_zone("site.example").records(&[Record::open("site.example")]);
    let server = site.start();
    replace(
        &server.site.path("zones/site.example.zone"),
        &zone_text("site.example", 2, "@ A nowhere\n"),
    );
    assert_eq!(server.reload(&[]).code, 1);
    let told = server.beiand(&["explain", "--server", "www.site.example"]);
    assert_eq!(told.code, 0, "{told}");
    assert!(told.stdout.contains("refused      ") && told.stdout.contains("nowhere"), "{told}");
    assert!(told.stdout.contains("www.site.example. 3600 IN A 192.0.2.10"), "{told}");
    let told = server.beiand(&["explain", "www.site.example"]);
    assert!(told.code == 1 && told.stdout.contains("SERVFAIL"), "{told}");
    let at =
        server.beiand(&["explain", "--server", "site.example", "--at", "2024-05-01T12:00:00Z"]);
    assert_eq!(at.code, 2, "the server knows of now only\n{at}");
    // A record that comes is told with its line, by who serves it.
    append(&server.site.path("filings/10.ndjson"), &Record::elsewhere("site.example").line());
    assert_eq!(server.reload(&[]).code, 1, "the zone file is refused still");
    let told = server.beiand(&["explain", "--server", "www.site.example"]);
    assert!(told.stdout.contains("10.ndjson:3 held-elsewhere"), "{told}");
    assert!(told.stdout.contains("provider=othercloud"), "{told}");
}

#[test]
fn several_names_are_told_one_after_the_other_and_one_that_is_not_open_counts() {
    let site = Site::new();
    site.plain_zone("open.example").plain_zone("dark.example").plain_zone("too.example");
    site.records(&[Record::open("open.example"), Record::open("too.example")]);
    let ran = site.beiand(&["explain", "open.example", "www.too.example", "TXT"]);
    assert_eq!(ran.code, 0, "{ran}");
    let heads: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("name ")).collect();
    assert_eq!(heads, ["name         open.example. TXT", "name         www.too.example. TXT"]);
    assert!(ran.stdout.contains("\n\nname "), "an empty line between: {ran}");
    let ran = site.beiand(&["explain", "dark.example", "open.example", "--json"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (1, 2), "{ran}");
    let ran = site.beiand(&["explain", "--type", "mx", "open.example"]);
    assert!(ran.code == 0 && ran.stdout.contains("open.example. MX\n"), "{ran}");
    for (args, says) in [
        (&["open.example", "MX", "too.example"][..], "a record type stands behind all names"),
        (&["open.example", "MXX"], "write a name of one label with its dot, MXX."),
        (&["open.example", "too..example"], "a label is empty"),
        (&["-", "-"], "once"),
        (&[], "<NAME>"),
    ] {
        let ran = site.beiand(&[&["explain"], args].concat());
        assert!(ran.code == 2 && ran.stderr.contains(says), "{args:?}: {ran}");
        assert!(ran.stdout.is_empty(), "{ran}");
    }
}

#[test]
fn lines_that_are_no_names_are_reported_and_the_rest_goes_on() {
    let site = Site::new();
    site.plain_zone("open.example").records(&[Record::open("open.example")]);
    let mut input = b"# names\r\n\r\nopen.example\r\na..b\n".to_vec();
    input.extend([b'x'; 8192]);
    input.extend(b"\n\xff\xfe.example\n\x1b]0;steered\x07.example\nOPEN.example mx");
    let ran = fed(&site, &["-"], &input);
    assert_eq!(ran.code, 2, "{ran}");
    for says in [
        "standard input:4: error: \"a..b\": a label is empty; write a name",
        "standard input:5: error: \"xxx",
        "standard input:6: error: ",
    ] {
        assert!(ran.stderr.contains(says), "{says} in {ran}");
    }
    assert_eq!(ran.stderr.lines().count(), 3, "{ran}");
    assert!(ran.stdout.contains("name         open.example. A\n"), "{ran}");
    assert!(ran.stdout.ends_with("open.example. 3600 IN MX 10 mx.hoster.example.\n"), "{ran}");
    assert!(!(ran.stdout + &ran.stderr).contains(['\x1b', '\x07']), "nothing steers the terminal");
    let ran = fed(&site, &["-", "--json"], b"a..b\nopen.example");
    let lines: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(
        (&lines[0]["fault"]["line"], &lines[0]["fault"]["text"]),
        (&1.into(), &"a..b".into())
    );
    assert_eq!(lines[1]["name"], "open.example.");
    assert_eq!(fed(&site, &["-"], b"").code, 0, "nothing was asked");
    assert_eq!(fed(&site, &["-"], b"open.example\n").code, 0);
}

#[test]
fn each_answer_comes_before_the_next_name_is_asked_and_a_reader_may_go() {
    let site = Site::new();
    site.plain_zone("open.example").records(&[Record::open("open.example")]);
    let mut child = started(&site, &["-", "--json"]);
    let mut stdin = child.stdin.take().expect("stdin was piped");
    let stdout = BufReader::new(child.stdout.take().expect("stdout was piped"));
    let (told, answers) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        stdout.lines().take(2).for_each(|line| told.send(line.expect("UTF-8")).expect("read"));
    });
    for name in ["open.example", "www.open.example"] {
        stdin.write_all(format!("{name}\n").as_bytes()).expect("it reads");
        let line = answers.recv_timeout(PATIENCE).expect("an answer before the next name");
        assert!(line.contains(name), "{line}");
    }
    reader.join().expect("it has read enough, and closed the pipe");
    let _ = stdin.write_all(b"open.example\nopen.example\n");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "as under `head`");
}

#[test]
fn colours_are_for_terminals_and_texts_of_files_never_steer_them() {
    let site = Site::new();
    site.plain_zone("site.example");
    site.records(&[
        Record::applied("site.example", "first", "rejected").set("remark", "\u{1b}[2Jgone")
    ]);
    let config = site.write_config();
    let command = format!(
        "{} explain site.example --config {}",
        program().to_str().expect("UTF-8"),
        config.display()
    );
    let terminal = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .expect("script, which every Debian has (bsdutils)");
    let coloured = String::from_utf8_lossy(&terminal.stdout);
    assert!(coloured.contains("\u{1b}[1m\u{1b}[31mblocked (rejected)"), "{coloured}");
    let plain = site.beiand(&["explain", "site.example"]);
    for shown in [&*coloured, &plain.stdout] {
        assert!(shown.contains("remark=\\u{1b}[2Jgone"), "{shown}");
    }
    assert!(!plain.stdout.contains('\u{1b}'), "{plain}");
}
