//! The README's table of `dig` lines, held against the shipped data.

mod common;

use std::process::Command;

use common::Site;

#[test]
fn the_dig_lines_of_the_readme_give_its_output() {
    let mut site = Site::shipped();
    site.gate("notice_page", "\"http://{domain}/\"");
    let server = site.start();
    let port = server.udp().port().to_string();
    let readme = include_str!("../README.md");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `dig ")).collect();
    assert!(rows.len() > 10, "the table is gone");
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let command = cells[1].trim_matches('`').replace("5300", &port);
        let mut words = command.split(' ');
        let ran = Command::new(words.next().expect("a program"))
            .args(words)
            .output()
            .expect("dig, which .ci/run installs");
        let lines: Vec<String> = String::from_utf8_lossy(&ran.stdout)
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| format!("`{line}`"))
            .collect();
        let said = if lines.is_empty() { "nothing".to_owned() } else { lines.join("<br>") };
        assert_eq!(said, cells[2], "{command}");
    }
}
