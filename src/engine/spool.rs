//! Rows that are put aside on disk: until it is known whether they may be written, or that they are.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

/// A file of batches, a line each. It goes with the value that stands for it.
pub(super) struct Spool<T> {
    file: BufWriter<File>,
    removed: Removed,
    holds: PhantomData<fn(T) -> T>,
}

/// The batches of a spool, from the first on.
pub(super) struct Batches<T> {
    lines: io::Lines<BufReader<File>>,
    holds: PhantomData<fn(T) -> T>,
    /// Keeps the file until nothing is read any more.
    _removed: Removed,
}

/// Removes a file when nobody needs it.
struct Removed(PathBuf);

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// An empty one at `path`.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(Spool {
            file: BufWriter::new(file),
            removed: Removed(path.to_owned()),
            holds: PhantomData,
        })
    }

    pub(super) fn push(&mut self, rows: &[T]) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, rows)?;
        self.file.write_all(b"\n")
    }

    /// What was put aside, batch by batch.
    pub(super) fn batches(self) -> io::Result<Batches<T>> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Batches {
            lines: BufReader::new(file).lines(),
            holds: PhantomData,
            _removed: self.removed,
        })
    }
}

impl<T: DeserializeOwned> Batches<T> {
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<T>>> {
        match self.lines.next() {
            None => Ok(None),
            Some(line) => Ok(Some(serde_json::from_str(&line?)?)),
        }
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "a file of rows put aside is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        load::{Action, Plain, WriteRow},
        record::{Number, Value},
    };

    #[test]
    fn rows_come_back_as_they_went() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("runs/r1/contacts.rows");
        let json = Value::from_json(&serde_json::json!({ "a": [1.50, "x\ny", null] }));
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Number(Number::exact("1.50").expect("a number")),
            Value::text("line\nfeed \u{1F600} \"quoted\""),
            json,
        ];
        let row = |n: usize| WriteRow {
            source_id: format!("S{n}").into(),
            source: values.to_vec().into(),
            record_id: (n == 1).then(|| "T".into()),
            action: Action::Upsert,
            cells: values
                .iter()
                .cloned()
                .map(Plain::Value)
                .chain([Plain::Clear, Plain::Omit])
                .collect(),
            later: n == 2,
        };
        let mut spool = Spool::create(&path).expect("a file");
        spool.push(&[row(1), row(2)]).expect("written");
        spool.push(&[row(3)]).expect("written");
        let mut batches = spool.batches().expect("batches");
        let mut all = Vec::new();
        while let Some(rows) = batches.next().expect("rows") {
            all.extend(rows);
        }
        let expected: Vec<String> = (1..=3).map(|n| format!("{:?}", row(n))).collect();
        let found: Vec<String> = all.iter().map(|row| format!("{row:?}")).collect();
        assert_eq!(found, expected);
        assert!(path.exists());
        drop(batches);
        assert!(!path.exists());
    }
}
