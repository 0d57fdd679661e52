//! The notice page, as whoever is sent there gets it: raw HTTP against the real binary.

mod common;

use common::http::{Client, Response, get};
use common::{NOTICE_PAGE, Record, Server, Site, append, eventually, replace};
use serde_json::Value;

/// What a page, its headers and all, may have to arrive in one round trip: ten segments.
const ONE_ROUND_TRIP: usize = 10 * 1460;

/// The shipped domains, one for each reason and more.
fn shipped(more: &str) -> Server {
    let mut site = Site::shipped();
    site.config_tail(&format!("{NOTICE_PAGE}{more}"));
    site.start()
}

fn serving(site: &mut Site, more: &str) {
    site.config_tail(&format!("{NOTICE_PAGE}{more}"));
}

fn page(server: &Server, host: &str, headers: &str) -> Response {
    get(server.listening("notice"), host, "/", headers)
}

fn json(server: &Server, host: &str) -> Value {
    page(server, host, "Accept: application/json\r\n").json()
}

/// The text of a page: without tags, references resolved.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    for (reference, character) in [
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ] {
        text = text.replace(reference, character);
    }
    text
}

/// Row, domain as shipped, reason code. Row 22 is an error of the record and hosts nothing.
const ROWS: [(u8, &str, &str); 28] = [
    (1, "nofiling", "no-filing"),
    (2, "underreview", "under-review"),
    (3, "secondsite", "under-review"),
    (4, "rejected", "rejected"),
    (5, "filed", "open"),
    (6, "notsynced", "not-synced"),
    (7, "changing", "open"),
    (8, "oldname", "open"),
    (8, "newname", "under-review"),
    (9, "movedfrom", "domain-changed"),
    (10, "elsewhere", "held-elsewhere"),
    (11, "transferring", "transfer-in-progress"),
    (12, "transferrejected", "transfer-rejected"),
    (13, "transfercancelled", "cancelled"),
    (14, "transferred", "open"),
    (15, "cancelled", "cancelled"),
    (16, "accesscancelled", "access-cancelled"),
    (17, "restricted", "restricted"),
    (18, "hobbyforum", "forum-individual"),
    (19, "newforum", "forum-no-preapproval"),
    (20, "provinceforum", "forum-province"),
    (21, "forum", "open"),
    (23, "overseas", "not-required"),
    (24, "othermainland", "open"),
    (24, "unfiledmainland", "no-filing"),
    (25, "https", "not-synced"),
    (26, "notpointed", "open"),
    (27, "nothosted", "not-hosted"),
];

#[test]
fn explain_the_page_and_the_extended_error_agree_on_every_row() {
    let server = shipped("");
    for (row, domain, code) in ROWS {
        let name = format!("www.{domain}.example");
        let reply = server.dig(&[&name, "A"]);
        let explained = server.beiand(&["explain", "--json", &name]);
        let explained: Value = serde_json::from_str(&explained.stdout).expect("JSON");
        let told = json(&server, &name);
        let (state, ede) = match code {
            "open" | "not-required" => ("open", None),
            "not-hosted" => ("not-hosted", Some(20)),
            _ => ("blocked", Some(4)),
        };
        let wanted = ede.map(|ede| (ede, format!("icp:{code}")));
        assert_eq!(reply.ede.first(), wanted.as_ref(), "row {row} {name}\n{reply}");
        assert_eq!(
            (&explained["verdict"], &told["reason"]),
            (&code.into(), &code.into()),
            "{name}"
        );
        assert_eq!(told["state"], state, "row {row} {name}");
        let words = &explained["words"];
        for (language, header) in [("zh", "zh-CN"), ("en", "en")] {
            let (sentence, remedy) = (&words[language], &words[format!("{language}_remedy")]);
            assert_eq!(&told["words"][language]["sentence"], sentence, "row {row} {name}");
            assert_eq!(&told["words"][language]["remedy"], remedy, "row {row} {name}");
            let html = page(&server, &name, &format!("Accept-Language: {header}\r\n"));
            let text = text_of(&html.body);
            assert!(text.contains(sentence.as_str().expect("a text")), "row {row} {name}\n{html}");
            assert!(text.contains(remedy.as_str().expect("a text")), "row {row} {name}\n{html}");
            for step in told["words"][language]["steps"].as_array().into_iter().flatten() {
                assert!(text.contains(step.as_str().expect("a text")), "row {row} {name}\n{html}");
            }
        }
    }
}

#[test]
fn settled_reasons_are_451_and_name_who_blocks_passing_ones_503_with_a_time() {
    let server = shipped("");
    for (row, domain, code) in ROWS {
        let reply = page(&server, &format!("{domain}.example"), "");
        let wanted = match code {
            "open" | "not-required" => 503,
            "under-review" | "not-synced" | "transfer-in-progress" => 503,
            "not-hosted" => 404,
            _ => 451,
        };
        assert_eq!(reply.status, wanted, "row {row} {domain}\n{reply}");
        let link = "<https://www.hoster.example/>; rel=\"blocked-by\"";
        assert_eq!(reply.header("link"), if wanted == 451 { link } else { "" }, "{reply}");
        let retry = match (wanted, code) {
            (503, "open" | "not-required") => "60",
            (503, _) => "3600",
            _ => "",
        };
        assert_eq!(reply.header("retry-after"), retry, "row {row} {domain}\n{reply}");
        assert!(reply.len <= ONE_ROUND_TRIP, "row {row} {domain}: {} bytes", reply.len);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-robots-tag", "noindex, nofollow"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-type", "text/html; charset=utf-8"),
            ("content-language", "zh-CN"),
            ("set-cookie", ""),
        ] {
            assert_eq!(reply.header(name), value, "{name}\n{reply}");
        }
        let policy = reply.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!reply.body.contains("<script"), "{reply}");
        if wanted == 404 {
            assert!(!reply.body.contains("nothosted"), "it is not reflected\n{reply}");
        }
    }
}

#[test]
fn a_passing_reason_whose_end_is_known_says_so() {
    let mut site = Site::new();
    serving(&mut site, "");
    site.plain_zone("site.example");
    site.records(&[Record::in_force("site.example").set("synced_at", &common::from_now(600))]);
    let server = site.start();
    let reply = page(&server, "site.example", "Accept: application/json\r\n");
    let seconds: u64 = reply.header("retry-after").parse().expect("a number");
    assert!((1..=600).contains(&seconds), "{reply}");
    let told = reply.json();
    assert!(told["next_change"].as_str().expect("an instant").ends_with("+08:00"), "{reply}");
}

#[test]
fn the_statuses_and_the_time_are_the_operators_and_change_while_running() {
    let mut server = shipped("status = 403\nstatus_passing = 403\nretry_after = \"2h\"\n");
    for domain in ["nofiling", "notsynced"] {
        let reply = page(&server, &format!("{domain}.example"), "");
        assert_eq!((reply.status, reply.header("link")), (403, ""), "{reply}");
    }
    let reply = page(&server, "notsynced.example", "");
    assert_eq!(reply.header("retry-after"), "7200", "{reply}");

    let template = "<p>{{ provider.name }}: {{ words.sentence }} {{ domain.ascii if domain }}</p>";
    replace(&server.site.path("own.html"), template);
    server.site.config_tail("template = \"own.html\"\n");
    server.site.write_config();
    server.reloaded();
    let reply = page(&server, "nofiling.example", "");
    assert!(
        reply.body.starts_with("<p>某某云: ") && reply.body.contains("nofiling.example"),
        "{reply}"
    );

    // What cannot be used is told, and the last good one stays.
    let mark = server.log_mark();
    replace(&server.site.path("own.html"), "{{ wrods }}");
    let fault = server.logged(mark, |event| common::message(event) == "fault");
    assert!(fault["fields"]["file"].as_str().expect("a file").ends_with("own.html"), "{fault}");
    assert!(page(&server, "nofiling.example", "").body.starts_with("<p>某某云: "));
    let checked = server.beiand(&["check"]);
    assert!(checked.code == 1 && checked.stdout.contains("own.html:1"), "{checked}");
}

#[test]
fn chinese_comes_first_and_the_switch_keeps_the_path() {
    let server = shipped("");
    let notice = server.listening("notice");
    for (path, accept, tag) in [
        ("/", "", "zh-CN"),
        ("/", "Accept-Language: fr\r\n", "zh-CN"),
        ("/", "Accept-Language: en-GB,en;q=0.9\r\n", "en"),
        ("/", "Accept-Language: zh-CN,zh;q=0.9,en;q=0.8\r\n", "zh-CN"),
        ("/a/b?lang=en", "Accept-Language: zh-CN\r\n", "en"),
        ("/a/b?x=1&lang=zh", "Accept-Language: en\r\n", "zh-CN"),
    ] {
        let reply = get(notice, "nofiling.example", path, accept);
        assert_eq!(reply.header("content-language"), tag, "{path} {accept}\n{reply}");
        assert!(reply.body.contains(&format!("<html lang=\"{tag}\">")), "{reply}");
        let other = if tag == "en" { "?lang=zh" } else { "?lang=en" };
        assert!(reply.body.contains(&format!("href=\"{other}\"")), "{reply}");
        assert!(reply.header("vary").contains("Accept-Language"), "{reply}");
    }
}

#[test]
fn programs_get_json_and_command_lines_get_text() {
    let server = shipped("");
    let told = json(&server, "cancelled.example");
    assert_eq!(told["domain"]["ascii"], "cancelled.example", "{told:#}");
    assert_eq!(told["filing_number"], "鲁ICP备20251501号-1");
    assert_eq!(told["provider"]["phone"], "400-000-0000");
    assert!(told["time"].as_str().expect("a time").ends_with("+08:00"), "{told:#}");
    let reference = told["reference"].as_str().expect("a text");
    assert!(reference.starts_with("cancelled-20"), "{reference}");
    for headers in ["User-Agent: curl/8.5.0\r\nAccept: */*\r\n", "Accept: text/plain\r\n"] {
        let reply = page(&server, "cancelled.example", headers);
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8", "{reply}");
        for wanted in
            ["该域名的备案已被注销。", "The domain's filing was cancelled.", "reason: cancelled"]
        {
            assert!(reply.body.contains(wanted), "{wanted}\n{reply}");
        }
        assert!(!reply.body.contains('<'), "{reply}");
    }
    let html =
        page(&server, "cancelled.example", "User-Agent: curl/8.5.0\r\nAccept: text/html\r\n");
    assert!(html.body.starts_with("<!DOCTYPE html>"), "{html}");
}

#[test]
fn the_page_names_what_the_record_holds_but_no_person_and_no_address() {
    let server = shipped("");
    let told = json(&server, "movedfrom.example");
    assert_eq!(told["new_domain"]["ascii"], "movedto.example", "{told:#}");
    assert_eq!(told["since"], "2025-02-19T10:00:00+08:00", "{told:#}");
    let told = json(&server, "secondsite.example");
    assert_eq!(told["filing_number"], "京ICP备20250301号", "{told:#}");
    let zones = ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8"];
    let subjects = ["有限公司", "王某某", "核验照片不清晰"];
    for (_, domain, _) in ROWS {
        for headers in ["", "Accept: application/json\r\n", "Accept: text/plain\r\n"] {
            let reply = page(&server, &format!("www.{domain}.example"), headers);
            for never in zones.iter().chain(&subjects) {
                assert!(!reply.body.contains(never), "{never}\n{reply}");
            }
        }
    }
    let server = shipped("show_remarks = true\n");
    let told = json(&server, "rejected.example");
    assert_eq!(told["remark"], "网站名称与主体不符；核验照片不清晰", "{told:#}");
    assert_eq!(json(&server, "notsynced.example")["remark"], Value::Null, "of rejections only");
}

#[test]
fn internationalised_names_are_shown_in_both_forms_and_markup_in_records_stays_text() {
    let mut site = Site::new();
    serving(&mut site, "show_remarks = true\n");
    site.plain_zone("xn--fsqu00a.example").plain_zone("markup.example");
    site.records(&[Record::applied("markup.example", "first", "rejected")
        .set("remark", "<img src=x onerror=alert(1)>\u{7}&amp;")]);
    let server = site.start();
    let reply = page(&server, "WWW.XN--FSQU00A.EXAMPLE.", "");
    assert!(reply.body.contains("<bdi>例子.example</bdi>"), "{reply}");
    assert!(reply.body.contains("xn--fsqu00a.example") && reply.body.contains("www.例子.example"));
    let reply = page(&server, "markup.example", "");
    assert!(!reply.body.contains("<img src=x"), "{reply}");
    assert!(text_of(&reply.body).contains("<img src=x onerror=alert(1)>&amp;"), "{reply}");
}

#[test]
fn the_name_that_is_blocked_is_told_where_an_alias_leads_to_it() {
    let mut site = Site::new();
    serving(&mut site, "");
    site.zone("site.example", "@ A 192.0.2.10\nwww CNAME www.dark.example.\nmail MX 1 @\n");
    site.plain_zone("dark.example");
    site.records(&[Record::open("site.example")]);
    let server = site.start();
    let told = json(&server, "www.site.example");
    assert_eq!((&told["state"], &told["reason"]), (&"blocked".into(), &"no-filing".into()));
    assert_eq!(told["domain"]["ascii"], "dark.example", "{told:#}");
    assert_eq!(told["host"]["ascii"], "www.site.example", "{told:#}");
    assert_eq!(json(&server, "site.example")["state"], "open");
    // No address and no block: there is no website. But the owner of a dark domain is told.
    for name in ["mail.site.example", "gone.site.example"] {
        assert_eq!(page(&server, name, "").status, 404, "{name}");
    }
    assert_eq!(json(&server, "gone.dark.example")["reason"], "no-filing");
}

#[test]
fn a_domain_that_was_opened_says_so_and_reloads_over_a_new_connection() {
    let mut site = Site::new();
    serving(&mut site, "");
    site.plain_zone("site.example").records(&[]);
    let server = site.start();
    let mut client = Client::connect(server.listening("notice"));
    let request = b"GET /x HTTP/1.1\r\nHost: site.example\r\nAccept-Language: en\r\n\r\n";
    client.send(request);
    assert_eq!(client.response().expect("a page").status, 451);
    append(&server.site.path("filings/10.ndjson"), &Record::open("site.example").line());
    server.opens("site.example");
    client.send(request);
    let reply = client.response().expect("a page");
    assert_eq!((reply.status, reply.header("refresh")), (503, "60"), "{reply}");
    assert!(reply.body.contains("The site is open now"), "{reply}");
    assert_eq!(reply.header("connection"), "close", "{reply}");
    assert!(client.is_closed(), "else the browser would not look the name up again");
    // Whoever needs more time has it, in either language.
    assert!(reply.body.contains("href=\"?lang=en&amp;stay\""), "{reply}");
    let staying = get(server.listening("notice"), "site.example", "/x?lang=en&stay", "");
    assert_eq!((staying.status, staying.header("refresh")), (503, ""), "{staying}");
    assert!(staying.body.contains("does not reload by itself"), "{staying}");
    assert!(staying.body.contains("href=\"?lang=zh&amp;stay\""), "the switch keeps it\n{staying}");
    assert!(staying.body.contains("href=\"?lang=en\""), "and there is a way back\n{staying}");
}

#[test]
fn a_gate_that_only_watches_leaves_every_site_open() {
    let mut site = Site::new();
    serving(&mut site, "");
    site.gate("mode", "\"observe\"").plain_zone("site.example").records(&[]);
    let server = site.start();
    assert_eq!(json(&server, "site.example")["state"], "open");
    assert_eq!(page(&server, "gone.site.example", "").status, 404);
}

#[test]
fn until_the_data_is_loaded_nothing_is_told_of_any_domain() {
    let mut site = Site::new();
    serving(&mut site, "");
    site.plain_zone("site.example").records(&[]);
    replace(&site.path("zones/.hold"), "");
    let server = site.start();
    let reply = page(&server, "site.example", "");
    assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{reply}");
    assert_eq!(json(&server, "site.example")["state"], "not-ready");
    std::fs::remove_file(server.site.path("zones/.hold")).expect("it was there");
    server.blocked("site.example", "no-filing");
    assert_eq!(page(&server, "site.example", "").status, 451);
}

#[test]
fn every_path_and_method_gets_the_same_answer() {
    let server = shipped("");
    let notice = server.listening("notice");
    let paths = [
        "/.well-known/acme-challenge/token",
        "/robots.txt",
        "/a?b=%3Cc%3E",
        "/%00",
        "/favicon.ico",
    ];
    for path in paths {
        let reply = get(notice, "nofiling.example", path, "");
        assert_eq!(reply.status, 451, "{path}\n{reply}");
    }
    assert_eq!(get(notice, "nofiling.example", "/favicon.ico", "").body, "");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let mut client = Client::connect(notice);
        let head = format!(
            "{method} / HTTP/1.1\r\nHost: nofiling.example\r\nContent-Length: 5\r\n\r\nhello"
        );
        client.send(head.as_bytes());
        let reply = client.response().expect("a page");
        assert_eq!((reply.status, reply.header("connection")), (451, "close"), "{method}\n{reply}");
        assert!(client.is_closed(), "what was not read is no next request");
    }
    let mut client = Client::connect(notice);
    client.send(b"HEAD / HTTP/1.1\r\nHost: nofiling.example\r\n\r\n");
    let reply = client.response_without_body().expect("a head");
    assert_eq!(reply.status, 451, "{reply}");
    let whole = get(notice, "nofiling.example", "/", "");
    assert_eq!(reply.header("content-length"), whole.header("content-length"));
    // And the connection serves on.
    client.send(b"GET / HTTP/1.1\r\nHost: notsynced.example\r\n\r\n");
    assert_eq!(client.response().expect("a page").status, 503);
}

#[test]
fn hostile_hosts_are_refused_or_neutral_and_never_reflected() {
    let server = shipped("");
    let notice = server.listening("notice");
    let long = format!("{}.nofiling.example", "a.".repeat(200));
    let malformed = [
        "<script>alert(1)</script>",
        "nofiling.example\"><script>",
        "nofiling.example/../x",
        "evil@nofiling.example",
        "nofiling.example:80:90",
        "a..nofiling.example",
        "no filing.example",
        "{{7*7}}.nofiling.example",
        "nofiling.example%00",
        &long,
    ];
    for host in malformed {
        let reply = get(notice, host, "/", "");
        assert_eq!(reply.status, 400, "{host}\n{reply}");
        assert!(!reply.body.contains(host) && !reply.body.contains("script"), "{host}\n{reply}");
    }
    for host in
        ["", "192.0.2.10", "[2001:db8::1]", "127.0.0.1:80", "localhost", "hostnobodyhas.example"]
    {
        let reply = get(notice, host, "/", "");
        assert_eq!(reply.status, 404, "{host}\n{reply}");
        assert!(!reply.body.contains("hostnobodyhas"), "{reply}");
    }
    let mut client = Client::connect(notice);
    client.send(b"GET / HTTP/1.1\r\nHost: nofiling.example\r\nHost: filed.example\r\n\r\n");
    assert_eq!(client.response().expect("a page").status, 400, "two hosts");
    // Bytes that are no text, a target with a host of its own, no host at all.
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\nHost: \xff\xfe\xc3\x28\r\n\r\n"[..], 400),
        (b"GET http://nofiling.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n", 451),
        (b"GET / HTTP/1.0\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: nofiling.example\r\n\r\n", 451),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ] {
        let mut client = Client::connect(notice);
        client.send(request);
        let reply = client.response().expect("a response");
        assert_eq!(reply.status, status, "{}\n{reply}", String::from_utf8_lossy(request));
    }
    server.still_answers();
}

#[test]
fn eight_kibibytes_of_headers_are_taken_and_seventeen_are_not() {
    let server = shipped("");
    let notice = server.listening("notice");
    let cookie = |len: usize| format!("Cookie: {}\r\n", "x".repeat(len));
    let reply = get(notice, "nofiling.example", "/", &cookie(8 * 1024));
    assert_eq!(reply.status, 451, "{reply}");
    let mut client = Client::connect(notice);
    let head = format!("GET / HTTP/1.1\r\nHost: nofiling.example\r\n{}\r\n", cookie(17 * 1024));
    client.try_send(head.as_bytes());
    let refused = client.response();
    assert!(refused.as_ref().is_none_or(|reply| reply.status == 431), "{refused:?}");
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let mut client = Client::connect(notice);
    client.try_send(format!("GET / HTTP/1.1\r\nHost: nofiling.example\r\n{many}\r\n").as_bytes());
    let refused = client.response();
    assert!(refused.as_ref().is_none_or(|reply| reply.status == 431), "{refused:?}");
    assert_eq!(get(notice, "nofiling.example", "/", "").status, 451);
}

#[test]
fn slow_clients_are_sent_away_while_others_are_served() {
    let server = shipped("timeout = \"1s\"\n");
    let notice = server.listening("notice");
    let mut slow: Vec<Client> = (0..20).map(|_| Client::connect(notice)).collect();
    slow.iter_mut().for_each(|client| client.send(b"GET / HTTP/1.1\r\nHost: nofil"));
    assert_eq!(get(notice, "nofiling.example", "/", "").status, 451);
    // One of them keeps sending a byte now and then, which is no reason to wait for it.
    let mut trickling = Client::connect(notice);
    trickling.send(b"GET / HTTP/1.1\r\nHost: nofiling.example\r\n");
    eventually("the trickling client is sent away", || !trickling.try_send(b"a"));
    assert!(slow.iter_mut().all(Client::is_closed));
    // And one that does not ask again.
    let mut idle = Client::connect(notice);
    idle.send(b"GET / HTTP/1.1\r\nHost: nofiling.example\r\n\r\n");
    assert_eq!(idle.response().expect("a page").status, 451);
    assert!(idle.is_closed());
}

#[test]
fn connections_are_limited_by_client_and_in_all() {
    let server = shipped("max_connections_per_client = 2\n");
    let notice = server.listening("notice");
    let served = |client: &mut Client| {
        client.try_send(b"GET / HTTP/1.1\r\nHost: nofiling.example\r\n\r\n");
        client.response().is_some()
    };
    let mut first = Client::connect(notice);
    let mut second = Client::connect(notice);
    assert!(served(&mut first) && served(&mut second));
    assert!(!served(&mut Client::connect(notice)), "a third one is closed");
    drop(first);
    eventually("a seat is given up", || served(&mut Client::connect(notice)));

    let server = shipped("max_connections = 2\n");
    let notice = server.listening("notice");
    let mut first = Client::connect(notice);
    let mut second = Client::connect(notice);
    assert!(served(&mut first) && served(&mut second));
    let mut third = Client::connect(notice);
    assert!(served(&mut third), "whoever came first makes room");
    assert!(first.is_closed());
    assert!(served(&mut second));
}

#[test]
fn clients_that_ask_nothing_more_do_not_hold_up_a_stop() {
    let server = shipped("");
    let notice = server.listening("notice");
    let mut half = Client::connect(notice);
    half.send(b"GET / HTTP/1.1\r\nHost: nofil");
    let mut idle = Client::connect(notice);
    idle.send(b"GET / HTTP/1.1\r\nHost: nofiling.example\r\n\r\n");
    assert_eq!(idle.response().expect("a page").status, 451);
    let mark = server.log_mark();
    server.signal(libc::SIGTERM);
    server.logged(mark, |event| common::message(event) == "stopped");
    assert!(idle.is_closed() && half.is_closed());
    assert!(!server.log_text().contains("cut off at the end"), "{}", server.log_text());
}

#[test]
fn a_page_without_a_provider_is_a_fault_of_the_configuration() {
    let mut site = Site::new();
    site.config_tail("[notice]\nlisten = [\"127.0.0.1:0\"]\n");
    let ran = site.plain_zone("site.example").records(&[]).beiand(&["check"]);
    assert_eq!(ran.code, 1, "{ran}");
    for missing in ["name is missing", "website is missing"] {
        assert!(ran.stdout.contains(missing), "{ran}");
    }
}
