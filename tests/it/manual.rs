//! Every YAML block of the reference manual is checked as `validate` would check it.
//!
//! `docs/reference/README.md` tells what the words behind a fence mean. A page is a project folder of its own: its
//! blocks with a file name are written there first, so that a block may include another or name its table.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use orgferry::{
    diag::{Colour, Severity, render_text},
    pipeline::load,
};

/// A fenced block of a page.
struct Block {
    /// Page and line, for messages.
    place: String,
    /// `yaml`, `csv`, ...
    language: String,
    /// What stands behind the language.
    words: Vec<String>,
    text: String,
}

/// What a block must lead to.
enum Verdict {
    Passes,
    Warns(String),
    Wrong(String),
}

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let mut pages: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the manual's folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.sort();
    pages
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).expect("a page");
    let name = page.file_name().expect("a name").to_string_lossy().into_owned();
    let mut found: Vec<Block> = Vec::new();
    let mut open = None;
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                open = Some(Block {
                    place: format!("{name}:{}", at + 1),
                    language: words.next().unwrap_or_default(),
                    words: words.collect(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name}: a block without an end");
    found
}

impl Block {
    fn verdict(&self) -> Verdict {
        let after = |word: &str| {
            let at = self.words.iter().position(|w| w == word)?;
            let code = self.words.get(at + 1);
            Some(code.unwrap_or_else(|| panic!("{}: `{word}` names no finding", self.place)))
        };
        match (after("wrong"), after("warns")) {
            (Some(code), _) => Verdict::Wrong(code.clone()),
            (_, Some(code)) => Verdict::Warns(code.clone()),
            (None, None) => Verdict::Passes,
        }
    }

    /// The file that it stands for, where it has a name.
    fn file(&self) -> Option<&str> {
        let first = self.words.first()?;
        (first.contains('.') || first.contains('/')).then_some(first.as_str())
    }

    /// The whole pipeline that a fragment is a part of.
    fn whole(&self) -> String {
        let text = &self.text;
        let kind = match self.words.first().map(String::as_str) {
            None | Some("wrong" | "warns") => return text.clone(),
            Some(kind) => kind,
        };
        let step = |name: &str, body: String| format!("  {name}:\n{}", indent(&body, 4));
        let source = "source: { object: Contact }\n";
        let target = "target: { object: Contact, key: Legacy_Id__c }\n";
        let key = "Legacy_Id__c: Id\n";
        let mut head = String::new();
        let steps = match kind {
            "step" => indent(text, 2),
            "map" => {
                let key = if text.lines().any(|line| line.starts_with("Legacy_Id__c:")) {
                    ""
                } else {
                    key
                };
                step(
                    "rows",
                    format!("{source}{target}map:\n{}", indent(&format!("{key}{text}"), 2)),
                )
            }
            "source" => step(
                "rows",
                format!(
                    "source:\n{}target: {{ object: Account, key: Legacy_Id__c }}\nmap: {{ Legacy_Id__c: Id }}\n",
                    indent(text, 2)
                ),
            ),
            "target" => {
                let map: String = keys(text).iter().map(|key| format!("  {key}: Id\n")).collect();
                let map = if map.is_empty() {
                    "copy: all\n".to_owned()
                } else {
                    format!("map:\n{map}")
                };
                step(
                    "rows",
                    format!("source: {{ object: Account }}\ntarget:\n{}{map}", indent(text, 2)),
                )
            }
            "checks" => step(
                "rows",
                format!(
                    "{source}{target}copy: [LastName, Email]\nmap: {{ Legacy_Id__c: Id }}\nchecks:\n{}",
                    indent(text, 2)
                ),
            ),
            "policy" | "vars" | "tables" => {
                head = format!("{kind}:\n{}", indent(text, 2));
                step("rows", format!("{source}{target}map: {{ Legacy_Id__c: Id }}\n"))
            }
            other => panic!("{}: `{other}` is no kind of block", self.place),
        };
        // Only what the block names: what nothing uses is warned about.
        let vars = if kind == "vars" || !text.contains("region") {
            ""
        } else {
            "vars: { region: EMEA }\n"
        };
        let tables = if kind == "tables" || !text.contains("industry") {
            ""
        } else {
            "tables:\n  industry: { Agri: Agriculture, Fin: Finance }\n"
        };
        // Steps that fragments may refer to.
        let others: String = ["accounts", "contacts"]
            .into_iter()
            .filter(|name| text.contains(name) && !text.lines().any(|line| line.starts_with(&format!("{name}:"))))
            .map(|name| {
                let object = if name == "accounts" { "Account" } else { "Contact" };
                step(name, format!("source: {{ object: {object} }}\ntarget: {{ object: {object}, key: Legacy_Id__c }}\nmap: {{ Legacy_Id__c: Id }}\n"))
            })
            .collect();
        format!("version: 1\nfrom: hq\nto: emea\n{vars}{tables}{head}steps:\n{steps}{others}")
    }
}

/// The fields of a target fragment's key, each of which a pipeline has to fill.
fn keys(target: &str) -> Vec<String> {
    let value: serde_json::Value = serde_yaml::from_str(target).expect("a target is YAML");
    match value.get("key") {
        Some(serde_json::Value::String(key)) => vec![key.clone()],
        Some(serde_json::Value::Array(keys)) => keys
            .iter()
            .filter_map(|k| k.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

fn indent(text: &str, by: usize) -> String {
    text.lines()
        .map(|line| {
            if line.is_empty() {
                "\n".to_owned()
            } else {
                format!("{:by$}{line}\n", "")
            }
        })
        .collect()
}

const CREDENTIALS: &str = "version: 1
external_credentials:
  EC_Orgs:
    protocol: oauth2
    flow: access_token
    principals: { Admin: { access_token: { env: ORG_TOKEN } } }
named_credentials:
  hq: { url: https://hq.example.com, external_credential: EC_Orgs }
  emea: { url: https://emea.example.com, external_credential: EC_Orgs }
";

#[test]
fn every_yaml_block_is_what_the_page_says_it_is() {
    let mut seen = 0;
    let mut faults = Vec::new();
    for page in pages() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("credentials.yaml"), CREDENTIALS).expect("a file");
        let blocks = blocks(&page);
        let mut files = Vec::new();
        for (at, block) in blocks.iter().enumerate() {
            let path = match block.file() {
                Some(name) => folder.path().join(name),
                None if block.language == "yaml" => folder.path().join(format!("pipelines/block-{at}.yaml")),
                None => continue,
            };
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let text = if block.file().is_some() {
                block.text.clone()
            } else {
                block.whole()
            };
            fs::write(&path, text).expect("a file");
            if block.language == "yaml" {
                files.push((block, path));
            }
        }
        for (block, path) in files {
            seen += 1;
            let loaded = load(std::slice::from_ref(&path), None);
            let codes: Vec<(&str, Severity)> = loaded.findings.iter().map(|f| (f.code, f.severity)).collect();
            let as_said = match block.verdict() {
                Verdict::Passes => codes.is_empty(),
                Verdict::Warns(code) => {
                    codes.iter().any(|(c, _)| *c == code) && codes.iter().all(|(_, s)| *s != Severity::Error)
                }
                Verdict::Wrong(code) => codes.iter().any(|(c, s)| *c == code && *s == Severity::Error),
            };
            if !as_said {
                let findings = render_text(&loaded.findings, &loaded.files, Colour::Off);
                faults.push(format!("{} {:?}\n{findings}", block.place, block.words));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen >= 2, "{seen} blocks");
}

/// A reader finds every page from the first one, and no link leads nowhere.
#[test]
fn pages_are_listed_and_links_lead_somewhere() {
    let pages = pages();
    let first = fs::read_to_string(
        pages
            .iter()
            .find(|p| p.ends_with("README.md"))
            .expect("README.md"),
    )
    .expect("text");
    for page in &pages {
        let name = page.file_name().expect("a name").to_string_lossy();
        assert!(
            name == "README.md" || first.contains(&format!("({name})")),
            "README.md does not list {name}"
        );
        let text = fs::read_to_string(page).expect("text");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let to = page.parent().expect("a folder").join(file);
            assert!(to.exists(), "{name}: {link} leads nowhere");
        }
    }
}

/// Each reason for which orgferry itself parks a row has its line on the page of outcomes, and no line is left over.
#[test]
fn every_parking_code_has_its_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/reference/outcomes.md")).expect("the page");
    let table = page.split("| code | why |").nth(1).expect("the table of codes");
    let table = table.split("\n\n").next().expect("the table ends");
    let listed: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let mut raised = BTreeSet::new();
    for room in ["engine", "load", "transform", "extract"] {
        for text in sources(&root.join("src").join(room)) {
            // Tests make reasons up.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            raised.extend(codes(code).map(str::to_owned));
        }
    }
    // Rows left out by an inner `skip` are filtered, so that nobody reads this one.
    raised.remove("skipped");
    let raised: BTreeSet<&str> = raised.iter().map(String::as_str).collect();
    assert!(raised.len() > 10, "{raised:?}");
    let unlisted: Vec<_> = raised.difference(&listed).collect();
    let idle: Vec<_> = listed.difference(&raised).collect();
    assert!(
        unlisted.is_empty() && idle.is_empty(),
        "not on the page: {unlisted:?}; never raised: {idle:?}"
    );
}

fn sources(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a room") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            found.push(fs::read_to_string(&path).expect("a source file"));
        }
    }
    found
}

/// The literals that become a `ParkReason`'s code: written as its field, or as the first argument of `reason`.
fn codes(source: &str) -> impl Iterator<Item = &str> {
    ["code: \"", "reason(\"", "row_error(\""]
        .into_iter()
        .flat_map(move |mark| source.split(mark).skip(1))
        .chain(
            ["reason(\n", "row_error(\n"]
                .into_iter()
                .flat_map(move |mark| source.split(mark).skip(1))
                .filter_map(|rest| rest.trim_start().strip_prefix('"')),
        )
        .filter_map(|rest| rest.split('"').next())
        .filter(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}
