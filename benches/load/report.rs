//! The figures of all rounds, and their medians as Markdown and JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::generator::Measured;
use super::servers::{Changes, Facts};

/// One server under one query set in one round.
pub struct Row {
    server: &'static str,
    set: String,
    /// In the order of [`COLUMNS`].
    figures: [f64; COLUMNS.len()],
}

/// What is measured: name in JSON, heading, decimals.
const COLUMNS: [(&str, &str, usize); 11] = [
    ("cpu_micros_full", "CPU µs/query, full load", 2),
    ("rate_full", "queries/s, full load", 0),
    ("p50_micros_full", "p50 µs, full load", 0),
    ("p99_micros_full", "p99 µs, full load", 0),
    ("p999_micros_full", "p99.9 µs, full load", 0),
    ("cpu_micros_steady", "CPU µs/query, fixed rate", 2),
    ("p50_micros_steady", "p50 µs, fixed rate", 0),
    ("p99_micros_steady", "p99 µs, fixed rate", 0),
    ("p999_micros_steady", "p99.9 µs, fixed rate", 0),
    ("lost_per_million_full", "lost per million, full load", 1),
    ("lost_per_million_steady", "lost per million, fixed rate", 1),
];

impl Row {
    /// From a measurement at full load and one at the fixed rate.
    pub fn new(server: &'static str, set: String, full: &Measured, steady: &Measured) -> Row {
        // Without an answer, or with one that fits no query.
        let lost = |measured: &Measured| {
            let asked = (measured.answered + measured.lost).max(1);
            (measured.lost + measured.strange) as f64 * 1e6 / asked as f64
        };
        let figures = [
            full.cpu_micros(),
            full.rate(),
            full.latency_micros(0.5),
            full.latency_micros(0.99),
            full.latency_micros(0.999),
            steady.cpu_micros(),
            steady.latency_micros(0.5),
            steady.latency_micros(0.99),
            steady.latency_micros(0.999),
            lost(full),
            lost(steady),
        ];
        Row { server, set, figures }
    }
}

/// Everything found in one run.
pub struct Report {
    setting: Value,
    rows: Vec<Row>,
    servers: Vec<(&'static str, Facts, Changes)>,
    notes: Vec<String>,
}

impl Report {
    /// An empty report of a run with these settings.
    pub fn new(zones: usize, filings: usize, seconds: f64, rounds: usize, rate: u64) -> Report {
        let setting = json!({
            "zones": zones, "filings": filings, "seconds": seconds, "rounds": rounds, "rate": rate,
            "kernel": said("uname", &["-sr"]),
            "cpu": cpu_model(),
            "knot": said("/usr/sbin/knotd", &["--version"]),
            "nsd": said("/usr/sbin/nsd", &["-v"]),
            "beiand": env!("CARGO_PKG_VERSION"),
        });
        Report { setting, rows: Vec::new(), servers: Vec::new(), notes: Vec::new() }
    }

    /// Adds a round's figures.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds what is measured of a server once.
    pub fn server(&mut self, name: &'static str, facts: Facts, changes: Changes) {
        self.servers.push((name, facts, changes));
    }

    /// Adds a remark that a reader of the figures must know.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Writes `load.md` and `load.json`, and the former to standard output.
    pub fn write(&self, folder: &Path) {
        let text = self.markdown();
        println!("{text}");
        fs::create_dir_all(folder).expect("the folder of the results");
        fs::write(folder.join("load.md"), text).expect("a file");
        let json = serde_json::to_string_pretty(&self.json()).expect("plain data");
        fs::write(folder.join("load.json"), json).expect("a file");
    }

    /// Server and set of each group, in order of their first row.
    fn groups(&self) -> Vec<(&str, &'static str)> {
        let mut groups = Vec::new();
        for row in &self.rows {
            let group = (row.set.as_str(), row.server);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    fn medians(&self, set: &str, server: &str) -> [f64; COLUMNS.len()] {
        std::array::from_fn(|column| {
            let figures = self.rows.iter().filter(|r| r.set == set && r.server == server);
            median(&figures.map(|r| r.figures[column]).collect::<Vec<_>>())
        })
    }

    fn markdown(&self) -> String {
        let mut text = String::new();
        let setting = &self.setting;
        let mut line = |line: String| writeln!(text, "{line}").expect("a String");
        line(format!(
            "# Load\n\n{} zones, {} filings; each measurement {} s, medians of {} rounds; fixed rate {} queries/s; server on one core, load on the other.",
            setting["zones"],
            setting["filings"],
            setting["seconds"],
            setting["rounds"],
            setting["rate"]
        ));
        line(format!(
            "{}; {}; {}; {}; beiand {}.\n",
            setting["kernel"].as_str().unwrap_or(""),
            setting["cpu"].as_str().unwrap_or(""),
            setting["knot"].as_str().unwrap_or(""),
            setting["nsd"].as_str().unwrap_or(""),
            setting["beiand"].as_str().unwrap_or("")
        ));
        let headings: Vec<&str> = COLUMNS.iter().map(|(_, heading, _)| *heading).collect();
        line(format!("| set | server | × floor | {} |", headings.join(" | ")));
        line(format!("| --- | --- | {}", "---: | ".repeat(COLUMNS.len() + 1).trim_end()));
        for (set, server) in self.groups() {
            let medians = self.medians(set, server);
            let floor = self.medians(set, "floor")[0];
            let ratio =
                if floor > 0.0 { format!("{:.2}", medians[0] / floor) } else { String::new() };
            let cells: Vec<String> = COLUMNS
                .iter()
                .zip(medians)
                .map(|((_, _, decimals), figure)| format!("{figure:.decimals$}"))
                .collect();
            line(format!("| {set} | {server} | {ratio} | {} |", cells.join(" | ")));
        }
        line("\n| server | start s | MiB | MiB after load | zone replaced, median ms | worst ms | 1,000 zones ms | filing appended, median ms | worst ms | 1,000 filings ms | lost per million meanwhile |".to_owned());
        line(format!("| --- | {}", "---: | ".repeat(10).trim_end()));
        for (name, facts, changes) in &self.servers {
            let filings = match changes.thousand_filings {
                Some(all) => {
                    format!(
                        "{:.1} | {:.1} | {all:.0}",
                        median(&changes.filing),
                        worst(&changes.filing)
                    )
                }
                None => " | | ".to_owned(),
            };
            line(format!(
                "| {name} | {:.1} | {:.0} | {:.0} | {:.1} | {:.1} | {:.0} | {filings} | {:.1} |",
                facts.start_seconds,
                facts.start_mib,
                facts.end_mib,
                median(&changes.zone),
                worst(&changes.zone),
                changes.thousand_zones,
                changes.lost_per_million,
            ));
        }
        for note in &self.notes {
            line(format!("\n- {note}"));
        }
        text
    }

    fn json(&self) -> Value {
        let groups: Vec<Value> = self
            .groups()
            .into_iter()
            .map(|(set, server)| {
                let mut group = json!({ "set": set, "server": server });
                for ((name, _, _), figure) in COLUMNS.iter().zip(self.medians(set, server)) {
                    group[*name] = json!(figure);
                }
                let rounds = self.rows.iter().filter(|r| r.set == set && r.server == server);
                group["rounds"] = rounds.map(|r| json!(r.figures)).collect();
                group
            })
            .collect();
        let servers: Vec<Value> = self
            .servers
            .iter()
            .map(|(name, facts, changes)| {
                json!({
                    "server": name,
                    "start_seconds": facts.start_seconds,
                    "start_mib": facts.start_mib,
                    "end_mib": facts.end_mib,
                    "zone_replaced_ms": changes.zone,
                    "thousand_zones_ms": changes.thousand_zones,
                    "filing_appended_ms": changes.filing,
                    "thousand_filings_ms": changes.thousand_filings,
                    "lost_per_million": changes.lost_per_million,
                })
            })
            .collect();
        json!({ "setting": self.setting, "load": groups, "servers": servers, "notes": self.notes })
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

fn worst(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(0.0, f64::max)
}

fn said(program: &str, args: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(args).output() else { return String::new() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or("").trim().to_owned()
}

fn cpu_model() -> String {
    fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_default()
}
