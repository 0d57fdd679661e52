//! Small adversarial zones at random, in the manner of SCALE (NSDI 2022): few labels, among them
//! the asterisk, so that wildcards, cuts, aliases and DNAMEs meet; and every question about them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::common::wire_name;
use crate::random::Random;
use crate::servers::{Hosted, Question};

const LABELS: [&str; 5] = ["a", "b", "*", "a", "b"];
/// A, NS, CNAME, SOA, MX, TXT, DNAME, DS.
const QTYPES: [u16; 8] = [1, 2, 5, 6, 15, 16, 39, 43];
const ANY: u16 = 255;

/// Zones that belong together, all below one *stem*: the main zone `x`, perhaps one below it
/// (`a.x`), and one beside it (`y`). Names in the records are relative to the stem, so that the
/// same specimen can be hosted many times.
#[derive(Clone)]
pub struct Specimen {
    zones: Vec<Plan>,
}

#[derive(Clone)]
struct Plan {
    apex: String,
    /// Target of the apex's NS.
    ns: String,
    records: Vec<String>,
}

impl Specimen {
    pub fn random(random: &mut Random) -> Specimen {
        let depth = [1, 2, 2, 2, 2, 2, 3, 3, 3, 4][random.below(10)];
        let mut apexes = vec!["x".to_owned()];
        if random.one_in(3) {
            apexes.push(random.pick(&["a.x", "b.x", "b.a.x", "a.a.x"]).to_owned());
        }
        if random.one_in(3) {
            apexes.push("y".to_owned());
        }
        let may_hide = random.one_in(8);
        let mut zones: Vec<Plan> = Vec::new();
        for apex in &apexes {
            let ns = match random.below(5) {
                0 => name(random, apex, 2),
                1 => target(random, &apexes),
                _ => "ns.invalid.".to_owned(),
            };
            let count = 1 + random.below(7);
            let mut records: Vec<String> = Vec::new();
            for _ in 0..count {
                let record = record(random, apex, &apexes, depth);
                let others = zones.iter().flat_map(|zone| &zone.records).chain(&records);
                if may_hide || !hides(&record, others) {
                    records.push(record);
                }
            }
            zones.push(Plan { apex: apex.clone(), ns, records });
        }
        if let [main, rest @ ..] = &mut zones[..] {
            for child in rest.iter().filter(|zone| zone.apex != "y") {
                if !random.one_in(4) {
                    main.records.push(format!("{} NS {}", child.apex, child.ns));
                }
            }
        }
        Specimen { zones }
    }

    /// Writes the zone files with that stem; their names and places.
    pub fn write(&self, stem: &str, folder: &Path) -> Vec<Hosted> {
        self.zones
            .iter()
            .map(|plan| {
                let origin = format!("{}.{stem}", plan.apex);
                let file = folder.join(format!("{origin}.zone"));
                fs::write(&file, plan.text(stem)).expect("a file");
                Hosted::read(&origin, &file)
            })
            .collect()
    }

    /// The zone files' text.
    pub fn text(&self, stem: &str) -> String {
        let mut text = String::new();
        for plan in &self.zones {
            writeln!(text, "; {}.{stem}.zone\n{}", plan.apex, plan.text(stem)).expect("a String");
        }
        text
    }

    /// Every name over the alphabet down to one label below the deepest owner, with every type.
    pub fn questions(&self, stem: &str) -> Vec<Question> {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for plan in self.zones.iter().filter(|plan| matches!(&plan.apex[..], "x" | "y")) {
            let within =
                |owner: &str| owner == plan.apex || owner.ends_with(&format!(".{}", plan.apex));
            let owners = self.zones.iter().flat_map(Plan::owners).filter(|owner| within(owner));
            let deepest = owners.map(|owner| owner.split('.').count()).max().unwrap_or(1);
            let mut level = vec![plan.apex.clone()];
            for _ in 0..deepest {
                names.extend(level.iter().cloned());
                level = level
                    .iter()
                    .flat_map(|name| ["a", "b", "*"].map(|label| format!("{label}.{name}")))
                    .collect();
            }
            names.extend(level);
        }
        let owners: BTreeSet<&str> = self.zones.iter().flat_map(Plan::owners).collect();
        names
            .iter()
            .flat_map(|name| {
                let any = owners.contains(&name[..]).then_some(ANY);
                let wire = wire_name(&format!("{name}.{stem}"));
                QTYPES
                    .into_iter()
                    .chain(any)
                    .map(move |qtype| Question { name: wire.clone(), qtype })
            })
            .collect()
    }

    /// The specimens that have one record or one zone less.
    pub fn smaller(&self) -> Vec<Specimen> {
        let mut found = Vec::new();
        for (index, plan) in self.zones.iter().enumerate() {
            if self.zones.len() > 1 {
                let mut less = self.clone();
                less.zones.remove(index);
                found.push(less);
            }
            for record in 0..plan.records.len() {
                let mut less = self.clone();
                less.zones[index].records.remove(record);
                found.push(less);
            }
        }
        found
    }
}

impl Plan {
    fn text(&self, stem: &str) -> String {
        let Plan { apex, ns, records } = self;
        let mut text = format!(
            "$ORIGIN {stem}.\n$TTL 300\n{apex} SOA ns.invalid. hm.invalid. 1 3600 900 604800 60\n"
        );
        // BIND takes what stands behind an NS for its glue, and a DS there for one at the owner.
        let (ds, others): (Vec<&String>, Vec<&String>) =
            records.iter().partition(|record| record.contains(" DS "));
        let ns = format!("{apex} NS {ns}");
        for record in ds.into_iter().chain([&ns]).chain(others) {
            writeln!(text, "{record}").expect("a String");
        }
        text
    }

    fn owners(&self) -> impl Iterator<Item = &str> {
        let words = self.records.iter().filter_map(|record| record.split(' ').next());
        words.chain([&self.apex[..]])
    }
}

/// Whether the record would stand below a DNAME, or above with one, or beside one as a cut: two of
/// the three servers refuse that.
fn hides<'r>(record: &str, mut others: impl Iterator<Item = &'r String>) -> bool {
    let word = |record: &str, index| record.split(' ').nth(index).unwrap_or("").to_owned();
    let is_hidden = |below: &str, above: &str| {
        let (lower, upper) = (word(below, 0), word(above, 0));
        word(above, 1) == "DNAME"
            && (lower.ends_with(&format!(".{upper}")) || lower == upper && word(below, 1) == "NS")
    };
    others.any(|other| is_hidden(record, other) || is_hidden(other, record))
}

fn name(random: &mut Random, apex: &str, depth: usize) -> String {
    let labels: Vec<&str> = (0..=random.below(depth)).map(|_| random.pick(&LABELS)).collect();
    format!("{}.{apex}", labels.join("."))
}

/// A name in one of the zones, or in none.
fn target(random: &mut Random, apexes: &[String]) -> String {
    match random.below(12) {
        0 => "t.invalid.".to_owned(),
        1 => apexes[random.below(apexes.len())].clone(),
        2..=4 => {
            let apex = apexes[random.below(apexes.len())].clone();
            name(random, &apex, 3)
        }
        _ => name(random, &apexes[0], 3),
    }
}

fn record(random: &mut Random, apex: &str, apexes: &[String], depth: usize) -> String {
    let owner = if random.one_in(15) { apex.to_owned() } else { name(random, apex, depth) };
    let target = target(random, apexes);
    let data = match random.below(16) {
        0..=2 => format!("A 192.0.2.{}", 1 + random.below(3)),
        3 => "AAAA 2001:db8::1".to_owned(),
        4 => "TXT t".to_owned(),
        5..=7 => format!("CNAME {target}"),
        8..=10 => format!("DNAME {target}"),
        11..=13 => format!("NS {target}"),
        14 => format!("MX 1 {target}"),
        _ => "DS 1 8 9 AABB".to_owned(),
    };
    format!("{owner} {data}")
}
