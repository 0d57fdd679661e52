//! What people are told about a verdict: one sentence that says how things are, and one that says
//! what the site's owner should do. The only source of these texts, for `explain`, the notice
//! page and whatever else speaks to people.

use super::verdict::{Reason, Verdict};

/// The same in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Simplified Chinese.
    pub chinese: Phrase,
    /// English.
    pub english: Phrase,
}

/// How things are, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// How things are, in one sentence.
    pub sentence: &'static str,
    /// What the site's owner should do.
    pub remedy: &'static str,
}

const fn words(
    chinese: (&'static str, &'static str),
    english: (&'static str, &'static str),
) -> Words {
    Words {
        chinese: Phrase { sentence: chinese.0, remedy: chinese.1 },
        english: Phrase { sentence: english.0, remedy: english.1 },
    }
}

/// The zone is not hosted on this server (row 27).
pub const NOT_HOSTED: Words = words(
    (
        "本服务器未托管该域名的解析。",
        "请检查域名注册商处填写的DNS服务器，或在本服务商处添加该域名。",
    ),
    (
        "This server does not host the domain's DNS.",
        "Check the nameservers set at the registrar, or add the domain with this provider.",
    ),
);

/// Open, but no address of the name is this provider's (row 26).
pub const NOT_POINTED_HERE: Words = words(
    (
        "备案没有问题，但域名未解析到本服务商的服务器。",
        "请将解析记录改为本服务商服务器的地址；备案后长期不指向接入服务商，可能被取消接入。",
    ),
    (
        "The filing is in order, but the domain does not point at this provider's servers.",
        "Set its records to the address of your server here; a filing whose domain stays pointed \
         elsewhere may lose its access.",
    ),
);

/// The words for a verdict.
pub fn of_verdict(verdict: Verdict) -> Words {
    match verdict {
        Verdict::Open => words(
            ("该域名备案有效，已接入本服务商，可以正常访问。", "无需操作。"),
            (
                "The domain's filing is in order, and the domain is answered as usual.",
                "Nothing is to be done.",
            ),
        ),
        Verdict::NotRequired => words(
            (
                "该域名的服务器均不在中国大陆，无需ICP备案。",
                "无需操作；如改用大陆服务器，请先办理备案。",
            ),
            (
                "None of the domain's servers is in mainland China, so no ICP filing is needed.",
                "Nothing is to be done; file before moving to a server in mainland China.",
            ),
        ),
        Verdict::Exempt => words(
            ("该区域不属于网站域名，不适用备案检查。", "无需操作。"),
            ("This zone is not a website's, so no filing is asked for.", "Nothing is to be done."),
        ),
        Verdict::Blocked(reason) => of_reason(reason),
    }
}

/// The words for the reason of a block.
pub fn of_reason(reason: Reason) -> Words {
    match reason {
        Reason::NoFiling => words(
            (
                "该域名没有网站ICP备案，按规定不能在中国大陆提供访问。",
                "请在本服务商的备案系统提交备案申请，通过并同步后自动开通。",
            ),
            (
                "The domain has no ICP filing for a website, so it may not be served from mainland China.",
                "File it through this provider; it opens by itself once the filing is approved and synced.",
            ),
        ),
        Reason::UnderReview => words(
            (
                "该域名的备案申请正在办理，尚未通过。",
                "请等待审核结果；管局审核通常不超过20个工作日。通过并同步后自动开通，期间可先配置解析。",
            ),
            (
                "The domain's filing is in progress and not yet approved.",
                "Wait for the review; the authority usually takes no more than 20 working days. The domain \
                 opens by itself after approval and sync, and its DNS can be set up meanwhile.",
            ),
        ),
        Reason::Rejected => words(
            ("该域名的备案申请已被退回。", "请按退回意见修改资料，然后重新提交申请。"),
            (
                "The domain's filing was sent back by the reviewers.",
                "Mend what their reasons name, and submit the application again.",
            ),
        ),
        Reason::NotSynced => words(
            (
                "该域名的备案已通过审核，正在等待同步到本服务商。",
                "无需操作，通常数小时内自动开通；超过两个工作日仍未开通，请联系客服。",
            ),
            (
                "The domain's filing is approved and is being synced to this provider.",
                "Nothing is to be done, it usually opens within hours; contact support if it takes more than \
                 two working days.",
            ),
        ),
        Reason::DomainChanged => words(
            (
                "原备案已变更为另一个域名，该域名不再有备案。",
                "请改用新域名；如需继续使用该域名，请为它另行备案。",
            ),
            (
                "The filing was moved to another domain, so this one is no longer filed.",
                "Use the new domain; to go on using this one, file it anew.",
            ),
        ),
        Reason::HeldElsewhere => words(
            (
                "该域名已有备案，但未接入本服务商。",
                "请在本服务商处申请接入备案；原备案号不变，原服务商的接入不受影响。",
            ),
            (
                "The domain is filed, but not with this provider.",
                "Apply here for a filing transfer; the number stays, and the present provider's access is \
                 not affected.",
            ),
        ),
        Reason::TransferInProgress => words(
            (
                "该域名的接入备案正在办理，尚未通过。",
                "在通过之前请保留原服务器，并将域名解析到原服务器；通过并同步后自动开通。",
            ),
            (
                "The filing's transfer to this provider is in progress.",
                "Until it is approved, keep the old server and point the domain at it; the domain opens here by \
                 itself after approval and sync.",
            ),
        ),
        Reason::TransferRejected => words(
            (
                "该域名的接入备案申请已被退回；原备案仍然有效。",
                "请按退回意见修改后重新申请接入；在此之前请使用原服务器。",
            ),
            (
                "The filing's transfer to this provider was rejected; the filing itself still stands.",
                "Mend what the reasons name and apply again; use the old server until then.",
            ),
        ),
        Reason::Cancelled => words(
            ("该域名的备案已被注销。", "请重新办理首次备案或新增网站。"),
            ("The domain's filing was cancelled.", "File the domain anew."),
        ),
        Reason::AccessCancelled => words(
            (
                "该域名备案在本服务商的接入已被取消。",
                "请重新申请接入备案；没有任何接入商的备案可能被注销。",
            ),
            (
                "The filing's access with this provider was cancelled.",
                "Apply for a filing transfer again; a filing that no provider holds may be cancelled.",
            ),
        ),
        Reason::Restricted => words(
            ("该域名已被主管部门限制接入。", "请联系备案所在地的通信管理局。"),
            (
                "The authority has restricted access to the domain.",
                "Contact the communications administration of the province of the filing.",
            ),
        ),
        Reason::ForumIndividual => words(
            ("个人主体不能开办论坛类网站。", "请撤除论坛功能，或以企业等单位主体重新备案。"),
            (
                "An individual may not run a forum.",
                "Take the forum down, or file the site as an enterprise or another organisation.",
            ),
        ),
        Reason::ForumNoPreapproval => words(
            (
                "论坛类网站备案前需取得电子公告服务（BBS）前置审批文件。",
                "请先向所在地通信管理局申请前置审批，再提交备案。",
            ),
            (
                "A forum needs the BBS preapproval before it can be filed.",
                "Get the document from the local communications administration, then file.",
            ),
        ),
        Reason::ForumProvince => words(
            (
                "备案所在省份目前不受理论坛类网站。",
                "请向所在地通信管理局了解情况，或不以论坛形式备案。",
            ),
            (
                "The province of the filing accepts no forums at present.",
                "Ask its communications administration, or file the site without a forum.",
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn all() -> Vec<Words> {
        let verdicts = [Verdict::Open, Verdict::NotRequired, Verdict::Exempt];
        let blocked = Reason::ALL.into_iter().map(Verdict::Blocked);
        let mut all: Vec<Words> = verdicts.into_iter().chain(blocked).map(of_verdict).collect();
        all.extend([NOT_HOSTED, NOT_POINTED_HERE]);
        all
    }

    #[test]
    fn every_sentence_is_one_of_its_own() {
        let sentences: HashSet<_> = all()
            .iter()
            .flat_map(|words| [words.chinese.sentence, words.english.sentence])
            .collect();
        assert_eq!(sentences.len(), 2 * all().len());
    }

    #[test]
    fn each_language_speaks_its_own() {
        for words in all() {
            for text in [words.english.sentence, words.english.remedy] {
                assert!(text.is_ascii() && text.ends_with('.') && !text.contains("  "), "{text}");
            }
            for text in [words.chinese.sentence, words.chinese.remedy] {
                assert!(text.ends_with('。') && text.contains(|c: char| c > '\u{4e00}'), "{text}");
            }
        }
    }
}
