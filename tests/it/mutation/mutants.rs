//! One break at a time: what can go wrong in a file when somebody types.

use std::path::Path;

use orgferry::spec::{Kind, Loader, Node, Style};

/// A file with one break in it.
pub(crate) struct Mutant {
    /// The kind of break.
    pub(crate) op: &'static str,
    /// What the broken thing is: its path, with names that users choose as `*`.
    pub(crate) role: String,
    /// The line of the break, from 1.
    pub(crate) line: usize,
    /// What the rows of the step come from, the key of its source; empty outside of steps.
    pub(crate) rows: &'static str,
    /// Whether it stands between two digits.
    pub(crate) in_number: bool,
    /// What stood there.
    pub(crate) was: String,
    /// What stands there now.
    pub(crate) now: String,
    /// The whole text.
    pub(crate) text: String,
}

/// A key or a value of the file.
struct Token {
    start: usize,
    end: usize,
    key: bool,
    role: String,
    style: Option<Style>,
    what: &'static str,
    rows: &'static str,
}

impl Token {
    /// Whether a part of an expression is in quotes, or a part of a template outside of its braces.
    fn is_text_at(&self, slice: &str, at: usize) -> bool {
        if self.key {
            return false;
        }
        let outer = matches!(self.style, Some(Style::Single | Style::Double));
        let (mut quote, mut inside) = (None, false);
        for (place, c) in slice[..at].char_indices() {
            let delimits = outer && place == 0;
            match (quote, c) {
                (Some(open), _) if open == c => quote = None,
                (None, '\'' | '"') if !delimits => quote = Some(c),
                _ => {}
            }
            if slice[place..].starts_with("{{") || slice[place..].starts_with("{%") {
                (inside, quote) = (true, None);
            } else if slice[place..].starts_with("}}") || slice[place..].starts_with("%}") {
                (inside, quote) = (false, None);
            }
        }
        match slice.contains("{{") || slice.contains("{%") {
            true => quote.is_some() || !inside,
            false => quote.is_some(),
        }
    }
}

/// Every break of a text. The order is the same in every run.
pub(crate) fn all(path: &Path, text: &str) -> Vec<Mutant> {
    let tree = tree(path, text).expect("a right file is YAML");
    let mut tokens = Vec::new();
    let walk = Walk {
        steps: tree.get("steps"),
        rows: "",
    };
    walk.node(&tree, "", true, &mut tokens);
    tokens.retain(|token| token.end <= text.len() && token.start < token.end);
    let mut maker = Maker {
        text,
        tokens: &tokens,
        made: Vec::new(),
    };
    maker.words();
    maker.values();
    maker.signs();
    maker.lines();
    maker.made
}

/// The tree of a text, without a check.
pub(crate) fn tree(path: &Path, text: &str) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Includes are not followed: what they bring is no part of this text.
    let nowhere = Path::new("/nowhere").join(path.file_name().expect("a name"));
    let mut loader = Loader::default();
    let document = loader.parse(&nowhere, text.to_owned(), None)?;
    // A line that has slipped is read where it was probably meant: that is not what the text says.
    let as_meant = ["wrong-indentation", "yaml-syntax"];
    if loader
        .findings
        .iter()
        .any(|finding| as_meant.contains(&finding.code))
    {
        return None;
    }
    Some(document.root)
}

/// What a text says, without where it says it.
pub(crate) fn meaning(node: &Node, text: &str) -> String {
    match &node.kind {
        // What could not be read, the path of an include for one, is what was typed.
        Kind::Broken => {
            let typed = text.get(node.span.range.clone()).unwrap_or_default();
            typed.split_whitespace().collect::<Vec<_>>().join(" ")
        }
        Kind::Scalar(scalar) => {
            let words: Vec<&str> = scalar.text.split_whitespace().collect();
            format!("{:?} {:?}", scalar.plain(), words.join(" "))
        }
        Kind::List(items) => format!(
            "[{}]",
            items
                .iter()
                .map(|item| meaning(item, text))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        Kind::Map(entries) => {
            let mut parts: Vec<String> = entries
                .iter()
                .map(|entry| format!("{:?}: {}", entry.key.text, meaning(&entry.value, text)))
                .collect();
            parts.sort();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

/// Maps whose keys the user chooses.
const CHOSEN: [&str; 24] = [
    "steps",
    "vars",
    "tables",
    "tables.*",
    "map",
    "given",
    "expect",
    "refs",
    "refs.*",
    "lookups",
    "lookups.*",
    "external_credentials",
    "principals",
    "named_credentials",
    "headers",
    "permission_sets",
    "query",
    "environments",
    "table",
    "body",
    "given.*",
    "refs.*.*",
    "lookups.*.*",
    "deletes.set",
];

/// Kinds of sources, by their key.
const SOURCES: [&str; 6] = ["object", "soql", "http", "csv", "jsonl", "same_as"];

#[derive(Clone, Copy)]
struct Walk<'t> {
    steps: Option<&'t Node>,
    rows: &'static str,
}

impl Walk<'_> {
    fn node(self, node: &Node, path: &str, own: bool, tokens: &mut Vec<Token>) {
        let what = node.what();
        let style = node.scalar().map(|scalar| scalar.style);
        let rows = self.rows;
        if !path.is_empty() && own {
            tokens.push(Token {
                start: node.span.range.start,
                end: node.span.range.end,
                key: false,
                role: path.to_owned(),
                style,
                what,
                rows,
            });
        }
        for item in node.items() {
            self.node(item, &format!("{path}[]"), own, tokens);
        }
        let below = |name: &str| path == name || path.ends_with(&format!(".{name}"));
        let chosen =
            (CHOSEN.iter().any(|name| below(name)) && !path.ends_with("query.*")) || path.contains(".body.");
        for entry in node.entries() {
            let name = if chosen { "*" } else { entry.key.text.as_str() };
            let role = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            };
            tokens.push(Token {
                start: entry.key.span.range.start,
                end: entry.key.span.range.end,
                key: true,
                role: format!("{role} (key)"),
                style: None,
                what: "a key",
                rows,
            });
            // An alias stands for what is elsewhere.
            let own = own && entry.value.span.range.start >= entry.key.span.range.end;
            if own {
                let rows = if path == "steps" {
                    self.source(&entry.value)
                } else {
                    rows
                };
                Walk { rows, ..self }.node(&entry.value, &role, own, tokens);
            }
        }
    }

    /// What a step reads; of one that reads the same as another, what that one reads.
    fn source(self, step: &Node) -> &'static str {
        let source = step.get("source");
        let kind = SOURCES
            .iter()
            .find(|kind| source.is_some_and(|source| source.get(kind).is_some()));
        let other = source
            .and_then(|source| source.get("same_as"))
            .and_then(Node::text)
            .and_then(|name| self.steps?.get(name));
        other.map_or_else(|| kind.copied().unwrap_or_default(), |other| self.source(other))
    }
}

struct Maker<'t> {
    text: &'t str,
    tokens: &'t [Token],
    made: Vec<Mutant>,
}

impl Maker<'_> {
    fn push(
        &mut self,
        op: &'static str,
        (role, rows): (&str, &'static str),
        range: std::ops::Range<usize>,
        now: &str,
    ) {
        let was = &self.text[range.clone()];
        if was == now {
            return;
        }
        let mut text = self.text.to_owned();
        text.replace_range(range.clone(), now);
        self.made.push(Mutant {
            op,
            role: role.to_owned(),
            line: self.text[..range.start].matches('\n').count() + 1,
            rows,
            in_number: self.text[..range.start].ends_with(|c: char| c.is_ascii_digit())
                && self.text[range.end..].starts_with(|c: char| c.is_ascii_digit()),
            was: was.to_owned(),
            now: now.to_owned(),
            text,
        });
    }

    /// Misspellings, in keys and in every word of a value.
    fn words(&mut self) {
        for token in self.tokens {
            if !token.key && token.style.is_none() {
                continue;
            }
            let slice = &self.text[token.start..token.end];
            let mut at = 0;
            while at < slice.len() {
                let c = slice[at..].chars().next().expect("a character");
                if !(c.is_alphanumeric() || c == '_') {
                    at += c.len_utf8();
                    continue;
                }
                let rest = &slice[at..];
                let end = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                let word = &rest[..end];
                let role = match token.is_text_at(slice, at) {
                    true => format!("{} 'text'", token.role),
                    false => token.role.clone(),
                };
                let from = token.start + at;
                if word.len() > 1 && !word.bytes().all(|b| b.is_ascii_digit()) {
                    for (op, wrong) in misspelt(word) {
                        self.push(op, (&role, token.rows), from..from + end, &wrong);
                    }
                }
                at += end;
            }
        }
    }

    /// Values of another kind, and none.
    fn values(&mut self) {
        for token in self.tokens.iter().filter(|token| !token.key) {
            let range = token.start..token.end;
            let block = token.style == Some(Style::Block)
                || (token.style.is_none() && !self.text[token.start..].starts_with(['{', '[']));
            if block {
                continue;
            }
            let role = token.role.clone();
            for (op, kind, now) in [
                ("text instead", "text", "abc"),
                ("a number instead", "a number", "12.5"),
                ("true instead", "true or false", "true"),
                ("a list instead", "a list", "[a, b]"),
                ("a map instead", "a map", "{ a: b }"),
            ] {
                if token.what != kind {
                    self.push(op, (&role, token.rows), range.clone(), now);
                }
            }
            self.push(
                "an unknown name instead",
                (&role, token.rows),
                range.clone(),
                "nosuch",
            );
            if !self.text[..token.start].ends_with(['{', '[', ' ', '\n']) {
                continue;
            }
            self.push("no value", (&role, token.rows), range.clone(), "");
        }
    }

    /// Signs dropped, in values and around them.
    fn signs(&mut self) {
        for (at, c) in self.text.char_indices() {
            if !"{}[]()|,.:'\"*=<>%/+".contains(c) {
                continue;
            }
            let line = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
            if self.text[line..at].trim_start().starts_with('#') || self.text[line..at].contains(" #") {
                continue;
            }
            let (role, rows) = self.role_at(at);
            let place = (role.as_str(), rows);
            let op = match c {
                '{' | '}' => "a brace dropped",
                '[' | ']' => "a bracket dropped",
                '(' | ')' => "a parenthesis dropped",
                '\'' | '"' => "a quote dropped",
                ':' => "a colon dropped",
                ',' => "a comma dropped",
                '|' => "a bar dropped",
                '.' => "a dot dropped",
                _ => "an operator dropped",
            };
            self.push(op, place, at..at + c.len_utf8(), "");
            match c {
                '"' => self.push("a quote swapped", place, at..at + 1, "'"),
                '\'' => self.push("a quote swapped", place, at..at + 1, "\""),
                ':' if self.text[at + 1..].starts_with(' ') => {
                    self.push("no space behind a colon", place, at..at + 2, ":");
                }
                '|' => self.push("a sign doubled", place, at..at + 1, "||"),
                _ => {}
            }
        }
    }

    /// Lines dropped, doubled and moved.
    fn lines(&mut self) {
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            let end = start + line.len();
            let bare = line.trim();
            let indent = line.len() - line.trim_start().len();
            if !bare.is_empty() && !bare.starts_with('#') {
                let (role, rows) = self.role_at(start + indent);
                let place = (role.as_str(), rows);
                self.push("a line dropped", place, start..end, "");
                let twice = if line.ends_with('\n') {
                    line.repeat(2)
                } else {
                    format!("{line}\n{line}")
                };
                self.push("a line doubled", place, start..end, &twice);
                for (op, more) in [
                    ("indented by 1", " "),
                    ("indented by 2", "  "),
                    ("indented by a tab", "\t"),
                ] {
                    self.push(op, place, start..start, more);
                }
                for (op, less) in [("outdented by 1", 1), ("outdented by 2", 2)] {
                    if indent >= less {
                        self.push(op, place, start..start + less, "");
                    }
                }
            }
            start = end;
        }
    }

    /// What stands at a byte: the smallest key or value around it, else what comes next.
    fn role_at(&self, at: usize) -> (String, &'static str) {
        let inside = self
            .tokens
            .iter()
            .filter(|token| token.start <= at && at < token.end)
            .min_by_key(|token| token.end - token.start);
        let before = || {
            self.tokens
                .iter()
                .filter(|token| token.end <= at)
                .max_by_key(|token| token.end)
        };
        let Some(token) = inside.or_else(before) else {
            return ("the file".to_owned(), "");
        };
        let text = inside.is_some()
            && token.style.is_some()
            && !self.text[at..].starts_with(['{', '}', '\'', '"'])
            && token.is_text_at(&self.text[token.start..token.end], at - token.start);
        let role = match text {
            true => format!("{} 'text'", token.role),
            false => token.role.clone(),
        };
        (role, token.rows)
    }
}

/// A word with one slip in it.
fn misspelt(word: &str) -> Vec<(&'static str, String)> {
    let chars: Vec<char> = word.chars().collect();
    let middle = chars.len() / 2;
    let mut dropped = chars.clone();
    dropped.remove(middle);
    let mut doubled = chars.clone();
    doubled.insert(middle, chars[middle]);
    let mut swapped = chars.clone();
    swapped.swap(middle - 1, middle);
    let mut other = chars.clone();
    other[middle] = if chars[middle] == 'x' { 'q' } else { 'x' };
    let join = |chars: Vec<char>| chars.into_iter().collect::<String>();
    vec![
        ("a letter dropped", join(dropped)),
        ("a letter doubled", join(doubled)),
        ("letters swapped", join(swapped)),
        ("another letter", join(other)),
    ]
}
