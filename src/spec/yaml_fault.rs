//! The YAML reader's faults in words for people who have never read the YAML specification.

mod rare;

use std::ops::Range;

use super::yaml::{DEEPEST, MOST_REPEATED};
use crate::diag::{Finding, Span};

/// One complaint about what is no YAML.
pub(crate) fn finding(fault: &serde_yaml::Error, text: &str, file: usize) -> Finding {
    let raw = fault.without_snippet().to_string();
    let at = place(fault, text);
    let line = Line::at(text, at);
    let span = |range: Range<usize>| Span::new(file, range);
    let here = span(letter(text, at));
    let error = |span: Span, message: String| Finding::error("yaml-syntax", span, message);
    let says = |part: &str| raw.contains(part);

    if let Some(tab) = says("tab").then(|| line.tab_below(text)).flatten() {
        return self::tab(tab, file);
    }
    if says("unclosed quote") {
        let quote = &text[here.range.clone()];
        return error(here.clone(), format!("this {quote} has no closing {quote}"))
            .label("opened here")
            .help(format!(
                "close it with {quote}, or leave it out if the text needs no quotes"
            ));
    }
    if says("trailing content after single-quoted") {
        return trailing(here, text, &line, '\'');
    }
    if says("trailing content after double-quoted") {
        return trailing(here, text, &line, '"');
    }
    if says("unknown escape character") {
        let backslash = text[at..].find('\\').map_or(at, |found| at + found);
        let end = backslash
            + text[backslash..]
                .chars()
                .take(2)
                .map(char::len_utf8)
                .sum::<usize>();
        let found = text[backslash..end].to_owned();
        return error(
            span(backslash..end),
            format!("`{found}` is no escape of a double-quoted text"),
        )
        .label("`\\` starts an escape here")
        .help("in '...' a `\\` is a letter like any other; in \"...\" write it twice");
    }
    if says("unknown anchor") {
        let word = word(text, at);
        let name = text[word.clone()].to_owned();
        return error(
            span(word),
            format!("`{name}` stands for an anchor that is nowhere"),
        )
        .label("`*` starts a reference to an anchor")
        .help(format!(
            "if it is meant as text or as an expression, put it in quotes: \"{name}\""
        ));
    }
    if says("unexpected character") {
        let letter = text[here.range.clone()].to_owned();
        let rest = line.rest(text, at);
        let finding = if letter.chars().any(char::is_control) {
            error(
                here,
                format!(
                    "character {} has no place in a YAML file",
                    letter.escape_unicode()
                ),
            )
            .label("it cannot be seen")
            .help("remove it")
        } else {
            error(here, format!("a value cannot start with `{letter}`"))
                .label(format!("YAML keeps `{letter}` for itself"))
                .help(format!("put the value in quotes: {}", quoted(rest)))
        };
        return finding;
    }
    if let Some(open) =
        (says("flow mapping") || says("flow sequence") || says("unclosed bracket") || says("of ':'"))
            .then(|| open_bracket(text, at))
            .flatten()
    {
        let bracket = &text[open..open + 1];
        let close = if bracket == "{" { "}" } else { "]" };
        let finding = error(
            span(open..open + 1),
            format!("this `{bracket}` has no closing `{close}`"),
        )
        .label("opened here");
        return if at > open + 1 && at < text.len() {
            finding.also(here, "this cannot stand inside it").help(format!(
                "close it with `{close}`; a value with a comma, bracket or brace needs quotes"
            ))
        } else {
            finding.help(format!("close it with `{close}`"))
        };
    }
    if says("mismatched bracket") || says("misplaced bracket") {
        let bracket = text[here.range.clone()].to_owned();
        return error(here, format!("this `{bracket}` has no partner"))
            .label("brackets and braces come in pairs")
            .help(format!(
                "if it is part of a text, put the text in quotes: {}",
                quoted(line.value(text))
            ));
    }
    if says("mapping values are not allowed") || says("of ':'") {
        return stray_colon(here, text, at, &line);
    }
    if says("did not find expected key") || says("did not find expected '-'") || says("indentation") {
        return indentation(text, at, &line, file);
    }
    if says("block scalar") {
        let rest = line.rest(text, at);
        let marker: String = rest.chars().take(1).collect();
        return error(
            here,
            format!("text of several lines starts on the line below `{marker}`"),
        )
        .label("nothing but a comment may follow on this line")
        .help("move the text to the next line and indent it, or leave the sign out");
    }
    if says("comment") {
        return error(
            here,
            "a comment cannot stand inside a text of several lines".into(),
        )
        .label("the text is interrupted here")
        .help("put the comment on a line above, or the text in quotes");
    }
    if says("multiple YAML documents") {
        return error(span(line.range.clone()), "a file holds one document".into())
            .label("a second one starts here")
            .help("put it in a file of its own");
    }
    if says("expected string scalar") || says("into string") {
        return error(here, "a key has to be a text".into())
            .label("this is none")
            .help("put the key in quotes, or an expression that starts with `{` or `[`");
    }
    if says("alias") && !says("anchor or alias") {
        return error(here, "aliases make too much of this file".into())
            .label(format!("aliases stand for more than {MOST_REPEATED} values"))
            .help("write the values out, or put them into a table or a mapping file");
    }
    if says("recursion") || says("nesting") || says("depth") {
        return error(here, "maps and lists are nested too deeply".into())
            .label(format!("more than {DEEPEST} levels"))
            .help("no key of orgferry goes so deep: look for brackets or indentation too many");
    }
    if says("budget") || says("limit") || says("too large") {
        return error(here, "the file is too large to be read".into())
            .label("given up here")
            .help("take it apart: a file holds one pipeline, long tables belong into CSV files");
    }
    let (message, label, help) = rare::words(&raw);
    error(here, message.to_owned()).label(label).help(help)
}

/// The complaint about a tab where spaces belong.
pub(super) fn tab(at: usize, file: usize) -> Finding {
    Finding::error(
        "yaml-syntax",
        Span::new(file, at..at + 1),
        "a tab is no indentation in YAML",
    )
    .label("a tab")
    .help("indent with spaces, two for each level")
}

/// The bytes of an unquoted template, `{{ ... }}` or `{% ... %}`, when that is what the reader stumbled over.
pub(crate) fn unquoted_braces(fault: &serde_yaml::Error, text: &str) -> Option<Range<usize>> {
    let raw = fault.without_snippet().to_string();
    if !raw.contains("expected string scalar") && !raw.contains("unexpected character: `%'") {
        return None;
    }
    let at = place(fault, text);
    let start = if text[..at].ends_with('{') { at - 1 } else { at };
    if !text[start..].starts_with("{{") && !text[start..].starts_with("{%") {
        return None;
    }
    let line = Line::at(text, start);
    let rest = line.rest(text, start);
    let first = ["}}", "%}"].iter().filter_map(|end| rest.find(end)).min()? + 2;
    let end = if open_bracket(text, start).is_some() {
        first
    } else {
        let last = ["}}", "%}"].iter().filter_map(|end| rest.rfind(end)).max()? + 2;
        match rest[last..].find(" #") {
            Some(comment) => last + rest[last..last + comment].trim_end().len(),
            None => rest.trim_end().len(),
        }
    };
    Some(start..start + end)
}

/// The complaint about an unquoted template.
pub(crate) fn braces_finding(text: &str, file: usize, range: Range<usize>) -> Finding {
    let template = quoted(&text[range.clone()]);
    let sign = &text[range.start..range.start + 2];
    let label = format!("YAML reads `{sign}` as the start of a map");
    Finding::error(
        "unquoted-braces",
        Span::new(file, range),
        "a template needs quotes around it",
    )
    .label(label)
    .help(format!("write {template}"))
}

/// The byte at which the reader stopped.
fn place(fault: &serde_yaml::Error, text: &str) -> usize {
    let Some(location) = fault.location() else {
        return text.len();
    };
    if let Some(byte) = location.span().byte_offset() {
        let byte = usize::try_from(byte).unwrap_or(text.len()).min(text.len());
        if text.is_char_boundary(byte) {
            return byte;
        }
    }
    let line_number = usize::try_from(location.line().saturating_sub(1)).unwrap_or(0);
    let column = usize::try_from(location.column().saturating_sub(1)).unwrap_or(0);
    // To YAML a carriage return alone ends a line too.
    let ends = text.char_indices().filter(|(at, letter)| match letter {
        '\n' => true,
        '\r' => !text[at + 1..].starts_with('\n'),
        _ => false,
    });
    let mut starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1));
    if let Some(start) = starts.nth(line_number) {
        let line = text[start..].split(['\n', '\r']).next().unwrap_or_default();
        return start
            + line
                .char_indices()
                .nth(column)
                .map_or(line.trim_end().len(), |(at, _)| at);
    }
    text.len()
}

/// The line around a byte, without its line break.
struct Line {
    range: Range<usize>,
}

impl Line {
    fn at(text: &str, at: usize) -> Self {
        let start = text[..at].rfind('\n').map_or(0, |found| found + 1);
        let end = text[at..].find('\n').map_or(text.len(), |found| at + found);
        Line { range: start..end }
    }

    /// From a byte to the line's end.
    fn rest<'a>(&self, text: &'a str, at: usize) -> &'a str {
        text[at.max(self.range.start)..self.range.end.max(at)].trim_end()
    }

    /// What stands behind the line's first `: ` or `- `.
    fn value<'a>(&self, text: &'a str) -> &'a str {
        let line = &text[self.range.clone()];
        match line.split_once(": ") {
            Some((_, value)) => value.trim(),
            None => line.trim().trim_start_matches("- ").trim(),
        }
    }

    /// The first tab in the indentation of this line or of one below.
    fn tab_below(&self, text: &str) -> Option<usize> {
        let mut start = self.range.start;
        for line in text[self.range.start..].split_inclusive('\n') {
            let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = line[..blank].find('\t') {
                return Some(start + tab);
            }
            start += line.len();
        }
        None
    }

    fn indentation(&self, text: &str) -> usize {
        let line = &text[self.range.clone()];
        line.len() - line.trim_start_matches(' ').len()
    }
}

/// The character at a byte; at the end of a line or file the point.
fn letter(text: &str, at: usize) -> Range<usize> {
    let width = text[at..]
        .chars()
        .next()
        .filter(|c| !matches!(c, '\n' | '\r'))
        .map_or(0, char::len_utf8);
    at..at + width
}

/// From a byte to the next white space or comma.
fn word(text: &str, at: usize) -> Range<usize> {
    let rest = &text[at..];
    let length = rest
        .find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}'))
        .unwrap_or(rest.len());
    at..at + length.max(letter(text, at).len())
}

/// The text as a quoted YAML scalar: in double quotes, unless those would need escapes.
pub(crate) fn quoted(text: &str) -> String {
    let text = text.trim();
    if text.contains(['"', '\\']) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        format!("\"{text}\"")
    }
}

/// The innermost bracket that is open at a byte. Quotes and comments are stepped over.
fn open_bracket(text: &str, at: usize) -> Option<usize> {
    let mut open: Vec<usize> = Vec::new();
    let mut quote = None;
    let mut previous = '\n';
    let mut letters = text[..at].char_indices();
    while let Some((place, letter)) = letters.next() {
        match (quote, letter) {
            (Some(q), c) if q == c => quote = None,
            (Some('"'), '\\') => {
                letters.next();
            }
            (Some(_), _) => {}
            (None, '\'' | '"') if !previous.is_alphanumeric() => quote = Some(letter),
            (None, '#') if previous.is_whitespace() => {
                for (_, c) in letters.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
            }
            (None, '{' | '[') if !open.is_empty() || previous.is_whitespace() => open.push(place),
            (None, '}' | ']') => {
                open.pop();
            }
            _ => {}
        }
        previous = letter;
    }
    open.pop()
}

fn trailing(here: Span, text: &str, line: &Line, quote: char) -> Finding {
    let rest = line.rest(text, here.range.start);
    let value = line.value(text);
    let finding = Finding::error(
        "yaml-syntax",
        Span::new(
            here.file,
            here.range.start..here.range.start + rest.len().max(here.range.len()),
        ),
        format!("there is more behind the closing {quote}"),
    )
    .label("this belongs to nothing");
    let finding = match opening_quote(text, here.range.start, quote) {
        Some(open) if open < line.range.start => finding.also(
            Span::new(here.file, open..open + 1),
            "the text in quotes begins here",
        ),
        _ => finding,
    };
    let before = text[..here.range.start]
        .trim_end_matches(quote)
        .chars()
        .next_back();
    let inside_word = before.is_some_and(char::is_alphanumeric) && rest.starts_with(char::is_alphanumeric);
    if value.starts_with(quote) || inside_word {
        let twice = if quote == '\'' {
            "inside '...' an apostrophe is written twice: 'it''s'".to_owned()
        } else {
            "inside \"...\" a quote is written `\\\"`, or use '...' outside".to_owned()
        };
        finding.help(twice)
    } else {
        finding.help("an expression with quotes and commas inside `{ }` needs quotes of its own: { expr: \"Name | replace('a', 'b')\" }")
    }
}

fn stray_colon(here: Span, text: &str, at: usize, line: &Line) -> Finding {
    let before = &text[line.range.start..at];
    let key = before.trim_start_matches([' ', '-']);
    if let Some((name, _)) = key.split_once(": ") {
        let value = line.value(text);
        return Finding::error("yaml-syntax", here, "a second `: ` on one line")
            .label(format!("YAML has read `{}` as a key already", name.trim()))
            .help(format!(
                "if the value holds a colon, put it in quotes: {}: {}",
                name.trim(),
                quoted(value)
            ));
    }
    let above = text[..line.range.start].lines().rev().find(|l| {
        let l = l.trim();
        !l.is_empty() && !l.starts_with('#')
    });
    match above {
        Some(above) if !above.trim_end().ends_with(':') => {
            let own = key.trim_end();
            // A piece of the text, like every line of it.
            let start = (above.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            let start = start + above.len() - above.trim_start().len();
            let file = here.file;
            let there = Span::new(file, start..start + above.trim().len());
            let above = above.trim();
            match above.split_once(": ") {
                Some((name, _)) => Finding::error(
                    "yaml-syntax",
                    here,
                    format!(
                        "`{own}` is indented below `{}`, which has a value already",
                        name.trim_start_matches("- ")
                    ),
                )
                .label("YAML takes this line for more of that value")
                .also(there, "the value begins here")
                .help("indent it like the line above, or quote the text of several lines"),
                None => Finding::error("yaml-syntax", there, format!("`{above}` is no key and no value"))
                    .label("no `: ` makes a key of this")
                    .also(here, "YAML takes the line above and this one for one text")
                    .help(format!("give it a colon: {above}:")),
            }
        }
        _ => Finding::error("yaml-syntax", here, "a colon has no place here")
            .label("`: ` makes a key")
            .help(format!(
                "if it is part of a text, put the text in quotes: {}",
                quoted(line.value(text))
            )),
    }
}

fn indentation(text: &str, at: usize, line: &Line, file: usize) -> Finding {
    let own = line.indentation(text);
    let start = line.range.start + own;
    let end = line.range.end.max(start);
    let span = Span::new(file, start..start + text[start..end].trim_end().len());
    let above = text[..line.range.start].lines().rev().find(|l| {
        let l = l.trim();
        !l.is_empty() && !l.starts_with('#')
    });
    let spaces = |n: usize| format!("{n} space{}", if n == 1 { "" } else { "s" });
    let mut finding = Finding::error(
        "yaml-syntax",
        span,
        "this line's indentation fits no line above it",
    );
    if let Some((first, parent)) = block_around(text, line.range.start, own) {
        let theirs = Line { range: first.clone() }.indentation(text);
        let bare = |range: Range<usize>| {
            let line = &text[range.clone()];
            let start = range.start + line.len() - line.trim_start().len();
            Span::new(file, start..range.start + line.trim_end().len())
        };
        finding = finding.also(
            bare(first),
            format!("the lines from here on start with {}", spaces(theirs)),
        );
        if let Some(parent) = parent {
            finding = finding.also(bare(parent), "and belong to this one");
        }
    }
    match above {
        Some(above) if text[at..].starts_with('-') == above.trim_start().starts_with('-') => {
            let theirs = above.len() - above.trim_start_matches(' ').len();
            finding
                .label(format!("indented by {}", spaces(own)))
                .help(format!(
                    "the line above is indented by {}; lines of one level start alike",
                    spaces(theirs)
                ))
        }
        Some(above) if above.trim_start().starts_with('-') => finding
            .label("a key where the list above goes on")
            .help("start it with `- `, or indent it like the key that holds the list"),
        _ => finding
            .label(format!("indented by {}", spaces(own)))
            .help("lines of one level start alike"),
    }
}

/// The first line of the block that a line with less indentation ends, and the line that the block belongs to.
fn block_around(text: &str, before: usize, own: usize) -> Option<(Range<usize>, Option<Range<usize>>)> {
    let mut first: Option<(usize, Range<usize>)> = None;
    let mut end = before;
    while end > 0 {
        let start = text[..end - 1].rfind('\n').map_or(0, |found| found + 1);
        let line = Line { range: start..end };
        let bare = text[start..end].trim();
        end = start;
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let indentation = line.indentation(text);
        if indentation <= own {
            return first.map(|(_, first)| (first, Some(line.range)));
        }
        if first.as_ref().is_none_or(|(least, _)| indentation <= *least) {
            first = Some((indentation, line.range));
        }
    }
    first.map(|(_, first)| (first, None))
}

/// Where the quoted text began that has its end before a byte.
fn opening_quote(text: &str, at: usize, quote: char) -> Option<usize> {
    let mut open = None;
    let mut last = None;
    let mut previous = '\n';
    let mut letters = text[..at].char_indices();
    while let Some((place, letter)) = letters.next() {
        match (open, letter) {
            (Some((q, start)), c) if q == c => {
                last = (q == quote).then_some(start).or(last);
                open = None;
            }
            (Some(('"', _)), '\\') => {
                letters.next();
            }
            (Some(_), _) => {}
            (None, '\'' | '"') if !previous.is_alphanumeric() => open = Some((letter, place)),
            (None, '#') if previous.is_whitespace() => {
                for (_, c) in letters.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
            }
            _ => {}
        }
        previous = letter;
    }
    last
}

#[cfg(test)]
mod tests;
