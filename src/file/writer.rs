use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value as Json};

use super::{Encoding, FileError, Format, Place};
use crate::record::{FieldPath, Value};

/// A field of a row that is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'v> {
    /// A value.
    Value(&'v Value),
    /// Null: an empty cell, a JSON null.
    Null,
    /// Left out: an empty cell, no name in a JSON line.
    Omit,
}

/// A row that a file of this encoding cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{encoding} has no letter `{letter}`")]
pub struct Unwritable {
    /// The column.
    pub column: usize,
    /// The letter.
    pub letter: char,
    /// The encoding.
    pub encoding: &'static str,
}

/// Writes rows beside the file that they will replace: until [`RowsWriter::finish`] a file that is there stays as it
/// is, and what was written is taken away when the writer is dropped before.
pub struct RowsWriter {
    out: Option<Out>,
    shown: String,
    format: Format,
    columns: Vec<FieldPath>,
    part: Option<Part>,
    text: String,
    bytes: Vec<u8>,
}

enum Out {
    Plain(BufWriter<Box<dyn Write + Send>>),
    Gzip(BufWriter<GzEncoder<Box<dyn Write + Send>>>),
}

/// The file that is written, and the one that it will be.
struct Part {
    file: File,
    path: PathBuf,
    becomes: PathBuf,
    done: bool,
}

impl RowsWriter {
    /// Begins a file, and makes its folder; a CSV file gets its header.
    ///
    /// # Errors
    /// When it cannot be made, or the header cannot be written in its encoding.
    pub fn create(place: &Place, format: Format, columns: Vec<FieldPath>) -> Result<Self, FileError> {
        let shown = place.written_to();
        let fault = |error: io::Error| FileError::unwritable(&shown, &error);
        let (raw, part): (Box<dyn Write + Send>, _) = match place {
            Place::Standard => (Box::new(io::stdout()), None),
            Place::Path(path) => open(path).map_err(fault)?,
        };
        let out = match place.is_gzip() {
            false => Out::Plain(BufWriter::with_capacity(64 * 1024, raw)),
            true => Out::Gzip(BufWriter::with_capacity(
                64 * 1024,
                GzEncoder::new(raw, Compression::default()),
            )),
        };
        let mut writer = RowsWriter {
            out: Some(out),
            shown,
            format,
            columns,
            part,
            text: String::new(),
            bytes: Vec::new(),
        };
        writer.begin()?;
        Ok(writer)
    }

    fn begin(&mut self) -> Result<(), FileError> {
        let Format::Csv { delimiter, encoding } = self.format else {
            return Ok(());
        };
        self.bytes.clear();
        match encoding {
            Encoding::Utf8Mark => self.bytes.extend_from_slice("\u{feff}".as_bytes()),
            Encoding::Utf16 => self.bytes.extend_from_slice(&[0xFF, 0xFE]),
            Encoding::Utf8 | Encoding::Other(_) => {}
        }
        self.text.clear();
        for (at, column) in self.columns.iter().enumerate() {
            cell(&mut self.text, at, column.as_str(), delimiter, self.columns.len());
        }
        self.text.push('\n');
        if let Err(letter) = encode(&mut self.bytes, &self.text, encoding) {
            return Err(FileError::Unwritable {
                path: self.shown.clone(),
                reason: format!(
                    "{} has no letter `{letter}`, which the header needs",
                    encoding.name()
                ),
            });
        }
        self.put()
    }

    /// Writes a row; one field a column.
    ///
    /// # Errors
    /// When the disk is full and the like. The inner error is the row's own: nothing of it was written.
    pub fn push<'v>(
        &mut self,
        row: impl Iterator<Item = Field<'v>> + Clone,
    ) -> Result<Result<(), Unwritable>, FileError> {
        self.text.clear();
        self.bytes.clear();
        match self.format {
            Format::JsonLines => {
                let mut object = Map::with_capacity(self.columns.len());
                for (column, field) in self.columns.iter().zip(row) {
                    match field {
                        Field::Omit => {}
                        Field::Null => insert(&mut object, column, Json::Null),
                        Field::Value(value) => insert(&mut object, column, value.to_json()),
                    }
                }
                self.text = Json::Object(object).to_string();
                self.text.push('\n');
                self.bytes.extend_from_slice(self.text.as_bytes());
            }
            Format::Csv { delimiter, encoding } => {
                for (at, field) in row.clone().enumerate() {
                    let text = match field {
                        Field::Value(value) => text_of(value),
                        Field::Null | Field::Omit => "".into(),
                    };
                    cell(&mut self.text, at, &text, delimiter, self.columns.len());
                }
                self.text.push('\n');
                if let Err(letter) = encode(&mut self.bytes, &self.text, encoding) {
                    let column = row.clone().position(
                        |field| matches!(field, Field::Value(value) if text_of(value).contains(letter)),
                    );
                    return Ok(Err(Unwritable {
                        column: column.unwrap_or_default(),
                        letter,
                        encoding: encoding.name(),
                    }));
                }
            }
        }
        self.put()?;
        Ok(Ok(()))
    }

    fn put(&mut self) -> Result<(), FileError> {
        let written = match &mut self.out {
            Some(Out::Plain(out)) => out.write_all(&self.bytes),
            Some(Out::Gzip(out)) => out.write_all(&self.bytes),
            None => Ok(()),
        };
        written.map_err(|error| FileError::unwritable(&self.shown, &error))
    }

    /// Ends the file, and puts it in its place.
    ///
    /// # Errors
    /// When it cannot be written to its end, or not be put there.
    pub fn finish(mut self) -> Result<(), FileError> {
        let ended = self.end();
        ended.map_err(|error| FileError::unwritable(&self.shown, &error))
    }

    fn end(&mut self) -> io::Result<()> {
        match self.out.take() {
            None => {}
            Some(Out::Plain(out)) => out
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .flush()?,
            Some(Out::Gzip(out)) => {
                let packer = out.into_inner().map_err(io::IntoInnerError::into_error)?;
                packer.finish()?.flush()?;
            }
        }
        if let Some(part) = &mut self.part {
            part.file.sync_all()?;
            std::fs::rename(&part.path, &part.becomes)?;
            part.done = true;
        }
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A new file beside `path`. What is there and no plain file (a pipe, a device) is written to as it is.
fn open(path: &Path) -> io::Result<(Box<dyn Write + Send>, Option<Part>)> {
    if path
        .metadata()
        .is_ok_and(|data| !data.is_file() && !data.is_dir())
    {
        let file = File::options().write(true).open(path)?;
        return Ok((Box::new(file), None));
    }
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // A link stays a link: what it leads to is replaced.
    let becomes = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = match becomes.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let name = becomes.file_name().unwrap_or_default().to_string_lossy();
    let part = folder.join(format!(".{name}.{:08x}.part", fastrand::u32(..)));
    let file = File::options().write(true).create_new(true).open(&part)?;
    let out = file.try_clone()?;
    let part = Part {
        file,
        path: part,
        becomes,
        done: false,
    };
    Ok((Box::new(out), Some(part)))
}

/// Adds a cell, quoted where it has to be.
fn cell(line: &mut String, at: usize, text: &str, delimiter: u8, columns: usize) {
    if at > 0 {
        line.push(char::from(delimiter));
    }
    // A line of nothing is no row to a reader of CSV.
    let quoted = (text.is_empty() && columns == 1)
        || text
            .bytes()
            .any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r'))
        || text.starts_with([' ', '\t', '\u{feff}'])
        || text.ends_with([' ', '\t']);
    if !quoted {
        line.push_str(text);
        return;
    }
    line.push('"');
    for (nth, part) in text.split('"').enumerate() {
        if nth > 0 {
            line.push_str("\"\"");
        }
        line.push_str(part);
    }
    line.push('"');
}

/// A value as a cell: a list of plain values as a multi-select text, other lists and objects as JSON.
fn text_of(value: &Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::Null => "".into(),
        Value::Json(json) => {
            let plain = json.as_array().and_then(|entries| {
                let texts = entries.iter().map(|entry| match Value::from_json(entry) {
                    Value::Json(_) => None,
                    value => Some(value.as_text().unwrap_or_default().to_owned()),
                });
                texts.collect::<Option<Vec<_>>>()
            });
            match plain {
                Some(entries) => entries.join(";").into(),
                None => json.to_string().into(),
            }
        }
        other => other.as_text().unwrap_or_default().into(),
    }
}

/// Adds text in an encoding, or names the letter that it does not have.
fn encode(out: &mut Vec<u8>, text: &str, encoding: Encoding) -> Result<(), char> {
    match encoding {
        Encoding::Utf8 | Encoding::Utf8Mark => out.extend_from_slice(text.as_bytes()),
        Encoding::Utf16 => out.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
        Encoding::Other(other) => {
            let mut encoder = other.new_encoder();
            let mut rest = text;
            loop {
                let room = encoder
                    .max_buffer_length_from_utf8_without_replacement(rest.len())
                    .unwrap_or(rest.len() * 4 + 16);
                let start = out.len();
                out.resize(start + room, 0);
                let (result, read, written) =
                    encoder.encode_from_utf8_without_replacement(rest, &mut out[start..], true);
                out.truncate(start + written);
                rest = &rest[read..];
                match result {
                    encoding_rs::EncoderResult::InputEmpty => return Ok(()),
                    encoding_rs::EncoderResult::OutputFull => {}
                    encoding_rs::EncoderResult::Unmappable(letter) => return Err(letter),
                }
            }
        }
    }
    Ok(())
}

/// Puts a value where its path leads: `Account.Name` into an object `Account`.
fn insert(object: &mut Map<String, Json>, path: &FieldPath, value: Json) {
    match path.as_str().split_once('.') {
        None => {
            object.insert(path.as_str().to_owned(), value);
        }
        Some((parent, rest)) => {
            let inner = object.entry(parent).or_insert_with(|| Json::Object(Map::new()));
            match inner.as_object_mut() {
                Some(inner) => insert(inner, &FieldPath::from(rest), value),
                // A field of the same name is a value: the whole path is a name then.
                None => {
                    object.insert(path.as_str().to_owned(), value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{RawRow, RowsReader};

    fn csv(delimiter: u8, encoding: &str) -> Format {
        Format::Csv {
            delimiter,
            encoding: Encoding::named(encoding).expect(encoding),
        }
    }

    fn columns(names: &[&str]) -> Vec<FieldPath> {
        names.iter().map(|n| FieldPath::from(*n)).collect()
    }

    fn write(name: &str, format: Format, names: &[&str], rows: &[&[Value]]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out").join(name);
        let mut writer =
            RowsWriter::create(&Place::Path(path.clone()), format, columns(names)).expect("a file");
        for row in rows {
            let fields = row.iter().map(|value| match value {
                Value::Null => Field::Null,
                value => Field::Value(value),
            });
            assert_eq!(writer.push(fields).expect("written"), Ok(()));
        }
        assert!(!path.exists(), "not before the end");
        writer.finish().expect("in its place");
        (folder, path)
    }

    const ODD: [&str; 9] = [
        "plain",
        " padded ",
        "a,b;c\td|e",
        "say \"hi\"",
        "line\nfeed\r\nand\rreturn",
        "#N/A",
        "émoji 😀 漢字",
        "\u{feff}mark",
        "\0nul",
    ];

    #[test]
    fn what_is_written_is_read_again() {
        for (name, format) in [
            ("a.csv", csv(b',', "utf-8")),
            ("a.csv.gz", csv(b',', "utf-8")),
            ("a.csv", csv(b';', "utf-8-bom")),
            ("a.tsv", csv(b'\t', "utf-16")),
            ("a.jsonl", Format::JsonLines),
            ("a.jsonl.gz", Format::JsonLines),
        ] {
            let rows: Vec<Vec<Value>> = ODD
                .iter()
                .map(|odd| vec![Value::text(*odd), Value::Null])
                .collect();
            let rows: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
            let (_folder, path) = write(name, format, &["A", "Owner.Name"], &rows);
            let mut reader = RowsReader::open(&Place::Path(path), &format).expect(name);
            for odd in ODD {
                match reader.next_row().expect("a row").expect("as many rows") {
                    RawRow::Cells(cells) => assert_eq!((cells.get(0), cells.get(1)), (odd, "")),
                    RawRow::Object(object, _) => {
                        assert_eq!(object["A"], odd);
                        assert_eq!(object["Owner"]["Name"], Json::Null);
                    }
                }
            }
            assert!(reader.next_row().expect("the end").is_none());
        }
    }

    #[test]
    fn files_look_as_expected() {
        let rows: [&[Value]; 3] = [
            &[Value::Bool(true), "x\"y".into()],
            &[Value::Null, Value::from_json(&serde_json::json!(["a", 1]))],
            &[
                Value::from_json(&serde_json::json!(1.50)),
                Value::from_json(&serde_json::json!({ "a": [1] })),
            ],
        ];
        let (_folder, path) = write("a.csv", csv(b',', "utf-8"), &["A", "B C"], &rows);
        assert_eq!(
            std::fs::read_to_string(path).expect("text"),
            "A,B C\ntrue,\"x\"\"y\"\n,a;1\n1.5,\"{\"\"a\"\":[1]}\"\n"
        );
        let (_folder, path) = write("a.jsonl", Format::JsonLines, &["A", "B"], &rows);
        assert_eq!(
            std::fs::read_to_string(path).expect("text"),
            "{\"A\":true,\"B\":\"x\\\"y\"}\n{\"A\":null,\"B\":[\"a\",1]}\n{\"A\":1.5,\"B\":{\"a\":[1]}}\n"
        );
        let (_folder, path) = write("a.csv", csv(b',', "utf-8"), &["A"], &[&[Value::Null]]);
        assert_eq!(std::fs::read_to_string(path).expect("text"), "A\n\"\"\n");
        let (_folder, path) = write("a.csv", csv(b';', "windows-1252"), &["Größe"], &[&["€".into()]]);
        assert_eq!(std::fs::read(path).expect("bytes"), b"Gr\xF6\xDFe\n\x80\n");
    }

    #[test]
    fn a_letter_that_the_encoding_lacks_is_the_row_s_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.csv");
        let place = Place::Path(path.clone());
        let mut writer =
            RowsWriter::create(&place, csv(b',', "windows-1252"), columns(&["A", "B"])).expect("a file");
        let (good, bad) = (Value::from("ü"), Value::from("a😀"));
        let row = [Field::Value(&good), Field::Value(&bad)];
        let refused = writer.push(row.into_iter()).expect("no fault of the disk");
        let refused = refused.expect_err("no such letter");
        assert_eq!((refused.column, refused.letter), (1, '😀'));
        assert_eq!(refused.to_string(), "windows-1252 has no letter `😀`");
        assert_eq!(
            writer.push([Field::Value(&good), Field::Null].into_iter()),
            Ok(Ok(()))
        );
        writer.finish().expect("in its place");
        assert_eq!(std::fs::read(path).expect("bytes"), b"A,B\n\xFC,\n");
        let header = RowsWriter::create(&place, csv(b',', "windows-1252"), columns(&["漢"]));
        assert!(matches!(header, Err(FileError::Unwritable { .. })));
    }

    #[test]
    fn a_file_that_is_there_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "old").expect("a file");
        let place = Place::Path(path.clone());
        let value = Value::from("x");
        let begin = || {
            let mut writer =
                RowsWriter::create(&place, Format::JsonLines, columns(&["A", "B"])).expect("a file");
            assert_eq!(
                writer.push([Field::Value(&value), Field::Omit].into_iter()),
                Ok(Ok(()))
            );
            writer
        };
        let listed = || std::fs::read_dir(folder.path()).expect("a folder").count();
        drop(begin());
        assert_eq!(std::fs::read_to_string(&path).expect("text"), "old");
        assert_eq!(listed(), 1, "nothing is left behind");
        begin().finish().expect("in its place");
        assert_eq!(std::fs::read_to_string(&path).expect("text"), "{\"A\":\"x\"}\n");
        assert_eq!(listed(), 1);
        let nowhere = RowsWriter::create(
            &Place::Path(path.join("below/a.csv")),
            Format::JsonLines,
            Vec::new(),
        );
        assert!(matches!(nowhere, Err(FileError::Unwritable { .. })));
    }
}
