//! The words for each reason of a block.
//!
//! The times told are what the ministry's rules and providers' own documents say: the authority
//! takes up to 20 working days, an approval reaches the provider within hours as a rule.

use super::super::verdict::Reason;
use super::{Phrase, Words};

/// How long whoever has to apply (again) waits.
const REVIEW: Durations = Durations {
    chinese: "通信管理局审核最长20个工作日；通过后通常数小时内自动开通。",
    english: "The authority takes up to 20 working days; after approval the domain usually opens \
              within hours.",
};

struct Durations {
    chinese: &'static str,
    english: &'static str,
}

/// The words for the reason of a block.
pub fn of_reason(reason: Reason) -> Words {
    match reason {
        Reason::NoFiling => NO_FILING,
        Reason::UnderReview => UNDER_REVIEW,
        Reason::Rejected => REJECTED,
        Reason::NotSynced => NOT_SYNCED,
        Reason::DomainChanged => DOMAIN_CHANGED,
        Reason::HeldElsewhere => HELD_ELSEWHERE,
        Reason::TransferInProgress => TRANSFER_IN_PROGRESS,
        Reason::TransferRejected => TRANSFER_REJECTED,
        Reason::Cancelled => CANCELLED,
        Reason::AccessCancelled => ACCESS_CANCELLED,
        Reason::Restricted => RESTRICTED,
        Reason::ForumIndividual => FORUM_INDIVIDUAL,
        Reason::ForumNoPreapproval => FORUM_NO_PREAPPROVAL,
        Reason::ForumProvince => FORUM_PROVINCE,
    }
}

const NO_FILING: Words = Words {
    chinese: Phrase {
        sentence: "该域名没有网站ICP备案，按规定不能在中国大陆提供访问。",
        remedy: "请在本服务商的备案系统提交备案申请，通过并同步后自动开通。",
        steps: &[
            "登录本服务商的备案系统。主体从未备案的，提交首次备案；已有备案号的，提交新增网站。",
            "按提示上传资料；收到核验短信后，及时完成验证。",
            "等待初审和通信管理局审核。期间邮箱、域名验证等解析照常生效，可以先行配置。",
        ],
        duration: REVIEW.chinese,
    },
    english: Phrase {
        sentence: "The domain has no ICP filing for a website, so it may not be served from mainland China.",
        remedy: "File it through this provider; it opens by itself once the filing is approved and synced.",
        steps: &[
            "Sign in to this provider's filing system. Submit a first filing, or \"add website\" if you \
             already have a filing number.",
            "Upload what is asked for, and confirm the verification message sent to your phone.",
            "Wait for the provider's and the authority's review. Mail and domain validation records are \
             answered meanwhile, so set them up now.",
        ],
        duration: REVIEW.english,
    },
};

const UNDER_REVIEW: Words = Words {
    chinese: Phrase {
        sentence: "该域名的备案申请正在办理，尚未通过。",
        remedy: "请等待审核结果；管局审核通常不超过20个工作日。通过并同步后自动开通，期间可先配置解析。",
        steps: &[
            "无需重复提交，请等待审核结果。",
            "留意短信和邮件：如有核验短信请及时完成验证，如被退回请尽快修改。",
            "可先配置好网站和解析，通过并同步后自动开通。",
        ],
        duration: REVIEW.chinese,
    },
    english: Phrase {
        sentence: "The domain's filing is in progress and not yet approved.",
        remedy: "Wait for the review; the authority usually takes no more than 20 working days. The domain \
                 opens by itself after approval and sync, and its DNS can be set up meanwhile.",
        steps: &[
            "Do not submit again; wait for the outcome.",
            "Watch your messages and mail: confirm a verification message when it comes, and mend the \
             application soon if it is sent back.",
            "Set up the site and its DNS now; it opens by itself after approval and sync.",
        ],
        duration: REVIEW.english,
    },
};

const REJECTED: Words = Words {
    chinese: Phrase {
        sentence: "该域名的备案申请已被退回。",
        remedy: "请按退回意见修改资料，然后重新提交申请。",
        steps: &[
            "登录备案系统，查看退回意见。",
            "按意见逐条修改资料；看不懂的地方请咨询服务商客服。",
            "重新提交，审核重新开始计时。",
        ],
        duration: REVIEW.chinese,
    },
    english: Phrase {
        sentence: "The domain's filing was sent back by the reviewers.",
        remedy: "Mend what their reasons name, and submit the application again.",
        steps: &[
            "Sign in to the filing system and read the reviewers' reasons.",
            "Mend each point they name; ask the provider's support where one is not clear.",
            "Submit again; the review starts anew.",
        ],
        duration: REVIEW.english,
    },
};

const NOT_SYNCED: Words = Words {
    chinese: Phrase {
        sentence: "该域名的备案已通过审核，正在等待同步到本服务商。",
        remedy: "无需操作，通常数小时内自动开通；超过两个工作日仍未开通，请联系客服。",
        steps: &[
            "无需操作，也不必重建证书或更换服务器：同步完成后自动开通。",
            "现在即可将域名解析到您的服务器。",
            "超过两个工作日仍未开通，请带上备案号和本页编号联系客服。",
        ],
        duration: "通常数小时，个别情况需要一至两个工作日。",
    },
    english: Phrase {
        sentence: "The domain's filing is approved and is being synced to this provider.",
        remedy: "Nothing is to be done, it usually opens within hours; contact support if it takes more than \
                 two working days.",
        steps: &[
            "Nothing is to be done; there is no need to renew certificates or to change servers. The domain \
             opens by itself once it is synced.",
            "Point the domain at your server now.",
            "If it is still closed after two working days, contact support with the filing number and the \
             reference of this page.",
        ],
        duration: "Usually hours, at times one or two working days.",
    },
};

const DOMAIN_CHANGED: Words = Words {
    chinese: Phrase {
        sentence: "原备案已变更为另一个域名，该域名不再有备案。",
        remedy: "请改用新域名；如需继续使用该域名，请为它另行备案。",
        steps: &[
            "请改用新域名，并更新您公布的网址。",
            "新域名如尚未开通，请等待同步。",
            "如需继续使用原域名，请为它提交新增网站。",
        ],
        duration: "新域名通常在变更通过后数小时内开通；为原域名重新备案最长20个工作日。",
    },
    english: Phrase {
        sentence: "The filing was moved to another domain, so this one is no longer filed.",
        remedy: "Use the new domain; to go on using this one, file it anew.",
        steps: &[
            "Use the new domain, and change the addresses that you have published.",
            "If the new domain is not open yet, wait for the sync.",
            "To go on using this domain, submit \"add website\" for it.",
        ],
        duration: "The new domain usually opens within hours of the approval; filing this one anew takes up \
                   to 20 working days.",
    },
};

const HELD_ELSEWHERE: Words = Words {
    chinese: Phrase {
        sentence: "该域名已有备案，但未接入本服务商。",
        remedy: "请在本服务商处申请接入备案；原备案号不变，原服务商的接入不受影响。",
        steps: &[
            "登录本服务商的备案系统，选择“接入备案”，填写现有备案号。",
            "通过之前，请保留原服务器，并将域名解析到原服务器，网站照常访问。",
            "通过并同步后，再将域名解析到本服务商的服务器。",
        ],
        duration: REVIEW.chinese,
    },
    english: Phrase {
        sentence: "The domain is filed, but not with this provider.",
        remedy: "Apply here for a filing transfer; the number stays, and the present provider's access is \
                 not affected.",
        steps: &[
            "Sign in to this provider's filing system, choose a filing transfer, and give the present filing \
             number.",
            "Until it is approved, keep the old server and point the domain at it: the site stays reachable \
             there.",
            "Point the domain here after approval and sync.",
        ],
        duration: REVIEW.english,
    },
};

const TRANSFER_IN_PROGRESS: Words = Words {
    chinese: Phrase {
        sentence: "该域名的接入备案正在办理，尚未通过。",
        remedy: "在通过之前请保留原服务器，并将域名解析到原服务器；通过并同步后自动开通。",
        steps: &[
            "请保留原服务器，暂时将域名解析到原服务器，网站照常访问。",
            "留意短信和邮件：如有核验短信请及时完成验证，如被退回请尽快修改。",
            "通过并同步后，再将域名解析到本服务商的服务器。",
        ],
        duration: REVIEW.chinese,
    },
    english: Phrase {
        sentence: "The filing's transfer to this provider is in progress.",
        remedy: "Until it is approved, keep the old server and point the domain at it; the domain opens here by \
                 itself after approval and sync.",
        steps: &[
            "Keep the old server, and point the domain at it for now: the site stays reachable there.",
            "Watch your messages and mail: confirm a verification message when it comes, and mend the \
             application soon if it is sent back.",
            "Point the domain here after approval and sync.",
        ],
        duration: REVIEW.english,
    },
};

const TRANSFER_REJECTED: Words = Words {
    chinese: Phrase {
        sentence: "该域名的接入备案申请已被退回；原备案仍然有效。",
        remedy: "请按退回意见修改后重新申请接入；在此之前请使用原服务器。",
        steps: &[
            "登录备案系统，查看退回意见。",
            "按意见修改资料，重新提交接入备案。",
            "通过之前，请将域名解析到原服务器，网站照常访问。",
        ],
        duration: REVIEW.chinese,
    },
    english: Phrase {
        sentence: "The filing's transfer to this provider was rejected; the filing itself still stands.",
        remedy: "Mend what the reasons name and apply again; use the old server until then.",
        steps: &[
            "Sign in to the filing system and read the reviewers' reasons.",
            "Mend what they name, and submit the transfer again.",
            "Until it is approved, point the domain at the old server: the site stays reachable there.",
        ],
        duration: REVIEW.english,
    },
};

const CANCELLED: Words = Words {
    chinese: Phrase {
        sentence: "该域名的备案已被注销。",
        remedy: "请重新办理首次备案或新增网站。",
        steps: &[
            "在工信部备案系统查询，确认该域名和主体的备案状态。",
            "登录本服务商的备案系统：主体已注销的，提交首次备案；主体仍有效的，提交新增网站。",
            "等待审核，通过并同步后自动开通。",
        ],
        duration: REVIEW.chinese,
    },
    english: Phrase {
        sentence: "The domain's filing was cancelled.",
        remedy: "File the domain anew.",
        steps: &[
            "Look up the domain and its subject in the ministry's public query.",
            "Sign in to this provider's filing system: submit a first filing if the subject was cancelled, \
             too, or else \"add website\".",
            "Wait for the review; the domain opens by itself after approval and sync.",
        ],
        duration: REVIEW.english,
    },
};

const ACCESS_CANCELLED: Words = Words {
    chinese: Phrase {
        sentence: "该域名备案在本服务商的接入已被取消。",
        remedy: "请重新申请接入备案；没有任何接入商的备案可能被注销。",
        steps: &[
            "如网站仍在本服务商：登录备案系统，重新提交接入备案。",
            "如网站已迁往其他服务商：确认已在那里接入备案，并将域名解析到那里的服务器。",
            "请尽快办理：没有任何接入商的备案可能被注销。",
        ],
        duration: REVIEW.chinese,
    },
    english: Phrase {
        sentence: "The filing's access with this provider was cancelled.",
        remedy: "Apply for a filing transfer again; a filing that no provider holds may be cancelled.",
        steps: &[
            "If the site is still hosted here: sign in to the filing system and apply for the transfer again.",
            "If it has moved: make sure that the filing is held with the new provider, and point the domain at \
             the server there.",
            "Do so soon: a filing that no provider holds may be cancelled.",
        ],
        duration: REVIEW.english,
    },
};

const RESTRICTED: Words = Words {
    chinese: Phrase {
        sentence: "该域名已被主管部门限制接入。",
        remedy: "请联系备案所在地的通信管理局。",
        steps: &[
            "联系备案所在省的通信管理局，了解限制原因。",
            "按要求整改并申请解除。",
            "解除后自动开通，无需在本服务商处操作；本服务商无权解除。",
        ],
        duration: "由主管部门决定。",
    },
    english: Phrase {
        sentence: "The authority has restricted access to the domain.",
        remedy: "Contact the communications administration of the province of the filing.",
        steps: &[
            "Contact the communications administration of the province of the filing, and ask for the reason.",
            "Do what it asks for, and apply to have the restriction lifted.",
            "The domain then opens by itself; this provider cannot lift the restriction.",
        ],
        duration: "That is for the authority to decide.",
    },
};

const FORUM_INDIVIDUAL: Words = Words {
    chinese: Phrase {
        sentence: "个人主体不能开办论坛类网站。",
        remedy: "请撤除论坛功能，或以企业等单位主体重新备案。",
        steps: &[
            "撤除论坛、留言等互动功能，或决定以企业等单位主体备案。",
            "登录备案系统，相应修改网站信息或主体信息。",
            "重新提交，等待审核。",
        ],
        duration: REVIEW.chinese,
    },
    english: Phrase {
        sentence: "An individual may not run a forum.",
        remedy: "Take the forum down, or file the site as an enterprise or another organisation.",
        steps: &[
            "Take forum and message boards down, or decide to file as an enterprise or another organisation.",
            "Sign in to the filing system, and change the site or the subject accordingly.",
            "Submit again, and wait for the review.",
        ],
        duration: REVIEW.english,
    },
};

const FORUM_NO_PREAPPROVAL: Words = Words {
    chinese: Phrase {
        sentence: "论坛类网站备案前需取得电子公告服务（BBS）前置审批文件。",
        remedy: "请先向所在地通信管理局申请前置审批，再提交备案。",
        steps: &[
            "向所在地通信管理局申请电子公告服务前置审批；各省要求不同，请先咨询。",
            "取得文件后，登录备案系统上传。",
            "提交备案，等待审核。",
        ],
        duration: "前置审批由当地通信管理局决定；此后的备案审核最长20个工作日。",
    },
    english: Phrase {
        sentence: "A forum needs the BBS preapproval before it can be filed.",
        remedy: "Get the document from the local communications administration, then file.",
        steps: &[
            "Ask the local communications administration for the BBS preapproval; provinces differ in what \
             they ask for.",
            "Sign in to the filing system and upload the document.",
            "Submit the filing, and wait for the review.",
        ],
        duration: "The preapproval is for the local administration to decide; the review of the filing then \
                   takes up to 20 working days.",
    },
};

const FORUM_PROVINCE: Words = Words {
    chinese: Phrase {
        sentence: "备案所在省份目前不受理论坛类网站。",
        remedy: "请向所在地通信管理局了解情况，或不以论坛形式备案。",
        steps: &[
            "向所在地通信管理局了解当前的受理要求。",
            "如可不设论坛：撤除论坛功能，登录备案系统把网站改为普通网站，重新提交。",
            "如必须开设论坛：等待当地恢复受理后再提交。",
        ],
        duration: "普通网站的审核最长20个工作日；何时恢复受理论坛由当地决定。",
    },
    english: Phrase {
        sentence: "The province of the filing accepts no forums at present.",
        remedy: "Ask its communications administration, or file the site without a forum.",
        steps: &[
            "Ask the local communications administration what it accepts at present.",
            "If the site can do without a forum: take it down, change the filing to an ordinary website, and \
             submit again.",
            "If it cannot: submit once the province accepts forums again.",
        ],
        duration: "The review of an ordinary website takes up to 20 working days; when forums are accepted \
                   again is for the province to decide.",
    },
};
