use base64::Engine;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use super::{
    AuthError,
    answer::{self, TokenAnswer},
};
use crate::http::{Body, HeaderValue, Method, Request, Transport, Url};

/// The OAuth 2.0 client credentials flow: server to server, with the app's own key and secret.
///
/// Its host is the org's own; there is no refresh token, a new token comes by asking again (protocol reference:
/// OAuth flows, client credentials).
#[derive(Debug)]
pub(super) struct ClientCredentials {
    pub(super) external: String,
    pub(super) endpoint: Url,
    pub(super) client_id: SecretString,
    pub(super) client_secret: SecretString,
    pub(super) in_body: bool,
    pub(super) scope: Option<String>,
}

impl ClientCredentials {
    pub(super) async fn sign_in(&self, transport: &Transport) -> Result<TokenAnswer, AuthError> {
        let answer = transport
            .send(&self.request()?)
            .await
            .map_err(|source| AuthError::Http {
                external: self.external.clone(),
                source: source.into(),
            })?;
        answer::parse(&self.external, &answer)
    }

    fn request(&self) -> Result<Request, AuthError> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if self.in_body {
            form.append_pair("client_id", self.client_id.expose_secret());
            form.append_pair("client_secret", self.client_secret.expose_secret());
        }
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        let mut request = Request::new(Method::POST, self.endpoint.clone());
        // Asking twice gives two tokens, which harms nobody.
        request.idempotent = true;
        request.limit = 1024 * 1024;
        request
            .headers
            .insert("accept", HeaderValue::from_static("application/json"));
        if !self.in_body {
            let header = basic(self.client_id.expose_secret(), self.client_secret.expose_secret())
                .ok_or_else(|| AuthError::NotUnderstood {
                    external: self.external.clone(),
                    status: 0,
                    detail: "`client_id` and `client_secret` do not fit into a header".into(),
                    retry_after: None,
                })?;
            request.headers.insert("authorization", header);
        }
        request.body = Body::Bytes("application/x-www-form-urlencoded", Bytes::from(form.finish()));
        Ok(request)
    }
}

/// `Basic base64(user:password)`, marked sensitive.
pub(super) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let mut header = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_travels_in_the_body_or_in_a_header() {
        for (in_body, scope, body, authorization) in [
            (
                true,
                None,
                "grant_type=client_credentials&client_id=3MVG9&client_secret=s%263cr%3Dt",
                "",
            ),
            (
                false,
                Some("api id"),
                "grant_type=client_credentials&scope=api+id",
                "Basic M01WRzk6cyYzY3I9dA==",
            ),
        ] {
            let flow = ClientCredentials {
                external: "EC".into(),
                endpoint: "https://acme.my.salesforce.com/services/oauth2/token"
                    .parse()
                    .unwrap(),
                client_id: "3MVG9".to_owned().into(),
                client_secret: "s&3cr=t".to_owned().into(),
                in_body,
                scope: scope.map(Into::into),
            };
            assert!(!format!("{flow:?}").contains("3cr"));
            let request = flow.request().unwrap();
            let Body::Bytes(content_type, bytes) = &request.body else {
                panic!("no body")
            };
            assert_eq!(*content_type, "application/x-www-form-urlencoded");
            assert_eq!(&bytes[..], body.as_bytes());
            let header = request
                .headers
                .get("authorization")
                .map(|h| h.to_str().unwrap().to_owned());
            assert_eq!(header.unwrap_or_default(), authorization);
            assert!(!format!("{:?}", request.headers).contains("M01WRzk6"));
        }
    }
}
