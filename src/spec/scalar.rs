use std::ops::Range;

use crate::diag::{Files, Span};

use super::node::{Scalar, Style};

/// Where each part of a scalar's text stands in the file: quotes, escapes, indentation and folded lines taken into
/// account, so that a fault in the third word of an expression is shown at that word.
#[derive(Clone, Debug)]
pub struct Segments {
    file: usize,
    whole: Range<usize>,
    segments: Vec<Segment>,
}

/// A stretch of the text and of the file that belong together; letter by letter when both are of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    text: Range<usize>,
    source: Range<usize>,
}

impl Segments {
    /// Every part of the text is the whole span.
    pub(crate) fn whole(span: &Span) -> Self {
        Segments {
            file: span.file,
            whole: span.range.clone(),
            segments: Vec::new(),
        }
    }

    pub(crate) fn of(scalar: &Scalar, span: &Span, files: &Files) -> Self {
        let range = files.clamp(span);
        let source = &files.text(span.file)[range.clone()];
        let segments = match scalar.style {
            Style::Plain => lines(&scalar.text, source, 0),
            Style::Block => lines(
                &scalar.text,
                source,
                indentation(files.text(span.file), range.start),
            ),
            Style::Single | Style::Double => quoted(&scalar.text, source, scalar.style),
        };
        let mut all = Segments::whole(span);
        for mut segment in segments.unwrap_or_default() {
            segment.source = segment.source.start + range.start..segment.source.end + range.start;
            all.segments.push(segment);
        }
        all
    }

    /// Where a part of the text stands in the file.
    pub fn locate(&self, text: Range<usize>) -> Span {
        let Some(last) = self.segments.last() else {
            return Span::new(self.file, self.whole.clone());
        };
        let start = match self.segments.iter().find(|s| text.start < s.text.end) {
            Some(s) if s.text.len() == s.source.len() => {
                s.source.start + text.start.saturating_sub(s.text.start)
            }
            Some(s) => s.source.start,
            None => last.source.end,
        };
        let end = match self.segments.iter().rev().find(|s| s.text.start < text.end) {
            _ if text.is_empty() => start,
            Some(s) if s.text.len() == s.source.len() => {
                s.source.start + (text.end - s.text.start).min(s.text.len())
            }
            Some(s) => s.source.end,
            None => start,
        };
        Span::new(self.file, start..end.max(start))
    }
}

/// How far a block scalar's lines are indented. Its span starts behind the first line's indentation.
fn indentation(text: &str, start: usize) -> usize {
    start - text[..start].rfind('\n').map_or(0, |at| at + 1)
}

/// Plain and block scalars: each line of the source stands in the text as it is, and only white space between them.
fn lines(text: &str, source: &str, indent: usize) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut done = 0;
    let mut at = 0;
    for (number, line) in source.split_inclusive('\n').enumerate() {
        let mut start = at;
        at += line.len();
        let mut content = line.trim_end_matches(['\n', '\r']);
        if indent == 0 || content.trim().is_empty() {
            let trimmed = content.trim_start();
            start += content.len() - trimmed.len();
            content = trimmed.trim_end();
        } else if number > 0 {
            let spaces = content.bytes().take(indent).take_while(|b| *b == b' ').count();
            start += spaces;
            content = &content[spaces..];
        }
        if content.is_empty() {
            continue;
        }
        let blank = text[done..].len() - text[done..].trim_start_matches([' ', '\n', '\t']).len();
        let found = (0..=blank)
            .find(|skip| text.is_char_boundary(done + skip) && text[done + skip..].starts_with(content))?;
        segments.push(Segment {
            text: done + found..done + found + content.len(),
            source: start..start + content.len(),
        });
        done += found + content.len();
    }
    text[done..].trim().is_empty().then_some(segments)
}

/// Quoted scalars: undoes escapes and folded lines, and holds the result against the text.
fn quoted(text: &str, source: &str, style: Style) -> Option<Vec<Segment>> {
    let mut out = String::new();
    let mut segments: Vec<Segment> = Vec::new();
    let mut push = |decoded: &str, range: Range<usize>, out: &mut String| {
        let start = out.len();
        out.push_str(decoded);
        let letters = decoded.len() == range.len();
        match segments.last_mut() {
            Some(last)
                if letters && last.text.len() == last.source.len() && last.source.end == range.start =>
            {
                last.text.end = out.len();
                last.source.end = range.end;
            }
            _ => segments.push(Segment {
                text: start..out.len(),
                source: range,
            }),
        }
    };
    let inner = source.get(1..source.len().checked_sub(1)?)?;
    let mut rest = inner.char_indices().peekable();
    while let Some((at, letter)) = rest.next() {
        let here = at + 1;
        match letter {
            '\'' if style == Style::Single => {
                rest.next_if(|(_, next)| *next == '\'')?;
                push("'", here..here + 2, &mut out);
            }
            '\\' if style == Style::Double => {
                let (_, kind) = rest.next()?;
                if kind == '\n' || kind == '\r' {
                    while rest.next_if(|(_, c)| c.is_whitespace()).is_some() {}
                    continue;
                }
                let digits = match kind {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                let hex: String = rest.by_ref().take(digits).map(|(_, c)| c).collect();
                let decoded = escape(kind, &hex)?;
                let end = here + 1 + kind.len_utf8() + hex.len();
                push(&decoded.to_string(), here..end, &mut out);
            }
            ' ' | '\t' | '\r' | '\n' => {
                let mut end = here + 1;
                let mut breaks = usize::from(letter == '\n');
                while let Some((next, c)) = rest.next_if(|(_, c)| matches!(c, ' ' | '\t' | '\r' | '\n')) {
                    breaks += usize::from(c == '\n');
                    end = next + 2;
                }
                match breaks {
                    0 => push(&source[here..end], here..end, &mut out),
                    1 => push(" ", here..end, &mut out),
                    more => push(&"\n".repeat(more - 1), here..end, &mut out),
                }
            }
            other => push(
                other.encode_utf8(&mut [0; 4]),
                here..here + other.len_utf8(),
                &mut out,
            ),
        }
    }
    (out == text).then_some(segments)
}

/// The escapes of YAML 1.2, section 5.7.
fn escape(kind: char, hex: &str) -> Option<char> {
    Some(match kind {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        'x' | 'u' | 'U' => char::from_u32(u32::from_str_radix(hex, 16).ok()?)?,
        ' ' | '"' | '/' | '\\' => kind,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::spec::yaml;

    use super::*;

    /// For each word of the one value's text: what stands in the file where the word is said to be.
    fn words(yaml_text: &str) -> Vec<(String, String)> {
        let mut files = Files::default();
        let file = files.add("a.yaml", yaml_text);
        let mut findings = Vec::new();
        let node = yaml::parse(&files, file, &mut findings).expect("a document");
        assert!(findings.is_empty(), "{findings:?}");
        let value = node.get("a").expect("key a");
        let text = value.text().expect("a scalar").to_owned();
        let parts = value.parts(&files);
        let mut words = Vec::new();
        let mut at = 0;
        for word in text.split([' ', '\n']) {
            if !word.is_empty() {
                let span = parts.locate(at..at + word.len());
                words.push((word.to_owned(), yaml_text[span.range].to_owned()));
            }
            at += word.len() + 1;
        }
        words
    }

    #[test]
    fn every_style_leads_back_to_the_file() {
        for text in [
            "a: one two  three\n",
            "a: one two # comment\n",
            "a: one\n  two\n\n  three four\n",
            "a: 'one  two'\n",
            "a: 'one\n  two\n\n  three'\n",
            "a: \"one two\n    three  \\\n   four\"\n",
            "a: |\n  one two\n    three\n\n  four\n",
            "a: >-\n  one two\n  three\n\n    four\n   five\n  six\n",
            "a: |+\n  one\n  two\n\n\n",
            "a: >\n\n  one\n  two\n",
            "a: |   # comment\n  one\n\n  two\n",
            "a: | \n    käse über\n    öl\n",
            "b: 1\na: {{x\n",
            "a:\n  one two\n",
            "{a: one two, b: 1}\n",
            "a: &x one two\n",
            "a: !!str one two\n",
            "a: one\r\n  two\r\n",
            "a: |\r\n  one\r\n  two\r\n",
            "a: 'one\r\n  two'\r\n",
        ] {
            if text.contains("{{x") {
                continue;
            }
            let words = words(text);
            assert!(!words.is_empty());
            for (word, found) in words {
                assert_eq!(word, found, "in {text:?}");
            }
        }
    }

    #[test]
    fn escapes_are_counted() {
        for (text, expected) in [
            ("a: 'it''s one'\n", vec![("it's", "it''s"), ("one", "one")]),
            (
                "a: \"\\\"q\\\" two\"\n",
                vec![("\"q\"", "\\\"q\\\""), ("two", "two")],
            ),
            (
                "a: \"x\\u00e4y\\x20 z\"\n",
                vec![("xäy", "x\\u00e4y"), ("z", "z")],
            ),
            (
                "a: \"tab\\tone\\nzwei drei\"\n",
                vec![("tab\tone", "tab\\tone"), ("zwei", "zwei"), ("drei", "drei")],
            ),
        ] {
            let expected: Vec<(String, String)> = expected
                .into_iter()
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .collect();
            assert_eq!(words(text), expected, "in {text:?}");
        }
    }

    #[test]
    fn an_empty_part_is_a_point() {
        let mut files = Files::default();
        let file = files.add("a.yaml", "a: 'x y'\n");
        let node = yaml::parse(&files, file, &mut Vec::new()).expect("a document");
        let value = node.get("a").expect("key a");
        assert_eq!(value.part(2..2, &files).range, 6..6);
        assert_eq!(value.part(3..3, &files).range, 7..7);
        assert_eq!(value.part(0..3, &files).range, 4..7);
    }

    proptest! {
        #[test]
        fn words_are_found_again(
            words_in in prop::collection::vec("[a-zäß]{1,6}", 1..8),
            breaks in prop::collection::vec(0usize..4, 8),
            style in 0usize..5,
            indent in 1usize..5,
        ) {
            let pad = " ".repeat(indent);
            let mut body = String::new();
            for (word, gap) in words_in.iter().zip(&breaks) {
                if !body.is_empty() {
                    match gap {
                        0 => body.push(' '),
                        1 => body.push_str("  "),
                        2 => body.push_str(&format!("\n{pad}")),
                        _ => body.push_str(&format!("\n\n{pad}")),
                    }
                }
                body.push_str(word);
            }
            let text = match style {
                0 => format!("a: {body}\n"),
                1 => format!("a: '{body}'\n"),
                2 => format!("a: \"{body}\"\n"),
                3 => format!("a: |\n{pad}{body}\n"),
                _ => format!("a: >-\n{pad}{body}\n"),
            };
            for (word, found) in words(&text) {
                prop_assert_eq!(word, found);
            }
        }
    }
}
