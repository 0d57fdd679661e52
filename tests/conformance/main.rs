//! Protocol conformance: every case of a table is brought to beiand, Knot DNS, NSD and BIND side by
//! side. beiand must pass them all; what the others do is recorded in `docs/conformance.md`.
//!
//! | file | idea |
//! | --- | --- |
//! | `cases` | the table, and the zone that it asks for |
//! | `packet` | query messages byte by byte |
//! | `exchange` | bringing them to a server over UDP and TCP |
//! | `want` | what a right answer is, and words for what was wrong |
//! | `document` | the document that is generated |

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod document;
mod exchange;
mod packet;
#[path = "../common/peers.rs"]
mod peers;
mod want;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use cases::{Case, ORIGIN};
use common::{PATIENCE, Record, Site};
use document::Column;
use exchange::Addresses;
use peers::{Peer, ZoneFile};

#[test]
fn every_case_is_answered_right() {
    let cases = cases::all();
    let mut site = Site::new();
    let secret: String = cases::SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
    site.server("nsid = \"conformance\"").server(&format!("cookie_secret = \"{secret}\""));
    site.zone(ORIGIN, &cases::zone());
    site.records(&[Record::open(ORIGIN)]);
    let zones =
        [ZoneFile { origin: ORIGIN.to_owned(), file: site.path("zones/site.example.zone") }];
    let mut peers = [
        peers::knot(&site.path("knot"), &zones, None),
        peers::nsd(&site.path("nsd"), &zones, None),
        peers::bind(&site.path("bind"), &zones, None),
    ];
    let versions = [
        version(&peers::installed("knotd", "knot"), "-V"),
        version(&peers::installed("nsd", "nsd"), "-v"),
        version(&peers::installed("named", "bind9"), "-v"),
    ];
    for peer in &mut peers {
        peer.wait_for(ORIGIN, PATIENCE);
    }
    let beiand = site.start();
    let ours = Addresses { udp: beiand.udp(), tcp: beiand.tcp() };

    // A thread for each server: most of the time is spent waiting for it.
    let cases = &cases[..];
    let columns = thread::scope(|scope| {
        let run = |addresses| scope.spawn(move || results(cases, addresses));
        let ours = run(ours);
        let theirs: Vec<_> = peers.iter().map(|peer| run(addresses(peer))).collect();
        let mut columns = vec![column("beiand", "of this tree".to_owned(), ours)];
        for ((peer, version), running) in peers.iter().zip(versions).zip(theirs) {
            columns.push(column(peer.name, version, running));
        }
        columns
    });
    let wrong: Vec<String> = cases
        .iter()
        .zip(&columns[0].results)
        .filter(|(_, result)| *result != "ok")
        .map(|(case, result)| {
            format!(
                "{}: {} ({}): {result}; right: {}",
                case.area,
                case.name,
                case.source,
                case.right_answer()
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    document_is_current(cases, &columns);
}

/// What a server does in each case.
fn results(cases: &[Case], to: Addresses) -> Vec<String> {
    cases
        .iter()
        .map(|case| {
            let mut faults: Vec<String> = Vec::new();
            for seen in case.way.go(to) {
                for fault in want::faults(&case.wants, &seen) {
                    if !faults.contains(&fault) {
                        faults.push(fault);
                    }
                }
            }
            if faults.is_empty() { "ok".to_owned() } else { faults.join(", ") }
        })
        .collect()
}

fn addresses(peer: &Peer) -> Addresses {
    Addresses { udp: peer.address, tcp: peer.address }
}

fn column(
    server: &'static str,
    version: String,
    running: thread::ScopedJoinHandle<'_, Vec<String>>,
) -> Column {
    match running.join() {
        Ok(results) => Column { server, version, results },
        Err(_) => panic!("{server} could not be asked: see above"),
    }
}

/// The version that a server's program says it is.
fn version(program: &Path, option: &str) -> String {
    let output = Command::new(program).arg(option).output().expect("an installed program");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    text.split_whitespace().find(is_version).unwrap_or("unknown").to_owned()
}

fn document_is_current(cases: &[Case], columns: &[Column]) {
    let path = document::path();
    let now = document::render(cases, columns);
    if env::var_os("BEIAND_WRITE_DOCS").is_some() {
        fs::write(&path, now).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    // Servers of other versions may do otherwise, which is no fault of ours.
    let same_versions = columns
        .iter()
        .all(|column| committed.contains(&format!("| {} | {} |", column.server, column.version)));
    let shown = |text: &str| {
        if same_versions {
            text.to_owned()
        } else {
            document::without_peers(text, columns.len() - 1)
        }
    };
    let (now, committed) = (shown(&now), shown(&committed));
    let stale = now.lines().find(|line| !committed.lines().any(|l| l == *line));
    let gone = committed.lines().find(|line| !now.lines().any(|l| l == *line));
    assert!(
        now == committed,
        "{} is out of date: BEIAND_WRITE_DOCS=1 cargo test --test conformance\n  now: {}\n  was: {}",
        path.display(),
        stale.unwrap_or("another order"),
        gone.unwrap_or("another order"),
    );
}
