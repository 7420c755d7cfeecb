use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    super::{csv, load::Outcome},
    Batch, BatchJob, BatchState, Format, JobState,
};
use crate::emulator::{
    http::{
        Api, Call, Reply,
        xml::{HEAD, tag},
    },
    store::RowError,
};

const SPACE: &str = "xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\"";

/// Whether an answer is JSON: by what the request says, or else by the job.
pub(super) fn wants_json(call: &Call, job: Option<Format>) -> bool {
    let says = |header: &str, word: &str| call.header(header).is_some_and(|v| v.contains(word));
    if says("accept", "json") && !says("accept", "xml") || says("content-type", "json") {
        return true;
    }
    if says("accept", "application/xml") && !says("accept", "*/*") || says("content-type", "xml") {
        return false;
    }
    job == Some(Format::Json)
}

pub(super) fn content_type(format: Format) -> &'static str {
    match format {
        Format::Csv => "text/csv",
        Format::Xml => "application/xml",
        Format::Json => "application/json",
    }
}

pub(super) fn problem(json: bool, code: &str, message: &str) -> Reply {
    if json {
        return Reply::json(400, &json!({"exceptionCode": code, "exceptionMessage": message}));
    }
    let mut out = format!("{HEAD}<error {SPACE}>");
    tag(&mut out, "exceptionCode", code);
    tag(&mut out, "exceptionMessage", message);
    out.push_str("</error>");
    Reply::bytes(400, "application/xml", Bytes::from(out))
}

/// An answer whose keys are the same in both formats.
fn answer(api: &Api<'_>, status: u16, job: &BatchJob, root: &str, keys: &Map<String, Value>) -> Reply {
    if wants_json(api.call, Some(job.format)) {
        return Reply::json(status, &Value::Object(keys.clone()));
    }
    let out = format!("{HEAD}{}", element(root, keys, true));
    Reply::bytes(status, "application/xml", Bytes::from(out))
}

fn element(name: &str, keys: &Map<String, Value>, outermost: bool) -> String {
    let mut out = if outermost {
        format!("<{name} {SPACE}>")
    } else {
        format!("<{name}>")
    };
    for (key, value) in keys {
        match value {
            // XML writes times as `...Z`.
            Value::String(text) => match text.strip_suffix("+0000") {
                Some(time) => tag(&mut out, key, &format!("{time}Z")),
                None => tag(&mut out, key, text),
            },
            other => tag(&mut out, key, &other.to_string()),
        }
    }
    out.push_str(&format!("</{name}>"));
    out
}

fn time(text: &str) -> Value {
    json!(text.replace('Z', "+0000"))
}

pub(super) fn job(api: &Api<'_>, status: u16, job: &BatchJob) -> Reply {
    let count = |state: BatchState| job.batches.iter().filter(|b| b.state == state).count();
    let sum = |of: fn(&Batch) -> u64| job.batches.iter().map(of).sum::<u64>();
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| {
        keys.insert(key.to_owned(), value);
    };
    put("id", json!(job.id));
    put("operation", json!(job.operation));
    put("object", json!(job.object_name));
    put("createdById", json!(job.user.as_str()));
    put("createdDate", time(&job.created));
    put("systemModstamp", time(&job.stamp));
    put(
        "state",
        json!(match job.state {
            JobState::Open => "Open",
            JobState::Closed => "Closed",
            JobState::Aborted => "Aborted",
        }),
    );
    if let Some(key) = &job.key {
        put("externalIdFieldName", json!(key));
    }
    put("concurrencyMode", json!(job.concurrency));
    put(
        "contentType",
        json!(match job.format {
            Format::Csv => "CSV",
            Format::Xml => "XML",
            Format::Json => "JSON",
        }),
    );
    put("numberBatchesQueued", json!(count(BatchState::Queued)));
    put("numberBatchesInProgress", json!(count(BatchState::InProgress)));
    put("numberBatchesCompleted", json!(count(BatchState::Completed)));
    put("numberBatchesFailed", json!(count(BatchState::Failed)));
    put("numberBatchesTotal", json!(job.batches.len()));
    put("numberRecordsProcessed", json!(sum(|b| b.processed)));
    put("numberRetries", json!(0));
    put("apiVersion", json!(f64::from(job.version)));
    put("numberRecordsFailed", json!(sum(|b| b.failed)));
    put("totalProcessingTime", json!(sum(|b| b.millis)));
    put("apiActiveProcessingTime", json!(sum(|b| b.millis)));
    put("apexProcessingTime", json!(0));
    answer(api, status, job, "jobInfo", &keys)
}

fn batch_keys(job: &BatchJob, batch: &Batch) -> Map<String, Value> {
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| {
        keys.insert(key.to_owned(), value);
    };
    put("id", json!(batch.id));
    put("jobId", json!(job.id));
    put(
        "state",
        json!(match batch.state {
            BatchState::Queued => "Queued",
            BatchState::InProgress => "InProgress",
            BatchState::Completed => "Completed",
            BatchState::Failed => "Failed",
            BatchState::NotProcessed => "NotProcessed",
        }),
    );
    if let Some(message) = &batch.message {
        put("stateMessage", json!(message));
    }
    put("createdDate", time(&batch.created));
    put("systemModstamp", time(&batch.stamp));
    put("numberRecordsProcessed", json!(batch.processed));
    put("numberRecordsFailed", json!(batch.failed));
    put("totalProcessingTime", json!(batch.millis));
    put("apiActiveProcessingTime", json!(batch.millis));
    put("apexProcessingTime", json!(0));
    keys
}

pub(super) fn batch(api: &Api<'_>, status: u16, job: &BatchJob, batch: &Batch) -> Reply {
    answer(api, status, job, "batchInfo", &batch_keys(job, batch))
}

pub(super) fn batches(api: &Api<'_>, job: &BatchJob) -> Reply {
    if wants_json(api.call, Some(job.format)) {
        let list: Vec<Value> = job
            .batches
            .iter()
            .map(|b| Value::Object(batch_keys(job, b)))
            .collect();
        return Reply::json(200, &json!({"batchInfo": list}));
    }
    let list: String = job
        .batches
        .iter()
        .map(|b| element("batchInfo", &batch_keys(job, b), false))
        .collect();
    let out = format!("{HEAD}<batchInfoList {SPACE}>{list}</batchInfoList>");
    Reply::bytes(200, "application/xml", Bytes::from(out))
}

pub(super) fn file_list(api: &Api<'_>, job: &BatchJob, files: &[(String, Bytes)]) -> Reply {
    if job.format == Format::Json || wants_json(api.call, None) {
        let ids: Vec<&String> = files.iter().map(|(id, _)| id).collect();
        return Reply::json(200, &json!(ids));
    }
    let mut out = format!("{HEAD}<result-list {SPACE}>");
    for (id, _) in files {
        tag(&mut out, "result", id);
    }
    out.push_str("</result-list>");
    Reply::bytes(200, "application/xml", Bytes::from(out))
}

/// All errors of a row, with the keys of this API.
fn errors(error: &RowError) -> Vec<Value> {
    error
        .entries("statusCode")
        .into_iter()
        .map(|entry| {
            json!({
                "message": entry["message"], "fields": entry["fields"], "statusCode": entry["statusCode"],
                "extendedErrorDetails": null,
            })
        })
        .collect()
}

/// What became of each row, in the order of the upload.
pub(super) fn rows(format: Format, outcomes: &[Outcome]) -> Bytes {
    match format {
        Format::Csv => {
            let mut out = b"\"Id\",\"Success\",\"Created\",\"Error\"\n".to_vec();
            for outcome in outcomes {
                let error = outcome.as_ref().err().map(|refused| refused.error.bulk_cell());
                let (id, created) = match outcome {
                    Ok(done) => (done.id.as_str(), done.created),
                    Err(_) => ("", false),
                };
                let cells = [
                    id,
                    if outcome.is_ok() { "true" } else { "false" },
                    if created { "true" } else { "false" },
                    error.as_deref().unwrap_or_default(),
                ];
                for (n, cell) in cells.iter().enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    csv::quote(&mut out, cell);
                }
                out.push(b'\n');
            }
            Bytes::from(out)
        }
        Format::Json => {
            let list: Vec<Value> = outcomes
                .iter()
                .map(|outcome| match outcome {
                    Ok(done) => json!({
                        "success": true, "created": done.created, "id": done.id.as_str(), "errors": [],
                    }),
                    Err(refused) => json!({
                        "success": false, "created": false, "id": null, "errors": errors(&refused.error),
                    }),
                })
                .collect();
            Bytes::from(Value::Array(list).to_string())
        }
        Format::Xml => {
            let mut out = format!("{HEAD}<results {SPACE}>");
            for outcome in outcomes {
                out.push_str("<result>");
                let created = match outcome {
                    Ok(done) => {
                        tag(&mut out, "id", &done.id);
                        done.created
                    }
                    Err(refused) => {
                        for error in errors(&refused.error) {
                            out.push_str("<errors>");
                            for field in error["fields"].as_array().into_iter().flatten() {
                                tag(&mut out, "fields", field.as_str().unwrap_or_default());
                            }
                            for key in ["message", "statusCode"] {
                                tag(&mut out, key, error[key].as_str().unwrap_or_default());
                            }
                            out.push_str("</errors>");
                        }
                        false
                    }
                };
                tag(
                    &mut out,
                    "success",
                    if outcome.is_ok() { "true" } else { "false" },
                );
                tag(&mut out, "created", if created { "true" } else { "false" });
                out.push_str("</result>");
            }
            out.push_str("</results>");
            Bytes::from(out)
        }
    }
}
