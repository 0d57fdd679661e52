//! What the gate does to answers (DESIGN 2), line by line, through `dig` against the real binary.

mod common;

use common::{
    NOTICE_IPV4, NOTICE_IPV6, NOTICE_TTL, Record, Reply, Server, Site, from_now, rdata, replace,
};

/// Serves one zone, `site.example`, with nothing filed for it.
#[track_caller]
fn unfiled(body: &str) -> Server {
    unfiled_in(Site::new(), body)
}

#[track_caller]
fn unfiled_in(site: Site, body: &str) -> Server {
    site.zone("site.example", body).records(&[]);
    let server = site.start();
    assert_eq!(server.dig(&["site.example", "SOA"]).status, "NOERROR", "{}", server.log_text());
    server
}

/// A NODATA by the gate, saying why.
#[track_caller]
fn assert_gated_nodata(reply: &Reply) {
    assert!(reply.is_nodata() && reply.aa(), "{reply}");
    assert_eq!(reply.ede, [(16, "icp:no-filing".to_owned())], "{reply}");
    assert!(reply.soa().is_some_and(|soa| soa.ttl <= NOTICE_TTL), "{reply}");
}

#[track_caller]
fn assert_notice(reply: &Reply) {
    assert!(reply.is_notice() && reply.aa() && reply.status == "NOERROR", "{reply}");
    assert!(reply.answer.iter().all(|r| r.ttl <= NOTICE_TTL), "{reply}");
    assert_eq!(reply.ede, [(4, "icp:no-filing".to_owned())], "{reply}");
}

// --- Answers at a blocked site name ------------------------------------------------------------

#[test]
fn a_and_aaaa_give_the_notice_addresses_with_the_notice_ttl() {
    let server = unfiled("@ A 192.0.2.10\n@ AAAA 2001:db8:1::10\nonly4 A 192.0.2.11\n");
    let reply = server.dig(&["site.example", "A"]);
    assert_notice(&reply);
    assert_eq!(reply.data("A"), [NOTICE_IPV4], "{reply}");
    assert_eq!(reply.answer[0].ttl, NOTICE_TTL, "{reply}");
    let reply = server.dig(&["site.example", "AAAA"]);
    assert_eq!(reply.data("AAAA"), [NOTICE_IPV6], "{reply}");
    assert_eq!(reply.answer[0].ttl, NOTICE_TTL, "{reply}");
    // A site name gets both, whichever it has of its own.
    assert_eq!(server.dig(&["only4.site.example", "AAAA"]).data("AAAA"), [NOTICE_IPV6]);
}

#[test]
fn aaaa_is_nodata_without_a_notice_ipv6() {
    let mut site = Site::new();
    site.gate("notice_ipv6", "[]");
    let server = unfiled_in(site, "@ A 192.0.2.10\n@ AAAA 2001:db8:1::10\n");
    assert_gated_nodata(&server.dig(&["site.example", "AAAA"]));
    assert_notice(&server.dig(&["site.example", "A"]));
}

#[test]
fn several_notice_addresses_are_all_given() {
    let mut site = Site::new();
    site.gate("notice_ipv4", "[\"203.0.113.80\", \"203.0.113.81\"]").gate("notice_ttl", "20");
    let server = unfiled_in(site, "@ A 192.0.2.10\n");
    let reply = server.dig(&["site.example", "A"]);
    assert_eq!(reply.data("A"), ["203.0.113.80", "203.0.113.81"], "{reply}");
    assert!(reply.answer.iter().all(|r| r.ttl == 20), "{reply}");
}

#[test]
fn https_and_svcb_give_nodata() {
    let server = unfiled(
        "@ A 192.0.2.10\n@ HTTPS 1 . ipv4hint=192.0.2.10\nalias HTTPS 0 site.example.\nsvc SVCB 1 . ipv4hint=192.0.2.10 port=53\n",
    );
    for (name, rtype) in
        [("site.example", "HTTPS"), ("alias.site.example", "HTTPS"), ("svc.site.example", "SVCB")]
    {
        assert_gated_nodata(&server.dig(&[name, rtype]));
    }
    // A name that has HTTPS alone is a site name, too.
    assert_notice(&server.dig(&["alias.site.example", "A"]));
}

#[test]
fn wildcard_made_names_are_gated() {
    let server = unfiled("@ A 192.0.2.10\n* A 192.0.2.11\n*.alias CNAME www.elsewhere.invalid.\n");
    assert_notice(&server.dig(&["anything.site.example", "A"]));
    assert_notice(&server.dig(&["a.b.c.site.example", "AAAA"]));
    let reply = server.dig(&["x.alias.site.example", "A"]);
    assert_notice(&reply);
    assert!(!reply.mentions("elsewhere.invalid"), "{reply}");
    assert_gated_nodata(&server.dig(&["x.alias.site.example", "CNAME"]));
}

#[test]
fn everything_else_is_answered_as_it_stands() {
    let server = unfiled(
        "@ A 192.0.2.10\n@ MX 10 mail.other.invalid.\n@ TXT \"v=spf1 -all\"\n@ CAA 0 issue \"ca.example\"\n\
         _sip._tcp SRV 1 2 5060 sip\nsip A 192.0.2.11\n_443._tcp TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\
         child NS ns1.hoster.example.\nchild DS 12345 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\
         txt TXT \"no site name\"\n",
    );
    for (name, rtype) in [
        ("site.example", "SOA"),
        ("site.example", "NS"),
        ("site.example", "MX"),
        ("site.example", "TXT"),
        ("site.example", "CAA"),
        ("_sip._tcp.site.example", "SRV"),
        ("_443._tcp.site.example", "TLSA"),
        ("child.site.example", "DS"),
        ("txt.site.example", "TXT"),
    ] {
        let reply = server.dig(&[name, rtype]);
        assert_eq!(reply.types(), [rtype], "{reply}");
        assert!(reply.aa() && reply.ede.is_empty(), "{reply}");
        assert!(reply.answer.iter().all(|r| r.ttl == 3600), "ungated data keeps its TTL\n{reply}");
        assert!(!reply.mentions("192.0.2."), "nor does an address come along\n{reply}");
    }
    // No site name, or nothing there to keep back: plain NODATA, and no word of a filing.
    for (name, rtype) in [("txt.site.example", "A"), ("sip.site.example", "MX")] {
        let reply = server.dig(&[name, rtype]);
        assert!(reply.is_nodata() && reply.ede.is_empty(), "{reply}");
    }
}

#[test]
fn a_cname_never_leaks_by_way_of_another_type() {
    let server = unfiled("@ A 192.0.2.10\nwww CNAME cdn.elsewhere.invalid.\n");
    for rtype in ["CNAME", "MX", "TXT", "HTTPS", "SRV", "DS", "TYPE65400"] {
        let reply = server.dig(&["www.site.example", rtype]);
        assert_gated_nodata(&reply);
        assert!(!reply.mentions("elsewhere.invalid"), "{reply}");
    }
    for rtype in ["A", "AAAA"] {
        let reply = server.dig(&["www.site.example", rtype]);
        assert_notice(&reply);
        assert_eq!(reply.types(), [rtype], "no CNAME before it\n{reply}");
    }
    let reply = server.dig(&["+tcp", "www.site.example", "ANY"]);
    assert!(!reply.mentions("elsewhere.invalid"), "{reply}");
}

#[test]
fn any_shows_no_gated_data() {
    let server = unfiled(
        "@ A 192.0.2.10\n@ TXT \"free\"\n@ HTTPS 1 . ipv4hint=192.0.2.10\nwww A 192.0.2.10\n\
         both A 192.0.2.10\nboth TXT \"free\"\n",
    );
    for transport in ["+notcp", "+tcp"] {
        // The first RRset that is free, and the notice only where none is.
        for (name, rtype) in
            [("site.example", "NS"), ("both.site.example", "TXT"), ("www.site.example", "A")]
        {
            let reply = server.dig(&[transport, name, "ANY"]);
            assert_eq!((reply.status.as_str(), reply.types()), ("NOERROR", vec![rtype]), "{reply}");
            assert!(!reply.mentions("192.0.2."), "{reply}");
            assert_eq!(reply.is_notice(), rtype == "A", "{reply}");
        }
    }
}

#[test]
fn a_dname_never_leaks() {
    let server = unfiled("@ A 192.0.2.10\nold DNAME new.elsewhere.invalid.\nold TXT \"beside\"\n");
    for name in ["old.site.example", "www.old.site.example", "a.b.old.site.example"] {
        for rtype in ["A", "AAAA"] {
            let reply = server.dig(&[name, rtype]);
            assert_notice(&reply);
            assert!(!reply.mentions("elsewhere.invalid"), "{reply}");
        }
        for rtype in ["DNAME", "CNAME", "HTTPS"] {
            let reply = server.dig(&[name, rtype]);
            assert_gated_nodata(&reply);
            assert!(!reply.mentions("elsewhere.invalid"), "{reply}");
        }
        // Below the owner any type would lead on; at the owner there simply is none.
        let reply = server.dig(&[name, "MX"]);
        assert_eq!((reply.status.as_str(), reply.answer.len()), ("NOERROR", 0), "{reply}");
        assert!(!reply.mentions("elsewhere.invalid"), "{reply}");
    }
    assert_eq!(server.dig(&["old.site.example", "TXT"]).data("TXT"), ["\"beside\""]);
}

#[test]
fn a_referral_never_leaks() {
    let server = unfiled(
        "@ A 192.0.2.10\nchild NS ns.child\nns.child A 192.0.2.12\nout NS ns.elsewhere.invalid.\n",
    );
    for name in [
        "child.site.example",
        "www.child.site.example",
        "ns.child.site.example",
        "a.out.site.example",
    ] {
        for rtype in ["A", "AAAA"] {
            let reply = server.dig(&[name, rtype]);
            assert_notice(&reply);
            assert!(rdata(&reply.authority, "NS").is_empty(), "{reply}");
        }
        for rtype in ["NS", "TXT", "MX", "CNAME"] {
            let reply = server.dig(&[name, rtype]);
            assert_gated_nodata(&reply);
            assert!(!reply.mentions("elsewhere.invalid") && !reply.mentions("192.0.2."), "{reply}");
        }
    }
}

#[test]
fn negative_answers_are_bounded_by_the_notice_ttl() {
    let server = unfiled("@ A 192.0.2.10\ntxt TXT \"t\"\n");
    let reply = server.dig(&["nothing.site.example", "A"]);
    assert_eq!(reply.status, "NXDOMAIN", "what does not exist does not, blocked or not\n{reply}");
    assert!(reply.soa().is_some_and(|soa| soa.ttl == NOTICE_TTL), "{reply}");
    let reply = server.dig(&["txt.site.example", "MX"]);
    assert!(reply.is_nodata() && reply.soa().is_some_and(|soa| soa.ttl == NOTICE_TTL), "{reply}");
    server.records(&[Record::open("site.example")]);
    server.opens("site.example");
    let reply = server.dig(&["nothing.site.example", "A"]);
    assert!(reply.soa().is_some_and(|soa| soa.ttl == 300), "RFC 2308 alone, where open\n{reply}");
}

#[test]
fn the_question_keeps_its_case_in_a_blocked_answer() {
    let server = unfiled("www A 192.0.2.10\n");
    let reply = server.dig(&["wWw.SiTe.eXaMpLe", "A"]);
    assert_notice(&reply);
    assert!(reply.question[0].starts_with("wWw.SiTe.eXaMpLe."), "{reply}");
    assert_eq!(reply.answer[0].owner, "wWw.SiTe.eXaMpLe.", "{reply}");
}

#[test]
fn blocked_answers_are_the_same_over_tcp() {
    let server = unfiled("www A 192.0.2.10\n");
    let (udp, tcp) =
        (server.dig(&["www.site.example", "A"]), server.dig(&["+tcp", "www.site.example", "A"]));
    assert_notice(&tcp);
    assert_eq!((udp.answer, udp.ede), (tcp.answer, tcp.ede));
}

// --- Never gated, and the ways round -----------------------------------------------------------

#[test]
fn exempt_zones_are_never_gated() {
    let mut site = Site::new();
    site.gate("exempt_zones", r#"["site.example"]"#);
    site.plain_zone("other.example");
    let server = unfiled_in(site, "@ A 192.0.2.10\nwww CNAME @\n");
    let reply = server.opens("www.site.example");
    assert_eq!(reply.types(), ["CNAME", "A"], "{reply}");
    server.blocked("www.other.example", "no-filing");
}

#[test]
fn nameservers_at_the_providers_addresses_are_free() {
    let mut site = Site::new();
    site.gate("nameserver_addresses", r#"["192.0.2.53", "2001:db8:1::53"]"#);
    let server = unfiled_in(
        site,
        "@ NS ns9\nns9 A 192.0.2.53\nns9 AAAA 2001:db8:1::53\n\
         @ NS www\nwww A 192.0.2.10\n\
         @ NS half\nhalf A 192.0.2.53\nhalf A 192.0.2.10\n\
         web A 192.0.2.53\n",
    );
    assert_eq!(server.opens("ns9.site.example").data("A"), ["192.0.2.53"]);
    assert_eq!(server.dig(&["ns9.site.example", "AAAA"]).data("AAAA"), ["2001:db8:1::53"]);
    // The ways round: a site named as a nameserver, one address among others, no nameserver at all.
    for name in ["www.site.example", "half.site.example", "web.site.example"] {
        assert_notice(&server.dig(&[name, "A"]));
    }
    let reply = server.dig(&["site.example", "NS"]);
    assert!(!reply.mentions("192.0.2.10"), "nor in the additional section\n{reply}");
}

#[test]
fn acme_domainkey_and_dmarc_are_free_but_not_their_addresses() {
    let server = unfiled(
        "@ A 192.0.2.10\n_acme-challenge CNAME ch.elsewhere.invalid.\n_acme-challenge.www TXT \"token\"\n\
         k1._domainkey CNAME k1.elsewhere.invalid.\n_dmarc TXT \"v=DMARC1; p=none\"\n\
         _dmarc.web A 192.0.2.11\n_http A 192.0.2.12\n_http.alias CNAME www.elsewhere.invalid.\n",
    );
    for (name, rtype) in [
        ("_acme-challenge.site.example", "TXT"),
        ("_acme-challenge.site.example", "CNAME"),
        ("k1._domainkey.site.example", "TXT"),
        ("k1._domainkey.site.example", "CNAME"),
    ] {
        let reply = server.dig(&[name, rtype]);
        assert_eq!(reply.types(), ["CNAME"], "{reply}");
    }
    assert_eq!(server.dig(&["_acme-challenge.www.site.example", "TXT"]).data("TXT"), ["\"token\""]);
    assert_eq!(server.dig(&["_dmarc.site.example", "TXT"]).data("TXT"), ["\"v=DMARC1; p=none\""]);
    for name in ["_dmarc.web.site.example", "_http.site.example", "_http.alias.site.example"] {
        assert_notice(&server.dig(&[name, "A"]));
    }
    let reply = server.dig(&["_http.alias.site.example", "TXT"]);
    assert!(!reply.mentions("elsewhere.invalid"), "{reply}");
}

#[test]
fn mail_hosts_are_gated_unless_exempt() {
    let body = "@ A 192.0.2.10\n@ MX 10 mail\nmail A 192.0.2.11\n";
    let server = unfiled(body);
    assert_notice(&server.dig(&["mail.site.example", "A"]));
    let reply = server.dig(&["site.example", "MX"]);
    assert_eq!(reply.data("MX"), ["10 mail.site.example."], "{reply}");
    assert!(!reply.mentions("192.0.2.11"), "nor in the additional section\n{reply}");
    drop(server);
    let mut site = Site::new();
    site.gate("exempt_mail_hosts", "true");
    let server = unfiled_in(site, body);
    assert_eq!(server.opens("mail.site.example").data("A"), ["192.0.2.11"]);
    assert_notice(&server.dig(&["site.example", "A"]));
}

#[test]
fn reverse_zones_are_never_gated() {
    let site = Site::new();
    site.zone(
        "2.0.192.in-addr.arpa",
        "10 PTR www.site.example.\nns A 192.0.2.10\n16-31 NS ns.customer.invalid.\n",
    );
    let server = unfiled_in(site, "www A 192.0.2.10\n");
    assert_eq!(server.dig(&["-x", "192.0.2.10"]).data("PTR"), ["www.site.example."]);
    assert_eq!(server.dig(&["ns.2.0.192.in-addr.arpa", "A"]).data("A"), ["192.0.2.10"]);
    let reply = server.dig(&["17.16-31.2.0.192.in-addr.arpa", "PTR"]);
    assert_eq!(rdata(&reply.authority, "NS"), ["ns.customer.invalid."], "{reply}");
}

// --- CNAME chains ------------------------------------------------------------------------------

/// `open.example` is filed, `site.example` is not.
#[track_caller]
fn open_and_unfiled(open_body: &str, unfiled_body: &str) -> Server {
    let site = Site::new();
    site.zone("open.example", open_body).zone("site.example", unfiled_body);
    site.records(&[Record::open("open.example")]);
    site.start()
}

#[test]
fn a_chain_from_an_open_name_ends_at_a_blocked_one() {
    let server = open_and_unfiled(
        "www CNAME hop\nhop CNAME www.site.example.\n",
        "www CNAME deeper\ndeeper A 192.0.2.66\ntxt TXT \"own\"\n",
    );
    let reply = server.dig(&["www.open.example", "A"]);
    assert_eq!(reply.types(), ["CNAME", "A"], "{reply}");
    assert_eq!(reply.answer.len(), 3, "{reply}");
    assert_eq!(reply.answer[2].owner, "www.site.example.", "{reply}");
    assert_eq!(reply.answer[2].rdata, NOTICE_IPV4, "{reply}");
    assert_eq!(reply.ede, [(4, "icp:no-filing".to_owned())], "{reply}");
    assert!(!reply.mentions("deeper"), "{reply}");
    // Another type meets the same end without an address.
    let reply = server.dig(&["www.open.example", "TXT"]);
    assert_eq!(reply.types(), ["CNAME"], "{reply}");
    assert!(!reply.mentions("deeper"), "{reply}");
}

#[test]
fn a_chain_from_a_blocked_name_shows_nothing_of_an_open_one() {
    let server = open_and_unfiled("www A 192.0.2.20\n", "www CNAME www.open.example.\n");
    let reply = server.dig(&["www.site.example", "A"]);
    assert_notice(&reply);
    assert_eq!(reply.types(), ["A"], "{reply}");
}

#[test]
fn a_dname_of_an_open_zone_into_a_blocked_one() {
    let server = open_and_unfiled("old DNAME site.example.\n", "www A 192.0.2.66\n");
    let reply = server.dig(&["www.old.open.example", "A"]);
    assert_eq!(reply.types(), ["DNAME", "CNAME", "A"], "{reply}");
    assert_eq!(reply.data("A"), [NOTICE_IPV4], "{reply}");
}

#[test]
fn an_additional_section_is_gated_by_its_own_names() {
    let server = open_and_unfiled(
        "@ MX 10 mail.site.example.\n@ SRV 1 1 443 www.site.example.\n@ HTTPS 0 www.site.example.\n",
        "mail A 192.0.2.66\nwww A 192.0.2.67\n",
    );
    for rtype in ["MX", "SRV", "HTTPS"] {
        let reply = server.dig(&["open.example", rtype]);
        assert_eq!(reply.types(), [rtype], "{reply}");
        assert!(!reply.mentions("192.0.2.6"), "{reply}");
    }
}

#[test]
fn a_freed_mail_host_shows_no_service_of_its_own_beside_another() {
    let mut site = Site::new();
    site.gate("exempt_mail_hosts", "true");
    // `app` is filed; what `there` has beside its addresses is not.
    site.zone(
        "site.example",
        "@ MX 10 there\napp A 192.0.2.9\napp HTTPS 1 there alpn=h2\n\
         there A 192.0.2.11\nthere HTTPS 1 www alpn=h2\nwww A 192.0.2.10\n",
    );
    site.records(&[Record::open("app.site.example")]);
    let server = site.start();
    let reply = server.dig(&["app.site.example", "HTTPS"]);
    assert_eq!(reply.types(), ["HTTPS"], "{reply}");
    assert_eq!(rdata(&reply.additional, "A"), ["192.0.2.11"], "{reply}");
    assert!(rdata(&reply.additional, "HTTPS").is_empty(), "{reply}");
    assert!(!reply.mentions("www.site.example"), "{reply}");
}

#[test]
fn a_target_outside_the_hosted_zones_counts_as_own() {
    let body = "@ A 203.0.113.10\nwww CNAME cdn.elsewhere.invalid.\nalias HTTPS 0 cdn.elsewhere.invalid.\n";
    let server = unfiled(body);
    // The overseas address is free, the unknown target is not.
    assert_eq!(server.opens("site.example").data("A"), ["203.0.113.10"]);
    assert_notice(&server.dig(&["www.site.example", "A"]));
    assert_gated_nodata(&server.dig(&["alias.site.example", "HTTPS"]));
    server.records(&[Record::open("site.example")]);
    server.dig_until(&["www.site.example", "A"], |r| r.types() == ["CNAME"] && r.ede.is_empty());
}

#[test]
fn a_target_outside_the_hosted_zones_is_open_by_setting() {
    let mut site = Site::new();
    site.gate("external_targets", "\"open\"");
    let server = unfiled_in(
        site,
        "@ A 192.0.2.10\nwww CNAME cdn.elsewhere.invalid.\nalias HTTPS 0 cdn.elsewhere.invalid.\n",
    );
    assert_eq!(server.dig(&["www.site.example", "A"]).types(), ["CNAME"]);
    assert_eq!(server.dig(&["alias.site.example", "HTTPS"]).types(), ["HTTPS"]);
    assert_notice(&server.dig(&["site.example", "A"]));
}

// --- Regions -----------------------------------------------------------------------------------

#[test]
fn the_strictest_address_of_a_name_counts() {
    let server = unfiled(
        "over A 203.0.113.10\nmixed A 203.0.113.10\nmixed A 192.0.2.10\n\
         split A 203.0.113.10\nsplit AAAA 2001:db8:1::10\nboth A 203.0.113.10\nboth AAAA 2001:db8:3::10\n",
    );
    for name in ["over.site.example", "both.site.example"] {
        server.opens(name);
    }
    for name in ["mixed.site.example", "split.site.example"] {
        assert_notice(&server.dig(&[name, "A"]));
        assert_notice(&server.dig(&[name, "AAAA"]));
    }
}

#[test]
fn an_unknown_region_counts_as_own() {
    let server = unfiled("a A 100.64.0.1\nb AAAA 2001:db8:ffff::1\n");
    assert_notice(&server.dig(&["a.site.example", "A"]));
    assert_notice(&server.dig(&["b.site.example", "AAAA"]));
    server.records(&[Record::elsewhere("site.example")]);
    server.blocked("a.site.example", "held-elsewhere");
}

#[test]
fn an_alias_is_where_its_hosted_target_is() {
    let site = Site::new();
    site.zone("overseas.example", "www A 203.0.113.10\n");
    let server =
        unfiled_in(site, "www CNAME www.overseas.example.\nhere CNAME ours\nours A 192.0.2.10\n");
    let reply = server.opens("www.site.example");
    assert_eq!(reply.types(), ["CNAME", "A"], "{reply}");
    assert_notice(&server.dig(&["here.site.example", "A"]));
}

#[test]
fn https_hints_are_addresses_of_the_name() {
    let server = unfiled(
        "over A 203.0.113.10\nover HTTPS 1 . ipv4hint=203.0.113.10\nhint A 203.0.113.10\nhint HTTPS 1 . ipv4hint=192.0.2.10\n",
    );
    assert_eq!(server.dig(&["over.site.example", "HTTPS"]).types(), ["HTTPS"]);
    let reply = server.dig(&["hint.site.example", "HTTPS"]);
    assert!(!reply.mentions("192.0.2.10"), "a hint is no way round\n{reply}");
}

#[test]
fn the_longest_prefix_wins() {
    let mut site = Site::new();
    site.regions(
        "own = [\"192.0.2.0/24\", \"203.0.113.192/26\"]\noverseas = [\"192.0.2.128/25\", \"203.0.113.0/24\"]\n",
    );
    let server =
        unfiled_in(site, "a A 192.0.2.10\nb A 192.0.2.200\nc A 203.0.113.10\nd A 203.0.113.200\n");
    assert_notice(&server.dig(&["a.site.example", "A"]));
    server.opens("b.site.example");
    server.opens("c.site.example");
    assert_notice(&server.dig(&["d.site.example", "A"]));
}

#[test]
fn without_a_list_of_our_own_every_mainland_address_is_ours() {
    let mut site = Site::new();
    site.regions("mainland = [\"198.51.100.0/24\"]\noverseas = [\"203.0.113.0/24\"]\n");
    let server = unfiled_in(site, "www A 198.51.100.10\nover A 203.0.113.10\n");
    server.opens("over.site.example");
    server.records(&[Record::elsewhere("site.example")]);
    server.blocked("www.site.example", "held-elsewhere");
}

// --- Extended errors and TTLs ------------------------------------------------------------------

#[test]
fn extended_errors_need_edns_and_their_codes_can_be_set() {
    let mut site = Site::new();
    site.gate("ede_notice", "17").gate("ede_nodata", "15");
    let server = unfiled_in(site, "www A 192.0.2.10\nwww HTTPS 1 .\n");
    assert_eq!(server.dig(&["www.site.example", "A"]).ede, [(17, "icp:no-filing".to_owned())]);
    assert_eq!(server.dig(&["www.site.example", "HTTPS"]).ede, [(15, "icp:no-filing".to_owned())]);
    let reply = server.dig(&["+noedns", "www.site.example", "A"]);
    assert!(reply.edns.is_none() && reply.ede.is_empty() && reply.is_notice(), "{reply}");
}

#[test]
fn max_open_ttl_caps_gated_data_only() {
    let mut site = Site::new();
    site.gate("max_open_ttl", "30");
    site.zone(
        "site.example",
        "@ A 192.0.2.10\n@ MX 10 mx.hoster.example.\nwww CNAME @\nshort 5 A 192.0.2.11\n",
    );
    site.records(&[Record::open("site.example")]);
    let server = site.start();
    let reply = server.opens("www.site.example");
    assert!(reply.answer.iter().all(|r| r.ttl == 30), "{reply}");
    assert_eq!(server.dig(&["short.site.example", "A"]).answer[0].ttl, 5);
    assert_eq!(server.dig(&["site.example", "MX"]).answer[0].ttl, 3600);
}

#[test]
fn ttls_end_before_the_next_change_of_the_verdict() {
    let site = Site::new();
    site.plain_zone("closing.example").plain_zone("opening.example").plain_zone("soon.example");
    site.records(&[
        Record::open("closing.example")
            .set("application", "change-domain")
            .set("application_status", "approved")
            .set("application_at", &from_now(600))
            .set("new_domain", "later.example"),
        Record::in_force("opening.example").set("synced_at", &from_now(600)),
        Record::in_force("soon.example").set("synced_at", &from_now(40)),
    ]);
    let server = site.start();
    let reply = server.opens("closing.example");
    assert!((1..=600).contains(&reply.answer[0].ttl), "{reply}");
    assert!(reply.answer[0].ttl > 60, "the open answer's TTL, not the notice's\n{reply}");
    let reply = server.blocked("opening.example", "not-synced");
    assert_eq!(reply.answer[0].ttl, NOTICE_TTL, "{reply}");
    let reply = server.dig_until(&["soon.example", "A"], |r| r.is_notice());
    assert!((1..=40).contains(&reply.answer[0].ttl), "{reply}");
}

// --- Modes, and asking why ---------------------------------------------------------------------

#[test]
fn observe_mode_answers_with_the_real_data() {
    let mut site = Site::new();
    site.gate("mode", "\"observe\"");
    site.zone("other.example", "www A 192.0.2.12\n");
    let server = unfiled_in(
        site,
        "@ A 192.0.2.10\nwww CNAME @\nout CNAME www.other.example.\n@ HTTPS 1 .\n\
         child NS ns.child\nns.child A 192.0.2.11\n",
    );
    for name in ["www.site.example", "out.site.example"] {
        let reply = server.dig(&[name, "A"]);
        assert_eq!(reply.types(), ["CNAME", "A"], "{reply}");
        assert!(reply.ede.is_empty() && reply.answer.iter().all(|r| r.ttl == 3600), "{reply}");
    }
    assert_eq!(server.dig(&["site.example", "HTTPS"]).types(), ["HTTPS"]);
    let reply = server.dig(&["www.child.site.example", "A"]);
    assert_eq!(rdata(&reply.authority, "NS"), ["ns.child.site.example."], "{reply}");
    // It decides all the same.
    let reply = server.dig(&["_icp.site.example", "TXT"]);
    assert!(reply.mentions("no-filing"), "{reply}");
}

#[test]
fn icp_txt_says_why_open_or_blocked() {
    let mut site = Site::new();
    site.gate("notice_page", "\"https://icp.hoster.example/?domain={domain}\"");
    site.zone("own.example", "@ A 192.0.2.10\n_icp TXT \"the zone's own\"\n");
    let server = unfiled_in(site, "@ A 192.0.2.10\n");
    let reply = server.dig(&["_icp.site.example", "TXT"]);
    assert_eq!((reply.status.as_str(), reply.aa()), ("NOERROR", true), "{reply}");
    assert!(reply.mentions("blocked") && reply.mentions("no-filing"), "{reply}");
    assert!(reply.mentions("https://icp.hoster.example/?domain=site.example"), "{reply}");
    assert!(reply.answer[0].ttl <= NOTICE_TTL, "{reply}");
    assert_eq!(server.dig(&["_icp.own.example", "TXT"]).data("TXT"), ["\"the zone's own\""]);
    server.records(&[Record::open("site.example")]);
    let reply = server.dig_until(&["_icp.site.example", "TXT"], |r| !r.mentions("no-filing"));
    assert!(reply.mentions("open") && reply.mentions("2024-05-01"), "and since when\n{reply}");
    assert_eq!(
        server.dig(&["_icp.www.site.example", "TXT"]).status,
        "NXDOMAIN",
        "the site domain only"
    );
}

#[test]
fn a_zone_that_failed_to_load_is_servfail_not_ready() {
    let site = Site::new();
    replace(&site.path("zones/broken.example.zone"), "$TTL 60\n@ SOA ns1 hostmaster ( 1 2 3\n");
    let server = unfiled_in(site, "@ A 192.0.2.10\n");
    for name in ["broken.example", "www.broken.example"] {
        let reply = server.dig(&[name, "A"]);
        assert_eq!(reply.status, "SERVFAIL", "{reply}");
        assert_eq!(reply.ede.first().map(|(code, _)| *code), Some(14), "{reply}");
    }
    assert_notice(&server.dig(&["site.example", "A"]));
    // And it serves as soon as it is mended.
    server.site.plain_zone("broken.example");
    server.blocked("www.broken.example", "no-filing");
}

#[test]
fn what_is_not_hosted_is_refused_with_ede_20() {
    let server = unfiled("@ A 192.0.2.10\n");
    for name in ["www.nothosted.example", "example", "."] {
        let reply = server.dig(&[name, "A"]);
        assert_eq!(reply.status, "REFUSED", "{reply}");
        assert_eq!(reply.ede.first().map(|(code, _)| *code), Some(20), "{reply}");
    }
}

// --- What a filing covers ----------------------------------------------------------------------

#[test]
fn a_filing_covers_its_domain_and_every_name_below() {
    let site = Site::new();
    site.zone("sub.site.example", "@ A 192.0.2.20\nwww A 192.0.2.20\n");
    let server = unfiled_in(site, "@ A 192.0.2.10\na.b.c A 192.0.2.11\n");
    assert_notice(&server.dig(&["www.sub.site.example", "A"]));
    server.records(&[Record::open("site.example")]);
    for name in ["site.example", "a.b.c.site.example", "sub.site.example", "www.sub.site.example"] {
        server.opens(name);
    }
}

#[test]
fn a_record_below_the_site_domain_covers_that_name_only() {
    let server = unfiled("@ A 192.0.2.10\napp A 192.0.2.11\nx.app A 192.0.2.12\n");
    server.records(&[Record::open("app.site.example")]);
    server.opens("app.site.example");
    server.opens("x.app.site.example");
    assert_notice(&server.dig(&["site.example", "A"]));
}

#[test]
fn app_filings_open_no_website_unless_set() {
    let server = unfiled("@ A 192.0.2.10\n");
    server.records(&[Record::open("site.example").set("kind", "app")]);
    server.reloaded();
    assert_notice(&server.dig(&["site.example", "A"]));
    drop(server);
    let mut site = Site::new();
    site.gate("app_filings_open", "true");
    let server = unfiled_in(site, "@ A 192.0.2.10\n");
    server.records(&[Record::open("site.example").set("kind", "app")]);
    server.opens("site.example");
}

#[test]
fn a_filing_may_be_written_in_unicode() {
    let site = Site::new();
    site.plain_zone("xn--fsqu00a.example").records(&[]);
    let server = site.start();
    server.blocked("www.xn--fsqu00a.example", "no-filing");
    server.records(&[Record::open("例子.example")]);
    server.opens("www.xn--fsqu00a.example");
    server.records(&[Record::in_force("例子。example")]);
    server.blocked("www.xn--fsqu00a.example", "not-synced");
}

#[test]
fn the_site_domain_goes_by_the_public_suffix_list() {
    let site = Site::new();
    site.plain_zone("shop.com.cn").plain_zone("other.com.cn");
    site.records(&[Record::open("shop.com.cn")]);
    let server = site.start();
    server.opens("www.shop.com.cn");
    server.blocked("www.other.com.cn", "no-filing");
    // A filing of a public suffix is a fault, and opens nothing.
    server.records(&[Record::open("shop.com.cn"), Record::open("com.cn")]);
    server.reload(&[]);
    server.blocked("www.other.com.cn", "no-filing");
}

#[test]
fn a_zone_that_spans_several_site_domains_keeps_a_verdict_for_each() {
    let site = Site::new();
    site.zone("example", "www.one A 192.0.2.10\nwww.two A 192.0.2.11\nns1.hoster A 192.0.2.53\nns2.hoster A 192.0.2.54\n");
    site.records(&[Record::open("one.example")]);
    let server = site.start();
    server.opens("www.one.example");
    server.blocked("www.two.example", "no-filing");
    server.records(&[Record::open("two.example"), Record::elsewhere("one.example")]);
    server.opens("www.two.example");
    server.blocked("www.one.example", "held-elsewhere");
}

#[test]
fn an_overseas_name_shows_no_blocked_address_beside_its_answer() {
    let site = Site::new();
    site.zone(
        "site.example",
        "@ A 203.0.113.10\n@ MX 10 mail\n@ SRV 1 1 443 mail\nmail A 192.0.2.12\n",
    );
    let server = site.start();
    assert_eq!(server.dig(&["site.example", "A"]).data("A"), ["203.0.113.10"]);
    for rtype in ["MX", "SRV"] {
        let reply = server.dig(&["site.example", rtype]);
        assert!(reply.answer.len() == 1 && !reply.mentions("192.0.2.12"), "{reply}");
    }
}

#[test]
fn any_at_an_overseas_name_is_answered_as_it_stands() {
    let site = Site::new();
    site.zone("site.example", "@ A 192.0.2.10\nover A 203.0.113.10\n*.wild A 203.0.113.11\n");
    let server = site.start();
    server.blocked("site.example", "no-filing");
    for (name, address) in [("over", "203.0.113.10"), ("any.wild", "203.0.113.11")] {
        let reply = server.dig(&["+notcp", &format!("{name}.site.example"), "ANY"]);
        assert_eq!(reply.data("A"), [address], "{reply}");
    }
}
