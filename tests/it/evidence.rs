//! The emulated org beside recordings of real ones.
//!
//! With `ORGFERRY_EVIDENCE` naming a folder of recordings, every exchange in it is sent to an emulated org that is set
//! up as the recording implies, and the answers are compared; `evidence/recordings.yaml` says how each file is
//! replayed, which differences are known and why, and which files cannot be replayed. Without that folder the same
//! facts are held by our own exchanges, `tests/fixtures/emulator/exchanges/*.yaml`.

mod compare;
mod csv_rows;
mod exchange;
mod read;
mod replay;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use super::support::runtime;
use compare::Strictness;
use exchange::{Exchange, Step};
use replay::Replay;

/// How the recordings are replayed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    replayed: Vec<Entry>,
    not_replayed: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    /// The org that the recording implies.
    #[serde(default)]
    org: String,
    /// What was done to the org before; this also tells which of its Ids are which of ours.
    #[serde(default)]
    before: Vec<Step>,
    /// For bare bodies: the request, whose answer is the file.
    #[serde(default)]
    ask: Vec<Step>,
    #[serde(default)]
    shape: bool,
    #[serde(default)]
    loosely: bool,
    #[serde(default)]
    masked_ids: bool,
    /// Differences that stay.
    #[serde(default)]
    known: Vec<Known>,
}

/// A difference that is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Its place; `*` stands for any text. `#3 body.x` is meant for the third exchange only.
    at: String,
    #[expect(dead_code, reason = "for those who read the table; every entry must have it")]
    why: String,
}

/// A file that is not replayed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    file: String,
    #[expect(dead_code, reason = "for those who read the table; every entry must have it")]
    why: String,
}

/// Exchanges of our own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    #[serde(default)]
    org: String,
    steps: Vec<Step>,
}

fn table() -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/evidence/recordings.yaml");
    let text = fs::read_to_string(path).expect("the table");
    serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("recordings.yaml: {e}"))
}

/// The folder of recordings, when there is one.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ORGFERRY_EVIDENCE").filter(|v| !v.is_empty());
    if folder.is_none() {
        // Past the capture of the test runner: nobody is to believe that this was checked.
        let _ = writeln!(
            std::io::stderr(),
            "evidence: ORGFERRY_EVIDENCE is not set: the recordings of real orgs are NOT replayed"
        );
    }
    folder.map(PathBuf::from)
}

/// Whether `text` is what `pattern` says; `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn recorded(folder: &Path, entry: &Entry) -> Vec<Exchange> {
    let found = read::exchanges(folder, &entry.file);
    if !found.is_empty() {
        return found;
    }
    assert!(!entry.ask.is_empty(), "{}: a bare body needs `ask`", entry.file);
    let text = fs::read_to_string(folder.join(&entry.file)).expect("a recording");
    let last = entry.ask.len() - 1;
    entry
        .ask
        .iter()
        .enumerate()
        .map(|(at, step)| {
            let mut exchange = step.exchange();
            if let Some(pointer) = &step.answer_at {
                let whole: Value = serde_json::from_str(&text).expect("JSON");
                let part = whole.pointer(pointer);
                let part = part.unwrap_or_else(|| panic!("{}: nothing at {pointer}", entry.file));
                exchange.answer = Some(match part {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
            } else if at == last && exchange.answer.is_none() {
                exchange.answer = Some(text.clone());
            }
            exchange
        })
        .collect()
}

/// Replays a file; what differs and is not known, and what is known but does not differ.
async fn replay(folder: &Path, entry: &Entry) -> Vec<String> {
    let mut replay = match Replay::start(&entry.org).await {
        Ok(replay) => replay,
        Err(_) if entry.known.iter().any(|k| k.at == "start") => return Vec::new(),
        Err(why) => return vec![why],
    };
    let mut complaints = Vec::new();
    let loosely = Strictness {
        loosely: true,
        ..Strictness::default()
    };
    for step in &entry.before {
        for (place, words) in replay.exchange(&step.exchange(), loosely).await {
            complaints.push(format!("before: {place}: {words}"));
        }
    }
    let how = Strictness {
        shape: entry.shape,
        loosely: entry.loosely,
        masked_ids: entry.masked_ids,
        texts: false,
    };
    let mut seen = BTreeSet::new();
    for (at, exchange) in recorded(folder, entry).iter().enumerate() {
        for (place, words) in replay.exchange(exchange, how).await {
            let numbered = format!("#{} {place}", at + 1);
            let known = entry
                .known
                .iter()
                .position(|k| matches(&k.at, &place) || matches(&k.at, &numbered));
            match known {
                Some(known) => {
                    seen.insert(known);
                }
                None => complaints.push(format!(
                    "{numbered}: {words}    [{} {}]",
                    exchange.method,
                    exchange.path.chars().take(100).collect::<String>()
                )),
            }
        }
    }
    for (at, known) in entry.known.iter().enumerate() {
        if !seen.contains(&at) {
            complaints.push(format!("`{}` is known to differ, but does not", known.at));
        }
    }
    complaints
}

#[test]
fn recordings_of_real_orgs_are_answered_alike() {
    let Some(folder) = folder() else { return };
    let table = table();
    let only = std::env::var("ORGFERRY_EVIDENCE_ONLY").unwrap_or_default();
    let mut report = String::new();
    let runtime = runtime();
    for entry in table.replayed.iter().filter(|e| e.file.contains(&only)) {
        let complaints = runtime.block_on(replay(&folder, entry));
        if !complaints.is_empty() {
            let _ = writeln!(report, "{}:", entry.file);
            for complaint in complaints {
                let _ = writeln!(report, "  {complaint}");
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn every_recording_is_replayed_or_listed() {
    let table = table();
    // A file with answers of several orgs has several entries.
    let mut known: BTreeSet<String> = table.replayed.iter().map(|e| e.file.clone()).collect();
    for listed in &table.not_replayed {
        assert!(
            known.insert(listed.file.clone()),
            "{} is in the table twice",
            listed.file
        );
    }
    let Some(folder) = folder() else { return };
    let files: BTreeSet<String> = read::files(&folder).into_iter().collect();
    let unknown: Vec<&String> = files.difference(&known).collect();
    let gone: Vec<&String> = known.difference(&files).collect();
    assert!(
        unknown.is_empty() && gone.is_empty(),
        "not in the table: {unknown:#?}, not in the folder: {gone:#?}"
    );
}

#[test]
fn own_exchanges_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/emulator/exchanges");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the fixtures")
        .map(|e| e.expect("a file").path())
        .collect();
    files.sort();
    let how = Strictness {
        texts: true,
        ..Strictness::default()
    };
    let only = std::env::var("ORGFERRY_EVIDENCE_ONLY").unwrap_or_default();
    let runtime = runtime();
    let mut report = String::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a fixture");
        let cases: Vec<Case> =
            serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for case in cases.iter().filter(|c| c.case.contains(&only)) {
            runtime.block_on(async {
                let mut replay = match Replay::start(&case.org).await {
                    Ok(replay) => replay,
                    Err(why) => {
                        let _ = writeln!(report, "{}: {why}", case.case);
                        return;
                    }
                };
                for (at, step) in case.steps.iter().enumerate() {
                    for (place, words) in replay.exchange(&step.exchange(), how).await {
                        let _ = writeln!(report, "{}: step {}: {place}: {words}", case.case, at + 1);
                    }
                }
            });
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn places_are_matched() {
    for (pattern, text, expected) in [
        ("body.a", "body.a", true),
        ("body.a", "body.ab", false),
        ("body.*", "body.ab", true),
        ("*.label", "body.fields[A].label", true),
        ("body.fields[*].label", "body.fields[A].labels", false),
        ("body.fields[*].l*", "body.fields[A].labels", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}
