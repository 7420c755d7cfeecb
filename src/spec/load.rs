//! Finding and reading files: the ones that were asked for, their project, their credentials, what they include.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use crate::{
    diag::{Files, Finding, Span},
    file::tidy,
};

use super::{
    check::check,
    node::{Entry, Kind, Node},
    shape::Shape,
    shapes, slip, tables, yaml,
};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `orgferry.yaml`
    Project,
    /// `credentials.yaml`
    Credentials,
    /// `pipelines/*.yaml`
    Pipeline,
    /// `mappings/*.yaml`
    Mapping,
}

impl FileKind {
    fn shape(self) -> &'static Shape {
        match self {
            FileKind::Project => &shapes::PROJECT_FILE,
            FileKind::Credentials => &shapes::CREDENTIALS_FILE,
            FileKind::Pipeline => &shapes::PIPELINE_FILE,
            FileKind::Mapping => &shapes::MAPPING_FILE,
        }
    }

    /// By its keys, else by its name, else a pipeline.
    fn of(path: &Path, node: &Node) -> Self {
        let has = |keys: &[&str]| keys.iter().any(|key| node.entry(key).is_some());
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        if name.starts_with("orgferry.") {
            FileKind::Project
        } else if has(&["steps", "from", "to", "run_as"]) {
            FileKind::Pipeline
        } else if has(&["external_credentials", "named_credentials", "permission_sets"])
            || name.starts_with("credentials")
        {
            FileKind::Credentials
        } else if has(&["environments", "state"]) {
            FileKind::Project
        } else if has(&["map", "tables"]) {
            FileKind::Mapping
        } else {
            FileKind::Pipeline
        }
    }
}

/// A file that was read and checked against its shape.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its number in [`Files`].
    pub file: usize,
    /// Its path, as the user would write it from where they are.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileKind,
    /// What stands in it.
    pub root: Node,
}

impl Document {
    /// The folder from which paths in the file start.
    pub fn folder(&self) -> &Path {
        folder_of(&self.path)
    }
}

/// A project folder and what defines it.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder.
    pub folder: PathBuf,
    /// `orgferry.yaml` in it.
    pub file: Option<Document>,
    /// Whether there is one that cannot be read: then nobody knows what it declares.
    pub broken: bool,
}

/// Reads files, each once.
#[derive(Debug, Default)]
pub struct Loader {
    /// The text of every file that was read.
    pub files: Files,
    /// What is wrong with them so far.
    pub findings: Vec<Finding>,
    read: HashMap<PathBuf, Option<Document>>,
    instead: Option<(PathBuf, String)>,
}

impl Loader {
    /// The files that a path of the user's stands for: itself, or every `*.yaml` in a folder.
    pub fn expand(&mut self, path: &Path) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path.to_owned()];
        }
        let mut found: Vec<PathBuf> = std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|ending| ending == "yaml" || ending == "yml")
            })
            .map(|path| tidy(&path))
            .collect();
        found.sort();
        if found.is_empty() {
            self.unreadable(path, "the folder holds no file that ends in `.yaml`", None);
        }
        found
    }

    /// Takes a text for what the file holds, which is not looked into then.
    pub fn stand_in(&mut self, path: &Path, text: String) {
        let identity = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        self.instead = Some((identity, text));
    }

    /// A file of any kind.
    pub fn document(&mut self, path: &Path) -> Option<Document> {
        self.read(path, None, None)
    }

    /// A file that another one names at `from`, of the kind that is wanted there.
    pub fn named(&mut self, path: &Path, kind: FileKind, from: &Span) -> Option<Document> {
        self.read(path, Some(kind), Some(from))
    }

    /// The project that a pipeline belongs to: the nearest folder upwards that holds `orgferry.yaml` or
    /// `credentials.yaml`, else the pipeline's own.
    pub fn project(&mut self, pipeline: &Path) -> Project {
        let own = folder_of(pipeline).to_owned();
        let mut folder = own.clone();
        let mut steps = std::path::absolute(&own).map_or(0, |full| full.components().count());
        loop {
            let file = folder.join("orgferry.yaml");
            if file.is_file() {
                let file = tidy(&file);
                let file = self.read(&file, Some(FileKind::Project), None);
                return Project {
                    broken: file.as_ref().is_none_or(|file| file.root.is_broken()),
                    file,
                    folder,
                };
            }
            if folder.join("credentials.yaml").is_file() {
                return Project {
                    folder,
                    file: None,
                    broken: false,
                };
            }
            steps = steps.saturating_sub(1);
            if steps == 0 {
                return Project {
                    folder: own,
                    file: None,
                    broken: false,
                };
            }
            folder = match folder.parent() {
                Some(parent) if folder.file_name().is_some() => parent.to_owned(),
                _ if folder.is_absolute() => {
                    return Project {
                        folder: own,
                        file: None,
                        broken: false,
                    };
                }
                _ => folder.join(".."),
            };
        }
    }

    /// Hides what may be a secret, so that no snippet shows it: texts behind the names of secrets, in every file, even
    /// in one that is no YAML, and whatever was complained about as a secret.
    pub fn hide_secrets(&mut self) {
        let mut spans: Vec<Span> = self
            .findings
            .iter()
            .filter(|finding| finding.code == "secret-in-file")
            .map(|finding| finding.primary.span.clone())
            .collect();
        for file in 0..self.files.len() {
            spans.extend(
                secrets(self.files.text(file))
                    .into_iter()
                    .map(|range| Span::new(file, range)),
            );
        }
        self.files.hide(&spans);
    }

    /// A complaint about a file that is not there or is no file.
    fn unreadable(&mut self, path: &Path, reason: &str, from: Option<&Span>) {
        let shown = path.display();
        let finding = match from {
            Some(span) => Finding::error(
                "unreadable-file",
                span.clone(),
                format!("cannot read `{shown}`: {reason}"),
            )
            .label("named here")
            .help("paths in a file start at that file's folder"),
            None => {
                let file = self.files.add(path, "");
                Finding::error(
                    "unreadable-file",
                    Span::new(file, 0..0),
                    format!("cannot read `{shown}`: {reason}"),
                )
            }
        };
        self.findings.push(finding);
    }

    fn read(&mut self, path: &Path, wanted: Option<FileKind>, from: Option<&Span>) -> Option<Document> {
        let identity = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Some(document) = self.read.get(&identity) {
            return document.clone();
        }
        let bytes = match &self.instead {
            Some((file, text)) if *file == identity => Ok(text.clone().into_bytes()),
            _ => std::fs::read(path),
        };
        let text = match bytes {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(_) => {
                    self.unreadable(path, "it is not UTF-8 text", from);
                    return None;
                }
            },
            Err(error) => {
                let reason = match error.kind() {
                    std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                    std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                    std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
                    _ => error.to_string(),
                };
                self.unreadable(path, &reason, from);
                return None;
            }
        };
        // A byte order mark is no part of the first key.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        self.read.insert(identity.clone(), None);
        let document = self.parse(path, text, wanted);
        self.read.insert(identity, document.clone());
        document
    }

    /// Reads and checks a text as if it stood in a file of this name.
    pub fn parse(&mut self, path: &Path, text: String, wanted: Option<FileKind>) -> Option<Document> {
        let file = self.files.add(path, text);
        let before = self.findings.len();
        let root = yaml::parse(&self.files, file, &mut self.findings);
        let document = root.map(|root| self.shaped(path, file, root, wanted));
        match self.slipped(path, file, before, wanted) {
            Some(root) => Some(self.shaped(path, file, root, wanted)),
            None => document,
        }
    }

    /// Follows what a tree includes and holds it against its shape.
    fn shaped(&mut self, path: &Path, file: usize, mut root: Node, wanted: Option<FileKind>) -> Document {
        let kind = wanted.unwrap_or_else(|| FileKind::of(path, &root));
        self.include(&mut root, kind, folder_of(path));
        check(&mut root, kind.shape(), &self.files, &mut self.findings);
        Document {
            file,
            path: path.to_owned(),
            kind,
            root,
        }
    }

    /// Puts one complaint about a line that has slipped in place of those that came of it, and gives the tree as it
    /// was probably meant.
    fn slipped(&mut self, path: &Path, file: usize, before: usize, wanted: Option<FileKind>) -> Option<Node> {
        let told: Vec<usize> = self.findings[before..]
            .iter()
            .filter(|finding| finding.primary.span.file == file)
            .map(|finding| self.files.place(file, finding.primary.span.range.start).line - 1)
            .collect();
        let text = self.files.text(file);
        let slip = slip::find(text, &told, |text| complaints(path, text, wanted))?;
        let mut mended = Files::default();
        let of_mended = mended.add(path, slip.mended(text));
        let mut findings = Vec::new();
        let mut root = yaml::parse(&mended, of_mended, &mut findings)?;
        slip.restore(&mut root, file);
        for finding in &mut findings {
            slip.restore_finding(finding, file);
        }
        findings.push(slip.finding(text, file));
        let mut at = 0;
        self.findings.retain(|finding| {
            at += 1;
            at <= before || finding.primary.span.file != file
        });
        self.findings.append(&mut findings);
        Some(root)
    }

    /// Merges what `map: { include: ... }` and `tables: { include: ... }` name. A key that is written here wins.
    fn include(&mut self, root: &mut Node, kind: FileKind, folder: &Path) {
        let Kind::Map(entries) = &mut root.kind else {
            return;
        };
        for entry in entries {
            match (entry.key.text.as_str(), kind) {
                ("tables", _) => {
                    if let Kind::Map(own) = &mut entry.value.kind {
                        for table in own.iter_mut().filter(|table| tables::is_file(&table.value)) {
                            tables::read(&mut table.value, folder, &mut self.findings);
                        }
                    }
                    self.merge(&mut entry.value, "tables", folder);
                }
                ("map", FileKind::Mapping) => self.merge(&mut entry.value, "map", folder),
                ("steps", FileKind::Pipeline) => {
                    if let Kind::Map(steps) = &mut entry.value.kind {
                        for step in steps {
                            if let Kind::Map(keys) = &mut step.value.kind {
                                for map in keys.iter_mut().filter(|e| e.key.text == "map") {
                                    self.merge(&mut map.value, "map", folder);
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn merge(&mut self, node: &mut Node, section: &str, folder: &Path) {
        let Kind::Map(entries) = &mut node.kind else {
            return;
        };
        let Some(at) = entries.iter().position(|entry| {
            entry.key.text == "include"
                && match &entry.value.kind {
                    // A target field or table that happens to be called `include` holds no path.
                    Kind::Map(_) => false,
                    Kind::Scalar(_) if section == "tables" => true,
                    Kind::Scalar(scalar) => scalar.text.ends_with(".yaml") || scalar.text.ends_with(".yml"),
                    Kind::List(_) | Kind::Broken => true,
                }
        }) else {
            return;
        };
        let mut include = entries.remove(at);
        let mut merged: Vec<Entry> = Vec::new();
        let mut whole = true;
        for path in include.value.one_or_more() {
            let Some(text) = path.text() else {
                whole = false;
                self.findings.push(
                    Finding::error(
                        "wrong-type",
                        path.head(&self.files),
                        "`include` takes a path or a list of paths",
                    )
                    .label(format!("this is {}", path.what())),
                );
                continue;
            };
            let full = tidy(&folder.join(text));
            let Some(document) = self.named(&full, FileKind::Mapping, &path.span) else {
                whole = false;
                continue;
            };
            let Some(found) = document.root.get(section) else {
                whole = false;
                if !document.root.is_broken() {
                    self.findings.push(
                        Finding::error(
                            "missing-key",
                            path.span.clone(),
                            format!("`{text}` holds no `{section}`"),
                        )
                        .label("included here"),
                    );
                }
                continue;
            };
            whole &= !found.is_broken();
            for entry in found.entries() {
                merged.retain(|earlier| !same(section, earlier, entry));
                merged.push(entry.clone());
            }
        }
        merged.retain(|entry| !entries.iter().any(|own| same(section, own, entry)));
        merged.append(entries);
        if !whole {
            // What is missing is not known: the map is not what it was meant to be.
            include.value.kind = Kind::Broken;
            merged.push(include);
        }
        *entries = merged;
    }
}

/// What is to be said of a text by itself; `None`: it is no YAML.
fn complaints(path: &Path, text: &str, wanted: Option<FileKind>) -> Option<slip::Judged> {
    let mut files = Files::default();
    let file = files.add(path, text);
    let mut findings = Vec::new();
    let mut root = yaml::parse(&files, file, &mut findings)?;
    let kind = wanted.unwrap_or_else(|| FileKind::of(path, &root));
    // What stands in other files is not looked at.
    if let Kind::Map(entries) = &mut root.kind {
        let tables = entries.iter_mut().filter(|entry| entry.key.text == "tables");
        for table in tables.flat_map(|entry| match &mut entry.value.kind {
            Kind::Map(tables) => tables.as_mut_slice(),
            _ => &mut [],
        }) {
            if tables::is_file(&table.value) {
                table.value.kind = Kind::Broken;
            }
        }
    }
    let line = |span: &Span| files.place(file, span.range.start).line - 1;
    let mut entries = BTreeSet::new();
    let mut nodes = vec![&root];
    while let Some(node) = nodes.pop() {
        entries.extend(node.items().iter().map(|item| line(&item.span)));
        entries.extend(node.entries().iter().map(|entry| line(&entry.key.span)));
        nodes.extend(node.items());
        nodes.extend(node.entries().iter().map(|entry| &entry.value));
    }
    check(&mut root, kind.shape(), &files, &mut findings);
    Some(slip::Judged {
        told: findings
            .iter()
            .map(|finding| line(&finding.primary.span))
            .collect(),
        entries,
    })
}

/// Where texts stand behind `client_secret:` and its like: to the end of the value, block texts included.
fn secrets(text: &str) -> Vec<std::ops::Range<usize>> {
    const NAMES: [&str; 5] = [
        "client_secret",
        "access_token",
        "password",
        "private_key",
        "refresh_token",
    ];
    let mut found = Vec::new();
    for (at, _) in text.match_indices(':') {
        let key = text[..at].trim_end_matches(['"', '\'', ' ']);
        let Some(name) = NAMES.iter().find(|name| key.ends_with(**name)) else {
            continue;
        };
        let before = &key[..key.len() - name.len()];
        let value = text[at + 1..].trim_start_matches([' ', '\t']);
        let start = text.len() - value.len();
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            || value.starts_with(['{', '[', '*', '&'])
        {
            continue;
        }
        let line = value.split('\n').next().unwrap_or_default();
        let end = match value.chars().next() {
            Some('|' | '>' | '\n' | '\r') | None => {
                let line_start = text[..at].rfind('\n').map_or(0, |found| found + 1);
                let indent = |line: &str| line.len() - line.trim_start().len();
                let own = indent(&text[line_start..at]);
                let below = value[line.len()..]
                    .strip_prefix('\n')
                    .unwrap_or_default()
                    .split_inclusive('\n');
                let inside = below.take_while(|line| line.trim().is_empty() || indent(line) > own);
                start + line.len() + 1 + inside.map(str::len).sum::<usize>()
            }
            Some(quote @ ('"' | '\'')) => {
                start + value[1..].find(quote).map_or(line.len(), |found| found + 1)
            }
            Some(_) => {
                let length = line.find([',', '}']).or_else(|| line.find(" #"));
                start + line[..length.unwrap_or(line.len())].trim_end().len()
            }
        };
        let skip = usize::from(value.starts_with(['"', '\'', '|', '>']));
        let end = end.min(text.len());
        found.push((start + skip).min(end)..end);
    }
    found
}

/// Target fields are the same in any case; tables are not.
fn same(section: &str, a: &Entry, b: &Entry) -> bool {
    if section == "map" {
        a.key.text.eq_ignore_ascii_case(&b.key.text)
    } else {
        a.key.text == b.key.text
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_however_they_are_written() {
        for (text, shown) in [
            (
                "p: { client_secret: s3cr3t, x: 1 }",
                "p: { client_secret: ******, x: 1 }",
            ),
            ("password: 'a b' # c", "password: '***' # c"),
            ("{ password: hunter2 }", "{ password: ******* }"),
            ("password: hunter2 # c", "password: ******* # c"),
            ("{ password: hunter2 }", "{ password: ******* }"),
            ("\"access_token\": \"x\"", "\"access_token\": \"*\""),
            (
                "k:\n  private_key: |\n    AB\n    CD\n  z: 1\n",
                "k:\n  private_key: |\n******\n******\n  z: 1\n",
            ),
            ("password:\n  hunter2\nx: 1", "password:\n*********\nx: 1"),
            ("client_secret: { env: X }", "client_secret: { env: X }"),
            ("my_password: x", "my_password: x"),
            ("password: \"never closed", "password: \"************"),
            ("password:", "password:"),
        ] {
            let mut loader = Loader::default();
            loader.files.add("a.yaml", text);
            loader.hide_secrets();
            assert_eq!(loader.files.text(0), shown);
        }
    }

    #[test]
    fn files_are_known_by_their_keys() {
        for (name, text, expected) in [
            ("a.yaml", "version: 1\nsteps: {}\n", FileKind::Pipeline),
            (
                "a.yaml",
                "version: 1\nnamed_credentials: {}\n",
                FileKind::Credentials,
            ),
            ("credentials.uat.yaml", "version: 1\n", FileKind::Credentials),
            ("orgferry.yaml", "version: 1\n", FileKind::Project),
            ("a.yaml", "version: 1\nmap: { A: B }\n", FileKind::Mapping),
            ("a.yaml", "version: 1\ntables: {}\n", FileKind::Mapping),
            ("a.yaml", "version: 1\nstep: {}\n", FileKind::Pipeline),
        ] {
            let mut loader = Loader::default();
            let found = loader
                .parse(Path::new(name), text.to_owned(), None)
                .map(|d| d.kind);
            assert_eq!(found, Some(expected), "{name}: {text}");
        }
    }

    #[test]
    fn a_key_written_here_wins_over_an_included_one() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("m")).expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write(
            "m/a.yaml",
            "version: 1\nmap: { Name: First, City: Town }\ntables: { t: { A: B } }\n",
        );
        write("m/b.yaml", "version: 1\nmap: { city: Place }\n");
        write(
            "p.yaml",
            "version: 1\nfrom: a\nto: b\ntables: { include: m/a.yaml }\nsteps:\n  s:\n    source: { object: X }\n    target: { key: Id }\n    map: { include: [m/a.yaml, m/b.yaml], NAME: Own }\n",
        );
        let mut loader = Loader::default();
        let document = loader
            .document(&folder.path().join("p.yaml"))
            .expect("a document");
        assert_eq!(loader.findings, []);
        let map = document
            .root
            .get("steps")
            .and_then(|s| s.get("s"))
            .and_then(|s| s.get("map"))
            .expect("a map");
        let found: Vec<(&str, &str)> = map
            .entries()
            .iter()
            .map(|e| (e.key.text.as_str(), e.value.text().unwrap_or_default()))
            .collect();
        assert_eq!(found, [("city", "Place"), ("NAME", "Own")]);
        assert!(document.root.get("tables").and_then(|t| t.get("t")).is_some());
    }
}
