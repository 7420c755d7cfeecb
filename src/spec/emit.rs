//! Values as YAML that reads back as they are, for texts that are put into the user's files or shown to be copied.

use serde_json::Value as Json;

use super::node::{Plain, Scalar, Style};

/// A key, in quotes where it needs them.
pub fn key(text: &str) -> String {
    match is_safe(text) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A text, in quotes where it would be read as something else without.
pub fn text(text: &str) -> String {
    let plain = Scalar {
        text: text.to_owned(),
        style: Style::Plain,
    };
    match is_safe(text) && plain.plain() == Plain::Text {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// Any value in one line, as it may stand in braces too.
pub fn flow(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(flag) => flag.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(string) => text(string),
        Json::Array(list) => {
            let entries: Vec<String> = list.iter().map(flow).collect();
            format!("[{}]", entries.join(", "))
        }
        Json::Object(map) if map.is_empty() => "{}".to_owned(),
        Json::Object(map) => {
            let entries: Vec<String> = map
                .iter()
                .map(|(name, value)| format!("{}: {}", key(name), flow(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Whether a text can stand without quotes wherever a value or a key may stand, as far as its signs go.
fn is_safe(text: &str) -> bool {
    let sign = |c: char| c.is_alphanumeric() || "_-./@+ ".contains(c);
    text.starts_with(char::is_alphanumeric) && !text.ends_with(' ') && text.chars().all(sign)
}

/// In double quotes (YAML 1.2, section 5.7): one line, every sign that is not seen as an escape.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unseen(c) => match u32::from(c) {
                code @ 0..=0xff => out.push_str(&format!("\\x{code:02x}")),
                code @ 0x100..=0xffff => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            },
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{a0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::spec::Loader;

    /// What is read of it, as a value in a list, in braces and behind a key.
    fn read(value: &Json) -> Vec<Json> {
        let written = flow(value);
        let mut loader = Loader::default();
        let file = format!("version: 1\nx: {written}\ny: {{ a: {written}, b: [{written}] }}\n");
        let mut findings = Vec::new();
        let at = loader.files.add(Path::new("a.yaml"), file.clone());
        let root = crate::spec::yaml::parse(&loader.files, at, &mut findings);
        let root = root.unwrap_or_else(|| panic!("{file}: {findings:?}")).to_json();
        vec![
            root["x"].clone(),
            root["y"]["a"].clone(),
            root["y"]["b"][0].clone(),
        ]
    }

    #[test]
    fn values_are_written_as_a_person_would() {
        for (value, expected) in [
            ("\"Acme\"", "Acme"),
            ("\"ann.lee@acme.example\"", "ann.lee@acme.example"),
            ("\"12\"", "\"12\""),
            ("\"001E10\"", "\"001E10\""),
            ("\"null\"", "\"null\""),
            ("\"NO\"", "NO"),
            ("\"2026-01-31\"", "2026-01-31"),
            ("\"+49 30\"", "\"+49 30\""),
            ("\"a: b\"", "\"a: b\""),
            ("\" a\"", "\" a\""),
            ("\"- a\"", "\"- a\""),
            ("\"a\\nb\\u2028\"", "\"a\\nb\\u2028\""),
            ("12.50", "12.50"),
            ("[1,\"a\",null]", "[1, a, null]"),
            (
                "{\"a b\":{\"#\":true},\"n\":{}}",
                "{ a b: { \"#\": true }, n: {} }",
            ),
        ] {
            let value: Json = serde_json::from_str(value).expect("JSON");
            assert_eq!(flow(&value), expected);
            assert_eq!(read(&value), vec![value.clone(); 3], "{expected}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_back(text in "\\PC*|[ -~\\n\\t]*|[\\x00-\\x1f\\x7f-\\u{a0}\u{feff}]*") {
            let value = Json::String(text);
            prop_assert_eq!(read(&value), vec![value.clone(); 3]);
            let mut map = serde_json::Map::new();
            map.insert(value.as_str().unwrap_or_default().to_owned(), Json::Null);
            let value = Json::Object(map);
            prop_assert_eq!(read(&value), vec![value.clone(); 3]);
        }
    }
}
