use std::collections::BTreeSet;

use super::*;

const SHIPPED: &str = include_str!("../../config/beiand.toml");

fn faults(text: &str) -> Vec<String> {
    match Config::parse(text, Path::new("c.toml")) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// The faults of a text to which the one required key was added at its end.
fn faults_of(text: &str) -> Vec<String> {
    faults(&format!("{text}\n[filings]\nprovider = \"hoster\"\n"))
}

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("etc/c.toml")).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The key of a line such as `key = 1` or `# key = 1`.
fn key_of(line: &str) -> Option<&str> {
    let (key, value) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ")?;
    let is_key = key.bytes().all(|byte| byte.is_ascii_lowercase() || b"_46".contains(&byte));
    (is_key && !value.is_empty()).then_some(key)
}

/// Each key line of the shipped file, with its section and whether it is set.
fn shipped_keys() -> Vec<(String, String, bool)> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in SHIPPED.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some(key) = key_of(line) {
            keys.push((section.clone(), key.to_owned(), !line.starts_with('#')));
        }
    }
    keys
}

fn shipped_without(section: &str, key: &str) -> String {
    let mut current = "";
    let mut lines = Vec::new();
    for line in SHIPPED.lines() {
        current = line.strip_prefix('[').map_or(current, |name| name.trim_end_matches(']'));
        if current != section || line.starts_with('#') || key_of(line) != Some(key) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[test]
fn the_shipped_file_is_good_and_says_what_it_is_to_say() {
    let config = Config::parse(SHIPPED, Path::new("config/beiand.toml")).unwrap();
    assert_eq!(config.zones.path, Path::new("config/../zones"));
    assert_eq!(config.filings.path, Path::new("config/filings"));
    assert_eq!(config.control.socket.as_deref(), Some(Path::new("config/beiand.sock")));
    assert_eq!(config.filings.provider, "hoster");
    assert_eq!(config.gate.notice_ipv4, ["203.0.113.80".parse::<Ipv4Addr>().unwrap()]);
    assert_eq!(config.gate.exempt_zones, ["hoster.example"]);
    assert_eq!(config.regions.overseas.len(), 2);
    assert_eq!(Gate::default().filing_policy(), FilingPolicy::default());
}

#[test]
fn the_shipped_file_shows_every_key_once_and_no_other() {
    let shown: Vec<(String, String)> =
        shipped_keys().into_iter().map(|(section, key, _)| (section, key)).collect();
    let known: BTreeSet<(String, String)> =
        read::known_keys().iter().map(|(s, k)| (s.to_string(), k.to_string())).collect();
    assert_eq!(shown.iter().cloned().collect::<BTreeSet<_>>(), known);
    assert_eq!(shown.len(), known.len(), "a key is shown twice");
}

#[test]
fn the_examples_that_are_commented_out_are_good_too() {
    let all: Vec<&str> = SHIPPED
        .lines()
        .map(|line| if key_of(line).is_some() { line.trim_start_matches("# ") } else { line })
        .collect();
    let config = parse(&all.join("\n"));
    assert_eq!(config.gate.max_open_ttl, Some(300));
    assert!(config.tls.identity.is_some() && config.server.cookie_secret.is_some());
}

#[test]
fn a_key_that_is_set_in_the_shipped_file_has_its_default() {
    let deployment = [
        ("filings", "provider"),
        ("gate", "notice_ipv4"),
        ("gate", "notice_ipv6"),
        ("gate", "notice_page"),
        ("gate", "exempt_zones"),
        ("gate", "nameserver_addresses"),
        ("gate", "forum_closed_provinces"),
        ("regions", "own"),
        ("regions", "mainland"),
        ("regions", "overseas"),
        ("control", "socket"),
    ];
    let whole = parse(SHIPPED);
    for (section, key, set) in shipped_keys() {
        if set && !deployment.contains(&(&section, &key)) {
            assert_eq!(parse(&shipped_without(&section, &key)), whole, "[{section}] {key}");
        }
    }
}

#[test]
fn the_least_configuration_is_the_provider() {
    let config = parse("[filings]\nprovider = \"hoster\"\n");
    assert_eq!(config.server, Server::default());
    assert_eq!(config.gate, Gate::default());
    assert_eq!(config.zones.path, Path::new("etc/../zones"));
}

#[test]
fn unknown_keys_are_refused_with_what_was_meant() {
    insta::assert_snapshot!(
        faults_of("[server]\nlisten_on = [\"127.0.0.1:53\"]\nworker = 2\n[gate]\n  settle = \"2s\"\n[zone]\npath = \"x\"\nno = 1\n").join("\n"),
        @r#"
    c.toml:2:1: error: "listen_on": unknown key; did you mean listen?
    c.toml:3:1: error: "worker": unknown key; did you mean workers?
    c.toml:5:3: error: "settle": unknown key; did you mean settle in section [filings]?
    c.toml:6:2: error: "zone": unknown section; did you mean [zones]?
    "#
    );
    insta::assert_snapshot!(
        faults("listen = [\"127.0.0.1:53\"]\n[filings]\nprovider = \"h\"\n[log]\ntint = true\n[filings.more]\nx = 1\n").join("\n"),
        @r#"
    c.toml:1:1: error: "listen": unknown key; did you mean listen in section [server]?
    c.toml:5:1: error: "tint": unknown key; the keys of [log] are format, level
    c.toml:6:10: error: "more": unknown key; did you mean mode in section [gate]?
    "#
    );
}

#[test]
fn every_fault_of_the_file_is_reported_in_its_order() {
    insta::assert_snapshot!(
        faults(r#"[server]
listen = []
workers = "four"
group = "dns"
tcp_idle_timeout = "10 sec"
tcp_max_connections = 0
cookie_secret = "0123456789abcdef"

[tls]
listen = ["127.0.0.1"]
certificate = "a.pem"

[filings]
provider = " "
max_bad_lines = 1.5
max_shrink = "10%"
settle = 2.5

[gate]
mode = "observ"
notice_ipv4 = ["203.0.113.80", "2001:db8::80", "203.0.113.256"]
notice_ipv6 = "2001:db8::80"
exempt_mail_hosts = "no"
exempt_zones = ["."]
max_open_ttl = 0
ede_notice = 65536
forum_closed_provinces = ["京", "外蒙"]
nameserver_addresses = ["192.0.2.0/24", 3]

[regions]
own = ["192.0.2.0/24", "10.0.0.1/8"]
overseas = ["192.0.2.0/24", "203.0.113.0"]
"#).join("\n"),
        @r#"
    c.toml:2:10: error: "[]": no address to listen on; write at least one, as in ["127.0.0.1:5300"]
    c.toml:3:11: error: "four": this is a text, where a whole number is needed; write a number from 0 to 1024
    c.toml:4:9: error: "dns": a group without a user; set user, too, or leave group out
    c.toml:5:20: error: "10 sec": not a duration; write a whole number with its unit, as in "500ms", "2s", "5m", "1h" or "1d"
    c.toml:6:23: error: "0": out of range; write a number from 1 to 1000000
    c.toml:7:17: error: not 32 hexadecimal digits; write 32 hexadecimal digits, or the name of a file that holds them, as made by openssl rand -hex 16
    c.toml:10:11: error: "127.0.0.1": the port is missing; write "127.0.0.1:53"
    c.toml:11:15: error: "a.pem": key is missing beside it; set key in [tls], too
    c.toml:14:12: error: " ": empty; write a value, or leave the key out
    c.toml:15:17: error: "1.5": not a share; write a share from 0 to 1, as in 0.10 for ten percent
    c.toml:16:14: error: "10%": this is a text, where a number is needed; write a share from 0 to 1, as in 0.10 for ten percent
    c.toml:17:10: error: "2.5": not a duration; write a whole number with its unit, as in "500ms", "2s", "5m", "1h" or "1d"
    c.toml:20:8: error: "observ": not a value of mode; did you mean "observe"? write "enforce" or "observe"
    c.toml:21:32: error: "2001:db8::80": this is an IPv6 address, where an IPv4 address is needed; move it to the key for IPv6 addresses
    c.toml:21:48: error: "203.0.113.256": not an IPv4 address; write four numbers from 0 to 255, as in "203.0.113.80"
    c.toml:22:15: error: "2001:db8::80": this is a text, where a list is needed; write ["2001:db8::80"]
    c.toml:23:21: error: "no": this is a text, where true or false is needed; write true or false, without quotes
    c.toml:24:17: error: ".": the root names every domain; write it as in "hoster.example"
    c.toml:25:16: error: "0": out of range; write a duration from 1s to 2147483647s
    c.toml:26:14: error: "65536": out of range; write a number from 0 to 65535
    c.toml:27:32: error: "外蒙": not a province that files websites; write the character that its filing numbers begin with, as in "京", "沪", "粤"
    c.toml:28:25: error: "192.0.2.0/24": this is a network, where an address is needed; write one as in "192.0.2.53" or "2001:db8::53"
    c.toml:28:41: error: "3": this is a whole number, where a text is needed; write a list of texts, as in ["one", "two"]
    c.toml:31:24: error: "10.0.0.1/8": the address has bits beyond the prefix length of 8; write "10.0.0.0/8"
    c.toml:32:13: error: "192.0.2.0/24": this network stands in own, too; leave it in either own or overseas
    c.toml:32:29: error: "203.0.113.0": the prefix length is missing; write "203.0.113.0/32" for this one address
    "#
    );
}

#[test]
fn columns_count_characters() {
    let shown = faults_of("[gate]\nforum_closed_provinces = [\"京\", \"沪\", \"外\"]\n");
    assert_eq!(shown.len(), 1);
    assert!(shown[0].starts_with("c.toml:2:37: error: \"外\": not a province"), "{}", shown[0]);
}

#[test]
fn text_that_is_no_toml_is_reported_with_the_other_faults() {
    insta::assert_snapshot!(
        faults("[server\nworkers = 1\n[filings]\nprovider = hoster\nmax_shrink = 2\nmax_shrink = 3\n[gate]\nmode = \"x\"\n").join("\n"),
        @r#"
    c.toml:1:8: error: this is not TOML: unclosed table, expected `]`; write sections as in [server], and keys as in key = "text", key = 12, key = true or key = ["one", "two"]
    c.toml:4:12: error: "hoster": this is not TOML: string values must be quoted, expected literal string; put it in quotes, as in key = "text"
    c.toml:5:14: error: "2": not a share; write a share from 0 to 1, as in 0.10 for ten percent
    c.toml:6:1: error: "max_shrink": this is not TOML: duplicate key; leave one of them out
    c.toml:8:8: error: "x": not a value of mode; write "enforce" or "observe"
    "#
    );
    assert!(!faults("\u{0}\n[[[=").is_empty());
}

#[test]
fn an_address_of_udp_and_one_of_tcp_do_not_meet() {
    let certificate = "certificate = \"c.pem\"\nkey = \"k.pem\"\n";
    let text = |quic: &str, http3: &str| {
        format!(
            "[server]\nlisten = [\"127.0.0.1:53\"]\n[tls]\nlisten = [\"127.0.0.1:853\"]\n{certificate}[https]\nlisten = \
             [\"127.0.0.1:443\"]\n[quic]\nlisten = [\"{quic}\"]\n[http3]\nlisten = [\"{http3}\"]\n"
        )
    };
    assert!(faults_of(&text("127.0.0.1:853", "127.0.0.1:443")).is_empty());
    let twice = "this address is listened on twice; leave one of them out";
    for (quic, http3) in [("127.0.0.1:853", "127.0.0.1:853"), ("127.0.0.1:53", "[::1]:443")] {
        let faults = faults_of(&text(quic, http3));
        assert!(faults.len() == 1 && faults[0].ends_with(twice), "{faults:?}");
    }
}

#[test]
fn one_address_is_not_listened_on_twice() {
    insta::assert_snapshot!(
        faults_of("[server]\nlisten = [\"[::1]:53\", \"127.0.0.1:853\"]\n[tls]\nlisten = [\"127.0.0.1:853\"]\n[https]\nlisten = [\"127.0.0.1:443\"]\npath = \"dns-query\"\n").join("\n"),
        @r#"
    c.toml:4:10: error: "["127.0.0.1:853"]": listening here takes a certificate; set certificate and key in [tls]
    c.toml:4:11: error: "127.0.0.1:853": this address is listened on twice; leave one of them out
    c.toml:6:10: error: "["127.0.0.1:443"]": listening here takes a certificate; set certificate and key in [tls]
    c.toml:7:8: error: "dns-query": not the path of a web address; write it as in "/dns-query"
    "#
    );
}

#[test]
fn a_bad_secret_is_not_shown() {
    let shown = faults_of("[server]\ncookie_secret = \"0123456789abcdef0123456789abcde\"\n");
    assert_eq!(shown.len(), 1);
    assert!(!shown[0].contains("0123456789"), "{}", shown[0]);
}

#[test]
fn values_mean_what_they_say() {
    let config = parse(
        r#"
[server]
listen = ["0.0.0.0:53", "[::]:53"]
user = "nobody"
nsid = "0x6e7331"
tcp_idle_timeout = 3
[filings]
provider = "阿里云计算有限公司"
settle = "500ms"
max_shrink = 1
poll = 0
[gate]
notice_ttl = "1m"
transfer_in_progress = "after-initial-review"
forum_closed_provinces = ["川"]
exempt_zones = ["例子.中国."]
[control]
socket = ""
"#,
    );
    assert_eq!(config.server.nsid.as_deref(), Some(b"ns1".as_slice()));
    assert_eq!(config.server.tcp_idle_timeout, Duration::from_secs(3));
    assert_eq!(config.filings.settle, Duration::from_millis(500));
    assert_eq!((config.filings.max_shrink, config.filings.poll), (1.0, None));
    assert_eq!(config.gate.notice_ttl, 60);
    assert_eq!(config.gate.transfer_in_progress, TransferInProgress::AfterInitialReview);
    assert_eq!(config.gate.forum_closed_provinces, [Province::from_abbreviation('蜀').unwrap()]);
    assert_eq!(
        config.gate.filing_policy().forum_closed_provinces,
        [config.gate.forum_closed_provinces[0].index()]
    );
    assert_eq!(config.gate.exempt_zones, ["xn--fsqu00a.xn--fiqs8s"]);
    assert_eq!(config.control.socket, None);
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let gone = Config::load(&folder.path().join("gone.toml")).unwrap_err();
    assert!(gone[0].problem.contains("cannot be read"), "{}", gone[0]);
    let latin = folder.path().join("latin.toml");
    std::fs::write(&latin, b"[server]\n# caf\xe9\n").unwrap();
    assert!(Config::load(&latin).unwrap_err()[0].problem.contains("line 2 is not UTF-8"));
}

#[test]
fn the_gate_changes_while_the_server_runs_and_its_ports_do_not() {
    let old = parse("[filings]\nprovider = \"a\"\n");
    let new = parse("[filings]\nprovider = \"b\"\n[gate]\nmode = \"observe\"\n");
    assert!(old.restart_needed_for(&new).is_empty());
    let new =
        parse("[filings]\nprovider = \"a\"\n[server]\nworkers = 3\n[log]\nlevel = \"warn\"\n");
    assert_eq!(old.restart_needed_for(&new), ["[server]", "[log]"]);
}

#[test]
fn files_from_other_systems_are_read() {
    let crlf = SHIPPED.replace('\n', "\r\n");
    assert_eq!(parse(&crlf), parse(SHIPPED));
    assert_eq!(parse(&format!("\u{feff}{SHIPPED}")), parse(SHIPPED));
    let faults = faults("\u{feff}[server]\r\nworkres = 1\r\n[filings]\r\nprovider = \"h\"\r\n");
    assert_eq!(faults, ["c.toml:2:1: error: \"workres\": unknown key; did you mean workers?"]);
}

#[test]
fn a_section_is_written_as_one() {
    assert!(faults("server.workers = 2\nfilings = { provider = \"h\" }\n").is_empty());
    for text in ["[[server]]\nworkers = 2\n", "server = 2\n"] {
        let faults = faults_of(text);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].ends_with("write [server] on a line of its own, its keys below"));
    }
}

#[test]
fn a_control_socket_has_room_for_its_name() {
    let socket = |length: usize| format!("[control]\nsocket = \"/{}\"\n", "s".repeat(length - 1));
    assert!(faults_of(&socket(99)).is_empty());
    let refused = faults_of(&socket(100));
    assert!(refused[0].contains("no longer than 99 bytes"), "{refused:?}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[[a-z]{0,8}\\]?\n|[a-z_]{0,9} ?=? ?[\"\\['0-9a-z{}.:/京-]{0,12}\n|\\PC{0,8}\n){0,12}") {
        let _ = Config::parse(&text, Path::new("c.toml"));
    }
}

#[test]
fn the_journal_is_no_folder_that_is_read() {
    let told = faults_of("[journal]\npath = \"filings/journal\"\nmax_size_mib = 0");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].starts_with("c.toml:2:8: error: \"filings/journal\": the journal would be read")
    );
    assert!(told[1].contains("write a number from 1 to"));
    assert!(faults_of("[journal]\npath = \"filings-journal\"").is_empty());
}
