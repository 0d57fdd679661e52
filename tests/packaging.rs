//! What the Debian package is made of, as far as it can be told without making it.

use std::path::Path;
use std::process::Command;

use beiand::config::Config;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_packaged_configuration_is_the_shipped_one_at_the_systems_places() {
    let shipped = Path::new(ROOT).join("config/beiand.toml");
    let script = Path::new(ROOT).join("packaging/packaged-config");
    let made = Command::new(script).arg(&shipped).output().expect("bash is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout).expect("UTF-8");
    let packaged = Path::new("/etc/beiand/beiand.toml");
    let config = Config::parse(&text, packaged).expect("a configuration without faults");
    assert!(config.server.listen.iter().all(|address| address.port() == 53));
    assert!(config.server.listen.iter().all(|address| address.ip().is_loopback()));
    for (path, place) in [
        (config.zones.path.as_path(), "/var/lib/beiand/zones"),
        (config.filings.path.as_path(), "/var/lib/beiand/filings"),
    ] {
        assert_eq!(path, Path::new(place));
    }
    assert_eq!(config.journal.path.as_deref(), Some(Path::new("/var/lib/beiand/journal")));
    let socket = config.control.socket.as_deref();
    assert_eq!(socket, Some(Path::new("/run/beiand/beiand.sock")));
    // Nothing of the example is left that would answer for somebody.
    assert!(config.gate.notice_ipv4.is_empty() && config.gate.notice_ipv6.is_empty());
    assert!(config.gate.exempt_zones.is_empty() && config.gate.nameserver_addresses.is_empty());
    assert!(config.regions.own.is_empty() && config.regions.overseas.is_empty());
    // It still explains every key: only lines were exchanged.
    let comments = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
    let shipped = std::fs::read_to_string(shipped).expect("a file");
    assert!(comments(&text) + 4 >= comments(&shipped));
}

#[test]
fn the_unit_names_documents_that_the_package_installs() {
    let read = |file: &str| std::fs::read_to_string(Path::new(ROOT).join(file)).expect(file);
    let (unit, manifest) = (read("packaging/beiand.service"), read("Cargo.toml"));
    let documents = unit.lines().find_map(|line| line.strip_prefix("Documentation="));
    let files: Vec<&str> = documents
        .expect("the unit says where to read on")
        .split(' ')
        .filter_map(|document| document.strip_prefix("file:///"))
        .collect();
    assert!(!files.is_empty());
    for file in files {
        let (folder, name) = file.rsplit_once('/').expect("a folder");
        let asset = manifest.lines().find_map(|line| {
            let mut parts = line.split('"').skip(1).step_by(2);
            let (source, target) = (parts.next()?, parts.next()?);
            (target.trim_end_matches('/') == folder).then_some(source)
        });
        let source = asset.unwrap_or_else(|| panic!("nothing is installed in {folder}"));
        let source = source.replace('*', name);
        assert!(Path::new(ROOT).join(&source).is_file(), "{source} is {file}");
    }
}
