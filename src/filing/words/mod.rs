//! What people are told about a verdict: how things are, what the site's owner should do, and how
//! long that usually takes. The only source of these texts, for `explain`, the notice page and
//! whatever else speaks to people.
//!
//! `reasons` holds the words for each reason of a block; here are the others.

mod reasons;

pub use reasons::of_reason;

use super::verdict::Verdict;

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
    /// What the site's owner should do, in short.
    pub remedy: &'static str,
    /// The same step by step; none where nothing is to be done.
    pub steps: &'static [&'static str],
    /// How long it usually takes; empty where nothing is awaited.
    pub duration: &'static str,
}

/// Words for what takes neither steps nor time.
const fn brief(
    chinese: (&'static str, &'static str),
    english: (&'static str, &'static str),
) -> Words {
    Words {
        chinese: Phrase { sentence: chinese.0, remedy: chinese.1, steps: &[], duration: "" },
        english: Phrase { sentence: english.0, remedy: english.1, steps: &[], duration: "" },
    }
}

/// The zone is not hosted on this server (row 27).
pub const NOT_HOSTED: Words = brief(
    (
        "本服务器未托管该域名的解析。",
        "请检查域名注册商处填写的DNS服务器，或在本服务商处添加该域名。",
    ),
    (
        "This server does not host the domain's DNS.",
        "Check the nameservers set at the registrar, or add the domain with this provider.",
    ),
);

/// The data is not loaded yet, or the zone could not be.
pub const NOT_READY: Words = brief(
    ("暂时无法查询该域名的备案状态。", "请稍后重试。"),
    ("The state of the domain's filing cannot be told at the moment.", "Try again a little later."),
);

/// Open, but no address of the name is this provider's (row 26).
pub const NOT_POINTED_HERE: Words = brief(
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
        Verdict::Open => brief(
            ("该域名备案有效，已接入本服务商，可以正常访问。", "无需操作。"),
            (
                "The domain's filing is in order, and the domain is answered as usual.",
                "Nothing is to be done.",
            ),
        ),
        Verdict::NotRequired => brief(
            (
                "该域名的服务器均不在中国大陆，无需ICP备案。",
                "无需操作；如改用大陆服务器，请先办理备案。",
            ),
            (
                "None of the domain's servers is in mainland China, so no ICP filing is needed.",
                "Nothing is to be done; file before moving to a server in mainland China.",
            ),
        ),
        Verdict::Exempt => brief(
            ("该区域不属于网站域名，不适用备案检查。", "无需操作。"),
            ("This zone is not a website's, so no filing is asked for.", "Nothing is to be done."),
        ),
        Verdict::Blocked(reason) => of_reason(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Reason;
    use super::*;
    use std::collections::HashSet;

    fn all() -> Vec<Words> {
        let verdicts = [Verdict::Open, Verdict::NotRequired, Verdict::Exempt];
        let blocked = Reason::ALL.into_iter().map(Verdict::Blocked);
        let mut all: Vec<Words> = verdicts.into_iter().chain(blocked).map(of_verdict).collect();
        all.extend([NOT_HOSTED, NOT_READY, NOT_POINTED_HERE]);
        all
    }

    fn texts(phrase: Phrase) -> Vec<&'static str> {
        let mut texts = vec![phrase.sentence, phrase.remedy];
        texts.extend(phrase.steps);
        texts.extend(Some(phrase.duration).filter(|text| !text.is_empty()));
        texts
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
            for text in texts(words.english) {
                assert!(text.is_ascii() && text.ends_with('.') && !text.contains("  "), "{text}");
            }
            for text in texts(words.chinese) {
                assert!(text.ends_with('。') && text.contains(|c: char| c > '\u{4e00}'), "{text}");
            }
        }
    }

    #[test]
    fn every_reason_says_step_by_step_what_to_do_and_how_long_it_takes() {
        for words in Reason::ALL.map(of_reason) {
            for phrase in [words.chinese, words.english] {
                assert!(phrase.steps.len() >= 2 && !phrase.duration.is_empty(), "{phrase:?}");
            }
            assert_eq!(words.chinese.steps.len(), words.english.steps.len(), "{words:?}");
        }
    }
}
