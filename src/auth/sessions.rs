use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    Access, AuthError, Environment, TokenSource,
    access::Scheme,
    access_token::AccessToken,
    client_credentials::{ClientCredentials, basic},
    resolve,
    token::Flow as TokenFlow,
};
use crate::{
    http::{HeaderMap, HeaderName, HeaderValue, Retry, Transport, Url, require_secure},
    pipeline::credentials::{
        ExternalCredential, Flow, HeaderValue as Given, NamedCredential, OAuth2, Principal, Protocol,
        ValueRef,
    },
};

/// By external credential and principal.
type Sources = HashMap<(String, String), Arc<TokenSource>>;

/// Every principal that is signed in, each once: two named credentials that share a principal share its token.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sessions {
    environment: Environment,
    transport: Transport,
    retry: Retry,
    sources: Arc<Mutex<Sources>>,
}

impl Sessions {
    /// Nobody is signed in yet. `retry` is for the token endpoints.
    pub fn new(environment: Environment, transport: Transport, retry: Retry) -> Self {
        Sessions {
            environment,
            transport,
            retry,
            sources: Arc::default(),
        }
    }

    /// The transport that sign-ins use.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// What `named` lets `principal` do. Resolves secrets; sends nothing.
    ///
    /// # Errors
    /// A secret that is not there, a parameter that the protocol needs, a URL that may not be called.
    pub fn access(
        &self,
        named: &NamedCredential,
        external: &ExternalCredential,
        principal: &Principal,
    ) -> Result<Access, AuthError> {
        let base = usable_url(&named.url, || {
            format!("`url` of named credential `{}`", named.name)
        })?;
        let parameters = Parameters {
            external,
            principal,
            environment: &self.environment,
        };
        let scheme = match &external.protocol {
            _ if !named.generate_authorization_header => Scheme::None,
            Protocol::OAuth2(oauth) => Scheme::Bearer(self.source(oauth, &parameters)?),
            Protocol::Basic => {
                let user = parameters.required("username")?;
                let password = parameters.required("password")?;
                let header = basic(user.expose_secret(), password.expose_secret()).ok_or_else(|| {
                    AuthError::BadHeader {
                        named: named.name.clone(),
                        header: "Authorization".into(),
                        detail: "`username` and `password` do not fit".into(),
                    }
                })?;
                Scheme::Fixed(header)
            }
            Protocol::Custom | Protocol::None => Scheme::None,
        };
        let headers = self.headers(named, &parameters)?;
        Ok(Access::new(named.name.clone(), base, scheme, headers))
    }

    fn source(&self, oauth: &OAuth2, parameters: &Parameters<'_>) -> Result<Arc<TokenSource>, AuthError> {
        let external = parameters.external.name.clone();
        let key = (external.clone(), parameters.principal.name.clone());
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(&key) {
            return Ok(source.clone());
        }
        let flow = match oauth.flow {
            Flow::ClientCredentials => {
                let what = || format!("`identity_provider_url` of external credential `{external}`");
                let endpoint = oauth.identity_provider_url.as_deref().unwrap_or_default();
                TokenFlow::ClientCredentials(ClientCredentials {
                    endpoint: usable_url(endpoint, what)?,
                    client_id: parameters.required("client_id")?,
                    client_secret: parameters.required("client_secret")?,
                    in_body: oauth.pass_client_credentials_in_body,
                    scope: oauth.scope.clone(),
                    external: external.clone(),
                })
            }
            Flow::AccessToken => TokenFlow::AccessToken(AccessToken {
                token: parameters.required("access_token")?,
                external: external.clone(),
            }),
        };
        let source = Arc::new(TokenSource::new(
            external,
            flow,
            self.transport.clone(),
            self.retry,
        ));
        sources.insert(key, source.clone());
        Ok(source)
    }

    fn headers(&self, named: &NamedCredential, parameters: &Parameters<'_>) -> Result<HeaderMap, AuthError> {
        let mut headers = HeaderMap::new();
        for (name, given) in &named.headers {
            let bad = |detail: &str| AuthError::BadHeader {
                named: named.name.clone(),
                header: name.clone(),
                detail: detail.to_owned(),
            };
            let (value, secret) = match given {
                Given::Text(text) => (SecretString::from(text.clone()), false),
                Given::Reference(reference) => {
                    let what = format!("header `{name}` of named credential `{}`", named.name);
                    (resolve(reference, &self.environment, &what)?, true)
                }
                Given::Parameter(parameter) => (parameters.required(parameter)?, true),
            };
            let key =
                HeaderName::try_from(name.as_str()).map_err(|_| bad("its name is not a header name"))?;
            let mut value = HeaderValue::try_from(value.expose_secret())
                .map_err(|_| bad("its value has a line break or the like"))?;
            value.set_sensitive(secret);
            headers.append(key, value);
        }
        Ok(headers)
    }
}

/// The parameters of a principal, fetched when asked for.
struct Parameters<'a> {
    external: &'a ExternalCredential,
    principal: &'a Principal,
    environment: &'a Environment,
}

impl Parameters<'_> {
    fn required(&self, parameter: &str) -> Result<SecretString, AuthError> {
        let all: &BTreeMap<String, ValueRef> = &self.principal.parameters;
        let reference = all.get(parameter).ok_or_else(|| AuthError::NoParameter {
            external: self.external.name.clone(),
            principal: self.principal.name.clone(),
            parameter: parameter.to_owned(),
        })?;
        let what = format!(
            "`{parameter}` of principal `{}` of external credential `{}`",
            self.principal.name, self.external.name
        );
        resolve(reference, self.environment, &what)
    }
}

fn usable_url(text: &str, what: impl Fn() -> String) -> Result<Url, AuthError> {
    let bad = |detail: String| AuthError::BadUrl { what: what(), detail };
    if text.is_empty() {
        return Err(bad("it is missing".into()));
    }
    let url = Url::parse(text).map_err(|e| bad(e.to_string()))?;
    require_secure(&url).map_err(|e| bad(e.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("a user or password has no place in it".into()));
    }
    Ok(url)
}
