//! The master-file reader against BIND: `named-checkzone` must refuse what we refuse, and
//! `named-compilezone` must see in our wire form what it sees in the zone file. `ldns-read-zone` is
//! the third reader: whatever all take in, it must read as we do.
//!
//! `BEIAND_MASTER_SEED` and `BEIAND_MASTER_ZONES` vary and lengthen the random part.

mod corpus;
#[path = "../common/random.rs"]
mod random;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use beiand::master::{Records, read_zone};
use beiand::wire::{Name, name};

use corpus::{DATA, HEAD, LINES, WE_ARE_KINDER, WE_ARE_STRICTER, ZONES};
use random::{Random, setting};

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
        // Names of their own: what may stand beside what is not the question.
        let owner = match random.below(8) {
            0 => format!("H{line}.ex."),
            1 => format!("h{line}.\\097\\b"),
            2 => format!("*.h{line}"),
            _ => format!("h{line}"),
        };
        let ttl_class = random.pick(&["", "30 ", "IN ", "in 1h ", "2m IN ", "0 CLASS1 "]);
        let data = random.pick(good);
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
            0 => zone += "$ORIGIN sub.ex.\n",
            1 => zone += "$ORIGIN ex.\n",
            2 => zone += "$TTL 1h\n",
            3 => zone += "$INCLUDE inc\n",
            4 => zone += &format!("$GENERATE 1-3 g{line}-$ A 192.0.2.$\n"),
            5 => zone += "  7 TXT \"the owner before\"\n",
            _ => {}
        }
    }
    zone
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

/// What ldns reads in another way than BIND and we do, and by which part a file with it is known.
const LDNS_DIFFERS: &[(&str, &str)] = &[
    ("thousandths of a second of arc (RFC 1876 section 3)", "LOC 1 2 3.999 S"),
    ("no digit after the point is nothing after the point", "LOC 1 2 3. N"),
    ("a comma behind two backslashes is part of the ALPN (RFC 9460 appendix A.1)", "bar,h2"),
    ("a value in the keyNNN form is bare bytes (RFC 9460 section 2.1)", "key1=\\002"),
    ("the same", "key3=\\000"),
    ("an owner in quotes is a name", "\"q\" A"),
    ("$ORIGIN may be relative (RFC 1035 section 5.1)", "$ORIGIN sub\n"),
    ("directives may be in lower case", "$origin sub"),
    ("no TTL at all: the SOA's MINIMUM, for ldns an hour", "2024010101 ; serial"),
    ("no TTL and no $TTL: the SOA's MINIMUM, for ldns the TTL before", "@ SOA ns hm 1 2 3 4 1h"),
];

#[test]
fn what_ldns_takes_in_it_reads_as_we_do() {
    let folder = folder();
    let path = folder.path();
    let zones = DATA
        .iter()
        .map(|data| format!("{HEAD}a {data}\n"))
        .chain(LINES.iter().filter(|l| !l.contains("$INC")).map(|l| format!("{HEAD}{l}")))
        .chain(ZONES.iter().map(|zone| (*zone).to_owned()));
    let (mut compared, mut differences) = (0, Vec::new());
    for zone in zones {
        fs::write(path.join("zone"), format!("$ORIGIN ex.\n{zone}")).expect("a file");
        let Ok(records) = ours(path, "zone") else { continue };
        // All types but one that is in no zone are printed as bare bytes.
        let output = bind("ldns-read-zone", &["-U", "NULL", "zone"], path);
        if !output.status.success() {
            continue;
        }
        fs::write(path.join("ldns"), &output.stdout).expect("a file");
        compared += records.len();
        let as_lines = |records: Records| {
            let mut lines: Vec<String> =
                in_generic_form(&records).lines().map(str::to_ascii_lowercase).collect();
            lines.sort();
            lines
        };
        let theirs = ours(path, "ldns").map(as_lines);
        let ours = as_lines(records);
        if theirs.as_ref() != Ok(&ours) && !LDNS_DIFFERS.iter().any(|(_, part)| zone.contains(part))
        {
            differences.push(format!("{zone:?}\n  ldns {theirs:#?}\n  we {ours:#?}"));
        }
    }
    println!("{compared} records compared");
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("\n"));
}
