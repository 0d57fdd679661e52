//! The decision table row by row, and the laws that hold for any records.

use proptest::prelude::*;

use super::*;
use ApplicationKind::{
    AddWebsite, CancelAccess, CancelSite, Change, ChangeDomain, First, Transfer,
};
use ApplicationStatus::{
    Approved, Draft, InitialPassed, InitialReview, Rejected, UnderReview, Withdrawn,
};

const DAY: i64 = 86_400;
const NOW: Instant = Instant(1_000 * DAY);
/// Every status of an application that has not come to an end.
const PENDING: [ApplicationStatus; 4] = [Draft, InitialReview, InitialPassed, UnderReview];

fn day(day: i64) -> Option<Instant> {
    Some(Instant(NOW.0 + day * DAY))
}

/// Filed 100 days ago, held here, synced 99 days ago.
fn open_record() -> Facts {
    Facts {
        key: 1,
        subject: 1,
        role: Role::Domain,
        kind: Kind::Website,
        site: SiteKind::Web,
        individual: false,
        province: Some(22),
        bbs_preapproval: false,
        standing: Standing::InForce,
        approved_at: day(-100),
        provider: ProviderIs::Ours,
        access: Access::Held,
        held_since: None,
        synced_at: day(-99),
        application: None,
        restricted: false,
        blacklisted: false,
    }
}

fn applied(
    kind: ApplicationKind,
    status: ApplicationStatus,
    at: Option<Instant>,
) -> Option<Application> {
    Some(Application { kind, status, at })
}

/// Never approved, with an application.
fn new_record(kind: ApplicationKind, status: ApplicationStatus) -> Facts {
    Facts {
        standing: Standing::None,
        approved_at: None,
        synced_at: None,
        application: applied(kind, status, day(-3)),
        ..open_record()
    }
}

/// In force with another provider.
fn elsewhere() -> Facts {
    Facts { provider: ProviderIs::Other, synced_at: None, key: 2, ..open_record() }
}

/// Our own record of a transfer that has not been approved.
fn transfer(status: ApplicationStatus) -> Facts {
    Facts { synced_at: None, application: applied(Transfer, status, day(-3)), ..open_record() }
}

fn policy() -> FilingPolicy {
    FilingPolicy::default()
}

fn with_transfers(transfer_in_progress: TransferInProgress) -> FilingPolicy {
    FilingPolicy { transfer_in_progress, ..policy() }
}

fn own(facts: &[Facts]) -> Decision {
    decide(facts, NOW, Target::Own, &policy())
}

fn code(facts: &[Facts]) -> &'static str {
    own(facts).verdict.code()
}

fn code_at(facts: &[Facts], at: i64) -> &'static str {
    decide(facts, Instant(NOW.0 + at * DAY), Target::Own, &policy()).verdict.code()
}

#[test]
fn row_1_no_filing() {
    let decision = own(&[]);
    assert_eq!(decision.verdict.code(), "no-filing");
    assert_eq!((decision.since, decision.next_change, decision.shown), (None, None, None));
    assert_eq!(code(&[new_record(First, Withdrawn)]), "no-filing");
    assert_eq!(code(&[Facts { application: None, ..new_record(First, Draft) }]), "no-filing");
}

#[test]
fn rows_2_and_3_first_filing_or_added_website_in_progress() {
    for kind in [First, AddWebsite] {
        for status in PENDING {
            let decision = own(&[new_record(kind, status)]);
            assert_eq!(decision.verdict.code(), "under-review");
            assert_eq!(decision.since, day(-3));
        }
    }
}

#[test]
fn row_4_first_filing_or_added_website_rejected() {
    for kind in [First, AddWebsite] {
        let decision = own(&[new_record(kind, Rejected)]);
        assert_eq!((decision.verdict.code(), decision.since), ("rejected", day(-3)));
    }
}

#[test]
fn row_5_in_force_held_here_and_synced() {
    let decision = own(&[open_record()]);
    assert_eq!(
        (decision.verdict, decision.since, decision.shown),
        (Verdict::Open, day(-99), Some(0))
    );
    assert_eq!(decision.next_change, None);
    let synced_at_once = Facts { synced_at: day(-100), ..open_record() };
    assert_eq!(code(&[synced_at_once]), "open");
    let of_unknown_age = Facts { approved_at: None, ..open_record() };
    assert_eq!(code(&[of_unknown_age]), "open");
}

#[test]
fn row_6_not_yet_synced() {
    let never = Facts { synced_at: None, ..open_record() };
    assert_eq!((own(&[never]).verdict.code(), own(&[never]).since), ("not-synced", day(-100)));
    let before_the_approval = Facts { synced_at: day(-101), ..open_record() };
    assert_eq!(code(&[before_the_approval]), "not-synced");
    let before_the_transfer = Facts { held_since: day(-50), ..open_record() };
    assert_eq!(code(&[before_the_transfer]), "not-synced");
    let tomorrow = Facts { synced_at: day(1), ..open_record() };
    let decision = own(&[tomorrow]);
    assert_eq!((decision.verdict.code(), decision.next_change), ("not-synced", day(1)));
    assert_eq!(code_at(&[tomorrow], 1), "open");
}

#[test]
fn row_7_a_change_closes_nothing() {
    for status in [Draft, InitialReview, InitialPassed, UnderReview, Rejected, Approved, Withdrawn]
    {
        for at in [-200, -3, 3] {
            let record = Facts { application: applied(Change, status, day(at)), ..open_record() };
            assert_eq!(own(&[record]), own(&[open_record()]), "{status:?}");
        }
    }
}

fn domain_change(status: ApplicationStatus, at: i64) -> (Facts, Facts) {
    let old = Facts { application: applied(ChangeDomain, status, day(at)), ..open_record() };
    (old, Facts { role: Role::NewDomain, ..old })
}

#[test]
fn row_8_change_of_domain_in_progress_or_rejected() {
    for (status, new_code) in [
        (UnderReview, "under-review"),
        (Draft, "under-review"),
        (Rejected, "rejected"),
        (Withdrawn, "no-filing"),
    ] {
        let (old, new) = domain_change(status, -3);
        assert_eq!((code(&[old]), code(&[new])), ("open", new_code), "{status:?}");
    }
}

#[test]
fn row_9_change_of_domain_approved() {
    let (old, new) = domain_change(Approved, -3);
    assert_eq!((own(&[old]).verdict.code(), own(&[old]).since), ("domain-changed", day(-3)));
    // The sync of 99 days ago was of the old domain.
    assert_eq!((own(&[new]).verdict.code(), own(&[new]).since), ("not-synced", day(-3)));
    assert_eq!(code(&[Facts { synced_at: day(-2), ..new }]), "open");
    assert_eq!(code(&[Facts { synced_at: day(-3), ..new }]), "open");
    let held_later = Facts { held_since: day(-1), synced_at: day(-2), ..new };
    assert_eq!(code(&[held_later]), "not-synced");
    let unknown_instant = Facts { application: applied(ChangeDomain, Approved, None), ..new };
    assert_eq!(code(&[unknown_instant]), "not-synced");
    let elsewhere = Facts { provider: ProviderIs::Other, synced_at: day(-2), ..new };
    assert_eq!(code(&[elsewhere]), "held-elsewhere");
    assert_eq!(code(&[Facts { standing: Standing::None, ..new }]), "no-filing");
    // Somebody else files the old domain.
    let by_another = Facts { key: 9, subject: 9, ..open_record() };
    assert_eq!(code(&[old, by_another]), "open");
}

#[test]
fn row_9_takes_effect_when_its_time_comes() {
    let (old, new) = domain_change(Approved, 1);
    let new = Facts { synced_at: day(2), ..new };
    let old = Facts { synced_at: day(-99), ..old };
    assert_eq!((code_at(&[old], 0), code_at(&[new], 0)), ("open", "under-review"));
    assert_eq!((code_at(&[old], 1), code_at(&[new], 1)), ("domain-changed", "not-synced"));
    assert_eq!(code_at(&[new], 2), "open");
    assert_eq!(own(&[old]).next_change, day(1));
    assert_eq!(own(&[new]).next_change, day(1));
}

#[test]
fn row_10_held_elsewhere() {
    assert_eq!(code(&[elsewhere()]), "held-elsewhere");
    let unknown = Facts { provider: ProviderIs::Unknown, ..elsewhere() };
    assert_eq!(code(&[unknown]), "held-elsewhere");
    let even_if_synced = Facts { synced_at: day(-1), ..elsewhere() };
    assert_eq!(code(&[even_if_synced]), "held-elsewhere");
    // Row 16, whoever's access it was: nobody holds it.
    let their_access_cancelled = Facts { access: Access::Cancelled, ..elsewhere() };
    assert_eq!(code(&[their_access_cancelled]), "access-cancelled");
    // A line of another provider never takes ours away.
    assert_eq!(code(&[elsewhere(), open_record()]), "open");
}

#[test]
fn row_11_transfer_in_progress_by_the_setting() {
    let theirs = |status| Facts { provider: ProviderIs::Other, ..transfer(status) };
    for status in PENDING {
        for record in [transfer(status), theirs(status)] {
            let verdict = |setting| {
                decide(&[record], NOW, Target::Own, &with_transfers(setting)).verdict.code()
            };
            assert_eq!(verdict(TransferInProgress::Blocked), "transfer-in-progress");
            assert_eq!(verdict(TransferInProgress::Open), "open");
            let passed = matches!(status, InitialPassed | UnderReview);
            let expected = if passed { "open" } else { "transfer-in-progress" };
            assert_eq!(verdict(TransferInProgress::AfterInitialReview), expected, "{status:?}");
        }
    }
}

#[test]
fn row_11_the_initial_review_opens_for_45_days() {
    let policy = with_transfers(TransferInProgress::AfterInitialReview);
    let at = |record: Facts, at: i64| decide(&[record], Instant(at), Target::Own, &policy);
    let record = transfer(InitialPassed);
    let passed = NOW.0 - 3 * DAY;
    let open = at(record, NOW.0);
    assert_eq!((open.verdict, open.since, open.next_change), (Verdict::Open, day(-3), day(42)));
    assert_eq!(at(record, passed - 1).verdict.code(), "transfer-in-progress");
    assert_eq!(at(record, passed - 1).next_change, day(-3));
    assert_eq!(at(record, passed).verdict, Verdict::Open);
    assert_eq!(at(record, passed + 45 * DAY - 1).verdict, Verdict::Open);
    let lapsed = at(record, passed + 45 * DAY);
    assert_eq!((lapsed.verdict.code(), lapsed.since), ("transfer-in-progress", day(42)));
    let without_instant = Facts { application: applied(Transfer, InitialPassed, None), ..record };
    assert_eq!(at(without_instant, NOW.0).verdict.code(), "transfer-in-progress");
}

#[test]
fn row_12_transfer_rejected() {
    for setting in [
        TransferInProgress::Blocked,
        TransferInProgress::AfterInitialReview,
        TransferInProgress::Open,
    ] {
        for provider in [ProviderIs::Ours, ProviderIs::Other] {
            let record = Facts { provider, ..transfer(Rejected) };
            let decision = decide(&[record], NOW, Target::Own, &with_transfers(setting));
            assert_eq!((decision.verdict.code(), decision.since), ("transfer-rejected", day(-3)));
        }
    }
    assert_eq!(code(&[transfer(Withdrawn)]), "held-elsewhere");
    assert_eq!(code(&[Facts { synced_at: day(-1), ..transfer(Withdrawn) }]), "held-elsewhere");
}

#[test]
fn row_13_transfer_in_progress_and_the_filing_cancelled() {
    let record = Facts { standing: Standing::Cancelled, ..transfer(InitialPassed) };
    for setting in [
        TransferInProgress::Blocked,
        TransferInProgress::AfterInitialReview,
        TransferInProgress::Open,
    ] {
        let decision = decide(&[record], NOW, Target::Own, &with_transfers(setting));
        assert_eq!(decision.verdict.code(), "cancelled");
    }
}

#[test]
fn row_14_transfer_approved_and_synced() {
    let approved = Facts { provider: ProviderIs::Other, ..transfer(Approved) };
    for record in [transfer(Approved), approved] {
        assert_eq!(code(&[record]), "not-synced");
        assert_eq!(code(&[Facts { synced_at: day(-4), ..record }]), "not-synced");
        assert_eq!(code(&[Facts { synced_at: day(-3), ..record }]), "open");
    }
    let with_held_since = Facts { held_since: day(-3), synced_at: day(-2), ..transfer(Approved) };
    assert_eq!(code(&[with_held_since]), "open");
    let ahead = Facts {
        application: applied(Transfer, Approved, day(1)),
        synced_at: day(2),
        ..transfer(Approved)
    };
    let codes = [0, 1, 2].map(|at| code_at(&[ahead], at));
    assert_eq!(codes, ["transfer-in-progress", "not-synced", "open"]);
    // What is held here already stays open, whatever becomes of another transfer.
    for (held_since, synced_at) in [(day(-99), day(-99)), (day(0), day(0))] {
        let held = Facts { held_since, synced_at, ..open_record() };
        for status in [Draft, UnderReview, Rejected, Withdrawn] {
            let record = Facts { application: applied(Transfer, status, day(-3)), ..held };
            assert_eq!(code(&[record]), "open", "held since {held_since:?}, {status:?}");
        }
    }
    let not_yet = Facts { held_since: day(1), synced_at: day(-1), ..transfer(Rejected) };
    assert_eq!(code(&[not_yet]), "transfer-rejected");
    // Without the transfer's instant, our record goes by the filing's approval; another
    // provider's tells nothing of when we got it, and its `held_since` never does.
    let application = applied(Transfer, Approved, None);
    let ours = Facts { application, synced_at: day(-1), ..transfer(Approved) };
    assert_eq!(code(&[ours]), "open");
    assert_eq!(code(&[Facts { provider: ProviderIs::Other, ..ours }]), "not-synced");
    let held_by_them = Facts { held_since: day(-1), synced_at: day(-2), ..approved };
    assert_eq!(code(&[held_by_them]), "open");
}

#[test]
fn row_15_cancelled() {
    assert_eq!(code(&[Facts { standing: Standing::Cancelled, ..open_record() }]), "cancelled");
    let by_application =
        Facts { application: applied(CancelSite, Approved, day(-3)), ..open_record() };
    assert_eq!(
        (own(&[by_application]).verdict.code(), own(&[by_application]).since),
        ("cancelled", day(-3))
    );
    for status in [Draft, UnderReview, Rejected, Withdrawn] {
        for kind in [CancelSite, CancelAccess] {
            let record = Facts { application: applied(kind, status, day(-3)), ..open_record() };
            assert_eq!(code(&[record]), "open", "{kind:?} {status:?}");
        }
    }
    let ahead = Facts { application: applied(CancelSite, Approved, day(1)), ..open_record() };
    assert_eq!((own(&[ahead]).verdict.code(), own(&[ahead]).next_change), ("open", day(1)));
}

#[test]
fn row_16_access_cancelled() {
    let ours = Facts { access: Access::Cancelled, ..open_record() };
    assert_eq!(code(&[ours]), "access-cancelled");
    let by_application =
        Facts { application: applied(CancelAccess, Approved, day(-3)), ..open_record() };
    assert_eq!(
        (own(&[by_application]).verdict.code(), own(&[by_application]).since),
        ("access-cancelled", day(-3))
    );
    // Only a filing in force has an access to cancel.
    assert_eq!(
        code(&[Facts { access: Access::Cancelled, ..new_record(First, UnderReview) }]),
        "under-review"
    );
    // The number lives on elsewhere.
    assert_eq!(decide(&[ours], NOW, Target::OtherMainland, &policy()).verdict, Verdict::Open);
}

#[test]
fn row_17_restricted_or_blacklisted() {
    let restricted = Facts { restricted: true, key: 7, ..open_record() };
    let decision = own(&[open_record(), restricted]);
    assert_eq!((decision.verdict.code(), decision.shown), ("restricted", Some(1)));
    let cancelled = Facts { standing: Standing::Cancelled, ..restricted };
    assert_eq!(code(&[cancelled, open_record()]), "open");
    assert_eq!(code(&[Facts { approved_at: day(1), ..restricted }, open_record()]), "open");
    assert_eq!(
        own(&[Facts { approved_at: day(1), ..restricted }, open_record()]).next_change,
        day(1)
    );
    for standing in [Standing::None, Standing::InForce, Standing::Cancelled] {
        let blacklisted = Facts { blacklisted: true, standing, ..open_record() };
        assert_eq!(code(&[blacklisted, open_record()]), "restricted");
    }
    for target in [Target::Own, Target::OtherMainland] {
        for other_mainland in [OtherMainland::Filed, OtherMainland::AsOwn, OtherMainland::Open] {
            let policy = FilingPolicy { other_mainland, ..policy() };
            assert_eq!(decide(&[restricted], NOW, target, &policy).verdict.code(), "restricted");
        }
    }
    // The restriction goes with the filing to its new domain, the blacklisting stays.
    let (old, new) = domain_change(Approved, -3);
    assert_eq!(code(&[Facts { restricted: true, ..old }]), "domain-changed");
    assert_eq!(code(&[Facts { restricted: true, ..new }]), "restricted");
    assert_eq!(code(&[Facts { blacklisted: true, ..old }]), "restricted");
    let (_, pending) = domain_change(UnderReview, -3);
    assert_eq!(code(&[Facts { restricted: true, blacklisted: true, ..pending }]), "under-review");
}

#[test]
fn rows_18_to_21_forums() {
    let forum = |record: Facts| Facts { site: SiteKind::Forum, ..record };
    let individual = forum(Facts { individual: true, bbs_preapproval: true, ..open_record() });
    assert_eq!(code(&[individual]), "forum-individual");
    assert_eq!(code(&[Facts { site: SiteKind::Web, ..individual }]), "open");

    let pending = forum(new_record(First, UnderReview));
    assert_eq!(code(&[pending]), "forum-no-preapproval");
    let preapproved = Facts { bbs_preapproval: true, ..pending };
    assert_eq!(code(&[preapproved]), "under-review");

    let closed = FilingPolicy { forum_closed_provinces: vec![3, 22], ..policy() };
    let verdict = |record| decide(&[record], NOW, Target::Own, &closed).verdict.code();
    assert_eq!(verdict(preapproved), "forum-province");
    assert_eq!(verdict(Facts { province: Some(4), ..preapproved }), "under-review");
    assert_eq!(verdict(Facts { province: None, ..preapproved }), "under-review");

    assert_eq!(verdict(forum(open_record())), "open");
}

#[test]
fn row_24_other_mainland_addresses() {
    let verdict = |record: Facts, other_mainland| {
        let policy = FilingPolicy { other_mainland, ..policy() };
        decide(&[record], NOW, Target::OtherMainland, &policy).verdict.code()
    };
    let (changed, new) = domain_change(Approved, -3);
    for (record, filed, as_own) in [
        (elsewhere(), "open", "held-elsewhere"),
        (open_record(), "open", "open"),
        (Facts { synced_at: None, ..open_record() }, "open", "not-synced"),
        (transfer(Rejected), "open", "transfer-rejected"),
        (new_record(First, UnderReview), "under-review", "under-review"),
        (new_record(First, Rejected), "rejected", "rejected"),
        (Facts { standing: Standing::Cancelled, ..elsewhere() }, "cancelled", "cancelled"),
        (changed, "domain-changed", "domain-changed"),
        (new, "open", "not-synced"),
        (Facts { kind: Kind::App, ..elsewhere() }, "no-filing", "no-filing"),
    ] {
        assert_eq!(verdict(record, OtherMainland::Filed), filed);
        assert_eq!(verdict(record, OtherMainland::AsOwn), as_own);
        assert_eq!(verdict(record, OtherMainland::Open), "open");
    }
    let open = FilingPolicy { other_mainland: OtherMainland::Open, ..policy() };
    assert_eq!(decide(&[], NOW, Target::OtherMainland, &open).verdict, Verdict::Open);
    assert_eq!(decide(&[], NOW, Target::OtherMainland, &policy()).verdict.code(), "no-filing");
    assert_eq!(decide(&[], NOW, Target::Own, &open).verdict.code(), "no-filing");
}

#[test]
fn app_filings_open_no_website() {
    for kind in [Kind::App, Kind::MiniProgram, Kind::QuickApp] {
        let record = Facts { kind, ..open_record() };
        assert_eq!(code(&[record]), "no-filing");
        let opened = FilingPolicy { app_filings_open: true, ..policy() };
        assert_eq!(decide(&[record], NOW, Target::Own, &opened).verdict, Verdict::Open);
        // They hide nothing that is said of the website.
        assert_eq!(code(&[record, new_record(First, Rejected)]), "rejected");
    }
}

#[test]
fn a_filing_whose_approval_lies_ahead_opens_when_the_time_comes() {
    let record = Facts { approved_at: day(1), synced_at: day(1), ..open_record() };
    let decision = own(&[record]);
    assert_eq!((decision.verdict.code(), decision.next_change), ("under-review", day(1)));
    assert_eq!(code_at(&[record], 1), "open");
}

#[test]
fn the_record_furthest_along_is_shown() {
    let former_owner = Facts { standing: Standing::Cancelled, key: 3, ..open_record() };
    let decision = own(&[former_owner, new_record(First, UnderReview)]);
    assert_eq!((decision.verdict.code(), decision.shown), ("under-review", Some(1)));

    let ascending = [
        new_record(First, Withdrawn),
        Facts { standing: Standing::Cancelled, ..open_record() },
        domain_change(Approved, -3).0,
        Facts { access: Access::Cancelled, ..open_record() },
        Facts { site: SiteKind::Forum, individual: true, ..open_record() },
        Facts { site: SiteKind::Forum, ..new_record(First, UnderReview) },
        new_record(First, Rejected),
        new_record(First, UnderReview),
        elsewhere(),
        transfer(Rejected),
        transfer(UnderReview),
        Facts { synced_at: None, ..open_record() },
        open_record(),
        Facts { restricted: true, ..open_record() },
    ];
    for (index, pair) in ascending.windows(2).enumerate() {
        assert_eq!(own(pair).shown, Some(1), "{index}");
    }
    // One filing that covers the name by its old and its new domain is shown by the old.
    let (old, new) = domain_change(Approved, -3);
    let [old, new] = [old, new].map(|facts| Facts { blacklisted: true, ..facts });
    assert_eq!((own(&[old, new]).shown, own(&[new, old]).shown), (Some(0), Some(1)));
}

#[test]
fn one_record_gives_its_first_reason() {
    let all_at_once = Facts {
        standing: Standing::Cancelled,
        access: Access::Cancelled,
        site: SiteKind::Forum,
        individual: true,
        application: applied(ChangeDomain, Approved, day(-3)),
        synced_at: None,
        ..open_record()
    };
    let reason = |record| reason_of(&record, NOW, Target::Own, &policy());
    assert_eq!(reason(all_at_once), Some(Reason::Cancelled));
    let in_force = Facts { standing: Standing::InForce, ..all_at_once };
    assert_eq!(reason(in_force), Some(Reason::DomainChanged));
    let unchanged = Facts { application: None, ..in_force };
    assert_eq!(reason(unchanged), Some(Reason::AccessCancelled));
    assert_eq!(reason(Facts { access: Access::Held, ..unchanged }), Some(Reason::ForumIndividual));
    let a_transfer = Facts { access: Access::Cancelled, ..transfer(Rejected) };
    assert_eq!(reason(a_transfer), Some(Reason::AccessCancelled));
    assert_eq!(reason(open_record()), None);
}

fn instants() -> impl Strategy<Value = Option<Instant>> {
    prop::option::weighted(0.8, (-60i64..60).prop_map(|days| Instant(NOW.0 + days * DAY)))
}

fn applications() -> impl Strategy<Value = Option<Application>> {
    let kinds = prop::sample::select(vec![
        First,
        AddWebsite,
        Change,
        Transfer,
        Transfer,
        ChangeDomain,
        CancelSite,
        CancelAccess,
    ]);
    let statuses = prop::sample::select(vec![
        Draft,
        InitialReview,
        InitialPassed,
        UnderReview,
        Rejected,
        Approved,
        Withdrawn,
    ]);
    prop::option::weighted(
        0.7,
        (kinds, statuses, instants()).prop_map(|(kind, status, at)| Application {
            kind,
            status,
            at,
        }),
    )
}

prop_compose! {
    fn any_facts()(
        key in any::<u64>(),
        role in prop::sample::select(vec![Role::Domain, Role::Domain, Role::NewDomain]),
        kind in prop::sample::select(vec![Kind::Website, Kind::Website, Kind::App]),
        site in prop::sample::select(vec![SiteKind::Web, SiteKind::Web, SiteKind::Forum]),
        (individual, bbs_preapproval, restricted, blacklisted) in
            (prop::bool::weighted(0.3), any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.05)),
        province in prop::option::of(20u8..24),
        standing in prop::sample::select(vec![Standing::None, Standing::InForce, Standing::InForce, Standing::Cancelled]),
        provider in prop::sample::select(vec![ProviderIs::Ours, ProviderIs::Ours, ProviderIs::Other, ProviderIs::Unknown]),
        access in prop::sample::select(vec![Access::Held, Access::Held, Access::Held, Access::Cancelled]),
        approved_at in instants(),
        held_since in instants(),
        synced_at in instants(),
        application in applications(),
    ) -> Facts {
        Facts {
            key, subject: key, role, kind, site, individual, province, bbs_preapproval, standing,
            approved_at, provider, access, held_since, synced_at, application, restricted, blacklisted,
        }
    }
}

prop_compose! {
    fn any_policy()(
        transfer_in_progress in prop::sample::select(vec![
            TransferInProgress::Blocked, TransferInProgress::AfterInitialReview, TransferInProgress::Open,
        ]),
        other_mainland in prop::sample::select(vec![
            OtherMainland::Filed, OtherMainland::AsOwn, OtherMainland::Open,
        ]),
        forum_closed_provinces in prop::collection::vec(20u8..24, 0..2),
        app_filings_open in any::<bool>(),
    ) -> FilingPolicy {
        FilingPolicy { transfer_in_progress, other_mainland, forum_closed_provinces, app_filings_open }
    }
}

fn targets() -> impl Strategy<Value = Target> {
    prop::sample::select(vec![Target::Own, Target::OtherMainland])
}

fn records() -> impl Strategy<Value = Vec<Facts>> {
    prop::collection::vec(any_facts(), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_restriction_never_opens(
        mut facts in records(), which in any::<prop::sample::Index>(),
        at in -60i64..120, target in targets(), policy in any_policy(),
    ) {
        let at = Instant(NOW.0 + at * DAY);
        let before = decide(&facts, at, target, &policy);
        if !facts.is_empty() {
            let index = which.index(facts.len());
            facts[index].restricted = true;
            let after = decide(&facts, at, target, &policy);
            prop_assert!(!after.verdict.is_open() || before.verdict.is_open());
            facts[index].blacklisted = true;
            let after = decide(&facts, at, target, &policy);
            prop_assert!(!after.verdict.is_open() || before.verdict.is_open());
        }
    }

    #[test]
    fn a_change_of_information_changes_no_decision(
        mut facts in records(), change in applications(),
        at in -60i64..120, target in targets(), policy in any_policy(),
    ) {
        let at = Instant(NOW.0 + at * DAY);
        for record in &mut facts {
            record.application = None;
        }
        let before = decide(&facts, at, target, &policy).verdict;
        for record in &mut facts {
            record.application = change.map(|change| Application { kind: Change, ..change });
        }
        prop_assert_eq!(decide(&facts, at, target, &policy).verdict, before);
    }

    #[test]
    fn the_order_of_the_records_does_not_matter(
        (facts, shuffled) in records().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        at in -60i64..120, target in targets(), policy in any_policy(),
    ) {
        let at = Instant(NOW.0 + at * DAY);
        let (one, other) = (decide(&facts, at, target, &policy), decide(&shuffled, at, target, &policy));
        prop_assert_eq!((one.verdict, one.since, one.next_change), (other.verdict, other.since, other.next_change));
        prop_assert_eq!(one.shown.map(|shown| facts[shown]), other.shown.map(|shown| shuffled[shown]));
    }

    #[test]
    fn the_next_change_is_the_next_change(
        facts in records(), at in -60i64..120, target in targets(), policy in any_policy(),
    ) {
        // All instants are whole days, and so is the window of a transfer: each half day is looked at.
        let at = Instant(NOW.0 + at * DAY);
        let now = decide(&facts, at, target, &policy);
        let found = (1..400)
            .map(|half_days| Instant(at.0 + half_days * DAY / 2))
            .find(|later| decide(&facts, *later, target, &policy).verdict != now.verdict);
        prop_assert_eq!(now.next_change, found);
        if let Some(next) = now.next_change {
            prop_assert_eq!(decide(&facts, Instant(next.0 - 1), target, &policy).verdict, now.verdict);
        }
    }

    #[test]
    fn what_is_shown_is_what_its_record_says(
        facts in records(), at in -60i64..120, target in targets(), policy in any_policy(),
    ) {
        let at = Instant(NOW.0 + at * DAY);
        let decision = decide(&facts, at, target, &policy);
        let reasons: Vec<_> = facts.iter().map(|record| reason_of(record, at, target, &policy)).collect();
        if let Some(shown) = decision.shown {
            prop_assert_eq!(decision.verdict, reasons[shown].map_or(Verdict::Open, Verdict::Blocked));
        }
        let restricted = reasons.contains(&Some(Reason::Restricted));
        prop_assert_eq!(decision.verdict.is_open() && !facts.is_empty(), reasons.contains(&None) && !restricted);
        prop_assert!(decision.since.is_none_or(|since| since <= at));
    }
    #[test]
    fn the_reasons_of_a_record_begin_with_its_first_and_follow_the_order(
        facts in any_facts(), at in -60i64..120, target in targets(), policy in any_policy(),
    ) {
        let at = Instant(NOW.0 + at * DAY);
        let reasons = reasons_of(&facts, at, target, &policy);
        prop_assert_eq!(reasons.first().copied(), reason_of(&facts, at, target, &policy));
        let rank = |reason: &Reason| Reason::IN_ORDER.iter().position(|other| other == reason);
        prop_assert!(reasons.is_sorted_by(|a, b| rank(a) < rank(b)), "{reasons:?}");
    }
}
