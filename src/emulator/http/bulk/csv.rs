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

/// How far a short cell may reach.
const NEAR: usize = 24;

/// Rows that are read once and looked at several times.
#[derive(Debug, Default)]
pub(super) struct Rows {
    cells: Vec<Span>,
    /// Where each row starts in the upload, and where its cells end.
    rows: Vec<(usize, usize)>,
}

impl Rows {
    /// Reads up to `most` rows from `at` on, in place of those that were there; the answer is where the next one starts.
    pub(super) fn read(&mut self, data: &str, mut at: usize, delimiter: u8, most: usize) -> usize {
        self.cells.clear();
        self.rows.clear();
        while self.rows.len() < most {
            let Some(next) = append(data, at, delimiter, &mut self.cells) else {
                return data.len();
            };
            self.rows.push((at, self.cells.len()));
            at = next;
        }
        at
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The cells of a row.
    pub(super) fn get(&self, row: usize) -> &[Span] {
        let from = match row {
            0 => 0,
            row => self.rows[row - 1].1,
        };
        &self.cells[from..self.rows[row].1]
    }

    /// Where a row starts in the upload, if there is one.
    pub(super) fn start(&self, row: usize) -> Option<usize> {
        self.rows.get(row).map(|(start, _)| *start)
    }
}

/// Reads the row at `at` into `cells`; the answer is where the next one starts. `None` at the end. Empty lines are
/// skipped.
pub(super) fn read(data: &str, at: usize, delimiter: u8, cells: &mut Vec<Span>) -> Option<usize> {
    cells.clear();
    append(data, at, delimiter, cells)
}

/// The same, behind the cells that are there.
fn append(data: &str, mut at: usize, delimiter: u8, cells: &mut Vec<Span>) -> Option<usize> {
    let bytes = data.as_bytes();
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
                match next_quote(bytes, at) {
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

/// The next delimiter or line break, or the end. Most cells are short, and for them a plain look is faster.
fn end_of_cell(bytes: &[u8], at: usize, delimiter: u8) -> usize {
    let near = bytes.len().min(at + NEAR);
    match bytes[at..near]
        .iter()
        .position(|b| *b == delimiter || *b == b'\n')
    {
        Some(n) => at + n,
        None => memchr2(delimiter, b'\n', &bytes[near..]).map_or(bytes.len(), |n| near + n),
    }
}

/// The next quote.
fn next_quote(bytes: &[u8], at: usize) -> Option<usize> {
    let near = bytes.len().min(at + NEAR);
    match bytes[at..near].iter().position(|b| *b == b'"') {
        Some(n) => Some(n),
        None => memchr(b'"', &bytes[near..]).map(|n| near - at + n),
    }
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
        let mut two = Rows::default();
        let next = two.read(data, 0, b',', 2);
        assert_eq!(
            (two.len(), two.get(1)[2].text(data).as_ref(), two.start(2)),
            (2, "x\ny", None)
        );
        assert_eq!(two.read(data, next, b',', 2), data.len());
        assert_eq!(
            (two.len(), two.get(0)[1].text(data).as_ref(), two.start(0)),
            (1, "q\"r", Some(next))
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
