//! Broken files, made at random from right ones, and a project that they are put into. Shared with `benches/fuzz.rs`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use orgferry::{
    diag::{Colour, render_github, render_json, render_sarif, render_text},
    pipeline::{Loaded, load_to_check},
    plan::{Lock, Schemas, check},
    spec::{FileKind, Loader, schemas},
};
use serde_json::Value;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Pipeline,
    Project,
    Credentials,
    Mapping,
    Table,
    Lock,
}

impl Place {
    pub(crate) const ALL: [Place; 6] = [
        Place::Pipeline,
        Place::Project,
        Place::Credentials,
        Place::Mapping,
        Place::Table,
        Place::Lock,
    ];

    /// Its file in the project.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Place::Pipeline => "pipelines/p.yaml",
            Place::Project => "orgferry.yaml",
            Place::Credentials => "credentials.yaml",
            Place::Mapping => "mappings/m.yaml",
            Place::Table => "tables/t.csv",
            Place::Lock => "schemas/orgs/hq.lock.json",
        }
    }
}

/// A folder with a right project, one file of which is broken at a time.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
    broken: Option<Place>,
    emea: String,
}

const PIPELINE: &str = "version: 1
from: hq
to: emea
vars: { region: EMEA }
steps:
  accounts:
    source: { object: Account, where: \"Sector__c = :region\" }
    target: { object: Account, key: Legacy_Id__c }
    copy: [Score__c]
    map:
      include: ../mappings/m.yaml
      Legacy_Id__c: Id
      Sector__c: { table: sectors, of: Sector__c, otherwise: keep }
";

fn right(place: Place) -> String {
    match place {
        Place::Pipeline => PIPELINE.to_owned(),
        Place::Project => "version: 1\ntables: { sectors: { csv: tables/t.csv } }\nenvironments: { uat: { vars: { region: UAT } } }\n".to_owned(),
        Place::Credentials => fs::read_to_string("tests/fixtures/credentials.yaml").expect("the credentials"),
        Place::Mapping => "version: 1\nmap:\n  Name: Name | trim\n  Motto__c: { expr: Motto__c | truncate(80), when: Motto__c != 'x' }\n".to_owned(),
        Place::Table => "From,To\nAgri,Agriculture\n\"Fin\",Finance\n".to_owned(),
        Place::Lock => fs::read_to_string("tests/fixtures/locked/schemas/orgs/hq.lock.json").expect("the lock"),
    }
}

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for place in Place::ALL {
            let path = folder.path().join(place.path());
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, right(place)).expect("a file");
        }
        Ground {
            folder,
            broken: None,
            emea: fs::read_to_string("tests/fixtures/locked/schemas/orgs/emea.lock.json").expect("the lock"),
        }
    }

    /// Loads the project with these bytes in a file's place, shows what was found in every way, and holds what must
    /// hold whatever the bytes are.
    pub(crate) fn survives(&mut self, place: Place, bytes: &[u8]) -> Loaded {
        if let Some(before) = self.broken.filter(|before| *before != place) {
            fs::write(self.folder.path().join(before.path()), right(before)).expect("a file");
        }
        self.broken = Some(place);
        fs::write(self.folder.path().join(place.path()), bytes).expect("a file");
        let mut loaded = load_to_check(&[self.folder.path().join(Place::Pipeline.path())], None);
        assert!(
            !loaded.has_errors() || loaded.pipelines.is_empty(),
            "a pipeline beside {:#?}",
            loaded.findings
        );
        let path = self.folder.path().join(Place::Pipeline.path());
        let document = Loader::default().document(&path);
        assert!(
            loaded.has_errors()
                || document.is_none_or(|document| document.kind != FileKind::Pipeline)
                || loaded.pipelines.len() == 1,
            "nothing is wrong, and there is no pipeline"
        );
        let mut locks = Schemas::default();
        let hq = fs::read(self.folder.path().join(Place::Lock.path())).expect("the lock");
        for (org, text) in [
            ("hq", String::from_utf8_lossy(&hq).as_ref()),
            ("emea", &self.emea),
        ] {
            match Lock::parse(text) {
                Ok(lock) => locks.add_lock(org, &lock),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        for pipeline in &loaded.pipelines {
            let found = check(pipeline, &locks);
            loaded.findings.extend(found);
        }
        let shown = render_text(&loaded.findings, &loaded.files, Colour::Off);
        assert_eq!(shown.is_empty(), loaded.findings.is_empty());
        for finding in &loaded.findings {
            let text = loaded.files.text(finding.primary.span.file);
            let range = finding.primary.span.range.clone();
            assert!(range.start <= range.end && range.end <= text.len(), "{finding:?}");
            assert!(text.get(range).is_some(), "{finding:?} cuts a character");
            assert!(!finding.message.trim().is_empty(), "{finding:?}");
        }
        render_json(&loaded.findings, &loaded.files);
        render_sarif(&loaded.findings, &loaded.files);
        render_github(&loaded.findings, &loaded.files);
        loaded
    }
}

/// Right and wrong files to break, each with what it is.
pub(crate) fn corpus() -> Vec<(Place, String)> {
    let mut all: Vec<(Place, String)> = Place::ALL.map(|place| (place, right(place))).into();
    for (place, folder) in [
        (Place::Pipeline, "tests/fixtures/right"),
        (Place::Pipeline, "tests/fixtures/wrong"),
        (Place::Pipeline, "tests/fixtures/locked/right"),
        (Place::Mapping, "tests/fixtures/project/mappings"),
        (Place::Project, "tests/fixtures/environments"),
        (Place::Credentials, "tests/fixtures/environments/access"),
    ] {
        all.extend(files(Path::new(folder)).into_iter().map(|(name, text)| {
            let place = if name.starts_with("credentials") {
                Place::Credentials
            } else {
                place
            };
            (place, text)
        }));
    }
    all
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    paths.sort();
    let named = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("a fixture"))
    };
    paths.into_iter().map(named).collect()
}

/// Words, blanks and signs, so that a change hits what means something.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
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

pub(crate) const OTHERS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ":",
    ": ",
    "\n",
    "\r\n",
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
    "!!int ",
    "-",
    "- ",
    "? ",
    ",",
    ".",
    "..",
    "/",
    "%",
    "=",
    "<",
    "ä",
    "🦀",
    "\u{200d}",
    "null",
    "true",
    "007",
    "2026-01-31",
    "~",
    "-0",
    "1e999",
    "1e-999",
    "99999999999999999999999999999999999999",
    "0.1234567890123456789012345678901234567890",
    "soql",
    "map",
    "ref",
    "lookup",
    "include",
    "<<",
    "---",
    "...",
    "\\",
    "\\u0000",
    ":x",
    "vars",
    "row",
    "item",
    "run",
    "loop",
    "$.",
    "$..*",
    "[?(@.a)]",
    "\r",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "every",
    "of",
    "when",
    "expr",
    "value",
    "Id",
    "SELECT ",
    " FROM ",
    " WHERE ",
    " IN ",
    ":region",
    "callout:",
    "https://",
    "accounts",
    "not ",
    " if ",
    " else ",
    "for",
    "endfor",
    "set",
    "is ",
    "range(9)",
    "9**9**9",
    "first",
    "same_as",
    "each",
];

/// Some accidents: pieces and lines that are deleted, doubled, exchanged, replaced and put in.
pub(crate) fn accidents(rng: &mut fastrand::Rng, text: &str, most: usize) -> String {
    let mut text = text.to_owned();
    for _ in 0..rng.usize(1..=most) {
        let by_line = rng.u8(0..3) == 0;
        let pieces: Vec<&str> = match by_line {
            true => text.split_inclusive('\n').collect(),
            false => tokens(&text),
        };
        if pieces.is_empty() {
            return text;
        }
        let mut pieces: Vec<String> = pieces.into_iter().map(str::to_owned).collect();
        let at = rng.usize(..pieces.len());
        let other = rng.usize(..pieces.len());
        match rng.u8(0..6) {
            0 => drop(pieces.remove(at)),
            1 => pieces.insert(at, pieces[at].clone()),
            2 => pieces.swap(at, other),
            3 => pieces[at] = rng.choice(OTHERS).copied().unwrap_or_default().to_owned(),
            4 => pieces.insert(at, rng.choice(OTHERS).copied().unwrap_or_default().to_owned()),
            _ => drop(pieces.drain(at.min(other)..at.max(other).min(at.min(other) + 12))),
        }
        text = pieces.concat();
    }
    text
}

/// Bytes that are changed without a look at what they mean: what is left may be no text.
pub(crate) fn noise(rng: &mut fastrand::Rng, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..rng.usize(1..8) {
        let at = rng.usize(..=bytes.len());
        match rng.u8(0..4) {
            0 if at < bytes.len() => bytes[at] = rng.u8(..),
            1 => bytes.insert(at, rng.u8(..)),
            2 => bytes.truncate(at),
            _ if at < bytes.len() => bytes[at] ^= 1 << rng.u8(0..8),
            _ => bytes.push(rng.u8(..)),
        }
    }
    bytes
}

/// Every key of the language, from its schemas.
pub(crate) fn keys() -> Vec<String> {
    fn walk(value: &Value, keys: &mut Vec<String>) {
        match value {
            Value::Object(entries) => {
                if let Some(Value::Object(properties)) = entries.get("properties") {
                    keys.extend(properties.keys().cloned());
                }
                entries.values().for_each(|inner| walk(inner, keys));
            }
            Value::Array(items) => items.iter().for_each(|inner| walk(inner, keys)),
            _ => {}
        }
    }
    let mut keys = Vec::new();
    schemas().iter().for_each(|(_, schema)| walk(schema, &mut keys));
    keys.extend(
        [
            "accounts",
            "Name",
            "Id",
            "Legacy_Id__c",
            "Owner.Email",
            "<<",
            "",
            "a b",
            "true",
            "0",
            "ä",
            "include",
        ]
        .map(String::from),
    );
    keys.sort();
    keys.dedup();
    keys
}

/// A value of any kind, made of the language's own keys.
pub(crate) fn tree(rng: &mut fastrand::Rng, keys: &[String], depth: usize) -> Value {
    match rng.u8(0..if depth == 0 { 5 } else { 10 }) {
        0 => Value::Null,
        1 => Value::Bool(rng.bool()),
        2 => rng
            .choice([
                Value::from(0),
                Value::from(-1),
                Value::from(1.5e300),
                Value::from(u64::MAX),
                Value::from(7),
            ])
            .unwrap_or_default(),
        3 => Value::from(rng.choice(OTHERS).copied().unwrap_or_default()),
        4 => {
            let parts = rng.usize(0..6);
            Value::from(
                (0..parts)
                    .map(|_| rng.choice(OTHERS).copied().unwrap_or_default())
                    .collect::<String>(),
            )
        }
        5 | 6 => Value::Array((0..rng.usize(0..4)).map(|_| tree(rng, keys, depth - 1)).collect()),
        _ => Value::Object(
            (0..rng.usize(0..5))
                .map(|_| {
                    (
                        rng.choice(keys).cloned().unwrap_or_default(),
                        tree(rng, keys, depth - 1),
                    )
                })
                .collect(),
        ),
    }
}

/// The file with one value of it replaced by another kind of value. Nothing, when the file is no YAML to begin with.
pub(crate) fn another_value(rng: &mut fastrand::Rng, text: &str, keys: &[String]) -> Option<String> {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(entries) => entries.values().map(count).sum::<usize>(),
            _ => 0,
        }
    }
    fn place(value: &mut Value, at: &mut usize, new: &mut Option<Value>) {
        if *at == 0 {
            if let Some(new) = new.take() {
                *value = new;
            }
            return;
        }
        *at -= 1;
        match value {
            Value::Array(items) => items.iter_mut().for_each(|inner| place(inner, at, new)),
            Value::Object(entries) => entries.values_mut().for_each(|inner| place(inner, at, new)),
            _ => {}
        }
    }
    let mut value: Value = serde_yaml::from_str(text).ok()?;
    for _ in 0..rng.usize(1..3) {
        let mut at = rng.usize(..count(&value));
        place(&mut value, &mut at, &mut Some(tree(rng, keys, 3)));
    }
    // JSON is YAML.
    serde_json::to_string_pretty(&value).ok()
}

/// One broken file.
pub(crate) fn broken(
    rng: &mut fastrand::Rng,
    corpus: &[(Place, String)],
    keys: &[String],
) -> (Place, Vec<u8>) {
    let at = rng.usize(..corpus.len());
    let (place, text) = &corpus[at];
    let bytes = match rng.u8(0..10) {
        0 => noise(rng, text),
        1 | 2 => another_value(rng, text, keys).unwrap_or_default().into_bytes(),
        3 => serde_json::to_vec(&tree(rng, keys, 6)).unwrap_or_default(),
        4 => {
            let parts = rng.usize(0..80);
            let text: String = (0..parts)
                .map(|_| rng.choice(OTHERS).copied().unwrap_or_default())
                .collect();
            text.into_bytes()
        }
        5 => (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect(),
        _ => {
            // One accident may leave a file right; many lead far away.
            let most = rng.choice([1, 1, 2, 8]).unwrap_or(1);
            accidents(rng, text, most).into_bytes()
        }
    };
    (*place, bytes)
}
