use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::{
    AuthError, access_token::AccessToken, answer::TokenAnswer, client_credentials::ClientCredentials,
};
use crate::http::{HeaderValue, Retry, Transport, Url, is_loopback};

/// A token, and what the sign-in said with it.
#[derive(Debug)]
pub struct Token {
    /// The secret itself.
    pub secret: SecretString,
    /// Counts the sign-ins of its source, from 1. Who was refused with this token renews this generation.
    pub generation: u64,
    /// The server that the token was issued for.
    pub instance_url: Option<Url>,
    /// The identity URL, `https://login.salesforce.com/id/ORG/USER`.
    pub identity_url: Option<String>,
}

impl Token {
    /// `Bearer ...`, marked sensitive.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::try_from(format!("Bearer {}", self.secret.expose_secret())).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// How a token is come by.
#[derive(Debug)]
pub(super) enum Flow {
    ClientCredentials(ClientCredentials),
    AccessToken(AccessToken),
}

/// Signs one principal in, keeps its token, and renews it when an org no longer accepts it: once for every
/// generation, however many requests found out at the same time.
#[derive(Debug)]
pub struct TokenSource {
    external: String,
    flow: Flow,
    transport: Transport,
    retry: Retry,
    state: Mutex<State>,
    /// How many sign-ins have failed. Who waited while one failed shares its error: twenty requests must not turn
    /// one wrong password into twenty, since that locks users out.
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Arc<Token>>,
    generation: u64,
    failure: Option<AuthError>,
}

impl TokenSource {
    pub(super) fn new(external: String, flow: Flow, transport: Transport, retry: Retry) -> Self {
        TokenSource {
            external,
            flow,
            transport,
            retry,
            state: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// The token in force; signs in when there is none yet.
    ///
    /// # Errors
    /// When the sign-in fails.
    pub async fn token(&self) -> Result<Arc<Token>, AuthError> {
        self.newer_than(0).await
    }

    /// A token younger than `generation`, which an org refused. Signs in unless somebody else has done so already.
    ///
    /// # Errors
    /// When the sign-in fails; [`AuthError::Expired`] when the token came from elsewhere.
    pub async fn renew(&self, generation: u64) -> Result<Arc<Token>, AuthError> {
        self.newer_than(generation).await
    }

    async fn newer_than(&self, generation: u64) -> Result<Arc<Token>, AuthError> {
        let failures = self.failures.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && token.generation > generation
        {
            return Ok(token.clone());
        }
        if self.failures.load(Ordering::Acquire) != failures
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        let first = state.generation == 0;
        let signed_in = self.sign_in(first).await;
        match signed_in {
            Ok(answer) => {
                state.generation += 1;
                tracing::info!(
                    external_credential = self.external,
                    generation = state.generation,
                    "signed in"
                );
                let token = Arc::new(Token {
                    instance_url: self.instance(answer.instance_url.as_deref()),
                    identity_url: answer.id,
                    secret: answer.access_token,
                    generation: state.generation,
                });
                state.token = Some(token.clone());
                state.failure = None;
                Ok(token)
            }
            Err(error) => {
                state.failure = Some(error.clone());
                self.failures.fetch_add(1, Ordering::Release);
                Err(error)
            }
        }
    }

    async fn sign_in(&self, first: bool) -> Result<TokenAnswer, AuthError> {
        let mut attempt = 1;
        loop {
            let answer = match &self.flow {
                Flow::ClientCredentials(flow) => flow.sign_in(&self.transport).await,
                Flow::AccessToken(flow) => flow.sign_in(first),
            };
            match answer {
                Err(error) if self.retry.again(attempt, &error).await => attempt += 1,
                done => return done,
            }
        }
    }

    /// The server named in the answer, when a token may be sent there: with TLS, or from loopback to loopback.
    fn instance(&self, url: Option<&str>) -> Option<Url> {
        let url = Url::parse(url?).ok()?;
        let endpoint_is_loopback = match &self.flow {
            Flow::ClientCredentials(flow) => is_loopback(&flow.endpoint),
            Flow::AccessToken(_) => false,
        };
        let usable =
            url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url) && endpoint_is_loopback);
        if !usable {
            tracing::warn!(
                external_credential = self.external,
                "the sign-in names a server without TLS; its URL is not used"
            );
        }
        usable.then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::{
        TransportOptions,
        testing::{Reply, Server},
    };

    fn source(server: &Server) -> TokenSource {
        let flow = ClientCredentials {
            external: "EC".into(),
            endpoint: server.url("/services/oauth2/token").parse().unwrap(),
            client_id: "id".to_owned().into(),
            client_secret: "secret".to_owned().into(),
            in_body: true,
            scope: None,
        };
        let quick = Retry {
            attempts: 4,
            first: Duration::from_millis(1),
            cap: Duration::from_millis(5),
        };
        TokenSource::new(
            "EC".into(),
            Flow::ClientCredentials(flow),
            Transport::new(TransportOptions::default()).unwrap(),
            quick,
        )
    }

    fn good(n: usize) -> Reply {
        Reply::json(200, format!(r#"{{"access_token":"token-{n}"}}"#)).after(Duration::from_millis(20))
    }

    async fn all<T: Send + 'static>(
        source: &Arc<TokenSource>,
        n: usize,
        ask: impl Fn(Arc<TokenSource>) -> tokio::task::JoinHandle<T>,
    ) -> Vec<T> {
        let asked: Vec<_> = (0..n).map(|_| ask(source.clone())).collect();
        let mut answers = Vec::new();
        for task in asked {
            answers.push(task.await.unwrap());
        }
        answers
    }

    #[tokio::test]
    async fn many_callers_make_one_sign_in_a_generation() {
        let server = Server::start(|seen| good(seen.nth)).await;
        let source = Arc::new(source(&server));
        let first = all(&source, 20, |s| {
            tokio::spawn(async move { s.token().await.unwrap().generation })
        })
        .await;
        assert_eq!(first, vec![1; 20]);
        let second = all(&source, 20, |s| {
            tokio::spawn(async move { s.renew(1).await.unwrap().secret.expose_secret().to_owned() })
        })
        .await;
        assert_eq!(second, vec!["token-1"; 20]);
        // A latecomer with the old generation gets the token that is there.
        assert_eq!(source.renew(1).await.unwrap().generation, 2);
        assert_eq!(server.seen().len(), 2);
    }

    #[tokio::test]
    async fn one_failure_is_everybodys() {
        let server = Server::start(|_| {
            Reply::json(
                400,
                r#"{"error":"invalid_grant","error_description":"authentication failure"}"#,
            )
            .after(Duration::from_millis(50))
        })
        .await;
        let source = Arc::new(source(&server));
        let errors = all(&source, 20, |s| {
            tokio::spawn(async move { s.token().await.unwrap_err().to_string() })
        })
        .await;
        assert!(errors.iter().all(|e| e.contains("authentication failure")));
        assert_eq!(server.seen().len(), 1);
        // Who comes later asks anew.
        assert!(source.token().await.is_err());
        assert_eq!(server.seen().len(), 2);
    }

    #[tokio::test]
    async fn a_busy_token_endpoint_is_asked_again() {
        let server = Server::start(|seen| match seen.nth {
            0 => Reply::body(503, "text/html", "<html><title>Busy</title></html>").header("Retry-After", "0"),
            1 => Reply::json(
                400,
                r#"{"error":"unknown_error","error_description":"retry your request"}"#,
            ),
            n => good(n),
        })
        .await;
        assert_eq!(source(&server).token().await.unwrap().generation, 1);
        assert_eq!(server.seen().len(), 3);
    }

    #[tokio::test]
    async fn a_redirecting_token_endpoint_gets_no_second_secret() {
        let other = Server::start(|_| good(0)).await;
        let target = other.url("/services/oauth2/token");
        let server = Server::start(move |_| Reply::status(307).header("Location", &target)).await;
        let error = source(&server).token().await.unwrap_err();
        assert!(error.to_string().contains("redirects"), "{error}");
        assert!(other.seen().is_empty());
    }

    #[tokio::test]
    async fn a_token_from_elsewhere_is_not_renewed() {
        let flow = AccessToken {
            external: "EC".into(),
            token: "t".to_owned().into(),
        };
        let source = TokenSource::new(
            "EC".into(),
            Flow::AccessToken(flow),
            Transport::new(TransportOptions::default()).unwrap(),
            Retry::default(),
        );
        let token = source.token().await.unwrap();
        let error = source.renew(token.generation).await.unwrap_err();
        assert!(matches!(error, AuthError::Expired { .. }));
        assert!(error.to_string().starts_with("expired access token"));
    }

    #[tokio::test]
    async fn the_instance_url_needs_tls_unless_both_ends_are_here() {
        for (url, used) in [
            ("https://acme.my.salesforce.com", true),
            ("http://acme.my.salesforce.com", false),
            ("http://127.0.0.1:9", true),
            ("not a url", false),
        ] {
            let body = format!(r#"{{"access_token":"t","instance_url":"{url}"}}"#);
            let server = Server::start(move |_| Reply::json(200, body.clone())).await;
            let token = source(&server).token().await.unwrap();
            assert_eq!(token.instance_url.is_some(), used, "{url}");
        }
    }
}
