//! What a record of a file becomes, and what its writer is told.

use super::*;
use crate::filing::decide::{FilingPolicy, Target, reason_of};
use crate::filing::verdict::Reason;

fn fields<'a>(set: &[(&str, &'a str)]) -> Fields<'a> {
    let mut fields = Fields::default();
    for (name, text) in set {
        fields.set(Field::parse(name).unwrap_or_else(|| panic!("{name} is a field")), text);
    }
    fields
}

const OPEN: [(&str, &str); 9] = [
    ("domain", "example.com"),
    ("subject_number", "京ICP备12345678号"),
    ("site_number", "京ICP备12345678号-1"),
    ("subject", "示例公司"),
    ("nature", "企业"),
    ("status", "in-force"),
    ("approved_at", "2026-01-10T10:00:00+08:00"),
    ("provider", "hoster"),
    ("synced_at", "2026-01-10T16:00:00+08:00"),
];

/// A faultless open record with some fields set otherwise.
fn open_but(set: &[(&str, &'static str)]) -> Fields<'static> {
    fields(&[&OPEN, set].concat())
}

/// (field, severity) of each fault, and whether there is a record.
fn faults(fields: &Fields<'_>) -> (bool, Vec<(&'static str, Severity)>) {
    let (record, faults) = FilingRecord::from_fields(fields);
    for fault in &faults {
        assert!(!fault.problem.is_empty() && !fault.remedy.is_empty(), "{fault:?}");
        assert_eq!(fault.text, fields.get(fault.field).trim());
    }
    (record.is_some(), faults.iter().map(|fault| (fault.field.name(), fault.severity)).collect())
}

fn record<'a>(fields: &'a Fields<'_>) -> FilingRecord<'a> {
    let (record, faults) = FilingRecord::from_fields(fields);
    record.unwrap_or_else(|| panic!("a record: {faults:?}"))
}

#[test]
fn a_full_record_is_read_without_a_fault() {
    let fields = open_but(&[]);
    assert_eq!(faults(&fields), (true, vec![]));
    let record = record(&fields);
    assert_eq!(&*record.domain, "example.com");
    assert_eq!(record.site_domain().as_str(), "example.com");
    assert_eq!(record.province, Province::parse("京"));
    assert_eq!(record.provider_is(" Hoster "), ProviderIs::Ours);
    assert_eq!(record.provider_is("another"), ProviderIs::Other);
    let facts = record.facts(ProviderIs::Ours, Role::Domain);
    let synced = Instant::parse("2026-01-10T08:00:00Z").expect("an instant");
    let policy = FilingPolicy::default();
    assert_eq!(reason_of(&facts, synced, Target::Own, &policy), None);
    let before = Instant(synced.0 - 1);
    assert_eq!(reason_of(&facts, before, Target::Own, &policy), Some(Reason::NotSynced));
}

#[test]
fn the_least_record_is_a_domain() {
    let fields = fields(&[("domain", "例子.中国")]);
    assert_eq!(faults(&fields), (true, vec![]));
    let record = record(&fields);
    assert_eq!(&*record.domain, "xn--fsqu00a.xn--fiqs8s");
    assert_eq!(
        (record.standing, record.kind, record.site),
        (Standing::None, Kind::Website, SiteKind::Web)
    );
    assert_eq!(record.provider_is(""), ProviderIs::Unknown);
}

#[test]
fn chinese_words_are_read() {
    let fields = open_but(&[
        ("nature", "个人"),
        ("restricted", "是"),
        ("blacklisted", "否"),
        ("status", "有效"),
        ("application", "接入备案"),
        ("application_status", "管局审核中"),
        ("kind", "网站"),
        ("province", "北京市"),
        ("access", "已接入"),
    ]);
    assert_eq!(faults(&fields), (true, vec![]));
    let record = record(&fields);
    let facts = record.facts(ProviderIs::Ours, Role::Domain);
    assert!(facts.individual && facts.restricted && !facts.blacklisted);
    assert_eq!(
        record.application,
        Some(Application {
            kind: ApplicationKind::Transfer,
            status: ApplicationStatus::UnderReview,
            at: None
        })
    );
}

#[test]
fn errors_skip_the_record() {
    use Severity::Error;
    for (set, field) in [
        (&[("domain", "192.0.2.1")][..], "domain"),
        (&[("domain", "com.cn")], "domain"),
        (&[("domain", "")], "domain"),
        (&[("domain", "https://example.com/")], "domain"),
        (&[("site_number", "京ICP备12345679号-1")], "site_number"),
        (&[("subject_number", ""), ("site_number", "")], "subject_number"),
        (&[("application", "change-domain"), ("application_status", "draft")], "new_domain"),
        (
            &[
                ("application", "change-domain"),
                ("application_status", "draft"),
                ("new_domain", "Example.com."),
            ],
            "new_domain",
        ),
        (
            &[
                ("application", "change-domain"),
                ("application_status", "draft"),
                ("new_domain", "a/b"),
            ],
            "new_domain",
        ),
        (&[("restricted", "maybe")], "restricted"),
        (&[("blacklisted", "1")], "blacklisted"),
        (&[("status", "ok")], "status"),
        (&[("synced_at", "2026-01-10 16:00:00")], "synced_at"),
        (&[("updated_at", "yesterday")], "updated_at"),
        (&[("kind", "site")], "kind"),
        (&[("site", "bbs")], "site"),
        (&[("access", "lost")], "access"),
        (&[("application", "move"), ("application_status", "draft")], "application"),
        (&[("application", "change"), ("application_status", "gone")], "application_status"),
        (&[("application", "first"), ("application_status", "under-review")], "application"),
    ] {
        assert_eq!(faults(&open_but(set)), (false, vec![(field, Error)]), "{set:?}");
    }
}

#[test]
fn every_fault_of_a_record_is_told_at_once() {
    let fields = fields(&[("domain", "10.0.0.1"), ("restricted", "?"), ("status", "?")]);
    let (_, faults) = faults(&fields);
    assert_eq!(faults.len(), 3);
}

#[test]
fn a_forum_of_an_individual_is_an_error_and_stays_visible() {
    let fields = open_but(&[("nature", "individual"), ("site", "论坛"), ("bbs_preapproval", "1")]);
    assert_eq!(faults(&fields), (true, vec![("site", Severity::Error)]));
    let facts = record(&fields).facts(ProviderIs::Ours, Role::Domain);
    let reason = reason_of(&facts, Instant(i64::MAX), Target::Own, &FilingPolicy::default());
    assert_eq!(reason, Some(Reason::ForumIndividual));
}

#[test]
fn warnings_keep_the_record() {
    for (set, field) in [
        (&[("subject_number", "琼X-1"), ("site_number", "")][..], "subject_number"),
        (&[("subject_number", "京ICP备12345678号-1")], "subject_number"),
        (&[("site_number", "京ICP备12345678")], "site_number"),
        (&[("nature", "company")], "nature"),
        (&[("province", "粤")], "province"),
        (&[("province", "Atlantis")], "province"),
        (&[("synced_at", "2026-01-09T16:00:00+08:00")], "synced_at"),
        (&[("held_since", "2026-01-11T16:00:00+08:00")], "synced_at"),
        (&[("site", "forum")], "bbs_preapproval"),
        (&[("kind", "app")], "kind"),
        (&[("application", "change")], "application_status"),
        (&[("application_status", "approved")], "application"),
        (&[("application", "transfer"), ("application_status", "approved")], "application_at"),
        (&[("new_domain", "example.net")], "new_domain"),
        (&[("status", "")], "status"),
        (&[("domain", "www.example.com")], "domain"),
    ] {
        assert_eq!(faults(&open_but(set)), (true, vec![(field, Severity::Warning)]), "{set:?}");
    }
    for nature in ["民办非企业单位", "government", "社会团体"] {
        assert_eq!(faults(&open_but(&[("nature", nature)])), (true, vec![]));
    }
}

#[test]
fn messages_say_what_to_write() {
    let told = |set: &[(&str, &'static str)]| {
        let fields = open_but(set);
        let (_, faults) = FilingRecord::from_fields(&fields);
        faults
            .into_iter()
            .map(|fault| format!("{}; {}", fault.problem, fault.remedy))
            .collect::<String>()
    };
    assert!(told(&[("restricted", "si")]).ends_with("write \"no\" or \"yes\""));
    assert!(
        told(&[("synced_at", "2026-01-10 16:00:40")]).ends_with("write 2026-01-10T16:00:40+08:00")
    );
    assert!(told(&[("domain", "192.0.2.7")]).contains("local communications administration"));
    assert!(told(&[("site_number", "京ICP备87654321号-1")]).contains("京ICP备12345678号-1"));
}

#[test]
fn the_kind_is_taken_from_the_number_where_it_is_not_told() {
    for (number, kind) in
        [("京ICP备12345678号-3A", Kind::App), ("京ICP备12345678号-3X", Kind::MiniProgram)]
    {
        let fields = open_but(&[("site_number", number)]);
        assert_eq!(faults(&fields), (true, vec![]));
        assert_eq!(record(&fields).kind, kind);
    }
}

#[test]
fn the_key_tells_records_apart_and_ways_of_writing_not() {
    let key = |set| record(&open_but(set)).facts(ProviderIs::Ours, Role::Domain).key;
    let here = key(&[]);
    for set in [
        &[("domain", "EXAMPLE.com.")][..],
        &[("subject_number", " 京icp备12345678 ")],
        &[("subject_number", "")],
        &[("site_number", "京ICP备12345678号-2")],
        &[("subject", "改名公司")],
        &[("provider", "Hoster")],
        &[("synced_at", "")],
    ] {
        assert_eq!(key(set), here, "{set:?}");
    }
    for set in [
        &[("domain", "www.example.com")][..],
        &[("subject_number", "粤ICP备12345678号"), ("site_number", "")],
        &[("subject_number", "京ICP证12345678号"), ("site_number", "")],
        &[("subject_number", "京ICP备12345679号"), ("site_number", "")],
        &[("subject_number", "京ICP备012345678号"), ("site_number", "")],
        &[("provider", "another")],
        &[("provider", "")],
        &[("kind", "app")],
        &[("subject_number", ""), ("site_number", ""), ("status", "none")],
    ] {
        assert_ne!(key(set), here, "{set:?}");
    }
    let changing = open_but(&[
        ("application", "change-domain"),
        ("application_status", "under-review"),
        ("new_domain", "example.net"),
    ]);
    let changing = record(&changing);
    assert_eq!(changing.new_domain(), Some("example.net"));
    let new = changing.facts(ProviderIs::Ours, Role::NewDomain);
    assert_ne!(new.key, changing.facts(ProviderIs::Ours, Role::Domain).key);
    assert_eq!(new.role, Role::NewDomain);
}

#[test]
fn a_withdrawn_change_of_domain_leads_nowhere() {
    let fields = open_but(&[
        ("application", "change-domain"),
        ("application_status", "withdrawn"),
        ("new_domain", "example.net"),
    ]);
    assert_eq!(record(&fields).new_domain(), None);
}

#[test]
fn a_cancelled_subject_cancels_all_that_is_not_younger() {
    let site = open_but(&[("domain", "example.net"), ("site_number", "京ICP备12345678号-2")]);
    let site = record(&site).facts(ProviderIs::Ours, Role::Domain);
    let subject = [
        ("status", "cancelled"),
        ("site_number", ""),
        ("application", "cancel-site"),
        ("application_status", "approved"),
    ];
    let undated = open_but(&subject);
    assert_eq!(record(&undated).cancels_subject(), Some(site.subject));
    let cancellation =
        |set: &[(&str, &'static str)]| record(&open_but(set)).facts(ProviderIs::Ours, Role::Domain);
    assert!(falls_with_subject(&site, &cancellation(&subject)));
    let at = |time| cancellation(&[&subject[..], &[("application_at", time)]].concat());
    assert!(falls_with_subject(&site, &at("2026-01-10T10:00:00+08:00")));
    assert!(!falls_with_subject(&site, &at("2026-01-10T09:59:59+08:00")));
    let undated_site = Facts { approved_at: None, ..site };
    assert!(falls_with_subject(&undated_site, &at("2026-01-10T09:59:59+08:00")));
    assert!(!falls_with_subject(&Facts { subject: 5, ..site }, &cancellation(&subject)));

    let one_site = open_but(&[("status", "cancelled")]);
    assert_eq!(record(&one_site).cancels_subject(), None);
    let without_number =
        open_but(&[("status", "cancelled"), ("subject_number", ""), ("site_number", "")]);
    assert_eq!(record(&without_number).cancels_subject(), None);
    let in_the_wrong_column = open_but(&[
        ("status", "cancelled"),
        ("subject_number", "京ICP备12345678号-1"),
        ("site_number", ""),
    ]);
    assert_eq!(record(&in_the_wrong_column).cancels_subject(), None);
    let in_force = open_but(&[("site_number", "")]);
    assert_eq!(record(&in_force).cancels_subject(), None);
}

#[test]
fn instants_far_ahead_are_warned_of() {
    let fields = open_but(&[]);
    let record = record(&fields);
    let at = |text| Instant::parse(text).expect("an instant");
    assert_eq!(record.warnings_at(at("2026-01-09T16:00:00+08:00")), vec![]);
    let warned = record.warnings_at(at("2026-01-09T15:59:59+08:00"));
    assert_eq!(warned.iter().map(|fault| fault.field).collect::<Vec<_>>(), [Field::SyncedAt]);
}

proptest::proptest! {
    /// Whatever a file holds, reading it ends in a record or a fault.
    #[test]
    fn any_text_is_read_or_refused(
        texts in proptest::collection::vec("[a-z_]{0,12}|[\\PC]{0,20}|in-force|京ICP备[0-9]{4,11}号?(-[0-9]{1,6}[AXK]?)?|[a-z例.]{1,8}\\.(com|cn|中国)", Field::ALL.len()),
    ) {
        let mut fields = Fields::default();
        for (field, text) in Field::ALL.into_iter().zip(&texts) {
            fields.set(field, text.as_str());
        }
        let (record, faults) = FilingRecord::from_fields(&fields);
        proptest::prop_assert!(record.is_some() || !faults.is_empty());
        if let Some(record) = record {
            record.site_domain();
            record.facts(ProviderIs::Ours, Role::Domain);
        }
    }
}
