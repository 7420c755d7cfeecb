//! Things that go wrong on purpose: in the org file under `faults`, or added while the org runs.
//!
//! This file is their grammar; `armed` is what becomes of it in a running org.

mod armed;

use std::sync::Mutex;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use armed::ArmedFault;
pub(crate) use armed::{Faults, RowFault};

use super::file::{Share, Span};

/// Something that goes wrong: for which requests, from when on, how often, and what happens.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests; without it all of the data API. Has no meaning for effects on rows and jobs.
    #[serde(default)]
    pub on: On,
    /// So many matching requests pass first.
    #[serde(default)]
    pub after: u64,
    /// Only every so-manieth matching request, counted after `after`.
    #[serde(default)]
    pub every: Option<u64>,
    /// So many requests are hit, then the fault is over; without it there is no end.
    #[serde(default)]
    pub times: Option<u64>,
    /// Only this share of the matching requests, drawn by lot; the same ones in each run.
    #[serde(default)]
    pub share: Option<Share>,
    /// What happens.
    pub then: Effect,
}

/// Which requests a fault is about. What is left out matches all.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// `GET`, `POST`, ...
    #[serde(default)]
    pub method: Option<String>,
    /// A part of the path, without the query string: `/jobs/ingest`, `/composite/sobjects`.
    #[serde(default)]
    pub path: Option<String>,
    /// A part of the decoded query string: `FROM Contact`.
    #[serde(default)]
    pub query: Option<String>,
    /// The object that the path or the query names, or that the path's Bulk job is about.
    #[serde(default)]
    pub object: Option<String>,
}

/// What a fault does.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Answers this instead.
    Answer(FaultAnswer),
    /// Answers one of the usual refusals instead, in the org's own words.
    Refuse(Refusal),
    /// Waits before the request is looked at.
    Delay(Span),
    /// Does what was asked, and waits before it answers.
    LateAnswer(Span),
    /// Sends the answer's body in small pieces over this time.
    SlowBody(Span),
    /// Closes the connection without looking at the request.
    DropConnection,
    /// Does what was asked, then closes the connection without an answer.
    DropAnswer,
    /// Sends half of the answer's body, then cuts the connection.
    TruncateBody,
    /// Sends half of the answer's body and ends it as if that were all: a page of rows that stops in the middle of one.
    ShortBody,
    /// The caller's token is expired from this request on.
    ExpireToken,
    /// All query locators are expired from this request on.
    ExpireQueryLocators,
    /// Refuses a share of the rows, the same ones each time.
    RejectRows(RejectRows),
    /// Refuses a share of the rows with `UNABLE_TO_LOCK_ROW`, each once.
    LockRows(RowShare),
    /// Bulk ingest jobs end as Failed.
    FailJob(FailJob),
    /// Bulk jobs stay `InProgress` until this fault is taken away.
    HangJob(JobsOf),
    /// Bulk jobs are aborted, as by an administrator, when they begin.
    AbortJob(JobsOf),
    /// Bulk jobs tell of so many retries.
    RetryJob(RetryJob),
    /// REST queries of an object without ORDER BY give their rows in another order each time.
    ShuffleRows(JobsOf),
}

/// A usual refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// 403 `REQUEST_LIMIT_EXCEEDED`: the calls of the day are used up.
    DailyLimit,
    /// 403 `REQUEST_LIMIT_EXCEEDED`: too many long requests at a time.
    ConcurrentLimit,
    /// 503 `SERVER_UNAVAILABLE`.
    ServerUnavailable,
    /// 500 `UNKNOWN_EXCEPTION`.
    ServerError,
    /// 502 with a page of HTML, as proxies send.
    BadGateway,
    /// 503 with a page of HTML: maintenance.
    Maintenance,
    /// 400 `INVALID_QUERY_LOCATOR`.
    InvalidLocator,
    /// 401 `INVALID_SESSION_ID`, though the token is good.
    InvalidSession,
}

impl Refusal {
    /// Status, code and message; without a code it is a page.
    pub(crate) fn words(self) -> (u16, Option<&'static str>, &'static str) {
        match self {
            Refusal::DailyLimit => (
                403,
                Some("REQUEST_LIMIT_EXCEEDED"),
                "TotalRequests Limit exceeded.",
            ),
            Refusal::ConcurrentLimit => (
                403,
                Some("REQUEST_LIMIT_EXCEEDED"),
                "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            ),
            Refusal::ServerUnavailable => (503, Some("SERVER_UNAVAILABLE"), "Server unavailable"),
            Refusal::ServerError => (500, Some("UNKNOWN_EXCEPTION"), "An unexpected error occurred."),
            Refusal::BadGateway => (502, None, "Bad Gateway"),
            Refusal::Maintenance => (503, None, "We are down for maintenance"),
            Refusal::InvalidLocator => (400, Some("INVALID_QUERY_LOCATOR"), "invalid query locator"),
            Refusal::InvalidSession => (401, Some("INVALID_SESSION_ID"), "Session expired or invalid"),
        }
    }
}

/// An answer that stands for the real one.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The error code; without it the body is a page of HTML, as proxies send.
    #[serde(default)]
    pub code: Option<String>,
    /// The message.
    #[serde(default)]
    pub message: String,
    /// Seconds, for a `Retry-After` header. Salesforce sends none.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

/// Rows that are refused for good. Either a share of them, or those whose field is as given, or both.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectRows {
    /// The object.
    pub object: String,
    /// How many of the rows; without it all.
    #[serde(default = "all")]
    pub share: Share,
    /// Only rows in which this field ...
    #[serde(default)]
    pub field: Option<String>,
    /// ... has a value like this, as in SOQL: `%` stands for any text, `_` for one character.
    #[serde(default)]
    pub like: Option<String>,
    /// The error code.
    #[serde(default = "validation")]
    pub code: String,
    /// The message.
    pub message: String,
    /// The fields that the error names.
    #[serde(default)]
    pub fields: Vec<String>,
}

/// A share of an object's rows.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowShare {
    /// The object.
    pub object: String,
    /// How many of the rows.
    pub share: Share,
}

/// Jobs that fail.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailJob {
    /// The object.
    pub object: String,
    /// The job's `errorMessage`.
    pub message: String,
    /// So many rows are written before it fails; they stay written.
    #[serde(default)]
    pub after_rows: usize,
    /// Whether query jobs of the object fail too.
    #[serde(default)]
    pub queries: bool,
}

/// The object whose Bulk jobs, of both kinds, or whose rows are meant.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobsOf {
    /// The object.
    pub object: String,
}

/// Jobs that were tried more than once.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryJob {
    /// The object.
    pub object: String,
    /// The job's `retries`.
    pub retries: u64,
}

fn all() -> Share {
    Share::new(1.0)
}

fn validation() -> String {
    "FIELD_CUSTOM_VALIDATION_EXCEPTION".to_owned()
}

impl Fault {
    /// A fault on all requests, without end.
    pub fn new(then: Effect) -> Self {
        Fault {
            on: On::default(),
            after: 0,
            every: None,
            times: None,
            share: None,
            then,
        }
    }

    /// Only requests whose path holds this text.
    #[must_use]
    pub fn on_path(mut self, path: &str) -> Self {
        self.on.path = Some(path.to_owned());
        self
    }

    /// Only requests of this method.
    #[must_use]
    pub fn on_method(mut self, method: &str) -> Self {
        self.on.method = Some(method.to_owned());
        self
    }

    /// Lets so many matching requests pass.
    #[must_use]
    pub fn after(mut self, requests: u64) -> Self {
        self.after = requests;
        self
    }

    /// Hits so many requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Hits only every so-manieth matching request.
    #[must_use]
    pub fn every(mut self, every: u64) -> Self {
        self.every = Some(every);
        self
    }

    fn about_requests(&self) -> bool {
        !matches!(
            self.then,
            Effect::RejectRows(_)
                | Effect::LockRows(_)
                | Effect::FailJob(_)
                | Effect::HangJob(_)
                | Effect::AbortJob(_)
                | Effect::RetryJob(_)
                | Effect::ShuffleRows(_)
        )
    }
}

/// A poisoned lock still holds good data: the emulator's sections do not panic half-way through a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
