//! The keys of `[notice]`: what they are in the file, and the rules that hold between them.

use std::path::Path;
use std::time::Duration;

use super::Notice;
use super::read::{Listening, Over, path, small};
use super::reader::{Document, Key};
use super::values::{Problem, parse_filled};
use crate::notice::{Provider, Settings};
use crate::serve::TcpSettings;

/// Reads the section.
pub(super) fn read(
    document: &mut Document<'_>,
    folder: &Path,
    listening: &mut Listening,
) -> Notice {
    let listen = listening.read(document, "notice", Over::Tcp);
    let page = page(document, folder);
    for (needed, remedy) in [
        ("name", "set name in [notice], as your customers know you: name = \"某某云\""),
        ("website", "set website in [notice]: website = \"https://www.hoster.example/\""),
    ] {
        if !listen.is_empty() && !document.has(key(needed)) {
            let problem = format!("the page has to say who shows it, and {needed} is missing");
            document.fault_of(key("listen"), Problem::new(problem, remedy));
        }
    }
    Notice { listen, page, limits: limits(document) }
}

fn key(name: &'static str) -> Key {
    ("notice", name)
}

fn page(document: &mut Document<'_>, folder: &Path) -> Settings {
    let default = Settings::default();
    let colour = document.text(key("colour"), parse_colour).unwrap_or(default.colour);
    let mut status = |name, default: u16| {
        let status = document.integer(key(name), u64::from(default), 400..=599);
        u16::try_from(status).unwrap_or(default)
    };
    let (status, status_passing) =
        (status("status", default.status), status("status_passing", default.status_passing));
    Settings {
        provider: provider(document),
        logo: path(document, key("logo"), folder),
        colour,
        colour_dark: document.text(key("colour_dark"), parse_colour).unwrap_or(colour),
        template: path(document, key("template"), folder),
        style: path(document, key("style"), folder),
        show_remarks: document.flag(key("show_remarks"), default.show_remarks),
        status,
        status_passing,
        retry_after: document
            .duration(key("retry_after"), Duration::from_secs(1)..=Duration::from_secs(7 * 86_400))
            .unwrap_or(default.retry_after),
    }
}

fn provider(document: &mut Document<'_>) -> Provider {
    let mut line = |name| document.text(key(name), parse_line).unwrap_or_default();
    let (name, name_english, phone) = (line("name"), line("name_english"), line("phone"));
    let mut address = |name| document.text(key(name), parse_web_address).unwrap_or_default();
    Provider {
        website: address("website"),
        filing_system: address("filing_system"),
        support: address("support"),
        email: document.text(key("email"), parse_email).unwrap_or_default(),
        name_english: if name_english.is_empty() { name.clone() } else { name_english },
        name,
        phone,
    }
}

fn limits(document: &mut Document<'_>) -> TcpSettings {
    let default = super::Notice::default().limits;
    let mut limit =
        |name, default: usize| small(document.integer(key(name), default as u64, 1..=1_000_000));
    TcpSettings {
        max_connections: limit("max_connections", default.max_connections),
        max_connections_per_client: limit(
            "max_connections_per_client",
            default.max_connections_per_client,
        ),
        idle_timeout: document
            .duration(key("timeout"), Duration::from_secs(1)..=Duration::from_secs(300))
            .unwrap_or(default.idle_timeout),
        ..default
    }
}

/// A short text that the page shows; it has to fit into one line, and the page into one
/// round trip.
fn parse_line(text: &str) -> Result<String, Problem> {
    let text = parse_filled(text)?;
    if text.chars().any(char::is_control) || text.chars().count() > 80 {
        return Err(Problem::new("not one short line", "write at most 80 characters, on one line"));
    }
    Ok(text)
}

/// The address of a page that the notice links to. It also stands in a header, hence ASCII.
fn parse_web_address(text: &str) -> Result<String, Problem> {
    let remedy = "write it as in \"https://www.hoster.example/\"";
    let host = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    if !host.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')) {
        return Err(Problem::new("not a web address", remedy));
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || b"<>\"\\^`{|}".contains(&byte)) {
        let problem = "a web address is printable ASCII without spaces, quotes and brackets";
        return Err(Problem::new(problem, remedy));
    }
    if text.len() > 250 {
        return Err(Problem::new("longer than 250 characters", "write a shorter address"));
    }
    Ok(text.to_owned())
}

fn parse_email(text: &str) -> Result<String, Problem> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte))
    };
    match text.split_once('@') {
        Some((user, domain)) if plain(user) && plain(domain) && text.len() <= 120 => {
            Ok(text.to_owned())
        }
        _ => Err(Problem::new("not a mail address", "write it as in \"support@hoster.example\"")),
    }
}

/// `#0b4f8a`.
fn parse_colour(text: &str) -> Result<[u8; 3], Problem> {
    let digits = text.strip_prefix('#').filter(|digits| {
        digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    });
    let part = |at: usize| u8::from_str_radix(digits?.get(at..at + 2)?, 16).ok();
    match (part(0), part(2), part(4)) {
        (Some(red), Some(green), Some(blue)) => Ok([red, green, blue]),
        _ => Err(Problem::new("not a colour", "write six hexadecimal digits, as in \"#0b4f8a\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_six_digits() {
        assert_eq!(parse_colour("#0b4F8a"), Ok([0x0b, 0x4f, 0x8a]));
        for bad in ["", "#", "0b4f8a", "#0b4f8", "#0b4f8ag", "#+b4f8a", "#例子例"] {
            assert!(parse_colour(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_goes_into_a_link_cannot_break_out_of_it() {
        assert!(parse_web_address("https://www.hoster.example/?a=b&c=%20").is_ok());
        for bad in [
            "",
            "javascript:alert(1)",
            "https://",
            "https:///x",
            "https://x/\" onclick",
            "https://x/>; rel=\"y\"",
            "https://x/\r\nSet-Cookie: a=b",
            "https://例子.example/",
        ] {
            assert!(parse_web_address(bad).is_err(), "{bad}");
        }
        assert!(parse_email("a.b+c@hoster.example").is_ok());
        for bad in ["", "a", "a@", "@b", "a@b?cc=c", "a b@c"] {
            assert!(parse_email(bad).is_err(), "{bad}");
        }
    }
}
