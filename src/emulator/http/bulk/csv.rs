//! CSV as the Bulk API reads it: rows as places in the upload, so that header and cells can be given back as they came.

use std::{borrow::Cow, ops::Range};

use memchr::{memchr, memchr_iter, memchr2, memchr3};

/// A cell: where it lies, without its quotes, and whether it had any. An upload is far smaller than what 32 bits
/// number, and a batch of small cells stays in the processor's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
    quotes: Quotes,
    /// Quotes inside that are doubled.
    doubled: bool,
}

/// The quotes of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    None,
    Around,
    /// The data ends before they are closed.
    Unclosed,
    /// In a cell that has none around it.
    Within,
    /// Something stands behind the one that closes.
    Followed,
}

/// The most characters of a cell, and of a row.
const MOST_OF_CELL: usize = 131_072;
const MOST_OF_ROW: usize = 400_000;

/// Why a row cannot be read, if so. Lengths are counted only when there are enough bytes for it.
fn flaw(data: &str, cells: &[Span]) -> Option<String> {
    let length = |from: usize, to: usize, most: usize| {
        (to - from > most)
            .then(|| data[from..to].chars().count())
            .filter(|count| *count > most)
    };
    for cell in cells {
        match cell.quotes {
            Quotes::None | Quotes::Around => {}
            Quotes::Unclosed => return Some(UNCLOSED.to_owned()),
            Quotes::Within => {
                return Some("Found unescaped quote. A value with quote should be within a quote".to_owned());
            }
            Quotes::Followed => return Some("Not expecting more text after end quote".to_owned()),
        }
        if let Some(count) = length(cell.start as usize, cell.end as usize, MOST_OF_CELL) {
            return Some(format!("Exceeded max field size: {count}"));
        }
    }
    let (first, last) = (cells.first()?, cells.last()?);
    length(first.start as usize, last.end as usize, MOST_OF_ROW).map(|count| {
        format!(
            "Exceeded max length for one record: {count}. Max length for one record should be less than or equal to {MOST_OF_ROW}"
        )
    })
}

/// What is said of data that end within quotes.
pub(super) const UNCLOSED: &str = "EOF reached before closing an opened quote";

/// Whether the data end within the quotes of the last of these cells.
pub(super) fn unclosed(cells: &[Span]) -> bool {
    cells.last().is_some_and(|cell| cell.quotes == Quotes::Unclosed)
}

impl Span {
    fn new(start: usize, end: usize, quotes: Quotes, doubled: bool) -> Self {
        Span {
            start: start as u32,
            end: end as u32,
            quotes,
            doubled,
        }
    }

    /// The value.
    pub(super) fn text<'a>(&self, data: &'a str) -> Cow<'a, str> {
        if self.doubled {
            Cow::Owned(self.inner(data).replace("\"\"", "\""))
        } else {
            Cow::Borrowed(self.inner(data))
        }
    }

    /// What lies between the quotes: the value, unless quotes in it are doubled.
    pub(super) fn inner<'a>(&self, data: &'a str) -> &'a str {
        &data[self.start as usize..self.end as usize]
    }

    /// As uploaded, quotes and all.
    pub(super) fn raw<'a>(&self, data: &'a str) -> &'a str {
        if matches!(self.quotes, Quotes::Around | Quotes::Unclosed | Quotes::Followed) {
            &data[self.start as usize - 1..(self.end as usize + 1).min(data.len())]
        } else {
            self.inner(data)
        }
    }

    /// Where a cell lies that is in quotes as it should be, with them.
    pub(super) fn quoted(&self) -> Option<Range<usize>> {
        (self.quotes == Quotes::Around).then(|| self.start as usize - 1..self.end as usize + 1)
    }
}

/// The most bytes of an upload that can be read.
pub(super) const MOST: usize = u32::MAX as usize;

/// Rows that are read once and looked at several times.
#[derive(Debug, Default)]
pub(super) struct Rows {
    cells: Vec<Span>,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    /// Where it starts in the upload.
    start: usize,
    /// Where its cells end.
    cells: usize,
    /// Whether it has no flaw for sure.
    sound: bool,
    /// Whether quotes in a cell are doubled.
    doubled: bool,
}

/// What is known of a row once it is read.
struct Read {
    /// Where the next one starts.
    next: usize,
    /// Whether the quotes of all cells are as they should be.
    sound: bool,
    doubled: bool,
}

impl Rows {
    /// Reads up to `most` rows from `at` on, in place of those that were there; the answer is where the next one starts.
    pub(super) fn read(&mut self, data: &str, mut at: usize, delimiter: u8, most: usize) -> usize {
        self.cells.clear();
        self.rows.clear();
        while self.rows.len() < most {
            let Some(read) = append(data, at, delimiter, &mut self.cells) else {
                return data.len();
            };
            self.rows.push(Row {
                start: at,
                cells: self.cells.len(),
                sound: read.sound && read.next - at <= MOST_OF_CELL,
                doubled: read.doubled,
            });
            at = read.next;
        }
        at
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the data end within quotes that these rows opened.
    pub(super) fn unclosed(&self) -> bool {
        unclosed(&self.cells)
    }

    /// The cells of a row.
    pub(super) fn get(&self, row: usize) -> &[Span] {
        let from = match row {
            0 => 0,
            row => self.rows[row - 1].cells,
        };
        &self.cells[from..self.rows[row].cells]
    }

    /// Why a row cannot be read, if so.
    pub(super) fn flaw(&self, data: &str, row: usize) -> Option<String> {
        if self.rows[row].sound {
            return None;
        }
        flaw(data, self.get(row))
    }

    /// Whether quotes in a cell of a row are doubled.
    pub(super) fn is_doubled(&self, row: usize) -> bool {
        self.rows[row].doubled
    }

    /// Where a row starts in the upload, if there is one.
    pub(super) fn start(&self, row: usize) -> Option<usize> {
        self.rows.get(row).map(|row| row.start)
    }
}

/// Reads the row at `at` into `cells`; the answer is where the next one starts. `None` at the end. Empty lines are
/// skipped.
pub(super) fn read(data: &str, at: usize, delimiter: u8, cells: &mut Vec<Span>) -> Option<usize> {
    cells.clear();
    append(data, at, delimiter, cells).map(|read| read.next)
}

/// The same, behind the cells that are there.
fn append(data: &str, mut at: usize, delimiter: u8, cells: &mut Vec<Span>) -> Option<Read> {
    let bytes = data.as_bytes();
    while matches!(bytes.get(at), Some(b'\n' | b'\r')) {
        at += 1;
    }
    if at >= bytes.len() {
        return None;
    }
    let (mut sound, mut any_doubled) = (true, false);
    loop {
        let mut doubled = false;
        if bytes.get(at) == Some(&b'"') {
            at += 1;
            let start = at;
            let mut quotes = Quotes::Around;
            let end = loop {
                match next_quote(bytes, at) {
                    None => {
                        quotes = Quotes::Unclosed;
                        at = bytes.len();
                        break at;
                    }
                    Some(next) if bytes.get(at + next + 1) == Some(&b'"') => {
                        doubled = true;
                        any_doubled = true;
                        at += next + 2;
                    }
                    Some(next) => {
                        let end = at + next;
                        at = end + 1;
                        break end;
                    }
                }
            };
            // Nearly every cell ends here.
            if quotes == Quotes::Around && bytes.get(at) == Some(&delimiter) {
                cells.push(Span::new(start, end, quotes, doubled));
                at += 1;
                continue;
            }
            // Nothing may stand between the quote and the next delimiter, spaces neither.
            let behind = at;
            at = end_of_cell(bytes, at, delimiter);
            let line_ends = at == behind + 1 && bytes[behind] == b'\r' && bytes.get(at) != Some(&delimiter);
            if at > behind && !line_ends {
                quotes = Quotes::Followed;
            }
            sound &= quotes == Quotes::Around;
            cells.push(Span::new(start, end, quotes, doubled));
        } else {
            let start = at;
            let mut quotes = Quotes::None;
            at = end_of_bare(bytes, at, delimiter);
            if bytes.get(at) == Some(&b'"') {
                quotes = Quotes::Within;
                sound = false;
                at = end_of_cell(bytes, at, delimiter);
            }
            let mut end = at;
            if bytes.get(at) != Some(&delimiter) && end > start && bytes[end - 1] == b'\r' {
                end -= 1;
            }
            cells.push(Span::new(start, end, quotes, doubled));
        }
        match bytes.get(at) {
            Some(b) if *b == delimiter => at += 1,
            end => {
                return Some(Read {
                    next: at + usize::from(end.is_some()),
                    sound,
                    doubled: any_doubled,
                });
            }
        }
    }
}

/// The next delimiter or line break, or the end.
fn end_of_cell(bytes: &[u8], at: usize, delimiter: u8) -> usize {
    near(bytes, at, [delimiter, b'\n'])
        .unwrap_or_else(|at| memchr2(delimiter, b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n))
}

/// The same for a cell without quotes around it, where a quote stops too.
fn end_of_bare(bytes: &[u8], at: usize, delimiter: u8) -> usize {
    near(bytes, at, [delimiter, b'\n', b'"'])
        .unwrap_or_else(|at| memchr3(delimiter, b'\n', b'"', &bytes[at..]).map_or(bytes.len(), |n| at + n))
}

/// The next quote, seen from `at`.
fn next_quote(bytes: &[u8], at: usize) -> Option<usize> {
    match near(bytes, at, [b'"']) {
        Ok(found) => Some(found - at),
        Err(far) => memchr(b'"', &bytes[far..]).map(|n| far - at + n),
    }
}

/// The first of some bytes in the next four words, or where these end. Most cells are short, and for them this is
/// faster than a search that is made for long texts.
fn near<const N: usize>(bytes: &[u8], mut at: usize, any: [u8; N]) -> Result<usize, usize> {
    for _ in 0..4 {
        let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
            break;
        };
        let word = u64::from_le_bytes(*word);
        let hits = any.iter().fold(0, |hits, byte| hits | holds(word, *byte));
        if hits != 0 {
            return Ok(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    Err(at)
}

/// The high bit of the first byte of a word that is equal to `byte`, and perhaps bits behind it; nothing when none is.
fn holds(word: u64, byte: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zero = word ^ (ONES * u64::from(byte));
    zero.wrapping_sub(ONES) & !zero & (ONES << 7)
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
    fn what_ends_a_cell_is_found_at_any_distance() {
        for length in 0..80 {
            let long = "\u{e4}!#x-".repeat(20);
            let text: String = long.chars().take(length).collect();
            for (row, cells) in [
                (format!("{text},b\nc"), vec![text.as_str(), "b"]),
                (format!("\"{text}\",\"b\"\nc"), vec![text.as_str(), "b"]),
                (format!("b,\"{text}\"\r\nc"), vec!["b", text.as_str()]),
                (format!("b,{text}"), vec!["b", text.as_str()]),
            ] {
                let mut found = Vec::new();
                let next = read(&row, 0, b',', &mut found);
                let texts: Vec<&str> = found.iter().map(|c| c.inner(&row)).collect();
                assert_eq!(texts, cells, "{row:?}");
                let rest = usize::from(row.ends_with('c'));
                assert_eq!(next, Some(row.len() - rest), "{row:?}");
                let around = found.iter().filter_map(Span::quoted).count();
                assert_eq!(around, row.matches('"').count() / 2, "{row:?}");
            }
        }
        let row = format!("{}\"x", "a".repeat(9));
        let mut found = Vec::new();
        read(&row, 0, b',', &mut found);
        assert!(flaw(&row, &found).is_some_and(|f| f.starts_with("Found unescaped quote")));
    }

    #[test]
    fn rows_that_cannot_be_read_are_told() {
        let long = "x".repeat(MOST_OF_CELL + 1);
        let wide = "\u{e4}".repeat(MOST_OF_CELL);
        let row = vec!["y".repeat(100_001); 4].join(",");
        for (data, expected) in [
            ("a,\"b\"", None),
            ("a,\"b\"\r\n", None),
            ("\"b\"\"\"\n", None),
            ("a, \"b\"\n", Some("Found unescaped quote")),
            ("a,5\" pipe\n", Some("Found unescaped quote")),
            ("\"a\" ,b\n", Some("Not expecting more text")),
            ("\"a\"x\n", Some("Not expecting more text")),
            ("a,\"b\n", Some("EOF reached before closing")),
            (long.as_str(), Some("Exceeded max field size: 131073")),
            (wide.as_str(), None),
            (row.as_str(), Some("Exceeded max length for one record: 400007.")),
        ] {
            let mut rows = Rows::default();
            rows.read(data, 0, b',', 1);
            let found = rows.flaw(data, 0);
            assert_eq!(found, flaw(data, rows.get(0)));
            let short: String = data.chars().take(20).collect();
            match expected {
                None => assert_eq!(found, None, "{short:?}"),
                Some(text) => assert!(found.is_some_and(|f| f.starts_with(text)), "{short:?}"),
            }
        }
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
