//! Everything that is told of a name, in both languages: what a program gets as JSON, and what the
//! templates are filled with.

use serde::Serialize;

use super::details::Details;
use super::situation::{Blocked, NOT_HOSTED, NOT_READY, Pointed, Situation};
use crate::filing::words::{self, Phrase, Words};
use crate::filing::{Instant, Reason};

/// What is told. Never who filed, never where the site's server is.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Told {
    /// `blocked`, `open`, `not-hosted` or `not-ready`.
    pub(super) state: &'static str,
    /// The reason code, or that of what opens the domain; as `state` where there is neither.
    pub(super) reason: &'static str,
    /// The site domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) domain: Option<DomainTold>,
    /// The name asked for, where it isn't the site domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<DomainTold>,
    pub(super) words: WordsTold,
    /// The site number of the filing, or its subject number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filing_number: Option<String>,
    /// Where a change of domain led.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) new_domain: Option<DomainTold>,
    /// The authority's reasons for a rejection, where the operator has them shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remark: Option<String>,
    /// Instants are RFC 3339 at +08:00.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_change: Option<String>,
    /// When this was told.
    pub(super) time: String,
    /// What support asks for: reason, time, and a few digits.
    pub(super) reference: String,
}

/// A domain for people and for programs.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct DomainTold {
    /// In U-labels, where they say the same as the A-labels.
    pub(super) unicode: String,
    /// In A-labels.
    pub(super) ascii: String,
}

/// The words in both languages.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct WordsTold {
    pub(super) zh: PhraseTold,
    pub(super) en: PhraseTold,
}

/// The words in one language.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct PhraseTold {
    pub(super) sentence: &'static str,
    pub(super) remedy: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) steps: &'static [&'static str],
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) duration: &'static str,
}

/// A moment, and digits that tell apart what was told within one second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Instant,
    pub(super) digits: u16,
}

impl Told {
    /// What is told of a situation. `host` is the name asked for.
    pub(super) fn of(situation: &Situation, host: &str, details: &Details, at: Moment) -> Told {
        let told = |state, reason, words: Words, domain: Option<&str>| Told {
            state,
            reason,
            host: domain.filter(|domain| *domain != host).map(|_| DomainTold::of(host)),
            domain: domain.map(DomainTold::of),
            words: words.into(),
            time: at.now.in_beijing(),
            reference: reference(reason, at),
            ..Told::default()
        };
        match situation {
            Situation::NotReady => told(NOT_READY, NOT_READY, words::NOT_READY, None),
            Situation::NotHosted => told(NOT_HOSTED, NOT_HOSTED, words::NOT_HOSTED, None),
            Situation::Open { verdict, pointed, domain } => {
                let words = match pointed {
                    Pointed::Here => words::of_verdict(*verdict),
                    Pointed::Elsewhere => words::NOT_POINTED_HERE,
                };
                told("open", verdict.code(), words, Some(domain))
            }
            Situation::Blocked(blocked) => {
                let Blocked { reason, domain, since, next_change, .. } = blocked;
                let domain_words = words::of_reason(*reason);
                let moved = *reason == Reason::DomainChanged;
                let sent_back = matches!(reason, Reason::Rejected | Reason::TransferRejected);
                Told {
                    filing_number: details.filing_number.clone(),
                    new_domain: details.new_domain.as_deref().filter(|_| moved).map(DomainTold::of),
                    remark: details.remark.clone().filter(|_| sent_back),
                    since: since.map(Instant::in_beijing),
                    next_change: next_change.map(Instant::in_beijing),
                    ..told("blocked", reason.code(), domain_words, Some(domain))
                }
            }
        }
    }
}

fn reference(reason: &str, at: Moment) -> String {
    let digits_of_time = |c: &char| c.is_ascii_digit();
    let time: String = at.now.in_beijing().chars().filter(digits_of_time).take(14).collect();
    let (date, time) = time.split_at_checked(8).unwrap_or((&time, ""));
    format!("{reason}-{date}-{time}-{:04x}", at.digits)
}

impl DomainTold {
    pub(super) fn of(ascii: &str) -> DomainTold {
        let unicode = match idna::domain_to_unicode(ascii) {
            (unicode, Ok(())) => unicode,
            (_, Err(_)) => ascii.to_owned(),
        };
        DomainTold { unicode, ascii: ascii.to_owned() }
    }
}

impl From<Words> for WordsTold {
    fn from(words: Words) -> WordsTold {
        let told = |phrase: Phrase| {
            let Phrase { sentence, remedy, steps, duration } = phrase;
            PhraseTold { sentence, remedy, steps, duration }
        };
        WordsTold { zh: told(words.chinese), en: told(words.english) }
    }
}
