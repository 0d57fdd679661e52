//! The master-file reader against BIND: `named-checkzone` must refuse what we refuse, and
//! `named-compilezone` must see in our wire form what it sees in the zone file.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use beiand::master::{Records, read_zone};
use beiand::wire::{Name, name};

/// Three records that make any further lines a zone.
const HEAD: &str = "$TTL 300\n@ SOA ns hm 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n";

/// Data of one record below [`HEAD`], taken in by both or refused by both.
const DATA: &[&str] = &[
    "A 192.0.2.1",
    "A 1.2.3",
    "A 01.2.3.4",
    "A 1.2.3.4.",
    "A \"1.2.3.4\"",
    "A ( 1.2.3.4 )",
    "A 1.2.3.4 5",
    "A",
    "AAAA 2001:DB8:0:0::1",
    "AAAA ::1.2.3.4",
    "AAAA ::ffff:1.2.3.4",
    "AAAA 1.2.3.4",
    "AAAA 1::2::3",
    "AAAA fe80::1%lo",
    "NS a.b.",
    "NS 1.2.3.4",
    "NS",
    "CNAME a..b",
    "CNAME .",
    r"CNAME a\.b",
    r"CNAME a\.B\000\255\(.x",
    "CNAME .a",
    "CNAME @",
    "CNAME *.x",
    r"CNAME a\256",
    "PTR @",
    "DNAME x.y.",
    "HINFO a",
    "HINFO a b c",
    "HINFO \"a b\" c",
    "MX a b",
    "MX 65536 b",
    "MX 010 b",
    "MX 10 \"b\"",
    "MX 10",
    "MX 10 b c",
    "MX 0x10 b",
    "MX 0 .",
    "TXT",
    "TXT \"\"",
    "TXT a b c",
    "TXT \"a\"\"b\"",
    r#"TXT "a\"b" \"c d\ e"#,
    r#"TXT "a;b" a\;b"#,
    r#"TXT "\000\127\128\255" \097"#,
    "TXT a\"b",
    "TXT é \"中国\"",
    "TXT @",
    r"TXT a\256",
    "TXT (a",
    "TXT a)",
    "TXT \"a",
    "TXT ( ( a ) \"b)\" ;)\n c )",
    "SPF v=spf1",
    "RP a.b c",
    "AFSDB 1 a",
    "SRV 1 2 3 .",
    "SRV 1 2 3 a.b.",
    "SRV 1 2 3",
    "LOC 42 21 54 N 71 06 18 W -24m 30m",
    "LOC 1 N 2 E 3",
    "LOC 1 N 2 E",
    "LOC 91 N 0 E 0",
    "LOC 1 60 N 2 E 3",
    "LOC 1 2 3.999 S 2 E 3.5m 0 0 0",
    "LOC 1 2 3.4567 N 2 E 3",
    "LOC 1 N 2 E 42849672.95m 90000000m 1m 1m",
    "LOC 1 N 2 E 42849672.96m",
    "LOC 1 N 2 E -100000m",
    "LOC 1 N 2 E -100000.01m",
    "LOC 90 0 0.001 N 2 E 0m",
    "LOC 90 0 0 S 180 0 0 W 0m",
    "LOC 1 n 2 e 0m",
    "LOC 1 N 2 E 1.234m",
    "LOC 1 N 2 E 1 90000001m",
    "LOC 1 N 2 E 1 0.55m 12345m",
    "LOC 1 2 3. N 4 E 0",
    "LOC 1 2 .5 N 4 E .5",
    r#"NAPTR 100 50 "s" "http+I2L" "" _http._tcp.foo.com."#,
    r#"NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:a@b!" ."#,
    r#"NAPTR 1 1 "u" "s" "!^(a)$!\\1!i" ."#,
    r#"NAPTR 1 1 "u" "s" "!a!b" ."#,
    r#"NAPTR 1 1 "u" "s" "!a!b!z" ."#,
    r#"NAPTR 1 1 "!" "" "" ."#,
    r#"NAPTR 1 1 "" "a b" "" x"#,
    "CERT PKIX 1 RSASHA1 AAAA",
    "CERT 65000 1 1 AA AA",
    "CERT FOO 1 1 AAAA",
    "CERT 1 1 1",
    "DS 1 8 1 AABB",
    "DS 1 8 9 AABB",
    "DS 1 8 9",
    "DS 1 8 9 AAB",
    "DS 1 RSASHA256 2 ( 01010101010101010101010101010101\n 01010101010101010101010101010101 )",
    "CDS 0 0 0 00",
    "SSHFP 1 1 AA",
    "SSHFP 9 9 AA",
    "SSHFP 4 2 0101010101010101010101010101010101010101010101010101010101010101",
    "RRSIG A 8 2 300 20300101000000 20200101000000 1 ex. AAAA",
    "RRSIG A RSASHA256 2 300 1893456000 1577836800 1 ex. AA AA",
    "RRSIG TYPE65534 8 2 300 20380119031408 20200229235959 1 ex. AAAA",
    "RRSIG FOO 8 2 300 1893456000 1577836800 1 ex. AAAA",
    "RRSIG A 8 2 300 20301301000000 20200101000000 1 ex. AAAA",
    "RRSIG A 8 2 1h 20300101000000 20200101000000 1 ex. AAAA",
    "RRSIG A 8 2 300 20300101000000 20200101000000 1 ex.",
    "NSEC b",
    "NSEC b A TYPE999 CAA NSEC RRSIG",
    "NSEC b A A",
    "NSEC b A FOO",
    "NSEC b WKS DHCID TYPE65535",
    "DNSKEY 257 3 8 AwEAAcMnWBKL",
    "DNSKEY 256 3 ECDSAP256SHA256 AAAA",
    "DNSKEY 256 3 FOO AAAA",
    "CDNSKEY 0 3 0 AA==",
    "KEY 49152 3 0",
    "KEY 256 3 8 AAAA",
    "KEY 256 3 8",
    "NSEC3PARAM 1 0 10 -",
    "NSEC3PARAM 1 0 10 AABB",
    "NSEC3PARAM 1 0 10 A",
    "TLSA 1 1 1 AA",
    "TLSA 3 0 1 AABB CCDD",
    "TLSA 1 1 1",
    "SMIMEA 3 0 0 AB",
    "OPENPGPKEY",
    "OPENPGPKEY AA",
    "OPENPGPKEY AB==",
    "OPENPGPKEY A A A A",
    "OPENPGPKEY AA==",
    "CSYNC 1 3",
    "CSYNC 66 3 A NS AAAA",
    "ZONEMD 1 1 1 AA",
    "ZONEMD 1 1 9 AAAAAAAAAAAAAAAAAAAAAAAA",
    "ZONEMD 1 1 9 AAAAAAAA",
    "EUI48 00-00-5e-00-53-2a",
    "EUI48 00:00:5e:00:53:2a",
    "EUI64 00-00-5e-ef-10-00-00-2A",
    "URI 1 1 \"ftp://a/b c\"",
    "URI 1 1 a",
    "CAA 0 issue \"\"",
    "CAA 128 tbs \"x;y\\\"z\"",
    "CAA 0 issue ca.example",
    "CAA 0 is-sue x",
    "CAA 0 issue",
    "CAA 256 issue x",
    "CAA 0 \"issue\" x",
    "CAA 0 issue a b",
    "HTTPS 0 a.b.",
    "HTTPS 0 .",
    "HTTPS 0 . alpn=h2",
    "HTTPS 1 ns alpn=h2",
    "HTTPS 1 . alpn=\"h2,h3\" port=\"53\"",
    "HTTPS 1 . ipv6hint=2001:db8::1,::2 ipv4hint=192.0.2.1,192.0.2.2 port=8443 alpn=h2 ech=AAEC",
    r#"SVCB 16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
    r"SVCB 16 foo.example.org. alpn=f\\\092oo\092,bar,h2",
    "SVCB 16 foo.example.org. ( alpn=h2,h3-19 mandatory=ipv4hint,alpn\n ipv4hint=192.0.2.1 )",
    r#"SVCB 1 foo.example.com. key667="hello\210qoo""#,
    "SVCB 1 . key667=hello key9 key100=\"\" key65534=a",
    "HTTPS 1 . no-default-alpn alpn=x",
    "HTTPS 1 . no-default-alpn",
    "HTTPS 1 . no-default-alpn=x alpn=h2",
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
    r"HTTPS 1 . key1=\002h2",
    r"HTTPS 1 . key3=\000\053",
    "HTTPS 1 . dohpath=/q",
    "HTTPS 1 . dohpath=/q{?dns}",
    "HTTPS 1 . key7=abc",
    "HTTPS 1 . ipv4hint=1.2.3.4,",
    "HTTPS 1 . ech=",
    "HTTPS 1 . foo=x",
    "HTTPS 1 . ALPN=h2",
    "HTTPS 1 . \"alpn=h2\"",
    "HTTPS 1",
    r"A \# 4 01020304",
    r"A \# 5 0102030405",
    r"A \# 4 010203",
    r"MX \# 4 000a0161",
    r"MX \# 5 000a016100",
    r"CNAME \# 2 c000",
    r"TXT \# 0",
    r"TXT \# 1 00",
    r"SOA \# 0",
    r"TYPE999 \# 0",
    r"TYPE999 \# 3 01 02 03",
    r"TYPE999 \# 1 0",
    "TYPE999 abc",
    "TYPE1 1.2.3.4",
    r"TYPE1 \# 4 01020304",
    r"TYPE65535 \# 0",
    r"TYPE65536 \# 0",
    r"TYPE0 \# 0",
    r"TYPE41 \# 0",
    r"TYPE250 \# 0",
    r"TYPE255 \# 0",
    r"TYPE128 \# 0",
    r"NULL \# 1 00",
    r"WKS \# 6 c000020106 40",
    "AXFR",
    "ANY x",
    "FOO x",
    "CH A 192.0.2.1",
    "HS A 192.0.2.1",
    "CLASS1 A 192.0.2.1",
    "CLASS3 A 192.0.2.1",
    "ANY A 192.0.2.1",
    "IN 30 A 192.0.2.1",
    "30 IN A 192.0.2.1",
    "30 IN 30 A 192.0.2.1",
    "1h30m A 192.0.2.1",
    "1W2d3H4m5S A 192.0.2.1",
    "1m1h A 192.0.2.1",
    "1h1h A 192.0.2.1",
    "1h5 A 192.0.2.1",
    "0 A 192.0.2.1",
    "2147483647 A 192.0.2.1",
    "99999999999 A 192.0.2.1",
];

/// Lines below [`HEAD`], taken in by both or refused by both.
const LINES: &[&str] = &[
    "",
    "a A 192.0.2.1",
    "a A 192.0.2.1\r\nb A 192.0.2.2\r\n",
    "a A 192.0.2.1\rb A 192.0.2.2\r",
    "IN IN A 192.0.2.1\nA A A\nA A 192.0.2.1\n",
    "IN IN A 192.0.2.1\nA A 192.0.2.1\n",
    "\"q\" A 192.0.2.1\n",
    "a A 192.0.2.1\n  A 192.0.2.2\n\t30 TXT x\n",
    "foo.bar. A 192.0.2.1\n  A 192.0.2.2\nb A 192.0.2.1\n",
    "foo.bar. A 192.0.2.1111\n",
    "foo.bar. SOA a b 1 2 3 4 5\n",
    "*.foo. NS ns\n",
    "\\052.a A 192.0.2.1\n",
    "@ SOA ns hm 2 2 3 4 5\n",
    "@ SOA ns hm 1 2 3 4 5\n",
    "a SOA ns hm 2 2 3 4 5\n",
    "a CNAME b\na A 192.0.2.1\n",
    "a A 192.0.2.1\nA CNAME b\n",
    "a CNAME b\na CNAME c\n",
    "a CNAME b\na NSEC b A RRSIG\n",
    "a CNAME b\na RRSIG A 8 2 300 20300101000000 20200101000000 1 ex. AAAA\n",
    "a CNAME b\na KEY 256 3 8 AAAA\n",
    "a CNAME b\na DS 1 8 9 AABB\n",
    "a CNAME b\na DNAME c\n",
    "a CNAME b\na TYPE999 \\# 0\n",
    "a DNAME b\na DNAME c\n",
    "a DNAME b\na NS ns\n",
    "a DNAME b.\nx.a A 192.0.2.1\n",
    "@ DNAME b.c.\n",
    "@ CNAME a.\n",
    "sub NS ns\nsub CNAME y\n",
    "sub NS ns\nx.sub CNAME y\nx.sub A 1.2.3.4\n",
    "*.a NS ns\n",
    "*.a DNAME ns\n",
    "*.a CNAME ns\n",
    "@ NS ns2\n",
    "@ NS ns2\nns2 CNAME ns\n",
    "@ NS ns2\nns2 TXT ns\n",
    "@ NS ns2.d\nd DNAME e.\n",
    "@ NS ns2\na.ns2 A 192.0.2.1\n",
    "@ NS ns2.w\n*.w A 192.0.2.1\n",
    "@ NS ns2.w\n*.w CNAME ns\n",
    "@ NS ns2.w\n*.w TXT ns\n",
    "@ NS ns2.sub\nsub NS a.b.\n",
    "@ NS sub\nsub NS a.b.\n",
    "@ NS a.b.w\n*.w A 192.0.2.1\n",
    "@ NS a.b.w\n*.w A 192.0.2.1\nb.w TXT x\n",
    "@ NS 1.2.3.4\n",
    "sub NS ns.sub\n",
    "sub NS ns.sub\nns.sub A 192.0.2.2\n",
    "sub NS nope\n",
    "sub NS c\nc CNAME ns\n",
    "sub NS x.sub\nx.sub CNAME y\n",
    "@ MX 10 nope\n",
    "@ MX 10 mail\nmail CNAME ns\n",
    "@ MX 10 1.2.3.4.\n",
    "@ MX 10 mail\n*.ex. A 192.0.2.1\n",
    "@ MX 10 a_b\na_b TXT x\n",
    "_s._tcp SRV 1 1 1 nope\n",
    "_s._tcp SRV 1 1 1 c\nc CNAME ns\n",
    "a_b A 192.0.2.1\n",
    "-a A 192.0.2.1\n",
    "b.*.a A 192.0.2.1\n",
    "a_b MX 10 ns\n",
    "\\200a A 192.0.2.1\n",
    "é A 192.0.2.1\n",
    "a DS 1 8 9 AABB\n",
    "@ DS 1 8 9 AABB\n",
    "@ CDS 0 0 0 00\n",
    "a NSEC b A\na NSEC c A\n",
    "0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM NSEC3 1 1 10 AA 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A RRSIG\n",
    "0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM NSEC3 1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR\n",
    "0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM NSEC3 1 0 0 - 0P9\n",
    "a NSEC3 1 1 10 AA 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A\n",
    "*.a NSEC3 1 1 10 AA 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A\n",
    "A MX 1 ns\na MX 1 NS\na MX 2 ns\n@ NS NS\n",
    "a 30 RRSIG A 8 2 300 20300101000000 20200101000000 1 ex. AAAA\n\
     a 40 RRSIG AAAA 8 2 300 20300101000000 20200101000000 1 ex. AAAA\n",
    "$ORIGIN sub\na CNAME b\n@ TXT x\n",
    "$origin sub\na CNAME b\n$ORIGIN .\nb.ex A 192.0.2.1\n",
    "$ORIGIN\na A 1.2.3.4\n",
    "$ORIGIN a b\na A 1.2.3.4\n",
    " $ORIGIN sub\na A 1.2.3.4\n",
    "$TTL\na A 1.2.3.4\n",
    "$TTL 1h\na A 1.2.3.4\nb 5 A 1.2.3.4\nc A 1.2.3.4\n",
    "$TTL x\na A 1.2.3.4\n",
    "$FOO bar\na A 1.2.3.4\n",
    "$DATE 20200101000000\na A 1.2.3.4\n",
    "$INCLUDE inc\n  A 192.0.2.9\n",
    "a A 1.2.3.4\n$INCLUDE inc sub\n  A 192.0.2.9\nb A 192.0.2.1\n",
    "a A 1.2.3.4\n$INCLUDE \"inc\" sub.ex. ; x\n  A 192.0.2.9\n",
    "a A 1.2.3.4\n$INCLUDE blank\n  A 192.0.2.9\n",
    "$INCLUDE nothing\n",
    "$INCLUDE\n",
    "$INCLUDE inc a b\n",
    "$INCLUDE faulty\n",
    "$GENERATE 1-3 h$ A 192.0.2.$\n",
    "$GENERATE 1-3 h$ 30 IN A 192.0.2.$\n",
    "$GENERATE 1-3 h$ IN 30 A 192.0.2.$\n",
    "$GENERATE 1-9/4 h${1,3,d}.x CNAME y${-1,0,x}\n",
    "$GENERATE 10-18/4 h${1,3,o}.${0,4,X} CNAME y${0,7,n}.${0,0,N}\n",
    "$GENERATE 1-2 ${0,8,n}x CNAME y\n",
    "$GENERATE 1-2 ${0,8,n} CNAME y\n",
    "$GENERATE 1-3 h\\$$ CNAME y$$\n",
    "$GENERATE 1-3 h$ MX \"10 m$\"\n",
    "$GENERATE 1-3 h$ TXT \"a b $\"\n",
    "$GENERATE 1-3 h$ MX 10 m$\n",
    "$GENERATE 1-300 h$ A 192.0.2.$\n",
    "$GENERATE 1-2 h$.foo. A 192.0.2.1\n",
    "$GENERATE 3-1 h$ A 192.0.2.$\n",
    "$GENERATE 1-3/0 h$ A 192.0.2.$\n",
    "$GENERATE 1-3 h${0,3,q} A 192.0.2.1\n",
    "$GENERATE 1-3 h${} A 192.0.2.1\n",
    "$GENERATE 1-3 h$\n",
    "x TXT a\n$GENERATE 1-3 h$ A 192.0.2.$\n  TXT b\n",
    "a TXT \"a\\\\\nb A 192.0.2.1\n",
];

/// Whole zones, taken in by both or refused by both.
const ZONES: &[&str] = &[
    "",
    "; nothing\n\n",
    "$TTL 300\n@ SOA ns hm 1 2 3 4 5\n",
    "$TTL 300\n@ NS ns\nns A 192.0.2.1\n",
    "$TTL 300\n@ SOA ns hm 1 2 3 4 5\n@ NS ns\n",
    "$TTL 300\n@ SOA ns hm 1 2 3 4 5\n@ NS ns.example.\n",
    "$TTL 300\n@ SOA ns hm 1 2 3 4\n@ NS ns.example.\n",
    "$TTL 300\n@ SOA ns hm 1 2 3 4 5 6\n@ NS ns.example.\n",
    "$TTL 300\n@ SOA ns hm 4294967295 1d 2h 3w 1m30s\n@ NS ns.example.\n",
    "$TTL 300\n@ SOA ns hm 4294967296 2 3 4 5\n@ NS ns.example.\n",
    "$TTL 300\n@ SOA ns hm 1h 2 3 4 5\n@ NS ns.example.\n",
    "$TTL 300\n@ SOA n_s h_m 1 2 3 4 5\n@ NS ns.example.\n",
    "$TTL 300\n@ SOA ns a\\.b 1 2 3 4 5\n@ NS ns.example.\n",
    "@ IN SOA ns.example. hm (\n  2024010101 ; serial\n  3600 900\n  604800 ; expire\n  300 )\n  IN NS ns.example.\n",
    "@ SOA ns hm 1 2 3 4 1h\n@ NS a.b.\nx 7 TXT x\ny TXT y\n",
    "@ 9 SOA ns hm 1 2 3 4 5\n@ NS a.b.\nx 7 TXT x\ny TXT y\n",
    "$TTL 1\n@ 9 SOA ns hm 1 2 3 4 5\n@ NS a.b.\n$TTL 1m\nx 7 TXT x\ny TXT y\n",
    "a 50 A 192.0.2.1\n@ SOA ns hm 1 2 3 4 5\n@ NS a.b.\n",
    "a TXT a\n@ SOA ns hm 1 2 3 4 5\n@ NS a.b.\n",
    " 300 SOA ns hm 1 2 3 4 5\n@ 300 NS a.b.\n",
    "eX. 300 SOA ns hm 1 2 3 4 5\nEx. 300 NS a.b.\nwww.EX. 300 A 192.0.2.1\n",
    "$ORIGIN eX.\n@ 300 SOA ns hm 1 2 3 4 5\n 300 NS a.b.\nwww 300 A 192.0.2.1\n",
    "$ORIGIN com.\n@ 300 SOA ns hm 1 2 3 4 5\n 300 NS a.b.\n",
    "$TTL 300\n@ SOA ns hm 1 2 3 4 5\n@ NS x\nx NS a.b.\n",
];

/// Zones that we take in and BIND refuses.
const WE_ARE_KINDER: &[(&str, &str)] = &[(
    "a byte order mark, as Windows editors write it",
    "\u{feff}$TTL 300\n@ SOA ns hm 1 2 3 4 5\n@ NS a.b.\n",
)];

/// Lines below [`HEAD`] that we refuse and BIND takes in.
const WE_ARE_STRICTER: &[(&str, &str)] = &[
    ("BIND makes it 0", "a 2147483648 A 192.0.2.1\n"),
    ("RFC 7553 section 4.4 wants a target", "a URI 1 1 \"\"\n"),
    ("RFC 7043 section 3.2 wants two digits", "a EUI48 0-0-5e-00-53-2a\n"),
    ("control characters are the mark of a broken file", "a TXT \"a\u{0}b\"\n"),
    ("no number of a $GENERATE is negative", "$GENERATE 1-3 h${-2} A 192.0.2.1\n"),
    ("$GENERATE is bounded", "$GENERATE 0-65536 h$ A 192.0.2.1\n"),
    ("types without a layout are read in generic form", "a KX 1 a\n"),
];

fn bind(tool: &str, arguments: &[&str], folder: &Path) -> Output {
    Command::new(tool).args(arguments).current_dir(folder).output().unwrap_or_else(|error| {
        panic!("{tool} does not run ({error}): install Debian's bind9-utils, as .ci/run does")
    })
}

fn bind_takes(folder: &Path, file: &str) -> bool {
    bind("named-checkzone", &["-i", "local", "ex.", file], folder).status.success()
}

/// The records that BIND sees in a file, one a line, sorted.
fn bind_records(folder: &Path, file: &str) -> Vec<String> {
    // Where the defaults are stricter than named-checkzone's, those of the latter.
    let arguments = "-i local -k warn -n warn -s full -o - ex.".split(' ').chain([file]);
    let output = bind("named-compilezone", &arguments.collect::<Vec<_>>(), folder);
    assert!(output.status.success(), "named-compilezone refuses {file}: {output:?}");
    // The log goes to the same place as the zone: records alone have a class.
    let mut lines: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains(" IN "))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (file, text) in [
        ("inc", "i A 192.0.2.5\n$ORIGIN deep\n  TXT x\nj A 192.0.2.6\n$TTL 7\nk A 192.0.2.7\n"),
        ("blank", "  A 192.0.2.8\n"),
        ("faulty", "a A 1.2.3\n"),
    ] {
        fs::write(folder.path().join(file), text).expect("a file");
    }
    folder
}

fn ours(folder: &Path, file: &str) -> Result<Records, String> {
    let origin: Name = "ex.".parse().expect("is a name");
    let mut records = Records::default();
    match read_zone(&folder.join(file), folder, &origin, &mut records) {
        Ok(_) => Ok(records),
        Err(faults) => Err(faults.iter().map(|fault| format!("{fault}\n")).collect()),
    }
}

/// Our records with their data as bare bytes, so that BIND reads our wire form.
fn in_generic_form(records: &Records) -> String {
    records
        .iter()
        .map(|record| {
            let hex: String = record.rdata.iter().map(|byte| format!("{byte:02x}")).collect();
            let owner = name::to_text(record.owner);
            let (ttl, code, len) = (record.ttl, record.rtype.0, record.rdata.len());
            format!("{owner} {ttl} IN TYPE{code} \\# {len} {hex}\n")
        })
        .collect()
}

fn assert_alike(zones: impl Iterator<Item = String>) {
    let folder = folder();
    let path = folder.path();
    let mut differences = Vec::new();
    for zone in zones {
        fs::write(path.join("zone"), &zone).expect("a file");
        match (bind_takes(path, "zone"), ours(path, "zone")) {
            (true, Ok(records)) => {
                fs::write(path.join("generic"), in_generic_form(&records)).expect("a file");
                let (theirs, ours) = (bind_records(path, "zone"), bind_records(path, "generic"));
                if theirs != ours {
                    differences.push(format!("{zone:?}\n  BIND {theirs:#?}\n  we {ours:#?}"));
                }
            }
            (false, Err(_)) => {}
            (true, Err(faults)) => {
                differences.push(format!("{zone:?}\n  we alone refuse it: {faults}"))
            }
            (false, Ok(_)) => differences.push(format!("{zone:?}\n  BIND alone refuses it")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn data_of_each_type_is_read_as_bind_reads_it() {
    assert_alike(DATA.iter().map(|data| format!("{HEAD}a {data}\n")));
}

#[test]
fn lines_and_directives_are_read_as_bind_reads_them() {
    assert_alike(LINES.iter().map(|lines| format!("{HEAD}{lines}")));
}

#[test]
fn zones_are_taken_in_and_refused_as_bind_does() {
    assert_alike(ZONES.iter().map(|zone| (*zone).to_owned()));
}

#[test]
fn texts_and_names_of_every_length_are_read_as_bind_reads_them() {
    let long = |label: usize, count: usize| vec!["x".repeat(label); count].join(".");
    assert_alike(
        [
            format!("{HEAD}a TXT {}\n", "x".repeat(255)),
            format!("{HEAD}a TXT {}\n", "x".repeat(256)),
            format!("{HEAD}a TXT {}\n", "\"\" ".repeat(300)),
            format!("{HEAD}{} A 192.0.2.1\n", long(63, 1)),
            format!("{HEAD}{} A 192.0.2.1\n", long(64, 1)),
            // With the origin's four bytes: 3 × 64 + 59 is the longest name, one more is too long.
            format!("{HEAD}{}.{} A 192.0.2.1\n", long(63, 3), long(58, 1)),
            format!("{HEAD}{}.{} A 192.0.2.1\n", long(63, 3), long(59, 1)),
            format!("{HEAD}a CNAME {}.{}.\n", long(63, 3), long(61, 1)),
            format!("{HEAD}a CNAME {}.{}.\n", long(63, 3), long(62, 1)),
        ]
        .into_iter(),
    );
}

#[test]
fn where_we_differ_we_mean_to() {
    let folder = folder();
    let path = folder.path();
    let verdicts = |zone: &str| {
        fs::write(path.join("zone"), zone).expect("a file");
        (bind_takes(path, "zone"), ours(path, "zone").is_ok())
    };
    for (why, zone) in WE_ARE_KINDER {
        assert_eq!(verdicts(zone), (false, true), "{why}");
    }
    // Of records that differ in case alone BIND keeps now the first and now the last, we the first.
    for lines in ["@ SOA NS HM 1 2 3 4 5\n", "a CNAME b\na CNAME B\n"] {
        assert_eq!(verdicts(&format!("{HEAD}{lines}")), (true, true), "{lines}");
    }
    for (why, lines) in WE_ARE_STRICTER {
        assert_eq!(verdicts(&format!("{HEAD}{lines}")), (true, false), "{why}");
    }
}
