//! What the client wants: the language, and the form.

use hyper::Uri;
use hyper::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderMap, HeaderName, USER_AGENT};

/// The language of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Simplified Chinese; for whoever names no other.
    Chinese,
    English,
}

impl Language {
    /// The language tag (BCP 47).
    pub(super) fn tag(self) -> &'static str {
        match self {
            Language::Chinese => "zh-CN",
            Language::English => "en",
        }
    }
}

/// Whether an open site's page looks for the site by itself. A reader may need more time than it
/// gives (WCAG 2.2, success criterion 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reloading {
    ByItself,
    Stopped,
}

/// `stay` in the query, which a link on that page sets.
pub(super) fn reloading(uri: &Uri) -> Reloading {
    match parameters(uri).any(|parameter| parameter == "stay") {
        true => Reloading::Stopped,
        false => Reloading::ByItself,
    }
}

fn parameters(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().unwrap_or_default().split('&')
}

/// The form of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    /// For command lines.
    Text,
    Json,
}

/// Programs that show what they get on a terminal, or keep it for people.
const COMMAND_LINES: [&str; 3] = ["curl/", "Wget/", "HTTPie/"];

/// `lang=` of the query, which the switch on the page sets, before `Accept-Language`.
pub(super) fn language(uri: &Uri, headers: &HeaderMap) -> Language {
    for parameter in parameters(uri) {
        match parameter {
            "lang=zh" => return Language::Chinese,
            "lang=en" => return Language::English,
            _ => {}
        }
    }
    let languages = list(headers, ACCEPT_LANGUAGE);
    let wish = |language: &str| {
        let is_it = |tag: &str| tag.split('-').next() == Some(language);
        languages.iter().filter(|(tag, _)| is_it(tag)).map(|(_, weight)| *weight).max().unwrap_or(0)
    };
    if wish("en") > wish("zh") { Language::English } else { Language::Chinese }
}

/// By `Accept` (RFC 9110 §12.5.1); a client that takes anything gets what people read there.
pub(super) fn form(headers: &HeaderMap) -> Form {
    let types = list(headers, ACCEPT);
    let wish = |media: &str, any: &str| {
        let weight = |wanted: &str| {
            types.iter().find(|(found, _)| found == wanted).map(|(_, weight)| *weight)
        };
        // A type that is named counts a little more than one that is only not excluded.
        let unnamed = || weight(any).or_else(|| weight("*/*")).unwrap_or(0).saturating_sub(1);
        weight(media).unwrap_or_else(unnamed)
    };
    let html = wish("text/html", "text/*").max(wish("application/xhtml+xml", "application/*"));
    let (json, text) = (wish("application/json", "application/*"), wish("text/plain", "text/*"));
    if json > html && json >= text {
        return Form::Json;
    }
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let on_command_line = COMMAND_LINES.iter().any(|program| agent.starts_with(program));
    if text > html || (on_command_line && text == html) { Form::Text } else { Form::Html }
}

/// The elements of a list header, in lower case, each with its weight in thousandths.
fn list(headers: &HeaderMap, name: HeaderName) -> Vec<(String, u32)> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(element).collect()
}

fn element(text: &str) -> Option<(String, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let weight = match quality {
        // What cannot be read counts as not wanted.
        Some(quality) => quality.parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0),
        None => 1.0,
    };
    Some((name, (weight * 1000.0) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn chinese_unless_english_is_wanted_more() {
        let uri = Uri::from_static("/");
        for (accept, wanted) in [
            ("", Language::Chinese),
            ("*", Language::Chinese),
            ("fr", Language::Chinese),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en,zh", Language::Chinese),
            ("en-GB,en;q=0.9", Language::English),
            ("EN-us, zh;q=0.3", Language::English),
            ("en;q=0", Language::Chinese),
            ("en;q=NaN", Language::Chinese),
            ("english", Language::Chinese),
        ] {
            assert_eq!(language(&uri, &headers(ACCEPT_LANGUAGE, accept)), wanted, "{accept}");
        }
        let english = headers(ACCEPT_LANGUAGE, "en");
        assert_eq!(language(&Uri::from_static("/a?b=c&lang=zh"), &english), Language::Chinese);
        assert_eq!(language(&Uri::from_static("/a?lang=fr"), &english), Language::English);
    }

    #[test]
    fn browsers_get_html_programs_what_they_ask_for() {
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, wanted) in [
            ("", Form::Html),
            ("*/*", Form::Html),
            (chrome, Form::Html),
            ("application/json", Form::Json),
            ("application/json, text/plain, */*", Form::Json),
            ("text/html, application/json;q=0.5", Form::Html),
            ("text/plain", Form::Text),
            ("text/*", Form::Html),
            ("image/png", Form::Html),
        ] {
            assert_eq!(form(&headers(ACCEPT, accept)), wanted, "{accept}");
        }
        let mut curl = headers(ACCEPT, "*/*");
        curl.insert(USER_AGENT, "curl/8.5.0".parse().unwrap());
        assert_eq!(form(&curl), Form::Text);
        curl.insert(ACCEPT, "text/html".parse().unwrap());
        assert_eq!(form(&curl), Form::Html);
    }
}
