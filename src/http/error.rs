use std::time::Duration;

use super::{InsecureUrl, Retryable, Verdict};

/// Why there is no answer. An answer of any status is not an error here.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL may not be called.
    #[error(transparent)]
    Insecure(#[from] InsecureUrl),
    /// The request could not be built.
    #[error("the request to {to} could not be built: {detail}")]
    Invalid {
        /// `GET https://host/path`.
        to: String,
        /// What was wrong.
        detail: String,
    },
    /// No connection came about: nothing was sent.
    #[error("no connection for {to}: {detail}")]
    Connect {
        /// `GET https://host/path`.
        to: String,
        /// What the machine said.
        detail: String,
    },
    /// The connection broke, or fell silent, after something may have been sent.
    #[error("the connection broke during {to}: {detail}")]
    Broken {
        /// `GET https://host/path`.
        to: String,
        /// What the machine said.
        detail: String,
    },
    /// The other side said nothing for too long.
    #[error("no answer to {to} within {} s of silence", .patience.as_secs())]
    Silent {
        /// `GET https://host/path`.
        to: String,
        /// How long was waited.
        patience: Duration,
    },
    /// The body is larger than its place.
    #[error("the answer to {to} is larger than {limit} bytes")]
    TooLarge {
        /// `GET https://host/path`.
        to: String,
        /// What would have been accepted.
        limit: usize,
    },
    /// TLS could not be set up on this machine.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(String),
}

impl HttpError {
    /// Whether the other side may have acted on the request.
    pub fn may_have_arrived(&self) -> bool {
        matches!(
            self,
            HttpError::Broken { .. } | HttpError::Silent { .. } | HttpError::TooLarge { .. }
        )
    }

    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            HttpError::Connect { .. } | HttpError::Broken { .. } | HttpError::Silent { .. }
        )
    }

    /// What a user can do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            HttpError::Insecure(_) => Some("write the named credential's `url` with https://"),
            HttpError::Connect { .. } => {
                Some("check the host in the named credential's `url`, and that this machine reaches it")
            }
            HttpError::Broken { .. } | HttpError::Silent { .. } => Some("check the network, then run again"),
            HttpError::TooLarge { .. } => Some("ask for less at a time"),
            HttpError::Invalid { .. } | HttpError::Setup(_) => None,
        }
    }
}

impl Retryable for HttpError {
    /// For requests that may be repeated; who sends others asks [`HttpError::may_have_arrived`] first.
    fn verdict(&self) -> Verdict {
        if self.is_transient() {
            Verdict::Again {
                after: None,
                most: None,
            }
        } else {
            Verdict::Stop
        }
    }
}
