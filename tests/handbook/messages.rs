//! `docs/handbook/messages.md` has every message that the source has, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::source::{normalised, sentences};

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the document's tables: a message, and what to do, as sentences of the source are.
fn rows(document: &str) -> Vec<(String, String)> {
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| message |");
    let cells = |line: &str| {
        let line = line.replace("\\|", "\u{0}");
        let mut cells =
            line.split('|').map(|cell| cell.trim().replace('\u{0}', "|").replace("&lt;", "<"));
        let (_, message, remedy) = (cells.next(), cells.next(), cells.next());
        (normalised(&message.unwrap_or_default()), normalised(&remedy.unwrap_or_default()))
    };
    document.lines().filter(is_row).filter(|line| !line.starts_with("| ---")).map(cells).collect()
}

#[test]
fn every_message_of_the_source_has_its_remedy() {
    let document = read("docs/handbook/messages.md");
    let rows = rows(&document);
    let told: BTreeSet<String> =
        rows.iter().map(|(message, _)| message.trim().to_owned()).collect();
    let remedies: BTreeSet<&str> = rows.iter().map(|(_, remedy)| remedy.trim()).collect();
    let parts = read("tests/handbook/not-messages.txt");
    let parts: BTreeSet<String> = parts.lines().map(|line| line.trim().to_owned()).collect();
    let sentences = sentences();
    let missing: Vec<String> = sentences
        .iter()
        .filter(|(sentence, _)| {
            let sentence = sentence.trim();
            !told.contains(sentence) && !remedies.contains(sentence) && !parts.contains(sentence)
        })
        .map(|(sentence, file)| format!("{file}: {sentence}"))
        .collect();
    assert!(
        missing.is_empty(),
        "give each a row in docs/handbook/messages.md, or, where it is no message by itself (a \
         remedy that stands in the message, a part of one), a line in \
         tests/handbook/not-messages.txt:\n{}",
        missing.join("\n")
    );
    let in_source: BTreeSet<&str> = sentences.keys().map(|sentence| sentence.trim()).collect();
    // What has two words only is not looked for in the source.
    let is_long = |text: &&String| text.matches(' ').count() >= 2;
    let stale: Vec<&String> = told
        .union(&parts)
        .filter(is_long)
        .filter(|text| !in_source.contains(text.as_str()))
        .collect();
    assert!(stale.is_empty(), "no such message in the source any more: {stale:#?}");
    for (message, remedy) in &rows {
        assert!(!remedy.is_empty(), "what to do about it? {message}");
    }
}
