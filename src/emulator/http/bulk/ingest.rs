use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use fastrand::Rng;
use serde_json::Value;

use super::{
    super::{Api, Org, Reply, blobs::parts},
    Files, Job, State, Work, blank, change, csv,
    csv::Span,
    format, invalid, job, list, patch_state, register, remove, start,
};
use crate::{
    emulator::{
        access::{Access, Permission},
        store::{Call, Cell, Done, DuplicateHeader, Op, Raw, RowError, Store, Target, fold, java_double},
    },
    record::Number,
};

/// Rows that are written under one hold of the store's lock.
const CHUNK: usize = 200;

/// Everything below `/jobs/ingest`.
pub(in super::super) fn route(api: &Api<'_>, rest: &[&str]) -> Reply {
    match (rest, api.method()) {
        ([], "POST") => create(api),
        ([], "GET") => list(api, false),
        ([], _) => api.not_allowed("GET,HEAD,POST"),
        ([id], "GET" | "HEAD") => match job(api.org, id, false) {
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
                (Some(body), Some(content)) if content.len() <= 100_000 => (body, Some(content)),
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
        return match job(api.org, &made.id, false) {
            Ok(job) => Reply::json(200, &job.json(false, false)),
            Err(reply) => reply,
        };
    }
    Reply::json(200, &made.json(false, false))
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
    let found = match job(api.org, id, false) {
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
    let found = match job(api.org, id, false) {
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

/// The columns of an upload.
struct Columns {
    targets: Vec<Target>,
    /// The column that holds the Id or the upsert's key.
    key: Option<usize>,
    /// Whether a cell is printed as a double in the results.
    doubles: Vec<bool>,
    /// The columns in the order of the results.
    order: Vec<usize>,
}

/// Works out where each column goes; the first one that goes nowhere fails the job.
fn columns(store: &Store, job: &Job, op: Op, header: &[String]) -> Result<Columns, String> {
    let spec = &store.schema.objects[job.object];
    let mut targets = Vec::with_capacity(header.len());
    let mut key = None;
    let mut doubles = Vec::with_capacity(header.len());
    for (at, name) in header.iter().enumerate() {
        let target = match name.split_once('.') {
            None => {
                let field = job
                    .access
                    .field(&store.schema, job.object, name)
                    .ok_or_else(|| format!("InvalidBatch : Field name not found : {name}"))?;
                let is_key = match op {
                    Op::Upsert(wanted) => wanted == field,
                    Op::Update | Op::Delete | Op::HardDelete => field == 0,
                    Op::Insert => false,
                };
                doubles.push(spec.fields[field].kind.is_double());
                if is_key {
                    key = Some(at);
                }
                if field == 0 && !matches!(op, Op::Insert) {
                    Target::Ignore
                } else {
                    Target::Field(field)
                }
            }
            Some((relation, by)) => {
                doubles.push(false);
                related(store, &job.access, job.object, relation, by)?
            }
        };
        targets.push(target);
    }
    let mut order: Vec<usize> = (0..header.len()).collect();
    if job.version < 50 {
        order.sort_by(|a, b| header[*a].cmp(&header[*b]));
    }
    Ok(Columns {
        targets,
        key,
        doubles,
        order,
    })
}

/// `Account.Ext__c`, or `Lead:Who.Email` where several objects may be meant.
fn related(
    store: &Store,
    access: &Access,
    object: usize,
    relation: &str,
    by: &str,
) -> Result<Target, String> {
    let (kind, relation) = match relation.split_once(':') {
        Some((kind, relation)) => (Some(kind), relation),
        None => (None, relation),
    };
    let lost = || format!("InvalidBatch : Unable to find relationship: {relation}");
    let spec = &store.schema.objects[object];
    let field = access
        .relationship(&store.schema, object, relation)
        .ok_or_else(lost)?;
    let targets = &spec.fields[field].reference_to;
    let target = match (kind, &targets[..]) {
        (Some(_), [_]) => {
            return Err(format!(
                "InvalidBatch : type is not needed for non polymorphic foreign key references: {relation}"
            ));
        }
        (Some(kind), several) => several
            .iter()
            .find(|t| t.eq_ignore_ascii_case(kind))
            .ok_or_else(lost)?,
        // Owner may be a queue, but is a user unless it is said.
        (None, several) => several
            .iter()
            .find(|t| t.as_str() == "User" || several.len() == 1)
            .ok_or_else(lost)?,
    };
    let parent = access.object(&store.schema, target).ok_or_else(lost)?;
    let parent_spec = &store.schema.objects[parent];
    let by_field = access
        .field(&store.schema, parent, by)
        .filter(|f| {
            parent_spec.fields[*f].is_key() || parent == store.record_type && by.eq_ignore_ascii_case("Name")
        })
        .ok_or_else(|| format!("InvalidBatch : Field name not found : {relation}.{by}"))?;
    Ok(Target::Related {
        field,
        object: parent,
        by: by_field,
    })
}

/// Reads the upload, writes its rows, and makes the three result files.
fn process(org: &Org, job: &Job) -> Result<Files, String> {
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
    let loaded = load(org, job, data, fault.as_ref().map(|fault| fault.after_rows))?;
    let files = files(org, job, data, &loaded);
    if aborted(org, &job.id) {
        change(org, &job.id, |job| job.files = Some(files.clone()));
    }
    if let Some(fault) = fault {
        change(org, &job.id, |job| job.files = Some(files));
        return Err(fault.message);
    }
    Ok(files)
}

pub(super) fn text(content: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(content).map_err(|_| "ClientInputError : the data is not UTF-8".to_owned())
}

/// The rows of an upload, as far as they were worked on.
pub(super) struct Loaded {
    /// Where each row starts.
    starts: Vec<usize>,
    pub(super) outcomes: Vec<Outcome>,
    columns: Columns,
    raw_header: Vec<String>,
}

/// What became of a row; one that failed has the Id that it brought, if any.
pub(super) type Outcome = Result<Done, (Cell, RowError)>;

/// Writes the rows of an upload; not more than `most`, when a fault stops it there.
pub(super) fn load(org: &Org, job: &Job, data: &str, most: Option<usize>) -> Result<Loaded, String> {
    let Work::Ingest { op, .. } = &job.work else {
        return Err("InvalidJob : no data".to_owned());
    };
    let op = *op;
    let delimiter = job.delimiter();
    let mut cells: Vec<Span> = Vec::new();
    let nothing = || "InvalidBatch : Records not found".to_owned();
    let body = csv::read(data, 0, delimiter, &mut cells).ok_or_else(nothing)?;
    let header: Vec<String> = cells.iter().map(|c| c.text(data).into_owned()).collect();
    let raw_header: Vec<String> = cells.iter().map(|c| c.raw(data).to_owned()).collect();
    let columns = columns(&org.read(), job, op, &header)?;
    let mut starts = Vec::new();
    let mut at = body;
    while let Some(next) = csv::read(data, at, delimiter, &mut cells) {
        starts.push(at);
        at = next;
    }
    if starts.is_empty() {
        return Err(nothing());
    }
    let folds = match op {
        Op::Upsert(field) => org.read().schema.objects[job.object].fields[field].key_folds_case(),
        _ => false,
    };
    let key_of = |text: &str| if folds { fold(text) } else { Cell::new(text) };
    let twice = duplicates(data, &starts, delimiter, op, columns.key, key_of);
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(starts.len());
    let mut failed = 0;
    org.limits
        .take_batches(org.time(), starts.len().div_ceil(10_000) as u64);
    let most = most.map_or(starts.len(), |most| most.min(starts.len()));
    for chunk in starts[..most].chunks(CHUNK) {
        // An aborted job stops between chunks; what is done stays done.
        if aborted(org, &job.id) {
            break;
        }
        let mut store = org.write();
        let now = org.now();
        let call = Call {
            user: &job.user,
            access: &job.access,
            now: &now,
            faults: Some(&org.faults),
            // The header has no effect here.
            duplicates: DuplicateHeader::default(),
            loading: false,
        };
        let mut seen: HashSet<Cell> = HashSet::new();
        for start in chunk {
            csv::read(data, *start, delimiter, &mut cells);
            let outcome = write_row(
                &mut store, job, op, data, &cells, &columns, call, &twice, &key_of, &mut seen,
            );
            failed += u64::from(outcome.is_err());
            outcomes.push(outcome);
        }
        drop(store);
        let processed = outcomes.len() as u64;
        change(org, &job.id, |job| {
            job.processed = processed;
            job.failed = failed;
        });
    }
    org.tally(|c| {
        c.rows_written += outcomes.len() as u64 - failed;
        c.rows_refused += failed;
    });
    Ok(Loaded {
        starts,
        outcomes,
        columns,
        raw_header,
    })
}

fn aborted(org: &Org, id: &str) -> bool {
    super::job(org, id, false).is_ok_and(|job| job.state == State::Aborted)
}

/// The keys that more than one row of an upsert has: all these rows fail.
fn duplicates(
    data: &str,
    starts: &[usize],
    delimiter: u8,
    op: Op,
    key: Option<usize>,
    key_of: impl Fn(&str) -> Cell,
) -> HashSet<Cell> {
    let (Op::Upsert(_), Some(key)) = (op, key) else {
        return HashSet::new();
    };
    let mut cells = Vec::new();
    let mut count: HashMap<Cell, bool> = HashMap::with_capacity(starts.len());
    for start in starts {
        csv::read(data, *start, delimiter, &mut cells);
        if let Some(cell) = cells.get(key) {
            let text = key_of(cell.text(data).trim());
            if !text.is_empty() {
                count
                    .entry(text)
                    .and_modify(|twice| *twice = true)
                    .or_insert(false);
            }
        }
    }
    count
        .into_iter()
        .filter(|(_, twice)| *twice)
        .map(|(text, _)| text)
        .collect()
}

#[expect(
    clippy::too_many_arguments,
    reason = "the state of one job, used in one place"
)]
fn write_row(
    store: &mut Store,
    job: &Job,
    op: Op,
    data: &str,
    cells: &[Span],
    columns: &Columns,
    call: Call<'_>,
    twice: &HashSet<Cell>,
    key_of: &impl Fn(&str) -> Cell,
    seen: &mut HashSet<Cell>,
) -> Outcome {
    let texts: Vec<std::borrow::Cow<'_, str>> = cells.iter().map(|c| c.text(data)).collect();
    let key = columns
        .key
        .and_then(|at| texts.get(at))
        .map(|t| t.trim())
        .unwrap_or_default();
    let key = if key == "#N/A" { "" } else { key };
    // The Id of a row that fails is given back when the row brought one.
    let by_id = matches!(op, Op::Update | Op::Delete | Op::HardDelete);
    let id = if by_id && job.version >= 53 {
        Cell::new(crate::record::id18(key))
    } else {
        Cell::default()
    };
    let fail = |error: RowError| (id.clone(), error);
    if !key.is_empty() {
        if !twice.is_empty() && twice.contains(&key_of(key)) {
            return Err(fail(RowError::new(
                "DUPLICATE_VALUE",
                format!("Duplicate external id specified: {key}"),
            )));
        }
        if by_id && !seen.insert(Cell::new(key)) {
            return Err(fail(RowError::new("DUPLICATE_VALUE", "Duplicate id in list")));
        }
    }
    if texts.len() > columns.targets.len() {
        return Err(fail(RowError::new(
            "INVALID_FIELD",
            format!(
                "Found {} values for {} columns",
                texts.len(),
                columns.targets.len()
            ),
        )));
    }
    let mut values: Vec<(Target, Raw<'_>)> = Vec::with_capacity(texts.len());
    for (at, (target, text)) in columns.targets.iter().zip(&texts).enumerate() {
        // Empty leaves a field as it is, `#N/A` empties it.
        match text.as_ref() {
            "" => {}
            "#N/A" => values.push((*target, Raw::Null)),
            text => values.push((*target, Raw::Csv(text, at))),
        }
    }
    let mut undo = Vec::new();
    let done = store.write(job.object, op, Some(key), &values, call, &mut undo);
    done.map_err(|error| {
        store.undo(undo);
        fail(error)
    })
}

fn files(org: &Org, job: &Job, data: &str, loaded: &Loaded) -> Files {
    let Loaded {
        starts,
        outcomes,
        columns,
        raw_header,
    } = loaded;
    let delimiter = job.delimiter();
    let newline = job.newline().as_bytes();
    let head = |names: [&str; 2]| {
        let mut out = Vec::new();
        for name in names {
            csv::quote(&mut out, name);
            out.push(delimiter);
        }
        for (n, at) in columns.order.iter().enumerate() {
            if n > 0 {
                out.push(delimiter);
            }
            out.extend_from_slice(raw_header[*at].as_bytes());
        }
        out.extend_from_slice(newline);
        out
    };
    let mut successful = head(["sf__Id", "sf__Created"]);
    let mut failed = head(["sf__Id", "sf__Error"]);
    // The order of results is nobody's promise.
    let mut order: Vec<usize> = (0..outcomes.len()).collect();
    if org.bulk.shuffle {
        let mut hasher = DefaultHasher::new();
        (org.seed, &job.id).hash(&mut hasher);
        Rng::with_seed(hasher.finish()).shuffle(&mut order);
    }
    let mut cells = Vec::new();
    for at in order {
        let out = match &outcomes[at] {
            Ok(done) => {
                csv::quote(&mut successful, &done.id);
                successful.push(delimiter);
                csv::quote(&mut successful, if done.created { "true" } else { "false" });
                &mut successful
            }
            Err((id, error)) => {
                csv::quote(&mut failed, id);
                failed.push(delimiter);
                csv::quote(&mut failed, &error.bulk_cell());
                &mut failed
            }
        };
        csv::read(data, starts[at], delimiter, &mut cells);
        for column in &columns.order {
            out.push(delimiter);
            let text = cells.get(*column).map(|c| c.text(data)).unwrap_or_default();
            // Doubles are read and printed again, as Java prints them.
            let double = columns.doubles[*column]
                .then(|| Number::canonical(text.trim()).ok())
                .flatten();
            match double {
                Some(number) => csv::quote(out, &java_double(number.as_str())),
                None => csv::quote(out, &text),
            }
        }
        out.extend_from_slice(newline);
    }
    let mut unprocessed = raw_header.join(&char::from(delimiter).to_string()).into_bytes();
    unprocessed.extend_from_slice(newline);
    if let Some(first) = starts.get(outcomes.len()) {
        unprocessed.extend_from_slice(&data.as_bytes()[*first..]);
    }
    Files::Ingest {
        successful: Bytes::from(successful),
        failed: Bytes::from(failed),
        unprocessed: Bytes::from(unprocessed),
    }
}
