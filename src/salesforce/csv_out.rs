use super::LineEnding;
use crate::record::{Value, any};

/// The cell that empties a field.
const CLEAR: &str = "#N/A";
/// The most characters that a cell of an upload may have.
const LONGEST_CELL: usize = 131_072;

/// A cell of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A value.
    Text(&'a str),
    /// Empties the field.
    Clear,
    /// Leaves the field as it is; on create, gives it nothing.
    Keep,
}

impl<'a> Cell<'a> {
    /// The cell that writes a value: null empties the field. Lists and objects have no cell.
    pub fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Null => Some(Cell::Clear),
            other => other.as_text().map(Cell::Text),
        }
    }
}

/// A value that an upload cannot carry; REST can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCell {
    /// The text is the very mark that empties a field.
    #[error("the text `#N/A` empties a field when it travels through the Bulk API")]
    ClearMark,
    /// An empty text would leave the field as it is.
    #[error("an empty text leaves a field unchanged when it travels through the Bulk API")]
    Empty,
    /// Longer than a cell may be.
    #[error("the text has {0} characters; a cell of the Bulk API takes 131072")]
    TooLong(usize),
}

/// Writes the CSV of a Bulk 2.0 upload: UTF-8 without a byte order mark, commas, a header line (protocol reference:
/// Bulk 2.0 ingest, CSV rules).
#[derive(Debug)]
pub struct CsvWriter {
    out: Vec<u8>,
    line_ending: LineEnding,
    columns: usize,
    rows: usize,
}

impl CsvWriter {
    /// A CSV with its header line.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>, line_ending: LineEnding) -> Self {
        let mut writer = CsvWriter {
            out: Vec::with_capacity(64 * 1024),
            line_ending,
            columns: 0,
            rows: 0,
        };
        for column in columns {
            writer.separate(writer.columns);
            writer.text(column);
            writer.columns += 1;
        }
        writer.end_line();
        writer
    }

    /// Adds a row; one cell a column. A row with a value that cannot travel this way adds nothing.
    ///
    /// # Errors
    /// The column's place and what is wrong with its value: send that row through REST.
    pub fn push<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) -> Result<(), (usize, NoCell)> {
        let start = self.out.len();
        let mut at = 0;
        for cell in cells {
            self.separate(at);
            let written = match cell {
                Cell::Keep => Ok(()),
                Cell::Clear => {
                    self.out.extend_from_slice(CLEAR.as_bytes());
                    Ok(())
                }
                Cell::Text(CLEAR) => Err(NoCell::ClearMark),
                Cell::Text("") => Err(NoCell::Empty),
                Cell::Text(text) if text.len() > LONGEST_CELL && text.chars().count() > LONGEST_CELL => {
                    Err(NoCell::TooLong(text.chars().count()))
                }
                Cell::Text(text) => {
                    self.text(text);
                    Ok(())
                }
            };
            if let Err(no) = written {
                self.out.truncate(start);
                return Err((at, no));
            }
            at += 1;
        }
        debug_assert_eq!(at, self.columns, "one cell a column");
        // A line of nothing is no row to a CSV reader.
        if self.out.len() == start {
            self.out.extend_from_slice(b"\"\"");
        }
        self.end_line();
        self.rows += 1;
        Ok(())
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The CSV.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn separate(&mut self, at: usize) {
        if at > 0 {
            self.out.push(b',');
        }
    }

    fn end_line(&mut self) {
        self.out.extend_from_slice(self.line_ending.as_str().as_bytes());
    }

    /// Quotes where needed. Line breaks become the file's own: an org refuses a file that mixes them.
    fn text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        if !is_special(bytes) && !blank(bytes.first()) && !blank(bytes.last()) {
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        self.out.push(b'"');
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => self.out.extend_from_slice(b"\"\""),
                b'\r' if bytes.peek() == Some(&b'\n') => {
                    bytes.next();
                    self.out.extend_from_slice(self.line_ending.as_str().as_bytes());
                }
                b'\n' => self.out.extend_from_slice(self.line_ending.as_str().as_bytes()),
                other => self.out.push(other),
            }
        }
        self.out.push(b'"');
    }
}

/// Whether a text has a byte that must not stand outside quotes, or another control character, which may stand inside.
fn is_special(text: &[u8]) -> bool {
    any(text, |eight| eight.is(b',') | eight.is(b'"') | eight.below(b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_needed() {
        for (ending, expected) in [
            (
                LineEnding::Lf,
                "Ext__c,Name\nK-1,\"a \"\"b\"\", c\"\nK-2,#N/A\nK-3,\n\" pad \",\"x\ny\nz\"\n",
            ),
            (
                LineEnding::CrLf,
                "Ext__c,Name\r\nK-1,\"a \"\"b\"\", c\"\r\nK-2,#N/A\r\nK-3,\r\n\" pad \",\"x\r\ny\r\nz\"\r\n",
            ),
        ] {
            let mut csv = CsvWriter::new(["Ext__c", "Name"], ending);
            assert!(csv.is_empty());
            for cells in [
                [Cell::Text("K-1"), Cell::Text("a \"b\", c")],
                [Cell::Text("K-2"), Cell::Clear],
                [Cell::Text("K-3"), Cell::Keep],
                [Cell::Text(" pad "), Cell::Text("x\r\ny\nz")],
            ] {
                csv.push(cells).unwrap();
            }
            assert_eq!(csv.rows(), 4);
            assert_eq!(csv.len(), expected.len());
            assert_eq!(String::from_utf8(csv.finish()).unwrap(), expected);
        }
    }

    #[test]
    fn what_a_cell_cannot_say_is_refused_and_leaves_no_trace() {
        let mut csv = CsvWriter::new(["A", "B"], LineEnding::Lf);
        let long = "x".repeat(LONGEST_CELL + 1);
        for (text, expected) in [
            (CLEAR, NoCell::ClearMark),
            ("", NoCell::Empty),
            (long.as_str(), NoCell::TooLong(LONGEST_CELL + 1)),
        ] {
            assert_eq!(csv.push([Cell::Text("1"), Cell::Text(text)]), Err((1, expected)));
        }
        assert_eq!(csv.finish(), b"A,B\n");
    }

    #[test]
    fn values_have_cells() {
        assert_eq!(Cell::of(&Value::Null), Some(Cell::Clear));
        assert_eq!(Cell::of(&Value::Bool(true)), Some(Cell::Text("true")));
        assert_eq!(Cell::of(&Value::from("x")), Some(Cell::Text("x")));
        assert_eq!(Cell::of(&Value::from_json(&serde_json::json!([1]))), None);
        let mut one = CsvWriter::new(["A"], LineEnding::Lf);
        one.push([Cell::Keep]).unwrap();
        assert_eq!(one.finish(), b"A\n\"\"\n");
    }
}
