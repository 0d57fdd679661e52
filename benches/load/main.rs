//! beiand, what it is compared with, and the machine's floor under the same load, on the same zones,
//! in one run: CPU time per answered query, queries per second, latency, memory, start, and how long
//! a change takes to be answered.
//!
//! ```text
//! cargo bench --bench load -- --zones 100000 --seconds 5 --rounds 3
//! ```
//!
//! The servers are pinned to core 0, the load generator to core 1. Each combination of server and
//! query set is measured in every round, in turn, and the medians are shown. What is written:
//! `load.md` and `load.json` in `--out` (default `bench-results`).
//!
//! Options: `--zones N`, `--filings N` (records of domains that are not hosted, too), `--seconds S`
//! (of each measurement), `--rounds N`, `--rate N` (offered load of the second measurement),
//! `--changes N` (of each kind, one at a time; 0: none of any kind), `--changes-rate N` (offered load
//! meanwhile; a quarter of `--rate` unless set), `--changes-cores 1` (or 2: whatever is not its one
//! thread for UDP may go to the core of the load meanwhile), `--changes-patience S` (after which
//! changes of one kind count as unanswered),
//! `--servers floor,knot,nsd,bind,dnsdist,dnsdist-cache,beiand,beiand-observe,beiand-limited,beiand-journal`,
//! `--sets hot,uniform,nxdomain,blocked,referral,not-hosted`, `--edns with,without`, `--out FOLDER`,
//! `--data FOLDER` (where the zones are written, and kept for the next run), `--server-cores 1,2`
//! (measures two cores against one by the first of the sets, and nothing else; see `scaling.rs`).
//!
//! Changes are made to one server at a time while no other beiand runs, since all of them look at
//! the same files.

mod agreement;
mod beiand;
mod changes;
mod data;
mod dnsdist;
mod floor;
mod generator;
mod measured;
mod options;
#[path = "../../tests/common/peers.rs"]
mod peers;
mod process;
mod report;
mod scaling;
mod servers;
mod sockets;
mod steady;

use std::path::Path;

use changes::Touched;
use data::Data;
use generator::Load;
use options::{Cores, Options};
use report::{Report, Row};
use servers::{ALONE, Server};

/// The load generator's core.
const LOAD_CORE: usize = 1;

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says it to every harness.
    words.retain(|word| word != "--bench");
    if let [role, address, workers] = &words[..]
        && role == "floor"
    {
        let address = address.parse().expect("an address");
        floor::be_the_floor(address, workers.parse().expect("a number"));
    }
    let options = match options::parse(&words) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("load: {problem}; the options stand at the top of benches/load/main.rs");
            std::process::exit(2);
        }
    };
    process::pin_to(LOAD_CORE);
    let folder = tempfile::Builder::new().prefix("beiand-bench-").tempdir().expect("a temp folder");
    let folder = folder.path();
    eprintln!("{} zones, {} filings in {}", options.zones, options.filings, folder.display());
    let data_folder = options.data.as_deref().unwrap_or(folder);
    let data = Data::write(data_folder, options.zones, options.filings);

    let mut report = Report::new(&options);
    match options.cores {
        Cores::OneAndTwo => two_cores(&options, folder, &data, &mut report),
        Cores::One => {
            let running = start(&options, folder, &data, &mut report);
            load(&options, &running, &data, &mut report);
            // Whatever becomes of the changes.
            report.write(&options.out);
            change(&options, running, folder, &data, &mut report);
        }
    }
    report.write(&options.out);
}

fn start(options: &Options, folder: &Path, data: &Data, report: &mut Report) -> Vec<Server> {
    let mut running = Vec::new();
    for name in &options.servers {
        eprintln!("starting {name}");
        let started = Server::start(name, folder, data, &ALONE);
        match started.and_then(|server| server.start_again(data, &ALONE)) {
            Ok(server) => running.push(server),
            Err(problem) => report.note(format!("{name} was left out: {problem}")),
        }
    }
    for &(set, edns) in &options.sets {
        if let Some(difference) = agreement::disagreement(&running, set, edns, data) {
            report.note(format!("{}{}: answers differ: {difference}", set.name(), edns.suffix()));
        }
    }
    running
}

fn load(options: &Options, running: &[Server], data: &Data, report: &mut Report) {
    for round in 1..=options.rounds {
        for &(set, edns) in &options.sets {
            let queries = data.queries(set, edns, round as u64);
            let set = format!("{}{}", set.name(), edns.suffix());
            for server in running {
                let measure = |load: Load| {
                    generator::run(server.address, &server.pids(), load, options.time, &queries)
                };
                let full = measure(Load::Full);
                let steady = measure(Load::Rate(options.rate));
                eprintln!(
                    "round {round} {set:<19} {:<14} {:>8.0} q/s  {:.2} µs CPU; at {} q/s {:.2} µs CPU, p99 {:.0} µs",
                    server.name,
                    full.rate(),
                    full.cpu_micros(),
                    options.rate,
                    steady.cpu_micros(),
                    steady.latency_micros(0.99),
                );
                report.add(Row::new(server.name, set.clone(), &full, &steady));
            }
        }
    }
}

fn change(
    options: &Options,
    running: Vec<Server>,
    folder: &Path,
    data: &Data,
    report: &mut Report,
) {
    for server in &running {
        if let Some(facts) = server.facts() {
            report.facts(server.name, facts);
        }
    }
    if options.changes == 0 {
        return;
    }
    let (beiands, others): (Vec<Server>, Vec<Server>) =
        running.into_iter().partition(Server::is_beiand);
    let names: Vec<&str> = beiands.iter().map(|server| server.name).collect();
    drop(beiands);
    let others = others.into_iter().filter(|server| !server.is_floor()).map(Ok);
    // Those that look by themselves are started again one by one, from their snapshots.
    let again = names.into_iter().map(|name| Server::start(name, folder, data, &ALONE));
    for server in others.chain(again) {
        let server = match server {
            Ok(server) => server,
            Err(problem) => {
                report.note(format!("no changes were made to a server: {problem}"));
                continue;
            }
        };
        eprintln!("changing what {} answers", server.name);
        let mut touched = Touched::default();
        process::allow_all_but_udp(&process::family(&server.pids()), options.changes_cores);
        let found = changes::under_load(&server, data, options, &mut touched);
        report.changes(server.name, found);
        drop(server);
        touched.restore(data);
    }
}

fn two_cores(options: &Options, folder: &Path, data: &Data, report: &mut Report) {
    let (set, _) = options.sets[0];
    for round in 1..=options.rounds {
        for name in &options.servers {
            match scaling::measure(name, folder, data, set, options.time) {
                Ok(row) => {
                    eprintln!(
                        "round {round} {:<14} {:.2} µs CPU by one, {:.2} by two",
                        row.server, row.one.cpu_micros, row.two.cpu_micros
                    );
                    report.scaling(row);
                }
                Err(problem) if round == 1 => {
                    report.note(format!("{name} was left out: {problem}"));
                }
                Err(_) => {}
            }
        }
    }
}
