use std::{convert::Infallible, io::Write, time::Duration};

use axum::{body::Body, http::HeaderValue, response::Response};
use bytes::Bytes;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use serde_json::{Value, json};

use crate::emulator::{
    faults::{FaultAnswer, Refusal},
    soql::NOT_EMULATED,
    store::RowError,
};

/// How a body ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// It does not.
    Nothing,
    /// In the middle, as if that were all.
    Body,
    /// In the middle, with the connection.
    Connection,
}

/// An answer on its way out.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    /// Pieces that are sent one after the other: a header line and a slice of a large result.
    body: Vec<Bytes>,
    /// The rows in it, for the log.
    pub(super) rows: u64,
}

const JSON: &str = "application/json;charset=UTF-8";

/// What is said of a feature that a real org has and this one has not; `feature` ends the sentence.
pub(super) fn lacks(feature: &str) -> String {
    format!("the emulated org has no {feature}")
}

impl Reply {
    fn new(status: u16, content_type: &'static str, body: Vec<Bytes>) -> Self {
        Reply {
            status,
            content_type,
            headers: Vec::new(),
            body,
            rows: 0,
        }
    }

    pub(super) fn json(status: u16, value: &Value) -> Self {
        Reply::text(status, value.to_string())
    }

    /// JSON that was written by hand.
    pub(super) fn text(status: u16, json: String) -> Self {
        Reply::new(status, JSON, vec![Bytes::from(json)])
    }

    pub(super) fn empty(status: u16) -> Self {
        Reply::new(status, "", Vec::new())
    }

    pub(super) fn plain(status: u16, text: &'static str) -> Self {
        Reply::new(
            status,
            "text/plain;charset=UTF-8",
            vec![Bytes::from_static(text.as_bytes())],
        )
    }

    /// A page of the sign-in: its form may lead on to an app at another address.
    pub(super) fn sign_in_page(status: u16, html: String) -> Self {
        Reply::new(status, "text/html;charset=UTF-8", vec![Bytes::from(html)])
    }

    /// A script for a page of another origin.
    pub(super) fn script(text: String) -> Self {
        Reply::new(200, "text/javascript;charset=UTF-8", vec![Bytes::from(text)])
    }

    /// Sends a browser elsewhere.
    pub(super) fn redirect(location: &str) -> Self {
        Reply::empty(302).header("Location", location)
    }

    pub(super) fn csv(pieces: Vec<Bytes>) -> Self {
        Reply::new(200, "text/csv", pieces)
    }

    pub(super) fn bytes(status: u16, content_type: &'static str, bytes: Bytes) -> Self {
        Reply::new(status, content_type, vec![bytes])
    }

    /// A page of the emulator itself.
    pub(super) fn page(status: u16, html: String) -> Self {
        Reply::new(status, "text/html;charset=utf-8", vec![Bytes::from(html)])
            .header(
                "Content-Security-Policy",
                "default-src 'none'; style-src 'self'; form-action 'self'",
            )
            .header("X-Content-Type-Options", "nosniff")
            .header("Referrer-Policy", "no-referrer")
    }

    pub(super) fn css(text: &'static str) -> Self {
        Reply::new(
            200,
            "text/css;charset=utf-8",
            vec![Bytes::from_static(text.as_bytes())],
        )
    }

    /// The page of a server in front of the org.
    pub(super) fn html(status: u16, reason: &str) -> Self {
        let page = format!("<h1>Bad Message {status}</h1><pre>reason: {reason}</pre>");
        Reply::new(status, "text/html;charset=iso-8859-1", vec![Bytes::from(page)])
    }

    /// The error array of the data APIs.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Reply::json(status, &json!([{"message": message, "errorCode": code}]))
    }

    /// A feature that a real org has and this one has not; `feature` ends the sentence.
    pub(super) fn not_emulated(feature: &str) -> Self {
        Reply::json(
            501,
            &json!([{"errorCode": NOT_EMULATED, "message": lacks(feature)}]),
        )
    }

    /// A verb that a resource does not know.
    pub(super) fn not_allowed(method: &str, allowed: &str) -> Self {
        let message = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
        Reply::error(405, "METHOD_NOT_ALLOWED", &message).header("Allow", allowed)
    }

    pub(super) fn missing() -> Self {
        Reply::text(
            404,
            r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#.to_owned(),
        )
    }

    /// A row's error that stands alone.
    pub(super) fn row_error(error: &RowError) -> Self {
        Reply::json(error.status(), &Value::Array(error.entries("errorCode")))
    }

    pub(super) fn fault(answer: &FaultAnswer) -> Self {
        let reply = match &answer.code {
            Some(code) => Reply::error(answer.status, code, &answer.message),
            None => Reply::html(answer.status, &answer.message),
        };
        match answer.retry_after {
            Some(seconds) => reply.header("Retry-After", &seconds.to_string()),
            None => reply,
        }
    }

    pub(super) fn refusal(refusal: Refusal) -> Self {
        let (status, code, message) = refusal.words();
        let reply = match code {
            Some(code) => Reply::error(status, code, message),
            None => Reply::html(status, message),
        };
        match refusal {
            Refusal::InvalidSession => reply.header("WWW-Authenticate", "Token"),
            _ => reply,
        }
    }

    /// How many rows it carries or tells of.
    pub(super) fn with_rows(mut self, rows: usize) -> Self {
        self.rows = rows as u64;
        self
    }

    /// Tells how many calls are left, unless it does already.
    pub(super) fn tell_limits(&mut self, info: String) {
        self.headers.push(("sforce-limit-info", info));
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The value of a header that was added.
    pub(super) fn header_value(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// Whether it can be part of another answer: JSON, or nothing at all.
    pub(super) fn is_json(&self) -> bool {
        self.content_type == JSON || self.body.is_empty()
    }

    /// The body in one piece.
    pub(super) fn body(&self) -> Bytes {
        match &self.body[..] {
            [] => Bytes::new(),
            [piece] => piece.clone(),
            pieces => Bytes::from(pieces.concat()),
        }
    }

    /// The same answer, its JSON made for human eyes.
    pub(super) fn indented(mut self) -> Self {
        if self.content_type == JSON
            && let Ok(value) = serde_json::from_slice::<Value>(&self.body())
            && let Ok(text) = serde_json::to_string_pretty(&value)
        {
            self.body = vec![Bytes::from(text)];
        }
        self
    }

    pub(super) fn into_response(
        self,
        number: u64,
        coding: Coding,
        cut: Cut,
        slow: Option<Duration>,
        head: bool,
    ) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = axum::http::StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(name, value);
            }
        };
        put(
            "cache-control",
            "no-cache,must-revalidate,max-age=0,no-store,private",
        );
        put("vary", "Accept-Encoding");
        put("server", "sfdcedge");
        put("x-sfdc-request-id", &format!("{number:016x}"));
        if !self.content_type.is_empty() {
            put("content-type", self.content_type);
        }
        let size: usize = self.body.iter().map(Bytes::len).sum();
        let coding = if size > 256 && cut == Cut::Nothing && slow.is_none() {
            coding
        } else {
            Coding::Plain
        };
        for (name, value) in &self.headers {
            // The tag of a compressed answer is another one.
            let value = match (coding, value.strip_suffix('"')) {
                (Coding::Gzip, Some(tag)) if *name == "ETag" => format!("{tag}--gzip\""),
                _ => value.clone(),
            };
            if let (Ok(name), Ok(value)) = (
                axum::http::HeaderName::try_from(*name),
                HeaderValue::from_str(&value),
            ) {
                headers.append(name, value);
            }
        }
        if size == 0 || head {
            return response;
        }
        if cut != Cut::Nothing || slow.is_some() {
            let mut whole: Vec<u8> = self.body.concat();
            if cut != Cut::Nothing {
                whole.truncate(size / 2);
            }
            *response.body_mut() = broken(Bytes::from(whole), cut, slow);
            return response;
        }
        match coding {
            Coding::Plain => {}
            Coding::Gzip => {
                headers.insert("content-encoding", HeaderValue::from_static("gzip"));
                *response.body_mut() = compressed(self.body, size);
                return response;
            }
            Coding::Deflate => {
                headers.insert("content-encoding", HeaderValue::from_static("deflate"));
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                for piece in &self.body {
                    // Writing to memory cannot fail.
                    let _ = encoder.write_all(piece);
                }
                *response.body_mut() = Body::from(encoder.finish().unwrap_or_default());
                return response;
            }
        }
        let pieces = self.body.into_iter().map(Ok::<_, Infallible>);
        *response.body_mut() = Body::from_stream(futures_util::stream::iter(pieces));
        response
    }
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
    Deflate,
}

impl Coding {
    /// What a client's Accept-Encoding asks for; gzip is preferred.
    pub(super) fn wanted(accept: Option<&str>) -> Self {
        let offers = |name: &str| {
            accept.unwrap_or_default().split(',').any(|entry| {
                let (coding, weight) = entry.split_once(';').unwrap_or((entry, ""));
                coding.trim().eq_ignore_ascii_case(name)
                    && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
            })
        };
        if offers("gzip") {
            Coding::Gzip
        } else if offers("deflate") {
            Coding::Deflate
        } else {
            Coding::Plain
        }
    }
}

/// A body that comes in pieces over a time, or ends early.
fn broken(body: Bytes, cut: Cut, slow: Option<Duration>) -> Body {
    const PIECES: usize = 20;
    let size = match slow {
        Some(_) => body.len().div_ceil(PIECES).max(1),
        None => body.len().max(1),
    };
    let pause = slow.unwrap_or_default() / PIECES as u32;
    let pieces = futures_util::stream::unfold(Some(body), move |left| async move {
        let mut left = left?;
        if !left.is_empty() {
            tokio::time::sleep(pause).await;
            let piece = left.split_to(size.min(left.len()));
            return Some((Ok(piece), Some(left)));
        }
        if cut != Cut::Connection {
            return None;
        }
        // What was sent is given time to reach the client before the connection ends.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((
            Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            None,
        ))
    });
    Body::from_stream(pieces)
}

/// A gzip stream. Large bodies are compressed while they are sent, off the runtime's threads.
fn compressed(pieces: Vec<Bytes>, size: usize) -> Body {
    const CHUNK: usize = 512 * 1024;
    if size < CHUNK {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        for piece in &pieces {
            // Writing to memory cannot fail.
            let _ = encoder.write_all(piece);
        }
        return Body::from(encoder.finish().unwrap_or_default());
    }
    let (send, receive) = tokio::sync::mpsc::channel::<Result<Bytes, Infallible>>(4);
    tokio::task::spawn_blocking(move || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        for piece in &pieces {
            for chunk in piece.chunks(CHUNK) {
                let _ = encoder.write_all(chunk);
                let ready = std::mem::take(encoder.get_mut());
                if !ready.is_empty() && send.blocking_send(Ok(Bytes::from(ready))).is_err() {
                    return;
                }
            }
        }
        let _ = send.blocking_send(Ok(Bytes::from(encoder.finish().unwrap_or_default())));
    });
    Body::from_stream(futures_util::stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|piece| (piece, receive))
    }))
}
