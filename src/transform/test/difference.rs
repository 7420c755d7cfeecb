//! How what a test expects differs from what it found, in words.

use super::super::mapping::{Cell, RowEnd};
use crate::{diag::Span, record::Value};

/// Texts are shown whole up to so many characters.
const SHORT: usize = 60;

/// What is shown of a long text before the place where it begins to differ, and from there on.
const BEFORE: usize = 16;
const BEHIND: usize = 40;

/// A field, or a row, that came out otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The field; empty for the row as a whole.
    pub field: String,
    /// What the test expects: `"Acme"`, `12`, `null`, `parked`.
    pub expected: String,
    /// What came out, in the same form.
    pub found: String,
    /// Where long texts begin to differ: `they differ from character 71 on`.
    pub note: Option<String>,
    /// Why the row was parked: its stable name.
    pub code: Option<String>,
    /// What to do about that.
    pub help: Option<String>,
    /// Where the test says what it expects.
    pub expected_at: Span,
    /// Where the field is mapped; of a whole row the field that decided, else the step.
    pub made_at: Option<Span>,
}

impl Difference {
    pub(super) fn of_field(
        field: &str,
        expected: &Value,
        found: &Cell,
        expected_at: Span,
        made_at: Option<Span>,
    ) -> Difference {
        let (shown, seen, note) = match found {
            Cell::Value(found) => both(expected, found),
            Cell::Null | Cell::Clear => (show(expected), "null".to_owned(), None),
            Cell::Omit | Cell::Later | Cell::Held(_) => (show(expected), "left out".to_owned(), None),
        };
        Difference {
            field: field.to_owned(),
            expected: shown,
            found: seen,
            note,
            code: None,
            help: None,
            expected_at,
            made_at,
        }
    }

    pub(super) fn of_row(
        expected: &str,
        end: &RowEnd,
        expected_at: Span,
        made_at: Option<Span>,
    ) -> Difference {
        let (found, reason) = match end {
            RowEnd::Mapped(_) => ("a mapped row".to_owned(), None),
            RowEnd::Filtered => ("filtered".to_owned(), None),
            RowEnd::Parked(reason) => (format!("parked as `{}`", reason.code), Some(reason)),
            RowEnd::Stop(reason) => (format!("the run would stop, as `{}`", reason.code), Some(reason)),
            RowEnd::Pending => ("unanswered".to_owned(), None),
        };
        let found = match reason {
            Some(reason) => match &reason.field {
                Some(field) => format!("{found} in {field}: {}", reason.message),
                None => format!("{found}: {}", reason.message),
            },
            None => found,
        };
        Difference {
            field: String::new(),
            expected: expected.to_owned(),
            found,
            note: None,
            code: reason.map(|reason| reason.code.to_string()),
            help: reason
                .map(|reason| reason.help.clone())
                .filter(|help| !help.is_empty()),
            expected_at,
            made_at,
        }
    }
}

/// Whether a test's value is the one that was found. Expected values come from YAML: there a number may stand for the
/// text of the same digits, and null for a field that is left out.
pub(super) fn same(expected: &Value, found: &Cell) -> bool {
    match found {
        Cell::Null | Cell::Clear | Cell::Omit | Cell::Later | Cell::Held(_) => expected.is_null(),
        Cell::Value(Value::Number(found)) => match expected {
            Value::Number(e) => {
                e.to_decimal() == found.to_decimal() && e.to_decimal().is_some() || e == found
            }
            other => other.as_text() == Some(found.as_str()),
        },
        Cell::Value(found @ Value::Json(_)) => expected == found,
        Cell::Value(found) => expected.as_text() == found.as_text() && !matches!(expected, Value::Json(_)),
    }
}

/// Two values that differ: with their types where those differ too, of long texts the parts that do.
fn both(expected: &Value, found: &Value) -> (String, String, Option<String>) {
    if let (Value::Text(a), Value::Text(b)) = (expected, found)
        && (a.chars().count() > SHORT || b.chars().count() > SHORT)
    {
        let at = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
        let note = format!("they differ from character {} on", at + 1);
        return (part(a, at), part(b, at), Some(note));
    }
    let kinds = (expected.kind(), found.kind());
    let typed = |value: &Value| match value {
        // The others show what they are by how they are written.
        Value::Text(_) | Value::Number(_) | Value::Bool(_) if kinds.0 != kinds.1 => {
            format!("{} {}", value.kind(), show(value))
        }
        other => show(other),
    };
    (typed(expected), typed(found), None)
}

/// A text from a little before one of its characters on.
fn part(text: &str, at: usize) -> String {
    let from = at.saturating_sub(BEFORE);
    let shown: String = text.chars().skip(from).take(at - from + BEHIND).collect();
    let more = text.chars().count() > at + BEHIND;
    format!(
        "{}{}{}",
        if from > 0 { "..." } else { "" },
        quote(&shown),
        if more { "..." } else { "" }
    )
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Json(json) => json.to_string(),
        Value::Text(text) => quote(text),
        other => other.as_text().unwrap_or_default().to_owned(),
    }
}

/// In quotes, so that blanks at the ends are seen; one line, whatever the text holds.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control()
                || matches!(c, '\u{a0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}') =>
            {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(expected: Value, found: Cell) -> (String, String, Option<String>) {
        let difference = Difference::of_field("F", &expected, &found, Span::default(), None);
        (difference.expected, difference.found, difference.note)
    }

    fn json(text: &str) -> Value {
        Value::from_json(&serde_json::from_str(text).expect("JSON"))
    }

    #[test]
    fn types_are_told_where_they_differ() {
        for (expected, found, a, b) in [
            ("\"12\"", "\"12 \"", "\"12\"", "\"12 \""),
            ("\"12.50\"", "12.5", "text \"12.50\"", "number 12.5"),
            ("true", "\"yes\"", "true or false true", "text \"yes\""),
            ("12", "13", "12", "13"),
            ("null", "\"null\"", "null", "text \"null\""),
            ("[\"a\"]", "\"a\"", "[\"a\"]", "text \"a\""),
            ("\"a\\nb\"", "\"a\"", "\"a\\nb\"", "\"a\""),
        ] {
            let (expected, found) = (json(expected), json(found));
            assert!(!same(&expected, &Cell::Value(found.clone())), "{a} {b}");
            assert_eq!(
                shown(expected, Cell::Value(found)),
                (a.to_owned(), b.to_owned(), None)
            );
        }
        assert_eq!(shown(json("1"), Cell::Omit).1, "left out");
        assert_eq!(shown(json("1"), Cell::Clear).1, "null");
    }

    #[test]
    fn long_texts_are_shown_where_they_differ() {
        let same = "x".repeat(100);
        let (expected, found, note) = shown(
            Value::text(format!("{same}{}", "a".repeat(50))),
            Cell::Value(Value::text(format!("{same}b"))),
        );
        assert_eq!(
            expected,
            format!("...\"{}{}\"...", "x".repeat(BEFORE), "a".repeat(BEHIND))
        );
        assert_eq!(found, format!("...\"{}b\"", "x".repeat(BEFORE)));
        assert_eq!(note.as_deref(), Some("they differ from character 101 on"));
    }

    #[test]
    fn a_number_stands_for_the_text_of_its_digits() {
        for (expected, found, is) in [
            ("12", "\"12\"", true),
            ("12.0", "12", true),
            ("\"12\"", "12", true),
            ("12", "\"12.0\"", false),
            ("[1]", "[1]", true),
            ("{\"a\":1}", "{\"a\":2}", false),
        ] {
            assert_eq!(
                same(&json(expected), &Cell::Value(json(found))),
                is,
                "{expected} {found}"
            );
        }
        assert!(same(&Value::Null, &Cell::Omit));
        assert!(!same(&json("[1]"), &Cell::Value(Value::Bool(true))));
    }
}
