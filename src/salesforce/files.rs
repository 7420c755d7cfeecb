//! The bodies of files: fetched and sent as streams, so that a file of any size takes little memory (protocol reference:
//! Files and blobs).

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use futures_util::{StreamExt, stream};

use super::{
    Client, ClientError, Record, RowAnswer, WriteOptions,
    caller::{Call, Target},
};
use crate::http::{Body, BodyStream, HeaderName, HeaderValue, Method, Once};

/// A file's body on its way.
pub struct FileBody {
    /// Its bytes.
    pub stream: BodyStream,
    /// How many they are, where the org says so.
    pub length: Option<u64>,
}

impl Client {
    /// Opens the body of a file at the path that a query gave for it.
    ///
    /// # Errors
    /// What the org says.
    pub async fn file_body(&self, path: &str) -> Result<FileBody, ClientError> {
        let mut call = Call::get(super::query::page_path(path));
        for (name, value) in [("accept", "*/*"), ("accept-encoding", "identity")] {
            call.headers
                .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut good = self.caller.open(&call).await?;
        let length = match good.header("content-encoding") {
            None | Some("identity") => good.header("content-length").and_then(|n| n.trim().parse().ok()),
            Some(_) => None,
        };
        let stream = good
            .stream
            .take()
            .ok_or_else(|| good.not_understood("the body is read already"))?;
        Ok(FileBody { stream, length })
    }

    /// Creates one record with a body; gives its Id. Sent once: a body is made while it is sent.
    ///
    /// # Errors
    /// What the org says of call and record; [`ClientError::OutcomeUnknown`] when it may have been made.
    pub async fn create_file(
        &self,
        object: &str,
        record: &Record,
        field: &str,
        body: FileBody,
        options: &WriteOptions,
    ) -> Result<CompactString, ClientError> {
        let path = self.path(&format!("/sobjects/{object}"));
        let boundary = format!("orgferry-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let (head, tail) = form(&boundary, object, record, field);
        let length = body
            .length
            .map(|length| length + (head.len() + tail.len()) as u64);
        let whole = stream::iter([Ok(head)])
            .chain(body.stream)
            .chain(stream::iter([Ok(tail)]));
        let mut call = Call::new(Method::POST, Target::Api(path, Vec::new()));
        call.body = Body::Once(Arc::new(Once::new(
            format!("multipart/form-data; boundary={boundary}"),
            length,
            Box::pin(whole),
        )));
        for (name, value) in options.headers() {
            call.headers.insert(name, value);
        }
        let answer: RowAnswer = self
            .caller
            .send(&call)
            .await?
            .parse(|body| serde_json::from_slice(body))?;
        answer.id.ok_or_else(|| ClientError::NotUnderstood {
            call: format!("creating {object}"),
            detail: "the org reports success, and gives no Id for the record".into(),
            request_id: None,
        })
    }
}

/// What stands before and behind the body.
fn form(boundary: &str, object: &str, record: &Record, field: &str) -> (Bytes, Bytes) {
    let entity = match object {
        "ContentVersion" => "entity_content".to_owned(),
        other => format!("entity_{}", other.to_ascii_lowercase()),
    };
    let json: Record = record
        .iter()
        .filter(|(key, _)| key.as_str() != "attributes")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let json = serde_json::Value::Object(json);
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{entity}\"\r\nContent-Type: application/json\r\n\r\n\
         {json}\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"file\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    (head.into(), format!("\r\n--{boundary}--\r\n").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_names_its_parts() {
        let record: Record =
            serde_json::from_str(r#"{"attributes":{"type":"ContentVersion"},"Title":"A"}"#).unwrap();
        let (head, tail) = form("b", "ContentVersion", &record, "VersionData");
        assert_eq!(
            std::str::from_utf8(&head).unwrap(),
            "--b\r\nContent-Disposition: form-data; name=\"entity_content\"\r\nContent-Type: application/json\r\n\r\n{\"Title\":\"A\"}\r\n--b\r\nContent-Disposition: form-data; name=\"VersionData\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        assert_eq!(&tail[..], b"\r\n--b--\r\n");
    }
}
