//! HTTP: one transport for everything that leaves this machine, and how often a request is tried.
//!
//! Knows no service: what an answer means is for `auth` and `salesforce` to say. What it guards for both of them:
//! no redirect is ever followed, nothing but a loopback host is spoken to without TLS, no body outgrows its limit,
//! and neither secrets nor bodies reach a log line or an error.

mod error;
mod host;
mod redact;
mod retry;
mod transport;

#[cfg(test)]
pub(crate) mod testing;

pub use error::HttpError;
pub use host::{InsecureUrl, is_loopback, require_secure, same_origin};
pub use redact::excerpt;
pub use retry::{Retry, Retryable, Verdict, retry_after};
pub use transport::{
    Answer, Body, BodyStream, Once, Request, StreamedAnswer, Transport, TransportOptions, capped,
};

/// The types of the `http` and `url` crates that stand in this room's signatures.
pub use reqwest::{
    Method, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
