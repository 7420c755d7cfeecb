//! Bytes beside JSON: multipart bodies that bring them, and resources that give them back as they are.

use bytes::Bytes;
use memchr::memmem;
use serde_json::{Map, Value};

use super::{
    Api, Call, Reply,
    rest::{JsonRow, row},
};
use crate::emulator::{
    schema::Kind,
    store::{Raw, RowError, Store, Target},
};

/// A part of a multipart form.
pub(super) struct Part {
    pub(super) name: String,
    is_json: bool,
    pub(super) bytes: Bytes,
}

/// The parts of a multipart body; none when the body is no form.
pub(super) fn parts(call: &Call) -> Option<Vec<Part>> {
    let kind = call.header("content-type")?;
    if !kind.to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let at = kind.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let boundary = kind[at..]
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .trim_matches('"');
    let marker = format!("--{boundary}");
    let body = &call.body;
    let marks: Vec<usize> = memmem::find_iter(body, marker.as_bytes())
        .filter(|at| *at == 0 || body[at - 1] == b'\n')
        .collect();
    let mut parts = Vec::new();
    for pair in marks.windows(2) {
        let part = body.slice(pair[0] + marker.len()..pair[1]);
        let (head, start) = match memmem::find(&part, b"\r\n\r\n") {
            Some(at) => (&part[..at], at + 4),
            None => match memmem::find(&part, b"\n\n") {
                Some(at) => (&part[..at], at + 2),
                None => continue,
            },
        };
        let head = String::from_utf8_lossy(head).into_owned();
        // The line break before the next boundary belongs to the boundary.
        let mut end = part.len();
        if part[start..end].ends_with(b"\n") {
            end -= 1;
        }
        if part[start..end].ends_with(b"\r") {
            end -= 1;
        }
        let Some(name) = attribute(&head, "name") else {
            continue;
        };
        parts.push(Part {
            name,
            is_json: head.to_ascii_lowercase().contains("application/json"),
            bytes: part.slice(start..end),
        });
    }
    Some(parts)
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let quoted = format!("{name}=\"");
    // `filename="` ends in `name="` too.
    let at = head
        .match_indices(&quoted)
        .find(|(at, _)| !head[..*at].ends_with(|c: char| c.is_ascii_alphanumeric()))?
        .0;
    let rest = &head[at + quoted.len()..];
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// A record as it comes: its JSON, and the bytes of one field when they came beside it.
pub(super) struct Incoming {
    map: Map<String, Value>,
    blob: Option<(String, Bytes)>,
}

impl Incoming {
    /// Reads a body of JSON, or of a JSON part and a binary part.
    pub(super) fn read(api: &Api<'_>) -> Result<Self, Reply> {
        let bad = |message: &str| Reply::error(400, "INVALID_MULTIPART_REQUEST", message);
        let Some(parts) = parts(api.call) else {
            return match api.json()? {
                Value::Object(map) => Ok(Incoming { map, blob: None }),
                _ => Err(Reply::error(
                    400,
                    "JSON_PARSER_ERROR",
                    "Cannot deserialize request body from a list or a scalar at [line:1, column:1]",
                )),
            };
        };
        let Some(at) = parts.iter().position(|part| part.is_json) else {
            return Err(bad("The request has no part of application/json"));
        };
        let map = match serde_json::from_slice(&parts[at].bytes) {
            Ok(Value::Object(map)) => map,
            Ok(_) => return Err(bad("The JSON part is no record")),
            Err(e) => {
                return Err(Reply::error(
                    400,
                    "JSON_PARSER_ERROR",
                    &format!("{e} at [line:{}, column:{}]", e.line(), e.column()),
                ));
            }
        };
        let blob = parts
            .into_iter()
            .enumerate()
            .find(|(n, _)| *n != at)
            .map(|(_, part)| (part.name, part.bytes));
        Ok(Incoming { map, blob })
    }

    /// The Id that the record brings, and where its values go.
    pub(super) fn row(&self, api: &Api<'_>, store: &Store, object: usize) -> Result<JsonRow<'_>, RowError> {
        let access = &api.session.access;
        let (id, mut values) = row(store, access, object, &self.map)?;
        if let Some((name, bytes)) = &self.blob {
            let spec = &store.schema.objects[object];
            let field = access
                .field(&store.schema, object, name)
                .filter(|f| spec.fields[*f].kind == Kind::Base64)
                .ok_or_else(|| RowError::no_column(name, &spec.name))?;
            values.push((Target::Field(field), Raw::Bytes(bytes)));
        }
        Ok((id, values))
    }
}

/// `GET /sobjects/ContentVersion/{id}/VersionData`: the bytes as they are.
pub(super) fn download(api: &Api<'_>, object: usize, id: &str) -> Reply {
    let store = api.read();
    match store.named(object, id) {
        Ok(row) if store.readable(&api.session.access, object, row) => {
            let id = store.tables[object].get(row, 0);
            let bytes = store.blob(id).cloned().unwrap_or_default();
            Reply::bytes(200, "application/octetstream", bytes)
        }
        Err(error) if error.code == "ENTITY_IS_DELETED" => Reply::row_error(&error),
        _ => Reply::missing(),
    }
}
