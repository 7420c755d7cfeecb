//! The token endpoint's answers, good and bad.

use secrecy::SecretString;
use serde::Deserialize;

use super::AuthError;
use crate::http::{Answer, excerpt, retry_after};

/// A good answer. Servers add and leave out keys freely; only the token itself has to be there.
#[derive(Debug)]
pub(super) struct TokenAnswer {
    pub(super) access_token: SecretString,
    pub(super) instance_url: Option<String>,
    /// The identity URL, `https://login.salesforce.com/id/ORG/USER`.
    pub(super) id: Option<String>,
}

#[derive(Deserialize)]
struct Good {
    access_token: String,
    #[serde(default)]
    instance_url: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Bad {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

/// Reads an answer of the token endpoint.
pub(super) fn parse(external: &str, answer: &Answer) -> Result<TokenAnswer, AuthError> {
    let status = answer.status.as_u16();
    let retry_after = retry_after(&answer.headers);
    let not_understood = |detail: String| AuthError::NotUnderstood {
        external: external.to_owned(),
        status,
        detail,
        retry_after,
    };
    if answer.status.is_success() {
        // The reason that serde gives is left out: it may quote the value that it stumbled on.
        let good: Good = serde_json::from_slice(&answer.body).map_err(|_| {
            not_understood(format!(
                "no token in the answer ({status}): {}",
                excerpt(&answer.body)
            ))
        })?;
        if good.access_token.is_empty() {
            return Err(not_understood("the token in the answer is empty".into()));
        }
        return Ok(TokenAnswer {
            access_token: SecretString::from(good.access_token),
            instance_url: good.instance_url.filter(|url| !url.is_empty()),
            id: good.id.filter(|id| !id.is_empty()),
        });
    }
    if answer.status.is_redirection() {
        return Err(not_understood(format!(
            "the token endpoint redirects ({status}), and no secret follows a redirect"
        )));
    }
    let bad = serde_json::from_slice::<Bad>(&answer.body)
        .ok()
        .or_else(|| form_error(&answer.body));
    match bad {
        Some(bad) => Err(AuthError::Refused {
            external: external.to_owned(),
            status,
            description: excerpt(
                bad.error_description
                    .unwrap_or_else(|| "without a description".into())
                    .as_bytes(),
            ),
            code: bad.error,
            retry_after,
        }),
        None => Err(not_understood(format!(
            "status {status}: {}",
            excerpt(&answer.body)
        ))),
    }
}

/// Some OAuth endpoints answer `error=...&error_description=...`.
fn form_error(body: &[u8]) -> Option<Bad> {
    let mut error = None;
    let mut error_description = None;
    for (key, value) in url::form_urlencoded::parse(body) {
        match &*key {
            "error" => error = Some(value.into_owned()),
            "error_description" => error_description = Some(value.into_owned()),
            _ => {}
        }
    }
    Some(Bad {
        error: error?,
        error_description,
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::http::{HeaderMap, StatusCode};

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn good_answers() {
        let full = r#"{"access_token":"00D000000000001!AQ4Ax.y_z","signature":"c2ln","scope":"api",
            "instance_url":"https://acme.my.salesforce.com","token_type":"Bearer","issued_at":"1767225600000",
            "id":"https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA","token_format":"opaque"}"#;
        let read = parse("EC", &answer(200, full)).unwrap();
        assert_eq!(read.access_token.expose_secret(), "00D000000000001!AQ4Ax.y_z");
        assert_eq!(
            read.instance_url.as_deref(),
            Some("https://acme.my.salesforce.com")
        );
        assert!(read.id.is_some());
        assert!(!format!("{read:?}").contains("AQ4A"));

        let bare = parse("EC", &answer(200, r#"{"access_token":"t"}"#)).unwrap();
        assert_eq!((bare.instance_url, bare.id), (None, None));
    }

    #[test]
    fn bad_answers() {
        for (status, body, expected) in [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"inactive user"}"#,
                "the sign-in of external credential `EC` was refused (400): invalid_grant: inactive user",
            ),
            (
                401,
                r#"{"error":"invalid_client"}"#,
                "the sign-in of external credential `EC` was refused (401): invalid_client: without a description",
            ),
            (
                400,
                "error=invalid_request&error_description=missing+required+parameter",
                "the sign-in of external credential `EC` was refused (400): invalid_request: missing required parameter",
            ),
            (
                503,
                "<html><head><title>Down</title></head></html>",
                "the sign-in of external credential `EC` failed: status 503: an HTML page: Down",
            ),
            (
                200,
                "<html></html>",
                "the sign-in of external credential `EC` failed: no token in the answer (200): an HTML page: without a title",
            ),
            (
                200,
                r#"{"access_token":["00D000000000001!AQ4Asecret"]}"#,
                r#"the sign-in of external credential `EC` failed: no token in the answer (200): {"access_token":["***"]}"#,
            ),
            (
                302,
                "",
                "the sign-in of external credential `EC` failed: the token endpoint redirects (302), and no secret follows a redirect",
            ),
        ] {
            assert_eq!(
                parse("EC", &answer(status, body)).unwrap_err().to_string(),
                expected
            );
        }
    }
}
