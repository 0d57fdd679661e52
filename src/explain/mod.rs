//! Everything that is told of a name: the verdict and why, what its owner should do, the records
//! that it comes from, where the name leads, and the answer that a client gets.
//!
//! | file | idea |
//! | --- | --- |
//! | `mod` | what is told |
//! | `draft` | how it is found, from what is served and the filings |
//! | `way` | where a name leads: aliases, services, addresses |
//! | `answer` | the answer core asked, and its reply as `dig` shows it |
//!
//! One function for the running server and for files alone, so that both say the same. The words
//! are [`crate::filing::words`]'.

pub mod answer;
pub mod draft;
pub mod way;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use draft::{Draft, Sources, ZoneFileTold};

use crate::filing::words::Words;

/// Everything that is told of a name. Instants are RFC 3339 in UTC, names absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// The name asked for, in lower case.
    pub name: String,
    /// The record type asked for.
    pub rtype: String,
    /// The instant that was decided at.
    pub at: String,
    /// Whether a client is led to the name's own addresses.
    pub open: bool,
    /// `open`, `exempt`, `not-required`, `not-hosted`, `not-ready`, or the reason code.
    pub verdict: String,
    /// The name that the verdict is of, where that is another one: an alias leads to it, and it is
    /// blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_at: Option<String>,
    /// Since when that holds, where the filing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When it changes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_change: Option<String>,
    /// How things are, and what to do.
    pub words: WordsTold,
    /// Every reason that holds, in the order of the decision; none where the name is open.
    pub reasons: Vec<ReasonTold>,
    /// The site domain that the filings are looked up by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_domain: Option<String>,
    /// Open, but none of the addresses is this provider's (row 26).
    pub not_pointed_here: bool,
    /// The filing records that speak of the name, in the order of the files.
    pub records: Vec<RecordTold>,
    /// The zone that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneTold>,
    /// The name, and each that its aliases lead to.
    pub path: Vec<HopTold>,
    /// Where the name leads in the end.
    pub addresses: Vec<AddressTold>,
    /// The answer that a client gets.
    pub answer: AnswerTold,
}

/// Words in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WordsTold {
    /// How things are, in Chinese.
    pub zh: String,
    /// What to do, in Chinese.
    pub zh_remedy: String,
    /// How things are, in English.
    pub en: String,
    /// What to do, in English.
    pub en_remedy: String,
}

/// A reason that holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReasonTold {
    /// Its code.
    pub code: String,
    /// What it means, and what to do about it.
    pub words: WordsTold,
}

/// A filing record, and what it says on its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordTold {
    /// Its file.
    pub file: String,
    /// Its line there, from 1.
    pub line: u32,
    /// The name that it covers with what is below, where that is not the site domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covers: Option<String>,
    /// The first reason for which it does not open the domain; `open` where it does.
    pub reason: String,
    /// All of them, in the order of the decision.
    pub reasons: Vec<String>,
    /// The words for the first one.
    pub words: WordsTold,
    /// Its fields as they stand in the file, but for empty ones.
    pub fields: BTreeMap<String, String>,
}

/// A hosted zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ZoneTold {
    /// Its origin.
    pub apex: String,
    /// Its file.
    pub file: String,
    /// How the name stands in it.
    pub place: String,
    /// Why the file's present version is refused, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A name of the path, under a verdict of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HopTold {
    /// The name.
    pub name: String,
    /// The origin of the zone that it is in, where that is hosted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How it stands in that zone.
    pub place: String,
    /// Its own verdict.
    pub verdict: String,
    /// False where it is blocked.
    pub open: bool,
}

/// An address that the name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressTold {
    /// The name that has it.
    pub owner: String,
    /// The address.
    pub address: IpAddr,
    /// Where it is.
    pub region: String,
    /// What told so.
    pub decided_by: String,
}

/// An answer, as `dig` shows it. Records are lines of presentation form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerTold {
    /// The response code's mnemonic.
    pub status: String,
    /// `qr aa rd` and so on.
    pub flags: String,
    /// The answer section.
    pub answer: Vec<String>,
    /// The authority section.
    pub authority: Vec<String>,
    /// The additional section.
    pub additional: Vec<String>,
    /// Code and text of the extended error (RFC 8914).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_error: Option<String>,
    /// What the gate makes of it, where a name is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateTold>,
}

/// What the gate makes of an answer at a blocked name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateTold {
    /// It stands in the place of the real data.
    Changed,
    /// The real data is answered, since the gate only observes.
    Observed,
    /// The gate has nothing against it: another type, or a name that is free.
    Untouched,
}

impl From<Words> for WordsTold {
    fn from(words: Words) -> WordsTold {
        WordsTold {
            zh: words.chinese.sentence.to_owned(),
            zh_remedy: words.chinese.remedy.to_owned(),
            en: words.english.sentence.to_owned(),
            en_remedy: words.english.remedy.to_owned(),
        }
    }
}
