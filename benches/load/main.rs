//! beiand, Knot DNS, NSD and the machine's floor under the same load, on the same zones, in one
//! run: CPU time per answered query, queries per second, latency, memory, start, and how long a
//! change takes to be answered.
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
//! `--changes N`, `--servers floor,knot,nsd,bind,beiand`,
//! `--sets hot,uniform,nxdomain,blocked,referral,not-hosted`, `--edns with,without`, `--out FOLDER`,
//! `--data FOLDER` (where the zones are written, and kept for the next run).

mod data;
mod generator;
#[path = "../../tests/common/peers.rs"]
mod peers;
mod process;
mod report;
mod servers;
mod sockets;

use std::path::PathBuf;
use std::time::Duration;

use data::{Data, Edns, QuerySet};
use generator::{Load, Measured};
use report::{Report, Row};
use servers::Server;

/// The servers' core, and the generator's.
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

struct Options {
    zones: usize,
    filings: usize,
    seconds: f64,
    rounds: usize,
    rate: u64,
    changes: usize,
    servers: Vec<String>,
    sets: Vec<(QuerySet, Edns)>,
    out: PathBuf,
    data: Option<PathBuf>,
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says it to every harness.
    words.retain(|word| word != "--bench");
    if let [role, port] = &words[..]
        && role == "floor"
    {
        servers::be_the_floor(port.parse().expect("a port"));
    }
    let options = match parse(&words) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("load: {problem}; the options stand at the top of benches/load/main.rs");
            std::process::exit(2);
        }
    };
    process::pin_to(LOAD_CORE);
    let folder = tempfile::Builder::new().prefix("beiand-bench-").tempdir().expect("a temp folder");
    eprintln!(
        "{} zones, {} filings in {}",
        options.zones,
        options.filings,
        folder.path().display()
    );
    let data_folder = options.data.as_deref().unwrap_or(folder.path());
    let data = Data::write(data_folder, options.zones, options.filings);

    let mut report =
        Report::new(options.zones, options.filings, options.seconds, options.rounds, options.rate);
    let mut running = Vec::new();
    for name in &options.servers {
        eprintln!("starting {name}");
        match Server::start(name, folder.path(), &data) {
            Ok(server) => running.push(server),
            Err(problem) => {
                eprintln!("{name} is left out: {problem}");
                report.note(format!("{name} was left out: {problem}"));
            }
        }
    }
    for &(set, edns) in &options.sets {
        if let Some(difference) = servers::disagreement(&running, set, edns, &data) {
            let note = format!("{}{}: answers differ: {difference}", set.name(), edns.suffix());
            eprintln!("{note}");
            report.note(note);
        }
    }
    for round in 1..=options.rounds {
        for &(set, edns) in &options.sets {
            let queries = data.queries(set, edns, round as u64);
            let set = format!("{}{}", set.name(), edns.suffix());
            for server in &running {
                let time = Duration::from_secs_f64(options.seconds);
                let full = measure(server, &Load::Full, time, &queries);
                let steady = measure(server, &Load::Rate(options.rate), time, &queries);
                eprintln!(
                    "round {round} {set:<19} {:<7} {:>8.0} q/s  {:.2} µs CPU; at {} q/s {:.2} µs CPU, p99 {:.0} µs",
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
    for server in &running {
        if let Some(facts) = server.facts() {
            eprintln!("changing what {} answers", server.name);
            let rate = options.rate / 4;
            let changes = server.change_times_under_load(&data, options.changes, rate);
            report.server(server.name, facts, changes);
        }
    }
    drop(running);
    report.write(&options.out);
}

fn measure(server: &Server, load: &Load, time: Duration, queries: &data::Queries) -> Measured {
    generator::run(server.address, server.pid(), load, time, queries)
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        zones: 100_000,
        filings: 0,
        seconds: 5.0,
        rounds: 3,
        rate: 80_000,
        changes: 20,
        servers: ["floor", "knot", "nsd", "beiand"].map(str::to_owned).to_vec(),
        sets: Vec::new(),
        out: PathBuf::from("bench-results"),
        data: None,
    };
    let mut sets = QuerySet::ALL.to_vec();
    let mut edns = vec![Edns::With, Edns::Without];
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
        let number =
            || value.replace('_', "").parse::<usize>().map_err(|_| format!("{value} is no number"));
        match word.as_str() {
            "--zones" => options.zones = number()?.max(20),
            "--filings" => options.filings = number()?,
            "--rounds" => options.rounds = number()?.max(1),
            "--rate" => options.rate = number()? as u64,
            "--changes" => options.changes = number()?,
            "--seconds" => {
                options.seconds = value.parse().map_err(|_| format!("{value} is no number"))?;
            }
            "--servers" => options.servers = value.split(',').map(str::to_owned).collect(),
            "--sets" => {
                sets = value
                    .split(',')
                    .map(|name| QuerySet::named(name).ok_or_else(|| format!("no set {name}")))
                    .collect::<Result<_, _>>()?;
            }
            "--edns" => {
                edns = value
                    .split(',')
                    .map(|word| match word {
                        "with" => Ok(Edns::With),
                        "without" => Ok(Edns::Without),
                        _ => Err(format!("--edns is with, without or both, not {word}")),
                    })
                    .collect::<Result<_, _>>()?;
            }
            "--data" => options.data = Some(PathBuf::from(value)),
            "--out" => options.out = PathBuf::from(value),
            other => return Err(format!("no option {other}")),
        }
    }
    options.filings = options.filings.max(options.zones);
    options.sets = sets.iter().flat_map(|set| edns.iter().map(|edns| (*set, *edns))).collect();
    Ok(options)
}
