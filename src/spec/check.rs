//! Holds a file against its shape and collects every complaint. What is wrong is taken out of the tree or marked
//! broken, so that nobody complains about it twice; what remains can be read without looking back.

mod values;

use crate::diag::{Files, Finding, Span, all_of, did_you_mean, one_of};

use super::{
    node::{Entry, Key as NodeKey, Kind, Node, Plain},
    shape::{ByKind, Form, Forms, Key, Record, Shape, TextKind},
    shapes::ANY_TEXT,
    yaml_fault::quoted,
};

/// Checks `node`, which is a whole file.
pub(crate) fn check(node: &mut Node, shape: &'static Shape, files: &Files, findings: &mut Vec<Finding>) {
    let mut keys = Vec::new();
    shape.each_key(&mut |noun, key| keys.push((noun, key)));
    let mut check = Check {
        files,
        findings,
        keys,
    };
    let start = Span::new(node.span.file, node.span.range.start..node.span.range.start);
    let name = match shape {
        Shape::Record(record) => record.noun,
        _ => "the file",
    };
    let empty = node.scalar().is_some_and(|s| s.plain() == Plain::Null);
    if empty {
        let finding = Finding::error("wrong-type", start, "the file is empty").label("nothing but comments");
        check.findings.push(match shape {
            Shape::Record(record) => {
                finding.help(format!("{name} starts with {}", all_of(required(record.keys))))
            }
            _ => finding,
        });
        node.kind = Kind::Broken;
        return;
    }
    let owner = NodeKey {
        text: String::new(),
        span: node.head(files),
    };
    check.node(node, shape, &owner);
}

fn required(keys: &'static [Key]) -> impl Iterator<Item = &'static str> {
    keys.iter().filter(|key| key.required).map(|key| key.name)
}

/// What people write who know another tool, and what it is here.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("depends_on", "needs"),
    ("dependencies", "needs"),
    ("mapping", "map"),
    ("mappings", "map"),
    ("fields", "copy"),
    ("query", "soql"),
    ("select", "soql"),
    ("sobject", "object"),
    ("external_id", "key"),
    ("externalId", "key"),
    ("filter", "when"),
    ("condition", "when"),
    ("variables", "vars"),
    ("lookups", "tables"),
    ("missing", "otherwise"),
    ("otherwise", "missing"),
    ("default", "otherwise"),
    ("else", "otherwise"),
    ("mode", "operation"),
    ("action", "operation"),
    ("source_org", "from"),
    ("target_org", "to"),
    ("endpoint", "url"),
    ("token_url", "identity_provider_url"),
    ("token_endpoint", "identity_provider_url"),
    ("batchSize", "batch_size"),
    ("given_row", "given"),
];

struct Check<'a> {
    files: &'a Files,
    findings: &'a mut Vec<Finding>,
    /// Every key that this kind of file knows, and what holds it.
    keys: Vec<(&'static str, &'static Key)>,
}

impl Check<'_> {
    fn node(&mut self, node: &mut Node, shape: &'static Shape, owner: &NodeKey) {
        if node.is_broken() {
            return;
        }
        match shape {
            Shape::Anything => self.duplicates_everywhere(node),
            Shape::Scalar | Shape::Expression => {
                self.scalar(node, owner, "text, a number, true or false", |_| true)
            }
            Shape::Text(kind) => self.text(node, kind, owner),
            Shape::Secret => self.text(node, &ANY_TEXT, owner),
            Shape::Words(words) => self.word(node, words, owner),
            Shape::Bool => {
                self.scalar(node, owner, "true or false", |plain| {
                    matches!(plain, Plain::Bool(_))
                });
            }
            Shape::Integer { min, max } => self.integer(node, *min, *max, owner),
            Shape::List(inner) => {
                if !matches!(node.kind, Kind::List(_)) {
                    let help = match node.text() {
                        Some(text) if !text.is_empty() && !owner.text.is_empty() => {
                            Some(format!("write it in brackets: `{}: [{text}]`", owner.text))
                        }
                        _ => None,
                    };
                    self.wrong_type(node, owner, "a list", help);
                    return;
                }
                self.items(node, inner, owner);
            }
            Shape::OneOrMore(inner) => match node.kind {
                Kind::List(_) => self.items(node, inner, owner),
                _ => self.node(node, inner, owner),
            },
            // What `include` names is there already: an `include` that is left is a key like others.
            Shape::Map { keys, values, .. } => {
                if !matches!(node.kind, Kind::Map(_)) {
                    self.wrong_type(node, owner, "a map", None);
                    return;
                }
                self.map(node, keys, values);
            }
            Shape::Record(record) => {
                if !matches!(node.kind, Kind::Map(_)) {
                    let keys = all_of(record.keys.iter().filter(|k| k.not_yet.is_none()).map(|k| k.name));
                    let help = Some(format!("the keys of {} are {keys}", record.noun));
                    self.wrong_type(node, owner, "a map", help);
                    return;
                }
                self.record(node, record, owner);
            }
            Shape::OrFile(inner, _) => self.node(node, inner, owner),
            Shape::Forms(forms) => self.forms(node, forms, owner),
            Shape::ByKind(kinds) => self.by_kind(node, kinds, owner),
        }
    }

    fn by_kind(&mut self, node: &mut Node, kinds: &'static ByKind, owner: &NodeKey) {
        let shape = match node.kind {
            Kind::Scalar(_) => kinds.scalar,
            Kind::List(_) => kinds.list,
            Kind::Map(_) => kinds.map,
            Kind::Broken => return,
        };
        match shape {
            Some(shape) => self.node(node, shape, owner),
            None => self.wrong_type(node, owner, kinds.noun, None),
        }
    }

    fn items(&mut self, node: &mut Node, shape: &'static Shape, owner: &NodeKey) {
        if let Kind::List(items) = &mut node.kind {
            for item in items {
                // What is wrong with an entry is shown there, not at the list.
                let head = item.head(self.files);
                let owner = NodeKey {
                    text: owner.text.clone(),
                    span: if head.range.is_empty() {
                        owner.span.clone()
                    } else {
                        head
                    },
                };
                self.node(item, shape, &owner);
            }
        }
    }

    fn map(&mut self, node: &mut Node, keys: &'static TextKind, values: &'static Shape) {
        self.duplicates(node);
        let Kind::Map(entries) = &mut node.kind else {
            return;
        };
        for entry in entries {
            let name = entry.key.text.as_str();
            if name == "<<" {
                self.merge_key(entry);
                continue;
            }
            if !(keys.allows)(name) {
                let finding = Finding::error(
                    "wrong-name",
                    entry.key.span.clone(),
                    format!("`{name}` cannot be a name here"),
                )
                .label(format!("expected {}", keys.noun));
                let mended: String = name
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
                    .collect();
                self.findings.push(if (keys.allows)(&mended) && mended != name {
                    finding.help(format!("for example `{mended}`"))
                } else {
                    finding
                });
            }
            let owner = entry.key.clone();
            let empty = |node: &Node| {
                node.scalar()
                    .is_some_and(|s| s.text.is_empty() && s.plain() == Plain::Null)
            };
            let bare = match values {
                Shape::Scalar | Shape::Anything => true,
                Shape::ByKind(kinds) => {
                    keys.pattern.is_empty() && matches!(kinds.scalar, Some(Shape::Scalar))
                }
                _ => false,
            };
            if bare && empty(&entry.value) {
                // Most often a colon that was forgotten or has no space behind it.
                let finding = Finding::error(
                    "wrong-type",
                    entry.key.span.clone(),
                    format!("`{}` has no value", entry.key.text),
                )
                .label("expected `: ` and a value");
                let key = &entry.key.text;
                self.findings.push(match key.split_once([':', ' ']) {
                    Some((name, value)) if !name.is_empty() && !value.trim().is_empty() => {
                        finding.help(format!("did you mean `{name}: {}`?", value.trim()))
                    }
                    _ => finding.help("for nothing, write `null`"),
                });
                entry.value.kind = Kind::Broken;
                continue;
            }
            self.node(&mut entry.value, values, &owner);
        }
    }

    fn record(&mut self, node: &mut Node, record: &'static Record, owner: &NodeKey) {
        self.duplicates(node);
        let known: Vec<&'static Key> = record.keys.iter().collect();
        let misspelt = self.keys(node, record.noun, &known, record.rest);
        if node.is_broken() {
            return;
        }
        for key in known
            .iter()
            .filter(|key| key.required && !misspelt.contains(&key.name))
        {
            self.require(node, key, record.noun, owner);
        }
    }

    fn forms(&mut self, node: &mut Node, forms: &'static Forms, owner: &NodeKey) {
        let Kind::Map(entries) = &node.kind else {
            let keys = one_of(
                forms
                    .forms
                    .iter()
                    .filter(|f| f.on.not_yet.is_none())
                    .map(|f| f.on.name),
            );
            let help = Some(format!("{} is a map with {keys}", forms.noun));
            self.wrong_type(node, owner, "a map", help);
            return;
        };
        let form_of = |entry: &Entry| forms.forms.iter().find(|form| form.on.name == entry.key.text);
        let mut found = entries
            .iter()
            .filter_map(|entry| form_of(entry).map(|form| (entry, form)));
        let Some((entry, form)) = found.next() else {
            self.no_form(node, forms, owner);
            return;
        };
        if let Some((other, _)) = found.find(|(_, f)| f.on.name != form.on.name) {
            self.findings.push(
                Finding::error(
                    "conflicting-keys",
                    other.key.span.clone(),
                    format!("`{}` and `{}` exclude each other", entry.key.text, other.key.text),
                )
                .label("one too many")
                .also(entry.key.span.clone(), "the first")
                .help(format!(
                    "{} has one of {}",
                    forms.noun,
                    one_of(
                        forms
                            .forms
                            .iter()
                            .filter(|f| f.on.not_yet.is_none())
                            .map(|f| f.on.name)
                    )
                )),
            );
            node.kind = Kind::Broken;
            return;
        }
        self.duplicates(node);
        let known: Vec<&'static Key> = std::iter::once(&form.on)
            .chain(form.keys)
            .chain(forms.common)
            .collect();
        let noun = format!("{} with `{}`", forms.noun, form.on.name);
        self.of_other_forms(node, forms, form, &known);
        let misspelt = self.keys(node, &noun, &known, None);
        if node.is_broken() {
            return;
        }
        for key in known
            .iter()
            .filter(|key| key.required && !misspelt.contains(&key.name))
        {
            self.require(node, key, &noun, owner);
        }
    }

    /// Keys that another form has are reported and taken out: it may be the form that is wrong.
    fn of_other_forms(
        &mut self,
        node: &mut Node,
        forms: &'static Forms,
        form: &Form,
        known: &[&'static Key],
    ) {
        let Kind::Map(entries) = &mut node.kind else {
            return;
        };
        let findings = &mut *self.findings;
        entries.retain(|entry| {
            let name = entry.key.text.as_str();
            if known.iter().any(|key| key.name == name) {
                return true;
            }
            let others: Vec<&str> = forms
                .forms
                .iter()
                .filter(|other| other.on.not_yet.is_none() && other.keys.iter().any(|key| key.name == name))
                .map(|other| other.on.name)
                .collect();
            if others.is_empty() {
                return true;
            }
            findings.push(
                Finding::error(
                    "unknown-key",
                    entry.key.span.clone(),
                    format!("unknown key `{name}`"),
                )
                .label(format!("not a key of {} with `{}`", forms.noun, form.on.name))
                .help(format!("`{name}` goes with {}", one_of(others))),
            );
            false
        });
    }

    /// None of the keys that tell the forms apart is there.
    fn no_form(&mut self, node: &mut Node, forms: &'static Forms, owner: &NodeKey) {
        let built = || {
            forms
                .forms
                .iter()
                .filter(|f| f.on.not_yet.is_none())
                .map(|f| f.on.name)
        };
        let unknown = node.entries().iter().find_map(|entry| {
            let suggestion = did_you_mean(&entry.key.text, forms.forms.iter().map(|f| f.on.name))
                .or_else(|| other_word(&entry.key.text, &mut built()))?;
            Some((entry.key.clone(), suggestion))
        });
        let place = if owner.text.is_empty() {
            node.head(self.files)
        } else {
            owner.span.clone()
        };
        self.findings.push(match unknown {
            Some((key, suggestion)) => {
                Finding::error("unknown-key", key.span, format!("unknown key `{}`", key.text))
                    .label(format!("not a key of {}", forms.noun))
                    .help(format!("did you mean `{suggestion}`?"))
            }
            None => Finding::error(
                "missing-key",
                place,
                format!("{} lacks the key that says what it is", forms.noun),
            )
            .label(format!("needs {}", one_of(built()))),
        });
        node.kind = Kind::Broken;
    }

    /// Each entry of a map with keys of ours. Gives the keys that were probably meant by the unknown ones: nobody
    /// needs to hear that those are missing.
    fn keys(
        &mut self,
        node: &mut Node,
        noun: &str,
        known: &[&'static Key],
        rest: Option<&'static Shape>,
    ) -> Vec<&'static str> {
        let mut misspelt = Vec::new();
        let Kind::Map(entries) = std::mem::replace(&mut node.kind, Kind::Broken) else {
            return misspelt;
        };
        let mut kept = Vec::with_capacity(entries.len());
        for mut entry in entries {
            if entry.key.text == "<<" {
                self.merge_key(&mut entry);
                continue;
            }
            match known.iter().find(|key| key.name == entry.key.text) {
                Some(key) => match key.not_yet {
                    Some(instead) => {
                        self.not_yet(&format!("`{}`", key.name), entry.key.span.clone(), instead);
                    }
                    None => {
                        let owner = entry.key.clone();
                        self.node(&mut entry.value, key.shape, &owner);
                        kept.push(entry);
                    }
                },
                None => match rest {
                    Some(shape) => {
                        let owner = entry.key.clone();
                        self.node(&mut entry.value, shape, &owner);
                        kept.push(entry);
                    }
                    None => misspelt.extend(self.unknown_key(&entry.key, noun, known)),
                },
            }
        }
        node.kind = Kind::Map(kept);
        misspelt
    }

    fn unknown_key(&mut self, key: &NodeKey, noun: &str, known: &[&'static Key]) -> Option<&'static str> {
        let name = key.text.as_str();
        let mut names = known.iter().map(|k| k.name);
        let finding = Finding::error("unknown-key", key.span.clone(), format!("unknown key `{name}`"))
            .label(format!("not a key of {noun}"));
        let near = did_you_mean(name, known.iter().map(|k| k.name)).or_else(|| other_word(name, &mut names));
        let elsewhere: Vec<&'static str> = self
            .keys
            .iter()
            .filter(|(_, k)| k.name == name)
            .map(|(noun, _)| *noun)
            .collect();
        let finding = match (near, elsewhere.as_slice()) {
            (Some(near), _) => finding.help(format!("did you mean `{near}`?")),
            (None, [place, ..]) => finding.help(format!("`{name}` is a key of {place}: move it there")),
            (None, []) => {
                let names = known.iter().filter(|k| k.not_yet.is_none()).map(|k| k.name);
                finding.help(format!("its keys are {}", all_of(names)))
            }
        };
        self.findings.push(finding);
        near
    }

    fn merge_key(&mut self, entry: &mut Entry) {
        self.findings.push(
            Finding::error("merge-key", entry.key.span.clone(), "`<<` merges nothing here")
                .label("not part of YAML 1.2")
                .help("write the keys out; `&name` and `*name` work for whole values"),
        );
        entry.value.kind = Kind::Broken;
    }

    fn require(&mut self, node: &Node, key: &'static Key, noun: &str, owner: &NodeKey) {
        if node.entry(key.name).is_some() {
            return;
        }
        let place = if owner.text.is_empty() {
            node.head(self.files)
        } else {
            owner.span.clone()
        };
        let help = match key.example {
            Some(example) => format!("add `{}: {}`", key.name, flow(example)),
            None => format!(
                "add `{}:`: {}",
                key.name,
                lowercase_start(key.doc).trim_end_matches('.')
            ),
        };
        self.findings.push(
            Finding::error("missing-key", place, format!("{noun} needs `{}`", key.name))
                .label(format!("`{}` is missing", key.name))
                .help(help),
        );
    }

    /// The second and later ones of equal keys are reported and taken out.
    fn duplicates(&mut self, node: &mut Node) {
        let Kind::Map(entries) = &mut node.kind else {
            return;
        };
        let mut first: std::collections::HashMap<String, Span> = std::collections::HashMap::new();
        let findings = &mut *self.findings;
        entries.retain(|entry| match first.get(&entry.key.text) {
            Some(before) => {
                findings.push(
                    Finding::error(
                        "duplicate-key",
                        entry.key.span.clone(),
                        format!("`{}` is there twice", entry.key.text),
                    )
                    .label("again here")
                    .also(before.clone(), "first here")
                    .help("keep one of them"),
                );
                false
            }
            None => {
                first.insert(entry.key.text.clone(), entry.key.span.clone());
                true
            }
        });
    }

    fn duplicates_everywhere(&mut self, node: &mut Node) {
        self.duplicates(node);
        match &mut node.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.duplicates_everywhere(item)),
            Kind::Map(entries) => {
                entries
                    .iter_mut()
                    .for_each(|entry| self.duplicates_everywhere(&mut entry.value));
            }
            Kind::Scalar(_) | Kind::Broken => {}
        }
    }

    pub(super) fn no_value(&mut self, node: &mut Node, owner: &NodeKey, expected: &str) {
        self.findings.push(
            Finding::error(
                "wrong-type",
                owner.span.clone(),
                format!("`{}` has no value", owner.text),
            )
            .label(format!("expected {expected}")),
        );
        node.kind = Kind::Broken;
    }

    pub(super) fn wrong_type(
        &mut self,
        node: &mut Node,
        owner: &NodeKey,
        expected: &str,
        help: Option<String>,
    ) {
        let found = node.what();
        if found == "nothing" && !owner.text.is_empty() {
            self.no_value(node, owner, expected);
            return;
        }
        let message = if owner.text.is_empty() {
            format!("expected {expected}, found {found}")
        } else {
            format!("`{}` takes {expected}", owner.text)
        };
        let finding =
            Finding::error("wrong-type", node.head(self.files), message).label(format!("this is {found}"));
        self.findings.push(match help {
            Some(help) => finding.help(help),
            None => finding,
        });
        node.kind = Kind::Broken;
    }

    pub(super) fn not_yet(&mut self, what: &str, span: Span, instead: &str) {
        let finding = Finding::error(
            "not-yet",
            span,
            format!("{what} is part of the language, but not supported by this version"),
        )
        .label("not in this version");
        self.findings.push(if instead.is_empty() {
            finding
        } else {
            finding.help(instead)
        });
    }
}

fn other_word(name: &str, known: &mut dyn Iterator<Item = &'static str>) -> Option<&'static str> {
    let known: Vec<&'static str> = known.collect();
    OTHER_WORDS
        .iter()
        .find(|(wrong, right)| *wrong == name && known.contains(right))
        .map(|(_, right)| *right)
}

/// A JSON example as the flow YAML that one would type.
fn flow(json: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(value) => flow_value(&value),
        Err(_) => json.to_owned(),
    }
}

fn flow_value(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::String(text)
            if text.contains([',', '[', ']', '{', '}', '#', '"'])
                || text.contains(": ")
                || text.starts_with('*') =>
        {
            quoted(text)
        }
        Value::String(text) => text.clone(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(flow_value).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{key}: {}", flow_value(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn lowercase_start(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
