//! The words that may stand in a field of a filing record, in English and Chinese.
//!
//! The first word of each value is the one that messages propose.

use crate::filing::facts::{Access, ApplicationKind, ApplicationStatus, Kind, SiteKind, Standing};

use super::Nature;

/// A value and the words for it.
pub(super) type Words<T> = (T, &'static [&'static str]);

pub(super) const KINDS: &[Words<Kind>] = &[
    (Kind::Website, &["website", "网站"]),
    (Kind::App, &["app", "移动应用"]),
    (Kind::MiniProgram, &["mini-program", "小程序"]),
    (Kind::QuickApp, &["quick-app", "快应用"]),
];

pub(super) const SITES: &[Words<SiteKind>] =
    &[(SiteKind::Web, &["web", "普通"]), (SiteKind::Forum, &["forum", "论坛"])];

pub(super) const STANDINGS: &[Words<Standing>] = &[
    (Standing::InForce, &["in-force", "有效"]),
    (Standing::None, &["none", "未备案"]),
    (Standing::Cancelled, &["cancelled", "已注销", "注销"]),
];

pub(super) const ACCESSES: &[Words<Access>] = &[
    (Access::Held, &["held", "已接入"]),
    (Access::Cancelled, &["cancelled", "已取消接入", "取消接入"]),
];

pub(super) const APPLICATIONS: &[Words<ApplicationKind>] = &[
    (ApplicationKind::First, &["first", "首次备案"]),
    (ApplicationKind::AddWebsite, &["add-website", "新增网站", "新增服务"]),
    (ApplicationKind::Change, &["change", "变更备案"]),
    (ApplicationKind::Transfer, &["transfer", "接入备案", "新增接入"]),
    (ApplicationKind::ChangeDomain, &["change-domain", "变更域名"]),
    (ApplicationKind::CancelSite, &["cancel-site", "注销网站"]),
    (ApplicationKind::CancelAccess, &["cancel-access", "取消接入"]),
];

pub(super) const APPLICATION_STATUSES: &[Words<ApplicationStatus>] = &[
    (ApplicationStatus::UnderReview, &["under-review", "管局审核中"]),
    (ApplicationStatus::Approved, &["approved", "已通过", "审核通过"]),
    (ApplicationStatus::Rejected, &["rejected", "已退回", "退回", "驳回"]),
    (ApplicationStatus::Draft, &["draft", "草稿"]),
    (ApplicationStatus::InitialReview, &["initial-review", "初审中"]),
    (ApplicationStatus::InitialPassed, &["initial-passed", "初审通过"]),
    (ApplicationStatus::Withdrawn, &["withdrawn", "已撤回", "放弃备案"]),
];

pub(super) const YES_OR_NO: &[Words<bool>] = &[(false, &["no", "否"]), (true, &["yes", "是"])];

pub(super) const NATURES: &[Words<Nature<'static>>] = &[
    (Nature::Enterprise, &["enterprise", "企业"]),
    (Nature::Individual, &["individual", "个人"]),
    (Nature::Government, &["government", "政府机关"]),
    (Nature::Institution, &["institution", "事业单位"]),
    (Nature::Association, &["association", "社会团体"]),
];

/// Natures that the ministry has beside the five; kept as text.
pub(super) const OTHER_NATURES: &[&str] = &[
    "民办非企业单位",
    "国防机构",
    "律师事务所",
    "律师执业机构",
    "集体经济",
    "公证机构",
    "医疗机构",
    "境外机构",
    "宗教团体",
    "司法鉴定机构",
    "群众性团体组织",
    "基金会",
    "外国在华文化中心",
];

/// The value that a word stands for, letter case ignored.
pub(super) fn find<T: Copy>(words: &[Words<T>], text: &str) -> Option<T> {
    // Most write the very word, which is told soonest.
    let is_word = |word: &&str| *word == text || text.eq_ignore_ascii_case(word);
    words.iter().find(|(_, all)| all.iter().any(is_word)).map(|(value, _)| *value)
}

/// The English word for a value of a list that has all of them.
fn word<T: Copy + PartialEq>(words: &[Words<T>], value: T) -> &'static str {
    let found = words.iter().find(|(known, _)| *known == value);
    found.and_then(|(_, all)| all.first()).copied().unwrap_or_default()
}

macro_rules! worded {
    ($($of:ty: $words:ident,)*) => {
        $(impl $of {
            /// The word for it in filing files.
            pub fn word(self) -> &'static str {
                word($words, self)
            }
        })*
    };
}

worded! {
    Kind: KINDS,
    Standing: STANDINGS,
    ApplicationKind: APPLICATIONS,
    ApplicationStatus: APPLICATION_STATUSES,
}

/// The words to propose, as in `write "yes" or "no"`.
pub(super) fn remedy<T>(words: &[Words<T>]) -> String {
    let quoted: Vec<String> =
        words.iter().filter_map(|(_, all)| all.first()).map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => {
            format!("write {} or {last}", others.join(", "))
        }
        Some((only, _)) => format!("write {only}"),
        None => String::new(),
    }
}
