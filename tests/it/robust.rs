//! No file, however broken, stops `validate` from answering.

use std::{fs, path::PathBuf};

use orgferry::{
    diag::{Colour, render_json, render_text},
    pipeline::load,
};
use proptest::prelude::*;

/// Loads a text as a pipeline, shows what was found, and holds that a file with errors gives no pipeline.
fn survive(text: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipeline.yaml");
    fs::write(&path, text).expect("a file");
    let loaded = load(&[path], None);
    assert!(!loaded.has_errors() || loaded.pipelines.is_empty());
    let shown = render_text(&loaded.findings, &loaded.files, Colour::Off);
    assert_eq!(shown.is_empty(), loaded.findings.is_empty());
    for finding in &loaded.findings {
        let text = loaded.files.text(finding.primary.span.file);
        let range = finding.primary.span.range.clone();
        assert!(range.start <= range.end && range.end <= text.len(), "{finding:?}");
        assert!(text.get(range).is_some(), "{finding:?} cuts a character");
    }
    render_json(&loaded.findings, &loaded.files);
}

fn right() -> Vec<String> {
    let mut paths: Vec<PathBuf> = fs::read_dir("tests/fixtures/right")
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read_to_string(path).expect("a fixture"))
        .collect()
}

/// Words, blanks and signs, so that a change hits what means something.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let end = if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..end]);
        rest = &rest[end..];
    }
    tokens
}

const OTHERS: &[&str] = &[
    "{{",
    "}}",
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "\n",
    "\t",
    "  ",
    "'",
    "\"",
    "|",
    ">",
    "#",
    " #",
    "&a ",
    "*a",
    "!",
    "-",
    "- ",
    "ä",
    "🦀",
    "null",
    "true",
    "007",
    "2026-01-31",
    "~",
    "soql",
    "map",
    "ref",
    "lookup",
    "include",
    "<<",
    "---",
    "\\",
    "%",
    ":x",
    "vars",
    "row",
    "$.",
    "\r",
    "\u{0}",
    "\u{feff}",
    "every",
    "of",
    "when",
    "expr",
    "value",
    "Id",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        survive(&text);
    }

    #[test]
    fn any_mixture_of_what_files_are_made_of(parts in prop::collection::vec(prop::sample::select(OTHERS), 0..60)) {
        survive(&parts.concat());
    }

    #[test]
    fn right_files_after_accidents(
        which in any::<prop::sample::Index>(),
        accidents in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, prop::sample::select(OTHERS)), 1..6),
    ) {
        let files = right();
        let file: &String = which.get(&files);
        let mut tokens = tokens(file);
        for (at, kind, other) in accidents {
            if tokens.is_empty() {
                break;
            }
            let at = at.index(tokens.len());
            match kind {
                0 => { tokens.remove(at); }
                1 => tokens.insert(at, tokens[at]),
                2 => tokens[at] = other,
                _ => tokens.insert(at, other),
            }
        }
        survive(&tokens.concat());
    }
}
