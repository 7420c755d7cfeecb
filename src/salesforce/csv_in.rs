//! CSV answers, read while they arrive: parsing runs beside the async runtime, and no more than a few batches wait.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::{
    ClientError,
    caller::broke_off,
    csv_records::{MOST_OF_RECORD, Record, Records, Unreadable},
};
use crate::http::{BodyStream, HttpError};

/// Rows handed over at once.
const BATCH: usize = 1000;

/// Makes a row's value of a line; made anew for each header line.
pub(super) type Reader<T> = Box<dyn FnMut(Record<'_>) -> T + Send>;
/// Makes a [`Reader`] from a header line, or says which column is missing.
pub(super) type Header<T> = Arc<dyn Fn(Record<'_>) -> Result<Reader<T>, String> + Send + Sync>;

/// The rows of one CSV answer.
pub(super) struct CsvRows<T> {
    batches: mpsc::Receiver<Result<Vec<T>, ClientError>>,
}

impl<T: Send + 'static> CsvRows<T> {
    /// Starts reading. `call` names the request in errors; the first `skip` rows are left out.
    pub(super) fn start(body: BodyStream, call: String, header: Header<T>, skip: u64) -> Self {
        let (chunks, mut chunks_in) = mpsc::channel(4);
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
            let records = Records::new(std::iter::from_fn(|| chunks_in.blocking_recv()));
            if let Err(error) = parse(records, &call, &header, skip, &batches_out) {
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
    mut records: Records<impl Iterator<Item = Result<Bytes, HttpError>>>,
    call: &str,
    header: &Header<T>,
    mut skip: u64,
    batches: &mpsc::Sender<Result<Vec<T>, ClientError>>,
) -> Result<(), ClientError> {
    let Some(first) = records.next().map_err(|why| unreadable(why, call))? else {
        // Some orgs send nothing at all where there are no rows.
        return Ok(());
    };
    let columns = first.len();
    let mut reader = header(first).map_err(|detail| odd(detail, call))?;
    records.limit_cells(columns);
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(record) = records.next().map_err(|why| unreadable(why, call))? {
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
        batch.push(reader(record));
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if batches.blocking_send(Ok(full)).is_err() {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        let _ = batches.blocking_send(Ok(batch));
    }
    Ok(())
}

fn unreadable(why: Unreadable<HttpError>, call: &str) -> ClientError {
    match why {
        Unreadable::Chunks(error) => ClientError::Http(error),
        // Every line of an org's ends: the last value of one that does not may be a piece of one.
        Unreadable::CutOff => broke_off(call, "it ends in the middle of a line"),
        Unreadable::TooManyCells => broke_off(call, "a line has more cells than its header"),
        Unreadable::TooLarge => odd(format!("a row is larger than {MOST_OF_RECORD} bytes"), call),
        Unreadable::NotUtf8 => odd("it is not UTF-8".into(), call),
    }
}

fn odd(detail: String, call: &str) -> ClientError {
    ClientError::NotUnderstood {
        call: call.to_owned(),
        detail,
        request_id: None,
    }
}

/// The place of a column by name without case.
pub(super) fn column(header: Record<'_>, name: &str) -> Option<usize> {
    header.iter().position(|cell| {
        // A byte order mark inside the quotes would hide the first column.
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
            Ok(Box::new(move |record: Record<'_>| {
                record.get(at).unwrap().to_owned()
            }))
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
