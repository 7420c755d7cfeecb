use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use reqwest::{
    Method, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};

use super::{HttpError, host::is_loopback, host::origin_text, require_secure};

/// The one way out of this process. Cheap to clone; keeps connections open between requests.
#[derive(Clone, Debug)]
pub struct Transport {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    quick: Clients,
    /// For bodies that take longer to be sent than an answer may say nothing.
    patient: Clients,
    options: TransportOptions,
}

#[derive(Debug)]
struct Clients {
    /// For all hosts but this machine; honours the proxy of the environment.
    outside: reqwest::Client,
    /// For this machine: no proxy has business there.
    loopback: reqwest::Client,
}

/// How long a body may take to be sent and answered.
const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);

/// What a [`Transport`] is patient about.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long an answer may say nothing.
    pub silence: Duration,
    /// The answer header that names a request for the service's support; it goes to the log.
    pub request_id: Option<HeaderName>,
}

impl Default for TransportOptions {
    fn default() -> Self {
        TransportOptions {
            connect: Duration::from_secs(30),
            silence: Duration::from_secs(120),
            request_id: None,
        }
    }
}

/// What is sent along.
#[derive(Clone, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes and their content type.
    Bytes(&'static str, Bytes),
    /// Bytes that come as they are sent, and can be sent once only.
    Once(Arc<Once>),
}

/// A body that is made while it is sent.
pub struct Once {
    content_type: String,
    length: Option<u64>,
    stream: Mutex<Option<BodyStream>>,
}

impl Once {
    /// A body of `length` bytes, where that is known.
    pub fn new(content_type: String, length: Option<u64>, stream: BodyStream) -> Self {
        Once {
            content_type,
            length,
            stream: Mutex::new(Some(stream)),
        }
    }

    fn take(&self) -> Option<BodyStream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A request, ready to be sent as often as needed.
#[derive(Clone)]
pub struct Request {
    /// The verb.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers; values marked sensitive stay out of every log.
    pub headers: HeaderMap,
    /// What is sent along.
    pub body: Body,
    /// Whether sending it twice does the same as sending it once.
    pub idempotent: bool,
    /// How many bytes an answer may have, after unpacking.
    pub limit: usize,
}

/// 64 MiB: far more than any JSON answer has, far less than a machine has.
const LARGEST: usize = 64 * 1024 * 1024;

impl Request {
    /// A request without headers and body. Every method but POST and PATCH counts as idempotent until
    /// [`Request::idempotent`] says otherwise.
    pub fn new(method: Method, url: Url) -> Self {
        let idempotent = method != Method::POST && method != Method::PATCH;
        Request {
            method,
            url,
            headers: HeaderMap::new(),
            body: Body::Empty,
            idempotent,
            limit: LARGEST,
        }
    }

    /// `GET https://host/path`: what errors and logs say of it. The query is left out, since it holds values.
    pub fn describe(&self) -> String {
        format!("{} {}{}", self.method, origin_text(&self.url), self.url.path())
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, unpacked.
    pub body: Bytes,
}

/// A body that is still arriving, unpacked.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, HttpError>> + Send>>;

/// An answer whose body is still arriving.
pub struct StreamedAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, unpacked.
    pub body: BodyStream,
}

impl Transport {
    /// A transport with its own connections.
    ///
    /// # Errors
    /// [`HttpError::Setup`] when TLS cannot be set up.
    pub fn new(options: TransportOptions) -> Result<Self, HttpError> {
        let builder = |silence: Duration| -> Result<reqwest::ClientBuilder, HttpError> {
            Ok(reqwest::Client::builder()
                .tls_backend_preconfigured(tls()?)
                .user_agent(concat!("orgferry/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .gzip(true)
                .connect_timeout(options.connect)
                .read_timeout(silence)
                // A server closes idle connections after a minute or so; one that is about to be closed is a lost
                // request.
                .pool_idle_timeout(Duration::from_secs(30))
                .tcp_nodelay(true))
        };
        let build = |b: reqwest::ClientBuilder| b.build().map_err(|e| HttpError::Setup(chain(&e)));
        let clients = |silence: Duration| -> Result<Clients, HttpError> {
            Ok(Clients {
                outside: build(builder(silence)?)?,
                loopback: build(builder(silence)?.no_proxy())?,
            })
        };
        Ok(Transport {
            inner: Arc::new(Inner {
                quick: clients(options.silence)?,
                patient: clients(PATIENCE)?,
                options,
            }),
        })
    }

    /// Sends once and reads the answer to its end.
    ///
    /// # Errors
    /// When there is no whole answer. An answer of any status is `Ok`.
    pub async fn send(&self, request: &Request) -> Result<Answer, HttpError> {
        let started = Instant::now();
        let mut answer = self.open(request).await?;
        let body = capped(&mut answer.body, request.limit, || request.describe()).await?;
        tracing::trace!(bytes = body.len(), elapsed_ms = elapsed(started), "body read");
        Ok(Answer {
            status: answer.status,
            headers: answer.headers,
            body,
        })
    }

    /// Sends once and hands the body over as it arrives; `limit` does not apply.
    ///
    /// # Errors
    /// When there is no answer. An answer of any status is `Ok`.
    pub async fn open(&self, request: &Request) -> Result<StreamedAnswer, HttpError> {
        require_secure(&request.url)?;
        let clients = match &request.body {
            Body::Once(_) => &self.inner.patient,
            Body::Empty | Body::Bytes(..) => &self.inner.quick,
        };
        let near = is_loopback(&request.url);
        let client = if near { &clients.loopback } else { &clients.outside };
        let mut outgoing = client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone());
        if near && !request.headers.contains_key(reqwest::header::ACCEPT_ENCODING) {
            // Packing costs both sides more than a way within one machine. What comes packed is unpacked all the same.
            outgoing = outgoing.header(
                reqwest::header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            );
        }
        let silence = self.inner.options.silence;
        let to = request.describe();
        match &request.body {
            Body::Empty => {}
            Body::Bytes(content_type, bytes) => {
                outgoing = outgoing
                    .header(
                        reqwest::header::CONTENT_TYPE,
                        HeaderValue::from_static(content_type),
                    )
                    .body(bytes.clone());
            }
            Body::Once(once) => {
                let Some(stream) = once.take() else {
                    let detail = "its body has been sent already".to_owned();
                    return Err(HttpError::Invalid { to, detail });
                };
                outgoing = outgoing
                    .header(reqwest::header::CONTENT_TYPE, once.content_type.as_str())
                    .body(reqwest::Body::wrap_stream(stream));
                if let Some(length) = once.length {
                    outgoing = outgoing.header(reqwest::header::CONTENT_LENGTH, length);
                }
            }
        }
        let started = Instant::now();
        let answer = match outgoing.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = sort(&error, to, silence);
                tracing::debug!(
                    method = %request.method,
                    path = request.url.path(),
                    elapsed_ms = elapsed(started),
                    %error,
                    "no answer"
                );
                return Err(error);
            }
        };
        let request_id = self
            .inner
            .options
            .request_id
            .as_ref()
            .and_then(|name| answer.headers().get(name)?.to_str().ok())
            .unwrap_or_default();
        tracing::debug!(
            method = %request.method,
            path = request.url.path(),
            status = answer.status().as_u16(),
            elapsed_ms = elapsed(started),
            request_id,
            "answered"
        );
        Ok(StreamedAnswer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: Box::pin(
                answer
                    .bytes_stream()
                    .map(move |chunk| chunk.map_err(|error| sort(&error, to.clone(), silence))),
            ),
        })
    }
}

/// Reads a body to its end, but no further than `limit`.
///
/// # Errors
/// [`HttpError::TooLarge`], or what the body itself reports.
pub async fn capped(
    body: &mut (impl Stream<Item = Result<Bytes, HttpError>> + Unpin),
    limit: usize,
    to: impl Fn() -> String,
) -> Result<Bytes, HttpError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        if first.len() + rest.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge { to: to(), limit });
        }
        if first.is_empty() && rest.is_empty() {
            // Most answers are one chunk: no copy for them.
            first = chunk;
        } else {
            if !first.is_empty() {
                rest.extend_from_slice(&first);
                first = Bytes::new();
            }
            rest.extend_from_slice(&chunk);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// The public web's certificate authorities, and ring for the arithmetic.
fn tls() -> Result<rustls::ClientConfig, HttpError> {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| HttpError::Setup(e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
    Ok(config)
}

fn sort(error: &reqwest::Error, to: String, silence: Duration) -> HttpError {
    let detail = chain(error);
    if error.is_builder() {
        HttpError::Invalid { to, detail }
    } else if error.is_connect() {
        HttpError::Connect { to, detail }
    } else if error.is_timeout() {
        HttpError::Silent {
            to,
            patience: silence,
        }
    } else {
        HttpError::Broken { to, detail }
    }
}

/// The innermost reasons; the outer texts of the client repeat the URL with its query.
fn chain(error: &reqwest::Error) -> String {
    let mut reasons = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        reasons.push(inner.to_string());
        cause = inner.source();
    }
    reasons.dedup();
    if reasons.is_empty() {
        return "the request was not accepted".into();
    }
    reasons.join(": ")
}

fn elapsed(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::{Reply, Server, closing_server};

    fn transport() -> Transport {
        Transport::new(TransportOptions::default()).unwrap()
    }

    fn get(url: &str) -> Request {
        Request::new(Method::GET, Url::parse(url).unwrap())
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer() {
        let server =
            Server::start(|_| Reply::status(302).header("Location", "http://127.0.0.1:1/elsewhere")).await;
        let answer = transport().send(&get(&server.url("/a"))).await.unwrap();
        assert_eq!(answer.status, StatusCode::FOUND);
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn headers_of_ours_and_gzip() {
        let server = Server::start(|seen| {
            assert_eq!(
                seen.header("user-agent"),
                concat!("orgferry/", env!("CARGO_PKG_VERSION"))
            );
            // Within one machine nothing is gained by packing; a server that does it all the same is understood.
            assert_eq!(seen.header("accept-encoding"), "identity");
            assert_eq!(seen.header("cookie"), "");
            Reply::json(200, r#"{"a":1}"#)
                .gzipped()
                .header("Set-Cookie", "a=b")
        })
        .await;
        let transport = transport();
        for _ in 0..2 {
            let answer = transport.send(&get(&server.url("/a"))).await.unwrap();
            assert_eq!(&answer.body[..], br#"{"a":1}"#);
        }
    }

    #[tokio::test]
    async fn bodies_are_bounded() {
        let server = Server::start(|_| Reply::json(200, "x".repeat(5000))).await;
        let mut request = get(&server.url("/big?q=secret"));
        request.limit = 4999;
        let error = transport().send(&request).await.unwrap_err();
        assert!(matches!(error, HttpError::TooLarge { limit: 4999, .. }));
        assert!(!error.to_string().contains("secret"));
        request.limit = 5000;
        assert_eq!(transport().send(&request).await.unwrap().body.len(), 5000);
    }

    #[tokio::test]
    async fn errors_say_whether_the_request_may_have_arrived() {
        let closing = closing_server().await;
        let error = transport()
            .send(&get(&format!("{closing}/x?q=secret")))
            .await
            .unwrap_err();
        assert!(error.may_have_arrived() && error.is_transient(), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");

        // A port that was free a moment ago.
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x?q=secret", free.local_addr().unwrap());
        drop(free);
        let error = transport().send(&get(&url)).await.unwrap_err();
        assert!(!error.may_have_arrived() && error.is_transient(), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");

        let error = transport().send(&get("http://example.com/")).await.unwrap_err();
        assert!(matches!(error, HttpError::Insecure(_)));
    }

    #[tokio::test]
    async fn silence_ends() {
        let server = Server::start(|_| Reply::json(200, "{}").after(Duration::from_secs(30))).await;
        let quick = Transport::new(TransportOptions {
            silence: Duration::from_millis(50),
            ..TransportOptions::default()
        })
        .unwrap();
        let error = quick.send(&get(&server.url("/slow"))).await.unwrap_err();
        assert!(matches!(error, HttpError::Silent { .. }), "{error}");
    }
}
