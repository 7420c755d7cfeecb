//! Holds the rooms of `src/` to the table in the crate docs: who may use whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The table. A room that is not listed may use nothing of ours.
const MAY_USE: &[(&str, &[&str])] = &[
    ("record", &[]),
    ("diag", &[]),
    ("file", &["record"]),
    ("spec", &["diag", "file", "record"]),
    ("pipeline", &["spec", "diag", "file", "record"]),
    ("http", &[]),
    ("auth", &["http", "pipeline"]),
    ("salesforce", &["http", "auth", "pipeline", "record"]),
    ("transform", &["pipeline", "record", "diag"]),
    (
        "plan",
        &["pipeline", "salesforce", "transform", "file", "record", "diag"],
    ),
    ("extract", &["plan", "pipeline", "salesforce", "file", "record"]),
    (
        "load",
        &[
            "plan",
            "pipeline",
            "transform",
            "salesforce",
            "http",
            "file",
            "state",
            "record",
        ],
    ),
    ("state", &["record"]),
    ("event", &["record", "plan"]),
    (
        "engine",
        &[
            "record",
            "diag",
            "pipeline",
            "file",
            "http",
            "auth",
            "salesforce",
            "transform",
            "plan",
            "extract",
            "load",
            "state",
            "event",
        ],
    ),
    (
        "report",
        &["event", "engine", "plan", "pipeline", "state", "record", "diag"],
    ),
    ("emulator", &["record"]),
];

/// May use everything.
const OPEN: &[&str] = &["cli", "main", "lib"];

#[test]
fn rooms_use_only_what_they_may() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> = MAY_USE
        .iter()
        .map(|(room, others)| (*room, others.iter().copied().collect()))
        .collect();
    let mut faults = Vec::new();
    let mut rooms = BTreeSet::new();
    walk(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut |room, file, text| {
            rooms.insert(room.to_owned());
            if OPEN.contains(&room) {
                return;
            }
            let Some(allowed) = allowed.get(room) else {
                faults.push(format!("{file}: the room `{room}` is not in the table"));
                return;
            };
            for used in used_rooms(text) {
                if used != room && !allowed.contains(used.as_str()) {
                    faults.push(format!("{file}: `{room}` may not use `{used}`"));
                }
            }
        },
    );
    assert!(rooms.len() > 10, "the test looked at {rooms:?} only");
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn the_reader_of_imports_sees_them_all() {
    let text = "use crate::{\n    auth::{Environment, token},\n    plan,\n    record::Value,\n};\nfn f() { crate::state::x(); }\n//! [`crate::cli`]\n";
    let found: Vec<String> = used_rooms(text).into_iter().collect();
    assert_eq!(found, ["auth", "plan", "record", "state"]);
}

/// The rooms named in code behind `crate::`, single or in braces. Comments do not count.
fn used_rooms(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(entries(list).iter().map(|entry| first_name(entry))),
            None => {
                found.insert(first_name(rest));
            }
        }
    }
    found.retain(|name| MAY_USE.iter().any(|(room, _)| room == name) || OPEN.contains(&name.as_str()));
    found
}

/// The entries of a list in braces, whose opening brace has been read.
fn entries(list: &str) -> Vec<String> {
    let (mut depth, mut all, mut entry) = (0, Vec::new(), String::new());
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => all.push(std::mem::take(&mut entry)),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                entry.push(c);
            }
        }
    }
    all.push(entry);
    all
}

fn first_name(path: &str) -> String {
    path.trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&str, &str, &str)) {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut entries: Vec<_> = fs::read_dir(folder).expect("src can be read").flatten().collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, visit);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let relative = path.strip_prefix(src).expect("below src");
            let first = relative.components().next().expect("a file has a name");
            let room = first
                .as_os_str()
                .to_string_lossy()
                .trim_end_matches(".rs")
                .to_owned();
            let text = fs::read_to_string(&path).expect("a source file can be read");
            visit(&room, &relative.to_string_lossy(), &text);
        }
    }
}
