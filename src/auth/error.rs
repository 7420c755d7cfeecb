use std::{path::PathBuf, sync::Arc};

use crate::http::{HttpError, Retryable, Verdict};

/// Why nobody is signed in. No variant holds a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthError {
    /// A reference to a variable that is not there.
    #[error("environment variable `{variable}` is {}; it holds {what}", if *.empty { "empty" } else { "not set" })]
    NoVariable {
        /// The variable.
        variable: String,
        /// Whether it is set, but to nothing.
        empty: bool,
        /// What would have been in it.
        what: String,
        /// A variable of nearly that name.
        similar: Option<String>,
    },
    /// A reference to a file that cannot be read.
    #[error("file `{path}` cannot be read; it holds {what}: {detail}", path = .path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What would have been in it.
        what: String,
        /// What the machine said.
        detail: String,
    },
    /// The principal lacks a parameter that its protocol needs.
    #[error("principal `{principal}` of external credential `{external}` has no `{parameter}`")]
    NoParameter {
        /// The external credential.
        external: String,
        /// The principal.
        principal: String,
        /// What is missing.
        parameter: String,
    },
    /// A URL of the credentials is none, or not one that may be called.
    #[error("{what} is not usable: {detail}")]
    BadUrl {
        /// `url` of which credential.
        what: String,
        /// What is wrong.
        detail: String,
    },
    /// A value cannot stand in a header.
    #[error("header `{header}` of named credential `{named}` cannot be sent: {detail}")]
    BadHeader {
        /// The named credential.
        named: String,
        /// The header's name.
        header: String,
        /// What is wrong; never the value.
        detail: String,
    },
    /// The token endpoint refused.
    #[error("the sign-in of external credential `{external}` was refused ({status}): {code}: {description}")]
    Refused {
        /// The external credential.
        external: String,
        /// The answer's status.
        status: u16,
        /// `invalid_grant`.
        code: String,
        /// In the server's words.
        description: String,
        /// As the server's `Retry-After` asked.
        retry_after: Option<std::time::Duration>,
    },
    /// The token endpoint's answer is not what OAuth says.
    #[error("the sign-in of external credential `{external}` failed: {detail}")]
    NotUnderstood {
        /// The external credential.
        external: String,
        /// The answer's status.
        status: u16,
        /// What came instead.
        detail: String,
        /// As the server's `Retry-After` asked.
        retry_after: Option<std::time::Duration>,
    },
    /// A token from elsewhere no longer works, and nothing here can renew it.
    #[error(
        "expired access token: external credential `{external}` holds a token that the org no longer accepts"
    )]
    Expired {
        /// The external credential.
        external: String,
    },
    /// The token endpoint was not reached.
    #[error("the sign-in of external credential `{external}` failed: {source}")]
    Http {
        /// The external credential.
        external: String,
        /// Why.
        source: Arc<HttpError>,
    },
}

impl AuthError {
    /// What a user can do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            AuthError::NoVariable {
                similar: Some(name), ..
            } => format!("did you mean `{name}`?"),
            AuthError::NoVariable { variable, .. } => {
                format!("set `{variable}` before the command is started")
            }
            AuthError::NoFile { .. } => {
                "the path in the credentials file starts at that file's folder".into()
            }
            AuthError::NoParameter { parameter, .. } => {
                format!("add `{parameter}: {{ env: NAME }}` to the principal")
            }
            AuthError::BadUrl { .. } => "write it as https://HOST, or http:// for a loopback host".into(),
            AuthError::BadHeader { .. } => "a header's value is one line of visible characters".into(),
            AuthError::Refused {
                code, description, ..
            } => remedy(code, description)?.into(),
            AuthError::NotUnderstood { .. } => {
                "check `identity_provider_url`: it ends in /services/oauth2/token on the org's My Domain host"
                    .into()
            }
            AuthError::Expired { .. } => {
                "fetch a new token; or use the flow `client_credentials`, which renews by itself".into()
            }
            AuthError::Http { source, .. } => source.help()?.into(),
        })
    }
}

impl Retryable for AuthError {
    fn verdict(&self) -> Verdict {
        match self {
            AuthError::Http { source, .. } => source.verdict(),
            AuthError::Refused {
                code, retry_after, ..
            } if code == "unknown_error" => Verdict::Again {
                after: *retry_after,
                most: Some(3),
            },
            AuthError::Refused {
                status, retry_after, ..
            }
            | AuthError::NotUnderstood {
                status, retry_after, ..
            } if matches!(status, 420 | 429 | 500 | 502 | 503 | 504) => Verdict::Again {
                after: *retry_after,
                most: None,
            },
            _ => Verdict::Stop,
        }
    }
}

/// What helps against each answer of the token endpoint; by description first, since most are `invalid_grant`.
fn remedy(code: &str, description: &str) -> Option<&'static str> {
    const BY_DESCRIPTION: [(&str, &str); 12] = [
        (
            "request not supported on this domain",
            "the client credentials flow works on the org's own host only: write `identity_provider_url` with its My Domain, not login or test.salesforce.com",
        ),
        (
            "no client credentials user enabled",
            "in Setup, give the app's client credentials flow a user to run as",
        ),
        (
            "client credentials flow not enabled",
            "in Setup, enable the client credentials flow in the app's settings and in its policies",
        ),
        ("inactive user", "activate the user that the app runs as"),
        (
            "user hasn't approved this consumer",
            "in Setup, let admin-approved users use the app, and assign its permission set to the user",
        ),
        (
            "expired access/refresh token",
            "sign in again: the refresh token was revoked, has expired or was rotated",
        ),
        (
            "audience",
            "`audience` is https://login.salesforce.com, https://test.salesforce.com, or the org's My Domain URL",
        ),
        (
            "activation secret invalid",
            "sign in again; if it comes back, create a new refresh token",
        ),
        (
            "authorization code",
            "sign in again: an authorization code works once, and only for some minutes",
        ),
        (
            "code verifier",
            "sign in again: the answer belongs to another sign-in",
        ),
        (
            "app must be installed",
            "in Setup, install the connected app, or use an external client app",
        ),
        (
            "ip restricted",
            "allow this machine's address in the app's policies or in the user's profile",
        ),
    ];
    const BY_CODE: [(&str, &str); 9] = [
        (
            "invalid_grant",
            "check the user and its secrets, whether the user is locked, and whether its login hours and IP ranges let this machine in",
        ),
        (
            "invalid_client_id",
            "check the consumer key in `client_id`; a new app needs some minutes until every server knows it",
        ),
        (
            "invalid_client",
            "check `client_secret` against the app's consumer secret",
        ),
        (
            "invalid_app_access",
            "in Setup, assign a permission set that gives the user access to the app",
        ),
        (
            "unsupported_grant_type",
            "enable the flow in the app's settings; for client credentials the app needs a user to run as",
        ),
        (
            "redirect_uri_mismatch",
            "the app's callback URL has to be the same, letter by letter",
        ),
        (
            "invalid_request",
            "check `identity_provider_url` and the parameters of the principal",
        ),
        ("unknown_error", "try again in some minutes"),
        (
            "rate_limit_exceeded",
            "too many sign-ins of this user within the hour: wait, or share one sign-in",
        ),
    ];
    let lower = description.to_ascii_lowercase();
    BY_DESCRIPTION
        .iter()
        .find(|(part, _)| lower.contains(part))
        .or_else(|| BY_CODE.iter().find(|(known, _)| code == *known))
        .map(|(_, help)| *help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_refusal_has_its_remedy() {
        for (code, description, part) in [
            ("invalid_grant", "authentication failure", "locked"),
            ("invalid_grant", "expired access/refresh token", "sign in again"),
            ("invalid_grant", "inactive user", "activate"),
            (
                "invalid_grant",
                "user hasn't approved this consumer",
                "permission set",
            ),
            ("invalid_grant", "audience is invalid", "audience"),
            ("invalid_grant", "Audience validation failed", "audience"),
            (
                "invalid_grant",
                "request not supported on this domain",
                "My Domain",
            ),
            ("invalid_grant", "no client credentials user enabled", "run as"),
            (
                "invalid_grant",
                "client credentials flow not enabled",
                "enable the client",
            ),
            ("invalid_grant", "activation secret invalid", "refresh token"),
            (
                "invalid_grant",
                "expired authorization code",
                "authorization code",
            ),
            ("invalid_grant", "invalid code verifier", "another sign-in"),
            ("invalid_client_id", "client identifier invalid", "consumer key"),
            ("invalid_client", "invalid client credentials", "consumer secret"),
            ("invalid_client", "app must be installed into org", "install"),
            (
                "invalid_app_access",
                "user is not admin approved to access this app",
                "permission set",
            ),
            ("unsupported_grant_type", "grant type not supported", "flow"),
            (
                "redirect_uri_mismatch",
                "redirect_uri must match configuration",
                "callback",
            ),
            (
                "invalid_request",
                "missing required parameter",
                "identity_provider_url",
            ),
            ("unknown_error", "retry your request", "try again"),
            ("rate_limit_exceeded", "login rate exceeded", "too many"),
        ] {
            let help = remedy(code, description).unwrap_or_else(|| panic!("{code}: {description}"));
            assert!(help.contains(part), "{description}: {help}");
        }
        assert_eq!(remedy("something_new", "odd"), None);
    }
}
