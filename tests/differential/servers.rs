//! The four servers over the same zones, asked the same questions; what came back, in a form that
//! can be compared.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use beiand::master::{Records, rdata_to_text, read_zone};
use beiand::wire::{Name, Rtype, name};

use crate::common::{PATIENCE, Server, Site};
use crate::peers::{self, Peer, ZoneFile};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub name: Vec<u8>,
    pub qtype: u16,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", name::to_text(&self.name), Rtype(self.qtype))
    }
}

/// A zone as our reader sees it.
pub struct Hosted {
    pub zone: ZoneFile,
    /// What is wrong with it, or its records.
    pub records: Result<Records, String>,
}

impl Hosted {
    pub fn read(origin: &str, file: &Path) -> Hosted {
        let mut records = Records::default();
        let name: Name = format!("{origin}.").parse().expect("is a name");
        let folder = file.parent().expect("a file in a folder");
        let records = match read_zone(file, folder, &name, &mut records) {
            Ok(_) => Ok(records),
            Err(faults) => Err(faults.iter().map(|fault| format!("{fault}\n")).collect()),
        };
        Hosted { zone: ZoneFile { origin: origin.to_owned(), file: file.to_owned() }, records }
    }
}

/// Zones that may lead into each other, and who is asked about them beside beiand.
pub struct Group {
    pub zones: Vec<Hosted>,
    pub asked: Asked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    All,
    /// Knot and NSD refuse data below a DNAME, as RFC 6672 section 2.4 has it, and Knot a DNAME at
    /// a cut. NSD looks across zones for that.
    BindAlone,
}

impl Group {
    pub fn new(zones: Vec<Hosted>) -> Group {
        let records = || zones.iter().flat_map(|zone| zone.records.iter().flat_map(Records::iter));
        let dnames: Vec<&[u8]> =
            records().filter(|r| r.rtype == Rtype::DNAME).map(|r| r.owner).collect();
        let is_refused = records().any(|record| {
            dnames.iter().any(|dname| {
                name::suffix_matches(record.owner, dname)
                    && (record.owner.len() > dname.len() || record.rtype == Rtype::NS)
            })
        });
        let asked = if is_refused { Asked::BindAlone } else { Asked::All };
        Group { zones, asked }
    }
}

/// One question's answers.
#[derive(Clone)]
pub struct Case {
    pub question: Question,
    pub ours: Answer,
    pub theirs: Vec<(&'static str, Answer)>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, ";; QUESTION {}", self.question)?;
        for (name, answer) in &self.theirs {
            write!(f, ";; --- {name}: {answer}")?;
        }
        write!(f, ";; --- beiand: {}", self.ours)
    }
}

pub struct World {
    beiand: Server,
    bind: Peer,
    others: Vec<Peer>,
    /// Apexes in wire form.
    hosted: BTreeSet<Vec<u8>>,
}

impl World {
    /// Starts all four. beiand reads the folder `zones` of its site.
    pub fn start(mut site: Site, groups: &[Group]) -> World {
        site.gate("mode", "\"observe\"");
        let files = |group: &Group| group.zones.iter().map(|h| h.zone.clone()).collect::<Vec<_>>();
        let all: Vec<ZoneFile> = groups.iter().flat_map(files).collect();
        let most: Vec<ZoneFile> =
            groups.iter().filter(|group| group.asked == Asked::All).flat_map(files).collect();
        let mut bind = peers::bind(&site.path("bind"), &all, None);
        let mut others = vec![
            peers::knot(&site.path("knot"), &most, None),
            peers::nsd(&site.path("nsd"), &most, None),
        ];
        let beiand = site.start();
        for zone in &all {
            bind.wait_for(&zone.origin, PATIENCE);
        }
        for zone in &most {
            for peer in &mut others {
                peer.wait_for(&zone.origin, PATIENCE);
            }
        }
        let hosted = all.iter().map(|zone| crate::common::wire_name(&zone.origin)).collect();
        World { beiand, bind, others, hosted }
    }

    pub fn ask(&self, questions: &[Question], asked: Asked) -> Vec<Case> {
        let mut peers = vec![&self.bind];
        if asked == Asked::All {
            peers.extend(&self.others);
        }
        let addresses = peers.iter().map(|peer| peer.address).chain([self.beiand.udp()]);
        let mut answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = addresses
                .map(|address| {
                    scope.spawn(move || ask_all(address, questions, &self.hosted).into_iter())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("answers")).collect()
        });
        let mut ours = answers.pop().expect("beiand's come last");
        questions
            .iter()
            .map(|question| Case {
                question: question.clone(),
                ours: ours.next().expect("one for each question"),
                theirs: peers
                    .iter()
                    .zip(&mut answers)
                    .map(|(peer, answers)| (peer.name, answers.next().expect("one for each")))
                    .collect(),
            })
            .collect()
    }
}

/// The zone files of a folder and what is below it.
pub fn zone_files(folder: &Path) -> Vec<ZoneFile> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "zone") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, &mut found);
    found.sort();
    let origin = |file: &Path| file.file_stem().and_then(|s| s.to_str()).expect("UTF-8").to_owned();
    found.into_iter().map(|file| ZoneFile { origin: origin(&file), file }).collect()
}

// --- Asking, and reading what came -------------------------------------------------------------

/// Questions on their way to one server at a time.
const WINDOW: usize = 200;
/// Zones that a chain is followed through.
const MOST_ZONES: usize = 20;

/// Asks, and goes on asking along chains that lead from one hosted zone into another.
fn ask_all(server: SocketAddr, questions: &[Question], hosted: &BTreeSet<Vec<u8>>) -> Vec<Answer> {
    let mut answers = ask_each(server, questions);
    for _zone in 0..MOST_ZONES {
        let (places, open): (Vec<usize>, Vec<Question>) = answers
            .iter()
            .enumerate()
            .filter_map(|(place, answer)| {
                Some((place, answer.left_open(&questions[place], hosted)?))
            })
            .unzip();
        for (place, next) in places.into_iter().zip(ask_each(server, &open)) {
            answers[place].go_on(next);
        }
    }
    answers
}

fn ask_each(server: SocketAddr, questions: &[Question]) -> Vec<Answer> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(server).expect("a loopback address");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let mut answers = vec![Answer::default(); questions.len()];
    let mut buffer = [0; 4_096];
    for (start, window) in (0..).step_by(WINDOW).zip(questions.chunks(WINDOW)) {
        let mut open: BTreeSet<usize> = (0..window.len()).collect();
        for _try in 0..5 {
            for &place in &open {
                socket.send(&packet(place as u16, &window[place])).expect("a datagram");
            }
            while !open.is_empty()
                && let Ok(length) = socket.recv(&mut buffer)
            {
                let place = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
                if open.remove(&place) {
                    answers[start + place] = Answer::read(&buffer[..length]).unwrap_or_default();
                }
            }
        }
    }
    answers
}

fn packet(id: u16, question: &Question) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    packet.extend(&question.name);
    packet.extend(question.qtype.to_be_bytes());
    packet.extend([0, 1]);
    // OPT: 1,232 bytes.
    packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

/// What is compared of a reply. `rcode` is `None` where nothing readable came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub rcode: Option<u8>,
    pub aa: bool,
    pub tc: bool,
    /// Sorted, repeated records included.
    pub answer: Vec<Record>,
    pub authority: Vec<Record>,
    /// Without OPT.
    pub additional: Vec<Record>,
}

/// Names in lower case and uncompressed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub ttl: u32,
    pub rdata: Vec<u8>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer { rcode, aa, tc, answer, authority, additional } = self;
        let status = match rcode {
            None => "no reply",
            Some(0) => "NOERROR",
            Some(2) => "SERVFAIL",
            Some(3) => "NXDOMAIN",
            Some(5) => "REFUSED",
            Some(6) => "YXDOMAIN",
            Some(_) => "other rcode",
        };
        let flag = |is_set: bool, text| if is_set { text } else { "" };
        writeln!(f, "{status}{}{}", flag(*aa, " aa"), flag(*tc, " tc"))?;
        for (section, records) in
            [("ANSWER", answer), ("AUTHORITY", authority), ("ADDITIONAL", additional)]
        {
            for Record { owner, rtype, ttl, rdata } in records {
                let (owner, rtype) = (name::to_text(owner), Rtype(*rtype));
                let rdata = rdata_to_text(rtype, rdata);
                writeln!(f, "{section:>10}  {owner} {ttl} IN {rtype} {rdata}")?;
            }
        }
        Ok(())
    }
}

impl Answer {
    /// All that must be the same.
    pub fn is_same(&self, other: &Answer) -> bool {
        let parts = |a: &Answer| (a.rcode, a.aa, a.tc);
        parts(self) == parts(other)
            && self.answer == other.answer
            && self.authority == other.authority
    }

    fn read(message: &[u8]) -> Option<Answer> {
        let count =
            |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        let mut at = 12;
        for _ in 0..count(4)? {
            at = name_at(message, at)?.1 + 4;
        }
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        for (section, records) in sections.iter_mut().enumerate() {
            for _ in 0..count(6 + 2 * section)? {
                let (owner, fixed) = name_at(message, at)?;
                let rtype = count(fixed)?;
                let ttl = u32::from_be_bytes(message.get(fixed + 4..fixed + 8)?.try_into().ok()?);
                let start = fixed + 10;
                at = start + usize::from(count(fixed + 8)?);
                let rdata = rdata_at(message, rtype, start, at)?;
                if rtype != Rtype::OPT.0 {
                    records.push(Record { owner, rtype, ttl, rdata });
                }
            }
            records.sort();
        }
        let [answer, authority, additional] = sections;
        let rcode = Some(message.get(3)? & 0x0F);
        let (aa, tc) = (message[2] & 4 != 0, message[2] & 2 != 0);
        Some(Answer { rcode, aa, tc, answer, authority, additional })
    }

    /// The owners of the chain of CNAMEs that leads on from the name, none of them twice.
    pub fn links<'a>(&'a self, from: &'a [u8]) -> Vec<&'a [u8]> {
        let mut links = Vec::new();
        let mut name = from;
        while let Some(cname) = self.alias(name)
            && !links.contains(&name)
        {
            links.push(name);
            name = &cname.rdata;
        }
        links
    }

    /// The name that the chain of CNAMEs leads to: in a loop, the first that comes again.
    pub fn chain_end<'a>(&'a self, from: &'a [u8]) -> &'a [u8] {
        let last = self.links(from).pop().and_then(|link| self.alias(link));
        last.map_or(from, |cname| &cname.rdata)
    }

    fn alias(&self, name: &[u8]) -> Option<&Record> {
        self.answer.iter().find(|r| r.rtype == Rtype::CNAME.0 && r.owner == name)
    }

    /// An answer to ANY in two: the DNAMEs and their CNAMEs on the way to a name, and what is told
    /// of that name.
    pub fn of_any(&self, from: &[u8]) -> (Vec<&Record>, Vec<&Record>) {
        let end = self.redirected_end(from);
        self.answer.iter().partition(|record| record.owner != end)
    }

    /// The name that the DNAMEs lead to: a CNAME without one is not followed for ANY.
    fn redirected_end<'a>(&'a self, from: &'a [u8]) -> &'a [u8] {
        let is_redirected = |name: &[u8]| {
            self.answer.iter().any(|r| {
                r.rtype == Rtype::DNAME.0
                    && name.len() > r.owner.len()
                    && name::suffix_matches(name, &r.owner)
            })
        };
        let links = self.links(from);
        let last = links.into_iter().take_while(|link| is_redirected(link)).last();
        last.and_then(|link| self.alias(link)).map_or(from, |cname| &cname.rdata)
    }

    /// The question that the answer leaves open, where its chain leads out of a zone and into
    /// another one that is hosted: NSD and beiand go on there, BIND and Knot do not. Within a zone
    /// all must go on by themselves.
    fn left_open(&self, question: &Question, hosted: &BTreeSet<Vec<u8>>) -> Option<Question> {
        let end = match Rtype(question.qtype) {
            Rtype::CNAME => return None,
            Rtype::ANY => self.redirected_end(&question.name),
            _ => self.chain_end(&question.name),
        };
        let last = self
            .links(&question.name)
            .into_iter()
            .find(|link| self.alias(link).is_some_and(|cname| cname.rdata == end))?;
        // DS stands on the upper side of a cut.
        let side = |name: &[u8]| match (Rtype(question.qtype), name[0]) {
            (Rtype::DS, length @ 1..) => {
                zone_of(&name[1 + usize::from(length)..], hosted).or_else(|| zone_of(name, hosted))
            }
            _ => zone_of(name, hosted),
        };
        // A DNAME at the end has led names below it here, and is no answer to another type.
        let is_told = |record: &Record| {
            let only_led = Rtype(record.rtype) == Rtype::DNAME && record.rtype != question.qtype;
            record.owner == end && !only_led
        };
        let is_open = self.rcode == Some(0)
            && self.authority.is_empty()
            && !self.answer.iter().any(is_told)
            && side(end).is_some()
            && side(end) != side(last);
        is_open.then(|| Question { name: end.to_vec(), qtype: question.qtype })
    }

    /// Takes in the answer to the question that was left open.
    fn go_on(&mut self, next: Answer) {
        self.rcode = next.rcode;
        self.tc |= next.tc;
        self.answer.extend(next.answer);
        self.answer.sort();
        self.answer.dedup();
        self.authority = next.authority;
        self.additional = next.additional;
    }
}

/// The hosted zone that a name belongs to.
pub fn zone_of(mut name: &[u8], hosted: &BTreeSet<Vec<u8>>) -> Option<Vec<u8>> {
    loop {
        if hosted.contains(name) {
            return Some(name.to_vec());
        }
        match name.first() {
            None | Some(0) => return None,
            Some(&length) => name = &name[1 + usize::from(length)..],
        }
    }
}

/// The name at an offset, in lower case, and the offset after it.
fn name_at(message: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut name = Vec::new();
    let mut after = None;
    while name.len() <= 255 {
        let length = *message.get(at)?;
        if length & 0xC0 == 0xC0 {
            after.get_or_insert(at + 2);
            at = usize::from(u16::from_be_bytes([length & 0x3F, *message.get(at + 1)?]));
            continue;
        }
        name.push(length);
        name.extend(message.get(at + 1..at + 1 + usize::from(length))?.to_ascii_lowercase());
        at += 1 + usize::from(length);
        if length == 0 {
            return Some((name, after.unwrap_or(at)));
        }
    }
    None
}

/// RDATA with the names uncompressed that RFC 1035 lets be compressed, and SRV's, DNAME's.
fn rdata_at(message: &[u8], rtype: u16, start: usize, end: usize) -> Option<Vec<u8>> {
    let (fixed, names) = match Rtype(rtype) {
        Rtype::NS | Rtype::CNAME | Rtype::PTR | Rtype::DNAME => (0, 1),
        Rtype::MX => (2, 1),
        Rtype::SRV => (6, 1),
        Rtype::SOA => (0, 2),
        _ => (end.checked_sub(start)?, 0),
    };
    let mut rdata = message.get(start..start + fixed)?.to_vec();
    let mut at = start + fixed;
    for _ in 0..names {
        let (name, after) = name_at(message, at)?;
        rdata.extend(name);
        at = after;
    }
    rdata.extend(message.get(at..end)?);
    Some(rdata)
}
