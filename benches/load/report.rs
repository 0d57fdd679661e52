//! The figures of all rounds, and their medians as Markdown and JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::changes::Change;
use super::measured::Measured;
use super::options::Options;
use super::scaling::{self, Figures};
use super::servers::Facts;

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
            full.lost_per_million(),
            steady.lost_per_million(),
        ];
        Row { server, set, figures }
    }
}

/// Everything found in one run.
#[derive(Default)]
pub struct Report {
    setting: Value,
    rows: Vec<Row>,
    facts: Vec<(&'static str, Facts)>,
    changes: Vec<(&'static str, Vec<Change>)>,
    scaling: Vec<scaling::Row>,
    notes: Vec<String>,
}

impl Report {
    /// An empty report of a run with these settings.
    pub fn new(options: &Options) -> Report {
        let setting = json!({
            "zones": options.zones,
            "filings": options.filings,
            "seconds": options.time.as_secs_f64(),
            "rounds": options.rounds,
            "rate": options.rate,
            "changes_rate": options.changes_rate,
            "changes_patience": options.changes_patience.as_secs(),
            "changes_cores": options.changes_cores.len(),
            "kernel": said("uname", &["-sr"]),
            "cpu": cpu_model(),
            "knot": said("/usr/sbin/knotd", &["--version"]),
            "nsd": said("/usr/sbin/nsd", &["-v"]),
            "bind": said("/usr/sbin/named", &["-v"]),
            "dnsdist": said("/usr/bin/dnsdist", &["--version"]),
            "beiand": env!("CARGO_PKG_VERSION"),
        });
        Report { setting, ..Report::default() }
    }

    /// Adds a round's figures.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds what is measured of a server once.
    pub fn facts(&mut self, name: &'static str, facts: Facts) {
        self.facts.push((name, facts));
    }

    /// Adds how long a server's changes took.
    pub fn changes(&mut self, name: &'static str, changes: Vec<Change>) {
        self.changes.push((name, changes));
    }

    /// Adds a round's figures of one core and two.
    pub fn scaling(&mut self, row: scaling::Row) {
        self.scaling.push(row);
    }

    /// Adds a remark that a reader of the figures must know.
    pub fn note(&mut self, note: String) {
        eprintln!("{note}");
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
        let setting = &self.setting;
        let said: Vec<&str> = ["kernel", "cpu", "knot", "nsd", "bind", "dnsdist"]
            .iter()
            .filter_map(|key| setting[*key].as_str().filter(|said| !said.is_empty()))
            .collect();
        let mut text = format!(
            "# Load\n\n{} zones, {} filings; each measurement {} s, medians of {} rounds; fixed rate {} queries/s; server on one core, load on the other.\n{}; beiand {}.\n",
            setting["zones"],
            setting["filings"],
            setting["seconds"],
            setting["rounds"],
            setting["rate"],
            said.join("; "),
            setting["beiand"].as_str().unwrap_or(""),
        );
        self.load_table(&mut text);
        self.facts_table(&mut text);
        self.changes_table(&mut text);
        self.scaling_table(&mut text);
        for note in &self.notes {
            text += &format!("\n- {note}\n");
        }
        text
    }

    fn load_table(&self, text: &mut String) {
        let headings: Vec<&str> = COLUMNS.iter().map(|(_, heading, _)| *heading).collect();
        let headings = format!("set | server | × floor | {}", headings.join(" | "));
        let rows = self.groups().into_iter().map(|(set, server)| {
            let medians = self.medians(set, server);
            let floor = self.medians(set, "floor")[0];
            let ratio =
                if floor > 0.0 { format!("{:.2}", medians[0] / floor) } else { String::new() };
            let cells: Vec<String> = COLUMNS
                .iter()
                .zip(medians)
                .map(|((_, _, decimals), figure)| format!("{figure:.decimals$}"))
                .collect();
            format!("{set} | {server} | {ratio} | {}", cells.join(" | "))
        });
        table(text, &headings, 2, rows);
    }

    fn facts_table(&self, text: &mut String) {
        let headings =
            "server | start s | MiB | start from its snapshot s | MiB | MiB after all load";
        let rows = self.facts.iter().map(|(name, facts)| {
            let again = match facts.second_start {
                Some(start) => format!("{:.2} | {:.0}", start.seconds, start.mib),
                None => " | ".to_owned(),
            };
            let Facts { start, end_mib, .. } = facts;
            format!("{name} | {:.2} | {:.0} | {again} | {end_mib:.0}", start.seconds, start.mib)
        });
        table(text, headings, 1, rows);
    }

    fn changes_table(&self, text: &mut String) {
        let changes: Vec<(&str, &Change)> = self
            .changes
            .iter()
            .flat_map(|(name, changes)| changes.iter().map(|change| (*name, change)))
            .collect();
        if !changes.is_empty() {
            *text += &format!(
                "\nChanges, while {} queries/s come in, to servers that may use so many cores: {}. Latency is that of those queries, in the second before and meanwhile.\n",
                self.setting["changes_rate"], self.setting["changes_cores"]
            );
        }
        let headings = "server | change | times | p50 ms | p99 ms | worst ms | latency before, p99 µs | meanwhile, p99 µs | worst µs | queries lost | of";
        let rows = changes.into_iter().map(|(name, change)| {
            let unanswered = match change.unanswered {
                0 => String::new(),
                some => format!(", {some} not in {} s", self.setting["changes_patience"]),
            };
            format!(
                "{name} | {} | {}{unanswered} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} | {:.0} | {} | {}",
                change.what,
                change.millis.len(),
                quantile(&change.millis, 0.5),
                quantile(&change.millis, 0.99),
                quantile(&change.millis, 1.0),
                change.p99_before_micros,
                change.p99_micros,
                change.worst_micros,
                change.lost,
                change.asked,
            )
        });
        table(text, headings, 2, rows);
    }

    fn scaling_table(&self, text: &mut String) {
        if !self.scaling.is_empty() {
            *text += "\nTwo cores against one, at full load. *Apart*: one worker, the load on the other core. *One*: one worker and one load thread on one core, the other core idle. *Two*: both on both cores. *Scaling* is 2 × CPU(one) / CPU(two): 2 where the second worker costs the first one nothing.\n";
        }
        let headings = "server | apart, CPU µs/query | one, CPU µs/query | two, CPU µs/query | scaling | one, queries/s | two, queries/s | two : one";
        let rows = self.scaled_servers().into_iter().map(|name| {
            let median = |figure: &dyn Fn(&scaling::Row) -> f64| self.scaled(name, figure);
            let (one, two) = (median(&|row| row.one.cpu_micros), median(&|row| row.two.cpu_micros));
            let (slow, fast) = (median(&|row| row.one.rate), median(&|row| row.two.rate));
            format!(
                "{name} | {:.2} | {one:.2} | {two:.2} | {:.2} | {slow:.0} | {fast:.0} | {:.2}",
                median(&|row| row.apart.cpu_micros),
                2.0 * one / two,
                fast / slow,
            )
        });
        table(text, headings, 1, rows);
    }

    /// In order of their first row.
    fn scaled_servers(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for row in &self.scaling {
            if !names.contains(&row.server) {
                names.push(row.server);
            }
        }
        names
    }

    /// The median of a figure over all rounds.
    fn scaled(&self, server: &str, figure: &dyn Fn(&scaling::Row) -> f64) -> f64 {
        let rows = self.scaling.iter().filter(|row| row.server == server);
        median(&rows.map(figure).collect::<Vec<_>>())
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
        let facts = self.facts.iter().map(|(name, facts)| {
            json!({
                "server": name,
                "start_seconds": facts.start.seconds,
                "start_mib": facts.start.mib,
                "second_start_seconds": facts.second_start.map(|start| start.seconds),
                "second_start_mib": facts.second_start.map(|start| start.mib),
                "end_mib": facts.end_mib,
            })
        });
        let changes = self.changes.iter().flat_map(|(name, changes)| {
            changes.iter().map(move |change| {
                json!({
                    "server": name,
                    "change": change.what,
                    "ms": change.millis,
                    "unanswered": change.unanswered,
                    "p99_micros_before": change.p99_before_micros,
                    "p99_micros": change.p99_micros,
                    "worst_micros": change.worst_micros,
                    "lost": change.lost,
                    "asked": change.asked,
                })
            })
        });
        let figures =
            |f: Figures| json!({ "cpu_micros": f.cpu_micros, "queries_per_second": f.rate });
        let scaling = self.scaling.iter().map(|row| {
            json!({
                "server": row.server,
                "apart": figures(row.apart),
                "one": figures(row.one),
                "two": figures(row.two),
            })
        });
        json!({
            "setting": self.setting,
            "load": groups,
            "servers": facts.collect::<Value>(),
            "changes": changes.collect::<Value>(),
            "scaling": scaling.collect::<Value>(),
            "notes": self.notes,
        })
    }
}

/// A table in Markdown, if it has rows; so many columns hold text.
fn table(text: &mut String, headings: &str, texts: usize, rows: impl Iterator<Item = String>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let columns = headings.split(" | ").count();
    let rule = "--- | ".repeat(texts) + &"---: | ".repeat(columns - texts);
    writeln!(text, "\n| {headings} |\n| {}", rule.trim_end()).expect("a String");
    for row in rows {
        writeln!(text, "| {row} |").expect("a String");
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

/// The figure that this share of them does not exceed.
fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(place.max(1) - 1).copied().unwrap_or(0.0)
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
