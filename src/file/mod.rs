//! Files of rows: CSV and JSON lines, how they are read and how they are written. Knows nothing of steps or orgs.
//!
//! [`RowsReader`] gives a file's rows one by one, with the line that each begins on; [`survey`] reads a whole file for
//! faults before anything is done with it. [`RowsWriter`] writes beside the file that it will replace.

mod csv;
mod decode;
mod encoding;
mod error;
mod reader;
mod writer;

use std::path::{Component, Path, PathBuf};

pub use csv::Cells;
pub use encoding::Encoding;
pub use error::FileError;
pub use reader::{RawRow, RowsReader, Survey, header, survey};
pub use writer::{Field, RowsWriter, Unwritable};

/// How a file holds its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A header line, then a line a row.
    Csv {
        /// What stands between cells.
        delimiter: u8,
        /// How its letters are written.
        encoding: Encoding,
    },
    /// A JSON object a line, UTF-8.
    JsonLines,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard input of what is read, standard output of what is written.
    Standard,
    /// A path.
    Path(PathBuf),
}

impl Place {
    /// Whether it is packed, which its ending says: `.gz`.
    pub fn is_gzip(&self) -> bool {
        match self {
            Place::Standard => false,
            Place::Path(path) => path
                .extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("gz")),
        }
    }

    /// For messages about what is read.
    pub fn read_from(&self) -> String {
        match self {
            Place::Standard => "standard input".to_owned(),
            Place::Path(path) => path.display().to_string(),
        }
    }

    /// For messages about what is written.
    pub fn written_to(&self) -> String {
        match self {
            Place::Standard => "standard output".to_owned(),
            Place::Path(path) => path.display().to_string(),
        }
    }
}

/// `./a/../b` as `b`, for messages: no link is followed, since what is left out is what the user wrote.
pub fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_tidied() {
        for (path, expected) in [
            ("./a.yaml", "a.yaml"),
            ("p/../m/x.yaml", "m/x.yaml"),
            ("../m/x.yaml", "../m/x.yaml"),
            ("a/./b", "a/b"),
            ("a/..", "."),
        ] {
            assert_eq!(tidy(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
