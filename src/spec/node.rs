use crate::diag::{Files, Span};

use super::scalar::Segments;

/// A value of a YAML file as it was typed.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it stands; of a block map or list from its first entry to its last.
    pub span: Span,
}

/// What a [`Node`] is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Text, number, true, null: whatever has no parts.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the file's order. Keys may be there twice until the shapes have been checked.
    Map(Vec<Entry>),
    /// Something that was already complained about; nothing more is said about it.
    Broken,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// Its value.
    pub value: Node,
}

/// A key of a map.
#[derive(Clone, Debug)]
pub struct Key {
    /// As typed, without quotes.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A value without parts.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// What was typed, quotes and escapes resolved; never reinterpreted: `NO`, `001E10` and `66.0` stay as they are.
    pub text: String,
    /// How it was written.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'...'`
    Single,
    /// `"..."`
    Double,
    /// `|` or `>`
    Block,
}

/// What a scalar is by the core schema of YAML 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A decimal number.
    Number,
    /// All else.
    Text,
}

impl Scalar {
    /// What it is. What was quoted is text.
    pub fn plain(&self) -> Plain {
        if self.style != Style::Plain {
            return Plain::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
            "true" | "True" | "TRUE" => Plain::Bool(true),
            "false" | "False" | "FALSE" => Plain::Bool(false),
            text if is_number(text) => Plain::Number,
            _ => Plain::Text,
        }
    }

    /// Whether it is a number whose zeros in front would be lost: a postcode, not an amount.
    pub fn has_leading_zeros(&self) -> bool {
        let digits = self.text.trim_start_matches(['-', '+']).as_bytes();
        self.plain() == Plain::Number && digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit()
    }

    /// Whether it looks like a date, `2026-01-31`.
    pub fn is_bare_date(&self) -> bool {
        let text = self.text.as_bytes();
        self.style == Style::Plain
            && text.len() >= 10
            && text[..10].iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
            && (text.len() == 10 || matches!(text[10], b'T' | b' '))
    }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent_ok = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    let mantissa_ok = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    exponent_ok && mantissa_ok
}

impl Node {
    /// The value of a key; `None` for other kinds too.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Whether it says the same as another one, wherever they stand.
    pub fn same(&self, other: &Node) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Scalar(one), Kind::Scalar(other)) => {
                one.text == other.text && one.plain() == other.plain()
            }
            (Kind::List(one), Kind::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same(other))
            }
            (Kind::Map(one), Kind::Map(other)) => {
                one.len() == other.len()
                    && one.iter().all(|entry| {
                        let found = other.iter().find(|other| other.key.text == entry.key.text);
                        found.is_some_and(|other| other.value.same(&entry.value))
                    })
            }
            _ => false,
        }
    }

    /// A key with its value.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }

    /// The entries of a map; none for other kinds.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entries of a list; none for other kinds.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The entries of a list, or the one value that stands in for a list of one.
    pub fn one_or_more(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The scalar.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The scalar's text.
    pub fn text(&self) -> Option<&str> {
        self.scalar().map(|scalar| scalar.text.as_str())
    }

    /// Whether it was already complained about.
    pub fn is_broken(&self) -> bool {
        matches!(self.kind, Kind::Broken)
    }

    /// Whether this or a part of it was already complained about.
    pub fn has_broken_part(&self) -> bool {
        match &self.kind {
            Kind::Broken => true,
            Kind::Scalar(_) => false,
            Kind::List(items) => items.iter().any(Node::has_broken_part),
            Kind::Map(entries) => entries.iter().any(|entry| entry.value.has_broken_part()),
        }
    }

    /// The word for messages.
    pub fn what(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Broken => "something else",
            Kind::Scalar(scalar) => match scalar.plain() {
                Plain::Null => "nothing",
                Plain::Bool(_) => "true or false",
                Plain::Number => "a number",
                Plain::Text => "text",
            },
        }
    }

    /// Adds the numbers of the files that its parts stand in.
    pub fn files(&self, files: &mut Vec<usize>) {
        if !files.contains(&self.span.file) {
            files.push(self.span.file);
        }
        self.items().iter().for_each(|item| item.files(files));
        self.entries().iter().for_each(|entry| entry.value.files(files));
    }

    /// A span of one line, for labels: the value itself, else its first key, entry or line.
    pub fn head(&self, files: &Files) -> Span {
        let text = files.text(self.span.file);
        let range = files.clamp(&self.span);
        if !text[range.clone()].trim_end().contains('\n') {
            return self.span.clone();
        }
        match &self.kind {
            Kind::Map(entries) if !text[range.clone()].starts_with('{') => entries
                .first()
                .map_or_else(|| self.span.clone(), |entry| entry.key.span.clone()),
            Kind::List(items) if !text[range.clone()].starts_with('[') => items
                .first()
                .map_or_else(|| self.span.clone(), |item| item.head(files)),
            _ => {
                let line = text[range.clone()].lines().next().unwrap_or_default();
                Span::new(self.span.file, range.start..range.start + line.trim_end().len())
            }
        }
    }

    /// Where the part `range` of a scalar's text stands in the file.
    pub fn part(&self, range: std::ops::Range<usize>, files: &Files) -> Span {
        self.parts(files).locate(range)
    }

    /// The map from a scalar's text to the file, for looking up several parts.
    pub fn parts(&self, files: &Files) -> Segments {
        match &self.kind {
            Kind::Scalar(scalar) => Segments::of(scalar, &self.span, files),
            _ => Segments::whole(&self.span),
        }
    }

    /// The value as JSON, scalars read by YAML 1.2.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Broken => Value::Null,
            Kind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.text.clone(), entry.value.to_json()))
                    .collect(),
            ),
            Kind::Scalar(scalar) => match scalar.plain() {
                Plain::Null => Value::Null,
                Plain::Bool(flag) => Value::Bool(flag),
                Plain::Number => crate::record::Number::exact(&scalar.text)
                    .ok()
                    .and_then(|_| serde_json::from_str(scalar.text.trim_start_matches('+')).ok())
                    .unwrap_or_else(|| Value::String(scalar.text.clone())),
                Plain::Text => Value::String(scalar.text.clone()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar {
            text: text.into(),
            style: Style::Plain,
        }
    }

    #[test]
    fn scalars_are_read_by_yaml_1_2() {
        for (text, expected) in [
            ("", Plain::Null),
            ("~", Plain::Null),
            ("null", Plain::Null),
            ("none", Plain::Text),
            ("true", Plain::Bool(true)),
            ("NO", Plain::Text),
            ("yes", Plain::Text),
            ("on", Plain::Text),
            ("12", Plain::Number),
            ("-1.50", Plain::Number),
            ("001E10", Plain::Number),
            (".5", Plain::Number),
            ("5.", Plain::Number),
            (".", Plain::Text),
            ("1e", Plain::Text),
            (".nan", Plain::Text),
            ("0x1f", Plain::Text),
            ("1_000", Plain::Text),
            ("2026-01-31", Plain::Text),
        ] {
            assert_eq!(plain(text).plain(), expected, "{text}");
        }
    }

    #[test]
    fn dates_and_postcodes_are_recognised() {
        for (text, date, zeros) in [
            ("2026-01-31", true, false),
            ("2026-01-31T10:00:00Z", true, false),
            ("2026-01-31x", false, false),
            ("2026-1-31", false, false),
            ("007", false, true),
            ("-01", false, true),
            ("0", false, false),
            ("0.5", false, false),
            ("10", false, false),
        ] {
            assert_eq!(plain(text).is_bare_date(), date, "{text}");
            assert_eq!(plain(text).has_leading_zeros(), zeros, "{text}");
        }
    }
}
