//! Entries, directives, faults and what makes a zone, as a user meets them.

use std::path::Path;

use proptest::prelude::*;

use super::{Reader, Records, read_zone, read_zone_bytes, record_to_text};
use crate::fault::Fault;
use crate::wire::Name;

/// Three records that make any further lines a zone.
pub(super) const HEAD: &str = "$TTL 300\n@ SOA ns hm 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n";

fn origin() -> Name {
    "ex.".parse().expect("is a name")
}

pub(super) fn read(zone: &[u8]) -> (Records, Result<Vec<Fault>, Vec<Fault>>) {
    let mut records = Records::default();
    let result =
        read_zone_bytes(zone, Path::new("ex.zone"), Path::new("."), &origin(), &mut records);
    (records, result)
}

/// The records below the head, as text.
pub(super) fn lines(rest: &str) -> Vec<String> {
    let (records, result) = read(format!("{HEAD}{rest}").as_bytes());
    assert!(result.is_ok(), "{rest}: {result:?}");
    records.iter().skip(3).map(record_to_text).collect()
}

/// The faults of a zone below the head, as a user sees them.
fn faults(rest: &str) -> Vec<String> {
    let (_, result) = read(format!("{HEAD}{rest}").as_bytes());
    result.unwrap_or_else(|faults| faults).iter().map(Fault::to_string).collect()
}

pub(super) fn is_refused(rest: &str) -> bool {
    read(format!("{HEAD}{rest}").as_bytes()).1.is_err()
}

#[test]
fn owners_ttls_and_classes_come_in_every_order() {
    assert_eq!(
        lines(
            "a IN 30 A 192.0.2.1\n  40 IN TXT b\n\tAAAA ::1 ; blank owner\nb 1h30m A 192.0.2.2\n\
             c CLASS1 A 192.0.2.3\nIN IN A 192.0.2.4\n@ TXT d\nd 1w2D A (\n\n192.0.2.5\n)\n"
        ),
        [
            "a.ex. 30 IN A 192.0.2.1",
            "a.ex. 40 IN TXT \"b\"",
            "a.ex. 300 IN AAAA ::1",
            "b.ex. 5400 IN A 192.0.2.2",
            "c.ex. 300 IN A 192.0.2.3",
            "IN.ex. 300 IN A 192.0.2.4",
            "ex. 300 IN TXT \"d\"",
            "d.ex. 777600 IN A 192.0.2.5",
        ]
    );
}

#[test]
fn a_missing_ttl_is_the_default_the_last_or_the_soa_minimum() {
    let ttls = |zone: &str| {
        let (records, result) = read(zone.as_bytes());
        assert!(result.is_ok(), "{zone}: {result:?}");
        records.iter().map(|record| record.ttl).collect::<Vec<_>>()
    };
    assert_eq!(
        ttls("@ SOA ns hm 1 2 3 4 1h\n@ NS a.b.\nx 7 TXT x\ny TXT y\n"),
        [3600, 3600, 7, 3600]
    );
    assert_eq!(ttls("@ 9 SOA ns hm 1 2 3 4 5\n@ NS a.b.\nx 7 TXT x\ny TXT y\n"), [9, 9, 7, 7]);
    assert_eq!(
        ttls("$TTL 1\n@ 9 SOA ns hm 1 2 3 4 5\n@ NS a.b.\n$TTL 1m\nx 7 TXT x\ny TXT y\n"),
        [9, 1, 7, 60]
    );
    assert!(read(b"a TXT a\n@ SOA ns hm 1 2 3 4 5\n@ NS a.b.\n").1.is_err());
}

#[test]
fn files_may_end_anyhow_and_carry_a_bom() {
    for rest in [
        "a A 192.0.2.7",
        "a A 192.0.2.7\r\n",
        "a A 192.0.2.7 ; x",
        "a A ( 192.0.2.7 )",
        "a A 192.0.2.7\r",
    ] {
        assert_eq!(lines(rest), ["a.ex. 300 IN A 192.0.2.7"], "{rest:?}");
    }
    let crlf = HEAD.replace('\n', "\r\n");
    assert_eq!(read(crlf.as_bytes()).0.len(), 3);
    assert!(read(format!("\u{feff}{HEAD}").as_bytes()).1.is_ok());
    assert!(read(b"").1.is_err());
}

#[test]
fn origin_moves_relative_names() {
    assert_eq!(
        lines("$ORIGIN sub\na CNAME b\n$origin x.ex.\n@ TXT (@)\n"),
        ["a.sub.ex. 300 IN CNAME b.sub.ex.", "x.ex. 300 IN TXT \"@\""]
    );
    for rest in
        ["$ORIGIN\n", "$ORIGIN a b\n", "$TTL\n", "$TTL x\n", "$FOO\n", " $ORIGIN a\n", "$INCLUDE\n"]
    {
        assert!(is_refused(rest), "{rest}");
    }
}

#[test]
fn generate_makes_a_record_for_each_number() {
    assert_eq!(
        lines(
            "$GENERATE 1-5/2 h${0,2} 60 IN A 192.0.2.$\n$GENERATE 1-1 m$ MX \"10 h$\"\n  TXT x\n"
        ),
        [
            "h01.ex. 60 IN A 192.0.2.1",
            "h03.ex. 60 IN A 192.0.2.3",
            "h05.ex. 60 IN A 192.0.2.5",
            "m1.ex. 300 IN MX 10 h1.ex.",
            "ns.ex. 300 IN TXT \"x\"",
        ]
    );
    for rest in [
        "$GENERATE 3-1 h$ A 192.0.2.$\n",
        "$GENERATE 1-300 h$ A 192.0.2.$\n",
        "$GENERATE 0-65536 h$ A 192.0.2.1\n",
        "$GENERATE 1-2 h$ MX 10 a\n",
        "$GENERATE 1-2 h${ A 192.0.2.1\n",
        "$GENERATE 1-2 h$\n",
        "$GENERATE 1-2 h$ A\n",
        "$GENERATE 1-2 h$ DS \"1 8 2 AA\"\n",
    ] {
        assert!(is_refused(rest), "{rest}");
    }
}

#[test]
fn includes_stay_in_the_root_and_restore_origin_and_owner() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("zones");
    let write = |name: &str, text: &str| {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write(
        "a/ex.zone",
        &format!("{HEAD}x TXT 1\n$INCLUDE inc/one sub\n  A 192.0.2.2\ny TXT y\n$INCLUDE top.inc\n"),
    );
    write("a/inc/one", "$ORIGIN deep\nz TXT z\n$TTL 7\nw TXT w\n");
    write("top.inc", "t TXT t\n");
    write("bad.zone", &format!("{HEAD}$INCLUDE bad.zone\n"));
    write("far.zone", &format!("{HEAD}$INCLUDE ../secret\n"));
    write("link.zone", &format!("{HEAD}$INCLUDE link\n"));
    write("dir.zone", &format!("{HEAD}$INCLUDE a\n"));
    write("none.zone", &format!("{HEAD}$INCLUDE nothing\n"));
    write("broken.zone", &format!("{HEAD}$INCLUDE broken.inc\n"));
    write("broken.inc", "\na A 1.2.3\n");
    for depth in 0..20 {
        let next = format!("$INCLUDE deep{}\n", depth + 1);
        write(&format!("deep{depth}"), &next.repeat(3));
    }
    write("deep.zone", &format!("{HEAD}$INCLUDE deep0\n"));
    std::fs::write(folder.path().join("secret"), "s TXT s\n").expect("a file");
    std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link")).expect("a link");

    let mut records = Records::default();
    let mut read = |name: &str| {
        let result = read_zone(&root.join(name), &root, &origin(), &mut records);
        let texts: Vec<_> = records.iter().skip(3).map(record_to_text).collect();
        (result.map_err(|faults| faults[0].to_string()), texts, records.files().len())
    };
    let (result, texts, files) = read("a/ex.zone");
    assert_eq!(result, Ok(vec![]));
    assert_eq!(files, 3);
    assert_eq!(
        texts,
        [
            "x.ex. 300 IN TXT \"1\"",
            "z.deep.sub.ex. 300 IN TXT \"z\"",
            "w.deep.sub.ex. 7 IN TXT \"w\"",
            "x.ex. 7 IN A 192.0.2.2",
            "y.ex. 7 IN TXT \"y\"",
            "t.ex. 7 IN TXT \"t\"",
        ]
    );
    for (name, problem) in [
        ("bad.zone", "this file includes itself"),
        ("far.zone", "outside the zones folder"),
        ("link.zone", "outside the zones folder"),
        ("dir.zone", "not a regular file"),
        ("none.zone", "cannot be read"),
        ("broken.zone", "broken.inc:2:5: error: \"1.2.3\": this is not an IPv4 address"),
        ("deep.zone", "more than 16 deep"),
        ("missing.zone", "cannot be read"),
    ] {
        let fault = read(name).0.expect_err(name);
        assert!(fault.contains(problem), "{name}: {fault}");
    }
}

#[test]
fn faults_say_where_what_and_what_instead() {
    assert_eq!(
        faults("a DS 1 8 2 AABB\n"),
        [
            "ex.zone:5:3: error: \"DS\": the digest has 2 bytes, its type asks for 32; correct the data"
        ]
    );
    assert_eq!(
        faults("a A 1.2.3\nb (\n TXT \"é\" x\u{1}y )\nc FOO x\n\u{e9} 1x A 1.2.3.4\nd MX 10\n"),
        [
            "ex.zone:5:5: error: \"1.2.3\": this is not an IPv4 address; write four numbers, as in 192.0.2.1",
            "ex.zone:7:11: error: \"\\u{1}\": a control character stands in the text: is this a master \
             file?; write the byte as \\001",
            "ex.zone:8:3: error: \"FOO\": this is not a record type; write a type such as A, or its \
             number as in TYPE65534",
            "ex.zone:9:3: error: \"1x\": this is neither a TTL nor a record type; write a TTL in \
             seconds, or with units as in 1h30m",
            "ex.zone:10:8: error: the record ends before a domain name; add what is missing",
        ]
    );
}

#[test]
fn faults_are_counted_up_to_a_bound() {
    let (_, result) = read("a A x\n".repeat(1000).as_bytes());
    let faults = result.expect_err("every line is faulty");
    assert_eq!(faults.len(), 101);
    assert!(faults[100].problem.contains("more faults"));

    let hosts: String = (0..500).map(|host| format!("h_{host} A 192.0.2.1\n")).collect();
    let (records, result) = read(format!("{HEAD}{hosts}").as_bytes());
    assert_eq!(result.expect("warnings refuse nothing").len(), 101);
    assert_eq!(records.len(), 503);
}

#[test]
fn what_makes_no_zone_is_refused() {
    for rest in [
        "a CNAME b\na A 192.0.2.1\n",
        "a CNAME b\na CNAME c\n",
        "a CNAME b\na DNAME c\n",
        "a DNAME b\na DNAME c\n",
        "@ SOA ns hm 2 2 3 4 5\n",
        "a SOA ns hm 2 2 3 4 5\n",
        "*.a NS ns\n",
        "@ NS nowhere\n",
        "@ NS alias\nalias CNAME ns\n",
        "@ NS ns.d\nd DNAME e.\n",
        "@ CNAME a.\n",
        "@ DS 1 8 9 AABB\n",
    ] {
        assert!(is_refused(rest), "{rest}");
    }
    assert!(read(b"$TTL 1\n@ SOA ns hm 1 2 3 4 5\n").1.is_err());
    assert!(read(b"$TTL 1\n@ NS a.b.\n").1.is_err());
    assert_eq!(
        faults("w TXT w\na CNAME b\nA A 192.0.2.1\n"),
        [
            "ex.zone:7: error: \"A.ex. 300 IN A 192.0.2.1\": CNAME and other data stand at one name; keep \
          the CNAME or the other data (RFC 1034 section 3.6.2)"
        ]
    );
}

#[test]
fn what_a_zone_can_live_with_is_a_warning() {
    for (rest, problem) in [
        ("foo.bar. A 192.0.2.1\n", "is not in the zone ex.; it is ignored"),
        ("sub NS ns.sub\n", "the glue is missing: ns.sub.ex."),
        ("sub NS nope\n", "nope.ex. has no A or AAAA"),
        ("sub NS c\nc CNAME ns\n", "c.ex. is a CNAME, which NS must not point at"),
        ("@ MX 10 c\nc CNAME ns\n", "c.ex. is a CNAME, which MX must not point at"),
        ("@ MX 10 nope\n", "nope.ex. has no A or AAAA"),
        ("@ MX 10 192.0.2.1.\n", "looks like an address"),
        ("_s._tcp SRV 1 1 1 nope\n", "nope.ex. has no A or AAAA"),
        ("a_b A 192.0.2.1\n", "the owner is not the name of a host"),
        ("a 10 A 192.0.2.1\na 20 A 192.0.2.2\n", "all are served with 10"),
    ] {
        let (_, result) = read(format!("{HEAD}{rest}").as_bytes());
        let warnings = result.unwrap_or_else(|faults| panic!("{rest} was refused: {faults:?}"));
        assert_eq!(warnings.len(), 1, "{rest}: {warnings:?}");
        assert!(warnings[0].problem.contains(problem), "{rest}: {warnings:?}");
        assert!(!warnings[0].is_error());
    }
}

#[test]
fn what_is_well_brings_no_fault() {
    for rest in [
        "a CNAME b\na NSEC b CNAME RRSIG NSEC\n",
        "@ MX 0 .\n",
        "@ MX 10 mail\n* A 192.0.2.1\n",
        "sub NS ns.sub\nns.sub AAAA ::1\nother NS ns.sub\n",
        "*.a A 192.0.2.1\n",
        "a DNAME b.\nx.a TXT below\n",
        "_dmarc TXT v=DMARC1\n",
        "a 30 RRSIG A 8 2 300 20300101000000 20200101000000 1 ex. AAAA\n\
         a 40 RRSIG AAAA 8 2 300 20300101000000 20200101000000 1 ex. AAAA\n",
    ] {
        assert_eq!(faults(rest), [""; 0], "{rest}");
    }
}

#[test]
fn repeated_records_are_dropped_without_a_word() {
    assert_eq!(
        lines("A MX 1 ns\na MX 1 NS\na MX 2 ns\n@ NS NS\n"),
        ["A.ex. 300 IN MX 1 ns.ex.", "a.ex. 300 IN MX 2 ns.ex."]
    );
    // Numbers are not letters: 65 and 97 differ, though A and a do not.
    assert_eq!(lines("a MX 65 ns\na MX 97 ns\n").len(), 2);
}

#[test]
fn a_reader_starts_each_zone_afresh() {
    let mut reader = Reader::new();
    let mut records = Records::default();
    let mut read = |zone: &str| {
        let path = Path::new("ex.zone");
        reader.read_zone_bytes(zone.as_bytes(), path, Path::new("."), &origin(), &mut records)
    };
    assert!(read(&format!("{HEAD}$ORIGIN x\na TXT a\n")).is_ok());
    assert!(read("  7 TXT no-owner\n").is_err());
    assert!(read("a TXT no-ttl\n@ SOA ns hm 1 2 3 4 5\n@ NS a.b.\n").is_err());
    assert_eq!(read(HEAD), Ok(vec![]));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = read(&[HEAD.as_bytes(), b"a ", &bytes].concat());
    }

    #[test]
    fn no_words_make_it_panic(words in proptest::collection::vec(
        prop::sample::select(vec![
            "a", "@", "A", "TXT", "SOA", "NSEC", "HTTPS", "LOC", "NAPTR", "CERT", "NSEC3", "IN", "1", "65535",
            "1h", "\\#", "00", "alpn=h2", "mandatory=alpn", "key1=\"", "\"", "(", ")", ";", "\n", "\r", " ", "\\",
            "$TTL", "$ORIGIN", "$GENERATE", "1-3", "${1,2,n}", "$", "AAAA==", "-", "N", ".", "é", "\0",
        ]), 0..40)
    ) {
        let text = words.join(" ");
        let _ = read(text.as_bytes());
        let _ = read(format!("{HEAD}{text}").as_bytes());
    }
}
