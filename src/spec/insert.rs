//! Tests that are put into a pipeline file, behind those that its step has. Everything else in the file stays as it is,
//! letter by letter; that it still means the same is read again and compared before anybody gets the text.

use std::path::Path;

use serde_json::Value as Json;

use super::{
    emit,
    format::{comments, read, same},
    node::{Entry, Kind, Node},
};

/// Why tests cannot be put into a text. Nothing is wrong with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInserted {
    /// It cannot be read.
    #[error("it is no YAML")]
    Broken,
    /// There is no such step, or it is no map of its own.
    #[error("the step does not stand there with keys of its own")]
    NoStep,
    /// What would come out means something else.
    #[error("the file would not mean the same with them")]
    Differs,
}

/// One line of a map takes so many letters; longer ones are laid out as blocks.
const WIDTH: usize = 100;

/// The text with these tests (each the map of a test) at the end of the step's.
///
/// # Errors
/// When there is no place for them that leaves the rest as it is.
pub fn add_tests(path: &Path, text: &str, step: &str, tests: &[Json]) -> Result<String, NotInserted> {
    let (mark, bare) = match text.strip_prefix('\u{feff}') {
        Some(bare) => ("\u{feff}", bare),
        None => ("", text),
    };
    let before = read(path, bare).map_err(|_| NotInserted::Broken)?;
    let entry = step_of(&before, step).ok_or(NotInserted::NoStep)?;
    let line_end = if bare.contains("\r\n") { "\r\n" } else { "\n" };
    let after = inserted(bare, entry, tests)
        .ok_or(NotInserted::NoStep)?
        .text(bare, line_end);
    verify(path, bare, &before, &after, step, tests)?;
    Ok(format!("{mark}{after}"))
}

fn step_of<'n>(root: &'n Node, step: &str) -> Option<&'n Entry> {
    root.get("steps")?.entry(step)
}

/// A change of a text.
struct Insertion {
    at: std::ops::Range<usize>,
    /// Lines of its own, or a piece of a line.
    what: Piece,
}

enum Piece {
    Lines(Vec<String>),
    Inline(String),
}

impl Insertion {
    fn text(&self, text: &str, line_end: &str) -> String {
        let (head, tail) = (&text[..self.at.start], &text[self.at.end..]);
        match &self.what {
            Piece::Inline(piece) => format!("{head}{piece}{tail}"),
            Piece::Lines(lines) => {
                let own_line = match head.is_empty() || head.ends_with('\n') {
                    true => "",
                    false => line_end,
                };
                let lines: String = lines.iter().map(|line| format!("{line}{line_end}")).collect();
                format!("{head}{own_line}{lines}{tail}")
            }
        }
    }
}

fn inserted(text: &str, step: &Entry, tests: &[Json]) -> Option<Insertion> {
    let flows = || tests.iter().map(emit::flow).collect::<Vec<_>>().join(", ");
    if let Some(list) = step.value.entry("tests") {
        let items = list.value.items();
        let range = list.value.span.range.clone();
        if text[range.clone()].starts_with('[') {
            let close = range
                .end
                .checked_sub(1)
                .filter(|at| text[*at..].starts_with(']'))?;
            let piece = match items.is_empty() {
                true => flows(),
                false => format!(", {}", flows()),
            };
            return Some(Insertion {
                at: close..close,
                what: Piece::Inline(piece),
            });
        }
        let indent = dash(text, items.first()?.span.range.start)?;
        let at = line_behind(text, end_of(&list.value));
        return Some(Insertion {
            at: at..at,
            what: Piece::Lines(blocks(tests, indent)),
        });
    }
    let range = step.value.span.range.clone();
    if text[range.clone()].starts_with('{') {
        let close = range
            .end
            .checked_sub(1)
            .filter(|at| text[*at..].starts_with('}'))?;
        let head = text[..close].trim_end();
        let comma = if head.ends_with(',') { "" } else { "," };
        return Some(Insertion {
            at: head.len()..close,
            what: Piece::Inline(format!("{comma} tests: [{}] ", flows())),
        });
    }
    let first = step.value.entries().first()?;
    let indent = column(text, first.key.span.range.start)?;
    let at = line_behind(text, end_of(&step.value));
    let mut lines = vec![format!("{}tests:", " ".repeat(indent))];
    lines.extend(blocks(tests, indent + 2));
    Some(Insertion {
        at: at..at,
        what: Piece::Lines(lines),
    })
}

/// How far a key that begins its line is indented.
fn column(text: &str, at: usize) -> Option<usize> {
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    text[line..at].bytes().all(|b| b == b' ').then_some(at - line)
}

/// How far the dash of a list's entry is indented.
fn dash(text: &str, entry: usize) -> Option<usize> {
    let before = text[..entry].trim_end();
    column(text, before.strip_suffix('-')?.len())
}

/// The last byte of a value's parts.
fn end_of(node: &Node) -> usize {
    let parts = match &node.kind {
        Kind::List(items) => items.iter().map(end_of).max(),
        Kind::Map(entries) => entries
            .iter()
            .map(|entry| end_of(&entry.value).max(entry.key.span.range.end))
            .max(),
        Kind::Scalar(_) | Kind::Broken => None,
    };
    parts.unwrap_or(0).max(node.span.range.end)
}

/// The start of the line behind a value.
fn line_behind(text: &str, end: usize) -> usize {
    let end = text[..end].trim_end().len();
    text[end..].find('\n').map_or(text.len(), |at| end + at + 1)
}

/// Tests as entries of a block list.
fn blocks(tests: &[Json], indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for test in tests {
        let mut block = Vec::new();
        map_lines(test, indent + 2, &mut block);
        if let Some(first) = block.first_mut() {
            first.replace_range(indent..=indent, "-");
        }
        lines.extend(block);
    }
    lines
}

/// The keys of a map, each in a line where it fits, else as a block.
fn map_lines(value: &Json, indent: usize, lines: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let head = format!("{}{}:", " ".repeat(indent), emit::key(name));
        let flow = format!("{head} {}", emit::flow(value));
        match value {
            Json::Object(map) if flow.chars().count() > WIDTH && !map.is_empty() => {
                lines.push(head);
                map_lines(value, indent + 2, lines);
            }
            _ => lines.push(flow),
        }
    }
}

/// The new text says what the old one said, and the tests.
fn verify(
    path: &Path,
    text: &str,
    before: &Node,
    after: &str,
    step: &str,
    tests: &[Json],
) -> Result<(), NotInserted> {
    let mut now = read(path, after).map_err(|_| NotInserted::Differs)?;
    let had = step_of(before, step).and_then(|entry| entry.value.entry("tests"));
    let count = had.map(|list| list.value.items().len());
    let taken = take_tests(&mut now, step, count).ok_or(NotInserted::Differs)?;
    let taken: Vec<Json> = taken.iter().map(Node::to_json).collect();
    let alike = taken == tests && same(before, &now) && comments(text) == comments(after);
    alike.then_some(()).ok_or(NotInserted::Differs)
}

/// Takes out of a step's tests those behind the first `count`; where it had none, the key too.
fn take_tests(root: &mut Node, step: &str, count: Option<usize>) -> Option<Vec<Node>> {
    let steps = value_of(root, "steps")?;
    let Kind::Map(keys) = &mut value_of(steps, step)?.kind else {
        return None;
    };
    let at = keys.iter().position(|entry| entry.key.text == "tests")?;
    let Kind::List(items) = &mut keys[at].value.kind else {
        return None;
    };
    match count {
        Some(count) => (count <= items.len()).then(|| items.split_off(count)),
        None => match keys.remove(at).value.kind {
            Kind::List(items) => Some(items),
            _ => None,
        },
    }
}

fn value_of<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    match &mut node.kind {
        Kind::Map(entries) => entries
            .iter_mut()
            .find(|entry| entry.key.text == key)
            .map(|entry| &mut entry.value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str) -> Result<String, NotInserted> {
        let tests: Vec<Json> = [
            r#"{"name":"recorded 001A","given":{"Id":"001A","Zip":"01067"},"expect":"parked"}"#,
            r#"{"name":"recorded 001B","given":{},"expect":{"N":12.50}}"#,
        ]
        .iter()
        .map(|text| serde_json::from_str(text).expect("JSON"))
        .collect();
        add_tests(Path::new("a.yaml"), text, "a", &tests)
    }

    #[test]
    fn tests_come_behind_the_others_in_the_files_own_form() {
        let first = "name: recorded 001A\n{i}  given: { Id: 001A, Zip: \"01067\" }\n{i}  expect: parked\n";
        let second = "name: recorded 001B\n{i}  given: {}\n{i}  expect: { N: 12.50 }\n";
        let block = |indent: &str| format!("{indent}- {first}{indent}- {second}").replace("{i}", indent);
        let flow = "{ name: recorded 001A, given: { Id: 001A, Zip: \"01067\" }, expect: parked }, { name: recorded 001B, given: {}, expect: { N: 12.50 } }";
        for (text, expected) in [
            // No tests yet; what follows stays where it is.
            (
                "steps:\n  a:\n    map: { Id: Id } # why\n\n  # next\n  b: {}\n",
                format!(
                    "steps:\n  a:\n    map: {{ Id: Id }} # why\n    tests:\n{}\n  # next\n  b: {{}}\n",
                    block("      ")
                ),
            ),
            // A list at the key's own column, four spaces a level, no end of line.
            (
                "steps:\n    a:\n        tests:\n        - name: x # y\n          expect: parked\n        when: |\n            x\n",
                format!(
                    "steps:\n    a:\n        tests:\n        - name: x # y\n          expect: parked\n{}        when: |\n            x\n",
                    block("        ")
                ),
            ),
            (
                "steps:\n  a:\n    x: |\n      text\n\n  b: {}\n",
                format!(
                    "steps:\n  a:\n    x: |\n      text\n    tests:\n{}\n  b: {{}}\n",
                    block("      ")
                ),
            ),
            (
                "steps:\n  a:\n    x: 1",
                format!("steps:\n  a:\n    x: 1\n    tests:\n{}", block("      ")),
            ),
            (
                "steps: { a: { x: 1 } }\n",
                format!("steps: {{ a: {{ x: 1, tests: [{flow}] }} }}\n"),
            ),
            (
                "steps:\n  a:\n    tests: []\n",
                format!("steps:\n  a:\n    tests: [{flow}]\n"),
            ),
            (
                "steps:\n  a:\n    tests: [{ name: x }]\n",
                format!("steps:\n  a:\n    tests: [{{ name: x }}, {flow}]\n"),
            ),
        ] {
            assert_eq!(added(text), Ok(expected), "{text}");
        }
        let crlf = added("steps:\r\n  a:\r\n    x: 1\r\n").expect("a text");
        assert_eq!(crlf.matches("\r\n").count(), crlf.matches('\n').count());
        assert!(added("\u{feff}steps:\n  a:\n    x: 1\n").is_ok_and(|text| text.starts_with('\u{feff}')));
    }

    #[test]
    fn what_would_change_the_rest_is_refused() {
        // The keys stand in another step too.
        let shared = "steps:\n  b: &b\n    x: 1\n  a: *b\n";
        assert_eq!(added(shared), Err(NotInserted::Differs));
        assert_eq!(added("steps:\n  b:\n    x: 1\n"), Err(NotInserted::NoStep));
        assert_eq!(added("steps: [\n"), Err(NotInserted::Broken));
    }
}
