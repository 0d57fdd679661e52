//! The sentences in the program's source: text literals of three words and more, outside tests,
//! invariants and what is logged below a warning.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Where no message of a fault is made: what verbs show, tables, the sentences of the notice page.
const WITHOUT_MESSAGES: [&str; 16] = [
    "src/answer/",
    "src/cli/explain/",
    "src/explain/",
    "src/cli/filings/",
    "src/cli/manual.rs",
    "src/cli/operate.rs",
    "src/cli/show.rs",
    "src/filing/decide.rs",
    "src/filing/licence.rs",
    "src/filing/province.rs",
    "src/filing/words/",
    "src/gate/",
    "src/monitor/",
    "src/reload/protocol.rs",
    "src/wire/rrtype.rs",
    "src/zone/",
];

/// Every sentence, with `…` where something is filled in, and a file that has it.
pub fn sentences() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(Path::new("src"), &mut found);
    assert!(found.len() > 400, "the source is not read as it should be");
    found
}

/// As [`sentences`] has it.
pub fn normalised(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}') else { break };
        out.push_str(&rest[..open]);
        out.push('…');
        rest = &rest[open + close + 1..];
    }
    (out + rest).replace('}', "")
}

fn collect(folder: &Path, found: &mut BTreeMap<String, String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(root.join(folder)).expect("the source") {
        let name = entry.expect("an entry").file_name();
        let path = folder.join(&name);
        let shown = path.display().to_string();
        let is_test = ["tests", "tests.rs"].contains(&&*name.to_string_lossy())
            || shown.ends_with("_test.rs");
        if is_test {
            continue;
        }
        if root.join(&path).is_dir() {
            collect(&path, found);
        } else if shown.ends_with(".rs")
            && !WITHOUT_MESSAGES.iter().any(|prefix| shown.starts_with(prefix))
        {
            let text = fs::read_to_string(root.join(&path)).expect("a source file");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for sentence in literals(text) {
                found.insert(sentence, shown.clone());
            }
        }
    }
}

fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].find(['"', '/', '\'']) {
        let start = at + next;
        let rest = &text[start..];
        at = start
            + if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with('"') {
                let (literal, len) = literal(rest, &text[..start]);
                let literal = normalised(&literal);
                if literal.matches(' ').count() >= 2 && is_for_people(&text[..start]) {
                    found.push(literal);
                }
                len
            } else if let Some(escape) = rest.strip_prefix("'\\") {
                // The character behind the backslash may be a quote itself.
                escape.get(1..).and_then(|behind| behind.find('\'')).map_or(1, |end| end + 4)
            } else if rest.starts_with("'\"'") {
                3
            } else {
                1
            };
    }
    found
}

/// The text of a literal, and its length in the source.
fn literal(source: &str, before: &str) -> (String, usize) {
    let opening = before.trim_end_matches('#');
    if opening.ends_with('r') {
        let end = format!("\"{}", &before[opening.len()..]);
        let len = source[1..].find(&end).unwrap_or(source.len() - 1);
        return (source[1..=len].to_owned(), len + 2);
    }
    let mut text = String::new();
    let mut characters = source.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, at + 1),
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push(' '),
                Some((at, '\n')) => {
                    let blanks = source[at..].len() - source[at..].trim_start().len();
                    for _ in 1..blanks {
                        characters.next();
                    }
                }
                Some((_, other)) => text.push(other),
                None => break,
            },
            other => text.push(other),
        }
    }
    (text, source.len())
}

/// False for invariants, and for what is logged of the ordinary course of things.
fn is_for_people(before: &str) -> bool {
    let statement = &before[before.rfind(';').unwrap_or(0)..];
    let logged = statement.rfind("tracing::").map(|at| &statement[at + "tracing::".len()..]);
    let is_ordinary = logged
        .is_some_and(|call| ["info!", "debug!", "trace!"].iter().any(|it| call.starts_with(it)));
    !is_ordinary && !before.trim_end().ends_with("expect(")
}
