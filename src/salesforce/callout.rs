use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    CallBudget, ClientError,
    caller::{Call, Caller, Target},
};
use crate::{
    auth::Sessions,
    http::{Body, HeaderMap, HeaderName, HeaderValue, Method, Retry, Url, same_origin},
    pipeline::credentials::{ExternalCredential, NamedCredential, Principal},
};

/// Any HTTP API that answers JSON, called through a named credential, as `callout:NAME/path` does in Apex. It need
/// not be Salesforce. Cheap to clone.
#[derive(Clone)]
pub struct Callout {
    caller: Arc<Caller>,
}

/// How a callout asks.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// What is posted; without it the call is a `GET`. A post counts as a search, which may be sent again.
    pub body: Option<Json>,
    /// Headers of its own; they win over those of the named credential.
    pub headers: Vec<(String, String)>,
    /// The most bytes of an answer, when it is not the usual number.
    pub limit: Option<usize>,
}

/// What a callout brought.
#[derive(Clone, Debug)]
pub struct CalloutAnswer {
    /// Where it came from: what a link in it is relative to.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; null when it had none.
    pub body: Json,
}

impl Callout {
    /// Resolves the credential's secrets; sends nothing.
    ///
    /// # Errors
    /// A secret or a parameter that is missing, a URL that may not be called.
    pub fn new(
        sessions: &Sessions,
        named: &NamedCredential,
        external: &ExternalCredential,
        principal: &Principal,
        retry: Retry,
    ) -> Result<Self, ClientError> {
        let access = sessions.access(named, external, principal)?;
        Ok(Callout {
            caller: Arc::new(Caller::new(sessions.transport().clone(), access, retry)),
        })
    }

    /// Calls a path below the named credential's URL, or a whole URL on one of its hosts.
    ///
    /// # Errors
    /// [`ClientError::Foreign`] for another host, before anything is sent; else what the API says.
    pub async fn call<K: AsRef<str>, V: AsRef<str>>(
        &self,
        path: &str,
        query: &[(K, V)],
        ask: &Ask,
    ) -> Result<CalloutAnswer, ClientError> {
        let base = self.caller.access().base();
        let mut url = match absolute(path) {
            Some(url) => url,
            None => {
                let mut whole = base.clone();
                whole.set_query(None);
                let text = format!(
                    "{}/{}",
                    whole.as_str().trim_end_matches('/'),
                    path.trim_start_matches('/')
                );
                let url = Url::parse(&text).map_err(|_| self.foreign(path))?;
                if !same_origin(&url, base) {
                    return Err(self.foreign(path));
                }
                url
            }
        };
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.fetch(url, ask).await
    }

    /// Follows a link that an answer holds: a whole URL, a path from the host's root, or one relative to `from`.
    ///
    /// # Errors
    /// As [`Callout::call`].
    pub async fn follow(&self, from: &Url, link: &str, ask: &Ask) -> Result<CalloutAnswer, ClientError> {
        let url = from.join(link).map_err(|_| self.foreign(link))?;
        self.fetch(url, ask).await
    }

    /// How many requests have been made, repetitions included.
    pub fn calls(&self) -> u64 {
        self.caller.calls()
    }

    /// From now on its calls are taken out of a budget: that of the org that it calls. Given once.
    pub fn keep_to(&self, budget: Arc<CallBudget>) {
        self.caller.keep_to(budget);
    }

    async fn fetch(&self, url: Url, ask: &Ask) -> Result<CalloutAnswer, ClientError> {
        let method = match ask.body {
            Some(_) => Method::POST,
            None => Method::GET,
        };
        let mut call = Call::new(method, Target::Url(url));
        // A search: asking it twice does the same as asking it once.
        call.idempotent = true;
        call.limit = ask.limit;
        for (name, value) in &ask.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                call.headers.insert(name, value);
            }
        }
        if let Some(body) = &ask.body {
            call.body = Body::Bytes("application/json", body.to_string().into());
        }
        let good = self.caller.send(&call).await?;
        let body = if good.answer.body.is_empty() {
            Json::Null
        } else {
            good.parse(|body| serde_json::from_slice(body))?
        };
        Ok(CalloutAnswer {
            url: good.url,
            headers: good.answer.headers,
            body,
        })
    }

    fn foreign(&self, path: &str) -> ClientError {
        ClientError::Foreign {
            url: path.split(['?', '#']).next().unwrap_or_default().to_owned(),
            named: self.caller.access().named().to_owned(),
        }
    }
}

/// A whole URL, as opposed to a path.
fn absolute(path: &str) -> Option<Url> {
    let lower = path.get(..8).unwrap_or(path).to_ascii_lowercase();
    (lower.starts_with("https://") || lower.starts_with("http://"))
        .then(|| Url::parse(path).ok())
        .flatten()
}
