use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
};

use flate2::read::MultiGzDecoder;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value as Json;

use super::{
    Encoding, FileError, Format, Place,
    csv::{Cells, CsvReader},
    decode::Decoded,
    error::{Fault, Stop},
};

/// Bytes of a JSON line. Beyond, it is no file of lines.
const MOST_LINE: usize = 64 << 20;

const LINES_HELP: &str = "a file of JSON lines holds one object a line: `{\"Name\":\"Acme\"}`";

type Input = BufReader<Decoded<Box<dyn Read + Send>>>;

/// Reads the rows of a file, one after the other.
pub struct RowsReader {
    shown: String,
    kind: Kind,
}

enum Kind {
    Csv {
        reader: CsvReader<Input>,
        header: Vec<String>,
        cells: Cells,
    },
    Lines {
        input: Input,
        line: u64,
        text: Vec<u8>,
    },
}

/// A row as it stands in its file.
pub enum RawRow<'r> {
    /// Of a CSV file: one cell a column of the header.
    Cells(&'r Cells),
    /// Of a file of JSON lines: an object, and its line.
    Object(Json, u64),
}

/// What reading a whole file showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many rows it has.
    pub rows: u64,
    /// The columns of a CSV file; the names that the objects of JSON lines have at all, as they first came.
    pub columns: Vec<String>,
}

impl RowsReader {
    /// Opens a file; of a CSV file the header is read and checked.
    ///
    /// # Errors
    /// When it cannot be read, or its header is none.
    pub fn open(place: &Place, format: &Format) -> Result<Self, FileError> {
        let shown = place.read_from();
        let encoding = match format {
            Format::Csv { encoding, .. } => *encoding,
            Format::JsonLines => Encoding::Utf8,
        };
        let raw: Box<dyn Read + Send> = match place {
            Place::Standard => Box::new(std::io::stdin()),
            Place::Path(path) => {
                let file = File::open(path).map_err(|error| FileError::unreadable(&shown, &error))?;
                if file.metadata().is_ok_and(|data| data.is_dir()) {
                    let error = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                    return Err(FileError::unreadable(&shown, &error));
                }
                match place.is_gzip() {
                    true => Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, file))),
                    false => Box::new(file),
                }
            }
        };
        Self::over(raw, shown, encoding, format)
    }

    fn over(
        raw: Box<dyn Read + Send>,
        shown: String,
        encoding: Encoding,
        format: &Format,
    ) -> Result<Self, FileError> {
        let input = Decoded::new(raw, encoding).map_err(|error| Stop::from(error).of(&shown, 1))?;
        let input = BufReader::with_capacity(64 * 1024, input);
        let kind = match format {
            Format::JsonLines => Kind::Lines {
                input,
                line: 0,
                text: Vec::new(),
            },
            Format::Csv { delimiter, .. } => {
                let mut reader = CsvReader::new(input, *delimiter);
                let mut cells = Cells::default();
                let there = reader
                    .read(&mut cells)
                    .map_err(|stop| stop.of(&shown, reader.line()))?;
                if !there {
                    let fault = Fault::new(
                        1,
                        "the file is empty, and a CSV file begins with a header line",
                        "write the names of its columns into the first line",
                    );
                    return Err(fault.of(&shown));
                }
                let header: Vec<String> = cells.iter().map(str::to_owned).collect();
                check_header(&header, cells.line, *delimiter).map_err(|fault| fault.of(&shown))?;
                Kind::Csv {
                    reader,
                    header,
                    cells,
                }
            }
        };
        Ok(RowsReader { shown, kind })
    }

    /// The columns of a CSV file.
    pub fn header(&self) -> Option<&[String]> {
        match &self.kind {
            Kind::Csv { header, .. } => Some(header),
            Kind::Lines { .. } => None,
        }
    }

    /// The next row; `None` behind the last one.
    ///
    /// # Errors
    /// When the file cannot be read further, or the row is none: with its line.
    pub fn next_row(&mut self) -> Result<Option<RawRow<'_>>, FileError> {
        match &mut self.kind {
            Kind::Csv {
                reader,
                header,
                cells,
            } => {
                let there = reader
                    .read(cells)
                    .map_err(|stop| stop.of(&self.shown, reader.line()))?;
                if !there {
                    return Ok(None);
                }
                if cells.len() != header.len() {
                    return Err(ragged(cells, header.len()).of(&self.shown));
                }
                Ok(Some(RawRow::Cells(cells)))
            }
            Kind::Lines { input, line, text } => {
                let there = next_line(input, line, text).map_err(|stop| stop.of(&self.shown, *line))?;
                if !there {
                    return Ok(None);
                }
                let object: Json =
                    serde_json::from_slice(text).map_err(|error| no_json(&error, *line).of(&self.shown))?;
                if !object.is_object() {
                    return Err(no_object(*line).of(&self.shown));
                }
                Ok(Some(RawRow::Object(object, *line)))
            }
        }
    }
}

/// The columns of a CSV file, of which no more than the first line is read.
///
/// # Errors
/// As [`RowsReader::open`].
pub fn header(place: &Place, format: &Format) -> Result<Vec<String>, FileError> {
    Ok(RowsReader::open(place, format)?
        .header()
        .map(<[String]>::to_vec)
        .unwrap_or_default())
}

/// Reads a whole file for its faults, so that they are known before anything is done with its rows.
///
/// # Errors
/// The first fault.
pub fn survey(place: &Place, format: &Format) -> Result<Survey, FileError> {
    let mut reader = RowsReader::open(place, format)?;
    if let Some(header) = reader.header() {
        let columns = header.to_vec();
        let mut rows = 0;
        while reader.next_row()?.is_some() {
            rows += 1;
        }
        return Ok(Survey { rows, columns });
    }
    let mut found = Survey::default();
    let Kind::Lines { input, line, text } = &mut reader.kind else {
        return Ok(found);
    };
    while next_line(input, line, text).map_err(|stop| stop.of(&reader.shown, *line))? {
        names(text, *line, &mut found.columns).map_err(|fault| fault.of(&reader.shown))?;
        found.rows += 1;
    }
    Ok(found)
}

/// The next line that is not blank, counted from 1.
fn next_line(input: &mut Input, line: &mut u64, text: &mut Vec<u8>) -> Result<bool, Stop> {
    loop {
        text.clear();
        let read = input
            .by_ref()
            .take(MOST_LINE as u64 + 1)
            .read_until(b'\n', text)?;
        if read == 0 {
            return Ok(false);
        }
        *line += 1;
        if read > MOST_LINE {
            return Err(Fault::new(
                *line,
                format!("the line is larger than {} MB", MOST_LINE >> 20),
                LINES_HELP,
            )
            .into());
        }
        if !text.trim_ascii().is_empty() {
            return Ok(true);
        }
    }
}

/// Adds the names of a line's object, without reading its values.
fn names(text: &[u8], line: u64, columns: &mut Vec<String>) -> Result<(), Fault> {
    struct Names<'c>(&'c mut Vec<String>);
    impl<'de> Visitor<'de> for Names<'_> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut at = 0;
            while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
                // Lines are alike as a rule: the name stands where it stood in the line before.
                if self.0.get(at).is_none_or(|known| *known != name) && !self.0.iter().any(|n| *n == name) {
                    self.0.push(name.into_owned());
                }
                map.next_value::<IgnoredAny>()?;
                at += 1;
            }
            Ok(())
        }
    }
    let mut parser = serde_json::Deserializer::from_slice(text);
    parser
        .deserialize_map(Names(columns))
        .and_then(|()| parser.end())
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Data => no_object(line),
            _ => no_json(&error, line),
        })
}

fn no_json(error: &serde_json::Error, line: u64) -> Fault {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early",
        _ => "this is no JSON",
    };
    Fault::new(line, format!("{what} (column {})", error.column()), LINES_HELP)
}

fn no_object(line: u64) -> Fault {
    Fault::new(line, "the line holds JSON, but no object", LINES_HELP)
}

fn ragged(cells: &Cells, columns: usize) -> Fault {
    let count = |n: usize| format!("{n} cell{}", if n == 1 { "" } else { "s" });
    Fault::new(
        cells.line,
        format!("the row has {}, and the header {columns}", count(cells.len())),
        "put a cell that holds the delimiter, a quote or a line break in quotes; of another delimiter say so: `csv: { path: PATH, delimiter: \";\" }`",
    )
}

/// A header names every column, and each once; names compare without case.
fn check_header(header: &[String], line: u64, delimiter: u8) -> Result<(), Fault> {
    for (at, name) in header.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(Fault::new(
                line,
                format!("column {} of the header has no name", at + 1),
                "name every column, or take the delimiter at the end of each line away",
            ));
        }
        if header[..at]
            .iter()
            .any(|before| before.eq_ignore_ascii_case(name))
        {
            return Err(Fault::new(
                line,
                format!("the header has the column `{name}` twice"),
                "names compare without case: rename one of the two",
            ));
        }
    }
    let other = [b';', b'\t', b'|', b','].into_iter().find(|other| {
        *other != delimiter && header.len() == 1 && header[0].matches(char::from(*other)).count() > 0
    });
    match other {
        Some(_) => Err(Fault::new(
            line,
            format!("the header `{}` is one single column", shorten(&header[0])),
            "say what stands between its cells: `csv: { path: PATH, delimiter: \";\" }` (or \",\", \"\\t\", \"|\")",
        )),
        None => Ok(()),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const CSV: Format = Format::Csv {
        delimiter: b',',
        encoding: Encoding::Utf8,
    };

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, Place) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        (folder, Place::Path(path))
    }

    fn gzip(parts: &[&str]) -> Vec<u8> {
        let packed = parts.iter().map(|text| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(text.as_bytes()).expect("packed");
            packer.finish().expect("packed")
        });
        packed.collect::<Vec<_>>().concat()
    }

    #[test]
    fn whole_files_are_counted() {
        for (name, bytes, format, rows, columns) in [
            ("a.csv", b"Id,Name\n1,x\n2,\"y\nz\"\n".to_vec(), CSV, 2, "Id Name"),
            ("a.csv", b"\xEF\xBB\xBFId\n".to_vec(), CSV, 0, "Id"),
            ("a.csv.gz", gzip(&["Id\n1\n", "2\n"]), CSV, 2, "Id"),
            (
                "a.jsonl",
                b"\xEF\xBB\xBF{\"a\":1}\n\n  \n{\"a\":[2],\"b\":{}}\r\n{\"c\":null}".to_vec(),
                Format::JsonLines,
                3,
                "a b c",
            ),
            ("a.jsonl.gz", gzip(&["{}\n"]), Format::JsonLines, 1, ""),
            ("a.jsonl", Vec::new(), Format::JsonLines, 0, ""),
        ] {
            let (_folder, place) = file(name, &bytes);
            let found = survey(&place, &format).expect(name);
            assert_eq!((found.rows, found.columns.join(" ").as_str()), (rows, columns));
            let mut reader = RowsReader::open(&place, &format).expect(name);
            let mut read = 0;
            while reader.next_row().expect("a row").is_some() {
                read += 1;
            }
            assert_eq!(read, rows, "{name}");
        }
    }

    #[test]
    fn faults_name_file_and_line() {
        let mut cut = gzip(&[&"Id\n1\n".repeat(500)]);
        cut.truncate(cut.len() - 9);
        for (name, bytes, format, expected) in [
            ("a.csv", b"".to_vec(), CSV, ":1: the file is empty"),
            (
                "a.csv",
                b"Id,\n1,2\n".to_vec(),
                CSV,
                ":1: column 2 of the header has no name",
            ),
            (
                "a.csv",
                b"\nId,name,ID\n".to_vec(),
                CSV,
                ":2: the header has the column `ID` twice",
            ),
            (
                "a.csv",
                b"Id;Name\n".to_vec(),
                CSV,
                ":1: the header `Id;Name` is one single column",
            ),
            (
                "a.csv",
                b"Id,Name\n1,x\n2\n".to_vec(),
                CSV,
                ":3: the row has 1 cell, and the header 2",
            ),
            (
                "a.csv",
                b"Id,Name\n\"1\n\n\",x,y\n".to_vec(),
                CSV,
                ":2: the row has 3 cells, and the header 2",
            ),
            (
                "a.csv",
                b"Id\n\"x\n".to_vec(),
                CSV,
                ":2: a quote is opened here and never closed",
            ),
            (
                "a.csv",
                b"Id\n1\n\xFF\n".to_vec(),
                CSV,
                ":3: a letter is not UTF-8",
            ),
            (
                "a.csv.gz",
                b"Id\n".to_vec(),
                CSV,
                ":1: the packed file is damaged",
            ),
            ("a.csv.gz", cut, CSV, "the packed file is damaged"),
            (
                "a.jsonl",
                b"{}\n[1]\n".to_vec(),
                Format::JsonLines,
                ":2: the line holds JSON, but no object",
            ),
            (
                "a.jsonl",
                b"{}\n\n{\"a\":}\n".to_vec(),
                Format::JsonLines,
                ":3: this is no JSON (column 6)",
            ),
            (
                "a.jsonl",
                b"{\n\"a\":1}\n".to_vec(),
                Format::JsonLines,
                ":1: the JSON ends too early",
            ),
            (
                "a.jsonl",
                b"{} {}\n".to_vec(),
                Format::JsonLines,
                ":1: this is no JSON",
            ),
        ] {
            let (_folder, place) = file(name, &bytes);
            let error = survey(&place, &format).expect_err(expected);
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.help().is_empty());
            let read = RowsReader::open(&place, &format).and_then(|mut reader| {
                while reader.next_row()?.is_some() {}
                Ok(())
            });
            assert_eq!(read, Err(error));
        }
        let nowhere = Place::Path("/nowhere/at/all.csv".into());
        let error = survey(&nowhere, &CSV).expect_err("not there");
        assert_eq!(
            error.to_string(),
            "cannot read `/nowhere/at/all.csv`: there is no such file"
        );
    }

    #[test]
    fn numbers_keep_their_digits() {
        let (_folder, place) = file("a.jsonl", b"{\"n\":12345678901234567.890,\"e\":1E3}\n");
        let mut reader = RowsReader::open(&place, &Format::JsonLines).expect("a file");
        let Some(RawRow::Object(object, 1)) = reader.next_row().expect("a row") else {
            panic!("an object in line 1");
        };
        assert_eq!(object.to_string(), "{\"n\":12345678901234567.890,\"e\":1e+3}");
    }
}
