//! CSV answers, read while they arrive: parsing runs beside the async runtime, and no more than a few batches wait.

use std::{
    io::Read,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use bytes::{Buf, Bytes};
use csv::StringRecord;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::{ClientError, caller::broke_off};
use crate::http::{BodyStream, HttpError};

/// Rows handed over at once.
const BATCH: usize = 1000;

/// No row of an org is larger: 800 fields of 131,072 characters are not filled at once.
const MOST_OF_ROW: usize = 64 * 1024 * 1024;

/// Makes a row's value of a line; made anew for each header line.
pub(super) type Reader<T> = Box<dyn FnMut(&StringRecord) -> T + Send>;
/// Makes a [`Reader`] from a header line, or says which column is missing.
pub(super) type Header<T> = Arc<dyn Fn(&StringRecord) -> Result<Reader<T>, String> + Send + Sync>;

/// The rows of one CSV answer.
pub(super) struct CsvRows<T> {
    batches: mpsc::Receiver<Result<Vec<T>, ClientError>>,
}

impl<T: Send + 'static> CsvRows<T> {
    /// Starts reading. `call` names the request in errors; the first `skip` rows are left out.
    pub(super) fn start(body: BodyStream, call: String, header: Header<T>, skip: u64) -> Self {
        let (chunks, chunks_in) = mpsc::channel(4);
        let (batches_out, batches) = mpsc::channel(2);
        tokio::spawn(async move {
            let mut body = body;
            while let Some(chunk) = body.next().await {
                let ended = chunk.is_err();
                // Nobody listens any more: let the connection go.
                if chunks.send(chunk).await.is_err() || ended {
                    return;
                }
            }
        });
        tokio::task::spawn_blocking(move || {
            let failure = Arc::new(Mutex::new(None));
            let input = Input {
                chunks: chunks_in,
                current: Bytes::new(),
                taken: 0,
                last: Arc::default(),
                failure: failure.clone(),
            };
            if let Err(error) = parse(input, &call, &header, skip, &batches_out) {
                // A broken connection shows as a broken file: its own words are better.
                let error = match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    Some(broken) => ClientError::Http(broken),
                    None => error,
                };
                // Who does not listen does not miss it.
                let _ = batches_out.blocking_send(Err(error));
            }
        });
        CsvRows { batches }
    }

    /// Some rows; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<T>>, ClientError> {
        self.batches.recv().await.transpose()
    }
}

fn parse<T>(
    input: Input,
    call: &str,
    header: &Header<T>,
    mut skip: u64,
    batches: &mpsc::Sender<Result<Vec<T>, ClientError>>,
) -> Result<(), ClientError> {
    let odd = |detail: String| ClientError::NotUnderstood {
        call: call.to_owned(),
        detail,
        request_id: None,
    };
    let last = Arc::clone(&input.last);
    // Only a line feed ends a line: values may hold a lone carriage return. Those before a line feed are cut below.
    let mut lines = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(input);
    let mut record = StringRecord::new();
    if !read(&mut lines, &mut record, call)? {
        // Some orgs send nothing at all where there are no rows.
        return Ok(());
    }
    let crlf = record
        .get(record.len() - 1)
        .is_some_and(|last| last.ends_with('\r'));
    if crlf {
        cut(&mut record);
    }
    let columns = record.len();
    let mut reader = header(&record).map_err(odd)?;
    let mut batch = Vec::with_capacity(BATCH);
    while read(&mut lines, &mut record, call)? {
        if crlf {
            cut(&mut record);
        }
        if record.len() != columns {
            return Err(broke_off(
                call,
                format!("a line has {} cells under a header of {columns}", record.len()),
            ));
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        batch.push(reader(&record));
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if batches.blocking_send(Ok(full)).is_err() {
                return Ok(());
            }
        }
    }
    // Every line of an org's ends: a file that does not was cut, and its last value may be a piece of one.
    if last.load(Ordering::Relaxed) != b'\n' {
        return Err(broke_off(call, "it ends in the middle of a line"));
    }
    if !batch.is_empty() {
        let _ = batches.blocking_send(Ok(batch));
    }
    Ok(())
}

fn read(lines: &mut csv::Reader<Input>, record: &mut StringRecord, call: &str) -> Result<bool, ClientError> {
    lines.get_mut().taken = 0;
    let found = lines.read_record(record);
    let odd = |detail: String| ClientError::NotUnderstood {
        call: call.to_owned(),
        detail,
        request_id: None,
    };
    found.map_err(|error| match error.kind() {
        csv::ErrorKind::Utf8 { .. } => odd("it is not UTF-8".into()),
        _ if lines.get_ref().taken > MOST_OF_ROW => odd(format!("a row is larger than {MOST_OF_ROW} bytes")),
        _ => broke_off(call, error.to_string()),
    })
}

/// Takes the carriage return off a line's end.
fn cut(record: &mut StringRecord) {
    let last = record.len().saturating_sub(1);
    let Some(bare) = record.get(last).and_then(|cell| cell.strip_suffix('\r')) else {
        return;
    };
    let mut shorter = StringRecord::with_capacity(record.as_slice().len(), record.len());
    for cell in record.iter().take(last) {
        shorter.push_field(cell);
    }
    shorter.push_field(bare);
    *record = shorter;
}

/// Chunks of a body as a file.
struct Input {
    chunks: mpsc::Receiver<Result<Bytes, HttpError>>,
    current: Bytes,
    /// The bytes that the reader took since it began with a row.
    taken: usize,
    failure: Arc<Mutex<Option<HttpError>>>,
    /// The last byte that was read.
    last: Arc<AtomicU8>,
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.taken > MOST_OF_ROW {
            return Err(std::io::Error::other("the row does not end"));
        }
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                None => return Ok(0),
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(error)) => {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return Err(std::io::Error::other("the connection broke"));
                }
            }
        }
        let n = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..n]);
        self.taken += n;
        if let Some(last) = buffer[..n].last() {
            self.last.store(*last, Ordering::Relaxed);
        }
        Ok(n)
    }
}

/// The place of a column by name without case.
pub(super) fn column(header: &StringRecord, name: &str) -> Option<usize> {
    header.iter().position(|cell| {
        // A byte order mark would hide the first column.
        cell.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rows(
        chunks: Vec<Result<&'static str, HttpError>>,
        skip: u64,
    ) -> Result<Vec<String>, ClientError> {
        let body = futures_util::stream::iter(
            chunks
                .into_iter()
                .map(|c| c.map(|c| Bytes::from_static(c.as_bytes()))),
        );
        let header: Header<String> = Arc::new(|header| {
            let at = column(header, "b").ok_or("no column `b`")?;
            Ok(Box::new(move |record: &StringRecord| record[at].to_owned()))
        });
        let mut rows = CsvRows::start(Box::pin(body), "GET x".into(), header, skip);
        let mut all = Vec::new();
        while let Some(batch) = rows.next().await? {
            all.extend(batch);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn odd_files_are_read() {
        for (text, skip, expected) in [
            ("\"A\",\"B\"\n\"1\",\"x\"\n\"2\",\"\"\n", 0, vec!["x", ""]),
            ("a,b\r\n1,x\r\n2,\"y\r\"\r\n", 0, vec!["x", "y\r"]),
            ("a,b\n1,\"x\ny\"\n", 0, vec!["x\ny"]),
            ("a,b\n1,x\ry\n2,\0z\n", 0, vec!["x\ry", "\0z"]),
            ("\u{feff}b\nx\n", 0, vec!["x"]),
            ("a,b\n1,x\n2,y\n3,z\n", 2, vec!["z"]),
            ("a,b\n", 0, vec![]),
            ("", 0, vec![]),
        ] {
            assert_eq!(rows(vec![Ok(text)], skip).await.unwrap(), expected, "{text:?}");
        }
        let cut = rows(vec![Ok("a,b\n1,\"sp"), Ok("lit\"\n2,\"y\"\n")], 0)
            .await
            .unwrap();
        assert_eq!(cut, ["split", "y"]);
    }

    #[tokio::test]
    async fn broken_files_say_how() {
        let broken = HttpError::Broken {
            to: "GET x".into(),
            detail: "reset".into(),
        };
        let error = rows(vec![Ok("a,b\n1,x\n"), Err(broken)], 0).await.unwrap_err();
        assert_eq!(error.to_string(), "the connection broke during GET x: reset");
        // What was cut in a line is no value: an empty cell would clear a field, half a text would be written.
        for cut in ["a,b\n1,x\n2,", "a,b\n1,x\n2,\"y", "a,b\n1,x\n2,y", "a,b\n1"] {
            let error = rows(vec![Ok(cut)], 0).await.unwrap_err();
            assert!(
                matches!(error, ClientError::Http(HttpError::Broken { .. })),
                "{cut:?}: {error}"
            );
        }
        let error = rows(vec![Ok("a,b\n1\n")], 0).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Http(HttpError::Broken { .. })),
            "{error}"
        );
        let error = rows(vec![Ok("a,c\n1,2\n")], 0).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the answer to GET x is not understood: no column `b`"
        );
    }
}
