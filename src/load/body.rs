//! New records with a file's body: one call each, the bytes streamed from org to org.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::StreamExt;

use super::{
    WriteRow,
    rest::{options, row_error},
    unit::Answer,
};
use crate::{
    http::Retry,
    plan::Write,
    salesforce::{Class, Client, ClientError, FileBody},
};

/// Makes the record of each row.
///
/// # Errors
/// When an org refuses more than one row's call. What it says of single rows is no error.
pub(super) async fn send(
    client: &Client,
    source: &Client,
    write: &Write,
    retry: &Retry,
    rows: &[WriteRow],
) -> Result<Vec<Answer>, ClientError> {
    let mut answers = Vec::with_capacity(rows.len());
    for row in rows {
        answers.push(one(client, source, write, retry, row).await?);
    }
    Ok(answers)
}

async fn one(
    client: &Client,
    source: &Client,
    write: &Write,
    retry: &Retry,
    row: &WriteRow,
) -> Result<Answer, ClientError> {
    let field = write.body().map_or("", |at| write.fields[at].name.as_str());
    let Some(path) = row.body(write) else {
        return Ok(Answer::Refused(None, row_error("no_body", "the row has no file")));
    };
    let record = row.to_json(write);
    let mut attempt = 1;
    loop {
        let body = match source.file_body(path).await {
            Ok(body) => body,
            Err(error) if error.is_not_found() => {
                let message = format!("the source has no bytes at {path}: {error}");
                return Ok(Answer::Refused(None, row_error("no_body", &message)));
            }
            Err(error) => return Err(error),
        };
        let (body, broke_off) = watched(body);
        let made = client
            .create_file(&write.object, &record, field, body, &options(write))
            .await;
        let error = match made {
            Ok(id) => return Ok(Answer::Written(id, true)),
            Err(error) => error,
        };
        // A body that broke off in the source never was a whole request.
        let broke_off = broke_off.load(Ordering::Relaxed);
        let again = broke_off || matches!(error.class(), Class::Transient | Class::Reauthenticate);
        let unknown = matches!(error, ClientError::OutcomeUnknown { .. }) && !broke_off;
        if again && !unknown && attempt < retry.attempts {
            tokio::time::sleep(retry.pause(attempt)).await;
            attempt += 1;
            continue;
        }
        return match error {
            _ if unknown => Ok(Answer::Lost),
            ClientError::Api(error) if matches!(error.status, 400..=499) && error.status != 401 => {
                Ok(Answer::Refused(None, error.as_row()))
            }
            error => Err(error),
        };
    }
}

/// The body, and whether it broke off before its end.
fn watched(body: FileBody) -> (FileBody, Arc<AtomicBool>) {
    let broke_off = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&broke_off);
    let stream = body.stream.inspect(move |chunk| {
        if chunk.is_err() {
            flag.store(true, Ordering::Relaxed);
        }
    });
    let body = FileBody {
        stream: Box::pin(stream),
        length: body.length,
    };
    (body, broke_off)
}
