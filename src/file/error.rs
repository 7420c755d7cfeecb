use std::io;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read at all.
    #[error("cannot read `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the machine said.
        reason: String,
    },
    /// A line of it is not what it should be.
    #[error("{path}:{line}: {message}")]
    Broken {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// It cannot be written.
    #[error("cannot write `{path}`: {reason}")]
    Unwritable {
        /// The file.
        path: String,
        /// What the machine said.
        reason: String,
    },
}

impl FileError {
    pub(super) fn unreadable(path: &str, error: &io::Error) -> Self {
        FileError::Unreadable {
            path: path.to_owned(),
            reason: reason(error),
        }
    }

    pub(super) fn unwritable(path: &str, error: &io::Error) -> Self {
        FileError::Unwritable {
            path: path.to_owned(),
            reason: reason(error),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            FileError::Unreadable { .. } => {
                "paths in a file start at that file's folder; check that the file is there".to_owned()
            }
            FileError::Broken { help, .. } => help.clone(),
            FileError::Unwritable { reason, .. } if reason == FULL => {
                "make room on that disk, or name a file on another one".to_owned()
            }
            FileError::Unwritable { .. } => "check the folder and the disk".to_owned(),
        }
    }
}

const FULL: &str = "the disk is full";

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FULL.to_owned(),
        _ => error.to_string(),
    }
}

/// What is wrong with a line, before the file's name is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: u64,
    pub(super) message: String,
    pub(super) help: &'static str,
}

impl Fault {
    pub(super) fn new(line: u64, message: impl Into<String>, help: &'static str) -> Self {
        Fault {
            line,
            message: message.into(),
            help,
        }
    }

    pub(super) fn of(self, path: &str) -> FileError {
        FileError::Broken {
            path: path.to_owned(),
            line: self.line,
            message: self.message,
            help: self.help.to_owned(),
        }
    }
}

/// A fault travels through [`io::Read`] as the inside of its error.
impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, Carried(fault))
    }
}

#[derive(Debug)]
struct Carried(Fault);

impl std::fmt::Display for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Carried {}

/// Why reading stopped: a fault of the text, or the machine's.
#[derive(Debug)]
pub(super) enum Stop {
    Fault(Fault),
    Io(io::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Carried>()) {
            Some(carried) => Stop::Fault(carried.0.clone()),
            None => Stop::Io(error),
        }
    }
}

impl Stop {
    pub(super) fn of(self, path: &str, line: u64) -> FileError {
        match self {
            Stop::Fault(fault) => fault.of(path),
            // A packed file that was cut off, or is none.
            Stop::Io(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
                ) =>
            {
                Fault::new(
                    line,
                    format!("the packed file is damaged: {error}"),
                    "make it anew; a name that ends in `.gz` stands for a gzip file",
                )
                .of(path)
            }
            Stop::Io(error) => FileError::unreadable(path, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_its_way_out() {
        let full = FileError::unwritable("out.csv", &io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.to_string(), "cannot write `out.csv`: the disk is full");
        assert!(
            full.help().starts_with("make room on that disk"),
            "{}",
            full.help()
        );
        let other = FileError::unwritable("out.csv", &io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(other.help(), "check the folder and the disk");
    }
}
