//! The decision table (DESIGN 1.2), row by row, through `dig` against the real binary: each test
//! changes the filing file while the server runs, and sees the answer follow.

mod common;

use common::{Record, Server, Site, from_now};

/// A server that hosts these domains on our addresses, with these records to begin with.
#[track_caller]
fn hosting(domains: &[&str], records: &[Record]) -> Server {
    let site = Site::new();
    for domain in domains {
        site.plain_zone(domain);
    }
    site.records(records);
    site.start()
}

#[test]
fn row_01_no_filing() {
    let server = hosting(&["site.example"], &[]);
    server.blocked("www.site.example", "no-filing");
    server.records(&[Record::open("site.example")]);
    server.opens("www.site.example");
    server.records(&[]);
    server.blocked("www.site.example", "no-filing");
}

#[test]
fn row_02_first_filing_in_progress() {
    let server = hosting(&["site.example"], &[]);
    server.blocked("site.example", "no-filing");
    for status in ["draft", "initial-review", "initial-passed", "under-review"] {
        server.records(&[Record::applied("site.example", "first", status)]);
        server.blocked("site.example", "under-review");
        server.records(&[]);
        server.blocked("site.example", "no-filing");
    }
    server.records(&[Record::open("site.example")
        .set("application", "first")
        .set("application_status", "approved")]);
    server.opens("site.example");
}

#[test]
fn row_03_added_website_in_progress_leaves_the_subjects_other_sites_open() {
    let first = Record::open("first.example");
    let number = first.get("subject_number").to_owned();
    let second = Record::applied("second.example", "add-website", "under-review")
        .set("subject_number", &number);
    let server = hosting(&["first.example", "second.example"], std::slice::from_ref(&first));
    server.opens("www.first.example");
    server.blocked("www.second.example", "no-filing");
    server.records(&[first.clone(), second]);
    server.blocked("www.second.example", "under-review");
    server.opens("www.first.example");
    let approved = Record::open("second.example")
        .set("subject_number", &number)
        .set("site_number", &format!("{number}-2"));
    server.records(&[first, approved]);
    server.opens("www.second.example");
}

#[test]
fn row_04_rejected() {
    let server = hosting(
        &["site.example", "added.example"],
        &[
            Record::applied("site.example", "first", "under-review"),
            Record::applied("added.example", "add-website", "under-review"),
        ],
    );
    server.blocked("site.example", "under-review");
    server.records(&[
        Record::applied("site.example", "first", "rejected").set("remark", "照片不清晰"),
        Record::applied("added.example", "add-website", "rejected").set("remark", "名称不符"),
    ]);
    server.blocked("site.example", "rejected");
    server.blocked("added.example", "rejected");
    let explained = server.beiand(&["explain", "site.example"]);
    assert!(
        explained.stdout.contains("照片不清晰"),
        "the authority's reasons are shown\n{explained}"
    );
}

#[test]
fn row_05_in_force_held_here_synced() {
    let server = hosting(&["site.example"], &[Record::in_force("site.example")]);
    server.blocked("www.site.example", "not-synced");
    server.records(&[Record::open("site.example")]);
    let reply = server.opens("www.site.example");
    assert_eq!(reply.data("A"), ["192.0.2.10"], "{reply}");
    assert!(reply.aa(), "{reply}");
}

#[test]
fn row_06_not_synced_opens_the_moment_the_sync_is_in() {
    let server = hosting(&["site.example"], &[]);
    server.blocked("site.example", "no-filing");
    server.records(&[Record::in_force("site.example")]);
    server.blocked("site.example", "not-synced");
    // No file is touched after this one: the instant arrives by itself.
    server.records(&[Record::in_force("site.example").set("synced_at", &from_now(8))]);
    server.blocked("site.example", "not-synced");
    server.opens("site.example");
}

#[test]
fn row_06_a_sync_older_than_the_approval_counts_for_nothing() {
    let stale = Record::in_force("site.example").set("synced_at", "2024-04-30T10:00:00+08:00");
    let server = hosting(&["site.example"], &[]);
    server.blocked("site.example", "no-filing");
    server.records(&[stale]);
    server.blocked("site.example", "not-synced");
}

#[test]
fn row_07_a_change_of_information_never_closes() {
    let server = hosting(&["site.example"], &[Record::open("site.example")]);
    server.opens("site.example");
    for status in ["draft", "under-review", "rejected", "withdrawn", "approved"] {
        server.records(&[Record::open("site.example")
            .set("application", "change")
            .set("application_status", status)
            .set("application_at", "2024-08-01T10:00:00+08:00")]);
        server.reloaded();
        server.opens("site.example");
    }
}

fn moving(status: &str) -> Record {
    Record::open("old.example")
        .set("application", "change-domain")
        .set("application_status", status)
        .set("application_at", "2024-08-01T10:00:00+08:00")
        .set("new_domain", "new.example")
}

#[test]
fn row_08_change_of_domain_in_progress_or_rejected() {
    let server = hosting(&["old.example", "new.example"], &[Record::open("old.example")]);
    server.opens("old.example");
    server.blocked("new.example", "no-filing");
    server.records(&[moving("under-review")]);
    server.blocked("new.example", "under-review");
    server.opens("old.example");
    server.records(&[moving("rejected")]);
    server.blocked("new.example", "rejected");
    server.opens("old.example");
}

#[test]
fn row_09_change_of_domain_approved() {
    let server = hosting(&["old.example", "new.example"], &[moving("under-review")]);
    server.opens("old.example");
    server.blocked("new.example", "under-review");
    server.records(&[moving("approved")]);
    server.blocked("old.example", "domain-changed");
    server.blocked("new.example", "not-synced");
    let explained = server.beiand(&["explain", "old.example"]);
    assert!(explained.stdout.contains("new.example"), "the new domain is named\n{explained}");
    server.records(&[moving("approved"), Record::open("new.example")]);
    server.opens("new.example");
    server.blocked("old.example", "domain-changed");
}

#[test]
fn row_09_the_old_domain_closes_at_the_instant_of_the_approval() {
    let server = hosting(&["old.example", "new.example"], &[moving("under-review")]);
    server.opens("old.example");
    server.records(&[moving("approved").set("application_at", &from_now(8))]);
    server.reloaded();
    server.opens("old.example");
    server.blocked("old.example", "domain-changed");
}

#[test]
fn row_10_held_elsewhere() {
    let server = hosting(&["site.example"], &[Record::open("site.example")]);
    server.opens("site.example");
    server.records(&[Record::elsewhere("site.example")]);
    server.blocked("site.example", "held-elsewhere");
    // Another provider's line never replaces ours.
    server.records(&[Record::open("site.example"), Record::elsewhere("site.example")]);
    server.opens("site.example");
}

#[test]
fn row_10_the_public_query_proves_filed_but_not_held_here() {
    let server = hosting(&["site.example"], &[]);
    server.blocked("site.example", "no-filing");
    let query = r#"{"code":200,"msg":"操作成功","success":true,"params":{"total":1,"list":[
        {"domain":"site.example","mainLicence":"京ICP备2024000077号","serviceLicence":"京ICP备2024000077号-1",
         "natureName":"企业","unitName":"示例","limitAccess":"否","updateRecordTime":"2024-05-01 10:00:00"}]}}"#;
    common::replace(&server.site.path("filings/30-miit.json"), query);
    server.blocked("site.example", "held-elsewhere");
}

fn transferring(status: &str) -> Record {
    Record::in_force("site.example")
        .set("application", "transfer")
        .set("application_status", status)
        .set("application_at", &from_now(-3600))
}

#[test]
fn row_11_transfer_in_progress_blocked_by_default() {
    let server = hosting(&["site.example"], &[Record::elsewhere("site.example")]);
    server.blocked("site.example", "held-elsewhere");
    server.records(&[transferring("under-review")]);
    server.blocked("site.example", "transfer-in-progress");
}

#[test]
fn row_11_transfer_in_progress_on_the_other_providers_record() {
    let server = hosting(&["site.example"], &[Record::elsewhere("site.example")]);
    server.blocked("site.example", "held-elsewhere");
    server.records(&[transferring("under-review").set("provider", "othercloud")]);
    server.blocked("site.example", "transfer-in-progress");
}

#[test]
fn row_11_transfer_in_progress_open_after_the_initial_review() {
    let mut site = Site::new();
    site.gate("transfer_in_progress", "\"after-initial-review\"");
    site.plain_zone("site.example").records(&[transferring("initial-review")]);
    let server = site.start();
    server.blocked("site.example", "transfer-in-progress");
    server.records(&[transferring("initial-passed")]);
    server.opens("site.example");
    // The pass lapses after 45 days.
    server
        .records(&[transferring("initial-passed").set("application_at", &from_now(-46 * 86_400))]);
    server.blocked("site.example", "transfer-in-progress");
}

#[test]
fn row_11_transfer_in_progress_open() {
    let mut site = Site::new();
    site.gate("transfer_in_progress", "\"open\"");
    site.plain_zone("site.example").records(&[Record::elsewhere("site.example")]);
    let server = site.start();
    server.blocked("site.example", "held-elsewhere");
    server.records(&[transferring("under-review")]);
    server.opens("site.example");
}

#[test]
fn row_12_transfer_rejected() {
    let server = hosting(&["site.example"], &[transferring("under-review")]);
    server.blocked("site.example", "transfer-in-progress");
    server.records(&[transferring("rejected")]);
    server.blocked("site.example", "transfer-rejected");
}

#[test]
fn row_12_transfer_rejected_on_the_other_providers_record_and_whatever_the_setting() {
    let mut site = Site::new();
    site.gate("transfer_in_progress", "\"open\"");
    let theirs = |status| transferring(status).set("provider", "othercloud");
    site.plain_zone("site.example").records(&[theirs("under-review")]);
    let server = site.start();
    server.opens("site.example");
    server.records(&[theirs("rejected")]);
    server.blocked("site.example", "transfer-rejected");
}

#[test]
fn row_13_transfer_in_progress_but_the_filing_cancelled() {
    let mut site = Site::new();
    site.gate("transfer_in_progress", "\"open\"");
    site.plain_zone("site.example").records(&[transferring("under-review")]);
    let server = site.start();
    server.opens("site.example");
    server.records(&[transferring("under-review").set("status", "cancelled")]);
    server.blocked("site.example", "cancelled");
}

#[test]
fn row_14_transfer_approved_and_synced() {
    let server = hosting(&["site.example"], &[transferring("under-review")]);
    server.blocked("site.example", "transfer-in-progress");
    let approved = transferring("approved").set("held_since", "2024-09-01T10:00:00+08:00");
    // Synced once, long before the transfer: that was another provider's time.
    server.records(&[approved.clone().set("synced_at", "2024-05-02T10:00:00+08:00")]);
    server.blocked("site.example", "not-synced");
    server.records(&[approved.set("synced_at", "2024-09-01T12:00:00+08:00")]);
    server.opens("site.example");
}

#[test]
fn row_14_transfer_approved_on_the_other_providers_record() {
    let theirs = |status| transferring(status).set("provider", "othercloud");
    let server = hosting(&["site.example"], &[theirs("under-review")]);
    server.blocked("site.example", "transfer-in-progress");
    server.records(&[theirs("approved")]);
    server.blocked("site.example", "not-synced");
    server.records(&[theirs("approved").set("synced_at", &from_now(-60))]);
    server.opens("site.example");
}

#[test]
fn row_15_an_approved_cancellation_cancels() {
    let asked = |status| {
        Record::open("site.example")
            .set("application", "cancel-site")
            .set("application_status", status)
            .set("application_at", "2024-08-01T10:00:00+08:00")
    };
    let server = hosting(&["site.example"], &[]);
    server.blocked("site.example", "no-filing");
    server.records(&[asked("under-review")]);
    server.opens("site.example");
    server.records(&[asked("approved")]);
    server.blocked("site.example", "cancelled");
}

#[test]
fn row_15_cancelled() {
    let server = hosting(&["site.example"], &[Record::open("site.example")]);
    server.opens("site.example");
    server.records(&[Record::open("site.example").set("status", "cancelled")]);
    server.blocked("site.example", "cancelled");
    // A new owner's running application is not hidden behind the former owner's filing.
    server.records(&[
        Record::open("site.example").set("status", "cancelled"),
        Record::applied("site.example", "first", "under-review"),
    ]);
    server.blocked("site.example", "under-review");
}

#[test]
fn row_15_a_cancelled_subject_cancels_all_its_sites() {
    let first = Record::open("first.example");
    let number = first.get("subject_number").to_owned();
    let second = Record::open("second.example")
        .set("subject_number", &number)
        .set("site_number", &format!("{number}-2"));
    let server = hosting(&["first.example", "second.example"], &[first.clone(), second.clone()]);
    server.opens("first.example");
    server.opens("second.example");
    // The subject's number and no site's: the whole subject is gone.
    let subject = Record::bare("first.example")
        .set("subject_number", &number)
        .set("status", "cancelled")
        .set("provider", common::PROVIDER);
    server.records(&[first, second, subject]);
    server.blocked("first.example", "cancelled");
    server.blocked("second.example", "cancelled");
}

#[test]
fn row_16_access_cancelled() {
    let server = hosting(&["site.example"], &[Record::open("site.example")]);
    server.opens("site.example");
    server.records(&[
        Record::open("site.example").set("access", "cancelled"),
        Record::elsewhere("site.example").set("access", "cancelled"),
    ]);
    server.blocked("site.example", "access-cancelled");
}

#[test]
fn row_17_restricted() {
    let server = hosting(&["site.example"], &[Record::open("site.example")]);
    server.opens("site.example");
    for yes in ["yes", "是"] {
        server.records(&[Record::open("site.example").set("restricted", yes)]);
        server.blocked("site.example", "restricted");
        server.records(&[Record::open("site.example").set("restricted", "否")]);
        server.opens("site.example");
    }
    // Whoever says it: a restriction on another provider's record closes, too.
    server.records(&[
        Record::open("site.example"),
        Record::elsewhere("site.example").set("restricted", "yes"),
    ]);
    server.blocked("site.example", "restricted");
}

#[test]
fn row_16_an_approved_cancellation_of_access_closes_here() {
    let asked = |status| {
        Record::open("site.example")
            .set("application", "cancel-access")
            .set("application_status", status)
            .set("application_at", "2024-08-01T10:00:00+08:00")
    };
    let server = hosting(&["site.example"], &[]);
    server.blocked("site.example", "no-filing");
    server.records(&[asked("under-review")]);
    server.opens("site.example");
    server.records(&[asked("approved")]);
    server.blocked("site.example", "access-cancelled");
}

#[test]
fn row_17_blacklisted() {
    let server = hosting(&["site.example"], &[Record::open("site.example")]);
    server.opens("site.example");
    // The list names domains, filed or not, and no open record outweighs it.
    let listed = Record::bare("site.example").set("status", "none").set("blacklisted", "yes");
    server.records(&[Record::open("site.example"), listed]);
    server.blocked("site.example", "restricted");
    server.records(&[Record::open("site.example").set("blacklisted", "no")]);
    server.opens("site.example");
}

fn forum(status: &str) -> Record {
    Record::applied("bbs.example", "first", status).set("site", "forum").set("province", "京")
}

#[test]
fn row_18_forum_of_an_individual() {
    let server = hosting(&["bbs.example"], &[]);
    server.blocked("bbs.example", "no-filing");
    server.records(&[forum("under-review").set("nature", "individual")]);
    server.blocked("bbs.example", "forum-individual");
    server.records(&[Record::open("bbs.example").set("site", "forum").set("nature", "个人")]);
    server.blocked("bbs.example", "forum-individual");
    let checked = server.beiand(&["check"]);
    assert_eq!(checked.code, 1, "also a validation error\n{checked}");
}

#[test]
fn row_19_forum_without_preapproval() {
    let server = hosting(&["bbs.example"], &[]);
    server.blocked("bbs.example", "no-filing");
    server.records(&[forum("under-review")]);
    server.blocked("bbs.example", "forum-no-preapproval");
    server.records(&[forum("under-review").set("bbs_preapproval", "京通信〔2024〕1号")]);
    server.blocked("bbs.example", "under-review");
}

#[test]
fn row_20_forum_in_a_province_that_accepts_none() {
    let mut site = Site::new();
    site.gate("forum_closed_provinces", r#"["沪"]"#);
    site.plain_zone("bbs.example").records(&[]);
    let server = site.start();
    server.blocked("bbs.example", "no-filing");
    let preapproved = forum("under-review").set("bbs_preapproval", "〔2024〕1号");
    server.records(&[preapproved.clone().set("province", "沪")]);
    server.blocked("bbs.example", "forum-province");
    server.records(std::slice::from_ref(&preapproved));
    server.blocked("bbs.example", "under-review");
    // 申 is Shanghai, too.
    server.records(&[preapproved.set("province", "申")]);
    server.blocked("bbs.example", "forum-province");
}

#[test]
fn row_21_forum_approved_and_synced() {
    let server = hosting(&["bbs.example"], &[forum("under-review")]);
    server.blocked("bbs.example", "forum-no-preapproval");
    // The missing number is a warning, no more.
    server.records(&[Record::open("bbs.example").set("site", "forum")]);
    server.opens("bbs.example");
}

#[test]
fn row_22_an_address_is_no_domain_and_reverse_zones_are_never_gated() {
    let site = Site::new();
    site.zone("2.0.192.in-addr.arpa", "10 PTR www.site.example.\n11 CNAME 10\n");
    site.records(&[]);
    let server = site.start();
    let reply = server.dig(&["-x", "192.0.2.10"]);
    assert_eq!(reply.data("PTR"), ["www.site.example."], "{reply}");
    let reply = server.dig(&["-x", "192.0.2.11"]);
    assert_eq!(reply.types(), ["CNAME", "PTR"], "{reply}");

    common::replace(
        &server.site.path("filings/20-address.ndjson"),
        &Record::open("192.0.2.10").line(),
    );
    let checked = server.beiand(&["check"]);
    assert_eq!(checked.code, 1, "{checked}");
    let said = format!("{}{}", checked.stdout, checked.stderr).to_lowercase();
    assert!(said.contains("192.0.2.10") && said.contains("20-address.ndjson"), "{checked}");
    assert!(said.contains("local communications administration"), "it says where to go\n{checked}");
}

#[test]
fn row_23_every_address_overseas() {
    let site = Site::new();
    site.zone(
        "site.example",
        "@ A 203.0.113.10\n@ A 203.0.113.11\n@ AAAA 2001:db8:3::10\nwww CNAME @\n",
    );
    site.records(&[]);
    let server = site.start();
    let reply = server.opens("site.example");
    assert_eq!(reply.data("A"), ["203.0.113.10", "203.0.113.11"], "{reply}");
    server.opens("www.site.example");
    // Whatever the filing says.
    server.records(&[Record::open("site.example").set("restricted", "yes")]);
    server.reloaded();
    server.opens("site.example");
}

#[test]
fn row_24_other_mainland_addresses_open_if_filed_with_anyone() {
    let site = Site::new();
    site.zone("site.example", "@ A 198.51.100.10\nwww A 198.51.100.10\n");
    site.records(&[]);
    let server = site.start();
    server.blocked("www.site.example", "no-filing");
    server.records(&[Record::elsewhere("site.example")]);
    server.opens("www.site.example");
    server.records(&[Record::applied("site.example", "first", "under-review")]);
    server.blocked("www.site.example", "under-review");
}

#[test]
fn row_24_other_mainland_addresses_as_own() {
    let mut site = Site::new();
    site.gate("other_mainland", "\"as-own\"");
    site.zone("site.example", "@ A 198.51.100.10\n").records(&[]);
    let server = site.start();
    server.blocked("site.example", "no-filing");
    server.records(&[Record::elsewhere("site.example")]);
    server.blocked("site.example", "held-elsewhere");
}

#[test]
fn row_24_other_mainland_addresses_open() {
    let mut site = Site::new();
    site.gate("other_mainland", "\"open\"");
    site.zone("site.example", "@ A 198.51.100.10\nours A 192.0.2.10\n").records(&[]);
    let server = site.start();
    server.opens("site.example");
    server.blocked("ours.site.example", "no-filing");
}

#[test]
fn row_25_https_is_gated_as_addresses_are() {
    let site = Site::new();
    site.zone("site.example", "@ A 192.0.2.10\n@ HTTPS 1 . alpn=h2 ipv4hint=192.0.2.10\nsvc SVCB 1 site.example. port=8443\n");
    site.records(&[]);
    let server = site.start();
    for (name, rtype) in [("site.example", "HTTPS"), ("svc.site.example", "SVCB")] {
        let reply = server.dig_until(&[name, rtype], |r| r.is_nodata());
        assert_eq!(reply.ede, [(16, "icp:no-filing".to_owned())], "{reply}");
        assert!(!reply.mentions("192.0.2.10"), "{reply}");
    }
    server.records(&[Record::open("site.example")]);
    let reply = server.dig_until(&["site.example", "HTTPS"], |r| !r.answer.is_empty());
    assert!(reply.data("HTTPS")[0].contains("ipv4hint=192.0.2.10"), "{reply}");
    assert_eq!(server.dig(&["svc.site.example", "SVCB"]).types(), ["SVCB"]);
}

#[test]
fn row_26_open_but_not_pointed_here() {
    let site = Site::new();
    site.zone("site.example", "@ A 198.51.100.10\nwww A 198.51.100.10\n");
    site.records(&[]);
    let server = site.start();
    server.blocked("www.site.example", "no-filing");
    server.records(&[Record::open("site.example")]);
    server.opens("www.site.example");
    let explained = server.beiand(&["explain", "www.site.example"]);
    assert!(explained.stdout.contains("not-pointed-here"), "{explained}");
}

#[test]
fn row_27_not_hosted() {
    let server = hosting(&["site.example"], &[Record::open("site.example")]);
    server.opens("site.example");
    let reply = server.dig(&["www.nothosted.example", "A"]);
    assert_eq!(reply.status, "REFUSED", "{reply}");
    assert_eq!(reply.ede.first().map(|(code, _)| *code), Some(20), "{reply}");
    assert!(!reply.aa() && reply.answer.is_empty(), "{reply}");
    // A filing alone hosts nothing.
    server.records(&[Record::open("site.example"), Record::open("nothosted.example")]);
    server.reloaded();
    assert_eq!(server.dig(&["www.nothosted.example", "A"]).status, "REFUSED");
    // Until its zone is here.
    server.site.plain_zone("nothosted.example");
    server.opens("www.nothosted.example");
}

/// What each shipped domain answers: the README's first minute.
#[test]
fn the_shipped_domains_show_each_row() {
    let server = Site::as_shipped().start();
    let blocked = [
        ("nofiling", "no-filing"),
        ("underreview", "under-review"),
        ("secondsite", "under-review"),
        ("rejected", "rejected"),
        ("notsynced", "not-synced"),
        ("newname", "under-review"),
        ("movedfrom", "domain-changed"),
        ("elsewhere", "held-elsewhere"),
        ("transferring", "transfer-in-progress"),
        ("transferrejected", "transfer-rejected"),
        ("transfercancelled", "cancelled"),
        ("cancelled", "cancelled"),
        ("accesscancelled", "access-cancelled"),
        ("restricted", "restricted"),
        ("hobbyforum", "forum-individual"),
        ("newforum", "forum-no-preapproval"),
        ("provinceforum", "forum-province"),
        ("mixed", "no-filing"),
        ("unfiledmainland", "no-filing"),
        ("https", "not-synced"),
        ("miit", "held-elsewhere"),
        ("blockedwild", "no-filing"),
        ("blockedcut", "no-filing"),
        ("acme", "under-review"),
    ];
    for (domain, reason) in blocked {
        for name in [format!("{domain}.example"), format!("www.{domain}.example")] {
            let reply = server.dig(&[&name, "A"]);
            assert!(reply.is_notice() && reply.aa(), "{name}\n{reply}\n{}", server.log_text());
            assert_eq!(reply.ede, [(4, format!("icp:{reason}"))], "{name}\n{reply}");
        }
    }
    let open = [
        "firstsite",
        "filed",
        "changing",
        "oldname",
        "movedto",
        "transferred",
        "forum",
        "overseas",
        "othermainland",
        "notpointed",
        "xn--fsqu00a",
        "wildcard",
        "delegating",
        "dname",
        "chain",
        "services",
        "hoster",
    ];
    for domain in open {
        for name in [format!("{domain}.example"), format!("www.{domain}.example")] {
            let reply = server.dig(&[&name, "A"]);
            assert!(!reply.is_notice() && !reply.data("A").is_empty(), "{name}\n{reply}");
            assert!(reply.ede.is_empty(), "{name}\n{reply}");
        }
    }
    assert_eq!(server.dig(&["-x", "192.0.2.53"]).data("PTR"), ["ns1.hoster.example."]);
    assert_eq!(server.dig(&["www.nothosted.example", "A"]).status, "REFUSED");
}
