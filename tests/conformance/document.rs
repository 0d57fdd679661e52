//! `docs/conformance.md`: written from the table and what the servers did, and read back to see
//! that it still says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::cases::Case;

const HEAD: &str = "\
# Protocol conformance

What beiand, Knot DNS, NSD and BIND do with each message of a table of cases: those of RFC 8906 and of ISC's EDNS compliance
tests (the names in brackets are `genreport`'s), and what other RFCs ask of an authoritative server.

This file is written by the test that asks the servers, which fails where beiand is wrong or this file is out of date:

    BEIAND_WRITE_DOCS=1 cargo test --test conformance

`ok`: as the RFC has it. Anything else says what was different, after `genreport`: the response code that came (`formerr`,
`refused`, …), `timeout` for no reply, `closed` for a closed connection, `noaa`, `noopt`, `nocookie`, … for what is missing,
and `aa`, `opt`, `echoed`, `tc`, … for what should not be there; `answer=A+MX` names the types that a section holds instead.
The other servers' results are recorded, not judged: several of these cases leave a choice, and beiand's is the one that
is asked for here. They run as `tests/common/peers.rs` starts them, with their own defaults for all else: Knot and NSD give no
cookies then, NSD and BIND no NSID.

In every case, beside what is written there: ID, opcode and RD are those of the query; QR is set; RA, AD and Z are clear, and
so is TC unless it is asked for; the question is the query's, byte by byte; OPT has version 0 and no unknown flags; FORMERR,
NOTIMP and BADVERS come without records; no record comes twice; the reply is no larger than the client takes. Names are
relative to `site.example.`, the zone that is asked for.
";

/// What one server did in each case.
pub struct Column {
    pub server: &'static str,
    pub version: String,
    pub results: Vec<String>,
}

pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md")
}

pub fn render(cases: &[Case], columns: &[Column]) -> String {
    let mut text = HEAD.to_owned();
    let passed = |column: &Column| column.results.iter().filter(|r| *r == "ok").count();
    writeln!(text, "\n| of {} cases | version | `ok` |\n| --- | --- | --- |", cases.len())
        .expect("a String");
    for column in columns {
        writeln!(text, "| {} | {} | {} |", column.server, column.version, passed(column))
            .expect("a String");
    }
    let mut area = "";
    for (number, case) in cases.iter().enumerate() {
        if case.area != area {
            area = case.area;
            writeln!(text, "\n## {area}\n").expect("a String");
            let servers: Vec<&str> = columns.iter().map(|column| column.server).collect();
            writeln!(text, "| case | over | right answer | source | {} |", servers.join(" | "))
                .expect("a String");
            writeln!(text, "| --- | --- | --- | --- |{}", " --- |".repeat(columns.len()))
                .expect("a String");
        }
        let results: Vec<&str> =
            columns.iter().map(|column| column.results[number].as_str()).collect();
        writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            case.name,
            case.way.name(),
            case.right_answer(),
            case.source,
            results.join(" | ")
        )
        .expect("a String");
    }
    text
}

/// The text without what servers of other versions may do otherwise: the last cells of each row.
pub fn without_peers(text: &str, peers: usize) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let shown = match cells.len() {
            len if len > 4 => cells[..len - peers].join(" | "),
            3 => String::new(),
            _ => line.to_owned(),
        };
        kept.push_str(&shown);
        kept.push('\n');
    }
    kept
}
