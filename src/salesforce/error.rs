use std::time::Duration;

use compact_str::CompactString;
use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    BudgetState,
    codes::{self, Class, class, help_for},
};
use crate::{
    auth::AuthError,
    http::{Answer, HttpError, Retryable, Verdict, excerpt, retry_after},
};

/// Our code for an answer of status 3xx.
pub(super) const REDIRECT: &str = "redirect";
/// Our code for a web page where data was expected.
pub(super) const PAGE: &str = "web_page";
/// Our code for an external id that several records share.
pub(super) const SEVERAL: &str = "several_records";
/// Our code for a body of no known form.
const UNKNOWN: &str = "unknown_answer";

/// An error answer of an org, whatever form its body had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} ({status}): {message}")]
pub struct ApiError {
    /// The answer's status.
    pub status: u16,
    /// The org's code in capitals; ours in lower case where the answer has none.
    pub code: CompactString,
    /// In the org's words, shortened and without secrets.
    pub message: String,
    /// The fields to blame, where the org names them.
    pub fields: Vec<CompactString>,
    /// What Salesforce's support asks for.
    pub request_id: Option<String>,
    /// `GET https://host/path`.
    pub call: String,
    /// As the answer's `Retry-After` asks.
    pub retry_after: Option<Duration>,
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The org said no.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// A query's cursor is gone; read again from its beginning, or from the last row.
    #[error("the query's cursor is gone: {0}")]
    LocatorLost(Box<ApiError>),
    /// Nobody is signed in.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// There is no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A call that must not be sent twice may have done its work: whoever sent it has to look.
    #[error("whether {call} did its work is not known: {cause}")]
    OutcomeUnknown {
        /// `POST https://host/path`.
        call: String,
        /// What came instead of an answer.
        cause: String,
    },
    /// An answer that should have been good is not of its form.
    #[error("the answer to {call} is not understood: {detail}")]
    NotUnderstood {
        /// `GET https://host/path`.
        call: String,
        /// What is odd about it.
        detail: String,
        /// What Salesforce's support asks for.
        request_id: Option<String>,
    },
    /// The URI of a query would be refused.
    #[error("the query makes a URI of {bytes} bytes; an org takes {max}")]
    QueryTooLong {
        /// Its length.
        bytes: usize,
        /// What fits.
        max: usize,
    },
    /// A URL that the credential's secrets must not be sent to.
    #[error("`{url}` is not a place that named credential `{named}` may be sent to")]
    Foreign {
        /// The URL, without its query.
        url: String,
        /// The named credential.
        named: String,
    },
    /// The run may make no more calls of this kind. Nothing was sent.
    #[error("the budget of API calls for `{named}` is used up: {} of {} were made", state.used, state.allowed)]
    BudgetUsed {
        /// The named credential.
        named: String,
        /// How the budget stands.
        state: BudgetState,
    },
    /// The org and this program know no version in common.
    #[error("the org at `{host}` does not offer API version {wanted}; it lists {listed}")]
    NoVersion {
        /// The org's host.
        host: String,
        /// What was asked for.
        wanted: String,
        /// What it has.
        listed: String,
    },
}

impl From<ApiError> for ClientError {
    fn from(error: ApiError) -> Self {
        if error.code == "INVALID_QUERY_LOCATOR" {
            ClientError::LocatorLost(Box::new(error))
        } else {
            ClientError::Api(Box::new(error))
        }
    }
}

impl ApiError {
    /// Reads an answer that is no success.
    pub fn from_answer(call: String, answer: &Answer) -> Self {
        let status = answer.status.as_u16();
        let (code, message, fields) = read(status, answer);
        ApiError {
            status,
            code,
            message,
            fields,
            request_id: request_id(answer),
            call,
            retry_after: retry_after(&answer.headers),
        }
    }

    /// What can be done about it.
    pub fn class(&self) -> Class {
        class(self.status, &self.code, &self.message)
    }
}

impl ApiError {
    /// The refusal of a call as that of its only row.
    pub fn as_row(&self) -> RowError {
        RowError {
            code: self.code.clone(),
            message: self.message.clone(),
            fields: self.fields.clone(),
        }
    }
}

impl ClientError {
    /// What can be done about it. An unknown outcome is [`Class::Never`]: first look, then decide.
    pub fn class(&self) -> Class {
        match self {
            ClientError::Api(error) => error.class(),
            ClientError::Http(error) if error.is_transient() => Class::Transient,
            ClientError::QueryTooLong { .. } => Class::Shrink,
            ClientError::BudgetUsed { .. } => Class::Quota,
            _ => Class::Never,
        }
    }

    /// The org's code, where the org spoke.
    pub fn code(&self) -> Option<&str> {
        match self {
            ClientError::Api(error) | ClientError::LocatorLost(error) => Some(&error.code),
            _ => None,
        }
    }

    /// Whether the sign-in or a permission is at fault, rather than the request.
    pub fn is_access(&self) -> bool {
        match self {
            ClientError::Auth(_) | ClientError::Foreign { .. } => true,
            ClientError::Api(error) => {
                error.status == 401
                    || matches!(
                        &*error.code,
                        "API_DISABLED_FOR_ORG" | "FORBIDDEN" | "INSUFFICIENT_ACCESS" | "ORG_LOCKED"
                    )
                    || error.code.starts_with("LOGIN_")
                    || is_hard_delete(error)
            }
            _ => false,
        }
    }

    /// What a user can do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            ClientError::Api(error) if is_hard_delete(error) => {
                "give the user of this login the permission Bulk API Hard Delete by a permission set, or write \
                 `operation: delete`, which leaves the records in the recycle bin"
                    .into()
            }
            ClientError::Api(error) | ClientError::LocatorLost(error) => help_for(&error.code)?.to_owned(),
            ClientError::Auth(error) => return error.help(),
            ClientError::Http(error) => error.help()?.to_owned(),
            ClientError::OutcomeUnknown { .. } => {
                "look whether the records are there before they are sent again; an upsert may be sent again at once".into()
            }
            ClientError::NotUnderstood { .. } => "check the named credential's `url`: the org's My Domain".into(),
            ClientError::QueryTooLong { .. } => "filter with fewer values at a time".into(),
            ClientError::Foreign { .. } => "use a named credential of that host".into(),
            ClientError::BudgetUsed { .. } => {
                "calls come back a day after they were made; or allow more under `policy.budget`".into()
            }
            ClientError::NoVersion { .. } => "leave `api_version` out, or name one that the org lists".into(),
        })
    }
}

/// Whether the org refuses a `hardDelete` job. The code stands for other features too; the operation's name is the
/// API's own word, in every language.
fn is_hard_delete(error: &ApiError) -> bool {
    error.code == "FEATURENOTENABLED" && error.message.contains("hardDelete")
}

impl Retryable for ClientError {
    fn verdict(&self) -> Verdict {
        match self {
            ClientError::Api(error) if error.class() == Class::Transient => Verdict::Again {
                after: error.retry_after,
                most: codes::most_attempts(&error.code),
            },
            ClientError::Http(error) => error.verdict(),
            _ => Verdict::Stop,
        }
    }
}

/// An error of one row: of a collections call, or of a Bulk result.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RowError {
    /// The org's code.
    #[serde(alias = "statusCode", alias = "errorCode")]
    pub code: CompactString,
    /// In the org's words.
    #[serde(default)]
    pub message: String,
    /// The fields to blame.
    #[serde(default)]
    pub fields: Vec<CompactString>,
}

impl RowError {
    /// What can be done about it.
    pub fn class(&self) -> Class {
        class(0, &self.code, &self.message)
    }

    /// What a user can do about it.
    pub fn help(&self) -> Option<&'static str> {
        help_for(&self.code)
    }

    /// Takes the text of a Bulk result's `sf__Error` apart: `CODE:message:field1,field2 --`.
    ///
    /// The message may hold colons and line breaks: the code ends at the first colon, the fields start after the
    /// last one, if what stands there can be field names (protocol reference: Bulk 2.0 ingest, result files).
    pub fn from_bulk(text: &str) -> Self {
        let text = text.trim_end();
        let text = text.strip_suffix("--").map_or(text, str::trim_end);
        let (code, rest) = match text.split_once(':') {
            Some((code, rest))
                if !code.is_empty() && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                (code, rest)
            }
            _ => (UNKNOWN, text),
        };
        let (message, fields) = match rest.rsplit_once(':') {
            Some((message, fields)) if fields.is_empty() || fields.split(',').all(is_field) => {
                (message, fields)
            }
            _ => (rest, ""),
        };
        RowError {
            code: code.into(),
            message: message.trim().to_owned(),
            fields: fields
                .split(',')
                .map(str::trim)
                .filter(|f| !f.is_empty())
                .map(CompactString::from)
                .collect(),
        }
    }
}

/// Whether a text can be a field's API name, or a path to one.
fn is_field(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}

pub(super) fn request_id(answer: &Answer) -> Option<String> {
    Some(answer.headers.get(super::REQUEST_ID)?.to_str().ok()?.to_owned())
}

/// Code, message and fields from a body of any form.
fn read(status: u16, answer: &Answer) -> (CompactString, String, Vec<CompactString>) {
    let ours = |code: &str, message: String| (CompactString::from(code), message, Vec::new());
    if let Ok(json) = serde_json::from_slice::<Json>(&answer.body)
        && let Some(read) = from_json(status, &json)
    {
        return read;
    }
    let text = excerpt(&answer.body);
    if answer.status.is_redirection() && status != 304 {
        let host = answer
            .headers
            .get("location")
            .and_then(|l| l.to_str().ok())
            .and_then(|l| crate::http::Url::parse(l).ok())
            .and_then(|l| l.host_str().map(str::to_owned));
        let to = host.map_or_else(|| "elsewhere".to_owned(), |h| format!("to `{h}`"));
        return ours(
            REDIRECT,
            format!("the answer redirects {to}; the token was not sent there"),
        );
    }
    if matches!(status, 414 | 431) {
        return ours("URI_TOO_LONG", format!("the request is too long: {text}"));
    }
    if text.starts_with("an HTML page") {
        return ours(PAGE, text);
    }
    // OAuth's own endpoints answer a bare word: `Bad_OAuth_Token`.
    if text.ends_with("_OAuth_Token") && !text.contains(' ') {
        return ours(&text, "the token was not accepted".into());
    }
    ours(
        UNKNOWN,
        if text.is_empty() {
            "the answer has no body".into()
        } else {
            text
        },
    )
}

fn from_json(status: u16, json: &Json) -> Option<(CompactString, String, Vec<CompactString>)> {
    let text = |json: &Json, key: &str| {
        json.get(key)
            .and_then(Json::as_str)
            .map(|t| excerpt(t.as_bytes()))
    };
    let fields = |json: &Json| -> Vec<CompactString> {
        let listed = json.get("fields").and_then(Json::as_array);
        listed
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .map(CompactString::from)
            .collect()
    };
    match json {
        Json::Array(items) => match items.first()? {
            Json::String(_) if status == 300 => Some((
                SEVERAL.into(),
                format!("{} records have this external id", items.len()),
                Vec::new(),
            )),
            first => {
                let code = first
                    .get("errorCode")
                    .or_else(|| first.get("statusCode"))
                    .and_then(Json::as_str)?;
                let mut message = text(first, "message").unwrap_or_default();
                if items.len() > 1 {
                    message.push_str(&format!(" (and {} more)", items.len() - 1));
                }
                Some((code.into(), message, fields(first)))
            }
        },
        Json::Object(_) => {
            let code = ["errorCode", "statusCode", "error", "code"]
                .iter()
                .find_map(|key| json.get(key).and_then(Json::as_str))?;
            let message = text(json, "message").or_else(|| text(json, "error_description"));
            Some((code.into(), message.unwrap_or_default(), fields(json)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeaderMap, StatusCode};

    fn error(status: u16, headers: &[(&'static str, &str)], body: &str) -> ApiError {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: map,
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        };
        ApiError::from_answer("GET https://acme.example/x".into(), &answer)
    }

    #[test]
    fn every_shape_of_body_is_read() {
        for (status, headers, body, code, message, fields) in [
            (
                400,
                &[][..],
                r#"[{"message":"Required fields are missing: [Name]","errorCode":"REQUIRED_FIELD_MISSING","fields":["Name"]}]"#,
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [Name]",
                &["Name"][..],
            ),
            (
                404,
                &[],
                r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#,
                "NOT_FOUND",
                "The requested resource does not exist",
                &[],
            ),
            (
                400,
                &[],
                r#"[{"statusCode":"X_Y","message":"a","fields":[]},{"statusCode":"Z","message":"b"}]"#,
                "X_Y",
                "a (and 1 more)",
                &[],
            ),
            (
                400,
                &[],
                r#"{"error":"invalid_grant","error_description":"inactive user"}"#,
                "invalid_grant",
                "inactive user",
                &[],
            ),
            (
                300,
                &[],
                r#"["/services/data/v66.0/sobjects/X/1","/services/data/v66.0/sobjects/X/2"]"#,
                SEVERAL,
                "2 records have this external id",
                &[],
            ),
            (
                503,
                &[],
                "<html><head><title>Service Unavailable</title></head></html>",
                PAGE,
                "an HTML page: Service Unavailable",
                &[],
            ),
            (
                414,
                &[],
                "<html><head><title>URI Too Long</title></head></html>",
                "URI_TOO_LONG",
                "the request is too long: an HTML page: URI Too Long",
                &[],
            ),
            (
                302,
                &[(
                    "location",
                    "https://login.example/?sid=00D000000000001!AAAAAAAAAA",
                )],
                "",
                REDIRECT,
                "the answer redirects to `login.example`; the token was not sent there",
                &[],
            ),
            (
                403,
                &[],
                "Bad_OAuth_Token",
                "Bad_OAuth_Token",
                "the token was not accepted",
                &[],
            ),
            (500, &[], "", UNKNOWN, "the answer has no body", &[]),
            (400, &[], "[]", UNKNOWN, "[]", &[]),
            (
                400,
                &[],
                r#"{"why":"00D000000000001!AAAAAAAAAA"}"#,
                UNKNOWN,
                r#"{"why":"***"}"#,
                &[],
            ),
        ] {
            let read = error(status, headers, body);
            assert_eq!((&*read.code, &*read.message), (code, message), "{body}");
            assert_eq!(read.fields, fields, "{body}");
        }
    }

    #[test]
    fn the_request_id_is_kept() {
        let read = error(
            500,
            &[("x-sfdc-request-id", "abc"), ("retry-after", "3")],
            r#"[{"message":"m","errorCode":"UNKNOWN_EXCEPTION"}]"#,
        );
        assert_eq!(read.request_id.as_deref(), Some("abc"));
        assert_eq!(read.to_string(), "UNKNOWN_EXCEPTION (500): m");
        assert_eq!(
            ClientError::from(read).verdict(),
            Verdict::Again {
                after: Some(Duration::from_secs(3)),
                most: Some(3)
            }
        );
    }

    #[test]
    fn bulk_errors_are_taken_apart() {
        for (text, code, message, fields) in [
            (
                "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --",
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [Name]",
                &["Name"][..],
            ),
            (
                "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--",
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
                &[],
            ),
            (
                "INVALID_FIELD:Failed to deserialize field at col 2. Due to, '2026-13-99' is not a valid value for the type xsd:date:CloseDate --",
                "INVALID_FIELD",
                "Failed to deserialize field at col 2. Due to, '2026-13-99' is not a valid value for the type xsd:date",
                &["CloseDate"],
            ),
            (
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY:T: execution of BeforeInsert\n\ncaused by: X: no\n\nClass.T: line 1:--",
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                "T: execution of BeforeInsert\n\ncaused by: X: no\n\nClass.T: line 1",
                &[],
            ),
            (
                "DUPLICATE_VALUE:a:A__c,Account.B__c --",
                "DUPLICATE_VALUE",
                "a",
                &["A__c", "Account.B__c"],
            ),
            ("no code at all", UNKNOWN, "no code at all", &[]),
            (
                "STRING_TOO_LONG:too large: (max length=80)",
                "STRING_TOO_LONG",
                "too large: (max length=80)",
                &[],
            ),
        ] {
            let read = RowError::from_bulk(text);
            assert_eq!((&*read.code, &*read.message), (code, message));
            assert_eq!(read.fields, fields, "{text}");
        }
    }
}
