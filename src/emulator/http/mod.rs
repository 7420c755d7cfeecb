//! The protocol: one handler that takes a request apart, and a file for each part of the API.

mod admin;
mod auth;
mod blobs;
mod bulk;
mod catalogue;
mod changes;
mod collections;
mod columns;
mod composite;
mod conditions;
mod connection;
mod described;
mod json;
mod life;
mod limits;
mod org;
mod page;
mod query;
mod records;
mod relations;
mod reply;
mod resources;
mod rest;
mod setup;
mod soap;
mod tooling;
mod transaction;
mod xml;

use std::{
    io::Read,
    sync::{Arc, PoisonError},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method},
    response::Response,
};
use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use futures_util::StreamExt;

use super::faults::Effect;
use auth::Session;
pub(crate) use bulk::kept;
use connection::{Connections, Kill};
pub(crate) use org::Org;
pub use org::{Counters, LoggedRequest};
pub(super) use records::{CsvWish, records_csv};
use reply::{Coding, Cut, Reply};
use transaction::Transaction;

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
#[derive(Clone)]
struct Call {
    method: Method,
    /// The decoded path without its trailing slash.
    path: String,
    /// The decoded parts of the path: a slash inside a part, sent as `%2F`, does not divide it.
    segments: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// Takes a target such as `/services/data/v66.0/query?q=SELECT+Id` apart. Clients without PATCH and DELETE name the
    /// method that they mean in the query.
    fn new(method: Method, target: &str, headers: HeaderMap, body: Bytes) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let method = match query.iter().find(|(n, _)| n == "_HttpMethod") {
            Some((_, name)) if method == Method::POST => name.parse().unwrap_or(method),
            _ => method,
        };
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        Call {
            method,
            path: decode(path).trim_end_matches('/').to_owned(),
            segments: path.split('/').filter(|s| !s.is_empty()).map(decode).collect(),
            query,
            headers,
            body,
        }
    }

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
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let mut call = Call::new(parts.method, &target, parts.headers, Bytes::new());
    if admin::is_private(&call.path) {
        // The org's own side door: never counted, limited, logged or made to fail.
        let Ok(body) = whole(body).await else {
            return Response::new(Body::empty());
        };
        call.body = body;
        let reply = tokio::task::spawn_blocking(move || admin::answer(&org, &call)).await;
        return reply
            .unwrap_or_else(|_| Reply::error(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."))
            .into_response(0, Coding::Plain, Cut::Nothing, None, false);
    }
    let (method, path) = (call.method.clone(), call.path.clone());
    let soql = call
        .query
        .iter()
        .map(|(_, v)| v.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    let coding = if org.compression {
        Coding::wanted(call.header("accept-encoding"))
    } else {
        Coding::Plain
    };
    let pretty = call.header("x-prettyprint").is_some_and(|v| v != "0");
    let about = org
        .faults
        .ask_for_object()
        .then(|| bulk::object_of(&org, &path))
        .flatten();
    let effects = org
        .faults
        .for_request(method.as_str(), &path, &soql, about.as_deref());
    let number = org.next_number();
    let mut early: Option<Reply> = None;
    let mut drop_answer = false;
    let mut cut = Cut::Nothing;
    let mut slow = None;
    let mut late = None;
    let _under_way = match path
        .starts_with("/services/data/v")
        .then(|| org.limits.begin(number))
    {
        Some(Err(refusal)) => {
            early = Some(Reply::refusal(refusal));
            None
        }
        Some(Ok(guard)) => Some(guard),
        None => None,
    };
    for effect in effects {
        match effect {
            Effect::Delay(span) => tokio::time::sleep(span.get()).await,
            Effect::DropConnection => {
                kill.kill();
                org.note(&method, &path, &soql, (0, 0), started);
                return Response::new(Body::empty());
            }
            Effect::DropAnswer => drop_answer = true,
            Effect::LateAnswer(span) => late = Some(span.get()),
            Effect::TruncateBody => cut = Cut::Connection,
            Effect::ShortBody => cut = Cut::Body,
            Effect::SlowBody(span) => slow = Some(span.get()),
            Effect::Refuse(refusal) => early = Some(Reply::refusal(refusal)),
            Effect::ExpireToken => {
                if let Some(token) = auth::bearer(&call.headers) {
                    org.expire_token(token);
                }
            }
            Effect::ExpireQueryLocators => org.expire_cursors(),
            Effect::Answer(answer) => early = Some(Reply::fault(&answer)),
            Effect::RejectRows(_)
            | Effect::LockRows(_)
            | Effect::FailJob(_)
            | Effect::HangJob(_)
            | Effect::AbortJob(_)
            | Effect::RetryJob(_)
            | Effect::ShuffleRows(_) => {}
        }
    }
    let header_bytes: usize = call
        .headers
        .iter()
        .map(|(n, v)| n.as_str().len() + v.len() + 4)
        .sum();
    let body = whole(body).await;
    let reply = match (early, body) {
        (Some(reply), _) => reply,
        (None, Err(_)) => Reply::error(413, "EXCEEDED_MAX_SIZE_REQUEST", "Request size exceeded"),
        (None, Ok(_)) if target.len() > MAX_URI => Reply::html(414, "URI Too Long"),
        (None, Ok(_)) if target.len() + header_bytes > MAX_URI => {
            Reply::html(431, "Request Header Fields Too Large")
        }
        (None, Ok(body)) => match plain(body, call.header("content-encoding")) {
            Ok(body) => {
                call.body = body;
                let inner = org.clone();
                // Queries and writes take the store's lock and may take their time.
                let work = move || {
                    let ended = inner.ended.read().unwrap_or_else(PoisonError::into_inner);
                    (!*ended).then(|| route(&inner, &call))
                };
                match tokio::task::spawn_blocking(work).await {
                    Ok(Some(reply)) => reply,
                    Ok(None) => {
                        kill.kill();
                        return Response::new(Body::empty());
                    }
                    Err(_) => Reply::error(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."),
                }
            }
            Err(reply) => reply,
        },
    };
    org.note(&method, &path, &soql, (reply.status, reply.rows), started);
    // Even a sleep of no length waits for the next tick of the timer.
    if let Some(late) = late {
        tokio::time::sleep(late).await;
    }
    if drop_answer {
        kill.kill();
    }
    let reply = if pretty { reply.indented() } else { reply };
    // The org's time, which need not be the server's.
    let date = org.time().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    reply
        .header("date", &date)
        .into_response(number, coding, cut, slow, method == Method::HEAD)
}

/// All of a body. The pieces of a large one are put together as they come, so that the server reads the next ones
/// into the same memory.
async fn whole(body: Body) -> Result<Bytes, TooLarge> {
    let expected = usize::try_from(body.size_hint().lower()).map_err(|_| TooLarge)?;
    if expected > MAX_BODY {
        return Err(TooLarge);
    }
    let mut pieces = body.into_data_stream();
    let mut all = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| TooLarge)?;
        if all.is_empty() && piece.len() == expected {
            return Ok(piece);
        }
        if all.len() + piece.len() > MAX_BODY {
            return Err(TooLarge);
        }
        if all.is_empty() {
            all.reserve_exact(expected.max(piece.len()));
        }
        all.extend_from_slice(&piece);
    }
    Ok(Bytes::from(all))
}

/// A body that is larger than an org reads, or broke off.
struct TooLarge;

/// The body without its content encoding.
fn plain(body: Bytes, encoding: Option<&str>) -> Result<Bytes, Reply> {
    let mut out = Vec::new();
    let read = match encoding.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => return Ok(body),
        Some("gzip" | "x-gzip") => MultiGzDecoder::new(&body[..]).read_to_end(&mut out),
        Some("deflate") => ZlibDecoder::new(&body[..]).read_to_end(&mut out),
        Some(other) => {
            return Err(Reply::error(
                415,
                "UNSUPPORTED_MEDIA_TYPE",
                &format!("Content encoding {other} is not supported"),
            ));
        }
    };
    match read {
        Ok(_) => Ok(Bytes::from(out)),
        Err(_) => Err(Reply::error(
            400,
            "JSON_PARSER_ERROR",
            "The body is not compressed as its Content-Encoding says",
        )),
    }
}

fn route(org: &Arc<Org>, call: &Call) -> Reply {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    match segments[..] {
        ["services", "oauth2", endpoint] => auth::endpoint(org, call, endpoint),
        ["id", "keys"] => auth::keys(),
        ["id", org_id, user] => auth::identity(org, call, org_id, user),
        [".well-known", "openid-configuration"] => auth::open_id_configuration(org),
        ["secur", page] => auth::browser(org, call, page),
        ["services", "data"] => resources::versions(org, call),
        ["services", "data", version, ref rest @ ..] => match supported(org, version) {
            Ok(number) => data(org, call, number, rest),
            Err(reply) => reply,
        },
        ["services", "async", version, ref rest @ ..] => bulk::v1::route(org, call, version, rest),
        ["services", "Soap", ref rest @ ..] => soap::route(org, call, rest),
        ["services", "apexrest", ..] => Reply::not_emulated("Apex REST"),
        ["cometd", ..] => Reply::not_emulated("Streaming API (cometd)"),
        _ => Reply::missing(),
    }
}

/// The number in a version segment such as `v66.0`, when the org serves it.
fn supported(org: &Org, segment: &str) -> Result<u32, Reply> {
    let number = segment
        .strip_prefix('v')
        .and_then(|v| v.strip_suffix(".0"))
        .and_then(|v| v.parse::<u32>().ok());
    match number {
        Some(n) if (7..31).contains(&n) => Err(Reply::error(
            410,
            "GONE",
            &format!("API version {n}.0 is retired; use version 31.0 or later"),
        )),
        Some(n) if (org.versions.from..=org.versions.to).contains(&n) => Ok(n),
        _ => Err(Reply::missing()),
    }
}

/// The data API of one version, for callers with a token.
fn data(org: &Arc<Org>, call: &Call, version: u32, rest: &[&str]) -> Reply {
    let session = match auth::session(org, call) {
        Ok(session) => session,
        Err(reply) => return reply,
    };
    let app = org.app_name(session.client_id.as_deref());
    if let Err(refusal) = org.count_call(app) {
        return Reply::refusal(refusal).header("Sforce-Limit-Info", &org.limits.info(org.time(), app));
    }
    let api = Api {
        org,
        call,
        version,
        session,
        transaction: None,
    };
    let mut reply = api.route(rest);
    let now = org.time();
    reply.tell_limits(org.limits.info(now, api.app()));
    reply
}

/// A request of a caller who is signed in.
#[derive(Clone)]
struct Api<'a> {
    org: &'a Arc<Org>,
    call: &'a Call,
    version: u32,
    session: Session,
    /// Set while several sub-requests stand or fall together.
    transaction: Option<&'a (dyn Transaction + 'a)>,
}

impl Api<'_> {
    /// The label of the connected app that the caller came through.
    fn app(&self) -> Option<&str> {
        self.org.app_name(self.session.client_id.as_deref())
    }

    /// Finds the resource below `/services/data/vXX.0`; sub-requests of a composite come here too.
    fn route(&self, rest: &[&str]) -> Reply {
        if let Some(reply) = resources::wants_xml(self.call) {
            return reply;
        }
        let lower: Vec<String> = rest.iter().map(|s| s.to_ascii_lowercase()).collect();
        let words: Vec<&str> = lower.iter().map(String::as_str).collect();
        match words[..] {
            [] => self.only("GET", || resources::list(self)),
            ["sobjects", ..] => rest::sobjects(self, &rest[1..]),
            ["composite", ..] => composite::route(self, &rest[1..]),
            ["query"] => query::query(self, false),
            ["queryall"] => query::query(self, true),
            ["query" | "queryall", _] => query::more(self, rest[1]),
            ["tooling", ..] => tooling::route(self, &rest[1..]),
            ["limits"] => self.only("GET", || {
                let store = self.read();
                Reply::json(200, &self.org.limits(store.bytes(), store.file_bytes()))
            }),
            ["limits", "recordcount"] => self.only("GET", || rest::record_count(self)),
            ["jobs", "query", ..] if self.version >= 47 => bulk::query(self, &rest[2..]),
            ["jobs", "ingest", ..] if self.version >= 41 => bulk::ingest(self, &rest[2..]),
            ["recent" | "tabs"] => self.only("GET", || Reply::json(200, &serde_json::json!([]))),
            ["theme"] => self.only("GET", || Reply::json(200, &serde_json::json!({"themeItems": []}))),
            [resource, ..] => resources::refused(resource).unwrap_or_else(Reply::missing),
        }
    }

    fn base(&self) -> String {
        format!("/services/data/v{}.0", self.version)
    }

    fn method(&self) -> &str {
        self.call.method.as_str()
    }

    fn not_allowed(&self, allowed: &str) -> Reply {
        Reply::not_allowed(self.method(), allowed)
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
            && kind.to_ascii_lowercase().starts_with("multipart/")
        {
            return Err(Reply::not_emulated("binary parts for this resource"));
        }
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
}
