//! What the RFCs ask of an authoritative server (DESIGN 3), as a user of `dig` sees it, against the
//! real binary. What `dig` cannot send is in `conformance`. The zones are filed and open, so that
//! the gate plays no part.

mod common;

use common::{Record, Server, Site, exchange, query, rdata};

const TRICKY: &str = "\
@ A 192.0.2.10
@ MX 10 mail
@ TXT \"apex\"
www A 192.0.2.11
mail A 192.0.2.12
mail AAAA 2001:db8:1::12
alias CNAME www
alias2 CNAME alias
nowhere CNAME missing
loop CNAME loop2
loop2 CNAME loop
self CNAME self
a.b.ent A 192.0.2.13
*.wild A 192.0.2.14
*.wild MX 10 mail
present.wild TXT \"here\"
x.under.wild TXT \"makes under.wild an empty non-terminal\"
*.wildalias CNAME www
old DNAME new
old TXT \"beside\"
deeper DNAME a.deeper
up DNAME @
tohosted CNAME hosted
www.new A 192.0.2.15
long DNAME a23456789012345678901234567890123456789012345678901234567890.b23456789012345678901234567890123456789012345678901234567890.c23456789012345678901234567890123456789012345678901234567890
child NS ns.child
child NS ns.other.child
ns.child A 192.0.2.20
ns.child AAAA 2001:db8:1::20
ns.other.child A 192.0.2.21
outside NS ns1.hoster.example.
signed NS ns1.hoster.example.
signed DS 12345 13 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF
srv SRV 1 1 443 mail
https HTTPS 1 mail alpn=h2
unknown TYPE65400 \\# 3 010203
";

fn large() -> String {
    let many = |line: fn(usize) -> String| (0..20).map(line).collect::<String>();
    // About 3 kB of TXT, and an RRset of addresses that fits beside nothing else.
    let texts: String =
        (0..40).map(|i| format!("big TXT \"{i:02} {}\"\n", "x".repeat(70))).collect();
    // Names that fit in 512 bytes, but not with their addresses.
    let mail = many(|i| format!("many MX {i} m{i}\nm{i} A 192.0.2.{}\n", 100 + i));
    let glue = many(|i| format!("cut NS n{i}.cut\nn{i}.cut A 192.0.2.{}\n", 120 + i));
    [texts, mail, glue].concat()
}

#[track_caller]
fn open_zone() -> Server {
    open_zone_in(Site::new())
}

#[track_caller]
fn open_zone_in(mut site: Site) -> Server {
    site.one_port();
    site.zone("site.example", &format!("{TRICKY}{}", large()));
    site.zone("target.example", "www A 192.0.2.30\nback CNAME alias2.site.example.\n");
    site.zone("chain.example", "www CNAME www.target.example.\nback CNAME back.target.example.\nout CNAME www.elsewhere.invalid.\n");
    site.zone("hosted.site.example", "@ A 192.0.2.31\nwww A 192.0.2.32\n");
    site.records(&[
        Record::open("site.example"),
        Record::open("target.example"),
        Record::open("chain.example"),
    ]);
    site.start()
}

// --- Keys (RFC 8945) ---------------------------------------------------------------------------

/// As Knot, NSD and BIND tell it.
#[test]
fn a_key_that_nobody_knows_is_told_by_an_unsigned_record() {
    let server = open_zone();
    let key = "hmac-sha256:Nobody.example:AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    for transport in ["+notcp", "+tcp"] {
        for edns in ["+edns", "+noedns"] {
            let reply = server.dig(&["-y", key, "www.site.example", "A", transport, edns]);
            assert_eq!(reply.status, "NOTAUTH", "{reply}");
            assert!(reply.answer.is_empty() && reply.authority.is_empty(), "{reply}");
            assert_eq!(reply.edns.is_some(), edns == "+edns", "{reply}");
            let tsig = reply.raw.lines().find(|line| line.contains("\tTSIG\t"));
            let tsig: Vec<&str> = tsig.unwrap_or_default().split_whitespace().collect();
            let [name, "0", "ANY", "TSIG", "hmac-sha256.", time, "300", mac_len, id, error, other] =
                tsig[..]
            else {
                panic!("no TSIG record as it should be\n{reply}");
            };
            assert_eq!((name, mac_len, error, other), ("nobody.example.", "0", "BADKEY", "0"));
            assert!(reply.raw.contains(&format!(", id: {id}\n")), "{reply}");
            let signed_at: i64 = time.parse().expect("a number");
            assert!((jiff::Timestamp::now().as_second() - signed_at).abs() < 60, "{reply}");
        }
    }
}

// --- Finding the answer (RFC 1034 §4.3.2) ------------------------------------------------------

#[test]
fn positive_nodata_and_nxdomain() {
    let server = open_zone();
    let reply = server.dig(&["www.site.example", "A"]);
    assert_eq!((reply.status.as_str(), reply.aa()), ("NOERROR", true), "{reply}");
    assert_eq!(reply.data("A"), ["192.0.2.11"], "{reply}");
    assert!(!reply.flag("ra"), "{reply}");
    let reply = server.dig(&["www.site.example", "AAAA"]);
    assert!(reply.is_nodata() && reply.aa(), "{reply}");
    let reply = server.dig(&["missing.site.example", "A"]);
    assert_eq!(reply.status, "NXDOMAIN", "{reply}");
    assert!(reply.aa() && reply.answer.is_empty(), "{reply}");
    assert_eq!(
        reply.soa().map(|s| (s.owner.as_str(), s.ttl)),
        Some(("site.example.", 300)),
        "{reply}"
    );
}

#[test]
fn empty_non_terminals_are_nodata() {
    let server = open_zone();
    for name in ["ent.site.example", "b.ent.site.example", "wild.site.example", "new.site.example"]
    {
        let reply = server.dig(&[name, "A"]);
        assert!(reply.is_nodata(), "RFC 8020: {name} exists\n{reply}");
    }
    assert_eq!(server.dig(&["z.ent.site.example", "A"]).status, "NXDOMAIN");
    assert_eq!(server.dig(&["below.www.site.example", "A"]).status, "NXDOMAIN");
}

#[test]
fn wildcards_as_rfc_4592_has_them() {
    let server = open_zone();
    let reply = server.dig(&["q.wild.site.example", "A"]);
    assert_eq!(reply.answer[0].owner, "q.wild.site.example.", "{reply}");
    assert_eq!(reply.data("A"), ["192.0.2.14"], "{reply}");
    assert_eq!(server.dig(&["a.b.c.wild.site.example", "A"]).data("A"), ["192.0.2.14"]);
    assert!(server.dig(&["q.wild.site.example", "TXT"]).is_nodata());
    // A name that exists hides the wildcard, also by standing below.
    assert!(server.dig(&["present.wild.site.example", "A"]).is_nodata());
    assert!(server.dig(&["under.wild.site.example", "A"]).is_nodata());
    assert_eq!(server.dig(&["q.under.wild.site.example", "A"]).status, "NXDOMAIN");
    // Asked by its own name it is a name like another.
    assert_eq!(server.dig(&["*.wild.site.example", "A"]).answer[0].owner, "*.wild.site.example.");
    let reply = server.dig(&["q.wildalias.site.example", "A"]);
    assert_eq!(reply.types(), ["CNAME", "A"], "{reply}");
    assert_eq!(reply.answer[0].owner, "q.wildalias.site.example.", "{reply}");
}

#[test]
fn cname_chains_within_a_zone_and_across_hosted_zones() {
    let server = open_zone();
    let reply = server.dig(&["alias2.site.example", "A"]);
    assert_eq!(reply.types(), ["CNAME", "A"], "{reply}");
    assert_eq!(reply.answer.len(), 3, "{reply}");
    assert_eq!(reply.answer[0].owner, "alias2.site.example.", "in the chain's order\n{reply}");
    assert_eq!(server.dig(&["alias2.site.example", "CNAME"]).answer.len(), 1);
    assert_eq!(server.dig(&["www.chain.example", "A"]).data("A"), ["192.0.2.30"]);
    assert_eq!(server.dig(&["back.chain.example", "A"]).data("A"), ["192.0.2.11"]);
    let reply = server.dig(&["out.chain.example", "A"]);
    assert_eq!((reply.status.as_str(), reply.types()), ("NOERROR", vec!["CNAME"]), "{reply}");
}

#[test]
fn the_rcode_is_that_of_the_chains_end() {
    let server = open_zone();
    let reply = server.dig(&["nowhere.site.example", "A"]);
    assert_eq!(reply.status, "NXDOMAIN", "RFC 6604 §3\n{reply}");
    assert_eq!(reply.types(), ["CNAME"], "{reply}");
    assert!(reply.soa().is_some(), "{reply}");
    let reply = server.dig(&["alias.site.example", "AAAA"]);
    assert_eq!((reply.status.as_str(), reply.types()), ("NOERROR", vec!["CNAME"]), "{reply}");
    assert!(reply.soa().is_some(), "{reply}");
}

#[test]
fn a_cname_loop_is_told_once() {
    let server = open_zone();
    for (name, records) in [("loop.site.example", 2), ("self.site.example", 1)] {
        let reply = server.dig(&[name, "A"]);
        assert_eq!(reply.answer.len(), records, "{reply}");
        assert!(reply.answer.iter().all(|r| r.rtype == "CNAME"), "{reply}");
    }
    server.still_answers();
}

#[test]
fn dname_substitutes_below_and_not_at_itself() {
    let server = open_zone();
    let reply = server.dig(&["www.old.site.example", "A"]);
    assert_eq!(reply.types(), ["DNAME", "CNAME", "A"], "{reply}");
    assert_eq!(reply.data("CNAME"), ["www.new.site.example."], "{reply}");
    assert_eq!(reply.data("A"), ["192.0.2.15"], "{reply}");
    assert_eq!(server.dig(&["old.site.example", "DNAME"]).data("DNAME"), ["new.site.example."]);
    assert_eq!(server.dig(&["old.site.example", "TXT"]).data("TXT"), ["\"beside\""]);
    assert!(server.dig(&["old.site.example", "A"]).is_nodata());
    assert_eq!(server.dig(&["none.old.site.example", "A"]).status, "NXDOMAIN");
}

#[test]
fn dname_stands_in_the_answer_once_however_often_a_chain_comes_by() {
    let server = open_zone();
    for question in [
        ["q.deeper.site.example", "A"],
        ["up.up.up.site.example", "DNAME"],
        ["up.up.up.site.example", "ANY"],
    ] {
        let reply = server.dig(&question);
        assert_eq!(reply.data("DNAME").len(), 1, "RFC 2181 §5\n{reply}");
        assert!(reply.data("CNAME").len() > 1, "{reply}");
    }
}

#[test]
fn ds_at_the_end_of_a_chain_is_the_upper_zone_s_too() {
    let server = open_zone();
    for name in ["hosted.site.example", "tohosted.site.example"] {
        let reply = server.dig(&[name, "DS"]);
        let soa = reply.soa().map(|soa| soa.owner.as_str());
        assert_eq!(soa, Some("site.example."), "RFC 4035 §3.1.4.1\n{reply}");
    }
}

#[test]
fn dname_whose_result_is_too_long_is_yxdomain() {
    let server = open_zone();
    let label = "d".repeat(60);
    let reply = server.dig(&[&format!("{label}.long.site.example"), "A"]);
    assert_eq!(reply.status, "YXDOMAIN", "RFC 6672 §2.2\n{reply}");
    assert_eq!(reply.types(), ["DNAME"], "{reply}");
}

#[test]
fn referrals_have_aa_clear_and_their_glue() {
    let server = open_zone();
    for (name, rtype) in [
        ("child.site.example", "A"),
        ("www.child.site.example", "MX"),
        ("child.site.example", "NS"),
    ] {
        let reply = server.dig(&[name, rtype]);
        assert_eq!((reply.status.as_str(), reply.aa()), ("NOERROR", false), "{reply}");
        assert!(reply.answer.is_empty() && reply.soa().is_none(), "{reply}");
        assert_eq!(
            rdata(&reply.authority, "NS"),
            ["ns.child.site.example.", "ns.other.child.site.example."],
            "{reply}"
        );
        assert_eq!(rdata(&reply.additional, "A"), ["192.0.2.20", "192.0.2.21"], "{reply}");
        assert_eq!(rdata(&reply.additional, "AAAA"), ["2001:db8:1::20"], "{reply}");
    }
    // Glue is no answer.
    let reply = server.dig(&["ns.child.site.example", "A"]);
    assert!(!reply.aa() && reply.answer.is_empty(), "{reply}");
    let reply = server.dig(&["outside.site.example", "A"]);
    assert_eq!(rdata(&reply.authority, "NS"), ["ns1.hoster.example."], "{reply}");
    assert!(reply.additional.is_empty(), "{reply}");
}

#[test]
fn addresses_that_do_not_fit_are_left_out_but_for_glue() {
    let server = open_zone();
    let reply = server.dig(&["+ignore", "+noedns", "many.site.example", "MX"]);
    assert_eq!((reply.answer.len(), reply.flag("tc")), (20, false), "{reply}");
    assert!((1..20).contains(&reply.additional.len()), "{reply}");
    // RFC 9471 §3: a referral without its glue leads nowhere.
    let reply = server.dig(&["+ignore", "+noedns", "www.cut.site.example", "A"]);
    assert!(reply.flag("tc"), "{reply}");
    let reply = server.dig(&["+tcp", "www.cut.site.example", "A"]);
    assert_eq!((reply.authority.len(), reply.additional.len()), (20, 20), "{reply}");
}

#[test]
fn ds_is_answered_at_the_parent_side() {
    let server = open_zone();
    let reply = server.dig(&["signed.site.example", "DS"]);
    assert_eq!((reply.aa(), reply.types()), (true, vec!["DS"]), "{reply}");
    let reply = server.dig(&["outside.site.example", "DS"]);
    assert!(reply.is_nodata() && reply.aa(), "{reply}");
    // At an apex whose parent is here, too.
    let reply = server.dig(&["hosted.site.example", "DS"]);
    assert_eq!(reply.soa().map(|s| s.owner.as_str()), Some("site.example."), "{reply}");
    // At an apex whose parent is not, from the zone itself.
    let reply = server.dig(&["site.example", "DS"]);
    assert!(reply.is_nodata(), "{reply}");
}

#[test]
fn parent_and_child_both_hosted() {
    let server = open_zone();
    let reply = server.dig(&["www.hosted.site.example", "A"]);
    assert_eq!((reply.aa(), reply.data("A")), (true, vec!["192.0.2.32"]), "{reply}");
    let reply = server.dig(&["none.hosted.site.example", "A"]);
    assert_eq!(reply.soa().map(|s| s.owner.as_str()), Some("hosted.site.example."), "{reply}");
}

#[test]
fn additional_addresses_come_along() {
    let server = open_zone();
    for name in ["site.example MX", "srv.site.example SRV", "https.site.example HTTPS"] {
        let args: Vec<&str> = name.split(' ').collect();
        let reply = server.dig(&args);
        assert_eq!(rdata(&reply.additional, "A"), ["192.0.2.12"], "{reply}");
        assert_eq!(rdata(&reply.additional, "AAAA"), ["2001:db8:1::12"], "{reply}");
    }
}

#[test]
fn any_is_minimal() {
    let server = open_zone();
    let reply = server.dig(&["+notcp", "site.example", "ANY"]);
    assert_eq!((reply.status.as_str(), reply.aa()), ("NOERROR", true), "{reply}");
    assert_eq!(reply.types().len(), 1, "RFC 8482: one RRset or HINFO\n{reply}");
    // An alias is all that there is at its name: ANY does not follow it.
    let reply = server.dig(&["+notcp", "alias.site.example", "ANY"]);
    assert_eq!((reply.types(), reply.answer.len()), (vec!["CNAME"], 1), "{reply}");
    assert_eq!(server.dig(&["+notcp", "missing.site.example", "ANY"]).status, "NXDOMAIN");
}

#[test]
fn unknown_types_are_data_like_any_other() {
    let server = open_zone();
    assert_eq!(
        server.dig(&["unknown.site.example", "TYPE65400"]).data("TYPE65400"),
        ["\\# 3 010203"]
    );
    assert!(server.dig(&["www.site.example", "TYPE65401"]).is_nodata());
}

#[test]
fn names_match_in_any_case_and_the_question_keeps_its_own() {
    let server = open_zone();
    let reply = server.dig(&["WwW.sItE.eXaMpLe", "A"]);
    assert_eq!(reply.data("A"), ["192.0.2.11"], "{reply}");
    assert!(reply.question[0].starts_with("WwW.sItE.eXaMpLe."), "{reply}");
    assert_eq!(reply.answer[0].owner, "WwW.sItE.eXaMpLe.", "compressed onto the question\n{reply}");
}

// --- EDNS and truncation ---------------------------------------------------------------------

#[test]
fn edns_of_a_higher_version_is_badvers() {
    let server = open_zone();
    let reply = server.dig(&["+edns=1", "+noednsnegotiation", "www.site.example", "A"]);
    assert_eq!(reply.status, "BADVERS", "{reply}");
    assert!(reply.answer.is_empty(), "{reply}");
    assert!(reply.edns.as_deref().is_some_and(|e| e.contains("version: 0")), "{reply}");
}

#[test]
fn unknown_edns_options_and_flags_are_ignored() {
    let server = open_zone();
    let reply =
        server.dig(&["+ednsopt=65001:0102030405", "+ednsflags=0x00ff", "www.site.example", "A"]);
    assert_eq!(
        (reply.status.as_str(), reply.data("A")),
        ("NOERROR", vec!["192.0.2.11"]),
        "{reply}"
    );
    assert!(!reply.raw.contains("OPT=65001"), "nor sent back\n{reply}");
    assert!(!reply.raw.contains("MBZ"), "{reply}");
    let reply = server.dig(&["+dnssec", "www.site.example", "A"]);
    assert!(reply.edns.as_deref().is_some_and(|e| e.contains("do")), "DO is copied\n{reply}");
}

#[test]
fn no_edns_in_the_query_none_in_the_reply() {
    let server = open_zone();
    assert!(server.dig(&["+noedns", "www.site.example", "A"]).edns.is_none());
    let reply = server.dig(&["+bufsize=4096", "www.site.example", "A"]);
    assert!(reply.edns.as_deref().is_some_and(|e| e.contains("udp: 1232")), "RFC 9715\n{reply}");
}

#[test]
fn nsid_is_given_where_asked_for() {
    let mut site = Site::new();
    site.server("nsid = \"ns7.hoster\"");
    let server = open_zone_in(site);
    assert!(server.dig(&["+nsid", "www.site.example", "A"]).raw.contains("ns7.hoster"));
    assert!(!server.dig(&["www.site.example", "A"]).raw.contains("NSID"));
}

#[test]
fn cookies_are_given_and_known_again() {
    let server = open_zone();
    let reply = server.dig(&["+cookie=0011223344556677", "www.site.example", "A"]);
    let cookie = reply
        .raw
        .lines()
        .find_map(|l| l.strip_prefix("; COOKIE: "))
        .and_then(|l| l.split_whitespace().next())
        .unwrap_or_else(|| panic!("no cookie\n{reply}"))
        .to_owned();
    assert!(cookie.starts_with("0011223344556677") && cookie.len() == 48, "RFC 9018\n{reply}");
    let reply = server.dig(&[&format!("+cookie={cookie}"), "www.site.example", "A"]);
    assert_eq!((reply.status.as_str(), reply.raw.contains("(good)")), ("NOERROR", true), "{reply}");
    // A client cookie of a length that RFC 7873 does not know is FORMERR.
    let reply = server.dig(&["+nocookie", "+ednsopt=10:001122", "www.site.example", "A"]);
    assert_eq!(reply.status, "FORMERR", "{reply}");
}

#[test]
fn what_does_not_fit_is_truncated_by_whole_rrsets_and_keeps_opt() {
    let server = open_zone();
    let reply = server.dig(&["+ignore", "+bufsize=512", "big.site.example", "TXT"]);
    assert!(reply.flag("tc") && reply.aa(), "{reply}");
    assert!(reply.answer.is_empty(), "no part of an RRset\n{reply}");
    assert!(reply.edns.is_some(), "{reply}");
    let reply = server.dig(&["+ignore", "+noedns", "big.site.example", "TXT"]);
    assert!(reply.flag("tc") && reply.edns.is_none(), "{reply}");
    // A client that may take 4,096 bytes still gets no more than 1,232 over UDP.
    assert!(server.dig(&["+ignore", "+bufsize=4096", "big.site.example", "TXT"]).flag("tc"));
}

#[test]
fn dig_comes_back_over_tcp_and_gets_it_all() {
    let server = open_zone();
    let reply = server.dig(&["big.site.example", "TXT"]);
    assert_eq!((reply.answer.len(), reply.flag("tc")), (40, false), "{reply}");
    assert!(reply.raw.contains("retrying in TCP mode"), "{reply}");
}

// --- Opcodes, classes, and what is malformed ---------------------------------------------------

#[test]
fn other_opcodes_are_notimp() {
    let server = open_zone();
    for opcode in ["iquery", "status", "notify", "update", "15"] {
        let reply = server.dig(&[&format!("+opcode={opcode}"), "+noedns", "site.example", "SOA"]);
        assert!(matches!(reply.status.as_str(), "NOTIMP" | "REFUSED"), "{opcode}\n{reply}");
    }
    let mut packet = query(9, "site.example", 6);
    packet[2] = 3 << 3;
    let reply = exchange(server.udp(), &packet).expect("a reply");
    assert_eq!((reply[2] & 0xF8, reply[3] & 0x0F), (0x80 | 3 << 3, 4), "the opcode is copied");
}

#[test]
fn class_chaos_answers_as_configured_only() {
    let server = open_zone();
    let reply = server.dig(&["version.bind", "TXT", "CH"]);
    assert!(reply.status == "REFUSED" && reply.answer.is_empty(), "{reply}");
    let reply = server.dig(&["site.example", "A", "HS"]);
    assert!(reply.status == "REFUSED" && reply.answer.is_empty(), "{reply}");
    drop(server);
    let mut site = Site::new();
    site.server("version = \"beiand of the test\"").server("identity = \"node-7\"");
    let server = open_zone_in(site);
    let reply = server.dig(&["version.bind", "TXT", "CH"]);
    assert_eq!(reply.data("TXT"), ["\"beiand of the test\""], "{reply}");
    assert_eq!(server.dig(&["id.server", "TXT", "CH"]).data("TXT"), ["\"node-7\""]);
}

#[test]
fn arbitrary_bytes_never_end_the_server() {
    let server = open_zone();
    // A fixed generator: the same packets in each run.
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let good = query(9, "www.old.site.example", 1);
    for _ in 0..1_000 {
        let mut packet = good.clone();
        for _ in 0..1 + random() % 4 {
            let at = 2 + random() as usize % (packet.len() - 2);
            packet[at] = random() as u8;
        }
        let _ = exchange(server.udp(), &packet);
    }
    server.still_answers();
}

#[test]
fn flags_of_the_query_are_copied_or_cleared() {
    let server = open_zone();
    let reply = server.dig(&["+recurse", "+adflag", "www.site.example", "A"]);
    assert!(reply.flag("rd"), "copied\n{reply}");
    assert!(!reply.flag("ra") && !reply.flag("ad"), "not claimed\n{reply}");
    let reply = server.dig(&["+zflag", "www.site.example", "A"]);
    assert!(!reply.raw.contains("MBZ"), "{reply}");
}
