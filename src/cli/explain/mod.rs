//! `beiand explain`: the verdict for a name, why, and what its owner should do.
//!
//! Reads the files itself, and asks the same answer core as the server does; no server need run.
//! Owns what is told; `text` owns how it is laid out for people.

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{RData, Record, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use jiff::Timestamp;
use serde::Serialize;

use super::show::{Format, Show};
use super::{Exit, ExplainArguments, Failure, settings};
use crate::answer::cookie::CookieSecret;
use crate::answer::{self, Context, MAX_MESSAGE, Outcome, Phase, State, Transport};
use crate::config::Config;
use crate::feed::{Feed, Moment, ShownRecord};
use crate::filing::decide::{Target, reason_of};
use crate::filing::words::{self, Words};
use crate::filing::{Instant, Verdict, site_domain};
use crate::gate::{Gate, Mode};
use crate::region::Region;
use crate::reload::read_zones::{Loaded, read_zones};
use crate::reload::{Scope, ZoneFile, ZoneFiles, rebuild};
use crate::state::verdicts::plain_text;
use crate::wire::{HashedName, Name, Rtype, name};
use crate::zone::{Builder, Place, ZoneSet};

/// Everything that is told of a name.
#[derive(Debug, Serialize)]
struct Explanation {
    name: String,
    rtype: String,
    at: String,
    open: bool,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_change: Option<String>,
    words: Told,
    #[serde(skip_serializing_if = "Option::is_none")]
    site_domain: Option<String>,
    /// Open, but none of the addresses is this provider's (row 26).
    not_pointed_here: bool,
    records: Vec<RecordTold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<ZoneTold>,
    addresses: Vec<AddressTold>,
    answer: AnswerTold,
}

/// The words of `filing::words`.
#[derive(Debug, Serialize)]
struct Told {
    zh: &'static str,
    zh_remedy: &'static str,
    en: &'static str,
    en_remedy: &'static str,
}

/// A filing record, and what it says on its own.
#[derive(Debug, Serialize)]
struct RecordTold {
    file: PathBuf,
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    covers: Option<String>,
    /// The reason for which it does not open the domain; `open` where it does.
    reason: &'static str,
    words: Told,
    fields: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct ZoneTold {
    apex: String,
    file: PathBuf,
    /// How the name stands in it.
    place: String,
}

#[derive(Debug, Serialize)]
struct AddressTold {
    owner: String,
    address: IpAddr,
    region: String,
    decided_by: String,
}

/// The answer that a client gets, as `dig` shows it.
#[derive(Debug, Default, Serialize)]
struct AnswerTold {
    status: String,
    flags: String,
    answer: Vec<String>,
    authority: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_error: Option<String>,
}

/// `beiand explain NAME [TYPE] [--at TIME]`.
pub fn run(
    config: &Config,
    arguments: &ExplainArguments,
    show: &Show,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let settings = settings::rebuild(config, CookieSecret::default()).map_err(Failure::Config)?;
    let at = arguments.at.unwrap_or_else(|| Instant(Timestamp::now().as_second()));
    let explanation = Explainer::new(settings, at).explain(&arguments.name, arguments.rtype)?;
    match show.format {
        Format::Json => show.json(out, &explanation),
        Format::Human => text::write(&explanation, show, out),
    }
    .map_err(Failure::io("writing the result"))?;
    Ok(if explanation.open { Exit::Fine } else { Exit::No })
}

/// The files, and as many zones as the name's answer needs.
struct Explainer {
    settings: rebuild::Settings,
    at: Instant,
    files: ZoneFiles,
    feed: Feed,
    zones: ZoneSet,
    gate: Gate,
    read: BTreeSet<Vec<u8>>,
}

impl Explainer {
    fn new(settings: rebuild::Settings, at: Instant) -> Explainer {
        let mut files = ZoneFiles::new(&settings.zones, settings.settle);
        files.scan(&Scope::All, &[]);
        let (feed, _) = Feed::open(settings.feed.clone(), Moment::now());
        let gate = Gate::new(settings.gate.clone());
        let read = BTreeSet::new();
        Explainer { settings, at, files, feed, zones: ZoneSet::new(), gate, read }
    }

    fn explain(mut self, asked: &Name, rtype: Rtype) -> Result<Explanation, Failure> {
        let asked = asked.to_lowercase();
        self.read_zones_above(&asked);
        let answer = self.told_answer(&asked, rtype)?;
        // What stands behind the gate: the chain, and the addresses at its end.
        let mut addresses = Vec::new();
        for rtype in [Rtype::A, Rtype::AAAA] {
            addresses.extend(self.addresses(&self.ask(&asked, rtype, Mode::Observe)?));
        }
        let name = HashedName::read(asked.as_wire(), self.zones.key())
            .ok_or_else(|| Failure::Other("the name is too long".to_owned()))?;
        let table = self.zones.publish();
        let site = site_domain::of_wire(name.as_wire());
        let site_domain = site.map(|site| plain_text(&name.as_wire()[site.offset..]));
        let Some(found) = table.find(&name) else {
            return Ok(self.not_hosted(&asked, rtype, site_domain, answer));
        };
        let place = found.entry.zone.locate(&name);
        let column = self.gate.column(found.entry, &name, &place);
        let region = self.gate.whereabouts(&table, found.entry, &name, &place, rtype).region;
        let verdict = column.verdict_in(region);
        let target = match region {
            Region::OtherMainland => Target::OtherMainland,
            _ => Target::Own,
        };
        let not_pointed_here = verdict == Verdict::Open
            && !addresses.is_empty()
            && addresses.iter().all(|address| address.region != Region::Own.to_string());
        let words = match not_pointed_here {
            true => words::NOT_POINTED_HERE,
            false => words::of_verdict(verdict),
        };
        let instant =
            |seconds: u32| (seconds != 0).then(|| Instant(i64::from(seconds)).in_both_zones());
        let by_filing = verdict.is_by_filing();
        let apex = Name::from_wire(found.entry.zone.apex()).unwrap_or_else(Name::root);
        Ok(Explanation {
            name: asked.to_string(),
            rtype: rtype.to_string(),
            at: self.at.in_both_zones(),
            open: verdict.is_open(),
            verdict: verdict.code(),
            since: by_filing.then(|| instant(column.since)).flatten(),
            next_change: by_filing.then(|| instant(column.next_change)).flatten(),
            words: words.into(),
            records: site_domain
                .iter()
                .flat_map(|site| self.feed.records_of(site))
                .filter(|record| covers(record, &plain_text(asked.as_wire())))
                .map(|record| self.told_record(record, target))
                .collect(),
            site_domain,
            not_pointed_here,
            zone: Some(ZoneTold {
                file: self.files.file(&apex).map_or_else(PathBuf::new, |file| file.path()),
                place: told_place(&place, found.entry.zone.apex()),
                apex: apex.to_string(),
            }),
            addresses,
            answer,
        })
    }

    fn not_hosted(
        &self,
        asked: &Name,
        rtype: Rtype,
        site_domain: Option<String>,
        answer: AnswerTold,
    ) -> Explanation {
        let records = site_domain.iter().flat_map(|site| self.feed.records_of(site));
        Explanation {
            name: asked.to_string(),
            rtype: rtype.to_string(),
            at: self.at.in_both_zones(),
            open: false,
            verdict: "not-hosted",
            since: None,
            next_change: None,
            words: words::NOT_HOSTED.into(),
            records: records.map(|record| self.told_record(record, Target::Own)).collect(),
            site_domain,
            not_pointed_here: false,
            zone: None,
            addresses: Vec::new(),
            answer,
        }
    }

    /// Reads the zones that a name may be in: those of the name itself and of all names above.
    fn read_zones_above(&mut self, asked: &Name) {
        let mut above = Some(asked.clone());
        while let Some(origin) = above {
            if let Some(file) = self.files.file(&origin)
                && self.read.insert(origin.as_wire().to_vec())
            {
                self.read_zone(file);
            }
            above = origin.parent();
        }
    }

    fn read_zone(&mut self, file: ZoneFile) {
        let classify = self.settings.classifier();
        let key = self.zones.key();
        let loaded = read_zones(std::slice::from_ref(&file), &self.settings.zones, key, &classify);
        let zone = match loaded.into_iter().next() {
            Some(Loaded::Zone { zone, .. }) => zone,
            Some(Loaded::Refused { .. }) => Builder::broken(&file.origin),
            Some(Loaded::Gone) | None => return,
        };
        let judged = self.settings.rules.judge(&zone, self.feed.store(), self.at);
        self.gate.set_scopes(zone.apex(), judged.scopes);
        self.zones.insert(zone, judged.column);
    }

    /// Asks the answer core, and reads further zones as long as the chain leads into them.
    fn told_answer(&mut self, asked: &Name, rtype: Rtype) -> Result<AnswerTold, Failure> {
        loop {
            // The chain as it is behind the gate, so that each region can be told.
            let mut targets = Vec::new();
            for rtype in [rtype, Rtype::A, Rtype::AAAA, Rtype::HTTPS, Rtype::SVCB] {
                targets.extend(self.ask(asked, rtype, Mode::Observe)?.answers);
            }
            let before = self.read.len();
            for target in targets.iter().filter_map(target_of) {
                self.read_zones_above(&target.to_lowercase());
            }
            if self.read.len() == before {
                break;
            }
        }
        let mode = self.settings.gate.mode;
        let reply = self.ask(asked, rtype, mode)?;
        let meta = &reply.metadata;
        let flags = [(meta.authoritative, "aa"), (meta.truncation, "tc")];
        let flags = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| *flag);
        Ok(AnswerTold {
            status: format!("{:?}", meta.response_code).to_uppercase(),
            flags: ["qr"].into_iter().chain(flags).collect::<Vec<_>>().join(" "),
            answer: reply.answers.iter().map(ToString::to_string).collect(),
            authority: reply.authorities.iter().map(ToString::to_string).collect(),
            extended_error: extended_error(&reply),
        })
    }

    fn ask(&self, asked: &Name, rtype: Rtype, mode: Mode) -> Result<Message, Failure> {
        let mut settings = self.settings.gate.clone();
        settings.mode = mode;
        let mut zones = self.zones.clone();
        let state = State {
            phase: Phase::Serving,
            zones: zones.publish(),
            gate: Arc::new(self.gate.with_settings(settings)),
            ..State::default()
        };
        let mut query = Message::query();
        let qname = hickory_proto::rr::Name::from_labels(asked.labels().map(<[u8]>::to_vec))
            .map_err(|error| Failure::Other(error.to_string()))?;
        query.add_query(Query::query(qname, RecordType::from(rtype.0)));
        query.edns = Some(hickory_proto::op::Edns::new());
        let query = query.to_bytes().map_err(|error| Failure::Other(error.to_string()))?;
        let context = Context {
            client: Ipv4Addr::LOCALHOST.into(),
            transport: Transport::Stream,
            now: u32::try_from(self.at.0).unwrap_or(u32::MAX),
        };
        let mut out = vec![0; MAX_MESSAGE];
        match answer::answer(&state, &context, &query, &mut out) {
            Outcome::Reply(reply) => Message::from_vec(&out[..reply.len])
                .map_err(|error| Failure::Other(error.to_string())),
            Outcome::Drop => Err(Failure::Other("the query got no answer".to_owned())),
        }
    }

    fn addresses(&self, reply: &Message) -> Vec<AddressTold> {
        let address = |record: &Record| match &record.data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        let told = |record: &Record| {
            let address = address(record)?;
            Some(AddressTold {
                owner: record.name.to_string(),
                address,
                region: self.settings.regions.lookup(address).to_string(),
                decided_by: self.settings.regions.why(address).to_string(),
            })
        };
        reply.answers.iter().filter_map(told).collect()
    }

    fn told_record(&self, record: ShownRecord, target: Target) -> RecordTold {
        let reason = reason_of(&record.facts, self.at, target, &self.settings.rules.policy);
        let verdict = reason.map_or(Verdict::Open, Verdict::Blocked);
        RecordTold {
            file: record.file,
            line: record.line,
            covers: record.covers,
            reason: verdict.code(),
            words: words::of_verdict(verdict).into(),
            fields: record.texts.into_iter().map(|(field, text)| (field.name(), text)).collect(),
        }
    }
}

impl From<Words> for Told {
    fn from(words: Words) -> Told {
        Told {
            zh: words.chinese.sentence,
            zh_remedy: words.chinese.remedy,
            en: words.english.sentence,
            en_remedy: words.english.remedy,
        }
    }
}

fn covers(record: &ShownRecord, asked: &str) -> bool {
    let Some(covered) = &record.covers else { return true };
    asked.strip_suffix(covered.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn told_place(place: &Place<'_>, apex: &[u8]) -> String {
    let owner =
        |node: &crate::zone::Node<'_>| name::to_text(&[node.relative_name(), apex].concat());
    match place {
        Place::Node(node) if node.is_alias() => "an alias (CNAME)".to_owned(),
        Place::Node(node) if node.rrsets().next().is_none() => "an empty non-terminal".to_owned(),
        Place::Node(_) => "a name with records".to_owned(),
        Place::Wildcard(node) => format!("made by the wildcard {}", owner(node)),
        Place::Delegated { delegation, .. } => format!("delegated at {}", owner(delegation)),
        Place::Redirected(node) => format!("redirected by the DNAME at {}", owner(node)),
        Place::Missing => "no such name".to_owned(),
    }
}

/// The name that a record leads on to.
fn target_of(record: &Record) -> Option<Name> {
    let target = match &record.data {
        RData::CNAME(target) => &target.0,
        RData::HTTPS(service) => &service.0.target_name,
        RData::SVCB(service) => &service.target_name,
        _ => return None,
    };
    Name::from_wire(&target.to_bytes().ok()?)
}

/// Code and text of an extended DNS error (RFC 8914).
fn extended_error(reply: &Message) -> Option<String> {
    let options = reply.edns.as_ref()?.options();
    match options.get(EdnsCode::from(crate::wire::query::option::EDE))? {
        EdnsOption::Unknown(_, data) => {
            let (code, text) = data.split_first_chunk::<2>()?;
            let text = String::from_utf8_lossy(text);
            Some(format!("{} ({text})", u16::from_be_bytes(*code)))
        }
        _ => None,
    }
}
