//! CSV as the Bulk API reads it: rows as places in the upload, so that header and cells can be given back as they came.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2};

/// A cell: where it lies, without its quotes, and whether it had any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: usize,
    end: usize,
    quoted: bool,
    /// Quotes inside that are doubled.
    doubled: bool,
}

impl Span {
    /// The value.
    pub(super) fn text<'a>(&self, data: &'a str) -> Cow<'a, str> {
        let text = &data[self.start..self.end];
        if self.doubled {
            Cow::Owned(text.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(text)
        }
    }

    /// As uploaded, quotes and all.
    pub(super) fn raw<'a>(&self, data: &'a str) -> &'a str {
        if self.quoted {
            &data[self.start - 1..(self.end + 1).min(data.len())]
        } else {
            &data[self.start..self.end]
        }
    }
}

/// Reads the row at `at` into `cells`; the answer is where the next one starts. `None` at the end. Empty lines are
/// skipped.
pub(super) fn read(data: &str, mut at: usize, delimiter: u8, cells: &mut Vec<Span>) -> Option<usize> {
    let bytes = data.as_bytes();
    cells.clear();
    while matches!(bytes.get(at), Some(b'\n' | b'\r')) {
        at += 1;
    }
    if at >= bytes.len() {
        return None;
    }
    loop {
        let mut doubled = false;
        if bytes.get(at) == Some(&b'"') {
            at += 1;
            let start = at;
            let end = loop {
                match memchr(b'"', &bytes[at..]) {
                    None => {
                        at = bytes.len();
                        break at;
                    }
                    Some(next) if bytes.get(at + next + 1) == Some(&b'"') => {
                        doubled = true;
                        at += next + 2;
                    }
                    Some(next) => {
                        let end = at + next;
                        at = end + 1;
                        break end;
                    }
                }
            };
            cells.push(Span {
                start,
                end,
                quoted: true,
                doubled,
            });
            // What stands between the quote and the next delimiter belongs to nothing.
            at = end_of_cell(bytes, at, delimiter);
        } else {
            let start = at;
            at = end_of_cell(bytes, at, delimiter);
            let mut end = at;
            if bytes.get(at) != Some(&delimiter) && end > start && bytes[end - 1] == b'\r' {
                end -= 1;
            }
            cells.push(Span {
                start,
                end,
                quoted: false,
                doubled,
            });
        }
        match bytes.get(at) {
            Some(b) if *b == delimiter => at += 1,
            Some(_) => return Some(at + 1),
            None => return Some(at),
        }
    }
}

/// The next delimiter or line break, or the end.
fn end_of_cell(bytes: &[u8], at: usize, delimiter: u8) -> usize {
    memchr2(delimiter, b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n)
}

/// Whether all line breaks, those in quotes too, are of the job's kind.
pub(super) fn line_endings_fit(data: &str, crlf: bool) -> bool {
    let bytes = data.as_bytes();
    memchr_iter(b'\n', bytes).all(|at| (at > 0 && bytes[at - 1] == b'\r') == crlf)
}

/// A cell in quotes.
pub(super) fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if memchr(b'"', text.as_bytes()).is_some() {
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_apart() {
        let data = "\"Id\",Name,\"A \"\"b\"\"\"\r\n\r\n1,,\"x\ny\"\n2,q\"r,last";
        let mut cells = Vec::new();
        let mut at = 0;
        let mut rows: Vec<Vec<String>> = Vec::new();
        while let Some(next) = read(data, at, b',', &mut cells) {
            rows.push(cells.iter().map(|c| c.text(data).into_owned()).collect());
            at = next;
        }
        assert_eq!(
            rows,
            [
                vec!["Id", "Name", "A \"b\""],
                vec!["1", "", "x\ny"],
                vec!["2", "q\"r", "last"]
            ]
        );
        read(data, 0, b',', &mut cells);
        let raw: Vec<&str> = cells.iter().map(|c| c.raw(data)).collect();
        assert_eq!(raw, ["\"Id\"", "Name", "\"A \"\"b\"\"\""]);
    }

    #[test]
    fn line_endings_are_of_one_kind() {
        for (data, crlf, expected) in [
            ("a\nb\n", false, true),
            ("a\r\nb\n", false, false),
            ("a\r\nb\r\n", true, true),
            ("a\r\n\"x\ny\"\r\n", true, false),
            ("a\rb\n", false, true),
        ] {
            assert_eq!(line_endings_fit(data, crlf), expected, "{data:?}");
        }
    }
}
