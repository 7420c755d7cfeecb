//! Tables that stand in CSV files: `industry: { csv: PATH, key: COLUMN, value: COLUMN }`.

use std::{collections::HashMap, path::Path};

use super::{
    node::{Entry, Key, Kind, Node, Scalar, Style},
    shapes::delimiter,
};
use crate::{
    diag::{Finding, did_you_mean},
    file::{Encoding, FileError, Format, Place, RawRow, RowsReader, tidy},
};

/// Entries of a table. More belong into an org, and into a `lookup`.
const MOST: usize = 1_000_000;

/// Whether a table says where its entries are, rather than being them. A table whose texts happen to be `csv`, `key`
/// and `value` holds no path.
pub(super) fn is_file(table: &Node) -> bool {
    let known = |entry: &Entry| matches!(entry.key.text.as_str(), "csv" | "key" | "value");
    let path = |csv: &Node| match &csv.kind {
        Kind::Map(_) => true,
        Kind::Scalar(scalar) => {
            let text = scalar.text.to_ascii_lowercase();
            let text = text.strip_suffix(".gz").unwrap_or(&text);
            [".csv", ".tsv", ".txt"]
                .iter()
                .any(|ending| text.ends_with(ending))
        }
        Kind::List(_) | Kind::Broken => false,
    };
    table.entries().iter().all(known) && table.get("csv").is_some_and(path)
}

/// Puts the entries of the file in the table's place. What is wrong with it breaks the table.
pub(super) fn read(table: &mut Node, folder: &Path, findings: &mut Vec<Finding>) {
    match entries(table, folder) {
        Ok(entries) => table.kind = Kind::Map(entries),
        Err(finding) => {
            findings.push(*finding);
            table.kind = Kind::Broken;
        }
    }
}

fn entries(table: &Node, folder: &Path) -> Result<Vec<Entry>, Box<Finding>> {
    let wrong = |node: &Node, what: &str| {
        Box::new(
            Finding::error("wrong-type", node.span.clone(), format!("{what} is none"))
                .label(format!("this is {}", node.what()))
                .help("a table from a file is written `{ csv: PATH, key: COLUMN, value: COLUMN }`"),
        )
    };
    let csv = table.get("csv").unwrap_or(table);
    let text_of = |node: &Node, key: &str, what: &str| match node.get(key) {
        None => Ok(None),
        Some(node) => match node.text() {
            Some(text) => Ok(Some((text.to_owned(), node.span.clone()))),
            None => Err(wrong(node, what)),
        },
    };
    let path = csv.get("path").unwrap_or(csv);
    let Some(text) = path.text() else {
        return Err(wrong(path, "the path of the file"));
    };
    let known = csv
        .entries()
        .iter()
        .find(|entry| !matches!(entry.key.text.as_str(), "path" | "delimiter" | "encoding"));
    if let Some(other) = known {
        return Err(Box::new(
            Finding::error(
                "unknown-key",
                other.key.span.clone(),
                format!("unknown key `{}`", other.key.text),
            )
            .label("not a key of a CSV file")
            .help("its keys are `path`, `delimiter` and `encoding`"),
        ));
    }
    let format = Format::Csv {
        delimiter: match text_of(csv, "delimiter", "the delimiter")? {
            None => b',',
            Some((text, span)) => delimiter(&text).ok_or_else(|| {
                Box::new(
                    Finding::error("wrong-type", span, format!("`{text}` is no delimiter"))
                        .label("expected one sign, such as `;`, `|` or `\\t`"),
                )
            })?,
        },
        encoding: match text_of(csv, "encoding", "the encoding")? {
            None => Encoding::Utf8,
            Some((text, span)) => Encoding::named(&text).ok_or_else(|| {
                Box::new(
                    Finding::error("unknown-encoding", span, format!("there is no encoding `{text}`"))
                        .label("unknown encoding")
                        .help("for example `utf-8`, `utf-16` or `windows-1252`"),
                )
            })?,
        },
    };
    let bad = |error: FileError| {
        let code = match error {
            FileError::Broken { .. } => "bad-file",
            _ => "unreadable-file",
        };
        Box::new(
            Finding::error(code, path.span.clone(), error.to_string())
                .label("named here")
                .help(error.help()),
        )
    };
    let place = Place::Path(tidy(&folder.join(text)));
    let mut reader = RowsReader::open(&place, &format).map_err(bad)?;
    let header: Vec<String> = reader.header().map(<[String]>::to_vec).unwrap_or_default();
    let column = |key: &str, usual: usize| -> Result<usize, Box<Finding>> {
        let Some((name, span)) = text_of(table, key, "the name of a column")? else {
            return match usual < header.len() {
                true => Ok(usual),
                false => Err(Box::new(
                    Finding::error(
                        "bad-file",
                        path.span.clone(),
                        format!("`{text}` has one column, and a table needs two"),
                    )
                    .label("named here")
                    .help("its columns are the `key` and the `value`"),
                )),
            };
        };
        header
            .iter()
            .position(|known| known.eq_ignore_ascii_case(&name))
            .ok_or_else(|| {
                let finding =
                    Finding::error("unknown-field", span, format!("`{text}` has no column `{name}`"))
                        .label("not in its header line");
                Box::new(match did_you_mean(&name, header.iter().map(String::as_str)) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help(format!("its columns: {}", header.join(", "))),
                })
            })
    };
    let (key_at, value_at) = (column("key", 0)?, column("value", 1)?);
    let mut first: HashMap<String, (String, u64)> = HashMap::new();
    let mut found = Vec::new();
    let fault = |line: u64, message: String, help: &str| {
        bad(FileError::Broken {
            path: place.read_from(),
            line,
            message,
            help: help.to_owned(),
        })
    };
    while let Some(row) = reader.next_row().map_err(bad)? {
        let RawRow::Cells(cells) = row else { continue };
        let (from, to) = (cells.get(key_at), cells.get(value_at));
        if from.is_empty() {
            return Err(fault(
                cells.line,
                "the key is empty".into(),
                "an empty value is null, which no table is asked for: take the row away",
            ));
        }
        if let Some((before, line)) = first.get(from) {
            if before == to {
                continue;
            }
            return Err(fault(
                cells.line,
                format!("`{from}` leads to `{before}` in line {line}, and to `{to}` here"),
                "keep one of the two",
            ));
        }
        if found.len() == MOST {
            return Err(fault(
                cells.line,
                format!("a table has at most {MOST} entries"),
                "load them into an org, and find them with a `lookup`",
            ));
        }
        first.insert(from.to_owned(), (to.to_owned(), cells.line));
        found.push(Entry {
            key: Key {
                text: from.to_owned(),
                span: path.span.clone(),
            },
            value: Node {
                kind: Kind::Scalar(Scalar {
                    text: to.to_owned(),
                    // What stands in the file is text, whatever it looks like; only nothing is null.
                    style: if to.is_empty() {
                        Style::Plain
                    } else {
                        Style::Double
                    },
                }),
                span: path.span.clone(),
            },
        });
    }
    Ok(found)
}
