//! What one value of the configuration may be: durations, addresses, networks, names, secrets.
//! Each from its text, with what to write instead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use crate::answer::cookie::CookieSecret;
use crate::filing::province::Province;

/// What is wrong with a value, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Problem {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem { problem: problem.into(), remedy: remedy.into() }
    }
}

/// The word that was most likely meant, if one is near enough.
pub(super) fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    const BEGINNING: usize = 4;
    let text = text.to_lowercase().replace('-', "_");
    let distance = |word: &str| {
        let word = word.replace('-', "_");
        let begins = text.starts_with(&word) || word.starts_with(&text);
        if begins && text.len().min(word.len()) >= BEGINNING {
            1
        } else {
            strsim::osa_distance(&text, &word)
        }
    };
    words
        .map(|word| (distance(word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `2s`, `500ms`, `5m`, `1h`, `1d`; a bare number is in seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, Problem> {
    let problem = || {
        Problem::new(
            "not a duration",
            "write a whole number with its unit, as in \"500ms\", \"2s\", \"5m\", \"1h\" or \"1d\"",
        )
    };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| problem())?;
    let milliseconds = match unit.trim() {
        "ms" => Some(number),
        "s" | "" => number.checked_mul(1_000),
        "m" | "min" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    };
    milliseconds.map(Duration::from_millis).ok_or_else(problem)
}

/// A duration in the largest unit that holds it whole.
pub(super) fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds >= size && milliseconds.is_multiple_of(size) {
            return format!("{}{unit}", milliseconds / size);
        }
    }
    if milliseconds == 0 { "0s".to_owned() } else { format!("{milliseconds}ms") }
}

/// An address and port to listen on; port 0 lets the system choose one.
pub(super) fn parse_socket_address(text: &str) -> Result<SocketAddr, Problem> {
    let remedy = "write address and port, as in \"192.0.2.53:53\", \"[2001:db8::53]:53\", or \
                  \"0.0.0.0:53\" for every IPv4 address";
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    match text.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => Err(Problem::new(
            "the port is missing",
            format!("write \"{}\"", SocketAddr::new(address, 53)),
        )),
        Err(_) => Err(Problem::new("not an address with a port", remedy)),
    }
}

/// An IPv4 address that a client can be sent to.
pub(super) fn parse_ipv4(text: &str) -> Result<Ipv4Addr, Problem> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() || address.is_multicast() => {
            Err(Problem::new("no host has this address", "write a host's address"))
        }
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(_)) => Err(Problem::new(
            "this is an IPv6 address, where an IPv4 address is needed",
            "move it to the key for IPv6 addresses",
        )),
        Err(_) => Err(Problem::new(
            "not an IPv4 address",
            "write four numbers from 0 to 255, as in \"203.0.113.80\"",
        )),
    }
}

/// An IPv6 address that a client can be sent to.
pub(super) fn parse_ipv6(text: &str) -> Result<Ipv6Addr, Problem> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.is_unspecified() || address.is_multicast() => {
            Err(Problem::new("no host has this address", "write a host's address"))
        }
        Ok(IpAddr::V6(address)) => Ok(address),
        Ok(IpAddr::V4(_)) => Err(Problem::new(
            "this is an IPv4 address, where an IPv6 address is needed",
            "move it to the key for IPv4 addresses",
        )),
        Err(_) => Err(Problem::new("not an IPv6 address", "write it as in \"2001:db8::80\"")),
    }
}

/// An address of either family.
pub(super) fn parse_address(text: &str) -> Result<IpAddr, Problem> {
    text.parse().map_err(|_| {
        let remedy = "write one as in \"192.0.2.53\" or \"2001:db8::53\"";
        match text.parse::<IpNet>() {
            Ok(_) => Problem::new("this is a network, where an address is needed", remedy),
            Err(_) => Problem::new("not an IP address", remedy),
        }
    })
}

/// A network in CIDR notation, without host bits.
pub(super) fn parse_network(text: &str) -> Result<IpNet, Problem> {
    match text.parse::<IpNet>() {
        Ok(network) if network == network.trunc() => Ok(network),
        Ok(network) => Err(Problem::new(
            format!("the address has bits beyond the prefix length of {}", network.prefix_len()),
            format!("write \"{}\"", network.trunc()),
        )),
        Err(_) => Err(match text.parse::<IpAddr>() {
            Ok(address) => Problem::new(
                "the prefix length is missing",
                format!("write \"{}\" for this one address", IpNet::from(address)),
            ),
            Err(_) => Problem::new(
                "not a network",
                "write address and prefix length, as in \"192.0.2.0/24\" or \"2001:db8:1::/48\"",
            ),
        }),
    }
}

/// A domain name in lower-case A-labels, without its final dot.
pub(super) fn parse_domain(text: &str) -> Result<String, Problem> {
    let remedy = "write it as in \"hoster.example\"";
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() {
        return Err(Problem::new("the root names every domain", remedy));
    }
    let ascii = idna::domain_to_ascii(name)
        .map_err(|_| Problem::new("not a domain name (IDNA, UTS #46)", remedy))?;
    let labels_fit = ascii.split('.').all(|label| (1..=63).contains(&label.len()));
    if !labels_fit || ascii.len() > 253 || ascii.contains(|c: char| c.is_whitespace()) {
        return Err(Problem::new(
            "not a domain name: a label has 1 to 63 characters, a name 253 at most",
            remedy,
        ));
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(Problem::new("this is an address, where a domain is needed", remedy));
    }
    Ok(ascii)
}

/// A template of a web address, in which `{domain}` stands for the site domain; empty for none.
pub(super) fn parse_page_template(text: &str) -> Result<String, Problem> {
    let remedy = "write it as in \"https://icp.hoster.example/?domain={domain}\", or \"\" for none";
    if text.is_empty() {
        return Ok(String::new());
    }
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(Problem::new("not a web address", remedy));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        return Err(Problem::new("a web address is printable ASCII without spaces", remedy));
    }
    if text.replace("{domain}", "").contains(['{', '}']) {
        return Err(Problem::new("the one placeholder is {domain}", remedy));
    }
    if text.len() > 250 {
        return Err(Problem::new("longer than 250 characters", "write a shorter address"));
    }
    Ok(text.to_owned())
}

/// A province, by the character that filing numbers begin with, an alias of it, or its name.
pub(super) fn parse_province(text: &str) -> Result<Province, Problem> {
    Province::parse(text).ok_or_else(|| {
        Problem::new(
            "not a province that files websites",
            "write the character that its filing numbers begin with, as in \"京\", \"沪\", \"粤\"",
        )
    })
}

/// The server's name for NSID (RFC 5001): text, or bytes as `0x…`.
pub(super) fn parse_nsid(text: &str) -> Result<Vec<u8>, Problem> {
    let remedy = "write a short text such as \"ns1\", or bytes as in \"0x6e7331\"";
    let bytes = match text.strip_prefix("0x") {
        Some(hex) => {
            parse_hex(hex).ok_or_else(|| Problem::new("not hexadecimal digits in pairs", remedy))?
        }
        None => text.as_bytes().to_vec(),
    };
    if bytes.len() > 128 {
        return Err(Problem::new("longer than 128 bytes", remedy));
    }
    Ok(bytes)
}

/// A text that is answered as one character-string of a TXT record.
pub(super) fn parse_character_string(text: &str) -> Result<String, Problem> {
    if text.len() > 255 {
        return Err(Problem::new("longer than 255 bytes", "write a shorter text"));
    }
    Ok(text.to_owned())
}

/// A cookie secret: 32 hexadecimal digits, or the name of a file that holds them.
pub(super) fn parse_cookie_secret(text: &str, folder: &Path) -> Result<CookieSecret, Problem> {
    let remedy = "write 32 hexadecimal digits, or the name of a file that holds them, as made by \
                  openssl rand -hex 16";
    let secret = |hex: &str| parse_hex(hex).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    if let Some(bytes) = secret(text) {
        return Ok(CookieSecret::from(bytes));
    }
    if text.is_empty() || text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::new("not 32 hexadecimal digits", remedy));
    }
    let content = std::fs::read_to_string(folder.join(text))
        .map_err(|error| Problem::new(format!("this file cannot be read: {error}"), remedy))?;
    secret(content.trim())
        .map(CookieSecret::from)
        .ok_or_else(|| Problem::new("this file does not hold 32 hexadecimal digits", remedy))
}

/// The permissions of a file that is nobody's but its owner's and its group's, in octal.
pub(super) fn parse_file_mode(text: &str) -> Result<u32, Problem> {
    let is_octal = matches!(text.len(), 3..=4) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if is_octal && mode & !0o770 == 0 => Ok(mode),
        Ok(mode) if is_octal && mode & 0o007 != 0 => Err(Problem::new(
            "everybody on this machine could command the server",
            "give others nothing, as in \"0660\", and name a group",
        )),
        _ => Err(Problem::new(
            "not the permissions of a socket",
            "write them in octal, as in \"0600\" or \"0660\"",
        )),
    }
}

/// A text that must not be empty.
pub(super) fn parse_filled(text: &str) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::new("empty", "write a value, or leave the key out"));
    }
    Ok(text.to_owned())
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    if digits.len() % 2 != 0 {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(pair.first()? << 4 | pair.last()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_units_and_bare_numbers_are_seconds() {
        let ms = |text| parse_duration(text).map(|d| d.as_millis()).ok();
        assert_eq!(ms("500ms"), Some(500));
        assert_eq!(ms("2s"), Some(2_000));
        assert_eq!(ms("2 s"), Some(2_000));
        assert_eq!(ms("45"), Some(45_000));
        assert_eq!(ms("5m"), Some(300_000));
        assert_eq!(ms("1d"), Some(86_400_000));
        for bad in ["", "s", "-2s", "1.5s", "2 weeks", "2S", "99999999999999999999s"] {
            assert_eq!(ms(bad), None, "{bad}");
        }
        assert_eq!(ms("18446744073709551615d"), None);
    }

    proptest! {
        #[test]
        fn a_shown_duration_reads_back(milliseconds in 0u64..10_000_000_000) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_a_value_reader_panic(text in "\\PC*") {
            let _ = parse_duration(&text);
            let _ = parse_socket_address(&text);
            let _ = parse_network(&text);
            let _ = parse_domain(&text);
            let _ = parse_page_template(&text);
            let _ = parse_province(&text);
            let _ = parse_nsid(&text);
            let _ = nearest(&text, ["listen", "settle"].into_iter());
        }
    }

    #[test]
    fn a_network_with_host_bits_is_told_its_network() {
        assert_eq!(parse_network("192.0.2.7/24").unwrap_err().remedy, "write \"192.0.2.0/24\"");
        assert_eq!(
            parse_network("2001:db8::1").unwrap_err().remedy,
            "write \"2001:db8::1/128\" for this one address"
        );
        assert!(parse_network("192.0.2.0/33").is_err());
    }

    #[test]
    fn an_address_without_port_is_told_one() {
        assert_eq!(parse_socket_address("::1").unwrap_err().remedy, "write \"[::1]:53\"");
        assert_eq!(parse_socket_address("[::1]").unwrap_err().remedy, "write \"[::1]:53\"");
        assert!(parse_socket_address("localhost:53").is_err());
    }

    #[test]
    fn domains_are_taken_in_either_form() {
        assert_eq!(parse_domain("Hoster.Example.").unwrap(), "hoster.example");
        assert_eq!(parse_domain("例子.中国").unwrap(), "xn--fsqu00a.xn--fiqs8s");
        for bad in ["", ".", "a..b", "a b.example", "192.0.2.1", &"a.".repeat(200)] {
            assert!(parse_domain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nsid_is_text_or_bytes() {
        assert_eq!(parse_nsid("ns1").unwrap(), b"ns1");
        assert_eq!(parse_nsid("0x6E7331").unwrap(), b"ns1");
        assert!(parse_nsid("0x6E733").is_err());
        assert!(parse_nsid("0xzz").is_err());
    }

    #[test]
    fn a_cookie_secret_is_digits_or_a_file_of_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("good"), "000102030405060708090A0B0C0D0E0F\n").unwrap();
        std::fs::write(folder.path().join("short"), "0001\n").unwrap();
        let good = parse_cookie_secret("good", folder.path()).unwrap();
        assert_eq!(good, CookieSecret::from(std::array::from_fn(|at| at as u8)));
        assert_eq!(
            parse_cookie_secret("000102030405060708090a0b0c0d0e0f", folder.path()).unwrap(),
            good
        );
        assert_eq!(format!("{good:?}"), "CookieSecret(…)");
        for bad in ["short", "gone", "abcd", ""] {
            assert!(parse_cookie_secret(bad, folder.path()).is_err(), "{bad}");
        }
    }

    #[test]
    fn page_templates_have_one_placeholder() {
        assert!(parse_page_template("http://{domain}/").is_ok());
        assert!(parse_page_template("").is_ok());
        for bad in ["{domain}", "ftp://x/", "https://x/{name}", "https://x/a b", "https://x/例"] {
            assert!(parse_page_template(bad).is_err(), "{bad}");
        }
    }
}
