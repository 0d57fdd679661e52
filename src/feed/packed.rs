//! The facts of a record in sixteen bytes, and the one instant that few records have apart.
//!
//! Owns the bits, and nothing else. Instants are kept as whole seconds in 32 bits from 1970 to
//! 2106; what lies before or after is held at those ends, which for a filing means "long ago" and
//! "not in our time".

use std::num::NonZeroU32;

use crate::filing::{
    Access, Application, ApplicationKind, ApplicationStatus, Facts, Instant, Kind, ProviderIs,
    Role, SiteKind, Standing,
};

/// See the module's description. Two packed facts are equal when a decision cannot tell them apart
/// but by [`application_at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedFacts {
    bits: u32,
    approved_at: u32,
    held_since: u32,
    synced_at: u32,
}

/// The instant of the application, where there is one.
pub(super) fn application_at(facts: &Facts) -> Option<NonZeroU32> {
    NonZeroU32::new(seconds(facts.application.and_then(|application| application.at)))
}

/// Beside the facts: what the store keeps in side tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) cancels_subject: bool,
    pub(super) has_rare: bool,
}

// A field of the word: (lowest bit, width).
const KIND: (u32, u32) = (0, 2);
const SITE: (u32, u32) = (2, 1);
const INDIVIDUAL: (u32, u32) = (3, 1);
const PROVINCE: (u32, u32) = (4, 6); // 0 = unknown
const BBS_PREAPPROVAL: (u32, u32) = (10, 1);
const STANDING: (u32, u32) = (11, 2);
const PROVIDER: (u32, u32) = (13, 2);
const ACCESS: (u32, u32) = (15, 1);
const APPLICATION: (u32, u32) = (16, 3); // 0 = none
const APPLICATION_STATUS: (u32, u32) = (19, 3);
const RESTRICTED: (u32, u32) = (22, 1);
const BLACKLISTED: (u32, u32) = (23, 1);
const CANCELS_SUBJECT: (u32, u32) = (24, 1);
const HAS_RARE: (u32, u32) = (25, 1);

const KINDS: [Kind; 4] = [Kind::Website, Kind::App, Kind::MiniProgram, Kind::QuickApp];
const SITES: [SiteKind; 2] = [SiteKind::Web, SiteKind::Forum];
const STANDINGS: [Standing; 3] = [Standing::None, Standing::InForce, Standing::Cancelled];
const PROVIDERS: [ProviderIs; 3] = [ProviderIs::Ours, ProviderIs::Other, ProviderIs::Unknown];
const ACCESSES: [Access; 2] = [Access::Held, Access::Cancelled];
const APPLICATIONS: [ApplicationKind; 7] = [
    ApplicationKind::First,
    ApplicationKind::AddWebsite,
    ApplicationKind::Change,
    ApplicationKind::Transfer,
    ApplicationKind::ChangeDomain,
    ApplicationKind::CancelSite,
    ApplicationKind::CancelAccess,
];
const STATUSES: [ApplicationStatus; 7] = [
    ApplicationStatus::Draft,
    ApplicationStatus::InitialReview,
    ApplicationStatus::InitialPassed,
    ApplicationStatus::UnderReview,
    ApplicationStatus::Rejected,
    ApplicationStatus::Approved,
    ApplicationStatus::Withdrawn,
];

/// Provinces that fit: six bits, one value of them for "unknown".
const PROVINCES: u8 = 63;

impl PackedFacts {
    pub(super) const NOTHING: PackedFacts =
        PackedFacts { bits: 0, approved_at: 0, held_since: 0, synced_at: 0 };

    pub(super) fn pack(facts: &Facts, marks: Marks) -> PackedFacts {
        let province = facts.province.filter(|&p| p < PROVINCES).map_or(0, |p| u32::from(p) + 1);
        let application = facts.application.map_or(0, |a| index_of(&APPLICATIONS, &a.kind) + 1);
        let status = facts.application.map_or(0, |a| index_of(&STATUSES, &a.status));
        let bits = put(KIND, index_of(&KINDS, &facts.kind))
            | put(SITE, index_of(&SITES, &facts.site))
            | put(INDIVIDUAL, facts.individual.into())
            | put(PROVINCE, province)
            | put(BBS_PREAPPROVAL, facts.bbs_preapproval.into())
            | put(STANDING, index_of(&STANDINGS, &facts.standing))
            | put(PROVIDER, index_of(&PROVIDERS, &facts.provider))
            | put(ACCESS, index_of(&ACCESSES, &facts.access))
            | put(APPLICATION, application)
            | put(APPLICATION_STATUS, status)
            | put(RESTRICTED, facts.restricted.into())
            | put(BLACKLISTED, facts.blacklisted.into())
            | put(CANCELS_SUBJECT, marks.cancels_subject.into())
            | put(HAS_RARE, marks.has_rare.into());
        PackedFacts {
            bits,
            approved_at: seconds(facts.approved_at),
            held_since: seconds(facts.held_since),
            synced_at: seconds(facts.synced_at),
        }
    }

    pub(super) fn unpack(
        self,
        key: u64,
        subject: u64,
        application_at: Option<NonZeroU32>,
    ) -> Facts {
        let application = match self.get(APPLICATION) {
            0 => None,
            kind => Some(Application {
                kind: at(&APPLICATIONS, kind - 1),
                status: at(&STATUSES, self.get(APPLICATION_STATUS)),
                at: instant(application_at.map_or(0, NonZeroU32::get)),
            }),
        };
        Facts {
            key,
            subject,
            role: Role::Domain,
            kind: at(&KINDS, self.get(KIND)),
            site: at(&SITES, self.get(SITE)),
            individual: self.is(INDIVIDUAL),
            // Six bits less one: it fits.
            province: self.get(PROVINCE).checked_sub(1).map(|province| province as u8),
            bbs_preapproval: self.is(BBS_PREAPPROVAL),
            standing: at(&STANDINGS, self.get(STANDING)),
            approved_at: instant(self.approved_at),
            provider: at(&PROVIDERS, self.get(PROVIDER)),
            access: at(&ACCESSES, self.get(ACCESS)),
            held_since: instant(self.held_since),
            synced_at: instant(self.synced_at),
            application,
            restricted: self.is(RESTRICTED),
            blacklisted: self.is(BLACKLISTED),
        }
    }

    /// For a snapshot.
    pub(super) fn words(self) -> [u32; 4] {
        [self.bits, self.approved_at, self.held_since, self.synced_at]
    }

    pub(super) fn of_words(words: [u32; 4]) -> PackedFacts {
        let [bits, approved_at, held_since, synced_at] = words;
        PackedFacts { bits, approved_at, held_since, synced_at }
    }

    pub(super) fn has_application(self) -> bool {
        self.is(APPLICATION)
    }

    pub(super) fn cancels_subject(self) -> bool {
        self.is(CANCELS_SUBJECT)
    }

    pub(super) fn has_rare(self) -> bool {
        self.is(HAS_RARE)
    }

    fn get(self, (low, width): (u32, u32)) -> u32 {
        (self.bits >> low) & ((1 << width) - 1)
    }

    fn is(self, field: (u32, u32)) -> bool {
        self.get(field) != 0
    }
}

fn put((low, _): (u32, u32), value: u32) -> u32 {
    value << low
}

fn index_of<T: PartialEq>(all: &[T], one: &T) -> u32 {
    // Every value of the type stands in its list, and the lists have fewer than nine entries.
    all.iter().position(|other| other == one).unwrap_or(0) as u32
}

fn at<T: Copy>(all: &[T], index: u32) -> T {
    all[(index as usize).min(all.len() - 1)]
}

/// 0 stands for "not given".
fn seconds(instant: Option<Instant>) -> u32 {
    instant.map_or(0, |Instant(seconds)| seconds.clamp(1, u32::MAX.into()) as u32)
}

fn instant(seconds: u32) -> Option<Instant> {
    (seconds != 0).then_some(Instant(seconds.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn instants() -> impl Strategy<Value = Option<Instant>> {
        proptest::option::of((1i64..=u32::MAX.into()).prop_map(Instant))
    }

    fn facts() -> impl Strategy<Value = Facts> {
        let application = (0usize..7, 0usize..7, instants()).prop_map(|(kind, status, at)| {
            Application { kind: APPLICATIONS[kind], status: STATUSES[status], at }
        });
        (
            (0usize..4, 0usize..2, 0usize..3, 0usize..3, 0usize..2),
            (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
            proptest::option::of(0u8..PROVINCES),
            (instants(), instants(), instants()),
            proptest::option::of(application),
        )
            .prop_map(|(enums, flags, province, times, application)| Facts {
                key: 1,
                subject: 2,
                role: Role::Domain,
                kind: KINDS[enums.0],
                site: SITES[enums.1],
                individual: flags.0,
                province,
                bbs_preapproval: flags.1,
                standing: STANDINGS[enums.2],
                approved_at: times.0,
                provider: PROVIDERS[enums.3],
                access: ACCESSES[enums.4],
                held_since: times.1,
                synced_at: times.2,
                application,
                restricted: flags.2,
                blacklisted: flags.3,
            })
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_unchanged(
            facts in facts(), cancels_subject: bool, has_rare: bool,
        ) {
            let packed = PackedFacts::pack(&facts, Marks { cancels_subject, has_rare });
            prop_assert_eq!(packed.unpack(1, 2, application_at(&facts)), facts);
            prop_assert_eq!(packed.has_application(), facts.application.is_some());
            prop_assert_eq!(packed.cancels_subject(), cancels_subject);
            prop_assert_eq!(packed.has_rare(), has_rare);
        }
    }

    #[test]
    fn an_instant_out_of_reach_stays_on_its_side() {
        let at = |seconds| instant(super::seconds(Some(Instant(seconds))));
        assert_eq!(at(-5), Some(Instant(1)));
        assert_eq!(at(i64::MAX), Some(Instant(u32::MAX.into())));
        assert_eq!(instant(super::seconds(None)), None);
    }
}
