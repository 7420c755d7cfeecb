//! CSV as RFC 4180 has it, read strictly: a quote that is never closed and text behind a closing quote are faults, since
//! whatever is read from there on would be wrong.

use std::io::BufRead;

use memchr::{memchr, memchr_iter, memchr3};

use super::error::{Fault, Stop};

/// Bytes of a row. Beyond, a quote was forgotten, or it is no CSV.
const MOST: usize = 64 << 20;

/// The cells of a row.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    text: String,
    ends: Vec<usize>,
    /// The line on which it begins, from 1.
    pub line: u64,
}

impl Cells {
    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A cell, its quotes resolved; empty where there is none.
    pub fn get(&self, at: usize) -> &str {
        let Some(end) = self.ends.get(at) else { return "" };
        let start = match at {
            0 => 0,
            at => self.ends[at - 1],
        };
        &self.text[start..*end]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| self.get(at))
    }
}

/// Reads rows from UTF-8.
pub(super) struct CsvReader<R> {
    input: R,
    delimiter: u8,
    /// The line that is being read, from 1.
    line: u64,
    /// The last line ended with a carriage return: a line feed behind it belongs to it.
    after_return: bool,
    text: Vec<u8>,
}

/// Where the reading of a cell is.
#[derive(Clone, Copy)]
enum At {
    /// Before its first letter.
    Start,
    /// In a cell without quotes.
    Plain,
    /// In a cell whose quote was opened on this line.
    Quoted(u64),
    /// Behind a quote in a quoted cell: the end, or half of a doubled one.
    Quote(u64),
}

impl<R: BufRead> CsvReader<R> {
    pub(super) fn new(input: R, delimiter: u8) -> Self {
        CsvReader {
            input,
            delimiter,
            line: 1,
            after_return: false,
            text: Vec::new(),
        }
    }

    /// The line that is being read.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next row; false behind the last one. Empty lines are no rows.
    pub(super) fn read(&mut self, cells: &mut Cells) -> Result<bool, Stop> {
        self.text = std::mem::take(&mut cells.text).into_bytes();
        self.text.clear();
        cells.ends.clear();
        cells.line = self.line;
        let mut at = At::Start;
        let mut rows = false;
        loop {
            let buffer = self.input.fill_buf()?;
            let Some(first) = buffer.first().copied() else {
                match at {
                    At::Quoted(opened) => return Err(unclosed(opened).into()),
                    At::Start if cells.ends.is_empty() => {}
                    At::Start | At::Plain | At::Quote(_) => {
                        cells.ends.push(self.text.len());
                        rows = true;
                    }
                }
                break;
            };
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                self.input.consume(1);
                continue;
            }
            let (used, next) = match at {
                At::Start if first == b'"' => (1, At::Quoted(self.line)),
                At::Start if cells.ends.is_empty() && matches!(first, b'\n' | b'\r') => {
                    self.after_return = first == b'\r';
                    self.line += 1;
                    cells.line = self.line;
                    (1, At::Start)
                }
                At::Start => (0, At::Plain),
                At::Plain => match memchr3(self.delimiter, b'\n', b'\r', buffer) {
                    None => {
                        self.text.extend_from_slice(buffer);
                        (buffer.len(), At::Plain)
                    }
                    Some(end) => {
                        self.text.extend_from_slice(&buffer[..end]);
                        cells.ends.push(self.text.len());
                        let byte = buffer[end];
                        if byte != self.delimiter {
                            self.after_return = byte == b'\r';
                            self.line += 1;
                            self.input.consume(end + 1);
                            rows = true;
                            break;
                        }
                        (end + 1, At::Start)
                    }
                },
                At::Quoted(opened) => {
                    let end = memchr(b'"', buffer);
                    let inside = &buffer[..end.unwrap_or(buffer.len())];
                    self.line += memchr_iter(b'\n', inside).count() as u64;
                    self.text.extend_from_slice(inside);
                    match end {
                        Some(end) => (end + 1, At::Quote(opened)),
                        None => (buffer.len(), At::Quoted(opened)),
                    }
                }
                At::Quote(opened) => match first {
                    b'"' => {
                        self.text.push(b'"');
                        (1, At::Quoted(opened))
                    }
                    byte if byte == self.delimiter => {
                        cells.ends.push(self.text.len());
                        (1, At::Start)
                    }
                    b'\n' | b'\r' => {
                        cells.ends.push(self.text.len());
                        self.after_return = first == b'\r';
                        self.line += 1;
                        self.input.consume(1);
                        rows = true;
                        break;
                    }
                    _ => {
                        return Err(Fault::new(
                            self.line,
                            "text stands behind a closing quote",
                            "double the quotes inside a quoted cell: `\"a \"\"word\"\" in quotes\"`",
                        )
                        .into());
                    }
                },
            };
            self.input.consume(used);
            at = next;
            if self.text.len() > MOST {
                let opened = match at {
                    At::Quoted(opened) | At::Quote(opened) => opened,
                    At::Start | At::Plain => cells.line,
                };
                return Err(Fault::new(
                    opened,
                    format!("the row is larger than {} MB", MOST >> 20),
                    "look for a quote that is opened there and never closed",
                )
                .into());
            }
        }
        // The reader below gives UTF-8 only, and cells end at letters of one byte.
        cells.text = String::from_utf8(std::mem::take(&mut self.text))
            .map_err(|_| Fault::new(cells.line, "a letter is not UTF-8", "save the file as UTF-8"))?;
        Ok(rows)
    }
}

fn unclosed(opened: u64) -> Fault {
    Fault::new(
        opened,
        "a quote is opened here and never closed",
        "close it, or double a quote that belongs to the text",
    )
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn rows(text: &str, delimiter: u8, size: usize) -> Result<Vec<(u64, Vec<String>)>, Fault> {
        let mut reader = CsvReader::new(BufReader::with_capacity(size, text.as_bytes()), delimiter);
        let (mut all, mut cells) = (Vec::new(), Cells::default());
        loop {
            match reader.read(&mut cells) {
                Ok(true) => all.push((cells.line, cells.iter().map(str::to_owned).collect())),
                Ok(false) => return Ok(all),
                Err(Stop::Fault(fault)) => return Err(fault),
                Err(Stop::Io(error)) => panic!("{error}"),
            }
        }
    }

    fn check(text: &str, expected: &[(u64, &[&str])]) {
        for size in [1, 2, 3, 7, 4096] {
            let found = rows(text, b',', size).expect(text);
            let found: Vec<(u64, Vec<&str>)> = found
                .iter()
                .map(|(line, cells)| (*line, cells.iter().map(String::as_str).collect()))
                .collect();
            let found: Vec<(u64, &[&str])> = found.iter().map(|(l, c)| (*l, c.as_slice())).collect();
            assert_eq!(found, expected, "{text:?} by {size}");
        }
    }

    #[test]
    fn rows_are_read_as_the_rfc_says() {
        check("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a,b\r\n1,2", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a,b\r1,2\r", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("\"a\",\"b,c\"\n", &[(1, &["a", "b,c"])]);
        check("\"say \"\"hi\"\"\",x\n", &[(1, &["say \"hi\"", "x"])]);
        check(
            "\"1\n2\r\n3\",b\n4,5\n",
            &[(1, &["1\n2\r\n3", "b"]), (4, &["4", "5"])],
        );
        check("a,\n,b\n,\n", &[(1, &["a", ""]), (2, &["", "b"]), (3, &["", ""])]);
        check("\n\r\n a \n\n\"\"\n", &[(3, &[" a "]), (5, &[""])]);
        check("5\" pipe,it's\n", &[(1, &["5\" pipe", "it's"])]);
        check("", &[]);
        check("\n", &[]);
        check("a,b,", &[(1, &["a", "b", ""])]);
        check("\"a\"", &[(1, &["a"])]);
    }

    #[test]
    fn faults_have_lines() {
        for (text, line, words) in [
            ("a\n\"b\nc\nd", 2, "a quote is opened here and never closed"),
            ("a\n\"b\"c\n", 2, "text stands behind a closing quote"),
            ("a\n\"b\n\" x\n", 3, "text stands behind a closing quote"),
        ] {
            for size in [1, 3, 4096] {
                let fault = rows(text, b',', size).expect_err(text);
                assert_eq!((fault.line, fault.message.as_str()), (line, words), "{text:?}");
            }
        }
    }

    #[test]
    fn other_delimiters() {
        let found = rows("a;b,c\t\"d;e\"\n", b';', 5).expect("rows");
        assert_eq!(
            found,
            [(1, vec!["a".to_owned(), "b,c\t\"d".into(), "e\"".into()])]
        );
        assert_eq!(rows("a\tb\n", b'\t', 5).expect("rows")[0].1, ["a", "b"]);
    }
}
