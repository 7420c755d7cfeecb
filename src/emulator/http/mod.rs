//! The protocol: one handler that takes a request apart, and a file for each part of the API.

mod auth;
mod bulk;
mod collections;
mod connection;
mod json;
mod org;
mod query;
mod reply;
mod rest;

use std::{io::Read, sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method},
    response::Response,
};
use bytes::Bytes;

use super::faults::Effect;
use auth::Session;
use connection::{Connections, Kill};
pub(crate) use org::Org;
pub use org::{Counters, LoggedRequest};
use reply::Reply;

/// The longest request line and headers that an org reads.
const MAX_URI: usize = 16_384;
const MAX_BODY: usize = 256 * 1024 * 1024;

/// Serves an org until the task is aborted.
pub(crate) async fn serve(listener: tokio::net::TcpListener, org: Arc<Org>) {
    let router = Router::new().fallback(handle).with_state(org);
    let service = router.into_make_service_with_connect_info::<Kill>();
    // The accept loop ends with its task only.
    let _ = axum::serve(Connections(listener), service).await;
}

/// A request, taken apart.
struct Call {
    method: Method,
    /// The path without its trailing slash.
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// A parameter of the query string.
    fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The body as a form.
    fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

async fn handle(
    State(org): State<Arc<Org>>,
    ConnectInfo(kill): ConnectInfo<Kill>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let uri = parts.uri.clone();
    let query: Vec<(String, String)> = uri
        .query()
        .map(|q| url::form_urlencoded::parse(q.as_bytes()).into_owned().collect())
        .unwrap_or_default();
    let mut method = parts.method;
    if method == Method::POST
        && let Some((_, name)) = query.iter().find(|(n, _)| n == "_HttpMethod")
        && let Ok(other) = name.parse()
    {
        method = other;
    }
    let path = percent_encoding::percent_decode_str(uri.path())
        .decode_utf8_lossy()
        .trim_end_matches('/')
        .to_owned();
    let soql = query
        .iter()
        .map(|(_, v)| v.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    let gzip = org.compression
        && parts
            .headers
            .get("accept-encoding")
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.contains("gzip"));
    let effects = org.faults.for_request(method.as_str(), &path, &soql);
    let mut early: Option<Reply> = None;
    let mut drop_answer = false;
    let mut truncate = false;
    for effect in effects {
        match effect {
            Effect::Delay(span) => tokio::time::sleep(span.get()).await,
            Effect::DropConnection => {
                kill.kill();
                org.note(&method, &path, &soql, 0, started);
                return Response::new(Body::empty());
            }
            Effect::DropAnswer => drop_answer = true,
            Effect::TruncateBody => truncate = true,
            Effect::ExpireToken => {
                if let Some(token) = auth::bearer(&parts.headers) {
                    org.expire_token(token);
                }
            }
            Effect::ExpireQueryLocators => org.expire_cursors(),
            Effect::Answer(answer) => early = Some(Reply::fault(&answer)),
            Effect::RejectRows(_) | Effect::LockRows(_) | Effect::FailJob(_) => {}
        }
    }
    let header_bytes: usize = parts
        .headers
        .iter()
        .map(|(n, v)| n.as_str().len() + v.len() + 4)
        .sum();
    let body = axum::body::to_bytes(body, MAX_BODY).await;
    let reply = match (early, body) {
        (Some(reply), _) => reply,
        (None, Err(_)) => Reply::error(413, "EXCEEDED_MAX_SIZE_REQUEST", "Request size exceeded"),
        (None, Ok(_)) if uri.to_string().len() > MAX_URI => Reply::html(414, "URI Too Long"),
        (None, Ok(_)) if uri.to_string().len() + header_bytes > MAX_URI => {
            Reply::html(431, "Request Header Fields Too Large")
        }
        (None, Ok(body)) => {
            let body = match parts.headers.get("content-encoding").map(|v| v.as_bytes()) {
                Some(b"gzip") => {
                    let mut plain = Vec::new();
                    match flate2::read::MultiGzDecoder::new(&body[..]).read_to_end(&mut plain) {
                        Ok(_) => Ok(Bytes::from(plain)),
                        Err(_) => Err(()),
                    }
                }
                _ => Ok(body),
            };
            match body {
                Ok(body) => {
                    let call = Call {
                        method: method.clone(),
                        path: path.clone(),
                        query,
                        headers: parts.headers,
                        body,
                    };
                    let org = org.clone();
                    // Queries and writes take the store's lock and may take their time.
                    tokio::task::spawn_blocking(move || route(&org, &call))
                        .await
                        .unwrap_or_else(|_| {
                            Reply::error(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.")
                        })
                }
                Err(()) => Reply::error(400, "JSON_PARSER_ERROR", "the body is no gzip"),
            }
        }
    };
    org.note(&method, &path, &soql, reply.status, started);
    if drop_answer {
        kill.kill();
    }
    reply.into_response(&org, gzip, truncate, method == Method::HEAD)
}

fn route(org: &Arc<Org>, call: &Call) -> Reply {
    let segments: Vec<&str> = call.path.split('/').filter(|s| !s.is_empty()).collect();
    match segments[..] {
        ["services", "oauth2", endpoint] => auth::endpoint(org, call, endpoint),
        ["id", _, _] => auth::identity(org, call),
        ["services", "data"] => versions(org),
        ["services", "data", version, ref rest @ ..] => {
            let number = version
                .strip_prefix('v')
                .and_then(|v| v.strip_suffix(".0"))
                .and_then(|v| v.parse::<u32>().ok());
            match number {
                Some(n) if (7..31).contains(&n) => Reply::error(
                    410,
                    "GONE",
                    &format!("API version {n}.0 is retired; use version 31.0 or later"),
                ),
                Some(n) if (org.versions.from..=org.versions.to).contains(&n) => data(org, call, n, rest),
                _ => Reply::missing(),
            }
        }
        _ => Reply::missing(),
    }
}

/// The data API of one version, for callers with a token.
fn data(org: &Arc<Org>, call: &Call, version: u32, rest: &[&str]) -> Reply {
    let session = match auth::session(org, call) {
        Ok(session) => session,
        Err(reply) => return reply,
    };
    org.count_call();
    let api = Api {
        org,
        call,
        version,
        session,
    };
    let lower: Vec<String> = rest.iter().map(|s| s.to_ascii_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    let mut reply = match words[..] {
        [] => api.resources(),
        ["sobjects", ..] => rest::sobjects(&api, &rest[1..]),
        ["composite", "sobjects", ..] if version >= 42 => collections::route(&api, &rest[2..]),
        ["query"] => query::query(&api, false),
        ["queryall"] => query::query(&api, true),
        ["query" | "queryall", _] => query::more(&api, rest[1]),
        ["limits"] => api.only("GET", || Reply::json(200, &org.limits())),
        ["limits", "recordcount"] => api.only("GET", || rest::record_count(&api)),
        ["jobs", "query", ..] if version >= 47 => bulk::query(&api, &rest[2..]),
        ["jobs", "ingest", ..] if version >= 41 => bulk::ingest(&api, &rest[2..]),
        _ => Reply::missing(),
    };
    reply.limit_info = true;
    reply
}

fn versions(org: &Org) -> Reply {
    let list: Vec<serde_json::Value> = (org.versions.from..=org.versions.to)
        .map(|v| {
            // Three releases a year; v32 was Winter '15.
            let season = ["Spring", "Summer", "Winter"][(v % 3) as usize];
            let year = 4 + (v + 1) / 3;
            serde_json::json!({
                "label": format!("{season} '{year}"),
                "url": format!("/services/data/v{v}.0"),
                "version": format!("{v}.0"),
            })
        })
        .collect();
    Reply::json(200, &serde_json::Value::Array(list))
}

/// A request of a caller who is signed in.
struct Api<'a> {
    org: &'a Arc<Org>,
    call: &'a Call,
    version: u32,
    session: Session,
}

impl Api<'_> {
    fn base(&self) -> String {
        format!("/services/data/v{}.0", self.version)
    }

    fn method(&self) -> &str {
        self.call.method.as_str()
    }

    fn not_allowed(&self, allowed: &str) -> Reply {
        Reply::error(
            405,
            "METHOD_NOT_ALLOWED",
            &format!(
                "HTTP Method '{}' not allowed. Allowed are {allowed}",
                self.method()
            ),
        )
        .header("Allow", allowed)
    }

    /// A resource that knows one verb only; HEAD goes with GET.
    fn only(&self, verb: &str, answer: impl FnOnce() -> Reply) -> Reply {
        if self.method() == verb || verb == "GET" && self.method() == "HEAD" {
            answer()
        } else {
            self.not_allowed(if verb == "GET" { "GET,HEAD" } else { verb })
        }
    }

    /// The body as JSON.
    fn json(&self) -> Result<serde_json::Value, Reply> {
        if let Some(kind) = self.call.header("content-type")
            && !kind.to_ascii_lowercase().contains("json")
        {
            return Err(Reply::error(
                415,
                "UNSUPPORTED_MEDIA_TYPE",
                "Content type of the request is not supported",
            ));
        }
        serde_json::from_slice(&self.call.body).map_err(|e| {
            Reply::error(
                400,
                "JSON_PARSER_ERROR",
                &format!("{e} at [line:{}, column:{}]", e.line(), e.column()),
            )
        })
    }

    fn resources(&self) -> Reply {
        let base = self.base();
        let mut map = serde_json::Map::new();
        for (name, path) in [
            ("sobjects", "sobjects"),
            ("query", "query"),
            ("queryAll", "queryAll"),
            ("limits", "limits"),
            ("composite", "composite"),
            ("jobs", "jobs"),
        ] {
            map.insert(name.to_owned(), format!("{base}/{path}").into());
        }
        map.insert(
            "identity".to_owned(),
            self.org.identity_url(&self.session.user).into(),
        );
        Reply::json(200, &serde_json::Value::Object(map))
    }
}
