use std::sync::Arc;

use super::{AuthError, Token, TokenSource};
use crate::http::{HeaderMap, HeaderValue, Url, same_origin};

/// What one named credential lets one principal do: it turns a request's URL into the headers that may go there.
#[derive(Clone, Debug)]
pub struct Access {
    named: String,
    base: Url,
    scheme: Scheme,
    headers: HeaderMap,
}

/// How requests are authorised.
#[derive(Clone, Debug)]
pub(super) enum Scheme {
    /// A token that can run out.
    Bearer(Arc<TokenSource>),
    /// A header that stays as it is.
    Fixed(HeaderValue),
    /// Not at all.
    None,
}

/// What a request carries, for as long as its token is accepted.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The token in force, where there is one.
    pub token: Option<Arc<Token>>,
    /// Where the API is: the server that the token was issued for, else the named credential's URL.
    pub api: Url,
    headers: HeaderMap,
    base: Url,
}

impl Access {
    pub(super) fn new(named: String, base: Url, scheme: Scheme, headers: HeaderMap) -> Self {
        Access {
            named,
            base,
            scheme,
            headers,
        }
    }

    /// The named credential's key in its file.
    pub fn named(&self) -> &str {
        &self.named
    }

    /// The named credential's URL.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Signs in when nobody has, and says what requests carry.
    ///
    /// # Errors
    /// When the sign-in fails.
    pub async fn grant(&self) -> Result<Grant, AuthError> {
        match &self.scheme {
            Scheme::Bearer(source) => Ok(self.bearer(source.token().await?)),
            Scheme::Fixed(header) => Ok(self.with(None, Some(header.clone()))),
            Scheme::None => Ok(self.with(None, None)),
        }
    }

    /// What requests carry after an org refused `grant`'s token; `None` when nothing here can run out.
    ///
    /// # Errors
    /// When the sign-in fails, or the token came from elsewhere.
    pub async fn renew(&self, grant: &Grant) -> Result<Option<Grant>, AuthError> {
        match (&self.scheme, &grant.token) {
            (Scheme::Bearer(source), Some(token)) => {
                Ok(Some(self.bearer(source.renew(token.generation).await?)))
            }
            _ => Ok(None),
        }
    }

    fn bearer(&self, token: Arc<Token>) -> Grant {
        let header = token.header();
        self.with(Some(token), header)
    }

    fn with(&self, token: Option<Arc<Token>>, authorization: Option<HeaderValue>) -> Grant {
        let mut headers = self.headers.clone();
        if let Some(header) = authorization {
            headers.insert("authorization", header);
        }
        let api = token
            .as_ref()
            .and_then(|t| t.instance_url.clone())
            .unwrap_or_else(|| self.base.clone());
        Grant {
            token,
            api,
            headers,
            base: self.base.clone(),
        }
    }
}

impl Grant {
    /// The headers for a request to `url`; none for a server other than the named credential's and the token's.
    pub fn headers_for(&self, url: &Url) -> Option<&HeaderMap> {
        (same_origin(url, &self.base) || same_origin(url, &self.api)).then_some(&self.headers)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::{
        auth::{Environment, Sessions},
        http::{
            Retry, Transport, TransportOptions,
            testing::{Reply, Server},
        },
        pipeline::credentials::{
            ExternalCredential, Flow, HeaderValue as Given, NamedCredential, OAuth2, Principal, Protocol,
            ValueRef, Writes,
        },
    };

    fn named(url: &str, headers: &[(&str, Given)]) -> NamedCredential {
        NamedCredential {
            name: "org1".into(),
            label: None,
            url: url.into(),
            external_credential: "EC".into(),
            api_version: None,
            headers: headers
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect(),
            generate_authorization_header: true,
            writes: Writes::Auto,
        }
    }

    fn external(protocol: Protocol) -> ExternalCredential {
        ExternalCredential {
            name: "EC".into(),
            label: None,
            protocol,
            principals: Vec::new(),
        }
    }

    fn principal(parameters: &[(&str, &str)]) -> Principal {
        Principal {
            name: "P".into(),
            sequence: 1,
            parameters: parameters
                .iter()
                .map(|(k, v)| ((*k).to_owned(), ValueRef::Env((*v).to_owned())))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    fn sessions() -> Sessions {
        let environment =
            Environment::from_iter([("USER_NAME", "ann"), ("PASSWORD", "hush"), ("KEY", "k-1")]);
        Sessions::new(
            environment,
            Transport::new(TransportOptions::default()).unwrap(),
            Retry::NEVER,
        )
    }

    fn oauth(flow: Flow, endpoint: Option<String>) -> Protocol {
        Protocol::OAuth2(OAuth2 {
            flow,
            identity_provider_url: endpoint,
            pass_client_credentials_in_body: true,
            scope: None,
        })
    }

    #[tokio::test]
    async fn each_protocol_sends_its_headers_to_its_host_only() {
        let header = ("X-Api-Key", Given::Parameter("api_key".into()));
        for (protocol, authorization) in [
            (Protocol::Basic, "Basic YW5uOmh1c2g="),
            (Protocol::Custom, ""),
            (Protocol::None, ""),
            (oauth(Flow::AccessToken, None), "Bearer k-1"),
        ] {
            let access = sessions()
                .access(
                    &named("https://api.example/v1", std::slice::from_ref(&header)),
                    &external(protocol),
                    &principal(&[
                        ("username", "USER_NAME"),
                        ("password", "PASSWORD"),
                        ("api_key", "KEY"),
                        ("access_token", "KEY"),
                    ]),
                )
                .unwrap();
            let grant = access.grant().await.unwrap();
            let headers = grant
                .headers_for(&"https://api.example/v1/customers".parse().unwrap())
                .unwrap();
            let text = |name: &str| headers.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
            assert_eq!(text("authorization"), authorization);
            assert_eq!(text("x-api-key"), "k-1");
            for foreign in [
                "https://evil.example/v1",
                "http://api.example/v1",
                "https://api.example:8443/",
            ] {
                assert!(
                    grant.headers_for(&foreign.parse().unwrap()).is_none(),
                    "{foreign}"
                );
            }
            let printed = format!("{access:?} {grant:?}");
            assert!(!printed.contains("k-1") && !printed.contains("YW5u"), "{printed}");
        }
    }

    #[tokio::test]
    async fn principals_are_signed_in_once_and_the_token_names_the_server() {
        let instance = Server::start(|_| Reply::status(204)).await;
        let body = format!(r#"{{"access_token":"t","instance_url":"{}"}}"#, instance.base());
        let login = Server::start(move |_| Reply::json(200, body.clone())).await;
        let sessions = sessions();
        let external = external(oauth(Flow::ClientCredentials, Some(login.url("/token"))));
        let principal = principal(&[("client_id", "USER_NAME"), ("client_secret", "PASSWORD")]);
        for _ in 0..2 {
            let access = sessions
                .access(&named(login.base(), &[]), &external, &principal)
                .unwrap();
            let grant = access.grant().await.unwrap();
            assert_eq!(grant.api.as_str(), format!("{}/", instance.base()));
            assert!(grant.headers_for(&grant.api).is_some());
            assert!(grant.headers_for(&login.url("/x").parse().unwrap()).is_some());
        }
        assert_eq!(login.seen().len(), 1);
    }

    #[test]
    fn what_cannot_work_is_said_before_anything_is_sent() {
        let ok = principal(&[("client_id", "USER_NAME"), ("client_secret", "PASSWORD")]);
        for (url, protocol, principal, expected) in [
            (
                "http://acme.my.salesforce.com",
                Protocol::None,
                &ok,
                "`url` of named credential `org1` is not usable: `http://acme.my.salesforce.com` is not spoken to: \
                 only https leaves this machine, http is for loopback hosts",
            ),
            (
                "https://ann:pw@acme.example",
                Protocol::None,
                &ok,
                "`url` of named credential `org1` is not usable: a user or password has no place in it",
            ),
            (
                "https://acme.example",
                oauth(Flow::ClientCredentials, None),
                &ok,
                "`identity_provider_url` of external credential `EC` is not usable: it is missing",
            ),
            (
                "https://acme.example",
                oauth(Flow::AccessToken, None),
                &ok,
                "principal `P` of external credential `EC` has no `access_token`",
            ),
            (
                "https://acme.example",
                oauth(Flow::AccessToken, None),
                &principal(&[("access_token", "NOWHERE")]),
                "environment variable `NOWHERE` is not set; it holds `access_token` of principal `P` of external \
                 credential `EC`",
            ),
        ] {
            let error = sessions()
                .access(&named(url, &[]), &external(protocol), principal)
                .unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(error.help().is_some());
        }
    }
}
