//! CSV taken apart where it lies. An org's cells are short and mostly in quotes: to look for the ends of those, eight bytes
//! at a time, costs a fraction of what a machine of states costs, and nothing is copied but chunks into one buffer.
//! (Users' files are another matter: `file` reads those, where text behind a closing quote is a fault.)

use memchr::{memchr, memchr2};

use crate::record::Eight;

/// No row of an org is larger: 800 fields of 131,072 characters are not filled at once.
pub(super) const MOST_OF_RECORD: usize = 64 * 1024 * 1024;

/// No line of an org has more cells: a query names some thousand fields.
const MOST_CELLS: usize = 2_000_000;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Records out of chunks of bytes.
///
/// Only a line feed ends a record: texts may hold a lone carriage return. Where the first record ends with both, the
/// carriage return belongs to the end of each line. Empty lines are no records. What stands behind a closing quote
/// belongs to its cell, and quotes inside a bare cell are text.
pub(super) struct Records<I> {
    chunks: I,
    /// What came; what is not taken apart yet begins at `at`.
    buffer: Vec<u8>,
    at: usize,
    /// Whether lines end with a carriage return, too; known from the first record on.
    crlf: Option<bool>,
    cells: Vec<Cell>,
    most_cells: usize,
}

/// Why there is no next record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable<E> {
    /// The chunks broke off, and say why.
    Chunks(E),
    /// They ended inside a record.
    CutOff,
    /// A record is larger than [`MOST_OF_RECORD`].
    TooLarge,
    /// A record has more cells than may be.
    TooManyCells,
    /// A record is not UTF-8.
    NotUtf8,
}

/// Where a cell lies in its record.
#[derive(Clone, Copy)]
struct Cell {
    start: u32,
    end: u32,
    /// The place of its closing quote, where quotes have to be taken out; else 0, which is nobody's.
    closing: u32,
}

/// One record.
#[derive(Clone, Copy)]
pub(super) struct Record<'r> {
    text: &'r str,
    cells: &'r [Cell],
}

impl<'r> Record<'r> {
    /// How many cells it has.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// A cell's text.
    pub(super) fn get(&self, at: usize) -> Option<&'r str> {
        let cell = self.cells.get(at)?;
        self.text.get(cell.start as usize..cell.end as usize)
    }

    /// All cells' texts.
    pub(super) fn iter(self) -> impl Iterator<Item = &'r str> {
        (0..self.cells.len()).filter_map(move |at| self.get(at))
    }
}

impl<I, C, E> Records<I>
where
    I: Iterator<Item = Result<C, E>>,
    C: AsRef<[u8]>,
{
    pub(super) fn new(chunks: I) -> Self {
        Records {
            chunks,
            buffer: Vec::new(),
            at: 0,
            crlf: None,
            cells: Vec::new(),
            most_cells: MOST_CELLS,
        }
    }

    /// From here on no record may have more cells: what is too much is not even looked through.
    pub(super) fn limit_cells(&mut self, most: usize) {
        self.most_cells = most;
    }

    /// The next record; `None` after the last.
    ///
    /// # Errors
    /// When the chunks break off or end inside a record, or a record cannot be one.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, Unreadable<E>> {
        let length = loop {
            if self.crlf.is_none() && self.buffer[self.at..].starts_with(BYTE_ORDER_MARK) {
                self.at += BYTE_ORDER_MARK.len();
            }
            while self.buffer.get(self.at) == Some(&b'\n') {
                self.at += 1;
            }
            self.cells.clear();
            let length = split(&self.buffer[self.at..], &mut self.cells, self.most_cells);
            if self.cells.len() > self.most_cells {
                return Err(Unreadable::TooManyCells);
            }
            if let Some(length) = length {
                break length;
            }
            if !self.more()? {
                return match self.at == self.buffer.len() {
                    true => Ok(None),
                    false => Err(Unreadable::CutOff),
                };
            }
        };
        let record = &mut self.buffer[self.at..self.at + length];
        self.at += length;
        for cell in self.cells.iter_mut().filter(|cell| cell.closing > 0) {
            unquote(record, cell);
        }
        if let Some(last) = self.cells.last_mut() {
            let cut = record[last.start as usize..last.end as usize].ends_with(b"\r");
            if *self.crlf.get_or_insert(cut) && cut {
                last.end -= 1;
            }
        }
        match str::from_utf8(record) {
            Ok(text) => Ok(Some(Record {
                text,
                cells: &self.cells,
            })),
            Err(_) => Err(Unreadable::NotUtf8),
        }
    }

    /// Takes more chunks behind what is left; false where there are none.
    fn more(&mut self) -> Result<bool, Unreadable<E>> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let pending = self.buffer.len();
        if pending > MOST_OF_RECORD {
            return Err(Unreadable::TooLarge);
        }
        // Twice as much each time: what is long is not looked through from its beginning at every chunk.
        while self.buffer.len() <= (pending * 2).min(MOST_OF_RECORD) {
            match self.chunks.next() {
                Some(chunk) => self
                    .buffer
                    .extend_from_slice(chunk.map_err(Unreadable::Chunks)?.as_ref()),
                None => break,
            }
        }
        Ok(self.buffer.len() > pending)
    }
}

/// Finds the cells of the first record, and its length with its line feed; `None` where it is not all there, or has more
/// than `most` cells.
fn split(bytes: &[u8], cells: &mut Vec<Cell>, most: usize) -> Option<usize> {
    let mut at = 0;
    while cells.len() <= most {
        let (cell, end) = match bytes.get(at)? {
            b'"' => quoted(bytes, at + 1)?,
            _ => {
                let end = cell_end(bytes, at)?;
                (Cell::new(at, end, 0), end)
            }
        };
        cells.push(cell);
        at = end + 1;
        if bytes[end] == b'\n' {
            return Some(at);
        }
    }
    None
}

/// A cell whose text begins behind a quote, and the place of the comma or line feed that ends it.
fn quoted(bytes: &[u8], start: usize) -> Option<(Cell, usize)> {
    let (mut from, mut doubled) = (start, false);
    loop {
        let quote = from + next_quote(bytes.get(from..)?)?;
        match bytes.get(quote + 1)? {
            b'"' => {
                doubled = true;
                from = quote + 2;
            }
            b',' | b'\n' => {
                let closing = if doubled { quote } else { 0 };
                return Some((Cell::new(start, quote, closing), quote + 1));
            }
            _ => {
                let end = cell_end(bytes, quote + 1)?;
                return Some((Cell::new(start, end, quote), end));
            }
        }
    }
}

/// The first quote. Most are near, and are found before a search by vectors would have begun.
fn next_quote(bytes: &[u8]) -> Option<usize> {
    const NEAR: usize = 4;
    for (at, eight) in bytes.as_chunks().0.iter().take(NEAR).enumerate() {
        if let Some(place) = Eight::place(Eight::new(*eight).is(b'"')) {
            return Some(at * 8 + place);
        }
    }
    memchr(b'"', bytes)
}

/// The comma or line feed that ends what is bare.
fn cell_end(bytes: &[u8], from: usize) -> Option<usize> {
    Some(from + memchr2(b',', b'\n', bytes.get(from..)?)?)
}

/// Takes the quotes out of a cell, which moves up; blanks stand where its end was.
fn unquote(record: &mut [u8], cell: &mut Cell) {
    let (start, end, closing) = (cell.start as usize, cell.end as usize, cell.closing as usize);
    let (mut from, mut to) = (start, start);
    while from < end {
        // Of two quotes the second one stays; the closing one goes.
        if record[from] == b'"' && from <= closing {
            from += 1;
            if from > closing {
                continue;
            }
        }
        record[to] = record[from];
        (from, to) = (from + 1, to + 1);
    }
    record[to..end].fill(b' ');
    cell.end = place(to);
}

/// A place in a record, which is far shorter than four gigabytes.
#[expect(clippy::cast_possible_truncation, reason = "see above")]
fn place(at: usize) -> u32 {
    at as u32
}

impl Cell {
    fn new(start: usize, end: usize, closing: usize) -> Self {
        Cell {
            start: place(start),
            end: place(end),
            closing: place(closing),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// All records of a text that comes in chunks of some bytes, and why there are no more.
    fn ours(text: &[u8], chunk: usize) -> (Vec<Vec<String>>, Option<Unreadable<()>>) {
        let mut records = Records::new(text.chunks(chunk.max(1)).map(Ok::<_, ()>));
        let mut all = Vec::new();
        loop {
            match records.next() {
                Ok(Some(record)) => {
                    assert_eq!(record.len(), record.iter().count());
                    all.push(record.iter().map(str::to_owned).collect());
                }
                Ok(None) => return (all, None),
                Err(error) => return (all, Some(error)),
            }
        }
    }

    /// The same by the `csv` crate; what comes behind the last line feed is for us alone.
    fn theirs(text: &str) -> Vec<Vec<String>> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(text.as_bytes())
            .records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    fn cells(lines: &[&[&str]]) -> Vec<Vec<String>> {
        let line = |line: &&[&str]| line.iter().map(|&cell| cell.to_owned()).collect();
        lines.iter().map(line).collect()
    }

    #[test]
    fn every_quoting_is_read_in_every_cut() {
        let cases: &[(&str, &[&[&str]])] = &[
            ("\"A\",\"B\"\n\"1\",\"x\"\n", &[&["A", "B"], &["1", "x"]]),
            ("a,b\n,\n\"\",\"\"\n", &[&["a", "b"], &["", ""], &["", ""]]),
            ("\"say \"\"x\"\"\",\"\"\"\"\n", &[&["say \"x\"", "\""]]),
            ("\"\"\"a\"\"b\"\"\"\n", &[&["\"a\"b\""]]),
            ("\"x\ny\",\"a,b\"\n", &[&["x\ny", "a,b"]]),
            ("5\" pipe,x\"\n", &[&["5\" pipe", "x\""]]),
            ("\"a\"b,\"c\"\"d\"e\"f\n", &[&["ab", "c\"de\"f"]]),
            ("\n\na\n\n\nb\n", &[&["a"], &["b"]]),
            (
                "a\r\n\"b\"\r\n\"c\r\"\r\nd\n",
                &[&["a"], &["b"], &["c\r"], &["d"]],
            ),
            ("a\nb\r\n", &[&["a"], &["b\r"]]),
            (
                "a,b\n1,x\ry\n2,\0z\n",
                &[&["a", "b"], &["1", "x\ry"], &["2", "\0z"]],
            ),
            ("\u{feff}\"a\"\n\u{feff}b\n", &[&["a"], &["\u{feff}b"]]),
            ("\"ä\"\"😀\"\"ß\"\n", &[&["ä\"😀\"ß"]]),
            ("", &[]),
            ("\n", &[]),
        ];
        for (text, expected) in cases {
            for chunk in 1..=text.len().max(1) {
                let read = ours(text.as_bytes(), chunk);
                assert_eq!(read, (cells(expected), None), "{text:?} by {chunk}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_no_record() {
        for text in ["a", "a,b\n1,", "\"a", "\"a\"", "a\n\"b\n", "a\n\"b\n\"", "a\nb\r"] {
            for chunk in 1..=text.len() {
                let (_, why) = ours(text.as_bytes(), chunk);
                assert_eq!(why, Some(Unreadable::CutOff), "{text:?} by {chunk}");
            }
        }
        let mut records = Records::new([Ok(&b"a\nb"[..]), Err("reset")].into_iter());
        assert_eq!(records.next().unwrap().unwrap().get(0), Some("a"));
        assert_eq!(records.next().err(), Some(Unreadable::Chunks("reset")));
    }

    #[test]
    fn what_no_org_sends_is_refused() {
        assert_eq!(
            ours(b"a\n\xff\n", 64),
            (cells(&[&["a"]]), Some(Unreadable::NotUtf8))
        );
        let endless = std::iter::once(vec![b'"'])
            .chain(std::iter::repeat(vec![b'x'; 1 << 20]))
            .map(Ok::<_, ()>);
        assert_eq!(Records::new(endless).next().err(), Some(Unreadable::TooLarge));
        // As long as a record may be, wherever the chunks are cut.
        for chunk in [1_000_003, 7 << 20, 60 << 20] {
            let mut long = vec![b'x'; MOST_OF_RECORD - 1];
            long.extend(b"\nb\n");
            let mut records = Records::new(long.chunks(chunk).map(Ok::<_, ()>));
            let first = records.next().unwrap().unwrap();
            assert_eq!(first.get(0).map(str::len), Some(MOST_OF_RECORD - 1));
            assert_eq!(records.next().unwrap().unwrap().get(0), Some("b"));
        }
        let mut wide = Records::new([Ok::<_, ()>("a,b\n1,2\n1,2,3,4,5")].into_iter());
        wide.limit_cells(2);
        assert!(wide.next().is_ok_and(|record| record.is_some()));
        assert!(wide.next().is_ok_and(|record| record.is_some()));
        assert_eq!(wide.next().err(), Some(Unreadable::TooManyCells));
        let commas = std::iter::repeat(Ok::<_, ()>(vec![b','; 1 << 20]));
        assert_eq!(Records::new(commas).next().err(), Some(Unreadable::TooManyCells));
    }

    proptest! {
        #[test]
        fn the_csv_crate_reads_the_same(
            text in vec(select(vec!["\"", "\"", ",", "\n", "a", "bc", "ä", " "]), 0..60),
            chunk in 1usize..9,
        ) {
            let text = text.concat() + "\n";
            let (mut records, why) = ours(text.as_bytes(), chunk);
            let theirs = theirs(&text);
            // A quote that is never closed: the crate takes the rest of the text for a cell.
            if why == Some(Unreadable::CutOff) {
                let last = theirs.last().expect("the text is not empty");
                prop_assert!(last.last().expect("a cell").ends_with('\n'));
                records.push(last.clone());
            }
            prop_assert_eq!(records, theirs);
        }
    }
}
