use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use bytes::Bytes;
use jiff::fmt::rfc2822;

use super::{
    ApiError, CallBudget, ClientError,
    codes::{Class, nothing_happened},
    error::request_id,
    limits::{ApiUsage, UsageCell},
};
use crate::{
    auth::{Access, Grant},
    http::{
        Answer, Body, BodyStream, HeaderMap, HttpError, Method, Request, Retry, Retryable, StatusCode,
        StreamedAnswer, Transport, Url, Verdict, capped, excerpt,
    },
};

/// A call as a request builder describes it.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// Whether sending it twice does the same as sending it once.
    pub(super) idempotent: bool,
    /// Whether it only finishes what is under way: a budget keeps calls for those.
    pub(super) finishes: bool,
    /// The most bytes of the answer, when it is not the usual number.
    pub(super) limit: Option<usize>,
}

/// Where a call goes.
#[derive(Clone)]
pub(super) enum Target {
    /// A path on the API's host, and its query.
    Api(String, Vec<(&'static str, String)>),
    /// A whole URL; it has to be on one of the credential's hosts.
    Url(Url),
}

impl Call {
    pub(super) fn new(method: Method, target: Target) -> Self {
        let idempotent = method != Method::POST;
        Call {
            method,
            target,
            headers: HeaderMap::new(),
            body: Body::Empty,
            idempotent,
            finishes: false,
            limit: None,
        }
    }

    pub(super) fn get(path: String) -> Self {
        Call::new(Method::GET, Target::Api(path, Vec::new()))
    }
}

/// Sends calls for one named credential: authorises, retries by error class, renews the token once, counts.
pub(super) struct Caller {
    transport: Transport,
    access: Access,
    retry: Retry,
    usage: UsageCell,
    calls: AtomicU64,
    budget: OnceLock<Arc<CallBudget>>,
    /// The org's time by its latest answer, in seconds since 1970; 0 before the first.
    clock: AtomicI64,
}

/// An answer of status 2xx; its body is either read or still arriving.
pub(super) struct Good {
    pub(super) call: String,
    pub(super) url: Url,
    pub(super) answer: Answer,
    pub(super) stream: Option<BodyStream>,
}

/// As many bytes of an error's body as are read.
const LARGEST_ERROR: usize = 1024 * 1024;

impl Caller {
    pub(super) fn new(transport: Transport, access: Access, retry: Retry) -> Self {
        Caller {
            transport,
            access,
            retry,
            usage: UsageCell::default(),
            calls: AtomicU64::new(0),
            budget: OnceLock::new(),
            clock: AtomicI64::new(0),
        }
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    pub(super) fn retry(&self) -> Retry {
        self.retry
    }

    pub(super) fn usage(&self) -> Option<ApiUsage> {
        self.usage.get()
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// From now on calls are taken out of a budget. Given once.
    pub(super) fn keep_to(&self, budget: Arc<CallBudget>) {
        let _ = self.budget.set(budget);
    }

    /// The org's time by its latest answer, in seconds since 1970.
    pub(super) fn clock(&self) -> Option<i64> {
        Some(self.clock.load(Ordering::Relaxed)).filter(|time| *time > 0)
    }

    /// Sends a call and reads its answer to the end.
    pub(super) async fn send(&self, call: &Call) -> Result<Good, ClientError> {
        self.drive(call, true).await
    }

    /// Sends a call and hands its answer over while it arrives.
    pub(super) async fn open(&self, call: &Call) -> Result<Good, ClientError> {
        self.drive(call, false).await
    }

    async fn drive(&self, call: &Call, whole: bool) -> Result<Good, ClientError> {
        let mut attempt = 1;
        let mut renewed = false;
        loop {
            // Asked for anew each time: meanwhile somebody else may have renewed it.
            let grant = self.access.grant().await?;
            let error = match self.once(call, &grant, whole).await {
                Ok(good) => return Ok(good),
                Err(error) => error,
            };
            // A body that is made while it is sent can be made anew by the caller only.
            let once = matches!(call.body, Body::Once(_));
            // One replay for a call, after one renewal for everybody: a refusal that comes back is no matter of age.
            if error.class() == Class::Reauthenticate && !renewed {
                renewed = true;
                if self.access.renew(&grant).await?.is_some() && !once {
                    continue;
                }
            }
            if !once && self.retry.again(attempt, &error).await {
                attempt += 1;
                continue;
            }
            return Err(error);
        }
    }

    async fn once(&self, call: &Call, grant: &Grant, whole: bool) -> Result<Good, ClientError> {
        let url = match &call.target {
            Target::Api(path, query) => api_url(&grant.api, path, query),
            Target::Url(url) => url.clone(),
        };
        let authorised = grant.headers_for(&url).ok_or_else(|| ClientError::Foreign {
            url: format!("{}{}", url.origin().ascii_serialization(), url.path()),
            named: self.access.named().to_owned(),
        })?;
        let mut request = Request::new(call.method.clone(), url);
        if let Some(limit) = call.limit {
            request.limit = limit;
        }
        request.headers = authorised.clone();
        request
            .headers
            .entry("accept")
            .or_insert(crate::http::HeaderValue::from_static("application/json"));
        for (name, value) in &call.headers {
            request.headers.insert(name, value.clone());
        }
        request.body = call.body.clone();
        let called = request.describe();
        let budget = self.budget.get();
        if let Some(Err(state)) = budget.map(|budget| budget.take(call.finishes)) {
            return Err(ClientError::BudgetUsed {
                named: self.access.named().to_owned(),
                state,
            });
        }
        self.calls.fetch_add(1, Ordering::Relaxed);

        let lost = |error: HttpError| {
            if !call.idempotent && error.may_have_arrived() {
                ClientError::OutcomeUnknown {
                    call: called.clone(),
                    cause: error.to_string(),
                }
            } else {
                ClientError::Http(error)
            }
        };
        let StreamedAnswer {
            status,
            headers,
            mut body,
        } = self.transport.open(&request).await.map_err(lost)?;
        if let Some(usage) = headers
            .get("sforce-limit-info")
            .and_then(|h| ApiUsage::parse(h.to_str().ok()?))
        {
            self.usage.set(usage);
            if let Some(budget) = budget {
                budget.hear(usage);
            }
        }
        let date = headers.get("date").and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| rfc2822::parse(date).ok()) {
            self.clock.store(date.timestamp().as_second(), Ordering::Relaxed);
        }
        let mut answer = Answer {
            status,
            headers,
            body: Bytes::new(),
        };
        if !status.is_success() {
            // A body that breaks off leaves the status to go by.
            answer.body = capped(&mut body, LARGEST_ERROR, || called.clone())
                .await
                .unwrap_or_default();
            return Err(refused(call, called, &answer));
        }
        let stream = if whole {
            answer.body = capped(&mut body, request.limit, || called.clone())
                .await
                .map_err(lost)?;
            None
        } else {
            Some(body)
        };
        Ok(Good {
            call: called,
            url: request.url,
            answer,
            stream,
        })
    }
}

/// The error of an answer that is no success.
fn refused(call: &Call, called: String, answer: &Answer) -> ClientError {
    let error = ApiError::from_answer(called, answer);
    let unknown =
        !call.idempotent && error.class() == Class::Transient && !nothing_happened(error.status, &error.code);
    if unknown {
        return ClientError::OutcomeUnknown {
            cause: error.to_string(),
            call: error.call,
        };
    }
    error.into()
}

impl Good {
    /// Reads the body as what it should be.
    pub(super) fn parse<T>(
        &self,
        read: impl FnOnce(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, ClientError> {
        read(&self.answer.body).map_err(|error| {
            // Behind a wrong host or a proxy stands a page, and a status of 200.
            let seen = excerpt(&self.answer.body);
            let detail = if self.answer.body.first().is_some_and(|b| matches!(b, b'{' | b'[')) {
                format!(
                    "{} at line {} column {}: {seen}",
                    category(&error),
                    error.line(),
                    error.column()
                )
            } else {
                format!("no JSON: {seen}")
            };
            self.not_understood(detail)
        })
    }

    /// A complaint about this answer.
    pub(super) fn not_understood(&self, detail: impl Into<String>) -> ClientError {
        ClientError::NotUnderstood {
            call: self.call.clone(),
            detail: detail.into(),
            request_id: request_id(&self.answer),
        }
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers.get(name)?.to_str().ok()
    }

    /// The answer's status.
    pub(super) fn status(&self) -> StatusCode {
        self.answer.status
    }
}

/// Serde's own text would quote values.
fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Data | serde_json::error::Category::Io => {
            "its form is not the expected one"
        }
    }
}

/// A path on the API's host, behind whatever path the host's URL has.
pub(super) fn api_url(api: &Url, path: &str, query: &[(&'static str, String)]) -> Url {
    let mut url = api.clone();
    let prefix = api.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{prefix}{path}"));
    url.set_query(None);
    url.set_fragment(None);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

/// A page that broke off in the middle is worth asking for again.
pub(super) fn broke_off(to: &str, detail: impl Into<String>) -> ClientError {
    ClientError::Http(HttpError::Broken {
        to: to.to_owned(),
        detail: detail.into(),
    })
}

/// Whether an error is worth another attempt at all.
pub(super) fn worth_another(error: &ClientError) -> bool {
    error.verdict() != Verdict::Stop
}
