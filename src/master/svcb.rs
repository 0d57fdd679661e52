//! SvcParams of SVCB and HTTPS (RFC 9460 §2, §7, appendix A; dohpath by RFC 9461).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::encoding::{Base64, to_base64};
use super::lexer::{Lexer, Outcome, Quoting, Word};
use super::rdata::{number, unescape_into};

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;

/// More do not fit into an RDATA.
const MAX_PARAMS: usize = 65_535 / 4;

const NAMES: [&str; 8] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath"];

/// Reads the parameters up to the end of the entry and appends them sorted by key.
pub(super) fn read(lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let mut params: Vec<(u16, Vec<u8>)> = Vec::new();
    let mut last = None;
    while let Some(word) = lexer.next_pair()? {
        let (key, value) = read_param(&word)?;
        if params.iter().any(|(earlier, _)| *earlier == key) {
            return Err(word.bad("this parameter was given before", "give each parameter once"));
        }
        if params.len() == MAX_PARAMS {
            return Err(word.bad("there are too many parameters for one record", "give fewer"));
        }
        params.push((key, value));
        last = Some(word);
    }
    params.sort_unstable_by_key(|(key, _)| *key);
    let start = out.len();
    for (key, value) in &params {
        let Ok(len) = u16::try_from(value.len()) else { continue };
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(value);
    }
    match (verify(&out[start..]), last) {
        (Err(problem), Some(word)) => Err(word.bad(problem, "correct the parameters")),
        _ => Ok(()),
    }
}

/// Says what is wrong with parameters in wire form.
pub(super) fn verify(params: &[u8]) -> Result<(), String> {
    let mut keys = Vec::new();
    let mut mandatory: &[u8] = &[];
    for (key, value) in split(params) {
        let value = value.ok_or("a parameter is longer than the data")?;
        if keys.last().is_some_and(|last| *last >= key) {
            return Err("the parameters are not in strictly rising order of their keys".to_owned());
        }
        keys.push(key);
        let good = match key {
            MANDATORY => {
                mandatory = value;
                !value.is_empty() && value.len() % 2 == 0
            }
            ALPN => {
                !value.is_empty() && alpn_ids(value).all(|id| id.is_some_and(|id| !id.is_empty()))
            }
            NO_DEFAULT_ALPN => value.is_empty(),
            PORT => value.len() == 2,
            IPV4HINT => !value.is_empty() && value.len() % 4 == 0,
            IPV6HINT => !value.is_empty() && value.len() % 16 == 0,
            DOHPATH => std::str::from_utf8(value)
                .is_ok_and(|path| path.starts_with('/') && path.contains("{?dns}")),
            _ => true,
        };
        if !good {
            return Err(match key {
                DOHPATH => "dohpath must start with / and contain {?dns}".to_owned(),
                _ => format!("the value of {} is not valid", key_text(key)),
            });
        }
    }
    let mut before = MANDATORY;
    for key in mandatory.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])) {
        if key <= before {
            return Err("mandatory must list each key once, and not itself".to_owned());
        }
        if !keys.contains(&key) {
            return Err(format!("mandatory lists {}, which is not given", key_text(key)));
        }
        before = key;
    }
    if keys.contains(&NO_DEFAULT_ALPN) && !keys.contains(&ALPN) {
        return Err("no-default-alpn is given without alpn".to_owned());
    }
    Ok(())
}

/// Presentation form, with a blank in front of each parameter. The parameters are valid.
pub(super) fn to_text(params: &[u8]) -> String {
    let mut text = String::new();
    for (key, value) in split(params) {
        let value = value.unwrap_or_default();
        text.push(' ');
        text.push_str(&key_text(key));
        let list = |items: Vec<String>| items.join(",");
        let shown = match key {
            MANDATORY => list(
                value
                    .chunks_exact(2)
                    .map(|pair| key_text(u16::from_be_bytes([pair[0], pair[1]])))
                    .collect(),
            ),
            ALPN => {
                let mut ids = Vec::new();
                for (place, id) in alpn_ids(value).flatten().enumerate() {
                    if place > 0 {
                        ids.push(b',');
                    }
                    for &byte in id {
                        if matches!(byte, b',' | b'\\') {
                            ids.push(b'\\');
                        }
                        ids.push(byte);
                    }
                }
                super::text::quote(&ids)
            }
            NO_DEFAULT_ALPN => continue,
            PORT => value.iter().fold(0u16, |sum, byte| sum << 8 | u16::from(*byte)).to_string(),
            IPV4HINT => list(
                value
                    .chunks_exact(4)
                    .filter_map(|bytes| <[u8; 4]>::try_from(bytes).ok())
                    .map(|bytes| Ipv4Addr::from(bytes).to_string())
                    .collect(),
            ),
            IPV6HINT => list(
                value
                    .chunks_exact(16)
                    .filter_map(|bytes| <[u8; 16]>::try_from(bytes).ok())
                    .map(|bytes| Ipv6Addr::from(bytes).to_string())
                    .collect(),
            ),
            ECH => to_base64(value),
            _ if value.is_empty() => continue,
            _ => super::text::quote(value),
        };
        text.push('=');
        text.push_str(&shown);
    }
    text
}

fn key_text(key: u16) -> String {
    NAMES.get(usize::from(key)).map_or_else(|| format!("key{key}"), |name| (*name).to_owned())
}

fn parse_key(text: &[u8]) -> Option<u16> {
    if let Some(key) = NAMES.iter().position(|name| name.as_bytes() == text) {
        return u16::try_from(key).ok();
    }
    let digits = std::str::from_utf8(text.strip_prefix(b"key")?).ok()?;
    // Leading zeros and signs are not allowed (RFC 9460 §2.1).
    let key: u16 = digits.parse().ok()?;
    (key.to_string() == digits).then_some(key)
}

/// Keys with their values; a value of `None` is cut off.
fn split(mut params: &[u8]) -> impl Iterator<Item = (u16, Option<&[u8]>)> {
    std::iter::from_fn(move || {
        if params.is_empty() {
            return None;
        }
        let whole = params.split_first_chunk::<4>().and_then(|(head, rest)| {
            let key = u16::from_be_bytes([head[0], head[1]]);
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            rest.split_at_checked(len).map(|(value, rest)| (key, value, rest))
        });
        match whole {
            Some((key, value, rest)) => {
                params = rest;
                Some((key, Some(value)))
            }
            None => {
                params = &[];
                Some((0, None))
            }
        }
    })
}

/// The protocol names of an alpn value; `None` for one that is cut off.
fn alpn_ids(mut value: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        let (&len, rest) = value.split_first()?;
        match rest.split_at_checked(usize::from(len)) {
            Some((id, rest)) => {
                value = rest;
                Some(Some(id))
            }
            None => {
                value = &[];
                Some(None)
            }
        }
    })
}

fn read_param(word: &Word<'_>) -> Outcome<(u16, Vec<u8>)> {
    let (name, value) = match memchr::memchr(b'=', word.text) {
        Some(at) => (&word.text[..at], Some(&word.text[at + 1..])),
        None => (word.text, None),
    };
    let key = match word.quoting {
        Quoting::Bare => parse_key(name),
        Quoting::Quoted => None,
    };
    let key = key.ok_or_else(|| {
        word.bad(
            "this is not a service parameter",
            "write a key such as alpn=\"h2,h3\", or its number as in key65280=\"value\"",
        )
    })?;
    let quoted = value.and_then(|value| value.strip_prefix(b"\"")?.strip_suffix(b"\""));
    let text = Word { text: quoted.or(value).unwrap_or_default(), ..*word };
    let mut plain = Vec::new();
    unescape_into(&text, &mut plain)?;
    if plain.len() > usize::from(u16::MAX) {
        return Err(word.bad("this value is longer than 65535 bytes", "shorten it"));
    }
    let is_generic = name.starts_with(b"key");
    let value = if is_generic || !matches!(key, MANDATORY..=IPV6HINT) {
        plain
    } else {
        encode(key, &plain, word)?
    };
    Ok((key, value))
}

/// The wire form of a value whose escapes have been resolved.
fn encode(key: u16, plain: &[u8], word: &Word<'_>) -> Outcome<Vec<u8>> {
    let bad = |remedy: &'static str| word.bad("this value is not valid", remedy);
    let items = || plain.split(|&byte| byte == b',');
    let mut value = Vec::new();
    match key {
        MANDATORY => {
            let mut keys = Vec::new();
            for item in items() {
                keys.push(
                    parse_key(item).ok_or_else(|| bad("list keys with commas between them"))?,
                );
            }
            keys.sort_unstable();
            value.extend(keys.iter().flat_map(|key| key.to_be_bytes()));
            if keys.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(bad("list each key once"));
            }
        }
        ALPN => {
            for id in value_list(plain) {
                let len = u8::try_from(id.len()).ok().filter(|len| *len > 0);
                value.push(
                    len.ok_or_else(|| bad("list protocols of 1 to 255 bytes, as in alpn=h2,h3"))?,
                );
                value.extend_from_slice(&id);
            }
        }
        PORT => {
            let digits = Word { text: plain, ..*word };
            value.extend_from_slice(&number::<u16>(&digits)?.to_be_bytes());
        }
        IPV4HINT => {
            for item in items() {
                let address: Ipv4Addr = parse(item).ok_or_else(|| bad("list IPv4 addresses"))?;
                value.extend_from_slice(&address.octets());
            }
        }
        IPV6HINT => {
            for item in items() {
                let address: Ipv6Addr = parse(item).ok_or_else(|| bad("list IPv6 addresses"))?;
                value.extend_from_slice(&address.octets());
            }
        }
        ECH => {
            let mut base64 = Base64::default();
            if !base64.push(plain, &mut value) || !base64.finish(&mut value) {
                return Err(bad("write base64"));
            }
        }
        // The only key left takes no value.
        _ if plain.is_empty() => {}
        _ => return Err(bad("this parameter takes no value")),
    }
    Ok(value)
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Splits at commas that no backslash precedes (RFC 9460 appendix A.1).
fn value_list(plain: &[u8]) -> Vec<Vec<u8>> {
    let mut items = vec![Vec::new()];
    let mut bytes = plain.iter();
    while let Some(&byte) = bytes.next() {
        let taken = match byte {
            b',' => {
                items.push(Vec::new());
                continue;
            }
            b'\\' => bytes.next().copied().unwrap_or(b'\\'),
            byte => byte,
        };
        if let Some(item) = items.last_mut() {
            item.push(taken);
        }
    }
    items
}
