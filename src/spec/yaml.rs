//! YAML text to a [`Node`] tree that knows where everything stood.

use serde::{Deserialize, Deserializer, de};
use serde_yaml::{DuplicateKeyPolicy, Location, MergeKeyPolicy, NonFiniteFloatPolicy, Spanned};

use crate::diag::{Files, Finding, Span};

use super::{
    node::{Entry, Key, Kind, Node, Scalar, Style},
    yaml_fault,
};

/// Reads one document. `None`: it is no YAML, and the findings say why.
///
/// An unquoted `{{ ... }}`, which YAML takes for a map, is complained about and then read over, so that the rest of
/// the file is looked at too.
pub(crate) fn parse(files: &Files, file: usize, findings: &mut Vec<Finding>) -> Option<Node> {
    let mut text = files.text(file).to_owned();
    let mut read_over = Vec::new();
    loop {
        let fault = match typed(&text) {
            Ok(typed) => {
                let reader = Reader {
                    text: &text,
                    file,
                    read_over: &read_over,
                };
                return Some(reader.node(typed));
            }
            Err(fault) => fault,
        };
        match yaml_fault::unquoted_braces(&fault, &text) {
            Some(range) => {
                if read_over.len() == MOST_READ_OVER {
                    findings.push(yaml_fault::braces_finding(&text, file, range));
                    return None;
                }
                findings.push(yaml_fault::braces_finding(&text, file, range.clone()));
                // Quotes of the same length keep every other place where it is.
                let filler = format!("\"{}\"", "x".repeat(range.len() - 2));
                text.replace_range(range.clone(), &filler);
                read_over.push(range.start);
            }
            None => {
                findings.push(yaml_fault::finding(&fault, &text, file));
                return None;
            }
        }
    }
}

/// As often a file is read anew to find what else is wrong with it. Who forgets quotes so often knows it by then.
const MOST_READ_OVER: usize = 40;

/// Maps and lists inside each other.
pub(crate) const DEEPEST: usize = 64;

/// Values and brackets that aliases stand for.
pub(crate) const MOST_REPEATED: usize = 100_000;

/// The reader calls itself for each level, and takes up to 60 KB for one when it is not optimised.
const STACK: usize = DEEPEST * (256 << 10);

/// What stands in a text. On a stack of its own, so that nesting as deep as is allowed does no harm whoever calls.
fn typed(text: &str) -> Result<Spanned<Typed>, serde_yaml::Error> {
    let read = || serde_yaml::from_str_with_options::<Spanned<Typed>>(text, options());
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        match thread.spawn_scoped(scope, read) {
            Ok(thread) => match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            },
            // A machine that has no thread left: most files are flat.
            Err(_) => read(),
        }
    })
}

/// Duplicate keys are ours to report, `<<` too; all else is YAML 1.2.
fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
        // One anchor may be used as often as anybody likes: what counts is what comes of it.
        budget: serde_yaml::budget! { max_depth: DEEPEST, enforce_alias_anchor_ratio: false },
        // A file of ours that says so much by aliases is no file of ours.
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: MOST_REPEATED },
    }
}

/// What the YAML reader gives: scalars are taken from the text afterwards, so their type is not kept.
enum Typed {
    Text(String),
    Bare,
    List(Vec<Spanned<Typed>>),
    Map(Vec<(Spanned<String>, Spanned<Typed>)>),
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Typed;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Typed, E> {
                Ok(Typed::Bare)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Typed, E> {
                Ok(Typed::Bare)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Typed, E> {
                Ok(Typed::Bare)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Typed, E> {
                Ok(Typed::Bare)
            }

            fn visit_unit<E>(self) -> Result<Typed, E> {
                Ok(Typed::Bare)
            }

            fn visit_str<E>(self, text: &str) -> Result<Typed, E> {
                Ok(Typed::Text(text.to_owned()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Typed, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Typed::List(items))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Typed, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Typed::Map(entries))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

struct Reader<'a> {
    text: &'a str,
    file: usize,
    read_over: &'a [usize],
}

impl Reader<'_> {
    fn node(&self, typed: Spanned<Typed>) -> Node {
        // An alias stands for what its anchor holds, and that is where it has to be mended.
        let span = self.span(&typed.defined);
        let start = span.range.start;
        if self.read_over.contains(&start) {
            return Node {
                kind: Kind::Broken,
                span,
            };
        }
        match typed.value {
            Typed::Bare => Node {
                kind: Kind::Scalar(Scalar {
                    text: self.text[span.range.clone()].to_owned(),
                    style: Style::Plain,
                }),
                span,
            },
            Typed::Text(text) => Node {
                kind: Kind::Scalar(Scalar {
                    text,
                    style: self.style(start),
                }),
                span,
            },
            Typed::List(items) => {
                let items: Vec<Node> = items.into_iter().map(|item| self.node(item)).collect();
                let first = items.first().map(|n| n.span.range.start);
                let last = items.iter().map(|n| n.span.range.end).max();
                Node {
                    span: self.collection(&span, '[', ']', first, last),
                    kind: Kind::List(items),
                }
            }
            Typed::Map(entries) => {
                let entries: Vec<Entry> = entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        key: Key {
                            span: self.span(&key.defined),
                            text: key.value,
                        },
                        value: self.node(value),
                    })
                    .collect();
                let first = entries.first().map(|e| e.key.span.range.start);
                let last = entries
                    .iter()
                    .map(|e| e.value.span.range.end.max(e.key.span.range.end))
                    .max();
                Node {
                    span: self.collection(&span, '{', '}', first, last),
                    kind: Kind::Map(entries),
                }
            }
        }
    }

    fn span(&self, location: &Location) -> Span {
        let span = location.span();
        let size = self.text.len();
        let start = span
            .byte_offset()
            .map_or(0, |at| usize::try_from(at).unwrap_or(size))
            .min(size);
        let length = span.byte_len().map_or(0, |len| usize::try_from(len).unwrap_or(0));
        let mut range = start..(start + length).min(size);
        if !self.text.is_char_boundary(range.start) || !self.text.is_char_boundary(range.end) {
            range = 0..0;
        }
        Span::new(self.file, range)
    }

    /// The reader gives a collection's start only. A flow collection reaches to its closing bracket.
    fn collection(
        &self,
        span: &Span,
        open: char,
        close: char,
        first: Option<usize>,
        last: Option<usize>,
    ) -> Span {
        let start = span.range.start;
        if self.text[start..].starts_with(open) {
            let from = last.unwrap_or(start).max(start + 1);
            let end = closing(self.text, from, close).unwrap_or(from);
            return Span::new(self.file, start..end);
        }
        match (first, last) {
            (Some(first), Some(last)) if first <= last => Span::new(self.file, first..last),
            _ => span.clone(),
        }
    }

    fn style(&self, start: usize) -> Style {
        match self.text[start..].chars().next() {
            Some('\'') => Style::Single,
            Some('"') => Style::Double,
            _ if self.follows_block_header(start) => Style::Block,
            _ => Style::Plain,
        }
    }

    /// Whether the last line with content before this place ends in `|` or `>`, with or without indicators.
    fn follows_block_header(&self, start: usize) -> bool {
        let Some(line_end) = self.text[..start].rfind('\n') else {
            return false;
        };
        if !self.text[line_end..start].trim().is_empty() {
            return false;
        }
        let Some(header) = self.text[..line_end]
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
        else {
            return false;
        };
        let header = header
            .split_once(" #")
            .map_or(header, |(before, _)| before)
            .trim_end();
        let marker = header.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        marker
            .strip_suffix(['|', '>'])
            .is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']))
            && header
                .split_whitespace()
                .next_back()
                .is_some_and(|word| word.starts_with(['|', '>']))
            && !self.text[..start].ends_with(|c: char| !c.is_whitespace())
    }
}

/// The end of the closing bracket behind `from`, over white space, commas and comments.
fn closing(text: &str, from: usize, close: char) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = text.get(at..)?;
        let next = rest.chars().next()?;
        match next {
            c if c == close => return Some(at + c.len_utf8()),
            '#' => at += rest.find('\n')? + 1,
            // An anchor's or alias's name, a colon without a value, a quote: all of it lies before the bracket.
            _ => at += next.len_utf8(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<Finding>) {
        let mut files = Files::default();
        let file = files.add("a.yaml", text);
        let mut findings = Vec::new();
        let node = parse(&files, file, &mut findings);
        (node, findings)
    }

    #[test]
    fn text_stays_as_typed() {
        let (node, _) = read("a: NO\nb: 001E10\nc: 66.0\nd: ~\ne:\nf: '12'\ng: TRUE\nh: 0x1F\n");
        let node = node.expect("a document");
        for (key, text) in [
            ("a", "NO"),
            ("b", "001E10"),
            ("c", "66.0"),
            ("d", "~"),
            ("e", ""),
            ("f", "12"),
            ("g", "TRUE"),
            ("h", "0x1F"),
        ] {
            assert_eq!(node.get(key).and_then(Node::text), Some(text), "{key}");
        }
    }

    #[test]
    fn styles_are_told_apart() {
        let text = "a: x\nb: 'x'\nc: \"x\"\nd: |\n  x\ne: >-\n\n  x\nf: |2\n   x\ng:\n  x\nh: a |\ni: x\nj: y # z: |\nk: x\n";
        let (node, findings) = read(text);
        assert!(findings.is_empty(), "{findings:?}");
        let node = node.expect("a document");
        for (key, style) in [
            ("a", Style::Plain),
            ("b", Style::Single),
            ("c", Style::Double),
            ("d", Style::Block),
            ("e", Style::Block),
            ("f", Style::Block),
            ("g", Style::Plain),
            ("i", Style::Plain),
            ("k", Style::Plain),
        ] {
            let found = node.get(key).and_then(Node::scalar).map(|s| s.style);
            assert_eq!(found, Some(style), "{key}");
        }
    }

    #[test]
    fn spans_cover_what_they_name() {
        let text = "a: { x: 1, y: [1, 2 ], }  # }\nb:\n  - one\n  - two: 2\nc: []\n";
        let (node, _) = read(text);
        let node = node.expect("a document");
        for (key, covered) in [
            ("a", "{ x: 1, y: [1, 2 ], }"),
            ("b", "one\n  - two: 2"),
            ("c", "[]"),
        ] {
            let span = &node.get(key).expect(key).span;
            assert_eq!(&text[span.range.clone()], covered, "{key}");
        }
    }

    #[test]
    fn unquoted_braces_do_not_hide_the_rest() {
        let (node, findings) = read("a: {{ Name }}\nb: {{ First }} {{ Last }} # c\nc: [{{ x }}, 2]\nd: 1\n");
        assert_eq!(findings.len(), 3);
        assert!(
            findings.iter().all(|f| f.code == "unquoted-braces"),
            "{findings:?}"
        );
        let node = node.expect("a document");
        assert!(node.get("a").is_some_and(Node::is_broken));
        assert!(node.get("b").is_some_and(Node::is_broken));
        assert_eq!(node.get("c").map(|c| c.items().len()), Some(2));
        assert_eq!(node.get("d").and_then(Node::text), Some("1"));
    }

    #[test]
    fn aliases_are_what_their_anchor_holds() {
        let (node, _) = read("a: &x [one, two]\nb: *x\n");
        let node = node.expect("a document");
        assert_eq!(node.get("b").map(|b| b.items().len()), Some(2));
    }
}
