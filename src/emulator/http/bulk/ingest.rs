use bytes::Bytes;
use serde_json::Value;

use super::{
    super::{Api, Org, Reply, blobs::parts},
    Files, Job, State, Work, blank, change, csv, format, invalid, list,
    load::{self, load},
    own_job, patch_state, register, remove,
    results::Results,
    start,
};
use crate::emulator::{access::Permission, store::Op};

/// Everything below `/jobs/ingest`.
pub(in super::super) fn route(api: &Api<'_>, rest: &[&str]) -> Reply {
    match (rest, api.method()) {
        ([], "POST") => create(api),
        ([], "GET") => list(api, false),
        ([], _) => api.not_allowed("GET,HEAD,POST"),
        ([id], "GET" | "HEAD") => match own_job(api, id, false) {
            Ok(job) => Reply::json(200, &job.json(false, true)),
            Err(reply) => reply,
        },
        ([id], "PATCH") => patch_state(api, id, false, |job| {
            close(api, job);
            Ok(())
        }),
        ([id], "DELETE") => remove(api, id, false),
        ([_], _) => api.not_allowed("DELETE,GET,HEAD,PATCH"),
        ([id, word], method) => match (word.to_ascii_lowercase().as_str(), method) {
            ("batches", "PUT") => upload(api, id),
            ("successfulresults" | "failedresults" | "unprocessedrecords", "GET" | "HEAD") => {
                results(api, id, &word.to_ascii_lowercase())
            }
            _ => Reply::missing(),
        },
        _ => Reply::missing(),
    }
}

fn create(api: &Api<'_>) -> Reply {
    let (body, content) = match parts(api.call) {
        None => match api.json() {
            Ok(body) => (body, None),
            Err(reply) => return reply,
        },
        Some(parts) => {
            let part = |name: &str| parts.iter().find(|p| p.name == name).map(|p| p.bytes.clone());
            let body = part("job").and_then(|b| serde_json::from_slice::<Value>(&b).ok());
            match (body, part("content")) {
                (Some(body), Some(content)) if characters(&content) <= 100_000 => (body, Some(content)),
                (Some(_), Some(_)) => {
                    return invalid("the content of a multipart job has at most 100000 characters");
                }
                _ => return invalid("a multipart job has the parts job and content"),
            }
        }
    };
    let get = |key: &str| body.get(key).and_then(Value::as_str);
    let format = match format(&body) {
        Ok(format) => format,
        Err(reply) => return reply,
    };
    let operation = get("operation").unwrap_or_default();
    let found = target(
        api,
        get("object").unwrap_or_default(),
        operation,
        get("externalIdFieldName"),
    );
    let (object, name, op) = match found {
        Ok(found) => found,
        // Version 2.0 spells the codes of version 1.0 in capitals.
        Err((code, message)) => return Reply::error(400, &code.to_ascii_uppercase(), &message),
    };
    if !api.org.limits.batches_left(api.org.time()) {
        return Reply::error(400, "EXCEEDEDQUOTA", "ApiBatchItems Limit exceeded.");
    }
    let work = Work::Ingest {
        op,
        key: matches!(op, Op::Upsert(_)).then(|| get("externalIdFieldName").unwrap_or_default().to_owned()),
        content: content.clone(),
    };
    let made = register(api, blank(operation, object, &name, format, work));
    if content.is_some() {
        close(api, &made);
        return match own_job(api, &made.id, false) {
            Ok(job) => Reply::json(200, &job.json(false, false)),
            Err(reply) => reply,
        };
    }
    Reply::json(200, &made.json(false, false))
}

fn characters(content: &[u8]) -> usize {
    String::from_utf8_lossy(content).chars().count()
}

/// The object of a job, its name, and what is to be done to the rows; or a code of Bulk 1.0 and its text.
pub(super) fn target(
    api: &Api<'_>,
    name: &str,
    operation: &str,
    key: Option<&str>,
) -> Result<(usize, String, Op), (&'static str, String)> {
    let access = &api.session.access;
    let invalid = |message: String| Err(("InvalidJob", message));
    let store = api.read();
    let Some(object) = access.object(&store.schema, name) else {
        return invalid(format!("InvalidJob : Unable to find object: {name}"));
    };
    let spec = &store.schema.objects[object];
    if !spec.traits.bulk || !(spec.traits.createable || spec.traits.updateable) {
        let message = format!("Entity '{}' is not supported by the Bulk API.", spec.name);
        return Err(("InvalidEntity", message));
    }
    let op = match operation {
        "insert" => Op::Insert,
        "update" => Op::Update,
        "delete" => Op::Delete,
        "hardDelete" if api.org.bulk.hard_delete && access.may(Permission::BulkApiHardDelete) => {
            Op::HardDelete
        }
        "hardDelete" => {
            return Err((
                "FeatureNotEnabled",
                "hardDelete operation requires special user profile permission, please contact your system administrator"
                    .to_owned(),
            ));
        }
        "upsert" => {
            let Some(field) = key.filter(|field| !field.is_empty()) else {
                return invalid(format!(
                    "InvalidJob : External ID was blank for {}. An External ID must be specified for upsert.",
                    spec.name
                ));
            };
            match access
                .field(&store.schema, object, field)
                .filter(|f| spec.fields[*f].is_key())
            {
                Some(field) => Op::Upsert(field),
                None => {
                    return invalid(format!(
                        "InvalidJob : Field name provided, {field} is not an External ID or indexed field for {}",
                        spec.name
                    ));
                }
            }
        }
        _ => return invalid(format!("operation '{operation}' is not supported")),
    };
    Ok((object, spec.name.clone(), op))
}

fn upload(api: &Api<'_>, id: &str) -> Reply {
    let found = match own_job(api, id, false) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    if found.state != State::Open {
        return Reply::error(400, "INVALIDJOBSTATE", "the job is not open for uploads");
    }
    if matches!(&found.work, Work::Ingest { content: Some(_), .. }) {
        return Reply::error(
            400,
            "INVALIDJOBSTATE",
            &format!(
                "Found multiple contents for job: <{}>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make sure you only do 'PUT' once on a given Job.",
                found.id
            ),
        );
    }
    if api.call.body.len() as u64 > api.org.limits.spec.bulk_job_mb * 1_048_576 {
        return Reply::error(
            413,
            "EXCEEDED_MAX_SIZE_REQUEST",
            &format!(
                "Maximum size of a job's data is {} MB",
                api.org.limits.spec.bulk_job_mb
            ),
        );
    }
    let data = api.call.body.clone();
    change(api.org, &found.id, |job| {
        if let Work::Ingest { content, .. } = &mut job.work {
            *content = Some(data);
        }
    });
    Reply::empty(201)
}

fn close(api: &Api<'_>, found: &Job) {
    change(api.org, &found.id, |job| job.state = State::UploadComplete);
    start(api.org, &found.id, process);
}

fn results(api: &Api<'_>, id: &str, which: &str) -> Reply {
    let found = match own_job(api, id, false) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    if !found.state.terminal() {
        return Reply::error(
            400,
            "INVALIDJOBSTATE",
            "Results are available when the job is complete",
        );
    }
    let body = match (&found.files, which) {
        (Some(Files::Ingest { successful, .. }), "successfulresults") => successful.clone(),
        (Some(Files::Ingest { failed, .. }), "failedresults") => failed.clone(),
        (Some(Files::Ingest { unprocessed, .. }), _) => unprocessed.clone(),
        // A job that failed or was aborted before it began did nothing with its rows.
        (_, which) => untouched(&found, which),
    };
    Reply::csv(vec![body])
}

fn untouched(job: &Job, which: &str) -> Bytes {
    let Work::Ingest {
        content: Some(content),
        ..
    } = &job.work
    else {
        return Bytes::new();
    };
    if which == "unprocessedrecords" {
        return content.clone();
    }
    let line = content.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let second = if which == "failedresults" {
        "sf__Error"
    } else {
        "sf__Created"
    };
    let delimiter = char::from(job.delimiter());
    let mut out = format!("\"sf__Id\"{delimiter}\"{second}\"{delimiter}").into_bytes();
    out.extend_from_slice(line);
    out.extend_from_slice(job.newline().as_bytes());
    Bytes::from(out)
}

/// Reads the upload, writes its rows, and makes the three result files.
pub(super) fn process(org: &Org, job: &Job) -> Result<Files, String> {
    let content = match &job.work {
        Work::Ingest {
            content: Some(content),
            ..
        } => content.clone(),
        _ => Bytes::new(),
    };
    let fault = org.faults.for_job(&job.object_name, false);
    if let Some(fault) = fault.as_ref().filter(|fault| fault.after_rows == 0) {
        return Err(fault.message.clone());
    }
    let data = text(&content)?;
    if !csv::line_endings_fit(data, job.crlf) {
        return Err(format!(
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {}",
            if job.crlf { "CRLF" } else { "LF" }
        ));
    }
    let mut results = Results::new(org, job, data);
    let loaded = load(
        org,
        job,
        data,
        fault.as_ref().map(|fault| fault.after_rows),
        |batch| results.add(batch),
    )?;
    let files = results.files(loaded.rest);
    if load::aborted(org, &job.id) {
        change(org, &job.id, |job| job.files = Some(files.clone()));
    }
    if let Some(message) = loaded.broken.or(fault.map(|fault| fault.message)) {
        change(org, &job.id, |job| job.files = Some(files));
        return Err(message);
    }
    Ok(files)
}

pub(super) fn text(content: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(content).map_err(|_| "ClientInputError : the data is not UTF-8".to_owned())
}
