//! beiand against Knot DNS, NSD and BIND: the same zones, the same queries. Where the three agree,
//! beiand agrees; where they do not, beiand stands with most of them, and what [`known::KNOWN`]
//! tells of one of them counts as the same. Anything else fails the test. A referral has the glue that all three give.
//!
//! beiand runs with `gate.mode = "observe"`: the gate decides, and the answers are the zones'.
//!
//! `BEIAND_DIFF_SEED`, `BEIAND_DIFF_ZONES` (how many specimens) and `BEIAND_DIFF_QUESTIONS` (about
//! each, at most) vary and lengthen the random part.

#[path = "../common/mod.rs"]
mod common;
mod generate;
mod known;
#[path = "../common/peers.rs"]
mod peers;
#[path = "../common/random.rs"]
mod random;
mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use beiand::wire::Rtype;
use common::{Site, wire_name};
use generate::Specimen;
use known::{KNOWN, Met};
use peers::ZoneFile;
use random::{Random, setting};
use servers::{Asked, Case, Group, Hosted, Question, World, zone_files};

#[test]
fn zones_by_hand_are_answered_as_the_others_do() {
    let site = Site::shipped();
    let by_hand = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/zones");
    for zone in zone_files(&by_hand) {
        let name = zone.file.file_name().expect("a file");
        fs::copy(&zone.file, site.path("zones").join(name)).expect("a copy");
    }
    let zones = compiled(&zone_files(&site.path("zones")), &site.path("compiled"));
    let groups: Vec<Group> = zones.into_iter().map(|zone| Group::new(vec![zone])).collect();
    let world = World::start(site, &groups);
    let mut tally = Tally { zones: groups.len(), ..Tally::default() };
    let mut wrong = Vec::new();
    for group in &groups {
        let questions: Vec<Question> = group.zones.iter().flat_map(questions).collect();
        let cases = world.ask(&questions, group.asked);
        wrong.extend(cases.into_iter().filter_map(|case| tally.take(case)));
    }
    println!("by hand: {tally}");
    let shown: Vec<String> = wrong.iter().take(30).map(Case::to_string).collect();
    assert!(shown.is_empty(), "{} answers are wrong\n{}", tally.wrong, shown.join("\n"));
    tally.assert_met(Met::ByHand);
}

#[test]
fn random_zones_are_answered_as_the_others_do() {
    let seed = setting("BEIAND_DIFF_SEED", 1);
    let count = setting("BEIAND_DIFF_ZONES", 200) as usize;
    let most = setting("BEIAND_DIFF_QUESTIONS", 100) as usize;
    let mut random = Random::new(seed);
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    for lot in 0..count.div_ceil(LOT) {
        let size = LOT.min(count - lot * LOT);
        let drawn = std::iter::repeat_with(|| Specimen::random(&mut random));
        wrong.extend(compare(drawn, size, most, &mut tally));
    }
    println!("seed {seed}, {tally}");
    if let Some((specimen, case)) = wrong.into_iter().min_by_key(|(s, _)| s.text(STEM).len()) {
        println!("wrong, before it is made smaller:\n{}{case}", specimen.text(STEM));
        let (specimen, case) = shrunk(specimen, case);
        panic!(
            "seed {seed}: {} answers are wrong; the smallest zones:\n{}{case}",
            tally.wrong,
            specimen.text(STEM)
        );
    }
    if (seed, count, most) == (1, 200, 100) {
        tally.assert_met(Met::Random);
    }
}

/// Specimens that are hosted at a time.
const LOT: usize = 500;
/// The stem of specimens that are shown to people.
const STEM: &str = "s0";

/// Hosts the first `count` specimens whose zones are valid, and asks about each of them all
/// questions, or some `most` of them. The specimens with a wrong answer, and the first such.
fn compare(
    specimens: impl Iterator<Item = Specimen>,
    count: usize,
    most: usize,
    tally: &mut Tally,
) -> Vec<(Specimen, Case)> {
    let site = Site::new();
    let folder = site.path("zones");
    let (mut hosted, mut groups) = (Vec::new(), Vec::new());
    for specimen in specimens {
        if hosted.len() == count {
            break;
        }
        let zones = specimen.write(&format!("s{}", hosted.len()), &folder);
        if zones.iter().all(|zone| zone.records.is_ok()) {
            tally.zones += zones.len();
            hosted.push(specimen);
            groups.push(Group::new(zones));
        } else {
            zones.iter().for_each(|zone| fs::remove_file(&zone.zone.file).expect("a file of ours"));
        }
    }
    let world = World::start(site, &groups);
    let mut wrong: BTreeMap<usize, Case> = BTreeMap::new();
    for asked in [Asked::All, Asked::BindAlone] {
        // All at once: the servers are then never idle.
        let mut questions: Vec<Question> = Vec::new();
        let mut whose: Vec<usize> = Vec::new();
        let of_these = groups.iter().enumerate().filter(|(_, group)| group.asked == asked);
        for index in of_these.map(|(index, _)| index) {
            let mut all = hosted[index].questions(&format!("s{index}"));
            let (mut random, count) = (Random::new(index as u64), all.len());
            all.retain(|_| random.below(count) < most);
            questions.append(&mut all);
            whose.resize(questions.len(), index);
        }
        for (index, case) in whose.into_iter().zip(world.ask(&questions, asked)) {
            if let Some(case) = tally.take(case) {
                wrong.entry(index).or_insert(case);
            }
        }
    }
    wrong.into_iter().map(|(index, case)| (hosted[index].clone(), case)).collect()
}

/// The specimen with every record and zone taken away that the wrong answer does not need.
fn shrunk(mut specimen: Specimen, mut case: Case) -> (Specimen, Case) {
    loop {
        let smaller = specimen.smaller();
        let count = smaller.len();
        let found = compare(smaller.into_iter(), count, usize::MAX, &mut Tally::default())
            .into_iter()
            .next();
        match found {
            Some(found) => (specimen, case) = found,
            None => return (specimen, case),
        }
    }
}

/// What the comparison came to.
#[derive(Default)]
struct Tally {
    zones: usize,
    questions: usize,
    /// By how the others agree among themselves, and how beiand stands to them.
    standings: BTreeMap<(Agreement, Standing), usize>,
    additional_as_all: usize,
    known: BTreeMap<&'static str, usize>,
    wrong: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Agreement {
    All,
    Two,
    None,
    OnlyBindAsked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    WithMost,
    WithOne,
    Alone,
}

impl Tally {
    /// Counts the case, and gives it back if it is wrong.
    fn take(&mut self, case: Case) -> Option<Case> {
        self.questions += 1;
        let (agreement, standing) = stand(&case);
        *self.standings.entry((agreement, standing)).or_default() += 1;
        let as_all = |(_, theirs): &(_, servers::Answer)| theirs.additional == case.ours.additional;
        self.additional_as_all += usize::from(case.theirs.iter().all(as_all));
        if standing == Standing::WithMost && !lacks_glue(&case) {
            return None;
        }
        let mut reasons: BTreeSet<&str> = BTreeSet::new();
        let counts_as_ours = |(server, theirs): &&(&str, servers::Answer)| {
            let known = KNOWN.iter().find(|known| (known.applies)(&case, server, theirs));
            let is_same = theirs.is_same(&case.ours);
            reasons.extend(known.filter(|_| !is_same).map(|known| known.why));
            is_same || known.is_some()
        };
        let votes = case.theirs.iter().filter(counts_as_ours).count();
        if 2 * votes > case.theirs.len() && !lacks_glue(&case) {
            for why in reasons {
                *self.known.entry(why).or_default() += 1;
            }
            return None;
        }
        self.wrong += 1;
        Some(case)
    }
}

impl Tally {
    #[track_caller]
    fn assert_met(&self, here: Met) {
        for known in KNOWN.iter().filter(|known| known.met == here) {
            assert!(self.known.contains_key(known.why), "nothing meets it: {}", known.why);
        }
    }
}

/// Whether beiand leaves out an address of a referral that all three others give (RFC 9471).
fn lacks_glue(case: &Case) -> bool {
    let additional = |(_, theirs): &(&str, servers::Answer)| theirs.additional.clone();
    let mut common = case.theirs.first().map(additional).unwrap_or_default();
    common.retain(|record| case.theirs.iter().all(|(_, t)| t.additional.contains(record)));
    let is_referral =
        |answer: &servers::Answer| answer.authority.iter().any(|r| Rtype(r.rtype) == Rtype::NS);
    case.theirs.len() == 3
        && is_referral(&case.ours)
        && !common.iter().all(|record| case.ours.additional.contains(record))
}

fn stand(case: &Case) -> (Agreement, Standing) {
    let votes = |answer: &servers::Answer| {
        case.theirs.iter().filter(|(_, theirs)| theirs.is_same(answer)).count()
    };
    let most = case.theirs.iter().map(|(_, theirs)| votes(theirs)).max().unwrap_or(0);
    let agreement = match (most, case.theirs.len()) {
        (_, 1) => Agreement::OnlyBindAsked,
        (1, _) => Agreement::None,
        (all, asked) if all == asked => Agreement::All,
        _ => Agreement::Two,
    };
    let standing = match votes(&case.ours) {
        0 => Standing::Alone,
        ours if ours == most && agreement != Agreement::None => Standing::WithMost,
        _ => Standing::WithOne,
    };
    (agreement, standing)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} zones, {} questions", self.zones, self.questions)?;
        for ((agreement, standing), count) in &self.standings {
            writeln!(f, "  others agree: {agreement:?}; beiand {standing:?}: {count}")?;
        }
        writeln!(
            f,
            "  additional section the same as all the others': {}",
            self.additional_as_all
        )?;
        for (why, count) in &self.known {
            writeln!(f, "  known: {why}: {count}")?;
        }
        write!(f, "  wrong: {}", self.wrong)
    }
}

/// The zones as BIND writes them out, since Knot and NSD know no `$GENERATE`.
fn compiled(zones: &[ZoneFile], folder: &Path) -> Vec<Hosted> {
    fs::create_dir(folder).expect("a folder");
    zones
        .iter()
        .map(|zone| {
            let file = folder.join(format!("{}.zone", zone.origin));
            let output = Command::new("named-compilezone")
                .args(["-q", "-i", "local", "-k", "ignore", "-o"])
                .args([&file, Path::new(&zone.origin), &zone.file])
                .output()
                .expect("named-compilezone is installed (package bind9-utils)");
            assert!(output.status.success(), "BIND refuses {}", zone.file.display());
            let hosted = Hosted::read(&zone.origin, &file);
            assert!(hosted.records.is_ok(), "we refuse {}: {:?}", zone.origin, hosted.records);
            hosted
        })
        .collect()
}

/// Every owner name, every name between it and its apex, names below and beside: each with each
/// type.
fn questions(zone: &Hosted) -> Vec<Question> {
    let apex = wire_name(&zone.zone.origin);
    let mut names: BTreeSet<Vec<u8>> = BTreeSet::from([apex.clone()]);
    names.extend(below(b"0", &apex));
    names.extend(below(&b"d".repeat(63), &apex));
    for record in zone.records.as_ref().expect("is valid").iter() {
        let owner = record.owner.to_ascii_lowercase();
        let mut name = &owner[..];
        while name.len() > apex.len() {
            names.insert(name.to_vec());
            name = &name[1 + usize::from(name[0])..];
        }
        for label in [&b"zzz"[..], b"zzzz", b"*", b"a.b", &b"d".repeat(63)] {
            names.extend(below(label, &owner));
        }
    }
    if zone.zone.origin == "tricky.example" {
        names.extend([wire_name("nothosted.example"), vec![0]]);
    }
    // A NS SOA CNAME PTR MX TXT AAAA SRV DNAME DS HTTPS TYPE65400, and ANY.
    let types = [1, 2, 6, 5, 12, 15, 16, 28, 33, 39, 43, 65, 65_400, 255];
    names
        .iter()
        .flat_map(|name| types.map(|qtype| Question { name: name.clone(), qtype }))
        .collect()
}

fn below(label: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut whole = vec![label.len() as u8];
    whole.extend(label);
    whole.extend(name);
    (whole.len() <= 255).then_some(whole)
}
