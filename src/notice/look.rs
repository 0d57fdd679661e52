//! How the page looks: the provider's name, contact and colours, the templates, and what follows
//! from them for every response. Compiled when the configuration is read, so that a fault is told
//! then and not to visitors.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use data_encoding::BASE64;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::details::Details;
use super::preferences::{Language, Reloading};
use super::situation::{Blocked, Pointed, Situation};
use super::told::{Moment, PhraseTold, Told};
use crate::fault::{Fault, Severity};
use crate::filing::decide::Target;
use crate::filing::{Instant, Reason, Verdict};

/// Largest logo and style sheet in bytes: they travel inside the page, which is to arrive in one
/// round trip.
const MAX_FILE: u64 = 6 * 1024;
/// Largest template in bytes.
const MAX_TEMPLATE: u64 = 64 * 1024;

/// A colour: red, green, blue.
pub type Colour = [u8; 3];

/// Who shows the page. Every text but the name may be empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Provider {
    /// The name, as customers know it.
    pub name: String,
    /// The same in English.
    pub name_english: String,
    /// The provider's website, which is named as who blocks (RFC 7725).
    pub website: String,
    /// Where customers file.
    pub filing_system: String,
    /// Where customers get help.
    pub support: String,
    /// As people read it.
    pub phone: String,
    /// The mail address.
    pub email: String,
}

/// What the operator has set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Who shows the page.
    pub provider: Provider,
    /// A PNG, JPEG or SVG file. Default: none.
    pub logo: Option<PathBuf>,
    /// Of the bar at the top. Default #0b4f8a.
    pub colour: Colour,
    /// The same where the visitor prefers dark pages. Default: `colour`.
    pub colour_dark: Colour,
    /// A template in place of the built-in one. Default: none.
    pub template: Option<PathBuf>,
    /// A style sheet in place of the built-in one. Default: none.
    pub style: Option<PathBuf>,
    /// Whether the authority's remarks on a rejection are shown to every visitor. Default false.
    pub show_remarks: bool,
    /// Status for what stays until somebody does something, 400 to 599. Default 451 (RFC 7725).
    pub status: u16,
    /// Status for what passes by itself, 400 to 599. Default 503.
    pub status_passing: u16,
    /// When to try again, with `status_passing`. Default 1 h.
    pub retry_after: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        let colour = [0x0b, 0x4f, 0x8a];
        Settings {
            provider: Provider::default(),
            logo: None,
            colour,
            colour_dark: colour,
            template: None,
            style: None,
            show_remarks: false,
            status: 451,
            status_passing: 503,
            retry_after: Duration::from_secs(3_600),
        }
    }
}

/// The settings at work.
#[derive(Debug)]
pub struct Look {
    templates: Environment<'static>,
    provider: Provider,
    /// The same for the templates, with `dial` for a link to the phone number.
    provider_value: Value,
    logo: Value,
    style: Value,
    pub(super) show_remarks: bool,
    pub(super) status: StatusCode,
    pub(super) status_passing: StatusCode,
    pub(super) retry_after: Duration,
    /// `Content-Security-Policy`: nothing but this page's own style and images within it.
    pub(super) security_policy: HeaderValue,
    /// `Link` to who blocks (RFC 7725 §4).
    pub(super) blocked_by: HeaderValue,
}

/// The look in use, which a change of the configuration replaces.
pub struct LookInUse(ArcSwap<Look>);

impl fmt::Debug for LookInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookInUse").finish_non_exhaustive()
    }
}

impl LookInUse {
    /// Begins with a look.
    pub fn new(look: Look) -> LookInUse {
        LookInUse(ArcSwap::from_pointee(look))
    }

    /// From now on another.
    pub fn set(&self, look: Look) {
        self.0.store(Arc::new(look));
    }

    pub(super) fn load(&self) -> Guard<Arc<Look>> {
        self.0.load()
    }
}

impl Look {
    /// Reads the files that the settings name, and tries the templates. `config` is the file that
    /// faults without one of their own are of.
    pub fn load(settings: &Settings, config: &Path) -> Result<Look, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut read = |path: &Option<PathBuf>, most| {
            let path = path.as_deref()?;
            read_file(path, most).map_err(|fault| faults.push(fault)).ok()
        };
        let logo = read(&settings.logo, MAX_FILE);
        let (style, template) =
            (read(&settings.style, MAX_FILE), read(&settings.template, MAX_TEMPLATE));
        let style_sheet = style.map_or_else(
            || include_str!("page/page.css").to_owned(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        );
        if style_sheet.to_ascii_lowercase().contains("</style") {
            let file = settings.style.as_deref().unwrap_or(config);
            let remedy = "write CSS only, without HTML";
            faults.push(Fault::of_file(Severity::Error, file, "not a style sheet", remedy));
        }
        let style = colours(settings.colour, settings.colour_dark) + &style_sheet;
        let logo = logo.zip(settings.logo.as_deref()).and_then(|(bytes, path)| {
            data_url(&bytes, path).map_err(|fault| faults.push(fault)).ok()
        });
        let page = template.map_or_else(
            || include_str!("page/page.html").to_owned(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        );
        let template_file = settings.template.as_deref().unwrap_or(config);
        let provider = &settings.provider;
        let link = format!("<{}>; rel=\"blocked-by\"", provider.website);
        let digest = ring::digest::digest(&ring::digest::SHA256, style.as_bytes());
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            BASE64.encode(digest.as_ref())
        );
        let header =
            |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let mut look = Look {
            templates: Environment::empty(),
            provider: provider.clone(),
            provider_value: context! {
                dial => dialled(&provider.phone),
                ..Value::from(Serde(provider))
            },
            logo: logo.map_or_else(|| Value::from(()), Value::from_safe_string),
            style: Value::from_safe_string(style),
            show_remarks: settings.show_remarks,
            status: status(settings.status),
            status_passing: status(settings.status_passing),
            retry_after: settings.retry_after,
            security_policy: header(&policy),
            blocked_by: header(&link),
        };
        match templates(page).and_then(|templates| {
            look.templates = templates;
            look.try_out()
        }) {
            Ok(()) => {}
            Err(error) => faults.push(fault_of(&error, template_file)),
        }
        if faults.is_empty() { Ok(look) } else { Err(faults) }
    }

    /// The page in one language.
    pub(super) fn html(
        &self,
        told: &Told,
        language: Language,
        reloading: Reloading,
    ) -> Result<String, minijinja::Error> {
        self.render("page.html", told, language, reloading)
    }

    /// The text in both languages, the preferred one first.
    pub(super) fn text(&self, told: &Told, language: Language) -> Result<String, minijinja::Error> {
        self.render("page.txt", told, language, Reloading::Stopped)
    }

    /// What programs get.
    pub(super) fn json(&self, told: &Told) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct WithProvider<'a> {
            #[serde(flatten)]
            told: &'a Told,
            provider: &'a Provider,
        }
        let mut text = serde_json::to_string(&WithProvider { told, provider: &self.provider })?;
        text.push('\n');
        Ok(text)
    }

    fn render(
        &self,
        template: &str,
        told: &Told,
        language: Language,
        reloading: Reloading,
    ) -> Result<String, minijinja::Error> {
        let phrase = |phrase: &PhraseTold, is_chinese: bool| {
            let PhraseTold { sentence, remedy, steps, duration } = *phrase;
            context! { sentence, remedy, steps => steps.to_vec(), duration, is_chinese }
        };
        let (chinese, english) = (phrase(&told.words.zh, true), phrase(&told.words.en, false));
        let is_chinese = language == Language::Chinese;
        let (words, other_words) = if is_chinese { (chinese, english) } else { (english, chinese) };
        self.templates.get_template(template)?.render(context! {
            language => language.tag(),
            is_chinese,
            reloads => reloading == Reloading::ByItself,
            words,
            other_words,
            provider => self.provider_value.clone(),
            logo => self.logo.clone(),
            style => self.style.clone(),
            ..Value::from(Serde(told))
        })
    }

    /// Renders every kind of page, so that no visitor is the first to see one.
    fn try_out(&self) -> Result<(), minijinja::Error> {
        let domain = || "site.example".to_owned();
        let blocked = |reason| {
            Situation::Blocked(Blocked {
                reason,
                name: domain(),
                domain: domain(),
                since: Some(Instant(0)),
                next_change: Some(Instant(0)),
                target: Target::Own,
            })
        };
        let mut situations = vec![
            Situation::NotReady,
            Situation::NotHosted,
            Situation::Open { verdict: Verdict::Open, pointed: Pointed::Here, domain: domain() },
        ];
        situations.extend(Reason::ALL.map(blocked));
        let all = Details {
            filing_number: Some("京ICP备12345678号-1".to_owned()),
            new_domain: Some("new.example".to_owned()),
            remark: Some("-".to_owned()),
        };
        for situation in &situations {
            for details in [&Details::default(), &all] {
                let at = Moment { now: Instant(0), digits: 0 };
                let told = Told::of(situation, "www.site.example", details, at);
                for language in [Language::Chinese, Language::English] {
                    self.html(&told, language, Reloading::ByItself)?;
                    self.text(&told, language)?;
                }
            }
        }
        Ok(())
    }
}

fn templates(page: String) -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()?;
    templates.set_syntax(syntax);
    templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    templates.add_filter("moment", |instant: String| {
        instant.replacen('T', " ", 1).replace("+08:00", " +08:00")
    });
    templates.add_template_owned("page.html", page)?;
    templates.add_template("page.txt", include_str!("page/page.txt"))?;
    Ok(templates)
}

fn fault_of(error: &minijinja::Error, file: &Path) -> Fault {
    let problem = match error.detail() {
        Some(detail) => format!("the template cannot be used: {} ({detail})", error.kind()),
        None => format!("the template cannot be used: {}", error.kind()),
    };
    let remedy = "mend the template (the language is that of minijinja), or leave it out";
    let line = error.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
    Fault { line, ..Fault::of_file(Severity::Error, file, problem, remedy) }
}

fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, Fault> {
    let fault =
        |problem: String, remedy: &str| Fault::of_file(Severity::Error, path, problem, remedy);
    let unreadable =
        |error| fault(format!("cannot be read: {error}"), "name a readable file in [notice]");
    let len = std::fs::metadata(path).map_err(unreadable)?.len();
    if len > most {
        let remedy = "make it smaller: it travels inside the page, which is to arrive in one go";
        return Err(fault(format!("longer than {most} bytes"), remedy));
    }
    std::fs::read(path).map_err(unreadable)
}

fn data_url(bytes: &[u8], path: &Path) -> Result<String, Fault> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let media = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => {
            let remedy = "name a file that ends in .svg, .png or .jpg";
            return Err(Fault::of_file(Severity::Error, path, "not a known kind of image", remedy));
        }
    };
    Ok(format!("data:{media};base64,{}", BASE64.encode(bytes)))
}

/// The custom properties for the bar; its text is black or white, whichever is read better.
fn colours(light: Colour, dark: Colour) -> String {
    let pair = |colour: Colour| {
        let [red, green, blue] = colour;
        let on = if contrast_with_white(colour) >= 4.6 { "#fff" } else { "#000" };
        format!("--bar:#{red:02x}{green:02x}{blue:02x};--on-bar:{on}")
    };
    format!(
        ":root{{{}}}@media (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        pair(light),
        pair(dark)
    )
}

/// The contrast ratio of WCAG 2.2. Where it is below 4.6, that with black is above 4.5.
fn contrast_with_white(colour: Colour) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let [red, green, blue] = colour.map(linear);
    1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
}

/// A phone number as a `tel:` address holds it.
fn dialled(phone: &str) -> String {
    phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
}

/// The configuration admits 400 to 599 only.
fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let provider = Provider { name: "某某云".to_owned(), ..Provider::default() };
        Settings { provider, ..Settings::default() }
    }

    fn load(settings: &Settings) -> Result<Look, Vec<Fault>> {
        Look::load(settings, Path::new("beiand.toml"))
    }

    #[test]
    fn the_text_on_the_bar_is_read_well_on_any_colour() {
        for red in (0..=255).step_by(5) {
            for green in (0..=255).step_by(5) {
                for blue in (0..=255).step_by(15) {
                    let white = contrast_with_white([red, green, blue]);
                    let black = 21.0 / white;
                    assert!(white >= 4.6 || black >= 4.5, "{red} {green} {blue}");
                }
            }
        }
        assert!(colours([255; 3], [0; 3]).starts_with(":root{--bar:#ffffff;--on-bar:#000}"));
    }

    #[test]
    fn files_in_place_of_ours_are_used_and_their_faults_told() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let mut settings = settings();
        settings.template = write("page.html", "{{ words.sentence }} {{ domain.ascii if domain }}");
        settings.style = write("page.css", "body{color:#000}");
        settings.logo = write("logo.svg", "<svg/>");
        let look = load(&settings).unwrap();
        assert!(look.security_policy.to_str().unwrap().contains("style-src 'sha256-"));
        assert_eq!(look.logo.as_str(), Some("data:image/svg+xml;base64,PHN2Zy8+"));

        settings.template = write("page.html", "\n{{ wrods.sentence }}");
        settings.style = write("page.css", "</STYLE><script>");
        settings.logo = write("logo.gif", "GIF89a");
        let faults = load(&settings).unwrap_err();
        let mut told: Vec<(String, u32)> = faults
            .iter()
            .map(|fault| (fault.file.file_name().unwrap().to_string_lossy().into(), fault.line))
            .collect();
        told.sort();
        let wanted = [("logo.gif", 0), ("page.css", 0), ("page.html", 2)];
        assert_eq!(told, wanted.map(|(file, line)| (file.to_owned(), line)));
        settings.logo = write("logo.svg", &"x".repeat(MAX_FILE as usize + 1));
        assert!(load(&settings).unwrap_err().iter().any(|fault| fault.problem.contains("longer")));
    }

    #[test]
    fn markup_in_what_is_told_stays_text() {
        let look = load(&settings()).unwrap();
        let details = Details { filing_number: Some("<b>&\"'".to_owned()), ..Details::default() };
        let blocked = Situation::Blocked(Blocked {
            reason: Reason::Cancelled,
            name: "site.example".to_owned(),
            domain: "site.example".to_owned(),
            since: None,
            next_change: None,
            target: Target::Own,
        });
        let at = Moment { now: Instant(0), digits: 0 };
        let told = Told::of(&blocked, "site.example", &details, at);
        let html = look.html(&told, Language::Chinese, Reloading::ByItself).unwrap();
        assert!(html.contains("&lt;b&gt;&amp;&quot;&#x27;") && !html.contains("<b>"), "{html}");
    }
}
