//! Files of rows: CSV and JSON lines, how they are read and how they are written. Knows nothing of steps or orgs.

mod encoding;

use std::path::{Path, PathBuf};

pub use encoding::Encoding;

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
            Place::Path(path) => is_gzip(path),
        }
    }
}

fn is_gzip(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("gz"))
}
