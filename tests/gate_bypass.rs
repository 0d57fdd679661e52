//! Ways round the gate that once were open, or nearly: records that cover more names than the one
//! asked for, verdicts that are told of other names, settings that change while serving.

mod common;

use common::{NOTICE_IPV4, NOTICE_TTL, Record, Reply, Server, Site, from_now, rdata, replace};

/// Serves `site.example`, with nothing filed for it, beside whatever the site has already.
#[track_caller]
fn unfiled_in(site: Site, body: &str) -> Server {
    site.zone("site.example", body);
    let server = site.start();
    assert_eq!(server.dig(&["site.example", "SOA"]).status, "NOERROR", "{}", server.log_text());
    server
}

/// A zone that is filed, with names here and overseas.
fn with_open_zone() -> Site {
    let site = Site::new();
    site.zone("open.example", "here A 192.0.2.66\nover A 203.0.113.10\n");
    site.records(&[Record::open("open.example")]);
    site
}

#[track_caller]
fn assert_dark(reply: &Reply) {
    let gated = ["CNAME", "DNAME", "HTTPS", "SVCB"];
    let records = || reply.answer.iter().chain(&reply.authority).chain(&reply.additional);
    assert!(records().all(|r| !gated.contains(&r.rtype.as_str())), "{reply}");
    assert!(records().all(|r| r.rtype != "A" || r.rdata == NOTICE_IPV4), "{reply}");
    assert!(rdata(&reply.authority, "NS").is_empty(), "{reply}");
}

#[test]
fn a_dname_beside_overseas_addresses_stays_dark() {
    let server = unfiled_in(
        Site::new(),
        "old DNAME new.elsewhere.invalid.\nold A 203.0.113.10\n\
         any DNAME new.elsewhere.invalid.\nany HTTPS 1 . ipv4hint=203.0.113.10\n\
         *.wild DNAME new.elsewhere.invalid.\n*.wild A 203.0.113.10\n",
    );
    assert_eq!(server.opens("old.site.example").data("A"), ["203.0.113.10"]);
    // A resolver that has the DNAME follows it for every name below.
    for (name, rtype) in [("old", "DNAME"), ("any", "DNAME"), ("any", "ANY"), ("x.wild", "DNAME")] {
        assert_dark(&server.dig(&["+tcp", &format!("{name}.site.example"), rtype]));
    }
    assert_eq!(server.dig(&["any.site.example", "HTTPS"]).types(), ["HTTPS"]);
}

#[test]
fn a_dname_into_hosted_zones_stays_dark_wherever_one_name_leads() {
    let server = unfiled_in(with_open_zone(), "old DNAME open.example.\n");
    assert_dark(&server.dig(&["here.old.site.example", "A"]));
    // The target is overseas, but the DNAME would take `here` along.
    for rtype in ["A", "CNAME", "TXT"] {
        assert_dark(&server.dig(&["over.old.site.example", rtype]));
    }
}

#[test]
fn an_alias_by_way_of_an_open_dname_is_where_its_target_is() {
    let site = with_open_zone();
    site.zone("open.example", "old DNAME there.open.example.\nover.there A 203.0.113.10\n");
    let server = unfiled_in(site, "www CNAME over.old.open.example.\n");
    let reply = server.dig(&["www.site.example", "A"]);
    assert_eq!(reply.data("A"), ["203.0.113.10"], "{reply}");
}

#[test]
fn a_filing_below_a_cut_opens_neither_delegation_nor_dname() {
    let site = Site::new();
    site.records(&[Record::open("b.cut.site.example"), Record::open("b.old.site.example")]);
    let server = unfiled_in(
        site,
        "cut NS ns.elsewhere.invalid.\nold DNAME new.elsewhere.invalid.\nb.cut A 192.0.2.9\n",
    );
    for name in ["b.cut.site.example", "x.b.cut.site.example", "x.b.old.site.example"] {
        for rtype in ["A", "NS", "TXT", "CNAME"] {
            let reply = server.dig(&[name, rtype]);
            assert_dark(&reply);
            assert!(!reply.mentions("elsewhere.invalid"), "{reply}");
        }
    }
}

#[test]
fn a_filed_cut_is_delegated_unless_a_name_below_it_is_restricted() {
    let site = Site::new();
    site.records(&[Record::open("cut.site.example")]);
    let server = unfiled_in(
        site,
        "@ MX 10 ns.cut\ncut NS ns.cut\ncut NS ns.sub.cut\nns.cut A 192.0.2.31\nns.sub.cut A 192.0.2.32\n",
    );
    let reply = server.dig(&["www.cut.site.example", "A"]);
    assert_eq!(rdata(&reply.authority, "NS").len(), 2, "{reply}");
    assert_eq!(rdata(&reply.additional, "A"), ["192.0.2.31", "192.0.2.32"], "{reply}");
    server.records(&[
        Record::open("cut.site.example"),
        Record::open("sub.cut.site.example").set("restricted", "yes"),
    ]);
    server.reloaded();
    // Who has the referral from another name would follow it for the restricted one.
    for name in ["www.cut.site.example", "cut.site.example", "ns.sub.cut.site.example"] {
        let reply = server.blocked(name, "restricted");
        assert_dark(&reply);
        assert!(!reply.mentions("192.0.2."), "{reply}");
    }
}

#[test]
fn a_filed_cut_is_kept_no_longer_than_until_a_name_below_it_closes() {
    let site = Site::new();
    let closing = Record::in_force("sub.cut.site.example").set("restricted", "yes");
    site.records(&[Record::open("cut.site.example"), closing.set("approved_at", &from_now(600))]);
    let server = unfiled_in(site, "cut NS ns.cut\nns.cut A 192.0.2.31\n");
    for name in ["www.cut.site.example", "sub.cut.site.example"] {
        let reply = server.dig(&[name, "A"]);
        assert_eq!(rdata(&reply.additional, "A"), ["192.0.2.31"], "{reply}");
        let mut records = reply.authority.iter().chain(&reply.additional);
        assert!(records.all(|r| (1..=600).contains(&r.ttl)), "{reply}");
    }
}

#[test]
fn whatever_leads_to_a_site_has_the_bound_of_open_answers() {
    let mut site = Site::new();
    site.gate("max_open_ttl", "30").zone(
        "open.example",
        "@ A 192.0.2.10\n@ AAAA 2001:db8:1::10\n@ HTTPS 1 . ipv4hint=192.0.2.10\n@ MX 10 mail\n\
         mail A 192.0.2.11\nwww CNAME @\n*.wild SVCB 1 mail.open.example.\n\
         old DNAME new.open.example.\nx.new A 192.0.2.12\nover A 203.0.113.10\n\
         cut NS ns.cut\nns.cut A 192.0.2.13\nout CNAME cdn.elsewhere.invalid.\n",
    );
    site.records(&[Record::open("open.example")]);
    let server = unfiled_in(site, "to CNAME over.open.example.\nover A 203.0.113.11\n");
    for (name, rtype, records) in [
        ("open.example", "A", 1),
        ("open.example", "AAAA", 1),
        ("open.example", "HTTPS", 3),
        ("open.example", "MX", 2),
        ("www.open.example", "A", 2),
        ("www.open.example", "TXT", 2),
        ("x.wild.open.example", "SVCB", 2),
        ("x.old.open.example", "A", 3),
        ("x.cut.open.example", "A", 2),
        ("cut.open.example", "NS", 2),
        ("out.open.example", "MX", 1),
        ("to.site.example", "A", 2),
        ("over.site.example", "A", 1),
    ] {
        let reply = server.dig(&[name, rtype]);
        let all = || reply.answer.iter().chain(&reply.authority).chain(&reply.additional);
        assert_eq!(all().count(), records, "{reply}");
        assert!(all().all(|r| r.ttl <= 30 || ["MX", "SOA"].contains(&&*r.rtype)), "{reply}");
    }
}

#[test]
fn an_https_alias_is_where_its_hosted_target_is() {
    let body = "in HTTPS 0 here.open.example.\nout HTTPS 0 over.open.example.\n\
                far HTTPS 0 cdn.elsewhere.invalid.\nfree SVCB 1 over.open.example. port=53\n\
                via A 203.0.113.9\nvia HTTPS 0 hop.site.example.\nhop CNAME here.open.example.\n\
                by HTTPS 0 step.site.example.\nstep CNAME over.open.example.\n\
                mixed HTTPS 1 over.open.example.\nmixed HTTPS 2 here.open.example.\n\
                both HTTPS 1 . ipv4hint=203.0.113.9\nboth SVCB 1 over.open.example. port=53\n\
                away DNAME elsewhere.invalid.\n";
    let server = unfiled_in(with_open_zone(), body);
    assert_dark(&server.dig(&["mixed.site.example", "HTTPS"]));
    assert_dark(&server.dig(&["x.away.site.example", "CNAME"]));
    assert_eq!(server.dig(&["both.site.example", "HTTPS"]).types(), ["HTTPS"]);
    assert_dark(&server.dig(&["in.site.example", "HTTPS"]));
    assert_dark(&server.dig(&["far.site.example", "HTTPS"]));
    assert_dark(&server.dig(&["via.site.example", "HTTPS"]));
    assert_eq!(server.dig(&["out.site.example", "HTTPS"]).types(), ["HTTPS"]);
    assert_eq!(server.dig(&["by.site.example", "HTTPS"]).types(), ["HTTPS"]);
    assert_eq!(server.dig(&["free.site.example", "SVCB"]).types(), ["SVCB"]);
    drop(server);
    // Open is then what nobody knows, not what is hosted here.
    let mut site = with_open_zone();
    site.gate("external_targets", "\"open\"");
    let server = unfiled_in(site, body);
    assert_dark(&server.dig(&["in.site.example", "HTTPS"]));
    assert_eq!(server.dig(&["far.site.example", "HTTPS"]).types(), ["HTTPS"]);
    assert_eq!(server.dig(&["x.away.site.example", "CNAME"]).types(), ["DNAME", "CNAME"]);
}

#[test]
fn what_another_zone_decides_lives_no_longer_than_the_notice() {
    let server = unfiled_in(
        with_open_zone(),
        "www CNAME over.open.example.\nalias HTTPS 0 over.open.example.\n\
         near CNAME there\nthere A 203.0.113.9\nthere HTTPS 1 there.site.example. alpn=h2\n",
    );
    // The owner of both can move the target here as soon as a resolver has what leads there.
    for (name, rtype) in [("www", "A"), ("www", "CNAME"), ("alias", "HTTPS")] {
        let reply = server.dig(&[&format!("{name}.site.example"), rtype]);
        assert_eq!(reply.answer[0].owner, format!("{name}.site.example."), "{reply}");
        assert_eq!(reply.answer[0].ttl, NOTICE_TTL, "{reply}");
    }
    // What ends in the zone itself is gated where it ends.
    for (name, rtype) in [("near", "A"), ("there", "HTTPS")] {
        let reply = server.dig(&[&format!("{name}.site.example"), rtype]);
        assert!(!reply.answer.is_empty() && !reply.is_notice(), "{reply}");
        assert!(reply.answer.iter().all(|r| r.ttl == 3600), "{reply}");
    }
}

#[test]
fn a_filed_name_further_along_lends_no_address_to_an_alias() {
    let site = with_open_zone();
    site.zone(
        "open.example",
        "far A 203.0.113.10\nfar HTTPS 0 svc.open.example.\n\
         svc A 203.0.113.11\nsvc HTTPS 1 . ipv4hint=192.0.2.66\n",
    );
    site.records(&[Record::open("open.example"), Record::open("app.site.example")]);
    let server = unfiled_in(
        site,
        "www CNAME far.open.example.\nby A 203.0.113.9\nby HTTPS 0 far.open.example.\n\
         near A 203.0.113.9\nnear HTTPS 0 app.site.example.\n\
         app A 203.0.113.12\napp HTTPS 1 . ipv4hint=192.0.2.67\n",
    );
    // The hint is ours, however many names lie between.
    for name in ["www", "by", "near"] {
        for rtype in ["HTTPS", "A", "CNAME"] {
            assert_dark(&server.dig(&[&format!("{name}.site.example"), rtype]));
        }
    }
    assert_eq!(server.dig(&["app.site.example", "HTTPS"]).types(), ["HTTPS"]);
}

#[test]
fn names_overseas_that_lead_to_each_other_stay_open() {
    let server = unfiled_in(
        Site::new(),
        "@ A 203.0.113.10\n@ HTTPS 1 www.site.example. alpn=h2\nwww CNAME @\n\
         a A 203.0.113.11\na HTTPS 1 b.site.example.\nb A 203.0.113.12\nb HTTPS 1 a.site.example.\n",
    );
    for name in ["site.example", "www.site.example", "a.site.example", "b.site.example"] {
        server.opens(name);
        let reply = server.dig(&[name, "HTTPS"]);
        assert_eq!(reply.types().last(), Some(&"HTTPS"), "{reply}");
    }
}

#[test]
fn a_zone_that_is_no_longer_exempt_follows_its_filings() {
    let mut site = Site::new();
    site.gate("exempt_zones", r#"["site.example"]"#);
    let mut server = unfiled_in(site, "www A 192.0.2.10\n");
    server.opens("www.site.example");
    server.site.gate("exempt_zones", "[]");
    server.site.write_config();
    server.reloaded();
    server.blocked("www.site.example", "no-filing");
    server.records(&[Record::open("site.example")]);
    server.reloaded();
    server.opens("www.site.example");
    replace(
        &server.site.path("filings/10.ndjson"),
        &common::ndjson(&[Record::open("site.example").set("restricted", "yes")]),
    );
    server.reloaded();
    server.blocked("www.site.example", "restricted");
}
