//! Reading and validating the fields of one record (what is an error, what a warning).

use super::words_of_fields as words;
use super::words_of_fields::Words;
use super::{Field, FieldFault, Fields, FilingRecord, Nature};
use crate::fault::Severity;
use crate::filing::blanks;
use crate::filing::facts::{
    Access, Application, ApplicationKind, ApplicationStatus, Instant, Kind, SiteKind, Standing,
};
use crate::filing::licence::Number;
use crate::filing::province::Province;
use crate::filing::site_domain::NormalDomain;

#[inline]
pub(super) fn read<'a>(fields: &'a Fields<'_>) -> (Option<FilingRecord<'a>>, Vec<FieldFault>) {
    let mut reader = Reader { fields, faults: Vec::new(), refused: false };
    let record = reader.record();
    (if reader.refused { None } else { record }, reader.faults)
}

struct Reader<'a, 'f> {
    fields: &'a Fields<'f>,
    faults: Vec<FieldFault>,
    refused: bool,
}

impl<'a> Reader<'a, '_> {
    /// Reads all fields even where one is faulty, so that one look shows all faults.
    fn record(&mut self) -> Option<FilingRecord<'a>> {
        let domain = self.domain(Field::Domain);
        let is_of_a_domain = domain.is_some();
        let (subject_number, site_number) = self.numbers();
        let provider = self.text(Field::Provider);
        let record = FilingRecord {
            domain: domain.unwrap_or_default(),
            province: self.province(subject_number.as_ref().or(site_number.as_ref())),
            kind: self.kind(site_number.as_ref()),
            site: self.word(Field::Site, words::SITES).unwrap_or(SiteKind::Web),
            standing: self.word(Field::Status, words::STANDINGS).unwrap_or(Standing::None),
            subject_number,
            site_number,
            subject: self.text(Field::Subject),
            nature: self.nature(),
            bbs_preapproval: self.text(Field::BbsPreapproval),
            approved_at: self.instant(Field::ApprovedAt),
            provider,
            access: self.word(Field::Access, words::ACCESSES).unwrap_or(Access::Held),
            held_since: self.instant(Field::HeldSince),
            synced_at: self.instant(Field::SyncedAt),
            application: self.application(),
            new_domain: self.new_domain(),
            restricted: self.word(Field::Restricted, words::YES_OR_NO).unwrap_or(false),
            blacklisted: self.word(Field::Blacklisted, words::YES_OR_NO).unwrap_or(false),
            remark: self.text(Field::Remark),
            updated_at: self.instant(Field::UpdatedAt),
        };
        if !is_of_a_domain {
            return None;
        }
        self.check_together(&record);
        Some(record)
    }

    fn text(&self, field: Field) -> &'a str {
        blanks::trim(self.fields.get(field))
    }

    fn fault(
        &mut self,
        severity: Severity,
        field: Field,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let text = self.text(field).to_owned();
        let (problem, remedy) = (problem.into(), remedy.into());
        self.faults.push(FieldFault { field, text, problem, remedy, severity });
    }

    fn error(&mut self, field: Field, problem: impl Into<String>, remedy: impl Into<String>) {
        self.refused = true;
        self.fault(Severity::Error, field, problem, remedy);
    }

    fn warning(&mut self, field: Field, problem: impl Into<String>, remedy: impl Into<String>) {
        self.fault(Severity::Warning, field, problem, remedy);
    }

    fn domain(&mut self, field: Field) -> Option<NormalDomain<'a>> {
        match NormalDomain::read(self.fields.get(field)) {
            Ok(domain) => Some(domain),
            Err(fault) => {
                self.error(field, fault.to_string(), fault.remedy());
                None
            }
        }
    }

    /// The value of a field that takes one of some words; `None` where it is empty or faulty.
    fn word<T: Copy>(&mut self, field: Field, words: &[Words<T>]) -> Option<T> {
        let text = self.text(field);
        if text.is_empty() {
            return None;
        }
        let found = words::find(words, text);
        if found.is_none() {
            self.error(field, format!("\"{field}\" has no such value"), words::remedy(words));
        }
        found
    }

    fn instant(&mut self, field: Field) -> Option<Instant> {
        let text = self.text(field);
        if text.is_empty() {
            return None;
        }
        match Instant::parse(text) {
            Ok(instant) => Some(instant),
            Err(fault) => {
                self.error(field, fault.to_string(), fault.remedy());
                None
            }
        }
    }

    fn nature(&mut self) -> Option<Nature<'a>> {
        let text = self.text(Field::Nature);
        if text.is_empty() {
            return None;
        }
        if let Some(nature) = words::find(words::NATURES, text) {
            return Some(nature);
        }
        if !words::OTHER_NATURES.contains(&text) {
            let remedy =
                format!("kept as it is; of the usual natures, {}", words::remedy(words::NATURES));
            self.warning(Field::Nature, "no nature of that name is known", remedy);
        }
        Some(Nature::Other(text))
    }

    fn numbers(&mut self) -> (Option<Number<'a>>, Option<Number<'a>>) {
        let (subject, site) = Number::read_both(
            self.fields.get(Field::SubjectNumber),
            self.fields.get(Field::SiteNumber),
        );
        for (field, number) in [(Field::SubjectNumber, &subject), (Field::SiteNumber, &site)] {
            if let Some(Number::Unknown(_)) = number {
                self.warning(
                    field,
                    "no filing number of this form is known",
                    "kept as it is; the usual forms are 京ICP备12345678号 for a subject and \
                     京ICP备12345678号-1 for a site",
                );
            }
        }
        let (subject_licence, site_licence) =
            (subject.as_ref().and_then(Number::known), site.as_ref().and_then(Number::known));
        if let Some(licence) = subject_licence.filter(|licence| licence.site.is_some()) {
            let remedy = format!("write {}; it is read so", licence.subject());
            self.warning(Field::SubjectNumber, "this is a site's number", remedy);
        }
        if let Some(licence) = site_licence.filter(|licence| licence.site.is_none()) {
            let remedy = format!("write the site's ordinal behind it, such as {licence}-1");
            self.warning(Field::SiteNumber, "this is a subject's number", remedy);
        }
        if let (Some(subject), Some(site)) = (subject_licence, site_licence)
            && subject.subject() != site.subject()
        {
            self.error(
                Field::SiteNumber,
                format!("this site's number is not one of the subject {}", subject.subject()),
                format!(
                    "write the number of the same filing: {}-1, or another ordinal",
                    subject.subject()
                ),
            );
        }
        (subject, site)
    }

    fn province(&mut self, number: Option<&Number<'_>>) -> Option<Province> {
        let by_number = number.and_then(Number::known).map(|licence| licence.province);
        let text = self.text(Field::Province);
        if text.is_empty() {
            return by_number;
        }
        let Some(told) = Province::parse(text) else {
            self.warning(
                Field::Province,
                "no province of that name files websites",
                "write its character in filing numbers, such as 京, or leave it empty",
            );
            return by_number;
        };
        if let Some(issuer) = by_number.filter(|issuer| *issuer != told) {
            let problem = format!("the filing number was issued in another province: {issuer}");
            self.warning(Field::Province, problem, "see which of the two is right");
        }
        Some(told)
    }

    /// As told; where nothing is told, by the letter of the site's number.
    fn kind(&mut self, site_number: Option<&Number<'_>>) -> Kind {
        let by_number = site_number.and_then(Number::known).and_then(|n| n.site).map(|s| s.kind);
        let told = self.word(Field::Kind, words::KINDS);
        if let (Some(told), Some(by_number)) = (told, by_number)
            && told != by_number
        {
            self.warning(
                Field::Kind,
                "the letter at the end of the site's number tells of another kind",
                "A stands for an app, X for a mini-program, K for a quick app, none for a website",
            );
        }
        told.or(by_number).unwrap_or(Kind::Website)
    }

    fn application(&mut self) -> Option<Application> {
        let kind = self.word(Field::Application, words::APPLICATIONS);
        let status = self.word(Field::ApplicationStatus, words::APPLICATION_STATUSES);
        let at = self.instant(Field::ApplicationAt);
        let Some(kind) = kind else {
            if status.is_some() && self.text(Field::Application).is_empty() {
                self.warning(
                    Field::Application,
                    "there is an application_status, but no application",
                    words::remedy(words::APPLICATIONS),
                );
            }
            return None;
        };
        if self.text(Field::ApplicationStatus).is_empty() {
            self.warning(
                Field::ApplicationStatus,
                "there is an application without a status; it is read as a draft",
                words::remedy(words::APPLICATION_STATUSES),
            );
        }
        let status = status.unwrap_or(ApplicationStatus::Draft);
        let needs_instant =
            matches!(kind, ApplicationKind::ChangeDomain | ApplicationKind::Transfer);
        if needs_instant && status == ApplicationStatus::Approved && at.is_none() {
            self.warning(
                Field::ApplicationAt,
                "without the time of the approval nobody can tell whether it is synced",
                "write when it was approved, such as 2026-01-31T09:30:00+08:00",
            );
        }
        Some(Application { kind, status, at })
    }

    fn new_domain(&mut self) -> Option<NormalDomain<'a>> {
        if self.text(Field::NewDomain).is_empty() { None } else { self.domain(Field::NewDomain) }
    }

    /// Rules between fields. None of them speaks of a field that is faulty by itself.
    fn check_together(&mut self, record: &FilingRecord<'a>) {
        self.check_standing(record);
        self.check_domain_change(record);
        self.check_forum(record);
        let held_since = record.held_since.or(record.approved_at);
        if let (Some(synced), Some(held)) = (record.synced_at, held_since)
            && synced < held
        {
            self.warning(
                Field::SyncedAt,
                format!("synced before the filing was held here ({held}): not synced"),
                "write when the approval itself reached the system",
            );
        }
        if record.kind == Kind::Website && record.domain.starts_with("www.") {
            self.warning(
                Field::Domain,
                "this record covers only the www name and names below it",
                format!("write {}, if that was filed", record.site_domain()),
            );
        }
    }

    fn check_standing(&mut self, record: &FilingRecord<'a>) {
        let numbered = record.subject_number.is_some() || record.site_number.is_some();
        match record.standing {
            Standing::InForce if !numbered => {
                self.error(
                    Field::SubjectNumber,
                    "the filing is in force, but has no number",
                    "write the subject's number, such as 京ICP备12345678号",
                );
            }
            Standing::InForce => {
                let runs = record.application.filter(|application| {
                    !matches!(
                        application.status,
                        ApplicationStatus::Approved | ApplicationStatus::Withdrawn
                    )
                });
                if runs.is_some_and(|application| application.kind == ApplicationKind::First) {
                    self.error(
                        Field::Application,
                        "a first filing cannot be under way for a filing in force",
                        "write \"change\" or \"transfer\", or the status \"none\"",
                    );
                }
            }
            Standing::None if self.text(Field::Status).is_empty() && numbered => {
                self.warning(
                    Field::Status,
                    "the filing has a number, but no status; it is read as never approved",
                    words::remedy(words::STANDINGS),
                );
            }
            Standing::None | Standing::Cancelled => {}
        }
    }

    fn check_domain_change(&mut self, record: &FilingRecord<'a>) {
        let changes_domain = record
            .application
            .is_some_and(|application| application.kind == ApplicationKind::ChangeDomain);
        match &record.new_domain {
            None if changes_domain && self.text(Field::NewDomain).is_empty() => self.error(
                Field::NewDomain,
                "a change of domain needs the new domain",
                "write the domain that the filing is changed to",
            ),
            Some(new) if changes_domain && *new == record.domain => self.error(
                Field::NewDomain,
                "the domain is changed to itself",
                "write the new domain, or \"change\" as the application",
            ),
            Some(_) if !changes_domain => self.warning(
                Field::NewDomain,
                "only the application \"change-domain\" has a new domain; it is ignored",
                "write \"change-domain\" as the application, or leave new_domain empty",
            ),
            _ => {}
        }
    }

    /// Rows 18, 19 and 21.
    fn check_forum(&mut self, record: &FilingRecord<'a>) {
        if record.site != SiteKind::Forum {
            return;
        }
        if record.nature == Some(Nature::Individual) {
            // The record is kept: it opens nothing, and its reason is what the owner should see.
            self.fault(
                Severity::Error,
                Field::Site,
                "an individual may not run a forum",
                "the owner files as an enterprise, or runs no forum (\"web\")",
            );
        } else if record.bbs_preapproval.is_empty() {
            let (problem, remedy) = match record.standing {
                Standing::None => (
                    "a forum needs the BBS preapproval before it is filed",
                    "write the document's number; the local communications administration gives it",
                ),
                _ => (
                    "a forum without the number of its BBS preapproval",
                    "write the document's number, if there is one; the approved forum stays open",
                ),
            };
            self.warning(Field::BbsPreapproval, problem, remedy);
        }
    }
}
