//! Each type from text to wire form and back.

use proptest::prelude::*;

use super::encoding::to_hex;
use super::record_to_text;
use super::zone_test::{HEAD, is_refused, lines, read};

/// Type, data, wire form in hexadecimal, and the data as it is written back where that differs.
const TYPES: &[(&str, &str, &str, &str)] = &[
    ("A", "192.0.2.1", "C0000201", ""),
    ("NS", "Ns1", "034E7331026578 00", "Ns1.ex."),
    ("CNAME", "@", "02657800", "ex."),
    ("PTR", r"a\.b.c.", "03612E62016300", r"a\.b.c."),
    ("DNAME", ".", "00", ""),
    ("HINFO", r#""a b" c"#, "0361206201 63", r#""a b" "c""#),
    ("MX", "10 a.", "000A016100", ""),
    (
        "TXT",
        r#"a "b;c" \"\200 "" d\ e"#,
        "016103623B630222C80003642065",
        r#""a" "b;c" "\"\200" "" "d e""#,
    ),
    ("SPF", "v=spf1", "06763D73706631", r#""v=spf1""#),
    ("RP", "a. b.", "016100016200", ""),
    ("AFSDB", "1 a.", "0001016100", ""),
    ("AAAA", "2001:DB8::1", "20010DB8000000000000000000000001", "2001:db8::1"),
    (
        "LOC",
        "42 21 54 N 71 06 18 W -24m 30m",
        "00331613 89172DD0 70BE15F0 00988D20",
        "42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m",
    ),
    ("SRV", "1 2 3 a.", "000100020003016100", ""),
    (
        "NAPTR",
        r#"100 50 "s" "http" "!^(.*)$!\\1!i" ."#,
        "0064 0032 0173 0468747470 0C215E282E2A2924215C312169 00",
        "",
    ),
    ("CERT", "PKIX 1 RSASHA256 AAEC", "0001 0001 08 000102", "1 1 8 AAEC"),
    (
        "DS",
        "60485 RSASHA1 1 ( 2BB183AF5F22588179A53B0A 98631FAD1A292118 )",
        "EC45 05 01 2BB183AF5F22588179A53B0A98631FAD1A292118",
        "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
    ),
    ("CDS", "0 0 0 00", "00000000 00", ""),
    ("SSHFP", "9 9 AABB", "0909AABB", ""),
    (
        "RRSIG",
        "A 5 3 86400 20030322173103 20030220173103 2642 example. AAEC",
        "0001 05 03 00015180 3E7C9DD7 3E5510D7 0A52 076578616D706C6500 000102",
        "",
    ),
    (
        "SIG",
        "A 5 3 86400 1048354263 20030220173103 2642 a. AAEC",
        "0001 05 03 00015180 3E7C9DD7 3E5510D7 0A52 016100 000102",
        "A 5 3 86400 20030322173103 20030220173103 2642 a. AAEC",
    ),
    (
        "NSEC",
        "host.a. TYPE1234 A MX RRSIG NSEC",
        "04686F7374016100 0006400100000003 041B 000000000000000000000000000000000000000000000000000020",
        "host.a. A MX RRSIG NSEC TYPE1234",
    ),
    ("DNSKEY", "256 3 RSASHA256 AAEC", "01000308000102", "256 3 8 AAEC"),
    ("CDNSKEY", "0 3 0 AA==", "0000030000", ""),
    ("KEY", "49152 3 0", "C0000300", ""),
    ("NSEC3PARAM", "1 0 12 aabbccdd", "0100000C04AABBCCDD", "1 0 12 AABBCCDD"),
    ("NSEC3PARAM", "1 0 0 -", "0100000000", ""),
    ("TLSA", "3 1 1 AB CD", "030101ABCD", "3 1 1 ABCD"),
    ("SMIMEA", "3 0 0 ABCD", "030000ABCD", ""),
    ("OPENPGPKEY", "AA EC", "000102", "AAEC"),
    ("CSYNC", "66 3 A NS AAAA", "00000042 0003 0004 60000008", ""),
    ("ZONEMD", "1 1 9 000102030405060708090A0B", "00000001 01 09 000102030405060708090A0B", ""),
    ("EUI48", "00-00-5e-00-53-2a", "00005E00532A", ""),
    ("EUI64", "00-00-5E-EF-10-00-00-2A", "00005EEF1000002A", "00-00-5e-ef-10-00-00-2a"),
    ("URI", r#"10 1 "ftp://a/""#, "000A0001 6674703A2F2F612F", ""),
    ("CAA", r#"0 issue "ca;x=y""#, "00 056973737565 63613B783D79", ""),
    ("CAA", r#"128 tbs """#, "80 03746273", ""),
    ("HTTPS", "0 a.", "0000 016100", ""),
    (
        "HTTPS",
        r#"1 . port=8443 alpn="h2,h3" ipv6hint=2001:db8::1 ipv4hint=192.0.2.1,192.0.2.2 ech=AAEC"#,
        "0001 00 0001 0006 026832026833 0003 0002 20FB 0004 0008 C0000201C0000202 0005 0003 000102 \
         0006 0010 20010DB8000000000000000000000001",
        r#"1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.1,192.0.2.2 ech=AAEC ipv6hint=2001:db8::1"#,
    ),
    // RFC 9460 appendix D.2, figures 7, 9 and 10.
    (
        "SVCB",
        r"16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
        "0010 03666F6F076578616D706C65036F726700 0000 0004 00010004 0001 0009 02683205 68332D3139 \
         0004 0004 C0000201",
        r#"16 foo.example.org. mandatory=alpn,ipv4hint alpn="h2,h3-19" ipv4hint=192.0.2.1"#,
    ),
    (
        "SVCB",
        r#"16 . alpn="f\\\\oo\\,bar,h2""#,
        "0010 00 0001 000C 08 665C6F6F2C626172 02 6832",
        "",
    ),
    (
        "SVCB",
        r"16 . alpn=f\\\092oo\092,bar,h2",
        "0010 00 0001 000C 08 665C6F6F2C626172 02 6832",
        r#"16 . alpn="f\\\\oo\\,bar,h2""#,
    ),
    ("SVCB", r#"1 . key667="hello\210qoo""#, "0001 00 029B 0009 68656C6C6FD2716F6F", ""),
    (
        "SVCB",
        "1 . no-default-alpn alpn=x key9",
        "0001 00 0001 0002 0178 0002 0000 0009 0000",
        r#"1 . alpn="x" no-default-alpn key9"#,
    ),
    (
        "SVCB",
        "1 . dohpath=/q{?dns}",
        "0001 00 0007 0008 2F717B3F646E737D",
        r#"1 . dohpath="/q{?dns}""#,
    ),
    ("TYPE65534", r"\# 4 01 02 0304", "01020304", r"\# 4 01020304"),
    ("TYPE65534", r"\# 0", "", r"\# 0"),
    ("A", r"\# 4 C0000201", "C0000201", "192.0.2.1"),
    (
        "MX",
        r"\# ( 5 ; five
      000a016100 )",
        "000A016100",
        "10 a.",
    ),
    ("( MX", "; before the data\n \\# 5 000a016100 )", "000A016100", "10 a."),
    ("TYPE15", "10 a.", "000A016100", ""),
    ("DHCID", r"\# 2 0001", "0001", ""),
];

#[test]
fn every_type_has_its_wire_form_and_is_written_back() {
    for &(rtype, data, wire, written) in TYPES {
        let (records, result) = read(format!("{HEAD}a {rtype} {data}\n").as_bytes());
        assert!(result.is_ok(), "{rtype} {data}: {result:?}");
        let record = records.get(3);
        assert_eq!(to_hex(record.rdata), wire.replace(' ', ""), "{rtype} {data}");
        let shown = super::rdata_to_text(record.rtype, record.rdata);
        assert_eq!(shown, if written.is_empty() { data } else { written });
        let text = record_to_text(record);
        let (again, result) = read(format!("{HEAD}{text}\n").as_bytes());
        assert!(result.is_ok(), "{text}: {result:?}");
        assert_eq!(again.get(3).rdata, record.rdata, "{text}");
        let rtype = record.rtype;
        // The same bytes in generic form are checked by the rules for bytes.
        let generic =
            format!("{HEAD}a {rtype} \\# {} {}\n", record.rdata.len(), to_hex(record.rdata));
        let (again, result) = read(generic.as_bytes());
        assert!(result.is_ok(), "{generic}: {result:?}");
        assert_eq!(again.get(3).rdata, record.rdata, "{generic}");
    }
}

#[test]
fn nsec3_stands_at_a_hashed_name() {
    let data = "1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG";
    assert_eq!(
        lines(&format!("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 {data}\n")),
        ["0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.ex. 300 IN NSEC3 1 1 12 AABBCCDD \
          2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S A RRSIG"]
    );
    assert!(is_refused(&format!("www NSEC3 {data}\n")));
}

#[test]
fn data_that_is_not_of_its_type_is_refused() {
    for data in [
        "A 1.2.3",
        "A 1.2.3.256",
        "A 01.2.3.4",
        "A \"1.2.3.4\"",
        "A",
        "A 1.2.3.4 5",
        "AAAA 1.2.3.4",
        "AAAA fe80::1%lo",
        "NS a..b",
        "NS .a",
        r"NS a\256",
        "NS \"a\"",
        "NS",
        "MX a b",
        "MX 65536 b",
        "MX 10",
        "MX -1 b",
        "SOA a b 1 2 3 4",
        "HINFO a",
        "HINFO a b c",
        "TXT",
        r"TXT a\256",
        "LOC 91 N 0 E 0",
        "LOC 1 60 N 2 E 3",
        "LOC 1 2 60 N 2 E 3",
        "LOC 1 N 2 E",
        "LOC 1 N 2 E 42849672.96m",
        "LOC 90 0 0.001 N 2 E 0m",
        "LOC 1 E 2 N 0",
        "LOC 1 N 2 E 0 90000001m",
        "LOC 1 2 3 4 N 2 E 3",
        "CERT FOO 1 1 AAAA",
        "CERT 1 1 1",
        "DS 1 8 2 AABB",
        "DS 1 8 9 AAB",
        "DS 1 FOO 9 AABB",
        "DS 1 8 9",
        "SSHFP 1 1 AA",
        "RRSIG FOO 8 2 3 4 5 6 ex. AAAA",
        "RRSIG A 8 2 1h 4 5 6 ex. AAAA",
        "RRSIG A 8 2 3 20301301000000 5 6 ex. AAAA",
        "RRSIG A 8 2 3 4 5 6 ex.",
        "NSEC b",
        "NSEC b FOO",
        "DNSKEY 256 3 8",
        "DNSKEY 256 3 8 AAA",
        "KEY 256 3 8",
        "NSEC3PARAM 1 0 1 A",
        "TLSA 1 1 1",
        "TLSA 1 1 256 AA",
        "OPENPGPKEY AB==",
        "OPENPGPKEY A=AA",
        "ZONEMD 1 1 1 AA",
        "ZONEMD 1 1 9 AA",
        "EUI48 00:00:5e:00:53:2a",
        "EUI48 00-00-5e-00-53",
        "EUI64 00-00-5e-00-53-2a",
        "URI 1 1 a",
        "URI 1 1 \"\"",
        "CAA 256 issue x",
        "CAA 0 is-sue x",
        "CAA 0 issue",
        "CAA 0 issue a b",
        "NAPTR 1 1 u s \"!a!b\" .",
        "NAPTR 1 1 u s \"!a!b!z\" .",
        "NAPTR 1 1 u s \"\"",
        "HTTPS 1",
        "HTTPS 1 . no-default-alpn",
        "HTTPS 1 . alpn=h2 alpn=h3",
        "HTTPS 1 . mandatory=alpn",
        "HTTPS 1 . mandatory=alpn,alpn alpn=h2",
        "HTTPS 1 . mandatory=mandatory",
        "HTTPS 1 . alpn=",
        "HTTPS 1 . alpn",
        "HTTPS 1 . alpn=a,,b",
        "HTTPS 1 . port=",
        "HTTPS 1 . port=65536",
        "HTTPS 1 . key065=a",
        "HTTPS 1 . key1=h2",
        "HTTPS 1 . dohpath=/q",
        "HTTPS 1 . ipv4hint=1.2.3.4,",
        "HTTPS 1 . ipv6hint=1.2.3.4",
        "HTTPS 1 . foo=x",
        "HTTPS 1 . no-default-alpn=x alpn=h2",
        "HTTPS 1 . ech=A",
        "HTTPS 1 . \"alpn=h2\"",
        "HTTPS 1 . ALPN=h2",
        r"A \# 5 0102030405",
        r"A \# 3 010203",
        r"A \# 4 010203",
        r"A \# 4 0102030g",
        r"A \# x",
        r"A \#",
        r"TXT \# 0",
        r"MX \# 4 000a0161",
        r"CNAME \# 2 c000",
        r"NSEC \# 7 016200 0002 4000",
        r"HTTPS \# 7 0001 00 0001 0000",
        r"HTTPS \# 11 0001 00 0003 0002 0035 00",
        "TYPE65534 abc",
        "DHCID AAAA",
        "TYPE65536 \\# 0",
        "TYPE0 \\# 0",
        "ANY \\# 0",
        "AXFR \\# 0",
        "OPT \\# 0",
        "TYPE128 \\# 0",
        "FOO bar",
        "CH A 1.2.3.4",
        "CLASS3 A 1.2.3.4",
        "ANY A 1.2.3.4",
        "30 IN 30 A 1.2.3.4",
        "IN IN A 1.2.3.4",
        "1h5 A 1.2.3.4",
        "2147483648 A 1.2.3.4",
        "99999999999 A 1.2.3.4",
        "TXT (a",
        "TXT a)",
        "TXT \"a",
        "TXT a\u{0}b",
        "TXT \"a\u{1}\"",
        "TXT a\\",
    ] {
        assert!(is_refused(&format!("a {data}\n")), "{data} was taken in");
    }
    assert!(is_refused(&format!("a TXT {}\n", "x".repeat(256))));
    assert!(is_refused(&format!("{} A 1.2.3.4\n", "x".repeat(64))));
}

proptest! {
    /// Whatever bytes pass as data of a type are written as text that reads back the same.
    #[test]
    fn text_reads_back_the_same(code in 1u16..260, data in proptest::collection::vec(any::<u8>(), 0..40)) {
        let (records, result) = read(
            format!("{HEAD}a TYPE{code} \\# {} {}\n", data.len(), to_hex(&data)).as_bytes());
        prop_assume!(result.is_ok() && records.len() == 4);
        let text = record_to_text(records.get(3));
        let (again, result) = read(format!("{HEAD}{text}\n").as_bytes());
        prop_assert!(result.is_ok(), "{}: {:?}", text, result);
        prop_assert_eq!(again.get(3).rdata, records.get(3).rdata, "{}", text);
    }
}
