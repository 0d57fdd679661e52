//! The master-file reader against BIND: `named-compilezone`, as lenient as `named-checkzone`, must
//! refuse what we refuse, and see in our wire form what it sees in the zone file. `ldns-read-zone`
//! is the third reader: whatever all take in, it must read as we do.
//!
//! `BEIAND_MASTER_SEED` and `BEIAND_MASTER_ZONES` vary and lengthen the random part.

mod corpus;
#[path = "../common/random.rs"]
mod random;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use beiand::master::{Records, read_zone};
use beiand::wire::{Name, Rtype, name};

use corpus::{DATA, HEAD, LINES, WE_ARE_KINDER, WE_ARE_STRICTER, ZONES};
use random::{Random, setting};

fn bind(tool: &str, arguments: &[&str], folder: &Path) -> Output {
    Command::new(tool).args(arguments).current_dir(folder).output().unwrap_or_else(|error| {
        panic!("{tool} does not run ({error}): install Debian's bind9-utils, as .ci/run does")
    })
}

/// The records that BIND sees in a file, one a line, sorted; `None` if it refuses the file.
fn bind_records(folder: &Path, file: &str) -> Option<Vec<String>> {
    // Where named-compilezone's defaults are stricter than named-checkzone's, those of the latter.
    let arguments = "-i local -k warn -n warn -s full -o - ex.".split(' ').chain([file]);
    let output = bind("named-compilezone", &arguments.collect::<Vec<_>>(), folder);
    // The log goes to the same place as the zone: records alone have a class.
    let mut lines: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| line.contains(" IN "))
        .collect();
    lines.sort();
    output.status.success().then_some(lines)
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
    let (mut files, mut refused, mut compared) = (0, 0, 0);
    let mut differences = Vec::new();
    for zone in zones {
        files += 1;
        fs::write(path.join("zone"), &zone).expect("a file");
        match (bind_records(path, "zone"), ours(path, "zone")) {
            (Some(theirs), Ok(records)) => {
                compared += records.len();
                fs::write(path.join("generic"), in_generic_form(&records)).expect("a file");
                let ours = bind_records(path, "generic");
                if ours.as_ref() != Some(&theirs) {
                    differences.push(format!("{zone:?}\n  BIND {theirs:#?}\n  we {ours:#?}"));
                }
            }
            (None, Err(_)) => refused += 1,
            (Some(_), Err(faults)) => {
                differences.push(format!("{zone:?}\n  we alone refuse it: {faults}"))
            }
            (None, Ok(_)) => differences.push(format!("{zone:?}\n  BIND alone refuses it")),
        }
    }
    println!("{files} files, {refused} of them refused by both; {compared} records compared");
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("\n"));
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
        (bind_records(path, "zone").is_some(), ours(path, "zone").is_ok())
    };
    for (why, zone) in WE_ARE_KINDER {
        assert_eq!(verdicts(zone), (false, true), "{why}");
    }
    // Of records that differ in case alone BIND keeps now the first and now the last, we the first.
    for lines in ["@ SOA NS HM 1 2 3 4 5\n", "a CNAME b\na CNAME B\n"] {
        assert_eq!(verdicts(&format!("{HEAD}{lines}")), (true, true), "{lines}");
    }
    // Of an RRset's TTLs BIND takes the first, we the lowest (RFC 2181 section 5.2).
    fs::write(path.join("zone"), format!("{HEAD}a TXT x\na 7 TXT y\n")).expect("a file");
    let theirs = bind_records(path, "zone").expect("BIND reads it");
    let ours = ours(path, "zone").expect("we read it");
    let ours = ours.iter().filter(|record| record.rtype == Rtype::TXT);
    assert_eq!(ours.map(|record| record.ttl).collect::<Vec<_>>(), [7, 7]);
    assert_eq!(theirs.iter().filter(|line| line.starts_with("a.ex. 300 IN TXT")).count(), 2);
    for (why, lines) in WE_ARE_STRICTER {
        assert_eq!(verdicts(&format!("{HEAD}{lines}")), (true, false), "{why}");
    }
}

/// Good data of every type in odd spellings, some of it spoilt in one place.
#[test]
fn random_files_are_read_as_bind_reads_them() {
    let seed = setting("BEIAND_MASTER_SEED", 1);
    let count = setting("BEIAND_MASTER_ZONES", 60);
    let folder = folder();
    let takes = |zone: String| {
        fs::write(folder.path().join("zone"), zone).expect("a file");
        ours(folder.path(), "zone").is_ok()
    };
    let good: Vec<&str> =
        DATA.iter().copied().filter(|data| takes(format!("{HEAD}a {data}\n"))).collect();
    let mut random = Random::new(seed);
    assert_alike((0..count).map(|_| random_zone(&mut random, &good)));
}

fn random_zone(random: &mut Random, good: &[&str]) -> String {
    let mut zone = HEAD.to_owned();
    for line in 0..3 + random.below(6) {
        // Names of their own: what may stand beside what is seldom the question.
        let owner = match random.below(16) {
            0 | 1 => format!("H{line}.ex."),
            2 | 3 => format!("h{line}.\\097\\b"),
            4 | 5 => format!("*.h{line}"),
            6 => format!("{}{line}", odd_text(random, &["\\.", "\\@", "\\(", "\\\"", "\\032"])),
            7 => format!("h{line}.{}", odd_text(random, &["\\$", "\\000", "\\;", "\\*", "_"])),
            8 => {
                // The owner before, with a type of its own: RRsets of two TTLs are not the question.
                zone += &format!(" TYPE{} \\# 2 ( 00\n FF )\n", 65_100 + line);
                format!("h{line}")
            }
            _ => format!("h{line}"),
        };
        let ttl_class = random.pick(&["", "30 ", "IN ", "in 1h ", "2m IN ", "0 CLASS1 "]);
        let data = match random.below(6) {
            0 => format!("TXT {} {}", odd_string(random), odd_string(random)),
            1 => format!("PTR {}.", odd_text(random, &["\\.", "\\255", "\\\\", "x"])),
            _ => random.pick(good).to_owned(),
        };
        let space = random.pick(&[" ", "\t", "  ", " ( ", " (\n", " ( ; (\n  "]);
        let end = match (space.contains('('), random.below(3)) {
            (true, 0) => ")",
            (true, _) => " ; )\n )",
            (false, 0) => " ; a comment",
            (false, _) => "",
        };
        let mut entry = format!("{owner} {ttl_class}{}{end}\n", data.replacen(' ', space, 1));
        if random.one_in(20) {
            spoil(random, &mut entry);
        }
        zone += &entry;
        match random.below(24) {
            0 => zone += random.pick(&["$ORIGIN sub.ex.\n", "$ORIGIN sub\n", "$ORIGIN a\\.b\n"]),
            1 => zone += random.pick(&["$ORIGIN ex.\n", "$ORIGIN EX. ; back\n"]),
            2 => zone += random.pick(&["$TTL 1h\n", "$TTL 1m30s\n", "$TTL 0 ; none\n"]),
            3 if !zone.contains("$INCLUDE inc\n") => zone += "$INCLUDE inc\n",
            3 => zone += &format!("$INCLUDE \"inc\" i{line}\n"),
            4 => zone += &format!("$INCLUDE inc i{line}.ex. ; x\n"),
            5 => zone += &format!("  7 TYPE{} \\# 0\n", 65_200 + line),
            6..=8 => zone += &generate(random, line),
            9 => zone += random.pick(&["\n", "  ; nothing\n", "\t\n", "()\n", " ( ; \n ) \n"]),
            _ => {}
        }
    }
    zone
}

fn generate(random: &mut Random, line: usize) -> String {
    let range = random.pick(&["1-3", "0-9/4", "7-7", "10-18/4"]);
    let number = random.pick(&["$", "${0,3}", "${5,2,x}", "${0,4,o}", "${1,3,n}", "${0,2,X}"]);
    let ttl_class = random.pick(&["", "30 ", "IN ", "2m IN "]);
    let data = random.pick(&["A 192.0.2.$", "CNAME x$.y", "TXT \"a $ b\"", "PTR \\$.$.", "NS $"]);
    format!("$GENERATE {range} g{line}-{number} {ttl_class}{data}\n")
}

/// Some letters with odd pieces among them.
fn odd_text(random: &mut Random, odd: &[&str]) -> String {
    (0..1 + random.below(5))
        .map(
            |_| {
                if random.one_in(2) { random.pick(&["a", "B", "-", "7"]) } else { random.pick(odd) }
            },
        )
        .collect()
}

/// A character string, in quotes or not.
fn odd_string(random: &mut Random) -> String {
    let quoted = ["\\\"", "\\\\", ";", " ", "(", "\\032", "\\255", "@", "é", "\\x", "$"];
    let bare = ["\\\"", "\\\\", "\\;", "\\ ", "\\(", "\\032", "\\255", "@", "é", "\\x", "$"];
    match random.below(2) {
        0 => format!("\"{}\"", odd_text(random, &quoted)),
        _ => odd_text(random, &bare),
    }
}

/// Takes away, repeats or puts in a byte or a word.
fn spoil(random: &mut Random, entry: &mut String) {
    let mut words: Vec<&str> = entry.split(' ').collect();
    let word = random.below(words.len());
    let place = (0..=random.below(entry.len())).rev().find(|&at| entry.is_char_boundary(at));
    let place = place.expect("0 is one");
    match random.below(4) {
        0 => drop(words.remove(word)),
        1 => words.insert(word, words[word]),
        2 => {
            entry.remove(place);
            return;
        }
        _ => {
            let odd = random.pick(&["\"", "(", ")", ";", "\\", ".", "@", "*", "$", "0", "-", "\n"]);
            return entry.insert_str(place, odd);
        }
    }
    *entry = words.join(" ");
}

/// Entries of the corpus that ldns reads in another way than BIND and we do.
const LDNS_DIFFERS: &[(&str, &str)] = &[
    ("thousandths of a second of arc (RFC 1876 section 3)", "LOC 1 2 3.999 S 2 E 3.5m 0 0 0"),
    ("no digit after the point is nothing after the point", "LOC 1 2 3. N 4 E 0"),
    (
        "a comma behind two backslashes is part of the ALPN (RFC 9460 appendix A.1)",
        r#"SVCB 16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
    ),
    ("the same", r"SVCB 16 foo.example.org. alpn=f\\\092oo\092,bar,h2"),
    ("a value in the keyNNN form is bare bytes (RFC 9460 section 2.1)", r"HTTPS 1 . key1=\002h2"),
    ("the same", r"HTTPS 1 . key3=\000\053"),
    ("an owner in quotes is a name", "\"q\" A 192.0.2.1\n"),
    ("$ORIGIN may be relative (RFC 1035 section 5.1)", "$ORIGIN sub\na CNAME b\n@ TXT x\n"),
    ("directives may be in lower case", "$origin sub\na CNAME b\n$ORIGIN .\nb.ex A 192.0.2.1\n"),
    (
        "no TTL at all: the SOA's MINIMUM, for ldns an hour",
        "@ IN SOA ns.example. hm (\n  2024010101 ; serial\n  3600 900\n  604800 ; expire\n  300 )\n  IN NS ns.example.\n",
    ),
    (
        "no TTL and no $TTL: the SOA's MINIMUM, for ldns the TTL before",
        "@ SOA ns hm 1 2 3 4 1h\n@ NS a.b.\nx 7 TXT x\ny TXT y\n",
    ),
];

#[test]
fn what_ldns_takes_in_it_reads_as_we_do() {
    let folder = folder();
    let path = folder.path();
    let zones = DATA
        .iter()
        .map(|data| (*data, format!("{HEAD}a {data}\n")))
        .chain(LINES.iter().filter(|l| !l.contains("$INC")).map(|l| (*l, format!("{HEAD}{l}"))))
        .chain(ZONES.iter().map(|zone| (*zone, (*zone).to_owned())));
    let (mut taken_in, mut refused, mut compared) = (0, 0, 0);
    let mut differences = Vec::new();
    for (entry, zone) in zones {
        fs::write(path.join("zone"), format!("$ORIGIN ex.\n{zone}")).expect("a file");
        let Ok(records) = ours(path, "zone") else { continue };
        // All types but one that is in no zone are printed as bare bytes.
        let output = bind("ldns-read-zone", &["-U", "NULL", "zone"], path);
        if !output.status.success() {
            refused += 1;
            continue;
        }
        fs::write(path.join("ldns"), &output.stdout).expect("a file");
        taken_in += 1;
        compared += records.len();
        let as_lines = |records: Records| {
            let mut lines: Vec<String> =
                in_generic_form(&records).lines().map(str::to_ascii_lowercase).collect();
            lines.sort();
            lines
        };
        let theirs = ours(path, "ldns").map(as_lines);
        let ours = as_lines(records);
        let is_known = LDNS_DIFFERS.iter().any(|(_, known)| *known == entry);
        if (theirs.as_ref() != Ok(&ours)) != is_known {
            differences.push(format!("{zone:?}\n  ldns {theirs:#?}\n  we {ours:#?}"));
        }
    }
    println!(
        "{taken_in} files, {compared} records compared; {refused} files refused by ldns alone"
    );
    assert!(refused < taken_in / 2, "ldns refuses {refused} files that BIND and we take in");
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("\n"));
}
